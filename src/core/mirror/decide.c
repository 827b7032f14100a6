/*
 * Whose copy may serve. Without a running primary:
 *
 *	peer heard, relation		who serves
 *	equal				the holder of the ruling record (or the preferred node); the
 *					other only if that one is stopped, failed or commanded second
 *	newer / older			the newer one, if its copy is complete
 *	diverged, unrelated, new	nobody: a person says whose data count
 *	rolled back			never the one that was rolled back
 *	peer not heard			a node alone only if its record says that it is the only
 *					good one, complete, without an open question
 *
 * Both nodes compute the choice from the same two records, so they agree. A node that has just
 * become eligible acts only on a summary that was sent by a peer which had already heard of it;
 * a peer that claimed before then shows it.
 */
#include "core/mirror/mirror.h"

bool peer_is_heard(const struct core *core, const struct mirror *mirror)
{
	return mirror->peer.is_known && member_is_heard(core, mirror->common.config.peer);
}

static bool peer_shows_primary(const struct mirror *mirror)
{
	return mirror->peer.shows.state == STATE_ALONE || mirror->peer.shows.state == STATE_PRIM;
}

bool peer_is_primary(const struct core *core, const struct mirror *mirror)
{
	return peer_is_heard(core, mirror) && peer_shows_primary(mirror);
}

enum relation mirror_relation(const struct core *core, const struct mirror *mirror)
{
	struct relation_input input = {
		.mine = &mirror->common.record,
		.theirs = &mirror->peer.shows.record,
		.self = core->config.self,
		.peer = mirror->common.config.peer,
		.is_rolled_back = mirror->fs.is_rolled_back,
		.is_peer_rolled_back = mirror->peer.shows.is_rolled_back,
		.peer_marked = mirror->peer.shows.marked_epoch,
	};

	return relation_of(&input);
}

/* The peer's durable word that its copy no longer counts: no arbiter is needed to go on alone. */
bool peer_has_resigned(const struct core *core, const struct mirror *mirror)
{
	const struct record *theirs = &mirror->peer.shows.record;

	if (!mirror->peer.is_known || !set_id_is_equal(theirs, &mirror->common.record) ||
		theirs->epoch.node != core->config.self || theirs->holder != core->config.self ||
		record_is_good(theirs, mirror->common.config.peer))
		return false;
	/* In our own epoch it may just not have joined yet, unless it left its role. */
	return theirs->epoch.number > mirror->common.record.epoch.number ||
	       (theirs->epoch.number == mirror->common.record.epoch.number &&
		       theirs->role == RECORD_ROLE_NONE);
}

bool peer_is_good_second(const struct core *core, const struct mirror *mirror)
{
	const struct summary *peer = &mirror->peer.shows;

	return peer_is_heard(core, mirror) && peer->state == STATE_SECOND &&
	       peer->readiness == READY && !peer->is_failed &&
	       record_is_good(&mirror->common.record, mirror->common.config.peer) &&
	       record_is_good(&peer->record, mirror->common.config.peer) &&
	       peer->record.is_complete &&
	       peer->record.epoch.number == mirror->common.record.epoch.number;
}

/* Two primaries hear each other after a split: the same one of them gives way on both nodes. */
static bool is_winner(const struct core *core, const struct mirror *mirror)
{
	uint64_t mine = mirror->common.record.epoch.number;
	uint64_t theirs = mirror->peer.shows.record.epoch.number;

	if (mine != theirs)
		return mine > theirs;
	if (mirror->common.config.preferred == core->config.self ||
		mirror->common.config.preferred == mirror->common.config.peer)
		return mirror->common.config.preferred == core->config.self;
	return core->config.self < mirror->common.config.peer;
}

