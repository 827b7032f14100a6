/*
 * module add: puts the folder beside the others under a hidden name, checks everything, renames it, and
 * takes it back if evenkeeld does not want it: a module is there wholly or not at all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/preflight.h"
#include "api/settings.h"
#include "cli/cli.h"
#include "cli/module_text.h"
#include "platform/folders.h"

#define LIST_SIZE_MAX (2 * VALUES_MAX * PATH_SIZE_MAX)

struct adding {
	const struct arguments *arguments;
	struct site site;
	const char *source; /* the folder given */
	char name[MODULE_NAME_MAX + 1];
	char target[PATH_SIZE_MAX]; /* modules/NAME */
	char hidden[PATH_SIZE_MAX]; /* modules/.NAME.new */
	char *text;		    /* module.yaml as it will be */
	struct module_settings *settings;
};

/* ---- the text of module.yaml ---- */

static int out_of_memory(const struct adding *adding)
{
	return refuse(adding->arguments, "out of memory");
}

static int set_text(struct adding *adding, const char *key, const char *value)
{
	return module_text_set(&adding->text, key, value) == 0 ? EXIT_DONE : out_of_memory(adding);
}

static int set_list(struct adding *adding, const char *key, const char *const *items, int count)
{
	char *list = malloc(LIST_SIZE_MAX);
	int code;
	if (list == NULL)
		return out_of_memory(adding);
	if (module_text_list(items, count, list, LIST_SIZE_MAX) != 0)
		code = refuse(adding->arguments, "the list of %s is too long; expected at most %d",
			key, ROOTS_MAX);
	else
		code = set_text(adding, key, list);
	free(list);
	return code;
}

/* --address IP[/P][@IF], several times or with commas */
static int set_addresses(struct adding *adding)
{
	const struct arguments *arguments = adding->arguments;
	const char *items[ADDRESSES_MAX + 1];
	char copy[1024], *rest = copy, *part;
	size_t used = 0;
	int count = 0;
	copy[0] = '\0';
	for (int i = 0; i < arguments->value_count[OPTION_ADDRESS]; i++) {
		const char *value = arguments->values[OPTION_ADDRESS][i];
		if (used + strlen(value) + 2 > sizeof(copy))
			return refuse(arguments,
				"--address: too many; expected at most %d addresses",
				ADDRESSES_MAX);
		used += (size_t)snprintf(
			copy + used, sizeof(copy) - used, "%s%s", i == 0 ? "" : ",", value);
	}
	while ((part = strsep(&rest, ",")) != NULL && count <= ADDRESSES_MAX)
		items[count++] = part;
	if (module_text_unset(&adding->text, "address") != 0)
		return out_of_memory(adding);
	return set_list(adding, "addresses", items, count);
}

static int set_options(struct adding *adding)
{
	const struct arguments *arguments = adding->arguments;
	int code = EXIT_DONE;
	if (option_given(arguments, OPTION_ADDRESS))
		code = set_addresses(adding);
	if (code == EXIT_DONE && option_given(arguments, OPTION_DIRECTORY))
		code = set_list(adding, "directories", arguments->values[OPTION_DIRECTORY],
			arguments->value_count[OPTION_DIRECTORY]);
	for (int i = 0; code == EXIT_DONE && i < arguments->value_count[OPTION_SET]; i++) {
		char key[64];
		const char *pair = arguments->values[OPTION_SET][i];
		size_t size = strcspn(pair, "=");
		if (pair[size] != '=' || size == 0 || size >= sizeof(key) ||
			strchr(pair, '\n') != NULL)
			return usage(arguments, "--set: found '%s'; expected KEY=VALUE", pair);
		memcpy(key, pair, size);
		key[size] = '\0';
		code = set_text(adding, key, pair + size + 1);
	}
	return code;
}

static uint16_t free_number(const struct site *site)
{
	for (uint16_t number = 1; number <= MODULES_MAX; number++) {
		bool is_free = true;
		for (int i = 0; i < site->modules.count; i++)
			is_free = is_free && site->modules.list[i].number != number;
		if (is_free)
			return number;
	}
	return 0;
}

