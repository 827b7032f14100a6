#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "platform/disk.h"
#include "platform/planted.h"

#define FILE_SIZE_MAX (1024 * 1024)

void file_path_join(char out[PATH_SIZE_MAX], const char *folder, const char *name)
{
	int size = snprintf(out, PATH_SIZE_MAX, "%s/%s", folder, name);
	CHECK(size >= 0 && size < PATH_SIZE_MAX);
}

int file_write(const char *path, const void *data, size_t size, int mode)
{
	char beside[PATH_SIZE_MAX + 8];
	snprintf(beside, sizeof(beside), "%s.new", path);
	(void)unlink(beside); /* left by a run that was interrupted, or nothing */
	int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int error = disk_write_all(fd, data, size, 0);
	if (error == 0 && (fchmod(fd, (mode_t)mode) != 0 ||
				  (!IS_PLANTED(PLANTED_FILE_UNSYNCED) && fsync(fd) != 0)))
		error = -errno;
	close(fd);
	if (error == 0 && rename(beside, path) != 0)
		error = -errno;
	if (error != 0) {
		(void)unlink(beside); /* the error that counts is known */
		return error;
	}
	return disk_sync_folder_of(path);
}

int file_read(const char *path, char **out_text, size_t *out_size)
{
	size_t size = 0;
	ssize_t got = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	char *text = malloc(FILE_SIZE_MAX + 1);
	int error = text == NULL ? -ENOMEM : 0;
	while (error == 0 && got != 0) {
		got = read(fd, text + size, FILE_SIZE_MAX + 1 - size);
		if (got < 0 && errno != EINTR)
			error = -errno;
		size += got > 0 ? (size_t)got : 0;
		if (size > FILE_SIZE_MAX)
			error = -EFBIG;
	}
	close(fd);
	if (error != 0) {
		free(text);
		return error;
	}
	text[size] = '\0';
	*out_text = text;
	*out_size = size;
	return 0;
}