bool peer_outranks(const struct core *core, const struct mirror *mirror)
{
	const struct record *theirs = &mirror->peer.shows.record;

	if (!mirror->peer.is_known || theirs->holder != mirror->common.config.peer ||
		theirs->epoch.node != mirror->common.config.peer || !record_has_data(theirs))
		return false;
	if (theirs->epoch.number < mirror->common.record.epoch.number)
		return false;
	enum relation relation = mirror_relation(core, mirror);
	if (relation == RELATION_OLDER)
		return true;
	if (relation != RELATION_DIVERGED && relation != RELATION_UNRELATED)
		return false;
	return peer_is_primary(core, mirror) && !is_winner(core, mirror);
}

bool mirror_is_good_here(const struct core *core, const struct mirror *mirror)
{
	return record_is_good(&mirror->common.record, core->config.self) &&
	       mirror->common.record.is_complete;
}

/* ---- nobody serves ---- */

static bool is_able(const struct mirror *mirror)
{
	return !mirror->wants.second_only && !mirror->wait.is_blocked &&
	       !mirror->common.application.is_failed && !mirror->common.wants_stop &&
	       mirror->common.record.is_complete;
}

void mirror_note_eligible(struct core *core, struct mirror *mirror)
{
	bool is_eligible = is_able(mirror);

	if (is_eligible && !mirror->wait.was_eligible) {
		mirror->wait.eligible_ns = core->now_ns;
		core->wants_beat = true;
	}
	mirror->wait.was_eligible = is_eligible;
}

static bool is_peer_able(const struct mirror *mirror)
{
	return mirror->peer.shows.state != STATE_STOP && !mirror->peer.shows.is_second_only &&
	       !mirror->peer.shows.is_failed;
}

/*
 * A copy that has been followed or served without a break holds everything that was acknowledged;
 * one whose machine crashed may have lost what was not yet on its disk.
 */
static bool is_alive_here(const struct mirror *mirror)
{
	return (mirror->fs.role == FS_SECONDARY && !mirror->fs.is_behind) ||
	       mirror->common.record.is_clean;
}

static bool is_alive_there(const struct mirror *mirror)
{
	/* On its way out it has no record of that yet. */
	return mirror->peer.shows.fs_role == FS_SECONDARY ||
	       mirror->peer.shows.fs_role == FS_PRIMARY ||
	       mirror->peer.shows.readiness == TRANSIENT || mirror->peer.shows.record.is_clean;
}

static uint8_t candidate_of(const struct core *core, const struct mirror *mirror)
{
	uint8_t self = core->config.self;
	uint8_t peer = mirror->common.config.peer;
	uint8_t holder = record_ruling(&mirror->common.record, &mirror->peer.shows.record)->holder;
	bool is_alive = is_alive_here(mirror);
	bool is_following = mirror->fs.role == FS_SECONDARY;
	bool is_peer_following = mirror->peer.shows.fs_role == FS_SECONDARY;

	/* Who runs through as a good secondary could be granted the service unheard: it is the one. */
	if (is_following != is_peer_following)
		return is_following ? self : peer;
	if (is_alive != is_alive_there(mirror))
		return is_alive ? self : peer;
	if (mirror->common.config.preferred == self || mirror->common.config.preferred == peer)
		return mirror->common.config.preferred;
	return holder == self || holder == peer ? holder : MIN_OF(self, peer);
}

/* In the place of a peer that cannot, unless only its copy is sure to hold everything. */
static bool mirror_may_replace(const struct mirror *mirror)
{
	return !is_peer_able(mirror) && (is_alive_here(mirror) || !is_alive_there(mirror));
}

bool peer_comes_first(const struct core *core, const struct mirror *mirror)
{
	enum relation relation = mirror_relation(core, mirror);
	bool is_equal = relation == RELATION_EQUAL_CLEAN || relation == RELATION_EQUAL_MARKS;

	return is_equal && is_peer_able(mirror) && candidate_of(core, mirror) != core->config.self;
}

/* A node that stops in order serves its file system until that is unmounted. One that handed over
 * serves nobody; one that failed may never get so far, and answers nothing. */
