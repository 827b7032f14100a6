/*
 * A datagram, big-endian:
 *
 *	 0  u8   node id it is for (the carrier routes by it)
 *	 1  u32  magic "EVKB"
 *	 5  u16  version
 *	 7  u8   node id it is from
 *	 8  u8   flags: 1 goodbye
 *	 9  u64  boot nonce
 *	17  u64  counter x BEAT_PARTS_MAX + part
 *	25  i64  sent (sender's boot clock, ns)
 *	33  u64  echo: boot nonce of the receiver's last beat that the sender heard, 0 for none
 *	41  i64  and its `sent`, as the receiver wrote it
 *	49  u64  greeting: the same of a life of the receiver that has not proved itself yet
 *	57  i64
 *	65  u16  number of summaries, each:
 *		u16 module, u8 size and bytes of its name, u32 digest of its directories, u8 state,
 *		u8 readiness, u8 fs role, u8 fs link, u8 flags (1 wants drop, 2 is failed,
 *		4 can reach target, 8 wants swap, 16 second only, 32 rolled back, 64 is looking),
 *		u64 marked epoch, what was seen there (u32 age in ms, 0: never; u8 finding and u32 us
 *		that it took, of each look of core/look.h), u32 size, record (core/record.h, without
 *		the intent)
 */
#include "daemon/mesh/beat_codec.h"

#include <errno.h>
#include <string.h>

#define BEAT_MAGIC   0x45564b42u
#define FLAG_GOODBYE 1
#define FLAG_DROP    1
#define FLAG_FAILED  2
#define FLAG_TARGET  4
#define FLAG_SWAP    8
#define FLAG_SECOND  16
#define FLAG_OLD     32
#define FLAG_LOOKING 64
#define SUMMARY_FLAGS \
	(FLAG_DROP | FLAG_FAILED | FLAG_TARGET | FLAG_SWAP | FLAG_SECOND | FLAG_OLD | FLAG_LOOKING)
#define COUNT_OFFSET 65
#define SIGHTS_SIZE  (4 + LOOK_COUNT * 5)
#define SUMMARY_MAX  (2 + 1 + MODULE_NAME_MAX + 4 + 5 + 8 + SIGHTS_SIZE + 4 + RECORD_SIZE_MAX)

_Static_assert(BEAT_DATAGRAM_MAX > COUNT_OFFSET + 2 + SUMMARY_MAX, "one summary always fits");
_Static_assert(BEAT_ONE_MAX >= COUNT_OFFSET + 2 + SUMMARY_MAX, "what is said of one module");
_Static_assert(
	BEAT_PARTS_MAX *((BEAT_DATAGRAM_MAX - COUNT_OFFSET - 2) / SUMMARY_MAX) >= MODULES_MAX,
	"all modules fit into the parts of one beat");

static void put_echo(struct buf_writer *writer, const struct echo *echo)
{
	buf_put_u64(writer, echo->nonce);
	buf_put_i64(writer, echo->sent_ns);
}

static void put_head(
	struct buf_writer *writer, const struct beat *beat, const struct beat_envelope *envelope)
{
	buf_put_u8(writer, envelope->to);
	buf_put_u32(writer, BEAT_MAGIC);
	buf_put_u16(writer, BEAT_VERSION);
	buf_put_u8(writer, beat->from);
	buf_put_u8(writer, beat->is_goodbye ? FLAG_GOODBYE : 0);
	buf_put_u64(writer, beat->boot_nonce);
	buf_put_u64(writer, beat->counter * BEAT_PARTS_MAX + envelope->part);
	buf_put_i64(writer, beat->sent_ns);
	put_echo(writer, &beat->echo);
	put_echo(writer, &beat->greeting);
	CHECK(writer->is_overrun || writer->size == COUNT_OFFSET);
}

static void put_name(struct buf_writer *writer, const struct beat_name *name)
{
	size_t size = strnlen(name->text, MODULE_NAME_MAX);

	CHECK(size > 0);
	buf_put_u8(writer, (uint8_t)size);
	buf_put_raw(writer, name->text, size);
	buf_put_u32(writer, name->directories);
}

static uint32_t limited(int64_t value)
{
	return (uint32_t)MIN_OF(MAX_OF(value, 0), UINT32_MAX);
}

