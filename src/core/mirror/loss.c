/*
 * The peer is lost while it was good. Nothing is answered until it is durably recorded as stale
 * (R4: shrink), and that needs its own word or the arbiter's:
 *
 *	beats go on, stream lost	DROPPING: "record yourself stale in epoch + 1" (wants_drop);
 *					its word is its record in a beat. Without it for 300 ms,
 *					and an echo of having been told: arbiter.
 *	no two-way beat for		HELD: answers are held at once, by the true age of the last
 *	silence - margin (R7)		two-way beat, whoever was late; arbiter.
 *
 * The primary may ask as long as the peer could not have taken over yet: until `silence`; a node
 * that was late itself asks later, then only while nobody else answers at the service address.
 * Beyond that it stays held: the other node may serve. What it hears, a person, or freeze_max ends
 * that.
 */
#include "core/mirror/mirror.h"

static int64_t hold_after_ns(const struct core *core)
{
	return core->config.silence_ns - core->config.margin_ns;
}

/* A daemon that was killed while answers were held took that knowledge with it: without this they
 * would wait for ever. */
static void resume_predecessors_hold(struct core *core, struct mirror *mirror)
{
	if (!mirror->fs.is_perhaps_held ||
		core->members[mirror->common.config.peer].two_way_ns == 0)
		return;
	mirror->fs.is_perhaps_held = false;
	order_fs(core, mirror, FS_ORDER_RESUME);
}

void loss_guard(struct core *core, struct mirror *mirror)
{
	uint8_t peer = mirror->common.config.peer;
	bool is_peer_good = record_is_good(&mirror->common.record, peer) ||
			    (mirror->common.writing.is_open &&
				    record_is_good(&mirror->common.writing.record, peer));

	if (mirror->loss.is_held || !is_peer_good)
		return;
	if (member_age_ns(core, peer) < hold_after_ns(core) && !core->members[peer].is_gone) {
		wake_at(&mirror->common, member_age_at(core, peer, hold_after_ns(core)));
		resume_predecessors_hold(core, mirror);
		return;
	}
	order_fs(core, mirror, FS_ORDER_HOLD);
	mirror->fs.is_perhaps_held = false;
	mirror->loss.is_held = true;
	mirror->loss.held_ns = core->now_ns;
	mirror->loss.returned_ns = 0;
	inquiry_begin(&mirror->ask, core->now_ns);
	mirror_tell(core, mirror, TELL_HELD);
}

static bool resume(struct core *core, struct mirror *mirror)
{
	order_fs(core, mirror, FS_ORDER_RESUME);
	mirror->loss.is_held = false;
	mirror->common.application.is_address_wanted = !mirror_has_lost_mount(mirror);
	mirror_tell(core, mirror, TELL_RESUMED);
	if (!mirror->fs.said.is_peer_lost)
		return mirror_move(core, mirror, STEP_PAIRED);
	mirror->loss.wants_drop = true;
	return mirror_move(core, mirror, STEP_DROPPING);
}

/* A planted bug: the order goes out before the record, although it belongs after it. */
static void order_too_early(struct core *core, struct mirror *mirror)
{
	struct action *list = core->actions->list;

	order_fs(core, mirror, FS_ORDER_GO_ALONE);
	struct action order = list[core->actions->count - 1];
	order.fs.epoch = mirror->common.writing.record.epoch;
	order.fs.generation = mirror->common.writing.record.generation;
	list[core->actions->count - 1] = list[core->actions->count - 2];
	list[core->actions->count - 2] = order;
	mirror->fs.epoch = mirror->common.writing.record.epoch;
}

/* Asked to, the peer has recorded itself stale: that counts for resting (R20). */
static void note_drop(struct core *core, struct mirror *mirror)
{
	mirror->drops.times_ns[mirror->drops.next] = core->now_ns;
	mirror->drops.next = (uint8_t)((mirror->drops.next + 1) % DROPS_REMEMBERED);
}

bool go_alone(struct core *core, struct mirror *mirror)
{
	if (mirror->loss.wants_drop && peer_has_resigned(core, mirror))
		note_drop(core, mirror);
	mirror->tenure.is_handed = false;
	mirror->loss.is_granted = false;
	mirror_tell(core, mirror, TELL_ALONE);
	tenure_shrink(core, mirror);
	mirror->wants.forced_prim = false;
	if (planted(PLANTED_RECORD_AFTER))
		order_too_early(core, mirror);
	return mirror_move(core, mirror, STEP_SHRINKING);
}

/* ---- asking ---- */

