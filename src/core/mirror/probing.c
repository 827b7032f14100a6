/*
 * Before a claim: do data, state and record belong together (R2)? Does anybody else answer at the
 * service address?
 *
 * The last look before this node serves. What made it the one must still hold; and where the service
 * has addresses, a fresh probe must have met nobody: a stranger there stops even a person's word,
 * the other node only what this node chose by itself. Meanwhile evenkeel-fs holds what lies in the
 * directories against what this node knows of it; what does not fit claims nothing, so that a record
 * which was put back never grows newer by being claimed with. Then the claim is recorded.
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

/* By this node's record, and by the other's, which may be the later one. */
static bool is_peer_good(const struct core *core, const struct mirror *mirror)
{
	enum relation relation = mirror_relation(core, mirror);

	return mirror->peer.is_known &&
	       (relation == RELATION_EQUAL_CLEAN || relation == RELATION_EQUAL_MARKS);
}

/* What was found keeps this node from claiming. Where the other node's copy counts, it is the one. */
static bool give_up_claim(struct core *core, struct mirror *mirror)
{
	const struct record *record = &mirror->common.record;
	bool is_wrong = mirror->fs.found == FOUND_WRONG;

	mirror->wants.forced_prim = false;
	if (is_wrong && is_peer_good(core, mirror)) {
		mirror_tell(core, mirror, TELL_WRONG_COPY);
		mirror->tenure.before_claim = *record;
		tenure_renounce(core, mirror);
	} else if (!mirror->fs.is_rolled_back) {
		mirror_block(core, mirror, is_wrong ? WAIT_WRONG_COPY : fs_failure(mirror));
	}
	return leave(core, mirror);
}

/* The process that looked holds the directories: another one looks again. */
bool mirror_end_look(struct core *core, struct mirror *mirror)
{
	if (mirror->fs.is_rolled_back)
		mirror_tell(core, mirror, TELL_OLD_COPY);
	else if (mirror->fs.found != FOUND_WRONG)
		mirror_block(core, mirror, fs_failure(mirror));
	return leave(core, mirror);
}

void mirror_look_again(struct mirror *mirror)
{
	mirror->fs.is_rolled_back = mirror->fs.is_state_old = false;
	mirror->fs.found = FOUND_NOTHING;
}

bool mirror_has_looked(struct core *core, struct mirror *mirror)
{
	if (mirror->fs.found != FOUND_NOTHING || mirror->wants.any_copy ||
		!record_has_data(&mirror->common.record))
		return true;
	if (!mirror->fs.is_order_open)
		order_fs(core, mirror, FS_ORDER_LOOK);
	mirror->fs.is_look_late =
		has_passed(core, &mirror->common, mirror->fs.dead_ns, LOOK_PATIENCE_NS);
	return false;
}

bool mirror_is_unfit(const struct mirror *mirror)
{
	return mirror->fs.found > FOUND_FIT;
}

bool probing_advance(struct core *core, struct mirror *mirror)
{
	if (!may_still_start(core, mirror)) {
		mirror->wait.reason = WAIT_NONE;
		return mirror_move(core, mirror, STEP_WAITING);
	}
	bool has_looked = mirror_has_looked(core, mirror);
	bool is_unfit =
		has_fs_failed(core, mirror) || mirror_is_unfit(mirror) || mirror->fs.is_rolled_back;
	if (is_unfit && !mirror->wants.any_copy)
		return give_up_claim(core, mirror);
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
	if (!has_looked)
		return false;
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
