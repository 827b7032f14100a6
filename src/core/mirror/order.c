/*
 * Orders to evenkeel-fs and what it reports. A report about a session (lost, complete, adopted)
 * counts only in the epoch of the last order; one about a role answers the order that is open.
 * When evenkeel-fs dies, the daemon starts a successor, which reports the role it found itself in;
 * an order that its predecessor did not answer is given again.
 */
#include "core/mirror/mirror.h"

static void forget_resync(struct mirror *mirror)
{
	mirror->resync.is_known = false;
	mirror->resync.done = 0;
	mirror->resync.total = 0;
}

static void expect_role(struct mirror *mirror, enum fs_order order)
{
	mirror->fs.said = (struct fs_said){ 0 };
	mirror->fs.is_order_open = true;
	mirror->fs.role_order = order;
	mirror->fs.link = FS_LINK_NONE;
	forget_resync(mirror);
}

static void note_order(struct mirror *mirror, enum fs_order order)
{
	switch (order) {
	case FS_ORDER_PRIMARY:
	case FS_ORDER_SECONDARY:
		expect_role(mirror, order);
		mirror->fs.is_mounted = true;
		mirror->fs.has_run = true;
		break;
	case FS_ORDER_LOOK:
		expect_role(mirror, order);
		mirror->fs.is_look_late = false;
		mirror->fs.is_mounted = true; /* its process holds the directories: it is stopped */
		break;
	case FS_ORDER_STOP:
	case FS_ORDER_PROMOTE:
	case FS_ORDER_GO_ALONE: expect_role(mirror, order); break;
	case FS_ORDER_CONNECT:
		mirror->fs.said.is_peer_lost = false;
		mirror->fs.said.is_session_cut = false;
		mirror->fs.said.is_target_complete = false;
		mirror->fs.left_out = 0;
		forget_resync(mirror);
		break;
	case FS_ORDER_PAIR: mirror->fs.link = FS_LINK_IN_SYNC; break;
	case FS_ORDER_DRAIN: mirror->fs.said.is_drained = false; break;
	case FS_ORDER_HOLD:
	case FS_ORDER_RESUME: break;
	case FS_ORDER_COUNT: CHECK(false);
	}
}

void order_fs(struct core *core, struct mirror *mirror, enum fs_order order)
{
	const struct record *record = &mirror->common.record;
	struct action *action = action_add(core, &mirror->common, ACTION_ORDER_FS);

	note_order(mirror, order);
	mirror->fs.ordered_ns = core->now_ns;
	mirror->fs.dead_ns =
		core->now_ns; /* if it is dead: its successor has its time from here on */
	action->fs.order = order;
	action->fs.is_forced = (order == FS_ORDER_PRIMARY && mirror->wants.any_copy) ||
			       (order == FS_ORDER_STOP && mirror->tenure.is_forced);
	action->fs.epoch = record->epoch;
	action->fs.generation = record->generation;
	if (order == FS_ORDER_CONNECT && mirror->peer.shows.record.is_foreign)
		action->fs.plan = RESYNC_SET_ASIDE;
	for (int i = 0; i < SET_ID_SIZE; i++)
		action->fs.set_id[i] = record->set_id[i];
	mirror->fs.epoch = record->epoch;
}

/* ---- reports ---- */

static bool is_answer(const struct mirror *mirror, enum fs_report report, struct epoch epoch)
{
	switch (mirror->fs.role_order) {
	case FS_ORDER_STOP: return report == FS_REPORT_IS_STOPPED;
	case FS_ORDER_LOOK: return report == FS_REPORT_LOOKED;
	case FS_ORDER_PRIMARY:
	case FS_ORDER_PROMOTE: return report == FS_REPORT_IS_PRIMARY;
	case FS_ORDER_SECONDARY:
		return report == FS_REPORT_IS_SECONDARY &&
		       (epoch.number == 0 || epoch.number == mirror->fs.epoch.number);
	case FS_ORDER_GO_ALONE: return report == FS_REPORT_IS_ALONE;
	case FS_ORDER_CONNECT:
	case FS_ORDER_PAIR:
	case FS_ORDER_HOLD:
	case FS_ORDER_RESUME:
	case FS_ORDER_DRAIN:
	case FS_ORDER_COUNT: break;
	}
	return false;
}

/* The release in order left a barrier; less than that is an old state put back (R2). */
static void check_rolled_back(struct mirror *mirror, uint64_t barrier)
{
	if (barrier != 0 && barrier < mirror->fs.clean_barrier)
		mirror->fs.is_rolled_back = true;
	mirror->fs.clean_barrier = 0;
}

