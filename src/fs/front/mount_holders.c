/*
 * Who holds a mount: processes with a descriptor, a working directory, a root or a program below
 * it, found by its device number. What is asked is answered from what the kernel knows already, so
 * that this works while answers are held.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fs/front/front.h"

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
	char name[32] = "?";
	int fd = openat(process_fd, "comm", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		ssize_t got = read(fd, name, sizeof(name) - 1);
		name[got > 0 ? got - 1 : 0] = '\0'; /* without the line end */
		(void)close(fd);
	}
	int used = snprintf(out, size, "%s (process %s) ", name, pid);
	return used < 0 ? 0 : MIN_OF((size_t)used, size - 1);
}

void mount_name_holders(const struct mount *mount, char *out, size_t size)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	struct statx st;
	size_t used = 0;

	(void)snprintf(out, size, "something that /proc does not show");
	if (processes == NULL)
		return;
	if (statx(AT_FDCWD, mount->path, AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0) {
		dev_t device = makedev(st.stx_dev_major, st.stx_dev_minor);
		while ((entry = readdir(processes)) != NULL && used + 1 < size) {
			if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
				continue;
			int fd = openat(dirfd(processes), entry->d_name,
				O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (fd < 0)
				continue;
			if (is_holder(fd, device))
				used += append_holder(fd, entry->d_name, out + used, size - used);
			(void)close(fd);
		}
	}
	(void)closedir(processes);
}
