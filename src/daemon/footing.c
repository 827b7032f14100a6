#include "daemon/footing.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/cgroup.h"
#include "platform/clock.h"
#include "platform/folders.h"

#define LOCK_WAIT_NS (2 * NS_PER_S) /* for a predecessor that is just ending */
#define LOCK_LOOK_NS (20 * NS_PER_MS)
#define PRIORITY     10 /* of SCHED_RR; enough to beat on time under load */
#define NICE	     (-15)

int footing_make_folders(const struct paths *paths)
{
	if ((mkdir(paths->state, 0700) < 0 && errno != EEXIST) ||
		(mkdir(paths->run, 0755) < 0 && errno != EEXIST)) {
		fprintf(stderr, "evenkeeld: cannot make %s or %s: %s\n", paths->state, paths->run,
			strerror(errno));
		return -EIO;
	}
	return 0;
}

static int wait_for_lock(int fd)
{
	const struct timespec pause = { .tv_nsec = LOCK_LOOK_NS };
	int64_t limit_ns = clock_boot_ns() + LOCK_WAIT_NS;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || clock_boot_ns() > limit_ns)
			return -errno;
		(void)nanosleep(&pause, NULL); /* flock cannot be waited for with a limit */
	}
	return 0;
}

int footing_take_lock(const struct paths *paths)
{
	char path[PATH_SIZE_MAX], pid[24];

	node_file_path(path, NODE_FILE_DAEMON_LOCK, paths->run, NULL);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int error = wait_for_lock(fd);
	if (error != 0) {
		fprintf(stderr, "evenkeeld: another one runs here already (%s is locked).\n", path);
		close(fd);
		return error;
	}
	int size = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)size, 0) < 0)
		return -errno;
	return 0;
}

void footing_protect(struct daemon *daemon)
{
	const struct sched_param priority = { .sched_priority = PRIORITY };
	struct rlimit limit;

	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		daemon_log(daemon, NULL, SEVERITY_WARNING, "daemon.not_locked",
			"evenkeeld cannot keep itself in memory: %s. Swapping may delay its beats.",
			strerror(errno));
	if (sched_setscheduler(0, SCHED_RR, &priority) < 0 &&
		setpriority(PRIO_PROCESS, 0, NICE) < 0)
		daemon_log(daemon, NULL, SEVERITY_WARNING, "daemon.no_priority",
			"evenkeeld runs with normal priority: %s. A busy machine may delay its "
			"beats.",
			strerror(errno));
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer modules, then */
	}
}

void footing_find_cgroup(struct daemon *daemon)
{
	char own[PATH_SIZE_MAX];

	int error = cgroup_own(own, sizeof(own) - NODE_NAME_MAX - 16);
	if (error == 0) {
		(void)snprintf(daemon->cgroup, sizeof(daemon->cgroup), "%s/evenkeel-%s", own,
			daemon->self->name);
		error = cgroup_make(daemon->cgroup);
	}
	if (error == 0)
		return;
	daemon->cgroup[0] = '\0';
	daemon_log(daemon, NULL, SEVERITY_ERROR, "daemon.no_cgroup",
		"No control group (version 2) can be used here: %s. Applications that hang cannot "
		"be killed as a whole. Mount cgroup2, for instance at /sys/fs/cgroup/unified.",
		strerror(-error));
}
