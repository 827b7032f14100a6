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

#include "fs/tree/byhand.h"
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
	lock_give(&r->lock);
	replicator_dismiss_callers(r);
	if (!has_threads)
		return;
	(void)pthread_join(r->link_thread, NULL);
	(void)pthread_join(r->tick_thread, NULL);
	replicator_join_errands(r);
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
	r->is_lease_wanted = r->is_keep_due = false;
	barriers_begin(&r->barriers, clock_boot_ns());
	watch_begin(&r->sender);
	lock_give(&r->lock);
	int error = replicator_start_thread(&r->link_thread, link_run, r);
	if (error != 0)
		return error;
	/* Without its watch a copy must not run at all: stop, and be started again. */
	CHECK(replicator_start_thread(&r->tick_thread, replicator_tick_run, r) == 0);
	r->has_threads = true;
	return 0;
}

/* ---- the watch over the tree ---- */

/* A successor goes on with the mount of its predecessor: nothing lay open. */
static int watch_tree(struct replicator *r, bool is_resumed)
{
	bool was_watching = atomic_exchange(&r->is_watching, true);
	if (was_watching || is_resumed)
		return 0;
	int error = byhand_take(r->config.tree, r->config.alive_ns);
	r->config.alive_ns = 0; /* of the first role in this process */
	if (error != 0)
		atomic_store(&r->is_watching, false);
	return error;
}

/* What lies here is what is served. */
static int own_tree(struct replicator *r, bool is_resumed)
{
	struct byhand_account account;
	int error = watch_tree(r, is_resumed);
	if (error != 0 || is_resumed)
		return error;
	/* The users of a dead node's orphans are dead; a predecessor's are not. */
	error = tree_purge_orphans(r->config.tree);
	if (error == 0)
		error = byhand_serve(r->config.tree, &account);
	if (error == 0)
		resync_say_by_hand(r, &account);
	return error;
}

void replicator_lie_open(struct replicator *r, int64_t since_ns)
{
	if (!atomic_exchange(&r->is_watching, false))
		return;
	int error = byhand_let_go(r->config.tree, since_ns);
	if (error != 0)
		replicator_say_simple(r, FS_REPORT_NOTICE, error,
			"it cannot be noted that the directories lie open: what is written there "
			"by "
			"hand may be overwritten");
}

/* ---- primary ---- */

/* All that were ever given or received here. */
static uint64_t known_sequences(const struct replicator *r)
{
	uint64_t known = MAX_OF(standing_known(&r->state), r->receiver.received);
	return MAX_OF(known, r->sender.next_sequence);
}

static enum resumption begin_sending(struct replicator *r, bool is_resumed)
{
	uint64_t known = known_sequences(r);
	enum resumption resumption = RESUMED_ALONE;
	if (is_resumed)
		resumption = sender_resume(&r->sender, r->epoch.number, known, clock_boot_ns());
	else
		sender_init(&r->sender, r->epoch.number, sender_next_tenure(known));
	if (resumption != RESUMED_HELD)
		absent_clear(&r->absent);
	return resumption;
}

/* A successor finds the record of its predecessor, in the same epoch: it goes on without it if it
 * must. */
static int store_primary(struct replicator *r, uint64_t sequence, bool is_resumed)
{
	const struct tenant tenant = replicator_tenant(r);
	lock_take(&r->state_lock);
	bool is_needed = standing_serve(&r->state, &tenant, sequence, is_resumed);
	int error = replicator_store_state_unlock(r);
	return is_needed ? error : 0;
}

static int enter_primary(struct replicator *r, bool is_resumed)
{
	lock_take(&r->lock);
	enum resumption resumption = begin_sending(r, is_resumed);
	uint64_t sequence = r->sender.next_sequence;
	r->role = FS_PRIMARY;
	syncs_clear(&r->syncs);
	lock_give(&r->lock);
	/* The mark first: a state that says more than a root would call it strange. */
	int error = replicator_mark_new_roots(r);
	if (error == 0)
		error = store_primary(r, sequence, is_resumed);
	if (error == 0)
		error = start_threads(r, replicator_primary_run);
	if (error == 0 && resumption == RESUMED_LOST)
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
	int error = own_tree(r, is_resumed);
	/* Each beginning is in the data: a state of before says less than them. */
	if (error == 0 && !is_resumed && r->tls != NULL)
		error = replicator_mark_roots(r, 0);
	return error != 0 ? error : enter_primary(r, is_resumed);
}

/* ---- secondary ---- */

static void resume_received(struct replicator *r)
{
	uint64_t ordered = r->epoch.number;
	if (receiver_resume(&r->receiver, ordered, r->state.is_in_sync, r->state.barrier) &&
		r->state.epoch.number == r->receiver.epoch)
		r->epoch = r->state.epoch;
}

bool replicator_is_behind(struct replicator *r)
{
	lock_take(&r->lock);
	bool is_behind = r->role == FS_SECONDARY && receiver_is_behind(&r->receiver);
	lock_give(&r->lock);
	return is_behind;
}

static int store_secondary(struct replicator *r)
{
	const struct tenant tenant = replicator_tenant(r);
	lock_take(&r->state_lock);
	standing_follow(&r->state, &tenant, receiver_is_in_sync(&r->receiver));
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
	const struct tenant ordered = replicator_tenant(r);
	lock_take(&r->lock);
	if (is_resumed)
		resume_received(r);
	else
		receiver_init(&r->receiver, r->epoch.number);
	r->role = FS_SECONDARY;
	r->is_applying = false;
	bool is_promoted = is_resumed && standing_was_promoted(&r->state, &ordered, r->config.self);
	if (is_promoted)
		receiver_note_promoted(&r->receiver, r->state.epoch);
	lock_give(&r->lock);
	int error = watch_tree(r, is_resumed);
	if (error == 0 && !is_promoted)
		error = store_secondary(r);
	if (error == 0 && !is_resumed)
		error = replicator_mark_following(r);
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

static int finish_received(struct replicator *r)
{
	int64_t until_ns = clock_boot_ns() + OP_TIMEOUT_NS;
	lock_take(&r->lock);
	while (!receiver_is_finished(&r->receiver) && receiver_is_open(&r->receiver) &&
		clock_boot_ns() < until_ns)
		replicator_wait(r, &r->changed, TICK_NS);
	bool is_finished = receiver_is_finished(&r->receiver);
	lock_give(&r->lock);
	return is_finished ? 0 : -EIO;
}

/* Nothing more is received from here on. */
static int end_receiving(struct replicator *r, struct epoch epoch)
{
	lock_take(&r->lock);
	int error =
		r->role == FS_SECONDARY ? receiver_promote(&r->receiver, epoch.number) : -EINVAL;
	if (error == 0 && r->stream != NULL)
		stream_end(r->stream);
	lock_give(&r->lock);
	return error;
}

int replicator_promote(struct replicator *r, struct epoch epoch, struct generation generation)
{
	int error = end_receiving(r, epoch);
	if (error != 0)
		return replicator_refuse(
			r, error, "this copy does not hold everything that was acknowledged");
	error = finish_received(r);
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
	barriers_want(&r->barriers); /* sync in the background (R6) */
	condition_wake_one(&r->to_tick);
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
	replicator_lie_open(r, byhand_now_ns()); /* all that came from us is done */
	int error = replicator_take_barrier(r);
	if (error == 0)
		error = tree_sync(r->config.tree); /* the mark in the roots as well */
	lock_take(&r->state_lock);
	standing_leave(&r->state, error == 0);
	int stored = replicator_store_state_unlock(r);
	return error != 0 ? error : stored;
}
