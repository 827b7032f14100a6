/*
 * cluster init, add, accept, list: the configuration folder of a node, made, extended, carried.
 *
 * A bundle is one JSON object:
 * {"evenkeel_bundle":1,"cluster":NAME,"node":NAME,"files":{PATH:TEXT}}. It holds the new node's
 * private key and the cluster's secret: 0600, carried by hand, deleted after.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "api/settings.h"
#include "cli/cli.h"
#include "cli/keys.h"
#include "cli/passphrase.h"

#define SECRET_SIZE    32
#define BUNDLE_VERSION 1

/* The files of a configuration folder that a bundle carries; cluster.yaml is written last: with it
 * the folder counts. */
static const struct bundle_file {
	const char *path;
	int mode;
} bundle_files[] = {
	{ "tls/ca.pem", 0644 },
	{ "tls/ca.key", 0600 },
	{ "tls/node.pem", 0644 },
	{ "tls/node.key", 0600 },
	{ "secret", 0600 },
	{ "node", 0644 },
	{ "cluster.yaml", 0644 },
};

/* Contents in the order of bundle_files. */
enum {
	FILE_CA,
	FILE_CA_KEY,
	FILE_NODE_CERTIFICATE,
	FILE_NODE_KEY,
	FILE_SECRET,
	FILE_NODE,
	FILE_CLUSTER,
	FILE_COUNT
};
_Static_assert(ARRAY_COUNT(bundle_files) == FILE_COUNT, "each file has its place");

struct config_files {
	char *texts[FILE_COUNT];
};

static void config_files_done(struct config_files *files)
{
	for (int i = 0; i < FILE_COUNT; i++)
		key_free(files->texts[i]);
}

static int config_files_write(const struct arguments *arguments, const struct config_files *files)
{
	char path[PATH_SIZE_MAX];
	path_join(path, arguments->config, "tls");
	int error = folder_make(path, 0700);
	if (error != 0)
		return refuse(arguments, "%s cannot be made: %s", path, strerror(-error));
	for (int i = 0; i < FILE_COUNT; i++) {
		path_join(path, arguments->config, bundle_files[i].path);
		error = file_write(
			path, files->texts[i], strlen(files->texts[i]), bundle_files[i].mode);
		if (error != 0)
			return refuse(
				arguments, "%s cannot be written: %s", path, strerror(-error));
	}
	return EXIT_DONE;
}

static char *cluster_text(const struct cluster_config *cluster)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int error = out == NULL ? -ENOMEM : config_print_cluster(cluster, out);
	if (out != NULL)
		fclose(out);
	if (error == 0)
		return text;
	free(text);
	return NULL;
}

/* What was put together is read as evenkeeld will: one place knows what a cluster must be. */
static int check_cluster(const struct arguments *arguments, const char *text)
{
	struct cluster_config again;
	struct config_error error = { "out of memory" };
	struct bytes bytes = { .data = (const uint8_t *)text, .size = strlen(text) };
	if (config_read_cluster_text("cluster.yaml (as it would be)", bytes, &again, &error) != 0)
		return refuse(arguments, "%s", error.sentence);
	return EXIT_DONE;
}

/* "A,B,C" into the node. */
static int parse_addresses(const struct arguments *arguments, struct node_config *node)
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
		if (inet_pton(AF_INET, part, &node->addresses[node->address_count]) != 1)
			return refuse(arguments,
				"--address: found '%s'; expected IPv4 addresses separated by "
				"commas, such as 10.1.0.1,10.2.0.1",
				part);
		node->address_count++;
	}
	return EXIT_DONE;
}

static int parse_name(const struct arguments *arguments, const char *text, char out[])
{
	const struct setting row = { "name", SETTING_NAME, .size = NODE_NAME_MAX + 1 };
	char expected[256];
	if (settings_parse_value(&row, text, out))
		return EXIT_DONE;
	settings_expected(&row, expected, sizeof(expected));
	return refuse(arguments, "found '%s'; expected %s", text, expected);
}

/* ---- cluster init ---- */

/* The gateway of the default route with the smallest metric, from /proc/net/route (addresses in the
 * machine's byte order, hexadecimal). */
static bool find_gateway(struct in_addr *out_gateway)
{
	char line[512];
	unsigned long best = 0;
	bool is_found = false;
	FILE *file = fopen("/proc/net/route", "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		unsigned int destination, gateway, flags, mask;
		unsigned long metric;
		if (sscanf(line, "%*s %x %x %x %*d %*u %lu %x", &destination, &gateway, &flags,
			    &metric, &mask) != 5)
			continue;
		if (destination != 0 || mask != 0 || gateway == 0 || (is_found && metric >= best))
			continue;
		out_gateway->s_addr = gateway;
		best = metric;
		is_found = true;
	}
	if (file != NULL)
		fclose(file);
	return is_found;
}

