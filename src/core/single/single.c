#include "core/single/single.h"

#include "base/macros.h"
#include "core/command.h"

#define S(step) BIT(SINGLE_##step)

static const struct step_rule {
	const char *name;
	enum module_state state;
	enum readiness readiness;
	uint32_t next;
} rules[SINGLE_STEP_COUNT] = {
	/* clang-format off */
	/* A daemon that was restarted takes up what its predecessor left running: UP, STOPPING. */
	[SINGLE_STOPPED]  = { "stopped",  STATE_STOP, NOT_READY, S(PRESTART) | S(UP) | S(STOPPING) },
	[SINGLE_PRESTART] = { "prestart", STATE_WAIT, TRANSIENT, S(UP) | S(STOPPING) },
	[SINGLE_UP]       = { "up",       STATE_UP,   READY,     S(STOPPING) },
	[SINGLE_STOPPING] = { "stopping", STATE_WAIT, TRANSIENT, S(CLOSING) },
	[SINGLE_CLOSING]  = { "closing",  STATE_WAIT, TRANSIENT, S(STOPPED) | S(FAILED) },
	[SINGLE_FAILED]   = { "failed",   STATE_WAIT, NOT_READY, S(UP) | S(STOPPING) },
	/* clang-format on */
};

static const struct step_rule *rule_of(enum single_step step)
{
	CHECK(step < SINGLE_STEP_COUNT);
	return &rules[step];
}

const char *single_step_name(enum single_step step)
{
	return rule_of(step)->name;
}

enum module_state single_step_state(enum single_step step)
{
	return rule_of(step)->state;
}

enum readiness single_step_readiness(enum single_step step)
{
	return rule_of(step)->readiness;
}

bool single_step_may_follow(enum single_step step, enum single_step next)
{
	CHECK(next < SINGLE_STEP_COUNT);
	return (rule_of(step)->next & BIT(next)) != 0;
}

static bool single_move(struct core *core, struct single *single, enum single_step next)
{
	CHECK(single_step_may_follow(single->step, next));
	single->step = next;
	single->common.since_ns = core->now_ns;
	return true;
}

static struct single *single_of(struct instance *instance)
{
	CHECK(instance->kind == &single_kind);
	return (struct single *)instance;
}

static const struct single *single_seen(const struct instance *instance)
{
	CHECK(instance->kind == &single_kind);
	return (const struct single *)instance;
}

/* ---- steps ---- */

static bool serve(struct core *core, struct single *single)
{
	single->common.application.is_address_wanted = true;
	application_want(&single->common, UP_BOTH);
	return single_move(core, single, SINGLE_UP);
}

static bool leave(struct core *core, struct single *single)
{
	application_want(&single->common, 0);
	return single_move(core, single, SINGLE_STOPPING);
}

static bool stopped_advance(struct core *core, struct single *single)
{
	return application_may_start(core, &single->common) &&
	       single_move(core, single, SINGLE_PRESTART);
}

static bool prestart_advance(struct core *core, struct single *single)
{
	if (!application_is_gone(&single->common))
		return false;
	if (single->common.wants_stop)
		return leave(core, single);
	return application_prestart(core, &single->common) || serve(core, single);
}

static void log_failed(struct core *core, struct single *single)
{
	text_add(log_add(core, &single->common, "module.blocked", SEVERITY_ERROR),
		"the application failed too often and is not started again here");
}

static bool up_advance(struct core *core, struct single *single)
{
	bool is_failed = single->common.application.is_failed;

	if (is_failed && !single->common.wants_stop)
		log_failed(core, single);
	return is_failed || single->common.wants_stop ? leave(core, single) : false;
}

static bool stopping_advance(struct core *core, struct single *single)
{
	if (!application_is_down(&single->common))
		return false;
	single->common.application.is_address_wanted = false;
	application_advance(core, &single->common);
	return single_move(core, single, SINGLE_CLOSING);
}

