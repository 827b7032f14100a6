/*
 * The record's bytes, big-endian, as they lie in the slot file and in a beat:
 *
 *	u32 magic "EVKR"   u16 version
 *	set id (16)        epoch (u64, u8)      generation (u64, u64)
 *	u8 history count   that many x (u64, u64)
 *	u64 good           u8 holder            u64 register version
 *	u8 has intent      epoch (u64, u8)      u64 good     u64 nonce
 *	u8 role            u8 flags (1 clean, 2 complete, 4 should run, 8 foreign)
 *	u64 barrier        u64 peer barrier
 *	u32 CRC-32C of all before
 */
#include "core/record.h"

#include "base/crc32c.h"
#include "base/error.h"

#define RECORD_MAGIC   0x45564b52u
#define RECORD_VERSION 1
#define FLAG_CLEAN     1
#define FLAG_COMPLETE  2
#define FLAG_RUN       4
#define FLAG_FOREIGN   8
#define FLAGS_KNOWN    (FLAG_CLEAN | FLAG_COMPLETE | FLAG_RUN | FLAG_FOREIGN)

_Static_assert(
	6 + 16 + 9 + 16 + 1 + 16 * GENERATION_HISTORY + 17 + 26 + 2 + 16 + 4 <= RECORD_SIZE_MAX,
	"a record fits");

static void put_epoch(struct buf_writer *writer, struct epoch epoch)
{
	buf_put_u64(writer, epoch.number);
	buf_put_u8(writer, epoch.node);
}

static void put_generation(struct buf_writer *writer, struct generation generation)
{
	buf_put_u64(writer, generation.number);
	buf_put_u64(writer, generation.tag);
}

static uint8_t flags_of(const struct record *record)
{
	return (uint8_t)((record->is_clean ? FLAG_CLEAN : 0) |
			 (record->is_complete ? FLAG_COMPLETE : 0) |
			 (record->should_run ? FLAG_RUN : 0) |
			 (record->is_foreign ? FLAG_FOREIGN : 0));
}

int record_encode(const struct record *record, uint8_t *out, size_t size_max, size_t *out_size)
{
	struct buf_writer writer = buf_writer_init(out, size_max);

	CHECK(record->history_count <= GENERATION_HISTORY);
	buf_put_u32(&writer, RECORD_MAGIC);
	buf_put_u16(&writer, RECORD_VERSION);
	buf_put_raw(&writer, record->set_id, SET_ID_SIZE);
	put_epoch(&writer, record->epoch);
	put_generation(&writer, record->generation);
	buf_put_u8(&writer, record->history_count);
	for (uint8_t i = 0; i < record->history_count; i++)
		put_generation(&writer, record->history[i]);
	buf_put_u64(&writer, record->good);
	buf_put_u8(&writer, record->holder);
	buf_put_u64(&writer, record->register_version);
	buf_put_u8(&writer, record->has_intent);
	put_epoch(&writer, record->intent_epoch);
	buf_put_u64(&writer, record->intent_good);
	buf_put_u64(&writer, record->intent_nonce);
	buf_put_u8(&writer, (uint8_t)record->role);
	buf_put_u8(&writer, flags_of(record));
	buf_put_u64(&writer, record->barrier);
	buf_put_u64(&writer, record->peer_barrier);
	buf_put_u32(&writer, crc32c(out, writer.size));
	if (writer.is_overrun)
		return -ERROR_RANGE;
	*out_size = writer.size;
	return 0;
}

static struct epoch get_epoch(struct buf_reader *reader)
{
	struct epoch epoch = { .number = buf_get_u64(reader) };

	epoch.node = buf_get_u8(reader);
	return epoch;
}

static struct generation get_generation(struct buf_reader *reader)
{
	struct generation generation = { .number = buf_get_u64(reader) };

	generation.tag = buf_get_u64(reader);
	return generation;
}

