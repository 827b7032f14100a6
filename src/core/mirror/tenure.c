/*
 * What a node records, and when it counts. One record is on its way to the disk at a time, and
 * while it is, its module makes no other move; so "recorded before" needs no further care
 * elsewhere.
 *
 *	function          epoch                good            when
 *	tenure_claim      highest seen + 1     me              before becoming primary
 *	tenure_intend     (intent: + 1)        (intent: me)    before the arbiter is asked (R4)
 *	tenure_shrink     + 1                  me              before going on alone
 *	tenure_grow       same                 both            the target is complete and durable
 *	tenure_yield      + 1, the peer's      the peer        handing over
 *	tenure_accept     the primary's        without me      before the first change to this copy
 *	tenure_adopt      the primary's        without me      complete, generation taken over
 *	tenure_join       the primary's        both            the primary has recorded it
 *	tenure_resign     + 1, the primary's   the primary     this copy does not count from here on
 *	tenure_renounce   + 1, the peer's      the peer        claimed with a copy that is none: undone
 */
#include "core/core_internal.h"

void tenure_write(struct core *core, struct module *module, const struct record *next)
{
	CHECK(!module->is_writing);
	CHECK(next->history_count <= GENERATION_HISTORY);
	module->writing = *next;
	module->is_writing = true;
	module->is_write_failed = false;
	action_add(core, module, ACTION_WRITE_RECORD)->write_record.record = *next;
}

void tenure_on_written(struct core *core, struct module *module, int error)
{
	if (!module->is_writing)
		return;
	if (error != 0) {
		if (!module->is_write_in_trouble)
			text_add(log_add(core, module, "record.failed", SEVERITY_ERROR),
				"the state file cannot be written; nothing goes on before it can: "
				"look at the disk that holds the state directory");
		module->is_write_failed = true;
		module->is_write_in_trouble = true;
		module->since_ns = core->now_ns;
		return;
	}
	module->is_writing = false;
	module->is_write_failed = false;
	module->is_write_in_trouble = false;
	module->record = module->writing;
	module->record_stamp++;
}

void tenure_abandon(struct module *module)
{
	CHECK(module->is_writing && module->is_write_failed);
	module->is_writing = false;
	module->is_write_failed = false;
}

static struct record next_record(const struct module *module)
{
	struct record next = module->record;

	next.should_run = module->should_run;
	next.barrier = module->barrier;
	next.peer_barrier = module->peer_barrier;
	return next;
}

static void clear_intent(struct record *record)
{
	record->has_intent = false;
	record->intent_epoch = (struct epoch){ 0 };
	record->intent_good = 0;
	record->intent_nonce = 0;
}

static uint64_t epoch_seen(const struct module *module)
{
	uint64_t seen = module->record.epoch.number;

	if (module->is_peer_known)
		seen = MAX_OF(seen, module->peer.record.epoch.number);
	return seen;
}

/* This node is the only good one from here on. */
static void own(const struct core *core, struct record *record, uint64_t epoch)
{
	uint8_t self = core->config.self;

	record->epoch = (struct epoch){ .number = epoch, .node = self };
	record->good = node_mask(self);
	record->holder = self;
	record->role = RECORD_ROLE_PRIMARY;
	record->register_version++;
	record->is_clean = false;
	record->is_complete = true;
	record->is_foreign = false;
	clear_intent(record);
}

static void make_set(struct module *module, struct record *record)
{
	for (int i = 0; i < SET_ID_SIZE; i += 8) {
		uint64_t random = module_random(module);
		for (int j = 0; j < 8; j++)
			record->set_id[i + j] = (uint8_t)(random >> (8 * j));
	}
}

/* A person's word, without the peer's: above whatever the peer may have begun unheard. */
static bool is_insisted(const struct core *core, const struct module *module)
{
	return module->wants_forced_prim && !peer_is_heard(core, module);
}

