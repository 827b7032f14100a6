/*
 * Commands of an operator: accepted as a wish that the next advance sees, or refused with a reason
 * that has a name and a sentence. Each is answered in the step that brings it; `status` shows how
 * far it got.
 */
#include "core/core_internal.h"

struct verdict {
	enum refusal refusal;
	struct text sentence; /* empty: the refusal's own */
};

static void say(struct verdict *verdict, enum refusal refusal, const char *sentence)
{
	verdict->refusal = refusal;
	text_add(&verdict->sentence, sentence);
}

static bool is_stopped(const struct module *module)
{
	return module->step == STEP_STOPPED;
}

static void unblock(struct module *module)
{
	module->is_blocked = false;
	module->reason = WAIT_NONE;
	module->is_refused = false;
	module->is_wrong_copy = false;
	module->is_copy_forced = false;
	module->application.is_failed = false;
	module->application.repairs = 0;
	module->failures = 0;
	module->is_cut_off = false;
	for (int i = 0; i < DROPS_REMEMBERED; i++)
		module->drops_ns[i] = 0;
}

static void on_start(struct core *core, struct module *module, struct verdict *verdict)
{
	if (core->is_shutting_down || module->wants_stop) {
		say(verdict, REFUSAL_BUSY, "");
		return;
	}
	bool was_troubled = module->is_blocked || module->application.is_failed ||
			    module->is_second_only || module_is_resting(core, module);
	if (!is_stopped(module) && !was_troubled) {
		say(verdict, REFUSAL_ALREADY_SO, "");
		return;
	}
	unblock(module);
	module->is_second_only = false;
	module->should_run = true;
	say(verdict, REFUSAL_NONE, "starting");
}

static void on_stop(struct module *module, struct verdict *verdict)
{
	if (is_stopped(module) && !module->should_run) {
		say(verdict, REFUSAL_ALREADY_SO, "");
		return;
	}
	module->should_run = false;
	module->wants_stop = !is_stopped(module);
	say(verdict, REFUSAL_NONE, "stopping");
}

static void on_restart(struct module *module, struct verdict *verdict)
{
	bool is_up = module->application.wanted != 0 &&
		     (step_is_primary(module->step) || step_is_secondary(module->step));

	if (!is_up) {
		say(verdict, REFUSAL_NOT_RUNNING, "");
		return;
	}
	if (!application_is_settled(module) || module->is_held) {
		say(verdict, REFUSAL_BUSY, "");
		return;
	}
	module->application.is_restarting = true;
	say(verdict, REFUSAL_NONE, "restarting the application");
}

static void on_swap(struct core *core, struct module *module, struct verdict *verdict)
{
	bool is_ready_here = module->step == STEP_SECOND && mirror_readiness_of(module) == READY;

	if (is_stopped(module))
		say(verdict, REFUSAL_NOT_RUNNING, "");
	else if (module->step == STEP_PAIRED && peer_is_good_second(core, module))
		say(verdict, REFUSAL_NONE, "swapping: the other node takes over");
	else if (step_is_primary(module->step))
		say(verdict, REFUSAL_PEER_NOT_READY, "");
	else if (is_ready_here && peer_is_primary(core, module))
		say(verdict, REFUSAL_NONE, "swapping: this node takes over");
	else
		say(verdict, REFUSAL_NOT_UP_TO_DATE, "");
	if (verdict->refusal != REFUSAL_NONE)
		return;
	module->wants_swap = true;
	module->wants_swap_ns = core->now_ns;
}

/* ---- prim ---- */

static bool lose(struct verdict *verdict, const char *what)
{
	say(verdict, REFUSAL_WOULD_LOSE, what);
	text_add(&verdict->sentence, "; to do it all the same: the same command with --force");
	return true;
}

