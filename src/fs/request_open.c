/*
 * Opening, closing, and what the kernel forgets.
 *
 * An object that loses its last name becomes an orphan: it lies in a hidden folder, on both nodes,
 * until the kernel forgets it. So whoever found it by name in that moment can still use it, and
 * whoever has it open goes on, over our own death as well. There is nothing to remember about an
 * open file; a handle says nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fs/request.h"

void on_open(struct request *request)
{
	struct fuse_open_out out = { 0 };
	struct fuse_open_in in;
	int fd, error = 0;

	memcpy(&in, request->argument, sizeof(in));
	if (!is_primary(request) && (in.flags & O_ACCMODE) != O_RDONLY)
		error = -EROFS;
	if (error == 0)
		error = tree_get_fd(request->front->tree, request->object, &fd);
	if (error != 0) {
		reply_error(request, error);
		return;
	}
	tree_put_fd(request->front->tree, request->object);
	/* On a secondary the applier changes files behind the kernel's back. */
	out.open_flags = is_primary(request) ? FOPEN_KEEP_CACHE : 0;
	reply_data(request, &out, sizeof(out));
}

/* ---- forget ---- */

static bool is_orphan(struct request *request, uint64_t object)
{
	struct ring *ring = &request->mount->ring;
	bool is_noted = false;

	if (gone_find(ring, object, NULL, &is_noted))
		return is_noted;
	return ring->header->has_overflowed != 0 && tree_is_orphan(request->front->tree, object);
}

/* Nobody waits for this. What is left of it after a failure is deleted with the next role. */
static void delete_orphan(struct request *request, uint64_t object)
{
	struct front *front = request->front;
	const struct order_objects objects = { .ids = { object } };
	struct op op = { .type = OP_FORGET, .object = object };

	order_lock(front->order, &objects);
	if (tree_apply(front->tree, &op, TREE_LOCAL) == 0)
		(void)replicator_submit(front->replicator, &op);
	order_unlock(front->order, &objects);
}

/* The kernel holds nothing of the object any more: no page, no open file. */
static void forget(struct request *request, uint64_t node)
{
	uint64_t object = object_of(request->mount, node);

	if (is_primary(request) && is_orphan(request, object))
		delete_orphan(request, object);
	gone_remove(&request->mount->ring, object);
	tree_forget(request->front->tree, object);
}

void on_forget(struct request *request)
{
	forget(request, request->in.nodeid);
	reply_nothing(request);
}

void on_batch_forget(struct request *request)
{
	struct fuse_batch_forget_in in;
	struct fuse_forget_one one;
	size_t offset = sizeof(in);

	memcpy(&in, request->argument, sizeof(in));
	for (uint32_t i = 0; i < in.count; i++) {
		if (offset + sizeof(one) > request->argument_size)
			break;
		memcpy(&one, request->argument + offset, sizeof(one));
		offset += sizeof(one);
		forget(request, one.nodeid);
	}
	reply_nothing(request);
}