static bool closing_advance(struct core *core, struct single *single)
{
	struct application *application = &single->common.application;

	if (!application_is_gone(&single->common))
		return false;
	if (!single->common.wants_stop)
		return single_move(core, single, SINGLE_FAILED);
	if (application->is_prestarted) {
		application->is_prestarted = false;
		(void)application_run(core, &single->common, SCRIPT_POSTSTOP);
		return true;
	}
	single->common.wants_stop = false;
	return single_move(core, single, SINGLE_STOPPED);
}

static bool failed_advance(struct core *core, struct single *single)
{
	if (single->common.wants_stop)
		return leave(core, single);
	return single->common.application.is_failed ? false : serve(core, single);
}

static bool step_advance(struct core *core, struct single *single)
{
	switch (single->step) {
	case SINGLE_STOPPED: return stopped_advance(core, single);
	case SINGLE_PRESTART: return prestart_advance(core, single);
	case SINGLE_UP: return up_advance(core, single);
	case SINGLE_STOPPING: return stopping_advance(core, single);
	case SINGLE_CLOSING: return closing_advance(core, single);
	case SINGLE_FAILED: return failed_advance(core, single);
	case SINGLE_STEP_COUNT: break;
	}
	CHECK(false);
	return false;
}

/*
 * The module was a mirror once. What is written from here on no other copy has: with a generation of its
 * own this one is recognised as newer, or as diverged, should the module become a mirror again (R13).
 */
static bool is_to_part(const struct single *single)
{
	const struct record *record = &single->common.record;

	return single->step == SINGLE_UP && record_has_data(record) &&
	       record->role != RECORD_ROLE_SINGLE;
}

/* should_run has changed: written when nothing else is, and waited for by nobody. After an attempt
 * that failed nobody knows which record the file holds, so the latest word is written in any case. */
static void tidy(struct core *core, struct single *single)
{
	struct instance *instance = &single->common;
	const struct writing *writing = &instance->writing;
	struct record next = instance->record;
	bool is_doubtful = writing->is_failed;
	bool is_latest = (is_doubtful ? writing->record.should_run : next.should_run) ==
			 instance->should_run;
	bool is_parting = is_to_part(single);

	if ((is_latest && !is_parting) || (writing->is_open && !is_doubtful))
		return;
	if (is_parting) {
		record_begin_generation(&next, instance_random(instance));
		next.role = RECORD_ROLE_SINGLE;
	}
	if (is_doubtful)
		writing_abandon(instance);
	next.should_run = instance->should_run;
	writing_begin(core, instance, &next);
}

/* ---- what the core calls ---- */

static enum single_step resume_step(const struct single *single)
{
	const struct application *application = &single->common.application;

	if (application->up != 0)
		return single->common.should_run ? SINGLE_UP : SINGLE_STOPPING;
	return application->is_address_held && !single->common.should_run ? SINGLE_STOPPING
									  : SINGLE_STOPPED;
}

static void on_added(struct core *core, struct instance *instance, const struct event *event)
{
	struct single *single = single_of(instance);
	struct application *application = &instance->application;

	instance_on_added(core, instance, event);
	CHECK(instance->config.peer == 0);
	if (event->module_added.is_application_running) {
		application->up = UP_BOTH;
		application->is_prestarted = true;
	}
	application->is_address_held = event->module_added.is_address_held;
	enum single_step step = resume_step(single);
	/* Held by a dead daemon: nobody renews it, so it is held again at once. It goes last. */
	application->is_address_wanted = application->is_address_held;
	if (step != SINGLE_STOPPED || instance->should_run)
		application->is_address_held = false;
	if (step == SINGLE_UP)
		(void)serve(core, single);
	if (step == SINGLE_STOPPING)
		(void)leave(core, single);
	instance->wants_stop = step == SINGLE_STOPPING;
}

/* No other node has anything to say about it. */
static void on_summary(struct core *core, struct instance *instance, const struct beat *beat,
	const struct summary *summary)
{
	(void)core;
	(void)instance;
	(void)beat;
	(void)summary;
}

/* It has no evenkeel-fs, probes nothing and asks nobody. */
static void on_event(struct core *core, struct instance *instance, const struct event *event)
{
	(void)core;
	(void)instance;
	(void)event;
}

