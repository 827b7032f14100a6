/* The walk that finds what was changed by hand: directories by their places, as the depth is their
 * users' choice; a path is known as far as one can be given to the kernel. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/tree/byhand_internal.h"

#define WORK_EVERY 1024 /* names, between two signs that it goes on */

struct folder {
	struct place place;
	char *path; /* below the root; NULL: too long to be one */
};

struct search {
	struct tree *tree;
	const struct byhand_work *work;
	struct unwatched unwatched;
	int part;
	int unfinished_fd; /* -1: nothing was found yet */
	FILE *list;
	struct folder *folders;
	size_t count, room;
	uint64_t looked_at;
};

/* ---- folders that have still to be read ---- */

static char *join(const char *path, const char *name)
{
	char *joined = NULL;

	if (path == NULL || strlen(path) + 1 + strlen(name) >= PATH_SIZE_MAX)
		return NULL;
	if (asprintf(&joined, "%s%s%s", path, path[0] == '\0' ? "" : "/", name) < 0)
		return NULL;
	return joined;
}

static int read_later(struct search *search, const struct place *place, char *path)
{
	if (search->count == search->room) {
		size_t room = MAX_OF((size_t)64, search->room * 2);
		struct folder *folders = realloc(search->folders, room * sizeof(folders[0]));
		if (folders == NULL) {
			free(path);
			return -ENOMEM;
		}
		search->folders = folders;
		search->room = room;
	}
	search->folders[search->count++] = (struct folder){ *place, path };
	return 0;
}

/* ---- one that was changed ---- */

