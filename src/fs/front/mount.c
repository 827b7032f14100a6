/*
 * One mount: the kernel's connection, and the threads that read requests from it.
 *
 * The pool grows while all are busy (an fsync keeps one for as long as the disk needs) and never
 * shrinks before the mount ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/front/request.h"
#include "platform/clock.h"
#include "platform/mounts.h"

/* ---- INIT ---- */

/*
 * Not FUSE_ASYNC_DIO: the kernel drops no page that a buffered reader took beside a direct write that
 * completes by itself, so that page would be old for good, and a store through a mapping would bring it
 * back to both disks. Without, io_submit(2) waits.
 */
#define WANTED_FLAGS                                                                               \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DONT_MASK |                \
		FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_PARALLEL_DIROPS |               \
		FUSE_POSIX_ACL | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | FUSE_EXPLICIT_INVAL_DATA | \
		FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT | FUSE_INIT_EXT)

#define MINOR_MIN  31 /* Linux 5.4; the sizes of what is exchanged did not change since */
#define PAGES_MAX  (WRITE_SIZE_MAX / 4096)
#define BACKGROUND 64
void on_init(struct request *request)
{
	struct fuse_init_in in = { 0 };
	struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION };

	memcpy(&in, request->argument, MIN_OF(request->argument_size, sizeof(in)));
	if (in.major != FUSE_KERNEL_VERSION || in.minor < MINOR_MIN) {
		reply_error(request, -EPROTO);
		return;
	}
	uint64_t offered = in.flags;
	if ((in.flags & FUSE_INIT_EXT) != 0)
		offered |= (uint64_t)in.flags2 << 32;
	uint64_t granted = offered & (WANTED_FLAGS | FUSE_HAS_RESEND_BIT);
	out.minor = MIN_OF(in.minor, FUSE_KERNEL_MINOR_VERSION);
	out.max_readahead = in.max_readahead;
	out.flags = (uint32_t)granted;
	out.flags2 = (uint32_t)(granted >> 32);
	out.max_background = BACKGROUND;
	out.congestion_threshold = BACKGROUND * 3 / 4;
	out.max_write = WRITE_SIZE_MAX;
	out.time_gran = 1;
	out.max_pages = PAGES_MAX;
	request->mount->ring.header->has_resend = (granted & FUSE_HAS_RESEND_BIT) != 0;
	request->mount->ring.header->is_initialised = 1;
	reply_data(request, &out, sizeof(out));
}

/* ---- workers ---- */

void mount_handle(struct mount *mount, struct slot *slot, uint8_t *scratch)
{
	struct request request;

	if (request_parse(mount, slot, scratch, &request) == 0)
		request_handle(&request);
	else
		ring_free(&mount->ring, slot);
}

static int start_worker(struct mount *mount);

/*
 * What changes something may wait for room in the send log, all of it at once. So that somebody is
 * left for what only reads, and for what closes, the others of such requests are put aside, and done
 * by those who come back. They lie in the ring: a successor finds them.
 */
static bool put_aside(struct mount *mount, struct slot *slot, bool *out_is_change)
{
	*out_is_change = request_may_wait(slot);
	if (!*out_is_change)
		return false;
	lock_take(&mount->lock);
	bool is_aside = mount->changes >= CHANGES_MAX;
	if (is_aside) {
		int at = (mount->aside_first + mount->aside_count) % RING_SLOTS;
		CHECK(mount->aside_count < RING_SLOTS);
		mount->aside[at] = slot;
		mount->aside_count++;
	} else {
		mount->changes++;
	}
	lock_give(&mount->lock);
	return is_aside;
}

/* The one that waits longest; its place among the changes is the caller's. NULL: none does, and the
 * place is given up. */
static struct slot *next_aside(struct mount *mount)
{
	struct slot *slot = NULL;

	lock_take(&mount->lock);
	CHECK(mount->changes > 0);
	if (mount->aside_count > 0) {
		slot = mount->aside[mount->aside_first];
		mount->aside_first = (mount->aside_first + 1) % RING_SLOTS;
		mount->aside_count--;
	} else {
		mount->changes--;
	}
	lock_give(&mount->lock);
	return slot;
}

static void handle_all(struct mount *mount, struct slot *slot, bool is_change, uint8_t *scratch)
{
	while (slot != NULL) {
		mount_handle(mount, slot, scratch);
		slot = is_change ? next_aside(mount) : NULL;
	}
}

static bool is_over(int error)
{
	return error == ENODEV || error == ECONNABORTED || error == EPERM || error == EBADF;
}

