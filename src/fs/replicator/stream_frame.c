#include "fs/replicator/stream_frame.h"

#include <string.h>

#include "base/error.h"

_Static_assert(FRAME_SIZE_MAX > FRAME_LEAD_SIZE + 28 + HASHES_MAX * HASH_SIZE,
	"an operation is the largest frame");

/* ---- payloads out ---- */

static void put_hello(struct buf_writer *writer, const struct hello *hello)
{
	buf_put_u16(writer, hello->version);
	buf_put_raw(writer, hello->set_id, SET_ID_SIZE);
	buf_put_u64(writer, hello->epoch.number);
	buf_put_u8(writer, hello->epoch.node);
	buf_put_u64(writer, hello->generation.number);
	buf_put_u64(writer, hello->generation.tag);
	buf_put_u64(writer, hello->session);
	buf_put_u64(writer, hello->received);
	buf_put_u64(writer, hello->durable);
	buf_put_u64(writer, hello->id_limit);
	buf_put_u8(writer, (uint8_t)hello->wants);
}

static void put_hashes(struct buf_writer *writer, const struct frame *frame)
{
	CHECK(frame->hashes.count <= HASHES_MAX);
	CHECK(frame->hashes.hashes.size == (size_t)frame->hashes.count * HASH_SIZE);
	buf_put_u64(writer, frame->hashes.object);
	buf_put_u64(writer, frame->hashes.offset);
	buf_put_u64(writer, frame->hashes.size);
	buf_put_u32(writer, frame->hashes.count);
	buf_put_raw(writer, frame->hashes.hashes.data, frame->hashes.hashes.size);
}

static void put_error(struct buf_writer *writer, const struct frame *frame)
{
	buf_put_u32(writer, (uint32_t)frame->error.error);
	buf_put_bytes(writer, (struct bytes){ .data = (const uint8_t *)frame->error.text,
				      .size = strlen(frame->error.text) });
}

static void put_payload(struct buf_writer *writer, const struct frame *frame)
{
	switch (frame->kind) {
	case FRAME_HELLO: put_hello(writer, &frame->hello); break;
	case FRAME_OP: buf_put_raw(writer, frame->op.data, frame->op.size); break;
	case FRAME_ACK:
		buf_put_u64(writer, frame->ack.epoch);
		buf_put_u64(writer, frame->ack.applied);
		buf_put_u64(writer, frame->ack.durable);
		break;
	case FRAME_SYNCED:
		buf_put_u64(writer, frame->synced.sequence);
		buf_put_u32(writer, (uint32_t)frame->synced.error);
		break;
	case FRAME_HASHES: put_hashes(writer, frame); break;
	case FRAME_PROGRESS:
		buf_put_u64(writer, frame->progress.applied);
		buf_put_u64(writer, frame->progress.working_on);
		buf_put_i64(writer, frame->progress.duration_ns);
		break;
	case FRAME_ERROR: put_error(writer, frame); break;
	case FRAME_COMPLETE:
	case FRAME_KEEP: buf_put_u64(writer, frame->complete.sequence); break;
	case FRAME_BEAT: buf_put_raw(writer, frame->beat, strlen(frame->beat)); break;
	case FRAME_NONE:
	case FRAME_KIND_COUNT: CHECK(false);
	}
}

void frame_encode_lead(enum frame_kind kind, size_t payload_size, uint8_t out[FRAME_LEAD_SIZE])
{
	CHECK(payload_size <= OP_SIZE_MAX);
	struct buf_writer lead = buf_writer_init(out, FRAME_LEAD_SIZE);
	buf_put_u32(&lead, (uint32_t)payload_size + 1);
	buf_put_u8(&lead, (uint8_t)kind);
}

int frame_encode(const struct frame *frame, uint8_t *out, size_t size_max, size_t *out_size)
{
	if (size_max < FRAME_LEAD_SIZE)
		return -ERROR_RANGE;
	struct buf_writer writer =
		buf_writer_init(out + FRAME_LEAD_SIZE, size_max - FRAME_LEAD_SIZE);
	put_payload(&writer, frame);
	if (writer.is_overrun)
		return -ERROR_RANGE;
	frame_encode_lead(frame->kind, writer.size, out);
	*out_size = writer.size + FRAME_LEAD_SIZE;
	return 0;
}

/* ---- payloads in ---- */

static void get_hello(struct buf_reader *reader, struct hello *out)
{
	out->version = buf_get_u16(reader);
	buf_get_raw(reader, out->set_id, SET_ID_SIZE);
	out->epoch.number = buf_get_u64(reader);
	out->epoch.node = buf_get_u8(reader);
	out->generation.number = buf_get_u64(reader);
	out->generation.tag = buf_get_u64(reader);
	out->session = buf_get_u64(reader);
	out->received = buf_get_u64(reader);
	out->durable = buf_get_u64(reader);
	out->id_limit = buf_get_u64(reader);
	uint8_t wants = buf_get_u8(reader);
	if (wants >= STREAM_WANTS_COUNT)
		reader->is_overrun = true;
	else
		out->wants = (enum stream_wants)wants;
}

