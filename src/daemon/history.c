#include "daemon/history.h"

#include <stdio.h>
#include <string.h>

#include "daemon/runtime.h"
#include "platform/clock.h"

#define REASON_NS (60 * NS_PER_S) /* what was said so long before a change may be its reason */

/* Whoever hears one of these and then a change of state has its reason. */
static const char *const reasons[] = { "module.takeover", "module.lost", "module.local_failed",
	"module.alone", "application.given_up", "watch.found", "peer.dropped" };

static bool is_reason(const char *id)
{
	for (size_t i = 0; i < ARRAY_COUNT(reasons); i++)
		if (strcmp(id, reasons[i]) == 0)
			return true;
	return false;
}

static bool is_serving(const char *state)
{
	return strncmp(state, "PRIM", 4) == 0 || strncmp(state, "ALONE", 5) == 0 ||
	       strncmp(state, "UP", 2) == 0;
}

static void move(struct module *module, bool is_serving_now, int64_t wall_ns)
{
	struct runtime *runtime = &module->runtime;
	bool has_reason = module->reason[0] != '\0' && wall_ns - module->reason_ns < REASON_NS;
	char at[CLOCK_TEXT_SIZE];

	(void)snprintf(runtime->move, sizeof(runtime->move), "%s: this node %s: %.400s",
		clock_wall_text(wall_ns, at), is_serving_now ? "began to serve" : "ceased to serve",
		has_reason ? module->reason
			   : "in order, by a command on one of the nodes or after a start");
	module->reason[0] = '\0';
}

void history_hear(struct module *module, const char *id, const char *sentence, int64_t wall_ns)
{
	struct runtime *runtime = &module->runtime;

	if (is_reason(id)) {
		(void)snprintf(module->reason, sizeof(module->reason), "%s", sentence);
		module->reason_ns = wall_ns;
		return;
	}
	if (strcmp(id, "module.state") != 0 || strcmp(sentence, runtime->state) == 0)
		return;
	/* Without a past it is what it was found to be, and nothing moved. */
	if (runtime->since_ns != 0 && is_serving(sentence) != is_serving(runtime->state))
		move(module, is_serving(sentence), wall_ns);
	(void)snprintf(runtime->state, sizeof(runtime->state), "%s", sentence);
	runtime->since_ns = wall_ns;
	runtime_write(module);
}
