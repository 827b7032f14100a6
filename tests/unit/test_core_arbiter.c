/* The arbiter's compare-and-swap, what is asked of it, and what a node makes of its answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "core/arbiter/inquiry.h"

#define A      1
#define B      2
#define MASK_A 1u
#define MASK_B 2u
#define START  (1000 * NS_PER_S)

/* Paired: A holds, both are good, and both know the register's version. */
static struct record paired(void)
{
	return (struct record){
		.epoch = { .number = 7, .node = A },
		.generation = { .number = 3 },
		.good = MASK_A | MASK_B,
		.holder = A,
		.register_version = 4,
		.is_complete = true,
	};
}

static struct arbiter_register held_by_a(void)
{
	return (struct arbiter_register){
		.version = 4,
		.epoch = { .number = 7, .node = A },
		.good = MASK_A | MASK_B,
		.holder = A,
		.nonce = 99,
	};
}

static struct arbiter_question ask_for(
	enum arbiter_change change, uint8_t self, uint64_t nonce, struct record record)
{
	struct arbiter_intent intent = {
		.change = change,
		.self = self,
		.peer = self == A ? B : A,
		.epoch_seen = record.epoch.number,
		.nonce = nonce,
	};

	arbiter_intend(&record, &intent);
	assert_true(record.has_intent);
	return arbiter_question(&record, START);
}

static void each_change_asks_for_its_tenure(void **state)
{
	struct arbiter_question question = ask_for(CHANGE_SHRINK, B, 11, paired());

	(void)state;
	assert_int_equal(question.epoch.number, 8);
	assert_int_equal(question.epoch.node, B);
	assert_int_equal(question.good, MASK_B);
	assert_int_equal(question.holder, B);
	assert_int_equal(question.expected_version, 4);
	assert_int_equal(question.nonce, 11);
	assert_int_equal(question.asked_ns, START);

	struct record alone = paired();
	alone.good = MASK_A;
	question = ask_for(CHANGE_GROW, A, 12, alone);
	assert_int_equal(question.epoch.number, 7);
	assert_int_equal(question.good, MASK_A | MASK_B);
	assert_int_equal(question.holder, A);

	question = ask_for(CHANGE_SWAP, A, 13, paired());
	assert_int_equal(question.epoch.number, 8);
	assert_int_equal(question.good, MASK_B);
	assert_int_equal(question.holder, B);
}

static void an_epoch_is_above_all_that_was_seen(void **state)
{
	struct record record = paired();
	struct arbiter_intent intent = {
		.change = CHANGE_SHRINK, .self = A, .peer = B, .epoch_seen = 20, .nonce = 1
	};

	(void)state;
	arbiter_intend(&record, &intent);
	assert_int_equal(record.intent_epoch.number, 21);
}

/* ---- the register ---- */

static void exactly_one_of_two_shrinks(void **state)
{
	struct arbiter_register held = held_by_a();
	struct arbiter_question mine = ask_for(CHANGE_SHRINK, A, 11, paired());
	struct arbiter_question theirs = ask_for(CHANGE_SHRINK, B, 22, paired());

	(void)state;
	assert_int_equal(arbiter_swap(&held, &theirs), ARBITER_GRANTED);
	assert_int_equal(arbiter_swap(&held, &mine), ARBITER_REFUSED);
	assert_int_equal(held.holder, B);
	assert_int_equal(held.good, MASK_B);
	assert_int_equal(held.version, 5);
}

static void the_same_question_is_granted_once_more(void **state)
{
	struct arbiter_register held = held_by_a();
	struct arbiter_question question = ask_for(CHANGE_SHRINK, A, 11, paired());

	(void)state;
	assert_int_equal(arbiter_swap(&held, &question), ARBITER_GRANTED);
	assert_int_equal(arbiter_swap(&held, &question), ARBITER_GRANTED);
	assert_int_equal(held.version, 5);
}

static void swap_moves_the_holder_in_one_change(void **state)
{
	struct arbiter_register held = held_by_a();
	struct arbiter_question swap = ask_for(CHANGE_SWAP, A, 11, paired());

	(void)state;
	assert_int_equal(arbiter_swap(&held, &swap), ARBITER_GRANTED);
	assert_int_equal(held.holder, B);
	/* The old primary knows version 4 only, and what it knew is over. */
	struct arbiter_question late = ask_for(CHANGE_SHRINK, A, 12, paired());
	assert_int_equal(arbiter_swap(&held, &late), ARBITER_REFUSED);
}

