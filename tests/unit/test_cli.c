/* Parts of the command line that are no programs: texts of module.yaml, keys, files. */
#include <errno.h>
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

#include "cli/cli.h"
#include "cli/gateway.h"
#include "cli/keys.h"
#include "cli/module_text.h"

static void a_setting_is_replaced_and_lines_keep_their_numbers(void **state)
{
	(void)state;
	char *text = strdup("# mine\n"
			    "directories:\n"
			    "  - /a\n"
			    "\n"
			    "- /b\n"
			    "kind: mirror\n"
			    "checks:\n"
			    "- tcp: 1");
	assert_true(module_text_has(text, "kind"));
	assert_true(module_text_has(text, "directories"));
	assert_false(module_text_has(text, "tcp"));
	assert_false(module_text_has(text, "director"));
	assert_int_equal(module_text_set(&text, "kind", "farm"), 0);
	assert_int_equal(module_text_set(&text, "checks", "[]"), 0);
	assert_int_equal(module_text_unset(&text, "nothing"), 0);
	assert_string_equal(text, "# mine\n"
				  "directories:\n"
				  "  - /a\n"
				  "\n"
				  "- /b\n"
				  "# kind: mirror\n"
				  "# checks:\n"
				  "# - tcp: 1\n"
				  "kind: farm\n"
				  "checks: []\n");
	assert_int_equal(module_text_set(&text, "directories", "[\"/c\"]"), 0);
	assert_non_null(strstr(text, "# directories:\n#   - /a\n\n# - /b\n# kind"));
	free(text);
}

static void a_list_is_quoted(void **state)
{
	(void)state;
	char out[64];
	const char *const items[] = { "/a b", "say \"x\\y\"" };
	assert_int_equal(module_text_list(items, 2, out, sizeof(out)), 0);
	assert_string_equal(out, "[\"/a b\", \"say \\\"x\\\\y\\\"\"]");
	assert_int_equal(module_text_list(items, 2, out, 12), -ERANGE);
}

static void a_node_gets_a_key_only_with_the_passphrase(void **state)
{
	(void)state;
	char *ca, *ca_key, *other, *other_key, *node, *node_key;
	assert_int_equal(keys_make_ca("demo", "right words", &ca, &ca_key), 0);
	assert_int_equal(keys_make_ca("other", "right words", &other, &other_key), 0);
	assert_non_null(strstr(ca_key, "BEGIN ENCRYPTED PRIVATE KEY"));
	struct ca_texts texts = { ca, ca_key };
	assert_int_equal(keys_make_node(&texts, "wrong words", "a", &node, &node_key), -EACCES);
	assert_int_equal(keys_make_node(&texts, "right words", "a", &node, &node_key), 0);
	assert_non_null(strstr(node, "BEGIN CERTIFICATE"));
	assert_non_null(strstr(node_key, "BEGIN PRIVATE KEY"));
	key_free(node);
	key_free(node_key);
	struct ca_texts mixed = { ca, other_key };
	assert_int_equal(keys_make_node(&mixed, "right words", "a", &node, &node_key), -EBADMSG);
	struct ca_texts nonsense = { "nonsense", ca_key };
	assert_int_equal(keys_make_node(&nonsense, "right words", "a", &node, &node_key), -EBADMSG);
	key_free(ca);
	key_free(ca_key);
	key_free(other);
	key_free(other_key);
}

static void a_passphrase_is_never_twice_the_same(void **state)
{
	(void)state;
	char first[PASSPHRASE_SIZE], second[PASSPHRASE_SIZE];
	assert_int_equal(keys_make_passphrase(first), 0);
	assert_int_equal(keys_make_passphrase(second), 0);
	assert_int_equal(strlen(first), PASSPHRASE_SIZE - 1);
	assert_int_equal(first[5], '-');
	assert_string_not_equal(first, second);
}

static void a_folder_is_copied_with_its_modes_and_removed(void **state)
{
	(void)state;
	char base[] = "/tmp/evenkeel-test-cli-XXXXXX", from[PATH_SIZE_MAX], to[PATH_SIZE_MAX],
	     path[PATH_SIZE_MAX], *text;
	struct stat status;
	size_t size;
	assert_non_null(mkdtemp(base));
	file_path_join(from, base, "from");
	file_path_join(to, base, "to");
	file_path_join(path, from, "bin/deep");
	assert_int_equal(folder_make(path, 0755), 0);
	file_path_join(path, from, "bin/run");
	assert_int_equal(file_write(path, "hello", 5, 0755), 0);
	file_path_join(path, from, "bin/link");
	assert_int_equal(symlink("run", path), 0);
	assert_int_equal(folder_copy(from, to), 0);
	file_path_join(path, to, "bin/run");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0755);
	file_path_join(path, to, "bin/link");
	assert_int_equal(file_read(path, &text, &size), 0);
	assert_string_equal(text, "hello");
	free(text);
	assert_int_equal(folder_copy(from, to), -EEXIST);
	file_path_join(path, from, "pipe");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(folder_remove(to), 0);
	assert_int_equal(folder_copy(from, to), -EINVAL);
	assert_int_equal(folder_remove(base), 0);
	assert_int_equal(folder_remove(base), 0);
}

