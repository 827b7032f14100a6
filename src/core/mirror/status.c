/* What `status` shows of a module, in words: now, and if a node died now. */
#include "core/mirror/mirror.h"

static void say_progress(const struct mirror *mirror, struct text *text)
{
	uint64_t total = mirror->resync.total;
	uint64_t done = MIN_OF(mirror->resync.done, total);

	if (total <= 1)
		return;
	uint64_t percent = total > UINT64_MAX / 100 ? done / (total / 100) : done * 100 / total;
	text_add(text, " (");
	text_add_u64(text, percent);
	text_add(text, " %)");
}

/* The arbiter answers nothing by itself. */
static bool is_person_asked(const struct core *core)
{
	return !arbiter_promise(core->config.arbiter)->is_asked;
}

static void say_alone(const struct core *core, const struct mirror *mirror, struct status *status)
{
	text_add(&status->now, "this node serves alone; ");
	enum relation relation =
		mirror->peer.is_known ? mirror_relation(core, mirror) : RELATION_NEWER;
	if (mirror_is_resting(core, mirror)) {
		text_add(&status->now, "the other copy was dropped three times in ten minutes, so "
				       "the next attempt waits");
		text_add(&status->to_do, "look at the other node's disk and network; `evenkeel "
					 "start` here tries again at once");
	} else if (mirror->resync.failures > 0 && core->now_ns < mirror->resync.retry_ns) {
		text_add(&status->now, "bringing the other copy up to date ended early ");
		text_add_u64(&status->now, mirror->resync.failures);
		text_add(&status->now, mirror->resync.failures == 1 ? " time" : " times in a row");
		text_add(&status->now, "; the next attempt is made by itself");
		if (mirror->fs.detail[0] != '\0') {
			text_add(&status->to_do, "the last one ended with: ");
			text_add(&status->to_do, mirror->fs.detail);
			text_add(&status->to_do, "; `evenkeel start` here tries again at once");
		}
	} else if (!peer_is_heard(core, mirror)) {
		text_add(&status->now, "the other node is not heard");
		text_add(&status->to_do, "bring the other node back; it is brought up to date by "
					 "itself");
	} else if (relation == RELATION_DIVERGED || relation == RELATION_UNRELATED) {
		text_add(&status->now, "the other node has writes of its own and waits");
		text_add(&status->to_do,
			"if the data of this node count: `evenkeel prim` here once "
			"more; the other tree is set aside whole");
	} else if (mirror->peer.shows.state == STATE_STOP) {
		text_add(&status->now, "the module is stopped on the other node");
		text_add(&status->to_do, "`evenkeel start` on the other node");
	} else if (peer_is_stuck(core, mirror)) {
		text_add(&status->now, "the disk or evenkeel-fs of the other node does not answer, "
				       "so its copy counts as stale");
		text_add(&status->to_do, "look at the other node's disk (dmesg there); it follows "
					 "by itself when that answers");
	} else {
		text_add(&status->now, "the other node is getting ready to follow");
	}
}

/* It may take over all the same: what cannot be read here is not to be had by staying either. */
static void say_left_out(const struct mirror *mirror, struct status *status)
{
	if (mirror->fs.left_out == 0)
		return;
	text_add(&status->now, ", all but ");
	text_add(&status->now, mirror->fs.left_out_why);
	text_add(&status->to_do,
		"what is named cannot be read on this node, so the other has it as it was before, "
		"or not at all: restore or remove it here, then `evenkeel stop` and `evenkeel "
		"start` on the other node, which compares the copies anew");
}

static void say_primary(const struct core *core, const struct mirror *mirror, struct status *status)
{
	switch (mirror->step) {
	case STEP_CLAIMING:
	case STEP_MOUNTING: text_add(&status->now, "becoming primary"); break;
	case STEP_ALONE: say_alone(core, mirror, status); break;
	case STEP_CONNECTING:
	case STEP_RESYNCING:
	case STEP_COMPLETE:
	case STEP_GROWING:
		text_add(&status->now, "this node serves; the other is being brought up to date");
		say_progress(mirror, &status->now);
		break;
	case STEP_PAIRED:
		text_add(&status->now, "this node serves, both copies are equal");
		say_left_out(mirror, status);
		break;
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
		if (is_person_asked(core))
			text_add(&status->to_do, "make sure that the other node is down, then "
						 "`evenkeel prim --force` here; or bring it back");
		break;
	}
	bool is_starting =
		step_is_in(mirror->step, GROUP_CLAIMING) || step_is_in(mirror->step, GROUP_SERVING);
	if (is_starting && !application_is_settled(&mirror->common))
		text_add(&status->now, "; the application is being started");
}

