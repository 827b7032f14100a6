/*
 * Serving. This node mounts and goes on alone; the peer is brought up to date and recorded as good
 * (R4: grow), lost (loss.c), or the service is handed over to it in order (handover.c).
 */
#include "core/core_internal.h"

void serve(struct module *module)
{
	module->application.is_address_wanted = true;
	application_want(module, UP_BOTH | UP_PRIM);
}

bool has_fs_failed(struct core *core, struct module *module)
{
	if (module->is_local_failed || module->is_refused || module->is_stop_reported)
		return true;
	return module->is_dead && has_passed(core, module, module->dead_ns, FS_PATIENCE_NS);
}

enum wait_reason fs_failure(const struct module *module)
{
	if (module->is_rolled_back)
		return WAIT_ROLLED_BACK;
	if (module->is_wrong_copy)
		return WAIT_WRONG_COPY;
	if (module->is_behind)
		return WAIT_BEHIND;
	return module->is_refused ? WAIT_REFUSED : WAIT_DISK;
}

bool give_way(struct core *core, struct module *module)
{
	text_add(log_add(core, module, "module.lost", SEVERITY_ERROR),
		"the other node serves: this node stops serving at once");
	module->has_lost = true;
	return fence(core, module, WAIT_NONE);
}

bool claiming_advance(struct core *core, struct module *module)
{
	enum fs_order order = FS_ORDER_PRIMARY;

	if (module->fs_role == FS_SECONDARY)
		order = FS_ORDER_PROMOTE;
	if (module->fs_role == FS_PRIMARY)
		order = FS_ORDER_GO_ALONE;
	order_fs(core, module, order);
	if (module->is_held)
		order_fs(core, module, FS_ORDER_RESUME);
	module->is_held = false;
	return mirror_move(core, module, STEP_MOUNTING);
}

/* The record spoke of a copy that is not here. Where the other node's is good, it is the one. */
static bool give_up_claim(struct core *core, struct module *module)
{
	bool has_peer = record_is_good(&module->before_claim, module->config.peer);

	if (!module->is_wrong_copy || !has_peer)
		return fence(core, module, fs_failure(module));
	struct text *text = log_add(core, module, "module.wrong_copy", SEVERITY_ERROR);
	text_add(text, module->detail);
	text_add(text, ": this node does not serve that; the copy of the other node counts");
	tenure_renounce(core, module);
	return fence(core, module, WAIT_NONE);
}

bool mounting_advance(struct core *core, struct module *module)
{
	if (peer_outranks(core, module))
		return give_way(core, module);
	if (has_fs_failed(core, module) || module->is_rolled_back)
		return give_up_claim(core, module);
	if (module->is_order_open || module->fs_role != FS_PRIMARY)
		return false;
	module->is_copy_forced = false;
	serve(module);
	return mirror_move(core, module, STEP_ALONE);
}

/* ---- common to all serving steps ---- */

/* Our disk failed: the good peer goes on, without anything of ours that still could run. */
static bool hand_over_failed(struct core *core, struct module *module)
{
	text_add(log_add(core, module, "module.local_failed", SEVERITY_ERROR),
		"the disk or evenkeel-fs failed on this node; the other node takes over");
	application_kill(core, module);
	module->application.is_address_wanted = false;
	module->is_fenced = true;
	tenure_yield(core, module);
	return mirror_move(core, module, STEP_YIELDING);
}

static bool on_fs_failure(struct core *core, struct module *module)
{
	if (module->step == STEP_PAIRED && peer_is_good_second(core, module))
		return hand_over_failed(core, module);
	return fence(core, module, fs_failure(module));
}

/* The stream stands, and the peer could serve at once. */
static bool can_hand_over(const struct core *core, const struct module *module)
{
	return module->step == STEP_PAIRED && !module->is_held && !module->is_peer_lost &&
	       peer_is_good_second(core, module);
}

static bool hand_over(struct core *core, struct module *module)
{
	application_want(module, 0);
	return mirror_move(core, module, STEP_QUIETING);
}

static bool on_application_failed(struct core *core, struct module *module)
{
	if (can_hand_over(core, module))
		return hand_over(core, module);
	if (module->step == STEP_PAIRED && (module->is_held || module->is_peer_lost))
		return false; /* that first */
	module_block(core, module, WAIT_APPLICATION);
	return leave(core, module);
}

static bool on_stop(struct core *core, struct module *module)
{
	if (can_hand_over(core, module))
		return hand_over(core, module);
	/* Answers are held and nobody may let them go, so no script that writes could end. */
	if (module->is_held)
		return fence(core, module, WAIT_NONE);
	if (module->is_peer_lost || step_is_in(module->step, GROUP_LOSING))
		return false; /* that first: then scripts can end */
	return leave(core, module);
}

bool primary_common(struct core *core, struct module *module)
{
	bool is_leaving_late = module->step == STEP_SHRINKING || module->step == STEP_PARTING;

	if (peer_outranks(core, module) && !planted(PLANTED_BOTH_HOLD))
		return give_way(core, module);
	if (has_fs_failed(core, module))
		return on_fs_failure(core, module);
	if (is_leaving_late || module->step == STEP_GROWING)
		return false;
	if (module->wants_stop)
		return on_stop(core, module);
	if (module->application.is_failed && !step_is_in(module->step, GROUP_LOSING))
		return on_application_failed(core, module);
	return false;
}

