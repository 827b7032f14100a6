#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "repl/unwatched.h"

#define S NS_PER_S

static struct unwatched taken_at(int64_t now_ns)
{
	const struct unwatched_witness witness = { .now_ns = now_ns, .boot = 7, .booted_ns = S };
	struct unwatched unwatched = { 0 };

	unwatched_take(&unwatched, &witness);
	return unwatched;
}

static void what_was_there_first_is_nobodys(void **state)
{
	(void)state;
	struct unwatched unwatched = taken_at(100 * S);

	assert_int_equal(unwatched.count, 0);
	assert_false(unwatched_is_by_hand(&unwatched, 50 * S));
}

static void released_in_order_it_lies_open_until_it_is_taken(void **state)
{
	(void)state;
	struct unwatched unwatched = taken_at(100 * S);
	const struct unwatched_witness later = {
		.now_ns = 300 * S, .boot = 8, .booted_ns = 250 * S
	};

	unwatched_let_go(&unwatched, 200 * S);
	unwatched_let_go(&unwatched, 220 * S); /* the first time counts */
	unwatched_take(&unwatched, &later);
	assert_false(unwatched_is_by_hand(&unwatched, 200 * S));
	assert_true(unwatched_is_by_hand(&unwatched, 200 * S + 1));
	assert_true(unwatched_is_by_hand(&unwatched, 300 * S));
	assert_false(unwatched_is_by_hand(&unwatched, 300 * S + 1));
	unwatched_forget(&unwatched);
	assert_false(unwatched_is_by_hand(&unwatched, 250 * S));
}

static void a_death_is_where_the_last_sign_was(void **state)
{
	(void)state;
	static const struct {
		struct unwatched_witness witness;
		int64_t from_ns; /* 0: nothing lay open */
	} cases[] = {
		/* Killed, in one life of the machine. */
		{ { .now_ns = 900 * S, .boot = 7, .booted_ns = S, .alive_ns = 400 * S },
			400 * S + UNWATCHED_SIGN_NS },
		/* Without a sign that outlasted them. */
		{ { .now_ns = 900 * S, .boot = 7, .booted_ns = S }, 0 },
		/* The machine went down, and came up at once. */
		{ { .now_ns = 900 * S, .boot = 8, .booted_ns = 140 * S }, 140 * S },
		/* It was up more than once since, perhaps. */
		{ { .now_ns = 900 * S, .boot = 9, .booted_ns = 800 * S },
			100 * S + UNWATCHED_LATE_NS },
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct unwatched unwatched = taken_at(100 * S);
		unwatched_take(&unwatched, &cases[i].witness);
		assert_int_equal(unwatched.count, cases[i].from_ns != 0);
		if (cases[i].from_ns != 0)
			assert_int_equal(unwatched.spans[0].from_ns, cases[i].from_ns);
	}
}

static void it_is_noted_from_time_to_time_that_it_is_watched(void **state)
{
	(void)state;
	struct unwatched unwatched = taken_at(100 * S);
	const struct unwatched_witness later = {
		.now_ns = 900 * S, .boot = 9, .booted_ns = 800 * S
	};

	assert_false(unwatched_see(&unwatched, 101 * S));
	assert_true(unwatched_see(&unwatched, 100 * S + UNWATCHED_SEEN_NS));
	unwatched_take(&unwatched, &later);
	assert_int_equal(
		unwatched.spans[0].from_ns, 100 * S + UNWATCHED_SEEN_NS + UNWATCHED_LATE_NS);
	unwatched_let_go(&unwatched, 950 * S);
	assert_false(unwatched_see(&unwatched, 2000 * S));
}

/* The nearest become one: too much is taken for by hand, never too little. */
static void many_spans_become_fewer(void **state)
{
	(void)state;
	struct unwatched unwatched = taken_at(S);

	for (int64_t i = 1; i <= 2 * UNWATCHED_SPANS; i++) {
		unwatched_let_go(&unwatched, 100 * i * S);
		const struct unwatched_witness witness = { .now_ns = (100 * i + 10) * S,
			.boot = 7 };
		unwatched_take(&unwatched, &witness);
	}
	assert_int_equal(unwatched.count, UNWATCHED_SPANS);
	for (int64_t i = 1; i <= 2 * UNWATCHED_SPANS; i++)
		assert_true(unwatched_is_by_hand(&unwatched, (100 * i + 5) * S));
	assert_false(unwatched_is_by_hand(&unwatched, 50 * S));
}

static void bytes_carry_it(void **state)
{
	(void)state;
	uint8_t bytes[UNWATCHED_SIZE];
	struct unwatched unwatched = taken_at(100 * S), again;

	unwatched_let_go(&unwatched, 200 * S);
	unwatched_encode(&unwatched, bytes);
	assert_int_equal(unwatched_decode(bytes, sizeof(bytes), &again), 0);
	assert_true(again.is_let_go && again.is_known);
	assert_int_equal(again.let_go_ns, 200 * S);
	assert_int_equal(again.boot, 7);
	assert_int_equal(again.seen_ns, 100 * S);
	assert_int_not_equal(unwatched_decode(bytes, sizeof(bytes) - 1, &again), 0);
	bytes[2] = UNWATCHED_SPANS + 1;
	assert_int_not_equal(unwatched_decode(bytes, sizeof(bytes), &again), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_there_first_is_nobodys),
		cmocka_unit_test(released_in_order_it_lies_open_until_it_is_taken),
		cmocka_unit_test(a_death_is_where_the_last_sign_was),
		cmocka_unit_test(it_is_noted_from_time_to_time_that_it_is_watched),
		cmocka_unit_test(many_spans_become_fewer),
		cmocka_unit_test(bytes_carry_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
