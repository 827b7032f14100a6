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
		.echo = { SELF_BOOT, core->now_ns - 10 * NS_PER_MS },
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

/* Sent after our clock went on, so that what it echoes is newer than what was echoed before. */
static struct beat later(uint64_t nonce, uint64_t counter)
{
	core->now_ns += 20 * NS_PER_MS;
	return beat(nonce, counter);
}

/* As somebody on the network may have recorded it: in a life of ours that has ended. */
static struct beat recorded(uint64_t nonce, uint64_t counter)
{
	struct beat old = later(nonce, counter);

	old.echo.nonce = SELF_BOOT - 1;
	return old;
}

static struct beat sent_by_us(void)
{
	struct beat ours;

	core_beat(core, PEER, core->now_ns, &ours);
	return ours;
}

static void another_life_takes_its_place_by_an_echo(void **state)
{
	(void)state;
	assert_true(hear(beat(5, 1000)));
	struct beat first = later(6, 1);
	first.echo = (struct echo){ 0 };
	assert_false(hear(first));
	assert_true(hear(beat(5, 1001)));
	assert_true(hear(later(6, 2)));
	assert_true(hear(beat(6, 3)));
	assert_false(hear(beat(5, 2000))); /* what it echoes is not newer */
}

/* The one datagram that turned the living node away, for good. */
static void a_recorded_life_retires_nobody(void **state)
{
	(void)state;
	assert_true(hear(beat(5, 1)));
	for (uint64_t nonce = 10; nonce < 10 + 3 * STRANGERS_MAX; nonce++) {
		assert_false(hear(recorded(nonce, 1000)));
		assert_true(hear(later(5, nonce)));
		assert_true(member_is_heard(core, PEER));
	}
}

/* Recorded of a life that this one of ours knew, and of one that it never heard. */
static void what_is_echoed_is_newer_than_all_before(void **state)
{
	(void)state;
	struct beat unheard = beat(4, 1);
	assert_true(hear(later(5, 7)));
	assert_true(hear(later(6, 1)));
	assert_false(hear(unheard));
	assert_false(hear(beat(5, 1000)));
	struct beat equal = beat(7, 1);
	assert_false(hear(equal));
	assert_true(hear(later(6, 2)));
}

/* Two datagrams overtook each other: whoever is there echoes what is newer, and is back. */
static void nobody_is_turned_away_for_good(void **state)
{
	(void)state;
	assert_true(hear(later(5, 1)));
	assert_true(hear(later(6, 1)));
	assert_true(hear(later(5, 2)));
	assert_true(hear(later(6, 2)));
	assert_true(hear(beat(6, 3)));
}

/* Both daemons are new, and old datagrams of both are still on their way. */
static void two_new_lives_prove_themselves(void **state)
{
	(void)state;
	struct beat first = later(6, 1);
	first.echo = (struct echo){ 0 };
	assert_false(hear(recorded(5, 700)));
	assert_false(hear(first));
	assert_false(hear(recorded(4, 300)));
	bool is_greeted = false;
	for (int i = 0; i < 3; i++) {
		struct beat ours = sent_by_us();
		assert_int_equal(ours.echo.nonce, 0);
		is_greeted = is_greeted ||
			     (ours.greeting.nonce == 6 && ours.greeting.sent_ns == first.sent_ns);
	}
	assert_true(is_greeted);
	/* Its greeting proves the sender as well as an echo does. */
	struct beat answer = later(6, 2);
	answer.greeting = answer.echo;
	answer.echo = (struct echo){ .nonce = SELF_BOOT - 1, .sent_ns = 3 };
	assert_true(hear(answer));
	assert_int_equal(sent_by_us().echo.nonce, 6);
	assert_true(member_is_heard(core, PEER));
}

static void who_is_silent_is_greeted_no_more(void **state)
{
	(void)state;
	assert_false(hear(recorded(5, 1)));
	assert_int_equal(sent_by_us().greeting.nonce, 5);
	core->now_ns += core->config.silence_ns;
	assert_int_equal(sent_by_us().greeting.nonce, 0);
}

/* The same datagram, played again and again, is one: it does not make us talk. */
static void a_recording_is_greeted_once(void **state)
{
	(void)state;
	assert_false(hear(recorded(5, 9)));
	assert_true(core->wants_beat);
	core->wants_beat = false;
	assert_false(hear(recorded(5, 9)));
	assert_false(hear(recorded(5, 8)));
	assert_false(core->wants_beat);
}

/* It may be the node as it is now, which does not hear us; but recordings do not stop a takeover. */
static void a_stranger_is_waited_for_one_silence_at_most(void **state)
{
	(void)state;
	struct member *member = &core->members[PEER];
	assert_true(hear(beat(5, 1)));
	int64_t heard = core->now_ns;
	for (uint64_t counter = 1; core->now_ns < heard + 3 * core->config.silence_ns; counter++)
		assert_false(hear(recorded(6, counter)));
	assert_int_equal(member->stranger_ns, heard + core->config.silence_ns);
	assert_false(member_is_talking(core, PEER));
	assert_true(member_is_silent(core, PEER));
}

/* It is heard, and not silent; but a swap would end the stream that its beats come over. */
static void over_a_stream_it_is_on_no_network(void **state)
{
	(void)state;
	assert_true(hear(beat(5, 1)));
	assert_true(member_is_on_network(core, PEER));
	for (uint64_t counter = 2; counter < 2 + 15; counter++) {
		core->now_ns += 200 * NS_PER_MS;
		struct beat streamed = beat(5, counter);
		streamed.is_streamed = true;
		assert_true(hear(streamed));
		assert_true(member_is_heard(core, PEER));
	}
	assert_false(member_is_on_network(core, PEER));
	assert_true(hear(later(5, 100)));
	assert_true(member_is_on_network(core, PEER));
}

static void a_recorded_goodbye_is_none(void **state)
{
	(void)state;
	struct beat goodbye = recorded(4, 77);
	goodbye.is_goodbye = true;
	assert_true(hear(later(5, 1)));
	assert_false(hear(goodbye));
	assert_true(member_is_heard(core, PEER));
}

/* What a recording echoes ends no lateness of ours either. */
static void a_recording_ends_no_excuse(void **state)
{
	(void)state;
	assert_true(hear(beat(5, 1)));
	member_on_lateness(core, NS_PER_S, core->now_ns + 1);
	assert_false(hear(recorded(4, 9)));
	assert_int_equal(core->members[PEER].excuse_ns, NS_PER_S);
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
	other_boot.echo.nonce = SELF_BOOT - 1;
	future.echo.sent_ns = core->now_ns + 1;
	assert_false(hear(other_boot));
	assert_false(member_is_heard(core, PEER));
	assert_false(hear(future));
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
	assert_true(hear(later(6, 1)));
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
	stale.echo.sent_ns = deadline;
	assert_true(hear(stale));
	assert_int_equal(core->members[PEER].excuse_ns, late);
	core->now_ns += 20 * NS_PER_MS;
	struct beat fresh = beat(5, 3);
	fresh.echo.sent_ns = core->now_ns - 5 * NS_PER_MS;
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
			another_life_takes_its_place_by_an_echo, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_recorded_life_retires_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_echoed_is_newer_than_all_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_is_turned_away_for_good, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_new_lives_prove_themselves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			who_is_silent_is_greeted_no_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_recording_is_greeted_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_stranger_is_waited_for_one_silence_at_most, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			over_a_stream_it_is_on_no_network, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_recorded_goodbye_is_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_recording_ends_no_excuse, set_up, tear_down),
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
