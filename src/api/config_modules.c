/*
 * All modules of a node, and what must hold between them: each against those before it in the order
 * of their names, so the complaint is the same on every node. A wrong one counts for nothing: neither it nor what
 * would have excluded it keeps another out.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/config_internal.h"
#include "platform/folders.h"

/* One module against what there is already. */
struct modules_check {
	const struct cluster_config *cluster;
	const struct config_modules *others;
	const struct module_settings *settings;
	const struct settings_source *source;
	struct config_error *error;
};

static int check_nodes_known(const struct modules_check *check)
{
	for (int i = 0; i < config_node_count(check->settings); i++) {
		const char *name = check->settings->nodes[i];
		if (config_node_by_name(check->cluster, name) == NULL)
			return MODULE_COMPLAIN(check->source, check->error, MODULE_NODES,
				"found '%s', which is no node of cluster.yaml; expected names that "
				"'evenkeel cluster list' shows",
				name);
	}
	return 0;
}

static int check_not_a_nodes(const struct modules_check *check)
{
	const struct module_settings *settings = check->settings;
	char shown[ADDRESS_TEXT_SIZE];
	for (int a = 0; a < settings->address_count; a++) {
		const struct address *address = &settings->addresses[a].address;
		for (int n = 0; n < check->cluster->node_count; n++) {
			const struct node_config *node = &check->cluster->nodes[n];
			for (int i = 0; i < node->address_count; i++) {
				if (address_is_equal(&node->addresses[i], address))
					return MODULE_COMPLAIN(check->source, check->error,
						config_address_row(check->source),
						"%s is the address of node '%s' itself; expected "
						"an address that no host has",
						address_format(address, shown), node->name);
			}
		}
	}
	return 0;
}

/* Whoever serves would always reach it, also when it is the one that is cut off. */
static int check_not_the_target(const struct modules_check *check)
{
	const struct module_settings *settings = check->settings;
	const struct address *target = &check->cluster->ping_target;
	char shown[ADDRESS_TEXT_SIZE];
	for (int i = 0; i < settings->address_count; i++) {
		if (target->family != ADDRESS_NONE &&
			address_is_equal(&settings->addresses[i].address, target))
			return MODULE_COMPLAIN(check->source, check->error,
				config_address_row(check->source),
				"%s is the ping_target of cluster.yaml; expected an address that "
				"no host has, and a ping_target that is another host's",
				address_format(target, shown));
	}
	return 0;
}

static int check_shared_addresses(
	const struct modules_check *check, const struct module_settings *b)
{
	const struct module_settings *a = check->settings;
	char shown[ADDRESS_TEXT_SIZE];
	for (int i = 0; i < a->address_count; i++) {
		for (int j = 0; j < b->address_count; j++) {
			if (address_is_equal(&a->addresses[i].address, &b->addresses[j].address))
				return MODULE_COMPLAIN(check->source, check->error,
					config_address_row(check->source),
					"module '%s' has %s too; expected an address of its own",
					b->name, address_format(&a->addresses[i].address, shown));
		}
	}
	return 0;
}

static int check_pair_of_modules(const struct modules_check *check, const struct module_settings *b)
{
	const struct module_settings *a = check->settings;
	if (a->number == b->number)
		return MODULE_COMPLAIN(check->source, check->error, MODULE_NUMBER,
			"module '%s' has number %u too; expected a number of its own", b->name,
			a->number);
	for (int i = 0; i < a->directory_count; i++) {
		for (int j = 0; j < b->directory_count; j++) {
			if (config_paths_overlap(a->directories[i], b->directories[j]))
				return MODULE_COMPLAIN(check->source, check->error,
					MODULE_DIRECTORIES,
					"'%.120s' and '%.120s' of module '%s' lie one in the "
					"other; expected directories of its own",
					a->directories[i], b->directories[j], b->name);
		}
	}
	return check_shared_addresses(check, b);
}

static int check_module(const struct modules_check *check)
{
	int error = check_nodes_known(check);
	if (error == 0)
		error = check_not_a_nodes(check);
	if (error == 0)
		error = check_not_the_target(check);
	for (int i = 0; i < check->others->count && error == 0; i++)
		error = check_pair_of_modules(check, &check->others->list[i]);
	return error;
}

/* A plain file that lies there (an editor's, a README) is no module, and keeps none out. */
static int is_module_folder(const struct dirent *entry)
{
	bool may_be_folder =
		entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
	return entry->d_name[0] != '.' && may_be_folder;
}

/* Where one module's settings may stand. */
struct module_place {
	const char *run_folder; /* NULL: not there */
	const char *folder, *name;
	const struct cluster_config *cluster;
};

static int read_and_check(const struct module_place *place, bool is_applied,
	struct config_modules *modules, struct config_error *error)
{
	char file[PATH_SIZE_MAX];
	struct module_settings *settings = &modules->list[modules->count];
	struct settings_source source = { .file = file };
	snprintf(file, sizeof(file), "%.4000s/module.yaml", place->folder);
	int result = is_applied ? config_read_applied_lines(place->run_folder, place->folder,
					  settings, &source, error)
				: config_read_module_lines(place->folder, settings, &source, error);
	if (result == 0)
		result = check_module(&(struct modules_check){ .cluster = place->cluster,
			.others = modules,
			.settings = settings,
			.source = &source,
			.error = error });
	if (result != 0 && error->sentence[0] == '\0')
		(void)settings_complain(
			error, file, 0, NULL, "cannot be read: %s", strerror(-result));
	return result;
}

