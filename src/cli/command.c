/*
 * start, stop, restart, swap, prim, second: said to evenkeeld, then watched until it is so.
 * verify: the two copies compared.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/admin.h"
#include "api/status.h"
#include "cli/cli.h"

#define ASK_TIMEOUT_S	 60  /* until taken or refused: the node is looked at first */
#define WAIT_TIMEOUT_S	 600 /* scripts may take 300 s; a first copy is not waited for */
#define LOOK_EVERY_NS	 (200 * NS_PER_MS)
#define SETTLED_NS	 (3 * NS_PER_S) /* a node that waits for so long waits for a person */
#define LOST_NS		 (10 * NS_PER_S)
#define SWAP_PATIENCE_NS (35 * NS_PER_S)
#define VERIFY_S	 86400

enum goal { GOAL_SERVING, GOAL_STOPPED, GOAL_PRIMARY, GOAL_OTHER };

static int64_t now_ns(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail with this clock */
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void pause_ns(int64_t duration_ns)
{
	struct timespec rest = { .tv_nsec = (long)duration_ns };
	(void)nanosleep(&rest, NULL); /* shorter after a signal: looked once more */
}

/* A module's part of the status. */
struct seen {
	json_t *json; /* NULL: no answer, or the module is gone */
	struct shown_module shown;
};

static struct seen see_module(const struct arguments *arguments, const char *name)
{
	struct seen seen = { 0 };
	struct fields_error wrong;
	json_t *answer = NULL;
	if (client_ask(arguments, client_request(ADMIN_STATUS), 5, &answer) != 0)
		return seen;
	const json_t *modules = json_object_get(answer, "modules");
	for (size_t i = 0; seen.json == NULL && i < json_array_size(modules); i++) {
		json_t *module = json_array_get(modules, i);
		if (strcmp(client_text(module, "name"), name) == 0 &&
			fields_decode(&shown_module_fields, module, &seen.shown, &wrong) == 0)
			seen.json = json_incref(module);
	}
	json_decref(answer);
	return seen;
}

static bool is_state(const struct shown_module *module, const char *state)
{
	return strcmp(shown_text(module->state), state) == 0;
}

static bool is_readiness(const struct shown_module *module, const char *readiness)
{
	return strcmp(shown_text(module->readiness), readiness) == 0;
}

static bool is_primary(const struct shown_module *module)
{
	return is_state(module, "ALONE") || is_state(module, "PRIM");
}

static bool is_serving(const struct shown_module *module)
{
	return is_primary(module) || is_state(module, "SECOND") || is_state(module, "UP");
}

static bool is_reached(const struct shown_module *module, enum goal goal, const char *state_before)
{
	if (goal == GOAL_STOPPED)
		return is_state(module, "STOP") && is_readiness(module, "NotReady");
	if (!is_readiness(module, "Ready"))
		return false;
	switch (goal) {
	case GOAL_SERVING: return is_serving(module);
	case GOAL_PRIMARY: return is_primary(module);
	case GOAL_OTHER: return is_serving(module) && !is_state(module, state_before);
	case GOAL_STOPPED: break;
	}
	return false;
}

static void say_state(const struct arguments *arguments, const struct seen *seen)
{
	const struct shown_module *module = &seen->shown;
	if (arguments->is_json) {
		(void)json_dumpf(seen->json, stdout, JSON_COMPACT);
		printf("\n");
		return;
	}
	printf("%s is %s %s: %s\n", shown_text(module->name), shown_text(module->state),
		shown_text(module->readiness), shown_text(module->now));
	if (shown_text(module->to_do)[0] != '\0')
		printf("To do: %s\n", shown_text(module->to_do));
}

struct waiting {
	const struct arguments *arguments;
	const char *name;
	enum goal goal;
	char state_before[16];
	char said[SENTENCE_SIZE_MAX]; /* the last sentence shown on the way */
	int64_t until_ns;
	int64_t answered_ns; /* when evenkeeld was last there */
	int64_t stuck_ns;    /* since when it does not get further by itself; 0: it does */
};

/* It was to be primary, and follows: the other one was faster, or somebody's word there. */
static bool has_other_won(const struct waiting *waiting, const struct shown_module *module)
{
	const char *peer = shown_text(module->peer_state);
	return waiting->goal == GOAL_PRIMARY && is_state(module, "SECOND") &&
	       module->is_peer_heard && (strcmp(peer, "PRIM") == 0 || strcmp(peer, "ALONE") == 0);
}

/* A node that waits for a person, that stopped instead, or that stayed what it was. */
static bool is_stuck(const struct waiting *waiting, const struct shown_module *module)
{
	bool wants_person = shown_text(module->to_do)[0] != '\0';
	bool is_quiet = !is_readiness(module, "Transient");
	if (has_other_won(waiting, module))
		return true;
	if (waiting->goal == GOAL_STOPPED || !is_quiet)
		return false;
	if (waiting->goal == GOAL_OTHER && is_state(module, waiting->state_before))
		return true;
	return (is_state(module, "WAIT") && wants_person) || is_state(module, "STOP");
}

/* On a terminal, what goes on is said each time that it changes. */
static void say_way(struct waiting *waiting, const struct shown_module *module)
{
	const char *now = shown_text(module->now);
	if (waiting->arguments->is_json || isatty(STDOUT_FILENO) == 0 ||
		strcmp(waiting->said, now) == 0)
		return;
	snprintf(waiting->said, sizeof(waiting->said), "%s", now);
	printf("  %s\n", now);
	(void)fflush(stdout); /* if nobody reads, the last line tells */
}

enum way { WAY_ON, WAY_DONE, WAY_STUCK, WAY_LATE };

static enum way look_once(struct waiting *waiting, const struct shown_module *module)
{
	int64_t at_ns = now_ns();
	/* A swap may take long to begin: the core tries for 30 s. */
	int64_t patience_ns = waiting->goal == GOAL_OTHER ? SWAP_PATIENCE_NS : SETTLED_NS;
	waiting->answered_ns = at_ns;
	if (is_reached(module, waiting->goal, waiting->state_before))
		return WAY_DONE;
	if (!is_stuck(waiting, module))
		waiting->stuck_ns = 0;
	else if (waiting->stuck_ns == 0)
		waiting->stuck_ns = at_ns;
	else if (at_ns - waiting->stuck_ns >= patience_ns)
		return WAY_STUCK;
	say_way(waiting, module);
	return at_ns >= waiting->until_ns ? WAY_LATE : WAY_ON;
}

static int say_end(const struct waiting *waiting, enum way way, const struct seen *seen)
{
	const struct shown_module *module = &seen->shown;
	say_state(waiting->arguments, seen);
	if (way == WAY_DONE)
		return EXIT_DONE;
	if (way == WAY_LATE)
		return refuse_again(waiting->arguments,
			"'%s' is not there yet; 'evenkeel status -w' shows how it goes on",
			waiting->name);
	if (module->has_summary && module->is_failed)
		return refuse_again(waiting->arguments,
			"'%s' is started and does not run here: it failed; what it waits for "
			"stands "
			"above, 'evenkeel log' tells more",
			waiting->name);
	/* `start` is done when the module is started, even if it waits for a person. */
	if (waiting->goal == GOAL_SERVING && is_state(module, "WAIT"))
		return EXIT_DONE;
	if (has_other_won(waiting, module))
		return refuse_again(waiting->arguments,
			"'%s' became primary on %s before it could here, so this node follows with "
			"the data of %s; was 'prim' given on both nodes? To serve it here: "
			"'evenkeel swap %s', once both nodes are Ready",
			waiting->name, shown_text(module->peer), shown_text(module->peer),
			waiting->name);
	return refuse_again(waiting->arguments, "it did not come about; 'evenkeel log' tells more");
}

static int wait_for_goal(struct waiting *waiting)
{
	enum way way = WAY_ON;
	waiting->answered_ns = now_ns();
	while (way == WAY_ON) {
		struct seen seen = see_module(waiting->arguments, waiting->name);
		if (seen.json != NULL)
			way = look_once(waiting, &seen.shown);
		else if (now_ns() - waiting->answered_ns > LOST_NS)
			return refuse(waiting->arguments, "evenkeeld took the command and does not "
							  "answer any more; 'evenkeel "
							  "status' tells when it is back");
		int code = way != WAY_ON ? say_end(waiting, way, &seen) : EXIT_DONE;
		json_decref(seen.json);
		if (way != WAY_ON)
			return code;
		pause_ns(LOOK_EVERY_NS);
	}
	return EXIT_DONE;
}

static int check_name(const struct arguments *arguments)
{
	const char *name = arguments->positional[0];
	if (strlen(name) <= MODULE_NAME_MAX && strchr(name, '/') == NULL)
		return EXIT_DONE;
	return refuse(arguments,
		"'%.80s' is no name of a module: it has a '/', or more than %d bytes; 'evenkeel "
		"module list' lists them",
		name, MODULE_NAME_MAX);
}

/* --node is only understood as "here": commands act on the node where they are given. */
static int check_node(const struct arguments *arguments)
{
	const char *node = option_value(arguments, OPTION_NODE);
	struct site site;
	if (node == NULL)
		return EXIT_DONE;
	int code = site_read(arguments, &site);
	if (code != EXIT_DONE)
		return code;
	if (strcmp(site.self->name, node) != 0)
		code = refuse(arguments,
			"this is node '%s'; a command acts on the node where it is given: run it "
			"on "
			"'%s'",
			site.self->name, node);
	site_done(&site);
	return code;
}

static int parse_seconds(const struct arguments *arguments, int fallback, int *out_seconds)
{
	const char *text = option_value(arguments, OPTION_TIMEOUT);
	char *end = NULL;
	*out_seconds = fallback;
	if (text == NULL)
		return EXIT_DONE;
	long value = strtol(text, &end, 10);
	if (end == text || *end != '\0' || value < 1 || value > VERIFY_S)
		return usage(arguments, "--timeout: found '%s'; expected 1 to %d seconds", text,
			VERIFY_S);
	*out_seconds = (int)value;
	return EXIT_DONE;
}

static int give(const struct arguments *arguments, enum admin_command command, enum goal goal)
{
	struct waiting waiting = {
		.arguments = arguments, .name = arguments->positional[0], .goal = goal
	};
	int seconds;
	int code = parse_seconds(arguments, WAIT_TIMEOUT_S, &seconds);
	if (code == EXIT_DONE)
		code = check_name(arguments);
	if (code == EXIT_DONE)
		code = check_node(arguments);
	if (code != EXIT_DONE)
		return code;
	struct seen before = see_module(arguments, waiting.name);
	snprintf(waiting.state_before, sizeof(waiting.state_before), "%s",
		shown_text(before.shown.state));
	json_decref(before.json);
	struct admin_request request = client_request(command);
	request.module = waiting.name;
	request.has_force = true;
	request.is_forced = option_given(arguments, OPTION_FORCE);
	json_t *answer = client_demand(arguments, request, ASK_TIMEOUT_S);
	if (answer == NULL)
		return EXIT_REFUSED;
	if (client_text(answer, "sentence")[0] != '\0' && !arguments->is_json)
		printf("%s\n", client_text(answer, "sentence"));
	json_decref(answer);
	if (option_given(arguments, OPTION_NO_WAIT))
		return EXIT_DONE;
	waiting.until_ns = now_ns() + seconds * NS_PER_S;
	return wait_for_goal(&waiting);
}

int do_start(const struct arguments *arguments)
{
	return give(arguments, ADMIN_START, GOAL_SERVING);
}

int do_stop(const struct arguments *arguments)
{
	return give(arguments, ADMIN_STOP, GOAL_STOPPED);
}

int do_restart(const struct arguments *arguments)
{
	return give(arguments, ADMIN_RESTART, GOAL_SERVING);
}

int do_swap(const struct arguments *arguments)
{
	return give(arguments, ADMIN_SWAP, GOAL_OTHER);
}

int do_prim(const struct arguments *arguments)
{
	return give(arguments, ADMIN_PRIM, GOAL_PRIMARY);
}

int do_second(const struct arguments *arguments)
{
	return give(arguments, ADMIN_SECOND, GOAL_SERVING);
}

/* ---- verify ---- */

static int say_verified(
	const struct arguments *arguments, const json_t *answer, const struct fs_verified *found)
{
	const char *name = arguments->positional[0];
	unsigned long long objects = found->objects, differences = found->differences;
	if (arguments->is_json) {
		(void)json_dumpf(answer, stdout, JSON_COMPACT);
		printf("\n");
	} else if (differences == 0) {
		printf("%s: equal: %llu objects, %llu bytes compared\n", name, objects,
			(unsigned long long)found->bytes);
	} else {
		(void)refuse(arguments,
			"%s: the copies differ in %llu of %llu objects; the first: %s", name,
			differences, objects, found->detail);
	}
	return differences == 0 ? EXIT_DONE : EXIT_REFUSED;
}

int do_verify(const struct arguments *arguments)
{
	const char *name = arguments->positional[0];
	int seconds;
	int code = parse_seconds(arguments, VERIFY_S, &seconds);
	if (code == EXIT_DONE)
		code = check_name(arguments);
	if (code != EXIT_DONE)
		return code;
	struct admin_request request = client_request(ADMIN_VERIFY);
	request.module = name;
	json_t *answer = client_demand(arguments, request, seconds);
	if (answer == NULL)
		return EXIT_REFUSED;
	struct fs_verified found = { 0 };
	struct fields_error wrong;
	if (fields_decode(&admin_verified_fields, answer, &found, &wrong) != 0)
		code = client_refuse_words(arguments, wrong.sentence);
	else
		code = say_verified(arguments, answer, &found);
	json_decref(answer);
	return code;
}
