#include "platform/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HANDED_FIRST	  3 /* where LISTEN_FDS begin, as sd_listen_fds(3) has it */
#define LISTEN_PID_DIGITS 20

/* All that the child needs, prepared before the fork: it may not allocate. */
struct launch {
	const struct process_order *order;
	char **environment;
	char listen_pid[16 + LISTEN_PID_DIGITS];
	char listen_fds[32];
	char *listen_names;
	int error_fd; /* write end; tells why execve failed */
};

static void launch_done(struct launch *launch)
{
	free(launch->environment);
	free(launch->listen_names);
}

static int add_listen_names(struct launch *launch)
{
	const struct process_order *order = launch->order;
	static const char key[] = "LISTEN_FDNAMES=";
	size_t size = sizeof(key);

	for (int i = 0; i < order->handed_count; i++)
		size += strlen(order->handed[i].name) + 1;
	launch->listen_names = malloc(size);
	if (launch->listen_names == NULL)
		return -ENOMEM;
	char *at = launch->listen_names;
	memcpy(at, key, sizeof(key) - 1);
	at += sizeof(key) - 1;
	for (int i = 0; i < order->handed_count; i++) {
		if (i > 0)
			*at++ = ':';
		size_t length = strlen(order->handed[i].name);
		memcpy(at, order->handed[i].name, length);
		at += length;
	}
	*at = '\0';
	return 0;
}

static int launch_init(struct launch *launch, const struct process_order *order)
{
	int count = 0;

	*launch = (struct launch){ .order = order, .error_fd = -1 };
	while (order->environment[count] != NULL)
		count++;
	launch->environment = calloc((size_t)count + 4, sizeof(char *));
	if (launch->environment == NULL)
		return -ENOMEM;
	memcpy(launch->environment, order->environment, (size_t)count * sizeof(char *));
	if (order->handed_count == 0)
		return 0;
	int error = add_listen_names(launch);
	if (error != 0)
		return error;
	(void)snprintf(launch->listen_fds, sizeof(launch->listen_fds), "LISTEN_FDS=%d",
		order->handed_count);
	(void)snprintf(launch->listen_pid, sizeof(launch->listen_pid), "LISTEN_PID=");
	launch->environment[count] = launch->listen_fds;
	launch->environment[count + 1] = launch->listen_pid;
	launch->environment[count + 2] = launch->listen_names;
	return 0;
}

/* ---- in the child: only what is safe after a fork in a process with threads ---- */

static void append_number(char *string, long number)
{
	char digits[LISTEN_PID_DIGITS];
	int count = 0;
	char *at = string + strlen(string);

	do {
		digits[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	while (count > 0)
		*at++ = digits[--count];
	*at = '\0';
}

void process_ignore_broken_pipes(void)
{
	const struct sigaction ignored = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGPIPE, &ignored, NULL); /* cannot fail for this signal */
}

static void reset_signals(void)
{
	const struct sigaction usual = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigemptyset(&none);
	for (int number = 1; number < NSIG; number++)
		(void)sigaction(number, &usual, NULL); /* fails for KILL and STOP, as it should */
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void reset_protection(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, "0", 1); /* a protection too much harms little */
	close(fd);
}

/* We may run with real-time priority; what we start must not. */
static void reset_scheduling(void)
{
	const struct sched_param none = { 0 };

	(void)sched_setscheduler(0, SCHED_OTHER, &none); /* lowering cannot be refused */
	(void)setpriority(PRIO_PROCESS, 0, 0);
}

/*
 * Not by CLONE_INTO_CGROUP: Linux 6.18 compares how often cgroup.kill was written in our group and
 * in the child's, and kills the child when the two numbers differ.
 */
static int enter_group(int cgroup_fd)
{
	if (cgroup_fd < 0)
		return 0;
	int fd = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) < 0) /* 0: the writer itself */
		return -errno;
	close(fd);
	return 0;
}

