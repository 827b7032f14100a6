#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "repl/op.h"

static uint8_t memory[OP_SIZE_MAX + 64];
static uint8_t payload[WRITE_SIZE_MAX + 1];
static char long_name[OBJECT_NAME_MAX + 1];

static struct bytes text_bytes(const char *text)
{
	return (struct bytes){ .data = (const uint8_t *)text, .size = strlen(text) };
}

/* Every field is different from every other, so that two that were swapped are noticed. */
static struct op full_op(enum op_type type)
{
	return (struct op){
		.type = type,
		.flags = OP_FLAG_TO_ORPHAN | OP_FLAG_OVERWRITES,
		.sequence = UINT64_C(0x0101010101010101),
		.epoch = 2,
		.request = UINT64_C(0x8000000000000003),
		.object = 4,
		.parent = 5,
		.new_parent = 6,
		.replaced = 7,
		.offset = 8,
		.length = 9,
		.mask = 10,
		.umask = 022,
		.attributes = { .mode = 0100644,
			.uid = 1000,
			.gid = 1001,
			.device = UINT64_C(0x123456789),
			.size = UINT64_C(1) << 40,
			.atime_ns = -1,
			.mtime_ns = INT64_C(1700000000123456789) },
		.parent_mtime_ns = 11,
		.new_parent_mtime_ns = -12,
		.whiteout = { .object = 13, .uid = 1002, .gid = 1003, .mtime_ns = -14 },
		.name = text_bytes("user.old name\n"),
		.new_name = text_bytes("new\xff"),
		.data = text_bytes("data"),
	};
}

static void assert_bytes_equal(struct bytes one, struct bytes other)
{
	assert_int_equal(one.size, other.size);
	if (one.size > 0)
		assert_memory_equal(one.data, other.data, one.size);
}

static void assert_op_equal(const struct op *one, const struct op *other)
{
	struct op left = *one, right = *other;

	assert_bytes_equal(left.name, right.name);
	assert_bytes_equal(left.new_name, right.new_name);
	assert_bytes_equal(left.data, right.data);
	left.name = left.new_name = left.data = (struct bytes){ 0 };
	right.name = right.new_name = right.data = (struct bytes){ 0 };
	assert_int_equal(left.type, right.type);
	assert_int_equal(left.flags, right.flags);
	assert_true(left.sequence == right.sequence && left.epoch == right.epoch);
	assert_true(left.request == right.request && left.object == right.object);
	assert_true(left.parent == right.parent && left.new_parent == right.new_parent);
	assert_true(left.replaced == right.replaced && left.offset == right.offset);
	assert_true(left.length == right.length && left.mask == right.mask);
	assert_int_equal(left.umask, right.umask);
	assert_int_equal(left.attributes.mode, right.attributes.mode);
	assert_int_equal(left.attributes.uid, right.attributes.uid);
	assert_int_equal(left.attributes.gid, right.attributes.gid);
	assert_true(left.attributes.device == right.attributes.device);
	assert_true(left.attributes.size == right.attributes.size);
	assert_true(left.attributes.atime_ns == right.attributes.atime_ns);
	assert_true(left.attributes.mtime_ns == right.attributes.mtime_ns);
	assert_true(left.parent_mtime_ns == right.parent_mtime_ns);
	assert_true(left.new_parent_mtime_ns == right.new_parent_mtime_ns);
	if (!op_has_whiteout(&left))
		return;
	assert_true(left.whiteout.object == right.whiteout.object);
	assert_true(left.whiteout.mtime_ns == right.whiteout.mtime_ns);
	assert_int_equal(left.whiteout.uid, right.whiteout.uid);
	assert_int_equal(left.whiteout.gid, right.whiteout.gid);
}

