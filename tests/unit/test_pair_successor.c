/*
 * The process of one side ends and is continued on the same memory: nothing is lost, and the peer is
 * not lost either.
 */
#include "pair.h"

/* The secondary's process dies and is continued on the same memory: same session. */
static void test_secondary_successor(void **state)
{
	(void)state;
	struct writers writers;
	pair_begin();
	writers_start(&writers, &nodes[0]);
	for (int round = 0; round < 10; round++) {
		writers_let(0.1);
		atomic_store(&nodes[1].is_deaf, true);
		node_close_process(&nodes[1]);
		node_open_process(&nodes[1], false);
		assert_int_equal(
			replicator_be_secondary(nodes[1].replicator, pair_epoch, pair_set_id, true),
			0);
		atomic_store(&nodes[1].is_deaf, false);
	}
	writers_let(0.3);
	(void)writers_stop(&writers);
	pair_finish(&nodes[0]);
	assert_int_equal(node_seen(&nodes[0], FS_REPORT_PEER_LOST), 0);
}

/* The primary's process dies between operations and is continued on the same memory. */
static void test_primary_successor(void **state)
{
	(void)state;
	struct writers writers;
	pair_begin();
	for (int round = 0; round < 5; round++) {
		writers_start(&writers, &nodes[0]);
		writers_let(0.2);
		(void)writers_stop(&writers);
		node_close_process(&nodes[0]);
		node_open_process(&nodes[0], false);
		unsigned before = node_seen(&nodes[0], FS_REPORT_CONNECTED);
		assert_int_equal(replicator_be_primary(nodes[0].replicator, pair_epoch,
					 pair_generation, pair_set_id, true),
			0);
		node_wait_report(&nodes[0], FS_REPORT_CONNECTED, before);
	}
	pair_finish(&nodes[0]);
	assert_int_equal(node_seen(&nodes[0], FS_REPORT_PEER_LOST), 0);
}

/* Without that memory it may lack what was sent last: it says so, and is not promoted. */
static void test_without_memory(void **state)
{
	(void)state;
	pair_begin();
	assert_false(replicator_is_behind(nodes[1].replicator));
	atomic_store(&nodes[1].is_deaf, true);
	node_close_process(&nodes[1]);
	node_open_process(&nodes[1], true);
	assert_int_equal(
		replicator_be_secondary(nodes[1].replicator, pair_epoch, pair_set_id, true), 0);
	assert_true(replicator_is_behind(nodes[1].replicator));
	struct epoch epoch = { 2, 2 };
	assert_true(replicator_promote(nodes[1].replicator, epoch, pair_generation) != 0);
	assert_true(replicator_is_behind(nodes[1].replicator));
}

/* The predecessor had recorded itself as primary, and died before it could say so: once more. */
static void test_promoted_and_killed(void **state)
{
	(void)state;
	struct writers writers;
	struct epoch epoch = { 2, 2 }, other = { 3, 2 };
	pair_begin();
	writers_start(&writers, &nodes[0]);
	writers_let(0.2);
	(void)writers_stop(&writers);
	assert_int_equal(replicator_promote(nodes[1].replicator, epoch, pair_generation), 0);
	for (int round = 0; round < 2; round++) {
		node_close_process(&nodes[1]);
		node_open_process(&nodes[1], false);
		assert_int_equal(
			replicator_be_secondary(nodes[1].replicator, pair_epoch, pair_set_id, true),
			0);
		assert_false(replicator_is_behind(nodes[1].replicator));
	}
	assert_true(replicator_promote(nodes[1].replicator, other, pair_generation) != 0);
	assert_int_equal(replicator_promote(nodes[1].replicator, epoch, pair_generation), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_secondary_successor, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_primary_successor, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_without_memory, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(
			test_promoted_and_killed, pair_setup, pair_teardown),
	};
	return pair_main(argc, argv, tests, ARRAY_COUNT(tests));
}
