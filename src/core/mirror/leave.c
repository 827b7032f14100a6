/*
 * The way out of every role: scripts, address, unmount, and the record of a release in order. A
 * node that knows that it lost (fence) does not ask its application: it is killed, and the address
 * goes first (R10, as far as one daemon can).
 */
#include "core/mirror/mirror.h"

/* A secondary tries again by itself, each time after twice as long. */
static int64_t retry_gap_ns(struct mirror *mirror)
{
	int64_t gap = RETRY_GAP_NS << mirror->wait.failures;

	if (mirror->wait.failures < RETRY_DOUBLINGS)
		mirror->wait.failures++;
	return gap;
}

void mirror_block(struct core *core, struct mirror *mirror, enum wait_reason reason)
{
	bool is_address = reason == WAIT_ADDRESS_FOREIGN || reason == WAIT_ADDRESS_PEER;

	mirror->wait.is_blocked = true;
	mirror->wait.reason = reason;
	mirror->wait.retry_ns = NO_TIME;
	if (is_address || reason == WAIT_UNFIT)
		mirror->wait.retry_ns = core->now_ns + RETRY_GAP_NS;
	else if (step_is_secondary(mirror->step) && reason != WAIT_BEHIND)
		mirror->wait.retry_ns = core->now_ns + retry_gap_ns(mirror);
	mirror_tell_blocked(core, mirror);
}

bool leave(struct core *core, struct mirror *mirror)
{
	application_want(&mirror->common, 0);
	return mirror_move(core, mirror, STEP_STOPPING);
}

static void let_go(struct core *core, struct mirror *mirror)
{
	application_kill(core, &mirror->common);
	mirror->common.application.is_address_wanted = false;
	mirror->tenure.is_fenced = true;
}

bool fence(struct core *core, struct mirror *mirror, enum wait_reason reason)
{
	let_go(core, mirror);
	if (reason == WAIT_CUT_OFF)
		mirror->wait.is_cut_off = true;
	else if (reason != WAIT_NONE)
		mirror_block(core, mirror, reason);
	return leave(core, mirror);
}

/* The other node serves, or this one's own parts have failed: nothing of the service goes on here. */
static bool give_up_unrecorded(struct core *core, struct mirror *mirror)
{
	if (peer_outranks(core, mirror)) {
		mirror->tenure.is_unused = mirror->step == STEP_SHRINKING;
		return give_way(core, mirror);
	}
	if (has_fs_failed(core, mirror))
		return fence(core, mirror, fs_failure(mirror));
	return mirror->loss.is_held && step_down_slowly(core, mirror);
}

/* All is handed over but for the record. The other node takes the service when this one has let go. */
static bool leave_unyielded(struct core *core, struct mirror *mirror)
{
	mirror->wants.swap = false;
	if (mirror->tenure.is_fenced)
		mirror_block(core, mirror, fs_failure(mirror));
	return leave(core, mirror);
}

/*
 * A disk that hangs keeps the record on its way, perhaps for good. What rests on the record waits for
 * it; what gives up does not, and goes as far as closing, which writes the next one.
 */
bool step_aside(struct core *core, struct mirror *mirror)
{
	bool is_stuck = writing_is_stuck(core, &mirror->common);

	if (mirror->step == STEP_STOPPING || mirror->step == STEP_UNMOUNTING)
		return step_advance(core, mirror);
	if (step_has(mirror->step, STEP_IS_HOLDER) && give_up_unrecorded(core, mirror))
		return true;
	if (mirror->step == STEP_YIELDING && is_stuck)
		return leave_unyielded(core, mirror);
	bool is_late = is_stuck || mirror->common.writing.is_in_trouble;
	bool is_stop_due = mirror->common.wants_stop && step_has(mirror->step, STEP_IS_HOLDER);
	if (!is_late || !is_stop_due)
		return false;
	return mirror->loss.is_held ? fence(core, mirror, WAIT_NONE) : leave(core, mirror);
}

/*
 * A holder that leaves without having handed over may have a good copy beside it, which takes over after a
 * silence, and its stop scripts may take minutes. So it is held like one that serves (R7); held, no script
 * that writes could end, and nobody lets it go on.
 */
