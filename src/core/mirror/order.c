/*
 * Orders to evenkeel-fs and what it reports. A report about a session (lost, complete, adopted)
 * counts only in the epoch of the last order; one about a role answers the order that is open.
 * When evenkeel-fs dies, the daemon starts a successor, which reports the role it found itself in;
 * an order that its predecessor did not answer is given again.
 */
#include "core/core_internal.h"

static void forget_reports(struct module *module)
{
	module->is_stop_reported = false;
	module->is_peer_lost = false;
	module->is_session_cut = false;
	module->is_local_failed = false;
	module->is_target_complete = false;
	module->is_adopted = false;
	module->is_drained = false;
	module->is_refused = false;
	module->is_wrong_copy = false;
	module->is_resync_known = false;
}

static void expect_role(struct module *module, enum fs_order order)
{
	forget_reports(module);
	module->is_order_open = true;
	module->role_order = order;
	module->fs_link = FS_LINK_NONE;
	module->resync_done = 0;
	module->resync_total = 0;
}

static void note_order(struct module *module, enum fs_order order)
{
	switch (order) {
	case FS_ORDER_PRIMARY:
	case FS_ORDER_SECONDARY:
		expect_role(module, order);
		module->is_mounted = true;
		module->has_run = true;
		break;
	case FS_ORDER_STOP:
	case FS_ORDER_PROMOTE:
	case FS_ORDER_GO_ALONE: expect_role(module, order); break;
	case FS_ORDER_CONNECT:
		module->is_peer_lost = false;
		module->is_session_cut = false;
		module->is_target_complete = false;
		module->is_resync_known = false;
		module->resync_done = 0;
		module->resync_total = 0;
		break;
	case FS_ORDER_PAIR: module->fs_link = FS_LINK_IN_SYNC; break;
	case FS_ORDER_DRAIN: module->is_drained = false; break;
	case FS_ORDER_HOLD:
	case FS_ORDER_RESUME: break;
	case FS_ORDER_COUNT: CHECK(false);
	}
}

void order_fs(struct core *core, struct module *module, enum fs_order order)
{
	const struct record *record = &module->record;
	struct action *action = action_add(core, module, ACTION_ORDER_FS);

	note_order(module, order);
	module->dead_ns = core->now_ns; /* if it is dead: its successor has its time from here on */
	action->fs.order = order;
	action->fs.is_forced = order == FS_ORDER_PRIMARY && module->is_copy_forced;
	action->fs.epoch = record->epoch;
	action->fs.generation = record->generation;
	if (order == FS_ORDER_CONNECT && module->peer.record.is_foreign)
		action->fs.plan = RESYNC_SET_ASIDE;
	for (int i = 0; i < SET_ID_SIZE; i++)
		action->fs.set_id[i] = record->set_id[i];
	module->fs_epoch = record->epoch;
}

/* ---- reports ---- */

