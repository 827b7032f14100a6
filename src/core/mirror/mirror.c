/*
 * One mirror module on one node: what people see of it, what must always hold, and one step of it.
 * The table of its steps is in steps.c.
 */
#include "core/core_internal.h"

enum mirror_state mirror_state_of(const struct module *module)
{
	if (step_is_in(module->step, GROUP_LEAVING) && module->wants_stop)
		return MIRROR_STOP;
	return step_state(module->step);
}

enum readiness mirror_readiness_of(const struct module *module)
{
	enum readiness readiness = step_readiness(module->step);
	bool is_up = application_is_settled(module) && !module->is_dead && !module->is_held;

	return readiness == READY && !is_up ? TRANSIENT : readiness;
}

/* ---- invariants: the promises, seen from one node ---- */

static void verify_primary(const struct core *core, const struct module *module)
{
	const struct record *record = &module->record;

	CHECK(record->holder == core->config.self);
	CHECK(record->epoch.node == core->config.self);
	CHECK(record->is_complete);
	CHECK(record_is_good(record, core->config.self));
	CHECK(record_has_data(record));
}

static void verify_ready(const struct module *module)
{
	enum mirror_state state = mirror_state_of(module);

	if (mirror_readiness_of(module) != READY)
		return;
	CHECK(!module->is_order_open);
	if (state == MIRROR_SECOND)
		CHECK(module->fs_role == FS_SECONDARY);
	else
		CHECK(module->fs_role == FS_PRIMARY);
}

void mirror_verify(const struct core *core, const struct module *module)
{
	enum step step = module->step;
	const struct record *record = &module->record;

	CHECK(module->config.peer != core->config.self);
	if (step_has(step, STEP_IS_HOLDER))
		verify_primary(core, module);
	if (step_has(step, STEP_LACKS_PEER))
		CHECK(!record_is_good(record, module->config.peer));
	if (step_has(step, STEP_HAS_PEER))
		CHECK(record_is_good(record, module->config.peer));
	if (step_has(step, STEP_IS_STALE))
		CHECK(!record_is_good(record, core->config.self));
	if (step == STEP_SECOND) {
		CHECK(record_is_good(record, core->config.self));
		CHECK(record->is_complete);
		CHECK(record->holder == module->config.peer);
	}
	verify_ready(module);
}

/* ---- one step ---- */

bool prestart_advance(struct core *core, struct module *module)
{
	struct application *application = &module->application;

	if (application->is_running_script)
		return false;
	if (module->wants_stop)
		return leave(core, module);
	if (application->is_prestarted)
		return mirror_move(core, module, STEP_WAITING);
	application->is_prestarted = true;
	(void)application_run(core, module, SCRIPT_PRESTART);
	return true;
}

bool stopped_advance(struct core *core, struct module *module)
{
	bool is_wanted = module->should_run && !core->is_shutting_down;

	if (!is_wanted || module->application.is_running_script)
		return false;
	return mirror_move(core, module, STEP_PRESTART);
}

bool mirror_advance(struct core *core, struct module *module)
{
	application_advance(core, module);
	step_guard(core, module);
	if (module->is_write_failed && module->step == STEP_YIELDING)
		return yielding_unrecorded(core, module);
	if (module->is_write_failed) {
		if (!has_passed(core, module, module->since_ns, WRITE_RETRY_NS))
			return false;
		module->since_ns = core->now_ns;
		module->is_write_failed = false;
		action_add(core, module, ACTION_WRITE_RECORD)->write_record.record =
			module->writing;
	}
	if (module->is_writing)
		return false;
	return step_advance(core, module) || tenure_tidy(core, module);
}