/* What a folder of the catalogue leaves open: number and nodes. */
static int set_missing(struct adding *adding)
{
	int code = EXIT_DONE;
	if (!module_text_has(adding->text, "number")) {
		char number[16];
		snprintf(number, sizeof(number), "%u", free_number(&adding->site));
		code = set_text(adding, "number", number);
	}
	if (code != EXIT_DONE || module_text_has(adding->text, "nodes"))
		return code;
	if (module_text_is(adding->text, "kind", "single"))
		return set_text(adding, "nodes", adding->site.self->name);
	if (adding->site.cluster.node_count != 2)
		return refuse(adding->arguments,
			"the cluster has %u node%s and the module says nothing of 'nodes'; %s",
			adding->site.cluster.node_count,
			adding->site.cluster.node_count == 1 ? "" : "s",
			adding->site.cluster.node_count == 1
				? "a mirror wants two: 'evenkeel cluster add NODE' comes first"
				: "say which two: --set nodes=[A,B]");
	const char *names[2] = { adding->site.cluster.nodes[0].name,
		adding->site.cluster.nodes[1].name };
	return set_list(adding, "nodes", names, 2);
}

/* Another node never reads what lies here. */
static int check_own_node(const struct adding *adding)
{
	const struct module_settings *settings = adding->settings;
	const char *self = adding->site.self->name;
	if (settings->kind != KIND_SINGLE || strcmp(settings->nodes[0], self) == 0)
		return EXIT_DONE;
	return refuse(adding->arguments,
		"a module of kind single runs on one node, and 'nodes' names '%s'; this is '%s': "
		"add it "
		"there, or give this node: --set nodes=%s",
		settings->nodes[0], self, self);
}

static int compose(struct adding *adding)
{
	char path[PATH_SIZE_MAX];
	size_t size;
	struct config_error error = { "out of memory" };
	if (strlen(adding->source) + 16 > sizeof(path))
		return refuse(adding->arguments,
			"the path of the folder %.80s... is too long; move it to a shorter one",
			adding->source);
	file_path_join(path, adding->source, "module.yaml");
	int result = file_read(path, &adding->text, &size);
	if (result != 0)
		return refuse(adding->arguments,
			"%s cannot be read: %s; expected a folder with module.yaml and bin/", path,
			strerror(-result));
	int code = set_options(adding);
	if (code == EXIT_DONE)
		code = set_missing(adding);
	if (code != EXIT_DONE)
		return code;
	struct bytes bytes = { .data = (const uint8_t *)adding->text,
		.size = strlen(adding->text) };
	if (config_read_module_text(path, bytes, adding->settings, &error) != 0)
		return refuse(adding->arguments, "%s", error.sentence);
	return check_own_node(adding);
}

/* ---- checks of this node ---- */

static int look(struct adding *adding)
{
	const struct arguments *arguments = adding->arguments;
	struct preflight_site place = { .config = arguments->config,
		.state = arguments->state,
		.run = arguments->run,
		.programs = arguments->programs };
	struct preflight_findings findings;
	struct preflight_neighbour *neighbours = NULL;
	const struct module_settings *others[MODULES_MAX];
	int code = EXIT_DONE;
	for (int i = 0; i < adding->site.modules.count; i++)
		others[i] = &adding->site.modules.list[i];
	if (preflight_neighbours(others, adding->site.modules.count, adding->name, &neighbours,
		    &place.neighbour_count) != 0)
		return out_of_memory(adding);
	place.neighbours = neighbours;
	preflight_check(&place, adding->settings, &findings);
	free(neighbours);
	for (int i = 0; i < findings.count; i++) {
		const struct preflight_finding *finding = &findings.list[i];
		(void)refuse(arguments, "%s%s", finding->is_passing ? "warning: " : "",
			finding->sentence);
		code = finding->is_passing ? code : EXIT_REFUSED;
	}
	return code;
}

/* ---- module add ---- */

static int name_module(struct adding *adding)
{
	const struct setting row = { "name", SETTING_NAME, .size = sizeof(adding->name) };
	char path[PATH_SIZE_MAX], expected[256];
	const char *name = option_value(adding->arguments, OPTION_NAME);
	if (realpath(adding->source, path) == NULL)
		return refuse(adding->arguments, "%s cannot be found: %s", adding->source,
			strerror(errno));
	if (name == NULL)
		name = strrchr(path, '/') + 1;
	if (!settings_parse_value(&row, name, adding->name)) {
		settings_expected(&row, expected, sizeof(expected));
		return refuse(adding->arguments,
			"the module's name: found '%s'; expected %s (--name gives one)", name,
			expected);
	}
	for (int i = 0; i < adding->site.modules.count; i++) {
		if (strcmp(adding->site.modules.list[i].name, adding->name) == 0)
			return refuse(adding->arguments,
				"there is a module '%s' already; remove it first ('evenkeel module "
				"remove %s'), or give this one another name: --name",
				adding->name, adding->name);
	}
	return EXIT_DONE;
}

