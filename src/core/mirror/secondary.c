/*
 * Following a primary. The record says "incomplete, not good" durably before the first change to
 * this copy, "complete" when everything is here and durable, and "good" only after the primary has
 * recorded it (R4: grow). A secondary that cannot keep up, or leaves, says so in its own record
 * first ("not good since epoch + 1"): then the primary needs no arbiter to go on without it.
 */
#include "core/core_internal.h"

bool accept_primary(struct core *core, struct module *module)
{
	module->reason = WAIT_NONE;
	module->application.is_address_wanted = false;
	tenure_accept(core, module);
	return mirror_move(core, module, STEP_ACCEPTING);
}

static bool resign(struct core *core, struct module *module)
{
	tenure_resign(core, module);
	return mirror_move(core, module, STEP_RESIGNING);
}

static bool on_failure(struct core *core, struct module *module)
{
	enum wait_reason reason = module->is_wrong_copy ? WAIT_WRONG_COPY
				  : module->is_refused	? WAIT_REFUSED
							: WAIT_DISK;

	struct text *text = log_add(core, module, "module.local_failed", SEVERITY_ERROR);
	text_add(text, "this copy cannot follow");
	say_detail(text, module);
	text_add(text, ": it counts as stale until it has been brought up to date again");
	module_block(core, module, reason);
	return leave(core, module);
}

/* ---- on the way to SECOND ---- */

bool attaching_advance(struct core *core, struct module *module)
{
	if (has_fs_failed(core, module))
		return on_failure(core, module);
	if (module->wants_stop || module->wants_forced_prim)
		return leave(core, module);
	if (module->is_order_open || module->fs_role != FS_SECONDARY)
		return false;
	application_want(module, UP_BOTH | UP_SECOND);
	return mirror_move(core, module, STEP_FOLLOWING);
}

static bool is_primary_gone(struct core *core, struct module *module)
{
	if (member_is_silent(core, module->config.peer)) {
		if (!member_is_talking(core, module->config.peer))
			return true;
		wake_at(module,
			core->members[module->config.peer].heard_ns + core->config.margin_ns);
		return false;
	}
	wake_at(module, member_suspicion_at(core, module->config.peer, core->config.silence_ns));
	return peer_is_heard(core, module) && !peer_is_primary(core, module);
}

static bool is_epoch_equal(const struct module *module)
{
	return module->peer.record.epoch.number == module->record.epoch.number &&
	       module->peer.record.epoch.node == module->record.epoch.node;
}

static bool is_counted_on(const struct core *core, const struct module *module)
{
	return module->is_peer_known && is_epoch_equal(module) &&
	       record_is_good(&module->peer.record, core->config.self);
}

/* True if the module moved, or has nothing more to do in its own step. */
static bool is_following_over(struct core *core, struct module *module, bool *out_moved)
{
	*out_moved = true;
	bool is_leaving = has_fs_failed(core, module) || module->wants_stop;
	/* The primary has recorded this copy as good already: it hears otherwise first. */
	if (is_leaving && is_counted_on(core, module))
		return resign(core, module);
	if (has_fs_failed(core, module))
		return on_failure(core, module);
	if (module->wants_stop || module->wants_forced_prim)
		return leave(core, module);
	if (is_primary_gone(core, module))
		return leave(core, module);
	if (module_can_follow(core, module) && !is_epoch_equal(module))
		return accept_primary(core, module);
	*out_moved = false;
	return !is_epoch_equal(module) || !module->is_peer_known;
}

bool following_advance(struct core *core, struct module *module)
{
	bool has_moved;

	if (is_following_over(core, module, &has_moved))
		return has_moved;
	if (!module->is_adopted)
		return false;
	tenure_adopt(core, module);
	return mirror_move(core, module, STEP_ADOPTING);
}

bool adopted_advance(struct core *core, struct module *module)
{
	bool has_moved;

	if (is_following_over(core, module, &has_moved))
		return has_moved;
	if (module->is_behind)
		return is_counted_on(core, module) ? resign(core, module) : leave(core, module);
	bool is_called_good =
		record_is_good(&module->peer.record, core->config.self) &&
		generation_is_equal(module->peer.record.generation, module->record.generation);
	if (!is_called_good && !planted(PLANTED_SELF_MADE_GOOD))
		return false;
	tenure_join(core, module);
	return mirror_move(core, module, STEP_JOINING);
}

/* ---- SECOND ---- */

