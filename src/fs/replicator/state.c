#include "fs/replicator/state.h"

#include "base/error.h"

#define STATE_VERSION 2

int state_encode(const struct standing *state, uint8_t *out, size_t size_max, size_t *out_size)
{
	struct buf_writer writer = buf_writer_init(out, size_max);
	buf_put_u16(&writer, STATE_VERSION);
	buf_put_raw(&writer, state->set_id, SET_ID_SIZE);
	buf_put_u64(&writer, state->epoch.number);
	buf_put_u8(&writer, state->epoch.node);
	buf_put_u64(&writer, state->barrier);
	buf_put_u64(&writer, state->peer_barrier);
	buf_put_u64(&writer, state->sequence);
	buf_put_u64(&writer, state->id_limit);
	buf_put_u64(&writer, state->seal);
	buf_put_u8(&writer, state->is_sealing ? 1 : 0);
	buf_put_u8(&writer, state->is_clean ? 1 : 0);
	buf_put_u8(&writer, state->is_in_sync ? 1 : 0);
	if (writer.is_overrun)
		return -ERROR_RANGE;
	*out_size = writer.size;
	return 0;
}

int state_decode(struct bytes bytes, struct standing *out_state)
{
	struct buf_reader reader = buf_reader_init(bytes.data, bytes.size);
	struct standing state = { 0 };
	if (buf_get_u16(&reader) != STATE_VERSION)
		return -ERROR_PROTOCOL;
	buf_get_raw(&reader, state.set_id, SET_ID_SIZE);
	state.epoch.number = buf_get_u64(&reader);
	state.epoch.node = buf_get_u8(&reader);
	state.barrier = buf_get_u64(&reader);
	state.peer_barrier = buf_get_u64(&reader);
	state.sequence = buf_get_u64(&reader);
	state.id_limit = buf_get_u64(&reader);
	state.seal = buf_get_u64(&reader);
	uint8_t is_sealing = buf_get_u8(&reader);
	uint8_t is_clean = buf_get_u8(&reader);
	uint8_t is_in_sync = buf_get_u8(&reader);
	if (!buf_reader_is_complete(&reader) || is_sealing > 1 || is_clean > 1 || is_in_sync > 1)
		return -ERROR_BAD_MESSAGE;
	state.is_sealing = is_sealing == 1;
	state.is_clean = is_clean == 1;
	state.is_in_sync = is_in_sync == 1;
	*out_state = state;
	return 0;
}

int state_load(struct slotfile *file, struct standing *out_state)
{
	uint8_t bytes[SLOT_PAYLOAD_MAX];
	size_t size = 0;
	int error = slotfile_read(file, bytes, sizeof(bytes), &size);
	if (error == -ERROR_NOT_FOUND) {
		*out_state = (struct standing){ 0 };
		return 0;
	}
	if (error != 0)
		return error;
	return state_decode((struct bytes){ .data = bytes, .size = size }, out_state);
}

int state_store(struct slotfile *file, const struct standing *state)
{
	uint8_t bytes[STATE_SIZE_MAX];
	size_t size = 0;
	int error = state_encode(state, bytes, sizeof(bytes), &size);
	CHECK(error == 0);
	return slotfile_write(file, bytes, size);
}
