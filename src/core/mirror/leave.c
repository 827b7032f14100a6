/*
 * The way out of every role: scripts, address, unmount, and the record of a release in order. A
 * node that knows that it lost (fence) does not ask its application: it is killed, and the address
 * goes first (R10, as far as one daemon can).
 */
#include "core/core_internal.h"

/* A secondary tries again by itself, each time after twice as long. */
static int64_t retry_gap_ns(struct module *module)
{
	int64_t gap = RETRY_GAP_NS << module->failures;

	if (module->failures < RETRY_DOUBLINGS)
		module->failures++;
	return gap;
}

void module_block(struct core *core, struct module *module, enum wait_reason reason)
{
	bool is_address = reason == WAIT_ADDRESS_FOREIGN || reason == WAIT_ADDRESS_PEER;

	module->is_blocked = true;
	module->reason = reason;
	module->retry_ns = NO_TIME;
	if (is_address)
		module->retry_ns = core->now_ns + RETRY_GAP_NS;
	else if (step_is_secondary(module->step) && reason != WAIT_BEHIND)
		module->retry_ns = core->now_ns + retry_gap_ns(module);
	struct status status = { 0 };
	status_say_wait(core, module, &status);
	text_add(log_add(core, module, "module.blocked", SEVERITY_ERROR), status.now.data);
}

bool leave(struct core *core, struct module *module)
{
	application_want(module, 0);
	return mirror_move(core, module, STEP_STOPPING);
}

bool fence(struct core *core, struct module *module, enum wait_reason reason)
{
	application_kill(core, module);
	module->application.is_address_wanted = false;
	module->is_fenced = true;
	if (reason == WAIT_CUT_OFF)
		module->is_cut_off = true;
	else if (reason != WAIT_NONE)
		module_block(core, module, reason);
	return leave(core, module);
}

bool stopping_advance(struct core *core, struct module *module)
{
	if (!application_is_down(module))
		return false;
	module->application.is_address_wanted = false;
	application_advance(core, module);
	if (!module->is_mounted) {
		(void)mirror_move(core, module, STEP_CLOSING);
		return true;
	}
	order_fs(core, module, FS_ORDER_STOP);
	return mirror_move(core, module, STEP_UNMOUNTING);
}

bool unmounting_advance(struct core *core, struct module *module)
{
	if (!module->is_order_open)
		return mirror_move(core, module, STEP_CLOSING);
	if (!module->is_refused && !module->is_local_failed)
		return false;
	/* Somebody holds the mount: asked again, and again. */
	if (!has_passed(core, module, module->since_ns, RETRY_GAP_NS))
		return false;
	module->since_ns = core->now_ns;
	struct text *text = log_add(core, module, "fs.busy", SEVERITY_ERROR);
	text_add(text, "the directory cannot be released: ");
	text_add(text, module->detail);
	order_fs(core, module, FS_ORDER_STOP);
	return false;
}

static void forget_tenure(struct module *module)
{
	module->is_held = false;
	module->wants_drop = false;
	module->wants_swap = false;
	module->wants_overrule = false;
	module->is_fenced = false;
	module->has_lost = false;
	module->is_handed = false;
	module->is_local_failed = false;
	module->is_refused = false;
	module->is_wrong_copy = false;
	module->is_stop_reported = false;
	module->is_peer_lost = false;
	module->is_session_cut = false;
	module->is_dead = false;
	module->is_behind = false;
	module->is_torn = false;
	module->was_eligible = false;
	module->first_grant_ns = 0;
	module->has_asked = false;
	module->has_run = false;
	module->fs_role = FS_NONE;
	module->fs_link = FS_LINK_NONE;
}

/* A record that says so already is not written again. */
static bool is_closed(const struct module *module)
{
	return module->record.role == RECORD_ROLE_NONE &&
	       module->record.is_clean == tenure_is_clean(module) && !module->has_lost &&
	       module->record.should_run == module->should_run;
}

bool closing_advance(struct core *core, struct module *module)
{
	struct application *application = &module->application;

	if (application->is_running_script)
		return false;
	if (module->wants_stop && application->is_prestarted) {
		application->is_prestarted = false;
		(void)application_run(core, module, SCRIPT_POSTSTOP);
		return true;
	}
	if (!is_closed(module)) {
		tenure_close(core, module);
		module->has_lost = false;
		return true;
	}
	forget_tenure(module);
	module->clean_barrier = module->record.is_clean ? module->record.barrier : 0;
	if (!module->wants_stop) {
		if (!module->is_blocked)
			module->reason = WAIT_NONE;
		return mirror_move(core, module, STEP_WAITING);
	}
	module->wants_stop = false;
	module->is_blocked = false;
	module->is_second_only = false;
	module->reason = WAIT_NONE;
	return mirror_move(core, module, STEP_STOPPED);
}
