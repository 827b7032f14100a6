/* The table of requests: what each is, how large at least, and whether it changes something. */
#include "fs/front/request.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

struct row {
	void (*handle)(struct request *request);
	size_t argument_min;
	bool is_change; /* refused on a secondary */
	int refusal;	/* where there is no handler */
};

static void on_nothing(struct request *request)
{
	reply_error(request, 0);
}

static void on_no_answer(struct request *request)
{
	reply_nothing(request);
}

/*
 * What is missing is -ENOSYS: the kernel does without it (FLUSH, ACCESS, COPY_FILE_RANGE, STATX,
 * IOCTL, POLL, BMAP: by other means; INTERRUPT: R14, a sequenced operation is never cancelled).
 * SYNCFS never reaches a FUSE server that is not virtiofs.
 */
/* clang-format off */
static const struct row rows[] = {
	[FUSE_LOOKUP]      = { on_lookup,      2,                                false, 0 },
	[FUSE_FORGET]      = { on_forget,      sizeof(struct fuse_forget_in),    false, 0 },
	[FUSE_GETATTR]     = { on_getattr,     0,                                false, 0 },
	[FUSE_SETATTR]     = { on_setattr,     sizeof(struct fuse_setattr_in),   true,  0 },
	[FUSE_READLINK]    = { on_readlink,    0,                                false, 0 },
	[FUSE_SYMLINK]     = { on_symlink,     4,                                true,  0 },
	[FUSE_MKNOD]       = { on_mknod,       sizeof(struct fuse_mknod_in) + 2, true,  0 },
	[FUSE_MKDIR]       = { on_mkdir,       sizeof(struct fuse_mkdir_in) + 2, true,  0 },
	[FUSE_UNLINK]      = { on_unlink,      2,                                true,  0 },
	[FUSE_RMDIR]       = { on_rmdir,       2,                                true,  0 },
	[FUSE_RENAME]      = { on_rename,      sizeof(struct fuse_rename_in) + 4, true, 0 },
	[FUSE_LINK]        = { on_link,        sizeof(struct fuse_link_in) + 2,  true,  0 },
	[FUSE_OPEN]        = { on_open,        sizeof(struct fuse_open_in),      false, 0 },
	[FUSE_READ]        = { on_read,        sizeof(struct fuse_read_in),      false, 0 },
	[FUSE_WRITE]       = { on_write,       sizeof(struct fuse_write_in),     true,  0 },
	[FUSE_STATFS]      = { on_statfs,      0,                                false, 0 },
	[FUSE_RELEASE]     = { on_nothing,     0,                                false, 0 },
	[FUSE_FSYNC]       = { on_fsync,       sizeof(struct fuse_fsync_in),     false, 0 },
	[FUSE_SETXATTR]    = { on_setxattr,    sizeof(struct fuse_setxattr_in) + 2, true, 0 },
	[FUSE_GETXATTR]    = { on_getxattr,    sizeof(struct fuse_getxattr_in) + 2, false, 0 },
	[FUSE_LISTXATTR]   = { on_listxattr,   sizeof(struct fuse_getxattr_in),  false, 0 },
	[FUSE_REMOVEXATTR] = { on_removexattr, 2,                                true,  0 },
	[FUSE_FLUSH]       = { NULL,           0,                                false, -ENOSYS },
	[FUSE_INIT]        = { on_init,        16,                               false, 0 },
	[FUSE_OPENDIR]     = { on_opendir,     0,                                false, 0 },
	[FUSE_READDIR]     = { on_readdir,     sizeof(struct fuse_read_in),      false, 0 },
	[FUSE_RELEASEDIR]  = { on_nothing,     0,                                false, 0 },
	[FUSE_FSYNCDIR]    = { on_fsync,       sizeof(struct fuse_fsync_in),     false, 0 },
	[FUSE_CREATE]      = { on_create,      sizeof(struct fuse_create_in) + 2, true, 0 },
	[FUSE_INTERRUPT]   = { NULL,           0,                                false, -ENOSYS },
	[FUSE_DESTROY]     = { on_nothing,     0,                                false, 0 },
	[FUSE_NOTIFY_REPLY] = { on_no_answer,  0,                                false, 0 },
	[FUSE_BATCH_FORGET] = { on_batch_forget, sizeof(struct fuse_batch_forget_in), false, 0 },
	[FUSE_FALLOCATE]   = { on_fallocate,   sizeof(struct fuse_fallocate_in), true,  0 },
	[FUSE_READDIRPLUS] = { on_readdirplus, sizeof(struct fuse_read_in),      false, 0 },
	[FUSE_RENAME2]     = { on_rename2,     sizeof(struct fuse_rename2_in) + 4, true, 0 },
	[FUSE_LSEEK]       = { on_lseek,       sizeof(struct fuse_lseek_in),     false, 0 },
	[FUSE_TMPFILE]     = { NULL,           0,                                false, -EOPNOTSUPP },
};
/* clang-format on */

