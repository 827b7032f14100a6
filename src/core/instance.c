#include "core/instance.h"

#include "base/macros.h"

struct action *action_add(struct core *core, struct instance *instance, enum action_type type)
{
	CHECK(core->actions != NULL);
	CHECK(core->actions->count < ACTIONS_MAX);
	struct action *action = &core->actions->list[core->actions->count++];
	*action =
		(struct action){ .type = type, .module = instance == NULL ? 0 : instance->number };
	return action;
}

struct text *log_add(
	struct core *core, struct instance *instance, const char *id, enum severity severity)
{
	struct action *action = action_add(core, instance, ACTION_LOG);

	action->log.id = id;
	action->log.severity = severity;
	text_clear(&action->log.sentence);
	return &action->log.sentence;
}

void wake_at(struct instance *instance, int64_t time_ns)
{
	instance->wake_ns = MIN_OF(instance->wake_ns, time_ns);
}

bool has_passed(struct core *core, struct instance *instance, int64_t since_ns, int64_t duration_ns)
{
	CHECK(duration_ns >= 0);
	if (core->now_ns - since_ns >= duration_ns)
		return true;
	wake_at(instance, since_ns + duration_ns);
	return false;
}

/* SplitMix64 (Steele, Lea, Flood 2014): spreads the daemon's random seed over a module's life. */
uint64_t instance_random(struct instance *instance)
{
	instance->random += 0x9e3779b97f4a7c15u;
	uint64_t z = instance->random;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void instance_note_wishes(struct core *core, struct instance *instance)
{
	struct wishes *noted = &instance->noted;
	bool is_changed = instance->was_to_run != instance->should_run;

	if (!is_changed && noted->is_restarting == instance->application.is_restarting)
		return;
	if (is_changed) {
		instance->was_to_run = noted->is_told_to_run = instance->should_run;
		noted->is_told_to_stop = !instance->should_run;
	}
	noted->is_restarting = instance->application.is_restarting;
	action_add(core, instance, ACTION_NOTE_WISHES)->wishes = *noted;
}

void instance_on_added(struct core *core, struct instance *instance, const struct event *event)
{
	const struct wishes *wishes = &event->module_added.wishes;

	instance->config = event->module_added.config;
	instance->record = event->module_added.record;
	CHECK(!wishes->is_told_to_run || !wishes->is_told_to_stop);
	instance->should_run =
		wishes->is_told_to_run || (instance->record.should_run && !wishes->is_told_to_stop);
	instance->was_to_run = instance->should_run;
	instance->noted = *wishes;
	instance->application.is_restarting = wishes->is_restarting;
	instance->since_ns = core->now_ns;
	for (int i = 0; i < 4; i++) {
		instance->random ^= event->module_added.random[i];
		instance->random = instance_random(instance);
	}
}
