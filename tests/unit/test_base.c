#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/text.h"

static void errors_have_the_kernels_numbers(void **state)
{
	(void)state;
	assert_int_equal(ERROR_NOT_FOUND, ENOENT);
	assert_int_equal(ERROR_IO, EIO);
	assert_int_equal(ERROR_AGAIN, EAGAIN);
	assert_int_equal(ERROR_NO_MEMORY, ENOMEM);
	assert_int_equal(ERROR_BUSY, EBUSY);
	assert_int_equal(ERROR_EXISTS, EEXIST);
	assert_int_equal(ERROR_INVALID, EINVAL);
	assert_int_equal(ERROR_NO_SPACE, ENOSPC);
	assert_int_equal(ERROR_RANGE, ERANGE);
	assert_int_equal(ERROR_NAME_TOO_LONG, ENAMETOOLONG);
	assert_int_equal(ERROR_BAD_MESSAGE, EBADMSG);
	assert_int_equal(ERROR_OVERFLOW, EOVERFLOW);
	assert_int_equal(ERROR_PROTOCOL, EPROTO);
	assert_int_equal(ERROR_NO_BUFFERS, ENOBUFS);
	assert_int_equal(ERROR_STALE, ESTALE);
}

static void what_was_put_is_got(void **state)
{
	(void)state;
	uint8_t memory[64];
	struct buf_writer writer = buf_writer_init(memory, sizeof(memory));
	buf_put_u8(&writer, 0xab);
	buf_put_u16(&writer, 0x1234);
	buf_put_u32(&writer, 0xdeadbeef);
	buf_put_i64(&writer, -5);
	buf_put_bytes(&writer, (struct bytes){ .data = (const uint8_t *)"name", .size = 4 });
	assert_false(writer.is_overrun);
	assert_int_equal(memory[1], 0x12);

	struct buf_reader reader = buf_reader_init(memory, writer.size);
	assert_int_equal(buf_get_u8(&reader), 0xab);
	assert_int_equal(buf_get_u16(&reader), 0x1234);
	assert_int_equal(buf_get_u32(&reader), 0xdeadbeef);
	assert_int_equal(buf_get_i64(&reader), -5);
	struct bytes name = buf_get_bytes(&reader, 4);
	assert_int_equal(name.size, 4);
	assert_memory_equal(name.data, "name", 4);
	assert_true(buf_reader_is_complete(&reader));
}

static void an_overrun_is_remembered(void **state)
{
	(void)state;
	uint8_t memory[7] = { 0 };
	struct buf_writer writer = buf_writer_init(memory, sizeof(memory));
	buf_put_u32(&writer, 1);
	buf_put_u32(&writer, 2);
	assert_true(writer.is_overrun);
	buf_put_u8(&writer, 3);
	assert_int_equal(writer.size, 4);

	struct buf_reader reader = buf_reader_init(memory, sizeof(memory));
	assert_int_equal(buf_get_u64(&reader), 0);
	assert_true(reader.is_overrun);
	assert_int_equal(buf_get_u8(&reader), 0);
	assert_false(buf_reader_is_complete(&reader));
}

static void a_length_above_its_limit_is_an_overrun(void **state)
{
	(void)state;
	uint8_t memory[8] = { 0, 0, 0, 4, 'n', 'a', 'm', 'e' };
	struct buf_reader reader = buf_reader_init(memory, sizeof(memory));
	assert_int_equal(buf_get_bytes(&reader, 3).size, 0);
	assert_true(reader.is_overrun);
}

static void the_checksum_is_the_published_one(void **state)
{
	(void)state;
	uint8_t zeros[32] = { 0 };
	assert_int_equal(crc32c(zeros, sizeof(zeros)), 0x8a9136aau); /* RFC 3720 B.4 */
	assert_int_equal(crc32c("123456789", 9), 0xe3069283u);
}

static void the_table_of_the_checksum_is_the_polynomial(void **state)
{
	(void)state;
	uint8_t data[40 + 8];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 151 + 7);
	for (size_t start = 0; start < 8; start++)
		for (size_t size = 0; size <= 40; size++) {
			uint32_t crc = 0xffffffffu;
			for (size_t bit = 0; bit < 8 * size; bit++) {
				uint32_t next = data[start + bit / 8] >> bit % 8 & 1;
				crc = (crc >> 1) ^ (0x82f63b78u & -((crc ^ next) & 1));
			}
			assert_int_equal(crc32c(data + start, size), ~crc);
		}
}

static void a_sentence_is_cut_not_overrun(void **state)
{
	(void)state;
	struct text text;
	text_clear(&text);
	text_add_u64(&text, 0);
	text_add(&text, " ");
	text_add_u64(&text, UINT64_MAX);
	text_add(&text, " ");
	text_add_seconds(&text, 2550 * NS_PER_MS);
	assert_string_equal(text.data, "0 18446744073709551615 2.5");
	for (int i = 0; i < SENTENCE_SIZE_MAX; i++)
		text_add(&text, "x");
	assert_int_equal(text.size, SENTENCE_SIZE_MAX - 1);
	assert_int_equal(strlen(text.data), SENTENCE_SIZE_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_have_the_kernels_numbers),
		cmocka_unit_test(what_was_put_is_got),
		cmocka_unit_test(an_overrun_is_remembered),
		cmocka_unit_test(a_length_above_its_limit_is_an_overrun),
		cmocka_unit_test(the_checksum_is_the_published_one),
		cmocka_unit_test(the_table_of_the_checksum_is_the_polynomial),
		cmocka_unit_test(a_sentence_is_cut_not_overrun),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
