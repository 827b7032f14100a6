/*
 * All modules of a node, and what must hold between them: each against those before it in the order
 * of their names, so the complaint is the same on every node.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/config_internal.h"

struct module_source {
	char file[PATH_SIZE_MAX];
	struct settings_source source;
};

struct modules_check {
	const struct cluster_config *cluster;
	const struct module_settings *settings;
	const struct module_source *sources;
	struct config_error *error;
};

static int check_nodes_known(const struct modules_check *check, int index)
{
	const struct settings_source *source = &check->sources[index].source;
	for (int i = 0; i < 2; i++) {
		const char *name = check->settings[index].nodes[i];
		if (config_node_by_name(check->cluster, name) == NULL)
			return MODULE_COMPLAIN(source, check->error, MODULE_NODES,
				"found '%s', which is no node of cluster.yaml; expected names that "
				"'evenkeel cluster list' shows",
				name);
	}
	return 0;
}

static int check_not_a_nodes(const struct modules_check *check, int index)
{
	const struct module_settings *settings = &check->settings[index];
	const struct settings_source *source = &check->sources[index].source;
	char shown[INET_ADDRSTRLEN];
	for (int a = 0; a < settings->address_count; a++) {
		struct in_addr address = settings->addresses[a].address;
		for (int n = 0; n < check->cluster->node_count; n++) {
			const struct node_config *node = &check->cluster->nodes[n];
			for (int i = 0; i < node->address_count; i++) {
				if (node->addresses[i].s_addr == address.s_addr)
					return MODULE_COMPLAIN(source, check->error,
						config_address_row(source),
						"%s is the address of node '%s' itself; expected "
						"an address that no host has",
						config_show_address(address, shown), node->name);
			}
		}
	}
	return 0;
}

static int check_shared_addresses(const struct modules_check *check, int index, int other)
{
	const struct module_settings *a = &check->settings[index], *b = &check->settings[other];
	const struct settings_source *source = &check->sources[index].source;
	char shown[INET_ADDRSTRLEN];
	for (int i = 0; i < a->address_count; i++) {
		for (int j = 0; j < b->address_count; j++) {
			if (a->addresses[i].address.s_addr == b->addresses[j].address.s_addr)
				return MODULE_COMPLAIN(source, check->error,
					config_address_row(source),
					"module '%s' has %s too; expected an address of its own",
					b->name,
					config_show_address(a->addresses[i].address, shown));
		}
	}
	return 0;
}

static int check_pair_of_modules(const struct modules_check *check, int index, int other)
{
	const struct module_settings *a = &check->settings[index], *b = &check->settings[other];
	const struct settings_source *source = &check->sources[index].source;
	if (a->number == b->number)
		return MODULE_COMPLAIN(source, check->error, MODULE_NUMBER,
			"module '%s' has number %u too; expected a number of its own", b->name,
			a->number);
	for (int i = 0; i < a->directory_count; i++) {
		for (int j = 0; j < b->directory_count; j++) {
			if (config_paths_overlap(a->directories[i], b->directories[j]))
				return MODULE_COMPLAIN(source, check->error, MODULE_DIRECTORIES,
					"'%.120s' and '%.120s' of module '%s' lie one in the "
					"other; expected directories of its own",
					a->directories[i], b->directories[j], b->name);
		}
	}
	return check_shared_addresses(check, index, other);
}

static int modules_check(const struct modules_check *check, int count)
{
	for (int i = 0; i < count; i++) {
		int error = check_nodes_known(check, i);
		if (error == 0)
			error = check_not_a_nodes(check, i);
		for (int j = 0; j < i && error == 0; j++)
			error = check_pair_of_modules(check, i, j);
		if (error != 0)
			return error;
	}
	return 0;
}

static int is_module_folder(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int read_listed(const char *folder, struct dirent **entries, int count,
	struct module_settings *out_settings, struct module_source *sources,
	struct config_error *error)
{
	for (int i = 0; i < count; i++) {
		char path[PATH_SIZE_MAX];
		snprintf(path, sizeof(path), "%.3800s/%s", folder, entries[i]->d_name);
		snprintf(sources[i].file, sizeof(sources[i].file), "%.4000s/module.yaml", path);
		sources[i].source.file = sources[i].file;
		int result =
			config_read_module_lines(path, &out_settings[i], &sources[i].source, error);
		if (result != 0)
			return result;
	}
	return 0;
}

static void free_entries(struct dirent **entries, int count)
{
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
}

int config_read_modules(const char *config_folder, const struct cluster_config *cluster,
	struct module_settings *out_settings, int max, int *out_count,
	struct config_error *out_error)
{
	char folder[PATH_SIZE_MAX];
	struct dirent **entries = NULL;
	snprintf(folder, sizeof(folder), "%.3800s/modules", config_folder);
	int count = scandir(folder, &entries, is_module_folder, alphasort);
	if (count < 0 && errno == ENOENT) {
		*out_count = 0; /* no module was added yet */
		return 0;
	}
	if (count < 0)
		return settings_complain(
			out_error, folder, 0, NULL, "cannot be read: %s", strerror(errno));
	int error = -ENOMEM;
	struct module_source *sources = calloc((size_t)count + 1, sizeof(*sources));
	if (sources != NULL && count > max)
		error = settings_complain(out_error, folder, 0, NULL,
			"found %d modules; expected at most %d", count, max);
	else if (sources != NULL)
		error = read_listed(folder, entries, count, out_settings, sources, out_error);
	if (error == 0)
		error = modules_check(&(struct modules_check){ .cluster = cluster,
					      .settings = out_settings,
					      .sources = sources,
					      .error = out_error },
			count);
	if (error == 0)
		*out_count = count;
	free(sources);
	free_entries(entries, count);
	return error;
}