static void put_sights(struct buf_writer *writer, const struct sights *sights)
{
	bool is_known = sights->seen_ns != 0;

	buf_put_u32(writer, is_known ? MAX_OF(limited(sights->seen_ns / NS_PER_MS), 1) : 0);
	for (int i = 0; i < LOOK_COUNT; i++) {
		buf_put_u8(writer, (uint8_t)sights->of[i].finding);
		buf_put_u32(writer, limited(sights->of[i].took_ns / NS_PER_US));
	}
}

static int put_summary(
	struct buf_writer *writer, const struct summary *summary, const struct beat_name *name)
{
	uint8_t bytes[RECORD_SIZE_MAX];
	size_t size;
	struct record record = summary->record;

	record.has_intent = false;
	record.intent_epoch = (struct epoch){ 0 };
	record.intent_good = 0;
	record.intent_nonce = 0;
	int error = record_encode(&record, bytes, sizeof(bytes), &size);
	if (error != 0)
		return error;
	buf_put_u16(writer, summary->module);
	put_name(writer, name);
	buf_put_u8(writer, (uint8_t)summary->state);
	buf_put_u8(writer, (uint8_t)summary->readiness);
	buf_put_u8(writer, (uint8_t)summary->fs_role);
	buf_put_u8(writer, (uint8_t)summary->fs_link);
	buf_put_u8(writer, (uint8_t)((summary->wants_drop ? FLAG_DROP : 0) |
				     (summary->is_failed ? FLAG_FAILED : 0) |
				     (summary->can_reach_target ? FLAG_TARGET : 0) |
				     (summary->wants_swap ? FLAG_SWAP : 0) |
				     (summary->is_second_only ? FLAG_SECOND : 0) |
				     (summary->is_rolled_back ? FLAG_OLD : 0) |
				     (summary->is_looking ? FLAG_LOOKING : 0)));
	buf_put_u64(writer, summary->marked_epoch);
	put_sights(writer, &summary->sights);
	buf_put_bytes(writer, (struct bytes){ .data = bytes, .size = size });
	return writer->is_overrun ? -ERANGE : 0;
}

int beat_encode(const struct beat *beat, const struct beat_name *names,
	struct beat_envelope *envelope, uint8_t out[BEAT_DATAGRAM_MAX], size_t *out_size)
{
	uint16_t next = envelope->first;

	if (envelope->part >= BEAT_PARTS_MAX)
		return -ERANGE;
	struct buf_writer writer = buf_writer_init(out, BEAT_DATAGRAM_MAX);
	put_head(&writer, beat, envelope);
	buf_put_u16(&writer, 0); /* the number of summaries, when it is known */
	while (next < beat->summary_count && next - envelope->first < BEAT_SUMMARIES_MAX &&
		writer.size + SUMMARY_MAX <= BEAT_DATAGRAM_MAX) {
		int error = put_summary(&writer, &beat->summaries[next], &names[next]);
		if (error != 0)
			return error;
		next++;
	}
	CHECK(!writer.is_overrun);
	struct buf_writer count = buf_writer_init(out + COUNT_OFFSET, 2);
	buf_put_u16(&count, (uint16_t)(next - envelope->first));
	envelope->first = next;
	envelope->part++;
	*out_size = writer.size;
	return 0;
}

/* Leaves it empty unless it is a name: printable, and not too long. */
static void get_name(struct buf_reader *reader, struct beat_name *out_name)
{
	uint8_t size = buf_get_u8(reader);

	*out_name = (struct beat_name){ .text = "" };
	if (size > MODULE_NAME_MAX)
		return;
	buf_get_raw(reader, out_name->text, size);
	out_name->directories = buf_get_u32(reader);
	for (uint8_t i = 0; i < size; i++)
		if (out_name->text[i] <= ' ' || out_name->text[i] > '~')
			out_name->text[0] = '\0';
}

/* False: a finding that there is not. */
static bool get_sights(struct buf_reader *reader, struct sights *out)
{
	bool is_valid = true;

	out->seen_ns = (int64_t)buf_get_u32(reader) * NS_PER_MS;
	for (int i = 0; i < LOOK_COUNT; i++) {
		uint8_t finding = buf_get_u8(reader);
		is_valid = is_valid && finding < FINDING_COUNT;
		out->of[i].finding = (enum finding)finding;
		out->of[i].took_ns = (int64_t)buf_get_u32(reader) * NS_PER_US;
	}
	return is_valid;
}

