/*
 * renameat2(2) as an operation: plain, NOREPLACE, EXCHANGE, WHITEOUT; what is replaced while open is
 * kept. The file system underneath makes the whiteout in the same step as the rename; who owns it,
 * and its id, come after that, as with anything that is new.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "fs/tree/internal.h"

struct ends {
	struct terminated old_name, new_name;
	struct grip old_parent, new_parent;
};

static int open_ends(struct tree *tree, const struct op *op, struct ends *ends)
{
	int error = terminate(op->name, &ends->old_name);

	if (error == 0)
		error = terminate(op->new_name, &ends->new_name);
	if (error == 0 && is_hidden(op->parent, op->name))
		error = -ENOENT;
	if (error == 0 && is_hidden(op->new_parent, op->new_name))
		error = -EPERM;
	if (error == 0)
		error = tree_grip(tree, op->parent, WANTS_CONTENT, &ends->old_parent);
	if (error != 0)
		return error;
	error = tree_grip(tree, op->new_parent, WANTS_CONTENT, &ends->new_parent);
	if (error != 0)
		tree_release(tree, &ends->old_parent);
	return error;
}

static void close_ends(struct tree *tree, struct ends *ends)
{
	tree_release(tree, &ends->old_parent);
	tree_release(tree, &ends->new_parent);
}

/* The replaced object gets a second name among the orphans first, so that the rename itself stays
 * one step for everybody who looks. */
static int keep_replaced(struct tree *tree, const struct op *op)
{
	struct terminated orphan;
	struct grip replaced;
	uint8_t root;
	int error = tree_root_of(tree, op->replaced, &root);

	if (error == 0)
		error = tree_grip(tree, op->replaced, WANTS_ANY, &replaced);
	if (error != 0)
		return error;
	id_name(op->replaced, &orphan);
	if (linkat(replaced.fd, "", tree->roots[root].orphan_fd, orphan.data, AT_EMPTY_PATH) != 0 &&
		errno != EEXIST)
		error = -errno;
	tree_release(tree, &replaced);
	return error;
}

static void drop_kept(struct tree *tree, const struct op *op)
{
	struct terminated orphan;
	uint8_t root;

	if (tree_root_of(tree, op->replaced, &root) != 0)
		return;
	id_name(op->replaced, &orphan);
	(void)unlinkat(tree->roots[root].orphan_fd, orphan.data, 0); /* the object has its name */
}

/* Which directory a whiteout inherits its group from, if it does, only the file system knows; ours
 * must not be what it has otherwise. The group for files is a thread's own. */
static int rename_ends(const struct op *op, const struct ends *ends, unsigned flags)
{
	int group = (flags & RENAME_WHITEOUT) != 0 ? setfsgid(op->whiteout.gid) : -1;
	int error = 0;

	if (renameat2(ends->old_parent.fd, ends->old_name.data, ends->new_parent.fd,
		    ends->new_name.data, flags) != 0)
		error = -errno;
	if ((flags & RENAME_WHITEOUT) != 0)
		(void)setfsgid((gid_t)group); /* cannot fail: it was ours */
	return error;
}

static int do_rename(struct tree *tree, const struct op *op, struct ends *ends, unsigned flags)
{
	bool keeps = op->replaced != 0 && (op->flags & OP_FLAG_TO_ORPHAN) != 0;
	bool replaces =
		op->replaced != 0 && (flags & RENAME_EXCHANGE) == 0 && op->replaced != op->object;
	struct stat st = { 0 };
	int error = 0;

	if (replaces &&
		fstatat(ends->new_parent.fd, ends->new_name.data, &st, AT_SYMLINK_NOFOLLOW) != 0)
		replaces = false;
	if (replaces && keeps)
		error = keep_replaced(tree, op);
	if (error != 0)
		return error;
	error = rename_ends(op, ends, flags);
	if (error != 0) {
		if (replaces && keeps)
			drop_kept(tree, op);
		return error;
	}
	if (replaces && !keeps && (S_ISDIR(st.st_mode) || st.st_nlink <= 1))
		object_is_gone(tree, op->replaced);
	return 0;
}

static int rename_local(struct tree *tree, struct op *op, struct ends *ends)
{
	struct stat st;
	int error = do_rename(tree, op, ends, op->mask);

	if (error != 0)
		return error;
	if (op->replaced != 0 && (op->mask & RENAME_EXCHANGE) == 0)
		op->flags |= OP_FLAG_OVERWRITES;
	if (fstatat(ends->new_parent.fd, ends->new_name.data, &st, AT_SYMLINK_NOFOLLOW) == 0)
		attributes_of(&st, &op->attributes);
	if (fstat(ends->old_parent.fd, &st) == 0)
		op->parent_mtime_ns = mtime_ns_of(&st);
	if (fstat(ends->new_parent.fd, &st) == 0)
		op->new_parent_mtime_ns = mtime_ns_of(&st);
	return 0;
}

/* The id of a name, 0 if there is no such name. */
static int id_at(struct tree *tree, uint64_t parent, struct bytes name, uint64_t *out_object)
{
	int error = tree_identify(tree, parent, name, out_object);

	if (error == -ENOENT) {
		*out_object = 0;
		return 0;
	}
	return error;
}