static int copy_module(struct adding *adding)
{
	char folder[PATH_SIZE_MAX], path[PATH_SIZE_MAX], hidden[MODULE_NAME_MAX + 8];
	node_file_path(folder, NODE_FILE_MODULES, adding->arguments->config, NULL);
	snprintf(hidden, sizeof(hidden), ".%s.new", adding->name);
	file_path_join(adding->hidden, folder, hidden);
	file_path_join(adding->target, folder, adding->name);
	int error = folder_make(folder, 0755);
	if (error == 0)
		error = folder_remove(adding->hidden); /* left by a run that was interrupted */
	if (error == 0)
		error = folder_copy(adding->source, adding->hidden);
	if (error == 0) {
		file_path_join(path, adding->hidden, "module.yaml");
		error = file_write(path, adding->text, strlen(adding->text), 0644);
	}
	if (error == 0)
		return EXIT_DONE;
	return refuse(adding->arguments, "%s cannot be copied to %s: %s", adding->source,
		adding->hidden, strerror(-error));
}

/* Clears up after a refusal; what cannot be removed is named, the refusal stands. */
static void clear(const struct adding *adding, const char *path)
{
	int error = folder_remove(path);
	if (error != 0)
		(void)refuse(adding->arguments, "%s is left over and cannot be removed: %s", path,
			strerror(-error));
}

/* The others and this one together, as evenkeeld will read them; then evenkeeld itself. */
static int publish(struct adding *adding, bool *out_runs)
{
	struct config_error error = { "out of memory" };
	struct config_modules all;
	int result = folder_rename(adding->hidden, adding->target);
	if (result != 0)
		return refuse(adding->arguments, "%s cannot be made: %s", adding->target,
			strerror(-result));
	result = config_read_all_modules(
		adding->arguments->config, &adding->site.cluster, &all, &error);
	config_modules_done(&all);
	if (result == 0)
		result = client_reload(adding->arguments, out_runs, &error);
	if (result == 0)
		return EXIT_DONE;
	clear(adding, adding->target);
	return refuse(adding->arguments, "%s", error.sentence);
}

static void say_added(const struct adding *adding, bool runs)
{
	const struct module_settings *settings = adding->settings;
	printf("Module '%s' (number %u) is added on this node%s. ", adding->name, settings->number,
		runs ? "" : "; evenkeeld does not run, it will read it at its start");
	if (settings->kind == KIND_SINGLE)
		printf("'evenkeel start %s' starts it.\n", adding->name);
	else
		printf("Do the same on the other node of %s and %s, then 'evenkeel start %s' on "
		       "both.\n",
			settings->nodes[0], settings->nodes[1], adding->name);
}

static int add_module(struct adding *adding)
{
	bool runs = false;
	int code = name_module(adding);
	if (code == EXIT_DONE)
		code = compose(adding);
	if (code == EXIT_DONE)
		code = copy_module(adding);
	if (code == EXIT_DONE) {
		memcpy(adding->settings->name, adding->name, sizeof(adding->name));
		/* What is complained about is found where the person wrote it. */
		snprintf(adding->settings->folder, sizeof(adding->settings->folder), "%s",
			adding->source);
		code = look(adding);
	}
	if (code == EXIT_DONE)
		code = publish(adding, &runs);
	if (adding->hidden[0] != '\0' && code != EXIT_DONE)
		clear(adding, adding->hidden);
	if (code == EXIT_DONE)
		say_added(adding, runs);
	return code;
}

int do_module_add(const struct arguments *arguments)
{
	struct adding *adding = calloc(1, sizeof(*adding));
	if (adding == NULL)
		return refuse(arguments, "out of memory");
	adding->arguments = arguments;
	adding->source = arguments->positional[0];
	adding->settings = calloc(1, sizeof(*adding->settings));
	int code = adding->settings == NULL ? out_of_memory(adding)
					    : site_read(arguments, &adding->site);
	if (code == EXIT_DONE) {
		code = add_module(adding);
		site_done(&adding->site);
	}
	free(adding->text);
	free(adding->settings);
	free(adding);
	return code;
}
