/*
 * Following a primary. The record says "incomplete, not good" durably before the first change to
 * this copy, "complete" when everything is here and durable, and "good" only after the primary has
 * recorded it (R4: grow). A secondary that cannot keep up, or leaves, says so in its own record
 * first ("not good since epoch + 1"): then the primary needs no arbiter to go on without it.
 */
#include "core/mirror/mirror.h"

bool accept_primary(struct core *core, struct mirror *mirror)
{
	mirror->wait.reason = WAIT_NONE;
	mirror->common.application.is_address_wanted = false;
	tenure_accept(core, mirror);
	return mirror_move(core, mirror, STEP_ACCEPTING);
}

static bool resign(struct core *core, struct mirror *mirror)
{
	tenure_resign(core, mirror);
	return mirror_move(core, mirror, STEP_RESIGNING);
}

static bool on_failure(struct core *core, struct mirror *mirror)
{
	enum wait_reason reason = mirror->fs.said.is_wrong_copy ? WAIT_WRONG_COPY
				  : mirror->fs.is_rolled_back	? WAIT_ROLLED_BACK
				  : mirror->fs.said.is_refused	? WAIT_REFUSED
								: WAIT_DISK;

	mirror_tell(core, mirror, TELL_CANNOT_FOLLOW);
	mirror_block(core, mirror, reason);
	return leave(core, mirror);
}

/* ---- on the way to SECOND ---- */

bool attaching_advance(struct core *core, struct mirror *mirror)
{
	if (has_fs_failed(core, mirror))
		return on_failure(core, mirror);
	if (mirror->common.wants_stop || mirror->wants.forced_prim)
		return leave(core, mirror);
	if (mirror->fs.is_order_open || mirror->fs.role != FS_SECONDARY)
		return false;
	application_want(&mirror->common, UP_BOTH | UP_SECOND);
	return mirror_move(core, mirror, STEP_FOLLOWING);
}

static bool is_primary_gone(struct core *core, struct mirror *mirror)
{
	if (member_is_silent(core, mirror->common.config.peer)) {
		if (!member_is_talking(core, mirror->common.config.peer))
			return true;
		wake_at(&mirror->common, core->members[mirror->common.config.peer].living.heard_ns +
						 core->config.margin_ns);
		return false;
	}
	wake_at(&mirror->common,
		member_suspicion_at(core, mirror->common.config.peer, core->config.silence_ns));
	return peer_is_heard(core, mirror) && !peer_is_primary(core, mirror);
}

static bool is_epoch_equal(const struct mirror *mirror)
{
	return mirror->peer.shows.record.epoch.number == mirror->common.record.epoch.number &&
	       mirror->peer.shows.record.epoch.node == mirror->common.record.epoch.node;
}

static bool is_counted_on(const struct core *core, const struct mirror *mirror)
{
	return mirror->peer.is_known && is_epoch_equal(mirror) &&
	       record_is_good(&mirror->peer.shows.record, core->config.self);
}

/* True if the module moved, or has nothing more to do in its own step. */
static bool is_following_over(struct core *core, struct mirror *mirror, bool *out_moved)
{
	*out_moved = true;
	bool is_unmounted = mirror_has_lost_mount(mirror);
	bool is_leaving = has_fs_failed(core, mirror) || mirror->common.wants_stop || is_unmounted;
	/* The primary has recorded this copy as good already: it hears otherwise first. */
	if (is_leaving && is_counted_on(core, mirror))
		return resign(core, mirror);
	if (has_fs_failed(core, mirror))
		return on_failure(core, mirror);
	if (mirror->common.wants_stop || mirror->wants.forced_prim || is_unmounted)
		return leave(core, mirror);
	if (is_primary_gone(core, mirror))
		return leave(core, mirror);
	if (mirror_can_follow(core, mirror) && !is_epoch_equal(mirror))
		return accept_primary(core, mirror);
	*out_moved = false;
	return !is_epoch_equal(mirror) || !mirror->peer.is_known;
}

bool following_advance(struct core *core, struct mirror *mirror)
{
	bool has_moved;

	if (is_following_over(core, mirror, &has_moved))
		return has_moved;
	if (!mirror->fs.said.is_adopted)
		return false;
	tenure_adopt(core, mirror);
	return mirror_move(core, mirror, STEP_ADOPTING);
}

bool adopted_advance(struct core *core, struct mirror *mirror)
{
	bool has_moved;

	if (is_following_over(core, mirror, &has_moved))
		return has_moved;
	if (mirror->fs.is_behind)
		return is_counted_on(core, mirror) ? resign(core, mirror) : leave(core, mirror);
	bool is_called_good = record_is_good(&mirror->peer.shows.record, core->config.self) &&
			      generation_is_equal(mirror->peer.shows.record.generation,
				      mirror->common.record.generation);
	if (!is_called_good && !planted(PLANTED_SELF_MADE_GOOD))
		return false;
	tenure_join(core, mirror);
	return mirror_move(core, mirror, STEP_JOINING);
}

/* ---- SECOND ---- */

bool peer_has_handed_over(const struct core *core, const struct mirror *mirror)
{
	const struct record *theirs = &mirror->peer.shows.record;

	/* Old news may be outdated: the old primary serves again when nobody took over (takeover.c). */
	int64_t age = core->now_ns - mirror->peer.echo_ns;
	if (mirror->peer.echo_ns == 0 || age >= core->config.silence_ns - core->config.margin_ns)
		return false;
	return mirror->peer.is_known && theirs->holder == core->config.self &&
	       theirs->epoch.node == core->config.self &&
	       theirs->epoch.number > mirror->common.record.epoch.number &&
	       record_is_good(theirs, core->config.self) && mirror_is_good_here(core, mirror) &&
	       generation_is_equal(theirs->generation, mirror->common.record.generation);
}

