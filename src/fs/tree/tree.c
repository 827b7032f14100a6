/* The store: roots, ids, lookups. Operations are done by tree/apply.c and what it calls. */
#include "fs/tree/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/tree/byhand.h"
#include "fs/tree/internal.h"
#include "platform/planted.h"

/* ---- places ---- */

int tree_root_of(struct tree *tree, uint64_t object, uint8_t *out_root)
{
	struct place place;

	if (object >= 1 && object <= (uint64_t)tree->root_count) {
		*out_root = (uint8_t)(object - 1);
		return 0;
	}
	int error = index_get(tree->index, object, &place);
	if (error != 0)
		return error == -ENOENT ? -ESTALE : error;
	if (place.root >= tree->root_count)
		return -ESTALE;
	*out_root = place.root;
	return 0;
}

void object_is_gone(struct tree *tree, uint64_t object)
{
	index_remove(tree->index, object);
	cache_drop(tree, object);
}

/* ---- opening ---- */

static int open_part(struct tree_part *part, const struct tree_root *root)
{
	struct stat st;

	part->fd = root->fd;
	part->own_fd = part->orphan_fd = part->limbo_fd = part->kept_fd = -1;
	if (fstat(root->fd, &st) != 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	part->device = st.st_dev;
	part->uuid = id_file_system(root->fd);
	int error = id_mount_of(root->fd, &part->mount);
	if (error == 0)
		error = own_open(root->fd, OWN_FOLDER, &part->own_fd);
	if (error == 0)
		error = own_open(part->own_fd, "orphan", &part->orphan_fd);
	if (error == 0)
		error = own_open(part->own_fd, "limbo", &part->limbo_fd);
	if (error == 0)
		error = own_open(part->own_fd, "kept", &part->kept_fd);
	return error;
}

/* The root's own id: proves that attributes and handles work here, before anything relies on it. */
static int name_root(struct tree *tree, int index)
{
	struct stat st;
	struct place place;
	uint64_t object;
	int fd = tree->roots[index].fd;

	if (fstat(fd, &st) != 0)
		return -errno;
	int error = id_read(tree, (struct met){ fd, "", &st }, &place, &object);
	if (error != 0)
		return error == -EOPNOTSUPP ? -ENOTSUP : error;
	if (object == (uint64_t)index + 1)
		return 0;
	error = id_write(tree, (struct met){ fd, "", &st }, &place, (uint64_t)index + 1);
	return error == -EOPNOTSUPP ? -ENOTSUP : error;
}

static int open_parts(struct tree *tree, const struct tree_root *roots)
{
	int error = 0;

	for (int i = 0; i < tree->root_count && error == 0; i++)
		error = open_part(&tree->roots[i], &roots[i]);
	for (int i = 0; i < tree->root_count && error == 0; i++)
		error = name_root(tree, i);
	return error;
}

int tree_open(const struct tree_root *roots, int root_count, const char *index_path,
	struct tree **out_tree)
{
	struct tree *tree = calloc(1, sizeof(*tree));
	bool is_new = false;

	CHECK(root_count >= 1 && root_count <= ROOTS_MAX);
	if (tree == NULL)
		return -ENOMEM;
	for (int i = 0; i < ROOTS_MAX; i++) {
		struct tree_part *part = &tree->roots[i];
		part->own_fd = part->orphan_fd = part->limbo_fd = part->kept_fd = -1;
	}
	tree->root_count = root_count;
	lock_init(&tree->naming, RANK_TREE_NAMING);
	lock_init(&tree->lease_lock, RANK_TREE_LEASE);
	lock_init(&tree->byhand_lock, RANK_TREE_BY_HAND);
	tree->cache = cache_new();
	int error = tree->cache == NULL ? -ENOMEM : open_parts(tree, roots);
	if (error == 0)
		error = flags_restore(tree);
	if (error == 0)
		error = index_open(index_path, tree->roots[0].own_fd, &tree->index, &is_new);
	if (error == 0 && is_new)
		error = id_rebuild_index(tree);
	if (error == 0 && is_new)
		error = index_filled(tree->index);
	if (error == 0)
		lease_open(tree);
	if (error != 0) {
		tree_close(tree);
		return error;
	}
	kept_count(tree);
	*out_tree = tree;
	return 0;
}

void tree_close(struct tree *tree)
{
	if (tree == NULL)
		return;
	cache_free(tree->cache);
	index_close(tree->index);
	for (int i = 0; i < ROOTS_MAX; i++) {
		struct tree_part *part = &tree->roots[i];
		int fds[] = { part->own_fd, part->orphan_fd, part->limbo_fd, part->kept_fd };
		for (size_t j = 0; j < ARRAY_COUNT(fds); j++) {
			if (fds[j] >= 0)
				(void)close(fds[j]);
		}
	}
	byhand_end(tree);
	lock_done(&tree->byhand_lock);
	lock_done(&tree->naming);
	lock_done(&tree->lease_lock);
	free(tree);
}

void tree_listen(struct tree *tree, struct tree_listener listener)
{
	index_listen(tree->index, listener);
}

/* ---- looking ---- */

bool is_same_place(const struct place *a, const struct place *b)
{
	return a->root == b->root && a->type == b->type && a->size == b->size &&
	       memcmp(a->bytes, b->bytes, a->size) == 0;
}

bool is_same_inode(const struct tree *tree, const struct place *a, const struct place *b)
{
	struct place there = *a;

	if (a->root >= tree->root_count ||
		tree->roots[a->root].device != tree->roots[b->root].device)
		return false;
	there.root = b->root;
	return is_same_place(&there, b);
}

/* Is the object still where the index says? */
static int is_elsewhere(
	struct tree *tree, uint64_t object, const struct place *known, bool *out_is_there)
{
	int fd;
	int error = open_by_place(tree, known, object, &fd);

	*out_is_there = error == 0;
	if (error == 0)
		(void)close(fd); /* O_PATH */
	return error == -ESTALE ? 0 : error;
}

/*
 * The index is a cache: what it lacks, or holds for an inode that is gone, is put right. An id does
 * not count if it is a root's, or if another inode has it, or is getting it this moment: then this
 * one was brought here by hand, out of what was set aside or from another module. Ids of our own
 * leases are in the index before they are in an inode, so one that is not there is no object's yet.
 */
int id_known(struct tree *tree, struct met met, struct place *place, uint64_t *out_object)
{
	struct place known;
	uint64_t object;
	bool is_anothers;
	int error = id_read(tree, met, place, &object);

	if (error != 0)
		return error;
	*out_object = 0;
	if (object <= ROOTS_MAX)
		return 0;
	error = index_get(tree->index, object, &known);
	if (error == 0 && is_same_place(&known, place)) {
		*out_object = object;
		return 0;
	}
	if (error == 0 && is_same_inode(tree, &known, place)) {
		is_anothers = false; /* the roots were mounted in another way then */
	} else if (error == 0) {
		error = is_elsewhere(tree, object, &known, &is_anothers);
	} else if (error == -ENOENT) {
		is_anothers = lease_is_ours(tree, object);
		error = 0;
	}
	if (error != 0 || is_anothers)
		return error;
	cache_drop(tree, object);
	error = index_put(tree->index, object, place);
	if (error == 0)
		*out_object = object;
	return error;
}

/* Under `naming`: two names of one inode must not get two ids. */
static int give_id(
	struct tree *tree, int fd, const char *name, const struct stat *st, uint64_t *out_object)
{
	struct place place;
	uint64_t object;

	lock_take(&tree->naming);
	int error = id_known(tree, (struct met){ fd, name, st }, &place, &object);
	if (error == 0 && object == 0) {
		error = tree_new_id(tree, &object);
		if (error == 0)
			error = id_give_somehow(tree, (struct met){ fd, name, st }, &place, object);
	}
	lock_give(&tree->naming);
	if (error == 0)
		*out_object = object;
	return error;
}

static int lookup_name(
	struct tree *tree, int parent_fd, const char *name, struct stat *st, uint64_t *out_object)
{
	struct place place;

	if (fstatat(parent_fd, name, st, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	return id_known(tree, (struct met){ parent_fd, name, st }, &place, out_object);
}

int tree_lookup(struct tree *tree, uint64_t parent, struct bytes name, struct tree_entry *out_entry)
{
	struct terminated terminated;
	struct grip grip;
	struct stat st;
	uint64_t object;
	int error = terminate(name, &terminated);

	if (error == 0 && is_hidden(parent, name))
		error = -ENOENT;
	if (error != 0)
		return error;
	error = tree_grip(tree, parent, WANTS_CONTENT, &grip);
	if (error != 0)
		return error == -EINVAL ? -ENOTDIR : error;
	error = lookup_name(tree, grip.fd, terminated.data, &st, &object);
	if (error == 0 && object == 0)
		error = give_id(tree, grip.fd, terminated.data, &st, &object);
	tree_release(tree, &grip);
	if (error == 0)
		entry_of(&st, object, out_entry);
	return error;
}

int tree_identify(struct tree *tree, uint64_t parent, struct bytes name, uint64_t *out_object)
{
	struct terminated terminated;
	struct grip grip;
	struct stat st;
	int error = terminate(name, &terminated);

	if (error == 0 && is_hidden(parent, name))
		error = -ENOENT;
	if (error == 0)
		error = tree_grip(tree, parent, WANTS_CONTENT, &grip);
	if (error != 0)
		return error;
	error = lookup_name(tree, grip.fd, terminated.data, &st, out_object);
	tree_release(tree, &grip);
	return error;
}

bool tree_has_object(struct tree *tree, uint64_t object)
{
	struct grip grip;

	if (tree_grip(tree, object, WANTS_ANY, &grip) != 0)
		return false;
	tree_release(tree, &grip);
	return true;
}

static bool path_of(int fd, char out[PATH_SIZE_MAX])
{
	char link[PROC_PATH_SIZE];

	proc_path(link, fd, "");
	ssize_t size = readlink(link, out, PATH_SIZE_MAX - 1);
	if (size <= 0)
		return false;
	out[size] = '\0';
	return true;
}

void tree_describe(struct tree *tree, uint64_t object, char *out, size_t size)
{
	char root[PATH_SIZE_MAX], path[PATH_SIZE_MAX];
	struct grip grip;
	uint8_t index;

	(void)snprintf(out, size, "object %llu", (unsigned long long)object);
	if (tree_root_of(tree, object, &index) != 0 ||
		tree_grip(tree, object, WANTS_ANY, &grip) != 0)
		return;
	bool is_known = path_of(tree->roots[index].fd, root) && path_of(grip.fd, path);
	tree_release(tree, &grip);
	size_t length = is_known ? strlen(root) : 0;
	if (is_known && strncmp(path, root, length) == 0 && path[length] == '/')
		(void)snprintf(out, size, "%s", path + length + 1);
}

int tree_stat(struct tree *tree, uint64_t object, struct tree_entry *out_entry)
{
	struct grip grip;
	struct stat st;
	int error = tree_grip(tree, object, WANTS_ANY, &grip);

	if (error != 0)
		return error;
	error = fstat(grip.fd, &st) == 0 ? 0 : -errno;
	tree_release(tree, &grip);
	if (error == 0)
		entry_of(&st, object, out_entry);
	return error;
}

int tree_open_object(struct tree *tree, uint64_t object, int flags, int *out_fd)
{
	char path[PROC_PATH_SIZE];
	struct grip grip;
	int fd, error = tree_grip(tree, object, WANTS_ANY, &grip);

	if (error != 0)
		return error;
	proc_path(path, grip.fd, "");
	flags = (flags & ~O_NOFOLLOW) | O_CLOEXEC;
	fd = open(path, (flags & O_PATH) != 0 ? flags : flags | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = open(path, flags);
	error = fd < 0 ? -errno : 0;
	tree_release(tree, &grip);
	if (error == 0)
		*out_fd = fd;
	return error;
}

int tree_read_link(
	struct tree *tree, uint64_t object, uint8_t *out, size_t size_max, size_t *out_size)
{
	struct grip grip;
	int error = tree_grip(tree, object, WANTS_ANY, &grip);

	if (error != 0)
		return error;
	ssize_t size = readlinkat(grip.fd, "", (char *)out, size_max);
	error = size < 0 ? -errno : 0;
	tree_release(tree, &grip);
	if (error == 0)
		*out_size = (size_t)size;
	return error;
}

int tree_sync(struct tree *tree)
{
	int error = 0;

	for (int i = 0; i < tree->root_count; i++) {
		if (syncfs(tree->roots[i].fd) != 0 && error == 0)
			error = -errno;
	}
	return IS_PLANTED(PLANTED_SYNC_ALL_ERROR_LOST) ? 0 : error;
}

int tree_statfs(struct tree *tree, int root, struct statvfs *out)
{
	CHECK(root >= 0 && root < tree->root_count);
	return fstatvfs(tree->roots[root].fd, out) == 0 ? 0 : -errno;
}
