/* The step function's own contract: deadlines, beats, names, many modules, commands in the dark. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "core/core.h"

static struct core *core;
static struct actions actions;
static int64_t now = 1000 * NS_PER_S;

static void step_once(struct event event)
{
	event.now_ns = now;
	core_step(core, &event, &actions);
}

/* Nothing of an application runs here: whoever is to be emptied is, at once. */
static void step(struct event event)
{
	step_once(event);
	for (uint16_t i = 0; i < actions.count; i++) {
		struct actions before = actions;
		if (before.list[i].type != ACTION_EMPTY_APPLICATION)
			continue;
		step_once((struct event){
			.type = EVENT_APPLICATION_EMPTIED, .module = before.list[i].module });
		before.list[i].type = ACTION_TYPE_COUNT; /* done */
		for (uint16_t j = 0; j < actions.count && before.count < ACTIONS_MAX; j++)
			before.list[before.count++] = actions.list[j];
		actions = before;
	}
}

static int set_up(void **state)
{
	struct core_config config = {
		.self = 1,
		.boot_nonce = 1,
		.node_count = 2,
		.nodes = { 1, 2 },
		.beat_ns = 200 * NS_PER_MS,
		.silence_ns = 2 * NS_PER_S,
		.margin_ns = 500 * NS_PER_MS,
	};

	(void)state;
	core = malloc(core_size());
	assert_non_null(core);
	core_init(core, &config);
	step((struct event){ .type = EVENT_STARTED });
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(core);
	return 0;
}

static int count_of(enum action_type type)
{
	int count = 0;

	for (uint16_t i = 0; i < actions.count; i++)
		count += actions.list[i].type == type;
	return count;
}

static void add_module(uint16_t number, bool should_run)
{
	struct event event = { .type = EVENT_MODULE_ADDED, .module = number };

	event.module_added.config.peer = 2;
	event.module_added.record.should_run = should_run;
	step(event);
}

static void beats_go_out_at_start_and_every_interval(void **state)
{
	(void)state;
	assert_int_equal(count_of(ACTION_SEND_BEAT), 1);
	assert_int_equal(core_deadline(core), now + 200 * NS_PER_MS);
	now += 200 * NS_PER_MS - 1;
	step((struct event){ .type = EVENT_TIME_PASSED });
	assert_int_equal(count_of(ACTION_SEND_BEAT), 0);
	now += 1;
	step((struct event){ .type = EVENT_TIME_PASSED });
	assert_int_equal(count_of(ACTION_SEND_BEAT), 1);
}

static void a_change_goes_out_soon_but_not_at_any_rate(void **state)
{
	(void)state;
	now += 5 * NS_PER_MS;
	add_module(1, true);
	assert_int_equal(count_of(ACTION_SEND_BEAT), 0);
	assert_int_equal(core_deadline(core), now + 15 * NS_PER_MS);
	now += 15 * NS_PER_MS;
	step((struct event){ .type = EVENT_TIME_PASSED });
	assert_int_equal(count_of(ACTION_SEND_BEAT), 1);
}

static void each_beat_has_a_counter_of_its_own(void **state)
{
	(void)state;
	struct beat first, second;
	core_beat(core, 2, now, &first);
	core_beat(core, 2, now, &second);
	assert_true(second.counter > first.counter);
	assert_int_equal(first.sent_ns, now);
	assert_int_equal(first.echo.nonce, 0);
	assert_int_equal(first.greeting.nonce, 0);
	assert_false(first.is_goodbye);
}

static void five_hundred_modules_get_their_turn(void **state)
{
	(void)state;
	int logs = 0;
	for (uint16_t number = 1; number <= MODULES_MAX; number++)
		add_module(number, true);
	now += 2 * NS_PER_S;
	step((struct event){ .type = EVENT_TIME_PASSED });
	for (int i = 0; i < MODULES_MAX && core_deadline(core) <= now; i++) {
		logs += count_of(ACTION_LOG);
		assert_true(actions.count <= ACTIONS_MAX);
		step((struct event){ .type = EVENT_TIME_PASSED });
	}
	logs += count_of(ACTION_LOG);
	assert_true(core_deadline(core) > now);
	assert_true(logs >= MODULES_MAX); /* each says why it waits */
	struct summary summaries[MODULES_MAX];
	assert_int_equal(core_summaries(core, summaries, MODULES_MAX), MODULES_MAX);
	assert_int_equal(core_summaries(core, summaries, 3), 3);
}

static void a_removed_module_is_gone(void **state)
{
	(void)state;
	struct status status;
	add_module(4, false);
	assert_int_equal(core_status(core, 4, &status), 0);
	assert_int_equal(status.state, STATE_STOP);
	step((struct event){ .type = EVENT_MODULE_REMOVED, .module = 4 });
	assert_int_equal(core_status(core, 4, &status), -ERROR_NOT_FOUND);
	/* An answer that was under way means nothing any more. */
	step((struct event){ .type = EVENT_RECORD_WRITTEN, .module = 4 });
	assert_int_equal(count_of(ACTION_WRITE_RECORD), 0);
}

static enum refusal command(enum command which, uint16_t module)
{
	struct event event = { .type = EVENT_COMMAND_GIVEN, .module = module };

	event.command.command = which;
	event.command.request = 42;
	step(event);
	for (uint16_t i = 0; i < actions.count; i++)
		if (actions.list[i].type == ACTION_ANSWER_COMMAND) {
			assert_int_equal(actions.list[i].answer.request, 42);
			assert_true(actions.list[i].answer.sentence.size > 0);
			return actions.list[i].answer.refusal;
		}
	fail_msg("a command was not answered");
	return REFUSAL_COUNT;
}

