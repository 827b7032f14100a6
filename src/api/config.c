/*
 * The settings tables of cluster.yaml and module.yaml, and what must hold between settings.
 *
 * Within one file: cluster_check() and module_check(). Between the modules of a node:
 * modules_check(), each module against those before it in the order of their names, so the
 * complaint is the same on every node.
 */
#include "api/config.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/settings.h"

/* What a file holds, and what only the parser needs to know of it. */
struct module_file {
	struct module_settings settings;
	unsigned int kind;
	uint8_t node_count;
};

struct module_source {
	char file[PATH_SIZE_MAX];
	struct settings_source source;
};

static const char *const arbiter_words[] = { "operator", "ping", NULL };
static const char *const kind_words[] = { "mirror", NULL };
static const char *const durability_words[] = { "call", "fsync", NULL };

_Static_assert(sizeof(enum arbiter_kind) == sizeof(unsigned int), "words are stored as unsigned");
_Static_assert(sizeof(enum durability) == sizeof(unsigned int), "words are stored as unsigned");

#define DAY (24 * 3600 * NS_PER_S)

/* clang-format off */
#define AT(type, field) .offset = offsetof(struct type, field), .size = sizeof(((struct type *)0)->field)
#define LIST_AT(type, field, count, most) \
	.offset = offsetof(struct type, field), .size = sizeof(((struct type *)0)->field[0]), \
	.count_offset = offsetof(struct type, count), .items_max = most

static const struct setting node_rows[] = {
	{ "name", SETTING_NAME, AT(node_config, name), .is_required = true,
	  .help = "name of the node, as in its certificate" },
	{ "id", SETTING_INTEGER, AT(node_config, id), .min = 1, .max = NODES_MAX, .is_required = true,
	  .help = "number of the node, never given to another" },
	{ "addresses", SETTING_IPV4, LIST_AT(node_config, addresses, address_count, LINKS_MAX), .is_required = true,
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
	  .fallback = "7600", .help = "TCP: replication; UDP, this one and the next: heartbeats" },
	[CLUSTER_BEAT] = { "beat", SETTING_DURATION, AT(cluster_config, beat_ns), .min = 20 * NS_PER_MS, .max = 5 * NS_PER_S,
	  .fallback = "200ms", .help = "time between heartbeats" },
	[CLUSTER_SILENCE] = { "silence", SETTING_DURATION, AT(cluster_config, silence_ns), .min = 200 * NS_PER_MS, .max = 60 * NS_PER_S,
	  .fallback = "2s", .help = "a node that was not heard for so long on any network is dead" },
	[CLUSTER_MARGIN] = { "margin", SETTING_DURATION, AT(cluster_config, margin_ns), .min = 50 * NS_PER_MS, .max = 30 * NS_PER_S,
	  .fallback = "500ms", .help = "so long before, a primary that hears nobody stops answering" },
	[CLUSTER_ARBITER] = { "arbiter", SETTING_WORD, AT(cluster_config, arbiter), .words = arbiter_words, .fallback = "operator",
	  .help = "who decides which node may go on alone: a person, or whoever reaches ping_target (a guess)" },
	[CLUSTER_PING_TARGET] = { "ping_target", SETTING_IPV4, AT(cluster_config, ping_target),
	  .help = "with arbiter ping: an address that only a connected node reaches, such as the gateway" },
	[CLUSTER_NODES] = { "nodes", SETTING_MAPS, LIST_AT(cluster_config, nodes, node_count, NODES_MAX), .table = &node_table,
	  .is_required = true, .help = "the nodes" },
};
static const struct settings_table cluster_table = { "cluster.yaml", cluster_rows, CLUSTER_ROWS };

static const struct setting check_rows[] = {
	{ "tcp", SETTING_INTEGER, AT(check_config, tcp_port), .min = 1, .max = UINT16_MAX,
	  .help = "up while this TCP port of the service accepts connections" },
	{ "command", SETTING_FILE, AT(check_config, command),
	  .help = "up while this program of the module's bin/ ends with 0" },
	{ "interval", SETTING_DURATION, AT(check_config, interval_ns), .min = 100 * NS_PER_MS, .max = 3600 * NS_PER_S,
	  .fallback = "5s", .is_live = true, .help = "time between two checks" },
	{ "timeout", SETTING_DURATION, AT(check_config, timeout_ns), .min = 100 * NS_PER_MS, .max = 600 * NS_PER_S,
	  .fallback = "5s", .is_live = true, .help = "a check that takes longer counts as down" },
};
static const struct settings_table check_table = { "checks: (each)", check_rows, ARRAY_COUNT(check_rows) };

