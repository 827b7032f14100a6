#include "fs/front/front.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "fs/tree/resync.h"
#include "platform/mounts.h"

void front_init(struct front *front)
{
	*front = (struct front){ 0 };
	answers_init(&front->answers);
	for (int i = 0; i < ROOTS_MAX; i++) {
		struct mount *mount = &front->mounts[i];
		mount->front = front;
		mount->index = i;
		mount->root_object = (uint64_t)i + 1;
		mount->root_fd = mount->fuse_fd = -1;
		mount->ring.fd = -1;
		lock_init(&mount->lock, RANK_MOUNT);
		condition_init(&mount->ended);
	}
}

static void refuse(struct front *front, const struct mount *mount, const char *what, int error)
{
	(void)snprintf(front->refused, sizeof(front->refused), "%s %s: %s", what, mount->path,
		strerror(-error));
}

int front_mount(struct front *front, enum fs_role role)
{
	int error = 0;

	atomic_store(&front->role, (uint32_t)role);
	atomic_store(&front->has_sync_failed, false);
	for (int i = 0; i < front->mount_count && error == 0; i++) {
		if (front->mounts[i].is_mounted)
			continue;
		error = mount_start(&front->mounts[i]);
		if (error != 0)
			refuse(front, &front->mounts[i], "cannot mount over", error);
	}
	if (error == 0)
		return 0;
	for (int i = 0; i < front->mount_count; i++)
		(void)!mount_stop(&front->mounts[i]); /* those that were mounted are fresh */
	return error;
}

static int name_holders(
	struct front *front, const struct mount *mount, const char *what, bool should_kill)
{
	int used = snprintf(front->refused, sizeof(front->refused), "%s %s ", mount->path, what);

	if (used <= 0 || (size_t)used >= sizeof(front->refused))
		return 0;
	return mount_name_holders(
		mount, should_kill, front->refused + used, sizeof(front->refused) - (size_t)used);
}

bool front_kill_holders(struct front *front)
{
	for (int i = 0; i < front->mount_count; i++)
		if (front->mounts[i].is_mounted && name_holders(front, &front->mounts[i],
							   "was held by, now killed:", true) > 0)
			return true; /* whoever holds two of them is dead as well; others in the next round */
	return false;
}

int front_take_away(struct front *front)
{
	int worst = 0;

	for (int i = 0; i < front->mount_count; i++) {
		struct mount *mount = &front->mounts[i];
		int error = mount_take_away(mount);
		if (error != 0)
			refuse(front, mount, "fails every request, but cannot be taken away from",
				error);
		worst = error != 0 ? error : worst;
	}
	atomic_store(&front->role, FS_NONE);
	(void)!tree_purge_orphans(front->tree); /* as below */
	return worst;
}

/* All or none: a module whose directories are half there would be the worst of both. */
int front_unmount(struct front *front)
{
	for (int i = 0; i < front->mount_count; i++) {
		struct mount *mount = &front->mounts[i];
		int error = mount_stop(mount);
		if (error == 0)
			continue;
		(void)name_holders(front, mount, "is still used by", false);
		for (int j = 0; j < i; j++)
			(void)!mount_start(&front->mounts[j]); /* nobody used those */
		return error;
	}
	atomic_store(&front->role, FS_NONE);
	/* Whoever used them is gone. What cannot be deleted now is deleted with the next role. */
	(void)!tree_purge_orphans(front->tree);
	return 0;
}

static bool is_connected(int fuse_fd)
{
	struct pollfd poll_fd = { .fd = fuse_fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) >= 0 && (poll_fd.revents & (POLLERR | POLLNVAL)) == 0;
}

