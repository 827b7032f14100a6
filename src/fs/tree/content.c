/* Operations on one object: its bytes, its attributes, its extended attributes. */
#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/tree/internal.h"
#include "platform/planted.h"

/* After the operation: what it left behind, for the peer. */
static int read_attributes(int fd, struct attributes *out)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	attributes_of(&st, out);
	return 0;
}

/* Writes everything or fails; locally a short write is a lawful result. */
static int write_all(int fd, struct bytes data, uint64_t offset)
{
	size_t done = 0;

	while (done < data.size) {
		ssize_t now =
			pwrite(fd, data.data + done, data.size - done, (off_t)(offset + done));
		if (now < 0 && errno == EINTR)
			continue;
		if (now < 0)
			return -errno;
		if (now == 0)
			return -ENOSPC;
		done += (size_t)now;
	}
	return 0;
}

/* The cache opened it for as much as it could. */
int tree_check_writable(int fd, bool is_append)
{
	int flags = fcntl(fd, F_GETFL);
	struct statvfs info;

	if ((flags & O_ACCMODE) != O_RDONLY)
		return (flags & O_APPEND) != 0 && !is_append ? -EPERM : 0;
	return fstatvfs(fd, &info) == 0 && (info.f_flag & ST_RDONLY) != 0 ? -EROFS : -EPERM;
}

static bool is_append_only(int fd)
{
	return (fcntl(fd, F_GETFL) & O_APPEND) != 0;
}

/* chattr +a: what is there already, a predecessor wrote before it was killed; nobody else can. */
static int count_written(int fd, const struct op *op, size_t *out_written)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	if ((uint64_t)st.st_size < op->offset)
		return -EPERM;
	*out_written = MIN_OF((size_t)st.st_size - op->offset, op->data.size);
	return 0;
}

static int write_local(int fd, struct op *op)
{
	size_t before = 0;
	ssize_t written = 0;
	int error = is_append_only(fd) ? count_written(fd, op, &before) : 0;

	if (error != 0)
		return error;
	while (before < op->data.size) {
		written = pwrite(fd, op->data.data + before, op->data.size - before,
			(off_t)(op->offset + before));
		if (written >= 0 || errno != EINTR)
			break;
	}
	if (written < 0)
		return errno == EBADF ? tree_check_writable(fd, true) : -errno;
	op->length = before + (uint64_t)written;
	op->data.size = (size_t)op->length;
	return read_attributes(fd, &op->attributes);
}

int write_apply(struct tree *tree, struct op *op, enum tree_mode mode)
{
	struct grip grip;
	int error = tree_grip(tree, op->object, WANTS_CONTENT, &grip);

	if (error != 0)
		return error;
	if (mode == TREE_LOCAL) {
		error = write_local(grip.fd, op);
	} else {
		error = tree_check_writable(grip.fd, false);
		if (error == 0)
			error = write_all(grip.fd, op->data, op->offset);
		if (error == 0 && (op->mask & ATTRIBUTE_MODE) != 0 &&
			fchmod(grip.fd, op->attributes.mode & 07777) != 0)
			error = -errno;
		if (error == 0)
			error = set_times(grip.fd, TIME_OMIT, op->attributes.mtime_ns);
	}
	tree_release(tree, &grip);
	return error;
}

/* ext4 moves the end of the file with each extent, and leaves it there when the disk is full. What
 * failed here is not told to the peer, so nothing of it may show. */
static int allocate(int fd, const struct op *op)
{
	struct stat before, after;

	if (fstat(fd, &before) != 0)
		return -errno;
	if (fallocate(fd, (int)op->mask, (off_t)op->offset, (off_t)op->length) == 0)
		return 0;
	int error = -errno;
	if (fstat(fd, &after) != 0 || after.st_size == before.st_size)
		return error;
	if (ftruncate(fd, before.st_size) != 0)
		return -EIO; /* this copy is not what its peer is */
	int restored = set_times(fd, TIME_OMIT, mtime_ns_of(&before));
	return restored != 0 ? restored : error;
}

int allocate_apply(struct tree *tree, struct op *op, enum tree_mode mode)
{
	const uint32_t known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
	struct grip grip;

	if ((op->mask & ~known) != 0)
		return -EOPNOTSUPP;
	int error = tree_grip(tree, op->object, WANTS_CONTENT, &grip);
	if (error != 0)
		return error;
	error = tree_check_writable(grip.fd, false);
	if (error == 0)
		error = allocate(grip.fd, op);
	if (error == 0 && mode == TREE_LOCAL)
		error = read_attributes(grip.fd, &op->attributes);
	else if (error == 0 && (op->flags & OP_FLAG_MODE) != 0 &&
		 fchmod(grip.fd, op->attributes.mode & 07777) != 0)
		error = -errno;
	if (error == 0 && mode == TREE_REPLAY)
		error = set_times(grip.fd, TIME_OMIT, op->attributes.mtime_ns);
	tree_release(tree, &grip);
	return error;
}

/* ---- attributes ---- */

static int set_owner_and_mode(int fd, uint32_t mask, const struct attributes *attributes)
{
	char path[PROC_PATH_SIZE];
	struct stat st;
	uid_t uid = (mask & ATTRIBUTE_UID) != 0 ? attributes->uid : (uid_t)-1;
	gid_t gid = (mask & ATTRIBUTE_GID) != 0 ? attributes->gid : (gid_t)-1;

	if ((mask & (ATTRIBUTE_UID | ATTRIBUTE_GID)) != 0 &&
		fchownat(fd, "", uid, gid, AT_EMPTY_PATH) != 0)
		return -errno;
	if ((mask & ATTRIBUTE_MODE) == 0)
		return 0;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (S_ISLNK(st.st_mode) || (st.st_mode & 07777) == (attributes->mode & 07777))
		return 0;
	proc_path(path, fd, "");
	return chmod(path, attributes->mode & 07777) == 0 ? 0 : -errno;
}

