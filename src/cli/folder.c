#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "platform/disk.h"

#define DEPTH_MAX 16 /* folders below each other that are copied or removed */

static int make_durable(const char *path, mode_t mode)
{
	if (mkdir(path, mode) != 0)
		return errno == EEXIST ? 0 : -errno;
	return disk_sync_folder_of(path);
}

int folder_make(const char *path, int mode)
{
	char part[PATH_SIZE_MAX];
	int error = 0;
	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part + 1, '/'); slash != NULL && error == 0;
		slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		error = make_durable(part, 0755);
		*slash = '/';
	}
	return error != 0 ? error : make_durable(part, (mode_t)mode);
}

int folder_rename(const char *from, const char *to)
{
	if (rename(from, to) != 0)
		return -errno;
	int error = disk_sync_folder_of(to);
	if (error != 0)
		(void)rename(to, from); /* as it was, as far as that can be had */
	return error;
}

static int copy_file(const char *from, const char *to, mode_t mode)
{
	char buffer[65536];
	ssize_t got = 1;
	off_t at = 0;
	int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (in < 0)
		return -errno;
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int error = out < 0 ? -errno : 0;
	while (error == 0 && got > 0) {
		got = read(in, buffer, sizeof(buffer));
		error = got < 0 ? -errno : disk_write_all(out, buffer, (size_t)got, at);
		at += got;
	}
	if (error == 0 && (fchmod(out, mode & 0777) != 0 || fsync(out) != 0))
		error = -errno;
	close(in);
	if (out >= 0)
		close(out);
	return error;
}

static int copy_link(const char *from, const char *to)
{
	char target[PATH_SIZE_MAX];
	ssize_t size = readlink(from, target, sizeof(target) - 1);
	if (size < 0)
		return -errno;
	target[size] = '\0';
	return symlink(target, to) == 0 ? 0 : -errno;
}

static int copy_level(const char *from, const char *to, int depth);

static int copy_entry(const char *from, const char *to, int depth)
{
	struct stat status;
	if (lstat(from, &status) != 0)
		return -errno;
	if (S_ISREG(status.st_mode))
		return copy_file(from, to, status.st_mode);
	if (S_ISLNK(status.st_mode))
		return copy_link(from, to);
	return S_ISDIR(status.st_mode) ? copy_level(from, to, depth + 1) : -EINVAL;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool is_too_long(const char *folder, const char *name)
{
	return strlen(folder) + strlen(name) + 2 > PATH_SIZE_MAX;
}

static int copy_level(const char *from, const char *to, int depth)
{
	struct dirent *entry;
	int error = 0;
	if (depth > DEPTH_MAX)
		return -ELOOP;
	if (mkdir(to, 0755) != 0)
		return -errno;
	DIR *directory = opendir(from);
	if (directory == NULL)
		return -errno;
	while (error == 0 && (entry = readdir(directory)) != NULL) {
		char source[PATH_SIZE_MAX], target[PATH_SIZE_MAX];
		if (is_dots(entry->d_name))
			continue;
		if (is_too_long(from, entry->d_name) || is_too_long(to, entry->d_name)) {
			error = -ENAMETOOLONG;
			break;
		}
		file_path_join(source, from, entry->d_name);
		file_path_join(target, to, entry->d_name);
		error = copy_entry(source, target, depth);
	}
	closedir(directory);
	return error != 0 ? error : disk_sync_folder(to);
}

int folder_copy(const char *from, const char *to)
{
	return copy_level(from, to, 0);
}

static int remove_level(const char *path, int depth);

static int remove_entry(const char *path, int depth)
{
	struct stat status;
	if (lstat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return remove_level(path, depth + 1);
	return unlink(path) == 0 ? 0 : -errno;
}

static int remove_level(const char *path, int depth)
{
	struct dirent *entry;
	int error = 0;
	if (depth > 2 * DEPTH_MAX)
		return -ELOOP;
	DIR *directory = opendir(path);
	if (directory == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (error == 0 && (entry = readdir(directory)) != NULL) {
		char inner[PATH_SIZE_MAX];
		if (is_dots(entry->d_name) || is_too_long(path, entry->d_name))
			continue;
		file_path_join(inner, path, entry->d_name);
		error = remove_entry(inner, depth);
	}
	closedir(directory);
	if (error == 0 && rmdir(path) != 0)
		error = -errno;
	return error;
}

int folder_remove(const char *path)
{
	return remove_level(path, 0);
}