static bool is_in_limbo(struct tree *tree, uint64_t object)
{
	struct terminated name;
	struct stat st;
	uint8_t root;

	if (tree_root_of(tree, object, &root) != 0)
		return false;
	id_name(object, &name);
	return fstatat(tree->roots[root].limbo_fd, name.data, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- whiteouts ---- */

static struct op whiteout_creation(const struct op *op)
{
	return (struct op){ .type = OP_CREATE,
		.object = op->whiteout.object,
		.parent = op->parent,
		.name = op->name,
		.attributes = { .mode = S_IFCHR,
			.uid = op->whiteout.uid,
			.gid = op->whiteout.gid,
			.atime_ns = op->whiteout.mtime_ns,
			.mtime_ns = op->whiteout.mtime_ns } };
}

static int own_whiteout(struct tree *tree, int parent_fd, const char *name,
	const struct whiteout *wanted, struct stat *st)
{
	const struct making making = {
		.parent_fd = parent_fd, .name = name, .type = S_IFCHR, .uid = wanted->uid
	};
	struct place place;
	uint64_t object;
	int fd = made_open(tree, &making, st);

	if (fd < 0)
		return fd;
	int error = st->st_rdev != 0 ? -EBUSY : 0; /* another device is nobody's whiteout */
	if (error == 0 && st->st_uid != wanted->uid &&
		fchownat(fd, "", wanted->uid, (gid_t)-1, AT_EMPTY_PATH) != 0)
		error = -errno;
	if (error == 0)
		error = id_known(tree, (struct met){ fd, "", st }, &place, &object);
	if (error == 0 && object == 0)
		error = id_give(tree, (struct met){ fd, "", st }, &place, wanted->object);
	if (error == 0 && fstat(fd, st) != 0)
		error = -errno;
	(void)close(fd);
	return error;
}

static int finish_whiteout(
	struct tree *tree, int parent_fd, const char *name, struct op *op, struct stat *st)
{
	int error = own_whiteout(tree, parent_fd, name, &op->whiteout, st);

	if (error != 0) {
		(void)unlinkat(parent_fd, name, 0);
		op->mask &= ~(uint32_t)RENAME_WHITEOUT;
		return error;
	}
	op->whiteout.uid = st->st_uid;
	op->whiteout.gid = st->st_gid;
	op->whiteout.mtime_ns = mtime_ns_of(st);
	return 0;
}

int tree_finish_whiteout(struct tree *tree, struct op *op)
{
	struct terminated name;
	struct grip parent;
	struct stat st;
	int error = terminate(op->name, &name);

	CHECK(op_has_whiteout(op));
	if (error == 0)
		error = tree_grip(tree, op->parent, WANTS_CONTENT, &parent);
	if (error != 0)
		return error;
	/* Two names of one inode: nothing happened. */
	bool is_there = fstatat(parent.fd, name.data, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISCHR(st.st_mode) && st.st_rdev == 0;
	if (is_there)
		error = finish_whiteout(tree, parent.fd, name.data, op, &st);
	else
		op->mask &= ~(uint32_t)RENAME_WHITEOUT;
	if (fstat(parent.fd, &st) == 0)
		op->parent_mtime_ns = mtime_ns_of(&st);
	tree_release(tree, &parent);
	return error;
}

/* ---- again ---- */

static int rename_replay_names(struct tree *tree, const struct op *op, struct ends *ends)
{
	uint64_t at_old, at_new;
	int error = id_at(tree, op->parent, op->name, &at_old);

	if (error == 0)
		error = id_at(tree, op->new_parent, op->new_name, &at_new);
	if (error != 0)
		return error;
	if ((op->mask & RENAME_EXCHANGE) != 0) {
		bool is_before = at_old == op->object && at_new == op->replaced;
		return is_before ? do_rename(tree, op, ends, RENAME_EXCHANGE) : 0;
	}
	if (at_old == op->object)
		return do_rename(tree, op, ends, op->mask & RENAME_WHITEOUT);
	if (at_new != op->object && is_in_limbo(tree, op->object))
		return tree_bind(tree, op->object, op->new_parent, op->new_name);
	return 0; /* done already */
}

static int rename_replay(struct tree *tree, const struct op *op, struct ends *ends)
{
	int error = rename_replay_names(tree, op, ends);

	if (error == 0 && op_has_whiteout(op)) {
		const struct op creation = whiteout_creation(op);
		error = create_replay(tree, &creation);
	}
	if (error == 0 && op->parent_mtime_ns != 0)
		error = set_times(ends->old_parent.fd, TIME_OMIT, op->parent_mtime_ns);
	if (error == 0 && op->new_parent_mtime_ns != 0)
		error = set_times(ends->new_parent.fd, TIME_OMIT, op->new_parent_mtime_ns);
	return error;
}

int rename_apply(struct tree *tree, struct op *op, enum tree_mode mode)
{
	struct ends ends = { 0 };

	CHECK(op->type == OP_RENAME);
	if ((op->mask & ~(uint32_t)RENAME_FLAGS_KNOWN) != 0)
		return -EINVAL;
	int error = open_ends(tree, op, &ends);
	if (error != 0)
		return error;
	error = mode == TREE_LOCAL ? rename_local(tree, op, &ends) : rename_replay(tree, op, &ends);
	close_ends(tree, &ends);
	return error;
}
