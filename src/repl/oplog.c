#include "repl/oplog.h"

#include "base/error.h"

/*
 * Which fields tell the truth after a SIGKILL between any two stores: `head` and `tail` always, and
 * `next_sequence` while the log is empty. Everything else about the sequences is read again from
 * the records by oplog_attach():
 *
 *	append	record (and skip mark), tail, next_sequence
 *	trim	head, first_sequence
 *	cut	next_sequence, tail: a cut that was interrupted has not happened
 *	rewind	skip mark, tail, head: an empty log makes room at the start of the ring
 */

#define MAGIC	    0x45564b4c6f706c67u /* "EVKLoplg" */
#define VERSION	    1
#define ALIGNMENT   8
#define SKIP_MARK   0xffffffffu /* where a record's size would stand: go on at the ring's start */
#define SEQUENCE_AT 12		/* bytes into a record (repl/op.h) */

_Static_assert(sizeof(struct oplog_header) <= OPLOG_HEADER_SIZE, "the header fits its page");
_Static_assert(SKIP_MARK > OP_SIZE_MAX, "no record looks like a skip mark");

static uint64_t padded(uint64_t size)
{
	return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void store(uint64_t *field, uint64_t value)
{
	__atomic_store_n(field, value, __ATOMIC_RELEASE);
}

static uint64_t load(const uint64_t *field)
{
	return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

static uint8_t *ring_at(const struct oplog *log, uint64_t position)
{
	return log->ring + position % log->header->ring_size;
}

static uint64_t ring_rest(const struct oplog *log, uint64_t position)
{
	return log->header->ring_size - position % log->header->ring_size;
}

static uint32_t get_u32(const uint8_t *at)
{
	struct buf_reader reader = buf_reader_init(at, 4);

	return buf_get_u32(&reader);
}

static uint64_t get_sequence(const uint8_t *record)
{
	struct buf_reader reader = buf_reader_init(record + SEQUENCE_AT, 8);

	return buf_get_u64(&reader);
}

static void put_skip_mark(const struct oplog *log, uint64_t position)
{
	struct buf_writer writer = buf_writer_init(ring_at(log, position), 4);

	buf_put_u32(&writer, SKIP_MARK);
}

void oplog_format(
	struct oplog *log, void *memory, size_t size, uint64_t session, uint64_t first_sequence)
{
	CHECK(size > OPLOG_HEADER_SIZE + OP_SIZE_MAX);
	CHECK(first_sequence > 0);
	struct oplog_header *header = memory;

	log->header = header;
	log->ring = (uint8_t *)memory + OPLOG_HEADER_SIZE;
	store(&header->magic, 0);
	store(&header->version, VERSION);
	store(&header->ring_size, (size - OPLOG_HEADER_SIZE) / ALIGNMENT * ALIGNMENT);
	store(&header->session, session);
	store(&header->epoch, 0);
	store(&header->head, 0);
	store(&header->tail, 0);
	store(&header->first_sequence, first_sequence);
	store(&header->next_sequence, first_sequence);
	store(&header->applied, first_sequence - 1);
	store(&header->pairing, OPLOG_UNPAIRED);
	store(&header->magic, MAGIC);
}

static bool is_header_valid(const struct oplog_header *header, size_t size)
{
	return load(&header->magic) == MAGIC && header->version == VERSION &&
	       header->ring_size == (size - OPLOG_HEADER_SIZE) / ALIGNMENT * ALIGNMENT &&
	       header->head <= header->tail && header->head % ALIGNMENT == 0 &&
	       header->tail % ALIGNMENT == 0 && header->tail - header->head <= header->ring_size &&
	       header->next_sequence > 0;
}

/* Walks a predecessor's records: each must be whole, and follow the one before. */
static int read_sequences(const struct oplog *log, uint64_t *out_first, uint64_t *out_next)
{
	struct oplog_cursor cursor = { .position = log->header->head };
	struct bytes encoded;
	uint64_t first = 0, next = 0;

	while (oplog_next(log, &cursor, &encoded)) {
		struct op op;
		size_t size;
		if (op_decode(encoded, &op, &size) < 0 || size != encoded.size)
			return -ERROR_INVALID;
		if (op.sequence == 0 || (first != 0 && op.sequence != next))
			return -ERROR_INVALID;
		first = first == 0 ? op.sequence : first;
		next = op.sequence + 1;
	}
	if (cursor.position != log->header->tail)
		return -ERROR_INVALID;
	*out_first = first != 0 ? first : log->header->next_sequence;
	*out_next = first != 0 ? next : log->header->next_sequence;
	return 0;
}

int oplog_attach(struct oplog *log, void *memory, size_t size)
{
	struct oplog found = { .header = memory, .ring = (uint8_t *)memory + OPLOG_HEADER_SIZE };
	uint64_t first, next;

	if (size <= OPLOG_HEADER_SIZE + OP_SIZE_MAX || !is_header_valid(found.header, size))
		return -ERROR_INVALID;
	int error = read_sequences(&found, &first, &next);
	if (error < 0)
		return error;
	store(&found.header->first_sequence, first);
	store(&found.header->next_sequence, next);
	if (first == next)
		store(&found.header->head, found.header->tail);
	*log = found;
	return 0;
}

/* Bytes that a record takes up at the tail, the skip before it included. */
static uint64_t room_wanted(const struct oplog *log, uint64_t size)
{
	uint64_t rest = ring_rest(log, log->header->tail);

	return rest < padded(size) ? rest + padded(size) : padded(size);
}

/* An empty log always has room for the largest record. */
static void rewind_if_empty(struct oplog *log, uint64_t size)
{
	struct oplog_header *header = log->header;

	if (header->head != header->tail || room_wanted(log, size) == padded(size))
		return;
	uint64_t start = header->tail + ring_rest(log, header->tail);
	put_skip_mark(log, header->tail);
	store(&header->tail, start);
	store(&header->head, start);
}

/* Finds room at the tail; writes the skip mark before it where one is needed. */
static int reserve(struct oplog *log, const struct op *op, uint64_t size, uint64_t *out_position)
{
	struct oplog_header *header = log->header;

	CHECK(size <= OP_SIZE_MAX);
	if (op->sequence != header->next_sequence)
		return -ERROR_INVALID;
	rewind_if_empty(log, size);
	uint64_t wanted = room_wanted(log, size);
	if (wanted > header->ring_size - (header->tail - header->head))
		return -ERROR_NO_BUFFERS;
	if (wanted != padded(size))
		put_skip_mark(log, header->tail);
	*out_position = header->tail + wanted - padded(size);
	return 0;
}

/* The record is complete: now it exists. */
static void commit(struct oplog *log, uint64_t position, uint64_t size)
{
	CHECK(position >= log->header->tail);
	CHECK(ring_rest(log, position) >= size);
	store(&log->header->tail, position + padded(size));
	store(&log->header->next_sequence, log->header->next_sequence + 1);
}

int oplog_append(struct oplog *log, const struct op *op)
{
	uint64_t position;
	size_t size = op_encoded_size(op);

	if (size > OP_SIZE_MAX)
		return -ERROR_INVALID;
	int error = reserve(log, op, size, &position);
	if (error == 0)
		error = op_encode(op, ring_at(log, position), size, &size);
	if (error == 0)
		commit(log, position, size);
	return error;
}

int oplog_append_encoded(struct oplog *log, const struct op *op, struct bytes encoded)
{
	uint64_t position;

	CHECK(encoded.size == op_encoded_size(op));
	int error = reserve(log, op, encoded.size, &position);
	if (error == 0) {
		__builtin_memcpy(ring_at(log, position), encoded.data, encoded.size);
		commit(log, position, encoded.size);
	}
	return error;
}

void oplog_trim(struct oplog *log, uint64_t up_to_sequence)
{
	struct oplog_header *header = log->header;
	struct oplog_cursor cursor = { .position = header->head };
	uint64_t first = header->first_sequence;
	struct bytes encoded;

	while (first <= up_to_sequence && oplog_next(log, &cursor, &encoded)) {
		CHECK(get_sequence(encoded.data) == first);
		first++;
	}
	CHECK(first <= header->next_sequence);
	store(&header->head, cursor.position);
	store(&header->first_sequence, first);
}

int oplog_seek(const struct oplog *log, uint64_t sequence, struct oplog_cursor *out_cursor)
{
	struct oplog_cursor cursor = { .position = log->header->head };
	uint64_t at = log->header->first_sequence;
	struct bytes encoded;

	if (sequence < at || sequence >= log->header->next_sequence)
		return -ERROR_NOT_FOUND;
	while (at < sequence && oplog_next(log, &cursor, &encoded))
		at++;
	*out_cursor = cursor;
	return 0;
}

bool oplog_next(const struct oplog *log, struct oplog_cursor *cursor, struct bytes *out_encoded)
{
	uint64_t tail = load(&log->header->tail);

	if (cursor->position < tail && get_u32(ring_at(log, cursor->position)) == SKIP_MARK)
		cursor->position += ring_rest(log, cursor->position);
	if (cursor->position >= tail)
		return false;
	uint64_t size = (uint64_t)get_u32(ring_at(log, cursor->position)) + 4;
	if (size > OP_SIZE_MAX || size > tail - cursor->position ||
		size > ring_rest(log, cursor->position))
		return false; /* not a log's content; oplog_attach() refuses it */
	*out_encoded = (struct bytes){ .data = ring_at(log, cursor->position), .size = size };
	cursor->position += padded(size);
	return true;
}