static bool has_peer_let_go(const struct mirror *mirror)
{
	return mirror->peer.shows.fs_role != FS_PRIMARY || mirror->peer.shows.is_failed ||
	       mirror->peer.shows.record.holder != mirror->common.config.peer;
}

/* By itself, and without hearing that this copy had replaced what it serves: `others` overruled it. */
static bool has_gone_on(const struct record *own, const struct record *others, uint8_t owner)
{
	return own->epoch.number > others->epoch.number && own->epoch.node == owner &&
	       own->holder == owner && generation_is_in_history(others, own->generation);
}

bool peer_has_gone_on(const struct mirror *mirror)
{
	return has_gone_on(
		&mirror->peer.shows.record, &mirror->common.record, mirror->common.config.peer);
}

/*
 * Whose copy counts is the ruling record's word. Restarted while the other was about to record that it
 * hands over, this node said that it does not count; the other's record came after, and says that only
 * this one does. But a record of data that were replaced by these says nothing of these, unless it is of
 * a later epoch: where both are of one, the other claimed without hearing of it, and has given way.
 */
bool mirror_is_ruled_good(const struct core *core, const struct mirror *mirror)
{
	const struct record *mine = &mirror->common.record;
	const struct record *theirs = &mirror->peer.shows.record;
	bool is_of_others = !generation_is_equal(mine->generation, theirs->generation) &&
			    theirs->epoch.number <= mine->epoch.number;

	return (is_of_others && mirror_is_good_here(core, mirror)) ||
	       record_is_good(record_ruling(mine, theirs), core->config.self);
}

bool mirror_is_chosen(struct core *core, struct mirror *mirror)
{
	CHECK(peer_is_heard(core, mirror));
	if (!is_able(mirror) || !has_peer_let_go(mirror))
		return false;
	if (mirror->peer.echo_ns <= mirror->wait.eligible_ns || mirror->peer.shows.wants_swap ||
		mirror->peer.shows.is_looking)
		return false; /* the other does not know yet, or a person named it */
	switch (mirror_relation(core, mirror)) {
	case RELATION_EQUAL_CLEAN:
	case RELATION_EQUAL_MARKS:
		return candidate_of(core, mirror) == core->config.self ||
		       mirror_may_replace(mirror);
	case RELATION_NEWER: return mirror_is_ruled_good(core, mirror);
	case RELATION_PEER_ROLLED_BACK:
		return record_is_good(&mirror->common.record, core->config.self);
	case RELATION_NO_DATA:
	case RELATION_OLDER:
	case RELATION_DIVERGED:
	case RELATION_UNRELATED:
	case RELATION_ROLLED_BACK:
	case RELATION_COUNT: break;
	}
	return false;
}

bool mirror_may_start_alone(const struct core *core, const struct mirror *mirror)
{
	const struct record *record = &mirror->common.record;
	bool is_sole = record->good == node_mask(core->config.self) ||
		       (planted(PLANTED_STALE_START) && record_has_data(record));

	/* What the silent peer showed while it was heard still counts. */
	if (mirror->peer.is_known && !planted(PLANTED_STALE_START)) {
		enum relation relation = mirror_relation(core, mirror);
		if (relation != RELATION_NEWER && relation != RELATION_EQUAL_CLEAN &&
			relation != RELATION_EQUAL_MARKS && relation != RELATION_PEER_ROLLED_BACK)
			return false;
	}
	return is_sole && record->is_complete && record_has_data(record) && !record->has_intent &&
	       (record->holder == core->config.self || planted(PLANTED_STALE_START)) &&
	       !mirror->fs.is_rolled_back && !mirror->wants.second_only;
}

bool mirror_can_follow(const struct core *core, const struct mirror *mirror)
{
	const struct record *theirs = &mirror->peer.shows.record;

	if (!peer_is_primary(core, mirror) || mirror->peer.shows.fs_role != FS_PRIMARY)
		return false;
	if (theirs->holder != mirror->common.config.peer ||
		theirs->epoch.node != mirror->common.config.peer ||
		record_is_good(theirs, core->config.self))
		return false;
	if (theirs->epoch.number < mirror->common.record.epoch.number)
		return false;
	enum relation relation = mirror_relation(core, mirror);
	return relation == RELATION_OLDER || relation == RELATION_ROLLED_BACK;
}

