/*
 * Our folder in a replicated directory, and those in it: root's alone.
 *
 * The owner of the directory is anybody, and can make, rename and remove what lies in it while
 * nothing is mounted. What we find in our folder is believed (which flags to set on which inode,
 * what to move, what to remove), as root. So the folder counts only if nobody else could have put
 * anything into it: a directory on this very file system, reached by no link, of ours, with no right
 * for anybody else. Whatever else has its name is set aside under another, where its owner sees it,
 * and a new one is made. Inside it nobody has a say.
 */
#include <errno.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/tree/internal.h"

#define TRIES	  16
#define ASIDE_MAX 1000

/* Errors: -ENOENT; -ELOOP, -ENOTDIR, -EXDEV: something else has the name. */
static int open_folder(int fd, const char *name)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};
	int opened = (int)syscall(SYS_openat2, fd, name, &how, sizeof(how));

	if (opened < 0 && errno == ENOSYS) /* before Linux 5.6 */
		opened = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return opened < 0 ? -errno : opened;
}

/* An access list shows in the group's bits. */
static bool is_ours_alone(int fd, int above)
{
	struct stat st, parent;

	return fstat(fd, &st) == 0 && fstat(above, &parent) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0 &&
	       st.st_dev == parent.st_dev;
}

static int set_aside(int fd, const char *name)
{
	char aside[64];

	for (int i = 1; i <= ASIDE_MAX; i++) {
		(void)snprintf(aside, sizeof(aside), "%s-not-ours-%d", name, i);
		if (renameat2(fd, name, fd, aside, RENAME_NOREPLACE) == 0 || errno == ENOENT)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

int own_open(int above, const char *name, int *out_fd)
{
	int error = -EAGAIN;

	/* Somebody may put things there all the time: that ends some day, or we do. */
	for (int i = 0; i < TRIES; i++) {
		int fd = open_folder(above, name);
		if (fd >= 0 && is_ours_alone(fd, above)) {
			*out_fd = fd;
			return 0;
		}
		if (fd >= 0)
			(void)close(fd);
		if (fd == -ENOENT)
			error = mkdirat(above, name, 0700) == 0 || errno == EEXIST ? 0 : -errno;
		else if (fd >= 0 || fd == -ELOOP || fd == -ENOTDIR || fd == -EXDEV)
			error = set_aside(above, name);
		else
			error = fd;
		if (error != 0)
			return error;
	}
	return -EPERM;
}
