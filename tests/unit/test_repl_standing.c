#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "repl/sender.h"
#include "repl/standing.h"

static const struct tenant tenant = { .set_id = { 7 }, .epoch = { 3, 1 } };

static void who_serves_is_neither_clean_nor_in_sync(void **state)
{
	(void)state;
	struct standing standing = { 0 };

	standing_follow(&standing, &tenant, true);
	standing_leave(&standing, true);
	assert_true(standing_serve(&standing, &tenant, 50, true)); /* it says something new */
	assert_false(standing.is_clean || standing.is_in_sync);
	assert_false(standing_serve(&standing, &tenant, 50, true));
	assert_true(standing_serve(&standing, &tenant, 40, false));
	assert_int_equal(standing_known(&standing), 50);
}

static void a_new_session_proves_nothing(void **state)
{
	(void)state;
	struct standing standing = { 0 };
	uint64_t tenure = sender_next_tenure(0);

	standing_serve(&standing, &tenant, tenure + 5, false);
	standing_move_barrier(&standing, 70, 60);
	uint64_t known = standing_begin_session(&standing, &tenant);
	assert_int_equal(known, sender_next_tenure(tenure) - 1); /* all of that tenure */
	assert_int_equal(standing.barrier, 0);
	standing_adopt(&standing, 90);
	assert_true(standing.is_in_sync);
	assert_int_equal(standing.barrier, 90);
	assert_true(standing_drop_in_sync(&standing));
	assert_false(standing_drop_in_sync(&standing));
}

static void barriers_and_ids_only_rise(void **state)
{
	(void)state;
	struct standing standing = { 0 };

	standing_move_barrier(&standing, 70, 60);
	standing_move_barrier(&standing, 69, 61);
	assert_int_equal(standing.barrier, 70);
	assert_int_equal(standing.peer_barrier, 61);
	assert_true(standing_raise_ids(&standing, 100));
	assert_false(standing_raise_ids(&standing, 100));
	assert_int_equal(standing.id_limit, 100);
	assert_int_equal(standing_mark_barrier(&standing, 0), 70);
}

static void a_promotion_that_nobody_heard_of_is_seen(void **state)
{
	(void)state;
	struct standing standing = { 0 };
	struct tenant later = { .set_id = { 7 }, .epoch = { 4, 2 } };

	standing_serve(&standing, &later, 1, false);
	assert_true(standing_was_promoted(&standing, &tenant, 2));
	assert_false(standing_was_promoted(&standing, &tenant, 1)); /* another node's epoch */
	assert_false(standing_was_promoted(&standing, &later, 2));
	later.epoch.number = 3;
	later.set_id[0] = 8;
	assert_false(standing_was_promoted(&standing, &later, 2));
}

/* A standing whose barrier is 70, sealed up to 5; the next seal may be under way. */
static struct standing sealed(bool is_sealing)
{
	struct standing standing = { 0 };

	standing_follow(&standing, &tenant, true);
	standing_move_barrier(&standing, 70, 0);
	standing.seal = 5;
	standing.is_sealing = is_sealing;
	return standing;
}

static void data_and_standing_prove_each_other(void **state)
{
	(void)state;
	static const struct {
		bool has_mark, is_sealing;
		struct root_mark mark;
		enum doubt doubt;
		uint64_t barrier;
	} cases[] = {
		{ true, false, { .set_id = { 7 }, .barrier = 70, .seal = 5 }, DOUBT_NONE, 70 },
		{ true, false, { .set_id = { 7 }, .barrier = 71, .seal = 5 }, DOUBT_NONE, 70 },
		{ true, false, { .set_id = { 7 }, .barrier = 69, .seal = 5 }, DOUBT_OLD, 69 },
		{ true, false, { .set_id = { 7 }, .barrier = 70, .seal = 4 }, DOUBT_OLD, 70 },
		{ true, false, { .set_id = { 7 }, .barrier = 70, .seal = 6 }, DOUBT_OLD_STATE, 70 },
		{ true, true, { .set_id = { 7 }, .barrier = 70, .seal = 4 }, DOUBT_OLD, 70 },
		{ true, true, { .set_id = { 7 }, .barrier = 70, .seal = 5 }, DOUBT_NONE, 70 },
		{ true, true, { .set_id = { 7 }, .barrier = 71, .seal = 6 }, DOUBT_NONE, 70 },
		{ true, true, { .set_id = { 7 }, .barrier = 71, .seal = 7 }, DOUBT_OLD_STATE, 70 },
		{ true, false, { .set_id = { 8 }, .barrier = 70, .seal = 5 }, DOUBT_STRANGE, 1 },
		{ false, false, { .barrier = 0 }, DOUBT_STRANGE, 1 },
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct standing standing = sealed(cases[i].is_sealing);
		const struct root_mark *mark = cases[i].has_mark ? &cases[i].mark : NULL;
		assert_int_equal(standing_believe(&standing, mark), cases[i].doubt);
		assert_int_equal(standing.barrier, cases[i].barrier);
		/* What was lowered is stored by whoever goes on: the seal finds it again. */
		bool is_found_again = cases[i].doubt != DOUBT_NONE && cases[i].barrier != 69;
		assert_int_equal(standing_believe(&standing, mark) != DOUBT_NONE, is_found_again);
	}
	struct standing blank = { 0 };
	assert_int_equal(standing_believe(&blank, NULL), DOUBT_NONE);
}

