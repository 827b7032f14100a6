#include "core/command.h"
#include "core/mirror/mirror.h"
#include "core/single/single.h"
#include "core/status.h"

#include "base/error.h"

#define ACTIONS_OF_ADVANCE 24 /* most actions of one module in one step of the core */
#define ADVANCES_MAX	   24

#define BEAT_GAP_NS	(20 * NS_PER_MS) /* between two beats, however much changes */
#define BEAT_TROUBLE_NS (50 * NS_PER_MS) /* while somebody is suspected */
#define LATENESS_MIN_NS (10 * NS_PER_MS) /* less is a timer's own jitter */

/* One module on this node; its kind says which of these it is. */
union slot {
	struct instance common;
	struct mirror mirror;
	struct single single;
};

static const struct kind *const kinds[KIND_COUNT] = {
	[KIND_MIRROR] = &mirror_kind,
	[KIND_SINGLE] = &single_kind,
};

/* The memory of a core: what its files share, and the modules, which only this file knows. */
struct house {
	struct core core; /* first: users of the core hold a pointer to this */
	union slot slots[MODULES_MAX];
};

static struct house *house_of(const struct core *core)
{
	return (struct house *)core;
}

static struct instance *instance_at(const struct core *core, int index)
{
	return &house_of(core)->slots[index].common;
}

size_t core_size(void)
{
	return sizeof(struct house);
}

void core_init(struct core *core, const struct core_config *config)
{
	CHECK(config->self >= 1 && config->self <= NODES_MAX);
	CHECK(config->margin_ns > 0 && config->margin_ns < config->silence_ns);
	CHECK(config->beat_ns > 0 && config->node_count <= NODES_MAX);
	uint8_t *bytes = (uint8_t *)core;
	for (size_t i = 0; i < sizeof(struct house); i++)
		bytes[i] = 0;
	core->config = *config;
}

/* ---- modules ---- */

/* hint: where to look first. The index, or -1. */
static int instance_index(const struct core *core, uint16_t number, int hint)
{
	for (int i = 0; i < MODULES_MAX; i++) {
		int index = (hint + i) % MODULES_MAX;
		const struct instance *instance = instance_at(core, index);
		if (instance->is_used && instance->number == number)
			return index;
	}
	return -1;
}

static struct instance *instance_find(const struct core *core, uint16_t number)
{
	int index = instance_index(core, number, 0);

	return index < 0 ? NULL : instance_at(core, index);
}

static struct instance *free_slot(struct core *core)
{
	for (int i = 0; i < MODULES_MAX; i++)
		if (!instance_at(core, i)->is_used)
			return instance_at(core, i);
	return NULL;
}

static void on_module_added(struct core *core, const struct event *event)
{
	struct instance *instance = free_slot(core);

	CHECK(instance_find(core, event->module) == NULL);
	CHECK(instance != NULL);
	CHECK(event->module_added.config.kind < KIND_COUNT);
	instance->kind = kinds[event->module_added.config.kind];
	instance->is_used = true;
	instance->is_dirty = true;
	instance->number = event->module;
	instance->wake_ns = NO_TIME;
	instance->kind->on_added(core, instance, event);
}

static void on_module_removed(struct instance *instance)
{
	*(union slot *)instance = (union slot){ 0 };
}

static void on_summaries(struct core *core, const struct beat *beat)
{
	int hint = 0;

	for (uint16_t i = 0; i < beat->summary_count; i++) {
		int index = instance_index(core, beat->summaries[i].module, hint);
		if (index < 0 || instance_at(core, index)->config.peer != beat->from)
			continue;
		hint = index + 1;
		struct instance *instance = instance_at(core, index);
		instance->kind->on_summary(core, instance, beat, &beat->summaries[i]);
	}
}

static void mark_all(struct core *core, uint8_t peer)
{
	for (int i = 0; i < MODULES_MAX; i++) {
		struct instance *instance = instance_at(core, i);
		if (peer == 0 || instance->config.peer == peer)
			instance->is_dirty = instance->is_used;
	}
}

static void on_beat(struct core *core, const struct beat *beat)
{
	if (!member_on_beat(core, beat))
		return;
	on_summaries(core, beat);
	mark_all(core, beat->from);
}

