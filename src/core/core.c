#include "core/core_internal.h"

#include "base/error.h"

size_t core_size(void)
{
	return sizeof(struct core);
}

void core_init(struct core *core, const struct core_config *config)
{
	CHECK(config->self >= 1 && config->self <= NODES_MAX);
	CHECK(config->margin_ns > 0 && config->margin_ns < config->silence_ns);
	CHECK(config->beat_ns > 0 && config->node_count <= NODES_MAX);
	uint8_t *bytes = (uint8_t *)core;
	for (size_t i = 0; i < sizeof(*core); i++)
		bytes[i] = 0;
	core->config = *config;
}

struct action *action_add(struct core *core, struct module *module, enum action_type type)
{
	CHECK(core->actions != NULL);
	CHECK(core->actions->count < ACTIONS_MAX);
	struct action *action = &core->actions->list[core->actions->count++];
	*action = (struct action){ .type = type, .module = module == NULL ? 0 : module->number };
	return action;
}

struct text *log_add(
	struct core *core, struct module *module, const char *id, enum severity severity)
{
	struct action *action = action_add(core, module, ACTION_LOG);

	action->log.id = id;
	action->log.severity = severity;
	text_clear(&action->log.sentence);
	return &action->log.sentence;
}

void say_detail(struct text *text, const struct module *module)
{
	if (module->detail[0] == '\0')
		return;
	text_add(text, " (");
	text_add(text, module->detail);
	text_add(text, ")");
}

void wake_at(struct module *module, int64_t time_ns)
{
	module->wake_ns = MIN_OF(module->wake_ns, time_ns);
}

bool has_passed(struct core *core, struct module *module, int64_t since_ns, int64_t duration_ns)
{
	CHECK(duration_ns >= 0);
	if (core->now_ns - since_ns >= duration_ns)
		return true;
	wake_at(module, since_ns + duration_ns);
	return false;
}

