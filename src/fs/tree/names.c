/* Operations on names: create, link, unlink, orphans. Renaming has tree/rename.c. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/tree/internal.h"

/*
 * The umask of one thread. It counts where a directory has no default ACL, and must not where it
 * has one; only the kernel knows which, so it gets the caller's.
 */
static mode_t set_umask(mode_t bits)
{
	static _Thread_local bool has_own_umask;

	if (!has_own_umask) {
		CHECK(unshare(CLONE_FS) == 0);
		has_own_umask = true;
	}
	return umask(bits);
}

static int make_inode(int parent_fd, const char *name, const struct op *op)
{
	mode_t type = op->attributes.mode & S_IFMT;
	mode_t mode = op->attributes.mode & 07777;
	char target[OBJECT_LINK_MAX + 1];
	int result;

	if (type == S_IFDIR) {
		result = mkdirat(parent_fd, name, mode);
	} else if (type == S_IFLNK) {
		if (op->data.size == 0 || op->data.size > OBJECT_LINK_MAX)
			return op->data.size == 0 ? -ENOENT : -ENAMETOOLONG;
		memcpy(target, op->data.data, op->data.size);
		target[op->data.size] = '\0';
		result = symlinkat(target, parent_fd, name);
	} else {
		result = mknodat(parent_fd, name, type | mode, (dev_t)op->attributes.device);
	}
	return result == 0 ? 0 : -errno;
}

/* Two names of one inode must not get two ids, and one that was just made has none. */
static int give_id_of(
	struct tree *tree, const struct making *making, struct met met, uint64_t object)
{
	struct place place;
	uint64_t there;
	int error = id_known(tree, met, &place, &there);

	if (error != 0)
		return error;
	if (there == 0)
		return id_give(tree, met, &place, object);
	return making->since_ns == 0 ? 0 : -EBUSY;
}

/* The group of a directory with the setgid bit is inherited, and stays. */
static int set_owner_and_mode(int parent_fd, int fd, const struct op *op, const struct stat *st)
{
	struct stat parent;
	char path[PROC_PATH_SIZE];

	if (fstat(parent_fd, &parent) != 0)
		return -errno;
	mode_t wanted = (st->st_mode | (op->attributes.mode & S_ISUID)) & 07777;
	if (!S_ISDIR(st->st_mode))
		wanted |= op->attributes.mode & S_ISGID;
	gid_t gid = (parent.st_mode & S_ISGID) != 0 ? parent.st_gid : op->attributes.gid;
	if ((st->st_uid != op->attributes.uid || st->st_gid != gid) &&
		fchownat(fd, "", op->attributes.uid, gid, AT_EMPTY_PATH) != 0)
		return -errno;
	proc_path(path, fd, "");
	if (!S_ISLNK(st->st_mode) && (wanted & 06000) != 0 && chmod(path, wanted) != 0)
		return -errno; /* chown(2) took those bits away */
	return 0;
}

/* Owner, mode and id: doing it again changes nothing. */
static int finish(
	struct tree *tree, const struct making *making, const struct op *op, struct stat *st)
{
	int fd = made_open(tree, making, st);

	if (fd < 0)
		return fd;
	int error = set_owner_and_mode(making->parent_fd, fd, op, st);
	if (error == 0)
		error = give_id_of(tree, making, (struct met){ fd, "", st }, op->object);
	if (error == 0 && fstat(fd, st) != 0)
		error = -errno;
	(void)close(fd);
	return error;
}

int create_finish(
	struct tree *tree, int parent_fd, const char *name, const struct op *op, struct stat *st)
{
	const struct making making = { .parent_fd = parent_fd,
		.name = name,
		.type = op->attributes.mode & S_IFMT,
		.uid = op->attributes.uid };

	return finish(tree, &making, op, st);
}

