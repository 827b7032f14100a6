#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "repl/receiver.h"

static uint8_t memory[OPLOG_HEADER_SIZE + OP_SIZE_MAX + 4096] __attribute__((aligned(4096)));

/* Being brought up to date in epoch 3; the session begins behind `received`. */
static struct receiver receiver_at(uint64_t received)
{
	const struct hello theirs = { .version = STREAM_VERSION,
		.epoch = { 3, 1 },
		.session = 77,
		.received = received,
		.wants = STREAM_COMPARE };
	struct receiver receiver;
	struct oplog log;

	oplog_format(&log, memory, sizeof(memory), 0, 1);
	receiver_open(&receiver, &log);
	receiver_init(&receiver, 3);
	assert_true(receiver_quiet(&receiver));
	assert_true(receiver_begin_session(&receiver, &theirs));
	return receiver;
}

static uint64_t acknowledgeable(const struct receiver *receiver)
{
	uint64_t applied = 0, durable = 0;

	assert_true(receiver_acknowledgeable(receiver, &applied, &durable));
	return applied;
}

static void only_the_next_one_is_taken(void **state)
{
	(void)state;
	struct receiver receiver = receiver_at(10);

	assert_int_equal(receiver_on_arrived(&receiver, 3, 10), VERDICT_DUPLICATE);
	assert_int_equal(receiver_on_arrived(&receiver, 3, 1), VERDICT_DUPLICATE);
	assert_int_equal(receiver_on_arrived(&receiver, 3, 12), VERDICT_GAP);
	assert_int_equal(receiver.received, 10);
	assert_int_equal(receiver_on_arrived(&receiver, 3, 11), VERDICT_TAKE);
	assert_int_equal(receiver.received, 11);
	assert_int_equal(receiver_on_arrived(&receiver, 3, 11), VERDICT_DUPLICATE);
}

static void another_epoch_is_refused(void **state)
{
	(void)state;
	struct receiver receiver = receiver_at(10);

	assert_int_equal(receiver_on_arrived(&receiver, 2, 11), VERDICT_STALE_EPOCH);
	assert_int_equal(receiver_on_arrived(&receiver, 4, 11), VERDICT_STALE_EPOCH);
	assert_int_equal(receiver.received, 10);
}

static void nothing_is_acknowledged_before_it_is_applied(void **state)
{
	(void)state;
	struct receiver receiver = receiver_at(10);

	assert_int_equal(receiver_on_arrived(&receiver, 3, 11), VERDICT_TAKE);
	assert_int_equal(receiver_on_arrived(&receiver, 3, 12), VERDICT_TAKE);
	assert_int_equal(acknowledgeable(&receiver), 10);
	assert_int_equal(receiver_on_applied(&receiver, 12), -ERROR_INVALID);
	assert_int_equal(receiver_on_applied(&receiver, 11), 0);
	assert_int_equal(acknowledgeable(&receiver), 11);
	assert_int_equal(receiver_on_applied(&receiver, 11), -ERROR_INVALID);
	assert_int_equal(receiver_on_applied(&receiver, 12), 0);
	assert_int_equal(receiver_on_applied(&receiver, 13), -ERROR_INVALID);
	assert_int_equal(acknowledgeable(&receiver), 12);
}

static void nothing_is_durable_before_it_is_applied(void **state)
{
	(void)state;
	struct receiver receiver = receiver_at(10);

	assert_int_equal(receiver_on_arrived(&receiver, 3, 11), VERDICT_TAKE);
	assert_int_equal(receiver_on_durable(&receiver, 11), -ERROR_INVALID);
	assert_int_equal(receiver_on_applied(&receiver, 11), 0);
	assert_int_equal(receiver_on_durable(&receiver, 11), 0);
	assert_int_equal(receiver_on_durable(&receiver, 10), 0);
	assert_int_equal(receiver.durable, 11);
}

static void only_a_copy_in_sync_is_promoted(void **state)
{
	(void)state;
	struct receiver receiver = receiver_at(10);

	assert_int_equal(receiver_promote(&receiver, 4), -ERROR_INVALID);
	assert_int_equal(receiver.phase, RECEIVER_FILLING);
	assert_false(receiver_complete(&receiver));
	receiver_on_end(&receiver, 10);
	assert_true(receiver_complete(&receiver));
	assert_int_equal(receiver_on_arrived(&receiver, 3, 11), VERDICT_TAKE);
	assert_int_equal(receiver_promote(&receiver, 4), 0);
	assert_false(receiver_is_finished(&receiver));
	assert_int_equal(receiver_on_arrived(&receiver, 3, 12), VERDICT_STALE_EPOCH);
	assert_int_equal(receiver_on_applied(&receiver, 11), 0); /* the rest is still finished */
	assert_true(receiver_is_finished(&receiver));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_next_one_is_taken),
		cmocka_unit_test(another_epoch_is_refused),
		cmocka_unit_test(nothing_is_acknowledged_before_it_is_applied),
		cmocka_unit_test(nothing_is_durable_before_it_is_applied),
		cmocka_unit_test(only_a_copy_in_sync_is_promoted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
