/*
 * The folders of what has no name: limbo, and the orphans. Emptied without a walk that calls itself,
 * which would go as deep as its users went: what is a directory inside another is moved up into the
 * folder, under a name that no object has, and has its turn there.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "fs/tree/internal.h"

void limbo_name(struct tree *tree, uint64_t object, struct terminated *out)
{
	if (object != 0)
		id_name(object, out);
	else
		(void)snprintf(out->data, sizeof(out->data), "x%lld-%llu", (long long)getpid(),
			(unsigned long long)atomic_fetch_add(&tree->anonymous, 1));
}

struct emptied {
	struct tree *tree;
	int fd; /* the folder */
	bool is_limbo;
};

static int unlink_any(int fd, const char *name, const struct stat *st)
{
	return unlinkat(fd, name, S_ISDIR(st->st_mode) ? AT_REMOVEDIR : 0) == 0 ? 0 : -errno;
}

static int remove_one(
	const struct emptied *emptied, int fd, const char *name, const struct stat *st)
{
	struct tree *tree = emptied->tree;
	struct place place;
	uint64_t object;
	int error = id_known(tree, (struct met){ fd, name, st }, &place, &object);

	if (error == 0 && object == 0 && emptied->is_limbo && st->st_nlink == 1)
		error = byhand_hold(tree, (uint64_t)place.root + 1, &(struct met){ fd, name, st });
	if (error == 0)
		error = unlink_any(fd, name, st);
	if (error == -EPERM && (flags_clear(fd, name) == 0 || flags_clear(fd, "") == 0))
		error = unlink_any(fd, name, st);
	if (error != 0)
		return error;
	if (object != 0 && (S_ISDIR(st->st_mode) || st->st_nlink <= 1))
		object_is_gone(tree, object);
	return 0;
}

/* Names of an earlier life of this process may be taken. */
static int move_up(const struct emptied *emptied, int fd, const char *name)
{
	struct terminated above;
	int error;

	do {
		limbo_name(emptied->tree, 0, &above);
		error = renameat2(fd, name, emptied->fd, above.data, RENAME_NOREPLACE) == 0
				? 0
				: -errno;
	} while (error == -EEXIST);
	return error;
}

static int take_out(const struct emptied *emptied, int fd, const char *name)
{
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(st.st_mode))
		return remove_one(emptied, fd, name, &st);
	int error = move_up(emptied, fd, name);
	if (error == -EPERM && (flags_clear(fd, name) == 0 || flags_clear(fd, "") == 0))
		error = move_up(emptied, fd, name);
	return error;
}

static int take_all_out(const struct emptied *emptied, const char *name)
{
	const struct dirent *entry;
	DIR *stream = NULL;
	int error = 0;
	int fd = openat(emptied->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	error = folder_read(fd, &stream);
	while (error == 0 && (entry = readdir(stream)) != NULL) {
		if (!is_dots(entry->d_name))
			error = take_out(emptied, fd, entry->d_name);
	}
	if (stream != NULL)
		(void)closedir(stream);
	(void)close(fd);
	return error;
}

static int remove_whole(const struct emptied *emptied, const char *name)
{
	struct stat st;
	int error = 0;

	if (fstatat(emptied->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		error = take_all_out(emptied, name);
	return error != 0 ? error : remove_one(emptied, emptied->fd, name, &st);
}

/* What is moved up while the folder is read may be seen, or not: it is read until it is empty. */
static int empty_once(const struct emptied *emptied, bool *out_was_empty)
{
	const struct dirent *entry;
	DIR *stream;
	int error = folder_read(emptied->fd, &stream);

	*out_was_empty = true;
	if (error != 0)
		return error;
	while (error == 0 && (entry = readdir(stream)) != NULL) {
		if (is_dots(entry->d_name))
			continue;
		*out_was_empty = false;
		error = remove_whole(emptied, entry->d_name);
	}
	(void)closedir(stream);
	return error;
}

static int empty(struct tree *tree, int fd, bool is_limbo)
{
	const struct emptied emptied = { tree, fd, is_limbo };
	bool is_empty = false;
	int error = 0;

	while (error == 0 && !is_empty)
		error = empty_once(&emptied, &is_empty);
	return error;
}

int tree_empty_limbo(struct tree *tree)
{
	int error = 0;

	for (int i = 0; i < tree->root_count && error == 0; i++)
		error = empty(tree, tree->roots[i].limbo_fd, true);
	return error;
}

int tree_read_orphans(struct tree *tree, uint64_t root, DIR **out_stream)
{
	CHECK(root >= 1 && root <= (uint64_t)tree->root_count);
	return folder_read(tree->roots[root - 1].orphan_fd, out_stream);
}

int tree_purge_orphans(struct tree *tree)
{
	int error = 0;

	for (int i = 0; i < tree->root_count && error == 0; i++)
		error = empty(tree, tree->roots[i].orphan_fd, false);
	return error;
}