static void say_secondary(const struct mirror *mirror, struct status *status)
{
	switch (mirror->step) {
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
		say_progress(mirror, &status->now);
		break;
	}
	if (mirror->common.application.is_failed) {
		text_add(&status->now, "; the application failed too often here, so this node does "
				       "not take over");
		text_add(&status->to_do, "look at the application's logs, repair it, then "
					 "`evenkeel start` here");
	}
}

/* The arbiter may be asked only with a durable intent (R4), and that came, or comes, too late. */
static bool is_intent_late(const struct core *core, const struct mirror *mirror)
{
	bool is_open = mirror->step == STEP_TAKE_INTENDING && mirror->common.writing.is_open;

	return mirror->loss.is_intent_late || (is_open && is_first_grant_late(core, mirror));
}

/* It may take over, and does not. */
static void say_why_not(const struct core *core, const struct mirror *mirror, struct text *now)
{
	bool was_heard = core->members[mirror->common.config.peer].two_way_ns != 0;

	if (!was_heard)
		text_add(now, "it was not heard since evenkeeld was started here, so it may have "
			      "gone on alone");
	else if (is_intent_late(core, mirror))
		text_add(now,
			"the state folder here could not be written in time when it fell silent, "
			"so this node could not ask whether it may take over; the other "
			"node may have gone on alone");
	else
		text_add(now, "the ping target gave no word in time when it fell silent, so it "
			      "may be this node that is cut off");
}

static void say_suspecting(
	const struct core *core, const struct mirror *mirror, struct status *status)
{
	if (mirror->wait.reason == WAIT_ADDRESS_FOREIGN ||
		mirror->wait.reason == WAIT_ADDRESS_PEER) {
		wait_say(core, mirror, &status->now, &status->to_do);
		return;
	}
	text_add(&status->now, "the primary is not heard; ");
	if (mirror->fs.is_behind) {
		text_add(&status->now,
			"the processes that kept what was sent here last died, so this node does "
			"not take over by itself");
		text_add(&status->to_do,
			"start the other node; only if it is lost for good: `evenkeel prim` here, "
			"which says first what would be lost");
		return;
	}
	bool may_take = mirror->common.config.has_failover && !is_person_asked(core) &&
			!mirror->wants.second_only && !mirror->common.application.is_failed;
	bool was_heard = core->members[mirror->common.config.peer].two_way_ns != 0;
	bool is_asking = !mirror->ask.has_asked || mirror->ask.first_grant_ns != 0 ||
			 !is_first_grant_late(core, mirror);
	if (may_take && was_heard && !peer_may_hold(mirror) && is_asking) {
		text_add(&status->now, "finding out whether this node may take over");
		return;
	}
	if (peer_may_hold(mirror))
		text_add(&status->now, "the service was handed over to it, so it may serve");
	else if (may_take)
		say_why_not(core, mirror, &status->now);
	else if (!mirror->common.config.has_failover)
		text_add(&status->now, "automatic failover is switched off for this module");
	else if (is_person_asked(core))
		text_add(&status->now, "with the arbiter `operator` a person decides");
	else
		text_add(&status->now, "this node was commanded to be second, or failed");
	text_add(&status->to_do, "start the other node, or repair the network between them");
	if (arbiter_promise(core->config.arbiter)->can_be_silent)
		text_add(&status->to_do,
			mirror->common.writing.is_open
				? "; if it is really down, as soon as the state folder here can be "
				  "written: `evenkeel prim --force` here"
				: "; or, if it is really down: `evenkeel prim --force` here");
}

static void say_now(const struct core *core, const struct mirror *mirror, struct status *status)
{
	enum step step = mirror->step;

	if (step == STEP_STOPPED) {
		text_add(&status->now, "stopped");
		text_add(&status->to_do, "`evenkeel start` starts it");
	} else if (step_is_primary(step)) {
		say_primary(core, mirror, status);
	} else if (step_is_secondary(step)) {
		say_secondary(mirror, status);
	} else if (step_is_in(step, GROUP_SUSPECTING)) {
		say_suspecting(core, mirror, status);
	} else if (step_is_in(step, GROUP_LEAVING)) {
		text_add(&status->now, mirror->fs.said.is_refused ? "cannot release the directory: "
								  : "leaving its role");
		if (mirror->fs.said.is_refused)
			text_add(&status->now, mirror->fs.detail);
	} else if (step == STEP_YIELDED) {
		text_add(&status->now, "handed over; waiting for the other node to serve");
	} else if (step == STEP_PRESTART || step == STEP_PROBING) {
		text_add(&status->now, "starting");
	} else {
		wait_say(core, mirror, &status->now, &status->to_do);
	}
}

/* ---- if a node died now ---- */