int front_adopt(struct front *front, int index, int fuse_fd, int ring_fd)
{
	struct mount *mount = &front->mounts[index];

	CHECK(index >= 0 && index < front->mount_count);
	CHECK(!mount->is_mounted);
	if (!is_connected(fuse_fd)) { /* killed before it mounted, or after it unmounted */
		(void)close(fuse_fd);
		(void)close(ring_fd);
		return -ENODEV;
	}
	int error = ring_open(&mount->ring, ring_fd, false);
	if (error != 0) {
		(void)close(fuse_fd);
		return error;
	}
	mount->fuse_fd = fuse_fd;
	mount->is_mounted = true;
	mount_find_place(mount);
	atomic_store(&mount->is_connected, true);
	return 0;
}

int front_resume(struct front *front, enum fs_role role)
{
	int error = 0;

	atomic_store(&front->role, (uint32_t)role);
	for (int i = 0; i < front->mount_count; i++) {
		if (front->mounts[i].is_mounted)
			successor_recover(&front->mounts[i]);
	}
	for (int i = 0; i < front->mount_count && error == 0; i++) {
		if (front->mounts[i].is_mounted)
			error = mount_start_workers(&front->mounts[i]);
	}
	return error;
}

/*
 * What was told to the kernel while secondary was told for no time at all, so it asks again; pages
 * it held were dropped as the applier changed them (front_on_applied()).
 */
void front_promote(struct front *front)
{
	CHECK(atomic_load(&front->role) == FS_SECONDARY);
	atomic_store(&front->role, FS_PRIMARY);
}

static struct mount *mount_of(struct front *front, uint64_t object)
{
	if (front->mount_count == 1)
		return &front->mounts[0];
	if (object >= 1 && object <= (uint64_t)front->mount_count)
		return &front->mounts[object - 1];
	return NULL;
}

static void invalidate(struct front *front, uint64_t object)
{
	struct mount *mount = mount_of(front, object);

	if (object == 0)
		return;
	if (mount != NULL && mount->is_mounted) {
		mount_invalidate(mount, object);
		return;
	}
	for (int i = 0; i < front->mount_count; i++) { /* only one of them knows it */
		if (front->mounts[i].is_mounted)
			mount_invalidate(&front->mounts[i], object);
	}
}

void front_on_applied(struct front *front, const struct op *op)
{
	switch (op->type) {
	case OP_WRITE:
	case OP_ALLOCATE:
	case OP_SET_ATTRIBUTES:
	case OP_REPAIR:
	case OP_METADATA:
	case OP_SET_XATTR: /* ACLs are cached, too */
	case OP_REMOVE_XATTR: invalidate(front, op->object); break;
	default: break; /* EXCEPTION: names and attributes are never cached on a secondary */
	}
}

void front_note(struct front *front, enum fs_role role, struct epoch epoch,
	struct generation generation, const uint8_t set_id[SET_ID_SIZE])
{
	for (int i = 0; i < front->mount_count; i++) {
		struct ring_header *header = front->mounts[i].ring.header;
		if (header == NULL)
			continue;
		header->epoch = epoch;
		header->generation = generation;
		memcpy(header->set_id, set_id, SET_ID_SIZE);
		atomic_thread_fence(memory_order_release);
		header->role = (uint64_t)role;
	}
}

void front_note_held(struct front *front, bool is_held)
{
	for (int i = 0; i < front->mount_count; i++) {
		if (front->mounts[i].is_mounted)
			front->mounts[i].ring.header->is_held = is_held;
	}
}

bool front_was_held(const struct front *front)
{
	for (int i = 0; i < front->mount_count; i++) {
		if (front->mounts[i].is_mounted && front->mounts[i].ring.header->is_held != 0)
			return true;
	}
	return false;
}

uint64_t front_device(struct front *front, int index)
{
	return atomic_load(&front->mounts[index].device);
}

bool front_is_connected(struct front *front, int index)
{
	return atomic_load(&front->mounts[index].is_connected);
}

bool front_lies_open(struct front *front)
{
	for (int i = 0; i < front->mount_count; i++) {
		uint64_t device = front_device(front, i);
		if (device == 0)
			continue;
		if (!front_is_connected(front, i) ||
			!mounts_is_at(front->mounts[i].place, (dev_t)device))
			return true;
	}
	return false;
}
