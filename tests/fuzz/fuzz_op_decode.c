/*
 * Any bytes as an operation: none make op_decode() read beyond them, or give out what op_encode()
 * would refuse. The checksum is mended first, so that the fuzzer gets behind it.
 *
 * Build and run:
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -Isrc tests/fuzz/fuzz_op_decode.c \
 *		src/repl/op.c src/base/buf.c src/base/crc32c.c -o /tmp/fuzz_op_decode
 *	/tmp/fuzz_op_decode -max_total_time=60 -max_len=2000 tests/fuzz/corpus/op
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/macros.h"
#include "repl/op.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t input[OP_SIZE_MAX], again[OP_SIZE_MAX];

static void mend(size_t size)
{
	struct buf_writer writer = buf_writer_init(input, 8);

	buf_put_u32(&writer, (uint32_t)(size - 4));
	buf_put_u32(&writer, crc32c(input + 8, size - 8));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct op op;
	size_t decoded = 0, encoded = 0;

	(void)op_decode((struct bytes){ .data = data, .size = size }, &op, &decoded);
	if (size < OP_HEADER_SIZE || size > sizeof(input))
		return 0;
	memcpy(input, data, size);
	mend(size);
	if (op_decode((struct bytes){ .data = input, .size = size }, &op, &decoded) < 0)
		return 0;
	CHECK(decoded == size);
	CHECK(op_encode(&op, again, sizeof(again), &encoded) == 0);
	CHECK(encoded == size);
	CHECK(memcmp(input, again, size) == 0);
	return 0;
}