static struct summary shown(uint16_t number)
{
	struct summary summary;

	assert_int_equal(core_summary(core, number, &summary), 0);
	return summary;
}

/* Without scripts all of it is there at once; without a peer's word nothing of the mirror is. */
static void kinds_live_side_by_side(void **state)
{
	(void)state;
	struct event single = { .type = EVENT_MODULE_ADDED, .module = 2 };
	single.module_added.config.kind = KIND_SINGLE;
	add_module(1, false);
	step(single);
	assert_int_equal(command(COMMAND_START, 1), REFUSAL_NONE);
	assert_int_equal(command(COMMAND_START, 2), REFUSAL_NONE);
	assert_int_equal(shown(2).state, STATE_UP);
	assert_int_equal(shown(2).readiness, READY);
	assert_int_equal(shown(1).state, STATE_WAIT);
	struct summary said[2] = { { .module = 1, .state = STATE_PRIM, .is_second_only = true },
		{ .module = 2, .state = STATE_PRIM, .wants_drop = true } };
	step((struct event){ .type = EVENT_BEAT_HEARD,
		.beat = { .from = 2,
			.boot_nonce = 9,
			.counter = 1,
			.sent_ns = 1,
			.summary_count = 2,
			.summaries = said } });
	assert_int_equal(shown(2).state, STATE_UP); /* nobody else has a word in it */
	for (int report = 0; report < FS_REPORT_COUNT; report++)
		step((struct event){ .type = EVENT_FS_REPORTED,
			.module = 2,
			.fs = { .report = (enum fs_report)report } });
	assert_int_equal(shown(2).state, STATE_UP);
}

/* What one kind left in a place means nothing to the next. */
static void a_place_is_taken_by_another_kind(void **state)
{
	(void)state;
	struct event single = { .type = EVENT_MODULE_ADDED, .module = 1 };
	single.module_added.config.kind = KIND_SINGLE;
	for (int i = 0; i < 3; i++) {
		step(single);
		assert_int_equal(command(COMMAND_START, 1), REFUSAL_NONE);
		assert_int_equal(shown(1).state, STATE_UP);
		step((struct event){ .type = EVENT_MODULE_REMOVED, .module = 1 });
		add_module(1, true);
		assert_int_equal(shown(1).state, STATE_WAIT);
		step((struct event){ .type = EVENT_MODULE_REMOVED, .module = 1 });
	}
	single.module_added.record.should_run = true;
	step(single);
	assert_int_equal(shown(1).state, STATE_UP); /* as before the reboot */
}

static void commands_are_answered_in_any_state(void **state)
{
	(void)state;
	assert_int_equal(command(COMMAND_START, 9), REFUSAL_UNKNOWN_MODULE);
	add_module(1, false);
	assert_int_equal(command(COMMAND_STOP, 1), REFUSAL_ALREADY_SO);
	assert_int_equal(command(COMMAND_RESTART, 1), REFUSAL_NOT_RUNNING);
	assert_int_equal(command(COMMAND_SWAP, 1), REFUSAL_NOT_RUNNING);
	assert_int_equal(command(COMMAND_PRIM, 1), REFUSAL_NOT_RUNNING);
	assert_int_equal(command(COMMAND_START, 1), REFUSAL_NONE);
	assert_int_equal(command(COMMAND_START, 1), REFUSAL_ALREADY_SO);
	assert_int_equal(command(COMMAND_SWAP, 1), REFUSAL_NOT_UP_TO_DATE);
	assert_int_equal(command(COMMAND_PRIM, 1), REFUSAL_WOULD_LOSE);
	assert_int_equal(command(COMMAND_SECOND, 1), REFUSAL_NONE);
	assert_int_equal(command(COMMAND_STOP, 1), REFUSAL_NONE);
}

static void a_shutdown_ends_when_all_have_left(void **state)
{
	(void)state;
	struct beat beat;
	add_module(1, true);
	step((struct event){ .type = EVENT_SHUTDOWN_WANTED });
	assert_true(core_is_shut_down(core)); /* it only waited: nothing is released, or recorded */
	core_beat(core, 2, now, &beat);
	assert_true(beat.is_goodbye);
	struct summary summary;
	assert_int_equal(core_summaries(core, &summary, 1), 1);
	assert_true(summary.record.should_run); /* B6 */
}

static void everything_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < STATE_COUNT; i++)
		assert_non_null(module_state_name((enum module_state)i));
	for (int i = 0; i < READINESS_COUNT; i++)
		assert_non_null(readiness_name((enum readiness)i));
	for (int i = 0; i < SCRIPT_COUNT; i++)
		assert_non_null(script_name((enum script)i));
	for (int i = 0; i < COMMAND_COUNT; i++)
		assert_non_null(command_name((enum command)i));
	for (int i = 0; i < REFUSAL_COUNT; i++)
		assert_true(strlen(refusal_sentence((enum refusal)i)) > 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(beats_go_out_at_start_and_every_interval),
		TEST(a_change_goes_out_soon_but_not_at_any_rate),
		TEST(each_beat_has_a_counter_of_its_own),
		TEST(five_hundred_modules_get_their_turn),
		TEST(kinds_live_side_by_side),
		TEST(a_place_is_taken_by_another_kind),
		TEST(a_removed_module_is_gone),
		TEST(commands_are_answered_in_any_state),
		TEST(a_shutdown_ends_when_all_have_left),
		TEST(everything_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
