/*
 * Before a claim: does anybody else answer at the service address?
 *
 * The last look before this node serves. What made it the one must still hold; and where the service
 * has addresses, a fresh probe must have met nobody: a stranger there stops even a person's word,
 * the other node only what this node chose by itself. Then the claim is recorded.
 */
#include "core/core_internal.h"

static bool may_still_start(struct core *core, struct module *module)
{
	if (module->wants_stop)
		return false;
	if (module->wants_forced_prim && peer_is_primary(core, module)) {
		text_add(log_add(core, module, "prim.late", SEVERITY_WARNING),
			"the other node began to serve before this one could: `prim` is dropped");
		module->wants_forced_prim = false;
	}
	if (module->wants_forced_prim)
		return true;
	if (!peer_is_heard(core, module))
		return module_may_start_alone(core, module);
	return !peer_is_primary(core, module) && module_is_chosen(core, module);
}

static bool back_to_waiting(struct core *core, struct module *module, enum wait_reason reason)
{
	module_block(core, module, reason);
	return mirror_move(core, module, STEP_WAITING);
}

/* A heard peer learns of a person's word first, so that it does not claim in the same moment. */
static bool is_peer_unaware(const struct core *core, const struct module *module)
{
	return module->wants_forced_prim && peer_is_heard(core, module) &&
	       module->peer_echo_ns <= module->since_ns;
}

bool probing_advance(struct core *core, struct module *module)
{
	if (!may_still_start(core, module)) {
		module->reason = WAIT_NONE;
		return mirror_move(core, module, STEP_WAITING);
	}
	if (is_peer_unaware(core, module))
		return false;
	bool is_fresh = module->is_probed && module->probe_ns >= module->since_ns;
	if (module->config.address_count > 0 && !is_fresh) {
		address_probe(core, module);
		return false;
	}
	if (is_fresh && module->probe == PROBE_FOREIGN_ANSWERS)
		return back_to_waiting(core, module, WAIT_ADDRESS_FOREIGN);
	if (is_fresh && module->probe == PROBE_PEER_ANSWERS && !module->wants_forced_prim)
		return back_to_waiting(core, module, WAIT_ADDRESS_PEER);
	module->reason = WAIT_NONE;
	tenure_claim(core, module);
	module->wants_forced_prim = false;
	module->is_handed = false;
	return mirror_move(core, module, STEP_CLAIMING);
}