static bool wait_for(struct core *core, struct mirror *mirror, enum wait_reason reason)
{
	if (mirror->wait.reason == reason)
		return false;
	mirror->wait.reason = reason;
	if (reason == WAIT_NONE || reason == WAIT_LISTENING || reason == WAIT_PEER_STARTS)
		return false;
	mirror_tell_wait(core, mirror);
	return false;
}

static enum wait_reason reason_with_primary(enum relation relation)
{
	switch (relation) {
	case RELATION_DIVERGED: return WAIT_DIVERGED;
	case RELATION_UNRELATED: return WAIT_UNRELATED;
	case RELATION_NEWER:
	case RELATION_PEER_ROLLED_BACK: return WAIT_NEWER_THAN_PRIMARY;
	case RELATION_NO_DATA:
	case RELATION_EQUAL_CLEAN:
	case RELATION_EQUAL_MARKS:
	case RELATION_OLDER:
	case RELATION_ROLLED_BACK:
	case RELATION_COUNT: break;
	}
	return WAIT_PEER_STARTS; /* it is about to record or to mount something */
}

static enum wait_reason reason_of_older(const struct core *core, const struct mirror *mirror)
{
	if (has_gone_on(&mirror->common.record, &mirror->peer.shows.record, core->config.self))
		return WAIT_DIVERGED;
	if (mirror->peer.shows.state == STATE_STOP)
		return WAIT_PEER_STOPPED;
	if (mirror->peer.shows.is_rolled_back)
		return WAIT_PEER_ROLLED_BACK;
	return mirror->peer.shows.is_failed ? WAIT_PEER_FAILED : WAIT_PEER_STARTS;
}

static enum wait_reason reason_without_primary(const struct core *core, const struct mirror *mirror)
{
	switch (mirror_relation(core, mirror)) {
	case RELATION_NO_DATA: return WAIT_NEW;
	case RELATION_OLDER: return reason_of_older(core, mirror);
	case RELATION_EQUAL_CLEAN:
	case RELATION_EQUAL_MARKS:
		if (is_able(mirror) && (mirror_may_replace(mirror) ||
					       candidate_of(core, mirror) == core->config.self))
			return WAIT_LISTENING;
		if (is_able(mirror) && mirror->peer.shows.state == STATE_STOP)
			return WAIT_PEER_STOPPED;
		return is_peer_able(mirror) ? WAIT_PEER_STARTS : WAIT_PEER_ONLY;
	case RELATION_NEWER:
		if (!mirror->common.record.is_complete)
			return WAIT_INCOMPLETE;
		/* It went on without this copy, and has forgotten that. */
		if (!record_is_good(&mirror->common.record, core->config.self))
			return WAIT_PEER_ROLLED_BACK;
		if (peer_has_gone_on(mirror))
			return WAIT_DIVERGED;
		return is_able(mirror) ? WAIT_LISTENING : WAIT_PEER_ONLY;
	case RELATION_DIVERGED: return WAIT_DIVERGED;
	case RELATION_UNRELATED: return WAIT_UNRELATED;
	case RELATION_ROLLED_BACK: return WAIT_ROLLED_BACK;
	case RELATION_PEER_ROLLED_BACK: return WAIT_PEER_ROLLED_BACK;
	case RELATION_COUNT: break;
	}
	CHECK(false);
	return WAIT_NONE;
}

static enum wait_reason reason_unheard(const struct core *core, const struct mirror *mirror)
{
	const struct record *record = &mirror->common.record;

