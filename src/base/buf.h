/*
 * Bytes on wire and disk: fixed widths, big-endian, lengths checked in one place.
 *
 * A writer or a reader that runs over its end remembers the fact and does nothing more, so a codec
 * is a straight list of put or get calls with one question at the end. Not for: text. Any thread,
 * one at a time for each buffer.
 */
#ifndef EVENKEEL_BASE_BUF_H
#define EVENKEEL_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct bytes {
	const uint8_t *data;
	size_t size;
};

struct buf_writer {
	uint8_t *data;
	size_t size_max;
	size_t size;	 /* bytes written so far */
	bool is_overrun; /* something did not fit; the content is worthless */
};

struct buf_reader {
	const uint8_t *data;
	size_t size;
	size_t position;
	bool is_overrun; /* more was asked for than there was; what was read since is zero */
};

/* The memory is borrowed for as long as the writer or the reader is used. */
struct buf_writer buf_writer_init(uint8_t *data, size_t size_max);
struct buf_reader buf_reader_init(const uint8_t *data, size_t size);

void buf_put_u8(struct buf_writer *writer, uint8_t value);
void buf_put_u16(struct buf_writer *writer, uint16_t value);
void buf_put_u32(struct buf_writer *writer, uint32_t value);
void buf_put_u64(struct buf_writer *writer, uint64_t value);
void buf_put_i64(struct buf_writer *writer, int64_t value);
void buf_put_raw(struct buf_writer *writer, const void *data, size_t size);
/* A u32 length, then the bytes. */
void buf_put_bytes(struct buf_writer *writer, struct bytes bytes);

uint8_t buf_get_u8(struct buf_reader *reader);
uint16_t buf_get_u16(struct buf_reader *reader);
uint32_t buf_get_u32(struct buf_reader *reader);
uint64_t buf_get_u64(struct buf_reader *reader);
int64_t buf_get_i64(struct buf_reader *reader);
/* Copies exactly size bytes, or zeroes out when there are fewer. */
void buf_get_raw(struct buf_reader *reader, void *out, size_t size);
/* Points into the reader's memory; a length above size_max counts as an overrun. */
struct bytes buf_get_bytes(struct buf_reader *reader, size_t size_max);

/* True if everything that was asked for was there, and nothing is left over. */
bool buf_reader_is_complete(const struct buf_reader *reader);

#endif
