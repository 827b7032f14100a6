/*
 * A module enters the core: at the start of the machine nothing runs; after a daemon was killed,
 * everything still does, and is taken up where the durable record and evenkeel-fs say it is,
 * without stopping anything (promise 6).
 */
#include "core/core_internal.h"

static enum step resume_primary(struct core *core, struct module *module)
{
	const struct record *record = &module->record;
	bool is_paired = record_is_good(record, module->config.peer);

	if (record->holder == module->config.peer)
		return STEP_YIELDED; /* the predecessor had handed over */
	if (record->holder != core->config.self || !record->is_complete)
		return STEP_STOPPING;
	module->is_resync_known = true;
	if (is_paired) {
		module->is_perhaps_held = true;
		module->is_peer_lost = module->fs_link != FS_LINK_IN_SYNC;
		return STEP_PAIRED;
	}
	if (module->fs_link != FS_LINK_NONE)
		return STEP_RESYNCING;
	/* The predecessor may have recorded, and not yet told evenkeel-fs: told again. */
	return module->fs_epoch.number == record->epoch.number ? STEP_ALONE : STEP_PARTING;
}

static enum step resume_secondary(struct core *core, struct module *module)
{
	const struct record *record = &module->record;

	if (record->holder == core->config.self)
		return record->is_complete ? STEP_MOUNTING : STEP_STOPPING;
	if (record->is_complete && record_is_good(record, core->config.self))
		return STEP_SECOND;
	if (record->is_complete || record->role != RECORD_ROLE_SECONDARY)
		return STEP_STOPPING; /* dropped: from the beginning */
	module->is_adopted = module->fs_link == FS_LINK_IN_SYNC;
	return STEP_FOLLOWING;
}

static enum step resume_step(struct core *core, struct module *module)
{
	if (module->fs_role == FS_PRIMARY)
		return resume_primary(core, module);
	if (module->fs_role == FS_SECONDARY)
		return resume_secondary(core, module);
	if (module->fs_role == FS_FAILED || module->application.up != 0)
		return STEP_STOPPING;
	return STEP_STOPPED;
}

static void resume_application(struct module *module, const struct event *event)
{
	struct application *application = &module->application;
	bool is_primary = module->fs_role == FS_PRIMARY;
	uint8_t up = (uint8_t)(UP_BOTH | (is_primary ? UP_PRIM : UP_SECOND));

	application->is_prestarted = module->fs_role != FS_NONE;
	/* A secondary's scripts leave nothing that can be seen running; they ran all the same. */
	if (event->module_added.is_application_running || module->fs_role == FS_SECONDARY)
		application->up = up;
	application->is_address_held = event->module_added.is_address_held;
}

static void enter(struct core *core, struct module *module, enum step step)
{
	bool is_serving = step_is_primary(step);

	(void)mirror_move(core, module, step);
	if (step == STEP_STOPPING && module->application.up != 0)
		application_kill(core, module);
	if (is_serving) {
		module->application.is_address_wanted = true;
		/* Held by a dead daemon: nobody renews it, so it is held again at once. */
		module->application.is_address_held = false;
		application_want(module, UP_BOTH | UP_PRIM);
	}
	if (step_is_secondary(step))
		application_want(module, UP_BOTH | UP_SECOND);
	module->is_resumed = step == STEP_PARTING;
	if (step == STEP_PARTING)
		order_fs(core, module, FS_ORDER_GO_ALONE);
	if (step == STEP_MOUNTING)
		order_fs(core, module, FS_ORDER_PROMOTE);
}

void module_on_added(struct core *core, struct module *module, const struct event *event)
{
	module->config = event->module_added.config;
	module->record = event->module_added.record;
	module->should_run = module->record.should_run;
	module->barrier = module->record.barrier;
	module->peer_barrier = module->record.peer_barrier;
	module->clean_barrier = module->record.is_clean ? module->record.barrier : 0;
	module->fs_role = event->module_added.fs.role;
	module->fs_link = event->module_added.fs.link;
	module->fs_epoch = event->module_added.fs.epoch;
	module->is_behind = event->module_added.fs.is_behind;
	module->is_mounted = module->fs_role != FS_NONE;
	module->has_run = module->is_mounted;
	module->since_ns = core->now_ns;
	module->progress_ns = core->now_ns;
	for (int i = 0; i < 4; i++) {
		module->random ^= event->module_added.random[i];
		module->random = module_random(module);
	}
	CHECK(module->config.peer >= 1 && module->config.peer <= NODES_MAX);
	CHECK(module->config.peer != core->config.self);
	resume_application(module, event);
	enum step step = resume_step(core, module);
	if (step != STEP_STOPPED)
		enter(core, module, step);
	module->wants_stop = step != STEP_STOPPED && !module->should_run;
}
