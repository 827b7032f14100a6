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
#include "core/core_internal.h"

bool peer_is_heard(const struct core *core, const struct module *module)
{
	return module->is_peer_known && member_is_heard(core, module->config.peer);
}

static bool peer_shows_primary(const struct module *module)
{
	return module->peer.state == MIRROR_ALONE || module->peer.state == MIRROR_PRIM;
}

bool peer_is_primary(const struct core *core, const struct module *module)
{
	return peer_is_heard(core, module) && peer_shows_primary(module);
}

enum relation module_relation(const struct core *core, const struct module *module)
{
	struct relation_input input = {
		.mine = &module->record,
		.theirs = &module->peer.record,
		.self = core->config.self,
		.peer = module->config.peer,
		.is_rolled_back = module->is_rolled_back,
	};

	return relation_of(&input);
}

/* The peer's durable word that its copy no longer counts: no arbiter is needed to go on alone. */
bool peer_has_resigned(const struct core *core, const struct module *module)
{
	const struct record *theirs = &module->peer.record;

	if (!module->is_peer_known || !set_id_is_equal(theirs, &module->record) ||
		theirs->epoch.node != core->config.self || theirs->holder != core->config.self ||
		record_is_good(theirs, module->config.peer))
		return false;
	/* In our own epoch it may just not have joined yet, unless it left its role. */
	return theirs->epoch.number > module->record.epoch.number ||
	       (theirs->epoch.number == module->record.epoch.number &&
		       theirs->role == RECORD_ROLE_NONE);
}

bool peer_is_good_second(const struct core *core, const struct module *module)
{
	const struct summary *peer = &module->peer;

	return peer_is_heard(core, module) && peer->state == MIRROR_SECOND &&
	       peer->readiness == READY && !peer->is_failed &&
	       record_is_good(&module->record, module->config.peer) &&
	       record_is_good(&peer->record, module->config.peer) && peer->record.is_complete &&
	       peer->record.epoch.number == module->record.epoch.number;
}

/* Two primaries hear each other after a split: the same one of them gives way on both nodes. */
static bool is_winner(const struct core *core, const struct module *module)
{
	uint64_t mine = module->record.epoch.number;
	uint64_t theirs = module->peer.record.epoch.number;

	if (mine != theirs)
		return mine > theirs;
	if (module->config.preferred == core->config.self ||
		module->config.preferred == module->config.peer)
		return module->config.preferred == core->config.self;
	return core->config.self < module->config.peer;
}

bool peer_outranks(const struct core *core, const struct module *module)
{
	const struct record *theirs = &module->peer.record;

	if (!module->is_peer_known || theirs->holder != module->config.peer ||
		theirs->epoch.node != module->config.peer || !record_has_data(theirs))
		return false;
	if (theirs->epoch.number < module->record.epoch.number)
		return false;
	enum relation relation = module_relation(core, module);
	if (relation == RELATION_OLDER)
		return true;
	if (relation != RELATION_DIVERGED && relation != RELATION_UNRELATED)
		return false;
	return peer_is_primary(core, module) && !is_winner(core, module);
}

bool module_is_good_here(const struct core *core, const struct module *module)
{
	return record_is_good(&module->record, core->config.self) && module->record.is_complete;
}

/* ---- nobody serves ---- */

static bool is_able(const struct module *module)
{
	return !module->is_second_only && !module->is_blocked && !module->application.is_failed &&
	       !module->wants_stop && module->record.is_complete;
}

void module_eligible(struct core *core, struct module *module)
{
	bool is_eligible = is_able(module);

	if (is_eligible && !module->was_eligible) {
		module->eligible_ns = core->now_ns;
		core->wants_beat = true;
	}
	module->was_eligible = is_eligible;
}

static bool is_peer_able(const struct module *module)
{
	return module->peer.state != MIRROR_STOP && !module->peer.is_second_only &&
	       !module->peer.is_failed;
}

/*
 * A copy that has been followed or served without a break holds everything that was acknowledged;
 * one whose machine crashed may have lost what was not yet on its disk.
 */
static bool is_alive_here(const struct module *module)
{
	return (module->fs_role == FS_SECONDARY && !module->is_behind) || module->record.is_clean;
}

static bool is_alive_there(const struct module *module)
{
	/* On its way out it has no record of that yet. */
	return module->peer.fs_role == FS_SECONDARY || module->peer.fs_role == FS_PRIMARY ||
	       module->peer.readiness == TRANSIENT || module->peer.record.is_clean;
}

