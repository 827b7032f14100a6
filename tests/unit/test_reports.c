/* What evenkeel-fs reports while evenkeeld is away: a failure is never pushed out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/reports.h"

static struct reports reports;

static int forget(void **state)
{
	(void)state;
	reports.count = 0;
	return 0;
}

static void keep(enum fs_report kind, uint64_t done)
{
	reports_keep(&reports, &(struct fs_reported){ .report = kind, .done = done });
}

static int count_of(enum fs_report kind)
{
	int count = 0;

	for (int i = 0; i < reports.count; i++)
		count += reports.list[i].report == kind;
	return count;
}

/* A copy of hours while evenkeeld cannot be reached. */
static void progress_pushes_nothing_out(void **state)
{
	(void)state;
	keep(FS_REPORT_LOCAL_FAILED, 0);
	for (uint64_t i = 0; i < 1000; i++)
		keep(FS_REPORT_RESYNC_PROGRESS, i);
	assert_int_equal(reports.count, 2);
	assert_int_equal(reports.list[0].report, FS_REPORT_LOCAL_FAILED);
	assert_int_equal(reports.list[1].done, 999);
}

static void notices_push_nothing_out_that_decides(void **state)
{
	(void)state;
	keep(FS_REPORT_PEER_FAILED, 0);
	keep(FS_REPORT_REFUSED, 0);
	for (uint64_t i = 0; i < 1000; i++)
		keep(FS_REPORT_NOTICE, i);
	assert_int_equal(reports.count, REPORTS_MAX);
	assert_int_equal(reports.list[0].report, FS_REPORT_PEER_FAILED);
	assert_int_equal(reports.list[1].report, FS_REPORT_REFUSED);
	assert_int_equal(reports.list[REPORTS_MAX - 1].done, 999);
}

/* A session that comes and goes: the last of each kind stays, in its order. */
static void the_last_of_each_kind_stays(void **state)
{
	(void)state;
	keep(FS_REPORT_LOCAL_FAILED, 0);
	for (uint64_t i = 0; i < 500; i++) {
		keep(FS_REPORT_CONNECTED, i);
		keep(FS_REPORT_PEER_LOST, i);
	}
	assert_int_equal(reports.count, REPORTS_MAX);
	assert_int_equal(count_of(FS_REPORT_LOCAL_FAILED), 1);
	assert_int_equal(reports.list[REPORTS_MAX - 2].report, FS_REPORT_CONNECTED);
	assert_int_equal(reports.list[REPORTS_MAX - 1].report, FS_REPORT_PEER_LOST);
	assert_int_equal(reports.list[REPORTS_MAX - 1].done, 499);
}

static void told_in_order_and_forgotten_by_kind(void **state)
{
	(void)state;
	keep(FS_REPORT_CONNECTED, 1);
	keep(FS_REPORT_PEER_LOST, 2);
	keep(FS_REPORT_DRAINED, 3);
	keep(FS_REPORT_PEER_LOST, 4);
	reports_forget(&reports, FS_REPORT_PEER_LOST);
	assert_int_equal(reports.count, 2);
	assert_int_equal(reports.list[0].done, 1);
	reports_shift(&reports);
	assert_int_equal(reports.list[0].done, 3);
	reports_shift(&reports);
	assert_int_equal(reports.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(progress_pushes_nothing_out, forget),
		cmocka_unit_test_setup(notices_push_nothing_out_that_decides, forget),
		cmocka_unit_test_setup(the_last_of_each_kind_stays, forget),
		cmocka_unit_test_setup(told_in_order_and_forgotten_by_kind, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
