/*
 * Which ids new objects get: those of the lease, but none that an object here has already.
 *
 * The lease comes from the state folder, the ids lie in the data, and either can be lost, replaced
 * or brought from elsewhere without the other. So the data count: each root carries the limit that
 * was reached (trusted.evenkeel.ids, u64 big-endian), the index knows the highest id there is, and
 * an id that somebody has is passed over.
 */
#include <errno.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/tree/internal.h"
#include "platform/planted.h"

#define LIMIT_XATTR OWN_XATTR ".ids"

/* ---- the limit ---- */

static void raise_floor(struct tree *tree, uint64_t floor)
{
	lock_take(&tree->lease_lock);
	tree->id_floor = MAX_OF(tree->id_floor, floor);
	lock_give(&tree->lease_lock);
}

void lease_open(struct tree *tree)
{
	raise_floor(tree, MAX_OF((uint64_t)ROOTS_MAX, index_highest(tree->index)) + 1);
	for (int i = 0; i < tree->root_count; i++) {
		uint8_t bytes[sizeof(uint64_t)];
		struct buf_reader reader = buf_reader_init(bytes, sizeof(bytes));
		ssize_t size = fgetxattr(tree->roots[i].fd, LIMIT_XATTR, bytes, sizeof(bytes));
		if (size == (ssize_t)sizeof(bytes)) /* else a new one, and the index has to do */
			raise_floor(tree, buf_get_u64(&reader));
	}
}

uint64_t tree_id_floor(struct tree *tree)
{
	lock_take(&tree->lease_lock);
	uint64_t floor = tree->id_floor;
	lock_give(&tree->lease_lock);
	CHECK(floor > ROOTS_MAX);
	return floor;
}

static int note_limit(int fd, uint64_t limit, bool is_durable)
{
	uint8_t bytes[sizeof(uint64_t)];
	struct buf_writer writer = buf_writer_init(bytes, sizeof(bytes));

	buf_put_u64(&writer, limit);
	CHECK(!writer.is_overrun);
	if (fsetxattr(fd, LIMIT_XATTR, bytes, sizeof(bytes), 0) != 0)
		return -errno;
	is_durable = is_durable && !IS_PLANTED(PLANTED_LIMIT_UNSYNCED);
	return is_durable && fsync(fd) != 0 ? -errno : 0;
}

int tree_note_id_limit(struct tree *tree, uint64_t limit, bool is_durable)
{
	int error = 0;

	CHECK(limit > ROOTS_MAX);
	for (int i = 0; i < tree->root_count && error == 0; i++)
		error = note_limit(tree->roots[i].fd, limit, is_durable);
	if (error == 0)
		raise_floor(tree, limit);
	return error;
}

/* ---- the lease ---- */

void tree_set_lease(struct tree *tree, uint64_t first, uint64_t end)
{
	CHECK(first > ROOTS_MAX);
	CHECK(first <= end);
	lock_take(&tree->lease_lock);
	if (tree->lease_first == 0 || first < tree->lease_first)
		tree->lease_first = first;
	tree->lease_next = first;
	tree->lease_end = end;
	lock_give(&tree->lease_lock);
}

uint64_t tree_lease_left(const struct tree *tree)
{
	struct tree *unlocked = (struct tree *)tree; /* the lock is no part of what is asked for */

	lock_take(&unlocked->lease_lock);
	uint64_t left = tree->lease_end - tree->lease_next;
	lock_give(&unlocked->lease_lock);
	return left;
}

bool lease_is_ours(struct tree *tree, uint64_t object)
{
	lock_take(&tree->lease_lock);
	bool is_ours = tree->lease_first != 0 && object >= tree->lease_first;
	lock_give(&tree->lease_lock);
	return is_ours;
}

static int take_next(struct tree *tree, uint64_t *out_id)
{
	int error = -EAGAIN;

	lock_take(&tree->lease_lock);
	if (tree->lease_next < tree->lease_end) {
		*out_id = tree->lease_next++;
		error = 0;
	}
	lock_give(&tree->lease_lock);
	return error;
}

int tree_new_id(struct tree *tree, uint64_t *out_id)
{
	struct place taken;
	uint64_t object;
	int error;

	do {
		error = take_next(tree, &object);
		if (error != 0)
			return error;
		error = index_get(tree->index, object, &taken);
	} while (error == 0);
	if (error != -ENOENT)
		return error;
	*out_id = object;
	return 0;
}
