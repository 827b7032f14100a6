/*
 * Serving. This node mounts and goes on alone; the peer is brought up to date and recorded as good
 * (R4: grow), lost (loss.c), or the service is handed over to it in order (handover.c).
 */
#include "core/mirror/mirror.h"

void serve(struct mirror *mirror)
{
	if (mirror_has_lost_mount(mirror)) /* it is mounted anew first, or the peer takes over */
		return;
	mirror->common.application.is_address_wanted = true;
	application_want(&mirror->common, UP_BOTH | UP_PRIM);
}

bool has_fs_failed(struct core *core, struct mirror *mirror)
{
	if (mirror->fs.said.is_local_failed || mirror->fs.said.is_refused ||
		mirror->fs.said.is_stopped)
		return true;
	return mirror->fs.is_dead &&
	       has_passed(core, &mirror->common, mirror->fs.dead_ns, FS_PATIENCE_NS);
}

enum wait_reason fs_failure(const struct mirror *mirror)
{
	if (mirror->fs.is_rolled_back)
		return WAIT_ROLLED_BACK;
	if (mirror->tenure.is_unfit)
		return WAIT_UNFIT;
	if (mirror->fs.said.is_wrong_copy)
		return WAIT_WRONG_COPY;
	if (mirror->fs.is_behind)
		return WAIT_BEHIND;
	return mirror->fs.said.is_refused ? WAIT_REFUSED : WAIT_DISK;
}

bool give_way(struct core *core, struct mirror *mirror)
{
	mirror_tell(core, mirror, TELL_LOST);
	mirror->tenure.has_lost = true;
	return fence(core, mirror, WAIT_NONE);
}

bool claiming_advance(struct core *core, struct mirror *mirror)
{
	enum fs_order order = FS_ORDER_PRIMARY;

	if (mirror->fs.role == FS_SECONDARY)
		order = FS_ORDER_PROMOTE;
	if (mirror->fs.role == FS_PRIMARY)
		order = FS_ORDER_GO_ALONE;
	order_fs(core, mirror, order);
	if (mirror->loss.is_held)
		order_fs(core, mirror, FS_ORDER_RESUME);
	mirror->loss.is_held = false;
	return mirror_move(core, mirror, STEP_MOUNTING);
}

/* The record spoke of a copy that is not here. Where the other node's is good, it is the one. */
static bool give_up_claim(struct core *core, struct mirror *mirror)
{
	bool has_peer = record_is_good(&mirror->tenure.before_claim, mirror->common.config.peer);

	if (!mirror->fs.said.is_wrong_copy || !has_peer)
		return fence(core, mirror, fs_failure(mirror));
	mirror_tell(core, mirror, TELL_WRONG_COPY);
	tenure_renounce(core, mirror);
	return fence(core, mirror, WAIT_NONE);
}

bool mounting_advance(struct core *core, struct mirror *mirror)
{
	if (peer_outranks(core, mirror))
		return give_way(core, mirror);
	if (has_fs_failed(core, mirror) || mirror->fs.is_rolled_back)
		return give_up_claim(core, mirror);
	bool is_slow = has_passed(core, &mirror->common, mirror->fs.ordered_ns, ORDER_SLOW_NS);
	if (mirror->fs.is_order_open && mirror->common.wants_stop && is_slow)
		return leave(core, mirror); /* it hangs: whoever stops it does not wait for that */
	if (mirror->fs.is_order_open || mirror->fs.role != FS_PRIMARY)
		return false;
	mirror->wants.any_copy = false;
	serve(mirror);
	return mirror_move(core, mirror, STEP_ALONE);
}

/* ---- common to all serving steps ---- */

static void quieten(struct core *core, struct mirror *mirror)
{
	application_kill(core, &mirror->common);
	mirror->common.application.is_address_wanted = false;
	application_advance(core, &mirror->common);
}

/* This node cannot serve: the good peer goes on, without anything of ours that still could run. */
static bool hand_over_failed(struct core *core, struct mirror *mirror, enum mirror_tells why)
{
	mirror_tell(core, mirror, why);
	quieten(core, mirror);
	mirror->tenure.is_fenced = true;
	order_fs(core, mirror, FS_ORDER_HOLD);
	return mirror_move(core, mirror, STEP_QUIETING);
}

static bool on_fs_failure(struct core *core, struct mirror *mirror)
{
	if (mirror->step == STEP_PAIRED && peer_is_good_second(core, mirror))
		return hand_over_failed(core, mirror, TELL_DISK_FAILED);
	return fence(core, mirror, fs_failure(mirror));
}