static struct bytes get_rest(struct buf_reader *reader)
{
	struct bytes rest = { .data = reader->data + reader->position,
		.size = reader->size - reader->position };
	reader->position = reader->size;
	return rest;
}

static void get_hashes(struct buf_reader *reader, struct frame *out)
{
	out->hashes.object = buf_get_u64(reader);
	out->hashes.offset = buf_get_u64(reader);
	out->hashes.size = buf_get_u64(reader);
	out->hashes.count = buf_get_u32(reader);
	if (reader->is_overrun || out->hashes.count > HASHES_MAX) {
		reader->is_overrun = true;
		return;
	}
	out->hashes.hashes = get_rest(reader);
	if (out->hashes.hashes.size != (size_t)out->hashes.count * HASH_SIZE)
		reader->is_overrun = true;
}

static void get_error(struct buf_reader *reader, struct frame *out)
{
	out->error.error = (int32_t)buf_get_u32(reader);
	struct bytes text = buf_get_bytes(reader, FRAME_TEXT_MAX);
	for (size_t i = 0; i < text.size; i++) /* goes to a person's terminal */
		out->error.text[i] =
			text.data[i] < ' ' || text.data[i] > '~' ? '?' : (char)text.data[i];
	out->error.text[text.size] = '\0';
}

/* Whole bytes in digits only: it goes on to evenkeeld as it is. */
static void get_beat(struct buf_reader *reader, struct frame *out)
{
	struct bytes rest = get_rest(reader);
	bool is_right = rest.size > 0 && rest.size % 2 == 0 && rest.size <= STREAMED_BEAT_MAX;

	for (size_t i = 0; is_right && i < rest.size; i++)
		is_right = (rest.data[i] >= '0' && rest.data[i] <= '9') ||
			   (rest.data[i] >= 'a' && rest.data[i] <= 'f');
	if (!is_right) {
		reader->is_overrun = true;
		return;
	}
	memcpy(out->beat, rest.data, rest.size);
	out->beat[rest.size] = '\0';
}

static void get_payload(struct buf_reader *reader, struct frame *out)
{
	switch (out->kind) {
	case FRAME_HELLO: get_hello(reader, &out->hello); break;
	case FRAME_OP: out->op = get_rest(reader); break;
	case FRAME_ACK:
		out->ack.epoch = buf_get_u64(reader);
		out->ack.applied = buf_get_u64(reader);
		out->ack.durable = buf_get_u64(reader);
		break;
	case FRAME_SYNCED:
		out->synced.sequence = buf_get_u64(reader);
		out->synced.error = (int32_t)buf_get_u32(reader);
		break;
	case FRAME_HASHES: get_hashes(reader, out); break;
	case FRAME_PROGRESS:
		out->progress.applied = buf_get_u64(reader);
		out->progress.working_on = buf_get_u64(reader);
		out->progress.duration_ns = buf_get_i64(reader);
		break;
	case FRAME_ERROR: get_error(reader, out); break;
	case FRAME_COMPLETE:
	case FRAME_KEEP: out->complete.sequence = buf_get_u64(reader); break;
	case FRAME_BEAT: get_beat(reader, out); break;
	case FRAME_NONE:
	case FRAME_KIND_COUNT: reader->is_overrun = true; break;
	}
}

int frame_decode(struct bytes bytes, struct frame *out_frame, size_t *out_size)
{
	if (bytes.size < FRAME_LEAD_SIZE)
		return -ERROR_AGAIN;
	struct buf_reader lead = buf_reader_init(bytes.data, FRAME_LEAD_SIZE);
	size_t size = buf_get_u32(&lead);
	uint8_t kind = buf_get_u8(&lead);
	if (size < 1 || size - 1 > OP_SIZE_MAX || kind == FRAME_NONE || kind >= FRAME_KIND_COUNT)
		return -ERROR_BAD_MESSAGE;
	if (bytes.size - 4 < size)
		return -ERROR_AGAIN;

	struct frame frame = { .kind = (enum frame_kind)kind };
	struct buf_reader reader = buf_reader_init(bytes.data + FRAME_LEAD_SIZE, size - 1);
	get_payload(&reader, &frame);
	if (!buf_reader_is_complete(&reader))
		return -ERROR_BAD_MESSAGE;
	*out_frame = frame;
	*out_size = size + 4;
	return 0;
}
