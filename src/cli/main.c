/*
 * evenkeel: the command line. This file: the tables of commands and options, and how words become
 * arguments.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "platform/folders.h"

#define FOLDER_OPTION(folder, name, standard, help) \
	[folder] = { name, "DIR", help ", " standard " by default" },

/* clang-format off */
static const struct option_row {
	const char *name, *value, *help; /* value: NULL if it takes none */
} options[OPTION_COUNT] = {
	FOLDERS(FOLDER_OPTION)
	[OPTION_JSON]		 = { "json",	   NULL,      "print JSON" },
	[OPTION_HELP]		 = { "help",	   NULL,      "print this" },
	[OPTION_NAME]		 = { "name",	   "NAME",    "the name to give" },
	[OPTION_NODE]		 = { "node",	   "NODE",    "this node" },
	[OPTION_ADDRESS]	 = { "address",	   "A,B,...", "addresses, separated by commas" },
	[OPTION_ARBITER]	 = { "arbiter",	   "WORD",    "who decides which node goes on alone: ping or operator" },
	[OPTION_PING_TARGET]	 = { "ping-target", "IP",     "what ping tries; the default gateway if not given" },
	[OPTION_PORT]		 = { "port",	   "PORT",    "base port, 7600 by default" },
	[OPTION_PASSPHRASE_FILE] = { "passphrase-file", "FILE", "the recovery passphrase; else EVENKEEL_PASSPHRASE, else it is asked for" },
	[OPTION_OUTPUT]		 = { "output",	   "FILE",    "where to write; NAME.bundle by default" },
	[OPTION_REPLACE]	 = { "replace",	   NULL,      "replace what is there" },
	[OPTION_DIRECTORY]	 = { "directory",  "DIR",     "a directory to replicate; may be given several times" },
	[OPTION_SET]		 = { "set",	   "KEY=VALUE", "a setting of module.yaml; may be given several times" },
	[OPTION_FORCE]		 = { "force",	   NULL,      "do it although something may be lost; say it after you were told what" },
	[OPTION_NO_WAIT]	 = { "no-wait",	   NULL,      "do not wait until it is done" },
	[OPTION_TIMEOUT]	 = { "timeout",	   "SECONDS", "wait so long" },
	[OPTION_WATCH]		 = { "watch",	   NULL,      "go on showing (-w)" },
	[OPTION_FOLLOW]		 = { "follow",	   NULL,      "go on showing (-f)" },
};

#define GLOBAL	(BIT(OPTION_CONFIG) | BIT(OPTION_STATE) | BIT(OPTION_RUN) | BIT(OPTION_HELP) | BIT(OPTION_JSON))
#define WAITING (BIT(OPTION_NODE) | BIT(OPTION_FORCE) | BIT(OPTION_NO_WAIT) | BIT(OPTION_TIMEOUT))

