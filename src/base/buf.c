#include "base/buf.h"

struct buf_writer buf_writer_init(uint8_t *data, size_t size_max)
{
	return (struct buf_writer){ .data = data, .size_max = size_max };
}

struct buf_reader buf_reader_init(const uint8_t *data, size_t size)
{
	return (struct buf_reader){ .data = data, .size = size };
}

static uint8_t *reserve(struct buf_writer *writer, size_t size)
{
	if (writer->is_overrun || size > writer->size_max - writer->size) {
		writer->is_overrun = true;
		return NULL;
	}
	uint8_t *at = writer->data + writer->size;
	writer->size += size;
	return at;
}

static const uint8_t *consume(struct buf_reader *reader, size_t size)
{
	if (reader->is_overrun || size > reader->size - reader->position) {
		reader->is_overrun = true;
		return NULL;
	}
	const uint8_t *at = reader->data + reader->position;
	reader->position += size;
	return at;
}

static void put_big_endian(struct buf_writer *writer, uint64_t value, size_t width)
{
	uint8_t *at = reserve(writer, width);
	if (at == NULL)
		return;
	for (size_t i = 0; i < width; i++)
		at[i] = (uint8_t)(value >> (8 * (width - 1 - i)));
}

static uint64_t get_big_endian(struct buf_reader *reader, size_t width)
{
	const uint8_t *at = consume(reader, width);
	uint64_t value = 0;
	if (at == NULL)
		return 0;
	for (size_t i = 0; i < width; i++)
		value = value << 8 | at[i];
	return value;
}

void buf_put_u8(struct buf_writer *writer, uint8_t value)
{
	put_big_endian(writer, value, 1);
}

void buf_put_u16(struct buf_writer *writer, uint16_t value)
{
	put_big_endian(writer, value, 2);
}

void buf_put_u32(struct buf_writer *writer, uint32_t value)
{
	put_big_endian(writer, value, 4);
}

void buf_put_u64(struct buf_writer *writer, uint64_t value)
{
	put_big_endian(writer, value, 8);
}

void buf_put_i64(struct buf_writer *writer, int64_t value)
{
	put_big_endian(writer, (uint64_t)value, 8);
}

void buf_put_raw(struct buf_writer *writer, const void *data, size_t size)
{
	uint8_t *at = reserve(writer, size);
	if (at != NULL && size > 0)
		__builtin_memcpy(at, data, size);
}

void buf_put_bytes(struct buf_writer *writer, struct bytes bytes)
{
	if (bytes.size > UINT32_MAX) {
		writer->is_overrun = true;
		return;
	}
	buf_put_u32(writer, (uint32_t)bytes.size);
	buf_put_raw(writer, bytes.data, bytes.size);
}

uint8_t buf_get_u8(struct buf_reader *reader)
{
	return (uint8_t)get_big_endian(reader, 1);
}

uint16_t buf_get_u16(struct buf_reader *reader)
{
	return (uint16_t)get_big_endian(reader, 2);
}

uint32_t buf_get_u32(struct buf_reader *reader)
{
	return (uint32_t)get_big_endian(reader, 4);
}

uint64_t buf_get_u64(struct buf_reader *reader)
{
	return get_big_endian(reader, 8);
}

int64_t buf_get_i64(struct buf_reader *reader)
{
	return (int64_t)get_big_endian(reader, 8);
}

void buf_get_raw(struct buf_reader *reader, void *out, size_t size)
{
	const uint8_t *at = consume(reader, size);
	if (at != NULL)
		__builtin_memcpy(out, at, size);
	else
		__builtin_memset(out, 0, size);
}

struct bytes buf_get_bytes(struct buf_reader *reader, size_t size_max)
{
	size_t size = buf_get_u32(reader);
	if (size > size_max)
		reader->is_overrun = true;
	const uint8_t *at = consume(reader, size);
	return at == NULL ? (struct bytes){ 0 } : (struct bytes){ .data = at, .size = size };
}

bool buf_reader_is_complete(const struct buf_reader *reader)
{
	return !reader->is_overrun && reader->position == reader->size;
}