enum { MODULE_KIND, MODULE_NUMBER, MODULE_NODES, MODULE_PREFERRED, MODULE_FAILOVER, MODULE_DIRECTORIES, MODULE_ADDRESSES,
       MODULE_ADDRESS, MODULE_DURABILITY, MODULE_PEER_TIMEOUT, MODULE_SCRIPT_TIMEOUT, MODULE_REPAIRS,
       MODULE_REPAIRS_WINDOW, MODULE_CHECKS, MODULE_ROWS };
static const struct setting module_rows[MODULE_ROWS] = {
	[MODULE_KIND] = { "kind", SETTING_WORD, AT(module_file, kind), .words = kind_words, .fallback = "mirror",
	  .help = "mirror: one primary, one secondary, directories replicated" },
	[MODULE_NUMBER] = { "number", SETTING_INTEGER, AT(module_file, settings.number), .min = 1, .max = MODULES_MAX,
	  .is_required = true, .help = "number of the module, the same on both nodes; 'module add' gives it" },
	[MODULE_NODES] = { "nodes", SETTING_NAME, LIST_AT(module_file, settings.nodes, node_count, 2), .is_required = true,
	  .help = "the two nodes that run it" },
	[MODULE_PREFERRED] = { "preferred", SETTING_NAME, AT(module_file, settings.preferred), .is_live = true,
	  .help = "node that should be primary when it can" },
	[MODULE_FAILOVER] = { "failover", SETTING_BOOLEAN, AT(module_file, settings.has_failover), .fallback = "true", .is_live = true,
	  .help = "false: a secondary never takes over by itself" },
	[MODULE_DIRECTORIES] = { "directories", SETTING_DIRECTORY, LIST_AT(module_file, settings.directories, settings.directory_count, ROOTS_MAX),
	  .is_required = true, .help = "what is replicated" },
	[MODULE_ADDRESSES] = { "addresses", SETTING_ADDRESS, LIST_AT(module_file, settings.addresses, settings.address_count, ADDRESSES_MAX),
	  .help = "virtual addresses, held by the primary" },
	[MODULE_ADDRESS] = { "address", SETTING_ADDRESS, LIST_AT(module_file, settings.addresses, settings.address_count, 1),
	  .help = "the same, if there is only one" },
	[MODULE_DURABILITY] = { "durability", SETTING_WORD, AT(module_file, settings.durability), .words = durability_words, .fallback = "call",
	  .help = "when a call returns: when the peer did it too, or at once (fsync always waits for both disks)" },
	[MODULE_PEER_TIMEOUT] = { "peer_timeout", SETTING_DURATION, AT(module_file, settings.peer_timeout_ns), .min = 200 * NS_PER_MS,
	  .max = 300 * NS_PER_S, .fallback = "2s", .help = "a secondary without progress for so long is dropped" },
	[MODULE_SCRIPT_TIMEOUT] = { "script_timeout", SETTING_DURATION, AT(module_file, settings.script_timeout_ns), .min = NS_PER_S,
	  .max = DAY, .fallback = "300s", .is_live = true, .help = "a script that takes longer is killed" },
	[MODULE_REPAIRS] = { "repairs", SETTING_INTEGER, AT(module_file, settings.repairs_max), .min = 0, .max = 100, .fallback = "3",
	  .is_live = true, .help = "so many restarts of a failed application, then the node gives up" },
	[MODULE_REPAIRS_WINDOW] = { "repairs_window", SETTING_DURATION, AT(module_file, settings.repairs_window_ns), .min = 60 * NS_PER_S,
	  .max = 31 * DAY, .fallback = "24h", .is_live = true, .help = "within so long" },
	[MODULE_CHECKS] = { "checks", SETTING_MAPS, LIST_AT(module_file, settings.checks, settings.check_count, CHECKS_MAX), .table = &check_table,
	  .is_live = true, .help = "how one sees that the application works" },
};
static const struct settings_table module_table = { "module.yaml", module_rows, MODULE_ROWS };
/* clang-format on */

