/*
 * A directory that was removed while somebody has it open: nobody else will ever see it again, so
 * what happens to it is done here alone, and not sequenced. It is done to the inode, which lives as
 * long as we hold it; after a restart, or where too many are open, only its attributes are left, in
 * the ring.
 */
#include "fs/front/request.h"
#include "platform/clock.h"

#include <errno.h>
#include <sys/stat.h>

bool request_is_removed(struct request *request)
{
	bool is_orphan;

	return gone_find(&request->mount->ring, request->object, NULL, &is_orphan) && !is_orphan;
}

uint64_t request_reachable(struct request *request)
{
	return request_is_removed(request) ? request->object | TREE_REMOVED : request->object;
}

static void set_noted(struct tree_entry *entry, const struct op *op)
{
	struct attributes *noted = &entry->attributes;

	if ((op->mask & ATTRIBUTE_MODE) != 0)
		noted->mode = S_IFDIR | (op->attributes.mode & 07777);
	if ((op->mask & ATTRIBUTE_UID) != 0 && op->attributes.uid != UINT32_MAX)
		noted->uid = op->attributes.uid;
	if ((op->mask & ATTRIBUTE_GID) != 0 && op->attributes.gid != UINT32_MAX)
		noted->gid = op->attributes.gid;
	if ((op->mask & ATTRIBUTE_ATIME) != 0)
		noted->atime_ns = op->attributes.atime_ns;
	if ((op->mask & ATTRIBUTE_MTIME) != 0)
		noted->mtime_ns = op->attributes.mtime_ns;
	entry->ctime_ns = clock_wall_ns();
}

static int do_on_removed(struct request *request, const struct change *change)
{
	struct tree *tree = request->front->tree;
	struct ring *ring = &request->mount->ring;
	struct op op = change->op;
	struct tree_entry entry, now;
	bool is_orphan;

	if (!gone_find(ring, request->object, &entry, &is_orphan))
		return -ENOENT; /* forgotten by the kernel in the same moment */
	op.object = request->object | TREE_REMOVED;
	int error = tree_apply(tree, &op, TREE_LOCAL);
	if (error == -ESTALE && op.type == OP_SET_ATTRIBUTES) {
		set_noted(&entry, &op);
		error = 0;
	} else if (error == 0 && tree_stat(tree, op.object, &now) == 0) {
		entry.attributes = now.attributes;
		entry.ctime_ns = now.ctime_ns;
	}
	if (error == 0)
		gone_add(ring, &entry, false);
	return error;
}

void change_removed(struct request *request, struct change *change)
{
	int error = do_on_removed(request, change);

	if (error == 0)
		error = change->answer(request, change);
	if (error != 0)
		reply_error(request, error);
	else
		answer_send(request->mount, request->slot);
}
