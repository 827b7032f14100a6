/*
 * Prints docs/states.md: the states that the pure layers go through and the moves that their tables
 * allow, asked of the product's own object files.
 *
 *	build/main/tools/states >docs/states.md
 *
 * A machine is a row of states_core.c or states_repl.c: its states by number, what each is called,
 * and whether one may follow another. A state to which most others lead is named once and not drawn,
 * or the drawing would be a hedge.
 */
#include "tools/states.h"

#include <stdio.h>

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
	printf("\n");
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

static void print_machines(const struct machine *machines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		print_machine(&machines[i]);
}

int main(void)
{
	printf("# States and legal moves\n\n"
	       "Made by `build/main/tools/states >docs/states.md` out of the tables themselves; "
	       "the "
	       "gate `states` refuses a page\nthat is not fresh. A move that a table does not have "
	       "stops the process, or is refused where it comes from outside.\n");
	print_machines(core_machines, core_machine_count);
	print_machines(repl_machines, repl_machine_count);
	return fflush(stdout) == 0 ? 0 : 1;
}
