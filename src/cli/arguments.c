/*
 * How the words of the command line become arguments: the table of options, and what is said of
 * words that are none.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "platform/folders.h"

#define FOLDER_OPTION(folder, name, standard, help) \
	[folder] = { name, "DIR", help ", " standard " by default" },

/* clang-format off */
const struct option_row option_rows[OPTION_COUNT] = {
	FOLDERS(FOLDER_OPTION)
	[OPTION_JSON]		 = { "json",	   NULL,      "print JSON" },
	[OPTION_HELP]		 = { "help",	   NULL,      "print this" },
	[OPTION_VERSION]	 = { "version",	   NULL,      "print the version" },
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

int refuse_again(const struct arguments *arguments, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	complain(arguments, format, values);
	va_end(values);
	return EXIT_REFUSED;
}

/* For a program that asked; a person reads the other stream. */
static void answer_json(const struct arguments *arguments, const char *sentence)
{
	if (!arguments->is_json)
		return;
	json_t *answer = json_pack("{s:b,s:s?}", "ok", 0, "sentence", sentence);
	(void)json_dumpf(answer, stdout, JSON_COMPACT); /* seen when the program ends */
	printf("\n");
	json_decref(answer);
}

static int PRINTF_LIKE(2, 0)
	refuse_in_both(const struct arguments *arguments, const char *format, va_list values)
{
	char *sentence = NULL;
	int size = vasprintf(&sentence, format, values);

	if (size < 0)
		sentence = NULL;
	answer_json(arguments, sentence);
	(void)refuse_again(arguments, "%s", sentence != NULL ? sentence : "out of memory");
	free(sentence);
	return EXIT_REFUSED;
}

int refuse(const struct arguments *arguments, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	int code = refuse_in_both(arguments, format, values);
	va_end(values);
	return code;
}

int usage(const struct arguments *arguments, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	(void)refuse_in_both(arguments, format, values);
	va_end(values);
	fprintf(stderr, "'evenkeel %s%s--help' tells more.\n", arguments->command,
		arguments->command[0] != '\0' ? " " : "");
	return EXIT_USAGE;
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
		if (strlen(option_rows[i].name) == size &&
			strncmp(option_rows[i].name, word, size) == 0)
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
	if (option_rows[option].value == NULL) {
		if (value != NULL)
			return usage(
				arguments, "option --%s takes no value", option_rows[option].name);
		value = "";
	} else if (value == NULL) {
		value = words[++*at];
		if (value == NULL)
			return usage(arguments, "option --%s wants %s", option_rows[option].name,
				option_rows[option].value);
	}
	if (arguments->value_count[option] == VALUES_MAX)
		return usage(arguments, "option --%s is given more than %d times",
			option_rows[option].name, VALUES_MAX);
	arguments->values[option][arguments->value_count[option]++] = value;
	return EXIT_DONE;
}

/* Known before the first word that is wrong. */
static bool wants_json(char *const *words)
{
	for (int i = 1; words[i] != NULL && strcmp(words[i], "--") != 0; i++)
		if (strcmp(words[i], "--json") == 0 || strcmp(words[i], "-json") == 0)
			return true;
	return false;
}

/* Splits the words into options and the others; "--" ends the options. */
int arguments_parse(struct arguments *arguments, char **words, char **out_others, int *out_count)
{
	bool is_over = false;
	arguments->is_json = wants_json(words);
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

int arguments_find_folders(struct arguments *arguments)
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
