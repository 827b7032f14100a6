#include "repl/syncs.h"

#include <stddef.h>

#include "base/macros.h"
#include "repl/planted.h"
#include "repl/sender.h"

static struct pending_sync *find(struct syncs *syncs, uint64_t sequence)
{
	for (uint32_t i = 0; i < SYNCS_MAX; i++)
		if (syncs->list[i].sequence == sequence)
			return &syncs->list[i];
	return NULL;
}

static void forget(struct syncs *syncs, struct pending_sync *sync)
{
	CHECK(sync->sequence != 0);
	CHECK(syncs->count > 0);
	*sync = (struct pending_sync){ 0 };
	syncs->count--;
}

void syncs_clear(struct syncs *syncs)
{
	*syncs = (struct syncs){ 0 };
}

bool syncs_has_room(const struct syncs *syncs)
{
	return syncs->count < SYNCS_MAX;
}

void syncs_add(struct syncs *syncs, uint64_t sequence, bool is_needed_there)
{
	struct pending_sync *sync = find(syncs, 0);

	CHECK(sync != NULL);
	CHECK(sequence != 0);
	*sync = (struct pending_sync){ .sequence = sequence, .is_done_there = !is_needed_there };
	syncs->count++;
}

static bool is_ready(const struct pending_sync *sync, const struct sender *sender)
{
	if (sync->sequence == 0 || !sync->is_done_here || sender->is_muted)
		return false;
	switch (sender->mode) {
	case SENDER_ALONE:
	case SENDER_CATCHING_UP: return true;
	case SENDER_PAIRED: return sync->is_done_there || IS_PLANTED(PLANTED_SYNC_HERE_ONLY);
	case SENDER_HELD: return IS_PLANTED(PLANTED_SYNC_IGNORES_HELD);
	case SENDER_MODE_COUNT: break;
	}
	CHECK(false);
	return false;
}

bool syncs_on_done_here(struct syncs *syncs, const struct sender *sender, uint64_t sequence)
{
	struct pending_sync *sync = sequence != 0 ? find(syncs, sequence) : NULL;

	if (sync == NULL)
		return false;
	sync->is_done_here = true;
	return is_ready(sync, sender);
}

void syncs_on_done_there(struct syncs *syncs, uint64_t sequence)
{
	struct pending_sync *sync = sequence != 0 ? find(syncs, sequence) : NULL;

	if (sync != NULL)
		sync->is_done_there = true;
}

void syncs_on_durable_there(struct syncs *syncs, uint64_t up_to)
{
	for (uint32_t i = 0; syncs->count > 0 && i < SYNCS_MAX; i++)
		if (syncs->list[i].sequence != 0 && syncs->list[i].sequence <= up_to)
			syncs->list[i].is_done_there = true;
}

void syncs_abandon(struct syncs *syncs, uint64_t sequence)
{
	struct pending_sync *sync = sequence != 0 ? find(syncs, sequence) : NULL;

	if (sync != NULL)
		forget(syncs, sync);
}

uint32_t syncs_take(
	struct syncs *syncs, const struct sender *sender, uint64_t *out_sequences, uint32_t max)
{
	uint32_t count = 0, left = syncs->count;

	for (uint32_t i = 0; i < SYNCS_MAX && left > 0 && count < max; i++) {
		left -= syncs->list[i].sequence != 0 ? 1 : 0;
		if (!is_ready(&syncs->list[i], sender))
			continue;
		out_sequences[count++] = syncs->list[i].sequence;
		forget(syncs, &syncs->list[i]);
	}
	return count;
}
