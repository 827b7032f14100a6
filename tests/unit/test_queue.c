/* The actions of a module that wait for a record, and those that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/queue.h"

static void push(struct action_queue *queue, uint64_t step, enum action_type type)
{
	queue_push(queue, step, &(struct action){ .type = type });
}

static void push_fs(struct action_queue *queue, enum fs_order order)
{
	queue_push(queue, 1, &(struct action){ .type = ACTION_ORDER_FS, .fs = { .order = order } });
}

static void push_script(struct action_queue *queue, enum script script)
{
	struct action action = { .type = ACTION_RUN_SCRIPT };

	action.script.script = script;
	queue_push(queue, 1, &action);
}

/* What is given, or ACTION_TYPE_COUNT. */
static enum action_type type_of(struct queued_action *given)
{
	enum action_type type = given == NULL ? ACTION_TYPE_COUNT : given->action.type;

	free(given);
	return type;
}

static void all_is_performed_in_order(void **state)
{
	struct action_queue queue;

	(void)state;
	queue_init(&queue);
	push(&queue, 1, ACTION_HOLD_ADDRESS);
	push(&queue, 1, ACTION_RELEASE_ADDRESS);
	push(&queue, 1, ACTION_ASK_ARBITER);
	assert_int_equal(type_of(queue_pop(&queue, false)), ACTION_HOLD_ADDRESS);
	assert_int_equal(type_of(queue_pop(&queue, false)), ACTION_RELEASE_ADDRESS);
	assert_int_equal(type_of(queue_pop(&queue, false)), ACTION_ASK_ARBITER);
	assert_null(queue_pop(&queue, false));
}

/* Each action that exists: true for those which only give something up, or only say something. */
static void what_gives_up_waits_for_no_record(void **state)
{
	static const bool overtakes[ACTION_TYPE_COUNT] = {
		[ACTION_RELEASE_ADDRESS] = true,
		[ACTION_STOP_CHECKS] = true,
		[ACTION_KILL_APPLICATION] = true,
		[ACTION_EMPTY_APPLICATION] = true,
		[ACTION_NOTE_WISHES] = true,
		[ACTION_ANSWER_COMMAND] = true,
		[ACTION_LOG] = true,
	};
	struct action_queue queue;

	(void)state;
	for (int type = 0; type < ACTION_TYPE_COUNT; type++) {
		if (type == ACTION_ORDER_FS || type == ACTION_RUN_SCRIPT)
			continue; /* by what is ordered: below */
		queue_init(&queue);
		push(&queue, 1, ACTION_ASK_ARBITER);
		push(&queue, 1, (enum action_type)type);
		enum action_type next = type_of(queue_pop(&queue, true));
		assert_int_equal(next, overtakes[type] ? (int)type : ACTION_TYPE_COUNT);
		queue_done(&queue);
	}
}

static void orders_to_stop_and_to_hold_wait_for_no_record(void **state)
{
	struct action_queue queue;

	(void)state;
	for (int order = 0; order < FS_ORDER_COUNT; order++) {
		bool is_safer = order == FS_ORDER_STOP || order == FS_ORDER_HOLD;
		queue_init(&queue);
		push_fs(&queue, (enum fs_order)order);
		assert_int_equal(type_of(queue_pop(&queue, true)),
			is_safer ? ACTION_ORDER_FS : ACTION_TYPE_COUNT);
		queue_done(&queue);
	}
	for (int script = 0; script < SCRIPT_COUNT; script++) {
		bool is_safer = script == SCRIPT_STOP_PRIM || script == SCRIPT_STOP_SECOND ||
				script == SCRIPT_STOP_BOTH;
		queue_init(&queue);
		push_script(&queue, (enum script)script);
		assert_int_equal(type_of(queue_pop(&queue, true)),
			is_safer ? ACTION_RUN_SCRIPT : ACTION_TYPE_COUNT);
		queue_done(&queue);
	}
}

/* Otherwise the address came back, the application began and answers went on when the disk answers. */
static void what_is_undone_does_not_come_afterwards(void **state)
{
	struct action release = { .type = ACTION_RELEASE_ADDRESS };
	struct action kill = { .type = ACTION_KILL_APPLICATION };
	struct action hold = { .type = ACTION_ORDER_FS, .fs = { .order = FS_ORDER_HOLD } };
	struct action stop = { .type = ACTION_ORDER_FS, .fs = { .order = FS_ORDER_STOP } };
	struct action_queue queue;

	(void)state;
	queue_init(&queue);
	push(&queue, 1, ACTION_HOLD_ADDRESS);
	push_script(&queue, SCRIPT_START_PRIM);
	push_fs(&queue, FS_ORDER_RESUME);
	push_fs(&queue, FS_ORDER_PROMOTE);
	assert_int_equal(type_of(queue_take_back(&queue, &release)), ACTION_HOLD_ADDRESS);
	assert_null(queue_take_back(&queue, &release));
	assert_int_equal(type_of(queue_take_back(&queue, &kill)), ACTION_RUN_SCRIPT);
	assert_null(queue_take_back(&queue, &kill));
	assert_int_equal(type_of(queue_take_back(&queue, &hold)), ACTION_ORDER_FS);
	assert_null(queue_take_back(&queue, &hold));
	assert_int_equal(type_of(queue_take_back(&queue, &stop)), ACTION_ORDER_FS);
	assert_null(queue.first);
	push(&queue, 1, ACTION_LOG); /* the end was moved with what went */
	assert_int_equal(type_of(queue_pop(&queue, true)), ACTION_LOG);
}

static void after_a_record_that_failed_its_step_is_only_told(void **state)
{
	struct action_queue queue;

	(void)state;
	queue_init(&queue);
	push(&queue, 1, ACTION_ASK_ARBITER);
	push(&queue, 1, ACTION_LOG);
	push(&queue, 2, ACTION_HOLD_ADDRESS);
	queue_drop_step(&queue, 1);
	assert_int_equal(type_of(queue_pop(&queue, false)), ACTION_LOG);
	assert_int_equal(type_of(queue_pop(&queue, false)), ACTION_HOLD_ADDRESS);
	assert_null(queue_pop(&queue, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_performed_in_order),
		cmocka_unit_test(what_gives_up_waits_for_no_record),
		cmocka_unit_test(orders_to_stop_and_to_hold_wait_for_no_record),
		cmocka_unit_test(what_is_undone_does_not_come_afterwards),
		cmocka_unit_test(after_a_record_that_failed_its_step_is_only_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
