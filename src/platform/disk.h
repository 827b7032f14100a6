/*
 * What durable files need beyond system calls that may do half: everything written, and the folder's
 * entry on the disk. Not for: formats (slotfile.c and others own theirs). Any thread.
 */
#ifndef EVENKEEL_PLATFORM_DISK_H
#define EVENKEEL_PLATFORM_DISK_H

#include <stddef.h>
#include <sys/types.h>

#include "base/macros.h"

/* Writes all of it at the offset, however often it takes. Errors: of pwrite(2). */
int disk_write_all(int fd, const void *data, size_t size, off_t offset) MUST_CHECK;
/* Syncs the folder in which path lies: its entry is durable then. Errors: -ENAMETOOLONG; of open(2)
 * and fsync(2). */
int disk_sync_folder_of(const char *path) MUST_CHECK;

#endif
