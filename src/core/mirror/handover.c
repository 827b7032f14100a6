/*
 * The service is handed over to the good peer in order:
 *
 *	scripts stop, address goes, drain, ONE record (epoch + 1, holder = peer, good = the peer),
 *	which the peer sees in a beat; it begins the epoch after that and serves.
 *
 * A node that cannot serve any more (is_fenced) waits for no script and no drain, which would not end: its
 * application is killed, and evenkeel-fs has a moment to hold its answers.
 *
 * Before that record this node is the holder, after it the peer is; there is nothing between. The
 * peer may have begun without being heard, so this node does not come back by itself, not even by
 * the arbiter's word: it waits for the peer, or for a person. When to hand over: primary.c.
 */
#include "core/mirror/mirror.h"

/* The peer went away meanwhile: this node stays the holder; PAIRED knows what to do about it. */
static bool take_back(struct core *core, struct mirror *mirror)
{
	mirror_tell(core, mirror, TELL_SWAP_GIVEN_UP);
	mirror->wants.swap = false;
	if (mirror->tenure.is_fenced)
		order_fs(core, mirror, FS_ORDER_RESUME);
	mirror->tenure.is_fenced = mirror->tenure.is_unfit = false;
	if (!mirror->common.wants_stop && !mirror->common.application.is_failed)
		serve(mirror);
	return mirror_move(core, mirror, STEP_PAIRED);
}

/* A node that cannot serve needs no stream for it: what was answered is on the good copy. */
static bool is_peer_usable(const struct core *core, const struct mirror *mirror)
{
	if (mirror->tenure.is_fenced)
		return peer_is_good_second(core, mirror);
	return !mirror->loss.is_held && !mirror->fs.said.is_peer_lost;
}

bool quieting_advance(struct core *core, struct mirror *mirror)
{
	if (!is_peer_usable(core, mirror) || !peer_is_good_second(core, mirror))
		return take_back(core, mirror);
	if (mirror->tenure.is_fenced)
		return mirror_move(core, mirror, STEP_DRAINING);
	if (!application_is_down(&mirror->common))
		return false;
	mirror->common.application.is_address_wanted = false;
	application_advance(core, &mirror->common);
	order_fs(core, mirror, FS_ORDER_DRAIN);
	return mirror_move(core, mirror, STEP_DRAINING);
}

bool draining_advance(struct core *core, struct mirror *mirror)
{
	if (!is_peer_usable(core, mirror))
		return take_back(core, mirror);
	bool is_over = mirror->tenure.is_fenced ? has_passed(core, &mirror->common,
							  mirror->common.since_ns, HOLD_PATIENCE_NS)
						: mirror->fs.said.is_drained;
	/* A disk or evenkeel-fs hangs. The peer has what was acknowledged, and takes it when we let go. */
	if (!is_over &&
		has_passed(core, &mirror->common, mirror->common.since_ns, DRAIN_PATIENCE_NS))
		return mirror->common.wants_stop ? fence(core, mirror, WAIT_NONE)
						 : take_back(core, mirror);
	if (!is_over)
		return false;
	tenure_yield(core, mirror);
	return mirror_move(core, mirror, STEP_YIELDING);
}

bool yielded_advance(struct core *core, struct mirror *mirror)
{
	bool is_serving_there =
		peer_is_primary(core, mirror) && mirror_relation(core, mirror) == RELATION_OLDER;

	if (is_serving_there && !mirror->common.wants_stop && mirror_can_follow(core, mirror))
		return accept_primary(core, mirror);
	if (is_serving_there && mirror->common.wants_stop)
		return leave(core, mirror);
	if (mirror->common.wants_stop && member_is_silent(core, mirror->common.config.peer))
		return leave(core, mirror);
	if (!mirror->common.wants_stop && suspect_if_silent(core, mirror))
		return true;
	if (has_fs_failed(core, mirror) && !is_serving_there)
		return leave(core, mirror);
	if (!has_passed(core, &mirror->common, mirror->common.since_ns, YIELD_PATIENCE_NS))
		return false;
	return leave(core, mirror);
}

bool yielding_advance(struct core *core, struct mirror *mirror)
{
	mirror->wants.swap = false;
	if (planted(PLANTED_BOTH_HOLD)) {
		mirror->common.record.holder = core->config.self;
		serve(mirror);
	}
	if (mirror->tenure.is_fenced) {
		mirror_block(core, mirror, fs_failure(mirror));
		return leave(core, mirror);
	}
	return mirror_move(core, mirror, STEP_YIELDED);
}

/*
 * In order: this node keeps the service. After a failure nothing of it can serve any more: it leaves
 * without the record, and the other node, which follows and is good, claims when it sees that. By
 * its old record this node never starts alone.
 */
bool yielding_unrecorded(struct core *core, struct mirror *mirror)
{
	writing_abandon(&mirror->common);
	if (!mirror->tenure.is_fenced)
		return take_back(core, mirror);
	mirror_block(core, mirror, fs_failure(mirror));
	return leave(core, mirror);
}

bool handover_common(struct core *core, struct mirror *mirror)
{
	if (mirror->step == STEP_YIELDING)
		return false; /* its record decided */
	if (peer_outranks(core, mirror))
		return give_way(core, mirror);
	if (mirror->tenure.is_fenced)
		return false;
	if (has_fs_failed(core, mirror))
		return fence(core, mirror, fs_failure(mirror));
	/* Nothing here would come to its end: given away at once, as by a node that serves. */
	if (mirror_must_hand_over(core, mirror))
		return mirror_move(core, mirror, STEP_PAIRED);
	return false;
}
