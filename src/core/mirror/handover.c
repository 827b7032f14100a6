/*
 * The service is handed over to the good peer in order:
 *
 *	scripts stop, address goes, drain, ONE record (epoch + 1, holder = peer, good = the peer),
 *	which the peer sees in a beat; it begins the epoch after that and serves.
 *
 * Before that record this node is the holder, after it the peer is; there is nothing between. The
 * peer may have begun without being heard, so this node does not come back by itself, not even by
 * the arbiter's word: it waits for the peer, or for a person. When to hand over: primary.c.
 */
#include "core/core_internal.h"

/* The peer went away meanwhile: this node stays the holder; PAIRED knows what to do about it. */
static bool take_back(struct core *core, struct module *module)
{
	text_add(log_add(core, module, "swap.given_up", SEVERITY_WARNING),
		"the other node cannot take over now: this node keeps the service");
	module->wants_swap = false;
	if (!module->wants_stop && !module->application.is_failed)
		serve(module);
	return mirror_move(core, module, STEP_PAIRED);
}

static bool is_peer_usable(const struct module *module)
{
	return !module->is_held && !module->is_peer_lost;
}

bool quieting_advance(struct core *core, struct module *module)
{
	if (!is_peer_usable(module) || !peer_is_good_second(core, module))
		return take_back(core, module);
	if (!application_is_down(module))
		return false;
	module->application.is_address_wanted = false;
	application_advance(core, module);
	order_fs(core, module, FS_ORDER_DRAIN);
	return mirror_move(core, module, STEP_DRAINING);
}

bool draining_advance(struct core *core, struct module *module)
{
	if (!is_peer_usable(module))
		return take_back(core, module);
	if (!module->is_drained)
		return false;
	tenure_yield(core, module);
	return mirror_move(core, module, STEP_YIELDING);
}

bool yielded_advance(struct core *core, struct module *module)
{
	bool is_serving_there =
		peer_is_primary(core, module) && module_relation(core, module) == RELATION_OLDER;

	if (is_serving_there && !module->wants_stop && module_can_follow(core, module))
		return accept_primary(core, module);
	if (is_serving_there && module->wants_stop)
		return leave(core, module);
	if (module->wants_stop && member_is_silent(core, module->config.peer))
		return leave(core, module);
	if (!module->wants_stop && suspect_if_silent(core, module))
		return true;
	if (has_fs_failed(core, module) && !is_serving_there)
		return leave(core, module);
	if (!has_passed(core, module, module->since_ns, YIELD_PATIENCE_NS))
		return false;
	return leave(core, module);
}

bool yielding_advance(struct core *core, struct module *module)
{
	module->wants_swap = false;
	if (planted(PLANTED_BOTH_HOLD)) {
		module->record.holder = core->config.self;
		serve(module);
	}
	if (module->is_fenced) {
		module_block(core, module, fs_failure(module));
		return leave(core, module);
	}
	return mirror_move(core, module, STEP_YIELDED);
}

/*
 * In order: this node keeps the service. After a failure nothing of it can serve any more: it leaves
 * without the record, and the other node, which follows and is good, claims when it sees that. By
 * its old record this node never starts alone.
 */
bool yielding_unrecorded(struct core *core, struct module *module)
{
	tenure_abandon(module);
	if (!module->is_fenced)
		return take_back(core, module);
	module_block(core, module, fs_failure(module));
	return leave(core, module);
}

bool handover_common(struct core *core, struct module *module)
{
	if (module->step == STEP_YIELDING)
		return false; /* its record decided */
	if (peer_outranks(core, module))
		return give_way(core, module);
	if (has_fs_failed(core, module))
		return fence(core, module, fs_failure(module));
	return false;
}