void tenure_claim(struct core *core, struct module *module)
{
	struct record next = next_record(module);
	bool is_sole = next.good == node_mask(core->config.self) && next.is_complete;

	module->before_claim = next;
	if (!record_has_data(&next))
		make_set(module, &next);
	if (module->wants_forced_prim && module->is_peer_known &&
		!generation_is_equal(next.generation, module->peer.record.generation))
		record_overrule(&next, module->peer.record.generation);
	own(core, &next, epoch_seen(module) + (is_insisted(core, module) ? INSISTED_EPOCHS : 1));
	bool is_same = planted(PLANTED_SAME_GENERATION) && record_has_data(&next);
	if ((!is_sole || !record_has_data(&next)) && !is_same)
		record_begin_generation(&next, module_random(module));
	CHECK(next.epoch.number > module->record.epoch.number);
	tenure_write(core, module, &next);
}

void tenure_intend(struct core *core, struct module *module)
{
	struct record next = next_record(module);

	next.has_intent = true;
	next.intent_epoch =
		(struct epoch){ .number = epoch_seen(module) + 1, .node = core->config.self };
	next.intent_good = node_mask(core->config.self);
	next.intent_nonce = module_random(module);
	CHECK(next.intent_epoch.number > next.epoch.number);
	if (planted(PLANTED_VOLATILE_INTENT))
		module->record = next;
	else
		tenure_write(core, module, &next);
}

void tenure_shrink(struct core *core, struct module *module)
{
	struct record next = next_record(module);
	bool had_peer = record_is_good(&next, module->config.peer);
	bool is_overruling = module->wants_overrule;
	uint64_t epoch = MAX_OF(next.epoch.number + 1, epoch_seen(module));

	CHECK(next.holder == core->config.self);
	if (is_insisted(core, module))
		epoch += INSISTED_EPOCHS;
	if (module->wants_overrule) {
		record_overrule(&next, module->peer.record.generation);
		epoch = epoch_seen(module) + 1;
		module->wants_overrule = false;
	}
	own(core, &next, epoch);
	if ((had_peer && !planted(PLANTED_SAME_GENERATION)) || is_overruling)
		record_begin_generation(&next, module_random(module));
	if (planted(PLANTED_NO_RECORD)) {
		module->record = next;
		return;
	}
	tenure_write(core, module, &next);
}

void tenure_grow(struct core *core, struct module *module)
{
	struct record next = next_record(module);

	CHECK(next.holder == core->config.self);
	CHECK(next.is_complete);
	next.good |= node_mask(module->config.peer);
	next.register_version++;
	tenure_write(core, module, &next);
}

/* From here on the service is the peer's alone, seen or unseen: this node may not take it back. */
void tenure_yield(struct core *core, struct module *module)
{
	struct record next = next_record(module);
	uint8_t peer = module->config.peer;

	CHECK(record_is_good(&next, peer));
	next.epoch = (struct epoch){ .number = epoch_seen(module) + 1, .node = peer };
	next.holder = peer;
	next.good = node_mask(peer);
	next.register_version++;
	tenure_write(core, module, &next);
}

/* A tree that holds what the primary never had is set aside whole, not overwritten (R12). */
static bool is_foreign_to(const struct core *core, const struct module *module)
{
	const struct record *mine = &module->record;
	const struct record *theirs = &module->peer.record;

	if (planted(PLANTED_OVERWRITTEN))
		return false;
	bool is_same_set = set_id_is_equal(mine, theirs);
	if (!mine->is_complete && is_same_set) /* it goes on where it was interrupted */
		return mine->is_foreign;
	if (!record_has_data(mine) || !is_same_set)
		return true;
	bool went_alone =
		!record_is_good(mine, module->config.peer) && mine->holder == core->config.self;
	return went_alone && mine->is_complete;
}

/* This copy is what the primary's record says. */
static void take_content(struct record *record, const struct record *theirs)
{
	record->generation = theirs->generation;
	record->history_count = theirs->history_count;
	for (int i = 0; i < GENERATION_HISTORY; i++)
		record->history[i] = theirs->history[i];
	record->is_complete = true;
	record->is_foreign = false;
}

void tenure_accept(struct core *core, struct module *module)
{
	struct record next = next_record(module);
	const struct record *theirs = &module->peer.record;

	CHECK(theirs->holder == module->config.peer);
	CHECK(theirs->epoch.number >= next.epoch.number);
	next.is_foreign = is_foreign_to(core, module);
	for (int i = 0; i < SET_ID_SIZE; i++)
		next.set_id[i] = theirs->set_id[i];
	next.epoch = theirs->epoch;
	next.good = theirs->good & ~node_mask(core->config.self);
	next.holder = theirs->holder;
	next.register_version = MAX_OF(next.register_version, theirs->register_version);
	next.role = RECORD_ROLE_SECONDARY;
	next.is_complete = false;
	next.is_clean = false;
	clear_intent(&next);
	if (planted(PLANTED_INCOMPLETE)) {
		take_content(&next, theirs);
		next.good |= node_mask(core->config.self);
	}
	tenure_write(core, module, &next);
}

