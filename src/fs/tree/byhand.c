#include "fs/tree/byhand.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "fs/tree/byhand_internal.h"
#include "platform/clock.h"

#define WATCH_XATTR OWN_XATTR ".unwatched"

/* ---- the watch ---- */

int64_t byhand_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now); /* cannot fail */
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* 0: without /proc all boots look alike. */
static uint64_t boot_of_machine(void)
{
	char text[64] = "";
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (file == NULL)
		return 0;
	size_t size = fread(text, 1, sizeof(text), file);
	(void)fclose(file); /* only read */
	return XXH3_64bits(text, size);
}

/* What cannot be read says nothing: then nobody knows what is whose. */
static struct unwatched load(const struct tree *tree)
{
	uint8_t bytes[UNWATCHED_SIZE];
	struct unwatched unwatched = { 0 };
	ssize_t size = fgetxattr(tree->roots[0].own_fd, WATCH_XATTR, bytes, sizeof(bytes));

	if (size < 0 || unwatched_decode(bytes, (size_t)size, &unwatched) != 0)
		unwatched = (struct unwatched){ 0 };
	return unwatched;
}

static int store(const struct tree *tree, const struct unwatched *unwatched)
{
	uint8_t bytes[UNWATCHED_SIZE];
	int fd = tree->roots[0].own_fd;

	unwatched_encode(unwatched, bytes);
	if (fsetxattr(fd, WATCH_XATTR, bytes, sizeof(bytes), 0) != 0 || fsync(fd) != 0)
		return -errno;
	return 0;
}

int byhand_take(struct tree *tree, int64_t alive_ns)
{
	const struct unwatched_witness witness = { .now_ns = byhand_now_ns(),
		.boot = boot_of_machine(),
		.booted_ns = clock_wall_ns() - clock_boot_ns(),
		.alive_ns = alive_ns };

	lock_take(&tree->byhand_lock);
	struct unwatched unwatched = load(tree);
	unwatched_take(&unwatched, &witness);
	int error = store(tree, &unwatched);
	lock_give(&tree->byhand_lock);
	return error;
}

int byhand_let_go(struct tree *tree, int64_t since_ns)
{
	lock_take(&tree->byhand_lock);
	struct unwatched unwatched = load(tree);
	unwatched_let_go(&unwatched, since_ns);
	int error = unwatched.is_known ? store(tree, &unwatched) : 0;
	lock_give(&tree->byhand_lock);
	return error;
}

int byhand_see(struct tree *tree)
{
	int error = 0;

	lock_take(&tree->byhand_lock);
	struct unwatched unwatched = load(tree);
	if (unwatched_see(&unwatched, byhand_now_ns()))
		error = store(tree, &unwatched);
	lock_give(&tree->byhand_lock);
	return error;
}

struct unwatched byhand_spans(struct tree *tree)
{
	lock_take(&tree->byhand_lock);
	struct unwatched unwatched = load(tree);
	lock_give(&tree->byhand_lock);
	return unwatched;
}

int byhand_forget(struct tree *tree)
{
	int error = 0;

	lock_take(&tree->byhand_lock);
	struct unwatched unwatched = load(tree);
	bool is_news = unwatched.count > 0;
	unwatched_forget(&unwatched);
	if (is_news)
		error = store(tree, &unwatched);
	lock_give(&tree->byhand_lock);
	return error;
}

int byhand_serve(struct tree *tree, struct byhand_account *out_account)
{
	byhand_end(tree);
	int error = byhand_settle(tree, out_account);
	return error == 0 ? byhand_forget(tree) : error;
}

/* ---- the names that are ours ---- */

