/*
 * cluster init and list.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "api/settings.h"
#include "cli/cluster.h"
#include "cli/gateway.h"
#include "cli/keys.h"
#include "cli/passphrase.h"

#define SECRET_SIZE 32

/* ---- cluster init ---- */

/* As the clients come: the client network is the last. */
static bool find_gateway(const struct cluster_config *cluster, struct address *out_gateway)
{
	const struct node_config *node = &cluster->nodes[0];
	return gateway_find(
		(enum address_family)node->addresses[node->address_count - 1].family, out_gateway);
}

/* No gateway: a person at a terminal is asked (R3). Gives false if there is none, or no answer. */
static bool ask_target(struct address *out_target)
{
	enum address_fault fault = ADDRESS_IS_GOOD;
	char line[64];
	if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0)
		return false;
	do {
		if (fault != ADDRESS_IS_GOOD)
			printf("'%s' %s.\n", line, address_fault_text(fault));
		printf("This node has no default gateway. Which address does only a connected node "
		       "reach?\n(empty: none, a person decides): ");
		(void)fflush(stdout); /* a terminal that is gone gives no answer either */
		if (fgets(line, sizeof(line), stdin) == NULL)
			return false;
		line[strcspn(line, "\r\n")] = '\0';
		fault = address_read(line, ADDRESS_OF_TARGET, out_target);
	} while (line[0] != '\0' && fault != ADDRESS_IS_GOOD);
	return line[0] != '\0';
}

static int choose_target(const struct arguments *arguments, struct cluster_config *cluster)
{
	const char *target = option_value(arguments, OPTION_PING_TARGET);
	enum address_fault fault =
		target == NULL ? ADDRESS_IS_GOOD
			       : address_read(target, ADDRESS_OF_TARGET, &cluster->ping_target);
	if (fault != ADDRESS_IS_GOOD)
		return refuse(arguments,
			"--ping-target: found '%s', which %s; expected an address such as 10.0.0.1 "
			"or fd00::1",
			target, address_fault_text(fault));
	if (target == NULL && !find_gateway(cluster, &cluster->ping_target) &&
		!ask_target(&cluster->ping_target))
		return refuse(arguments, "--arbiter ping wants --ping-target: this node has no "
					 "default gateway; name "
					 "an address that only a connected node reaches");
	cluster->arbiter = ARBITER_PING;
	return EXIT_DONE;
}

/* ping where a target is known, else operator (R3). */
static int choose_arbiter(const struct arguments *arguments, struct cluster_config *cluster)
{
	const char *word = option_value(arguments, OPTION_ARBITER);
	struct address gateway;
	cluster->arbiter = ARBITER_OPERATOR;
	if (word != NULL && strcmp(word, "operator") == 0)
		return EXIT_DONE;
	if (word != NULL && strcmp(word, "ping") != 0)
		return refuse(arguments, "--arbiter: found '%s'; expected ping or operator", word);
	if (word != NULL || option_given(arguments, OPTION_PING_TARGET) ||
		find_gateway(cluster, &gateway))
		return choose_target(arguments, cluster);
	if (ask_target(&cluster->ping_target))
		cluster->arbiter = ARBITER_PING;
	return EXIT_DONE;
}

static void say_arbiter(const struct cluster_config *cluster, bool was_asked_for)
{
	char target[ADDRESS_TEXT_SIZE];
	if (cluster->arbiter == ARBITER_PING)
		printf("Arbiter: ping. When a node is lost, the one that reaches %s goes on. This "
		       "is "
		       "a guess: if the nodes only lose each other, both may.\n",
			address_format(&cluster->ping_target, target));
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
	files->texts[FILE_NODE] = cluster_line(node);
	files->texts[FILE_CLUSTER] = config_cluster_text(cluster);
	for (int i = 0; i < FILE_COUNT; i++) {
		if (files->texts[i] == NULL)
			return refuse(arguments, "%s cannot be made",
				cluster_file_path((enum config_file)i));
	}
	return cluster_check(arguments, files->texts[FILE_CLUSTER]);
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
	int code = cluster_parse_name(arguments, name, cluster->name);
	if (code == EXIT_DONE)
		code = cluster_parse_name(arguments, node, cluster->nodes[0].name);
	if (code == EXIT_DONE)
		code = cluster_parse_addresses(arguments, &cluster->nodes[0]);
	return code != EXIT_DONE ? code : choose_arbiter(arguments, cluster);
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
	int code = cluster_refuse_if_there(arguments);
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
		code = cluster_files_write(arguments, &files);
	if (code == EXIT_DONE) {
		printf("Cluster '%s' with node '%s' lies in %s.\n", cluster.name,
			cluster.nodes[0].name, arguments->config);
		say_arbiter(&cluster, option_given(arguments, OPTION_ARBITER));
		if (!is_given)
			say_passphrase(passphrase);
	}
	cluster_files_done(&files);
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
			char shown[ADDRESS_TEXT_SIZE];
			printf(" %s", address_format(&node->addresses[a], shown));
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
			char shown[ADDRESS_TEXT_SIZE];
			(void)json_array_append_new(
				addresses, json_string(address_format(&node->addresses[a], shown)));
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
