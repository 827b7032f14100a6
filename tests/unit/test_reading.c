/*
 * Reading configuration beside the loop, with a disk that hangs when it is told to.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/preflight.h"
#include "daemon/reading.h"
#include "platform/clock.h"
#include "platform/lock.h"

#define TICK_NS	 (10 * NS_PER_MS)
#define LIMIT_NS (30 * NS_PER_S)
#define LATE_NS	 (2 * NS_PER_S) /* less than the disk hangs */
#define ROOM	 8

static struct daemon the_daemon;

/* ---- the disk ---- */

static struct {
	struct lock lock;
	struct condition changed;
	bool is_hanging;
	int readings;
} disk;

static void set_hanging(bool is_hanging)
{
	lock_take(&disk.lock);
	disk.is_hanging = is_hanging;
	condition_wake_all(&disk.changed);
	lock_give(&disk.lock);
}

int config_read_cluster(
	const char *path, struct cluster_config *out_config, struct config_error *out_error)
{
	(void)out_error;
	assert_string_equal(path, "/c/cluster.yaml");
	lock_take(&disk.lock);
	while (disk.is_hanging)
		condition_wait(&disk.changed, &disk.lock);
	*out_config = (struct cluster_config){ .epoch = (uint64_t)++disk.readings };
	lock_give(&disk.lock);
	return 0;
}

int config_read_modules(const char *config_folder, const struct cluster_config *cluster,
	const char *run_folder, struct config_modules *out_modules, struct config_error *out_error)
{
	(void)config_folder;
	(void)cluster;
	(void)run_folder;
	(void)out_error;
	*out_modules = (struct config_modules){ 0 };
	return 0;
}

int config_read_all_modules(const char *config_folder, const struct cluster_config *cluster,
	struct config_modules *out_modules, struct config_error *out_error)
{
	return config_read_modules(config_folder, cluster, NULL, out_modules, out_error);
}

int preflight_addresses(const struct cluster_config *cluster, const struct config_modules *modules,
	struct config_error *out_error)
{
	(void)cluster;
	(void)modules;
	(void)out_error;
	return 0;
}

int preflight_programs(const struct config_modules *modules, struct config_error *out_error)
{
	(void)modules;
	(void)out_error;
	return 0;
}

void config_modules_done(struct config_modules *modules)
{
	(void)modules;
}

/* ---- who asks ---- */

static struct {
	uint32_t request;
	int error;
	uint64_t epoch;
} answers[3 * ROOM];
static int answer_count, wanted_count;

static void on_read(struct daemon *daemon, uint32_t request, struct reading *reading)
{
	(void)daemon;
	answers[answer_count].request = request;
	answers[answer_count].error = reading->error;
	answers[answer_count++].epoch = reading->cluster.epoch;
	if (reading->error == -ETIMEDOUT)
		assert_non_null(strstr(reading->wrong.sentence, "/c cannot be read"));
}

static void ask(uint32_t request)
{
	assert_int_equal(reading_ask(&the_daemon, READING_ALL, request, on_read), 0);
}

struct ticks {
	struct timer timer;
	int64_t last_ns, late_ns, until_ns;
};

static void on_tick(void *owner)
{
	struct ticks *ticks = owner;
	int64_t now_ns = clock_boot_ns();

	ticks->late_ns = MAX_OF(ticks->late_ns, now_ns - ticks->last_ns - TICK_NS);
	ticks->last_ns = now_ns;
	the_daemon.loop.should_stop = answer_count >= wanted_count || now_ns > ticks->until_ns;
	loop_arm(&the_daemon.loop, &ticks->timer, now_ns + TICK_NS);
}

/* Gives how late the loop was at most, as a beat would have been. */
static int64_t wait_for_answers(int count)
{
	int64_t now_ns = clock_boot_ns();
	struct ticks ticks = { .last_ns = now_ns, .until_ns = now_ns + LIMIT_NS };

	wanted_count = count;
	the_daemon.loop.should_stop = false;
	ticks.timer = (struct timer){ .owner = &ticks, .on_due = on_tick };
	loop_arm(&the_daemon.loop, &ticks.timer, now_ns + TICK_NS);
	assert_int_equal(loop_run(&the_daemon.loop), 0);
	loop_disarm(&the_daemon.loop, &ticks.timer);
	assert_int_equal(answer_count, count);
	return ticks.late_ns;
}

static int open_all(void **state)
{
	(void)state;
	memset(&the_daemon, 0, sizeof(the_daemon));
	(void)snprintf(the_daemon.paths.config, sizeof(the_daemon.paths.config), "/c");
	lock_init(&disk.lock, RANK_LEAF);
	condition_init(&disk.changed);
	disk.is_hanging = false;
	disk.readings = 0;
	answer_count = 0;
	return loop_open(&the_daemon.loop) == 0 && reading_open(&the_daemon) == 0 ? 0 : -1;
}

static int close_all(void **state)
{
	(void)state;
	set_hanging(false);
	reading_close(&the_daemon);
	loop_close(&the_daemon.loop);
	return 0;
}

/* ---- tests ---- */

static void who_asked_first_is_answered_first(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < ROOM; i++)
		ask(100 + i);
	(void)wait_for_answers(ROOM);
	for (uint32_t i = 0; i < ROOM; i++) {
		assert_int_equal(answers[i].request, 100 + i);
		assert_int_equal(answers[i].error, 0);
		assert_int_equal(answers[i].epoch, i + 1);
	}
}

/* It hangs for longer than anybody waits; the loop turns all the time, and what comes too late is
 * thrown away. */
static void a_disk_that_hangs_holds_up_nobody_else(void **state)
{
	(void)state;
	set_hanging(true);
	ask(1);
	ask(2);
	assert_true(wait_for_answers(2) < LATE_NS);
	assert_int_equal(answers[0].request, 1);
	assert_int_equal(answers[0].error, -ETIMEDOUT);
	assert_int_equal(answers[1].error, -ETIMEDOUT);
	set_hanging(false);
	ask(3);
	(void)wait_for_answers(3);
	assert_int_equal(answers[2].request, 3);
	assert_int_equal(answers[2].error, 0);
	assert_int_equal(answers[2].epoch, 3);
}

static void only_so_many_wait(void **state)
{
	(void)state;
	set_hanging(true);
	for (uint32_t i = 0; i < ROOM; i++)
		ask(i);
	assert_int_equal(reading_ask(&the_daemon, READING_ALL, ROOM, on_read), -EBUSY);
	set_hanging(false);
	(void)wait_for_answers(ROOM);
	ask(ROOM);
	(void)wait_for_answers(ROOM + 1);
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, open_all, close_all)
	const struct CMUnitTest tests[] = {
		CASE(who_asked_first_is_answered_first),
		CASE(a_disk_that_hangs_holds_up_nobody_else),
		CASE(only_so_many_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
