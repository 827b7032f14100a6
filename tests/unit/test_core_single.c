/*
 * A single module under random faults: scripts that fail, checks that turn red, a state file that
 * cannot be written, a daemon that is killed in any moment, a person who commands anything. What must
 * hold is looked at after every action; when the faults end it must do what it is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/core.h"
#include "core/mirror/generation.h"

#define MODULE	1
#define SEEDS	400
#define MOMENTS 300

/* The node around the core: what survives a killed daemon, and what is on its way. */
struct node {
	struct core *core;
	uint64_t chance;
	int64_t now_ns;
	bool has_faults;
	struct record disk;
	bool is_writing;
	struct wishes wishes;
	struct record writing;
	bool is_running_script;
	enum script script;
	bool is_application_up, is_address_held, is_checking, is_prestarted;
	bool is_noted;		   /* as run/NAME.runtime says: started, and not stopped since */
	bool is_emptying, is_left; /* what a stop script left; it cannot be ended */
	uint32_t restarts, stops;  /* of the daemon; stop scripts that ended */
};

static uint64_t draw(struct node *node, uint64_t count)
{
	node->chance ^= node->chance << 13;
	node->chance ^= node->chance >> 7;
	node->chance ^= node->chance << 17;
	return node->chance % count;
}

static bool is_unlucky(struct node *node, uint64_t percent)
{
	return node->has_faults && draw(node, 100) < percent;
}

/* ---- what the core orders ---- */

static void run_script(struct node *node, enum script script)
{
	assert_false(node->is_running_script);
	assert_true(script == SCRIPT_PRESTART || script == SCRIPT_START_BOTH ||
		    script == SCRIPT_STOP_BOTH || script == SCRIPT_POSTSTOP);
	assert_false(node->is_emptying);
	if (script == SCRIPT_START_BOTH) /* never a second copy beside what was left of the first */
		assert_false(node->is_application_up);
	if (script == SCRIPT_START_BOTH)
		assert_true(node->is_address_held && node->is_prestarted);
	if (script == SCRIPT_POSTSTOP)
		assert_true(!node->is_application_up && !node->is_address_held && !node->is_left);
	node->is_running_script = true;
	node->script = script;
}

static void perform(struct node *node, const struct action *action)
{
	switch (action->type) {
	case ACTION_WRITE_RECORD:
		assert_false(node->is_writing);
		assert_false(action->write_record.is_awaited);
		node->is_writing = true;
		node->writing = action->write_record.record;
		break;
	case ACTION_NOTE_WISHES: node->wishes = action->wishes; break;
	case ACTION_RUN_SCRIPT: run_script(node, action->script.script); break;
	case ACTION_HOLD_ADDRESS: node->is_address_held = true; break;
	case ACTION_RELEASE_ADDRESS:
		assert_true(node->is_address_held);
		assert_true(!node->is_application_up || node->is_left);
		node->is_address_held = false;
		break;
	case ACTION_START_CHECKS:
		assert_true(node->is_application_up && !node->is_running_script);
		node->is_checking = true;
		break;
	case ACTION_STOP_CHECKS: node->is_checking = false; break;
	case ACTION_KILL_APPLICATION: node->is_application_up = false; break;
	case ACTION_EMPTY_APPLICATION:
		assert_false(node->is_emptying || node->is_running_script);
		node->is_emptying = true;
		break;
	case ACTION_SEND_BEAT:
	case ACTION_LOG:
	case ACTION_ANSWER_COMMAND: break;
	case ACTION_ORDER_FS:
	case ACTION_PROBE_ADDRESS:
	case ACTION_ASK_ARBITER:
	case ACTION_TYPE_COUNT: fail_msg("a single orders nothing of the kind");
	}
}

static void step(struct node *node, struct event event)
{
	struct actions actions;

	event.now_ns = node->now_ns;
	event.module = MODULE;
	core_step(node->core, &event, &actions); /* and core_verify() */
	for (uint16_t i = 0; i < actions.count; i++)
		perform(node, &actions.list[i]);
}

/* ---- what happens ---- */

static void start_daemon(struct node *node)
{
	struct core_config config = {
		.self = 1,
		.boot_nonce = ++node->restarts,
		.node_count = 1,
		.nodes = { 1 },
		.beat_ns = 200 * NS_PER_MS,
		.silence_ns = 2 * NS_PER_S,
		.margin_ns = 500 * NS_PER_MS,
	};
	struct event event = { .type = EVENT_MODULE_ADDED };

	core_init(node->core, &config);
	step(node, (struct event){ .type = EVENT_STARTED });
	event.module_added.config = (struct module_config){
		.kind = KIND_SINGLE,
		.address_count = 1,
		.repairs_max = 2,
		.repairs_window_ns = 3600 * NS_PER_S,
		.check_count = 1,
	};
	for (int i = 0; i < SCRIPT_COUNT; i++)
		event.module_added.config.has_script[i] = true;
	event.module_added.record = node->disk;
	event.module_added.is_application_running = node->is_noted && node->is_application_up;
	event.module_added.is_address_held = node->is_address_held;
	event.module_added.wishes = node->wishes;
	event.module_added.random[0] = node->restarts;
	step(node, event);
}

