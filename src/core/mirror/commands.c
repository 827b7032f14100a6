/* Commands of an operator to a mirror. */
#include "core/command.h"
#include "core/mirror/mirror.h"

static bool is_stopped(const struct mirror *mirror)
{
	return mirror->step == STEP_STOPPED;
}

static void unblock(struct mirror *mirror)
{
	mirror->wait.is_blocked = false;
	mirror->wait.reason = WAIT_NONE;
	mirror->fs.said.is_refused = false;
	mirror->fs.said.is_wrong_copy = false;
	mirror->wants.any_copy = false;
	application_forgive(&mirror->common);
	mirror->wait.failures = 0;
	mirror->wait.is_cut_off = false;
	mirror->drops = (struct drops){ 0 };
	mirror->resync.failures = 0;
	mirror->resync.retry_ns = 0;
}

static void on_start(struct core *core, struct mirror *mirror, struct verdict *verdict)
{
	if (core->is_shutting_down || mirror->common.wants_stop) {
		verdict_say(verdict, REFUSAL_BUSY, "");
		return;
	}
	bool was_troubled = mirror->wait.is_blocked || mirror->common.application.is_failed ||
			    mirror->wants.second_only || mirror->fs.is_rolled_back ||
			    mirror_is_resting(core, mirror) ||
			    core->now_ns < mirror->resync.retry_ns;
	if (!is_stopped(mirror) && !was_troubled) {
		verdict_say(verdict, REFUSAL_ALREADY_SO, "");
		return;
	}
	unblock(mirror);
	mirror->wants.second_only = false;
	mirror->fs.found = FOUND_NOTHING; /* and is rolled back until that is found to be over */
	mirror->common.should_run = true;
	verdict_say(verdict, REFUSAL_NONE, "starting");
}

/* The application would be stopped, and nobody might serve until the records are durable. */
static void refuse_unrecordable(
	const struct core *core, const struct mirror *mirror, struct verdict *verdict)
{
	enum recording recording = recording_of(core, mirror);

	if (recording != RECORDING_NOT_HERE && recording != RECORDING_NOT_THERE)
		return;
	text_clear(&verdict->sentence);
	verdict->refusal = REFUSAL_NOT_RECORDABLE;
	recording_say(core, mirror, &verdict->sentence);
}

static void on_swap(struct core *core, struct mirror *mirror, struct verdict *verdict)
{
	bool is_ready_here = mirror->step == STEP_SECOND && mirror_readiness_of(mirror) == READY;

	if (is_stopped(mirror))
		verdict_say(verdict, REFUSAL_NOT_RUNNING, "");
	else if (peer_is_heard(core, mirror) &&
		 !member_is_on_network(core, mirror->common.config.peer))
		verdict_say(verdict, REFUSAL_STREAM_ONLY, "");
	else if (mirror->step == STEP_PAIRED && peer_is_good_second(core, mirror))
		verdict_say(verdict, REFUSAL_NONE, "swapping: the other node takes over");
	else if (step_is_primary(mirror->step))
		verdict_say(verdict, REFUSAL_PEER_NOT_READY, "");
	else if (is_ready_here && peer_is_primary(core, mirror))
		verdict_say(verdict, REFUSAL_NONE, "swapping: this node takes over");
	else
		verdict_say(verdict, REFUSAL_NOT_UP_TO_DATE, "");
	if (verdict->refusal == REFUSAL_NONE)
		refuse_unrecordable(core, mirror, verdict);
	if (verdict->refusal != REFUSAL_NONE)
		return;
	mirror->wants.swap = true;
	mirror->wants.swap_ns = core->now_ns;
}

/* ---- prim ---- */

static const char both_wrote[] =
	"both nodes acknowledged writes that the other does not have: what was written on the "
	"other node would be set aside there";

static bool lose(struct verdict *verdict, const char *what)
{
	verdict_say(verdict, REFUSAL_WOULD_LOSE, what);
	text_add(&verdict->sentence, "; to do it all the same: the same command with --force");
	return true;
}