/* Since the peer could have taken over: only where nobody answers for the address. */
static bool is_address_silent(struct core *core, struct mirror *mirror)
{
	if (mirror->common.config.address_count == 0)
		return true;
	if (mirror->probe.is_done && mirror->probe.started_ns >= mirror->loss.held_ns)
		return mirror->probe.outcome == PROBE_SILENT;
	address_probe(core, mirror);
	return false;
}

/* Everybody who reaches the target hears of a grant by our beats before the peer may serve. */
static bool is_in_time(const struct core *core, const struct mirror *mirror)
{
	uint8_t peer = mirror->common.config.peer;

	return core->members[peer].is_gone || !mirror->loss.is_held ||
	       member_age_ns(core, peer) < core->config.silence_ns - SETTLE_NS;
}

static bool may_ask_held(struct core *core, struct mirror *mirror)
{
	uint8_t peer = mirror->common.config.peer;

	if (core->members[peer].is_gone)
		return true;
	if (core->members[peer].two_way_ns == 0)
		return false; /* a restarted daemon does not know for how long it was silent */
	if (member_suspicion_ns(core, peer) < hold_after_ns(core)) {
		wake_at(&mirror->common, member_suspicion_at(core, peer, hold_after_ns(core)));
		return false;
	}
	if (is_in_time(core, mirror))
		return true;
	/* This node stood still itself: the peer may serve already. */
	bool is_excused = member_suspicion_ns(core, peer) < core->config.silence_ns ||
			  mirror->ask.first_grant_ns != 0;
	return is_excused && !member_is_talking(core, peer) &&
	       has_passed(core, &mirror->common, mirror->loss.held_ns, SETTLE_NS) &&
	       is_address_silent(core, mirror);
}

/* In time one grant is enough; later two, and no beat in between, as for the peer (takeover.c). */
static bool is_granted(struct core *core, struct mirror *mirror)
{
	bool is_timely = is_in_time(core, mirror);
	enum grant grant =
		inquiry_weigh(&mirror->ask, core->config.arbiter, is_timely, core->now_ns);

	return grant == GRANT_ENOUGH &&
	       (is_timely || !member_is_talking(core, mirror->common.config.peer));
}

static bool ask(struct core *core, struct mirror *mirror)
{
	return consult_arbiter(core, mirror, STEP_INTENDING, STEP_ASKING);
}

static enum step trouble_of(const struct mirror *mirror)
{
	return mirror->loss.is_held ? STEP_HELD : STEP_DROPPING;
}

static bool is_heard_in_time(const struct core *core, const struct mirror *mirror)
{
	return member_age_ns(core, mirror->common.config.peer) < hold_after_ns(core) &&
	       !core->members[mirror->common.config.peer].is_gone;
}

bool asking_advance(struct core *core, struct mirror *mirror)
{
	if (peer_has_resigned(core, mirror))
		return go_alone(core, mirror);
	if (mirror->loss.is_held && is_heard_in_time(core, mirror))
		return mirror_move(core, mirror, STEP_HELD);
	if (mirror->ask.is_open)
		return false;
	if (!is_granted(core, mirror))
		return mirror_move(core, mirror, trouble_of(mirror));
	mirror_tell(core, mirror, TELL_GRANTED);
	bool has_gone = go_alone(core, mirror);
	mirror->loss.is_granted = true;
	return has_gone;
}

/* ---- held and dropping ---- */

static void let_go_of_address(struct core *core, struct mirror *mirror)
{
	mirror->common.application.is_address_wanted = false;
	application_advance(core, &mirror->common);
}

/* Cut off for good: no answer leaves, and from `silence` on nothing else of the service either. */
bool step_down_slowly(struct core *core, struct mirror *mirror)
{
	/* A person may yet say that this node goes on: it stays as it is until then. */
	bool is_person_awaited = !arbiter_promise(core->config.arbiter)->is_asked;

	if (is_person_awaited || !mirror->common.config.has_failover)
		return false;
	uint8_t peer = mirror->common.config.peer;
	/* A node that stood still itself may hear the other at once: it is given one margin. */
	if (member_age_ns(core, peer) < core->config.silence_ns)
		wake_at(&mirror->common, member_age_at(core, peer, core->config.silence_ns));
	else if (has_passed(core, &mirror->common, mirror->loss.held_ns, core->config.margin_ns))
		let_go_of_address(core, mirror);
	if (has_passed(core, &mirror->common, mirror->loss.held_ns, FREEZE_MAX_NS))
		return fence(core, mirror, WAIT_CUT_OFF);
	return false;
}

