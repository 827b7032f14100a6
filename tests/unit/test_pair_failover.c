/*
 * One side is gone: the primary holds its answers until it may go on alone; the secondary is promoted,
 * unless its copy is not complete.
 */
#include "pair.h"

#include "platform/clock.h"

/* A copy that is not complete is never promoted. */
static void test_promotion_refused(void **state)
{
	(void)state;
	pair_roles();
	struct epoch epoch = { 2, 2 };
	assert_true(replicator_promote(nodes[1].replicator, epoch, pair_generation) != 0);
	assert_int_equal(node_seen(&nodes[1], FS_REPORT_REFUSED), 1);
}

/* The peer is gone: nothing is answered until the order to go on alone. */
static void test_held_until_alone(void **state)
{
	(void)state;
	struct writers writers;
	pair_begin();
	writers_start(&writers, &nodes[0]);
	writers_let(0.2);
	atomic_store(&nodes[1].is_deaf, true);
	node_close_process(&nodes[1]);
	node_open_process(&nodes[1], true);
	node_wait_report(&nodes[0], FS_REPORT_PEER_LOST, 0);
	assert_int_equal(replicator_answerable(nodes[0].replicator), 0);
	writers_let(0.3);
	assert_int_equal(replicator_answerable(nodes[0].replicator), 0);
	struct epoch epoch = { 2, 1 };
	assert_int_equal(replicator_go_alone(nodes[0].replicator, epoch, pair_generation), 0);
	writers_let(0.2);
	atomic_store(&nodes[1].is_deaf, false);
	assert_int_equal(
		replicator_be_secondary(nodes[1].replicator, epoch, pair_set_id, false), 0);
	pair_connect(&nodes[0], &nodes[1], epoch, RESYNC_COMPARE);
	(void)writers_stop(&writers);
	pair_finish(&nodes[0]);
}

/* The secondary is promoted while the primary still writes; what was answered is there. */
static void test_promotion(void **state)
{
	(void)state;
	struct writers writers;
	pair_begin();
	writers_start(&writers, &nodes[0]);
	writers_let(pair_seconds);
	struct epoch epoch = { 2, 2 };
	struct generation generation = { 2, 22 };
	int64_t start_ns = clock_boot_ns();
	assert_int_equal(replicator_promote(nodes[1].replicator, epoch, generation), 0);
	print_message(
		"  promoted in %lld ms\n", (long long)((clock_boot_ns() - start_ns) / NS_PER_MS));
	assert_true(clock_boot_ns() - start_ns < NS_PER_S / 2);
	assert_int_equal(node_seen(&nodes[1], FS_REPORT_IS_PRIMARY), 1);
	node_wait_report(&nodes[0], FS_REPORT_PEER_LOST, 0);
	assert_int_equal(replicator_answerable(nodes[0].replicator), 0);

	/* The old primary lets its writers go, and becomes the new one's target. */
	atomic_store(&writers.is_over, true);
	struct epoch wrong = { 3, 1 };
	assert_int_equal(replicator_go_alone(nodes[0].replicator, wrong, pair_generation), 0);
	(void)writers_stop(&writers);
	assert_int_equal(replicator_stop(nodes[0].replicator), 0);
	assert_int_equal(
		replicator_be_secondary(nodes[0].replicator, epoch, pair_set_id, false), 0);
	writers_start(&writers, &nodes[1]);
	pair_connect(&nodes[1], &nodes[0], epoch, RESYNC_COMPARE);
	writers_let(0.3);
	(void)writers_stop(&writers);
	pair_finish(&nodes[1]);
	assert_int_equal(replicator_stop(nodes[1].replicator), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_promotion_refused, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_held_until_alone, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_promotion, pair_setup, pair_teardown),
	};
	return pair_main(argc, argv, tests, ARRAY_COUNT(tests));
}
