/* What `status` shows of a module, in words: now, and if a node died now. */
#include "core/core_internal.h"

static void say_progress(const struct module *module, struct text *text)
{
	uint64_t total = module->resync_total;
	uint64_t done = MIN_OF(module->resync_done, total);

	if (total <= 1)
		return;
	uint64_t percent = total > UINT64_MAX / 100 ? done / (total / 100) : done * 100 / total;
	text_add(text, " (");
	text_add_u64(text, percent);
	text_add(text, " %)");
}

static void say_alone(const struct core *core, const struct module *module, struct status *status)
{
	text_add(&status->now, "this node serves alone; ");
	enum relation relation =
		module->is_peer_known ? module_relation(core, module) : RELATION_NEWER;
	if (module_is_resting(core, module)) {
		text_add(&status->now, "the other copy was dropped three times in ten minutes, so "
				       "the next attempt waits");
		text_add(&status->to_do, "look at the other node's disk and network; `evenkeel "
					 "start` here tries again at once");
	} else if (!peer_is_heard(core, module)) {
		text_add(&status->now, "the other node is not heard");
		text_add(&status->to_do, "bring the other node back; it is brought up to date by "
					 "itself");
	} else if (relation == RELATION_DIVERGED || relation == RELATION_UNRELATED) {
		text_add(&status->now, "the other node has writes of its own and waits");
		text_add(&status->to_do,
			"if the data of this node count: `evenkeel prim` here once "
			"more; the other tree is set aside whole");
	} else if (module->peer.state == MIRROR_STOP) {
		text_add(&status->now, "the module is stopped on the other node");
		text_add(&status->to_do, "`evenkeel start` on the other node");
	} else {
		text_add(&status->now, "the other node is getting ready to follow");
	}
}

static void say_primary(const struct core *core, const struct module *module, struct status *status)
{
	switch (module->step) {
	case STEP_CLAIMING:
	case STEP_MOUNTING: text_add(&status->now, "becoming primary"); break;
	case STEP_ALONE: say_alone(core, module, status); break;
	case STEP_CONNECTING:
	case STEP_RESYNCING:
	case STEP_COMPLETE:
	case STEP_GROWING:
		text_add(&status->now, "this node serves; the other is being brought up to date");
		say_progress(module, &status->now);
		break;
	case STEP_PAIRED: text_add(&status->now, "this node serves, both copies are equal"); break;
	case STEP_DROPPING:
		text_add(&status->now, "the other copy cannot follow; answers wait until it is "
				       "recorded as stale");
		break;
	case STEP_QUIETING:
	case STEP_DRAINING:
	case STEP_YIELDING: text_add(&status->now, "handing over to the other node"); break;
	case STEP_SHRINKING:
	case STEP_PARTING: text_add(&status->now, "going on alone"); break;
	default:
		text_add(&status->now, "the other node is not heard; answers to the application "
				       "wait until it is clear who goes on");
		if (core->config.arbiter == ARBITER_OPERATOR)
			text_add(&status->to_do, "make sure that the other node is down, then "
						 "`evenkeel prim --force` here; or bring it back");
		break;
	}
	bool is_starting =
		step_is_in(module->step, GROUP_CLAIMING) || step_is_in(module->step, GROUP_SERVING);
	if (is_starting && !application_is_settled(module))
		text_add(&status->now, "; the application is being started");
}

static void say_secondary(const struct module *module, struct status *status)
{
	switch (module->step) {
	case STEP_SECOND: text_add(&status->now, "this node follows, both copies are equal"); break;
	case STEP_ADOPTING:
	case STEP_ADOPTED:
	case STEP_JOINING:
		text_add(&status->now, "everything is here; waiting to be recorded as good");
		break;
	case STEP_RESIGNING:
	case STEP_RESIGNED: text_add(&status->now, "this copy counts as stale from here on"); break;
	default:
		text_add(&status->now, "being brought up to date from the other node");
		say_progress(module, &status->now);
		break;
	}
	if (module->application.is_failed) {
		text_add(&status->now, "; the application failed too often here, so this node does "
				       "not take over");
		text_add(&status->to_do, "look at the application's logs, repair it, then "
					 "`evenkeel start` here");
	}
}

