#include "core/arbiter/arbiter.h"

#include "base/macros.h"

static const struct arbiter_promise promises[ARBITER_KIND_COUNT] = {
	[ARBITER_OPERATOR] = { .name = "operator", .can_be_silent = true },
	[ARBITER_PING] = {
		.name = "ping",
		.is_asked = true,
		.is_guess = true,
		.can_be_silent = true,
		.must_be_asked = { [CHANGE_SHRINK] = true },
	},
};

const struct arbiter_promise *arbiter_promise(enum arbiter_kind kind)
{
	CHECK(kind < ARBITER_KIND_COUNT);
	return &promises[kind];
}

static uint64_t mask_of(uint8_t node)
{
	CHECK(node >= 1 && node <= NODES_MAX);
	return BIT64(node - 1);
}

void arbiter_intend(struct record *next, const struct arbiter_intent *intent)
{
	CHECK(intent->change < CHANGE_COUNT);
	CHECK(intent->self != intent->peer);
	uint64_t self = mask_of(intent->self), peer = mask_of(intent->peer);
	uint64_t above = MAX_OF(intent->epoch_seen, next->epoch.number) + 1;

	next->has_intent = true;
	next->intent_nonce = intent->nonce;
	switch (intent->change) {
	case CHANGE_SHRINK:
		next->intent_epoch = (struct epoch){ .number = above, .node = intent->self };
		next->intent_good = self;
		return;
	case CHANGE_GROW:
		CHECK(next->holder == intent->self);
		next->intent_epoch = next->epoch;
		next->intent_good = self | peer;
		return;
	case CHANGE_SWAP:
		CHECK((next->good & peer) != 0);
		next->intent_epoch = (struct epoch){ .number = above, .node = intent->peer };
		next->intent_good = peer;
		return;
	case CHANGE_COUNT: break;
	}
	CHECK(false);
}

struct arbiter_question arbiter_question(const struct record *record, int64_t asked_ns)
{
	CHECK(record->has_intent);
	CHECK((record->intent_good & mask_of(record->intent_epoch.node)) != 0);
	return (struct arbiter_question){
		.epoch = record->intent_epoch,
		.good = record->intent_good,
		.holder = record->intent_epoch.node,
		.expected_version = record->register_version,
		.nonce = record->intent_nonce,
		.asked_ns = asked_ns,
	};
}

static bool is_mine(const struct arbiter_register *held, const struct arbiter_question *question)
{
	return held->version > question->expected_version && held->nonce == question->nonce;
}

/* A tenure follows what is held: a later one, or the same one with more good copies. */
static bool is_successor(
	const struct arbiter_register *held, const struct arbiter_question *question)
{
	bool holds_all = (question->good & held->good) == held->good;
	bool is_same = question->epoch.number == held->epoch.number &&
		       question->epoch.node == held->epoch.node;

	return question->epoch.number > held->epoch.number || (is_same && holds_all);
}

/* A copy that is not good may not hold: it misses what was acknowledged. */
static bool is_holder_good(
	const struct arbiter_register *held, const struct arbiter_question *question)
{
	bool is_first = held->version == 0;

	return is_first || (held->good & mask_of(question->holder)) != 0;
}

enum arbiter_answer arbiter_swap(
	struct arbiter_register *held, const struct arbiter_question *question)
{
	if (is_mine(held, question))
		return ARBITER_GRANTED;
	if (held->version != question->expected_version || !is_successor(held, question) ||
		!is_holder_good(held, question))
		return ARBITER_REFUSED;
	*held = (struct arbiter_register){
		.version = held->version + 1,
		.epoch = question->epoch,
		.good = question->good,
		.holder = question->holder,
		.nonce = question->nonce,
	};
	return ARBITER_GRANTED;
}

enum arbiter_answer arbiter_read_back(
	const struct arbiter_register *held, const struct arbiter_question *question)
{
	if (is_mine(held, question))
		return ARBITER_GRANTED;
	return held->version > question->expected_version ? ARBITER_REFUSED : ARBITER_UNKNOWN;
}
