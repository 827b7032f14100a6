/*
 * The commands: one row each, from which come --help, what is checked before a command runs, and
 * docs/reference.md.
 */
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"

/* clang-format off */
#define GLOBAL	(BIT(OPTION_CONFIG) | BIT(OPTION_STATE) | BIT(OPTION_RUN) | BIT(OPTION_HELP) | BIT(OPTION_VERSION) | BIT(OPTION_JSON))
#define WAITING (BIT(OPTION_NODE) | BIT(OPTION_FORCE) | BIT(OPTION_NO_WAIT) | BIT(OPTION_TIMEOUT))

const struct command_row command_rows[] = {
	{ "cluster init", ROLE_ADMIN, "", 0, 0,
	  BIT(OPTION_NAME) | BIT(OPTION_NODE) | BIT(OPTION_ADDRESS) | BIT(OPTION_ARBITER) | BIT(OPTION_PING_TARGET) |
	  BIT(OPTION_PORT) | BIT(OPTION_PASSPHRASE_FILE),
	  "make a cluster of this one node: certificates, secret, configuration", do_cluster_init },
	{ "cluster add", ROLE_ADMIN, "NODE", 1, 1, BIT(OPTION_ADDRESS) | BIT(OPTION_PASSPHRASE_FILE) | BIT(OPTION_OUTPUT) | BIT(OPTION_REPLACE),
	  "add a node; writes a bundle to be carried to it by hand (--replace: once more, of a node that is in the cluster)", do_cluster_add },
	{ "cluster accept", ROLE_ADMIN, "BUNDLE", 1, 1, BIT(OPTION_REPLACE),
	  "on the new node: take the configuration from a bundle", do_cluster_accept },
	{ "cluster list", ROLE_MONITOR, "", 0, 0, 0, "the nodes", do_cluster_list },
	{ "module add", ROLE_ADMIN, "DIR", 1, 1, BIT(OPTION_NAME) | BIT(OPTION_ADDRESS) | BIT(OPTION_DIRECTORY) | BIT(OPTION_SET),
	  "add the module of this folder (module.yaml and bin/); do the same on the other node", do_module_add },
	{ "module remove", ROLE_ADMIN, "MODULE", 1, 1, 0, "remove a stopped module from this node", do_module_remove },
	{ "module list", ROLE_MONITOR, "", 0, 0, 0, "the modules of this node", do_module_list },
	{ "apply", ROLE_ADMIN, "", 0, 0, 0, "show what changed in the configuration files, and take it over", do_apply },
	{ "status", ROLE_MONITOR, "", 0, 0, BIT(OPTION_WATCH), "what is going on, and what would happen if a node died now", do_status },
	{ "start", ROLE_CONTROL, "MODULE", 1, 1, WAITING, "start a module on this node", do_start },
	{ "stop", ROLE_CONTROL, "MODULE", 1, 1, WAITING, "stop a module on this node", do_stop },
	{ "restart", ROLE_CONTROL, "MODULE", 1, 1, WAITING, "stop and start the application, on this node", do_restart },
	{ "swap", ROLE_CONTROL, "MODULE", 1, 1, WAITING, "exchange primary and secondary", do_swap },
	{ "prim", ROLE_CONTROL, "MODULE", 1, 1, WAITING, "make this node the primary: its data counts", do_prim },
	{ "second", ROLE_CONTROL, "MODULE", 1, 1, WAITING, "start this node as the secondary", do_second },
	{ "verify", ROLE_CONTROL, "MODULE", 1, 1, BIT(OPTION_TIMEOUT), "compare the two copies while the module runs", do_verify },
	{ "log", ROLE_MONITOR, "", 0, 0, BIT(OPTION_FOLLOW), "the events of this node", do_log },
	{ "settings", ROLE_MONITOR, "", 0, 0, 0, "all settings of cluster.yaml and module.yaml", do_settings },
};
/* clang-format on */

const size_t command_row_count = ARRAY_COUNT(command_rows);
const uint32_t command_options_of_all = GLOBAL;

