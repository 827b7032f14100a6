/*
 * A copy is brought up to date while the application goes on writing: once, again and again, cut off
 * in the middle, and while files shrink and grow.
 */
#include <sys/stat.h>

#include "pair.h"

static void test_resync_under_load(void **state)
{
	(void)state;
	struct writers writers;
	pair_roles();
	writers_start(&writers, &nodes[0]);
	writers_let(pair_seconds);
	pair_connect(&nodes[0], &nodes[1], pair_epoch, RESYNC_COMPARE);
	writers_let(0.3);
	(void)writers_stop(&writers);
	pair_finish(&nodes[0]);
}

static void test_resync_again_and_again(void **state)
{
	(void)state;
	struct writers writers;
	pair_roles();
	writers_start(&writers, &nodes[0]);
	struct epoch epoch = pair_epoch;
	for (int round = 0; round < 4; round++) {
		writers_let(0.2);
		pair_connect(&nodes[0], &nodes[1], epoch,
			round == 3 ? RESYNC_SET_ASIDE : RESYNC_COMPARE);
		writers_let(0.2);
		epoch.number++;
		unsigned before = node_seen(&nodes[0], FS_REPORT_IS_ALONE);
		assert_int_equal(
			replicator_go_alone(nodes[0].replicator, epoch, pair_generation), 0);
		node_wait_report(&nodes[0], FS_REPORT_IS_ALONE, before);
	}
	writers_let(0.2);
	pair_connect(&nodes[0], &nodes[1], epoch, RESYNC_COMPARE);
	(void)writers_stop(&writers);
	pair_finish(&nodes[0]);
}

static void test_resync_cut_off(void **state)
{
	(void)state;
	struct writers writers;
	pair_roles();
	writers_start(&writers, &nodes[0]);
	writers_let(pair_seconds);
	for (int round = 0; round < 5; round++) {
		unsigned before = node_seen(&nodes[1], FS_REPORT_CONNECTED);
		assert_int_equal(replicator_connect(nodes[0].replicator, RESYNC_COMPARE), 0);
		node_wait_report(&nodes[1], FS_REPORT_CONNECTED, before);
		writers_let(0.01 * (round + 1));
		node_close_process(&nodes[1]);
		node_open_process(&nodes[1], round % 2 == 0);
		assert_int_equal(replicator_be_secondary(nodes[1].replicator, pair_epoch,
					 pair_set_id, round % 2 != 0),
			0);
		writers_let(0.2);
	}
	(void)writers_stop(&writers);
	writers_start(&writers, &nodes[0]);
	writers_let(0.1);
	if (replicator_connect(nodes[0].replicator, RESYNC_COMPARE) == 0)
		node_wait_report(&nodes[0], FS_REPORT_TARGET_COMPLETE, 0);
	(void)writers_stop(&writers);
	pair_finish(&nodes[0]);
}

/*
 * The old copy of a file is longer than the file is now, and the file gets room that nobody writes
 * while its content is being compared: what shows there are zeros, not the old bytes.
 */
static void test_room_while_compared(void **state)
{
	(void)state;
	const uint64_t size = 96 * 1024 * 1024, kept = 48 * 1024 * 1024;
	struct epoch epoch = { 2, 1 };
	struct writer writer = { .node = &nodes[0], .random = 1 };
	struct op op = { .type = OP_CREATE, .parent = 1 };
	pair_begin();
	assert_true(writer_new_id(&writer, &op.object));
	uint64_t object = op.object;
	op.attributes.mode = S_IFREG | 0600;
	op.name = (struct bytes){ .data = (const uint8_t *)"long", .size = 4 };
	const struct order_objects objects = { .ids = { 1, object } };
	assert_int_equal(writer_perform(&writer, &op, objects), 0);
	for (uint64_t at = 0; at < size; at += WRITE_SIZE_MAX) {
		op = (struct op){ .type = OP_WRITE, .object = object, .offset = at };
		op.length = op.data.size = WRITE_SIZE_MAX;
		op.data.data = writers_data();
		assert_int_equal(writer_perform(&writer, &op, objects), 0);
	}
	assert_int_equal(replicator_go_alone(nodes[0].replicator, epoch, pair_generation), 0);
	op = (struct op){ .type = OP_SET_ATTRIBUTES, .object = object, .mask = ATTRIBUTE_SIZE };
	op.attributes.size = kept;
	assert_int_equal(writer_perform(&writer, &op, objects), 0);
	assert_int_equal(
		replicator_be_secondary(nodes[1].replicator, epoch, pair_set_id, false), 0);
	unsigned before = node_seen(&nodes[0], FS_REPORT_TARGET_COMPLETE);
	assert_int_equal(replicator_connect(nodes[0].replicator, RESYNC_COMPARE), 0);
	for (uint64_t now = kept; node_seen(&nodes[0], FS_REPORT_TARGET_COMPLETE) == before;) {
		now += now < size ? 64 * 1024 : 0;
		op = (struct op){
			.type = OP_SET_ATTRIBUTES, .object = object, .mask = ATTRIBUTE_SIZE
		};
		op.attributes.size = now;
		assert_int_equal(writer_perform(&writer, &op, objects), 0);
		writers_let(0.002);
	}
	pair_finish(&nodes[0]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_resync_under_load, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(
			test_resync_again_and_again, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_resync_cut_off, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(
			test_room_while_compared, pair_setup, pair_teardown),
	};
	return pair_main(argc, argv, tests, ARRAY_COUNT(tests));
}
