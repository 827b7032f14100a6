/*
 * What evenkeel-fs itself remembers durably about one module: how far its copy got (R2), which ids
 * were given away (R11), and whether the copy may be promoted (R6).
 *
 *	u16 version | set id (16) | u64 epoch number | u8 epoch node | u64 barrier |
 *	u64 peer_barrier | u64 sequence | u64 id_limit | u8 is_clean | u8 is_in_sync
 *
 * It lies in a slot file (platform/slotfile.h), which guards it with a checksum. Not for: who may
 * serve (that is evenkeeld's record). Under the replicator's state lock.
 */
#ifndef EVENKEEL_FS_STATE_H
#define EVENKEEL_FS_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "core/record.h"
#include "platform/slotfile.h"

#define STATE_SIZE_MAX 128

struct fs_state {
	uint8_t set_id[SET_ID_SIZE]; /* whose data lie here; all zero: nothing known */
	struct epoch epoch;	     /* the last in which this copy was served or fed */
	uint64_t barrier;	     /* all up to here are durable here */
	uint64_t peer_barrier;	     /* all up to here were said to be durable at the peer */
	uint64_t sequence;	     /* no sequence below this one will be given again */
	uint64_t id_limit;	     /* no id from here on was given away, by anybody */
	bool is_clean;		     /* stopped in order: everything durable, nothing in flight */
	bool is_in_sync;	     /* secondary: holds everything that was acknowledged */
};

/* Errors: -ERROR_RANGE if size_max is too small. */
int state_encode(
	const struct fs_state *state, uint8_t *out, size_t size_max, size_t *out_size) MUST_CHECK;
/* Errors: -ERROR_PROTOCOL on an unknown version, -ERROR_BAD_MESSAGE on another size or value. */
int state_decode(struct bytes bytes, struct fs_state *out_state) MUST_CHECK;

/* A file that was never written gives a state that knows nothing. Errors: those of
 * slotfile_read(), state_decode(). */
int state_load(struct slotfile *file, struct fs_state *out_state) MUST_CHECK;
/* Durable when it returns 0. */
int state_store(struct slotfile *file, const struct fs_state *state) MUST_CHECK;

#endif