bool config_path_is_within(const char *path, const char *above)
{
	size_t size = strlen(above);
	if (strcmp(above, "/") == 0)
		return true;
	return strncmp(path, above, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

static bool paths_overlap(const char *a, const char *b)
{
	return config_path_is_within(a, b) || config_path_is_within(b, a);
}

static const char *show_address(struct in_addr address, char out[INET_ADDRSTRLEN])
{
	return inet_ntop(AF_INET, &address, out, INET_ADDRSTRLEN) != NULL ? out : "?";
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
	char shown[INET_ADDRSTRLEN];
	if (strcmp(a->name, b->name) == 0)
		return COMPLAIN(check, CLUSTER_NODES,
			"two nodes are named '%s'; expected a name for each", a->name);
	if (a->id == b->id)
		return COMPLAIN(check, CLUSTER_NODES,
			"nodes '%s' and '%s' both have id %u; expected an id for each", a->name,
			b->name, a->id);
	for (int i = 0; i < a->address_count; i++) {
		for (int j = 0; j < b->address_count; j++) {
			if (a->addresses[i].s_addr == b->addresses[j].s_addr)
				return COMPLAIN(check, CLUSTER_NODES,
					"nodes '%s' and '%s' both have address %s; expected "
					"addresses of their own",
					a->name, b->name, show_address(a->addresses[i], shown));
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
		for (int j = 0; j < i; j++) {
			int error = check_pair_of_nodes(check, &cluster->nodes[j], node);
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
	return error != 0 ? error : check_nodes(check);
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

int config_read_self(const char *config_folder, const struct cluster_config *cluster,
	const struct node_config **out_self, struct config_error *out_error)
{
	char path[PATH_SIZE_MAX], name[NODE_NAME_MAX + 2] = "";
	snprintf(path, sizeof(path), "%s/node", config_folder);
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		int error = -errno;
		(void)settings_complain(
			out_error, path, 0, NULL, "cannot be read: %s", strerror(errno));
		return error;
	}
	bool has_line = fgets(name, sizeof(name), file) != NULL;
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	if (!has_line || name[0] == '\0')
		return settings_complain(out_error, path, 1, NULL,
			"the file is empty; expected the name of this node");
	*out_self = config_node_by_name(cluster, name);
	if (*out_self == NULL)
		return settings_complain(out_error, path, 1, NULL,
			"found '%s', which is no node of cluster.yaml; expected the name of this "
			"node",
			name);
	return 0;
}

static void print_node(const struct node_config *node, FILE *out)
{
	char addresses[LINKS_MAX * (INET_ADDRSTRLEN + 2)];
	settings_format(&node_rows[2], node, addresses, sizeof(addresses));
	fprintf(out, "- name: %s\n  id: %u\n  addresses: [%s]\n", node->name, node->id, addresses);
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
		fprintf(out, "%s: %s\n", row->key, value);
	}
	fprintf(out, "nodes:\n");
	for (int i = 0; i < cluster->node_count; i++)
		print_node(&cluster->nodes[i], out);
	return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}

/* ---- module.yaml ---- */

#define COMPLAIN(source_, error_, row, ...)                                                       \
	settings_complain((error_), (source_)->file, (source_)->lines[row], module_rows[row].key, \
		__VA_ARGS__)

static int check_module_nodes(const struct module_file *file, const struct settings_source *source,
	struct config_error *error)
{
	const struct module_settings *settings = &file->settings;
	if (file->node_count != 2 || strcmp(settings->nodes[0], settings->nodes[1]) == 0)
		return COMPLAIN(source, error, MODULE_NODES, "expected two different nodes");
	if (settings->preferred[0] != '\0' &&
		strcmp(settings->preferred, settings->nodes[0]) != 0 &&
		strcmp(settings->preferred, settings->nodes[1]) != 0)
		return COMPLAIN(source, error, MODULE_PREFERRED,
			"found '%s', which does not run this module; expected %s or %s",
			settings->preferred, settings->nodes[0], settings->nodes[1]);
	return 0;
}

static int check_module_directories(const struct module_settings *settings,
	const struct settings_source *source, struct config_error *error)
{
	for (int i = 0; i < settings->directory_count; i++) {
		if (strcmp(settings->directories[i], "/") == 0)
			return COMPLAIN(source, error, MODULE_DIRECTORIES,
				"found '/'; expected a directory below it");
		for (int j = 0; j < i; j++) {
			if (paths_overlap(settings->directories[i], settings->directories[j]))
				return COMPLAIN(source, error, MODULE_DIRECTORIES,
					"'%.120s' and '%.120s' lie one in the other; expected "
					"directories apart from each other",
					settings->directories[j], settings->directories[i]);
		}
	}
	return 0;
}

static int check_module_addresses(const struct module_settings *settings,
	const struct settings_source *source, struct config_error *error)
{
	char shown[INET_ADDRSTRLEN];
	if (source->lines[MODULE_ADDRESS] != 0 && source->lines[MODULE_ADDRESSES] != 0)
		return COMPLAIN(source, error, MODULE_ADDRESS,
			"'addresses' is given too; expected one of the two");
	int row = source->lines[MODULE_ADDRESS] != 0 ? MODULE_ADDRESS : MODULE_ADDRESSES;
	for (int i = 0; i < settings->address_count; i++) {
		for (int j = 0; j < i; j++) {
			if (settings->addresses[i].address.s_addr ==
				settings->addresses[j].address.s_addr)
				return COMPLAIN(source, error, row,
					"%s is given twice; expected each address once",
					show_address(settings->addresses[i].address, shown));
		}
	}
	return 0;
}

/* Decides each check's kind and gives it its name. */
static int check_module_checks(struct module_settings *settings,
	const struct settings_source *source, struct config_error *error)
{
	for (int i = 0; i < settings->check_count; i++) {
		struct check_config *check = &settings->checks[i];
		bool has_command = check->command[0] != '\0';
		if (has_command == (check->tcp_port != 0))
			return COMPLAIN(source, error, MODULE_CHECKS,
				"check %d has %s; expected one of 'tcp: PORT' and 'command: FILE'",
				i + 1, has_command ? "both" : "neither 'tcp' nor 'command'");
		check->kind = has_command ? CHECK_COMMAND : CHECK_TCP;
		if (has_command)
			snprintf(check->name, sizeof(check->name), "command.%s", check->command);
		else
			snprintf(check->name, sizeof(check->name), "tcp.%u", check->tcp_port);
	}
	return 0;
}

static int module_check(
	struct module_file *file, const struct settings_source *source, struct config_error *error)
{
	int result = check_module_nodes(file, source, error);
	if (result == 0)
		result = check_module_directories(&file->settings, source, error);
	if (result == 0)
		result = check_module_addresses(&file->settings, source, error);
	if (result == 0)
		result = check_module_checks(&file->settings, source, error);
	return result;
}

static int name_from_folder(
	struct module_settings *settings, const char *folder, struct config_error *error)
{
	const struct setting row = { "name", SETTING_NAME, AT(module_settings, name) };
	char path[PATH_SIZE_MAX];
	if (strlen(folder) >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, folder, strlen(folder) + 1);
	for (size_t size = strlen(path); size > 1 && path[size - 1] == '/'; size--)
		path[size - 1] = '\0';
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	if (!settings_parse_value(&row, name, settings)) {
		char expected[256];
		settings_expected(&row, expected, sizeof(expected));
		return settings_complain(error, folder, 0, NULL,
			"the folder's name is the module's name; expected %s", expected);
	}
	memcpy(settings->folder, path, strlen(path) + 1);
	return 0;
}

/* Reads the file of one module; source->file stands in place. */
static int read_module(const char *folder, struct module_settings *out_settings,
	struct settings_source *source, struct config_error *error)
{
	/* Too large for a stack that others use too. */
	struct module_file *file = calloc(1, sizeof(*file));
	if (file == NULL)
		return -ENOMEM;
	int result = settings_read(&module_table, source, file, error);
	if (result == 0)
		result = module_check(file, source, error);
	if (result == 0)
		result = name_from_folder(&file->settings, folder, error);
	if (result == 0)
		*out_settings = file->settings;
	free(file);
	return result;
}

int config_read_module(
	const char *folder, struct module_settings *out_settings, struct config_error *out_error)
{
	char path[PATH_SIZE_MAX];
	struct settings_source source = { .file = path };
	int size = snprintf(path, sizeof(path), "%s/module.yaml", folder);
	if (size < 0 || (size_t)size >= sizeof(path))
		return -ENAMETOOLONG;
	return read_module(folder, out_settings, &source, out_error);
}

int config_read_module_text(const char *file_name, struct bytes text,
	struct module_settings *out_settings, struct config_error *out_error)
{
	struct settings_source source = { .file = file_name };
	struct module_file *file = calloc(1, sizeof(*file));
	if (file == NULL)
		return -ENOMEM;
	int result = settings_read_text(&module_table, &source, text, file, out_error);
	if (result == 0)
		result = module_check(file, &source, out_error);
	if (result == 0)
		*out_settings = file->settings;
	free(file);
	return result;
}

/* ---- all modules ---- */

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
			return COMPLAIN(source, check->error, MODULE_NODES,
				"found '%s', which is no node of cluster.yaml; expected names that "
				"'evenkeel cluster list' shows",
				name);
	}
	return 0;
}

static int address_row(const struct settings_source *source)
{
	return source->lines[MODULE_ADDRESS] != 0 ? MODULE_ADDRESS : MODULE_ADDRESSES;
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
					return COMPLAIN(source, check->error, address_row(source),
						"%s is the address of node '%s' itself; expected "
						"an address that no host has",
						show_address(address, shown), node->name);
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
				return COMPLAIN(source, check->error, address_row(source),
					"module '%s' has %s too; expected an address of its own",
					b->name, show_address(a->addresses[i].address, shown));
		}
	}
	return 0;
}

