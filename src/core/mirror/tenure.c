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
#include "core/mirror/mirror.h"

static struct record next_record(const struct mirror *mirror)
{
	struct record next = mirror->common.record;

	next.should_run = mirror->common.should_run;
	next.barrier = mirror->fs.barrier;
	next.peer_barrier = mirror->fs.peer_barrier;
	return next;
}

static void clear_intent(struct record *record)
{
	record->has_intent = false;
	record->intent_epoch = (struct epoch){ 0 };
	record->intent_good = 0;
	record->intent_nonce = 0;
}

static uint64_t epoch_seen(const struct mirror *mirror)
{
	uint64_t seen = MAX_OF(mirror->common.record.epoch.number, mirror->fs.marked.number);

	if (mirror->peer.is_known)
		seen = MAX_OF(seen, mirror->peer.shows.record.epoch.number);
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

static void make_set(struct mirror *mirror, struct record *record)
{
	for (int i = 0; i < SET_ID_SIZE; i += 8) {
		uint64_t random = instance_random(&mirror->common);
		for (int j = 0; j < 8; j++)
			record->set_id[i + j] = (uint8_t)(random >> (8 * j));
	}
}

/* A person's word, without the peer's: above whatever the peer may have begun unheard. */
static bool is_insisted(const struct core *core, const struct mirror *mirror)
{
	return mirror->wants.forced_prim && !peer_is_heard(core, mirror);
}

void tenure_claim(struct core *core, struct mirror *mirror)
{
	struct record next = next_record(mirror);
	bool is_sole = next.good == node_mask(core->config.self) && next.is_complete;

	mirror->tenure.before_claim = next;
	if (!record_has_data(&next))
		make_set(mirror, &next);
	if (mirror->wants.forced_prim && mirror->peer.is_known &&
		!generation_is_equal(next.generation, mirror->peer.shows.record.generation))
		record_overrule(&next, mirror->peer.shows.record.generation);
	own(core, &next, epoch_seen(mirror) + (is_insisted(core, mirror) ? INSISTED_EPOCHS : 1));
	bool is_same = planted(PLANTED_SAME_GENERATION) && record_has_data(&next);
	if ((!is_sole || !record_has_data(&next)) && !is_same)
		record_begin_generation(&next, instance_random(&mirror->common));
	CHECK(next.epoch.number > mirror->common.record.epoch.number);
	writing_begin(core, &mirror->common, &next);
}

void tenure_intend(struct core *core, struct mirror *mirror)
{
	struct record next = next_record(mirror);

	arbiter_intend(&next, &(struct arbiter_intent){
				      .change = CHANGE_SHRINK,
				      .self = core->config.self,
				      .peer = mirror->common.config.peer,
				      .epoch_seen = epoch_seen(mirror),
				      .nonce = instance_random(&mirror->common),
			      });
	CHECK(next.intent_epoch.number > next.epoch.number);
	if (planted(PLANTED_VOLATILE_INTENT))
		mirror->common.record = next;
	else
		writing_begin(core, &mirror->common, &next);
}

void tenure_shrink(struct core *core, struct mirror *mirror)
{
	struct record next = next_record(mirror);
	bool had_peer = record_is_good(&next, mirror->common.config.peer);
	bool is_overruling = mirror->wants.overrule;
	uint64_t epoch = MAX_OF(next.epoch.number + 1, epoch_seen(mirror));

	CHECK(next.holder == core->config.self);
	mirror->tenure.before_claim = next;
	if (is_insisted(core, mirror))
		epoch += INSISTED_EPOCHS;
	if (mirror->wants.overrule) {
		record_overrule(&next, mirror->peer.shows.record.generation);
		epoch = epoch_seen(mirror) + 1;
		mirror->wants.overrule = false;
	}
	own(core, &next, epoch);
	if ((had_peer && !planted(PLANTED_SAME_GENERATION)) || is_overruling)
		record_begin_generation(&next, instance_random(&mirror->common));
	if (planted(PLANTED_NO_RECORD)) {
		mirror->common.record = next;
		return;
	}
	writing_begin(core, &mirror->common, &next);
}

void tenure_grow(struct core *core, struct mirror *mirror)
{
	struct record next = next_record(mirror);

	CHECK(next.holder == core->config.self);
	CHECK(next.is_complete);
	next.good |= node_mask(mirror->common.config.peer);
	next.register_version++;
	writing_begin(core, &mirror->common, &next);
}

/* From here on the service is the peer's alone, seen or unseen: this node may not take it back. */
void tenure_yield(struct core *core, struct mirror *mirror)
{
	struct record next = next_record(mirror);
	uint8_t peer = mirror->common.config.peer;

	CHECK(record_is_good(&next, peer));
	next.epoch = (struct epoch){ .number = epoch_seen(mirror) + 1, .node = peer };
	next.holder = peer;
	next.good = node_mask(peer);
	next.register_version++;
	writing_begin(core, &mirror->common, &next);
}

/* A tree that holds what the primary never had is set aside whole, not overwritten (R12). */
static bool is_foreign_to(const struct core *core, const struct mirror *mirror)
{
	const struct record *mine = &mirror->common.record;
	const struct record *theirs = &mirror->peer.shows.record;

	if (planted(PLANTED_OVERWRITTEN))
		return false;
	bool is_same_set = set_id_is_equal(mine, theirs);
	if (mirror->fs.is_state_old) /* nobody knows what this copy wrote since, and for whom */
		return true;
	if (!mine->is_complete && is_same_set) /* it goes on where it was interrupted */
		return mine->is_foreign;
	if (!record_has_data(mine) || !is_same_set)
		return true;
	bool went_alone = !record_is_good(mine, mirror->common.config.peer) &&
			  mine->holder == core->config.self;
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

void tenure_accept(struct core *core, struct mirror *mirror)
{
	struct record next = next_record(mirror);
	const struct record *theirs = &mirror->peer.shows.record;

	CHECK(theirs->holder == mirror->common.config.peer);
	CHECK(theirs->epoch.number >= next.epoch.number);
	next.is_foreign = is_foreign_to(core, mirror);
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
	writing_begin(core, &mirror->common, &next);
}

void tenure_adopt(struct core *core, struct mirror *mirror)
{
	struct record next = next_record(mirror);
	const struct record *theirs = &mirror->peer.shows.record;

	(void)core;
	CHECK(theirs->epoch.number == next.epoch.number);
	CHECK(set_id_is_equal(theirs, &next));
	take_content(&next, theirs);
	writing_begin(core, &mirror->common, &next);
}

void tenure_join(struct core *core, struct mirror *mirror)
{
	struct record next = next_record(mirror);
	const struct record *theirs = &mirror->peer.shows.record;

	CHECK(next.is_complete);
	next.good |= node_mask(core->config.self);
	next.register_version = MAX_OF(next.register_version, theirs->register_version);
	writing_begin(core, &mirror->common, &next);
}

void tenure_resign(struct core *core, struct mirror *mirror)
{
	struct record next = next_record(mirror);

	(void)core;
	CHECK(next.holder == mirror->common.config.peer);
	next.epoch = (struct epoch){ .number = next.epoch.number + 1, .node = next.holder };
	next.good = node_mask(next.holder);
	clear_intent(&next);
	writing_begin(core, &mirror->common, &next);
}

/* Nothing was served since the claim: the record is as before, but for the holder, and above whatever
 * was seen of the claim. */
void tenure_renounce(struct core *core, struct mirror *mirror)
{
	uint8_t peer = mirror->common.config.peer;
	struct record next = mirror->tenure.before_claim;

	CHECK(record_is_good(&next, peer));
	next.should_run = mirror->common.should_run;
	next.holder = peer;
	next.epoch = (struct epoch){ .number = epoch_seen(mirror) + 1, .node = peer };
	next.good = node_mask(peer);
	next.register_version = mirror->common.record.register_version + 1;
	next.role = RECORD_ROLE_NONE;
	clear_intent(&next);
	writing_begin(core, &mirror->common, &next);
}

/* A copy that this node never served nor followed is as clean as it was found. */
bool tenure_is_clean(const struct mirror *mirror)
{
	if (!mirror->fs.has_run)
		return mirror->common.record.is_clean;
	return !mirror->fs.said.is_local_failed && !mirror->fs.said.is_refused &&
	       !mirror->fs.is_torn;
}

/* Nothing was answered since it was to go on alone: what lies here is what both held. */
static void undo_unused(const struct mirror *mirror, struct record *record)
{
	const struct record *before = &mirror->tenure.before_claim;

	record->generation = before->generation;
	record->history_count = before->history_count;
	for (int i = 0; i < GENERATION_HISTORY; i++)
		record->history[i] = before->history[i];
	record->good = before->good;
}

void tenure_close(struct core *core, struct mirror *mirror)
{
	struct record next = next_record(mirror);
	if (mirror->tenure.is_unused)
		undo_unused(mirror, &next);
	next.role = RECORD_ROLE_NONE;
	next.is_clean = tenure_is_clean(mirror);
	if (mirror->tenure.has_lost)
		next.good &= ~node_mask(core->config.self);
	if (next.has_intent && !mirror->ask.is_open && mirror->ask.answer == ARBITER_REFUSED)
		clear_intent(&next); /* the answer is known: no */
	writing_begin(core, &mirror->common, &next);
}

/* The other node went on with other data: this copy never serves again by itself. */
void tenure_disown(struct core *core, struct mirror *mirror)
{
	struct record next = next_record(mirror);

	CHECK(record_is_good(&next, core->config.self));
	next.good &= ~node_mask(core->config.self);
	writing_begin(core, &mirror->common, &next);
}

void tenure_forget(struct core *core, struct mirror *mirror)
{
	struct record next = { .register_version = mirror->common.record.register_version };

	next.should_run = mirror->common.should_run;
	CHECK(!record_has_data(&next));
	writing_begin(core, &mirror->common, &next);
}

/* In a step that rests on the record as it is, and where an intent can only be an old one. */
static bool is_intent_over(const struct core *core, const struct mirror *mirror)
{
	if (!mirror->common.record.has_intent)
		return false;
	bool is_settled = mirror->step == STEP_PAIRED || mirror->step == STEP_SECOND ||
			  mirror->step == STEP_ALONE;
	return is_settled && member_is_heard(core, mirror->common.config.peer);
}

void tenure_tidy(struct core *core, struct mirror *mirror)
{
	struct record next = next_record(mirror);
	bool is_due = next.should_run != mirror->common.record.should_run;

	CHECK(!mirror->common.writing.is_open);
	if (is_intent_over(core, mirror)) {
		clear_intent(&next);
		is_due = true;
	}
	if (mirror->step == STEP_FOLLOWING && next.is_foreign && mirror->resync.total > 0) {
		next.is_foreign = false;
		is_due = true;
	}
	if (is_due)
		writing_begin(core, &mirror->common, &next);
}