/* True, with a sentence, if making this node primary may lose something. */
static bool would_lose_heard(
	const struct core *core, const struct module *module, struct verdict *verdict)
{
	switch (module_relation(core, module)) {
	case RELATION_NO_DATA:
	case RELATION_NEWER:
	case RELATION_EQUAL_CLEAN:
	case RELATION_EQUAL_MARKS:
	case RELATION_PEER_ROLLED_BACK: break;
	case RELATION_OLDER:
		return lose(verdict,
			record_has_data(&module->record)
				? "the copy here misses writes that were acknowledged on the other "
				  "node: they would be set aside there and lost to the service"
				: "the other node has data of this module and this node has none: "
				  "its tree would be set aside");
	case RELATION_DIVERGED:
		return lose(verdict,
			"both nodes acknowledged writes that the other does not have: what was "
			"written on the other node would be set aside there");
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
	const struct core *core, const struct module *module, struct verdict *verdict)
{
	const struct record *record = &module->record;
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
	const struct core *core, const struct module *module, struct verdict *verdict)
{
	if (record_has_data(&module->record) && !module->record.is_complete)
		return lose(verdict, "the copy here is a mixture of old and new: it was being "
				     "brought up to date when that was interrupted");
	return peer_is_heard(core, module) ? would_lose_heard(core, module, verdict)
					   : would_lose_unheard(core, module, verdict);
}

/* On a node that serves: only what the other one wrote for itself is left to decide. */
static void on_prim_serving(
	struct core *core, struct module *module, bool is_forced, struct verdict *verdict)
{
	if (module->step == STEP_HELD || module->step == STEP_DROPPING) {
		if (!is_forced && !peer_has_resigned(core, module) &&
			lose(verdict, "the other copy is good and may take over without this node "
				      "hearing of it: then there would be two primaries"))
			return;
		module->wants_forced_prim = true;
		say(verdict, REFUSAL_NONE, "going on alone");
		return;
	}
	enum relation relation =
		module->is_peer_known ? module_relation(core, module) : RELATION_NO_DATA;
	bool is_undecided = relation == RELATION_DIVERGED || relation == RELATION_UNRELATED;
	if (module->step != STEP_ALONE || !is_undecided) {
		say(verdict, REFUSAL_ALREADY_SO, "");
		return;
	}
	if (!is_forced && would_lose_heard(core, module, verdict))
		return;
	module->wants_overrule = true;
	say(verdict, REFUSAL_NONE, "the other node's own writes are set aside there");
}

static void on_prim(
	struct core *core, struct module *module, bool is_forced, struct verdict *verdict)
{
	if (is_stopped(module)) {
		say(verdict, REFUSAL_NOT_RUNNING, "");
		return;
	}
	if (step_is_primary(module->step)) {
		on_prim_serving(core, module, is_forced, verdict);
		return;
	}
	if (peer_is_primary(core, module)) {
		say(verdict, REFUSAL_PEER_IS_PRIMARY, "");
		return;
	}
	bool is_settled = module->step == STEP_WAITING || module->step == STEP_SUSPECTING ||
			  module->step == STEP_FOLLOWING || module->step == STEP_ADOPTED;
	if (!is_settled || module->wants_stop) {
		say(verdict, REFUSAL_BUSY, "");
		return;
	}
	if (!is_forced && would_lose(core, module, verdict))
		return;
	bool is_agreed =
		!is_forced && peer_is_heard(core, module) && record_has_data(&module->record);
	if (is_agreed && module_is_behind(core, module)) {
		say(verdict, REFUSAL_BUSY,
			"both copies are equal and the other node is the one to serve; when it "
			"does, `evenkeel swap` moves it here");
		return;
	}
	unblock(module);
	module->is_second_only = false;
	module->is_rolled_back = module->is_rolled_back && !is_forced;
	/* Where the rule says the same, the rule does it: the other node follows it too. */
	module->wants_forced_prim = !is_agreed;
	module->is_copy_forced = is_forced;
	say(verdict, REFUSAL_NONE, "becoming primary with the data of this node");
}

/* ---- second ---- */

static bool is_stuck(enum wait_reason reason)
{
	return reason == WAIT_DIVERGED || reason == WAIT_UNRELATED ||
	       reason == WAIT_NEWER_THAN_PRIMARY || reason == WAIT_WRONG_COPY;
}

static void on_second_waiting(
	struct core *core, struct module *module, bool is_forced, struct verdict *verdict)
{
	if (is_stuck(module->reason) && !is_forced) {
		(void)lose(verdict,
			module->reason == WAIT_WRONG_COPY
				? "what lies in the directories here would be set aside whole, and "
				  "they would be filled anew from the other node: if a disk is not "
				  "mounted, mount it instead, then `evenkeel start`"
				: "this node has writes of its own that the other does not have: "
				  "its whole tree would be set aside, and filled anew from there");
		return;
	}
	if (is_stuck(module->reason) && !module->is_writing)
		tenure_forget(core, module);
	unblock(module);
	module->is_second_only = true;
	say(verdict, REFUSAL_NONE, "waiting for the other node to serve, to follow it");
}

static void on_second(
	struct core *core, struct module *module, bool is_forced, struct verdict *verdict)
{
	if (module->step == STEP_PAIRED) {
		on_swap(core, module, verdict);
		return;
	}
	if (is_stopped(module)) {
		on_start(core, module, verdict);
		module->is_second_only = verdict->refusal == REFUSAL_NONE;
		return;
	}
	if (step_is_secondary(module->step) || module->step == STEP_SUSPECTING) {
		say(verdict, REFUSAL_ALREADY_SO, "");
		return;
	}
	if (module->step == STEP_WAITING)
		on_second_waiting(core, module, is_forced, verdict);
	else
		say(verdict, step_is_primary(module->step) ? REFUSAL_PEER_NOT_READY : REFUSAL_BUSY,
			"");
}

static void decide(struct core *core, struct module *module, const struct event *event,
	struct verdict *verdict)
{
	switch (event->command.command) {
	case COMMAND_START: on_start(core, module, verdict); break;
	case COMMAND_STOP: on_stop(module, verdict); break;
	case COMMAND_RESTART: on_restart(module, verdict); break;
	case COMMAND_SWAP: on_swap(core, module, verdict); break;
	case COMMAND_PRIM: on_prim(core, module, event->command.is_forced, verdict); break;
	case COMMAND_SECOND: on_second(core, module, event->command.is_forced, verdict); break;
	case COMMAND_COUNT: CHECK(false);
	}
}

void command_on_given(struct core *core, struct module *module, const struct event *event)
{
	struct verdict verdict;

	verdict.refusal = REFUSAL_UNKNOWN_MODULE;
	text_clear(&verdict.sentence);
	if (module != NULL)
		decide(core, module, event, &verdict);
	CHECK(verdict.refusal < REFUSAL_COUNT);
	if (verdict.sentence.size == 0)
		text_add(&verdict.sentence, refusal_sentence(verdict.refusal));
	struct action *action = action_add(core, module, ACTION_ANSWER_COMMAND);
	action->module = event->module;
	action->answer.request = event->command.request;
	action->answer.refusal = verdict.refusal;
	action->answer.sentence = verdict.sentence;
}