void request_handle(struct request *request)
{
	const struct row *row =
		request->in.opcode < ARRAY_COUNT(rows) ? &rows[request->in.opcode] : NULL;

	die_if_told(request->in.opcode, DIE_READ);
	if (row == NULL || row->handle == NULL)
		reply_error(request, row == NULL || row->refusal == 0 ? -ENOSYS : row->refusal);
	else if (request->argument_size < row->argument_min)
		reply_error(request, -EINVAL);
	else if (row->is_change && !is_primary(request))
		reply_error(request, -EROFS);
	else if (row->is_change && atomic_load(&request->front->is_failing))
		reply_error(request, -EIO);
	else
		row->handle(request);
}

bool request_may_wait(struct slot *slot)
{
	struct fuse_in_header in;
	struct fuse_open_in opened;

	memcpy(&in, slot_request(slot), sizeof(in));
	switch (in.opcode) {
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET: return true;
	case FUSE_OPEN:
		memcpy(&opened, slot_request(slot) + sizeof(in), sizeof(opened));
		return (opened.flags & O_TRUNC) != 0;
	default:
		return in.opcode < ARRAY_COUNT(rows) &&
		       rows[in.opcode].is_change; /* EXCEPTION: the table has all */
	}
}

int request_parse(struct mount *mount, struct slot *slot, uint8_t *scratch, struct request *out)
{
	*out = (struct request){
		.front = mount->front, .mount = mount, .slot = slot, .scratch = scratch
	};
	memcpy(&out->in, slot_request(slot), sizeof(out->in));
	if (out->in.len < sizeof(out->in) || out->in.len > SLOT_REQUEST_MAX)
		return -EINVAL;
	out->argument = slot_request(slot) + sizeof(out->in);
	out->argument_size = out->in.len - sizeof(out->in);
	out->object = object_of(mount, out->in.nodeid);
	out->is_primary = atomic_load(&mount->front->role) == FS_PRIMARY;
	return 0;
}

static void reply(struct request *request, int error, const void *data, size_t size)
{
	struct fuse_out_header out = { .len = (uint32_t)(sizeof(out) + size),
		.error = error,
		.unique = request->slot->unique };
	struct iovec parts[2] = { { .iov_base = &out, .iov_len = sizeof(out) },
		{ .iov_base = (void *)data, .iov_len = size } };

	/* As in answer_send(): if it cannot be delivered, nobody waits for it. */
	(void)!writev(request->mount->fuse_fd, parts, size > 0 ? 2 : 1);
	ring_free(&request->mount->ring, request->slot);
}

/* A name that was resolved leads to what was removed meanwhile: that is not there, rather than
 * stale, which no local file system ever says. */
void reply_error(struct request *request, int error)
{
	bool is_orphan;

	CHECK(error <= 0);
	if (error == -ESTALE && gone_find(&request->mount->ring, request->object, NULL, &is_orphan))
		error = -ENOENT;
	reply(request, error, NULL, 0);
}

void reply_data(struct request *request, const void *data, size_t size)
{
	reply(request, 0, data, size);
}

void reply_nothing(struct request *request)
{
	ring_free(&request->mount->ring, request->slot);
}

int request_name(const struct request *request, size_t offset, struct bytes *out_name)
{
	if (offset >= request->argument_size)
		return -EINVAL;
	const uint8_t *name = request->argument + offset;
	const uint8_t *end = memchr(name, '\0', request->argument_size - offset);
	if (end == NULL)
		return -EINVAL;
	*out_name = (struct bytes){ .data = name, .size = (size_t)(end - name) };
	return 0;
}

uint64_t object_of(const struct mount *mount, uint64_t node)
{
	return node == FUSE_ROOT_ID ? mount->root_object : node;
}

uint64_t node_of(const struct mount *mount, uint64_t object)
{
	return object == mount->root_object ? FUSE_ROOT_ID : object;
}

bool is_primary(const struct request *request)
{
	return request->is_primary;
}
