/*
 * What the replicator is on this node: nothing, primary or secondary, and the ways between.
 *
 *	none ---> primary: numbers alone, or goes on holding what its predecessor had not heard of
 *	none ---> secondary: goes on with the log of its predecessor, or waits for a new session
 *	secondary ---> primary: applies what was received, then serves (replicator_promote())
 */
#include "fs/replicator/inside.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fs/tree/resync.h"

/* ---- leaving a role ---- */

static void end_threads(struct replicator *r)
{
	lock_take(&r->lock);
	bool has_threads = r->has_threads;
	r->is_leaving = true;
	r->has_threads = false;
	if (r->stream != NULL)
		stream_end(r->stream);
	condition_wake_all(&r->changed);
	condition_wake_all(&r->to_send);
	condition_wake_all(&r->to_apply);
	condition_wake_all(&r->to_tick);
	condition_wake_all(&r->to_lease);
	condition_wake_all(&r->to_barrier);
	lock_give(&r->lock);
	replicator_dismiss_callers(r);
	if (!has_threads)
		return;
	(void)pthread_join(r->link_thread, NULL);
	(void)pthread_join(r->tick_thread, NULL);
	(void)pthread_join(r->lease_thread, NULL);
	(void)pthread_join(r->barrier_thread, NULL);
}

void replicator_leave_role(struct replicator *r)
{
	if (r->applier != NULL)
		applier_stop(r->applier);
	end_threads(r);
	lock_take(&r->lock);
	CHECK(r->retired_applier == NULL);
	r->retired_applier = r->applier;
	r->applier = NULL;
	struct resync_source *source = r->resync;
	r->resync = NULL;
	r->role = FS_NONE;
	r->want = LINK_IDLE;
	condition_wake_all(&r->changed);
	while (r->is_verifying)
		replicator_wait(r, &r->changed, TICK_NS);
	r->is_leaving = false;
	stream_put(r->taken);
	r->taken = NULL;
	lock_give(&r->lock);
	if (source != NULL) {
		resync_source_stop(source);
		resync_source_free(source);
	}
}

void replicator_free_retired(struct replicator *r)
{
	if (r->retired_applier == NULL)
		return;
	applier_free(r->retired_applier);
	r->retired_applier = NULL;
	resync_target_free(r->target); /* its jobs used it up to now */
	r->target = NULL;
}

static int start_threads(struct replicator *r, void *(*link_run)(void *))
{
	lock_take(&r->lock);
	r->is_leaving = false;
	r->barrier_ns = clock_boot_ns();
	r->ticked_ns = 0;
	lock_give(&r->lock);
	int error = replicator_start_thread(&r->link_thread, link_run, r);
	if (error != 0)
		return error;
	/* Without its watches a copy must not run at all: stop, and be started again. */
	CHECK(replicator_start_thread(&r->tick_thread, replicator_tick_run, r) == 0);
	CHECK(replicator_start_thread(&r->lease_thread, replicator_lease_run, r) == 0);
	CHECK(replicator_start_thread(&r->barrier_thread, replicator_barrier_run, r) == 0);
	r->has_threads = true;
	return 0;
}

/* ---- primary ---- */

/* Sequences of a new tenure stand above all that were ever given or received here. */
static uint64_t next_tenure(struct replicator *r)
{
	uint64_t known = MAX_OF(r->state.sequence, r->state.barrier);
	known = MAX_OF(known, r->receiver.received);
	known = MAX_OF(known, r->sender.next_sequence);
	return ((known >> TENURE_BITS) + 1) << TENURE_BITS;
}

/* A successor finds the record of its predecessor, in the same epoch: it goes on without it if it
 * must. */
static int store_primary(struct replicator *r, uint64_t sequence, bool is_resumed)
{
	lock_take(&r->state_lock);
	memcpy(r->state.set_id, r->set_id, SET_ID_SIZE);
	r->state.epoch = r->epoch;
	r->state.sequence = MAX_OF(r->state.sequence, sequence);
	bool is_optional = is_resumed && !r->state.is_clean && !r->state.is_in_sync;
	r->state.is_clean = false;
	r->state.is_in_sync = false;
	if (!is_optional)
		return replicator_store_state_unlock(r);
	(void)!replicator_store_state_unlock(r);
	return 0;
}

/* The predecessor's answers waited for the peer: go on holding them until the session stands again.
 */
