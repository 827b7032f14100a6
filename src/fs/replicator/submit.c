/*
 * The primary's side towards the file system in front: sequences, the send log, answers.
 */
#include "fs/replicator/inside.h"

#include <errno.h>
#include <sys/random.h>

#define SYNCS_AT_ONCE 64 /* told to the front in one go */

/* ---- the log ---- */

void replicator_format_send_log(struct replicator *r, uint64_t session)
{
	struct oplog_header *header = r->send_log.header;
	oplog_format(&r->send_log, header, OPLOG_HEADER_SIZE + header->ring_size, session,
		r->sender.next_sequence);
	header->epoch = r->sender.epoch;
	r->send_cursor.position = header->tail;
	r->sent = r->sender.next_sequence - 1;
	r->is_log_broken = false;
	absent_clear(&r->absent); /* of another session */
}

static bool has_room(const struct replicator *r, uint64_t ops_max, uint64_t bytes_max)
{
	const struct oplog_header *header = r->send_log.header;
	uint64_t first = MAX_OF(header->first_sequence, r->sender.acked + 1);
	return header->next_sequence - first < ops_max && header->tail - header->head < bytes_max;
}

void replicator_wait_for_room(struct replicator *r, uint64_t ops_max, uint64_t bytes_max)
{
	while (sender_is_sending(&r->sender) && !r->is_log_broken && !r->is_leaving &&
		!r->is_let_go && !has_room(r, ops_max, bytes_max))
		replicator_wait(r, &r->changed, TICK_NS);
}

uint64_t replicator_append(struct replicator *r, struct op *op)
{
	CHECK(sender_is_sending(&r->sender));
	op->sequence = sender_sequence(&r->sender);
	op->epoch = r->sender.epoch;
	if (r->is_log_broken || oplog_append(&r->send_log, op) != 0)
		r->is_log_broken = true; /* what cannot be told ends the session; the tick sees it
					  */
	condition_wake_one(&r->to_send);
	return op->sequence;
}

/* An operation that the peer needs nothing of still takes a place in the order. */
static uint64_t append_nothing(struct replicator *r)
{
	struct op nothing = { .type = OP_LEASE };
	return replicator_append(r, &nothing);
}

/* ---- submitting ---- */

static struct pending_sync *find_sync(struct replicator *r, uint64_t sequence)
{
	for (uint32_t i = 0; i < SYNCS_MAX; i++)
		if (r->syncs[i].sequence == sequence)
			return &r->syncs[i];
	return NULL;
}

static void add_sync(struct replicator *r, uint64_t sequence, bool is_needed_there)
{
	struct pending_sync *sync = find_sync(r, 0);
	CHECK(sync != NULL);
	*sync = (struct pending_sync){ .sequence = sequence, .is_done_there = !is_needed_there };
	r->sync_count++;
}

static void remove_sync(struct replicator *r, struct pending_sync *sync)
{
	CHECK(sync->sequence != 0 && r->sync_count > 0);
	*sync = (struct pending_sync){ 0 };
	r->sync_count--;
}

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
	if (!sender_is_sending(&r->sender)) {
		op->sequence = sender_sequence(&r->sender);
		op->epoch = r->sender.epoch;
	} else if (r->resync != NULL && r->sender.mode == SENDER_CATCHING_UP) {
		op->sequence = resync_source_translate(r->resync, op);
	} else if (is_unknown_there(r, op)) {
		op->sequence = append_nothing(r);
	} else {
		(void)replicator_append(r, op);
	}
	return op->sequence;
}

uint64_t replicator_submit(struct replicator *r, struct op *op)
{
	bool is_sync = op->type == OP_SYNC;
	lock_take(&r->lock);
	while (is_sync && r->sync_count >= SYNCS_MAX)
		replicator_wait(r, &r->changed, TICK_NS);
	replicator_wait_for_room(r, WINDOW_OPS, WINDOW_BYTES);
	bool is_needed_there = is_sync && !absent_has(&r->absent, op->object) &&
			       (r->sender.mode == SENDER_PAIRED || r->sender.mode == SENDER_HELD);
	uint64_t sequence = sequence_op(r, op);
	if (is_sync)
		add_sync(r, sequence, is_needed_there);
	lock_give(&r->lock);
	return sequence;
}