/* True, with a sentence, if making this node primary may lose something. */
static bool would_lose_heard(
	const struct core *core, const struct mirror *mirror, struct verdict *verdict)
{
	switch (mirror_relation(core, mirror)) {
	case RELATION_NO_DATA:
	case RELATION_EQUAL_CLEAN:
	case RELATION_EQUAL_MARKS: break;
	case RELATION_NEWER:
	case RELATION_PEER_ROLLED_BACK:
		if (peer_has_gone_on(mirror))
			return lose(verdict, both_wrote);
		if (record_is_good(&mirror->common.record, core->config.self))
			break;
		return lose(verdict,
			"the copy here misses writes that were acknowledged on the other node, "
			"where an older state was put back since: what it has would be set aside");
	case RELATION_OLDER:
		return lose(verdict,
			record_has_data(&mirror->common.record)
				? "the copy here misses writes that were acknowledged on the other "
				  "node: they would be set aside there and lost to the service"
				: "the other node has data of this module and this node has none: "
				  "its tree would be set aside");
	case RELATION_DIVERGED: return lose(verdict, both_wrote);
	case RELATION_UNRELATED:
		return lose(verdict,
			"the two nodes hold different data sets: the other node's tree would be "
			"set aside");
	case RELATION_ROLLED_BACK:
		return lose(verdict,
			"the copy here is an old state that was put back: newer writes would be "
			"lost");
	case RELATION_COUNT: break;
	}
	return false;
}

static bool would_lose_unheard(
	const struct core *core, const struct mirror *mirror, struct verdict *verdict)
{
	const struct record *record = &mirror->common.record;
	bool is_sole = record->good == node_mask(core->config.self);

	if (!record_has_data(record))
		return lose(verdict, "the other node is not heard and may hold data of this "
				     "module; it would be set aside when it returns");
	if (!record_is_good(record, core->config.self))
		return lose(verdict, "the copy here misses writes that were acknowledged on the "
				     "other node, which is not heard: they would be lost to the "
				     "service");
	if (!is_sole || record->has_intent)
		return lose(verdict, "the other node is not heard and may have gone on without "
				     "this one: whatever it acknowledged since would be set aside "
				     "when it returns, and if it still serves there would be two "
				     "primaries");
	return false;
}

static bool would_lose(
	const struct core *core, const struct mirror *mirror, struct verdict *verdict)
{
	if (record_has_data(&mirror->common.record) && !mirror->common.record.is_complete)
		return lose(verdict, "the copy here is a mixture of old and new: it was being "
				     "brought up to date when that was interrupted");
	if (mirror->fs.is_rolled_back)
		return lose(verdict, "data or state of this node were put back from an earlier "
				     "day: newer writes would be lost to the service");
	return peer_is_heard(core, mirror) ? would_lose_heard(core, mirror, verdict)
					   : would_lose_unheard(core, mirror, verdict);
}

/* On a node that serves: only what the other one wrote for itself is left to decide. */
static void on_prim_serving(
	struct core *core, struct mirror *mirror, bool is_forced, struct verdict *verdict)
{
	if (mirror->step == STEP_HELD || mirror->step == STEP_DROPPING) {
		if (!is_forced && !peer_has_resigned(core, mirror) &&
			lose(verdict, "the other copy is good and may take over without this node "
				      "hearing of it: then there would be two primaries"))
			return;
		mirror->wants.forced_prim = true;
		verdict_say(verdict, REFUSAL_NONE, "going on alone");
		return;
	}
	enum relation relation =
		mirror->peer.is_known ? mirror_relation(core, mirror) : RELATION_NO_DATA;
	bool is_undecided = relation == RELATION_DIVERGED || relation == RELATION_UNRELATED;
	if (mirror->step != STEP_ALONE || !is_undecided) {
		verdict_say(verdict, REFUSAL_ALREADY_SO, "");
		return;
	}
	if (!is_forced && would_lose_heard(core, mirror, verdict))
		return;
	mirror->wants.overrule = true;
	verdict_say(verdict, REFUSAL_NONE, "the other node's own writes are set aside there");
}

/* Nobody need insist: the rule says the same, and the other node follows it too. */
static bool is_agreed(const struct core *core, const struct mirror *mirror)
{
	if (!peer_is_heard(core, mirror) || !record_has_data(&mirror->common.record))
		return false;
	return mirror_relation(core, mirror) != RELATION_NEWER ||
	       mirror_is_ruled_good(core, mirror);
}

