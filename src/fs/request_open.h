/* Open files that lose their names. Not for: outside src/fs/request*.c and successor.c. */
#ifndef EVENKEEL_FS_REQUEST_OPEN_H
#define EVENKEEL_FS_REQUEST_OPEN_H

#include "fs/request.h"

/* Deletes an orphan, here and at the peer, if nobody has it open any more. */
void orphan_release(struct front *front, struct mount *mount, uint64_t object);

#endif
