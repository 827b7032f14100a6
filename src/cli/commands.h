/* The table of commands (commands.c). For main.c and for what makes docs/reference.md. */
#ifndef EVENKEEL_CLI_COMMANDS_H
#define EVENKEEL_CLI_COMMANDS_H

#include "api/admin.h"
#include "cli/cli.h"

struct command_row {
	const char *name;     /* one or two words */
	enum role role;	      /* that it will want where people have roles */
	const char *operands; /* as shown */
	int operands_min, operands_max;
	uint32_t options; /* besides those of all */
	const char *help;
	int (*function)(const struct arguments *arguments);
};

extern const struct command_row command_rows[];
extern const size_t command_row_count;
extern const uint32_t command_options_of_all;

/* Finds the command that the words name and runs it. Gives the exit code. */
int command_run(struct arguments *arguments, char *const *words, int count);

#endif
