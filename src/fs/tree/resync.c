/* Objects without names, names without ids: what a resynchronisation's target does (R12, R20). */
#include "fs/tree/resync.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fs/tree/internal.h"
#include "repl/resync_place.h"

/* ---- unbind ---- */

static int unbind_once(struct tree *tree, uint64_t parent, int parent_fd, const char *name)
{
	struct terminated in_limbo;
	struct place place;
	struct stat st;
	uint64_t object;

	if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -errno;
	int error = id_known(tree, (struct met){ parent_fd, name, &st }, &place, &object);
	if (error == 0 && object == 0)
		error = byhand_hold(tree, parent, &(struct met){ parent_fd, name, &st });
	if (error != 0)
		return error;
	const struct resync_named named = { true, S_ISDIR(st.st_mode), st.st_nlink };
	switch (resync_unbind(&named)) {
	case RESYNC_REMOVE_NOTHING: return 0;
	case RESYNC_REMOVE_NAME: return unlinkat(parent_fd, name, 0) == 0 ? 0 : -errno;
	case RESYNC_REMOVE_TO_LIMBO: break;
	}
	limbo_name(tree, object, &in_limbo);
	if (renameat(parent_fd, name, tree->roots[place.root].limbo_fd, in_limbo.data) != 0)
		return -errno;
	return object == 0 ? 0 : index_put(tree->index, object, &place);
}

static int unbind_at(struct tree *tree, uint64_t parent, int parent_fd, const char *name)
{
	int error = unbind_once(tree, parent, parent_fd, name);

	if (error == -EPERM && flags_clear(parent_fd, name) == 0)
		error = unbind_once(tree, parent, parent_fd, name);
	return error;
}

int tree_unbind(struct tree *tree, uint64_t parent, struct bytes name)
{
	struct terminated terminated;
	struct grip grip;
	int error = terminate(name, &terminated);

	if (error == 0 && is_hidden(parent, name))
		error = -EPERM;
	if (error == 0)
		error = tree_grip(tree, parent, WANTS_CONTENT, &grip);
	if (error != 0)
		return error;
	error = unbind_at(tree, parent, grip.fd, terminated.data);
	tree_release(tree, &grip);
	return error;
}

/* ---- bind ---- */

