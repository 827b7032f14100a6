/*
 * Who holds a mount: processes with a descriptor, a working directory, a root or a program below
 * it, found by its device number. What is asked is answered from what the kernel knows already, so
 * that this works while answers are held.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/visible.h"
#include "fs/front/front.h"
#include "platform/clock.h"
#include "platform/mounts.h"

#define LOOK_TEXT_MAX 128

static bool is_on(int fd, const char *path, dev_t device)
{
	struct statx st;

	return statx(fd, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) == 0 &&
	       makedev(st.stx_dev_major, st.stx_dev_minor) == device;
}

static bool has_descriptor_on(int process_fd, dev_t device)
{
	int fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool is_found = false;

	if (stream == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	while (!is_found && (entry = readdir(stream)) != NULL)
		is_found = entry->d_name[0] != '.' && is_on(fd, entry->d_name, device);
	(void)closedir(stream);
	return is_found;
}

static bool maps_from(int process_fd, dev_t device)
{
	char line[512], wanted[32];
	int fd = openat(process_fd, "maps", O_RDONLY | O_CLOEXEC);
	FILE *stream = fd < 0 ? NULL : fdopen(fd, "r");
	bool is_found = false;

	if (stream == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	(void)snprintf(wanted, sizeof(wanted), " %02x:%02x ", major(device), minor(device));
	while (!is_found && fgets(line, sizeof(line), stream) != NULL)
		is_found = strstr(line, wanted) != NULL;
	(void)fclose(stream);
	return is_found;
}

static bool is_holder(int process_fd, dev_t device)
{
	return is_on(process_fd, "cwd", device) || is_on(process_fd, "root", device) ||
	       has_descriptor_on(process_fd, device) || maps_from(process_fd, device);
}

static size_t append_holder(int process_fd, const char *pid, char *out, size_t size)
{
	char name[32] = "?", shown[64];
	int fd = openat(process_fd, "comm", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		ssize_t got = read(fd, name, sizeof(name) - 1);
		name[got > 0 ? got - 1 : 0] = '\0'; /* without the line end */
		(void)close(fd);
	}
	visible_copy(shown, sizeof(shown), name);
	int used = snprintf(out, size, "%s (process %s) ", shown, pid);
	return used < 0 ? 0 : MIN_OF((size_t)used, size - 1);
}

/* A look at all of /proc, by a thread of its own: what maps a file may make who looks wait. */
struct search {
	struct lock lock;
	struct condition ended;
	bool is_ended, is_left; /* whoever comes second frees it */
	dev_t device;
	bool should_kill;
	int count;
	char text[LOOK_TEXT_MAX];
};

/* Whoever only stands in a directory does no harm to a mount that is taken away. */
static bool is_to_be_killed(int process_fd, const char *pid, dev_t device)
{
	return strtol(pid, NULL, 10) != getpid() &&
	       (is_on(process_fd, "root", device) || has_descriptor_on(process_fd, device) ||
		       maps_from(process_fd, device));
}

static void look_at(struct search *look, int process_fd, const char *pid)
{
	size_t used = strlen(look->text);
	bool is_meant = look->should_kill ? is_to_be_killed(process_fd, pid, look->device)
					  : is_holder(process_fd, look->device);

	if (!is_meant)
		return;
	look->count++;
	(void)append_holder(process_fd, pid, look->text + used, sizeof(look->text) - used);
	if (look->should_kill)
		(void)kill((pid_t)strtol(pid, NULL, 10), SIGKILL); /* gone: as it should be */
}

static void look_at_all(struct search *look)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;

	while (processes != NULL && (entry = readdir(processes)) != NULL) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		int fd =
			openat(dirfd(processes), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		look_at(look, fd, entry->d_name);
		(void)close(fd);
	}
	if (processes != NULL)
		(void)closedir(processes);
}

static void look_done(struct search *look)
{
	lock_done(&look->lock);
	condition_done(&look->ended);
	free(look);
}

static void *look_for_holders(void *context)
{
	struct search *look = context;

	look_at_all(look);
	lock_take(&look->lock);
	look->is_ended = true;
	bool is_left = look->is_left;
	condition_wake_one(&look->ended);
	lock_give(&look->lock);
	if (is_left)
		look_done(look);
	return NULL;
}

static void wait_for_look(struct search *look)
{
	int64_t until_ns = clock_boot_ns() + HOLDERS_LOOK_NS;

	lock_take(&look->lock);
	while (!look->is_ended && clock_boot_ns() < until_ns)
		(void)condition_wait_for(&look->ended, &look->lock, until_ns - clock_boot_ns());
	look->is_left = !look->is_ended;
	lock_give(&look->lock);
}

int mount_name_holders(const struct mount *mount, bool should_kill, char *out, size_t size)
{
	struct search *look = calloc(1, sizeof(*look));
	char upon[PATH_SIZE_MAX];
	pthread_t thread;
	int count = 0;

	CHECK(look != NULL);
	lock_init(&look->lock, RANK_LEAF);
	condition_init(&look->ended);
	look->device = mount->device;
	look->should_kill = should_kill;
	CHECK(pthread_create(&thread, NULL, look_for_holders, look) == 0);
	(void)pthread_detach(thread);
	wait_for_look(look);
	(void)snprintf(out, size, "something that /proc does not show here");
	if (look->is_left)
		return 0; /* the memory is the thread's */
	count = look->count;
	if (count > 0)
		(void)snprintf(out, size, "%s", look->text);
	else if (mounts_name_upon(mount->device, upon, sizeof(upon)))
		(void)snprintf(out, size, "a mount on it: %s", upon);
	look_done(look);
	return count;
}
