/*
 * evenkeel-hold: starts evenkeeld, starts it again whatever ends it, and keeps what must outlive it
 * (descriptors and memory, in the notify socket's FDSTORE form). No logic beyond that, so that it
 * has no reason to die or to be upgraded.
 *
 *	              SIGCHLD, or the pidfd of one that it did not start
 *	 +---------+ ---------------------------------------------------> +---------+
 *	 | running |                                                      | waiting |
 *	 +---------+ <--------------------------------------------------- +---------+
 *	                      at once; 300 ms at most if it keeps dying
 *
 * It ends when evenkeeld has ended as planned (status 0), and passes SIGTERM on; with another status
 * if evenkeeld did not stop in order then. If it was killed
 * itself, its successor finds run/evenkeeld.lock held, watches the one that lives, and is offered
 * the descriptors again by it.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "platform/clock.h"
#include "platform/fdstore.h"
#include "platform/folders.h"
#include "platform/process.h"
#include "platform/terminal.h"

#define BACKOFF_FIRST_NS (20 * NS_PER_MS)
#define BACKOFF_MAX_NS	 (300 * NS_PER_MS)
#define HEALTHY_NS	 NS_PER_S /* who lived so long is started again without waiting */

struct hold {
	char **arguments; /* for evenkeeld; [0] replaced */
	char program[PATH_SIZE_MAX];
	char socket_path[PATH_SIZE_MAX];
	char lock_path[PATH_SIZE_MAX]; /* evenkeeld's */
	int socket;
	int signals;
	struct process daemon; /* pidfd -1: none runs */
	bool is_child;	       /* else it was started by our predecessor */
	bool is_stopping;
	bool has_failed; /* it was to stop, and did not in order */
	int64_t started_ns, start_at_ns, backoff_ns;
	struct handed_fd *kept;
	int kept_count;
};

static void say(const char *sentence, int error)
{
	fprintf(stderr, "evenkeel-hold: %s%s%s\n", sentence, error == 0 ? "" : ": ",
		error == 0 ? "" : strerror(-error));
}

/* ---- what is kept ---- */

static int find_kept(const struct hold *hold, const char *name)
{
	for (int i = 0; i < hold->kept_count; i++)
		if (strcmp(hold->kept[i].name, name) == 0)
			return i;
	return -1;
}

static void forget(struct hold *hold, const char *name)
{
	int at = find_kept(hold, name);
	if (at < 0)
		return;
	close(hold->kept[at].fd);
	hold->kept[at] = hold->kept[--hold->kept_count];
}

static void keep(struct hold *hold, const struct fdstore_message *message)
{
	forget(hold, message->name);
	if (hold->kept_count == PROCESS_HANDED_MAX) {
		say("cannot keep one more descriptor: all places are taken", 0);
		close(message->fd);
		return;
	}
	struct handed_fd *place = &hold->kept[hold->kept_count++];
	place->fd = message->fd;
	(void)snprintf(place->name, sizeof(place->name), "%s", message->name);
}

static void on_socket(struct hold *hold)
{
	struct fdstore_message message;

	for (;;) {
		int error = fdstore_receive(hold->socket, &message);
		if (error == -EBADMSG)
			continue; /* not for us; the next one may be */
		if (error != 0)
			return;
		if (message.word == FDSTORE_KEEP)
			keep(hold, &message);
		else
			forget(hold, message.name);
	}
}

/* ---- evenkeeld ---- */

