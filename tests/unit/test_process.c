/*
 * Starting programs: what cannot be run is told when it is reaped, and why.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/cgroup.h"
#include "platform/process.h"

#define END_LIMIT_MS 10000

static char folder[] = "/tmp/evenkeel-test-process-XXXXXX";

static void write_program(const char *name, const char *text, mode_t mode, char out_path[128])
{
	(void)snprintf(out_path, 128, "%s/%s", folder, name);
	FILE *file = fopen(out_path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(out_path, mode), 0);
}

/* Its end as process_reap() tells it. */
static int run(const char *path, int *out_status)
{
	char *arguments[] = { (char *)path, NULL };
	char *environment[] = { NULL };
	const struct process_order order = { .path = path,
		.arguments = arguments,
		.environment = environment,
		.cgroup_fd = -1,
		.output_fd = -1 };
	struct process process;

	assert_int_equal(process_start(&order, &process), 0);
	struct pollfd end = { .fd = process.pidfd, .events = POLLIN };
	assert_int_equal(poll(&end, 1, END_LIMIT_MS), 1);
	int error = process_reap(&process, out_status);
	assert_int_equal(process.pidfd, -1);
	return error;
}

static void its_status_is_taken(void **state)
{
	char path[128];
	int status;

	(void)state;
	write_program("seven", "#!/bin/sh\nexit 7\n", 0755, path);
	assert_int_equal(run(path, &status), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

static void what_cannot_run_says_why(void **state)
{
	static const struct {
		const char *name, *text;
		mode_t mode;
		int error;
		const char *words;
	} cases[] = {
		{ "bare", "#!/bin/sh\n", 0644, -EACCES, "it is not executable (chmod +x)" },
		{ "lost", "#!/no/such/shell\n", 0755, -ELIBACC,
			"its first line names a program that is not there" },
		{ "text", "echo\n", 0755, -ENOEXEC,
			"it is no program, and its first line names none (#!/bin/sh)" },
	};
	char path[128];
	int status;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		write_program(cases[i].name, cases[i].text, cases[i].mode, path);
		assert_int_equal(run(path, &status), cases[i].error);
		assert_string_equal(process_failure(cases[i].error), cases[i].words);
	}
	assert_int_equal(run("/no/such/program", &status), -ENOENT);
	assert_string_equal(process_failure(-ENOENT), "it does not exist");
}

static bool is_child_seen(const char *group, const char *function)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	bool is_seen = false;

	for (int i = 0; i < END_LIMIT_MS / 10 && !is_seen; i++) {
		is_seen = cgroup_sleeps_in(group, function);
		(void)nanosleep(&pause, NULL);
	}
	return is_seen;
}

static void where_a_group_sleeps_in_the_kernel(void **state)
{
	char own[256], group[320];
	int pipe_fds[2], status;

	(void)state;
	if (cgroup_own(own, sizeof(own)) != 0 || access("/proc/self/wchan", R_OK) != 0)
		skip();
	(void)snprintf(group, sizeof(group), "%s/evenkeel-test-%d", own, (int)getpid());
	if (cgroup_make(group) != 0)
		skip();
	assert_int_equal(pipe(pipe_fds), 0);
	pid_t child = fork();
	if (child == 0)
		_exit(read(pipe_fds[0], &status, 1) == 0); /* for good */
	assert_true(child > 0);
	assert_int_equal(cgroup_enter(group, child), 0);
	assert_true(is_child_seen(group, "pipe_"));
	assert_false(cgroup_sleeps_in(group, "fuse_"));
	assert_int_equal(cgroup_kill(group), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_false(cgroup_sleeps_in(group, "pipe_"));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	cgroup_remove(group);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
	static const char *const names[] = { "seven", "bare", "lost", "text" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_status_is_taken),
		cmocka_unit_test(what_cannot_run_says_why),
		cmocka_unit_test(where_a_group_sleeps_in_the_kernel),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
