/*
 * cluster add and accept: a node's folder made here, carried by hand, taken there.
 *
 * A bundle is one JSON object: {"evenkeel_bundle":1,"cluster":NAME,"node":NAME,"files":{PATH:TEXT}}.
 * It holds the new node's private key and the cluster's secret: 0600, deleted after it was taken.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cluster.h"
#include "cli/keys.h"
#include "cli/passphrase.h"
#include "platform/folders.h"

#define BUNDLE_VERSION 1

/* ---- cluster add ---- */

static int read_into(
	const struct arguments *arguments, enum config_file file, struct config_files *files)
{
	char path[PATH_SIZE_MAX];
	size_t size;
	file_path_join(path, arguments->config, cluster_file_path(file));
	int error = file_read(path, &files->texts[file], &size);
	if (error != 0)
		return refuse(arguments, "%s cannot be read: %s", path, strerror(-error));
	return EXIT_DONE;
}

/* Its bundle was lost: another one is written, with a new key, and the cluster stays as it is. */
static int check_node_is_there(
	const struct arguments *arguments, const struct cluster_config *cluster)
{
	if (config_node_by_name(cluster, arguments->positional[0]) != NULL)
		return EXIT_DONE;
	return refuse(arguments,
		"there is no node '%s' in the cluster; without --replace it is added",
		arguments->positional[0]);
}

static int add_node(const struct arguments *arguments, struct cluster_config *cluster)
{
	uint8_t last = 0;
	if (cluster->node_count == NODES_MAX)
		return refuse(arguments,
			"the cluster has %d nodes already; there is no room for more", NODES_MAX);
	for (int i = 0; i < cluster->node_count; i++)
		last = MAX_OF(last, cluster->nodes[i].id);
	struct node_config *node = &cluster->nodes[cluster->node_count];
	*node = (struct node_config){ .id = (uint8_t)(last + 1) };
	int code = cluster_parse_name(arguments, arguments->positional[0], node->name);
	if (code == EXIT_DONE)
		code = cluster_parse_addresses(arguments, node);
	if (code != EXIT_DONE)
		return code;
	if (config_node_by_name(cluster, node->name) != NULL) /* the new one is not counted yet */
		return refuse(arguments,
			"node '%s' is in the cluster already; if its bundle was lost, 'evenkeel "
			"cluster add %s --replace' writes another one",
			node->name, node->name);
	cluster->node_count++;
	cluster->epoch++;
	return EXIT_DONE;
}

/* Everything that the new node's folder will hold. */
static int make_bundle(const struct arguments *arguments, struct config_files *files)
{
	char passphrase[PASSPHRASE_MAX + 1];
	const char *node = arguments->positional[0];
	int code = read_into(arguments, FILE_CA, files);
	if (code == EXIT_DONE)
		code = read_into(arguments, FILE_CA_KEY, files);
	if (code == EXIT_DONE)
		code = read_into(arguments, FILE_SECRET, files);
	if (code == EXIT_DONE)
		code = passphrase_ask(arguments, passphrase);
	if (code != EXIT_DONE)
		return code;
	struct ca_texts ca = { files->texts[FILE_CA], files->texts[FILE_CA_KEY] };
	int error = keys_make_node(&ca, passphrase, node, &files->texts[FILE_NODE_CERTIFICATE],
		&files->texts[FILE_NODE_KEY]);
	if (error == -EACCES)
		return refuse(arguments,
			"the recovery passphrase is wrong; it was printed by 'cluster init'");
	if (error != 0)
		return refuse(arguments, "the certificate of '%s' cannot be made: %s", node,
			error == -EBADMSG ? "tls/ca.pem and tls/ca.key do not fit"
					  : strerror(-error));
	files->texts[FILE_NODE] = cluster_line(node);
	return files->texts[FILE_NODE] != NULL ? EXIT_DONE : refuse(arguments, "out of memory");
}

static int write_bundle(const struct arguments *arguments, const struct cluster_config *cluster,
	const struct config_files *files, const char *path)
{
	json_t *texts = json_object();
	for (int i = 0; i < FILE_COUNT; i++)
		(void)json_object_set_new(texts, cluster_file_path((enum config_file)i),
			json_string(files->texts[i]));
	json_t *bundle = json_pack("{s:i,s:s,s:s,s:o}", "evenkeel_bundle", BUNDLE_VERSION,
		"cluster", cluster->name, "node", arguments->positional[0], "files", texts);
	char *text = bundle != NULL ? json_dumps(bundle, JSON_INDENT(1)) : NULL;
	int error = text == NULL ? -ENOMEM : file_write(path, text, strlen(text), 0600);
	key_free(text);
	json_decref(bundle);
	if (error != 0)
		return refuse(arguments, "%s cannot be written: %s", path, strerror(-error));
	return EXIT_DONE;
}

