/*
 * cluster.yaml: its settings table, what must hold in it, and which node this is.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/config_internal.h"
#include "platform/folders.h"

static const char *const arbiter_words[] = { "operator", "ping", NULL };

_Static_assert(sizeof(enum arbiter_kind) == sizeof(unsigned int), "words are stored as unsigned");

/* clang-format off */
static const struct setting node_rows[] = {
	{ "name", SETTING_NAME, AT(node_config, name), .is_required = true,
	  .help = "name of the node, as in its certificate" },
	{ "id", SETTING_INTEGER, AT(node_config, id), .min = 1, .max = NODES_MAX, .is_required = true,
	  .help = "number of the node, never given to another" },
	{ "addresses", SETTING_NODE_ADDRESS, LIST_AT(node_config, addresses, address_count, LINKS_MAX), .is_required = true,
	  .help = "its address on each network, in the same order on all nodes, the clients' network last" },
};
static const struct settings_table node_table = { "nodes: (each)", node_rows, ARRAY_COUNT(node_rows) };

enum { CLUSTER_NAME, CLUSTER_EPOCH, CLUSTER_PORT, CLUSTER_BEAT, CLUSTER_SILENCE, CLUSTER_MARGIN, CLUSTER_ARBITER,
       CLUSTER_PING_TARGET, CLUSTER_NODES, CLUSTER_ROWS };
static const struct setting cluster_rows[CLUSTER_ROWS] = {
	[CLUSTER_NAME] = { "cluster", SETTING_NAME, AT(cluster_config, name), .is_required = true,
	  .help = "name of the cluster" },
	[CLUSTER_EPOCH] = { "epoch", SETTING_INTEGER, AT(cluster_config, epoch), .min = 1, .max = INT64_MAX, .fallback = "1",
	  .help = "raised with every change of the nodes" },
	[CLUSTER_PORT] = { "port", SETTING_INTEGER, AT(cluster_config, port), .min = 1, .max = UINT16_MAX - LINKS_MAX,
	  .fallback = "7600", .help = "TCP: replication; UDP, from this one on, one for each network: heartbeats" },
	[CLUSTER_BEAT] = { "beat", SETTING_DURATION, AT(cluster_config, beat_ns), .min = 20 * NS_PER_MS, .max = 5 * NS_PER_S,
	  .fallback = "200ms", .help = "time between heartbeats" },
	[CLUSTER_SILENCE] = { "silence", SETTING_DURATION, AT(cluster_config, silence_ns), .min = 200 * NS_PER_MS, .max = 60 * NS_PER_S,
	  .fallback = "2s", .help = "a node that was not heard for so long on any network is dead" },
	[CLUSTER_MARGIN] = { "margin", SETTING_DURATION, AT(cluster_config, margin_ns), .min = 50 * NS_PER_MS, .max = 30 * NS_PER_S,
	  .fallback = "500ms", .help = "so long before, a primary that hears nobody stops answering" },
	[CLUSTER_ARBITER] = { "arbiter", SETTING_WORD, AT(cluster_config, arbiter), .words = arbiter_words, .fallback = "operator",
	  .help = "who decides which node may go on alone: a person, or whoever reaches ping_target (a guess)" },
	[CLUSTER_PING_TARGET] = { "ping_target", SETTING_TARGET_ADDRESS, AT(cluster_config, ping_target),
	  .help = "with arbiter ping: an address that only a connected node reaches, such as the gateway" },
	[CLUSTER_NODES] = { "nodes", SETTING_MAPS, LIST_AT(cluster_config, nodes, node_count, NODES_MAX), .table = &node_table,
	  .is_required = true, .help = "the nodes" },
};
static const struct settings_table cluster_table = { "cluster.yaml", cluster_rows, CLUSTER_ROWS };
/* clang-format on */