static void say_suspecting(
	const struct core *core, const struct module *module, struct status *status)
{
	if (module->reason == WAIT_ADDRESS_FOREIGN || module->reason == WAIT_ADDRESS_PEER) {
		status_say_wait(core, module, status);
		return;
	}
	text_add(&status->now, "the primary is not heard; ");
	if (module->is_behind) {
		text_add(&status->now,
			"the processes that kept what was sent here last died, so this node does "
			"not take over by itself");
		text_add(&status->to_do,
			"start the other node; only if it is lost for good: `evenkeel prim` here, "
			"which says first what would be lost");
		return;
	}
	bool may_take = module->config.has_failover && core->config.arbiter == ARBITER_PING &&
			!module->is_second_only && !module->application.is_failed;
	bool was_heard = core->members[module->config.peer].two_way_ns != 0;
	if (may_take && was_heard && !peer_may_hold(module) &&
		(!module->has_asked || module->first_grant_ns != 0)) {
		text_add(&status->now, "finding out whether this node may take over");
		return;
	}
	if (peer_may_hold(module))
		text_add(&status->now, "the service was handed over to it, so it may serve");
	else if (may_take && !was_heard)
		text_add(&status->now, "it was not heard since evenkeeld was started here, so it "
				       "may have gone on alone");
	else if (may_take)
		text_add(&status->now, "the ping target did not answer when it fell silent, so it "
				       "may be this node that is cut off");
	else if (!module->config.has_failover)
		text_add(&status->now, "automatic failover is switched off for this module");
	else if (core->config.arbiter == ARBITER_OPERATOR)
		text_add(&status->now, "with the arbiter `operator` a person decides");
	else
		text_add(&status->now, "this node was commanded to be second, or failed");
	text_add(&status->to_do, "if the other node is really down: `evenkeel prim --force` here");
}

static void say_now(const struct core *core, const struct module *module, struct status *status)
{
	enum step step = module->step;

	if (module->is_write_in_trouble)
		text_add(&status->now, "the state file cannot be written; ");
	if (step == STEP_STOPPED) {
		text_add(&status->now, "stopped");
		text_add(&status->to_do, "`evenkeel start` starts it");
	} else if (step_is_primary(step)) {
		say_primary(core, module, status);
	} else if (step_is_secondary(step)) {
		say_secondary(module, status);
	} else if (step_is_in(step, GROUP_SUSPECTING)) {
		say_suspecting(core, module, status);
	} else if (step_is_in(step, GROUP_LEAVING)) {
		text_add(&status->now,
			module->is_refused ? "cannot release the directory: " : "leaving its role");
		if (module->is_refused)
			text_add(&status->now, module->detail);
	} else if (step == STEP_YIELDED) {
		text_add(&status->now, "handed over; waiting for the other node to serve");
	} else if (step == STEP_PRESTART || step == STEP_PROBING) {
		text_add(&status->now, "starting");
	} else {
		status_say_wait(core, module, status);
	}
}

/* ---- if a node died now ---- */

static void say_ping(const struct core *core, const struct module *module, struct text *text)
{
	bool is_peer_primary = !step_is_primary(module->step);
	bool can_reach = is_peer_primary ? core->can_reach_target : module->peer.can_reach_target;

	if (!can_reach) {
		text_add(text, is_peer_primary
				       ? "no failover is possible now: the ping target does not "
					 "answer this node"
				       : "no failover is possible now: the ping target does not "
					 "answer the other node");
		return;
	}
	text_add(text, is_peer_primary ? "if the primary dies, this node takes over in about "
				       : "if this node dies, the other takes over in about ");
	text_add_seconds(text, core->config.silence_ns);
	text_add(text,
		" s, and nothing acknowledged is lost; the arbiter is ping, a guess: if only "
		"the network between the nodes breaks, both may go on");
}

static void say_if_dies(const struct core *core, const struct module *module, struct text *text)
{
	enum step step = module->step;
	bool is_pair = step == STEP_PAIRED || step == STEP_SECOND;

	if (step_has(step, STEP_IS_SOLE)) {
		text_add(text, "if this node dies, the service stops until it is back: the other "
			       "copy is not up to date");
		return;
	}
	if (step_is_secondary(step) && !is_pair) {
		text_add(text, "if the primary dies, the service stops until it is back: this copy "
			       "is not up to date");
		return;
	}
	if (!is_pair)
		return;
	if (!module->config.has_failover)
		text_add(text, "if the primary dies, nothing happens by itself: automatic failover "
			       "is switched off");
	else if (core->config.arbiter == ARBITER_OPERATOR)
		text_add(text, "if a node dies, the service waits for a person: `evenkeel prim "
			       "--force` on the other");
	else if (module->application.is_failed || module->peer.is_failed)
		text_add(text, "if the primary dies, the service stops: the application cannot run "
			       "on the other node");
	else
		say_ping(core, module, text);
}

static void say_look_at_state(struct text *to_do)
{
	if (to_do->size > 0)
		text_add(to_do, "; and ");
	text_add(to_do, "look at the disk that holds the state directory");
}

void status_fill(const struct core *core, const struct module *module, struct status *out_status)
{
	*out_status = (struct status){
		.state = mirror_state_of(module),
		.readiness = mirror_readiness_of(module),
		.is_peer_heard = peer_is_heard(core, module),
		.peer_state = module->peer.state,
		.peer_readiness = module->peer.readiness,
		.record = module->record,
		.resync_done = module->resync_done,
		.resync_total = module->resync_total,
	};
	say_now(core, module, out_status);
	if (module->is_write_in_trouble)
		say_look_at_state(&out_status->to_do);
	say_if_dies(core, module, &out_status->if_dies);
}
