/*
 * A small durable record: a preallocated file of two slots, written in place in turn with O_DSYNC,
 * each with a counter and a checksum (R16). No rename, no journal of the data's file system in the
 * way; a torn write loses only the slot being written, and the older one is still there. Not for:
 * anything larger than SLOT_PAYLOAD_MAX. One thread for each file.
 */
#ifndef EVENKEEL_PLATFORM_SLOTFILE_H
#define EVENKEEL_PLATFORM_SLOTFILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define SLOT_SIZE	 4096
#define SLOT_PAYLOAD_MAX (SLOT_SIZE - 32)

struct slotfile {
	int fd;
	uint64_t counter; /* of the newest valid slot; 0: none was ever written */
};

/* Opens or creates (0600). One that lies on a disk which became read-only can be read, and each
 * write fails. Errors: as of open(2); -EBADMSG if the file holds bytes but no valid slot. */
int slotfile_open(struct slotfile *file, const char *path) MUST_CHECK;
void slotfile_close(struct slotfile *file);
/* The newest valid slot. Errors: -ENOENT if nothing was ever written, -EBADMSG if no slot is valid.
 */
int slotfile_read(struct slotfile *file, void *out, size_t size_max, size_t *out_size) MUST_CHECK;
/* Durable when it returns 0. */
int slotfile_write(struct slotfile *file, const void *data, size_t size) MUST_CHECK;

#endif