/* false: the connection is gone. */
static bool read_request(struct mount *mount, struct slot *slot)
{
	struct fuse_in_header in;
	ssize_t size = read(mount->fuse_fd, slot_request(slot), SLOT_REQUEST_MAX);
	int error = errno;

	if (size < (ssize_t)sizeof(in)) {
		ring_free(&mount->ring, slot);
		return size >= 0 || !is_over(error);
	}
	memcpy(&in, slot_request(slot), sizeof(in));
	slot->unique = in.unique;
	atomic_store(&slot->state, SLOT_READ);
	return true;
}

static void *run_worker(void *context)
{
	struct mount *mount = context;
	uint8_t *scratch = malloc(SCRATCH_SIZE);
	struct slot *slot;
	bool is_change;

	while (scratch != NULL && (slot = ring_take(&mount->ring)) != NULL) {
		if (!read_request(mount, slot)) {
			atomic_store(&mount->is_connected, false);
			break;
		}
		if (atomic_load(&slot->state) == SLOT_FREE || put_aside(mount, slot, &is_change))
			continue;
		lock_take(&mount->lock);
		mount->idle--;
		/* Without another thread the requests wait until one here is done. */
		if (mount->idle == 0 && mount->workers < WORKERS_MAX)
			(void)start_worker(mount);
		lock_give(&mount->lock);
		handle_all(mount, slot, is_change, scratch);
		lock_take(&mount->lock);
		mount->idle++;
		lock_give(&mount->lock);
	}
	free(scratch);
	lock_take(&mount->lock);
	mount->workers--;
	mount->idle--;
	condition_wake_all(&mount->ended);
	lock_give(&mount->lock);
	return NULL;
}

/* Under lock. */
static int start_worker(struct mount *mount)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, run_worker, mount);

	if (error != 0)
		return -error;
	(void)pthread_detach(thread); /* mount_stop() counts them */
	mount->workers++;
	mount->idle++;
	return 0;
}

int mount_start_workers(struct mount *mount)
{
	int error = 0;

	lock_take(&mount->lock);
	mount->changes = mount->aside_first = mount->aside_count = 0;
	for (int i = 0; i < WORKERS_MIN && error == 0; i++)
		error = start_worker(mount);
	lock_give(&mount->lock);
	return error;
}

/* Copies of the mount in other namespaces keep the connection alive: then it is ended, and theirs fail. */
static void wait_for_workers(struct mount *mount)
{
	int64_t until_ns = clock_boot_ns() + WORKERS_END_NS;
	bool is_aborted = false;

	lock_take(&mount->lock);
	while (mount->workers > 0) {
		int64_t left_ns = until_ns - clock_boot_ns();
		if (left_ns > 0) {
			(void)condition_wait_for(&mount->ended, &mount->lock, left_ns);
			continue;
		}
		lock_give(&mount->lock);
		if (!is_aborted && mount->device != 0)
			(void)!mounts_abort_fuse(
				mount->device); /* gone meanwhile: as it should be */
		is_aborted = true;
		until_ns = clock_boot_ns() + WORKERS_END_NS;
		lock_take(&mount->lock);
	}
	lock_give(&mount->lock);
}

/* ---- mounting ---- */

/* FUSE's own default would be nosuid and nodev; what the file system underneath has is right (R9).
 */
static unsigned long flags_of(int root_fd)
{
	struct statvfs st;
	unsigned long flags = MS_NOATIME;

	if (fstatvfs(root_fd, &st) != 0)
		return flags;
	if ((st.f_flag & ST_NOSUID) != 0)
		flags |= MS_NOSUID;
	if ((st.f_flag & ST_NODEV) != 0)
		flags |= MS_NODEV;
	if ((st.f_flag & ST_NOEXEC) != 0)
		flags |= MS_NOEXEC;
	return flags;
}

static int mount_here(const char *target, unsigned long flags, const char *options)
{
	return mount("evenkeel", target, MOUNTS_OURS, flags, options);
}

static int do_mount(struct mount *mount)
{
	char target[64], options[256];
	struct stat st;

	if (fstat(mount->root_fd, &st) != 0)
		return -errno;
	(void)snprintf(target, sizeof(target), "/proc/self/fd/%d", mount->root_fd);
	(void)snprintf(options, sizeof(options),
		"fd=%d,rootmode=%o,user_id=0,group_id=0,default_permissions,allow_other,max_read=%"
		"d",
		mount->fuse_fd, st.st_mode & S_IFMT, WRITE_SIZE_MAX);
	if (mount_here(target, flags_of(mount->root_fd), options) != 0)
		return -errno;
	mount->is_mounted = true;
	mount_find_place(mount);
	atomic_store(&mount->is_connected, true);
	return 0;
}

