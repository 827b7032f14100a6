#include "core/observation.h"

#include "core/instance.h"

static void say_found(
	struct core *core, struct instance *instance, enum look look, const char *detail)
{
	struct text *text = log_add(core, instance, "watch.found", SEVERITY_ERROR);

	sights_say_bad(&instance->observation.sights, look, text);
	if (detail[0] == '\0')
		return;
	text_add(text, ": ");
	text_add(text, detail);
}

static void say_good(struct core *core, struct instance *instance, enum look look)
{
	struct text *text = log_add(core, instance, "watch.good", SEVERITY_INFO);

	text_add(text, words_name(&look_words, look));
	text_add(text, " is as it should be again");
}

void observation_on_seen(struct core *core, struct instance *instance, const struct event *event)
{
	struct observation *observation = &instance->observation;

	observation->sights = event->observed.sights;
	observation->sights.seen_ns = core->now_ns;
	for (enum look look = 0; look < LOOK_COUNT; look++) {
		enum finding finding = observation->sights.of[look].finding;
		bool was_said = (observation->said & BIT(look)) != 0;
		CHECK(finding < FINDING_COUNT);
		if (look == LOOK_MOUNT && (finding == FINDING_GOOD || finding == FINDING_BAD))
			observation->is_mount_lost = finding == FINDING_BAD;
		if (finding == FINDING_BAD && !was_said)
			say_found(core, instance, look, event->observed.detail);
		if (finding == FINDING_GOOD && was_said)
			say_good(core, instance, look);
		if (finding == FINDING_BAD)
			observation->said |= BIT(look);
		else if (finding != FINDING_LATE)
			observation->said &= ~BIT(look);
	}
}

void observation_forget(struct instance *instance)
{
	struct sight *of = instance->observation.sights.of;

	of[LOOK_MOUNT] = of[LOOK_FS] = of[LOOK_DISK] = (struct sight){ 0 };
}

void observation_on_mount(struct instance *instance)
{
	instance->observation.is_mount_lost = false;
}