static void resume_paired(struct replicator *r)
{
	const struct oplog_header *header = r->send_log.header;
	sender_init(&r->sender, header->epoch, header->next_sequence);
	r->sender.mode = SENDER_HELD;
	r->sender.acked = header->applied;
	r->want = LINK_CONTINUE;
	r->lost_ns = clock_boot_ns();
	r->is_loss_reported = false;
	sender_verify(&r->sender);
}

static bool can_resume_paired(const struct replicator *r, struct epoch epoch)
{
	const struct oplog_header *header = r->send_log.header;
	return header->session != 0 && header->is_paired != 0 && header->epoch == epoch.number &&
	       header->applied < header->next_sequence;
}

static int enter_primary(struct replicator *r, bool is_resumed)
{
	lock_take(&r->lock);
	bool is_paired = is_resumed && can_resume_paired(r, r->epoch);
	bool was_catching_up = is_resumed && !is_paired && r->send_log.header->session != 0;
	if (is_paired) {
		resume_paired(r);
	} else {
		sender_init(&r->sender, r->epoch.number, next_tenure(r));
		replicator_format_send_log(r, 0);
	}
	uint64_t sequence = r->sender.next_sequence;
	r->role = FS_PRIMARY;
	r->is_log_broken = false;
	r->sync_count = 0;
	memset(r->syncs, 0, sizeof(r->syncs));
	lock_give(&r->lock);
	/* The mark first: a state that says more than a root would call it strange. */
	int error = replicator_mark_new_roots(r);
	if (error == 0)
		error = store_primary(r, sequence, is_resumed);
	if (error == 0)
		error = start_threads(r, replicator_primary_run);
	if (error == 0 && was_catching_up)
		replicator_say_simple(r, FS_REPORT_PEER_LOST, 0,
			"restarted while bringing the peer up to date; it has to begin again");
	return error;
}

int replicator_be_primary(struct replicator *r, struct epoch epoch, struct generation generation,
	const uint8_t set_id[SET_ID_SIZE], bool is_resumed)
{
	replicator_free_retired(r);
	replicator_leave_role(r);
	replicator_free_retired(r);
	memcpy(r->set_id, set_id, SET_ID_SIZE);
	r->epoch = epoch;
	r->generation = generation;
	/* The users of a dead node's orphans are dead; a predecessor's are not. */
	int error = is_resumed ? 0 : tree_purge_orphans(r->config.tree);
	return error != 0 ? error : enter_primary(r, is_resumed);
}

/* ---- secondary ---- */

static bool can_resume_received(const struct replicator *r, struct epoch epoch)
{
	const struct oplog_header *header = r->receive_log.header;
	/* A primary of a later epoch may have connected since the role was ordered. */
	return header->session != 0 && header->epoch >= epoch.number && r->state.is_in_sync &&
	       header->applied < header->next_sequence;
}

static void resume_received(struct replicator *r)
{
	const struct oplog_header *header = r->receive_log.header;
	receiver_init(&r->receiver, header->epoch, header->next_sequence - 1);
	r->receiver.applied = header->applied;
	r->receiver.durable = MIN_OF(header->applied, r->state.barrier);
	r->receiver.is_in_sync = true;
	r->has_session = true;
	if (r->state.epoch.number == header->epoch)
		r->epoch = r->state.epoch;
	if (oplog_seek(&r->receive_log, header->applied + 1, &r->apply_cursor) != 0)
		r->apply_cursor.position = header->tail; /* everything is applied */
	receiver_verify(&r->receiver);
}

static void forget_received(struct replicator *r)
{
	oplog_format(&r->receive_log, r->receive_log.header,
		OPLOG_HEADER_SIZE + r->receive_log.header->ring_size, 0, 1);
	receiver_init(&r->receiver, r->epoch.number, 0);
	r->has_session = false;
	r->apply_cursor.position = r->receive_log.header->tail;
}

/* The predecessor died between its own record and its word to evenkeeld: it may be said again. */
static bool was_promoted(const struct replicator *r, struct epoch epoch)
{
	return r->state.epoch.number > epoch.number && r->state.epoch.node == r->config.self &&
	       memcmp(r->state.set_id, r->set_id, SET_ID_SIZE) == 0;
}

bool replicator_is_behind(struct replicator *r)
{
	lock_take(&r->lock);
	bool is_behind =
		r->role == FS_SECONDARY && !r->receiver.is_in_sync && r->promoted_epoch.number == 0;
	lock_give(&r->lock);
	return is_behind;
}

