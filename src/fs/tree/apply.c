/* One operation, by its type; and the successor's question whether it was done. */
#include <errno.h>
#include <linux/stat.h>
#include <stdio.h>
#include <unistd.h>

#include "fs/tree/internal.h"

/* An operation of a resynchronisation is made of the primitives in fs/tree/resync.h by its own
 * applier. A lease and a request for hashes do nothing to the tree. */
int tree_apply(struct tree *tree, struct op *op, enum tree_mode mode)
{
	switch (op->type) {
	case OP_CREATE:
		return mode == TREE_LOCAL ? create_local(tree, op) : create_replay(tree, op);
	case OP_LINK: return link_apply(tree, op, mode);
	case OP_UNLINK:
	case OP_RMDIR: return unlink_apply(tree, op, mode);
	case OP_RENAME: return rename_apply(tree, op, mode);
	case OP_WRITE: return write_apply(tree, op, mode);
	case OP_ALLOCATE: return allocate_apply(tree, op, mode);
	case OP_SET_ATTRIBUTES: return attributes_apply(tree, op, mode);
	case OP_SET_XATTR:
	case OP_REMOVE_XATTR: return xattr_apply(tree, op, mode);
	case OP_SYNC: return sync_apply(tree, op);
	case OP_FORGET: return forget_apply(tree, op);
	case OP_LEASE: return 0;
	case OP_REPAIR:
		/* The primary is the truth about size and attributes; bytes of the range were
		 * written, or not, by the operation that is repaired. */
		return tree_set_attributes(tree, op->object,
			op->mask != 0 ? op->mask : ATTRIBUTE_SIZE | ATTRIBUTE_MTIME,
			&op->attributes);
	case OP_NONE:
	case OP_RESYNC_BEGIN:
	case OP_LIST:
	case OP_LIST_END:
	case OP_BIND:
	case OP_UNBIND:
	case OP_METADATA:
	case OP_HASH_WANTED:
	case OP_RESYNC_END:
	case OP_TYPE_COUNT: break;
	}
	return -EINVAL;
}

/* ---- was it done? ---- */

static int id_at(struct tree *tree, uint64_t parent, struct bytes name, uint64_t *out_object)
{
	int error = tree_identify(tree, parent, name, out_object);

	if (error != -ENOENT)
		return error;
	*out_object = 0;
	return 0;
}

static int fill_parents(struct tree *tree, struct op *op)
{
	struct tree_entry entry;
	int error = 0;

	if (op->parent != 0) {
		error = tree_stat(tree, op->parent, &entry);
		op->parent_mtime_ns = entry.attributes.mtime_ns;
	}
	if (error == 0 && op->new_parent != 0) {
		error = tree_stat(tree, op->new_parent, &entry);
		op->new_parent_mtime_ns = entry.attributes.mtime_ns;
	}
	return error;
}

static int fill(struct tree *tree, struct op *op)
{
	struct tree_entry entry;
	int error = tree_stat(tree, op->object, &entry);

	if (error == 0)
		op->attributes = entry.attributes;
	if (error == 0 || error == -ESTALE) /* the object itself may be gone, lawfully */
		error = fill_parents(tree, op);
	return error;
}

/*
 * The name was free when the operation started, and only this process changes the tree: what is
 * there now, without an id, is the inode that it had begun to make.
 */
static int was_created(struct tree *tree, struct op *op, bool *out_was_done)
{
	struct terminated name;
	struct grip parent;
	struct stat st;
	uint64_t there;
	int error = terminate(op->name, &name);

	if (error == 0)
		error = tree_identify(tree, op->parent, op->name, &there);
	*out_was_done = error == 0 && (there == 0 || there == op->object);
	if (error != 0 || !*out_was_done)
		return error == -ENOENT ? 0 : error;
	error = tree_grip(tree, op->parent, WANTS_CONTENT, &parent);
	if (error != 0)
		return error;
	error = create_finish(tree, parent.fd, name.data, op, &st);
	tree_release(tree, &parent);
	return error;
}

static int was_renamed(struct tree *tree, const struct op *op, bool *out_was_done)
{
	uint64_t at_old, at_new;
	int error = id_at(tree, op->parent, op->name, &at_old);

	if (error == 0)
		error = id_at(tree, op->new_parent, op->new_name, &at_new);
	if (error != 0)
		return error;
	if ((op->mask & RENAME_EXCHANGE) != 0)
		*out_was_done = at_old == op->replaced && at_new == op->object &&
				op->object != op->replaced;
	else
		*out_was_done = at_old != op->object && at_new == op->object;
	return 0;
}

int tree_was_done(struct tree *tree, struct op *op, bool *out_was_done)
{
	uint64_t there = 0;
	int error = 0;

	*out_was_done = false;
	switch (op->type) {
	case OP_CREATE: error = was_created(tree, op, out_was_done); break;
	case OP_LINK:
		error = id_at(tree, op->new_parent, op->new_name, &there);
		*out_was_done = error == 0 && there == op->object;
		break;
	case OP_UNLINK:
	case OP_RMDIR:
		error = id_at(tree, op->parent, op->name, &there);
		*out_was_done = error == 0 && there != op->object;
		break;
	case OP_RENAME: error = was_renamed(tree, op, out_was_done); break;
	default: break; /* EXCEPTION: all others are simply done again */
	}
	if (error != 0 || !*out_was_done)
		return error;
	if (op->type == OP_RENAME && op->replaced != 0 && (op->mask & RENAME_EXCHANGE) == 0)
		op->flags |= OP_FLAG_OVERWRITES;
	return fill(tree, op);
}
