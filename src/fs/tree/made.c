/*
 * What was just made below a directory, held by its inode.
 *
 * The directory lies under our mount, but it is somebody's: through a descriptor from before the
 * mount, or from another mount namespace, he can put another inode, or a symbolic link, under a name
 * in the moment after root made it. So what root does to a new inode it does through this
 * descriptor, never by the name again, and only if it is one that we can have made.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fs/tree/internal.h"
#include "platform/clock.h"

int64_t made_now_ns(void)
{
	struct timespec now;

	/* The kernel's own, by which file systems stamp: whatever this process is made to see. */
	CHECK(syscall(SYS_clock_gettime, CLOCK_REALTIME_COARSE, &now) == 0);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static bool is_own_folder(const struct tree *tree, const struct stat *st)
{
	for (int i = 0; i < tree->root_count; i++) {
		const struct tree_part *part = &tree->roots[i];
		const int fds[] = { part->fd, part->own_fd, part->orphan_fd, part->limbo_fd,
			part->kept_fd };
		for (size_t n = 0; n < ARRAY_COUNT(fds); n++) {
			struct stat ours;
			if (fds[n] >= 0 && fstat(fds[n], &ours) == 0 && ours.st_ino == st->st_ino &&
				ours.st_dev == st->st_dev)
				return true;
		}
	}
	return false;
}

/* Without a time of birth the owner alone has to do. */
static bool is_born_since(int fd, int64_t since_ns)
{
	struct statx found;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &found) != 0 ||
		(found.stx_mask & STATX_BTIME) == 0)
		return true;
	return found.stx_btime.tv_sec * NS_PER_S + found.stx_btime.tv_nsec >= since_ns;
}

static bool can_be_it(
	const struct tree *tree, int fd, const struct making *making, const struct stat *st)
{
	struct stat parent;

	if ((st->st_mode & S_IFMT) != making->type || fstat(making->parent_fd, &parent) != 0 ||
		st->st_dev != parent.st_dev)
		return false;
	if (S_ISDIR(st->st_mode) && is_own_folder(tree, st))
		return false;
	if (making->since_ns != 0)
		return st->st_uid == geteuid() && is_born_since(fd, making->since_ns);
	/* Of an earlier life: nothing was in it yet, or it has its owner already. */
	return !S_ISREG(st->st_mode) || st->st_size == 0 || st->st_uid == making->uid;
}

int made_open(const struct tree *tree, const struct making *making, struct stat *out_st)
{
	int fd = openat(making->parent_fd, making->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	int error = fstat(fd, out_st) != 0		   ? -errno
		    : !can_be_it(tree, fd, making, out_st) ? -EBUSY
							   : 0;
	if (error == 0)
		return fd;
	(void)close(fd);
	return error;
}