/*
 * What is under the mount is named without its help, and without the links that led there. As which device
 * a predecessor mounted it stands in the ring: it may have been taken away since, and be in use still.
 */
void mount_find_place(struct mount *mount)
{
	struct ring_header *header = mount->ring.header;
	char link[64];

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", mount->root_fd);
	ssize_t size = readlink(link, mount->place, sizeof(mount->place) - 1);
	if (size <= 0)
		(void)snprintf(mount->place, sizeof(mount->place), "%s", mount->path);
	else
		mount->place[size] = '\0';
	dev_t device = header->device;
	if (device == 0 && mounts_find(mount->place, MOUNTS_OURS, &device) != 0)
		device = 0;
	header->device = device;
	atomic_store(&mount->device, device);
}

static void keep(struct mount *mount, const char *what, int fd)
{
	const struct keeper *keeper = &mount->front->keeper;
	char name[32];

	(void)snprintf(name, sizeof(name), "%s.%d", what, mount->index);
	if (fd >= 0 && keeper->store != NULL)
		keeper->store(keeper->context, name, fd);
	if (fd < 0 && keeper->unstore != NULL)
		keeper->unstore(keeper->context, name);
}

static void let_go(struct mount *mount)
{
	atomic_store(&mount->device, 0);
	keep(mount, "fuse", -1);
	keep(mount, "ring", -1);
	keep(mount, "root", -1);
	if (mount->fuse_fd >= 0)
		(void)close(mount->fuse_fd);
	mount->fuse_fd = -1;
	ring_close(&mount->ring);
}

int mount_start(struct mount *mount)
{
	int ring_fd, error = ring_create(&ring_fd);

	CHECK(!mount->is_mounted);
	if (error != 0)
		return error;
	error = ring_open(&mount->ring, ring_fd, true);
	if (error != 0)
		return error;
	mount->fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (mount->fuse_fd < 0) {
		error = -errno;
		ring_close(&mount->ring);
		return error;
	}
	keep(mount, "root", mount->root_fd);
	keep(mount, "ring", mount->ring.fd);
	keep(mount, "fuse", mount->fuse_fd);
	error = do_mount(mount);
	if (error == 0)
		error = mount_start_workers(mount);
	if (error != 0)
		let_go(mount);
	return error;
}

static void end(struct mount *mount)
{
	mount->is_mounted = false;
	ring_shut(&mount->ring);
	wait_for_workers(mount);
	let_go(mount);
}

int mount_stop(struct mount *mount)
{
	if (!mount->is_mounted)
		return 0;
	/* What lies upon it is somebody's, and would be taken away in its place. */
	if (mount->device != 0 && mounts_has(mount->device) &&
		!mounts_is_at(mount->place, mount->device))
		return -EBUSY;
	int error = umount2(mount->place, UMOUNT_NOFOLLOW) != 0 ? -errno : 0;
	/* Not mounted there any more. Is it taken away, or has its place changed? */
	bool is_elsewhere = error == -EINVAL || error == -ENOENT;
	if (is_elsewhere)
		error = mount->device != 0 && mounts_has(mount->device) ? -EBUSY : 0;
	if (error != 0)
		return error;
	end(mount);
	return 0;
}

int mount_take_away(struct mount *mount)
{
	if (!mount->is_mounted)
		return 0;
	int error = mount->device == 0 ? -ENOENT : mounts_abort_fuse(mount->device);
	if (error != 0) /* the same, where its place still leads to it */
		(void)umount2(mount->place, MNT_FORCE | UMOUNT_NOFOLLOW);
	error = mount->device == 0 ? 0 : mounts_detach(mount->device);
	if (mount->device == 0 && umount2(mount->place, MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
		error = -errno;
	end(mount);
	return error;
}

/* False: the kernel does not know the object, so it holds nothing of it. */
static bool tell_invalid(struct mount *mount, uint64_t object, int64_t offset, int64_t length)
{
	struct fuse_notify_inval_inode_out inode = {
		.ino = node_of(mount, object), .off = offset, .len = length
	};
	struct fuse_out_header out = { .len = sizeof(out) + sizeof(inode),
		.error = FUSE_NOTIFY_INVAL_INODE };
	struct iovec parts[2] = { { .iov_base = &out, .iov_len = sizeof(out) },
		{ .iov_base = &inode, .iov_len = sizeof(inode) } };

	return writev(mount->fuse_fd, parts, 2) >= 0 || errno != ENOENT;
}

void mount_invalidate(struct mount *mount, uint64_t object)
{
	(void)tell_invalid(mount, object, 0, 0);
}

bool mount_invalidate_attributes(struct mount *mount, uint64_t object)
{
	return tell_invalid(mount, object, -1, 0);
}
