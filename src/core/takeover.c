/*
 * A good secondary whose primary fell silent.
 *
 *	silence - margin	probing the service address begins, so that no time is lost
 *	silence			and nobody answers there: intent, arbiter, record, promotion
 *
 * An answer from the peer means that it lives: wait (R3). From a stranger: wait, and name him. When
 * no probe can be made, the lifetime of the address stands in for the answer (R15). The primary
 *asks first, at silence - margin; so whoever is granted here has let it go first. Asked for one
 *second, then no more: later the answer could belong to another situation.
 */
#include "core/core_internal.h"

#define ASKING_NS (NS_PER_S)

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

bool ask_arbiter(struct core *core, struct module *module)
{
	const struct record *record = &module->record;

	CHECK(record->has_intent);
	module->is_answer_open = true;
	module->answer = ARBITER_UNKNOWN;
	module->ask_nonce = record->intent_nonce;
	if (module->first_ask_ns == 0)
		module->first_ask_ns = core->now_ns;
	struct action *action = action_add(core, module, ACTION_ASK_ARBITER);
	action->arbiter.epoch = record->intent_epoch;
	action->arbiter.good = record->intent_good;
	action->arbiter.expected_version = record->register_version;
	action->arbiter.nonce = record->intent_nonce;
	return true;
}

static bool is_good_here(const struct core *core, const struct module *module)
{
	if (planted(PLANTED_NOT_GOOD))
		return true;
	return record_is_good(&module->record, core->config.self) && module->record.is_complete;
}

static bool may_ever_take(const struct core *core, const struct module *module)
{
	return module->config.has_failover && core->config.arbiter == ARBITER_PING &&
	       !module->is_second_only && !module->application.is_failed &&
	       is_good_here(core, module) && !module->is_dead &&
	       (module->fs_role == FS_SECONDARY || module->fs_role == FS_PRIMARY);
}

/* Nobody answers for the service address any more, or its lifetime is over and it cannot be asked.
 */
static bool is_address_free(struct core *core, struct module *module)
{
	uint8_t peer = module->config.peer;
	int64_t lifetime = module->config.address_lifetime_ns;

	if (module->config.address_count == 0)
		return true;
	bool is_answered = module->is_probed && module->probe_ns >= module->since_ns;
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

static bool is_asking_over(struct core *core, struct module *module)
{
	return module->first_ask_ns != 0 && core->now_ns - module->first_ask_ns >= ASKING_NS;
}

static bool take(struct core *core, struct module *module)
{
	uint8_t peer = module->config.peer;
	int64_t silence = core->config.silence_ns;

	if (planted(PLANTED_IMPATIENT))
		silence -= 2 * core->config.margin_ns;
	bool is_free = is_address_free(core, module);
	if (!core->members[peer].is_gone && member_suspicion_ns(core, peer) < silence) {
		wake_at(module, member_suspicion_at(core, peer, silence));
		return false;
	}
	if (!is_free || is_asking_over(core, module))
		return false;
	if (planted(PLANTED_NO_ARBITER))
		return secondary_claim(core, module, false);
	if (core->now_ns < module->ask_ns) {
		wake_at(module, module->ask_ns);
		return false;
	}
	module->reason = WAIT_NONE;
	if (module->record.has_intent) {
		(void)ask_arbiter(core, module);
		return mirror_move(core, module, STEP_TAKE_ASKING);
	}
	tenure_intend(core, module);
	return mirror_move(core, module, STEP_TAKE_INTENDING);
}

static bool is_heard_again(const struct core *core, const struct module *module)
{
	uint8_t peer = module->config.peer;

	return !core->members[peer].is_gone && core->members[peer].two_way_ns != 0 &&
	       member_suspicion_ns(core, peer) < core->config.silence_ns - core->config.margin_ns;
}

static bool come_back(struct core *core, struct module *module)
{
	bool is_old_primary = module->fs_role == FS_PRIMARY;

	module->first_ask_ns = 0;
	module->reason = WAIT_NONE;
	return mirror_move(core, module, is_old_primary ? STEP_YIELDED : STEP_SECOND);
}

static bool suspecting_advance(struct core *core, struct module *module)
{
	if (peer_has_handed_over(core, module) || module->wants_forced_prim)
		return secondary_claim(core, module, !module->wants_forced_prim);
	if (module->wants_stop)
		return leave(core, module);
	if (is_heard_again(core, module))
		return come_back(core, module);
	if (module->is_local_failed || module->is_refused || module->is_stop_reported) {
		module_block(core, module, WAIT_DISK);
		return leave(core, module);
	}
	return may_ever_take(core, module) ? take(core, module) : false;
}

static bool take_asking_advance(struct core *core, struct module *module)
{
	if (is_heard_again(core, module))
		return mirror_move(core, module, STEP_SUSPECTING);
	if (module->is_answer_open)
		return false;
	if (module->answer == ARBITER_GRANTED) {
		text_add(log_add(core, module, "module.takeover", SEVERITY_WARNING),
			"the other node is silent and the arbiter agrees: this node takes over");
		return secondary_claim(core, module, false);
	}
	module->ask_ns = core->now_ns + ASK_GAP_NS;
	return mirror_move(core, module, STEP_SUSPECTING);
}

bool takeover_advance(struct core *core, struct module *module)
{
	switch (module->step) {
	case STEP_SUSPECTING: return suspecting_advance(core, module);
	case STEP_TAKE_INTENDING:
		if (is_heard_again(core, module))
			return mirror_move(core, module, STEP_SUSPECTING);
		(void)ask_arbiter(core, module);
		return mirror_move(core, module, STEP_TAKE_ASKING);
	case STEP_TAKE_ASKING: return take_asking_advance(core, module);
	default: break; /* EXCEPTION: the other steps have files of their own */
	}
	CHECK(false);
	return false;
}
