/*
 * All modules of a node together: what they must not share, and that a wrong one spoils only itself.
 */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/config.h"

static const char cluster_text[] = "cluster: demo\nping_target: 10.3.0.254\n"
				   "nodes:\n"
				   "- {name: a, id: 1, addresses: [10.1.0.1, 10.3.0.1]}\n"
				   "- {name: b, id: 2, addresses: [10.1.0.2, 10.3.0.2]}\n";

struct wrong {
	const char *text, *sentence;
};

static void write_module(const char *config, const char *name, const char *text)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/modules/%s", config, name);
	assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/modules/%s/module.yaml", config, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static const struct wrong wrong_pairs[] = {
	{ "number: 1\nnodes: [a, b]\ndirectories: [/other]\n",
		"key 'number': module 'first' has number 1 too; expected a number of its own" },
	{ "number: 2\nnodes: [a, b]\ndirectories: [/data/sub]\n",
		"key 'directories': '/data/sub' and '/data' of module 'first' lie one in the "
		"other; expected directories of its own" },
	{ "number: 2\nnodes: [a, b]\ndirectories: [/other]\naddress: 10.3.0.100\n",
		"key 'address': module 'first' has 10.3.0.100 too; expected an address of its "
		"own" },
	{ "number: 2\nnodes: [a, b]\ndirectories: [/other]\naddress: 10.3.0.254\n",
		"key 'address': 10.3.0.254 is the ping_target of cluster.yaml; expected an address "
		"that no host has, and a ping_target that is another host's" },
	{ "number: 2\nnodes: [a, b]\ndirectories: [/other]\naddress: 10.3.0.2\n",
		"key 'address': 10.3.0.2 is the address of node 'b' itself; expected an address "
		"that no host has" },
	{ "number: 2\nnodes: [a, c]\ndirectories: [/other]\n",
		"key 'nodes': found 'c', which is no node of cluster.yaml; expected names that "
		"'evenkeel cluster list' shows" },
};

/* A configuration folder of its own, and what was read from it last. */
struct folder {
	char path[64];
	const char *run; /* NULL: none is looked at */
	struct cluster_config cluster;
	struct config_modules modules;
	struct config_error error;
};

static int make_folder(void **state)
{
	static struct folder folder;
	char path[128];
	folder = (struct folder){ .path = "/tmp/evenkeel-test-config-XXXXXX" };
	assert_non_null(mkdtemp(folder.path));
	assert_int_equal(
		config_read_cluster_text("c.yaml",
			(struct bytes){ (const uint8_t *)cluster_text, strlen(cluster_text) },
			&folder.cluster, &folder.error),
		0);
	snprintf(path, sizeof(path), "%s/modules", folder.path);
	assert_int_equal(mkdir(path, 0755), 0);
	write_module(folder.path, "first",
		"number: 1\nnodes: [a, b]\ndirectories: [/data]\naddress: 10.3.0.100\n");
	*state = &folder;
	return 0;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
	(void)info;
	(void)type;
	(void)place;
	return remove(path);
}