static void on_start(struct core *core, struct single *single, struct verdict *verdict)
{
	bool is_at_rest = single->step == SINGLE_STOPPED || single->step == SINGLE_FAILED;

	if (core->is_shutting_down || single->common.wants_stop) {
		verdict_say(verdict, REFUSAL_BUSY, "");
		return;
	}
	if (!is_at_rest && !single->common.application.is_failed) {
		verdict_say(verdict, REFUSAL_ALREADY_SO, "");
		return;
	}
	application_forgive(&single->common);
	single->common.should_run = true;
	verdict_say(verdict, REFUSAL_NONE, "starting");
}

static void on_command(struct core *core, struct instance *instance, const struct event *event,
	struct verdict *verdict)
{
	struct single *single = single_of(instance);

	switch (event->command.command) {
	case COMMAND_START: on_start(core, single, verdict); break;
	case COMMAND_STOP: command_stop(instance, verdict); break;
	case COMMAND_RESTART: command_restart(instance, single->step == SINGLE_UP, verdict); break;
	case COMMAND_SWAP:
		verdict_say(verdict, REFUSAL_NOT_ITS_KIND,
			"the module is of kind single: it runs on this node alone, so there is no "
			"node to swap with");
		break;
	case COMMAND_PRIM:
	case COMMAND_SECOND:
		verdict_say(verdict, REFUSAL_NOT_ITS_KIND,
			"the module is of kind single: it runs on this node alone, without a "
			"primary and a secondary; `evenkeel start` starts it");
		break;
	case COMMAND_COUNT: CHECK(false);
	}
	tidy(core, single); /* before the answer: who has it may kill us */
}

static bool advance(struct core *core, struct instance *instance)
{
	struct single *single = single_of(instance);

	application_advance(core, instance);
	(void)writing_is_stuck(core, instance);
	if (instance->writing.is_failed)
		(void)writing_retry(core, instance);
	if (step_advance(core, single))
		return true;
	tidy(core, single);
	return false;
}

static void show(const struct instance *instance, struct summary *out)
{
	const struct single *single = single_seen(instance);
	bool is_leaving = single->step == SINGLE_STOPPING || single->step == SINGLE_CLOSING;

	out->state = rule_of(single->step)->state;
	if (is_leaving && instance->wants_stop)
		out->state = STATE_STOP;
	out->readiness = rule_of(single->step)->readiness;
	if (out->readiness == READY && !application_is_settled(instance))
		out->readiness = TRANSIENT;
	out->is_failed = instance->application.is_failed;
}

static void say(const struct core *core, const struct instance *instance, struct status *status)
{
	(void)core;
	single_say(single_seen(instance), status);
}

static bool is_stopped(const struct instance *instance)
{
	return single_seen(instance)->step == SINGLE_STOPPED;
}

/* There is nobody to suspect, and nothing holds its answers. */
static bool is_never(const struct instance *instance)
{
	(void)instance;
	return false;
}

static void verify(const struct core *core, const struct instance *instance)
{
	const struct application *application = &instance->application;

	(void)core;
	CHECK(instance->config.peer == 0);
	switch (single_seen(instance)->step) {
	case SINGLE_UP:
		CHECK(application->wanted == UP_BOTH && application->is_address_wanted);
		break;
	case SINGLE_STOPPED:
	case SINGLE_FAILED: CHECK(application->wanted == 0 && application->up == 0); break;
	case SINGLE_STOPPING:
	case SINGLE_CLOSING: CHECK(application->wanted == 0); break;
	case SINGLE_PRESTART: CHECK(application->up == 0); break;
	case SINGLE_STEP_COUNT: CHECK(false);
	}
}

const struct kind single_kind = {
	.serving = UP_BOTH,
	.on_added = on_added,
	.on_summary = on_summary,
	.on_event = on_event,
	.on_command = on_command,
	.advance = advance,
	.show = show,
	.say = say,
	.is_stopped = is_stopped,
	.is_in_trouble = is_never,
	.is_stalled = is_never,
	.is_excused = is_never,
	.verify = verify,
};