static const struct command_row {
	const char *name;     /* one or two words */
	const char *operands; /* as shown */
	int operands_min, operands_max;
	uint32_t options; /* besides GLOBAL */
	const char *help;
	int (*function)(const struct arguments *arguments);
} commands[] = {
	{ "cluster init", "", 0, 0,
	  BIT(OPTION_NAME) | BIT(OPTION_NODE) | BIT(OPTION_ADDRESS) | BIT(OPTION_ARBITER) | BIT(OPTION_PING_TARGET) |
	  BIT(OPTION_PORT) | BIT(OPTION_PASSPHRASE_FILE),
	  "make a cluster of this one node: certificates, secret, configuration", do_cluster_init },
	{ "cluster add", "NODE", 1, 1, BIT(OPTION_ADDRESS) | BIT(OPTION_PASSPHRASE_FILE) | BIT(OPTION_OUTPUT),
	  "add a node; writes a bundle to be carried to it by hand", do_cluster_add },
	{ "cluster accept", "BUNDLE", 1, 1, BIT(OPTION_REPLACE),
	  "on the new node: take the configuration from a bundle", do_cluster_accept },
	{ "cluster list", "", 0, 0, 0, "the nodes", do_cluster_list },
	{ "module add", "DIR", 1, 1, BIT(OPTION_NAME) | BIT(OPTION_ADDRESS) | BIT(OPTION_DIRECTORY) | BIT(OPTION_SET),
	  "add the module of this folder (module.yaml and bin/); do the same on the other node", do_module_add },
	{ "module remove", "MODULE", 1, 1, 0, "remove a stopped module from this node", do_module_remove },
	{ "module list", "", 0, 0, 0, "the modules of this node", do_module_list },
	{ "apply", "", 0, 0, 0, "show what changed in the configuration files, and take it over", do_apply },
	{ "status", "", 0, 0, BIT(OPTION_WATCH), "what is going on, and what would happen if a node died now", do_status },
	{ "start", "MODULE", 1, 1, WAITING, "start a module on this node", do_start },
	{ "stop", "MODULE", 1, 1, WAITING, "stop a module on this node", do_stop },
	{ "restart", "MODULE", 1, 1, WAITING, "stop and start the application, on this node", do_restart },
	{ "swap", "MODULE", 1, 1, WAITING, "exchange primary and secondary", do_swap },
	{ "prim", "MODULE", 1, 1, WAITING, "make this node the primary: its data counts", do_prim },
	{ "second", "MODULE", 1, 1, WAITING, "start this node as the secondary", do_second },
	{ "verify", "MODULE", 1, 1, BIT(OPTION_TIMEOUT), "compare the two copies while the module runs", do_verify },
	{ "log", "", 0, 0, BIT(OPTION_FOLLOW), "the events of this node", do_log },
	{ "settings", "", 0, 0, 0, "all settings of cluster.yaml and module.yaml", do_settings },
};
/* clang-format on */

const char *option_value(const struct arguments *arguments, enum option option)
{
	int count = arguments->value_count[option];
	return count > 0 ? arguments->values[option][count - 1] : NULL;
}

bool option_given(const struct arguments *arguments, enum option option)
{
	return arguments->value_count[option] > 0;
}

static void PRINTF_LIKE(2, 0)
	complain(const struct arguments *arguments, const char *format, va_list values)
{
	fprintf(stderr, "evenkeel%s%s: ", arguments->command[0] != '\0' ? " " : "",
		arguments->command);
	vfprintf(stderr, format, values);
	fprintf(stderr, "\n");
}

int refuse(const struct arguments *arguments, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	complain(arguments, format, values);
	va_end(values);
	return EXIT_REFUSED;
}

int usage(const struct arguments *arguments, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	complain(arguments, format, values);
	va_end(values);
	fprintf(stderr, "'evenkeel %s%s--help' tells more.\n", arguments->command,
		arguments->command[0] != '\0' ? " " : "");
	return EXIT_USAGE;
}

static void print_options(uint32_t mask)
{
	for (int i = 0; i < OPTION_COUNT; i++) {
		char left[64];
		if ((mask & BIT(i)) == 0)
			continue;
		snprintf(left, sizeof(left), "--%s %s", options[i].name,
			options[i].value != NULL ? options[i].value : "");
		printf("  %-24s %s\n", left, options[i].help);
	}
}

static void print_overview(void)
{
	printf("evenkeel: keeps a service running when a server dies.\n\nCommands:\n");
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
		char left[64];
		snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].operands);
		printf("  %-24s %s\n", left, commands[i].help);
	}
	printf("\nOptions of all commands:\n");
	print_options(GLOBAL);
	printf("\nExit code: 0 done, 1 refused or failed, 2 wrong words.\n");
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

static int find_option(const char *word, size_t size)
{
	if (strcmp(word, "w") == 0)
		return OPTION_WATCH;
	if (strcmp(word, "f") == 0)
		return OPTION_FOLLOW;
	if (strcmp(word, "h") == 0)
		return OPTION_HELP;
	for (int i = 0; i < OPTION_COUNT; i++) {
		if (strlen(options[i].name) == size && strncmp(options[i].name, word, size) == 0)
			return i;
	}
	return -1;
}

