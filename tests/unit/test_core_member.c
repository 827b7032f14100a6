/* Who is heard: counters, nonces, two-way time, own lateness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/context.h"

#define SELF	  1
#define PEER	  2
#define SELF_BOOT 100

static struct core *core;

static int set_up(void **state)
{
	struct core_config config = {
		.self = SELF,
		.boot_nonce = SELF_BOOT,
		.node_count = 2,
		.nodes = { SELF, PEER },
		.beat_ns = 200 * NS_PER_MS,
		.silence_ns = 2 * NS_PER_S,
		.margin_ns = 500 * NS_PER_MS,
	};

	(void)state;
	core = malloc(core_size());
	assert_non_null(core);
	core_init(core, &config);
	core->is_started = true;
	core->started_ns = core->now_ns = core->beat_ns = 1000 * NS_PER_S;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(core);
	return 0;
}

static struct beat beat(uint64_t nonce, uint64_t counter)
{
	return (struct beat){
		.from = PEER,
		.boot_nonce = nonce,
		.counter = counter,
		.sent_ns = 7,
		.echo_nonce = SELF_BOOT,
		.echo_ns = core->now_ns - 10 * NS_PER_MS,
	};
}

static bool hear(struct beat heard)
{
	return member_on_beat(core, &heard);
}

static void a_beat_counts_once(void **state)
{
	(void)state;
	assert_true(hear(beat(5, 10)));
	assert_false(hear(beat(5, 10)));
	assert_false(hear(beat(5, 9)));
	assert_true(hear(beat(5, 11)));
}

static void a_restart_retires_the_nonce_before(void **state)
{
	(void)state;
	assert_true(hear(beat(5, 1000)));
	assert_true(hear(beat(6, 1)));
	assert_false(hear(beat(5, 2000)));
	assert_true(hear(beat(6, 2)));
}

static void many_restarts_stay_retired(void **state)
{
	(void)state;
	for (uint64_t nonce = 10; nonce < 10 + RETIRED_NONCES + 1; nonce++)
		assert_true(hear(beat(nonce, 1)));
	for (uint64_t nonce = 10; nonce < 10 + RETIRED_NONCES; nonce++)
		assert_false(hear(beat(nonce, 9)));
}

static void strangers_and_ourselves_are_not_heard(void **state)
{
	(void)state;
	struct beat own = beat(5, 1), none = beat(0, 1), far = beat(5, 1);
	own.from = SELF;
	far.from = NODES_MAX + 1;
	assert_false(hear(own));
	assert_false(hear(none));
	assert_false(hear(far));
}

static void only_an_echo_of_this_boot_is_two_way(void **state)
{
	(void)state;
	struct beat other_boot = beat(5, 1), future = beat(5, 2), echoed = beat(5, 3);
	other_boot.echo_nonce = SELF_BOOT - 1;
	future.echo_ns = core->now_ns + 1;
	assert_true(hear(other_boot));
	assert_false(member_is_heard(core, PEER));
	assert_true(hear(future));
	assert_false(member_is_heard(core, PEER));
	assert_true(hear(echoed));
	assert_true(member_is_heard(core, PEER));
	assert_int_equal(member_age_ns(core, PEER), 10 * NS_PER_MS);
}

static void silence_counts_from_the_echoed_beat(void **state)
{
	(void)state;
	assert_true(hear(beat(5, 1)));
	core->now_ns += 2 * NS_PER_S - 10 * NS_PER_MS - 1;
	assert_true(member_is_heard(core, PEER));
	core->now_ns += 1;
	assert_true(member_is_silent(core, PEER));
}

static void goodbye_is_silence_at_once(void **state)
{
	(void)state;
	struct beat last = beat(5, 2);
	assert_true(hear(beat(5, 1)));
	last.is_goodbye = true;
	assert_true(hear(last));
	assert_true(member_is_silent(core, PEER));
	assert_true(hear(beat(6, 1)));
	assert_true(member_is_heard(core, PEER));
}

static void own_lateness_postpones_suspicion_by_as_much(void **state)
{
	(void)state;
	assert_true(hear(beat(5, 1)));
	int64_t deadline = core_deadline(core);
	int64_t late = NS_PER_S;
	member_on_lateness(core, late, core_deadline(core) + late);
	core->now_ns = deadline + late;
	assert_int_equal(member_suspicion_ns(core, PEER), member_age_ns(core, PEER) - late);
	/* What was in the socket meanwhile echoes what we sent before: no proof. */
	struct beat stale = beat(5, 2);
	stale.echo_ns = deadline;
	assert_true(hear(stale));
	assert_int_equal(core->members[PEER].excuse_ns, late);
	core->now_ns += 20 * NS_PER_MS;
	struct beat fresh = beat(5, 3);
	fresh.echo_ns = core->now_ns - 5 * NS_PER_MS;
	assert_true(hear(fresh));
	assert_int_equal(core->members[PEER].excuse_ns, 0);
}

static void lateness_postpones_by_at_most_one_silence(void **state)
{
	(void)state;
	assert_true(hear(beat(5, 1)));
	member_on_lateness(core, NS_PER_S, core_deadline(core) + NS_PER_S);
	member_on_lateness(core, NS_PER_S, core_deadline(core) + NS_PER_S);
	member_on_lateness(core, 9 * NS_PER_S, core_deadline(core) + 9 * NS_PER_S);
	assert_int_equal(core->members[PEER].excuse_ns, 2 * NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_beat_counts_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_restart_retires_the_nonce_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_restarts_stay_retired, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			strangers_and_ourselves_are_not_heard, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			only_an_echo_of_this_boot_is_two_way, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			silence_counts_from_the_echoed_beat, set_up, tear_down),
		cmocka_unit_test_setup_teardown(goodbye_is_silence_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			own_lateness_postpones_suspicion_by_as_much, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			lateness_postpones_by_at_most_one_silence, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