static int get_summary(
	struct buf_reader *reader, struct summary *out_summary, struct beat_name *out_name)
{
	struct summary summary = { .module = buf_get_u16(reader) };

	get_name(reader, out_name);
	uint8_t state = buf_get_u8(reader);
	uint8_t readiness = buf_get_u8(reader);
	uint8_t fs_role = buf_get_u8(reader);
	uint8_t fs_link = buf_get_u8(reader);
	uint8_t flags = buf_get_u8(reader);
	summary.marked_epoch = buf_get_u64(reader);
	bool is_seen = get_sights(reader, &summary.sights);
	struct bytes record = buf_get_bytes(reader, RECORD_SIZE_MAX);
	if (!is_seen || reader->is_overrun || out_name->text[0] == '\0' || state >= STATE_COUNT ||
		readiness >= READINESS_COUNT || fs_role > FS_FAILED || fs_link > FS_LINK_IN_SYNC ||
		(flags & ~SUMMARY_FLAGS) != 0)
		return -EBADMSG;
	if (record_decode(record, &summary.record) != 0)
		return -EBADMSG;
	summary.state = (enum module_state)state;
	summary.readiness = (enum readiness)readiness;
	summary.fs_role = (enum fs_role)fs_role;
	summary.fs_link = (enum fs_link)fs_link;
	summary.wants_drop = (flags & FLAG_DROP) != 0;
	summary.is_failed = (flags & FLAG_FAILED) != 0;
	summary.can_reach_target = (flags & FLAG_TARGET) != 0;
	summary.wants_swap = (flags & FLAG_SWAP) != 0;
	summary.is_second_only = (flags & FLAG_SECOND) != 0;
	summary.is_rolled_back = (flags & FLAG_OLD) != 0;
	summary.is_looking = (flags & FLAG_LOOKING) != 0;
	*out_summary = summary;
	return 0;
}

static struct echo get_echo(struct buf_reader *reader)
{
	struct echo echo = { .nonce = buf_get_u64(reader) };

	echo.sent_ns = buf_get_i64(reader);
	return echo;
}

/* Fills all but the summaries; *out_count is what the datagram claims. */
static int get_head(
	struct buf_reader *reader, struct beat *out_beat, uint8_t *out_to, uint16_t *out_count)
{
	uint8_t to = buf_get_u8(reader);
	uint32_t magic = buf_get_u32(reader);
	uint16_t version = buf_get_u16(reader);
	if (reader->is_overrun || magic != BEAT_MAGIC)
		return -EBADMSG;
	if (version != BEAT_VERSION)
		return -EPROTO;
	struct beat beat = { .from = buf_get_u8(reader) };
	uint8_t flags = buf_get_u8(reader);
	beat.boot_nonce = buf_get_u64(reader);
	beat.counter = buf_get_u64(reader);
	beat.sent_ns = buf_get_i64(reader);
	beat.echo = get_echo(reader);
	beat.greeting = get_echo(reader);
	beat.is_goodbye = (flags & FLAG_GOODBYE) != 0;
	uint16_t count = buf_get_u16(reader);
	if (reader->is_overrun || (flags & ~FLAG_GOODBYE) != 0 || beat.from < 1 ||
		beat.from > NODES_MAX || beat.sent_ns < 0 || beat.echo.sent_ns < 0 ||
		beat.greeting.sent_ns < 0 || count > BEAT_SUMMARIES_MAX)
		return -EBADMSG;
	*out_beat = beat;
	*out_to = to;
	*out_count = count;
	return 0;
}

int beat_decode(struct bytes bytes, struct summary *summaries, struct beat_name *names,
	struct beat *out_beat, uint8_t *out_to)
{
	struct buf_reader reader = buf_reader_init(bytes.data, bytes.size);
	struct beat beat = { 0 };
	uint8_t to = 0;
	uint16_t count = 0;

	int error = get_head(&reader, &beat, &to, &count);
	for (uint16_t i = 0; error == 0 && i < count; i++)
		error = get_summary(&reader, &summaries[i], &names[i]);
	if (error == 0 && !buf_reader_is_complete(&reader))
		error = -EBADMSG;
	if (error != 0)
		return error;
	beat.summary_count = count;
	beat.summaries = summaries;
	*out_beat = beat;
	*out_to = to;
	return 0;
}