static bool is_unfit(const struct core *core, const struct mirror *mirror)
{
	return (mirror_has_lost_mount(mirror) || mirror_is_stuck(core, mirror)) &&
	       !planted(PLANTED_UNHEEDED);
}

bool mirror_must_hand_over(const struct core *core, const struct mirror *mirror)
{
	return is_unfit(core, mirror) && peer_is_good_second(core, mirror) &&
	       peer_is_sound(core, mirror);
}

/*
 * The mount is gone: whatever runs on writes where nobody replicates it, so it is killed; a peer that
 * cannot be given the service is lost first. What is stuck may go on by itself: it gives the service
 * away only to a peer that is seen to be sound, and otherwise keeps it.
 */
static bool on_unfit(struct core *core, struct mirror *mirror)
{
	bool is_up = mirror->common.application.up != 0 || mirror->common.application.wanted != 0;

	if (mirror->step == STEP_PAIRED && mirror_must_hand_over(core, mirror)) {
		mirror->tenure.is_unfit = true;
		return hand_over_failed(core, mirror, TELL_UNFIT);
	}
	if (!mirror_has_lost_mount(mirror))
		return false;
	if (mirror->step == STEP_PAIRED || step_is_in(mirror->step, GROUP_LOSING)) {
		if (is_up)
			quieten(core, mirror);
		return false;
	}
	mirror_tell(core, mirror, TELL_MOUNT_ANEW);
	int64_t last_ns = mirror->wait.mounted_anew_ns;
	bool is_repeated = last_ns != 0 && core->now_ns - last_ns < MOUNT_ANEW_NS;
	mirror->wait.mounted_anew_ns = core->now_ns;
	mirror->tenure.is_unfit = true;
	return fence(core, mirror, is_repeated ? WAIT_UNFIT : WAIT_NONE);
}

/* The stream stands, and the peer could serve at once. */
static bool can_hand_over(const struct core *core, const struct mirror *mirror)
{
	return mirror->step == STEP_PAIRED && !mirror->loss.is_held &&
	       !mirror->fs.said.is_peer_lost && peer_is_good_second(core, mirror) &&
	       !peer_is_stuck(core, mirror) && !peer_differs(mirror);
}

static bool hand_over(struct core *core, struct mirror *mirror)
{
	application_want(&mirror->common, 0);
	return mirror_move(core, mirror, STEP_QUIETING);
}

static bool on_application_failed(struct core *core, struct mirror *mirror)
{
	if (can_hand_over(core, mirror))
		return hand_over(core, mirror);
	if (mirror->step == STEP_PAIRED && (mirror->loss.is_held || mirror->fs.said.is_peer_lost))
		return false; /* that first */
	mirror_block(core, mirror, WAIT_APPLICATION);
	return leave(core, mirror);
}

static bool on_stop(struct core *core, struct mirror *mirror)
{
	if (can_hand_over(core, mirror))
		return hand_over(core, mirror);
	/* Answers are held and nobody may let them go, so no script that writes could end. */
	if (mirror->loss.is_held)
		return fence(core, mirror, WAIT_NONE);
	if (mirror->fs.said.is_peer_lost || step_is_in(mirror->step, GROUP_LOSING))
		return false; /* that first: then scripts can end */
	return leave(core, mirror);
}

bool primary_common(struct core *core, struct mirror *mirror)
{
	bool is_leaving_late = mirror->step == STEP_SHRINKING || mirror->step == STEP_PARTING;

	if (mirror->step == STEP_GROWING)
		return false; /* its record decided: as a pair from the next step on */
	if (peer_outranks(core, mirror) && !planted(PLANTED_BOTH_HOLD))
		return give_way(core, mirror);
	if (has_fs_failed(core, mirror))
		return on_fs_failure(core, mirror);
	if (is_unfit(core, mirror) && on_unfit(core, mirror))
		return true;
	if (is_leaving_late)
		return false;
	if (mirror->common.wants_stop)
		return on_stop(core, mirror);
	if (mirror_lacks_address(core, mirror) && can_hand_over(core, mirror) &&
		peer_is_sound(core, mirror)) {
		mirror_tell(core, mirror, TELL_UNREACHED);
		return hand_over(core, mirror);
	}
	if (mirror->common.application.is_failed && !step_is_in(mirror->step, GROUP_LOSING))
		return on_application_failed(core, mirror);
	return false;
}

/* ---- bringing the peer up to date ---- */