static int choose_target(const struct arguments *arguments, struct cluster_config *cluster)
{
	const char *target = option_value(arguments, OPTION_PING_TARGET);
	if (target != NULL && inet_pton(AF_INET, target, &cluster->ping_target) != 1)
		return refuse(
			arguments, "--ping-target: found '%s'; expected an IPv4 address", target);
	if (target == NULL && !find_gateway(&cluster->ping_target))
		return refuse(arguments, "--arbiter ping wants --ping-target: this node has no "
					 "default gateway; name "
					 "an address that only a connected node reaches");
	for (int i = 0; i < cluster->nodes[0].address_count; i++) {
		if (cluster->nodes[0].addresses[i].s_addr == cluster->ping_target.s_addr)
			return refuse(arguments,
				"the ping target is this node's own address; name another host, "
				"such as the gateway");
	}
	cluster->arbiter = ARBITER_PING;
	return EXIT_DONE;
}

/* ping where a target is known, else operator (R3). */
static int choose_arbiter(const struct arguments *arguments, struct cluster_config *cluster)
{
	const char *word = option_value(arguments, OPTION_ARBITER);
	struct in_addr gateway;
	cluster->arbiter = ARBITER_OPERATOR;
	if (word != NULL && strcmp(word, "operator") == 0)
		return EXIT_DONE;
	if (word != NULL && strcmp(word, "ping") != 0)
		return refuse(arguments, "--arbiter: found '%s'; expected ping or operator", word);
	if (word != NULL || option_given(arguments, OPTION_PING_TARGET) || find_gateway(&gateway))
		return choose_target(arguments, cluster);
	return EXIT_DONE;
}

static void say_arbiter(const struct cluster_config *cluster, bool was_asked_for)
{
	char target[INET_ADDRSTRLEN] = "";
	inet_ntop(AF_INET, &cluster->ping_target, target, sizeof(target));
	if (cluster->arbiter == ARBITER_PING)
		printf("Arbiter: ping. When a node is lost, the one that reaches %s goes on. This "
		       "is "
		       "a guess: if the nodes only lose each other, both may.\n",
			target);
	else if (was_asked_for)
		printf("Arbiter: operator. When a node is lost, the other waits for a person.\n");
	else
		printf("Arbiter: operator, because no default gateway is known. When a node is "
		       "lost, "
		       "the other waits for a person; set 'arbiter: ping' and 'ping_target: "
		       "ADDRESS' in cluster.yaml for a failover by itself.\n");
}

