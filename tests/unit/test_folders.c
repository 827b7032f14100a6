/* The files of a node's folders, and folders that are too long for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "platform/folders.h"

static void a_file_lies_in_its_folder_under_its_name(void **state)
{
	(void)state;
	char path[PATH_SIZE_MAX];
	node_file_path(path, NODE_FILE_SECRET, "/etc/evenkeel", NULL);
	assert_string_equal(path, "/etc/evenkeel/secret");
	node_file_path(path, NODE_FILE_MODULE, "/c", "pg");
	assert_string_equal(path, "/c/modules/pg");
	node_file_path(path, NODE_FILE_RUNTIME_NEXT, "/run/evenkeel", "pg");
	assert_string_equal(path, "/run/evenkeel/pg.runtime.new");
	node_file_path(path, NODE_FILE_APPLIED_NEXT, "/run/evenkeel", "NAME");
	assert_string_equal(path, "/run/evenkeel/NAME.new.yaml");
}

static void the_longest_folder_has_room_for_the_longest_name(void **state)
{
	(void)state;
	char folder[PATH_SIZE_MAX + 1], module[MODULE_NAME_MAX + 1], path[PATH_SIZE_MAX];
	memset(folder, 'f', sizeof(folder));
	memset(module, 'm', sizeof(module));
	module[MODULE_NAME_MAX] = '\0';
	size_t size = sizeof(folder) - 1;
	do {
		folder[size] = '\0';
	} while (!folder_is_usable(folder) && --size > 0);
	assert_in_range(size, PATH_SIZE_MAX / 2, PATH_SIZE_MAX);
	for (int file = 0; file < NODE_FILE_COUNT; file++) {
		bool has_module = strstr(node_file_rows[file].name, "NAME") != NULL;
		node_file_path(path, (enum node_file)file, folder, has_module ? module : NULL);
		assert_memory_equal(path, folder, size);
		assert_int_equal(path[size], '/');
	}
}

static void no_two_files_have_one_name(void **state)
{
	(void)state;
	for (int a = 0; a < NODE_FILE_COUNT; a++) {
		for (int b = 0; b < a; b++) {
			if (node_file_rows[a].folder == node_file_rows[b].folder)
				assert_string_not_equal(
					node_file_rows[a].name, node_file_rows[b].name);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_lies_in_its_folder_under_its_name),
		cmocka_unit_test(the_longest_folder_has_room_for_the_longest_name),
		cmocka_unit_test(no_two_files_have_one_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
