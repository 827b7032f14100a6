/*
 * Mounts as the kernel has them, by device: where a path leads may have changed since, because of a
 * symbolic link, or of something mounted on it. And the kernel's end of a FUSE connection. In the
 * mount namespace of the caller. Not for: mounting; what a path leads to (platform/mount_table.h, which
 * reads the kernel's list for this, too). Any thread; none of it asks the file system that is mounted.
 */
#ifndef EVENKEEL_PLATFORM_MOUNTS_H
#define EVENKEEL_PLATFORM_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/macros.h"

#define MOUNTS_OURS "fuse.evenkeel" /* the type of the mounts of evenkeel-fs */

/* The device of the topmost mount of this type at this very place (no symbolic link). Errors: -ENOENT:
 * there is none; those of reading mountinfo. */
int mounts_find(const char *point, const char *type, dev_t *out_device) MUST_CHECK;
bool mounts_has(dev_t device);
/* Does the place lead to the device? Else something was mounted on it, or it was taken away. */
bool mounts_is_at(const char *point, dev_t device);
/* Names one mount that lies on a mount of the device, as "TYPE at /point". False: there is none. */
bool mounts_name_upon(dev_t device, char *out, size_t size);
/* Takes away each mount of the device with all that is mounted on it, whoever uses it. Errors: of
 * umount2(2); -EBUSY: one cannot be reached, because its place is covered by something else. */
int mounts_detach(dev_t device) MUST_CHECK;
/* Ends the FUSE connection of the device: all its requests, those to come as well, fail at once, in
 * every namespace. Errors: -ENOENT: there is none; those of reaching fusectl. */
int mounts_abort_fuse(dev_t device) MUST_CHECK;

#endif
