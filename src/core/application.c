/*
 * The application: which start scripts are to have run (wanted), which have (up), and one script at
 * a time to close the gap. Down before up; `prim` and `second` go before `both`, and come after it.
 *
 *	wanted	{both, prim}	serving		{both, second}	following	{}	leaving
 *
 * A stop script that fails or takes too long gets the force pass, then SIGKILL to the control
 * group. A start script that fails is a repair: everything down, then up again; too many repairs in
 * the window, and the application cannot run here (B7). The address is held before the start
 * scripts run and goes after the stop scripts. When all are down, what still runs of the application
 * is ended (the daemon: SIGTERM, SIGKILL); until none of it does, nothing is started.
 */
#include "core/instance.h"

struct unit {
	uint8_t bit;
	enum script start, stop;
};

#define LEFT_RETRY_NS (5 * NS_PER_S)

/* In the order of starting; stopping goes backwards. */
static const struct unit units[] = {
	{ UP_BOTH, SCRIPT_START_BOTH, SCRIPT_STOP_BOTH },
	{ UP_SECOND, SCRIPT_START_SECOND, SCRIPT_STOP_SECOND },
	{ UP_PRIM, SCRIPT_START_PRIM, SCRIPT_STOP_PRIM },
};

static uint8_t wanted_now(const struct application *application)
{
	return application->is_restarting || application->is_failed ? 0 : application->wanted;
}

void application_want(struct instance *instance, uint8_t up)
{
	CHECK((up & ~(UP_BOTH | UP_PRIM | UP_SECOND)) == 0);
	CHECK((up & (UP_PRIM | UP_SECOND)) != (UP_PRIM | UP_SECOND));
	instance->application.wanted = up;
}

bool application_is_settled(const struct instance *instance)
{
	const struct application *application = &instance->application;

	return !application->is_restarting && application->up == application->wanted &&
	       !application->is_running_script;
}

bool application_is_down(const struct instance *instance)
{
	const struct application *application = &instance->application;

	return application->up == 0 && !application->is_running_script &&
	       !application->is_emptying && (application->is_emptied || application->is_left);
}

bool application_is_gone(const struct instance *instance)
{
	return application_is_down(instance) && !instance->application.is_left;
}

bool application_may_start(const struct core *core, const struct instance *instance)
{
	return instance->should_run && !core->is_shutting_down && application_is_gone(instance);
}

bool application_prestart(struct core *core, struct instance *instance)
{
	if (instance->application.is_prestarted)
		return false;
	instance->application.is_prestarted = true;
	(void)application_run(core, instance, SCRIPT_PRESTART);
	return true;
}

static void run(struct core *core, struct instance *instance, enum script script, bool is_forced)
{
	struct application *application = &instance->application;

	CHECK(!application->is_running_script && !application->is_emptying);
	application->is_running_script = true;
	application->is_script_dead = false;
	if (script == SCRIPT_POSTSTOP)
		application->is_emptied = false;
	application->is_script_forced = is_forced;
	application->script = script;
	struct action *action = action_add(core, instance, ACTION_RUN_SCRIPT);
	action->script.script = script;
	action->script.is_forced = is_forced;
}

/* False if the module has no such script: then it has succeeded. */
bool application_run(struct core *core, struct instance *instance, enum script script)
{
	CHECK(script < SCRIPT_COUNT);
	if (!instance->config.has_script[script])
		return false;
	run(core, instance, script, false);
	return true;
}

static void address_advance(struct core *core, struct instance *instance)
{
	struct application *application = &instance->application;

	if (application->is_address_wanted == application->is_address_held)
		return;
	application->is_address_held = application->is_address_wanted;
	if (instance->config.address_count == 0)
		return;
	(void)action_add(core, instance,
		application->is_address_wanted ? ACTION_HOLD_ADDRESS : ACTION_RELEASE_ADDRESS);
}

