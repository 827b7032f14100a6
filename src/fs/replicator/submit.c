/*
 * The primary's side towards the file system in front: sequences, the send log, answers.
 */
#include "fs/replicator/inside.h"

#include <errno.h>
#include <sys/random.h>

#define SYNCS_AT_ONCE 64 /* told to the front in one go */

/* ---- the log ---- */

void replicator_wait_for_room(struct replicator *r, uint64_t ops_max, uint64_t bytes_max)
{
	const struct op_window window = { ops_max, bytes_max };
	while (!r->is_leaving && !sender_has_room(&r->sender, &window))
		replicator_wait(r, &r->changed, TICK_NS);
}

uint64_t replicator_append(struct replicator *r, struct op *op)
{
	uint64_t sequence = sender_give(&r->sender, op);
	if (sender_is_sending(&r->sender))
		condition_wake_one(&r->to_send);
	return sequence;
}

/* An operation that the peer needs nothing of still takes a place in the order. */
static uint64_t append_nothing(struct replicator *r)
{
	struct op nothing = { .type = OP_LEASE };
	return replicator_append(r, &nothing);
}

/* ---- submitting ---- */

/* After the end of a resynchronisation. */
static bool is_unknown_there(struct replicator *r, const struct op *op)
{
	if (!absent_has(&r->absent, op->object))
		return false;
	if (op->type == OP_FORGET)
		absent_remove(&r->absent, op->object);
	return true;
}

static uint64_t sequence_op(struct replicator *r, struct op *op)
{
	if (r->resync != NULL && r->sender.mode == SENDER_CATCHING_UP)
		op->sequence = resync_source_translate(r->resync, op);
	else if (sender_is_sending(&r->sender) && is_unknown_there(r, op))
		op->sequence = append_nothing(r);
	else
		(void)replicator_append(r, op);
	return op->sequence;
}

uint64_t replicator_submit(struct replicator *r, struct op *op)
{
	bool is_sync = op->type == OP_SYNC;
	lock_take(&r->lock);
	while (is_sync && !syncs_has_room(&r->syncs))
		replicator_wait(r, &r->changed, TICK_NS);
	replicator_wait_for_room(r, WINDOW_OPS, WINDOW_BYTES);
	bool is_needed_there =
		is_sync && sender_needs_peer(&r->sender) && !absent_has(&r->absent, op->object);
	uint64_t sequence = sequence_op(r, op);
	if (is_sync)
		syncs_add(&r->syncs, sequence, is_needed_there);
	lock_give(&r->lock);
	return sequence;
}

int replicator_find_request(struct replicator *r, uint64_t request, struct op *out_op)
{
	lock_take(&r->lock);
	struct oplog_cursor cursor = { .position = r->sender.log.header->head };
	struct bytes encoded;
	int error = -ENOENT;
	while (oplog_next(&r->sender.log, &cursor, &encoded)) {
		struct op op;
		size_t size;
		if (op_decode(encoded, &op, &size) == 0 && op.request == request) {
			*out_op = op;
			error = 0;
		}
	}
	lock_give(&r->lock);
	return error;
}

/* ---- answers ---- */

uint64_t replicator_answerable(struct replicator *r)
{
	lock_take(&r->lock);
	uint64_t sequence = r->role == FS_PRIMARY ? sender_answerable(&r->sender) : 0;
	lock_give(&r->lock);
	return sequence;
}

static uint32_t take_ready_syncs(struct replicator *r, uint64_t out_sequences[SYNCS_AT_ONCE])
{
	uint32_t count = syncs_take(&r->syncs, &r->sender, out_sequences, SYNCS_AT_ONCE);
	if (count > 0)
		condition_wake_all(&r->changed);
	return count;
}

void replicator_answer(struct replicator *r)
{
	uint64_t synced[SYNCS_AT_ONCE];
	uint32_t count = 0;
	lock_take(&r->answer_lock);
	do {
		lock_take(&r->lock);
		uint64_t sequence = r->role == FS_PRIMARY ? sender_answerable(&r->sender) : 0;
		count = take_ready_syncs(r, synced);
		lock_give(&r->lock);
		if (sequence > 0)
			r->callbacks.on_answerable(r->callbacks.context, sequence);
		for (uint32_t i = 0; i < count; i++)
			r->callbacks.on_synced(r->callbacks.context, synced[i], 0);
	} while (count == SYNCS_AT_ONCE);
	lock_give(&r->answer_lock);
}