static int open_list(struct search *search)
{
	const struct tree_part *part = &search->tree->roots[search->part];
	int error = byhand_open_unfinished(part, true, &search->unfinished_fd);

	if (error != 0)
		return error;
	int fd = openat(search->unfinished_fd, HELD_LIST,
		O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	search->list = fd < 0 ? NULL : fdopen(fd, "a");
	if (search->list != NULL)
		return 0;
	error = -errno;
	if (fd >= 0)
		(void)close(fd);
	return error;
}

/* One more name for it. With chattr(1)'s flags, or too many names, at once what would be done before it
 * is overwritten: a copy. */
static int keep_inode(
	int to_fd, const struct met *met, const struct byhand_work *work, bool *out_is_name)
{
	char held[HELD_NAME_SIZE];

	byhand_name(met->st->st_ino, false, held);
	*out_is_name = linkat(met->fd, met->name, to_fd, held, 0) == 0 || errno == EEXIST;
	if (*out_is_name || !S_ISREG(met->st->st_mode))
		return *out_is_name || errno == EPERM || errno == EMLINK ? 0 : -errno;
	if (errno != EPERM && errno != EMLINK)
		return -errno;
	int fd = openat(met->fd, met->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = byhand_copy(fd, met->st, to_fd, work);
	(void)close(fd); /* O_PATH */
	return error;
}

static int hold(struct search *search, int folder_fd, const char *name, const struct stat *st,
	const char *path)
{
	char held[HELD_NAME_SIZE];
	int error = search->unfinished_fd < 0 ? open_list(search) : 0;

	if (error != 0)
		return error;
	byhand_name(st->st_ino, false, held);
	/* The list first: a name that it does not know has no path. */
	if (fprintf(search->list, "%s %s", held, path == NULL ? name : path) < 0 ||
		fputc('\0', search->list) == EOF)
		return -EIO;
	bool is_name;
	return keep_inode(search->unfinished_fd, &(struct met){ folder_fd, name, st }, search->work,
		&is_name);
}

/* ---- the walk ---- */

static int64_t changed_ns(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * NS_PER_S + st->st_ctim.tv_nsec;
}

static void go_on(struct search *search)
{
	if (++search->looked_at % WORK_EVERY == 0 && search->work->goes_on != NULL)
		search->work->goes_on(search->work->context);
}

static int look_at(struct search *search, int folder_fd, const char *name, const char *path)
{
	struct place place;
	struct stat st;
	uint64_t object;

	go_on(search);
	if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (id_root_of(search->tree, st.st_dev, -1) < 0)
		return 0; /* another file system */
	if (!S_ISDIR(st.st_mode) && !unwatched_is_by_hand(&search->unwatched, changed_ns(&st)))
		return 0;
	char *below = join(path, name);
	if (!S_ISDIR(st.st_mode)) {
		int error = hold(search, folder_fd, name, &st, below);
		free(below);
		return error;
	}
	int error = id_read(search->tree, (struct met){ folder_fd, name, &st }, &place, &object);
	if (error == 0)
		return read_later(search, &place, below);
	free(below);
	return error == -ENOENT ? 0 : error;
}

static int look_through(struct search *search, int fd, const char *path)
{
	const struct dirent *entry;
	DIR *stream;
	int error = folder_read(fd, &stream);

	if (error != 0)
		return error;
	while (error == 0 && (entry = readdir(stream)) != NULL) {
		bool is_ours =
			path != NULL && path[0] == '\0' && strcmp(entry->d_name, OWN_FOLDER) == 0;
		if (!is_dots(entry->d_name) && !is_ours)
			error = look_at(search, fd, entry->d_name, path);
	}
	(void)closedir(stream);
	return error;
}

static int look_through_next(struct search *search)
{
	struct folder folder = search->folders[--search->count];
	int fd = -1, error = place_open(search->tree, &folder.place, O_RDONLY | O_DIRECTORY, &fd);

	if (error == 0)
		error = look_through(search, fd, folder.path);
	if (fd >= 0)
		(void)close(fd); /* only read */
	free(folder.path);
	return error == -ESTALE ? 0 : error;
}

/* Durable before anything of it is overwritten. */
static int close_list(struct search *search)
{
	int error = 0;

	if (search->list != NULL) {
		if (fflush(search->list) != 0 || fsync(fileno(search->list)) != 0)
			error = -errno;
		(void)fclose(search->list); /* synced */
	}
	if (search->unfinished_fd >= 0) {
		if (error == 0 && fsync(search->unfinished_fd) != 0)
			error = -errno;
		(void)close(search->unfinished_fd);
	}
	while (search->count > 0)
		free(search->folders[--search->count].path);
	free(search->folders);
	return error;
}

static int search_part(struct tree *tree, int part, const struct unwatched *unwatched,
	const struct byhand_work *work)
{
	struct search search = { .tree = tree,
		.work = work,
		.unwatched = *unwatched,
		.part = part,
		.unfinished_fd = -1 };
	int error = look_through(&search, tree->roots[part].fd, "");

	while (error == 0 && search.count > 0)
		error = look_through_next(&search);
	int closed = close_list(&search);
	return error != 0 ? error : closed;
}

/* ---- what is held, of this attempt and of those that were cut off ---- */

/* A name alone: its inode was removed, and lives here only. */
static int note_held(struct tree *tree, int part, int fd, const char *name)
{
	struct stat st;
	char *end = NULL;
	uint64_t inode = strtoull(name, &end, 10);

	if (*end != '\0' || end == name || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	return st.st_nlink < 2 ? 0 : idmap_put(&tree->held[part], inode, NULL);
}

static int note_part(struct tree *tree, int part)
{
	const struct dirent *entry;
	DIR *stream;
	int fd = -1;
	int error = byhand_open_unfinished(&tree->roots[part], false, &fd);

	if (error != 0)
		return error == -ENOENT ? 0 : error;
	error = folder_read(fd, &stream);
	while (error == 0 && (entry = readdir(stream)) != NULL)
		error = note_held(tree, part, fd, entry->d_name);
	if (error == 0)
		(void)closedir(stream);
	(void)close(fd); /* only read */
	return error;
}

int byhand_find(struct tree *tree, const struct byhand_work *work)
{
	const struct unwatched unwatched = byhand_spans(tree);
	int error = 0;

	byhand_end(tree);
	for (int i = 0; error == 0 && unwatched.count > 0 && i < tree->root_count; i++)
		error = search_part(tree, i, &unwatched, work);
	for (int i = 0; error == 0 && i < tree->root_count; i++)
		error = note_part(tree, i);
	return error == 0 ? byhand_forget(tree) : error; /* what they tell is in the names now */
}

/* ---- one that nobody of ours made ---- */

static int list_in(int to_fd, uint64_t inode, const char *path)
{
	char held[HELD_NAME_SIZE];
	int fd = openat(
		to_fd, HELD_LIST, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	byhand_name(inode, false, held);
	int error = dprintf(fd, "%s %s", held, path) < 0 || write(fd, "", 1) != 1 ? -EIO : 0;
	(void)close(fd); /* what the list lacks after a crash has its number for a name */
	return error;
}

int byhand_hold(struct tree *tree, uint64_t parent, const struct met *met)
{
	char folder[PATH_SIZE_MAX / 2] = "", path[PATH_SIZE_MAX];
	int to_fd = -1;
	uint8_t root = 0;

	/* Empty: what a process that was killed had begun to make has no id yet. */
	if (S_ISDIR(met->st->st_mode) || met->st->st_size == 0)
		return 0;
	if (tree_root_of(tree, parent, &root) != 0)
		return 0;
	if (parent > ROOTS_MAX)
		tree_describe(tree, parent, folder, sizeof(folder));
	(void)snprintf(
		path, sizeof(path), "%s%s%s", folder, folder[0] == '\0' ? "" : "/", met->name);
	int error = byhand_open_unfinished(&tree->roots[root], true, &to_fd);
	if (error != 0)
		return error;
	const struct byhand_work nobody_waits = { 0 };
	bool is_name = false;
	error = list_in(to_fd, met->st->st_ino, path);
	if (error == 0)
		error = keep_inode(to_fd, met, &nobody_waits, &is_name);
	(void)close(to_fd); /* nothing was written through it */
	return error == 0 && is_name ? idmap_put(&tree->held[root], met->st->st_ino, NULL) : error;
}
