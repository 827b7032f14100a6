#include "base/macros.h"
#include "repl/receiver.h"
#include "repl/resync_walk.h"
#include "repl/sender.h"
#include "repl/session.h"
#include "tools/states.h"

static const char *name_of_mode(int state)
{
	return sender_mode_name((enum sender_mode)state);
}

static bool mode_follows(int state, int next)
{
	return sender_mode_may_follow((enum sender_mode)state, (enum sender_mode)next);
}

static const char *name_of_want(int state)
{
	return link_want_name((enum link_want)state);
}

static bool want_follows(int state, int next)
{
	return link_want_may_follow((enum link_want)state, (enum link_want)next);
}

static const char *name_of_phase(int state)
{
	return receiver_phase_name((enum receiver_phase)state);
}

static bool phase_follows(int state, int next)
{
	return receiver_phase_may_follow((enum receiver_phase)state, (enum receiver_phase)next);
}

static const char *name_of_walk(int state)
{
	return resync_phase_name((enum resync_phase)state);
}

static bool walk_follows(int state, int next)
{
	return resync_phase_may_follow((enum resync_phase)state, (enum resync_phase)next);
}

const struct machine repl_machines[] = {
	{ "What a primary does with its operations", "src/repl/sender.c",
		"`alone`: answered at once, nothing is sent. `catching_up`: answered at once, all "
		"is sent. `paired`: answered when the peer has acknowledged. `held`: the peer is "
		"lost and the core has not decided; nothing is answered.",
		SENDER_MODE_COUNT, name_of_mode, NULL, mode_follows },
	{ "What a primary wants of a connection", "src/repl/session.c",
		"`resync`: connect and bring the peer up to date. `continue`: connect again and go "
		"on where the session was.",
		LINK_WANT_COUNT, name_of_want, NULL, want_follows },
	{ "What a secondary has", "src/repl/receiver.c",
		"`idle`: no session that could go on. `quiet`: nothing more is begun, until the "
		"next session. `filling`: being brought up to date. `in_sync`: all that was "
		"acknowledged is here. A new role begins at `idle`, from anywhere.",
		RECEIVER_PHASE_COUNT, name_of_phase, NULL, phase_follows },
	{ "The walk of a resynchronisation", "src/repl/resync_walk.c",
		"`syncing`: all is sent, and the target syncs its file systems. `synced`: it has; "
		"what was queued meanwhile is walked, or it is over.",
		RESYNC_PHASE_COUNT, name_of_walk, NULL, walk_follows },
};
const size_t repl_machine_count = ARRAY_COUNT(repl_machines);
