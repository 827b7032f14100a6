/* What mesh.c and mesh_key.c share. Not for others. */
#ifndef EVENKEEL_DAEMON_MESH_INTERNAL_H
#define EVENKEEL_DAEMON_MESH_INTERNAL_H

#include "daemon/parts.h"
#include "platform/knet.h"

/* Reads CONFIG/secret. Errors, said already: of open(2); -EINVAL: it is no secret; of libknet. */
int mesh_derive_key(struct daemon *daemon, uint8_t out[KNET_KEY_SIZE]) MUST_CHECK;

#endif