/* An order to stop of an earlier evenkeeld, obeyed late: what was ordered rests on a role that is over. */
static bool is_stopped_late(const struct mirror *mirror, enum fs_report report)
{
	enum fs_order order = mirror->fs.role_order;

	return report == FS_REPORT_IS_STOPPED &&
	       (order == FS_ORDER_GO_ALONE || order == FS_ORDER_PROMOTE);
}

static void on_role(struct core *core, struct mirror *mirror, const struct event *event)
{
	enum fs_report report = event->fs.report;
	bool was_dead = mirror->fs.is_dead;

	mirror->fs.is_dead = false;
	observation_forget(&mirror->common);
	if (mirror->fs.is_order_open && !is_answer(mirror, report, event->fs.epoch) &&
		!is_stopped_late(mirror, report)) {
		if (was_dead)
			order_fs(core, mirror, mirror->fs.role_order);
		return;
	}
	bool is_expected = mirror->fs.is_order_open;
	mirror->fs.is_order_open = false;
	if (report == FS_REPORT_LOOKED) {
		mirror_look_again(mirror);
		mirror->fs.found = FOUND_FIT;
		return;
	}
	if (report == FS_REPORT_IS_STOPPED) {
		mirror->fs.role = FS_NONE;
		mirror->fs.link = FS_LINK_NONE;
		mirror->fs.is_mounted = false;
		observation_on_mount(&mirror->common);
		mirror->fs.said.is_stopped = true;
		return;
	}
	if (is_expected && !mirror->wants.any_copy)
		check_rolled_back(mirror, event->fs.barrier);
	mirror->fs.is_mounted = true;
	if (was_dead && mirror->step == STEP_DRAINING)
		order_fs(core, mirror, FS_ORDER_DRAIN); /* its predecessor took that with it */
	mirror->fs.role = report == FS_REPORT_IS_SECONDARY ? FS_SECONDARY : FS_PRIMARY;
}

static void note_barriers(struct mirror *mirror, const struct event *event)
{
	mirror->fs.barrier = MAX_OF(mirror->fs.barrier, event->fs.barrier);
	mirror->fs.peer_barrier = MAX_OF(mirror->fs.peer_barrier, event->fs.peer_barrier);
}

static void copy_detail(char out[FS_DETAIL_MAX], const struct event *event)
{
	for (size_t i = 0; i < FS_DETAIL_MAX; i++)
		out[i] = event->fs.detail[i];
	out[FS_DETAIL_MAX - 1] = '\0';
}

static void note_detail(struct mirror *mirror, const struct event *event)
{
	copy_detail(mirror->fs.detail, event);
}

static void on_target_complete(struct core *core, struct mirror *mirror, const struct event *event)
{
	note_detail(mirror, event);
	mirror->fs.said.is_target_complete = true;
	mirror->fs.left_out = event->fs.left_out;
	copy_detail(mirror->fs.left_out_why, event);
	if (mirror->fs.left_out > 0)
		mirror_tell(core, mirror, TELL_LEFT_OUT);
}

static void on_died(struct core *core, struct mirror *mirror, const struct event *event)
{
	bool was_dead = mirror->fs.is_dead;

	if (!was_dead)
		mirror->fs.dead_ns = core->now_ns;
	mirror->fs.is_dead = true;
	copy_detail(mirror->fs.dead_why, event);
	if (mirror->fs.is_order_open && mirror->fs.role_order == FS_ORDER_STOP)
		mirror->fs.is_torn = true;
	if (!was_dead) /* a successor that ends before it begins is no news */
		mirror_tell(core, mirror, TELL_FS_DIED);
}

/*
 * While answers are held nothing was decided yet: if the session goes on, the peer lacks nothing.
 * Once it was asked to record itself stale it may have done so, and then no stream takes that back.
 */
static void on_continued(struct mirror *mirror, struct epoch epoch)
{
	if (!mirror->loss.is_held || mirror->loss.wants_drop || !mirror->fs.said.is_session_cut ||
		epoch.number != mirror->fs.epoch.number)
		return;
	mirror->fs.said.is_peer_lost = false;
	mirror->fs.said.is_session_cut = false;
	mirror->fs.link = FS_LINK_IN_SYNC;
}