/* ---- bringing the peer up to date ---- */

static bool is_peer_following(const struct core *core, const struct module *module)
{
	const struct summary *peer = &module->peer;

	return peer_is_heard(core, module) && peer->fs_role == FS_SECONDARY &&
	       peer->record.role == RECORD_ROLE_SECONDARY &&
	       peer->record.epoch.number == module->record.epoch.number &&
	       peer->record.epoch.node == module->record.epoch.node &&
	       set_id_is_equal(&peer->record, &module->record);
}

/* After three drops in ten minutes the next attempt waits until the first of them is old (R20). */
bool module_is_resting(const struct core *core, const struct module *module)
{
	int64_t oldest = module->drops_ns[module->drops_next];

	return oldest != 0 && core->now_ns - oldest < DROPS_WINDOW_NS;
}

static bool give_up_target(struct core *core, struct module *module)
{
	struct text *text = log_add(core, module, "resync.ended", SEVERITY_WARNING);
	text_add(text, "bringing the other copy up to date ended early");
	if (module->is_peer_lost)
		say_detail(text, module);
	text_add(text, "; it is tried again");
	tenure_shrink(core, module);
	return mirror_move(core, module, STEP_SHRINKING);
}

static bool is_adopted_there(const struct core *core, const struct module *module)
{
	const struct record *theirs = &module->peer.record;

	return is_peer_following(core, module) && theirs->is_complete &&
	       generation_is_equal(theirs->generation, module->record.generation);
}

bool alone_advance(struct core *core, struct module *module)
{
	bool is_target = is_peer_following(core, module) && !module->peer.record.is_complete;

	if (module->wants_overrule) {
		tenure_shrink(core, module);
		return mirror_move(core, module, STEP_SHRINKING);
	}
	/* A predecessor had it brought up to date; whether answers wait for it is not known here. */
	if (is_adopted_there(core, module))
		return give_up_target(core, module);
	if (!is_target || !application_is_settled(module))
		return false;
	if (module_is_resting(core, module)) {
		wake_at(module, module->drops_ns[module->drops_next] + DROPS_WINDOW_NS);
		return false;
	}
	order_fs(core, module, FS_ORDER_CONNECT);
	return mirror_move(core, module, STEP_CONNECTING);
}

bool connecting_advance(struct core *core, struct module *module)
{
	if (module->is_peer_lost)
		return give_up_target(core, module);
	if (module->fs_link != FS_LINK_NONE || module->is_target_complete)
		return mirror_move(core, module, STEP_RESYNCING);
	if (has_passed(core, module, module->since_ns, CONNECT_PATIENCE_NS))
		return give_up_target(core, module);
	return false;
}

bool resyncing_advance(struct core *core, struct module *module)
{
	if (module->is_peer_lost)
		return give_up_target(core, module);
	bool is_adopted = is_adopted_there(core, module);
	if (module->is_target_complete || (module->is_resync_known && is_adopted))
		return mirror_move(core, module, STEP_COMPLETE);
	if (has_passed(core, module, module->progress_ns, RESYNC_PATIENCE_NS))
		return give_up_target(core, module);
	/* The report was lost with the process that made it. */
	if (!is_adopted)
		module->adopted_ns = core->now_ns;
	else if (has_passed(core, module, module->adopted_ns, CONNECT_PATIENCE_NS))
		return give_up_target(core, module);
	return false;
}

bool complete_advance(struct core *core, struct module *module)
{
	if (module->is_peer_lost)
		return give_up_target(core, module);
	if (!is_adopted_there(core, module))
		/* The target's own report may be lost with the process that made it. */
		return has_passed(core, module, module->since_ns, CONNECT_PATIENCE_NS) &&
		       give_up_target(core, module);
	tenure_grow(core, module);
	return mirror_move(core, module, STEP_GROWING);
}

/* ---- paired ---- */

bool growing_advance(struct core *core, struct module *module)
{
	order_fs(core, module, FS_ORDER_PAIR);
	return mirror_move(core, module, STEP_PAIRED);
}

static bool is_swap_wanted(struct core *core, struct module *module)
{
	if (module->wants_swap && has_passed(core, module, module->wants_swap_ns, SWAP_PATIENCE_NS))
		module->wants_swap = false;
	if (module->wants_swap || module->peer.wants_swap)
		return true;
	bool is_misplaced = module->config.preferred == module->config.peer;
	return is_misplaced && !module->is_handed && !module->peer.is_second_only &&
	       has_passed(core, module, module->since_ns, PREFERRED_AFTER_NS);
}

static void log_drop(struct core *core, struct module *module)
{
	struct text *text = log_add(core, module, "peer.dropped", SEVERITY_WARNING);

	text_add(text, "the copy on the other node cannot follow");
	say_detail(text, module);
	text_add(text, ": answers wait until it is recorded as stale");
}

bool paired_advance(struct core *core, struct module *module)
{
	if (module->is_held)
		return mirror_move(core, module, STEP_HELD);
	if (peer_has_resigned(core, module))
		return go_alone(core, module);
	if (module->is_peer_lost) {
		log_drop(core, module);
		module->wants_drop = true;
		return mirror_move(core, module, STEP_DROPPING);
	}
	serve(module);
	if (is_swap_wanted(core, module) && can_hand_over(core, module))
		return hand_over(core, module);
	return false;
}