bool config_path_is_within(const char *path, const char *above)
{
	size_t size = strlen(above);
	if (strcmp(above, "/") == 0)
		return true;
	return strncmp(path, above, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

bool config_paths_overlap(const char *a, const char *b)
{
	return config_path_is_within(a, b) || config_path_is_within(b, a);
}

const struct node_config *config_node_by_name(
	const struct cluster_config *cluster, const char *name)
{
	for (int i = 0; i < cluster->node_count; i++) {
		if (strcmp(cluster->nodes[i].name, name) == 0)
			return &cluster->nodes[i];
	}
	return NULL;
}

const struct node_config *config_node_by_id(const struct cluster_config *cluster, uint8_t id)
{
	for (int i = 0; i < cluster->node_count; i++) {
		if (cluster->nodes[i].id == id)
			return &cluster->nodes[i];
	}
	return NULL;
}

/* ---- cluster.yaml ---- */

struct cluster_check {
	const struct cluster_config *cluster;
	const struct settings_source *source;
	struct config_error *error;
};

#define COMPLAIN(check, row, ...)                                                             \
	settings_complain((check)->error, (check)->source->file, (check)->source->lines[row], \
		cluster_rows[row].key, __VA_ARGS__)

static int check_times(const struct cluster_check *check)
{
	const struct cluster_config *cluster = check->cluster;
	int row = check->source->lines[CLUSTER_MARGIN] != 0 ? CLUSTER_MARGIN : CLUSTER_SILENCE;
	if (cluster->silence_ns - cluster->margin_ns >= 2 * cluster->beat_ns)
		return 0;
	return COMPLAIN(check, row,
		"silence less margin leaves no room for two beats; expected silence of at least "
		"margin + 2 x beat, such as silence 2s, margin 500ms, beat 200ms");
}

static int check_pair_of_nodes(
	const struct cluster_check *check, const struct node_config *a, const struct node_config *b)
{
	char shown[ADDRESS_TEXT_SIZE];
	if (strcmp(a->name, b->name) == 0)
		return COMPLAIN(check, CLUSTER_NODES,
			"two nodes are named '%s'; expected a name for each", a->name);
	if (a->id == b->id)
		return COMPLAIN(check, CLUSTER_NODES,
			"nodes '%s' and '%s' both have id %u; expected an id for each", a->name,
			b->name, a->id);
	for (int i = 0; i < a->address_count; i++) {
		for (int j = 0; j < b->address_count; j++) {
			if (address_is_equal(&a->addresses[i], &b->addresses[j]))
				return COMPLAIN(check, CLUSTER_NODES,
					"nodes '%s' and '%s' both have address %s; expected "
					"addresses of their own",
					a->name, b->name, address_format(&a->addresses[i], shown));
		}
	}
	return 0;
}

/* Of two families there is no network between them. */
static int check_families(
	const struct cluster_check *check, const struct node_config *a, const struct node_config *b)
{
	char one[ADDRESS_TEXT_SIZE], other[ADDRESS_TEXT_SIZE];
	for (int i = 0; i < a->address_count; i++) {
		if (a->addresses[i].family != b->addresses[i].family)
			return COMPLAIN(check, CLUSTER_NODES,
				"on network %d node '%s' has %s and node '%s' has %s; expected "
				"both IPv4, or both IPv6, in the same order of networks",
				i + 1, a->name, address_format(&a->addresses[i], one), b->name,
				address_format(&b->addresses[i], other));
	}
	return 0;
}

static int check_own_addresses(const struct cluster_check *check, const struct node_config *node)
{
	char shown[ADDRESS_TEXT_SIZE];
	for (int i = 0; i < node->address_count; i++) {
		for (int j = 0; j < i; j++) {
			if (address_is_equal(&node->addresses[i], &node->addresses[j]))
				return COMPLAIN(check, CLUSTER_NODES,
					"node '%s' has address %s twice; expected one address for "
					"each network",
					node->name, address_format(&node->addresses[i], shown));
		}
	}
	return 0;
}

/* A node always reaches itself, and the other for as long as it lives: such a target would let both
 * go on, or neither. */
static int check_target(const struct cluster_check *check)
{
	const struct cluster_config *cluster = check->cluster;
	char shown[ADDRESS_TEXT_SIZE];
	for (int i = 0; i < cluster->node_count; i++) {
		const struct node_config *node = &cluster->nodes[i];
		for (int a = 0; a < node->address_count; a++) {
			if (address_is_equal(&node->addresses[a], &cluster->ping_target))
				return COMPLAIN(check, CLUSTER_PING_TARGET,
					"found %s, the address of node '%s' itself, which says "
					"nothing of who is cut off; expected another host's, such "
					"as the gateway's",
					address_format(&cluster->ping_target, shown), node->name);
		}
	}
	return 0;
}

static int check_nodes(const struct cluster_check *check)
{
	const struct cluster_config *cluster = check->cluster;
	const struct node_config *first = &cluster->nodes[0];
	for (int i = 0; i < cluster->node_count; i++) {
		const struct node_config *node = &cluster->nodes[i];
		if (node->address_count != first->address_count)
			return COMPLAIN(check, CLUSTER_NODES,
				"node '%s' has %u addresses, node '%s' has %u; expected one for "
				"each network on every node",
				node->name, node->address_count, first->name, first->address_count);
		int error = check_own_addresses(check, node);
		if (error != 0)
			return error;
		for (int j = 0; j < i; j++) {
			error = check_pair_of_nodes(check, &cluster->nodes[j], node);
			if (error == 0)
				error = check_families(check, &cluster->nodes[j], node);
			if (error != 0)
				return error;
		}
	}
	return 0;
}

static int cluster_check(const struct cluster_check *check)
{
	bool has_target = check->source->lines[CLUSTER_PING_TARGET] != 0;
	if (check->cluster->arbiter == ARBITER_PING && !has_target)
		return COMPLAIN(check, CLUSTER_ARBITER,
			"found 'ping' without 'ping_target'; expected 'ping_target: ADDRESS', such "
			"as the gateway's");
	int error = check_times(check);
	if (error == 0)
		error = check_nodes(check);
	return error == 0 && has_target ? check_target(check) : error;
}
#undef COMPLAIN

int config_read_cluster(
	const char *path, struct cluster_config *out_config, struct config_error *out_error)
{
	struct settings_source source = { .file = path };
	struct cluster_config cluster = { 0 };
	int error = settings_read(&cluster_table, &source, &cluster, out_error);
	if (error == 0)
		error = cluster_check(&(struct cluster_check){
			.cluster = &cluster, .source = &source, .error = out_error });
	if (error == 0)
		*out_config = cluster;
	return error;
}

int config_read_cluster_text(const char *file, struct bytes text,
	struct cluster_config *out_cluster, struct config_error *out_error)
{
	struct settings_source source = { .file = file };
	struct cluster_config cluster = { 0 };
	int error = settings_read_text(&cluster_table, &source, text, &cluster, out_error);
	if (error == 0)
		error = cluster_check(&(struct cluster_check){
			.cluster = &cluster, .source = &source, .error = out_error });
	if (error == 0)
		*out_cluster = cluster;
	return error;
}

#define SELF_EXPECTED "expected the name of this node (`evenkeel cluster init` writes it)"

int config_read_self(const char *config_folder, const struct cluster_config *cluster,
	const struct node_config **out_self, struct config_error *out_error)
{
	char path[PATH_SIZE_MAX], name[NODE_NAME_MAX + 2] = "";
	node_file_path(path, NODE_FILE_SELF, config_folder, NULL);
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		int error = -errno;
		(void)settings_complain(out_error, path, 0, NULL,
			"cannot be read: %s; " SELF_EXPECTED, strerror(errno));
		return error;
	}
	bool has_line = fgets(name, sizeof(name), file) != NULL;
	fclose(file);
	name[strcspn(name, " \t\r\n")] = '\0';
	if (!has_line || name[0] == '\0')
		return settings_complain(
			out_error, path, 1, NULL, "the file is empty; " SELF_EXPECTED);
	*out_self = config_node_by_name(cluster, name);
	if (*out_self == NULL)
		return settings_complain(out_error, path, 1, NULL,
			"found '%s', which is no node of cluster.yaml; " SELF_EXPECTED, name);
	return 0;
}

/* A colon means something to YAML where it ends a value: fd00:: is one. */
static void print_value(const char *value, FILE *out)
{
	const char *quote = strchr(value, ':') != NULL ? "\"" : "";
	fprintf(out, "%s%s%s", quote, value, quote);
}

static void print_node(const struct node_config *node, FILE *out)
{
	char shown[ADDRESS_TEXT_SIZE];
	fprintf(out, "- name: %s\n  id: %u\n  addresses: [", node->name, node->id);
	for (uint8_t i = 0; i < node->address_count; i++) {
		fprintf(out, "%s", i > 0 ? ", " : "");
		print_value(address_format(&node->addresses[i], shown), out);
	}
	fprintf(out, "]\n");
}

int config_print_cluster(const struct cluster_config *cluster, FILE *out)
{
	struct cluster_config defaults = { 0 };
	fprintf(out, "# The cluster. 'evenkeel settings' explains each line.\n");
	for (int i = 0; i < CLUSTER_NODES; i++) {
		const struct setting *row = &cluster_rows[i];
		char value[128];
		if (row->fallback != NULL)
			CHECK(settings_parse_value(row, row->fallback, &defaults));
		if (!row->is_required && i != CLUSTER_EPOCH && i != CLUSTER_ARBITER &&
			settings_is_equal(row, cluster, &defaults))
			continue;
		settings_format(row, cluster, value, sizeof(value));
		fprintf(out, "%s: ", row->key);
		print_value(value, out);
		fprintf(out, "\n");
	}
	fprintf(out, "nodes:\n");
	for (int i = 0; i < cluster->node_count; i++)
		print_node(&cluster->nodes[i], out);
	return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}

char *config_cluster_text(const struct cluster_config *cluster)
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

/* ---- for people ---- */

json_t *config_help_json(void)
{
	json_t *rows = json_array();
	settings_add_help(&cluster_table, rows);
	settings_add_help(&module_table, rows);
	return rows;
}

void config_print_help(FILE *out)
{
	settings_print_help(&cluster_table, out);
	fprintf(out, "\n");
	settings_print_help(&module_table, out);
}
