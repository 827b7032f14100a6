/*
 * A module enters the core: at the start of the machine nothing runs; after a daemon was killed,
 * everything still does, and is taken up where the durable record and evenkeel-fs say it is,
 * without stopping anything (promise 6).
 */
#include "core/mirror/mirror.h"

static enum step resume_primary(struct core *core, struct mirror *mirror)
{
	const struct record *record = &mirror->common.record;
	bool is_paired = record_is_good(record, mirror->common.config.peer);

	if (record->holder == mirror->common.config.peer)
		return STEP_YIELDED; /* the predecessor had handed over */
	if (record->holder != core->config.self || !record->is_complete)
		return STEP_STOPPING;
	mirror->resync.is_known = true;
	if (is_paired) {
		mirror->fs.is_perhaps_held = true;
		mirror->fs.said.is_peer_lost = mirror->fs.link != FS_LINK_IN_SYNC;
		return STEP_PAIRED;
	}
	if (mirror->fs.link != FS_LINK_NONE)
		return STEP_RESYNCING;
	/* The predecessor may have recorded, and not yet told evenkeel-fs: told again. */
	return mirror->fs.epoch.number == record->epoch.number ? STEP_ALONE : STEP_PARTING;
}

static enum step resume_secondary(struct core *core, struct mirror *mirror)
{
	const struct record *record = &mirror->common.record;

	if (record->holder == core->config.self)
		return record->is_complete ? STEP_MOUNTING : STEP_STOPPING;
	if (record->is_complete && record_is_good(record, core->config.self))
		return STEP_SECOND;
	if (record->is_complete || record->role != RECORD_ROLE_SECONDARY)
		return STEP_STOPPING; /* dropped: from the beginning */
	mirror->fs.said.is_adopted = mirror->fs.link == FS_LINK_IN_SYNC;
	return STEP_FOLLOWING;
}

static enum step resume_step(struct core *core, struct mirror *mirror)
{
	if (mirror->fs.role == FS_PRIMARY)
		return resume_primary(core, mirror);
	if (mirror->fs.role == FS_SECONDARY)
		return resume_secondary(core, mirror);
	if (mirror->fs.role == FS_FAILED || mirror->common.application.up != 0)
		return STEP_STOPPING;
	return STEP_STOPPED;
}

static void resume_application(struct mirror *mirror, const struct event *event)
{
	struct application *application = &mirror->common.application;
	bool is_primary = mirror->fs.role == FS_PRIMARY;
	uint8_t up = (uint8_t)(UP_BOTH | (is_primary ? UP_PRIM : UP_SECOND));

	application->is_prestarted = mirror->fs.role != FS_NONE;
	/* A secondary's scripts leave nothing that can be seen running; they ran all the same. */
	if (event->module_added.is_application_running || mirror->fs.role == FS_SECONDARY)
		application->up = up;
	application->is_address_held = event->module_added.is_address_held;
}

static void enter(struct core *core, struct mirror *mirror, enum step step)
{
	bool is_serving = step_is_primary(step);

	(void)mirror_move(core, mirror, step);
	if (step == STEP_STOPPING && mirror->common.application.up != 0)
		application_kill(core, &mirror->common);
	if (is_serving) {
		mirror->common.application.is_address_wanted = true;
		/* Held by a dead daemon: nobody renews it, so it is held again at once. */
		mirror->common.application.is_address_held = false;
		application_want(&mirror->common, UP_BOTH | UP_PRIM);
	}
	if (step_is_secondary(step))
		application_want(&mirror->common, UP_BOTH | UP_SECOND);
	mirror->fs.is_resumed = step == STEP_PARTING;
	if (step == STEP_PARTING)
		order_fs(core, mirror, FS_ORDER_GO_ALONE);
	if (step == STEP_MOUNTING)
		order_fs(core, mirror, FS_ORDER_PROMOTE);
}

void mirror_on_added(struct core *core, struct mirror *mirror, const struct event *event)
{
	instance_on_added(core, &mirror->common, event);
	mirror->fs.barrier = mirror->common.record.barrier;
	mirror->fs.peer_barrier = mirror->common.record.peer_barrier;
	mirror->fs.clean_barrier =
		mirror->common.record.is_clean ? mirror->common.record.barrier : 0;
	mirror->fs.role = event->module_added.fs.role;
	mirror->fs.link = event->module_added.fs.link;
	mirror->fs.epoch = event->module_added.fs.epoch;
	mirror->fs.is_behind = event->module_added.fs.is_behind;
	mirror->fs.kept = event->module_added.fs.kept;
	mirror->fs.is_mounted = mirror->fs.role != FS_NONE;
	mirror->fs.has_run = mirror->fs.is_mounted;
	mirror->resync.progress_ns = core->now_ns;
	CHECK(mirror->common.config.peer >= 1 && mirror->common.config.peer <= NODES_MAX);
	CHECK(mirror->common.config.peer != core->config.self);
	resume_application(mirror, event);
	enum step step = resume_step(core, mirror);
	if (step != STEP_STOPPED)
		enter(core, mirror, step);
	mirror->common.wants_stop = step != STEP_STOPPED && !mirror->common.should_run;
}
