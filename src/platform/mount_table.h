/*
 * The mounts that a process sees, as the kernel lists them (/proc/PID/mountinfo): what a path would lead
 * to, without walking it. Reading that list waits for no disk and no server.
 *
 * Not for: who holds a mount (api/holders.h). The list is the caller's; any thread, one at a time.
 */
#ifndef EVENKEEL_PLATFORM_MOUNT_TABLE_H
#define EVENKEEL_PLATFORM_MOUNT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"

struct mount_row {
	int id, parent;
	dev_t device;
	const char *root; /* in text: which part of that file system */
	const char *path; /* likewise: where it is seen */
	const char *type; /* likewise: "ext4", "fuse.evenkeel" */
};

struct mount_table {
	char *text;
	struct mount_row *rows;
	size_t count;
};

/* Lists what lies in fd from its beginning on. mounts is empty, or of an earlier call: replaced, and left
 * as it was after an error. Errors: -ENOMEM; of read(2). */
int mount_table_read(struct mount_table *mounts, int fd) MUST_CHECK;
void mount_table_done(struct mount_table *mounts);
/* The mount that an absolute path without links, dots or double slashes leads into; NULL: none. */
const struct mount_row *mount_table_find(const struct mount_table *mounts, const char *path);

#endif