static void begin(struct node *node)
{
	node->core = malloc(core_size());
	assert_non_null(node->core);
	start_daemon(node);
}

/* Its scripts die with it; what was being written is there, or not. */
static void kill_daemon(struct node *node)
{
	if (node->is_writing && draw(node, 2) == 0)
		node->disk = node->writing;
	node->is_writing = false;
	node->is_running_script = false;
	node->is_emptying = false;
	node->is_checking = false;
	start_daemon(node);
}

static void end_script(struct node *node)
{
	struct event event = { .type = EVENT_SCRIPT_ENDED };
	bool is_well = !is_unlucky(node, 30);

	event.script.script = node->script;
	event.script.outcome = is_well ? SCRIPT_SUCCEEDED : SCRIPT_FAILED;
	node->is_running_script = false;
	if (node->script == SCRIPT_PRESTART)
		node->is_prestarted = true;
	if (node->script == SCRIPT_START_BOTH && is_well)
		node->is_application_up = node->is_noted = true;
	if (node->script == SCRIPT_STOP_BOTH) {
		node->stops++;
		node->is_noted = false;
		node->is_application_up = node->is_application_up && is_unlucky(node, 30);
	}
	if (node->script == SCRIPT_POSTSTOP)
		node->is_prestarted = false;
	step(node, event);
}

static void end_emptying(struct node *node)
{
	struct event event = { .type = EVENT_APPLICATION_EMPTIED };

	node->is_emptying = false;
	node->is_left = node->is_application_up && is_unlucky(node, 30);
	node->is_application_up = node->is_left;
	event.emptied.is_left = node->is_left;
	step(node, event);
}

static void end_write(struct node *node)
{
	struct event event = { .type = EVENT_RECORD_WRITTEN };

	event.record_written.error = is_unlucky(node, 40) ? -5 : 0;
	if (event.record_written.error == 0)
		node->disk = node->writing;
	node->is_writing = false;
	step(node, event);
}

static void command(struct node *node, enum command what)
{
	struct event event = { .type = EVENT_COMMAND_GIVEN };

	event.command.command = what;
	step(node, event);
}

static void turn_check(struct node *node)
{
	struct event event = { .type = EVENT_CHECK_CHANGED };

	event.check.is_up = draw(node, 2) == 0;
	step(node, event);
}

static void let_time_pass(struct node *node)
{
	int64_t deadline_ns = core_deadline(node->core);

	node->now_ns = MAX_OF(node->now_ns, deadline_ns);
	step(node, (struct event){ .type = EVENT_TIME_PASSED });
}

/* What is on its way comes to its end, or time passes. */
static void go_on(struct node *node)
{
	if (node->is_running_script && draw(node, 2) == 0)
		end_script(node);
	else if (node->is_emptying && draw(node, 2) == 0)
		end_emptying(node);
	else if (node->is_writing && draw(node, 2) == 0)
		end_write(node);
	else
		let_time_pass(node);
}

static void moment(struct node *node)
{
	struct event gone = { .type = EVENT_ADDRESS_CHANGED };

	switch (draw(node, 12)) {
	case 0: command(node, (enum command)draw(node, COMMAND_COUNT)); break;
	case 1: turn_check(node); break;
	case 2: kill_daemon(node); break;
	case 3:
		gone.address.change = ADDRESS_GONE;
		step(node, gone);
		break;
	default: go_on(node); break;
	}
}

static bool shows(struct node *node, enum module_state state, enum readiness readiness)
{
	struct summary summary;

	assert_int_equal(core_summary(node->core, MODULE, &summary), 0);
	return summary.state == state && summary.readiness == readiness;
}

static void reach(struct node *node, enum module_state state, enum readiness readiness)
{
	for (int i = 0; i < 200 && !(shows(node, state, readiness) && !node->is_writing); i++)
		go_on(node);
	assert_true(shows(node, state, readiness));
}

static void a_single_does_what_it_is_told_when_faults_end(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct node node = { .chance = seed * 0x9e3779b97f4a7c15u,
			.now_ns = 1000 * NS_PER_S,
			.has_faults = true };
		begin(&node);
		for (int i = 0; i < MOMENTS; i++)
			moment(&node);
		node.has_faults = false;
		command(&node, COMMAND_STOP);
		reach(&node, STATE_STOP, NOT_READY);
		command(&node, COMMAND_START);
		reach(&node, STATE_UP, READY);
		assert_true(node.is_application_up && node.is_address_held && node.is_checking);
		assert_true(node.disk.should_run);
		kill_daemon(&node);
		assert_true(shows(&node, STATE_UP, READY)); /* taken up, nothing was run */
		assert_true(node.is_checking && !node.is_running_script);
		command(&node, COMMAND_STOP);
		reach(&node, STATE_STOP, NOT_READY);
		assert_false(node.is_application_up || node.is_address_held || node.is_checking);
		assert_false(node.disk.should_run);
		free(node.core);
	}
}