/* The name of a directory in the one above it. */
static int name_above(int above_fd, const struct stat *wanted, struct terminated *out)
{
	DIR *stream;
	const struct dirent *entry;
	int error = folder_read(above_fd, &stream);

	if (error != 0)
		return error;
	error = -ENOENT;
	while (error == -ENOENT && (entry = readdir(stream)) != NULL) {
		struct stat st;
		if (entry->d_ino != wanted->st_ino || is_dots(entry->d_name))
			continue;
		if (fstatat(above_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
			st.st_dev != wanted->st_dev || st.st_ino != wanted->st_ino)
			continue;
		(void)snprintf(out->data, sizeof(out->data), "%s", entry->d_name);
		error = 0;
	}
	(void)closedir(stream);
	return error;
}

static int move_directory(int fd, const struct stat *st, int parent_fd, const char *name)
{
	struct terminated old_name;
	int above_fd = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (above_fd < 0)
		return -errno;
	int error = name_above(above_fd, st, &old_name);
	if (error == 0 &&
		renameat2(above_fd, old_name.data, parent_fd, name, RENAME_NOREPLACE) != 0)
		error = -errno;
	(void)close(above_fd);
	return error;
}

struct wanted { /* a name that an object is to have */
	int parent_fd;
	const char *name;
};

static int bind_by(struct tree *tree, uint64_t object, int fd, enum resync_binding binding,
	const struct wanted *wanted)
{
	struct terminated in_limbo;
	struct stat st;
	uint8_t root;
	int error, result = 0;

	switch (binding) {
	case RESYNC_BIND_FROM_LIMBO:
		error = tree_root_of(tree, object, &root);
		if (error != 0)
			return error;
		id_name(object, &in_limbo);
		result = renameat2(tree->roots[root].limbo_fd, in_limbo.data, wanted->parent_fd,
			wanted->name, RENAME_NOREPLACE);
		break;
	case RESYNC_BIND_MOVE:
		if (fstat(fd, &st) != 0)
			return -errno;
		return move_directory(fd, &st, wanted->parent_fd, wanted->name);
	case RESYNC_BIND_LINK:
		result = linkat(fd, "", wanted->parent_fd, wanted->name, AT_EMPTY_PATH);
		break;
	}
	return result == 0 ? 0 : -errno;
}

/* Whether it is in limbo is found out by taking it from there. */
static int bind_at(struct tree *tree, uint64_t object, const struct wanted *wanted)
{
	struct grip grip;
	struct stat st = { 0 };
	int error = tree_grip(tree, object, WANTS_ANY, &grip);

	if (error != 0)
		return error;
	error = fstat(grip.fd, &st) == 0 ? 0 : -errno;
	bool is_directory = S_ISDIR(st.st_mode);
	if (error == 0)
		error = bind_by(tree, object, grip.fd, resync_bind(true, is_directory), wanted);
	if (error == -ENOENT)
		error = bind_by(tree, object, grip.fd, resync_bind(false, is_directory), wanted);
	tree_release(tree, &grip);
	return error;
}

int tree_bind(struct tree *tree, uint64_t object, uint64_t parent, struct bytes name)
{
	struct terminated terminated;
	struct grip grip;
	uint64_t there;
	int error = terminate(name, &terminated);

	CHECK(object > ROOTS_MAX);
	if (error == 0 && is_hidden(parent, name))
		error = -EPERM;
	if (error != 0)
		return error;
	error = tree_identify(tree, parent, name, &there);
	if (error == 0 && there == object)
		return 0;
	if (error != 0 && error != -ENOENT)
		return error;
	error = tree_grip(tree, parent, WANTS_CONTENT, &grip);
	if (error != 0)
		return error;
	error = unbind_at(tree, parent, grip.fd, terminated.data);
	if (error == 0)
		error = bind_at(tree, object, &(struct wanted){ grip.fd, terminated.data });
	tree_release(tree, &grip);
	return error;
}

/* ---- names without ids, objects without names ---- */

int tree_adopt(struct tree *tree, uint64_t parent, struct bytes name, uint64_t object)
{
	struct terminated terminated;
	struct place place;
	struct grip grip;
	struct stat st;
	uint64_t there;
	int error = terminate(name, &terminated);

	if (error != 0)
		return error;
	if (tree_has_object(tree, object))
		return -EEXIST;
	error = tree_grip(tree, parent, WANTS_CONTENT, &grip);
	if (error != 0)
		return error;
	if (fstatat(grip.fd, terminated.data, &st, AT_SYMLINK_NOFOLLOW) != 0)
		error = -errno;
	if (error == 0)
		error = id_known(
			tree, (struct met){ grip.fd, terminated.data, &st }, &place, &there);
	if (error == 0 && there != 0)
		error = -EEXIST;
	if (error == 0)
		error = byhand_hold(tree, parent, &(struct met){ grip.fd, terminated.data, &st });
	if (error == 0)
		error = id_give_somehow(
			tree, (struct met){ grip.fd, terminated.data, &st }, &place, object);
	tree_release(tree, &grip);
	return error;
}

static int set_all(
	struct tree *tree, uint64_t object, uint32_t mask, const struct attributes *attributes)
{
	return tree_set_attributes(tree, object,
		mask | ATTRIBUTE_UID | ATTRIBUTE_GID | ATTRIBUTE_MODE | ATTRIBUTE_ATIME |
			ATTRIBUTE_MTIME,
		attributes);
}

int tree_create_placeholder(struct tree *tree, uint64_t object, uint64_t near,
	const struct attributes *attributes, struct bytes link)
{
	struct op op = {
		.type = OP_CREATE, .object = object, .attributes = *attributes, .data = link
	};
	struct tree_entry entry;
	struct terminated name;
	struct stat st;
	uint8_t root;
	int error = tree_stat(tree, object, &entry);

	if (error == 0) {
		bool is_same = (entry.attributes.mode & S_IFMT) == (attributes->mode & S_IFMT);
		return is_same ? set_all(tree, object, 0, attributes) : -EEXIST;
	}
	if (error != -ESTALE)
		return error;
	error = tree_root_of(tree, near, &root);
	if (error != 0)
		return error;
	id_name(object, &name);
	/* What a killed predecessor had begun has no id yet. */
	(void)unlinkat(tree->roots[root].limbo_fd, name.data,
		S_ISDIR(attributes->mode) ? AT_REMOVEDIR : 0);
	error = create_named(
		tree, &(struct creation){ tree->roots[root].limbo_fd, name.data, &op, 0 }, &st);
	if (error != 0)
		return error;
	return set_all(tree, object, S_ISREG(attributes->mode) ? ATTRIBUTE_SIZE : 0, attributes);
}

/* ---- setting aside ---- */

int kept_make(const struct tree_part *part, char *out_name, size_t size)
{
	struct tm calendar;
	time_t now = time(NULL);

	if (gmtime_r(&now, &calendar) == NULL)
		return -EOVERFLOW;
	for (int attempt = 0; attempt < 100; attempt++) {
		size_t used = strftime(out_name, size, "%Y%m%dT%H%M%SZ", &calendar);
		if (attempt > 0)
			(void)snprintf(out_name + used, size - used, "-%d", attempt);
		if (mkdirat(part->kept_fd, out_name, 0700) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int move_all(int from_fd, int to_fd)
{
	DIR *stream;
	const struct dirent *entry;
	int error = folder_read(from_fd, &stream);

	if (error != 0)
		return error;
	while (error == 0 && (entry = readdir(stream)) != NULL) {
		if (is_dots(entry->d_name) || strcmp(entry->d_name, OWN_FOLDER) == 0)
			continue;
		if (renameat(from_fd, entry->d_name, to_fd, entry->d_name) != 0)
			error = -errno;
	}
	(void)closedir(stream);
	return error;
}

/* out_name: the folder in kept/; empty if there was nothing to keep. */
static int set_part_aside(const struct tree_part *part, char *out_name, size_t size)
{
	int to_fd, error = kept_make(part, out_name, size);

	if (error != 0)
		return error;
	to_fd = openat(part->kept_fd, out_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to_fd < 0)
		return -errno;
	error = move_all(part->fd, to_fd);
	/* Whoever hears that it is kept may fill the directory anew, and count on that. */
	if (error == 0 && (fsync(to_fd) != 0 || fsync(part->kept_fd) != 0 || fsync(part->fd) != 0))
		error = -errno;
	(void)close(to_fd);
	if (error == 0 && unlinkat(part->kept_fd, out_name, AT_REMOVEDIR) == 0)
		out_name[0] = '\0'; /* it was empty */
	return error;
}

int tree_set_aside(struct tree *tree, char *out_path, size_t path_size)
{
	char name[64], first[64] = "";
	int error = tree_purge_orphans(tree);

	if (error == 0)
		error = tree_empty_limbo(tree);
	for (int i = 0; i < tree->root_count && error == 0; i++) {
		error = set_part_aside(&tree->roots[i], name, sizeof(name));
		if (first[0] == '\0')
			(void)snprintf(first, sizeof(first), "%s", name);
	}
	if (error == 0)
		index_clear(tree->index);
	cache_drop_all(tree);
	kept_count(tree);
	if (error == 0 && first[0] == '\0')
		out_path[0] = '\0';
	else if (error == 0)
		(void)snprintf(out_path, path_size, OWN_FOLDER "/kept/%s", first);
	return error;
}