static int encode_decode(const struct op *op, struct op *out_op)
{
	size_t size = 0, decoded = 0;
	int error = op_encode(op, memory, sizeof(memory), &size);

	if (error < 0)
		return error;
	assert_int_equal(size, op_encoded_size(op));
	error = op_decode((struct bytes){ .data = memory, .size = size }, out_op, &decoded);
	if (error == 0)
		assert_int_equal(decoded, size);
	return error;
}

static void every_type_comes_back(void **state)
{
	(void)state;
	for (int type = OP_NONE + 1; type < OP_TYPE_COUNT; type++) {
		struct op op = full_op((enum op_type)type), back;
		assert_int_equal(encode_decode(&op, &back), 0);
		assert_op_equal(&op, &back);
		assert_string_not_equal(op_type_name((enum op_type)type), "unknown");
		assert_int_equal(op_is_resync((enum op_type)type), type >= OP_RESYNC_BEGIN);
	}
}

static void a_whiteout_comes_back_with_its_rename(void **state)
{
	(void)state;
	struct op op = full_op(OP_RENAME), back;

	op.mask = OP_RENAME_WHITEOUT | 1;
	assert_int_equal(encode_decode(&op, &back), 0);
	assert_op_equal(&op, &back);
	op.whiteout.object = 0;
	assert_int_equal(encode_decode(&op, &back), -ERROR_INVALID);
	op.mask = 1;
	assert_int_equal(encode_decode(&op, &back), 0);
}

static void names_of_types_end_with_the_types(void **state)
{
	(void)state;
	struct op op = full_op(OP_NONE), back;

	assert_int_equal(encode_decode(&op, &back), -ERROR_INVALID);
	op.type = OP_TYPE_COUNT;
	assert_int_equal(encode_decode(&op, &back), -ERROR_INVALID);
	assert_string_equal(op_type_name(OP_TYPE_COUNT), "unknown");
	assert_false(op_is_resync(OP_TYPE_COUNT));
}

static void names_keep_their_limit(void **state)
{
	(void)state;
	struct op op = full_op(OP_CREATE), back;

	memset(long_name, 'x', sizeof(long_name));
	op.name = (struct bytes){ .data = (uint8_t *)long_name, .size = OBJECT_NAME_MAX };
	assert_int_equal(encode_decode(&op, &back), 0);
	op.name.size = OBJECT_NAME_MAX + 1;
	assert_int_equal(encode_decode(&op, &back), -ERROR_INVALID);
	op.name = (struct bytes){ 0 };
	assert_int_equal(encode_decode(&op, &back), -ERROR_INVALID);
	op.type = OP_WRITE; /* needs no name */
	assert_int_equal(encode_decode(&op, &back), 0);
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int error;
	} cases[] = {
		{ ".", -ERROR_INVALID },
		{ "..", -ERROR_INVALID },
		{ "a/b", -ERROR_INVALID },
		{ "/", -ERROR_INVALID },
		{ "...", 0 },
		{ ".a", 0 },
		{ "a.", 0 },
		{ "\n", 0 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct op op = full_op(OP_RENAME), back;
		op.new_name = text_bytes(cases[i].name);
		assert_int_equal(encode_decode(&op, &back), cases[i].error);
		op = full_op(OP_UNBIND);
		op.name = text_bytes(cases[i].name);
		assert_int_equal(encode_decode(&op, &back), cases[i].error);
	}
	struct op op = full_op(OP_CREATE), back;
	op.name = (struct bytes){ .data = (const uint8_t *)"a\0b", .size = 3 };
	assert_int_equal(encode_decode(&op, &back), -ERROR_INVALID);
	op = full_op(OP_SET_XATTR);
	op.name = text_bytes("user.a/b"); /* lawful in an attribute's name */
	assert_int_equal(encode_decode(&op, &back), 0);
}