static void say_takeover(
	const struct core *core, const struct mirror *mirror, struct status *status)
{
	struct text *text = &status->if_dies;
	bool is_peer_primary = !step_is_primary(mirror->step);
	bool can_reach =
		is_peer_primary ? core->can_reach_target : mirror->peer.shows.can_reach_target;

	if (!can_reach) {
		text_add(text, is_peer_primary
				       ? "no failover is possible now: the ping target does not "
					 "answer this node"
				       : "no failover is possible now: the ping target does not "
					 "answer the other node");
		text_add(&status->to_do, status->to_do.size > 0 ? "; and " : "");
		text_add(&status->to_do,
			is_peer_primary ? "let the ping target answer this node, or name another "
					  "one in cluster.yaml"
					: "let the ping target answer the other node, or name "
					  "another one in cluster.yaml");
		return;
	}
	if (observed_say_obstacle(core, mirror, is_peer_primary, status))
		return;
	text_add(text, is_peer_primary ? "if the primary dies, this node takes over in about "
				       : "if this node dies, the other takes over in about ");
	text_add_seconds(text, core->config.silence_ns);
	text_add(text, " s, and nothing acknowledged is lost");
	if (!arbiter_promise(core->config.arbiter)->is_guess)
		return;
	text_add(text, "; the arbiter is ");
	text_add(text, arbiter_promise(core->config.arbiter)->name);
	text_add(text, ", a guess: if only the network between the nodes breaks, both may go on");
}

static void say_if_dies(const struct core *core, const struct mirror *mirror, struct status *status)
{
	struct text *text = &status->if_dies;
	enum step step = mirror->step;
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
	if (!mirror->common.config.has_failover)
		text_add(text, "if the primary dies, nothing happens by itself: automatic failover "
			       "is switched off");
	else if (is_person_asked(core))
		text_add(text, "if a node dies, the service waits for a person: `evenkeel prim "
			       "--force` on the other");
	else if (mirror->common.application.is_failed || mirror->peer.shows.is_failed)
		text_add(text, "if the primary dies, the service stops: the application cannot run "
			       "on the other node");
	else
		say_takeover(core, mirror, status);
}

/* Until a person has looked, and taken it away. */
static void say_kept(const struct mirror *mirror, struct text *to_do)
{
	if (mirror->fs.kept == 0)
		return;
	if (to_do->size > 0)
		text_add(to_do, "; ");
	text_add(to_do, "look into .evenkeel/kept of the module's directories on this node (");
	text_add_u64(to_do, mirror->fs.kept);
	text_add(to_do, mirror->fs.kept == 1 ? " folder" : " folders");
	text_add(to_do, "): only this copy had what lies there; remove what nobody needs");
}

/* Nobody is there who could answer an order: why. */
static void say_cannot_begin(const struct mirror *mirror, struct status *status)
{
	text_add(&status->now, "; evenkeel-fs ended and cannot begin again: ");
	text_add(&status->now, mirror->fs.dead_why);
	if (status->to_do.size == 0)
		text_add(&status->to_do, "mend what evenkeel-fs complains of; it is started again "
					 "every few seconds");
}

/* What the step waits for, when that takes long. */
static void say_slow_order(
	const struct core *core, const struct mirror *mirror, struct status *status)
{
	int64_t age_ns = core->now_ns - mirror->fs.ordered_ns;

	if (mirror->fs.is_dead && mirror->fs.dead_why[0] != '\0') {
		say_cannot_begin(mirror, status);
		return;
	}
	if (!mirror->fs.is_order_open || age_ns < ORDER_SLOW_NS || mirror->fs.said.is_refused)
		return;
	text_add(&status->now, "; evenkeel-fs was ordered `");
	text_add(&status->now, fs_order_name(mirror->fs.role_order));
	text_add(&status->now, "` and has not answered for ");
	text_add_u64(&status->now, (uint64_t)(age_ns / NS_PER_S));
	text_add(&status->now, " s");
	if (status->to_do.size == 0)
		text_add(&status->to_do, "look at the disk that holds the directories (`dmesg`), "
					 "and whether evenkeel-fs is stopped or hangs");
}

void mirror_say(const struct core *core, const struct mirror *mirror, struct status *status)
{
	status->is_peer_heard = peer_is_heard(core, mirror);
	status->peer_state = mirror->peer.shows.state;
	status->peer_readiness = mirror->peer.shows.readiness;
	status->resync_done = mirror->resync.done;
	status->resync_total = mirror->resync.total;
	say_now(core, mirror, status);
	say_slow_order(core, mirror, status);
	if (step_is_primary(mirror->step) || step_is_secondary(mirror->step))
		observed_say_now(core, mirror, status);
	observed_say_compared(core, mirror, &status->observed);
	if (status->is_peer_heard)
		sights_say(&mirror->peer.shows.sights, core->now_ns, &status->peer_observed);
	say_if_dies(core, mirror, status);
	say_kept(mirror, &status->to_do);
}