/* Puts the handed descriptors to 3, 4, ...; first out of the way, then down. */
static int place_descriptors(struct launch *launch)
{
	const struct process_order *order = launch->order;
	int moved[PROCESS_HANDED_MAX];
	int floor = HANDED_FIRST + order->handed_count + 1;

	int null = open("/dev/null", O_RDONLY);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return -errno;
	if (order->output_fd >= 0 && (dup2(order->output_fd, STDOUT_FILENO) < 0 ||
					     dup2(order->output_fd, STDERR_FILENO) < 0))
		return -errno;
	launch->error_fd = fcntl(launch->error_fd, F_DUPFD_CLOEXEC, floor);
	for (int i = 0; i < order->handed_count; i++)
		moved[i] = fcntl(order->handed[i].fd, F_DUPFD_CLOEXEC, floor);
	for (int i = 0; i < order->handed_count; i++)
		if (moved[i] < 0 || dup2(moved[i], HANDED_FIRST + i) < 0)
			return -errno;
	/* All others are closed by execve, once they are marked so. */
	(void)close_range(HANDED_FIRST + (unsigned)order->handed_count, ~0u, CLOSE_RANGE_CLOEXEC);
	return 0;
}

static _Noreturn void become(struct launch *launch)
{
	const struct process_order *order = launch->order;

	(void)setsid();
	reset_signals();
	reset_scheduling();
	if (!order->keeps_protection)
		reset_protection();
	if (order->handed_count > 0)
		append_number(launch->listen_pid, (long)getpid());
	int error = enter_group(order->cgroup_fd);
	if (error == 0)
		error = place_descriptors(launch);
	if (error == 0 && chdir(order->folder == NULL ? "/" : order->folder) < 0)
		error = -errno;
	if (error == 0) {
		(void)execve(order->path, order->arguments, launch->environment);
		error = -errno;
		if (error == -ENOENT && access(order->path, F_OK) == 0)
			error = -ELIBACC;
	}
	(void)!write(launch->error_fd, &error, sizeof(error)); /* read when we are reaped */
	_exit(127);
}

/* ---- in the parent ---- */

static pid_t fork_watched(int *out_pidfd)
{
	struct clone_args arguments = { .flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)out_pidfd,
		.exit_signal = SIGCHLD };

	return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

int process_start(const struct process_order *order, struct process *out_process)
{
	struct launch launch;
	struct process process = { .pidfd = -1 };
	int ends[2];

	CHECK(order->handed_count <= PROCESS_HANDED_MAX);
	int error = launch_init(&launch, order);
	if (error == 0 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		error = -errno;
	if (error != 0) {
		launch_done(&launch);
		return error;
	}
	launch.error_fd = ends[1];
	process.failure_fd = ends[0];
	process.pid = fork_watched(&process.pidfd);
	if (process.pid == 0)
		become(&launch);
	error = process.pid < 0 ? -errno : 0;
	close(ends[1]);
	launch_done(&launch);
	if (error != 0)
		close(ends[0]);
	else
		*out_process = process;
	return error;
}

int process_watch(pid_t pid, struct process *out_process)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -errno;
	*out_process = (struct process){ .pid = pid, .pidfd = pidfd, .failure_fd = -1 };
	return 0;
}

/* What a child that has ended said of why it could not run; 0: it ran. */
static int read_failure(const struct process *process)
{
	int failure = 0;

	if (process->failure_fd < 0 ||
		read(process->failure_fd, &failure, sizeof(failure)) != (ssize_t)sizeof(failure))
		return 0;
	return failure;
}

int process_reap(struct process *process, int *out_status)
{
	int result;

	do
		result = waitpid(process->pid, out_status, 0);
	while (result < 0 && errno == EINTR);
	int error = result < 0 ? -errno : read_failure(process);
	process_close(process);
	return error;
}

const char *process_failure(int error)
{
	switch (error) {
	case -ENOENT: return "it does not exist";
	case -ELIBACC: return "its first line names a program that is not there";
	case -EACCES: return "it is not executable (chmod +x)";
	case -ENOEXEC: return "it is no program, and its first line names none (#!/bin/sh)";
	default: return strerror(-error);
	}
}

void process_close(struct process *process)
{
	if (process->pidfd >= 0) {
		close(process->pidfd);
		if (process->failure_fd >= 0)
			close(process->failure_fd);
	}
	*process = (struct process){ .pidfd = -1, .failure_fd = -1 };
}

void process_kill_group(const struct process *process)
{
	if (process->pid > 0)
		(void)kill(-process->pid, SIGKILL); /* none left: as it should be */
}

int process_kill(const struct process *process, int signal_number)
{
	if (process->pidfd < 0)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, process->pidfd, signal_number, NULL, 0) < 0 ? -errno
											  : 0;
}
