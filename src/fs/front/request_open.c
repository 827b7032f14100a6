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

#include "fs/front/request.h"
#include "platform/clock.h"

static void fill_open(const struct request *request, struct fuse_open_out *out)
{
	/* On a secondary the applier changes files behind the kernel's back. */
	*out = (struct fuse_open_out){ .open_flags = is_primary(request) ? FOPEN_KEEP_CACHE : 0 };
}

static int answer_opened(struct request *request, struct change *change)
{
	struct fuse_open_out out;

	(void)change;
	fill_open(request, &out);
	change_answer(request, &out, sizeof(out));
	return 0;
}

/* With O_TRUNC, which changes the mtime even of a file that is empty already. */
static void open_empty(struct request *request, const struct fuse_open_in *in)
{
	struct change change = { .op = { .type = OP_SET_ATTRIBUTES,
					 .object = request->object,
					 .mask = ATTRIBUTE_SIZE | ATTRIBUTE_MTIME,
					 .attributes = { .mtime_ns = clock_wall_ns() } },
		.objects = { .ids = { request->object } },
		.answer = answer_opened };
	int error = 0;

	if ((in->open_flags & FUSE_OPEN_KILL_SUIDGID) != 0)
		error = drop_privilege_before(request, &change.op);
	if (error == 0)
		error = change_run(request, &change);
	if (error != 0)
		reply_error(request, error);
}

void on_open(struct request *request)
{
	struct fuse_open_out out;
	struct fuse_open_in in;
	int fd;

	memcpy(&in, request->argument, sizeof(in));
	bool is_change = (in.flags & O_ACCMODE) != O_RDONLY || (in.flags & O_TRUNC) != 0;
	if (is_change && !is_primary(request)) {
		reply_error(request, -EROFS);
		return;
	}
	if ((in.flags & O_TRUNC) != 0) {
		open_empty(request, &in);
		return;
	}
	int error = tree_get_fd(request->front->tree, request->object, &fd);
	if (error == 0) {
		if ((in.flags & O_ACCMODE) != O_RDONLY)
			error = tree_check_writable(fd, (in.flags & O_APPEND) != 0);
		tree_put_fd(request->front->tree, request->object);
	}
	if (error != 0) {
		reply_error(request, error);
		return;
	}
	fill_open(request, &out);
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

/*
 * The kernel holds nothing of the object any more: no page, no open file. That is so only if it has not
 * found the object again since: a FORGET may come late, and counts the answers to what was looked up
 * before. So the kernel is asked, which knows, where we could only count, over deaths of ours. Whoever
 * was told the object's name and does not know the object yet holds the lock of its directory, and the
 * last name is removed under that lock as well: so of what has no name, the answer stays true.
 */
static void forget(struct request *request, uint64_t node)
{
	uint64_t object = object_of(request->mount, node);
	bool is_kept = is_orphan(request, object), is_noted;

	if (!is_kept && !gone_find(&request->mount->ring, object, NULL, &is_noted)) {
		tree_forget(request->front->tree, object);
		return;
	}
	if (mount_invalidate_attributes(request->mount, object))
		return; /* another FORGET will come */
	if (is_kept && is_primary(request))
		delete_orphan(request, object);
	tree_forget(request->front->tree, object | TREE_REMOVED);
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