static bool is_swap_over(struct core *core, struct mirror *mirror)
{
	return mirror->wants.swap &&
	       has_passed(core, &mirror->common, mirror->wants.swap_ns, SWAP_PATIENCE_NS);
}

static bool suspect(struct core *core, struct mirror *mirror)
{
	mirror->loss.suspect_ns = core->now_ns;
	mirror->loss.is_intent_late = false;
	inquiry_begin(&mirror->ask, core->now_ns);
	return mirror_move(core, mirror, STEP_SUSPECTING);
}

bool suspect_if_silent(struct core *core, struct mirror *mirror)
{
	int64_t threshold = suspect_after_ns(core);
	uint8_t peer = mirror->common.config.peer;

	if (core->members[peer].is_gone || member_suspicion_ns(core, peer) >= threshold)
		return suspect(core, mirror);
	wake_at(&mirror->common, member_suspicion_at(core, peer, threshold));
	return false;
}

/*
 * What this copy had received was kept in memory until it was applied. The processes that kept it
 * are gone, all of them, while the machine ran on: it does not serve by itself (R6). While the
 * primary lives, that is the good copy; if not, this one may still be the better of the two.
 */
static bool on_behind(struct core *core, struct mirror *mirror)
{
	if (!has_fs_failed(core, mirror) && !peer_is_primary(core, mirror))
		return peer_is_heard(core, mirror) ? suspect(core, mirror)
						   : suspect_if_silent(core, mirror);
	mirror_tell(core, mirror, TELL_BEHIND);
	return resign(core, mirror);
}

/* A primary that came back without its processes, or that nobody hears, may have lost what lies here:
 * there is nobody to leave the service to. */
static bool is_nobody_served(const struct core *core, const struct mirror *mirror)
{
	return !peer_is_heard(core, mirror) ||
	       (!peer_is_primary(core, mirror) && mirror->peer.shows.fs_role == FS_NONE);
}

/* While the primary lives, a copy that cannot follow must not hold it up. */
static bool is_in_the_way(const struct core *core, const struct mirror *mirror)
{
	return peer_is_primary(core, mirror) && !planted(PLANTED_UNHEEDED) &&
	       (mirror_is_stuck(core, mirror) || mirror_has_lost_mount(mirror));
}

bool second_advance(struct core *core, struct mirror *mirror)
{
	mirror_note_eligible(core, mirror);
	if (mirror->fs.is_behind)
		return on_behind(core, mirror);
	if (peer_has_handed_over(core, mirror))
		return secondary_claim(core, mirror, true);
	if (mirror_can_follow(core, mirror) && !is_epoch_equal(mirror))
		return accept_primary(core, mirror);
	if (is_in_the_way(core, mirror)) {
		mirror_tell(core, mirror, TELL_STUCK);
		return resign(core, mirror);
	}
	bool is_dropped =
		mirror->peer.is_known && mirror->peer.shows.wants_drop && is_epoch_equal(mirror);
	if (mirror->common.wants_stop && is_nobody_served(core, mirror))
		return suspect(core, mirror);
	if (mirror->common.wants_stop || has_fs_failed(core, mirror) || is_dropped)
		return resign(core, mirror);
	if (is_swap_over(core, mirror))
		mirror->wants.swap = false;
	if (peer_is_heard(core, mirror) && !peer_is_primary(core, mirror) && !mirror->fs.is_dead &&
		mirror_is_chosen(core, mirror))
		return secondary_claim(core, mirror, false);
	return suspect_if_silent(core, mirror);
}

bool resigned_advance(struct core *core, struct mirror *mirror)
{
	bool is_peer_on = mirror->peer.is_known && mirror->peer.shows.record.epoch.number >=
							   mirror->common.record.epoch.number;
	bool has_failed_here = has_fs_failed(core, mirror);
	bool is_unmounted = mirror_has_lost_mount(mirror);

	if (mirror->common.wants_stop || has_failed_here || is_unmounted) {
		if (!is_peer_on && !member_is_silent(core, mirror->common.config.peer) &&
			!has_passed(
				core, &mirror->common, mirror->common.since_ns, RESIGN_PATIENCE_NS))
			return false;
		return has_failed_here && !mirror->common.wants_stop ? on_failure(core, mirror)
								     : leave(core, mirror);
	}
	/* A disk that does not answer would not follow either; once it does, this is tried again. */
	if (mirror_can_follow(core, mirror) && !mirror_is_stuck(core, mirror))
		return accept_primary(core, mirror);
	return is_primary_gone(core, mirror) ? leave(core, mirror) : false;
}

/* ---- records on their way, and what follows them ---- */

bool accepting_advance(struct core *core, struct mirror *mirror)
{
	order_fs(core, mirror, FS_ORDER_SECONDARY);
	return mirror_move(core, mirror, STEP_ATTACHING);
}

bool adopting_advance(struct core *core, struct mirror *mirror)
{
	mirror_look_again(mirror);
	return mirror_move(core, mirror, STEP_ADOPTED);
}

bool joining_advance(struct core *core, struct mirror *mirror)
{
	return mirror_move(core, mirror, STEP_SECOND);
}

bool resigning_advance(struct core *core, struct mirror *mirror)
{
	return mirror_move(core, mirror, STEP_RESIGNED);
}
