/*
 * Two copies in step: what applications write on the primary is on the secondary, and a comparison
 * of both finds what is not.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "pair.h"

static void test_paired_writing(void **state)
{
	(void)state;
	struct writers writers;
	pair_begin();
	writers_start(&writers, &nodes[0]);
	writers_let(pair_seconds);
	node_verify(&nodes[0], 0);
	assert_true(writers_stop(&writers) > 100);
	pair_finish(&nodes[0]);

	/* Behind the product's back: one byte, and one name. */
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/extra", nodes[1].root);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	node_verify(&nodes[0], 1);
	assert_int_equal(node_seen(&nodes[0], FS_REPORT_PEER_LOST), 0);
	assert_int_equal(node_seen(&nodes[0], FS_REPORT_PEER_FAILED), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_paired_writing, pair_setup, pair_teardown),
	};
	return pair_main(argc, argv, tests, ARRAY_COUNT(tests));
}