static uint8_t candidate_of(const struct core *core, const struct module *module)
{
	uint8_t self = core->config.self;
	uint8_t peer = module->config.peer;
	uint8_t holder = record_ruling(&module->record, &module->peer.record)->holder;
	bool is_alive = is_alive_here(module);
	bool is_following = module->fs_role == FS_SECONDARY;
	bool is_peer_following = module->peer.fs_role == FS_SECONDARY;

	/* Who runs through as a good secondary could be granted the service unheard: it is the one. */
	if (is_following != is_peer_following)
		return is_following ? self : peer;
	if (is_alive != is_alive_there(module))
		return is_alive ? self : peer;
	if (module->config.preferred == self || module->config.preferred == peer)
		return module->config.preferred;
	return holder == self || holder == peer ? holder : MIN_OF(self, peer);
}

/* In the place of a peer that cannot, unless only its copy is sure to hold everything. */
static bool module_may_replace(const struct module *module)
{
	return !is_peer_able(module) && (is_alive_here(module) || !is_alive_there(module));
}

bool module_is_behind(const struct core *core, const struct module *module)
{
	enum relation relation = module_relation(core, module);
	bool is_equal = relation == RELATION_EQUAL_CLEAN || relation == RELATION_EQUAL_MARKS;

	return is_equal && is_peer_able(module) && candidate_of(core, module) != core->config.self;
}

/* A node that stops in order serves its file system until that is unmounted. One that handed over
 * serves nobody; one that failed may never get so far, and answers nothing. */
static bool has_peer_let_go(const struct module *module)
{
	return module->peer.fs_role != FS_PRIMARY || module->peer.is_failed ||
	       module->peer.record.holder != module->config.peer;
}

bool module_is_chosen(struct core *core, struct module *module)
{
	CHECK(peer_is_heard(core, module));
	if (!is_able(module) || !has_peer_let_go(module))
		return false;
	if (module->peer_echo_ns <= module->eligible_ns || module->peer.wants_swap)
		return false; /* the other does not know yet, or a person named it */
	switch (module_relation(core, module)) {
	case RELATION_EQUAL_CLEAN:
	case RELATION_EQUAL_MARKS:
		return candidate_of(core, module) == core->config.self ||
		       module_may_replace(module);
	case RELATION_NEWER:
	case RELATION_PEER_ROLLED_BACK: return record_is_good(&module->record, core->config.self);
	case RELATION_NO_DATA:
	case RELATION_OLDER:
	case RELATION_DIVERGED:
	case RELATION_UNRELATED:
	case RELATION_ROLLED_BACK:
	case RELATION_COUNT: break;
	}
	return false;
}

bool module_may_start_alone(const struct core *core, const struct module *module)
{
	const struct record *record = &module->record;
	bool is_sole = record->good == node_mask(core->config.self) ||
		       (planted(PLANTED_STALE_START) && record_has_data(record));

	/* What the silent peer showed while it was heard still counts. */
	if (module->is_peer_known && !planted(PLANTED_STALE_START)) {
		enum relation relation = module_relation(core, module);
		if (relation != RELATION_NEWER && relation != RELATION_EQUAL_CLEAN &&
			relation != RELATION_EQUAL_MARKS)
			return false;
	}
	return is_sole && record->is_complete && record_has_data(record) && !record->has_intent &&
	       (record->holder == core->config.self || planted(PLANTED_STALE_START)) &&
	       !module->is_rolled_back && !module->is_second_only;
}

bool module_can_follow(const struct core *core, const struct module *module)
{
	const struct record *theirs = &module->peer.record;

	if (!peer_is_primary(core, module) || module->peer.fs_role != FS_PRIMARY)
		return false;
	if (theirs->holder != module->config.peer || theirs->epoch.node != module->config.peer ||
		record_is_good(theirs, core->config.self))
		return false;
	if (theirs->epoch.number < module->record.epoch.number)
		return false;
	enum relation relation = module_relation(core, module);
	return relation == RELATION_OLDER || relation == RELATION_ROLLED_BACK;
}