static int commit_cluster(const struct arguments *arguments, const char *text)
{
	struct config_error error = { "" };
	char path[PATH_SIZE_MAX];
	bool runs = false;
	node_file_path(path, NODE_FILE_CLUSTER, arguments->config, NULL);
	int result = file_write(path, text, strlen(text), 0644);
	if (result != 0)
		return refuse(arguments, "%s cannot be written: %s", path, strerror(-result));
	if (client_reload(arguments, &runs, &error) != 0)
		return refuse(arguments,
			"%s is written, but evenkeeld did not take it over: %s; 'evenkeel apply' "
			"tries again",
			path, error.sentence);
	return EXIT_DONE;
}

int do_cluster_add(const struct arguments *arguments)
{
	struct site site;
	struct config_files files = { 0 };
	char default_path[NODE_NAME_MAX + 16];
	int code = site_read(arguments, &site);
	if (code != EXIT_DONE)
		return code;
	bool is_again = option_given(arguments, OPTION_REPLACE);
	if (!is_again)
		code = add_node(arguments, &site.cluster);
	if (code == EXIT_DONE) {
		files.texts[FILE_CLUSTER] = config_cluster_text(&site.cluster);
		code = files.texts[FILE_CLUSTER] == NULL
			       ? refuse(arguments, "out of memory")
			       : cluster_check(arguments, files.texts[FILE_CLUSTER]);
	}
	if (code == EXIT_DONE && is_again)
		code = check_node_is_there(arguments, &site.cluster);
	if (code == EXIT_DONE)
		code = make_bundle(arguments, &files);
	snprintf(default_path, sizeof(default_path), "%.64s.bundle", arguments->positional[0]);
	const char *path = option_value(arguments, OPTION_OUTPUT);
	path = path != NULL ? path : default_path;
	if (code == EXIT_DONE)
		code = write_bundle(arguments, &site.cluster, &files, path);
	if (code == EXIT_DONE && !is_again)
		code = commit_cluster(arguments, files.texts[FILE_CLUSTER]);
	if (code == EXIT_DONE)
		printf("Node '%s' is in the cluster. Carry %s to it (it holds the node's key and "
		       "the "
		       "cluster's secret: over a safe way, and delete it afterwards), and there:\n"
		       "  evenkeel cluster accept %s\n",
			arguments->positional[0], path, path);
	cluster_files_done(&files);
	site_done(&site);
	return code;
}

/* ---- cluster accept ---- */

static int read_bundle(const struct arguments *arguments, const char *path, json_t **out_bundle)
{
	json_error_t problem;
	char *text = NULL;
	size_t size = 0;
	int error = file_read(path, &text, &size);
	if (error != 0)
		return refuse(arguments, "%s cannot be read: %s", path, strerror(-error));
	json_t *bundle = json_loadb(text, size, 0, &problem);
	key_free(text);
	json_int_t version = json_integer_value(json_object_get(bundle, "evenkeel_bundle"));
	if (bundle != NULL && version == BUNDLE_VERSION) {
		*out_bundle = bundle;
		return EXIT_DONE;
	}
	json_decref(bundle);
	if (version != 0)
		return refuse(arguments,
			"%s is a bundle of version %lld; this program knows version %d: install "
			"the "
			"same version on both nodes",
			path, (long long)version, BUNDLE_VERSION);
	return refuse(arguments, "%s is no bundle; 'evenkeel cluster add NODE' writes one", path);
}

/* The paths are ours, not the bundle's: a bundle cannot write anywhere else. */
static int take_files(
	const struct arguments *arguments, const json_t *bundle, struct config_files *files)
{
	const json_t *texts = json_object_get(bundle, "files");
	for (int i = 0; i < FILE_COUNT; i++) {
		const char *text = client_text(texts, cluster_file_path((enum config_file)i));
		if (text[0] == '\0')
			return refuse(arguments,
				"the bundle is not whole: %s is missing; carry it again",
				cluster_file_path((enum config_file)i));
		files->texts[i] = strdup(text);
		if (files->texts[i] == NULL)
			return refuse(arguments, "out of memory");
	}
	return cluster_check(arguments, files->texts[FILE_CLUSTER]);
}

int do_cluster_accept(const struct arguments *arguments)
{
	struct config_files files = { 0 };
	json_t *bundle = NULL;
	int code = option_given(arguments, OPTION_REPLACE) ? EXIT_DONE
							   : cluster_refuse_if_there(arguments);
	if (code == EXIT_DONE)
		code = read_bundle(arguments, arguments->positional[0], &bundle);
	if (code == EXIT_DONE)
		code = take_files(arguments, bundle, &files);
	if (code == EXIT_DONE)
		code = cluster_files_write(arguments, &files);
	if (code == EXIT_DONE)
		printf("This node is '%s' of cluster '%s'. Delete %s. Next: add the same modules "
		       "as "
		       "on the other node ('evenkeel module add DIR'), start evenkeel-hold.\n",
			client_text(bundle, "node"), client_text(bundle, "cluster"),
			arguments->positional[0]);
	cluster_files_done(&files);
	json_decref(bundle);
	return code;
}
