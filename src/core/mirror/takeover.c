/*
 * A good secondary whose primary fell silent.
 *
 *	silence - margin	the service address is probed, the arbiter asked a first time
 *				(intent first), so that no time is lost; beats go out faster
 *	silence			granted ever since, for at least SETTLE_NS in which no beat came,
 *				and nobody answers at the address: asked again; granted: record,
 *				promotion
 *
 * One grant is not enough: it may come from a network that is back this moment, and with it the
 * primary, which was granted before. An answer from the peer's address means that it lives: wait
 * (R3). From a stranger: wait, and name him. When no probe can be made, the lifetime of the address
 * stands in for the answer (R15). The first grant must be had before `silence`: later it could belong
 * to another situation, in which the primary was granted, and then died. So it could where the
 * primary's last words were that it wants to go on without this copy.
 */
#include "core/mirror/mirror.h"

int64_t suspect_after_ns(const struct core *core)
{
	return planted(PLANTED_IMPATIENT) ? core->config.margin_ns
					  : core->config.silence_ns - core->config.margin_ns;
}

bool secondary_claim(struct core *core, struct mirror *mirror, bool is_handed)
{
	application_want(&mirror->common, UP_BOTH);
	mirror->tenure.is_handed = is_handed;
	tenure_claim(core, mirror);
	mirror->wants.forced_prim = false;
	mirror->wants.swap = false;
	return mirror_move(core, mirror, STEP_CLAIMING);
}

/* This node handed the service over: the peer may serve, although it is not heard. */
bool peer_may_hold(const struct mirror *mirror)
{
	return mirror->fs.role == FS_PRIMARY;
}

static bool may_ever_take(const struct core *core, const struct mirror *mirror)
{
	bool is_dropped = mirror->peer.is_known && mirror->peer.shows.wants_drop;

	return !is_dropped && mirror->common.config.has_failover &&
	       arbiter_promise(core->config.arbiter)->is_asked && !mirror->wants.second_only &&
	       !mirror->common.application.is_failed && mirror_is_good_here(core, mirror) &&
	       !mirror->fs.is_dead && !mirror->fs.is_behind &&
	       /* a restarted daemon does not know what the primary did meanwhile */
	       core->members[mirror->common.config.peer].two_way_ns != 0 &&
	       mirror->fs.role == FS_SECONDARY;
}

/* Nobody answers for the service address any more, or its lifetime is over and it cannot be asked.
 */
static bool is_address_free(struct core *core, struct mirror *mirror)
{
	uint8_t peer = mirror->common.config.peer;
	int64_t lifetime = mirror->common.config.address_lifetime_ns;

	if (mirror->common.config.address_count == 0)
		return true;
	bool is_answered =
		mirror->probe.is_done && mirror->probe.started_ns >= mirror->loss.suspect_ns;
	if (is_answered && mirror->probe.outcome == PROBE_SILENT)
		return true;
	mirror->wait.reason = is_answered && mirror->probe.outcome == PROBE_FOREIGN_ANSWERS
				      ? WAIT_ADDRESS_FOREIGN
				      : WAIT_NONE;
	if (is_answered && mirror->probe.outcome == PROBE_PEER_ANSWERS)
		mirror->wait.reason = WAIT_ADDRESS_PEER;
	address_probe(core, mirror);
	if (!is_answered || mirror->probe.outcome != PROBE_FAILED)
		return false;
	if (member_age_ns(core, peer) >= lifetime)
		return true;
	wake_at(&mirror->common, member_age_at(core, peer, lifetime));
	return false;
}

/* Its beats come, although ours do not arrive there: it serves, or steps down by itself. */
static bool is_primary_talking(const struct core *core, const struct mirror *mirror)
{
	bool shows_primary =
		mirror->peer.shows.state == STATE_ALONE || mirror->peer.shows.state == STATE_PRIM;

	return shows_primary && member_is_talking(core, mirror->common.config.peer);
}

static bool ask(struct core *core, struct mirror *mirror)
{
	return consult_arbiter(core, mirror, STEP_TAKE_INTENDING, STEP_TAKE_ASKING);
}

bool is_first_grant_late(const struct core *core, const struct mirror *mirror)
{
	uint8_t peer = mirror->common.config.peer;

	return !core->members[peer].is_gone &&
	       member_suspicion_ns(core, peer) >= core->config.silence_ns;
}

/* The first question, as early as the suspicion. */
static bool ask_first(struct core *core, struct mirror *mirror)
{
	return !is_first_grant_late(core, mirror) && ask(core, mirror);
}

static int64_t silence_of(const struct core *core)
{
	return planted(PLANTED_IMPATIENT) ? core->config.margin_ns : core->config.silence_ns;
}

/*
 * True when the time has come; otherwise wakes then. Counted from the last beat *heard*: the primary
 * counts from when it sent the one that we echoed last, which was before we heard it; so it holds
 * its answers a margin before this node may serve (R7), whatever was lost in between.
 */
