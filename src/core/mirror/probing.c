/*
 * Before a claim: does anybody else answer at the service address?
 *
 * The last look before this node serves. What made it the one must still hold; and where the service
 * has addresses, a fresh probe must have met nobody: a stranger there stops even a person's word,
 * the other node only what this node chose by itself. Then the claim is recorded.
 */
#include "core/mirror/mirror.h"

void address_probe(struct core *core, struct mirror *mirror)
{
	if (mirror->probe.is_open)
		return;
	bool is_eager = core->now_ns - mirror->common.since_ns < PROBE_EAGER_NS;
	int64_t gap = is_eager ? PROBE_GAP_NS : PROBE_SLOW_GAP_NS;
	if (mirror->probe.started_ns != 0 && core->now_ns - mirror->probe.started_ns < gap) {
		wake_at(&mirror->common, mirror->probe.started_ns + gap);
		return;
	}
	mirror->probe.is_open = true;
	mirror->probe.is_done = false;
	mirror->probe.started_ns = core->now_ns;
	(void)action_add(core, &mirror->common, ACTION_PROBE_ADDRESS);
}

static bool may_still_start(struct core *core, struct mirror *mirror)
{
	if (mirror->common.wants_stop)
		return false;
	if (mirror->wants.forced_prim && peer_is_primary(core, mirror)) {
		mirror_tell(core, mirror, TELL_PRIM_LATE);
		mirror->wants.forced_prim = false;
	}
	if (mirror->wants.forced_prim)
		return true;
	if (!peer_is_heard(core, mirror))
		return mirror_may_start_alone(core, mirror);
	return !peer_is_primary(core, mirror) && mirror_is_chosen(core, mirror);
}

static bool back_to_waiting(struct core *core, struct mirror *mirror, enum wait_reason reason)
{
	mirror_block(core, mirror, reason);
	return mirror_move(core, mirror, STEP_WAITING);
}

/* A heard peer learns of a person's word first, so that it does not claim in the same moment. */
static bool is_peer_unaware(const struct core *core, const struct mirror *mirror)
{
	return mirror->wants.forced_prim && peer_is_heard(core, mirror) &&
	       mirror->peer.echo_ns <= mirror->common.since_ns;
}

bool probing_advance(struct core *core, struct mirror *mirror)
{
	if (!may_still_start(core, mirror)) {
		mirror->wait.reason = WAIT_NONE;
		return mirror_move(core, mirror, STEP_WAITING);
	}
	if (is_peer_unaware(core, mirror))
		return false;
	bool is_fresh =
		mirror->probe.is_done && mirror->probe.started_ns >= mirror->common.since_ns;
	if (mirror->common.config.address_count > 0 && !is_fresh) {
		address_probe(core, mirror);
		return false;
	}
	if (is_fresh && mirror->probe.outcome == PROBE_FOREIGN_ANSWERS)
		return back_to_waiting(core, mirror, WAIT_ADDRESS_FOREIGN);
	if (is_fresh && mirror->probe.outcome == PROBE_PEER_ANSWERS && !mirror->wants.forced_prim)
		return back_to_waiting(core, mirror, WAIT_ADDRESS_PEER);
	mirror->wait.reason = WAIT_NONE;
	tenure_claim(core, mirror);
	mirror->wants.forced_prim = false;
	mirror->tenure.is_handed = false;
	return mirror_move(core, mirror, STEP_CLAIMING);
}

void probe_on_ended(struct mirror *mirror, const struct event *event)
{
	mirror->probe.is_open = false;
	mirror->probe.is_done = true;
	mirror->probe.outcome = event->probe.outcome;
	for (int i = 0; i < 6; i++)
		mirror->probe.mac[i] = event->probe.mac[i];
}