	if (!record_has_data(record) && record->is_complete == false &&
		record->role == RECORD_ROLE_NONE)
		return WAIT_NEW;
	if (!record->is_complete)
		return WAIT_INCOMPLETE;
	if (!record_is_good(record, core->config.self))
		return WAIT_STALE;
	if (mirror->fs.is_rolled_back)
		return WAIT_ROLLED_BACK;
	if (record->has_intent)
		return WAIT_INTENT;
	if (mirror->wait.is_cut_off)
		return WAIT_CUT_OFF;
	return mirror_may_start_alone(core, mirror) ? WAIT_PEER_ONLY : WAIT_UNSURE;
}

static bool start_unheard(struct core *core, struct mirror *mirror)
{
	if (!has_passed(core, &mirror->common, core->started_ns, core->config.silence_ns))
		return wait_for(core, mirror, WAIT_LISTENING);
	if (mirror_may_start_alone(core, mirror))
		return mirror_move(core, mirror, STEP_PROBING);
	return wait_for(core, mirror, reason_unheard(core, mirror));
}

/*
 * This node was restarted, and the primary, by its record, still counts on the copy here. It has
 * not been followed since, so this node says first that it does not count. A primary that has only
 * claimed (its evenkeel-fs is not yet one) may still find that it has no copy of its own, and then
 * needs this one: nothing is said to it.
 */
static bool must_resign_first(const struct core *core, const struct mirror *mirror)
{
	const struct record *mine = &mirror->common.record;
	const struct record *theirs = &mirror->peer.shows.record;

	return mirror->peer.shows.fs_role == FS_PRIMARY &&
	       mine->holder == mirror->common.config.peer &&
	       theirs->holder == mirror->common.config.peer &&
	       mine->epoch.number == theirs->epoch.number &&
	       record_is_good(theirs, core->config.self);
}

static bool start_heard(struct core *core, struct mirror *mirror)
{
	mirror->wait.is_cut_off = false;
	if (peer_is_primary(core, mirror)) {
		if (must_resign_first(core, mirror)) {
			tenure_resign(core, mirror);
			return true;
		}
		if (mirror_can_follow(core, mirror))
			return accept_primary(core, mirror);
		enum wait_reason reason = reason_with_primary(mirror_relation(core, mirror));
		bool has_lost = reason == WAIT_DIVERGED || reason == WAIT_UNRELATED;
		if (has_lost && record_is_good(&mirror->common.record, core->config.self)) {
			tenure_disown(core, mirror);
			return true;
		}
		return wait_for(core, mirror, reason);
	}
	if (mirror_is_chosen(core, mirror))
		return mirror_move(core, mirror, STEP_PROBING);
	return wait_for(core, mirror, reason_without_primary(core, mirror));
}

static bool is_still_blocked(struct core *core, struct mirror *mirror)
{
	if (!mirror->wait.is_blocked)
		return false;
	if (mirror->wait.retry_ns == NO_TIME || core->now_ns < mirror->wait.retry_ns) {
		wake_at(&mirror->common, mirror->wait.retry_ns);
		return true;
	}
	mirror->wait.is_blocked = false;
	mirror->wait.reason = WAIT_NONE;
	return false;
}

bool waiting_advance(struct core *core, struct mirror *mirror)
{
	mirror_note_eligible(core, mirror);
	if (mirror->common.wants_stop)
		return leave(core, mirror);
	if (is_still_blocked(core, mirror))
		return false;
	if (mirror->wants.forced_prim)
		return mirror_move(core, mirror, STEP_PROBING);
	bool has_looked = mirror_has_looked(core, mirror);
	if (!has_looked && !has_fs_failed(core, mirror))
		return wait_for(core, mirror, WAIT_LISTENING);
	if (!has_looked || (mirror_is_unfit(mirror) && mirror->fs.is_mounted))
		return mirror_end_look(core, mirror);
	mirror_note_eligible(core, mirror);
	if (peer_is_heard(core, mirror)) {
		wake_at(&mirror->common, member_suspicion_at(core, mirror->common.config.peer,
						 core->config.silence_ns));
		return start_heard(core, mirror);
	}
	return start_unheard(core, mirror);
}