static void data_keeps_its_limit(void **state)
{
	(void)state;
	static const struct {
		enum op_type type;
		uint32_t mode;
		size_t size_max;
	} cases[] = {
		{ OP_WRITE, 0100644, WRITE_SIZE_MAX },
		{ OP_SET_XATTR, 0100644, XATTR_SIZE_MAX_ },
		{ OP_CREATE, 0120777, OBJECT_LINK_MAX },
		{ OP_LIST, 0040755, WRITE_SIZE_MAX },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct op op = full_op(cases[i].type), back;
		op.attributes.mode = cases[i].mode;
		op.data = (struct bytes){ .data = payload, .size = cases[i].size_max };
		assert_int_equal(encode_decode(&op, &back), 0);
		assert_op_equal(&op, &back);
		op.data.size = cases[i].size_max + 1;
		assert_int_equal(encode_decode(&op, &back), -ERROR_INVALID);
	}
}

static void ranges_end_where_files_end(void **state)
{
	(void)state;
	struct op op = full_op(OP_ALLOCATE), back;

	op.data = (struct bytes){ 0 };
	op.offset = INT64_MAX - 1;
	op.length = 1;
	assert_int_equal(encode_decode(&op, &back), 0);
	op.length = 2;
	assert_int_equal(encode_decode(&op, &back), -ERROR_INVALID);
	op.offset = UINT64_MAX;
	op.length = 1;
	assert_int_equal(encode_decode(&op, &back), -ERROR_INVALID);
	op.type = OP_HASH_WANTED; /* "to the end" is any length */
	assert_int_equal(encode_decode(&op, &back), 0);
}

static void missing_objects_are_refused(void **state)
{
	(void)state;
	struct op op = full_op(OP_UNLINK), back;

	op.object = 0;
	assert_int_equal(encode_decode(&op, &back), -ERROR_INVALID);
	op = full_op(OP_UNLINK);
	op.parent = 0;
	assert_int_equal(encode_decode(&op, &back), -ERROR_INVALID);
	op = full_op(OP_LINK);
	op.new_parent = 0;
	assert_int_equal(encode_decode(&op, &back), -ERROR_INVALID);
	op = full_op(OP_SYNC);
	op.flags = OP_FLAG_NO_XATTRS << 1; /* none that is known */
	assert_int_equal(encode_decode(&op, &back), -ERROR_INVALID);
}

static void a_buffer_that_is_too_small_is_an_error(void **state)
{
	(void)state;
	struct op op = full_op(OP_WRITE);
	size_t size = 0;

	assert_int_equal(op_encode(&op, memory, op_encoded_size(&op) - 1, &size), -ERROR_RANGE);
	assert_int_equal(op_encode(&op, memory, op_encoded_size(&op), &size), 0);
}

static void a_part_of_an_operation_asks_for_more(void **state)
{
	(void)state;
	struct op op = full_op(OP_RENAME), back;
	size_t size = 0, decoded;

	assert_int_equal(op_encode(&op, memory, sizeof(memory), &size), 0);
	for (size_t part = 0; part < size; part++) {
		uint8_t *copy =
			malloc(part + 1); /* exact, so that a sanitizer sees a read beyond */
		memcpy(copy, memory, part);
		assert_int_equal(
			op_decode((struct bytes){ .data = copy, .size = part }, &back, &decoded),
			-ERROR_AGAIN);
		free(copy);
	}
	struct bytes more = { .data = memory, .size = size + 64 };
	assert_int_equal(op_decode(more, &back, &decoded), 0);
	assert_int_equal(decoded, size);
}

static void every_corrupted_byte_is_found(void **state)
{
	(void)state;
	struct op op = full_op(OP_RENAME), back;
	size_t size = 0, decoded;

	assert_int_equal(op_encode(&op, memory, sizeof(memory), &size), 0);
	for (size_t i = 0; i < size; i++) {
		for (int bit = 0; bit < 8; bit++) {
			memory[i] ^= (uint8_t)BIT(bit);
			int error = op_decode(
				(struct bytes){ .data = memory, .size = size }, &back, &decoded);
			assert_true(error == -ERROR_BAD_MESSAGE || error == -ERROR_AGAIN);
			memory[i] ^= (uint8_t)BIT(bit);
		}
	}
}