static void grow_stays_in_its_epoch_and_loses_nobody(void **state)
{
	struct arbiter_register held = held_by_a();
	struct record alone = paired();

	(void)state;
	held.good = alone.good = MASK_A;
	struct arbiter_question grow = ask_for(CHANGE_GROW, A, 11, alone);
	assert_int_equal(arbiter_swap(&held, &grow), ARBITER_GRANTED);
	assert_int_equal(held.good, MASK_A | MASK_B);
	/* The same epoch with fewer good copies would be a shrink in disguise. */
	struct arbiter_question fewer = grow;
	fewer.good = MASK_A;
	fewer.nonce = 12;
	fewer.expected_version = held.version;
	assert_int_equal(arbiter_swap(&held, &fewer), ARBITER_REFUSED);
}

static void a_stale_copy_never_holds(void **state)
{
	struct arbiter_register held = held_by_a();
	struct record stale = paired();

	(void)state;
	held.good = MASK_A;
	assert_int_equal(
		arbiter_swap(&held, &(struct arbiter_question){ .epoch = { .number = 9, .node = B },
					    .good = MASK_B,
					    .holder = B,
					    .expected_version = 4,
					    .nonce = 5 }),
		ARBITER_REFUSED);
	stale.register_version = 3;
	struct arbiter_question old = ask_for(CHANGE_SHRINK, A, 6, stale);
	assert_int_equal(arbiter_swap(&held, &old), ARBITER_REFUSED);
	assert_int_equal(held.version, 4);
}

static void a_lost_answer_is_read_back(void **state)
{
	struct arbiter_register held = held_by_a();
	struct arbiter_question mine = ask_for(CHANGE_SHRINK, A, 11, paired());
	struct arbiter_question theirs = ask_for(CHANGE_SHRINK, B, 22, paired());

	(void)state;
	assert_int_equal(arbiter_read_back(&held, &mine), ARBITER_UNKNOWN);
	assert_int_equal(arbiter_swap(&held, &mine), ARBITER_GRANTED);
	assert_int_equal(arbiter_read_back(&held, &mine), ARBITER_GRANTED);
	assert_int_equal(arbiter_read_back(&held, &theirs), ARBITER_REFUSED);
	held.version = 3; /* put back from yesterday */
	held.nonce = 11;
	assert_int_equal(arbiter_read_back(&held, &mine), ARBITER_UNKNOWN);
}

/* Every order in which two nodes ask for all that they may, twice each: one holder a version. */
static void no_order_makes_two_holders(void **state)
{
	(void)state;
	for (unsigned int order = 0; order < 256; order++) {
		struct arbiter_register held = held_by_a();
		struct arbiter_question asked[4] = {
			ask_for(CHANGE_SHRINK, A, 11, paired()),
			ask_for(CHANGE_SHRINK, B, 22, paired()),
			ask_for(CHANGE_SWAP, A, 33, paired()),
			ask_for(CHANGE_GROW, A, 44, paired()),
		};
		int grants = 0;
		for (int i = 0; i < 4; i++) {
			struct arbiter_register before = held;
			struct arbiter_question *question = &asked[(order >> (2 * i)) & 3];
			bool is_granted = arbiter_swap(&held, question) == ARBITER_GRANTED;
			bool is_again = before.nonce == question->nonce;
			grants += is_granted && !is_again;
			assert_int_equal(held.version, before.version + (is_granted && !is_again));
			if (is_granted)
				assert_int_equal(held.holder, question->holder);
		}
		assert_int_equal(grants, 1);
	}
}

/* ---- what a node makes of answers ---- */

static struct record intending(void)
{
	struct record record = paired();
	struct arbiter_intent intent = {
		.change = CHANGE_SHRINK, .self = A, .peer = B, .epoch_seen = 7, .nonce = 11
	};

	arbiter_intend(&record, &intent);
	return record;
}

static enum grant granted_at(struct inquiry *inquiry, int64_t now_ns, bool is_timely)
{
	struct record record = intending();
	struct arbiter_question question = inquiry_ask(inquiry, &record, now_ns);

	assert_true(inquiry->is_open);
	inquiry_on_answer(inquiry, &question, ARBITER_GRANTED);
	assert_false(inquiry->is_open);
	return inquiry_weigh(inquiry, ARBITER_PING, is_timely, now_ns);
}