/* As the kernel writes them, on a machine of either byte order (0x0a000001 stands reversed on ours). */
static const char routes_ipv4[] =
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	"eth1\t00000000\t%08X\t0003\t0\t0\t200\t00000000\t0\t0\t0\n"
	"eth0\t00000000\t%08X\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
	"eth0\t00000000\t00000000\t0001\t0\t0\t1\t00000000\t0\t0\t0\n"
	"eth0\t%08X\t%08X\t0003\t0\t0\t1\t00FFFFFF\t0\t0\t0\n";
static const char routes_ipv6[] =
	"fd000077000300000000000000000000 40 00000000000000000000000000000000 00 "
	"00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
	"00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
	"fd0000770003000000000000000000fe 00000400 00000003 00000000 00000003     eth0\n"
	"00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
	"fe800000000000000000000000000001 00000100 00000003 00000000 00000003     eth0\n"
	"00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
	"00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";

static bool find_in(const char *text, enum address_family family, struct address *out_gateway)
{
	FILE *table = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	assert_non_null(table);
	bool is_found = gateway_find_in(table, family, out_gateway);
	(void)fclose(table);
	return is_found;
}

static uint32_t in_memory(const uint8_t bytes[4])
{
	uint32_t value;
	memcpy(&value, bytes, sizeof(value));
	return value;
}

static void the_gateway_with_the_smallest_metric_counts(void **state)
{
	(void)state;
	char text[1024], shown[ADDRESS_TEXT_SIZE];
	struct address gateway;
	snprintf(text, sizeof(text), routes_ipv4, in_memory((const uint8_t[]){ 10, 0, 0, 1 }),
		in_memory((const uint8_t[]){ 10, 0, 0, 2 }),
		in_memory((const uint8_t[]){ 10, 9, 0, 0 }),
		in_memory((const uint8_t[]){ 10, 0, 0, 3 }));
	assert_true(find_in(text, ADDRESS_IPV4, &gateway));
	assert_string_equal(address_format(&gateway, shown), "10.0.0.2");
	assert_false(find_in("Iface\n", ADDRESS_IPV4, &gateway));
}

static void a_gateway_that_means_another_on_each_link_does_not_count(void **state)
{
	(void)state;
	char shown[ADDRESS_TEXT_SIZE];
	struct address gateway;
	assert_true(find_in(routes_ipv6, ADDRESS_IPV6, &gateway));
	assert_string_equal(address_format(&gateway, shown), "fd00:77:3::fe");
	assert_false(find_in(strstr(routes_ipv6, "fe80") - 68, ADDRESS_IPV6, &gateway));
}

/* ---- status -w ---- */

static void expect_merged(json_t *status, const char *line, const char *expected)
{
	json_t *changes = json_loads(line, 0, NULL);
	assert_non_null(changes);
	watch_merge(status, changes);
	char *text = json_dumps(status, JSON_COMPACT);
	assert_string_equal(text, expected);
	free(text);
	json_decref(changes);
}

static void changes_are_put_into_the_status(void **state)
{
	(void)state;
	json_t *status = json_loads("{\"node\":\"a\",\"nodes\":[1],\"modules\":["
				    "{\"name\":\"b\"},{\"name\":\"z\",\"is_left_out\":true}]}",
		0, NULL);
	expect_merged(status,
		"{\"type\":\"changes\",\"modules\":[{\"name\":\"c\"},{\"name\":\"a\"}]}",
		"{\"node\":\"a\",\"nodes\":[1],\"modules\":[{\"name\":\"a\"},{\"name\":\"b\"},"
		"{\"name\":\"c\"},{\"name\":\"z\",\"is_left_out\":true}]}");
	expect_merged(status,
		"{\"type\":\"changes\",\"nodes\":[2],\"modules\":[{\"name\":\"b\",\"is_left_out\":"
		"true}],"
		"\"gone\":[\"a\",\"nosuch\"]}",
		"{\"node\":\"a\",\"nodes\":[2],\"modules\":[{\"name\":\"c\"},"
		"{\"name\":\"b\",\"is_left_out\":true},{\"name\":\"z\",\"is_left_out\":true}]}");
	expect_merged(status, "{\"type\":\"later\"}",
		"{\"node\":\"a\",\"nodes\":[2],\"modules\":[{\"name\":\"c\"},"
		"{\"name\":\"b\",\"is_left_out\":true},{\"name\":\"z\",\"is_left_out\":true}]}");
	json_decref(status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_setting_is_replaced_and_lines_keep_their_numbers),
		cmocka_unit_test(a_list_is_quoted),
		cmocka_unit_test(a_node_gets_a_key_only_with_the_passphrase),
		cmocka_unit_test(a_passphrase_is_never_twice_the_same),
		cmocka_unit_test(a_folder_is_copied_with_its_modes_and_removed),
		cmocka_unit_test(the_gateway_with_the_smallest_metric_counts),
		cmocka_unit_test(a_gateway_that_means_another_on_each_link_does_not_count),
		cmocka_unit_test(changes_are_put_into_the_status),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