static void checks_advance(struct core *core, struct instance *instance)
{
	struct application *application = &instance->application;
	bool is_wanted = (application->up & instance->kind->serving) != 0 &&
			 application_is_settled(instance);

	bool is_anew = is_wanted && application->is_checking && application->wants_new_checks &&
		       !instance->kind->is_excused(instance);
	if (is_wanted == application->is_checking && !is_anew)
		return;
	application->is_checking = is_wanted;
	application->wants_new_checks = false;
	application->checks_down = 0;
	if (instance->config.check_count > 0)
		(void)action_add(
			core, instance, is_wanted ? ACTION_START_CHECKS : ACTION_STOP_CHECKS);
}

/* True if a script runs now, or one was skipped: look again. */
static bool step_down(struct core *core, struct instance *instance)
{
	struct application *application = &instance->application;
	uint8_t surplus = (uint8_t)(application->up & ~wanted_now(application));

	for (size_t i = ARRAY_COUNT(units); i-- > 0;) {
		if ((surplus & units[i].bit) == 0)
			continue;
		if (!application_run(core, instance, units[i].stop))
			application->up &= (uint8_t)~units[i].bit;
		return true;
	}
	return false;
}

static bool step_up(struct core *core, struct instance *instance)
{
	struct application *application = &instance->application;
	uint8_t missing = (uint8_t)(wanted_now(application) & ~application->up);

	for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
		if ((missing & units[i].bit) == 0)
			continue;
		application->up |= units[i].bit; /* its stop script cleans up, even if it fails */
		application->is_emptied = false;
		(void)application_run(core, instance, units[i].start);
		return true;
	}
	return false;
}

/* What its stop scripts left, or nobody stops, ends before anything is started again or let go. True
 * if that is not so yet. */
static bool empty(struct core *core, struct instance *instance)
{
	struct application *application = &instance->application;

	if (application->up != 0 || application->is_emptied)
		return false;
	if (application->is_left &&
		!has_passed(core, instance, application->left_ns, LEFT_RETRY_NS))
		return true;
	application->is_emptying = true;
	(void)action_add(core, instance, ACTION_EMPTY_APPLICATION);
	return true;
}

void application_on_emptied(struct core *core, struct instance *instance, const struct event *event)
{
	struct application *application = &instance->application;

	if (!application->is_emptying)
		return;
	application->is_emptying = false;
	application->is_left = event->emptied.is_left;
	application->left_ns = core->now_ns;
	application->is_emptied = !application->is_left;
}

void application_advance(struct core *core, struct instance *instance)
{
	struct application *application = &instance->application;

	address_advance(core, instance);
	if (instance->kind->is_stalled(instance) && application->up != wanted_now(application))
		return;
	while (!application->is_running_script && !application->is_emptying) {
		if (step_down(core, instance))
			continue;
		if (empty(core, instance))
			break;
		if (application->is_restarting && application->up == 0) {
			application->is_restarting = false;
			continue;
		}
		if (!step_up(core, instance))
			break;
	}
	checks_advance(core, instance);
}

void application_kill(struct core *core, struct instance *instance)
{
	struct application *application = &instance->application;

	(void)action_add(core, instance, ACTION_KILL_APPLICATION);
	application->up = 0;
	application->is_emptied = false;
	application->wanted = 0;
	application->is_restarting = false;
	if (application->is_running_script)
		application->is_script_dead = true;
}

void application_forgive(struct instance *instance)
{
	instance->application.is_failed = false;
	instance->application.repairs = 0;
}

void application_repair(struct core *core, struct instance *instance, const char *what)
{
	struct application *application = &instance->application;

	if (core->now_ns - application->repairs_since_ns > instance->config.repairs_window_ns)
		application->repairs = 0;
	if (application->repairs == 0)
		application->repairs_since_ns = core->now_ns;
	application->repairs++;
	application->is_failed = application->repairs > instance->config.repairs_max;
	application->is_restarting = true;
	struct text *text = log_add(core, instance,
		application->is_failed ? "application.given_up" : "application.repair",
		application->is_failed ? SEVERITY_ERROR : SEVERITY_WARNING);
	text_add(text, what);
	if (application->is_failed)
		text_add(text, " once more: repairs are used up, it is not started here again");
	else
		text_add(text, ": the application is stopped and started again");
}