static void print_options(uint32_t mask)
{
	for (int i = 0; i < OPTION_COUNT; i++) {
		char left[64];
		if ((mask & BIT(i)) == 0)
			continue;
		snprintf(left, sizeof(left), "--%s %s", option_rows[i].name,
			option_rows[i].value != NULL ? option_rows[i].value : "");
		printf("  %-24s %s\n", left, option_rows[i].help);
	}
}

static void print_overview(void)
{
	printf("evenkeel: keeps a service running when a server dies.\n\nCommands:\n");
	for (size_t i = 0; i < command_row_count; i++) {
		char left[64];
		snprintf(left, sizeof(left), "%s %s", command_rows[i].name,
			command_rows[i].operands);
		printf("  %-24s %s\n", left, command_rows[i].help);
	}
	printf("\nOptions of all commands:\n");
	print_options(GLOBAL);
	printf("\nExit code: 0 done, 1 refused or failed, 2 wrong words. `start` is done when the "
	       "module is\nstarted, also if it then waits for the other node or for a person, "
	       "which its last line says.\n");
}

static void print_command(const struct command_row *command)
{
	printf("evenkeel %s%s%s [options]\n\n  %s\n\n", command->name,
		command->operands[0] != '\0' ? " " : "", command->operands, command->help);
	print_options(command->options);
	print_options(GLOBAL);
}

/* How many words of the command line name this command; 0: they do not. */
static int command_words(const struct command_row *command, char *const *words, int count)
{
	const char *space = strchr(command->name, ' ');
	size_t first = space != NULL ? (size_t)(space - command->name) : strlen(command->name);
	if (count < 1 || strlen(words[0]) != first || strncmp(words[0], command->name, first) != 0)
		return 0;
	if (space == NULL)
		return 1;
	return count > 1 && strcmp(words[1], space + 1) == 0 ? 2 : 0;
}

static int check_command(struct arguments *arguments, const struct command_row *command,
	char *const *operands, int count)
{
	for (int i = 0; i < OPTION_COUNT; i++) {
		if (option_given(arguments, (enum option)i) &&
			((command->options | GLOBAL) & BIT(i)) == 0)
			return usage(arguments, "takes no option --%s", option_rows[i].name);
	}
	if (count < command->operands_min)
		return usage(arguments, "%s is missing", command->operands);
	if (count > command->operands_max)
		return usage(
			arguments, "'%s' is one word too many", operands[command->operands_max]);
	for (int i = 0; i < count; i++)
		arguments->positional[i] = operands[i];
	arguments->positional_count = count;
	return EXIT_DONE;
}

int command_run(struct arguments *arguments, char *const *words, int count)
{
	if (option_given(arguments, OPTION_VERSION)) {
		printf("evenkeel " EVENKEEL_VERSION "\n");
		return EXIT_DONE;
	}
	for (size_t i = 0; i < command_row_count; i++) {
		int used = command_words(&command_rows[i], words, count);
		if (used == 0)
			continue;
		arguments->command = command_rows[i].name;
		if (option_given(arguments, OPTION_HELP)) {
			print_command(&command_rows[i]);
			return EXIT_DONE;
		}
		int code = check_command(arguments, &command_rows[i], words + used, count - used);
		return code != EXIT_DONE ? code : command_rows[i].function(arguments);
	}
	if (option_given(arguments, OPTION_HELP) || (count == 1 && strcmp(words[0], "help") == 0)) {
		print_overview();
		return EXIT_DONE;
	}
	if (count == 0)
		return usage(arguments, "which command?");
	return usage(arguments, "there is no command '%s%s%s'", words[0], count > 1 ? " " : "",
		count > 1 ? words[1] : "");
}

int do_settings(const struct arguments *arguments)
{
	if (!arguments->is_json) {
		config_print_help(stdout);
		return EXIT_DONE;
	}
	json_t *rows = config_help_json();
	(void)json_dumpf(rows, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(rows);
	return EXIT_DONE;
}
