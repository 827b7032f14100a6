/*
 * A change that failed here for a lawful reason (no space, a quota, a size, a right) may have left
 * something behind all the same: the peer gets what this node really has, before the caller hears
 * of the failure (R5). What fails without a trace is left out: names are given and taken in one
 * step, and a new object that cannot have its id is removed again. Nothing here carries the
 * request's id: a successor tries again.
 */
#include "fs/front/request.h"

#include <errno.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTRIBUTES_ALL                                                                       \
	(ATTRIBUTE_MODE | ATTRIBUTE_UID | ATTRIBUTE_GID | ATTRIBUTE_SIZE | ATTRIBUTE_ATIME | \
		ATTRIBUTE_MTIME)

_Static_assert(SCRATCH_SIZE >= WRITE_SIZE_MAX, "what is sent again is read there");

bool can_leave_traces(const struct op *op, int error)
{
	switch (op->type) {
	case OP_WRITE:
	case OP_ALLOCATE: return error == -ENOSPC || error == -EDQUOT || error == -EFBIG;
	case OP_SET_ATTRIBUTES:
	case OP_SET_XATTR:
	case OP_REMOVE_XATTR: return error != -ESTALE && error != -ENOENT && error != -ENODATA;
	default: return false; /* EXCEPTION: of all types, only these are done in steps */
	}
}

/* One run of bytes, or a hole, as it is now. */
static int send_piece(struct request *request, struct op *op, int fd, uint64_t until)
{
	op->data = (struct bytes){ 0 };
	op->type = OP_ALLOCATE;
	op->mask = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	off_t data = lseek(fd, (off_t)op->offset, SEEK_DATA);
	op->length = until - op->offset;
	if (data < 0 && errno != ENXIO)
		return -errno;
	if (data >= 0 && (uint64_t)data > op->offset)
		op->length = MIN_OF(op->length, (uint64_t)data - op->offset);
	if (data >= 0 && (uint64_t)data == op->offset) {
		size_t wanted = (size_t)MIN_OF(op->length, (uint64_t)WRITE_SIZE_MAX);
		ssize_t size = pread(fd, request->scratch, wanted, (off_t)op->offset);
		if (size <= 0)
			return size < 0 ? -errno : -EIO;
		op->type = OP_WRITE;
		op->mask = 0;
		op->length = (uint64_t)size;
		op->data = (struct bytes){ request->scratch, (size_t)size };
	}
	(void)replicator_submit(request->front->replicator, op);
	op->offset += op->length;
	return 0;
}

/* What was to be zeroed may be zero in part. */
static int send_range(
	struct request *request, const struct op *failed, const struct attributes *attributes)
{
	uint64_t until = MIN_OF(failed->offset + failed->length, attributes->size);
	struct op op = {
		.object = failed->object, .offset = failed->offset, .attributes = *attributes
	};
	int fd, error = tree_get_fd(request->front->tree, failed->object, &fd);

	if (error != 0)
		return error;
	while (error == 0 && op.offset < until)
		error = send_piece(request, &op, fd, until);
	tree_put_fd(request->front->tree, failed->object);
	return error;
}

int change_repair(struct request *request, const struct op *failed, uint64_t *out_sequence)
{
	const uint32_t zeroes = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
	struct tree_entry entry;
	struct op op = { .type = OP_REPAIR, .object = failed->object, .mask = ATTRIBUTES_ALL };
	int error = tree_stat(request->front->tree, op.object, &entry);

	if (error == 0 && failed->type == OP_ALLOCATE && (failed->mask & zeroes) != 0)
		error = send_range(request, failed, &entry.attributes);
	if (error != 0)
		return error;
	if (!S_ISREG(entry.attributes.mode))
		op.mask &= ~(uint32_t)ATTRIBUTE_SIZE;
	op.attributes = entry.attributes;
	*out_sequence = replicator_submit(request->front->replicator, &op);
	return 0;
}