int replicator_find_request(struct replicator *r, uint64_t request, struct op *out_op)
{
	lock_take(&r->lock);
	struct oplog_cursor cursor = { .position = r->send_log.header->head };
	struct bytes encoded;
	int error = -ENOENT;
	while (oplog_next(&r->send_log, &cursor, &encoded)) {
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

static uint64_t answerable(const struct replicator *r)
{
	bool is_at_once = r->config.module->durability == DURABILITY_FSYNC &&
			  r->sender.mode == SENDER_PAIRED && !r->sender.is_muted;
	return is_at_once ? r->sender.next_sequence - 1 : sender_answerable(&r->sender);
}

uint64_t replicator_answerable(struct replicator *r)
{
	lock_take(&r->lock);
	uint64_t sequence = r->role == FS_PRIMARY ? answerable(r) : 0;
	lock_give(&r->lock);
	return sequence;
}

static bool is_sync_ready(const struct replicator *r, const struct pending_sync *sync)
{
	if (sync->sequence == 0 || !sync->is_done_here || r->sender.is_muted)
		return false;
	switch (r->sender.mode) {
	case SENDER_ALONE:
	case SENDER_CATCHING_UP: return true;
	case SENDER_PAIRED: return sync->is_done_there;
	case SENDER_HELD:
	case SENDER_MODE_COUNT: return false;
	}
	return false;
}

static uint32_t take_ready_syncs(struct replicator *r, uint64_t out_sequences[SYNCS_AT_ONCE])
{
	uint32_t count = 0;
	uint32_t left = r->sync_count;
	for (uint32_t i = 0; i < SYNCS_MAX && left > 0 && count < SYNCS_AT_ONCE; i++) {
		left -= r->syncs[i].sequence != 0 ? 1 : 0;
		if (!is_sync_ready(r, &r->syncs[i]))
			continue;
		out_sequences[count++] = r->syncs[i].sequence;
		remove_sync(r, &r->syncs[i]);
	}
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
		uint64_t sequence = r->role == FS_PRIMARY ? answerable(r) : 0;
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
	struct pending_sync *sync = find_sync(r, sequence);
	if (sync != NULL)
		sync->is_done_here = true;
	bool is_ready = sync != NULL && is_sync_ready(r, sync);
	lock_give(&r->lock);
	if (is_ready)
		replicator_answer(r);
}

void replicator_sync_abandoned(struct replicator *r, uint64_t sequence)
{
	lock_take(&r->lock);
	struct pending_sync *sync = find_sync(r, sequence);
	if (sync != NULL)
		remove_sync(r, sync);
	condition_wake_all(&r->changed);
	lock_give(&r->lock);
}

void replicator_peer_synced(struct replicator *r, uint64_t sequence)
{
	struct pending_sync *sync = sequence != 0 ? find_sync(r, sequence) : NULL;
	if (sync != NULL)
		sync->is_done_there = true;
}

void replicator_peer_durable(struct replicator *r, uint64_t up_to)
{
	for (uint32_t i = 0; r->sync_count > 0 && i < SYNCS_MAX; i++)
		if (r->syncs[i].sequence != 0 && r->syncs[i].sequence <= up_to)
			r->syncs[i].is_done_there = true;
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
	if (id_limit <= r->state.id_limit) {
		lock_give(&r->state_lock);
		return 0;
	}
	r->state.id_limit = id_limit;
	int stored = replicator_store_state_unlock(r);
	/* The data know it as well, and alone if need be. Where they have no room for it, the
	 * highest id that there is has to do. */
	int noted = tree_note_id_limit(r->config.tree, id_limit, stored != 0);
	return stored == 0 ? 0 : noted;
}

/* The peer has to know before the first id is used; a peer that is not in sync cannot be promoted
 * and learns it in order. */
static bool has_peer_lease(const struct replicator *r, uint64_t sequence)
{
	return r->sender.mode == SENDER_ALONE || r->sender.mode == SENDER_CATCHING_UP ||
	       r->sender.acked >= sequence;
}

static int tell_peer(struct replicator *r, uint64_t end)
{
	struct op lease = { .type = OP_LEASE, .offset = end };
	lock_take(&r->lock);
	replicator_wait_for_room(r, WINDOW_OPS, WINDOW_BYTES);
	uint64_t sequence = 0;
	if (sender_is_sending(&r->sender))
		sequence = replicator_append(r, &lease);
	while (!has_peer_lease(r, sequence) && !r->is_leaving && !r->is_let_go)
		replicator_wait(r, &r->changed, TICK_NS);
	int error = has_peer_lease(r, sequence) ? 0 : -EAGAIN;
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
	condition_wake_one(&r->to_lease);
	lock_give(&r->lock);
	return 0;
}

void *replicator_lease_run(void *context)
{
	struct replicator *r = context;
	lock_take(&r->lock);
	while (!r->is_leaving) {
		if (!r->is_lease_wanted) {
			replicator_wait(r, &r->to_lease, NS_PER_S);
			continue;
		}
		r->is_lease_wanted = false;
		lock_give(&r->lock);
		/* Whoever needs an id and finds none asks again, and gets the error. */
		(void)lease_at_least(r, 0, LEASE_LOW);
		lock_take(&r->lock);
	}
	lock_give(&r->lock);
	return NULL;
}
