#include "platform/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/limits.h"

#define DETACH_ROUNDS 64 /* mounts upon mounts, and copies of them */
#define DEPTH_MAX     32
#define TYPE_MAX      32

/* One line of mountinfo, see proc(5). */
struct mount_line {
	int id, parent;
	dev_t device;
	char type[TYPE_MAX];
	char point[PATH_SIZE_MAX];
};

struct table {
	struct mount_line *lines;
	size_t count;
};

/* mountinfo writes spaces and the like as \040. */
static void unescape(char *text)
{
	char *out = text;

	for (; *text != '\0'; text++, out++) {
		bool is_escape = text[0] == '\\' && text[1] >= '0' && text[1] <= '3' &&
				 text[2] != '\0' && text[3] != '\0';
		*out = *text;
		if (!is_escape)
			continue;
		*out = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
		text += 3;
	}
	*out = '\0';
}

/* ID PARENT MAJ:MIN ROOT POINT OPTIONS [FIELDS...] - TYPE SOURCE OPTIONS */
static bool parse_line(const char *line, struct mount_line *out)
{
	const char *type = strstr(line, " - ");
	unsigned int device_major, device_minor;

	if (type == NULL || sscanf(type, " - %31s", out->type) != 1)
		return false;
	/* PATH_SIZE_MAX is 4096, which the test of this file holds. */
	if (sscanf(line, "%d %d %u:%u %*s %4095s", &out->id, &out->parent, &device_major,
		    &device_minor, out->point) != 5)
		return false;
	out->device = makedev(device_major, device_minor);
	unescape(out->point);
	return true;
}

_Static_assert(PATH_SIZE_MAX >= 4096 && TYPE_MAX >= 32, "what sscanf(3) above may write");

static int table_add(struct table *table, const struct mount_line *line)
{
	struct mount_line *more = realloc(table->lines, (table->count + 1) * sizeof(*more));

	if (more == NULL)
		return -ENOMEM;
	table->lines = more;
	table->lines[table->count++] = *line;
	return 0;
}

static void table_done(struct table *table)
{
	free(table->lines);
	*table = (struct table){ 0 };
}

static int table_read(struct table *table)
{
	struct mount_line *parsed = malloc(sizeof(*parsed));
	FILE *file = fopen("/proc/self/mountinfo", "re");
	int error = file == NULL ? -errno : parsed == NULL ? -ENOMEM : 0;
	char *line = NULL;
	size_t room = 0;

	*table = (struct table){ 0 };
	while (error == 0 && getline(&line, &room, file) > 0)
		if (parse_line(line, parsed))
			error = table_add(table, parsed);
	free(line);
	free(parsed);
	if (file != NULL)
		(void)fclose(file);
	if (error != 0)
		table_done(table);
	return error;
}

static const struct mount_line *line_of(const struct table *table, int id)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->lines[i].id == id)
			return &table->lines[i];
	return NULL;
}

/* Is it this mount, or mounted on it, or on what is mounted on it? */
static bool is_upon(const struct table *table, int id, int below)
{
	for (int i = 0; i < DEPTH_MAX; i++) {
		const struct mount_line *line = line_of(table, id);
		if (id == below)
			return true;
		if (line == NULL || line->parent == id)
			return false;
		id = line->parent;
	}
	return false;
}

int mounts_find(const char *point, const char *type, dev_t *out_device)
{
	struct table table;
	bool is_found = false;

	int error = table_read(&table);
	if (error != 0)
		return error;
	for (size_t i = 0; i < table.count; i++) {
		const struct mount_line *line = &table.lines[i];
		if (strcmp(line->type, type) != 0 || strcmp(line->point, point) != 0)
			continue;
		*out_device = line->device;
		is_found = true;
	}
	table_done(&table);
	return is_found ? 0 : -ENOENT;
}

static const struct mount_line *find_device(const struct table *table, dev_t device)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->lines[i].device == device)
			return &table->lines[i];
	return NULL;
}

bool mounts_has(dev_t device)
{
	struct table table;

	if (table_read(&table) != 0)
		return false;
	bool is_there = find_device(&table, device) != NULL;
	table_done(&table);
	return is_there;
}

bool mounts_name_upon(dev_t device, char *out, size_t size)
{
	struct table table;
	bool is_found = false;

	if (table_read(&table) != 0)
		return false;
	for (size_t i = 0; i < table.count && !is_found; i++) {
		const struct mount_line *line = &table.lines[i];
		const struct mount_line *below = line_of(&table, line->parent);
		is_found = below != NULL && below->device == device && line->device != device;
		if (is_found)
			(void)snprintf(out, size, "%s at %s", line->type, line->point);
	}
	table_done(&table);
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
static bool is_reached(const struct table *table, const struct mount_line *line)
{
	struct statx st;

	return statx(AT_FDCWD, line->point,
		       AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID,
		       &st) == 0 &&
	       is_upon(table, (int)st.stx_mnt_id, line->id);
}

/* One mount less. 0: there may be more; -ENOENT: there is none. */
static int detach_one(dev_t device)
{
	struct table table;

	int error = table_read(&table);
	if (error != 0)
		return error;
	const struct mount_line *line = find_device(&table, device);
	if (line == NULL)
		error = -ENOENT;
	else if (!is_reached(&table, line))
		error = -EBUSY;
	else if (umount2(line->point, MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
		error = -errno;
	table_done(&table);
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
