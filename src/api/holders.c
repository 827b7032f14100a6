#include "api/holders.h"
#include "base/visible.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/config.h"
#include "platform/mount_table.h"

#define NAMESPACES_MAX 4096

/* One mount namespace, and whether its processes can hold the tree. */
struct space {
	ino_t id;
	char root[PATH_SIZE_MAX]; /* of its processes, as links show it to us; "" for "/" */
	struct mount_table mounts;
};

/* The tree, named so that it means the same in every namespace. */
struct tree_place {
	dev_t device;
	char path[PATH_SIZE_MAX]; /* inside its file system */
};

struct search {
	struct tree_place tree;
	ino_t own_id; /* of our mount namespace */
	const char *programs;
	struct space *spaces;
	int space_count;
	struct holders *holders;
};

static int space_read(struct space *space, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = mount_table_read(&space->mounts, fd);
	(void)close(fd); /* only read */
	return error;
}

/* The mount that a path of this namespace leads to: the longest point above it, the latest of
 * equals. */
static const struct mount_row *space_find(const struct space *space, const char *path)
{
	const struct mount_row *found = NULL;
	for (size_t i = 0; i < space->mounts.count; i++) {
		const struct mount_row *mount = &space->mounts.rows[i];
		if (config_path_is_within(path, mount->path) &&
			(found == NULL || strlen(mount->path) >= strlen(found->path)))
			found = mount;
	}
	return found;
}

/* Writes where `path`, seen through this mount, lies inside the mount's file system. */
static void path_inside(const struct mount_row *mount, const char *path, char *out, size_t size)
{
	const char *rest = strcmp(mount->path, "/") == 0 ? path : path + strlen(mount->path);
	const char *root = strcmp(mount->root, "/") == 0 ? "" : mount->root;
	snprintf(out, size, "%s%s%s", root, rest[0] == '/' || rest[0] == '\0' ? "" : "/", rest);
	if (out[0] == '\0')
		snprintf(out, size, "/");
}

/* Links are shown as seen from our root, mountinfo as from the process's own. */
static const char *below_root(const struct space *space, const char *path)
{
	size_t size = strlen(space->root);
	if (size == 0 || !config_path_is_within(path, space->root))
		return path;
	return path[size] == '\0' ? "/" : path + size;
}

static bool is_in_tree(const struct search *search, const struct space *space, const char *link)
{
	char inside[PATH_SIZE_MAX];
	const char *path = below_root(space, link);
	const struct mount_row *mount = path[0] == '/' ? space_find(space, path) : NULL;
	if (mount == NULL || mount->device != search->tree.device)
		return false;
	path_inside(mount, path, inside, sizeof(inside));
	return config_path_is_within(inside, search->tree.path);
}

/* What a process has for its root. */
static bool read_root(int pid, char *out, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	ssize_t length = readlink(path, out, size - 1);
	if (length <= 0)
		return false;
	out[length == 1 ? 0 : length] = '\0';
	return true;
}

/* The namespace of a process, as from its root, read at its first process. NULL: it is gone. */
static const struct space *find_space(struct search *search, int pid)
{
	char path[64], root[PATH_SIZE_MAX];
	struct stat status;
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	if (stat(path, &status) != 0 || !read_root(pid, root, sizeof(root)))
		return NULL;
	/* In our own namespace all links mean what they say, whatever root a process has. */
	bool is_own = status.st_ino == search->own_id;
	if (is_own)
		root[0] = '\0';
	for (int i = 0; i < search->space_count; i++) {
		if (search->spaces[i].id == status.st_ino &&
			strcmp(search->spaces[i].root, root) == 0)
			return &search->spaces[i];
	}
	if (search->space_count == NAMESPACES_MAX)
		return NULL;
	struct space *space = &search->spaces[search->space_count];
	*space = (struct space){ .id = status.st_ino };
	memcpy(space->root, root, sizeof(root));
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", is_own ? getpid() : pid);
	if (space_read(space, path) != 0)
		return NULL;
	search->space_count++;
	return space;
}

static bool link_is_in_tree(
	const struct search *search, const struct space *space, const char *link)
{
	char target[PATH_SIZE_MAX];
	ssize_t size = readlink(link, target, sizeof(target) - 1);
	if (size <= 0)
		return false;
	target[size] = '\0';
	return is_in_tree(search, space, target);
}

