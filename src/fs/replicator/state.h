/*
 * The bytes of how a copy stands (repl/standing.h), and where they lie.
 *
 *	u16 version | set id (16) | u64 epoch number | u8 epoch node | u64 barrier |
 *	u64 peer_barrier | u64 sequence | u64 id_limit | u64 seal | u8 is_sealing |
 *	u8 is_clean | u8 is_in_sync
 *
 * It lies in a slot file (platform/slotfile.h), which guards it with a checksum. Not for: who may
 * serve (that is evenkeeld's record). Under the replicator's state lock.
 */
#ifndef EVENKEEL_FS_STATE_H
#define EVENKEEL_FS_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "platform/slotfile.h"
#include "repl/standing.h"

#define STATE_SIZE_MAX 128

/* Errors: -ERROR_RANGE if size_max is too small. */
int state_encode(
	const struct standing *state, uint8_t *out, size_t size_max, size_t *out_size) MUST_CHECK;
/* Errors: -ERROR_PROTOCOL on an unknown version, -ERROR_BAD_MESSAGE on another size or value. */
int state_decode(struct bytes bytes, struct standing *out_state) MUST_CHECK;

/* A file that was never written gives a state that knows nothing. Errors: those of
 * slotfile_read(), state_decode(). */
int state_load(struct slotfile *file, struct standing *out_state) MUST_CHECK;
/* Durable when it returns 0. */
int state_store(struct slotfile *file, const struct standing *state) MUST_CHECK;

#endif
