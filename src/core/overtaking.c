#include "core/overtaking.h"

#include "core/planted.h"

/* A stop script ends what runs, and evenkeel-fs is told to stop, or not to answer. */
static bool is_stop_script(enum script script)
{
	return script == SCRIPT_STOP_PRIM || script == SCRIPT_STOP_SECOND ||
	       script == SCRIPT_STOP_BOTH;
}

bool action_overtakes(const struct action *action)
{
	if (planted(PLANTED_SAFETY_QUEUES))
		return false;
	switch (action->type) {
	case ACTION_RELEASE_ADDRESS:
	case ACTION_STOP_CHECKS:
	case ACTION_KILL_APPLICATION:
	case ACTION_EMPTY_APPLICATION:
	case ACTION_NOTE_WISHES:
	case ACTION_ANSWER_COMMAND:
	case ACTION_LOG: return true;
	case ACTION_ORDER_FS:
		return action->fs.order == FS_ORDER_HOLD || action->fs.order == FS_ORDER_STOP;
	case ACTION_RUN_SCRIPT: return is_stop_script(action->script.script);
	case ACTION_SEND_BEAT:
	case ACTION_WRITE_RECORD:
	case ACTION_HOLD_ADDRESS:
	case ACTION_PROBE_ADDRESS:
	case ACTION_ASK_ARBITER:
	case ACTION_START_CHECKS:
	case ACTION_TYPE_COUNT: break;
	}
	return false;
}

bool action_takes_back(const struct action *action, const struct action *waiting)
{
	switch (action->type) {
	case ACTION_RELEASE_ADDRESS: return waiting->type == ACTION_HOLD_ADDRESS;
	case ACTION_STOP_CHECKS: return waiting->type == ACTION_START_CHECKS;
	case ACTION_KILL_APPLICATION: return waiting->type == ACTION_RUN_SCRIPT;
	case ACTION_ORDER_FS:
		if (waiting->type != ACTION_ORDER_FS)
			return false;
		return action->fs.order == FS_ORDER_STOP || waiting->fs.order == FS_ORDER_RESUME;
	case ACTION_SEND_BEAT:
	case ACTION_WRITE_RECORD:
	case ACTION_NOTE_WISHES:
	case ACTION_RUN_SCRIPT:
	case ACTION_HOLD_ADDRESS:
	case ACTION_PROBE_ADDRESS:
	case ACTION_ASK_ARBITER:
	case ACTION_START_CHECKS:
	case ACTION_EMPTY_APPLICATION:
	case ACTION_ANSWER_COMMAND:
	case ACTION_LOG:
	case ACTION_TYPE_COUNT: break;
	}
	return false;
}
