/*
 * module.yaml: its settings table, what must hold in one, and what is not the same in two.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/config_internal.h"
#include "base/text.h"

/* What a file holds, and what only the parser needs to know of it. */
struct module_file {
	struct module_settings settings;
	uint8_t node_count;
};

static const char *const kind_words[] = { "mirror", "single", NULL };
static const char *const durability_words[] = { "call", "fsync", NULL };

_Static_assert(sizeof(enum durability) == sizeof(unsigned int) &&
		       sizeof(enum module_kind) == sizeof(unsigned int),
	"words are stored as unsigned");

#define DAY (24 * 3600 * NS_PER_S)

/* clang-format off */
/* First a row for each kind of check, then what all of them have. */
static const struct setting check_rows[] = {
	[CHECK_TCP] = { "tcp", SETTING_INTEGER, AT(check_config, tcp_port), .min = 1, .max = UINT16_MAX,
	  .help = "up while this TCP port of the service accepts connections" },
	[CHECK_COMMAND] = { "command", SETTING_FILE, AT(check_config, command),
	  .help = "up while this program of the module's bin/ ends with 0" },
	[CHECK_KIND_COUNT] = { "interval", SETTING_DURATION, AT(check_config, interval_ns), .min = 100 * NS_PER_MS, .max = 3600 * NS_PER_S,
	  .fallback = "5s", .is_live = true, .help = "time between two checks" },
	{ "timeout", SETTING_DURATION, AT(check_config, timeout_ns), .min = 100 * NS_PER_MS, .max = 600 * NS_PER_S,
	  .fallback = "5s", .is_live = true, .help = "a check that takes longer counts as down" },
};
static const char *const check_values[CHECK_KIND_COUNT] = { [CHECK_TCP] = "PORT", [CHECK_COMMAND] = "FILE" };
static const struct settings_table check_table = { "checks: (each)", check_rows, ARRAY_COUNT(check_rows) };

const struct setting module_rows[MODULE_ROWS] = {
	[MODULE_KIND] = { "kind", SETTING_WORD, AT(module_file, settings.kind), .words = kind_words, .fallback = "mirror",
	  .help = "mirror: two nodes, one primary, directories replicated; single: one node, the application started, checked and repaired" },
	[MODULE_NUMBER] = { "number", SETTING_INTEGER, AT(module_file, settings.number), .min = 1, .max = MODULES_MAX,
	  .is_required = true, .help = "number of the module, the same on both nodes; 'module add' gives it" },
	[MODULE_NODES] = { "nodes", SETTING_NAME, LIST_AT(module_file, settings.nodes, node_count, 2), .is_required = true,
	  .help = "the two nodes that run it; of a single the one" },
	[MODULE_PREFERRED] = { "preferred", SETTING_NAME, AT(module_file, settings.preferred),
	  .help = "node that should be primary when it can" },
	[MODULE_FAILOVER] = { "failover", SETTING_BOOLEAN, AT(module_file, settings.has_failover), .fallback = "true",
	  .help = "false: a secondary never takes over by itself" },
	[MODULE_DIRECTORIES] = { "directories", SETTING_DIRECTORY, LIST_AT(module_file, settings.directories, settings.directory_count, ROOTS_MAX),
	  .help = "what is replicated; a mirror has some, a single none" },
	[MODULE_ADDRESSES] = { "addresses", SETTING_ADDRESS, LIST_AT(module_file, settings.addresses, settings.address_count, ADDRESSES_MAX),
	  .help = "virtual addresses, held by the primary" },
	[MODULE_ADDRESS] = { "address", SETTING_ADDRESS, LIST_AT(module_file, settings.addresses, settings.address_count, 1),
	  .help = "the same, if there is only one" },
	[MODULE_DURABILITY] = { "durability", SETTING_WORD, AT(module_file, settings.durability), .words = durability_words, .fallback = "call",
	  .help = "when a call returns: when the peer did it too, or at once (fsync always waits for both disks)" },
	[MODULE_PEER_TIMEOUT] = { "peer_timeout", SETTING_DURATION, AT(module_file, settings.peer_timeout_ns), .min = 200 * NS_PER_MS,
	  .max = 300 * NS_PER_S, .fallback = "2s", .help = "a secondary without progress for so long is dropped" },
	[MODULE_DISK_TIMEOUT] = { "disk_timeout", SETTING_DURATION, AT(module_file, settings.disk_timeout_ns), .min = 2 * NS_PER_S,
	  .max = 300 * NS_PER_S, .fallback = "5s", .is_live = true,
	  .help = "a disk, or an evenkeel-fs, that does not answer for so long counts as stuck: the service goes to the other node, or that one is dropped" },
	[MODULE_SCRIPT_TIMEOUT] = { "script_timeout", SETTING_DURATION, AT(module_file, settings.script_timeout_ns), .min = NS_PER_S,
	  .max = DAY, .fallback = "300s", .is_live = true, .help = "a script that takes longer is killed" },
	[MODULE_REPAIRS] = { "repairs", SETTING_INTEGER, AT(module_file, settings.repairs_max), .min = 0, .max = 100, .fallback = "3",
	  .is_live = true, .help = "so many restarts of a failed application, then the node gives up" },
	[MODULE_REPAIRS_WINDOW] = { "repairs_window", SETTING_DURATION, AT(module_file, settings.repairs_window_ns), .min = 60 * NS_PER_S,
	  .max = 31 * DAY, .fallback = "24h", .is_live = true, .help = "within so long" },
	[MODULE_CHECKS] = { "checks", SETTING_MAPS, LIST_AT(module_file, settings.checks, settings.check_count, CHECKS_MAX), .table = &check_table,
	  .is_live = true, .help = "how one sees that the application works; how many they are may change only while the module is stopped" },
};
const struct settings_table module_table = { "module.yaml", module_rows, MODULE_ROWS };
/* clang-format on */