void tenure_adopt(struct core *core, struct module *module)
{
	struct record next = next_record(module);
	const struct record *theirs = &module->peer.record;

	(void)core;
	CHECK(theirs->epoch.number == next.epoch.number);
	CHECK(set_id_is_equal(theirs, &next));
	take_content(&next, theirs);
	tenure_write(core, module, &next);
}

void tenure_join(struct core *core, struct module *module)
{
	struct record next = next_record(module);
	const struct record *theirs = &module->peer.record;

	CHECK(next.is_complete);
	next.good |= node_mask(core->config.self);
	next.register_version = MAX_OF(next.register_version, theirs->register_version);
	tenure_write(core, module, &next);
}

void tenure_resign(struct core *core, struct module *module)
{
	struct record next = next_record(module);

	(void)core;
	CHECK(next.holder == module->config.peer);
	next.epoch = (struct epoch){ .number = next.epoch.number + 1, .node = next.holder };
	next.good = node_mask(next.holder);
	clear_intent(&next);
	tenure_write(core, module, &next);
}

/* Nothing was served since the claim: the record is as before, but for the holder, and above whatever
 * was seen of the claim. */
void tenure_renounce(struct core *core, struct module *module)
{
	uint8_t peer = module->config.peer;
	struct record next = module->before_claim;

	CHECK(module->record.holder == core->config.self && record_is_good(&next, peer));
	next.should_run = module->should_run;
	next.holder = peer;
	next.epoch = (struct epoch){ .number = module->record.epoch.number + 1, .node = peer };
	next.good = node_mask(peer);
	next.register_version = module->record.register_version + 1;
	next.role = RECORD_ROLE_NONE;
	clear_intent(&next);
	tenure_write(core, module, &next);
}

/* A copy that this node never served nor followed is as clean as it was found. */
bool tenure_is_clean(const struct module *module)
{
	if (!module->has_run)
		return module->record.is_clean;
	return !module->is_local_failed && !module->is_refused && !module->is_torn;
}

void tenure_close(struct core *core, struct module *module)
{
	struct record next = next_record(module);
	next.role = RECORD_ROLE_NONE;
	next.is_clean = tenure_is_clean(module);
	if (module->has_lost)
		next.good &= ~node_mask(core->config.self);
	if (next.has_intent && !module->is_answer_open && module->answer == ARBITER_REFUSED)
		clear_intent(&next); /* the answer is known: no */
	tenure_write(core, module, &next);
}

/* The other node went on with other data: this copy never serves again by itself. */
void tenure_disown(struct core *core, struct module *module)
{
	struct record next = next_record(module);

	CHECK(record_is_good(&next, core->config.self));
	next.good &= ~node_mask(core->config.self);
	tenure_write(core, module, &next);
}

void tenure_forget(struct core *core, struct module *module)
{
	struct record next = { .register_version = module->record.register_version };

	next.should_run = module->should_run;
	CHECK(!record_has_data(&next));
	tenure_write(core, module, &next);
}

/* In a step that rests on the record as it is, and where an intent can only be an old one. */
static bool is_intent_over(const struct core *core, const struct module *module)
{
	if (!module->record.has_intent)
		return false;
	bool is_settled = module->step == STEP_PAIRED || module->step == STEP_SECOND ||
			  module->step == STEP_ALONE;
	return is_settled && member_is_heard(core, module->config.peer);
}

bool tenure_tidy(struct core *core, struct module *module)
{
	struct record next = next_record(module);
	bool is_due = next.should_run != module->record.should_run;

	CHECK(!module->is_writing);
	if (is_intent_over(core, module)) {
		clear_intent(&next);
		is_due = true;
	}
	if (module->step == STEP_FOLLOWING && next.is_foreign && module->resync_total > 0) {
		next.is_foreign = false;
		is_due = true;
	}
	if (is_due)
		tenure_write(core, module, &next);
	return false;
}