static void on_session(struct core *core, struct mirror *mirror, const struct event *event)
{
	mirror->resync.progress_ns = event->now_ns;
	if (event->fs.epoch.number != 0 && event->fs.epoch.number < mirror->fs.epoch.number)
		return;
	switch (event->fs.report) {
	case FS_REPORT_CONNECTED:
		if (mirror->fs.link == FS_LINK_NONE)
			mirror->fs.link = FS_LINK_CONNECTED;
		if (event->fs.is_continued)
			on_continued(mirror, event->fs.epoch);
		break;
	case FS_REPORT_RESYNC_PROGRESS:
		mirror->fs.link = FS_LINK_RESYNCING;
		mirror->resync.done = event->fs.done;
		mirror->resync.total = MAX_OF(event->fs.total, 1);
		break;
	case FS_REPORT_TARGET_COMPLETE: on_target_complete(core, mirror, event); break;
	case FS_REPORT_ADOPTED:
		mirror->fs.said.is_adopted = true;
		mirror->fs.link = FS_LINK_IN_SYNC;
		break;
	case FS_REPORT_PEER_LOST:
	case FS_REPORT_PEER_FAILED:
		note_detail(mirror, event);
		mirror->fs.said.is_session_cut =
			event->fs.report == FS_REPORT_PEER_LOST &&
			(mirror->fs.said.is_session_cut || !mirror->fs.said.is_peer_lost);
		mirror->fs.said.is_peer_lost = true;
		mirror->fs.link = FS_LINK_NONE;
		break;
	default: CHECK(false); /* EXCEPTION: the other reports are not about a session */
	}
}

/* Connecting, pairing, draining: that is between the copies, and no reason to leave the role. */
static void on_refused(struct mirror *mirror, const struct event *event)
{
	note_detail(mirror, event);
	if (mirror->fs.is_order_open) {
		mirror->fs.said.is_refused = true;
		return;
	}
	mirror->fs.said.is_peer_lost = true;
	mirror->fs.said.is_session_cut = false;
}

/* Looking is answered so as well: what follows is decided by what was found. */
static void on_unfit(struct mirror *mirror, const struct event *event, enum found found)
{
	bool was_looking = mirror->fs.is_order_open && mirror->fs.role_order == FS_ORDER_LOOK;

	note_detail(mirror, event);
	if (found != FOUND_WRONG)
		mirror->fs.is_rolled_back = true;
	if (found == FOUND_OLD_STATE) {
		mirror->fs.is_state_old = true;
		mirror->fs.marked = event->fs.marked;
	}
	if (was_looking || found != FOUND_WRONG)
		mirror->fs.found = found;
	if (was_looking) {
		mirror->fs.is_order_open = false;
		return;
	}
	mirror->fs.said.is_refused = true;
	mirror->fs.said.is_wrong_copy = found == FOUND_WRONG;
}

void order_on_report(struct core *core, struct mirror *mirror, const struct event *event)
{
	note_barriers(mirror, event);
	if (event->fs.report != FS_REPORT_DIED) { /* it says nothing of the successor */
		mirror->fs.is_behind = event->fs.is_behind;
		mirror->fs.kept = event->fs.kept;
	}
	switch (event->fs.report) {
	case FS_REPORT_IS_PRIMARY:
	case FS_REPORT_IS_SECONDARY:
	case FS_REPORT_IS_STOPPED:
	case FS_REPORT_LOOKED:
	case FS_REPORT_IS_ALONE: on_role(core, mirror, event); break;
	case FS_REPORT_CONNECTED:
	case FS_REPORT_RESYNC_PROGRESS:
	case FS_REPORT_TARGET_COMPLETE:
	case FS_REPORT_ADOPTED:
	case FS_REPORT_PEER_LOST:
	case FS_REPORT_PEER_FAILED: on_session(core, mirror, event); break;
	case FS_REPORT_LOCAL_FAILED:
		note_detail(mirror, event);
		mirror->fs.said.is_local_failed = true;
		break;
	case FS_REPORT_DRAINED: mirror->fs.said.is_drained = true; break;
	case FS_REPORT_DIED: on_died(core, mirror, event); break;
	case FS_REPORT_WRONG_COPY: on_unfit(mirror, event, FOUND_WRONG); break;
	case FS_REPORT_OLD_COPY: on_unfit(mirror, event, FOUND_OLD_DATA); break;
	case FS_REPORT_OLD_STATE: on_unfit(mirror, event, FOUND_OLD_STATE); break;
	case FS_REPORT_REFUSED: on_refused(mirror, event); break;
	case FS_REPORT_NOTICE: break; /* for people */
	case FS_REPORT_COUNT: CHECK(false);
	}
}
