/*
 * Opening and closing.
 *
 * An object that loses its last name while it is open becomes an orphan: it lies in a hidden folder
 * on both nodes until its last user is gone. Opening takes no order lock (it must not wait for the
 * peer), so it and a removal look out for each other: the removal leaves its note before it looks
 * for open handles, opening adds its handle before it looks for the note.
 */
#include "fs/request_open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static bool is_orphan(struct front *front, struct mount *mount, uint64_t object)
{
	bool is_noted = false;

	if (gone_find(&mount->ring, object, NULL, &is_noted))
		return is_noted;
	return mount->ring.header->has_overflowed != 0 && tree_is_orphan(front->tree, object);
}

static void mark_deleted(struct mount *mount, uint64_t object)
{
	struct tree_entry entry;
	bool is_noted;

	if (gone_find(&mount->ring, object, &entry, &is_noted))
		gone_add(&mount->ring, &entry, false);
}

void orphan_release(struct front *front, struct mount *mount, uint64_t object)
{
	const struct order_objects objects = { .ids = { object } };
	struct op op = { .type = OP_FORGET, .object = object };

	if (handle_is_open(&mount->ring, object) || !is_orphan(front, mount, object))
		return;
	order_lock(front->order, &objects);
	if (!handle_is_open(&mount->ring, object) && is_orphan(front, mount, object) &&
		tree_apply(front->tree, &op, TREE_LOCAL) == 0) {
		mark_deleted(mount, object);
		(void)replicator_submit(front->replicator, &op); /* nobody waits for it */
	}
	order_unlock(front->order, &objects);
}

static int open_checked(struct request *request, uint64_t *out_fh)
{
	struct ring *ring = &request->mount->ring;
	bool is_noted = false;
	int fd;
	int error = handle_add(ring, request->object, request->in.unique, out_fh);

	if (error != 0)
		return error;
	if (gone_find(ring, request->object, NULL, &is_noted) && !is_noted)
		error = -ESTALE; /* the kernel looks the name up again */
	if (error == 0)
		error = tree_get_fd(request->front->tree, request->object, &fd);
	if (error == 0)
		tree_put_fd(request->front->tree, request->object);
	else
		handle_remove(ring, *out_fh);
	return error;
}

void on_open(struct request *request)
{
	struct fuse_open_out out = { 0 };
	struct fuse_open_in in;
	int error = 0;

	memcpy(&in, request->argument, sizeof(in));
	if (!is_primary(request) && (in.flags & O_ACCMODE) != O_RDONLY)
		error = -EROFS;
	if (error == 0)
		error = open_checked(request, &out.fh);
	if (error != 0) {
		reply_error(request, error);
		return;
	}
	/* On a secondary the applier changes files behind the kernel's back. */
	out.open_flags = is_primary(request) ? FOPEN_KEEP_CACHE : 0;
	reply_data(request, &out, sizeof(out));
}

void on_release(struct request *request)
{
	struct fuse_release_in in;
	struct front *front = request->front;
	struct mount *mount = request->mount;
	uint64_t object = request->object;

	memcpy(&in, request->argument, sizeof(in));
	handle_remove(&mount->ring, in.fh);
	if (is_primary(request))
		orphan_release(front, mount, object);
	reply_error(request, 0);
}
