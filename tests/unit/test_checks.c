/*
 * The checks of a module around a real loop, with a daemon that only notes what it is told. What
 * needs control groups is skipped where there are none.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/checks/checks.h"
#include "daemon/runtime.h"
#include "daemon/scripts/scripts.h"
#include "platform/cgroup.h"
#include "platform/clock.h"
#include "platform/socket_address.h"

#define LIMIT_NS  (10 * NS_PER_S)
#define PATH_ROOM 256
#define LATE_NS	  (3 * NS_PER_S) /* less than a hanging try takes */
#define TICK_NS	  (10 * NS_PER_MS)
#define PROGRAMS  4

static struct daemon the_daemon;
static struct module the_module;
static char folder[] = "/tmp/evenkeel-test-checks-XXXXXX";
static const char *const names[PROGRAMS] = { "good", "leaves", "hangs", "fails" };

/* What was heard of each check. */
static struct {
	int events;
	bool is_up;
	int64_t at_ns;
} heard[CHECKS_MAX];
static char said[SENTENCE_SIZE_MAX];

/* ---- what checks want of the others ---- */

void daemon_post(struct daemon *daemon, const struct event *event)
{
	(void)daemon;
	assert_int_equal(event->type, EVENT_CHECK_CHANGED);
	heard[event->check.index].events++;
	heard[event->check.index].is_up = event->check.is_up;
	heard[event->check.index].at_ns = clock_boot_ns();
}

void daemon_log(struct daemon *daemon, struct module *module, enum severity severity,
	const char *id, const char *format, ...)
{
	va_list values;

	(void)daemon;
	(void)module;
	(void)severity;
	(void)id;
	va_start(values, format);
	(void)vsnprintf(said, sizeof(said), format, values);
	va_end(values);
}

void runtime_write(struct module *module)
{
	(void)module;
}

char **scripts_environment(const struct module *module)
{
	char **environment = calloc(2, sizeof(char *));

	(void)module;
	assert_non_null(environment);
	environment[0] = strdup("PATH=/usr/bin:/bin");
	return environment;
}

void scripts_free_environment(char **environment)
{
	free(environment[0]);
	free(environment);
}

/* ---- a module in a folder and a group of its own ---- */

static void set_group(char out[PATH_SIZE_MAX], const char *end)
{
	(void)snprintf(out, PATH_SIZE_MAX, "%.3000s/m%s", the_daemon.cgroup, end);
}

static bool find_group(void)
{
	char own[PATH_SIZE_MAX];

	if (cgroup_own(own, sizeof(own)) != 0)
		return false;
	(void)snprintf(the_daemon.cgroup, sizeof(the_daemon.cgroup), "%.3000s/evenkeel-test-%d",
		own, (int)getpid());
	if (cgroup_make(the_daemon.cgroup) == 0)
		return true;
	the_daemon.cgroup[0] = '\0';
	return false;
}

static void write_program(const char *name, const char *text)
{
	char path[PATH_ROOM];

	(void)snprintf(path, sizeof(path), "%s/bin/%s", folder, name);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0755), 0);
}

static int make_all(void **state)
{
	char path[PATH_ROOM];

	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/bin", folder);
	if (mkdir(path, 0755) != 0)
		return -1;
	write_program("good", "#!/bin/sh\nexit 0\n");
	/* In a session of its own, as a daemon would be: 0 of it may be left. */
	write_program("leaves", "#!/bin/sh\nsetsid sleep 600 >/dev/null 2>&1 &\nexit 0\n");
	/* More than a pipe holds; what counts comes last. */
	write_program("fails", "#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' 'x'\necho\n"
			       "echo 'no connection to the database' >&2\necho\nexit 3\n");
	write_program("hangs", "#!/bin/sh\nsetsid sleep 600 &\nsleep 600\n");
	(void)find_group();
	return 0;
}

