/* What the commands that make, extend and carry a configuration folder share. Not for others. */
#ifndef EVENKEEL_CLI_CLUSTER_H
#define EVENKEEL_CLI_CLUSTER_H

#include "cli/cli.h"

/* The files of a configuration folder that a bundle carries, in the order in which they are written:
 * cluster.yaml is the last, with it the folder counts. */
enum config_file {
	FILE_CA,
	FILE_CA_KEY,
	FILE_NODE_CERTIFICATE,
	FILE_NODE_KEY,
	FILE_SECRET,
	FILE_NODE,
	FILE_CLUSTER,
	FILE_COUNT
};

struct config_files {
	char *texts[FILE_COUNT]; /* terminated; wiped and freed by cluster_files_done() */
};

/* Below the configuration folder. */
const char *cluster_file_path(enum config_file file);
void cluster_files_done(struct config_files *files);
/* Gives an exit code, after a sentence if it is not EXIT_DONE; so do the following. */
int cluster_files_write(
	const struct arguments *arguments, const struct config_files *files) MUST_CHECK;
/* That this node belongs to no cluster yet. */
int cluster_refuse_if_there(const struct arguments *arguments) MUST_CHECK;
/* What was put together is read as evenkeeld will: one place knows what a cluster must be. */
int cluster_check(const struct arguments *arguments, const char *text) MUST_CHECK;
/* --address A,B,C into the node. */
int cluster_parse_addresses(const struct arguments *arguments, struct node_config *node) MUST_CHECK;
int cluster_parse_name(const struct arguments *arguments, const char *text,
	char out[NODE_NAME_MAX + 1]) MUST_CHECK;
/* The text and a line's end; NULL: out of memory. */
char *cluster_line(const char *text);

#endif