void replicator_synced_here(struct replicator *r, uint64_t sequence)
{
	lock_take(&r->lock);
	bool is_ready = syncs_on_done_here(&r->syncs, &r->sender, sequence);
	lock_give(&r->lock);
	if (is_ready)
		replicator_answer(r);
}

void replicator_sync_abandoned(struct replicator *r, uint64_t sequence)
{
	lock_take(&r->lock);
	syncs_abandon(&r->syncs, sequence);
	condition_wake_all(&r->changed);
	lock_give(&r->lock);
}

/* ---- ids ---- */

uint64_t replicator_id_limit(struct replicator *r)
{
	lock_take(&r->state_lock);
	uint64_t limit = MAX_OF(r->state.id_limit, (uint64_t)FIRST_ID);
	lock_give(&r->state_lock);
	return MAX_OF(limit, tree_id_floor(r->config.tree)); /* the state may be new, or old */
}

int replicator_raise_id_limit(struct replicator *r, uint64_t id_limit)
{
	lock_take(&r->state_lock);
	if (!standing_raise_ids(&r->state, id_limit)) {
		lock_give(&r->state_lock);
		return 0;
	}
	int stored = replicator_store_state_unlock(r);
	/* The data know it as well, and alone if need be. Where they have no room for it, the
	 * highest id that there is has to do. */
	int noted = tree_note_id_limit(r->config.tree, id_limit, stored != 0);
	return stored == 0 ? 0 : noted;
}

/* The peer has to know before the first id is used; one that is not in sync cannot be promoted and
 * learns it in order. */
static int tell_peer(struct replicator *r, uint64_t end)
{
	struct op lease = { .type = OP_LEASE, .offset = end };
	lock_take(&r->lock);
	replicator_wait_for_room(r, WINDOW_OPS, WINDOW_BYTES);
	uint64_t sequence = 0;
	if (sender_is_sending(&r->sender))
		sequence = replicator_append(r, &lease);
	while (!sender_is_known_there(&r->sender, sequence) && !r->is_leaving &&
		!r->sender.session.is_let_go)
		replicator_wait(r, &r->changed, TICK_NS);
	int error = sender_is_known_there(&r->sender, sequence) ? 0 : -EAGAIN;
	lock_give(&r->lock);
	return error;
}

static int make_lease(struct replicator *r, uint64_t count)
{
	uint64_t first = replicator_id_limit(r);
	uint64_t end = first + MAX_OF((uint64_t)LEASE_IDS, count);
	int error = replicator_raise_id_limit(r, end);
	if (error == 0)
		error = tell_peer(r, end);
	if (error == 0)
		tree_set_lease(r->config.tree, first, end);
	return error;
}

/* One lease is made at a time. */
static int lease_at_least(struct replicator *r, uint64_t count, uint64_t wanted)
{
	lock_take(&r->lock);
	while (r->is_leasing && !r->is_leaving)
		replicator_wait(r, &r->changed, TICK_NS);
	bool is_mine = !r->is_leaving && tree_lease_left(r->config.tree) < wanted;
	r->is_leasing = r->is_leasing || is_mine;
	lock_give(&r->lock);
	if (!is_mine)
		return tree_lease_left(r->config.tree) >= count ? 0 : -EAGAIN;
	int error = make_lease(r, count);
	lock_take(&r->lock);
	r->is_leasing = false;
	condition_wake_all(&r->changed);
	lock_give(&r->lock);
	return error;
}

int replicator_ensure_ids(struct replicator *r, uint64_t count)
{
	uint64_t left = tree_lease_left(r->config.tree);
	if (left >= MAX_OF(count, (uint64_t)LEASE_LOW))
		return 0;
	if (left < count)
		return lease_at_least(r, count, count);
	lock_take(&r->lock);
	r->is_lease_wanted = true;
	condition_wake_one(&r->to_tick);
	lock_give(&r->lock);
	return 0;
}

void *replicator_lease_run(void *context)
{
	struct replicator *r = context;
	lock_take(&r->lock);
	while (!r->is_leaving && r->is_lease_wanted) {
		r->is_lease_wanted = false;
		lock_give(&r->lock);
		/* Whoever needs an id and finds none asks again, and gets the error. */
		(void)lease_at_least(r, 0, LEASE_LOW);
		lock_take(&r->lock);
	}
	r->errands[ERRAND_LEASE].is_under_way = false;
	lock_give(&r->lock);
	return NULL;
}