static bool has_open_file(const struct search *search, const struct space *space, int pid)
{
	char folder[64], path[64 + NAME_MAX];
	bool is_found = false;
	struct dirent *entry;
	snprintf(folder, sizeof(folder), "/proc/%d/fd", pid);
	DIR *directory = opendir(folder);
	if (directory == NULL)
		return false;
	while (!is_found && (entry = readdir(directory)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		is_found = link_is_in_tree(search, space, path);
	}
	closedir(directory);
	return is_found;
}

static bool has_mapping(const struct search *search, const struct space *space, int pid)
{
	char path[64], program[2], *line = NULL;
	size_t room = 0;
	bool is_found = false;
	/* Kernel threads and the dead map nothing, but reading what one that died in the middle of
	 * execve(2) maps can wait for minutes [seen on 6.18]. */
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (readlink(path, program, sizeof(program)) < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return false;
	while (!is_found && getline(&line, &room, file) > 0) {
		char *name = strchr(line, '/');
		if (name == NULL)
			continue;
		name[strcspn(name, "\n")] = '\0';
		is_found = is_in_tree(search, space, name);
	}
	free(line);
	fclose(file);
	return is_found;
}

static const char *how_it_holds(const struct search *search, const struct space *space, int pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
	if (link_is_in_tree(search, space, path))
		return "working directory";
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	if (link_is_in_tree(search, space, path))
		return "root directory";
	if (has_open_file(search, space, pid))
		return "open file";
	return has_mapping(search, space, pid) ? "mapped file" : NULL;
}

static bool is_our_own(const struct search *search, int pid)
{
	char path[64], target[PATH_SIZE_MAX];
	if (pid == getpid())
		return true;
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	ssize_t size = readlink(path, target, sizeof(target) - 1);
	if (size <= 0)
		return false;
	target[size] = '\0';
	char *slash = strrchr(target, '/');
	if (slash == NULL || strncmp(slash + 1, "evenkeel", 8) != 0)
		return false;
	*slash = '\0';
	return strcmp(target, search->programs) == 0;
}

static void add_holder(struct holders *holders, int pid, const char *how)
{
	if (holders->count < HOLDERS_MAX) {
		struct holder *holder = &holders->list[holders->count];
		char path[64], name[32] = "?";
		*holder = (struct holder){ .pid = pid, .how = how };
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		FILE *file = fopen(path, "re");
		if (file != NULL && fgets(name, sizeof(name), file) != NULL)
			name[strcspn(name, "\n")] = '\0';
		visible_copy(holder->name, sizeof(holder->name), name);
		if (file != NULL)
			fclose(file);
	}
	holders->count++;
}

static void look_at(struct search *search, int pid)
{
	const struct space *space = find_space(search, pid);
	if (space == NULL)
		return;
	const char *how = how_it_holds(search, space, pid);
	if (how != NULL && !is_our_own(search, pid))
		add_holder(search->holders, pid, how);
}

/* Where the tree lies, from our own namespace. */
static int place_tree(struct search *search, const char *path)
{
	char real[PATH_SIZE_MAX];
	struct space own = { 0 };
	if (realpath(path, real) == NULL)
		return -errno;
	int error = space_read(&own, "/proc/self/mountinfo");
	const struct mount_row *mount = error == 0 ? space_find(&own, real) : NULL;
	if (mount != NULL) {
		search->tree.device = mount->device;
		path_inside(mount, real, search->tree.path, sizeof(search->tree.path));
	} else if (error == 0) {
		error = -ENOENT; /* a root that is no mount point: nothing can be said */
	}
	mount_table_done(&own.mounts);
	return error;
}

int holders_find(const char *path, const char *programs, struct holders *out_holders)
{
	struct search search = { .programs = programs, .holders = out_holders };
	*out_holders = (struct holders){ .count = 0 };
	struct stat own;
	int error = place_tree(&search, path);
	if (error == 0 && stat("/proc/self/ns/mnt", &own) != 0)
		error = -errno;
	if (error != 0)
		return error;
	search.own_id = own.st_ino;
	search.spaces = calloc(NAMESPACES_MAX, sizeof(*search.spaces));
	DIR *proc = opendir("/proc");
	if (proc == NULL || search.spaces == NULL) {
		error = proc == NULL ? -errno : -ENOMEM;
	} else {
		struct dirent *entry;
		while ((entry = readdir(proc)) != NULL) {
			if (isdigit((unsigned char)entry->d_name[0]))
				look_at(&search, (int)strtol(entry->d_name, NULL, 10));
		}
	}
	if (proc != NULL)
		closedir(proc);
	for (int i = 0; i < search.space_count; i++)
		mount_table_done(&search.spaces[i].mounts);
	free(search.spaces);
	return error;
}
