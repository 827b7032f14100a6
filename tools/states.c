/*
 * Prints docs/states.md: the states that the pure layers go through and the moves that their tables
 * allow, asked of the product's own object files.
 *
 *	build/main/tools/states >docs/states.md
 *
 * A machine is one row of `machines`: its states by number, what each is called, and whether one may
 * follow another. A state to which most others lead is named once and not drawn, or the drawing
 * would be a hedge.
 */
#include <stdbool.h>
#include <stdio.h>

#include "base/macros.h"
#include "core/mirror/steps.h"
#include "core/single/single.h"
#include "repl/sender.h"

struct machine {
	const char *title;
	const char *table; /* the file in which the moves stand */
	const char *about;
	int count;
	const char *(*name)(int state);
	const char *(*shown)(int state); /* what people see; NULL where they see nothing */
	bool (*may_follow)(int state, int next);
};

/* ---- the machines ---- */

static const char *name_of_step(int state)
{
	return step_name((enum step)state);
}

static const char *shown_of_step(int state)
{
	static char text[32];
	(void)snprintf(text, sizeof(text), "%s %s", module_state_name(step_state((enum step)state)),
		readiness_name(step_readiness((enum step)state)));
	return text;
}

static bool step_follows(int state, int next)
{
	return step_may_follow((enum step)state, (enum step)next);
}

static const char *name_of_single(int state)
{
	return single_step_name((enum single_step)state);
}

static const char *shown_of_single(int state)
{
	static char text[32];
	(void)snprintf(text, sizeof(text), "%s %s",
		module_state_name(single_step_state((enum single_step)state)),
		readiness_name(single_step_readiness((enum single_step)state)));
	return text;
}

static bool single_follows(int state, int next)
{
	return single_step_may_follow((enum single_step)state, (enum single_step)next);
}

static const char *name_of_mode(int state)
{
	return sender_mode_name((enum sender_mode)state);
}

static bool mode_follows(int state, int next)
{
	return sender_mode_may_follow((enum sender_mode)state, (enum sender_mode)next);
}

static const struct machine machines[] = {
	{ "A mirror module on one node", "src/core/mirror/steps.c",
		"Each step is what the node is doing about the module now. `Ready` is shown only "
		"while the application is up as well; a module that is being stopped shows "
		"`STOP`.",
		STEP_COUNT, name_of_step, shown_of_step, step_follows },
	{ "A single module on its node", "src/core/single/single.c",
		"A module that is being stopped by a person shows `STOP`.", SINGLE_STEP_COUNT,
		name_of_single, shown_of_single, single_follows },
	{ "What a primary does with its operations", "src/repl/sender.c",
		"`alone`: answered at once, nothing is sent. `catching_up`: answered at once, all "
		"is sent. `paired`: answered when the peer has acknowledged. `held`: the peer is "
		"lost and the core has not decided; nothing is answered.",
		SENDER_MODE_COUNT, name_of_mode, NULL, mode_follows },
};

/* ---- the page ---- */

static int leads_to(const struct machine *machine, int next)
{
	int count = 0;
	for (int state = 0; state < machine->count; state++)
		count += machine->may_follow(state, next) ? 1 : 0;
	return count;
}

static bool is_common(const struct machine *machine, int next)
{
	return machine->count > 8 && leads_to(machine, next) > machine->count / 2;
}

static void print_row(const struct machine *machine, int state)
{
	const char *between = "";
	printf("| %s | ", machine->name(state));
	if (machine->shown != NULL)
		printf("%s | ", machine->shown(state));
	for (int next = 0; next < machine->count; next++) {
		if (!machine->may_follow(state, next))
			continue;
		printf("%s%s", between, machine->name(next));
		between = ", ";
	}
	printf(" |\n");
}

/* mermaid takes no `-` in a name. */
static void print_drawn_name(const char *name)
{
	for (; *name != '\0'; name++)
		(void)putchar(*name == '-' ? '_' : *name);
}

static void print_moves(const struct machine *machine, int state)
{
	for (int next = 0; next < machine->count; next++) {
		if (!machine->may_follow(state, next) || is_common(machine, next))
			continue;
		printf("    ");
		print_drawn_name(machine->name(state));
		printf(" --> ");
		print_drawn_name(machine->name(next));
		printf("\n");
	}
}

static void print_machine(const struct machine *machine)
{
	bool is_shown = machine->shown != NULL;
	printf("## %s\n\n%s\nThe table: `%s`.\n\n", machine->title, machine->about, machine->table);
	printf("| State | %sMay be followed by |\n|---|%s---|\n", is_shown ? "Shown as | " : "",
		is_shown ? "---|" : "");
	for (int state = 0; state < machine->count; state++)
		print_row(machine, state);
	printf("\n");
	for (int next = 0; next < machine->count; next++)
		if (is_common(machine, next))
			printf("Not drawn, as %d of %d states lead to it: %s.\n\n",
				leads_to(machine, next), machine->count, machine->name(next));
	printf("```mermaid\nstateDiagram-v2\n");
	for (int state = 0; state < machine->count; state++)
		print_moves(machine, state);
	printf("```\n");
}

int main(void)
{
	printf("# States and legal moves\n\n"
	       "Made by `build/main/tools/states >docs/states.md` out of the tables themselves; "
	       "the "
	       "gate `states` refuses a page\nthat is not fresh. A move that a table does not have "
	       "stops the process, or is refused where it comes from outside.\n");
	for (size_t i = 0; i < ARRAY_COUNT(machines); i++) {
		printf("\n");
		print_machine(&machines[i]);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