static int remove_all(void **state)
{
	char path[PATH_SIZE_MAX];

	(void)state;
	for (int i = 0; i < PROGRAMS; i++) {
		(void)snprintf(path, sizeof(path), "%s/bin/%s", folder, names[i]);
		unlink(path);
	}
	(void)snprintf(path, sizeof(path), "%s/bin", folder);
	rmdir(path);
	rmdir(folder);
	if (the_daemon.cgroup[0] == '\0')
		return 0;
	bool is_left = cgroup_is_populated(the_daemon.cgroup);
	if (is_left && cgroup_kill(the_daemon.cgroup) != 0)
		return -1;
	set_group(path, "");
	cgroup_remove(path);
	cgroup_remove(the_daemon.cgroup);
	return is_left || access(the_daemon.cgroup, F_OK) == 0;
}

static int open_module(void **state)
{
	(void)state;
	memset(heard, 0, sizeof(heard));
	the_module = (struct module){ .daemon = &the_daemon };
	(void)snprintf(the_module.settings.name, sizeof(the_module.settings.name), "m");
	(void)snprintf(
		the_module.settings.folder, sizeof(the_module.settings.folder), "%s", folder);
	if (loop_open(&the_daemon.loop) != 0)
		return -1;
	return checks_add(&the_module);
}

static int close_module(void **state)
{
	(void)state;
	checks_remove(&the_module);
	loop_close(&the_daemon.loop);
	return 0;
}

static struct check_config *add_check(const char *command)
{
	struct module_settings *settings = &the_module.settings;
	struct check_config *check = &settings->checks[settings->check_count++];

	check->kind = command == NULL ? CHECK_TCP : CHECK_COMMAND;
	(void)snprintf(check->name, sizeof(check->name), "%s", command == NULL ? "tcp" : command);
	if (command != NULL)
		(void)snprintf(check->command, sizeof(check->command), "%s", command);
	check->interval_ns = 100 * NS_PER_MS;
	check->timeout_ns = 5 * NS_PER_S;
	return check;
}

/* ---- the loop, for a while ---- */

struct wait {
	struct timer tick;
	bool (*is_over)(void);
	int64_t until_ns, last_ns, late_ns;
};

static void on_tick(void *owner)
{
	struct wait *wait = owner;
	int64_t now_ns = clock_boot_ns();

	wait->late_ns = MAX_OF(wait->late_ns, now_ns - wait->last_ns - TICK_NS);
	wait->last_ns = now_ns;
	the_daemon.loop.should_stop = wait->is_over() || now_ns > wait->until_ns;
	loop_arm(&the_daemon.loop, &wait->tick, now_ns + TICK_NS);
}

/* Gives how late the loop was at most: as a beat would have been. */
static int64_t wait_for(bool (*is_over)(void))
{
	struct wait wait = { .is_over = is_over,
		.until_ns = clock_boot_ns() + LIMIT_NS,
		.last_ns = clock_boot_ns() };

	wait.tick = (struct timer){ .owner = &wait, .on_due = on_tick };
	the_daemon.loop.should_stop = false;
	loop_arm(&the_daemon.loop, &wait.tick, wait.last_ns + TICK_NS);
	assert_int_equal(loop_run(&the_daemon.loop), 0);
	loop_disarm(&the_daemon.loop, &wait.tick);
	assert_true(is_over());
	return wait.late_ns;
}

static bool is_first_heard(void)
{
	return heard[0].events > 0;
}

static bool is_second_heard(void)
{
	return heard[1].events > 0;
}

static bool are_groups_empty(void)
{
	char path[PATH_SIZE_MAX];

	set_group(path, "/check");
	return !cgroup_is_populated(path);
}

/* ---- tests ---- */

static void a_program_that_ends_with_0_is_up(void **state)
{
	(void)state;
	(void)add_check("good");
	checks_start(&the_module);
	(void)wait_for(is_first_heard);
	assert_true(heard[0].is_up);
	assert_string_equal(said, "Check good is up.");
	checks_stop(&the_module);
}

