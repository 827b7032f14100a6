/* A machine of states, as tools/states.c prints it: one row for each table of the pure layers. */
#ifndef EVENKEEL_TOOLS_STATES_H
#define EVENKEEL_TOOLS_STATES_H

#include <stdbool.h>
#include <stddef.h>

struct machine {
	const char *title;
	const char *table; /* the file in which the moves stand */
	const char *about;
	int count;
	const char *(*name)(int state);
	const char *(*shown)(int state); /* what people see; NULL where they see nothing */
	bool (*may_follow)(int state, int next);
};

extern const struct machine core_machines[], repl_machines[];
extern const size_t core_machine_count, repl_machine_count;

#endif