int config_address_row(const struct settings_source *source)
{
	return source->lines[MODULE_ADDRESS] != 0 ? MODULE_ADDRESS : MODULE_ADDRESSES;
}

const char *config_kind_name(enum module_kind kind)
{
	CHECK(kind < KIND_COUNT);
	return kind_words[kind];
}

int config_node_count(const struct module_settings *settings)
{
	return settings->nodes[1][0] == '\0' ? 1 : 2;
}

/* What only two copies need. */
static const int mirror_rows[] = { MODULE_PREFERRED, MODULE_FAILOVER, MODULE_DIRECTORIES,
	MODULE_DURABILITY, MODULE_PEER_TIMEOUT, MODULE_DISK_TIMEOUT };

bool config_is_mirrors(int row)
{
	for (size_t i = 0; i < ARRAY_COUNT(mirror_rows); i++)
		if (mirror_rows[i] == row)
			return true;
	return false;
}

static int check_single(const struct module_file *file, const struct settings_source *source,
	struct config_error *error)
{
	if (file->node_count != 1)
		return MODULE_COMPLAIN(source, error, MODULE_NODES,
			"found two nodes; expected one: a module of kind single runs on one node");
	for (int i = 0; i < MODULE_ROWS; i++)
		if (config_is_mirrors(i) && source->lines[i] != 0)
			return MODULE_COMPLAIN(source, error, i,
				"means nothing to a module of kind single, which has one copy and "
				"replicates nothing; expected it left out, or kind mirror");
	return 0;
}

/* Where the map of settings begins. */
static int first_line(const struct settings_source *source)
{
	int first = 0;
	for (int i = 0; i < MODULE_ROWS; i++)
		if (source->lines[i] != 0 && (first == 0 || source->lines[i] < first))
			first = source->lines[i];
	return first;
}

static int check_has_directories(const struct module_settings *settings,
	const struct settings_source *source, struct config_error *error)
{
	const struct setting *row = &module_rows[MODULE_DIRECTORIES];
	char expected[256];
	if (settings->directory_count > 0)
		return 0;
	if (source->lines[MODULE_DIRECTORIES] != 0)
		return MODULE_COMPLAIN(source, error, MODULE_DIRECTORIES,
			"found an empty list; expected at least one");
	settings_expected(row, expected, sizeof(expected));
	return settings_complain(error, source->file, first_line(source), row->key,
		"is missing; expected %s", expected);
}

static int check_module_nodes(const struct module_file *file, const struct settings_source *source,
	struct config_error *error)
{
	const struct module_settings *settings = &file->settings;
	if (file->node_count != 2 || strcmp(settings->nodes[0], settings->nodes[1]) == 0)
		return MODULE_COMPLAIN(source, error, MODULE_NODES, "expected two different nodes");
	if (settings->preferred[0] != '\0' &&
		strcmp(settings->preferred, settings->nodes[0]) != 0 &&
		strcmp(settings->preferred, settings->nodes[1]) != 0)
		return MODULE_COMPLAIN(source, error, MODULE_PREFERRED,
			"found '%s', which does not run this module; expected %s or %s",
			settings->preferred, settings->nodes[0], settings->nodes[1]);
	return 0;
}