static void on_shutdown(struct core *core)
{
	core->is_shutting_down = true;
	for (int i = 0; i < MODULES_MAX; i++) {
		struct instance *instance = instance_at(core, i);
		if (instance->is_used && !instance->kind->is_stopped(instance))
			instance->wants_stop = true;
	}
	mark_all(core, 0);
}

/* A late answer may come for a module that was removed meanwhile: nothing to do then. */
static void on_module_event(struct core *core, const struct event *event)
{
	struct instance *instance = instance_find(core, event->module);

	if (instance == NULL) {
		if (event->type == EVENT_COMMAND_GIVEN)
			command_on_given(core, NULL, event);
		return;
	}
	instance->is_dirty = true;
	switch (event->type) {
	case EVENT_MODULE_REMOVED: on_module_removed(instance); break;
	case EVENT_RECORD_WRITTEN:
		writing_on_written(core, instance, event->record_written.error);
		break;
	case EVENT_SCRIPT_ENDED: application_on_script(core, instance, event); break;
	case EVENT_APPLICATION_EMPTIED: application_on_emptied(core, instance, event); break;
	case EVENT_ADDRESS_CHANGED: application_on_address(core, instance, event); break;
	case EVENT_CHECK_CHANGED: application_on_check(core, instance, event); break;
	case EVENT_OBSERVED: observation_on_seen(core, instance, event); break;
	case EVENT_COMMAND_GIVEN: command_on_given(core, instance, event); break;
	case EVENT_FS_REPORTED:
	case EVENT_PROBE_ENDED:
	case EVENT_ARBITER_ANSWERED:
	case EVENT_COMPARED: instance->kind->on_event(core, instance, event); break;
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
	case EVENT_APPLICATION_EMPTIED:
	case EVENT_ADDRESS_CHANGED:
	case EVENT_PROBE_ENDED:
	case EVENT_ARBITER_ANSWERED:
	case EVENT_CHECK_CHANGED:
	case EVENT_OBSERVED:
	case EVENT_COMPARED:
	case EVENT_COMMAND_GIVEN: on_module_event(core, event); break;
	case EVENT_TYPE_COUNT: CHECK(false);
	}
}

/* ---- advancing ---- */

/* As the other node is told: how long ago, not when. */
static struct sights sights_told(const struct core *core, const struct instance *instance)
{
	struct sights sights = instance->observation.sights;

	if (sights.seen_ns != 0)
		sights.seen_ns = MAX_OF(core->now_ns - sights.seen_ns, 1);
	return sights;
}

static void summary_fill(
	const struct core *core, const struct instance *instance, struct summary *out)
{
	*out = (struct summary){
		.module = instance->number,
		.record = instance->record,
		.can_reach_target = core->can_reach_target,
		.sights = sights_told(core, instance),
	};
	instance->kind->show(instance, out);
	if (planted(PLANTED_SHOWN_EARLY) && instance->writing.is_open)
		out->record = instance->writing.record;
}

/* What is bad is worth a beat of its own. */
static uint32_t bad_of(const struct sights *sights)
{
	uint32_t bad = 0;

	for (enum look look = 0; look < LOOK_COUNT; look++)
		if (sights->of[look].finding == FINDING_BAD)
			bad |= BIT(look);
	return bad;
}

static struct shown shown_of(const struct core *core, const struct instance *instance)
{
	struct summary summary;

	summary_fill(core, instance, &summary);
	return (struct shown){
		.state = summary.state,
		.readiness = summary.readiness,
		.fs_role = summary.fs_role,
		.fs_link = summary.fs_link,
		.flags = (uint8_t)((summary.wants_drop ? 1 : 0) | (summary.wants_swap ? 2 : 0) |
				   (summary.is_second_only ? 4 : 0) | (summary.is_failed ? 8 : 0)),
		.record_stamp = instance->writing.stamp,
		.bad = bad_of(&summary.sights),
	};
}

static bool shown_is_equal(const struct shown *a, const struct shown *b)
{
	return a->state == b->state && a->readiness == b->readiness && a->fs_role == b->fs_role &&
	       a->fs_link == b->fs_link && a->flags == b->flags &&
	       a->record_stamp == b->record_stamp && a->bad == b->bad;
}

static void log_state(struct core *core, struct instance *instance, const struct shown *next)
{
	struct text *text = log_add(core, instance, "module.state", SEVERITY_INFO);

	text_add(text, module_state_name(next->state));
	text_add(text, " ");
	text_add(text, readiness_name(next->readiness));
}

