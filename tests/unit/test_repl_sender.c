#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "repl/sender.h"

static uint8_t memory[OPLOG_HEADER_SIZE + OP_SIZE_MAX + 4096] __attribute__((aligned(4096)));

/* One more operation: its sequence. */
static uint64_t give(struct sender *sender)
{
	struct op op = { .type = OP_LEASE };

	return sender_give(sender, &op);
}

/* A sender in epoch 3 that has given the sequences 10..14 and is in this mode. */
static struct sender sender_in(enum sender_mode mode)
{
	struct sender sender;
	struct oplog log;

	oplog_format(&log, memory, sizeof(memory), 0, 1);
	sender_open(&sender, &log, DURABILITY_CALL);
	sender_init(&sender, 3, 10);
	if (mode != SENDER_ALONE)
		assert_int_equal(sender_catch_up(&sender), 0);
	if (mode == SENDER_PAIRED || mode == SENDER_HELD)
		assert_int_equal(sender_pair(&sender), 0);
	for (uint64_t sequence = 10; sequence < 15; sequence++)
		assert_int_equal(give(&sender), sequence);
	if (mode == SENDER_HELD)
		sender_peer_lost(&sender);
	assert_int_equal(sender.mode, mode);
	return sender;
}

static void alone_answers_at_once(void **state)
{
	(void)state;
	struct sender sender = sender_in(SENDER_ALONE);

	assert_int_equal(sender_answerable(&sender), 14);
	assert_false(sender_is_sending(&sender));
	sender = sender_in(SENDER_CATCHING_UP);
	assert_int_equal(sender_answerable(&sender), 14);
	assert_true(sender_is_sending(&sender));
}

static void paired_answers_what_the_peer_applied(void **state)
{
	(void)state;
	struct sender sender = sender_in(SENDER_PAIRED);

	assert_true(sender_is_sending(&sender));
	assert_int_equal(sender_answerable(&sender), 0);
	assert_int_equal(sender_on_acknowledged(&sender, 3, 12, 11, 0), 0);
	assert_int_equal(sender_answerable(&sender), 12);
	assert_int_equal(sender.peer_barrier, 11);
	assert_int_equal(sender_on_acknowledged(&sender, 3, 11, 10, 0), 0); /* an old one */
	assert_int_equal(sender_answerable(&sender), 12);
	assert_int_equal(sender.peer_barrier, 11);
	assert_int_equal(sender_on_acknowledged(&sender, 3, 14, 14, 0), 0);
	assert_int_equal(sender_answerable(&sender), 14);
}

static void impossible_acknowledgements_are_refused(void **state)
{
	(void)state;
	struct sender sender = sender_in(SENDER_PAIRED);

	assert_int_equal(sender_on_acknowledged(&sender, 2, 14, 0, 0), -ERROR_STALE);
	assert_int_equal(sender_on_acknowledged(&sender, 4, 14, 0, 0), -ERROR_STALE);
	assert_int_equal(sender_on_acknowledged(&sender, 3, 15, 0, 0), -ERROR_INVALID);
	assert_int_equal(sender_on_acknowledged(&sender, 3, 13, 14, 0), -ERROR_INVALID);
	assert_int_equal(sender_answerable(&sender), 0);
}

static void held_answers_nothing(void **state)
{
	(void)state;
	struct sender sender = sender_in(SENDER_PAIRED);

	assert_int_equal(sender_on_acknowledged(&sender, 3, 12, 0, 0), 0);
	sender_peer_lost(&sender);
	assert_int_equal(sender.mode, SENDER_HELD);
	assert_int_equal(sender_answerable(&sender), 0);
	assert_true(sender_is_sending(&sender)); /* into the log, for the peer that comes back */
	assert_int_equal(
		sender_on_acknowledged(&sender, 3, 14, 0, 0), 0); /* was still on its way */
	assert_int_equal(sender_answerable(&sender), 0);
}

static void muted_answers_nothing_in_any_mode(void **state)
{
	(void)state;
	for (int mode = 0; mode < SENDER_MODE_COUNT; mode++) {
		struct sender sender = sender_in((enum sender_mode)mode);
		assert_int_equal(sender_on_acknowledged(&sender, 3, 14, 0, 0), 0);
		uint64_t before = sender_answerable(&sender);
		sender_mute(&sender, true);
		assert_int_equal(sender_answerable(&sender), 0);
		sender_mute(&sender, false);
		assert_int_equal(sender_answerable(&sender), before);
	}
}

