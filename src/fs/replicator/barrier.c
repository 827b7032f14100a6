/*
 * What happens by the clock: barriers, signs of life, and the watch over the peer.
 *
 * A barrier n says: everything up to n is durable on this node (R1, R2). It moves when all file
 * systems of the module were synced after n had been applied: every few seconds while something
 * changes, after a reconnection, at the end of a drain, and at a stop.
 */
#include "fs/replicator/inside.h"

#include <errno.h>

/* ---- barriers ---- */

/* The highest sequence that is done here; 0: this node has no role. Under lock. */
static uint64_t done_here(const struct replicator *r)
{
	switch (r->role) {
	case FS_PRIMARY: return r->sender.next_sequence - 1;
	case FS_SECONDARY: return r->receiver.applied;
	case FS_NONE:
	case FS_FAILED:
	case FS_ROLE_COUNT: break;
	}
	return MAX_OF(r->sender.next_sequence - 1, r->receiver.applied);
}

static void note_barrier(struct replicator *r, uint64_t barrier, uint64_t *out_peer)
{
	lock_take(&r->lock);
	if (r->role == FS_PRIMARY && barrier < r->sender.next_sequence)
		sender_on_synced_here(&r->sender, barrier);
	if (r->role == FS_SECONDARY && barrier <= r->receiver.applied) {
		int error = receiver_on_durable(&r->receiver, barrier);
		CHECK(error == 0);
	}
	*out_peer = r->sender.peer_barrier;
	r->barrier_applied = barrier;
	r->barrier_ns = clock_boot_ns();
	lock_give(&r->lock);
}

int replicator_take_barrier(struct replicator *r)
{
	lock_take(&r->lock);
	uint64_t barrier = done_here(r);
	lock_give(&r->lock);
	int error = tree_sync(r->config.tree);
	if (error != 0)
		return error;
	uint64_t peer = 0;
	note_barrier(r, barrier, &peer);
	char why[FS_DETAIL_MAX];
	if (replicator_has_doubt(r, true, why, sizeof(why)))
		return 0; /* nothing is said of data that are not this state's */
	error = replicator_mark_roots(r, barrier);
	if (error != 0)
		return error;
	lock_take(&r->state_lock);
	r->state.barrier = MAX_OF(r->state.barrier, barrier);
	r->state.peer_barrier = MAX_OF(r->state.peer_barrier, peer);
	(void)!replicator_store_state_unlock(r); /* an older barrier promises less */
	return 0;
}

/* ---- drain ---- */

/* Puts one sync of everything into the stream; 0: there is nobody to sync there. */
static uint64_t ask_peer_to_sync(struct replicator *r)
{
	struct op sync = { .type = OP_SYNC, .object = 1, .mask = SYNC_EVERYTHING };
	uint64_t sequence = 0;
	lock_take(&r->lock);
	replicator_wait_for_room(r, WINDOW_OPS, WINDOW_BYTES);
	if (r->sender.mode == SENDER_PAIRED || r->sender.mode == SENDER_HELD)
		sequence = replicator_append(r, &sync);
	lock_give(&r->lock);
	return sequence;
}

/* The peer's `durable` reaches what stood before the sync when it has done it (the sync itself
 * counts as applied a moment later). Under lock. */
static bool is_peer_drained(const struct replicator *r, uint64_t sequence)
{
	return r->sender.mode == SENDER_ALONE || r->sender.mode == SENDER_CATCHING_UP ||
	       (r->sender.peer_barrier + 1 >= sequence && r->sender.acked >= sequence);
}