/* Who holds the lock wrote its process id into it. Errors: -ESRCH: nobody does. */
static int find_living(const struct hold *hold, struct process *out_process)
{
	char text[32] = "";

	int fd = open(hold->lock_path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ESRCH;
	bool is_free = flock(fd, LOCK_SH | LOCK_NB) == 0;
	ssize_t size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (is_free)
		return -ESRCH;
	long pid = size > 0 ? strtol(text, NULL, 10) : 0;
	/* Held, but not yet written: it is just starting. Ask again. */
	return pid <= 0 ? -EAGAIN : process_watch((pid_t)pid, out_process);
}

static int start_daemon(struct hold *hold)
{
	const struct process_order order = { .path = hold->program,
		.arguments = hold->arguments,
		.environment = environ,
		.cgroup_fd = -1,
		.output_fd = -1,
		.handed = hold->kept,
		.handed_count = hold->kept_count,
		.keeps_protection = true };

	hold->is_child = true;
	return process_start(&order, &hold->daemon);
}

static void run_daemon(struct hold *hold)
{
	int error = find_living(hold, &hold->daemon);
	hold->is_child = false;
	if (error == -ESRCH)
		error = start_daemon(hold);
	hold->started_ns = clock_boot_ns();
	if (error != 0) {
		if (error != -EAGAIN)
			say("cannot start evenkeeld, trying again", error);
		hold->start_at_ns = hold->started_ns + BACKOFF_MAX_NS;
	}
}

/* Returns whether it ended as planned. */
static bool take_status(struct hold *hold)
{
	int status = -1;
	char sentence[96];

	if (!hold->is_child) {
		process_close(&hold->daemon);
		return hold->is_stopping;
	}
	int error = process_reap(&hold->daemon, &status);
	if (error == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	hold->has_failed = hold->is_stopping;
	if (error != 0)
		(void)snprintf(sentence, sizeof(sentence), "cannot start evenkeeld, trying again");
	else if (WIFSIGNALED(status))
		(void)snprintf(sentence, sizeof(sentence),
			"evenkeeld was ended by signal %d; starting it again", WTERMSIG(status));
	else
		(void)snprintf(sentence, sizeof(sentence),
			"evenkeeld ended with status %d; starting it again", WEXITSTATUS(status));
	say(sentence, error);
	return hold->is_stopping;
}

/* Returns whether we are done. */
static bool on_daemon_ended(struct hold *hold)
{
	int64_t now_ns = clock_boot_ns();

	if (take_status(hold))
		return true;
	if (now_ns - hold->started_ns >= HEALTHY_NS) {
		hold->backoff_ns = BACKOFF_FIRST_NS;
		hold->start_at_ns = now_ns;
	} else {
		hold->start_at_ns = now_ns + hold->backoff_ns;
		hold->backoff_ns = MIN_OF(2 * hold->backoff_ns, BACKOFF_MAX_NS);
	}
	return false;
}

static bool on_signal(struct hold *hold)
{
	struct signalfd_siginfo info;

	if (read(hold->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return false;
	hold->is_stopping = true;
	/* Nobody to pass it on to: done. */
	return process_kill(&hold->daemon, SIGTERM) != 0;
}

static int wait_ms(const struct hold *hold)
{
	if (hold->daemon.pidfd >= 0)
		return -1;
	int64_t left_ns = hold->start_at_ns - clock_boot_ns();
	return left_ns <= 0 ? 0 : (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void run(struct hold *hold)
{
	for (;;) {
		if (hold->daemon.pidfd < 0 && clock_boot_ns() >= hold->start_at_ns)
			run_daemon(hold);
		struct pollfd polled[] = { { .fd = hold->socket, .events = POLLIN },
			{ .fd = hold->signals, .events = POLLIN },
			{ .fd = hold->daemon.pidfd, .events = POLLIN } };
		if (poll(polled, ARRAY_COUNT(polled), wait_ms(hold)) < 0)
			continue; /* EINTR */
		/* What it sent before it died is kept before a successor is started. */
		on_socket(hold);
		if (polled[1].revents != 0 && on_signal(hold))
			return;
		if (polled[2].revents != 0 && on_daemon_ended(hold))
			return;
	}
}

/* ---- start ---- */

static const char *run_folder(int count, char **arguments)
{
	static const char key[] = "--run";
	const size_t size = sizeof(key) - 1;

	for (int i = 1; i < count; i++) {
		if (strncmp(arguments[i], key, size) != 0)
			continue;
		if (arguments[i][size] == '=')
			return arguments[i] + size + 1;
		if (arguments[i][size] == '\0' && i + 1 < count)
			return arguments[i + 1];
	}
	return folder_rows[FOLDER_RUN].standard;
}

/* Failing to protect ourselves is said and lived with. */
static void protect(void)
{
	struct rlimit limit;

	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "-900", 4) < 0)
		say("cannot protect itself from the kernel's memory killer", -errno);
	if (fd >= 0)
		close(fd);
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		say("cannot keep itself in memory", -errno);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer places, then */
	}
}

/* Held until we end; two of us would start two daemons. */
static int take_lock(const char *path)
{
	char pid[24];

	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -EBUSY;
	int size = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)size, 0) < 0)
		return -errno;
	return 0;
}

static int set_paths(struct hold *hold, const char *run_path)
{
	char self[PATH_MAX] = "", lock[PATH_SIZE_MAX];

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return -errno;
	int size = snprintf(hold->program, sizeof(hold->program), "%s/evenkeeld", dirname(self));
	if ((size_t)size >= sizeof(hold->program) || !folder_is_usable(run_path))
		return -ENAMETOOLONG;
	node_file_path(hold->socket_path, NODE_FILE_HOLD_SOCKET, run_path, NULL);
	node_file_path(hold->lock_path, NODE_FILE_DAEMON_LOCK, run_path, NULL);
	node_file_path(lock, NODE_FILE_HOLD_LOCK, run_path, NULL);
	if (mkdir(run_path, 0755) < 0 && errno != EEXIST)
		return -errno;
	return take_lock(lock);
}

static int open_signals(int *out_fd)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	*out_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *out_fd < 0 ? -errno : 0;
}

int main(int count, char **arguments)
{
	static struct hold hold = { .daemon.pidfd = -1, .backoff_ns = BACKOFF_FIRST_NS };

	terminal_guard();
	int error = set_paths(&hold, run_folder(count, arguments));
	if (error == -EBUSY)
		say("another evenkeel-hold runs here already", 0);
	else if (error != 0)
		say("cannot use its run folder", error);
	if (error != 0)
		return EXIT_FAILURE;
	hold.arguments = arguments;
	hold.arguments[0] = hold.program;
	hold.kept = calloc(PROCESS_HANDED_MAX, sizeof(*hold.kept));
	error = hold.kept == NULL ? -ENOMEM : fdstore_listen(hold.socket_path, &hold.socket);
	if (error == 0)
		error = open_signals(&hold.signals);
	if (error != 0) {
		say("cannot start", error);
		return EXIT_FAILURE;
	}
	protect();
	run(&hold);
	return hold.has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