static char *make_secret(void)
{
	unsigned char bytes[SECRET_SIZE];
	char *text = calloc(1, 2 * SECRET_SIZE + 2);
	if (text == NULL || RAND_bytes(bytes, sizeof(bytes)) != 1) {
		free(text);
		return NULL;
	}
	for (size_t i = 0; i < SECRET_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	text[(size_t)2 * SECRET_SIZE] = '\n';
	return text;
}

static char *line_of(const char *text)
{
	char *line = NULL;
	return asprintf(&line, "%s\n", text) < 0 ? NULL : line;
}

static int make_files(const struct arguments *arguments, const struct cluster_config *cluster,
	const char *passphrase, struct config_files *files)
{
	const char *node = cluster->nodes[0].name;
	int error = keys_make_ca(
		cluster->name, passphrase, &files->texts[FILE_CA], &files->texts[FILE_CA_KEY]);
	struct ca_texts ca = { files->texts[FILE_CA], files->texts[FILE_CA_KEY] };
	if (error == 0)
		error = keys_make_node(&ca, passphrase, node, &files->texts[FILE_NODE_CERTIFICATE],
			&files->texts[FILE_NODE_KEY]);
	if (error != 0)
		return refuse(arguments, "the certificates cannot be made: %s", strerror(-error));
	files->texts[FILE_SECRET] = make_secret();
	files->texts[FILE_NODE] = line_of(node);
	files->texts[FILE_CLUSTER] = cluster_text(cluster);
	for (int i = 0; i < FILE_COUNT; i++) {
		if (files->texts[i] == NULL)
			return refuse(arguments, "%s cannot be made", bundle_files[i].path);
	}
	return check_cluster(arguments, files->texts[FILE_CLUSTER]);
}

static int init_settings(const struct arguments *arguments, struct cluster_config *cluster)
{
	const struct setting port_row = { "port", SETTING_INTEGER,
		.offset = offsetof(struct cluster_config, port), .size = sizeof(cluster->port),
		.min = 1, .max = UINT16_MAX - LINKS_MAX };
	const char *name = option_value(arguments, OPTION_NAME),
		   *node = option_value(arguments, OPTION_NODE),
		   *port = option_value(arguments, OPTION_PORT);
	if (name == NULL || node == NULL)
		return usage(arguments, "%s is missing", name == NULL ? "--name" : "--node");
	if (port != NULL && !settings_parse_value(&port_row, port, cluster))
		return refuse(arguments, "--port: found '%s'; expected a number from 1 to %d", port,
			UINT16_MAX - LINKS_MAX);
	int code = parse_name(arguments, name, cluster->name);
	if (code == EXIT_DONE)
		code = parse_name(arguments, node, cluster->nodes[0].name);
	if (code == EXIT_DONE)
		code = parse_addresses(arguments, &cluster->nodes[0]);
	return code != EXIT_DONE ? code : choose_arbiter(arguments, cluster);
}

static int refuse_if_there(const struct arguments *arguments)
{
	char path[PATH_SIZE_MAX];
	path_join(path, arguments->config, "cluster.yaml");
	if (access(path, F_OK) != 0)
		return EXIT_DONE;
	return refuse(arguments,
		"%s is there already: this node belongs to a cluster; keep it, or move %s away "
		"first",
		path, arguments->config);
}

static void say_passphrase(const char *passphrase)
{
	printf("\nRecovery passphrase: %s\n"
	       "Write it down and keep it off these servers: it is wanted to add or replace a "
	       "node, "
	       "and it is shown only now.\n\n",
		passphrase);
}

int do_cluster_init(const struct arguments *arguments)
{
	struct cluster_config cluster = { .epoch = 1,
		.port = 7600,
		.beat_ns = 200 * NS_PER_MS,
		.silence_ns = 2 * NS_PER_S,
		.margin_ns = 500 * NS_PER_MS,
		.node_count = 1,
		.nodes = { { .id = 1 } } };
	struct config_files files = { 0 };
	char passphrase[PASSPHRASE_MAX + 1] = "";
	int code = refuse_if_there(arguments);
	if (code == EXIT_DONE)
		code = init_settings(arguments, &cluster);
	if (code != EXIT_DONE)
		return code;
	bool is_given = passphrase_given(arguments, passphrase, &code);
	if (code != EXIT_DONE)
		return code;
	if (!is_given && keys_make_passphrase(passphrase) != 0)
		return refuse(arguments, "no passphrase can be made");
	code = make_files(arguments, &cluster, passphrase, &files);
	if (code == EXIT_DONE)
		code = config_files_write(arguments, &files);
	if (code == EXIT_DONE) {
		printf("Cluster '%s' with node '%s' lies in %s.\n", cluster.name,
			cluster.nodes[0].name, arguments->config);
		say_arbiter(&cluster, option_given(arguments, OPTION_ARBITER));
		if (!is_given)
			say_passphrase(passphrase);
	}
	config_files_done(&files);
	return code;
}

/* ---- cluster add ---- */

static int read_into(const struct arguments *arguments, int file, struct config_files *files)
{
	char path[PATH_SIZE_MAX];
	size_t size;
	path_join(path, arguments->config, bundle_files[file].path);
	int error = file_read(path, &files->texts[file], &size);
	if (error != 0)
		return refuse(arguments, "%s cannot be read: %s", path, strerror(-error));
	return EXIT_DONE;
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
	int code = parse_name(arguments, arguments->positional[0], node->name);
	if (code == EXIT_DONE)
		code = parse_addresses(arguments, node);
	if (code != EXIT_DONE)
		return code;
	if (config_node_by_name(cluster, node->name) != NULL) /* the new one is not counted yet */
		return refuse(arguments, "node '%s' is in the cluster already", node->name);
	cluster->node_count++;
	cluster->epoch++;
	return EXIT_DONE;
}

/* Everything that the new node's folder will hold. */
static int make_bundle(const struct arguments *arguments, const struct cluster_config *cluster,
	struct config_files *files)
{
	char passphrase[PASSPHRASE_MAX + 1];
	const char *node = cluster->nodes[cluster->node_count - 1].name;
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
	files->texts[FILE_NODE] = line_of(node);
	return files->texts[FILE_NODE] != NULL ? EXIT_DONE : refuse(arguments, "out of memory");
}

static int write_bundle(const struct arguments *arguments, const struct cluster_config *cluster,
	const struct config_files *files, const char *path)
{
	json_t *texts = json_object();
	for (int i = 0; i < FILE_COUNT; i++)
		(void)json_object_set_new(
			texts, bundle_files[i].path, json_string(files->texts[i]));
	json_t *bundle = json_pack("{s:i,s:s,s:s,s:o}", "evenkeel_bundle", BUNDLE_VERSION,
		"cluster", cluster->name, "node", cluster->nodes[cluster->node_count - 1].name,
		"files", texts);
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
	path_join(path, arguments->config, "cluster.yaml");
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
	code = add_node(arguments, &site.cluster);
	if (code == EXIT_DONE) {
		files.texts[FILE_CLUSTER] = cluster_text(&site.cluster);
		code = files.texts[FILE_CLUSTER] == NULL
			       ? refuse(arguments, "out of memory")
			       : check_cluster(arguments, files.texts[FILE_CLUSTER]);
	}
	if (code == EXIT_DONE)
		code = make_bundle(arguments, &site.cluster, &files);
	snprintf(default_path, sizeof(default_path), "%.64s.bundle", arguments->positional[0]);
	const char *path = option_value(arguments, OPTION_OUTPUT);
	path = path != NULL ? path : default_path;
	if (code == EXIT_DONE)
		code = write_bundle(arguments, &site.cluster, &files, path);
	if (code == EXIT_DONE)
		code = commit_cluster(arguments, files.texts[FILE_CLUSTER]);
	if (code == EXIT_DONE)
		printf("Node '%s' is in the cluster. Carry %s to it (it holds the node's key and "
		       "the "
		       "cluster's secret: over a safe way, and delete it afterwards), and there:\n"
		       "  evenkeel cluster accept %s\n",
			arguments->positional[0], path, path);
	config_files_done(&files);
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
		const char *text = text_of(texts, bundle_files[i].path);
		if (text[0] == '\0')
			return refuse(arguments,
				"the bundle is not whole: %s is missing; carry it again",
				bundle_files[i].path);
		files->texts[i] = strdup(text);
		if (files->texts[i] == NULL)
			return refuse(arguments, "out of memory");
	}
	return check_cluster(arguments, files->texts[FILE_CLUSTER]);
}

