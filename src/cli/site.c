/* The configuration folder as the commands see it: cluster, modules, this node. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "platform/folders.h"

int site_read(const struct arguments *arguments, struct site *out_site)
{
	struct config_error error = { "out of memory" };
	struct site *site = out_site;
	char path[PATH_SIZE_MAX];
	*site = (struct site){ 0 };
	node_file_path(path, NODE_FILE_CLUSTER, arguments->config, NULL);
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return refuse(arguments,
			"%s is missing: this node belongs to no cluster yet; 'evenkeel cluster "
			"init' "
			"makes one, 'evenkeel cluster accept' joins one",
			path);
	int result = config_read_cluster(path, &site->cluster, &error);
	if (result == 0)
		result = config_read_self(arguments->config, &site->cluster, &site->self, &error);
	if (result == 0)
		result = config_read_modules(
			arguments->config, &site->cluster, NULL, &site->modules, &error);
	if (result != 0) {
		site_done(site);
		return refuse(arguments, "%s", error.sentence);
	}
	return EXIT_DONE;
}

void site_done(struct site *site)
{
	config_modules_done(&site->modules);
}