/* The module's address is held: there the check goes. */
static void try_port(const char *host, const char *where)
{
	struct address address;
	struct sockaddr_storage storage;
	char wanted[128];
	uint16_t port;

	assert_int_equal(address_read(host, ADDRESS_OF_NODE, &address), ADDRESS_IS_GOOD);
	socklen_t size = socket_address_fill(&address, 0, &storage);
	int listener = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(listener >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&storage, size), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&storage, &size), 0);
	memcpy(&port, (const char *)&storage + offsetof(struct sockaddr_in, sin_port),
		sizeof(port));
	add_check(NULL)->tcp_port = ntohs(port);
	the_module.settings.address_count = 1;
	the_module.settings.addresses[0].address = address;
	the_module.runtime.is_address_held = true;
	checks_start(&the_module);
	(void)wait_for(is_first_heard);
	assert_true(heard[0].is_up);
	close(listener);
	heard[0].events = 0;
	(void)wait_for(is_first_heard); /* after three failures */
	assert_false(heard[0].is_up);
	snprintf(wanted, sizeof(wanted), "Check tcp is down: Connection refused at %s:%u.", where,
		ntohs(port));
	assert_string_equal(said, wanted);
}

static void a_port_is_up_while_it_accepts(void **state)
{
	(void)state;
	try_port("127.0.0.1", "127.0.0.1");
}

static void a_port_of_ipv6_is_up_while_it_accepts(void **state)
{
	(void)state;
	try_port("::1", "[::1]");
}

static void what_a_check_leaves_in_a_session_of_its_own_is_killed(void **state)
{
	(void)state;
	if (the_daemon.cgroup[0] == '\0')
		skip();
	add_check("leaves")->interval_ns = 60 * NS_PER_S;
	checks_start(&the_module);
	(void)wait_for(is_first_heard);
	assert_true(heard[0].is_up);
	(void)wait_for(are_groups_empty);
}

/* One that hangs is up first, so that what comes later is told; then it delays nobody, and the loop
 * even less. */
static void one_that_hangs_delays_nobody_and_is_killed_with_all_it_started(void **state)
{
	(void)state;
	if (the_daemon.cgroup[0] == '\0')
		skip();
	struct check_config *slow = add_check("good");
	checks_start(&the_module);
	(void)wait_for(is_first_heard);
	heard[0].events = 0;
	(void)snprintf(slow->command, sizeof(slow->command), "hangs");
	(void)add_check("good");
	checks_start(&the_module);
	int64_t late_ns = wait_for(is_second_heard);
	assert_true(heard[1].is_up);
	assert_int_equal(heard[0].events, 0);
	assert_true(late_ns < LATE_NS);
	checks_stop(&the_module);
	(void)wait_for(are_groups_empty);
}

static void a_hanging_try_ends_at_its_timeout(void **state)
{
	(void)state;
	if (the_daemon.cgroup[0] == '\0')
		skip();
	struct check_config *check = add_check("good");
	check->timeout_ns = 300 * NS_PER_MS;
	checks_start(&the_module);
	(void)wait_for(is_first_heard);
	heard[0].events = 0;
	(void)snprintf(check->command, sizeof(check->command), "hangs");
	(void)wait_for(is_first_heard);
	assert_false(heard[0].is_up);
	assert_string_equal(said, "Check good is down: no answer within its timeout.");
	checks_stop(&the_module);
	(void)wait_for(are_groups_empty);
}

/* Of a daemon that was killed while a check ran. */
static void what_a_predecessor_left_is_killed(void **state)
{
	char path[PATH_SIZE_MAX];

	(void)state;
	if (the_daemon.cgroup[0] == '\0')
		skip();
	set_group(path, "/check/3");
	assert_int_equal(cgroup_make(path), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)execl("/bin/sleep", "sleep", "600", NULL);
		_exit(1);
	}
	assert_int_equal(cgroup_enter(path, pid), 0);
	assert_false(are_groups_empty());
	checks_remove(&the_module);
	assert_int_equal(checks_add(&the_module), 0);
	(void)wait_for(are_groups_empty);
}