int create_named(struct tree *tree, const struct creation *creation, struct stat *out_st)
{
	int parent_fd = creation->parent_fd;
	const char *name = creation->name;
	const struct op *op = creation->op;
	struct stat parent;

	CHECK(op->object > ROOTS_MAX);
	if (fstat(parent_fd, &parent) != 0)
		return -errno;
	const struct making making = { .parent_fd = parent_fd,
		.name = name,
		.type = op->attributes.mode & S_IFMT,
		.uid = op->attributes.uid,
		.since_ns = made_now_ns() };
	mode_t before = set_umask(creation->umask_bits);
	int error = make_inode(parent_fd, name, op);
	(void)set_umask(before);
	if (error != 0)
		return error;
	error = finish(tree, &making, op, out_st);
	if (error == 0 || error == -EBUSY) /* not ours to remove */
		return error;
	/* No room for the id, or a quota: as if it had not been, as the peer hears nothing of it. */
	if (unlinkat(parent_fd, name, S_ISDIR(op->attributes.mode) ? AT_REMOVEDIR : 0) != 0)
		return -EIO;
	int restored = set_times(parent_fd, TIME_OMIT, mtime_ns_of(&parent));
	return restored != 0 ? restored : error;
}

int create_local(struct tree *tree, struct op *op)
{
	struct terminated name;
	struct grip parent;
	struct stat st;
	int error = terminate(op->name, &name);

	if (error == 0 && is_hidden(op->parent, op->name))
		error = -EPERM;
	if (error == 0)
		error = tree_grip(tree, op->parent, WANTS_CONTENT, &parent);
	if (error != 0)
		return error;
	error = create_named(tree, &(struct creation){ parent.fd, name.data, op, op->umask }, &st);
	if (error == 0) {
		attributes_of(&st, &op->attributes);
		if (fstat(parent.fd, &st) == 0)
			op->parent_mtime_ns = mtime_ns_of(&st);
	}
	tree_release(tree, &parent);
	return error;
}

static int set_parent_time(int fd, int64_t mtime_ns)
{
	return mtime_ns == 0 ? 0 : set_times(fd, TIME_OMIT, mtime_ns);
}

/* The name is another object's already: a later operation of a run that is being repeated put it
 * there. This object then waits in limbo for the operations that move or remove it. */
static int create_replay_named(
	struct tree *tree, const struct op *op, const char *name, int parent_fd)
{
	struct stat st;
	struct place place;
	uint64_t there;

	if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? create_named(tree,
						 &(struct creation){ parent_fd, name, op, 0 }, &st)
				       : -errno;
	int error = id_known(tree, (struct met){ parent_fd, name, &st }, &place, &there);
	if (error != 0)
		return error;
	if (there == 0 && (st.st_mode & S_IFMT) == (op->attributes.mode & S_IFMT))
		return create_finish(tree, parent_fd, name, op, &st);
	return tree_create_placeholder(tree, op->object, op->parent, &op->attributes, op->data);
}

int create_replay(struct tree *tree, const struct op *op)
{
	struct terminated name;
	struct grip parent;
	int error = terminate(op->name, &name);

	if (error != 0 || is_hidden(op->parent, op->name))
		return error != 0 ? error : -EPERM;
	error = tree_grip(tree, op->parent, WANTS_CONTENT, &parent);
	if (error != 0)
		return error;
	/* It is there when the one who made it died before he could set the rest. */
	if (!tree_has_object(tree, op->object))
		error = create_replay_named(tree, op, name.data, parent.fd);
	if (error == 0)
		error = tree_set_attributes(tree, op->object,
			ATTRIBUTE_MODE | ATTRIBUTE_UID | ATTRIBUTE_GID | ATTRIBUTE_ATIME |
				ATTRIBUTE_MTIME,
			&op->attributes);
	if (error == 0)
		error = set_parent_time(parent.fd, op->parent_mtime_ns);
	tree_release(tree, &parent);
	return error;
}

/* ---- link ---- */

static int link_named(struct tree *tree, struct op *op, int parent_fd, const char *name)
{
	struct grip object;
	struct stat st;
	int error = tree_grip(tree, op->object, WANTS_ANY, &object);

	if (error != 0)
		return error;
	if (linkat(object.fd, "", parent_fd, name, AT_EMPTY_PATH) != 0)
		error = -errno;
	if (error == 0 && fstat(object.fd, &st) == 0)
		attributes_of(&st, &op->attributes);
	tree_release(tree, &object);
	return error;
}