static void guard_leaving(struct core *core, struct mirror *mirror)
{
	bool is_serving = mirror->fs.role == FS_PRIMARY && !mirror->tenure.is_fenced &&
			  mirror->common.record.holder == core->config.self;

	if (!is_serving || planted(PLANTED_LEAVES_UNGUARDED))
		return;
	bool has_lost = peer_outranks(core, mirror);
	if (!has_lost && !peer_has_resigned(core, mirror))
		loss_guard(core, mirror);
	if (!has_lost && !mirror->loss.is_held)
		return;
	mirror_tell(core, mirror, has_lost ? TELL_LOST : TELL_STOP_UNHEARD);
	mirror->tenure.has_lost = mirror->tenure.has_lost || has_lost;
	let_go(core, mirror);
	application_advance(core, &mirror->common);
}

bool stopping_advance(struct core *core, struct mirror *mirror)
{
	guard_leaving(core, mirror);
	if (!application_is_down(&mirror->common))
		return false;
	mirror->common.application.is_address_wanted = false;
	application_advance(core, &mirror->common);
	if (!mirror->fs.is_mounted) {
		(void)mirror_move(core, mirror, STEP_CLOSING);
		return true;
	}
	mirror->tenure.is_forced = mirror->tenure.is_fenced;
	order_fs(core, mirror, FS_ORDER_STOP);
	return mirror_move(core, mirror, STEP_UNMOUNTING);
}

bool unmounting_advance(struct core *core, struct mirror *mirror)
{
	if (!mirror->fs.is_order_open)
		return mirror_move(core, mirror, STEP_CLOSING);
	if (!mirror->fs.said.is_refused && !mirror->fs.said.is_local_failed)
		return false;
	/* Somebody holds the mount, and was named: not asked again. */
	if (!has_passed(core, &mirror->common, mirror->common.since_ns, RELEASE_GAP_NS))
		return false;
	mirror->common.since_ns = core->now_ns;
	mirror->tenure.is_forced = true;
	mirror_tell(core, mirror, TELL_FS_BUSY);
	order_fs(core, mirror, FS_ORDER_STOP);
	return false;
}

/* Nothing of this role is left; what was found wrong with the disk, and how often, stays. */
static void forget_role(struct mirror *mirror)
{
	mirror->tenure = (struct tenure){ 0 };
	mirror->loss = (struct loss){ 0 };
	mirror->wants.swap = false;
	mirror->wants.overrule = false;
	mirror->fs.said = (struct fs_said){ 0 };
	mirror->fs.role = FS_NONE;
	mirror->fs.link = FS_LINK_NONE;
	mirror->fs.is_dead = false;
	mirror->fs.is_behind = false;
	mirror->fs.is_torn = false;
	mirror->fs.has_run = false;
	if (mirror->fs.found == FOUND_FIT)
		mirror->fs.found = FOUND_NOTHING;
	inquiry_end(&mirror->ask);
	observation_forget(&mirror->common);
	observation_on_mount(&mirror->common);
	mirror->wait.was_eligible = false;
}

/* A record that says so already is not written again. */
static bool is_closed(const struct mirror *mirror)
{
	return mirror->common.record.role == RECORD_ROLE_NONE &&
	       mirror->common.record.is_clean == tenure_is_clean(mirror) &&
	       !mirror->tenure.has_lost &&
	       mirror->common.record.should_run == mirror->common.should_run;
}

bool closing_advance(struct core *core, struct mirror *mirror)
{
	struct application *application = &mirror->common.application;

	if (!application_is_down(&mirror->common))
		return false;
	if (mirror->common.wants_stop && application->is_prestarted) {
		application->is_prestarted = false;
		(void)application_run(core, &mirror->common, SCRIPT_POSTSTOP);
		return true;
	}
	if (!is_closed(mirror)) {
		tenure_close(core, mirror);
		mirror->tenure.has_lost = false;
		return true;
	}
	if (application->is_left)
		return false; /* not stopped: its processes run */
	forget_role(mirror);
	mirror->fs.clean_barrier =
		mirror->common.record.is_clean ? mirror->common.record.barrier : 0;
	if (!mirror->common.wants_stop) {
		if (!mirror->wait.is_blocked)
			mirror->wait.reason = WAIT_NONE;
		return mirror_move(core, mirror, STEP_WAITING);
	}
	mirror->common.wants_stop = false;
	mirror->wait.is_blocked = false;
	mirror->wants.second_only = false;
	mirror->wait.reason = WAIT_NONE;
	return mirror_move(core, mirror, STEP_STOPPED);
}