static int get_identity(struct buf_reader *reader, struct record *record)
{
	buf_get_raw(reader, record->set_id, SET_ID_SIZE);
	record->epoch = get_epoch(reader);
	record->generation = get_generation(reader);
	record->history_count = buf_get_u8(reader);
	if (record->history_count > GENERATION_HISTORY || record->epoch.node > NODES_MAX)
		return -ERROR_BAD_MESSAGE;
	for (uint8_t i = 0; i < record->history_count; i++)
		record->history[i] = get_generation(reader);
	return 0;
}

static int get_tenure(struct buf_reader *reader, struct record *record)
{
	record->good = buf_get_u64(reader);
	record->holder = buf_get_u8(reader);
	record->register_version = buf_get_u64(reader);
	uint8_t has_intent = buf_get_u8(reader);
	record->has_intent = has_intent != 0;
	record->intent_epoch = get_epoch(reader);
	record->intent_good = buf_get_u64(reader);
	record->intent_nonce = buf_get_u64(reader);
	if (record->holder > NODES_MAX || has_intent > 1 || record->intent_epoch.node > NODES_MAX)
		return -ERROR_BAD_MESSAGE;
	return 0;
}

static int get_condition(struct buf_reader *reader, struct record *record)
{
	uint8_t role = buf_get_u8(reader);
	uint8_t flags = buf_get_u8(reader);

	if (role >= RECORD_ROLE_COUNT || (flags & ~FLAGS_KNOWN) != 0)
		return -ERROR_BAD_MESSAGE;
	record->role = (enum record_role)role;
	record->is_clean = (flags & FLAG_CLEAN) != 0;
	record->is_complete = (flags & FLAG_COMPLETE) != 0;
	record->should_run = (flags & FLAG_RUN) != 0;
	record->is_foreign = (flags & FLAG_FOREIGN) != 0;
	record->barrier = buf_get_u64(reader);
	record->peer_barrier = buf_get_u64(reader);
	return 0;
}

static int decode_checked(struct buf_reader *reader, struct record *record)
{
	int error = get_identity(reader, record);

	if (error == 0)
		error = get_tenure(reader, record);
	if (error == 0)
		error = get_condition(reader, record);
	if (error == 0 && !buf_reader_is_complete(reader))
		error = -ERROR_BAD_MESSAGE;
	return error;
}

int record_decode(struct bytes bytes, struct record *out_record)
{
	struct record record = { 0 };

	if (bytes.size < 4 || bytes.size > RECORD_SIZE_MAX)
		return -ERROR_BAD_MESSAGE;
	struct buf_reader tail = buf_reader_init(bytes.data + bytes.size - 4, 4);
	if (buf_get_u32(&tail) != crc32c(bytes.data, bytes.size - 4))
		return -ERROR_BAD_MESSAGE;
	struct buf_reader reader = buf_reader_init(bytes.data, bytes.size - 4);
	if (buf_get_u32(&reader) != RECORD_MAGIC)
		return -ERROR_BAD_MESSAGE;
	if (buf_get_u16(&reader) != RECORD_VERSION)
		return reader.is_overrun ? -ERROR_BAD_MESSAGE : -ERROR_PROTOCOL;
	int error = decode_checked(&reader, &record);
	if (error == 0)
		*out_record = record;
	return error;
}

/* ---- generations ---- */

void record_push_history(struct record *record, struct generation generation)
{
	for (int i = GENERATION_HISTORY - 1; i > 0; i--)
		record->history[i] = record->history[i - 1];
	record->history[0] = generation;
	if (record->history_count < GENERATION_HISTORY)
		record->history_count++;
}

void record_begin_generation(struct record *record, uint64_t tag)
{
	if (record_has_data(record))
		record_push_history(record, record->generation);
	record->generation.number++;
	record->generation.tag = tag;
	CHECK(record->history_count <= GENERATION_HISTORY);
	CHECK(record_has_data(record));
}