static void a_peer_comes_back_where_it_was(void **state)
{
	(void)state;
	static const struct {
		uint64_t received;
		int error;
	} cases[] = { { 11, -ERROR_INVALID }, { 12, 0 }, { 14, 0 }, { 15, -ERROR_INVALID } };

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct sender sender = sender_in(SENDER_HELD);
		assert_int_equal(sender_on_acknowledged(&sender, 3, 12, 0, 0), 0);
		assert_int_equal(sender_reconnected(&sender, cases[i].received), cases[i].error);
		assert_int_equal(sender.mode, cases[i].error == 0 ? SENDER_PAIRED : SENDER_HELD);
	}
}

static void going_alone_takes_a_higher_epoch(void **state)
{
	(void)state;
	struct sender sender = sender_in(SENDER_HELD);

	assert_int_equal(sender_go_alone(&sender, 2), -ERROR_INVALID);
	assert_int_equal(sender_go_alone(&sender, 3), -ERROR_INVALID);
	assert_int_equal(sender_answerable(&sender), 0);
	assert_int_equal(sender_go_alone(&sender, 4), 0);
	assert_int_equal(sender.mode, SENDER_ALONE);
	assert_int_equal(sender_answerable(&sender), 14);
	assert_int_equal(sender_on_acknowledged(&sender, 3, 14, 0, 0), -ERROR_STALE);
}

static void losing_a_peer_that_is_not_paired_holds_nothing(void **state)
{
	(void)state;
	struct sender sender = sender_in(SENDER_CATCHING_UP);

	sender_peer_lost(&sender);
	assert_int_equal(sender.mode, SENDER_ALONE);
	sender_peer_lost(&sender);
	assert_int_equal(sender.mode, SENDER_ALONE);
	sender = sender_in(SENDER_HELD);
	sender_peer_lost(&sender);
	assert_int_equal(sender.mode, SENDER_HELD);
}

/* Every call in every mode: the diagram of sender.h, cell by cell. */
static void moves_are_those_of_the_diagram(void **state)
{
	(void)state;
	static const struct {
		enum sender_mode from;
		bool may_catch_up, may_pair, may_reconnect, may_go_alone;
	} cells[] = {
		{ SENDER_ALONE, true, false, false, true },
		{ SENDER_CATCHING_UP, false, true, false, true },
		{ SENDER_PAIRED, false, false, false, true },
		{ SENDER_HELD, false, false, true, true },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cells); i++) {
		struct sender sender = sender_in(cells[i].from);
		assert_int_equal(sender_catch_up(&sender) == 0, cells[i].may_catch_up);
		sender = sender_in(cells[i].from);
		assert_int_equal(sender_pair(&sender) == 0, cells[i].may_pair);
		sender = sender_in(cells[i].from);
		assert_int_equal(sender_reconnected(&sender, 14) == 0, cells[i].may_reconnect);
		sender = sender_in(cells[i].from);
		assert_int_equal(sender_go_alone(&sender, 4) == 0, cells[i].may_go_alone);
	}
}

static void barriers_only_rise(void **state)
{
	(void)state;
	struct sender sender = sender_in(SENDER_PAIRED);

	sender_on_synced_here(&sender, 13);
	sender_on_synced_here(&sender, 11);
	assert_int_equal(sender.local_barrier, 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alone_answers_at_once),
		cmocka_unit_test(paired_answers_what_the_peer_applied),
		cmocka_unit_test(impossible_acknowledgements_are_refused),
		cmocka_unit_test(held_answers_nothing),
		cmocka_unit_test(muted_answers_nothing_in_any_mode),
		cmocka_unit_test(a_peer_comes_back_where_it_was),
		cmocka_unit_test(going_alone_takes_a_higher_epoch),
		cmocka_unit_test(losing_a_peer_that_is_not_paired_holds_nothing),
		cmocka_unit_test(moves_are_those_of_the_diagram),
		cmocka_unit_test(barriers_only_rise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
