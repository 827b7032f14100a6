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

static void data_and_standing_prove_each_other(void **state)
{
	(void)state;
	static const struct {
		bool has_mark;
		struct root_mark mark;
		enum doubt doubt;
		uint64_t barrier;
	} cases[] = {
		{ true, { .set_id = { 7 }, .barrier = 70 }, DOUBT_NONE, 70 },
		{ true, { .set_id = { 7 }, .barrier = 71 }, DOUBT_NONE, 70 },
		{ true, { .set_id = { 7 }, .barrier = 69 }, DOUBT_OLD, 69 },
		{ true, { .set_id = { 8 }, .barrier = 70 }, DOUBT_STRANGE, 1 },
		{ false, { .barrier = 0 }, DOUBT_STRANGE, 1 },
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct standing standing = { 0 };
		standing_follow(&standing, &tenant, true);
		standing_move_barrier(&standing, 70, 0);
		assert_int_equal(
			standing_believe(&standing, cases[i].has_mark ? &cases[i].mark : NULL),
			cases[i].doubt);
		assert_int_equal(standing.barrier, cases[i].barrier);
		assert_int_equal(doubt_forbids(cases[i].doubt, true), cases[i].doubt != DOUBT_NONE);
		assert_int_equal(
			doubt_forbids(cases[i].doubt, false), cases[i].doubt == DOUBT_STRANGE);
	}
	struct standing blank = { 0 };
	assert_int_equal(standing_believe(&blank, NULL), DOUBT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_serves_is_neither_clean_nor_in_sync),
		cmocka_unit_test(a_new_session_proves_nothing),
		cmocka_unit_test(barriers_and_ids_only_rise),
		cmocka_unit_test(a_promotion_that_nobody_heard_of_is_seen),
		cmocka_unit_test(data_and_standing_prove_each_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