bool peer_has_handed_over(const struct core *core, const struct module *module)
{
	const struct record *theirs = &module->peer.record;

	/* Old news may be outdated: the old primary serves again when nobody took over (takeover.c). */
	int64_t age = core->now_ns - module->peer_echo_ns;
	if (module->peer_echo_ns == 0 || age >= core->config.silence_ns - core->config.margin_ns)
		return false;
	return module->is_peer_known && theirs->holder == core->config.self &&
	       theirs->epoch.node == core->config.self &&
	       theirs->epoch.number > module->record.epoch.number &&
	       record_is_good(theirs, core->config.self) && module_is_good_here(core, module) &&
	       generation_is_equal(theirs->generation, module->record.generation);
}

bool secondary_claim(struct core *core, struct module *module, bool is_handed)
{
	application_want(module, UP_BOTH);
	module->is_handed = is_handed;
	tenure_claim(core, module);
	module->wants_forced_prim = false;
	module->wants_swap = false;
	return mirror_move(core, module, STEP_CLAIMING);
}

static bool is_swap_over(struct core *core, struct module *module)
{
	return module->wants_swap &&
	       has_passed(core, module, module->wants_swap_ns, SWAP_PATIENCE_NS);
}

static bool suspect(struct core *core, struct module *module)
{
	module->suspect_ns = core->now_ns;
	module->first_grant_ns = 0;
	module->has_asked = false;
	module->ask_ns = core->now_ns;
	return mirror_move(core, module, STEP_SUSPECTING);
}

bool suspect_if_silent(struct core *core, struct module *module)
{
	int64_t threshold = suspect_after_ns(core);
	uint8_t peer = module->config.peer;

	if (core->members[peer].is_gone || member_suspicion_ns(core, peer) >= threshold)
		return suspect(core, module);
	wake_at(module, member_suspicion_at(core, peer, threshold));
	return false;
}

/*
 * What this copy had received was kept in memory until it was applied. The processes that kept it
 * are gone, all of them, while the machine ran on: it does not serve by itself (R6). While the
 * primary lives, that is the good copy; if not, this one may still be the better of the two.
 */
static bool on_behind(struct core *core, struct module *module)
{
	if (!has_fs_failed(core, module) && !peer_is_primary(core, module))
		return peer_is_heard(core, module) ? suspect(core, module)
						   : suspect_if_silent(core, module);
	text_add(log_add(core, module, "module.behind", SEVERITY_ERROR),
		"this copy may lack what was sent here last: it counts as stale until it has been "
		"brought up to date again");
	return resign(core, module);
}

bool second_advance(struct core *core, struct module *module)
{
	module_eligible(core, module);
	if (module->is_behind)
		return on_behind(core, module);
	if (peer_has_handed_over(core, module))
		return secondary_claim(core, module, true);
	if (module_can_follow(core, module) && !is_epoch_equal(module))
		return accept_primary(core, module);
	bool is_dropped =
		module->is_peer_known && module->peer.wants_drop && is_epoch_equal(module);
	if (module->wants_stop || has_fs_failed(core, module) || is_dropped)
		return resign(core, module);
	if (is_swap_over(core, module))
		module->wants_swap = false;
	if (peer_is_heard(core, module) && !peer_is_primary(core, module) && !module->is_dead &&
		module_is_chosen(core, module))
		return secondary_claim(core, module, false);
	return suspect_if_silent(core, module);
}

bool resigned_advance(struct core *core, struct module *module)
{
	bool is_peer_on = module->is_peer_known &&
			  module->peer.record.epoch.number >= module->record.epoch.number;
	bool has_failed_here = has_fs_failed(core, module);

	if (module->wants_stop || has_failed_here) {
		if (!is_peer_on && !member_is_silent(core, module->config.peer) &&
			!has_passed(core, module, module->since_ns, RESIGN_PATIENCE_NS))
			return false;
		return has_failed_here && !module->wants_stop ? on_failure(core, module)
							      : leave(core, module);
	}
	if (module_can_follow(core, module))
		return accept_primary(core, module);
	return is_primary_gone(core, module) ? leave(core, module) : false;
}

/* ---- records on their way, and what follows them ---- */

bool accepting_advance(struct core *core, struct module *module)
{
	order_fs(core, module, FS_ORDER_SECONDARY);
	return mirror_move(core, module, STEP_ATTACHING);
}

bool adopting_advance(struct core *core, struct module *module)
{
	module->is_rolled_back = false;
	return mirror_move(core, module, STEP_ADOPTED);
}

bool joining_advance(struct core *core, struct module *module)
{
	return mirror_move(core, module, STEP_SECOND);
}

bool resigning_advance(struct core *core, struct module *module)
{
	return mirror_move(core, module, STEP_RESIGNED);
}
