/* The first 80 bytes of a connection. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/preface.h"

static const struct preface good = {
	.version = PREFACE_VERSION, .kind = PREFACE_STREAM, .node = 2, .module = "postgresql"
};

static void what_is_encoded_is_decoded(void **state)
{
	(void)state;
	uint8_t data[PREFACE_SIZE];
	struct preface back;

	preface_encode(&good, data);
	assert_memory_equal(data, "EVKL\0\1\0\1\2\0\0\0\0\0\0\0postgresql\0", 27);
	assert_int_equal(preface_decode(data, &back), 0);
	assert_int_equal(back.version, PREFACE_VERSION);
	assert_int_equal(back.kind, PREFACE_STREAM);
	assert_int_equal(back.node, 2);
	assert_string_equal(back.module, "postgresql");
}

static void the_longest_name_fits(void **state)
{
	(void)state;
	uint8_t data[PREFACE_SIZE];
	struct preface longest = good, back;

	memset(longest.module, 'm', MODULE_NAME_MAX);
	longest.module[MODULE_NAME_MAX] = '\0';
	preface_encode(&longest, data);
	assert_int_equal(preface_decode(data, &back), 0);
	assert_string_equal(back.module, longest.module);
}

static void another_version_is_told_and_its_rest_not_judged(void **state)
{
	(void)state;
	uint8_t data[PREFACE_SIZE];
	struct preface back;

	preface_encode(&good, data);
	data[5] = 2;
	memset(data + 8, 0xff, sizeof(data) - 8);
	assert_int_equal(preface_decode(data, &back), 0);
	assert_int_equal(back.version, 2);
	assert_int_equal(strlen(back.module), MODULE_NAME_MAX);
}

static void garbage_is_refused(void **state)
{
	(void)state;
	uint8_t data[PREFACE_SIZE];
	struct preface back;

	memset(data, 0, sizeof(data));
	assert_int_equal(preface_decode(data, &back), -EBADMSG);
	memset(data, 0xff, sizeof(data));
	assert_int_equal(preface_decode(data, &back), -EBADMSG);
	preface_encode(&good, data);
	data[8] = 0; /* no node */
	assert_int_equal(preface_decode(data, &back), -EBADMSG);
	data[8] = NODES_MAX + 1;
	assert_int_equal(preface_decode(data, &back), -EBADMSG);
	preface_encode(&good, data);
	data[16] = '\0'; /* no name, but something behind it */
	assert_int_equal(preface_decode(data, &back), -EBADMSG);
	preface_encode(&good, data);
	data[PREFACE_SIZE - 1] = 'x';
	assert_int_equal(preface_decode(data, &back), -EBADMSG);
}

static void answers_have_their_bytes(void **state)
{
	(void)state;
	uint8_t data[PREFACE_ANSWER_SIZE];

	enum preface_status status;

	preface_encode_answer(PREFACE_NOT_SECONDARY, data);
	assert_memory_equal(data, "EVKL\0\1\0\3", sizeof(data));
	assert_int_equal(preface_decode_answer(data, &status), 0);
	assert_int_equal(status, PREFACE_NOT_SECONDARY);
	data[7] = PREFACE_STATUS_COUNT; /* of a later version */
	assert_int_equal(preface_decode_answer(data, &status), -EBADMSG);
	memcpy(data, "HTTP/1.1", sizeof(data));
	assert_int_equal(preface_decode_answer(data, &status), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(the_longest_name_fits),
		cmocka_unit_test(another_version_is_told_and_its_rest_not_judged),
		cmocka_unit_test(garbage_is_refused),
		cmocka_unit_test(answers_have_their_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