static void drain(struct replicator *r)
{
	uint64_t sequence = ask_peer_to_sync(r);
	int error = replicator_take_barrier(r);
	lock_take(&r->lock);
	while (!is_peer_drained(r, sequence) && !r->is_leaving)
		replicator_wait(r, &r->changed, TICK_NS);
	bool is_leaving = r->is_leaving;
	lock_give(&r->lock);
	if (is_leaving)
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

static bool is_barrier_due(const struct replicator *r)
{
	return r->is_barrier_wanted || (done_here(r) != r->barrier_applied &&
					       clock_boot_ns() - r->barrier_ns > SYNC_EVERY_NS);
}

void *replicator_barrier_run(void *context)
{
	struct replicator *r = context;
	lock_take(&r->lock);
	while (!r->is_leaving) {
		bool is_drain = r->is_drain_wanted;
		if (!is_drain && !is_barrier_due(r)) {
			replicator_wait(r, &r->to_barrier, NS_PER_S);
			continue;
		}
		r->is_drain_wanted = r->is_barrier_wanted = false;
		lock_give(&r->lock);
		int error = 0;
		if (is_drain)
			drain(r);
		else
			error = replicator_take_barrier(r);
		if (error != 0)
			barrier_failed(r, error);
		else
			replicator_send_ack(r); /* a secondary tells its barrier at once */
		lock_take(&r->lock);
	}
	lock_give(&r->lock);
	return NULL;
}

/* ---- signs of life ---- */

static void tick_secondary(struct replicator *r)
{
	struct frame frame = { .kind = FRAME_PROGRESS };
	int64_t since_ns = 0;
	if (!applier_is_busy(r->applier, &frame.progress.working_on, &since_ns)) {
		replicator_send_ack(r);
		return;
	}
	lock_take(&r->lock);
	frame.progress.applied = r->receiver.applied;
	bool is_failed = r->is_apply_failed;
	lock_give(&r->lock);
	frame.progress.duration_ns = clock_boot_ns() - since_ns;
	if (!is_failed)
		replicator_send(r, &frame);
}

/* What is wrong with the peer, if anything. Under lock. */
static const char *complaint(const struct replicator *r, int64_t now_ns)
{
	if (r->is_loss_reported || !sender_is_sending(&r->sender))
		return NULL;
	if (r->is_log_broken)
		return "an operation could not be told to the peer";
	if (r->stream != NULL && now_ns - r->progress_ns > r->config.module->peer_timeout_ns)
		return "the peer makes no progress";
	if (r->sender.mode == SENDER_HELD && now_ns - r->lost_ns > RECONNECT_NS)
		return "the stream to the peer is down";
	return NULL;
}

/*
 * A cut network ends no connection: it only falls silent. Half of the peer's time is given to this
 * one, the rest to finding another way (R16). Under lock.
 */
static void give_up_silent_stream(struct replicator *r, int64_t now_ns)
{
	if (r->stream == NULL || r->is_silent ||
		now_ns - r->heard_ns <= r->config.module->peer_timeout_ns / 2)
		return;
	r->is_silent = true;
	stream_end(r->stream);
}

/* Time in which this process itself did not run is not held against the peer (R16). Under lock. */
static void forgive_own_lateness(struct replicator *r, int64_t now_ns)
{
	int64_t late_ns = r->ticked_ns != 0 ? now_ns - r->ticked_ns - 2 * TICK_NS : 0;
	r->ticked_ns = now_ns;
	if (late_ns <= 0)
		return;
	r->heard_ns = MIN_OF(r->heard_ns + late_ns, now_ns);
	r->progress_ns = MIN_OF(r->progress_ns + late_ns, now_ns);
	r->lost_ns = MIN_OF(r->lost_ns + late_ns, now_ns);
}

static void tick_primary(struct replicator *r)
{
	int64_t now_ns = clock_boot_ns();
	struct frame keep = { .kind = FRAME_KEEP };
	lock_take(&r->lock);
	forgive_own_lateness(r, now_ns);
	const char *detail = complaint(r, now_ns);
	if (detail == NULL)
		give_up_silent_stream(r, now_ns);
	keep.complete.sequence = r->sender.acked;
	/* This thread keeps the watch: it must never wait behind a full socket. */
	bool is_idle =
		!r->is_sending && r->sender.acked >= r->sent && now_ns - r->sent_ns >= TICK_NS;
	bool is_broken = r->is_log_broken;
	lock_give(&r->lock);
	if (detail != NULL)
		replicator_drop_peer(r, is_broken ? FS_REPORT_PEER_FAILED : FS_REPORT_PEER_LOST,
			-ETIMEDOUT, detail);
	else if (is_idle)
		replicator_send(r, &keep);
}

void *replicator_tick_run(void *context)
{
	struct replicator *r = context;
	lock_take(&r->lock);
	while (!r->is_leaving) {
		replicator_wait(r, &r->to_tick, TICK_NS);
		enum fs_role role = r->role;
		bool has_applier = r->applier != NULL;
		bool is_leaving = r->is_leaving;
		lock_give(&r->lock);
		if (role == FS_PRIMARY && !is_leaving)
			tick_primary(r);
		else if (role == FS_SECONDARY && has_applier && !is_leaving)
			tick_secondary(r);
		lock_take(&r->lock);
	}
	lock_give(&r->lock);
	return NULL;
}