/* The stream is tried anew all the time, but not as often as a beat is sent. */
static bool is_stream_awaited(struct core *core, struct mirror *mirror)
{
	if (!mirror->fs.said.is_session_cut || mirror->loss.wants_drop)
		return false;
	CHECK(mirror->fs.said.is_peer_lost);
	if (mirror->loss.returned_ns == 0)
		mirror->loss.returned_ns = core->now_ns;
	return !has_passed(core, &mirror->common, mirror->loss.returned_ns, RETURN_PATIENCE_NS);
}

bool held_advance(struct core *core, struct mirror *mirror)
{
	if (peer_has_resigned(core, mirror) || mirror->wants.forced_prim)
		return go_alone(core, mirror);
	/* A peer that claims shows it before its record does. */
	if (is_heard_in_time(core, mirror) && !peer_is_primary(core, mirror))
		return !is_stream_awaited(core, mirror) && resume(core, mirror);
	mirror->loss.returned_ns = 0;
	if (may_ask_held(core, mirror) && ask(core, mirror))
		return true;
	return step_down_slowly(core, mirror);
}

bool dropping_advance(struct core *core, struct mirror *mirror)
{
	bool has_word = peer_has_resigned(core, mirror) || planted(PLANTED_NO_WORD);
	if (has_word || mirror->wants.forced_prim)
		return go_alone(core, mirror);
	if (mirror->loss.is_held)
		return mirror_move(core, mirror, STEP_HELD);
	if (!has_passed(core, &mirror->common, mirror->common.since_ns, DROP_PATIENCE_NS))
		return false;
	/* A peer that knows takes nothing over when it falls silent (takeover.c); one that does not yet
	 * would, and could be granted it, before it hears that this node was. */
	return mirror->peer.echo_ns > mirror->common.since_ns && ask(core, mirror);
}

/*
 * A grant is good for as long as the other node, silent, could not have been granted the service as
 * well; the disk took longer. Nothing was answered by it: the service begins anew from the record,
 * which asks first who is at the address.
 */
static bool is_grant_old(const struct core *core, const struct mirror *mirror)
{
	uint8_t peer = mirror->common.config.peer;

	return mirror->loss.is_granted && mirror->loss.is_held && !core->members[peer].is_gone &&
	       mirror->common.writing.took_ns >= core->config.silence_ns;
}

bool shrinking_advance(struct core *core, struct mirror *mirror)
{
	if (is_grant_old(core, mirror))
		return fence(core, mirror, WAIT_NONE);
	bool was_ordered = planted(PLANTED_RECORD_AFTER) &&
			   mirror->fs.epoch.number == mirror->common.record.epoch.number;

	if (!was_ordered)
		order_fs(core, mirror, FS_ORDER_GO_ALONE);
	if (mirror->loss.is_held)
		order_fs(core, mirror, FS_ORDER_RESUME);
	mirror->loss.is_held = false;
	mirror->loss.wants_drop = false;
	mirror->resync.is_given_up = false;
	compared_forget(mirror);
	mirror->wants.swap = false;
	return mirror_move(core, mirror, STEP_PARTING);
}

/* A restarted daemon that did not know evenkeel-fs's epoch told it what it knew. */
static bool is_told_already(const struct mirror *mirror)
{
	return mirror->fs.is_resumed && mirror->fs.said.is_refused;
}

/* An attempt to bring the peer up to date was given up, and answers wait for it already. */
static bool is_peer_awaited(const struct mirror *mirror)
{
	return mirror->resync.is_given_up && mirror->fs.said.is_refused;
}

bool parting_advance(struct core *core, struct mirror *mirror)
{
	if (is_peer_awaited(mirror)) {
		mirror->resync.is_given_up = false;
		mirror->fs.said.is_refused = false;
		mirror->fs.is_order_open = false;
		tenure_shrink(core, mirror);
		return mirror_move(core, mirror, STEP_SHRINKING);
	}
	if (mirror->fs.is_order_open && !is_told_already(mirror))
		return false;
	mirror->resync.is_given_up = false;
	mirror->fs.is_order_open = false;
	mirror->fs.said.is_refused = false;
	mirror->fs.is_resumed = false;
	/* It was killed if the mount was gone for a while (on_unfit()), and may be back. */
	if (!mirror->common.wants_stop)
		serve(mirror);
	mirror->common.application.is_address_wanted = !mirror_has_lost_mount(mirror);
	return mirror_move(core, mirror, STEP_ALONE);
}

bool intending_advance(struct core *core, struct mirror *mirror)
{
	return ask_arbiter(core, mirror, STEP_ASKING);
}

bool loss_common(struct core *core, struct mirror *mirror)
{
	if (mirror->step == STEP_PARTING && (is_told_already(mirror) || is_peer_awaited(mirror)))
		return false;
	return primary_common(core, mirror);
}
