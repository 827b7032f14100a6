/*
 * A planned exit, second by second: the core, scripts, evenkeel-fs and the clock are played here. What must
 * hold: evenkeeld ends when nothing of a module runs any more, and calls it success only then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "daemon/guests/guests.h"
#include "daemon/mesh/mesh.h"
#include "daemon/scripts/scripts.h"
#include "daemon/shutdown.h"

static int64_t now_ns;
static struct timer *armed;
static int64_t due_ns;
static bool is_core_done, is_application_there, is_fs_wanted, is_killable;
static int kills;
static char said[64];

/* ---- what is played ---- */

int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
	(void)clock;
	*out = (struct timespec){ .tv_sec = now_ns / NS_PER_S, .tv_nsec = now_ns % NS_PER_S };
	return 0;
}

void loop_arm(struct loop *loop, struct timer *timer, int64_t time_ns)
{
	(void)loop;
	armed = timer;
	due_ns = time_ns;
}

void loop_disarm(struct loop *loop, struct timer *timer)
{
	(void)loop;
	(void)timer;
	armed = NULL;
}

void daemon_post(struct daemon *daemon, const struct event *event)
{
	(void)daemon;
	assert_int_equal(event->type, EVENT_SHUTDOWN_WANTED);
}

void daemon_log(struct daemon *daemon, struct module *module, enum severity severity,
	const char *id, const char *format, ...)
{
	(void)daemon;
	(void)module;
	(void)format;
	assert_int_equal(severity, SEVERITY_ERROR);
	(void)strncpy(said, id, sizeof(said) - 1);
}

bool __wrap_core_is_shut_down(const struct core *core);

bool __wrap_core_is_shut_down(const struct core *core)
{
	(void)core;
	return is_core_done;
}

void mesh_send(struct daemon *daemon, bool is_goodbye)
{
	(void)daemon;
	assert_int_equal(is_goodbye, is_core_done);
}

bool scripts_is_application_running(const struct module *module)
{
	(void)module;
	return is_application_there;
}

void scripts_name_application(const struct module *module, char *out, size_t size)
{
	(void)module;
	assert_true(size > 8);
	(void)snprintf(out, size, "%s", is_application_there ? "db" : "");
}

void scripts_kill_application(struct module *module)
{
	(void)module;
	kills++;
	is_application_there = is_application_there && !is_killable;
}

bool fs_is_wanted(const struct module *module)
{
	(void)module;
	return is_fs_wanted;
}

void fs_release_now(struct module *module)
{
	(void)module;
	is_fs_wanted = is_fs_wanted && !is_killable;
}

/* ---- the tests ---- */

static struct daemon daemon_;
static struct module module;

static int set_up(void **state)
{
	(void)state;
	memset(&daemon_, 0, sizeof(daemon_));
	memset(&module, 0, sizeof(module));
	module.daemon = &daemon_;
	module.settings.script_timeout_ns = 300 * NS_PER_S;
	module.settings.has_script[SCRIPT_STOP_PRIM] = true;
	daemon_.modules[0] = &module;
	daemon_.module_count = 1;
	daemon_.cgroup[0] = '/';
	now_ns = 1000 * NS_PER_S;
	is_core_done = false;
	is_application_there = is_fs_wanted = is_killable = true;
	kills = 0;
	said[0] = '\0';
	return 0;
}

static bool has_ended(void)
{
	return daemon_.loop.should_stop;
}

static void wait_s(int64_t seconds)
{
	int64_t until_ns = now_ns + seconds * NS_PER_S;

	while (!has_ended() && armed != NULL && due_ns <= until_ns) {
		now_ns = MAX_OF(now_ns, due_ns);
		armed->on_due(armed->owner);
	}
	now_ns = until_ns;
}

static void stop_all(void)
{
	is_application_there = is_fs_wanted = false;
	is_core_done = true;
}

static void a_stop_script_has_its_own_limit(void **state)
{
	(void)state;
	shutdown_start(&daemon_);
	wait_s(120);
	assert_false(has_ended());
	wait_s(450); /* it hung, and its second pass hangs as well */
	assert_false(has_ended());
	assert_int_equal(kills, 0);
	stop_all();
	wait_s(1);
	assert_true(has_ended() && !daemon_.has_failed);
}

static void what_runs_is_not_stopped(void **state)
{
	(void)state;
	shutdown_start(&daemon_);
	is_core_done = true;
	is_fs_wanted = false;
	wait_s(30); /* the core knows no more to do; a process of the application lives */
	assert_false(has_ended());
	is_application_there = false;
	wait_s(1);
	assert_true(has_ended() && !daemon_.has_failed);
}

static void beyond_its_limit_it_is_forced_and_no_success(void **state)
{
	(void)state;
	shutdown_start(&daemon_);
	wait_s(shutdown_limit_ns(&daemon_) / NS_PER_S + 1);
	assert_true(kills > 0);
	assert_true(has_ended() && daemon_.has_failed);
	assert_string_equal(said, "daemon.stop_forced");
}

static void what_cannot_be_ended_is_said(void **state)
{
	(void)state;
	is_killable = false;
	shutdown_start(&daemon_);
	wait_s(shutdown_limit_ns(&daemon_) / NS_PER_S + 2);
	assert_false(has_ended());
	wait_s(60);
	assert_true(has_ended() && daemon_.has_failed);
	assert_string_equal(said, "daemon.stop_incomplete");
}

static void a_second_signal_does_not_wait_and_is_no_success(void **state)
{
	(void)state;
	shutdown_start(&daemon_);
	wait_s(3);
	shutdown_start(&daemon_);
	assert_int_equal(kills, 1);
	wait_s(1);
	assert_true(has_ended() && daemon_.has_failed);
}

static void a_state_disk_that_hangs_keeps_nobody(void **state)
{
	(void)state;
	module.is_writing = true;
	shutdown_start(&daemon_);
	wait_s(5);
	is_application_there = is_fs_wanted = false;
	wait_s(5);
	assert_false(has_ended());
	wait_s(20);
	assert_true(has_ended() && daemon_.has_failed);
	assert_int_equal(kills, 0);
	assert_string_equal(said, "daemon.stop_unrecorded");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_stop_script_has_its_own_limit, set_up),
		cmocka_unit_test_setup(what_runs_is_not_stopped, set_up),
		cmocka_unit_test_setup(beyond_its_limit_it_is_forced_and_no_success, set_up),
		cmocka_unit_test_setup(what_cannot_be_ended_is_said, set_up),
		cmocka_unit_test_setup(a_second_signal_does_not_wait_and_is_no_success, set_up),
		cmocka_unit_test_setup(a_state_disk_that_hangs_keeps_nobody, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
