/* Tables of fields, the kinds that control.sock does not use: lists, objects, what may be absent. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/admin.h"
#include "api/status.h"

static const char *text_of(const struct fields *fields, const void *data)
{
	static char text[2048];
	json_t *json = json_object();
	assert_int_equal(fields_encode(fields, data, json), 0);
	size_t size = json_dumpb(json, text, sizeof(text) - 1, JSON_COMPACT);
	assert_true(size < sizeof(text) - 1);
	text[size] = '\0';
	json_decref(json);
	return text;
}

static void what_is_absent_is_not_written(void **state)
{
	(void)state;
	struct shown_module module = { .name = "pg" };
	assert_string_equal(text_of(&shown_module_fields, &module), "{\"name\":\"pg\"}");
	module.has_left_out = module.is_left_out = true;
	module.error = "no";
	assert_string_equal(text_of(&shown_module_fields, &module),
		"{\"name\":\"pg\",\"is_left_out\":true,\"error\":\"no\"}");
	const struct shown_arbiter arbiter = {
		.kind = "ping", .has_reachable = true, .reachable = -1, .promise = "a guess"
	};
	assert_string_equal(text_of(&shown_arbiter_fields, &arbiter),
		"{\"kind\":\"ping\",\"is_reachable\":null,\"promise\":\"a guess\"}");
}

static void a_status_comes_back_as_it_was(void **state)
{
	(void)state;
	static const char text[] =
		"{\"node\":\"a\",\"cluster\":{\"name\":\"demo\",\"epoch\":3,\"port\":7600},"
		"\"nodes\":[{\"name\":\"b\",\"id\":2,\"is_self\":false,\"addresses\":["
		"{\"address\":\"10.0.0.2\",\"is_up\":true},{\"address\":\"10.1.0.2\"}]}],"
		"\"arbiter\":{\"kind\":\"ping\",\"target\":\"10.0.0.254\",\"is_reachable\":false,"
		"\"promise\":\"none\"},\"counters\":{\"beats_sent\":1,\"beats_heard\":2,"
		"\"garbage\":3,\"other_version\":4},\"modules\":[{\"name\":\"pg\",\"number\":7,"
		"\"directories\":[\"/a\",\"/b\"],\"addresses\":[],\"durability\":\"call\","
		"\"resync\":{\"done\":5,\"total\":\"0xffffffffffffffff\"},\"now\":\"waits\"},"
		"{\"name\":\"web\",\"is_left_out\":true}]}";
	struct shown_status status = { 0 };
	struct fields_error wrong;
	json_t *json = json_loads(text, 0, NULL);
	assert_int_equal(fields_decode(&shown_status_fields, json, &status, &wrong), 0);
	assert_int_equal(status.module_count, 2);
	assert_int_equal(status.modules[0].directory_count, 2);
	assert_true(status.modules[0].has_resync);
	assert_true(status.modules[0].resync.total == UINT64_MAX);
	assert_false(status.modules[0].has_left_out);
	assert_string_equal(shown_text(status.modules[0].state), "");
	assert_true(status.modules[1].is_left_out);
	assert_true(status.nodes[0].addresses[0].has_up);
	assert_false(status.nodes[0].addresses[1].has_up);
	assert_int_equal(status.arbiter.reachable, 0);
	assert_string_equal(text_of(&shown_status_fields, &status), text);
	shown_status_done(&status);
	json_decref(json);
}

static void what_is_wrong_deep_inside_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *text, *sentence;
	} wrong[] = {
		{ "{\"node\":\"a\"}", "'cluster' is missing" },
		{ "{\"node\":1}", "'node': found 1; expected a text" },
		{ "{\"cluster\":[]}", "'cluster': found []; expected an object" },
		{ "{\"cluster\":{\"name\":\"x\",\"epoch\":1,\"port\":70000}}",
			"'port': found 70000; expected a number of 0 to 65535" },
		{ "{\"cluster\":{\"epoch\":1,\"port\":1},\"nodes\":{}}",
			"'nodes': found {}; expected a list of objects" },
		{ "{\"cluster\":{\"epoch\":1,\"port\":1},\"nodes\":[{\"id\":1},7]}",
			"'is_self' is missing" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		struct shown_status status = { 0 };
		struct fields_error error = { "" };
		json_t *json = json_loads(wrong[i].text, 0, NULL);
		assert_int_equal(
			fields_decode(&shown_status_fields, json, &status, &error), -EPROTO);
		assert_string_equal(error.sentence, wrong[i].sentence);
		shown_status_done(&status);
		json_decref(json);
	}
}

static void a_list_that_is_too_long_is_refused(void **state)
{
	(void)state;
	struct shown_module module = { 0 };
	struct fields_error error = { "" };
	json_t *json = json_pack("{s:s,s:i,s:[]}", "name", "pg", "number", 1, "directories");
	json_t *list = json_object_get(json, "directories");
	for (int i = 0; i < ROOTS_MAX; i++)
		assert_int_equal(json_array_append_new(list, json_string("/x")), 0);
	assert_int_equal(fields_decode(&shown_module_fields, json, &module, &error), 0);
	assert_int_equal(module.directory_count, ROOTS_MAX);
	assert_int_equal(json_array_append_new(list, json_string("/x")), 0);
	assert_int_equal(fields_decode(&shown_module_fields, json, &module, &error), -EPROTO);
	assert_non_null(strstr(error.sentence, "'directories': found ["));
	assert_int_equal(json_array_clear(list), 0);
	assert_int_equal(json_array_append_new(list, json_integer(1)), 0);
	assert_int_equal(fields_decode(&shown_module_fields, json, &module, &error), -EPROTO);
	json_decref(json);
}

static void every_refusal_of_the_core_has_its_own_word(void **state)
{
	(void)state;
	for (unsigned int i = 1; i < admin_refusal_words.count; i++) {
		assert_non_null(admin_refusal_words.list[i].meaning);
		for (unsigned int k = 0; k < i; k++)
			assert_string_not_equal(words_name(&admin_refusal_words, i),
				words_name(&admin_refusal_words, k));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_absent_is_not_written),
		cmocka_unit_test(a_status_comes_back_as_it_was),
		cmocka_unit_test(what_is_wrong_deep_inside_is_named),
		cmocka_unit_test(a_list_that_is_too_long_is_refused),
		cmocka_unit_test(every_refusal_of_the_core_has_its_own_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
