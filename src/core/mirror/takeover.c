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
 * stands in for the answer (R15). The first grant must be asked for before `silence`: later it could
 * belong to another situation, in which the primary was granted, and then died.
 */
#include "core/core_internal.h"

void address_probe(struct core *core, struct module *module)
{
	if (module->is_probe_open)
		return;
	bool is_eager = core->now_ns - module->since_ns < PROBE_EAGER_NS;
	int64_t gap = is_eager ? PROBE_GAP_NS : PROBE_SLOW_GAP_NS;
	if (module->probe_ns != 0 && core->now_ns - module->probe_ns < gap) {
		wake_at(module, module->probe_ns + gap);
		return;
	}
	module->is_probe_open = true;
	module->is_probed = false;
	module->probe_ns = core->now_ns;
	(void)action_add(core, module, ACTION_PROBE_ADDRESS);
}

int64_t suspect_after_ns(const struct core *core)
{
	return planted(PLANTED_IMPATIENT) ? core->config.margin_ns
					  : core->config.silence_ns - core->config.margin_ns;
}

bool ask_arbiter(struct core *core, struct module *module)
{
	const struct record *record = &module->record;

	CHECK(record->has_intent);
	module->is_answer_open = true;
	module->answer = ARBITER_UNKNOWN;
	module->ask_nonce = record->intent_nonce;
	struct action *action = action_add(core, module, ACTION_ASK_ARBITER);
	action->arbiter.epoch = record->intent_epoch;
	action->arbiter.good = record->intent_good;
	action->arbiter.expected_version = record->register_version;
	action->arbiter.nonce = record->intent_nonce;
	return true;
}

/* This node handed the service over: the peer may serve, although it is not heard. */
bool peer_may_hold(const struct module *module)
{
	return module->fs_role == FS_PRIMARY;
}

static bool may_ever_take(const struct core *core, const struct module *module)
{
	return module->config.has_failover && core->config.arbiter == ARBITER_PING &&
	       !module->is_second_only && !module->application.is_failed &&
	       module_is_good_here(core, module) && !module->is_dead && !module->is_behind &&
	       /* a restarted daemon does not know what the primary did meanwhile */
	       core->members[module->config.peer].two_way_ns != 0 &&
	       module->fs_role == FS_SECONDARY;
}

/* Nobody answers for the service address any more, or its lifetime is over and it cannot be asked.
 */
static bool is_address_free(struct core *core, struct module *module)
{
	uint8_t peer = module->config.peer;
	int64_t lifetime = module->config.address_lifetime_ns;

	if (module->config.address_count == 0)
		return true;
	bool is_answered = module->is_probed && module->probe_ns >= module->suspect_ns;
	if (is_answered && module->probe == PROBE_SILENT)
		return true;
	module->reason = is_answered && module->probe == PROBE_FOREIGN_ANSWERS
				 ? WAIT_ADDRESS_FOREIGN
				 : WAIT_NONE;
	if (is_answered && module->probe == PROBE_PEER_ANSWERS)
		module->reason = WAIT_ADDRESS_PEER;
	address_probe(core, module);
	if (!is_answered || module->probe != PROBE_FAILED)
		return false;
	if (member_age_ns(core, peer) >= lifetime)
		return true;
	wake_at(module, member_age_at(core, peer, lifetime));
	return false;
}

/* Its beats come, although ours do not arrive there: it serves, or steps down by itself. */
static bool is_primary_talking(const struct core *core, const struct module *module)
{
	bool shows_primary =
		module->peer.state == MIRROR_ALONE || module->peer.state == MIRROR_PRIM;

	return shows_primary && member_is_talking(core, module->config.peer);
}

static bool ask(struct core *core, struct module *module)
{
	if (core->now_ns < module->ask_ns) {
		wake_at(module, module->ask_ns);
		return false;
	}
	module->has_asked = true;
	if (module->record.has_intent) {
		(void)ask_arbiter(core, module);
		return mirror_move(core, module, STEP_TAKE_ASKING);
	}
	tenure_intend(core, module);
	return mirror_move(core, module, STEP_TAKE_INTENDING);
}

