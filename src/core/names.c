#include "core/core.h"

const char *module_state_name(enum module_state state)
{
	static const char *const names[STATE_COUNT] = { "STOP", "WAIT", "ALONE", "PRIM", "SECOND",
		"UP" };

	CHECK(state < STATE_COUNT);
	return names[state];
}

const char *readiness_name(enum readiness readiness)
{
	static const char *const names[READINESS_COUNT] = { "NotReady", "Transient", "Ready" };

	CHECK(readiness < READINESS_COUNT);
	return names[readiness];
}

const char *script_name(enum script script)
{
	static const char *const names[SCRIPT_COUNT] = {
		[SCRIPT_PRESTART] = "prestart",
		[SCRIPT_START_PRIM] = "start_prim",
		[SCRIPT_STOP_PRIM] = "stop_prim",
		[SCRIPT_START_SECOND] = "start_second",
		[SCRIPT_STOP_SECOND] = "stop_second",
		[SCRIPT_START_BOTH] = "start_both",
		[SCRIPT_STOP_BOTH] = "stop_both",
		[SCRIPT_POSTSTOP] = "poststop",
	};

	CHECK(script < SCRIPT_COUNT);
	return names[script];
}

const char *command_name(enum command command)
{
	static const char *const names[COMMAND_COUNT] = {
		[COMMAND_START] = "start",
		[COMMAND_STOP] = "stop",
		[COMMAND_RESTART] = "restart",
		[COMMAND_SWAP] = "swap",
		[COMMAND_PRIM] = "prim",
		[COMMAND_SECOND] = "second",
	};

	CHECK(command < COMMAND_COUNT);
	return names[command];
}

const char *refusal_sentence(enum refusal refusal)
{
	static const char *const sentences[REFUSAL_COUNT] = {
		[REFUSAL_NONE] = "done",
		[REFUSAL_UNKNOWN_MODULE] = "there is no module of that name here; `evenkeel "
					   "module list` shows them",
		[REFUSAL_ALREADY_SO] = "nothing to do: the module is already so",
		[REFUSAL_NOT_RUNNING] = "the module is stopped here; `evenkeel start` starts it",
		[REFUSAL_NOT_UP_TO_DATE] =
			"the copy on this node misses writes that clients were promised; wait "
			"until `evenkeel status` shows SECOND Ready",
		[REFUSAL_PEER_NOT_READY] = "the other node is not SECOND Ready, so it cannot take "
					   "over; `evenkeel status` says what it waits for",
		[REFUSAL_PEER_IS_PRIMARY] =
			"the other node serves this module; `evenkeel swap` moves it here in order",
		[REFUSAL_WOULD_LOSE] = "this may lose data; give the command again with --force if "
				       "that is wanted",
		[REFUSAL_BUSY] = "another change of this module is under way; try again when "
				 "`evenkeel status` shows it done",
		[REFUSAL_STREAM_ONLY] =
			"heartbeats of the other node pass on no network, only over the "
			"stream of replication, which ends with a swap; let UDP "
			"pass between the nodes, then try again",
		[REFUSAL_NOT_RECORDABLE] =
			"the disk of a state folder does not answer, so who serves could not be "
			"recorded; look at that disk (`dmesg`), then try again",
		[REFUSAL_NOT_THIS_NODE] = "the module does not run on this node",
		[REFUSAL_NOT_ITS_KIND] = "a module of this kind does not know that command; start, "
					 "stop and restart are for "
					 "every kind",
	};

	CHECK(refusal < REFUSAL_COUNT);
	return sentences[refusal];
}