static bool is_peer_following(const struct core *core, const struct mirror *mirror)
{
	const struct summary *peer = &mirror->peer.shows;

	return peer_is_heard(core, mirror) && peer->fs_role == FS_SECONDARY &&
	       peer->record.role == RECORD_ROLE_SECONDARY &&
	       peer->record.epoch.number == mirror->common.record.epoch.number &&
	       peer->record.epoch.node == mirror->common.record.epoch.node &&
	       set_id_is_equal(&peer->record, &mirror->common.record);
}

/* After three drops in ten minutes the next attempt waits until the first of them is old (R20). */
bool mirror_is_resting(const struct core *core, const struct mirror *mirror)
{
	int64_t oldest = mirror->drops.times_ns[mirror->drops.next];

	return oldest != 0 && core->now_ns - oldest < DROPS_WINDOW_NS;
}

static int64_t retry_gap_ns_of(uint32_t failures)
{
	uint32_t doublings = MIN_OF(failures - 1, 7u);

	return MIN_OF(RESYNC_RETRY_NS << doublings, RESYNC_RETRY_MAX_NS);
}

/* Each attempt waits longer than the one before; the same is said again when that has happened twice
 * as often. */
static void note_failure(struct core *core, struct mirror *mirror)
{
	struct resync *resync = &mirror->resync;

	resync->failures += resync->failures < UINT32_MAX;
	int64_t gap_ns = retry_gap_ns_of(resync->failures);
	resync->retry_ns = core->now_ns + gap_ns;
	if (resync->failures == 1)
		mirror_tell(core, mirror,
			mirror->fs.said.is_peer_lost ? TELL_RESYNC_LOST : TELL_RESYNC_ENDED);
	else if ((resync->failures & (resync->failures - 1)) == 0)
		mirror_tell_failures(core, mirror, gap_ns);
}

/* The peer may have adopted this generation, or answers may wait for it: an epoch parts the two. */
static bool part_from_target(struct core *core, struct mirror *mirror)
{
	note_failure(core, mirror);
	tenure_shrink(core, mirror);
	return mirror_move(core, mirror, STEP_SHRINKING);
}

/* Nobody has waited for the peer yet, as far as is known here: then the tenure goes on as it is. Where
 * evenkeel-fs knows better it refuses (parting_advance()). */
static bool give_up_target(struct core *core, struct mirror *mirror)
{
	if (mirror->fs.said.is_target_complete || mirror->step == STEP_COMPLETE)
		return part_from_target(core, mirror);
	note_failure(core, mirror);
	order_fs(core, mirror, FS_ORDER_GO_ALONE);
	mirror->resync.is_given_up = true;
	return mirror_move(core, mirror, STEP_PARTING);
}

static bool is_adopted_there(const struct core *core, const struct mirror *mirror)
{
	const struct record *theirs = &mirror->peer.shows.record;

	return is_peer_following(core, mirror) && theirs->is_complete &&
	       generation_is_equal(theirs->generation, mirror->common.record.generation);
}

/* While this node was away, the other claimed by a person's word and gave it up again: its record
 * names this one, in an epoch above ours, and it follows nobody below that. */
static bool is_named_above(const struct core *core, const struct mirror *mirror)
{
	const struct record *theirs = &mirror->peer.shows.record;

	return peer_is_heard(core, mirror) && theirs->holder == core->config.self &&
	       theirs->good == node_mask(core->config.self) &&
	       theirs->epoch.number > mirror->common.record.epoch.number;
}

bool alone_advance(struct core *core, struct mirror *mirror)
{
	bool is_target = is_peer_following(core, mirror) && !peer_is_stuck(core, mirror) &&
			 !mirror->peer.shows.record.is_complete;

	if (mirror->wants.overrule || is_named_above(core, mirror)) {
		tenure_shrink(core, mirror);
		return mirror_move(core, mirror, STEP_SHRINKING);
	}
	/* A predecessor had it brought up to date; whether answers wait for it is not known here. */
	if (is_adopted_there(core, mirror))
		return part_from_target(core, mirror);
	if (!is_target)
		mirror->resync.retry_ns = 0; /* when it comes back something has changed */
	if (!is_target || !application_is_settled(&mirror->common))
		return false;
	if (core->now_ns < mirror->resync.retry_ns) {
		wake_at(&mirror->common, mirror->resync.retry_ns);
		return false;
	}
	if (mirror_is_resting(core, mirror)) {
		wake_at(&mirror->common,
			mirror->drops.times_ns[mirror->drops.next] + DROPS_WINDOW_NS);
		return false;
	}
	order_fs(core, mirror, FS_ORDER_CONNECT);
	return mirror_move(core, mirror, STEP_CONNECTING);
}

