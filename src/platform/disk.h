/*
 * What durable files need beyond system calls that may do half: everything written, and the folder's
 * entry on the disk. Not for: formats (slotfile.c and others own theirs). Any thread.
 */
#ifndef EVENKEEL_PLATFORM_DISK_H
#define EVENKEEL_PLATFORM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/macros.h"

/* Writes all of it at the offset, however often it takes. Errors: of pwrite(2). */
int disk_write_all(int fd, const void *data, size_t size, off_t offset) MUST_CHECK;
/* Syncs the folder in which path lies: its entry is durable then. Errors: -ENAMETOOLONG; of open(2)
 * and fsync(2). */
int disk_sync_folder_of(const char *path) MUST_CHECK;
/* Syncs a folder itself: what was made, renamed or removed in it. Errors: of open(2) and fsync(2). */
int disk_sync_folder(const char *path) MUST_CHECK;
/* Does the disk below the folder answer? Writes a little to a file without a name there, and syncs it.
 * file: of an earlier try, or -1; kept open, and closed by the caller. Errors: -EOPNOTSUPP: no such files
 * there; of open(2), pwrite(2), fdatasync(2). A disk that hangs, hangs the caller. */
int disk_try(int folder, int *file) MUST_CHECK;
/* Does such an error say that nothing can be written there? Others say that it is full, or nothing. */
bool disk_is_broken(int error);

#endif
