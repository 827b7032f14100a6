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

static const char cluster_text[] = "cluster: demo\n"
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
	assert_int_equal(config_read_modules(
				 folder->path, &folder->cluster, &folder->modules, &folder->error),
		0);
}

static void a_folder_without_modules_is_in_order(void **state)
{
	struct folder *folder = *state;
	assert_int_equal(
		config_read_modules("/nowhere", &folder->cluster, &folder->modules, &folder->error),
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