static void on_stop_ended(struct core *core, struct instance *instance, const struct unit *unit,
	const struct event *event)
{
	struct application *application = &instance->application;

	if (event->script.outcome != SCRIPT_SUCCEEDED && !event->script.is_forced) {
		struct text *text = log_add(core, instance, "script.forced", SEVERITY_WARNING);
		text_add(text, script_name(event->script.script));
		text_add(text, " did not end well: it runs again with force");
		run(core, instance, event->script.script, true);
		return;
	}
	if (event->script.outcome != SCRIPT_SUCCEEDED)
		(void)action_add(core, instance, ACTION_KILL_APPLICATION);
	application->up &= (uint8_t)~unit->bit;
}

static const char *outcome_words(const struct event *event)
{
	switch (event->script.outcome) {
	case SCRIPT_SUCCEEDED: return " succeeded";
	case SCRIPT_FAILED: return " failed";
	case SCRIPT_TIMED_OUT: return " took too long";
	case SCRIPT_CANNOT_RUN: return " cannot be run (does it exist, is it executable?)";
	}
	return "";
}

static void on_start_ended(struct core *core, struct instance *instance, const struct event *event)
{
	struct text what;

	if (event->script.outcome == SCRIPT_SUCCEEDED)
		return;
	text_clear(&what);
	text_add(&what, script_name(event->script.script));
	text_add(&what, outcome_words(event));
	application_repair(core, instance, what.data);
}

void application_on_script(struct core *core, struct instance *instance, const struct event *event)
{
	struct application *application = &instance->application;
	enum script script = event->script.script;

	if (!application->is_running_script || application->script != script)
		return;
	application->is_running_script = false;
	if (application->is_script_dead)
		return;
	for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
		if (units[i].stop == script)
			on_stop_ended(core, instance, &units[i], event);
		if (units[i].start == script)
			on_start_ended(core, instance, event);
	}
	if ((script == SCRIPT_PRESTART || script == SCRIPT_POSTSTOP) &&
		event->script.outcome != SCRIPT_SUCCEEDED) {
		struct text *text = log_add(core, instance, "script.failed", SEVERITY_WARNING);
		text_add(text, script_name(script));
		text_add(text, outcome_words(event));
	}
}

void application_on_check(struct core *core, struct instance *instance, const struct event *event)
{
	struct application *application = &instance->application;
	uint32_t bit = BIT(event->check.index % CHECKS_MAX);

	if (!application->is_checking)
		return;
	if (event->check.is_up) {
		application->checks_down &= ~bit;
		return;
	}
	bool is_new = (application->checks_down & bit) == 0;
	application->checks_down |= bit;
	if (!is_new)
		return;
	/* They tell of changes only: begun anew, they say it again if it is still so. */
	application->wants_new_checks = true;
	if (instance->kind->is_excused(instance))
		return;
	application_repair(core, instance, "a check says that the application does not work");
}

void application_on_address(struct core *core, struct instance *instance, const struct event *event)
{
	struct application *application = &instance->application;

	if (!application->is_address_held || event->address.change == ADDRESS_HELD)
		return;
	application->is_address_held = false; /* held again at once */
	struct text *text = log_add(core, instance, "address.lost", SEVERITY_WARNING);
	switch (event->address.change) {
	case ADDRESS_TAKEN_BY_OTHER:
		text_add(text, "another machine uses the service address; this node keeps it");
		break;
	case ADDRESS_GONE:
		text_add(text, "somebody removed the service address; it is put back");
		break;
	case ADDRESS_FAILED:
		application->is_address_held = true;
		text_add(
			text, "the service address cannot be set: is its interface there, and up?");
		break;
	case ADDRESS_HELD: break;
	}
}