static void on_prim(
	struct core *core, struct mirror *mirror, bool is_forced, struct verdict *verdict)
{
	if (is_stopped(mirror)) {
		verdict_say(verdict, REFUSAL_NOT_RUNNING, "");
		return;
	}
	if (step_is_primary(mirror->step)) {
		on_prim_serving(core, mirror, is_forced, verdict);
		return;
	}
	if (peer_is_primary(core, mirror)) {
		verdict_say(verdict, REFUSAL_PEER_IS_PRIMARY, "");
		return;
	}
	bool is_settled = mirror->step == STEP_WAITING || mirror->step == STEP_SUSPECTING ||
			  mirror->step == STEP_FOLLOWING || mirror->step == STEP_ADOPTED;
	if (!is_settled || mirror->common.wants_stop) {
		verdict_say(verdict, REFUSAL_BUSY, "");
		return;
	}
	if (!is_forced && would_lose(core, mirror, verdict))
		return;
	bool is_left_to_rule = !is_forced && is_agreed(core, mirror);
	if (is_left_to_rule && peer_comes_first(core, mirror)) {
		verdict_say(verdict, REFUSAL_BUSY,
			"both copies are equal and the other node is the one to serve; when it "
			"does, `evenkeel swap` moves it here");
		return;
	}
	unblock(mirror);
	mirror->wants.second_only = false;
	if (is_forced)
		mirror_look_again(mirror);
	mirror->wants.forced_prim = !is_left_to_rule;
	mirror->wants.any_copy = is_forced;
	verdict_say(verdict, REFUSAL_NONE, "becoming primary with the data of this node");
}

/* ---- second ---- */

static bool is_stuck(enum wait_reason reason)
{
	return reason == WAIT_DIVERGED || reason == WAIT_UNRELATED ||
	       reason == WAIT_NEWER_THAN_PRIMARY || reason == WAIT_WRONG_COPY;
}

static void on_second_waiting(
	struct core *core, struct mirror *mirror, bool is_forced, struct verdict *verdict)
{
	if (is_stuck(mirror->wait.reason) && !is_forced) {
		(void)lose(verdict,
			mirror->wait.reason == WAIT_WRONG_COPY
				? "what lies in the directories here would be set aside whole, and "
				  "they would be filled anew from the other node: if a disk is not "
				  "mounted, mount it instead, then `evenkeel start`"
				: "this node has writes of its own that the other does not have: "
				  "its whole tree would be set aside, and filled anew from there");
		return;
	}
	if (is_stuck(mirror->wait.reason) && !mirror->common.writing.is_open)
		tenure_forget(core, mirror);
	unblock(mirror);
	mirror->wants.second_only = true;
	verdict_say(verdict, REFUSAL_NONE, "waiting for the other node to serve, to follow it");
}

static void on_second(
	struct core *core, struct mirror *mirror, bool is_forced, struct verdict *verdict)
{
	if (mirror->step == STEP_PAIRED) {
		on_swap(core, mirror, verdict);
		return;
	}
	if (is_stopped(mirror)) {
		on_start(core, mirror, verdict);
		mirror->wants.second_only = verdict->refusal == REFUSAL_NONE;
		return;
	}
	if (step_is_secondary(mirror->step) || mirror->step == STEP_SUSPECTING) {
		verdict_say(verdict, REFUSAL_ALREADY_SO, "");
		return;
	}
	if (mirror->step == STEP_WAITING)
		on_second_waiting(core, mirror, is_forced, verdict);
	else
		verdict_say(verdict,
			step_is_primary(mirror->step) ? REFUSAL_PEER_NOT_READY : REFUSAL_BUSY, "");
}

static bool is_in_role(const struct mirror *mirror)
{
	return step_is_primary(mirror->step) || step_is_secondary(mirror->step);
}

void mirror_on_command(struct core *core, struct mirror *mirror, const struct event *event,
	struct verdict *verdict)
{
	bool is_forced = event->command.is_forced;

	switch (event->command.command) {
	case COMMAND_START: on_start(core, mirror, verdict); break;
	case COMMAND_STOP: command_stop(&mirror->common, verdict); break;
	case COMMAND_RESTART: command_restart(&mirror->common, is_in_role(mirror), verdict); break;
	case COMMAND_SWAP: on_swap(core, mirror, verdict); break;
	case COMMAND_PRIM: on_prim(core, mirror, is_forced, verdict); break;
	case COMMAND_SECOND: on_second(core, mirror, is_forced, verdict); break;
	case COMMAND_COUNT: CHECK(false);
	}
}