/* By path: ftruncate(2) would set the mtime even where truncate(2) leaves it, to the same size. */
static int set_size(int fd, uint64_t size)
{
	char path[PROC_PATH_SIZE];

	proc_path(path, fd, "");
	return truncate(path, (off_t)size) == 0 ? 0 : -errno;
}

static int set_on(int fd, uint32_t mask, const struct attributes *attributes)
{
	int error = 0;

	/* First what may lawfully fail (EFBIG, ENOSPC): what failed here is not told to the peer, so
	 * nothing of it may be done. */
	if ((mask & ATTRIBUTE_SIZE) != 0)
		error = set_size(fd, attributes->size);
	if (error == 0)
		error = set_owner_and_mode(fd, mask, attributes);
	if (error == 0 && (mask & (ATTRIBUTE_ATIME | ATTRIBUTE_MTIME)) != 0)
		error = set_times(fd,
			(mask & ATTRIBUTE_ATIME) != 0 ? attributes->atime_ns : TIME_OMIT,
			(mask & ATTRIBUTE_MTIME) != 0 ? attributes->mtime_ns : TIME_OMIT);
	return error;
}

int tree_set_attributes(
	struct tree *tree, uint64_t object, uint32_t mask, const struct attributes *attributes)
{
	struct grip grip;
	int error = tree_grip(tree, object, WANTS_ANY, &grip);

	if (error != 0)
		return error;
	error = set_on(grip.fd, mask, attributes);
	tree_release(tree, &grip);
	return error;
}

/*
 * What else the call changed travels as well: chown(2) takes setuid bits away, a truncation moves
 * the mtime. So the peer gets the end state of mode and mtime, whatever was asked for.
 */
int attributes_apply(struct tree *tree, struct op *op, enum tree_mode mode)
{
	struct grip grip;
	int error = tree_grip(tree, op->object, WANTS_ANY, &grip);

	if (error != 0)
		return error;
	error = set_on(grip.fd, op->mask, &op->attributes);
	if (error == 0 && mode == TREE_LOCAL) {
		error = read_attributes(grip.fd, &op->attributes);
		if ((op->mask & (ATTRIBUTE_UID | ATTRIBUTE_GID)) != 0)
			op->mask |= ATTRIBUTE_MODE;
		if ((op->mask & ATTRIBUTE_SIZE) != 0)
			op->mask |= ATTRIBUTE_MTIME;
	}
	tree_release(tree, &grip);
	return error;
}

/* ---- extended attributes ---- */

bool tree_is_hidden_xattr(const char *name)
{
	return strncmp(name, OWN_XATTR, sizeof(OWN_XATTR) - 1) == 0;
}

static int set_xattr(int fd, const char *name, const struct op *op, enum tree_mode mode)
{
	char path[PROC_PATH_SIZE];

	proc_path(path, fd, "");
	if (op->type == OP_REMOVE_XATTR) {
		if (removexattr(path, name) == 0)
			return 0;
		return mode == TREE_REPLAY && errno == ENODATA ? 0 : -errno;
	}
	/* Repeated, "only if it is there" and "only if not" were answered the first time. */
	int flags = mode == TREE_LOCAL ? (int)op->mask : 0;
	return setxattr(path, name, op->data.data, op->data.size, flags) == 0 ? 0 : -errno;
}

int xattr_apply(struct tree *tree, struct op *op, enum tree_mode mode)
{
	struct terminated name;
	struct grip grip;
	int error = terminate(op->name, &name);

	if (error == 0 && tree_is_hidden_xattr(name.data))
		error = -EPERM;
	if (error == 0)
		error = tree_grip(tree, op->object, WANTS_ANY, &grip);
	if (error != 0)
		return error;
	error = set_xattr(grip.fd, name.data, op, mode);
	/* The peer had room for it. */
	if (error == -ENOSPC && mode == TREE_REPLAY && id_take_out(tree, grip.fd, op->object) == 0)
		error = set_xattr(grip.fd, name.data, op, mode);
	if (error == 0 && mode == TREE_LOCAL)
		error = read_attributes(grip.fd, &op->attributes);
	else if (error == 0) /* an ACL changes the mode, and the kernel may have changed it more */
		error = set_owner_and_mode(grip.fd, ATTRIBUTE_MODE, &op->attributes);
	tree_release(tree, &grip);
	return error;
}

/* ---- sync ---- */

int sync_apply(struct tree *tree, const struct op *op)
{
	struct grip grip;
	int error = tree_grip(tree, op->object, WANTS_CONTENT, &grip);

	if (error == -EINVAL || error == -ESTALE) /* nothing to sync that is still there */
		return 0;
	if (error != 0)
		return error;
	if (!IS_PLANTED(PLANTED_FIRST_SYNC_SKIPPED) &&
		((op->mask & 1) != 0 ? fdatasync(grip.fd) != 0 : fsync(grip.fd) != 0))
		error = IS_PLANTED(PLANTED_FIRST_SYNC_ERROR_LOST) ? 0 : -errno;
	tree_release(tree, &grip);
	return error;
}