/* The first setting that cannot change while the module runs. */
struct change {
	const char *folder;
	struct config_error *error;
};

static void note_change(void *context, const struct config_difference *difference)
{
	struct change *change = context;
	char file[PATH_SIZE_MAX];
	if (difference->is_live || change->error->sentence[0] != '\0')
		return;
	snprintf(file, sizeof(file), "%.4000s/module.yaml", change->folder);
	(void)settings_complain(change->error, file, 0, difference->key,
		"found '%.120s' instead of '%.120s'; this can only change while the module is "
		"stopped on this node",
		difference->after, difference->before);
}

/* It runs: what it runs under is put in place of what the file says, if that cannot be. */
static int read_applied(const struct module_place *place, struct config_modules *modules,
	bool is_right, struct config_error *error)
{
	struct config_error ignored = { "" };
	struct change change = { .folder = place->folder, .error = error };
	struct module_settings *settings = &modules->list[modules->count];
	struct module_settings *file = is_right ? malloc(sizeof(*file)) : NULL;
	if (is_right && file == NULL)
		return 0; /* what the file says then */
	if (is_right)
		*file = *settings;
	int result = read_and_check(place, true, modules, &ignored);
	if (result == 0 && is_right)
		(void)config_compare_modules(settings, file, note_change, &change);
	if (is_right && error->sentence[0] == '\0') {
		*settings = *file;
		result = 0;
	}
	free(file);
	return result;
}

/* One that is not executable is there, and said so when it is its turn. */
static void find_scripts(struct module_settings *settings)
{
	char path[2 * PATH_SIZE_MAX];
	for (int i = 0; i < SCRIPT_COUNT; i++) {
		snprintf(path, sizeof(path), "%s/bin/%s", settings->folder,
			script_name((enum script)i));
		settings->has_script[i] = access(path, F_OK) == 0;
	}
}

/* Puts it to the right ones or to the wrong ones, or to both. */
static void read_one(const struct module_place *place, struct config_modules *modules)
{
	struct config_wrong *wrong = &modules->wrong[modules->wrong_count];
	int error = read_and_check(place, false, modules, &wrong->error);
	if (place->run_folder != NULL && config_has_applied(place->run_folder, place->name))
		error = read_applied(place, modules, error == 0, &wrong->error);
	if (error == 0)
		find_scripts(&modules->list[modules->count++]);
	if (wrong->error.sentence[0] == '\0')
		return;
	snprintf(wrong->name, sizeof(wrong->name), "%.*s", MODULE_NAME_MAX, place->name);
	wrong->is_going_on = error == 0;
	modules->wrong_count++;
}

static void free_entries(struct dirent **entries, int count)
{
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
}

static int make_room(struct config_modules *modules, int count)
{
	modules->list = calloc((size_t)count + 1, sizeof(*modules->list));
	modules->wrong = calloc((size_t)count + 1, sizeof(*modules->wrong));
	return modules->list == NULL || modules->wrong == NULL ? -ENOMEM : 0;
}

int config_read_modules(const char *config_folder, const struct cluster_config *cluster,
	const char *run_folder, struct config_modules *out_modules, struct config_error *out_error)
{
	char folder[PATH_SIZE_MAX], path[PATH_SIZE_MAX];
	struct module_place place = {
		.run_folder = run_folder, .folder = path, .cluster = cluster
	};
	struct dirent **entries = NULL;
	*out_modules = (struct config_modules){ 0 };
	node_file_path(folder, NODE_FILE_MODULES, config_folder, NULL);
	int count = scandir(folder, &entries, is_module_folder, alphasort);
	if (count < 0 && errno == ENOENT)
		return 0; /* no module was added yet */
	if (count < 0)
		return settings_complain(
			out_error, folder, 0, NULL, "cannot be read: %s", strerror(errno));
	int error = count <= MODULES_MAX
			    ? make_room(out_modules, count)
			    : settings_complain(out_error, folder, 0, NULL,
				      "found %d modules; expected at most %d", count, MODULES_MAX);
	for (int i = 0; i < count && error == 0; i++) {
		place.name = entries[i]->d_name;
		snprintf(path, sizeof(path), "%.3800s/%s", folder, place.name);
		read_one(&place, out_modules);
	}
	free_entries(entries, count);
	if (error != 0)
		config_modules_done(out_modules);
	return error;
}

int config_read_all_modules(const char *config_folder, const struct cluster_config *cluster,
	struct config_modules *out_modules, struct config_error *out_error)
{
	int error = config_read_modules(config_folder, cluster, NULL, out_modules, out_error);
	if (error == 0 && out_modules->wrong_count > 0) {
		*out_error = out_modules->wrong[0].error;
		error = -EINVAL;
		config_modules_done(out_modules);
	}
	return error;
}

void config_modules_done(struct config_modules *modules)
{
	free(modules->list);
	free(modules->wrong);
	*modules = (struct config_modules){ 0 };
}