int do_cluster_accept(const struct arguments *arguments)
{
	struct config_files files = { 0 };
	json_t *bundle = NULL;
	int code = option_given(arguments, OPTION_REPLACE) ? EXIT_DONE : refuse_if_there(arguments);
	if (code == EXIT_DONE)
		code = read_bundle(arguments, arguments->positional[0], &bundle);
	if (code == EXIT_DONE)
		code = take_files(arguments, bundle, &files);
	if (code == EXIT_DONE)
		code = config_files_write(arguments, &files);
	if (code == EXIT_DONE)
		printf("This node is '%s' of cluster '%s'. Delete %s. Next: add the same modules "
		       "as "
		       "on the other node ('evenkeel module add DIR'), start evenkeel-hold.\n",
			text_of(bundle, "node"), text_of(bundle, "cluster"),
			arguments->positional[0]);
	config_files_done(&files);
	json_decref(bundle);
	return code;
}

/* ---- cluster list ---- */

static void print_nodes(const struct site *site)
{
	printf("cluster '%s', configuration %llu, port %u\n", site->cluster.name,
		(unsigned long long)site->cluster.epoch, site->cluster.port);
	for (int i = 0; i < site->cluster.node_count; i++) {
		const struct node_config *node = &site->cluster.nodes[i];
		printf("  %-16s id %-3u", node->name, node->id);
		for (int a = 0; a < node->address_count; a++) {
			char shown[INET_ADDRSTRLEN] = "";
			inet_ntop(AF_INET, &node->addresses[a], shown, sizeof(shown));
			printf(" %s", shown);
		}
		printf("%s\n", node == site->self ? "   (this node)" : "");
	}
}

static void print_nodes_json(const struct site *site)
{
	json_t *nodes = json_array();
	for (int i = 0; i < site->cluster.node_count; i++) {
		const struct node_config *node = &site->cluster.nodes[i];
		json_t *addresses = json_array();
		for (int a = 0; a < node->address_count; a++) {
			char shown[INET_ADDRSTRLEN] = "";
			inet_ntop(AF_INET, &node->addresses[a], shown, sizeof(shown));
			(void)json_array_append_new(addresses, json_string(shown));
		}
		(void)json_array_append_new(
			nodes, json_pack("{s:s,s:i,s:b,s:o}", "name", node->name, "id", node->id,
				       "is_self", node == site->self, "addresses", addresses));
	}
	json_t *all = json_pack("{s:s,s:I,s:i,s:o}", "cluster", site->cluster.name, "epoch",
		(json_int_t)site->cluster.epoch, "port", site->cluster.port, "nodes", nodes);
	(void)json_dumpf(all, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(all);
}

int do_cluster_list(const struct arguments *arguments)
{
	struct site site;
	int code = site_read(arguments, &site);
	if (code != EXIT_DONE)
		return code;
	if (arguments->is_json)
		print_nodes_json(&site);
	else
		print_nodes(&site);
	site_done(&site);
	return EXIT_DONE;
}