bool connecting_advance(struct core *core, struct mirror *mirror)
{
	if (mirror->fs.said.is_peer_lost)
		return give_up_target(core, mirror);
	if (mirror->fs.link != FS_LINK_NONE || mirror->fs.said.is_target_complete)
		return mirror_move(core, mirror, STEP_RESYNCING);
	if (has_passed(core, &mirror->common, mirror->common.since_ns, CONNECT_PATIENCE_NS))
		return give_up_target(core, mirror);
	return false;
}

bool resyncing_advance(struct core *core, struct mirror *mirror)
{
	if (mirror->fs.said.is_peer_lost)
		return give_up_target(core, mirror);
	bool is_adopted = is_adopted_there(core, mirror);
	if (mirror->fs.said.is_target_complete || (mirror->resync.is_known && is_adopted))
		return mirror_move(core, mirror, STEP_COMPLETE);
	if (has_passed(core, &mirror->common, mirror->resync.progress_ns, RESYNC_PATIENCE_NS))
		return give_up_target(core, mirror);
	/* The report was lost with the process that made it. */
	if (!is_adopted)
		mirror->resync.adopted_ns = core->now_ns;
	else if (has_passed(core, &mirror->common, mirror->resync.adopted_ns, CONNECT_PATIENCE_NS))
		return part_from_target(core, mirror);
	return false;
}

bool complete_advance(struct core *core, struct mirror *mirror)
{
	if (mirror->fs.said.is_peer_lost)
		return give_up_target(core, mirror);
	if (!is_adopted_there(core, mirror))
		/* The target's own report may be lost with the process that made it. */
		return has_passed(core, &mirror->common, mirror->common.since_ns,
			       CONNECT_PATIENCE_NS) &&
		       give_up_target(core, mirror);
	tenure_grow(core, mirror);
	return mirror_move(core, mirror, STEP_GROWING);
}

/* ---- paired ---- */

bool growing_advance(struct core *core, struct mirror *mirror)
{
	order_fs(core, mirror, FS_ORDER_PAIR);
	mirror->resync.failures = 0;
	compared_forget(mirror); /* it may be of a tenure that ended before it was acted on */
	return mirror_move(core, mirror, STEP_PAIRED);
}

/*
 * A swap ends in a record here and one there, and the application is stopped before. What is late may
 * answer yet: until then the application runs on.
 */
static bool must_wait_for_state(struct core *core, struct mirror *mirror)
{
	enum recording recording = recording_of(core, mirror);

	if (recording == RECORDING_IN_TIME)
		return false;
	if (mirror->wants.swap && recording != RECORDING_LATE) {
		mirror_tell(core, mirror, TELL_SWAP_UNRECORDABLE);
		mirror->wants.swap = false;
	}
	return true;
}

static bool is_swap_wanted(struct core *core, struct mirror *mirror)
{
	if (mirror->wants.swap &&
		has_passed(core, &mirror->common, mirror->wants.swap_ns, SWAP_PATIENCE_NS))
		mirror->wants.swap = false;
	/* The stream, which is all that leads there now, ends with a swap: neither would serve. */
	if (!member_is_on_network(core, mirror->common.config.peer))
		return false;
	if (must_wait_for_state(core, mirror))
		return false;
	if (mirror->wants.swap || mirror->peer.shows.wants_swap)
		return true;
	if (planted(PLANTED_TAKES_BACK) && mirror->tenure.is_handed)
		return true;
	bool is_misplaced = mirror->common.config.preferred == mirror->common.config.peer;
	return is_misplaced && peer_is_sound(core, mirror) && !mirror->tenure.is_handed &&
	       !mirror->peer.shows.is_second_only &&
	       has_passed(core, &mirror->common, mirror->common.since_ns, PREFERRED_AFTER_NS);
}

bool paired_advance(struct core *core, struct mirror *mirror)
{
	if (mirror->loss.is_held)
		return mirror_move(core, mirror, STEP_HELD);
	if (peer_has_resigned(core, mirror))
		return go_alone(core, mirror);
	bool is_stuck_there = peer_is_stuck(core, mirror) && !planted(PLANTED_UNHEEDED);
	if (mirror->fs.said.is_peer_lost || is_stuck_there || peer_differs(mirror)) {
		mirror_tell(core, mirror,
			mirror->fs.said.is_peer_lost ? TELL_PEER_DROPPED
			: is_stuck_there	     ? TELL_PEER_STUCK
						     : TELL_PEER_DIFFERS);
		mirror->loss.wants_drop = true;
		return mirror_move(core, mirror, STEP_DROPPING);
	}
	serve(mirror);
	if (is_swap_wanted(core, mirror) && can_hand_over(core, mirror))
		return hand_over(core, mirror);
	return false;
}