static int check_pair_of_modules(const struct modules_check *check, int index, int other)
{
	const struct module_settings *a = &check->settings[index], *b = &check->settings[other];
	const struct settings_source *source = &check->sources[index].source;
	if (a->number == b->number)
		return COMPLAIN(source, check->error, MODULE_NUMBER,
			"module '%s' has number %u too; expected a number of its own", b->name,
			a->number);
	for (int i = 0; i < a->directory_count; i++) {
		for (int j = 0; j < b->directory_count; j++) {
			if (paths_overlap(a->directories[i], b->directories[j]))
				return COMPLAIN(source, check->error, MODULE_DIRECTORIES,
					"'%.120s' and '%.120s' of module '%s' lie one in the "
					"other; expected directories of its own",
					a->directories[i], b->directories[j], b->name);
		}
	}
	return check_shared_addresses(check, index, other);
}
#undef COMPLAIN

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
		int result = read_module(path, &out_settings[i], &sources[i].source, error);
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

/* ---- for people ---- */

void config_print_help(FILE *out)
{
	settings_print_help(&cluster_table, out);
	fprintf(out, "\n");
	settings_print_help(&module_table, out);
}

static void show_nodes(const struct module_settings *settings, char *out, size_t size)
{
	snprintf(out, size, "%s, %s", settings->nodes[0], settings->nodes[1]);
}

