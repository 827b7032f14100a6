/*
 * What happens by the clock: signs of life, the watch over the peer, and whoever is sent on an errand.
 *
 * This thread must never wait for a disk or a network. What has to, and is due only now and then, gets
 * a thread for as long as it takes (barriers, leases): each its own, so that a disk that hangs keeps
 * neither the watch nor the other errand.
 */
#include "fs/replicator/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "fs/tree/byhand.h"
#include "repl/unwatched.h"

/* ---- signs of life ---- */

static void send_beat(struct replicator *r)
{
	struct frame frame;
	lock_take(&r->lock);
	bool is_due = replicator_take_beat(r, &frame);
	lock_give(&r->lock);
	if (is_due)
		replicator_send(r, &frame);
}

static void tick_secondary(struct replicator *r)
{
	struct frame frame = { .kind = FRAME_PROGRESS };
	send_beat(r);
	int64_t since_ns = 0;
	if (!applier_is_busy(r->applier, &frame.progress.working_on, &since_ns)) {
		replicator_send_ack(r);
		return;
	}
	lock_take(&r->lock);
	frame.progress.applied = r->receiver.applied;
	bool is_failed = r->receiver.phase == RECEIVER_FAILED;
	lock_give(&r->lock);
	frame.progress.duration_ns = clock_boot_ns() - since_ns;
	if (!is_failed)
		replicator_send(r, &frame);
}

static void tick_primary(struct replicator *r)
{
	lock_take(&r->lock);
	watch_on_stuck(&r->sender, r->stream != NULL && stream_is_stuck(r->stream));
	struct watch_findings findings =
		watch_look(&r->sender, clock_boot_ns(), r->config.module->peer_timeout_ns);
	if (findings.should_hang_up && r->stream != NULL)
		stream_end(r->stream);
	r->is_keep_due = r->is_keep_due || findings.should_keep;
	if (findings.should_keep)
		condition_wake_one(&r->to_send);
	lock_give(&r->lock);
	if (findings.complaint != COMPLAINT_NONE)
		replicator_drop_peer(r,
			findings.complaint == COMPLAINT_BROKEN ? LOSS_FAILED : LOSS_SILENT,
			-ETIMEDOUT, complaint_sentence(findings.complaint));
}

/* ---- errands ---- */

/* Under lock. */
static bool is_due(struct replicator *r, enum errand_kind kind)
{
	const struct replica replica = replicator_replica(r);
	switch (kind) {
	case ERRAND_BARRIER: return barriers_are_due(&r->barriers, &replica, clock_boot_ns());
	case ERRAND_LEASE: return r->is_lease_wanted;
	case ERRAND_WATCH: return clock_boot_ns() - r->watch_noted_ns >= UNWATCHED_SEEN_NS;
	case ERRAND_COUNT: break;
	}
	return false;
}

static void join(struct errand *errand)
{
	if (errand->has_thread)
		(void)pthread_join(errand->thread, NULL);
	errand->has_thread = false;
}

static void send_one(struct replicator *r, enum errand_kind kind)
{
	static void *(*const runs[ERRAND_COUNT])(void *) = {
		[ERRAND_BARRIER] = replicator_barrier_run,
		[ERRAND_LEASE] = replicator_lease_run,
		[ERRAND_WATCH] = replicator_watch_run,
	};
	struct errand *errand = &r->errands[kind];
	join(errand); /* it is on its way out at most */
	if (kind == ERRAND_WATCH)
		r->watch_noted_ns = clock_boot_ns();
	errand->has_thread = replicator_start_thread(&errand->thread, runs[kind], r) == 0;
	if (errand->has_thread)
		return;
	lock_take(&r->lock);
	errand->is_under_way = false; /* the next tick tries again */
	lock_give(&r->lock);
}

static void send_errands(struct replicator *r)
{
	for (enum errand_kind kind = 0; kind < ERRAND_COUNT; kind++) {
		lock_take(&r->lock);
		bool is_sent = !r->is_leaving && !r->errands[kind].is_under_way && is_due(r, kind);
		r->errands[kind].is_under_way = r->errands[kind].is_under_way || is_sent;
		lock_give(&r->lock);
		if (is_sent)
			send_one(r, kind);
	}
}

void replicator_join_errands(struct replicator *r)
{
	for (enum errand_kind kind = 0; kind < ERRAND_COUNT; kind++)
		join(&r->errands[kind]);
}

/* ---- the watch over the tree ---- */

/* Somebody looked, and took it away. */
static void say_kept(struct replicator *r)
{
	uint64_t kept = byhand_look(r->config.tree);
	bool is_news = kept != r->kept;
	r->kept = kept;
	if (is_news && kept == 0)
		replicator_say_simple(r, FS_REPORT_NOTICE, 0, "nothing is kept aside any more");
}

void *replicator_watch_run(void *context)
{
	struct replicator *r = context;
	/* One that is missing makes a crash look earlier than it was: what is kept then is too much. */
	if (atomic_load(&r->is_watching))
		(void)!byhand_see(r->config.tree);
	say_kept(r);
	lock_take(&r->lock);
	r->errands[ERRAND_WATCH].is_under_way = false;
	lock_give(&r->lock);
	return NULL;
}

/* ---- the thread ---- */

/* So that whoever comes after a crash of this process knows until when it watched. Memory, no disk. */
static void show_life(const struct replicator *r)
{
	if (r->alive_path[0] != '\0' && atomic_load(&r->is_watching))
		(void)utimensat(AT_FDCWD, r->alive_path, NULL, 0); /* a sign less */
}

static void tick(struct replicator *r)
{
	show_life(r);
	lock_take(&r->lock);
	enum fs_role role = r->is_leaving ? FS_NONE : r->role;
	bool has_applier = r->applier != NULL;
	lock_give(&r->lock);
	if (role == FS_PRIMARY)
		tick_primary(r);
	else if (role == FS_SECONDARY && has_applier)
		tick_secondary(r);
}

/* Until the time has come, an errand is wanted, or the role ends. False: it ends. */
static bool wait_until(struct replicator *r, int64_t time_ns)
{
	lock_take(&r->lock);
	int64_t left_ns = time_ns - clock_boot_ns();
	if (!r->is_leaving && left_ns > 0)
		replicator_wait(r, &r->to_tick, left_ns);
	bool is_going_on = !r->is_leaving;
	lock_give(&r->lock);
	return is_going_on;
}

void *replicator_tick_run(void *context)
{
	struct replicator *r = context;
	int64_t next_ns = clock_boot_ns() + TICK_NS;
	while (wait_until(r, next_ns)) {
		if (clock_boot_ns() >= next_ns) {
			tick(r);
			next_ns = clock_boot_ns() + TICK_NS;
		}
		send_errands(r);
	}
	return NULL;
}
