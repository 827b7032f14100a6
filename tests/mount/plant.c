/*
 * Put before the C library of an evenkeel-fs by tests/mount/test_pair.py: system calls that do half
 * of their work and fail, as a full disk or a quota may make them. What fails stands in the file that
 * EVENKEEL_PLANT names; without it nothing does. Node b is never planted in.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_node_a(void)
{
	char line[4096];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, line, sizeof(line));

	if (fd >= 0)
		(void)close(fd);
	return size > 0 && memmem(line, (size_t)size, "/a/state", 8) != NULL;
}

static int is_planted(const char *what)
{
	char text[32] = "";
	const char *path = getenv("EVENKEEL_PLANT");
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	ssize_t size = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	return size > 0 && strcmp(text, what) == 0 && is_node_a();
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	int (*real)(int, int, off_t, off_t) =
		(int (*)(int, int, off_t, off_t))dlsym(RTLD_NEXT, "fallocate");
	int plant = is_planted("fallocate");
	int result = real(fd, mode, offset, plant ? length / 2 : length);

	if (!plant)
		return result;
	errno = ENOSPC;
	return -1;
}

int utimensat(int fd, const char *path, const struct timespec *times, int flags)
{
	int (*real)(int, const char *, const struct timespec *, int) = (int (*)(
		int, const char *, const struct timespec *, int))dlsym(RTLD_NEXT, "utimensat");

	if (!is_planted("utimensat"))
		return real(fd, path, times, flags);
	errno = EDQUOT;
	return -1;
}

int setxattr(const char *path, const char *name, const void *value, size_t size, int flags)
{
	int (*real)(const char *, const char *, const void *, size_t, int) = (int (*)(
		const char *, const char *, const void *, size_t, int))dlsym(RTLD_NEXT, "setxattr");

	if (!is_planted("setxattr"))
		return real(path, name, value, size, flags);
	errno = ENOSPC;
	return -1;
}