static void advance(struct core *core, struct instance *instance)
{
	instance->is_dirty = false;
	for (int i = 0; i < ADVANCES_MAX; i++) {
		instance->wake_ns = NO_TIME;
		if (!instance->kind->advance(core, instance))
			break;
		CHECK(i + 1 < ADVANCES_MAX);
	}
	CHECK(instance->wake_ns > core->now_ns); /* else the daemon would spin */
	instance_note_wishes(core, instance);
	struct shown next = shown_of(core, instance);
	if (shown_is_equal(&instance->shown, &next))
		return;
	if (next.state != instance->shown.state || next.readiness != instance->shown.readiness)
		log_state(core, instance, &next);
	instance->shown = next;
	core->wants_beat = true;
}

/* What finds no room among the actions stays dirty; core_deadline() asks to be called at once. */
static void advance_all(struct core *core)
{
	core->is_in_trouble = false;
	for (int i = 0; i < MODULES_MAX; i++) {
		struct instance *instance = instance_at(core, i);
		if (!instance->is_used)
			continue;
		instance->is_dirty = instance->is_dirty || instance->wake_ns <= core->now_ns;
		if (instance->is_dirty && core->actions->count + ACTIONS_OF_ADVANCE < ACTIONS_MAX)
			advance(core, instance);
		core->is_in_trouble =
			core->is_in_trouble || instance->kind->is_in_trouble(instance);
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
	core->wants_beat = member_is_greeting_owed(core);
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
		member_on_lateness(core, event->now_ns - deadline, event->now_ns);
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
		const struct instance *instance = instance_at(core, i);
		if (instance->is_used)
			deadline = MIN_OF(
				deadline, instance->is_dirty ? core->now_ns : instance->wake_ns);
	}
	return deadline;
}

/* ---- what others see ---- */

uint16_t core_summaries(const struct core *core, struct summary *out, uint16_t max)
{
	uint16_t count = 0;

	for (int i = 0; i < MODULES_MAX && count < max; i++)
		if (instance_at(core, i)->is_used)
			summary_fill(core, instance_at(core, i), &out[count++]);
	return count;
}

int core_summary(const struct core *core, uint16_t number, struct summary *out_summary)
{
	const struct instance *instance = instance_find(core, number);

	if (instance == NULL)
		return -ERROR_NOT_FOUND;
	summary_fill(core, instance, out_summary);
	return 0;
}

int64_t core_two_way_age_ns(const struct core *core, uint8_t node, int64_t now_ns)
{
	return member_age_ns(core, node) + (now_ns - core->now_ns);
}

enum beat_worth core_weigh_beat(const struct core *core, const struct beat *beat, int64_t now_ns)
{
	return member_weigh(core, beat, now_ns);
}

void core_beat(struct core *core, uint8_t to, int64_t now_ns, struct beat *out_beat)
{
	CHECK(to >= 1 && to <= NODES_MAX);
	CHECK(to != core->config.self);
	*out_beat = (struct beat){
		.from = core->config.self,
		.boot_nonce = core->config.boot_nonce,
		.counter = ++core->beat_counter,
		.sent_ns = now_ns,
		.echo = member_echo(core, to),
		.greeting = member_greet(core, to, now_ns),
		.is_goodbye = core_is_shut_down(core),
	};
}

bool core_is_shut_down(const struct core *core)
{
	if (!core->is_shutting_down)
		return false;
	for (int i = 0; i < MODULES_MAX; i++) {
		const struct instance *instance = instance_at(core, i);
		if (instance->is_used && !instance->kind->is_stopped(instance))
			return false;
	}
	return true;
}

int core_status(const struct core *core, uint16_t number, struct status *out_status)
{
	const struct instance *instance = instance_find(core, number);

	if (instance == NULL)
		return -ERROR_NOT_FOUND;
	status_fill(core, instance, out_status);
	return 0;
}

void core_verify(const struct core *core)
{
	CHECK(core->actions == NULL);
	CHECK(core->config.self >= 1 && core->config.self <= NODES_MAX);
	if (is_planted_build())
		return;
	for (int i = 0; i < MODULES_MAX; i++) {
		const struct instance *instance = instance_at(core, i);
		if (instance->is_used)
			instance->kind->verify(core, instance);
	}
}
