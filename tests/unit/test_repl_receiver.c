#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "repl/receiver.h"

static struct receiver receiver_at(uint64_t received)
{
	struct receiver receiver;

	receiver_init(&receiver, 3, received);
	return receiver;
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
	assert_int_equal(receiver_acknowledgeable(&receiver), 10);
	assert_int_equal(receiver_on_applied(&receiver, 12), -ERROR_INVALID);
	assert_int_equal(receiver_on_applied(&receiver, 11), 0);
	assert_int_equal(receiver_acknowledgeable(&receiver), 11);
	assert_int_equal(receiver_on_applied(&receiver, 11), -ERROR_INVALID);
	assert_int_equal(receiver_on_applied(&receiver, 12), 0);
	assert_int_equal(receiver_on_applied(&receiver, 13), -ERROR_INVALID);
	assert_int_equal(receiver_acknowledgeable(&receiver), 12);
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
	uint64_t last = 0;

	assert_int_equal(receiver_promote(&receiver, &last), -ERROR_INVALID);
	assert_false(receiver.is_promoted);
	receiver.is_in_sync = true;
	assert_int_equal(receiver_on_arrived(&receiver, 3, 11), VERDICT_TAKE);
	assert_int_equal(receiver_promote(&receiver, &last), 0);
	assert_int_equal(last, 11);
	assert_int_equal(receiver_on_arrived(&receiver, 3, 12), VERDICT_STALE_EPOCH);
	assert_int_equal(receiver_on_applied(&receiver, 11), 0); /* the rest is still finished */
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