/* Repairs are counted: a third failure within the window ends it, and only a person begins anew. */
static void a_single_gives_up_after_its_repairs(void **state)
{
	struct node node = { .chance = 7, .now_ns = 1000 * NS_PER_S };

	(void)state;
	begin(&node);
	command(&node, COMMAND_START);
	for (int repair = 0; repair < 3; repair++) {
		struct event down = { .type = EVENT_CHECK_CHANGED };
		reach(&node, STATE_UP, READY);
		step(&node, down);
		assert_false(node.is_checking);
	}
	reach(&node, STATE_WAIT, NOT_READY);
	assert_false(node.is_application_up || node.is_address_held);
	command(&node, COMMAND_RESTART);
	assert_true(shows(&node, STATE_WAIT, NOT_READY));
	command(&node, COMMAND_START);
	reach(&node, STATE_UP, READY);
	free(node.core);
}

/* A module that was a mirror and is a single now: what it writes no other copy has, so its record begins
 * a generation of its own, once. As a mirror again it is newer than a copy that stood still, and
 * diverged from one that went on. */
static void what_was_a_mirror_gets_a_generation_of_its_own(void **state)
{
	struct node node = { .chance = 9, .now_ns = 1000 * NS_PER_S };
	const struct generation was = { .number = 4, .tag = 77 };

	(void)state;
	node.disk = (struct record){ .set_id = { 5 },
		.generation = was,
		.role = RECORD_ROLE_SECONDARY,
		.is_complete = true };
	begin(&node);
	assert_int_equal(node.disk.generation.number, 4); /* not before it runs */
	for (int run = 0; run < 2; run++) {
		command(&node, COMMAND_START);
		reach(&node, STATE_UP, READY);
		assert_int_equal(node.disk.role, RECORD_ROLE_SINGLE);
		assert_int_equal(node.disk.generation.number, 5);
		assert_int_not_equal(node.disk.generation.tag, was.tag);
		assert_memory_equal(&node.disk.history[0], &was, sizeof(was));
		command(&node, COMMAND_STOP);
		reach(&node, STATE_STOP, NOT_READY);
	}
	struct record still = { .set_id = { 5 }, .generation = was, .is_complete = true };
	struct record went_on = still;
	record_begin_generation(&went_on, 99);
	struct relation_input input = {
		.mine = &node.disk, .theirs = &still, .self = 1, .peer = 2
	};
	assert_int_equal(relation_of(&input), RELATION_NEWER);
	input.theirs = &went_on;
	assert_int_equal(relation_of(&input), RELATION_DIVERGED);
	free(node.core);
}

static void bring_up(struct node *node)
{
	begin(node);
	command(node, COMMAND_START);
	reach(node, STATE_UP, READY);
}

/* One that never was a mirror has no other copy. */
static void a_single_from_the_start_has_no_generation(void **state)
{
	struct node node = { .chance = 9, .now_ns = 1000 * NS_PER_S };

	(void)state;
	bring_up(&node);
	assert_int_equal(node.disk.generation.number, 0);
	free(node.core);
}

/* The daemon is killed in the middle of the stop script: half stopped is not up. */
static void a_restart_is_not_lost_with_the_daemon(void **state)
{
	struct node node = { .chance = 7, .now_ns = 1000 * NS_PER_S };

	(void)state;
	bring_up(&node);
	command(&node, COMMAND_RESTART);
	assert_true(node.is_running_script && node.script == SCRIPT_STOP_BOTH);
	kill_daemon(&node);
	assert_false(shows(&node, STATE_UP, READY));
	reach(&node, STATE_UP, READY);
	assert_int_equal(node.stops, 1);
	kill_daemon(&node); /* it has come about: not once more */
	assert_true(shows(&node, STATE_UP, READY));
	free(node.core);
}

/* Each word is kept at once, whatever the disk of the records is at. */
static void the_last_word_outlives_the_daemon_on_a_disk_that_hangs(void **state)
{
	struct node node = { .chance = 7, .now_ns = 1000 * NS_PER_S };

	(void)state;
	begin(&node);
	command(&node, COMMAND_START);
	assert_true(node.is_writing); /* and goes on */
	command(&node, COMMAND_STOP);
	node.writing = node.disk; /* what lands in the end is the old record */
	kill_daemon(&node);
	for (int i = 0; i < 50; i++)
		let_time_pass(&node);
	assert_false(node.is_running_script && node.script == SCRIPT_START_BOTH);
	assert_false(node.is_application_up);
	free(node.core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_single_does_what_it_is_told_when_faults_end),
		cmocka_unit_test(a_single_gives_up_after_its_repairs),
		cmocka_unit_test(a_restart_is_not_lost_with_the_daemon),
		cmocka_unit_test(the_last_word_outlives_the_daemon_on_a_disk_that_hangs),
		cmocka_unit_test(what_was_a_mirror_gets_a_generation_of_its_own),
		cmocka_unit_test(a_single_from_the_start_has_no_generation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