/* Something of the last try still lives: the next one fails instead of adding to it, and has it killed. */
static void a_try_is_not_heaped_upon_one_that_lives(void **state)
{
	char path[PATH_SIZE_MAX];

	(void)state;
	if (the_daemon.cgroup[0] == '\0')
		skip();
	struct check_config *check = add_check("good");
	check->interval_ns = 500 * NS_PER_MS;
	set_group(path, "/check/0");
	assert_int_equal(cgroup_make(path), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)execl("/bin/sleep", "sleep", "600", NULL);
		_exit(1);
	}
	assert_int_equal(cgroup_enter(path, pid), 0);
	int64_t began_ns = clock_boot_ns();
	checks_start(&the_module);
	(void)wait_for(is_first_heard);
	assert_true(heard[0].is_up);
	assert_true(heard[0].at_ns - began_ns >= check->interval_ns);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_program_that_is_not_there_is_down(void **state)
{
	(void)state;
	(void)add_check("good");
	checks_start(&the_module);
	(void)wait_for(is_first_heard);
	heard[0].events = 0;
	(void)snprintf(the_module.settings.checks[0].command, 8, "lost");
	(void)wait_for(is_first_heard);
	assert_false(heard[0].is_up);
	assert_string_equal(said, "Check good is down: it does not exist.");
}

/* evenkeeld was killed while the application ran: one that dies then is not given ten seconds again. */
static void a_restart_of_evenkeeld_gives_no_new_grace(void **state)
{
	(void)state;
	(void)add_check("fails");
	int64_t began_ns = clock_boot_ns();
	checks_resume(&the_module);
	checks_start(&the_module); /* as the core orders it once it knows what runs */
	(void)wait_for(is_first_heard);
	assert_false(heard[0].is_up);
	assert_true(heard[0].at_ns - began_ns < 10 * NS_PER_S);
}

static void what_a_failing_program_said_last_is_told(void **state)
{
	char trouble[SENTENCE_SIZE_MAX] = "";

	(void)state;
	(void)add_check("good");
	checks_start(&the_module);
	(void)wait_for(is_first_heard);
	assert_false(checks_trouble(&the_module, trouble));
	heard[0].events = 0;
	(void)snprintf(the_module.settings.checks[0].command, 8, "fails");
	(void)wait_for(is_first_heard);
	assert_false(heard[0].is_up);
	assert_string_equal(said, "Check good is down: it ended with status 3, and said: no "
				  "connection to the database.");
	/* And as long as it is so, not only at the moment when it became so. */
	assert_true(checks_trouble(&the_module, trouble));
	assert_non_null(strstr(trouble, "check good is down since 20"));
	assert_non_null(strstr(trouble, "no connection to the database"));
	checks_stop(&the_module);
	assert_false(checks_trouble(&the_module, trouble));
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, open_module, close_module)
	const struct CMUnitTest tests[] = {
		CASE(a_program_that_ends_with_0_is_up),
		CASE(a_port_is_up_while_it_accepts),
		CASE(a_port_of_ipv6_is_up_while_it_accepts),
		CASE(a_program_that_is_not_there_is_down),
		CASE(what_a_failing_program_said_last_is_told),
		CASE(a_restart_of_evenkeeld_gives_no_new_grace),
		CASE(what_a_check_leaves_in_a_session_of_its_own_is_killed),
		CASE(one_that_hangs_delays_nobody_and_is_killed_with_all_it_started),
		CASE(a_hanging_try_ends_at_its_timeout),
		CASE(what_a_predecessor_left_is_killed),
		CASE(a_try_is_not_heaped_upon_one_that_lives),
	};
	return cmocka_run_group_tests(tests, make_all, remove_all);
}
