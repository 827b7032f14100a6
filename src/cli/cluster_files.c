/*
 * A node's configuration folder: its files, and what is asked of those who make one.
 */
#include "cli/cluster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/preflight.h"
#include "api/settings.h"
#include "cli/keys.h"
#include "platform/folders.h"

static const struct {
	const char *path;
	int mode;
} config_file_rows[FILE_COUNT] = {
	[FILE_CA] = { "tls/ca.pem", 0644 },
	[FILE_CA_KEY] = { "tls/ca.key", 0600 },
	[FILE_NODE_CERTIFICATE] = { "tls/node.pem", 0644 },
	[FILE_NODE_KEY] = { "tls/node.key", 0600 },
	[FILE_SECRET] = { "secret", 0600 },
	[FILE_NODE] = { "node", 0644 },
	[FILE_CLUSTER] = { "cluster.yaml", 0644 },
};

const char *cluster_file_path(enum config_file file)
{
	return config_file_rows[file].path;
}

void cluster_files_done(struct config_files *files)
{
	for (int i = 0; i < FILE_COUNT; i++)
		key_free(files->texts[i]);
}

int cluster_files_write(const struct arguments *arguments, const struct config_files *files)
{
	char path[PATH_SIZE_MAX];
	node_file_path(path, NODE_FILE_TLS, arguments->config, NULL);
	int error = folder_make(path, 0700);
	if (error != 0)
		return refuse(arguments, "%s cannot be made: %s", path, strerror(-error));
	for (int i = 0; i < FILE_COUNT; i++) {
		file_path_join(path, arguments->config, config_file_rows[i].path);
		error = file_write(
			path, files->texts[i], strlen(files->texts[i]), config_file_rows[i].mode);
		if (error != 0)
			return refuse(
				arguments, "%s cannot be written: %s", path, strerror(-error));
	}
	return EXIT_DONE;
}

int cluster_check(const struct arguments *arguments, const char *text)
{
	struct cluster_config again;
	struct config_error error = { "out of memory" };
	struct bytes bytes = { .data = (const uint8_t *)text, .size = strlen(text) };
	if (config_read_cluster_text("cluster.yaml (as it would be)", bytes, &again, &error) != 0 ||
		preflight_addresses(&again, NULL, &error) != 0)
		return refuse(arguments, "%s", error.sentence);
	return EXIT_DONE;
}

int cluster_parse_addresses(const struct arguments *arguments, struct node_config *node)
{
	const char *list = option_value(arguments, OPTION_ADDRESS);
	char copy[512], *rest = copy, *part;
	if (list == NULL)
		return usage(arguments,
			"--address is missing: this node's address on each network, the clients' "
			"network last");
	snprintf(copy, sizeof(copy), "%s", list);
	while ((part = strsep(&rest, ",")) != NULL) {
		if (node->address_count == LINKS_MAX)
			return usage(arguments, "more than %d addresses", LINKS_MAX);
		enum address_fault fault =
			address_read(part, ADDRESS_OF_NODE, &node->addresses[node->address_count]);
		if (fault != ADDRESS_IS_GOOD)
			return refuse(arguments,
				"--address: found '%s', which %s; expected addresses separated by "
				"commas, such as 10.1.0.1,10.2.0.1 or fd00:1::1,fd00:2::1",
				part, address_fault_text(fault));
		node->address_count++;
	}
	return EXIT_DONE;
}

int cluster_parse_name(
	const struct arguments *arguments, const char *text, char out[NODE_NAME_MAX + 1])
{
	const struct setting row = { "name", SETTING_NAME, .size = NODE_NAME_MAX + 1 };
	char expected[256];
	if (settings_parse_value(&row, text, out))
		return EXIT_DONE;
	settings_expected(&row, expected, sizeof(expected));
	return refuse(arguments, "found '%s'; expected %s", text, expected);
}

int cluster_refuse_if_there(const struct arguments *arguments)
{
	char path[PATH_SIZE_MAX];
	node_file_path(path, NODE_FILE_CLUSTER, arguments->config, NULL);
	if (access(path, F_OK) != 0)
		return EXIT_DONE;
	return refuse(arguments,
		"%s is there already: this node belongs to a cluster; keep it, or move %s away "
		"first",
		path, arguments->config);
}

char *cluster_line(const char *text)
{
	char *line = NULL;
	return asprintf(&line, "%s\n", text) < 0 ? NULL : line;
}