/* The first question, as early as the suspicion. */
static bool ask_first(struct core *core, struct module *module)
{
	int64_t latest = core->config.silence_ns;

	if (member_suspicion_ns(core, module->config.peer) >= latest &&
		!core->members[module->config.peer].is_gone)
		return false;
	return ask(core, module);
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
static bool is_silent_enough(struct core *core, struct module *module)
{
	uint8_t peer = module->config.peer;
	int64_t silence = silence_of(core);

	const struct member *member = &core->members[peer];
	int64_t heard_ns = planted(PLANTED_ECHO_SILENCE) ? 0 : member->heard_ns;
	int64_t free_ns = MAX_OF(heard_ns, member->two_way_ns) + member->excuse_ns + silence;
	if (!member->is_gone && core->now_ns < free_ns) {
		wake_at(module, free_ns);
		return false;
	}
	return has_passed(core, module, module->first_grant_ns, SETTLE_NS);
}

static bool take(struct core *core, struct module *module)
{
	bool is_free = is_address_free(core, module);

	if (is_primary_talking(core, module)) {
		module->first_grant_ns = 0;
		wake_at(module,
			core->members[module->config.peer].heard_ns + core->config.margin_ns);
		return false;
	}
	if (planted(PLANTED_NO_ARBITER))
		return is_free && is_silent_enough(core, module) &&
		       secondary_claim(core, module, false);
	if (module->first_grant_ns == 0)
		return ask_first(core, module);
	if (!is_silent_enough(core, module) || !is_free)
		return false;
	return ask(core, module);
}

static bool is_heard_again(const struct core *core, const struct module *module)
{
	uint8_t peer = module->config.peer;

	return !core->members[peer].is_gone && core->members[peer].two_way_ns != 0 &&
	       member_suspicion_ns(core, peer) < suspect_after_ns(core);
}

static bool come_back(struct core *core, struct module *module)
{
	bool is_old_primary = module->fs_role == FS_PRIMARY;

	module->first_grant_ns = 0;
	module->has_asked = false;
	module->reason = WAIT_NONE;
	return mirror_move(core, module, is_old_primary ? STEP_YIELDED : STEP_SECOND);
}

/* Its last words were that it had gone on without this copy. */
static bool is_left_behind(const struct core *core, const struct module *module)
{
	return module->is_peer_known && record_is_good(&module->record, core->config.self) &&
	       module->peer.record.holder == module->config.peer &&
	       module->peer.record.epoch.number >= module->record.epoch.number &&
	       module_relation(core, module) == RELATION_OLDER && !module_can_follow(core, module);
}

/* Neither serves, and neither copy is sure to hold everything: a person says who goes on. */
static bool wait_for_person(struct core *core, struct module *module)
{
	module_block(core, module, WAIT_BEHIND);
	return leave(core, module);
}

bool suspecting_advance(struct core *core, struct module *module)
{
	if (module->is_behind && peer_is_heard(core, module) && !peer_is_primary(core, module))
		return wait_for_person(core, module);
	if (peer_has_handed_over(core, module) || module->wants_forced_prim)
		return module->is_behind
			       ? leave(core, module)
			       : secondary_claim(core, module, !module->wants_forced_prim);
	if (module->wants_stop)
		return leave(core, module);
	if (is_left_behind(core, module) && !planted(PLANTED_NOT_GOOD)) {
		tenure_disown(core, module);
		return leave(core, module);
	}
	if (is_heard_again(core, module))
		return come_back(core, module);
	if (module->is_local_failed || module->is_refused || module->is_stop_reported) {
		module_block(core, module, WAIT_DISK);
		return leave(core, module);
	}
	return may_ever_take(core, module) ? take(core, module) : false;
}

static bool take_over(struct core *core, struct module *module)
{
	text_add(log_add(core, module, "module.takeover", SEVERITY_WARNING),
		"the other node is silent and the arbiter agrees: this node takes over");
	return secondary_claim(core, module, false);
}

bool take_asking_advance(struct core *core, struct module *module)
{
	if (is_heard_again(core, module) || is_primary_talking(core, module) || module->is_behind)
		return mirror_move(core, module, STEP_SUSPECTING);
	if (module->is_answer_open)
		return false;
	if (module->answer != ARBITER_GRANTED) {
		module->first_grant_ns = 0;
		module->ask_ns = core->now_ns + ASK_GAP_NS;
		return mirror_move(core, module, STEP_SUSPECTING);
	}
	if (module->first_grant_ns == 0)
		module->first_grant_ns = core->now_ns;
	else if (is_silent_enough(core, module))
		return take_over(core, module);
	return mirror_move(core, module, STEP_SUSPECTING);
}

bool take_intending_advance(struct core *core, struct module *module)
{
	if (is_heard_again(core, module))
		return mirror_move(core, module, STEP_SUSPECTING);
	(void)ask_arbiter(core, module);
	return mirror_move(core, module, STEP_TAKE_ASKING);
}