static void a_guess_counts_in_time_or_twice(void **state)
{
	struct inquiry inquiry = { 0 };

	(void)state;
	inquiry_begin(&inquiry, START);
	assert_int_equal(granted_at(&inquiry, START, true), GRANT_ENOUGH);
	assert_int_equal(granted_at(&inquiry, START, false), GRANT_FIRST);
	assert_int_equal(inquiry.next_ns, START + SETTLE_NS);
	assert_int_equal(granted_at(&inquiry, START + SETTLE_NS - 1, false), GRANT_FIRST);
	assert_int_equal(granted_at(&inquiry, START + SETTLE_NS, false), GRANT_ENOUGH);
	inquiry_forget_grant(&inquiry);
	assert_int_equal(inquiry.next_ns, 0);
	assert_int_equal(granted_at(&inquiry, START + 2 * SETTLE_NS, false), GRANT_FIRST);
}

static void what_is_not_granted_is_asked_again(void **state)
{
	struct inquiry inquiry = { 0 };
	struct record record = intending();

	(void)state;
	inquiry_begin(&inquiry, START);
	(void)granted_at(&inquiry, START, false);
	struct arbiter_question question = inquiry_ask(&inquiry, &record, START + 1);
	inquiry_on_answer(&inquiry, &question, ARBITER_UNKNOWN);
	assert_int_equal(inquiry_weigh(&inquiry, ARBITER_PING, true, START + 2), GRANT_NONE);
	assert_int_equal(inquiry.next_ns, START + 2 + ASK_GAP_NS);
	assert_int_equal(inquiry.first_grant_ns, 0);
}

static void an_answer_to_another_intent_is_none(void **state)
{
	struct inquiry inquiry = { 0 };
	struct record record = intending();

	(void)state;
	struct arbiter_question question = inquiry_ask(&inquiry, &record, START);
	question.nonce++;
	inquiry_on_answer(&inquiry, &question, ARBITER_GRANTED);
	assert_true(inquiry.is_open);
}

/* Left unanswered when the peer was heard again, asked anew when it was not. */
static void an_answer_to_an_earlier_question_is_none(void **state)
{
	struct inquiry inquiry = { 0 };
	struct record record = intending();

	(void)state;
	struct arbiter_question first = inquiry_ask(&inquiry, &record, START);
	inquiry_end(&inquiry);
	struct arbiter_question second = inquiry_ask(&inquiry, &record, START + NS_PER_S);
	assert_int_equal(first.nonce, second.nonce);
	inquiry_on_answer(&inquiry, &first, ARBITER_GRANTED);
	assert_true(inquiry.is_open);
	assert_int_equal(inquiry.answer, ARBITER_UNKNOWN);
	inquiry_on_answer(&inquiry, &second, ARBITER_GRANTED);
	assert_int_equal(inquiry.answer, ARBITER_GRANTED);
}

static void only_what_answers_is_asked(void **state)
{
	(void)state;
	for (int kind = 0; kind < ARBITER_KIND_COUNT; kind++) {
		const struct arbiter_promise *promise = arbiter_promise((enum arbiter_kind)kind);
		assert_non_null(promise->name);
		for (int change = 0; change < CHANGE_COUNT; change++)
			assert_true(promise->is_asked || !promise->must_be_asked[change]);
		/* Whoever asks at all asks before it goes on alone. */
		assert_int_equal(promise->is_asked, promise->must_be_asked[CHANGE_SHRINK]);
		assert_false(promise->is_register && promise->is_guess);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_change_asks_for_its_tenure),
		cmocka_unit_test(an_epoch_is_above_all_that_was_seen),
		cmocka_unit_test(exactly_one_of_two_shrinks),
		cmocka_unit_test(the_same_question_is_granted_once_more),
		cmocka_unit_test(swap_moves_the_holder_in_one_change),
		cmocka_unit_test(grow_stays_in_its_epoch_and_loses_nobody),
		cmocka_unit_test(a_stale_copy_never_holds),
		cmocka_unit_test(a_lost_answer_is_read_back),
		cmocka_unit_test(no_order_makes_two_holders),
		cmocka_unit_test(a_guess_counts_in_time_or_twice),
		cmocka_unit_test(what_is_not_granted_is_asked_again),
		cmocka_unit_test(an_answer_to_another_intent_is_none),
		cmocka_unit_test(an_answer_to_an_earlier_question_is_none),
		cmocka_unit_test(only_what_answers_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
