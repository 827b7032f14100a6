#include "platform/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "platform/planted.h"

int disk_write_all(int fd, const void *data, size_t size, off_t offset)
{
	const uint8_t *rest = data;

	while (size > 0) {
		ssize_t written = pwrite(fd, rest, size, offset);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		rest += written;
		size -= (size_t)written;
		offset += written;
	}
	return 0;
}

int disk_sync_folder_of(const char *path)
{
	char copy[PATH_MAX];

	if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
		return -ENAMETOOLONG;
	return disk_sync_folder(dirname(copy));
}

int disk_sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = !IS_PLANTED(PLANTED_FOLDER_UNSYNCED) && fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return error;
}

int disk_try(int folder, int *file)
{
	static const char little[512] = "evenkeel looks whether this disk answers";

	if (*file < 0)
		*file = openat(folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (*file < 0)
		return -errno;
	int error = disk_write_all(*file, little, sizeof(little), 0);
	if (error == 0 && fdatasync(*file) != 0)
		error = -errno;
	if (error != 0) {
		(void)close(*file);
		*file = -1;
	}
	return error;
}

bool disk_is_broken(int error)
{
	switch (-error) {
	case EIO:
	case EROFS:
	case EUCLEAN:
	case EBADMSG:
	case ENXIO:
	case ENODEV:
	case ESHUTDOWN: return true;
	default: return false;
	}
}