static int check_module_directories(const struct module_settings *settings,
	const struct settings_source *source, struct config_error *error)
{
	for (int i = 0; i < settings->directory_count; i++) {
		if (strcmp(settings->directories[i], "/") == 0)
			return MODULE_COMPLAIN(source, error, MODULE_DIRECTORIES,
				"found '/'; expected a directory below it");
		for (int j = 0; j < i; j++) {
			if (config_paths_overlap(
				    settings->directories[i], settings->directories[j]))
				return MODULE_COMPLAIN(source, error, MODULE_DIRECTORIES,
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
	char shown[ADDRESS_TEXT_SIZE];
	if (source->lines[MODULE_ADDRESS] != 0 && source->lines[MODULE_ADDRESSES] != 0)
		return MODULE_COMPLAIN(source, error, MODULE_ADDRESS,
			"'addresses' is given too; expected one of the two");
	int row = config_address_row(source);
	for (int i = 0; i < settings->address_count; i++) {
		for (int j = 0; j < i; j++) {
			if (address_is_equal(&settings->addresses[i].address,
				    &settings->addresses[j].address))
				return MODULE_COMPLAIN(source, error, row,
					"%s is given twice; expected each address once",
					address_format(&settings->addresses[i].address, shown));
		}
	}
	return 0;
}

/* Names all kinds: "neither 'a' nor 'b'". */
static void add_kinds(struct text *text)
{
	for (int kind = 0; kind < CHECK_KIND_COUNT; kind++) {
		text_add(text, kind == 0 ? "neither '" : " nor '");
		text_add(text, check_rows[kind].key);
		text_add(text, "'");
	}
}

/* Shows how each is written: "'a: X', 'b: Y' and 'c: Z'". */
static void add_examples(struct text *text)
{
	for (int kind = 0; kind < CHECK_KIND_COUNT; kind++) {
		bool is_last = kind + 1 == CHECK_KIND_COUNT;
		text_add(text, kind == 0 ? "'" : is_last ? " and '" : ", '");
		text_add(text, check_rows[kind].key);
		text_add(text, ": ");
		text_add(text, check_values[kind]);
		text_add(text, "'");
	}
}

static int complain_of_kind(
	const struct settings_source *source, struct config_error *error, int number, int given)
{
	struct text found = { .size = 0 }, examples = { .size = 0 };

	if (given == 0)
		add_kinds(&found);
	else
		text_add(&found, given == 2 ? "both" : "several kinds");
	add_examples(&examples);
	return MODULE_COMPLAIN(source, error, MODULE_CHECKS, "check %d has %s; expected one of %s",
		number, found.data, examples.data);
}

/* Its kind is the one that is given; gives the number of those. */
static int find_kind(struct check_config *check)
{
	static const struct check_config none;
	int given = 0;

	for (int kind = 0; kind < CHECK_KIND_COUNT; kind++) {
		if (settings_is_equal(&check_rows[kind], check, &none))
			continue;
		check->kind = (enum check_kind)kind;
		given++;
	}
	return given;
}

/* Decides each check's kind and names it after that. */
static int check_module_checks(struct module_settings *settings,
	const struct settings_source *source, struct config_error *error)
{
	for (int i = 0; i < settings->check_count; i++) {
		struct check_config *check = &settings->checks[i];
		char value[PATH_SIZE_MAX];
		int given = find_kind(check);
		if (given != 1)
			return complain_of_kind(source, error, i + 1, given);
		settings_format(&check_rows[check->kind], check, value, sizeof(value));
		snprintf(check->name, sizeof(check->name), "%s.%s", check_rows[check->kind].key,
			value);
	}
	return 0;
}

static int module_check(
	struct module_file *file, const struct settings_source *source, struct config_error *error)
{
	bool is_single = file->settings.kind == KIND_SINGLE;
	int result = is_single ? check_single(file, source, error)
			       : check_module_nodes(file, source, error);
	if (result == 0 && !is_single)
		result = check_has_directories(&file->settings, source, error);
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

int config_read_module_lines(const char *folder, struct module_settings *out_settings,
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
	return config_read_module_lines(folder, out_settings, &source, out_error);
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

/* ---- differences ---- */

static void show_nodes(const struct module_settings *settings, char *out, size_t size)
{
	bool has_two = config_node_count(settings) == 2;
	snprintf(out, size, "%s%s%s", settings->nodes[0], has_two ? ", " : "", settings->nodes[1]);
}

/* The core knows how many checks there are; what each does may change while the module runs. */
static bool is_count_changed(
	int row, const struct module_settings *before, const struct module_settings *after)
{
	return row == MODULE_CHECKS && before->check_count != after->check_count;
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
		if (i == MODULE_ADDRESS) /* that is `addresses` */
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
		on_difference(context,
			&(struct config_difference){ .key = row->key,
				.before = old_text,
				.after = new_text,
				.is_live = row->is_live && !is_count_changed(i, before, after) });
		count++;
	}
	return count;
}