/* SplitMix64 (Steele, Lea, Flood 2014): spreads the daemon's random seed over a module's life. */
uint64_t module_random(struct module *module)
{
	module->random += 0x9e3779b97f4a7c15u;
	uint64_t z = module->random;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* ---- modules ---- */

static struct module *module_find(const struct core *core, uint16_t number, int hint)
{
	for (int i = 0; i < MODULES_MAX; i++) {
		const struct module *module = &core->modules[(hint + i) % MODULES_MAX];
		if (module->is_used && module->number == number)
			return (struct module *)module;
	}
	return NULL;
}

static struct module *module_free_slot(struct core *core)
{
	for (int i = 0; i < MODULES_MAX; i++)
		if (!core->modules[i].is_used)
			return &core->modules[i];
	return NULL;
}

static void on_module_added(struct core *core, const struct event *event)
{
	struct module *module = module_find(core, event->module, 0);

	CHECK(module == NULL);
	module = module_free_slot(core);
	CHECK(module != NULL);
	*module = (struct module){
		.is_used = true,
		.is_dirty = true,
		.number = event->module,
		.wake_ns = NO_TIME,
	};
	module_on_added(core, module, event);
}

static void on_summaries(struct core *core, const struct beat *beat)
{
	int hint = 0;

	for (uint16_t i = 0; i < beat->summary_count; i++) {
		struct module *module = module_find(core, beat->summaries[i].module, hint);
		if (module == NULL || module->config.peer != beat->from)
			continue;
		hint = (int)(module - core->modules) + 1;
		module->peer = beat->summaries[i];
		module->is_peer_known = true;
		if (beat->echo_nonce == core->config.boot_nonce)
			module->peer_echo_ns = MAX_OF(module->peer_echo_ns, beat->echo_ns);
	}
}

static void mark_all(struct core *core, uint8_t peer)
{
	for (int i = 0; i < MODULES_MAX; i++)
		if (peer == 0 || core->modules[i].config.peer == peer)
			core->modules[i].is_dirty = core->modules[i].is_used;
}

static void on_beat(struct core *core, const struct beat *beat)
{
	if (!member_on_beat(core, beat))
		return;
	on_summaries(core, beat);
	mark_all(core, beat->from);
}

static void on_probe_ended(struct module *module, const struct event *event)
{
	module->is_probe_open = false;
	module->is_probed = true;
	module->probe = event->probe.outcome;
	for (int i = 0; i < 6; i++)
		module->probe_mac[i] = event->probe.mac[i];
}

static void on_arbiter_answered(struct module *module, const struct event *event)
{
	if (!module->is_answer_open || event->arbiter.nonce != module->ask_nonce)
		return;
	module->is_answer_open = false;
	module->answer = event->arbiter.answer;
}

static void on_shutdown(struct core *core)
{
	core->is_shutting_down = true;
	for (int i = 0; i < MODULES_MAX; i++) {
		struct module *module = &core->modules[i];
		if (module->is_used && module->step != STEP_STOPPED)
			module->wants_stop = true;
	}
	mark_all(core, 0);
}

/* A late answer may come for a module that was removed meanwhile: nothing to do then. */
static void on_module_event(struct core *core, const struct event *event)
{
	struct module *module = module_find(core, event->module, 0);

	if (module == NULL) {
		if (event->type == EVENT_COMMAND_GIVEN)
			command_on_given(core, NULL, event);
		return;
	}
	module->is_dirty = true;
	switch (event->type) {
	case EVENT_MODULE_REMOVED: *module = (struct module){ 0 }; break;
	case EVENT_RECORD_WRITTEN:
		tenure_on_written(core, module, event->record_written.error);
		break;
	case EVENT_FS_REPORTED: order_on_report(core, module, event); break;
	case EVENT_SCRIPT_ENDED: application_on_script(core, module, event); break;
	case EVENT_ADDRESS_CHANGED: application_on_address(core, module, event); break;
	case EVENT_PROBE_ENDED: on_probe_ended(module, event); break;
	case EVENT_ARBITER_ANSWERED: on_arbiter_answered(module, event); break;
	case EVENT_CHECK_CHANGED: application_on_check(core, module, event); break;
	case EVENT_COMMAND_GIVEN: command_on_given(core, module, event); break;
	case EVENT_STARTED:
	case EVENT_TIME_PASSED:
	case EVENT_MODULE_ADDED:
	case EVENT_BEAT_HEARD:
	case EVENT_TARGET_TRIED:
	case EVENT_SHUTDOWN_WANTED:
	case EVENT_TYPE_COUNT: CHECK(false);
	}
}

/* Said by whoever tries it, and knows the address. */
static void on_target(struct core *core, bool is_reachable)
{
	core->can_reach_target = is_reachable;
	core->wants_beat = true;
}

static void on_event(struct core *core, const struct event *event)
{
	switch (event->type) {
	case EVENT_STARTED:
		core->is_started = true;
		core->started_ns = event->now_ns;
		core->wants_beat = true;
		break;
	case EVENT_TIME_PASSED: break;
	case EVENT_MODULE_ADDED: on_module_added(core, event); break;
	case EVENT_BEAT_HEARD: on_beat(core, &event->beat); break;
	case EVENT_TARGET_TRIED: on_target(core, event->target.is_reachable); break;
	case EVENT_SHUTDOWN_WANTED: on_shutdown(core); break;
	case EVENT_MODULE_REMOVED:
	case EVENT_RECORD_WRITTEN:
	case EVENT_FS_REPORTED:
	case EVENT_SCRIPT_ENDED:
	case EVENT_ADDRESS_CHANGED:
	case EVENT_PROBE_ENDED:
	case EVENT_ARBITER_ANSWERED:
	case EVENT_CHECK_CHANGED:
	case EVENT_COMMAND_GIVEN: on_module_event(core, event); break;
	case EVENT_TYPE_COUNT: CHECK(false);
	}
}

/* ---- advancing ---- */

/* While an order is open, no role is there to rely on. */
static enum fs_role fs_role_shown(const struct module *module)
{
	return module->is_order_open ? FS_NONE : module->fs_role;
}

/* `swap` on a secondary, or `prim` on a node that waits. */
static bool wants_service(const struct module *module)
{
	return (module->wants_swap || module->wants_forced_prim) && !step_is_primary(module->step);
}

static struct shown shown_of(const struct module *module)
{
	return (struct shown){
		.state = mirror_state_of(module),
		.readiness = mirror_readiness_of(module),
		.fs_role = fs_role_shown(module),
		.fs_link = module->fs_link,
		.flags = (uint8_t)((module->wants_drop ? 1 : 0) | (wants_service(module) ? 2 : 0) |
				   (module->is_second_only ? 4 : 0) |
				   (module->application.is_failed || module->is_blocked ? 8 : 0)),
		.record_stamp = module->record_stamp,
	};
}

static bool shown_is_equal(const struct shown *a, const struct shown *b)
{
	return a->state == b->state && a->readiness == b->readiness && a->fs_role == b->fs_role &&
	       a->fs_link == b->fs_link && a->flags == b->flags &&
	       a->record_stamp == b->record_stamp;
}

static void log_state(struct core *core, struct module *module, const struct shown *next)
{
	struct text *text = log_add(core, module, "module.state", SEVERITY_INFO);

	text_add(text, mirror_state_name(next->state));
	text_add(text, " ");
	text_add(text, readiness_name(next->readiness));
}

static void advance(struct core *core, struct module *module)
{
	module->is_dirty = false;
	for (int i = 0; i < ADVANCES_MAX; i++) {
		module->wake_ns = NO_TIME;
		if (!mirror_advance(core, module))
			break;
		CHECK(i + 1 < ADVANCES_MAX);
	}
	CHECK(module->wake_ns > core->now_ns); /* else the daemon would spin */
	struct shown next = shown_of(module);
	if (shown_is_equal(&module->shown, &next))
		return;
	if (next.state != module->shown.state || next.readiness != module->shown.readiness)
		log_state(core, module, &next);
	module->shown = next;
	core->wants_beat = true;
}

/* What finds no room among the actions stays dirty; core_deadline() asks to be called at once. */
static void advance_all(struct core *core)
{
	core->is_in_trouble = false;
	for (int i = 0; i < MODULES_MAX; i++) {
		struct module *module = &core->modules[i];
		if (!module->is_used)
			continue;
		module->is_dirty = module->is_dirty || module->wake_ns <= core->now_ns;
		if (module->is_dirty && core->actions->count + ACTIONS_OF_ADVANCE < ACTIONS_MAX)
			advance(core, module);
		core->is_in_trouble =
			core->is_in_trouble || step_has(module->step, STEP_IS_TROUBLE);
	}
}

static int64_t beat_due_ns(const struct core *core)
{
	int64_t gap = core->is_in_trouble ? BEAT_TROUBLE_NS : core->config.beat_ns;

	return core->beat_ns + (core->wants_beat ? BEAT_GAP_NS : MIN_OF(gap, core->config.beat_ns));
}

static void send_beat_if_due(struct core *core)
{
	if (core->beat_ns != 0 && core->now_ns < beat_due_ns(core))
		return;
	core->wants_beat = false;
	core->beat_ns = core->now_ns;
	(void)action_add(core, NULL, ACTION_SEND_BEAT);
}

void core_step(struct core *core, const struct event *event, struct actions *actions)
{
	CHECK(event->now_ns >= core->now_ns);
	CHECK(core->is_started || event->type == EVENT_STARTED);
	actions->count = 0;
	core->actions = actions;
	int64_t deadline = core_deadline(core);
	if (event->now_ns > deadline && event->now_ns - deadline > LATENESS_MIN_NS)
		member_on_lateness(core, event->now_ns - deadline);
	core->now_ns = event->now_ns;
	on_event(core, event);
	advance_all(core);
	send_beat_if_due(core);
	core->actions = NULL;
	core_verify(core);
}

int64_t core_deadline(const struct core *core)
{
	if (!core->is_started)
		return NO_TIME;
	int64_t deadline = beat_due_ns(core);
	for (int i = 0; i < MODULES_MAX; i++) {
		const struct module *module = &core->modules[i];
		if (module->is_used)
			deadline =
				MIN_OF(deadline, module->is_dirty ? core->now_ns : module->wake_ns);
	}
	return deadline;
}

/* ---- what others see ---- */

static void summary_fill(const struct core *core, const struct module *module, struct summary *out)
{
	*out = (struct summary){
		.module = module->number,
		.state = mirror_state_of(module),
		.readiness = mirror_readiness_of(module),
		.record = module->record,
		.fs_role = fs_role_shown(module),
		.fs_link = module->fs_link,
		.wants_drop = module->wants_drop,
		.wants_swap = wants_service(module),
		.is_second_only = module->is_second_only,
		.is_failed = module->application.is_failed || module->is_blocked,
		.can_reach_target = core->can_reach_target,
	};
	if (planted(PLANTED_SHOWN_EARLY) && module->is_writing)
		out->record = module->writing;
}

uint16_t core_summaries(const struct core *core, struct summary *out, uint16_t max)
{
	uint16_t count = 0;

	for (int i = 0; i < MODULES_MAX && count < max; i++)
		if (core->modules[i].is_used)
			summary_fill(core, &core->modules[i], &out[count++]);
	return count;
}

void core_beat(struct core *core, uint8_t to, int64_t now_ns, struct beat *out_beat)
{
	CHECK(to >= 1 && to <= NODES_MAX);
	CHECK(to != core->config.self);
	const struct member *member = &core->members[to];
	*out_beat = (struct beat){
		.from = core->config.self,
		.boot_nonce = core->config.boot_nonce,
		.counter = ++core->beat_counter,
		.sent_ns = now_ns,
		.echo_ns = member->sent_ns,
		.echo_nonce = member->nonce,
		.is_goodbye = core_is_shut_down(core),
	};
}

bool core_is_shut_down(const struct core *core)
{
	if (!core->is_shutting_down)
		return false;
	for (int i = 0; i < MODULES_MAX; i++)
		if (core->modules[i].is_used && core->modules[i].step != STEP_STOPPED)
			return false;
	return true;
}

int core_status(const struct core *core, uint16_t number, struct status *out_status)
{
	const struct module *module = module_find(core, number, 0);

	if (module == NULL)
		return -ERROR_NOT_FOUND;
	status_fill(core, module, out_status);
	return 0;
}

void core_verify(const struct core *core)
{
	CHECK(core->actions == NULL);
	CHECK(core->config.self >= 1 && core->config.self <= NODES_MAX);
	if (is_planted_build())
		return;
	for (int i = 0; i < MODULES_MAX; i++)
		if (core->modules[i].is_used)
			mirror_verify(core, &core->modules[i]);
}