int byhand_open_unfinished(const struct tree_part *part, bool is_made, int *out_fd)
{
	if (is_made && mkdirat(part->kept_fd, UNFINISHED, 0700) != 0 && errno != EEXIST)
		return -errno;
	*out_fd =
		openat(part->kept_fd, UNFINISHED, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *out_fd < 0 ? -errno : 0;
}

void byhand_name(uint64_t inode, bool is_copy, char out[HELD_NAME_SIZE])
{
	(void)snprintf(
		out, HELD_NAME_SIZE, "%llu%s", (unsigned long long)inode, is_copy ? ".copy" : "");
}

bool byhand_holds(struct tree *tree, uint64_t near, uint64_t inode)
{
	uint8_t root = 0;

	return inode != 0 && tree_root_of(tree, near, &root) == 0 &&
	       idmap_has(&tree->held[root], inode);
}

void byhand_end(struct tree *tree)
{
	for (int i = 0; i < ROOTS_MAX; i++)
		idmap_done(&tree->held[i]);
}

/* ---- before an operation ---- */

struct copying {
	int from_fd, to_fd;
	const struct byhand_work *work;
};

static void go_on(const struct byhand_work *work)
{
	if (work->goes_on != NULL)
		work->goes_on(work->context);
}

static int copy_range(const struct copying *copying, off_t at, off_t end)
{
	while (at < end) {
		off_t to = at;
		size_t wanted = (size_t)MIN_OF(end - at, (off_t)COPY_BYTES);
		ssize_t done =
			copy_file_range(copying->from_fd, &at, copying->to_fd, &to, wanted, 0);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		if (done == 0)
			return 0; /* it is shorter now */
		go_on(copying->work);
	}
	return 0;
}

/* Holes stay holes. A file system that cannot tell has data everywhere. */
static int copy_data(const struct copying *copying, off_t size)
{
	off_t at = 0;
	int error = ftruncate(copying->to_fd, size) == 0 ? 0 : -errno;

	while (error == 0 && at < size) {
		off_t data = lseek(copying->from_fd, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		data = data < 0 ? at : data;
		off_t hole = lseek(copying->from_fd, data, SEEK_HOLE);
		hole = hole < 0 ? size : hole;
		error = copy_range(copying, data, hole);
		at = hole;
	}
	return error;
}

static bool has_room(int fd, const struct stat *st)
{
	struct statvfs info;

	return fstatvfs(fd, &info) == 0 &&
	       (uint64_t)st->st_blocks * 512 <= info.f_bavail * (uint64_t)info.f_frsize / 2;
}

static int fill_copy(const struct copying *copying, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	int error = 0;

	if (ioctl(copying->to_fd, FICLONE, copying->from_fd) != 0)
		error = has_room(copying->to_fd, st) ? copy_data(copying, st->st_size) : -ENOSPC;
	if (error != 0)
		return error;
	/* Durable before what it is a copy of is overwritten. */
	if (fchown(copying->to_fd, st->st_uid, st->st_gid) != 0 ||
		fchmod(copying->to_fd, st->st_mode & 07777) != 0 ||
		futimens(copying->to_fd, times) != 0 || fsync(copying->to_fd) != 0)
		return -errno;
	return 0;
}

/* fd: of the inode, O_PATH will do. In the folder `to_fd`, under the name of its copy. */
int byhand_copy(int fd, const struct stat *st, int to_fd, const struct byhand_work *work)
{
	char path[PROC_PATH_SIZE], copy[HELD_NAME_SIZE];
	struct copying copying = { .work = work, .to_fd = -1 };
	int error = 0;

	byhand_name(st->st_ino, true, copy);
	proc_path(path, fd, "");
	copying.from_fd = open(path, O_RDONLY | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
	if (copying.from_fd < 0)
		return -errno;
	copying.to_fd =
		openat(to_fd, "copying", O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (copying.to_fd < 0)
		error = -errno;
	if (error == 0)
		error = fill_copy(&copying, st);
	if (error == 0 && renameat(to_fd, "copying", to_fd, copy) != 0)
		error = -errno;
	else if (error != 0)
		(void)unlinkat(to_fd, "copying", 0); /* the next one truncates it */
	if (copying.to_fd >= 0)
		(void)close(copying.to_fd); /* synced */
	(void)close(copying.from_fd);
	return error;
}

static bool is_all_hole(int fd, const struct op *op)
{
	char path[PROC_PATH_SIZE];

	proc_path(path, fd, "");
	int own = open(path, O_RDONLY | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
	if (own < 0)
		return false;
	off_t data = lseek(own, (off_t)op->offset, SEEK_DATA);
	bool is_hole = data < 0 ? errno == ENXIO : (uint64_t)data >= op->offset + op->length;
	(void)close(own); /* only read */
	return is_hole;
}

static bool changes_size(const struct op *op, uint32_t mask, const struct stat *st)
{
	return (mask & ATTRIBUTE_SIZE) != 0 && S_ISREG(st->st_mode) &&
	       op->attributes.size != (uint64_t)st->st_size;
}

static bool is_content_changed(const struct op *op, int fd, const struct stat *st)
{
	switch (op->type) {
	case OP_WRITE: return true;
	case OP_ALLOCATE: return !is_all_hole(fd, op);
	case OP_SET_ATTRIBUTES:
	case OP_METADATA: return changes_size(op, op->mask, st);
	case OP_REPAIR: return changes_size(op, op->mask != 0 ? op->mask : ATTRIBUTE_SIZE, st);
	case OP_UNLINK:
	case OP_RENAME: return true; /* it lives on without a name, and its user may write to it */
	default: return false;	     /* EXCEPTION: the others leave content alone */
	}
}

/* The object whose content the operation may take away; 0: none. */
static uint64_t at_stake(const struct op *op)
{
	bool is_orphaned = (op->flags & OP_FLAG_TO_ORPHAN) != 0;

	if (op->type == OP_UNLINK)
		return is_orphaned ? op->object : 0;
	if (op->type == OP_RENAME)
		return is_orphaned ? op->replaced : 0;
	return op->object;
}

static int keep_copy(struct tree *tree, uint8_t root, int fd, const struct stat *st,
	const struct byhand_work *work)
{
	char name[HELD_NAME_SIZE];
	int to_fd = -1;
	int error = byhand_open_unfinished(&tree->roots[root], false, &to_fd);

	if (error != 0)
		return error;
	error = byhand_copy(fd, st, to_fd, work);
	if (error == 0 && fsync(to_fd) != 0)
		error = -errno;
	byhand_name(st->st_ino, false, name);
	if (error == 0 && unlinkat(to_fd, name, 0) != 0 && errno != ENOENT)
		error = -errno;
	(void)close(to_fd); /* synced */
	if (error == 0)
		idmap_remove(&tree->held[root], st->st_ino);
	return error;
}

static bool is_any_held(const struct tree *tree)
{
	for (int i = 0; i < tree->root_count; i++)
		if (tree->held[i].count > 0)
			return true;
	return false;
}

int byhand_before(struct tree *tree, const struct op *op, const struct byhand_work *work,
	char *out_why, size_t size)
{
	uint64_t object = is_any_held(tree) ? at_stake(op) : 0;
	struct grip grip;
	struct stat st;
	uint8_t root = 0;

	out_why[0] = '\0';
	/* What is not there is not taken away; what cannot be opened cannot be written either. */
	if (object == 0 || tree_root_of(tree, object, &root) != 0 ||
		tree_grip(tree, object, WANTS_ANY, &grip) != 0)
		return 0;
	int error = fstat(grip.fd, &st) == 0 ? 0 : -errno;
	if (error == 0 && S_ISREG(st.st_mode) && idmap_has(&tree->held[root], st.st_ino) &&
		is_content_changed(op, grip.fd, &st))
		error = keep_copy(tree, root, grip.fd, &st, work);
	tree_release(tree, &grip);
	if (error != 0) {
		char name[40];
		tree_describe(tree, object, name, sizeof(name));
		(void)snprintf(out_why, size,
			"%s was changed by hand and cannot be kept (%s): make room on this disk, "
			"or "
			"remove it",
			name, strerror(-error));
	}
	return error;
}