static void what_is_doubted_is_no_source(void **state)
{
	(void)state;
	assert_false(doubt_forbids(DOUBT_NONE, true) || doubt_forbids(DOUBT_NONE, false));
	assert_true(doubt_forbids(DOUBT_OLD, true));
	assert_false(doubt_forbids(DOUBT_OLD, false));
	assert_true(doubt_forbids(DOUBT_OLD_STATE, true) && doubt_forbids(DOUBT_OLD_STATE, false));
	assert_true(doubt_forbids(DOUBT_STRANGE, true) && doubt_forbids(DOUBT_STRANGE, false));
}

/* The record lies on the same disk and is written by another: it may be the only one put back. */
static void the_record_is_held_against_both(void **state)
{
	(void)state;
	const struct root_mark mark = { .set_id = { 7 },
		.generation = { 4, 44 },
		.epoch = { 9, 1 },
		.barrier = 70,
		.seal = 5 };
	const struct standing standing = sealed(false);
	const struct standing blank = { 0 };
	struct recorded_copy recorded = { .tenant = { { 7 }, { 9, 1 } }, .generation = { 4, 44 } };

	assert_int_equal(standing_believe_record(&standing, &mark, &recorded), DOUBT_NONE);
	assert_int_equal(standing_believe_record(&blank, &mark, &recorded), DOUBT_OLD_STATE);
	assert_int_equal(standing_believe_record(&blank, NULL, &recorded), DOUBT_NONE);
	recorded.tenant.epoch.number = 8;
	assert_int_equal(standing_believe_record(&standing, &mark, &recorded), DOUBT_OLD_STATE);
	recorded.tenant.epoch.number = 10;
	assert_int_equal(standing_believe_record(&standing, &mark, &recorded), DOUBT_NONE);
	recorded.generation.number = 3;
	assert_int_equal(standing_believe_record(&standing, &mark, &recorded), DOUBT_OLD_STATE);
	recorded.tenant.set_id[0] = 8; /* another node's, module's or cluster's tree */
	assert_int_equal(standing_believe_record(&blank, &mark, &recorded), DOUBT_STRANGE);
	recorded = (struct recorded_copy){ 0 }; /* the state is lost: nothing is known */
	assert_int_equal(standing_believe_record(&blank, &mark, &recorded), DOUBT_NONE);
}

static void a_crash_while_marking_is_no_doubt(void **state)
{
	(void)state;
	struct standing standing = sealed(false);
	struct root_mark before = { .set_id = { 7 }, .barrier = 70, .seal = 5 }, after = before;

	after.seal = standing_begin_seal(&standing, before.seal);
	assert_int_equal(standing_believe(&standing, &before), DOUBT_NONE);
	assert_int_equal(standing_believe(&standing, &after), DOUBT_NONE);
	/* And the same again, after the crash. */
	assert_int_equal(standing_begin_seal(&standing, before.seal), after.seal);
	standing_end_seal(&standing, after.seal);
	assert_int_equal(standing_believe(&standing, &before), DOUBT_OLD);
	assert_int_equal(standing_believe(&standing, &after), DOUBT_NONE);
	/* A person overruled an old state: the next mark is above all that lie there. */
	assert_int_equal(standing_begin_seal(&standing, 40), 41);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_serves_is_neither_clean_nor_in_sync),
		cmocka_unit_test(a_new_session_proves_nothing),
		cmocka_unit_test(barriers_and_ids_only_rise),
		cmocka_unit_test(a_promotion_that_nobody_heard_of_is_seen),
		cmocka_unit_test(data_and_standing_prove_each_other),
		cmocka_unit_test(what_is_doubted_is_no_source),
		cmocka_unit_test(the_record_is_held_against_both),
		cmocka_unit_test(a_crash_while_marking_is_no_doubt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