static bool is_silent_enough(struct core *core, struct mirror *mirror)
{
	uint8_t peer = mirror->common.config.peer;
	int64_t silence = silence_of(core);

	const struct member *member = &core->members[peer];
	int64_t heard_ns = planted(PLANTED_ECHO_SILENCE)
				   ? 0
				   : MAX_OF(member->living.heard_ns, member->stranger_ns);
	int64_t free_ns = MAX_OF(heard_ns, member->two_way_ns) + member->excuse_ns + silence;
	if (!member->is_gone && core->now_ns < free_ns) {
		wake_at(&mirror->common, free_ns);
		return false;
	}
	return has_passed(core, &mirror->common, mirror->ask.first_grant_ns, SETTLE_NS);
}

static bool take(struct core *core, struct mirror *mirror)
{
	bool is_free = is_address_free(core, mirror);

	if (is_primary_talking(core, mirror)) {
		inquiry_forget_grant(&mirror->ask);
		wake_at(&mirror->common, core->members[mirror->common.config.peer].living.heard_ns +
						 core->config.margin_ns);
		return false;
	}
	if (planted(PLANTED_NO_ARBITER))
		return is_free && is_silent_enough(core, mirror) &&
		       secondary_claim(core, mirror, false);
	/* A register grants once, and that is the change: it is asked when this node may serve. */
	bool is_tried_first = !arbiter_promise(core->config.arbiter)->is_register;
	if (is_tried_first && mirror->ask.first_grant_ns == 0)
		return ask_first(core, mirror);
	if (!is_silent_enough(core, mirror) || !is_free)
		return false;
	return ask(core, mirror);
}

static bool is_heard_again(const struct core *core, const struct mirror *mirror)
{
	uint8_t peer = mirror->common.config.peer;

	return !core->members[peer].is_gone && core->members[peer].two_way_ns != 0 &&
	       member_suspicion_ns(core, peer) < suspect_after_ns(core);
}

static bool come_back(struct core *core, struct mirror *mirror)
{
	bool is_old_primary = mirror->fs.role == FS_PRIMARY;

	inquiry_end(&mirror->ask);
	mirror->wait.reason = WAIT_NONE;
	return mirror_move(core, mirror, is_old_primary ? STEP_YIELDED : STEP_SECOND);
}

/* Its last words were that it had gone on without this copy. */
static bool is_left_behind(const struct core *core, const struct mirror *mirror)
{
	return mirror->peer.is_known && record_is_good(&mirror->common.record, core->config.self) &&
	       mirror->peer.shows.record.holder == mirror->common.config.peer &&
	       mirror->peer.shows.record.epoch.number >= mirror->common.record.epoch.number &&
	       mirror_relation(core, mirror) == RELATION_OLDER && !mirror_can_follow(core, mirror);
}

/* Neither serves, and neither copy is sure to hold everything: a person says who goes on. */
static bool wait_for_person(struct core *core, struct mirror *mirror)
{
	mirror_block(core, mirror, WAIT_BEHIND);
	return leave(core, mirror);
}

bool suspecting_advance(struct core *core, struct mirror *mirror)
{
	if (mirror->fs.is_behind && peer_is_heard(core, mirror) && !peer_is_primary(core, mirror))
		return wait_for_person(core, mirror);
	if (peer_has_handed_over(core, mirror) || mirror->wants.forced_prim)
		return mirror->fs.is_behind
			       ? leave(core, mirror)
			       : secondary_claim(core, mirror, !mirror->wants.forced_prim);
	if (mirror->common.wants_stop)
		return leave(core, mirror);
	if (is_left_behind(core, mirror) && !planted(PLANTED_NOT_GOOD)) {
		tenure_disown(core, mirror);
		return leave(core, mirror);
	}
	if (is_heard_again(core, mirror))
		return come_back(core, mirror);
	if (mirror->fs.said.is_local_failed || mirror->fs.said.is_refused ||
		mirror->fs.said.is_stopped) {
		mirror_block(core, mirror, WAIT_DISK);
		return leave(core, mirror);
	}
	return may_ever_take(core, mirror) ? take(core, mirror) : false;
}

static bool take_over(struct core *core, struct mirror *mirror)
{
	mirror_tell(core, mirror, TELL_TAKEOVER);
	return secondary_claim(core, mirror, false);
}

bool take_asking_advance(struct core *core, struct mirror *mirror)
{
	if (is_heard_again(core, mirror) || is_primary_talking(core, mirror) ||
		mirror->fs.is_behind)
		return mirror_move(core, mirror, STEP_SUSPECTING);
	if (mirror->ask.is_open)
		return false;
	enum grant grant = inquiry_weigh(&mirror->ask, core->config.arbiter, false, core->now_ns);
	if (grant == GRANT_FIRST && is_first_grant_late(core, mirror))
		inquiry_forget_grant(&mirror->ask);
	if (grant == GRANT_ENOUGH && is_silent_enough(core, mirror))
		return take_over(core, mirror);
	return mirror_move(core, mirror, STEP_SUSPECTING);
}

bool take_intending_advance(struct core *core, struct mirror *mirror)
{
	if (is_heard_again(core, mirror))
		return mirror_move(core, mirror, STEP_SUSPECTING);
	mirror->loss.is_intent_late = is_first_grant_late(core, mirror);
	return ask_arbiter(core, mirror, STEP_TAKE_ASKING);
}