int link_apply(struct tree *tree, struct op *op, enum tree_mode mode)
{
	struct terminated name;
	struct grip parent;
	struct stat st;
	int error = terminate(op->new_name, &name);

	if (error == 0 && is_hidden(op->new_parent, op->new_name))
		error = -EPERM;
	if (error == 0)
		error = tree_grip(tree, op->new_parent, WANTS_CONTENT, &parent);
	if (error != 0)
		return error;
	if (mode == TREE_LOCAL) {
		error = link_named(tree, op, parent.fd, name.data);
		if (error == 0 && fstat(parent.fd, &st) == 0)
			op->new_parent_mtime_ns = mtime_ns_of(&st);
	} else {
		struct op copy = *op; /* link_named() fills attributes, and here op is only read */
		error = link_named(tree, &copy, parent.fd, name.data);
		if (error == -EEXIST) /* done already, or replaced since */
			error = 0;
		if (error == 0)
			error = set_parent_time(parent.fd, op->new_parent_mtime_ns);
	}
	tree_release(tree, &parent);
	return error;
}

/* ---- unlink, rmdir ---- */

static int to_orphan(struct tree *tree, const struct op *op, int parent_fd, const char *name)
{
	struct terminated orphan;
	uint8_t root;
	int error = tree_root_of(tree, op->object, &root);

	if (error != 0)
		return error;
	id_name(op->object, &orphan);
	if (renameat(parent_fd, name, tree->roots[root].orphan_fd, orphan.data) != 0)
		return -errno;
	return 0;
}

static int remove_name(struct tree *tree, const struct op *op, int parent_fd, const char *name)
{
	struct stat st;

	if ((op->flags & OP_FLAG_TO_ORPHAN) != 0)
		return to_orphan(tree, op, parent_fd, name);
	if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	if (unlinkat(parent_fd, name, op->type == OP_RMDIR ? AT_REMOVEDIR : 0) != 0)
		return -errno;
	if (op->type == OP_RMDIR || st.st_nlink <= 1)
		object_is_gone(tree, op->object);
	return 0;
}

static int unlink_local(struct tree *tree, struct op *op, int parent_fd, const char *name)
{
	struct stat st;

	if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	attributes_of(&st, &op->attributes);
	int error = remove_name(tree, op, parent_fd, name);
	if (error == 0 && fstat(parent_fd, &st) == 0)
		op->parent_mtime_ns = mtime_ns_of(&st);
	return error;
}

int unlink_apply(struct tree *tree, struct op *op, enum tree_mode mode)
{
	struct terminated name;
	struct grip parent;
	uint64_t there;
	int error = terminate(op->name, &name);

	CHECK(op->type == OP_UNLINK || op->type == OP_RMDIR);
	if (error == 0 && is_hidden(op->parent, op->name))
		error = -ENOENT;
	if (error == 0)
		error = tree_grip(tree, op->parent, WANTS_CONTENT, &parent);
	if (error != 0)
		return error;
	if (mode == TREE_LOCAL) {
		error = unlink_local(tree, op, parent.fd, name.data);
	} else {
		error = tree_identify(tree, op->parent, op->name, &there);
		if (error == 0 && there == op->object)
			error = remove_name(tree, op, parent.fd, name.data);
		else if (error == -ENOENT)
			error = 0;
		if (error == 0)
			error = set_parent_time(parent.fd, op->parent_mtime_ns);
	}
	tree_release(tree, &parent);
	return error;
}

bool tree_is_orphan(struct tree *tree, uint64_t object)
{
	struct terminated name;
	struct stat st;
	uint8_t root;

	if (tree_root_of(tree, object, &root) != 0)
		return false;
	id_name(object, &name);
	return fstatat(tree->roots[root].orphan_fd, name.data, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The last user of an orphan is gone. */
int forget_apply(struct tree *tree, const struct op *op)
{
	struct terminated name;
	uint8_t root;
	int error = tree_root_of(tree, op->object, &root);

	if (error == -ESTALE)
		return 0;
	if (error != 0)
		return error;
	id_name(op->object, &name);
	if (unlinkat(tree->roots[root].orphan_fd, name.data, 0) != 0)
		return errno == ENOENT ? 0 : -errno;
	object_is_gone(tree, op->object);
	return 0;
}