/* One option; *at moves over its value. */
static int parse_option(struct arguments *arguments, char *const *words, int *at)
{
	const char *word = words[*at] + 1, *value = NULL;
	word += word[0] == '-' ? 1 : 0;
	size_t size = strcspn(word, "=");
	int option = find_option(word, size);
	if (option < 0)
		return usage(arguments, "there is no option '%s'", words[*at]);
	if (word[size] == '=')
		value = word + size + 1;
	if (options[option].value == NULL) {
		if (value != NULL)
			return usage(arguments, "option --%s takes no value", options[option].name);
		value = "";
	} else if (value == NULL) {
		value = words[++*at];
		if (value == NULL)
			return usage(arguments, "option --%s wants %s", options[option].name,
				options[option].value);
	}
	if (arguments->value_count[option] == VALUES_MAX)
		return usage(arguments, "option --%s is given more than %d times",
			options[option].name, VALUES_MAX);
	arguments->values[option][arguments->value_count[option]++] = value;
	return EXIT_DONE;
}

/* Splits the words into options and the others; "--" ends the options. */
static int parse_words(struct arguments *arguments, char **words, char **out_others, int *out_count)
{
	bool is_over = false;
	for (int i = 1; words[i] != NULL; i++) {
		if (!is_over && strcmp(words[i], "--") == 0) {
			is_over = true;
			continue;
		}
		if (is_over || words[i][0] != '-' || words[i][1] == '\0') {
			out_others[(*out_count)++] = words[i];
			continue;
		}
		int code = parse_option(arguments, words, &i);
		if (code != EXIT_DONE)
			return code;
	}
	return EXIT_DONE;
}

static int check_command(struct arguments *arguments, const struct command_row *command,
	char *const *operands, int count)
{
	for (int i = 0; i < OPTION_COUNT; i++) {
		if (option_given(arguments, (enum option)i) &&
			((command->options | GLOBAL) & BIT(i)) == 0)
			return usage(arguments, "takes no option --%s", options[i].name);
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

static int find_folders(struct arguments *arguments)
{
	const char **const places[FOLDER_COUNT] = { [FOLDER_CONFIG] = &arguments->config,
		[FOLDER_STATE] = &arguments->state,
		[FOLDER_RUN] = &arguments->run };
	for (int i = 0; i < FOLDER_COUNT; i++) {
		const char *path = option_value(arguments, (enum option)i);
		*places[i] = path != NULL ? path : folder_rows[i].standard;
		if (!folder_is_usable(*places[i]))
			return usage(arguments, "--%s: the path of the folder is too long",
				folder_rows[i].option);
	}
	arguments->is_json = option_given(arguments, OPTION_JSON);
	ssize_t size =
		readlink("/proc/self/exe", arguments->programs, sizeof(arguments->programs) - 1);
	char *slash = size > 0 ? strrchr(arguments->programs, '/') : NULL;
	if (slash != NULL)
		*slash = '\0';
	return EXIT_DONE;
}

static int run_command(struct arguments *arguments, char *const *words, int count)
{
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
		int used = command_words(&commands[i], words, count);
		if (used == 0)
			continue;
		arguments->command = commands[i].name;
		if (option_given(arguments, OPTION_HELP)) {
			print_command(&commands[i]);
			return EXIT_DONE;
		}
		int code = check_command(arguments, &commands[i], words + used, count - used);
		return code != EXIT_DONE ? code : commands[i].function(arguments);
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
	(void)arguments;
	config_print_help(stdout);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { .command = "" };
	char **others = calloc((size_t)argc + 1, sizeof(*others));
	int count = 0;
	if (others == NULL)
		return EXIT_REFUSED;
	/* `log | head` ends by a failed write */
	(void)sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	int code = parse_words(&arguments, argv, others, &count);
	if (code == EXIT_DONE)
		code = find_folders(&arguments);
	if (code == EXIT_DONE)
		code = run_command(&arguments, others, count);
	free(others);
	if (fflush(stdout) != 0 && code == EXIT_DONE)
		code = EXIT_REFUSED;
	return code;
}