static int remove_folder(void **state)
{
	struct folder *folder = *state;
	config_modules_done(&folder->modules);
	return nftw(folder->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void read_folder(struct folder *folder)
{
	config_modules_done(&folder->modules);
	assert_int_equal(config_read_modules(folder->path, &folder->cluster, folder->run,
				 &folder->modules, &folder->error),
		0);
}

static void a_folder_without_modules_is_in_order(void **state)
{
	struct folder *folder = *state;
	assert_int_equal(config_read_modules("/nowhere", &folder->cluster, NULL, &folder->modules,
				 &folder->error),
		0);
	assert_int_equal(folder->modules.count, 0);
	assert_int_equal(folder->modules.wrong_count, 0);
}

static void modules_do_not_share(void **state)
{
	struct folder *folder = *state;
	write_module(
		folder->path, "second", "number: 2\nnodes: [a, b]\ndirectories: [/database]\n");
	read_folder(folder);
	assert_int_equal(folder->modules.count, 2);
	assert_int_equal(folder->modules.wrong_count, 0);
	assert_string_equal(folder->modules.list[1].name, "second");
	for (size_t i = 0; i < ARRAY_COUNT(wrong_pairs); i++) {
		write_module(folder->path, "second", wrong_pairs[i].text);
		config_modules_done(&folder->modules);
		assert_int_equal(config_read_all_modules(folder->path, &folder->cluster,
					 &folder->modules, &folder->error),
			-EINVAL);
		assert_int_equal(folder->modules.count, 0);
		assert_non_null(strstr(folder->error.sentence, "modules/second/module.yaml:"));
		assert_non_null(strstr(folder->error.sentence, wrong_pairs[i].sentence));
	}
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static const char full_text[] =
	"number: 7\nnodes: [a, b]\npreferred: b\nfailover: false\n"
	"directories: [\"/srv/a, b: #c\", '/srv/q\"uo\\te']\n"
	"addresses: [10.3.0.100, 10.3.0.101/24@eth0]\ndurability: fsync\npeer_timeout: 2500ms\n"
	"script_timeout: 61s\nrepairs: 0\nrepairs_window: 90m\n"
	"checks:\n- {tcp: 5432}\n- {command: is-well, interval: 1500ms, timeout: 2s}\n";

/* Each setting that is not as it would be by itself. */
static void what_is_applied_is_read_as_it_was(void **state)
{
	struct folder *folder = *state;
	struct module_settings before, after;
	char path[128], kept[160];
	write_module(folder->path, "full", full_text);
	snprintf(path, sizeof(path), "%s/modules/full", folder->path);
	assert_int_equal(config_read_module(path, &before, &folder->error), 0);
	assert_int_equal(config_read_applied(folder->path, path, &after, &folder->error), 0);
	assert_memory_equal(&before, &after, sizeof(before)); /* nothing is kept: the file itself */
	assert_int_equal(config_keep_applied(folder->path, &before), 0);
	write_module(folder->path, "full", "number: x\n");
	assert_int_equal(config_read_applied(folder->path, path, &after, &folder->error), 0);
	assert_memory_equal(&before, &after, sizeof(before));
	snprintf(kept, sizeof(kept), "%s/full.yaml", folder->path);
	write_text(kept, "number: y\n");
	assert_int_equal(config_read_applied(folder->path, path, &after, &folder->error), -EINVAL);
	assert_non_null(strstr(folder->error.sentence, "modules/full/module.yaml:1: "));
	config_forget_applied(folder->path, "full");
	assert_int_equal(access(kept, F_OK), -1);
}

/* Settings that mean nothing to a single are not written, or they would not be read again. */
static void an_applied_single_is_one_again(void **state)
{
	struct folder *folder = *state;
	char path[512];
	struct module_settings before, after;
	snprintf(path, sizeof(path), "%s/modules/web", folder->path);
	write_module(folder->path, "web",
		"kind: single\nnumber: 3\nnodes: b\naddress: 10.3.0.100/24@eth0\nrepairs: 1\n"
		"checks:\n- tcp: 80\n");
	assert_int_equal(config_read_module(path, &before, &folder->error), 0);
	assert_int_equal(config_keep_applied(folder->path, &before), 0);
	write_module(folder->path, "web", "kind: mirror\n");
	assert_int_equal(config_read_applied(folder->path, path, &after, &folder->error), 0);
	assert_int_equal(config_compare_modules(&before, &after, NULL, NULL), 0);
	assert_int_equal(after.kind, KIND_SINGLE);
	assert_int_equal(config_node_count(&after), 1);
	config_forget_applied(folder->path, "web");
}

/* What runs goes on as it was applied when its file is wrong, gone, another's, or asks for what cannot
 * change while it runs; what may change then is taken. */
static void what_runs_goes_on_as_it_was_applied(void **state)
{
	static const struct {
		const char *text, *sentence;
		int64_t script_timeout_s;
	} rows[] = {
		{ "number: 2\nnodes: [a, b]\ndirectories: [/b]\nscript_timeout: 5s\n", NULL, 5 },
		{ "number: 2\nnodes: [a, b]\ndirectories: [/c]\n",
			"key 'directories': found '/c' instead of '/b'", 9 },
		{ "number: 1\nnodes: [a, b]\ndirectories: [/b]\n",
			"module 'first' has number 1 too", 9 },
		{ "number: two\n", "key 'number'", 9 },
		{ NULL, "cannot be read: No such file", 9 },
	};
	struct folder *folder = *state;
	char path[128];
	write_module(folder->path, "second",
		"number: 2\nnodes: [a, b]\ndirectories: [/b]\nscript_timeout: 9s\n");
	read_folder(folder);
	assert_int_equal(folder->modules.count, 2);
	assert_int_equal(config_keep_applied(folder->path, &folder->modules.list[1]), 0);
	snprintf(path, sizeof(path), "%s/modules/second/module.yaml", folder->path);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		bool is_right = rows[i].sentence == NULL;
		if (rows[i].text != NULL)
			write_text(path, rows[i].text);
		else
			assert_int_equal(unlink(path), 0);
		folder->run = folder->path;
		read_folder(folder);
		const struct module_settings *second = &folder->modules.list[1];
		assert_int_equal(folder->modules.count, 2);
		assert_int_equal(folder->modules.wrong_count, is_right ? 0 : 1);
		assert_int_equal(second->number, 2);
		assert_string_equal(second->directories[0], "/b");
		assert_int_equal(second->script_timeout_ns, rows[i].script_timeout_s * NS_PER_S);
		if (is_right)
			continue;
		assert_true(folder->modules.wrong[0].is_going_on);
		assert_string_equal(folder->modules.wrong[0].name, "second");
		assert_non_null(strstr(folder->modules.wrong[0].error.sentence, rows[i].sentence));
		assert_non_null(strstr(
			folder->modules.wrong[0].error.sentence, "modules/second/module.yaml"));
		folder->run = NULL;
		read_folder(folder);
	}
}

/* Also one that a right module comes after, and one that another wrong one would have excluded. */
static void a_wrong_module_spoils_only_itself(void **state)
{
	struct folder *folder = *state;
	write_module(folder->path, "broken", "nodes: [a\n");
	write_module(folder->path, "second", "number: 1\nnodes: [a, b]\ndirectories: [/other]\n");
	write_module(folder->path, "third", "number: 3\nnodes: [a, b]\ndirectories: [/other]\n");
	read_folder(folder);
	assert_int_equal(folder->modules.count, 2);
	assert_string_equal(folder->modules.list[0].name, "first");
	assert_string_equal(folder->modules.list[1].name, "third");
	assert_int_equal(folder->modules.list[1].number, 3);
	assert_int_equal(folder->modules.wrong_count, 2);
	assert_string_equal(folder->modules.wrong[0].name, "broken");
	assert_non_null(
		strstr(folder->modules.wrong[0].error.sentence, "modules/broken/module.yaml:"));
	assert_string_equal(folder->modules.wrong[1].name, "second");
	assert_non_null(
		strstr(folder->modules.wrong[1].error.sentence, "module 'first' has number 1"));
	config_modules_done(&folder->modules);
	assert_int_equal(config_read_all_modules(
				 folder->path, &folder->cluster, &folder->modules, &folder->error),
		-EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_folder_without_modules_is_in_order, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(modules_do_not_share, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			a_wrong_module_spoils_only_itself, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			what_is_applied_is_read_as_it_was, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			an_applied_single_is_one_again, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			what_runs_goes_on_as_it_was_applied, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