static bool is_answer(const struct module *module, enum fs_report report, struct epoch epoch)
{
	switch (module->role_order) {
	case FS_ORDER_STOP: return report == FS_REPORT_IS_STOPPED;
	case FS_ORDER_PRIMARY:
	case FS_ORDER_PROMOTE: return report == FS_REPORT_IS_PRIMARY;
	case FS_ORDER_SECONDARY:
		return report == FS_REPORT_IS_SECONDARY &&
		       (epoch.number == 0 || epoch.number == module->fs_epoch.number);
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
static void check_rolled_back(struct module *module, uint64_t barrier)
{
	if (barrier != 0 && barrier < module->clean_barrier)
		module->is_rolled_back = true;
	module->clean_barrier = 0;
}

static void on_role(struct core *core, struct module *module, const struct event *event)
{
	enum fs_report report = event->fs.report;
	bool was_dead = module->is_dead;

	module->is_dead = false;
	if (module->is_order_open && !is_answer(module, report, event->fs.epoch)) {
		if (was_dead)
			order_fs(core, module, module->role_order);
		return;
	}
	bool is_expected = module->is_order_open;
	module->is_order_open = false;
	if (report == FS_REPORT_IS_STOPPED) {
		module->fs_role = FS_NONE;
		module->fs_link = FS_LINK_NONE;
		module->is_mounted = false;
		module->is_stop_reported = true;
		return;
	}
	if (is_expected)
		check_rolled_back(module, event->fs.barrier);
	module->is_mounted = true;
	if (was_dead && module->step == STEP_DRAINING)
		order_fs(core, module, FS_ORDER_DRAIN); /* its predecessor took that with it */
	module->fs_role = report == FS_REPORT_IS_SECONDARY ? FS_SECONDARY : FS_PRIMARY;
}

static void note_barriers(struct module *module, const struct event *event)
{
	module->barrier = MAX_OF(module->barrier, event->fs.barrier);
	module->peer_barrier = MAX_OF(module->peer_barrier, event->fs.peer_barrier);
}

static void note_detail(struct module *module, const struct event *event)
{
	for (size_t i = 0; i < sizeof(module->detail); i++)
		module->detail[i] = event->fs.detail[i];
	module->detail[sizeof(module->detail) - 1] = '\0';
}

static void on_died(struct core *core, struct module *module)
{
	if (!module->is_dead)
		module->dead_ns = core->now_ns;
	module->is_dead = true;
	if (module->is_order_open && module->role_order == FS_ORDER_STOP)
		module->is_torn = true;
	text_add(log_add(core, module, "fs.died", SEVERITY_WARNING),
		"evenkeel-fs ended; a successor continues where it was");
}

/*
 * While answers are held nothing was decided yet: if the session goes on, the peer lacks nothing.
 * Once it was asked to record itself stale it may have done so, and then no stream takes that back.
 */
static void on_continued(struct module *module, struct epoch epoch)
{
	if (!module->is_held || module->wants_drop || !module->is_session_cut ||
		epoch.number != module->fs_epoch.number)
		return;
	module->is_peer_lost = false;
	module->is_session_cut = false;
	module->fs_link = FS_LINK_IN_SYNC;
}

static void on_session(struct module *module, const struct event *event)
{
	module->progress_ns = event->now_ns;
	if (event->fs.epoch.number != 0 && event->fs.epoch.number < module->fs_epoch.number)
		return;
	switch (event->fs.report) {
	case FS_REPORT_CONNECTED:
		if (module->fs_link == FS_LINK_NONE)
			module->fs_link = FS_LINK_CONNECTED;
		if (event->fs.is_continued)
			on_continued(module, event->fs.epoch);
		break;
	case FS_REPORT_RESYNC_PROGRESS:
		module->fs_link = FS_LINK_RESYNCING;
		module->resync_done = event->fs.done;
		module->resync_total = MAX_OF(event->fs.total, 1);
		break;
	case FS_REPORT_TARGET_COMPLETE: module->is_target_complete = true; break;
	case FS_REPORT_ADOPTED:
		module->is_adopted = true;
		module->fs_link = FS_LINK_IN_SYNC;
		break;
	case FS_REPORT_PEER_LOST:
	case FS_REPORT_PEER_FAILED:
		note_detail(module, event);
		module->is_session_cut = event->fs.report == FS_REPORT_PEER_LOST &&
					 (module->is_session_cut || !module->is_peer_lost);
		module->is_peer_lost = true;
		module->fs_link = FS_LINK_NONE;
		break;
	default: CHECK(false); /* EXCEPTION: the other reports are not about a session */
	}
}

/* Connecting, pairing, draining: that is between the copies, and no reason to leave the role. */
static void on_refused(struct module *module, const struct event *event)
{
	note_detail(module, event);
	if (module->is_order_open) {
		module->is_refused = true;
		return;
	}
	module->is_peer_lost = true;
	module->is_session_cut = false;
}

void order_on_report(struct core *core, struct module *module, const struct event *event)
{
	note_barriers(module, event);
	if (event->fs.report != FS_REPORT_DIED) /* it says nothing of the successor */
		module->is_behind = event->fs.is_behind;
	switch (event->fs.report) {
	case FS_REPORT_IS_PRIMARY:
	case FS_REPORT_IS_SECONDARY:
	case FS_REPORT_IS_STOPPED:
	case FS_REPORT_IS_ALONE: on_role(core, module, event); break;
	case FS_REPORT_CONNECTED:
	case FS_REPORT_RESYNC_PROGRESS:
	case FS_REPORT_TARGET_COMPLETE:
	case FS_REPORT_ADOPTED:
	case FS_REPORT_PEER_LOST:
	case FS_REPORT_PEER_FAILED: on_session(module, event); break;
	case FS_REPORT_LOCAL_FAILED:
		note_detail(module, event);
		module->is_local_failed = true;
		break;
	case FS_REPORT_DRAINED: module->is_drained = true; break;
	case FS_REPORT_DIED: on_died(core, module); break;
	case FS_REPORT_WRONG_COPY:
		note_detail(module, event);
		module->is_refused = true;
		module->is_wrong_copy = true;
		break;
	case FS_REPORT_REFUSED: on_refused(module, event); break;
	case FS_REPORT_NOTICE: break; /* for people */
	case FS_REPORT_COUNT: CHECK(false);
	}
}