int config_compare_modules(const struct module_settings *before,
	const struct module_settings *after, config_difference_function *on_difference,
	void *context)
{
	int count = 0;
	_Static_assert(offsetof(struct module_file, settings) == 0, "rows work on settings too");
	for (int i = 0; i < MODULE_ROWS; i++) {
		const struct setting *row = &module_rows[i];
		char old_text[SENTENCE_SIZE_MAX], new_text[SENTENCE_SIZE_MAX];
		/* not in module_settings: there is one kind, and `address` is `addresses` */
		if (i == MODULE_KIND || i == MODULE_ADDRESS)
			continue;
		if (i == MODULE_NODES) { /* their count is not in module_settings */
			if (memcmp(before->nodes, after->nodes, sizeof(before->nodes)) == 0)
				continue;
			show_nodes(before, old_text, sizeof(old_text));
			show_nodes(after, new_text, sizeof(new_text));
		} else {
			if (settings_is_equal(row, before, after))
				continue;
			settings_format(row, before, old_text, sizeof(old_text));
			settings_format(row, after, new_text, sizeof(new_text));
		}
		on_difference(context, &(struct config_difference){ .key = row->key,
					       .before = old_text,
					       .after = new_text,
					       .is_live = row->is_live });
		count++;
	}
	return count;
}
