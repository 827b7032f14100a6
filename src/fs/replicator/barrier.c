/*
 * Barriers, and the end of a drain.
 *
 * A barrier n says: everything up to n is durable on this node (R1, R2). It moves when all file
 * systems of the module were synced after n had been applied: every few seconds while something
 * changes, after a reconnection, at the end of a drain, and at a stop.
 */
#include "fs/replicator/inside.h"
#include "platform/planted.h"

#include <errno.h>

/* ---- barriers ---- */

/* Marked in the data first, then said of them. */
static int remember_barrier(struct replicator *r, uint64_t barrier, uint64_t peer_barrier)
{
	char why[FS_DETAIL_MAX];
	if (replicator_has_doubt(r, true, why, sizeof(why)))
		return 0; /* nothing is said of data that are not this state's */
	int error = replicator_mark_roots(r, barrier);
	lock_take(&r->state_lock);
	if (error != 0) { /* of the state's disk: an older barrier promises less */
		bool is_state = r->is_state_stuck;
		lock_give(&r->state_lock);
		return is_state ? 0 : error;
	}
	standing_move_barrier(&r->state, barrier, peer_barrier);
	(void)!replicator_store_state_unlock(r); /* an older barrier promises less */
	return 0;
}

int replicator_take_barrier(struct replicator *r)
{
	lock_take(&r->lock);
	struct replica replica = replicator_replica(r);
	struct barrier barrier = barrier_begin(&replica);
	lock_give(&r->lock);
	int error = IS_PLANTED(PLANTED_BARRIER_UNSYNCED) ? 0 : tree_sync(r->config.tree);
	if (error != 0)
		return error;
	lock_take(&r->lock);
	replica = replicator_replica(r);
	bool is_proven = barrier_end(&r->barriers, &replica, &barrier, clock_boot_ns());
	uint64_t peer_barrier = r->sender.peer_barrier;
	lock_give(&r->lock);
	return is_proven ? remember_barrier(r, barrier.up_to, peer_barrier) : 0;
}

/* ---- drain ---- */

/* Puts one sync of everything into the stream; 0: there is nobody to sync there. */
static uint64_t ask_peer_to_sync(struct replicator *r)
{
	struct op sync = { .type = OP_SYNC, .object = 1, .mask = SYNC_EVERYTHING };
	uint64_t sequence = 0;
	lock_take(&r->lock);
	replicator_wait_for_room(r, WINDOW_OPS, WINDOW_BYTES);
	if (r->role == FS_PRIMARY && sender_needs_peer(&r->sender))
		sequence = replicator_append(r, &sync);
	lock_give(&r->lock);
	return sequence;
}

static void drain(struct replicator *r)
{
	uint64_t sequence = ask_peer_to_sync(r);
	int error = replicator_take_barrier(r);
	lock_take(&r->lock);
	while (!sender_is_drained(&r->sender, sequence) && !r->is_leaving)
		replicator_wait(r, &r->changed, TICK_NS);
	/* Asked for again meanwhile: what was done since is not drained, and the next round says so. */
	bool is_stale = r->is_leaving || r->barriers.is_drain_wanted;
	lock_give(&r->lock);
	if (is_stale)
		return;
	if (error != 0)
		replicator_say_simple(
			r, FS_REPORT_LOCAL_FAILED, error, "data could not be made durable here");
	else
		replicator_say_simple(r, FS_REPORT_DRAINED, 0, "");
}

static void barrier_failed(struct replicator *r, int error)
{
	static const char detail[] = "data could not be made durable: look at this node's disk";
	lock_take(&r->lock);
	enum fs_role role = r->role;
	lock_give(&r->lock);
	if (role == FS_SECONDARY)
		replicator_apply_failed(r, error, detail);
	else
		replicator_say_simple(r, FS_REPORT_LOCAL_FAILED, error, detail);
}

static void do_job(struct replicator *r, enum barrier_job job)
{
	int error = 0;
	if (job == BARRIER_DRAIN)
		drain(r);
	else
		error = replicator_take_barrier(r);
	if (error != 0)
		barrier_failed(r, error);
	else
		replicator_send_ack(r); /* a secondary tells its barrier at once */
}

void *replicator_barrier_run(void *context)
{
	struct replicator *r = context;
	lock_take(&r->lock);
	while (!r->is_leaving) {
		const struct replica replica = replicator_replica(r);
		enum barrier_job job = barriers_next(&r->barriers, &replica, clock_boot_ns());
		if (job == BARRIER_NOTHING)
			break;
		lock_give(&r->lock);
		do_job(r, job);
		lock_take(&r->lock);
	}
	r->errands[ERRAND_BARRIER].is_under_way = false;
	lock_give(&r->lock);
	return NULL;
}