/* Writes the checksum that a peer of another make would have written. */
static void reseal(size_t size)
{
	struct buf_writer writer = buf_writer_init(memory + 4, 4);

	buf_put_u32(&writer, crc32c(memory + 8, size - 8));
}

static void another_version_is_named_as_such(void **state)
{
	(void)state;
	struct op op = full_op(OP_WRITE), back;
	size_t size = 0, decoded;

	assert_int_equal(op_encode(&op, memory, sizeof(memory), &size), 0);
	memory[8] = OP_VERSION + 1;
	reseal(size);
	struct bytes bytes = { .data = memory, .size = size };
	assert_int_equal(op_decode(bytes, &back, &decoded), -ERROR_PROTOCOL);
}

static void impossible_fields_with_a_right_checksum_are_found(void **state)
{
	(void)state;
	struct op op = full_op(OP_CREATE), back;
	size_t size = 0, decoded;
	const size_t name_size_at = OP_HEADER_SIZE + 116;

	assert_int_equal(op_encode(&op, memory, sizeof(memory), &size), 0);
	struct bytes bytes = { .data = memory, .size = size };
	memory[9] = OP_TYPE_COUNT;
	reseal(size);
	assert_int_equal(op_decode(bytes, &back, &decoded), -ERROR_BAD_MESSAGE);
	memory[9] = OP_CREATE;
	memory[name_size_at + 3]--; /* one byte is left over */
	reseal(size);
	assert_int_equal(op_decode(bytes, &back, &decoded), -ERROR_BAD_MESSAGE);
	memory[name_size_at + 3]++;
	memory[name_size_at + 4] = '/';
	reseal(size);
	assert_int_equal(op_decode(bytes, &back, &decoded), -ERROR_BAD_MESSAGE);
}

static void sizes_that_cannot_be_are_refused_at_once(void **state)
{
	(void)state;
	struct op back;
	size_t decoded;
	uint8_t lead[4];
	static const struct {
		uint32_t size;
		int error;
	} cases[] = {
		{ 0, -ERROR_BAD_MESSAGE },
		{ OP_HEADER_SIZE + 128 - 4 - 1, -ERROR_BAD_MESSAGE },
		{ OP_HEADER_SIZE + 128 - 4, -ERROR_AGAIN },
		{ OP_SIZE_MAX - 4, -ERROR_AGAIN },
		{ OP_SIZE_MAX - 4 + 1, -ERROR_BAD_MESSAGE },
		{ UINT32_MAX, -ERROR_BAD_MESSAGE },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct buf_writer writer = buf_writer_init(lead, sizeof(lead));
		buf_put_u32(&writer, cases[i].size);
		assert_int_equal(
			op_decode((struct bytes){ .data = lead, .size = 4 }, &back, &decoded),
			cases[i].error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_comes_back),
		cmocka_unit_test(a_whiteout_comes_back_with_its_rename),
		cmocka_unit_test(names_of_types_end_with_the_types),
		cmocka_unit_test(names_keep_their_limit),
		cmocka_unit_test(names_that_lead_elsewhere_are_refused),
		cmocka_unit_test(data_keeps_its_limit),
		cmocka_unit_test(ranges_end_where_files_end),
		cmocka_unit_test(missing_objects_are_refused),
		cmocka_unit_test(a_buffer_that_is_too_small_is_an_error),
		cmocka_unit_test(a_part_of_an_operation_asks_for_more),
		cmocka_unit_test(every_corrupted_byte_is_found),
		cmocka_unit_test(another_version_is_named_as_such),
		cmocka_unit_test(impossible_fields_with_a_right_checksum_are_found),
		cmocka_unit_test(sizes_that_cannot_be_are_refused_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
