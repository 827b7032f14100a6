#include "platform/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "platform/mount_table.h"

#define DETACH_ROUNDS 64 /* mounts upon mounts, and copies of them */
#define DEPTH_MAX     32

static int read_mounts(struct mount_table *out_mounts)
{
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

	*out_mounts = (struct mount_table){ 0 };
	if (fd < 0)
		return -errno;
	int error = mount_table_read(out_mounts, fd);
	(void)close(fd);
	return error;
}

static const struct mount_row *row_of(const struct mount_table *mounts, int id)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (mounts->rows[i].id == id)
			return &mounts->rows[i];
	return NULL;
}

/* Is it this mount, or mounted on it, or on what is mounted on it? */
static bool is_upon(const struct mount_table *mounts, int id, int below)
{
	for (int i = 0; i < DEPTH_MAX; i++) {
		const struct mount_row *row = row_of(mounts, id);
		if (id == below)
			return true;
		if (row == NULL || row->parent == id)
			return false;
		id = row->parent;
	}
	return false;
}

int mounts_find(const char *point, const char *type, dev_t *out_device)
{
	struct mount_table mounts;
	bool is_found = false;

	int error = read_mounts(&mounts);
	if (error != 0)
		return error;
	for (size_t i = 0; i < mounts.count; i++) {
		const struct mount_row *row = &mounts.rows[i];
		if (strcmp(row->type, type) != 0 || strcmp(row->path, point) != 0)
			continue;
		*out_device = row->device;
		is_found = true;
	}
	mount_table_done(&mounts);
	return is_found ? 0 : -ENOENT;
}

static const struct mount_row *find_device(const struct mount_table *mounts, dev_t device)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (mounts->rows[i].device == device)
			return &mounts->rows[i];
	return NULL;
}

bool mounts_has(dev_t device)
{
	struct mount_table mounts;

	if (read_mounts(&mounts) != 0)
		return false;
	bool is_there = find_device(&mounts, device) != NULL;
	mount_table_done(&mounts);
	return is_there;
}

bool mounts_name_upon(dev_t device, char *out, size_t size)
{
	struct mount_table mounts;
	bool is_found = false;

	if (read_mounts(&mounts) != 0)
		return false;
	for (size_t i = 0; i < mounts.count && !is_found; i++) {
		const struct mount_row *row = &mounts.rows[i];
		const struct mount_row *below = row_of(&mounts, row->parent);
		is_found = below != NULL && below->device == device && row->device != device;
		if (is_found)
			(void)snprintf(out, size, "%s at %s", row->type, row->path);
	}
	mount_table_done(&mounts);
	return is_found;
}

bool mounts_is_at(const char *point, dev_t device)
{
	struct statx st;

	return statx(AT_FDCWD, point, AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
		       STATX_TYPE, &st) == 0 &&
	       makedev(st.stx_dev_major, st.stx_dev_minor) == device;
}

/* Does this place still lead to the mount, or to something upon it? Else another would be taken away. */
static bool is_reached(const struct mount_table *mounts, const struct mount_row *row)
{
	struct statx st;

	return statx(AT_FDCWD, row->path,
		       AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID,
		       &st) == 0 &&
	       is_upon(mounts, (int)st.stx_mnt_id, row->id);
}

/* One mount less. 0: there may be more; -ENOENT: there is none. */
static int detach_one(dev_t device)
{
	struct mount_table mounts;

	int error = read_mounts(&mounts);
	if (error != 0)
		return error;
	const struct mount_row *row = find_device(&mounts, device);
	if (row == NULL)
		error = -ENOENT;
	else if (!is_reached(&mounts, row))
		error = -EBUSY;
	else if (umount2(row->path, MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
		error = -errno;
	mount_table_done(&mounts);
	return error;
}

int mounts_detach(dev_t device)
{
	int error = 0;

	for (int round = 0; round < DETACH_ROUNDS && error == 0; round++)
		error = detach_one(device);
	return error == -ENOENT ? 0 : error == 0 ? -EBUSY : error;
}

/* Not by its usual place, where it need not be mounted. Gives the folder of all connections. */
static int open_fusectl(int *out_fd)
{
	int context = fsopen("fusectl", FSOPEN_CLOEXEC);
	if (context < 0)
		return -errno;
	*out_fd = -1;
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		*out_fd = fsmount(context, FSMOUNT_CLOEXEC, 0);
	int error = *out_fd < 0 ? -errno : 0;
	(void)close(context);
	return error;
}

int mounts_abort_fuse(dev_t device)
{
	char path[48];
	int folder = -1;

	int error = open_fusectl(&folder);
	if (error != 0)
		return error;
	/* As the kernel numbers them: these devices have major number 0. */
	(void)snprintf(path, sizeof(path), "%u/abort", minor(device));
	int fd = openat(folder, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		error = -errno;
	if (fd >= 0)
		(void)close(fd);
	(void)close(folder);
	return error;
}
