/* Requests about bytes: read, write, allocate, seek, sync. */
#include "fs/front/request.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <unistd.h>

void on_read(struct request *request)
{
	struct fuse_read_in in;
	int fd, error = tree_get_fd(request->front->tree, request->object, &fd);
	ssize_t size;

	if (error != 0) {
		reply_error(request, error);
		return;
	}
	memcpy(&in, request->argument, sizeof(in));
	do {
		size = pread(fd, request->scratch, MIN_OF(in.size, SCRATCH_SIZE), (off_t)in.offset);
	} while (size < 0 && errno == EINTR);
	error = size < 0 ? -errno : 0;
	tree_put_fd(request->front->tree, request->object);
	if (error != 0)
		reply_error(request, error);
	else
		reply_data(request, request->scratch, (size_t)size);
}

static int answer_written(struct request *request, struct change *change)
{
	struct fuse_write_out out = { .size = (uint32_t)change->op.length };

	change_answer(request, &out, sizeof(out));
	return 0;
}

/* A buffered write with O_SYNC is followed by a sync of the kernel's own, a direct one is not. */
bool write_wants_sync(const struct request *request)
{
	struct fuse_write_in in;

	if (request->argument_size < sizeof(in))
		return false;
	memcpy(&in, request->argument, sizeof(in));
	return (in.flags & O_DIRECT) != 0 && (in.flags & O_DSYNC) != 0;
}

void on_write(struct request *request)
{
	struct fuse_write_in in;
	struct change change = { .op = { .type = OP_WRITE, .object = request->object },
		.objects = { .ids = { request->object } },
		.answer = answer_written };

	memcpy(&in, request->argument, sizeof(in));
	if (in.size > request->argument_size - sizeof(in)) {
		reply_error(request, -EINVAL);
		return;
	}
	change.op.offset = in.offset;
	change.op.length = in.size;
	change.op.data = (struct bytes){ request->argument + sizeof(in), in.size };
	if ((in.write_flags & FUSE_WRITE_KILL_SUIDGID) != 0)
		change.after = drop_privilege_after;
	change.syncs = write_wants_sync(request);
	change.syncs_data_only = (in.flags & O_SYNC) != O_SYNC;
	int error = change_run(request, &change);
	if (error != 0)
		reply_error(request, error);
}

static int answer_nothing(struct request *request, struct change *change)
{
	(void)request;
	(void)change;
	return 0;
}

void on_fallocate(struct request *request)
{
	const uint32_t known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
	struct fuse_fallocate_in in;
	struct change change = { .op = { .type = OP_ALLOCATE, .object = request->object },
		.objects = { .ids = { request->object } },
		.answer = answer_nothing };

	memcpy(&in, request->argument, sizeof(in));
	change.op.offset = in.offset;
	change.op.length = in.length;
	change.op.mask = in.mode;
	if (request->in.uid != 0)
		change.after = drop_privilege_after;
	int error = (in.mode & ~known) != 0 ? -EOPNOTSUPP : change_run(request, &change);
	if (error != 0)
		reply_error(request, error);
}

void on_lseek(struct request *request)
{
	struct fuse_lseek_out out;
	struct fuse_lseek_in in;
	int fd, error = tree_get_fd(request->front->tree, request->object, &fd);

	if (error != 0) {
		reply_error(request, error);
		return;
	}
	memcpy(&in, request->argument, sizeof(in));
	/* The descriptor is shared, its position is not used by anybody. */
	off_t offset = lseek(fd, (off_t)in.offset, (int)in.whence);
	error = offset < 0 ? -errno : 0;
	tree_put_fd(request->front->tree, request->object);
	if (error != 0) {
		reply_error(request, error);
		return;
	}
	out.offset = (uint64_t)offset;
	reply_data(request, &out, sizeof(out));
}

void on_fsync(struct request *request)
{
	struct fuse_fsync_in in;

	memcpy(&in, request->argument, sizeof(in));
	if (!is_primary(request)) /* nothing was changed through this mount */
		reply_error(request, 0);
	else
		change_sync(request, request->object, (in.fsync_flags & FUSE_FSYNC_FDATASYNC) != 0);
}
