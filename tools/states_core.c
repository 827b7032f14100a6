#include <stdio.h>

#include "base/macros.h"
#include "core/mirror/steps.h"
#include "core/single/single.h"
#include "tools/states.h"

static const char *name_of_step(int state)
{
	return step_name((enum step)state);
}

static const char *shown_of_step(int state)
{
	static char text[32];
	(void)snprintf(text, sizeof(text), "%s %s", module_state_name(step_state((enum step)state)),
		readiness_name(step_readiness((enum step)state)));
	return text;
}

static bool step_follows(int state, int next)
{
	return step_may_follow((enum step)state, (enum step)next);
}

static const char *name_of_single(int state)
{
	return single_step_name((enum single_step)state);
}

static const char *shown_of_single(int state)
{
	static char text[32];
	(void)snprintf(text, sizeof(text), "%s %s",
		module_state_name(single_step_state((enum single_step)state)),
		readiness_name(single_step_readiness((enum single_step)state)));
	return text;
}

static bool single_follows(int state, int next)
{
	return single_step_may_follow((enum single_step)state, (enum single_step)next);
}

const struct machine core_machines[] = {
	{ "A mirror module on one node", "src/core/mirror/steps.c",
		"Each step is what the node is doing about the module now. `Ready` is shown only "
		"while the application is up as well; a module that is being stopped shows "
		"`STOP`.",
		STEP_COUNT, name_of_step, shown_of_step, step_follows },
	{ "A single module on its node", "src/core/single/single.c",
		"A module that is being stopped by a person shows `STOP`.", SINGLE_STEP_COUNT,
		name_of_single, shown_of_single, single_follows },
};
const size_t core_machine_count = ARRAY_COUNT(core_machines);
