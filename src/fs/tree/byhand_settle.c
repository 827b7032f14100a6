/* The end: what of that which was changed by hand is kept, where, and what is said of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/tree/byhand_internal.h"

struct settling {
	struct tree *tree;
	int part, from_fd;
	int to_fd; /* kept/TIME; -1: nothing is kept yet */
	struct byhand_account *account;
};

static int open_kept(struct settling *settling)
{
	const struct tree_part *part = &settling->tree->roots[settling->part];
	char name[64];
	int error = kept_make(part, name, sizeof(name));

	if (error != 0)
		return error;
	settling->to_fd = openat(part->kept_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (settling->to_fd < 0)
		return -errno;
	if (settling->account->folder[0] == '\0')
		(void)snprintf(
			settling->account->folder, sizeof(settling->account->folder), "%s", name);
	return 0;
}

/* Makes and opens the folders of the path, and leaves its last name. */
static int open_above(int fd, char *path, char **out_last, int *out_fd)
{
	int above = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (char *slash; above >= 0 && (slash = strchr(path, '/')) != NULL; path = slash + 1) {
		*slash = '\0';
		int next = -1;
		if (mkdirat(above, path, 0700) == 0 || errno == EEXIST)
			next = openat(above, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int error = errno;
		(void)close(above); /* nothing was written */
		above = next;
		errno = error;
	}
	*out_last = path;
	*out_fd = above;
	return above < 0 ? -errno : 0;
}

/* Where the path is taken, or is none any more, its number has to do for a name. */
static int move(struct settling *settling, const char *held, char *path)
{
	char *last = NULL;
	int above = -1;
	int error = settling->to_fd < 0 ? open_kept(settling) : 0;

	if (error != 0)
		return error;
	error = open_above(settling->to_fd, path, &last, &above);
	if (error == 0 && renameat2(settling->from_fd, held, above, last, RENAME_NOREPLACE) != 0)
		error = -errno;
	if (above >= 0)
		(void)close(above); /* the file system is synced after all that */
	if (error == 0 || error == -ENOSPC || error == -EIO)
		return error;
	return renameat(settling->from_fd, held, settling->to_fd, held) == 0 ? 0 : -errno;
}

/* It is no object of the tree any more. */
static void strip(struct settling *settling, const char *held, const struct stat *st)
{
	char path[PROC_PATH_SIZE];
	struct place place;
	uint64_t object = 0;

	if (id_known(settling->tree, (struct met){ settling->from_fd, held, st }, &place,
		    &object) == 0 &&
		object != 0)
		object_is_gone(settling->tree, object);
	proc_path(path, settling->from_fd, held);
	(void)lremovexattr(path, OWN_XATTR); /* it means nothing in another inode's place */
}

static void note_kept(struct byhand_account *account, const char *path)
{
	size_t used = strlen(account->names);

	if (account->kept++ < 3)
		(void)snprintf(account->names + used, sizeof(account->names) - used, "%s%s",
			used > 0 ? ", " : "", path);
}

static int keep(struct settling *settling, const char *held, char *path)
{
	note_kept(settling->account, path);
	return move(settling, held, path);
}

static int settle_one(struct settling *settling, uint64_t inode, char *path)
{
	char held[HELD_NAME_SIZE];
	struct stat st;

	byhand_name(inode, true, held);
	if (fstatat(settling->from_fd, held, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return keep(settling, held, path);
	byhand_name(inode, false, held);
	if (fstatat(settling->from_fd, held, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -errno; /* settled already */
	if (st.st_nlink < 2) {
		strip(settling, held, &st);
		return keep(settling, held, path);
	}
	settling->account->touched++;
	return unlinkat(settling->from_fd, held, 0) == 0 ? 0 : -errno;
}

static int settle_list(struct settling *settling)
{
	char *line = NULL;
	size_t size = 0;
	int error = 0;
	int fd = openat(settling->from_fd, HELD_LIST, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	FILE *list = fd < 0 ? NULL : fdopen(fd, "r");

	if (list == NULL) {
		error = errno == ENOENT ? 0 : -errno;
		if (fd >= 0)
			(void)close(fd);
		return error;
	}
	while (error == 0 && getdelim(&line, &size, '\0', list) > 0) {
		char *path = NULL;
		uint64_t inode = strtoull(line, &path, 10);
		if (path != line && *path == ' ' && path[1] != '\0')
			error = settle_one(settling, inode, path + 1);
	}
	free(line);
	(void)fclose(list); /* only read */
	return error;
}

/* A name that the list does not have, as power went: its number has to do for a path. */
static int settle_unlisted(struct settling *settling)
{
	const struct dirent *entry;
	DIR *stream;
	int error = folder_read(settling->from_fd, &stream);

	if (error != 0)
		return error;
	while (error == 0 && (entry = readdir(stream)) != NULL) {
		char *end = NULL, path[HELD_NAME_SIZE];
		uint64_t inode = strtoull(entry->d_name, &end, 10);
		byhand_name(inode, false, path);
		if (end != entry->d_name)
			error = settle_one(settling, inode, path);
	}
	(void)closedir(stream);
	return error;
}

/* All that is left is the list, and a copy that was not finished. */
static int remove_rest(struct settling *settling)
{
	const struct tree_part *part = &settling->tree->roots[settling->part];
	static const char *const rest[] = { "copying", HELD_LIST };

	for (size_t i = 0; i < ARRAY_COUNT(rest); i++)
		if (unlinkat(settling->from_fd, rest[i], 0) != 0 && errno != ENOENT)
			return -errno;
	return unlinkat(part->kept_fd, UNFINISHED, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

static int settle_part(struct tree *tree, int part, struct byhand_account *account)
{
	struct settling settling = { .tree = tree, .part = part, .account = account, .to_fd = -1 };
	int error = byhand_open_unfinished(&tree->roots[part], false, &settling.from_fd);

	if (error != 0)
		return error == -ENOENT ? 0 : error;
	error = settle_list(&settling);
	if (error == 0)
		error = settle_unlisted(&settling);
	/* What is moved has to be there before the list of it goes. */
	if (error == 0 && syncfs(settling.from_fd) != 0)
		error = -errno;
	if (error == 0)
		error = remove_rest(&settling);
	(void)close(settling.from_fd);
	if (settling.to_fd >= 0)
		(void)close(settling.to_fd);
	return error;
}

/* ---- how much lies there ---- */

static uint64_t count_part(const struct tree_part *part)
{
	const struct dirent *entry;
	DIR *stream;
	uint64_t count = 0;

	if (folder_read(part->kept_fd, &stream) != 0)
		return 0;
	while ((entry = readdir(stream)) != NULL)
		count += !is_dots(entry->d_name) && strcmp(entry->d_name, UNFINISHED) != 0;
	(void)closedir(stream);
	return count;
}

void kept_count(struct tree *tree)
{
	uint64_t count = 0;

	for (int i = 0; i < tree->root_count; i++)
		count += count_part(&tree->roots[i]);
	atomic_store(&tree->kept, count);
}

uint64_t byhand_kept(struct tree *tree)
{
	return atomic_load(&tree->kept);
}

uint64_t byhand_look(struct tree *tree)
{
	kept_count(tree);
	return byhand_kept(tree);
}

int byhand_settle(struct tree *tree, struct byhand_account *out_account)
{
	struct byhand_account account = { 0 };
	int error = 0;

	for (int i = 0; error == 0 && i < tree->root_count; i++)
		error = settle_part(tree, i, &account);
	if (error != 0)
		return error;
	kept_count(tree);
	*out_account = account;
	return 0;
}