static int store_secondary(struct replicator *r)
{
	lock_take(&r->state_lock);
	memcpy(r->state.set_id, r->set_id, SET_ID_SIZE);
	r->state.epoch = r->epoch;
	r->state.is_clean = false;
	r->state.is_in_sync = r->receiver.is_in_sync;
	return replicator_store_state_unlock(r);
}

int replicator_be_secondary(struct replicator *r, struct epoch epoch,
	const uint8_t set_id[SET_ID_SIZE], bool is_resumed)
{
	replicator_free_retired(r);
	replicator_leave_role(r);
	replicator_free_retired(r);
	memcpy(r->set_id, set_id, SET_ID_SIZE);
	r->epoch = epoch;
	lock_take(&r->lock);
	if (is_resumed && can_resume_received(r, epoch))
		resume_received(r);
	else
		forget_received(r);
	r->role = FS_SECONDARY;
	r->is_apply_failed = r->is_applying = false;
	r->promoted_epoch =
		is_resumed && was_promoted(r, epoch) ? r->state.epoch : (struct epoch){ 0 };
	bool is_promoted = r->promoted_epoch.number != 0;
	lock_give(&r->lock);
	int error = is_promoted ? 0 : store_secondary(r);
	if (error != 0)
		return error;
	const struct resync_site site = replicator_site(r);
	r->target = resync_target_new(&site);
	if (r->target == NULL)
		return -ENOMEM;
	error = start_threads(r, replicator_secondary_run);
	return error != 0 ? error : applier_new(r, &r->applier);
}

/* ---- promotion and stop ---- */

static int finish_received(struct replicator *r, uint64_t last)
{
	int64_t until_ns = clock_boot_ns() + OP_TIMEOUT_NS;
	lock_take(&r->lock);
	while (r->receiver.applied < last && !r->is_apply_failed && clock_boot_ns() < until_ns)
		replicator_wait(r, &r->changed, TICK_NS);
	bool is_finished = r->receiver.applied >= last;
	lock_give(&r->lock);
	return is_finished ? 0 : -EIO;
}

/* Nothing more is received from here on. *out_last: what is to be applied before serving. */
static int end_receiving(struct replicator *r, struct epoch epoch, uint64_t *out_last)
{
	lock_take(&r->lock);
	bool is_again = r->promoted_epoch.number != 0 && r->promoted_epoch.number == epoch.number;
	int error = -EINVAL;
	if (r->role == FS_SECONDARY && is_again) {
		*out_last = r->receiver.applied;
		error = 0;
	} else if (r->role == FS_SECONDARY) {
		error = receiver_promote(&r->receiver, out_last);
	}
	if (error == 0 && r->stream != NULL)
		stream_end(r->stream);
	lock_give(&r->lock);
	return error;
}

int replicator_promote(struct replicator *r, struct epoch epoch, struct generation generation)
{
	uint64_t last = 0;
	int error = end_receiving(r, epoch, &last);
	if (error != 0)
		return replicator_refuse(
			r, error, "this copy does not hold everything that was acknowledged");
	error = finish_received(r, last);
	if (error != 0)
		return replicator_refuse(
			r, error, "what was received could not be applied to this disk");
	replicator_leave_role(r);
	r->epoch = epoch;
	r->generation = generation;
	error = tree_purge_orphans(r->config.tree);
	if (error == 0)
		error = enter_primary(r, false);
	if (error != 0)
		return replicator_refuse(
			r, error, "this node's disk failed while it was taking over");
	lock_take(&r->lock);
	r->is_barrier_wanted = true; /* sync in the background (R6) */
	condition_wake_one(&r->to_barrier);
	lock_give(&r->lock);
	replicator_say_simple(r, FS_REPORT_IS_PRIMARY, 0, "");
	return 0;
}

int replicator_stop(struct replicator *r)
{
	lock_take(&r->lock);
	enum fs_role role = r->role;
	lock_give(&r->lock);
	if (role == FS_NONE)
		return 0;
	replicator_free_retired(r); /* of a secondary that was promoted */
	replicator_leave_role(r);
	replicator_free_retired(r);
	int error = replicator_take_barrier(r);
	if (error == 0)
		error = tree_sync(r->config.tree); /* the mark in the roots as well */
	lock_take(&r->state_lock);
	r->state.is_clean = error == 0;
	int stored = replicator_store_state_unlock(r);
	return error != 0 ? error : stored;
}