static bool wait_for(struct core *core, struct module *module, enum wait_reason reason)
{
	if (module->reason == reason)
		return false;
	module->reason = reason;
	if (reason == WAIT_NONE || reason == WAIT_LISTENING || reason == WAIT_PEER_STARTS)
		return false;
	struct status status;
	status_fill(core, module, &status);
	struct text *text = log_add(core, module, "module.waits", SEVERITY_WARNING);
	text_add(text, status.now.data);
	if (status.to_do.size > 0) {
		text_add(text, "; ");
		text_add(text, status.to_do.data);
	}
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

static enum wait_reason reason_of_older(const struct module *module)
{
	if (module->peer.state == MIRROR_STOP)
		return WAIT_PEER_STOPPED;
	return module->peer.is_failed ? WAIT_PEER_FAILED : WAIT_PEER_STARTS;
}

static enum wait_reason reason_without_primary(const struct core *core, const struct module *module)
{
	switch (module_relation(core, module)) {
	case RELATION_NO_DATA: return WAIT_NEW;
	case RELATION_OLDER: return reason_of_older(module);
	case RELATION_EQUAL_CLEAN:
	case RELATION_EQUAL_MARKS:
		if (is_able(module) && (module_may_replace(module) ||
					       candidate_of(core, module) == core->config.self))
			return WAIT_LISTENING;
		if (is_able(module) && module->peer.state == MIRROR_STOP)
			return WAIT_PEER_STOPPED;
		return is_peer_able(module) ? WAIT_PEER_STARTS : WAIT_PEER_ONLY;
	case RELATION_NEWER:
		if (!module->record.is_complete)
			return WAIT_INCOMPLETE;
		return is_able(module) ? WAIT_LISTENING : WAIT_PEER_ONLY;
	case RELATION_DIVERGED: return WAIT_DIVERGED;
	case RELATION_UNRELATED: return WAIT_UNRELATED;
	case RELATION_ROLLED_BACK: return WAIT_ROLLED_BACK;
	case RELATION_PEER_ROLLED_BACK: return WAIT_PEER_ROLLED_BACK;
	case RELATION_COUNT: break;
	}
	CHECK(false);
	return WAIT_NONE;
}

static enum wait_reason reason_unheard(const struct core *core, const struct module *module)
{
	const struct record *record = &module->record;

	if (!record_has_data(record) && record->is_complete == false &&
		record->role == RECORD_ROLE_NONE)
		return WAIT_NEW;
	if (!record->is_complete)
		return WAIT_INCOMPLETE;
	if (!record_is_good(record, core->config.self))
		return WAIT_STALE;
	if (record->has_intent)
		return WAIT_INTENT;
	if (module->is_cut_off)
		return WAIT_CUT_OFF;
	return module_may_start_alone(core, module) ? WAIT_PEER_ONLY : WAIT_UNSURE;
}

static bool start_unheard(struct core *core, struct module *module)
{
	if (!has_passed(core, module, core->started_ns, core->config.silence_ns))
		return wait_for(core, module, WAIT_LISTENING);
	if (module_may_start_alone(core, module))
		return mirror_move(core, module, STEP_PROBING);
	return wait_for(core, module, reason_unheard(core, module));
}

/* Restarted while the primary still counts on this copy: it does not, from here on. One that has
 * only claimed may still find that it has no copy, and give up. */
static bool is_counted_on(const struct core *core, const struct module *module)
{
	const struct record *mine = &module->record;
	const struct record *theirs = &module->peer.record;

	return module->peer.fs_role == FS_PRIMARY && mine->holder == module->config.peer &&
	       theirs->holder == module->config.peer &&
	       mine->epoch.number == theirs->epoch.number &&
	       record_is_good(theirs, core->config.self);
}

static bool start_heard(struct core *core, struct module *module)
{
	module->is_cut_off = false;
	if (peer_is_primary(core, module)) {
		if (is_counted_on(core, module)) {
			tenure_resign(core, module);
			return true;
		}
		if (module_can_follow(core, module))
			return accept_primary(core, module);
		enum wait_reason reason = reason_with_primary(module_relation(core, module));
		bool has_lost = reason == WAIT_DIVERGED || reason == WAIT_UNRELATED;
		if (has_lost && record_is_good(&module->record, core->config.self)) {
			tenure_disown(core, module);
			return true;
		}
		return wait_for(core, module, reason);
	}
	if (module_is_chosen(core, module))
		return mirror_move(core, module, STEP_PROBING);
	return wait_for(core, module, reason_without_primary(core, module));
}

static bool is_still_blocked(struct core *core, struct module *module)
{
	if (!module->is_blocked)
		return false;
	if (module->retry_ns == NO_TIME || core->now_ns < module->retry_ns) {
		wake_at(module, module->retry_ns);
		return true;
	}
	module->is_blocked = false;
	module->reason = WAIT_NONE;
	return false;
}

bool waiting_advance(struct core *core, struct module *module)
{
	module_eligible(core, module);
	if (module->wants_stop)
		return leave(core, module);
	if (is_still_blocked(core, module))
		return false;
	if (module->wants_forced_prim)
		return mirror_move(core, module, STEP_PROBING);
	module_eligible(core, module);
	if (peer_is_heard(core, module)) {
		wake_at(module,
			member_suspicion_at(core, module->config.peer, core->config.silence_ns));
		return start_heard(core, module);
	}
	return start_unheard(core, module);
}
