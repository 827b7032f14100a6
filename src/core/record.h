/*
 * What one node remembers durably about one mirror module, and the bytes of it.
 *
 * The record decides freshness: which copy may serve, which must be brought up to date, which must
 * never win. It lies in a two-slot file written in place (platform/slotfile.h), never on the
 * failover path's file system journal. Not for: how far replication got inside a generation
 * (evenkeel-fs keeps barriers of its own and reports them).
 */
#ifndef EVENKEEL_CORE_RECORD_H
#define EVENKEEL_CORE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/copies.h"
#include "base/limits.h"

#define RECORD_SIZE_MAX 512

enum record_role {
	RECORD_ROLE_NONE,
	RECORD_ROLE_PRIMARY,
	RECORD_ROLE_SECONDARY,
	RECORD_ROLE_SINGLE, /* it ran as `single`: the generation is this node's own since then */
	RECORD_ROLE_COUNT
};

struct record {
	uint8_t set_id[SET_ID_SIZE]; /* made when the first primary is named; all zero before: no
					data known */
	struct epoch epoch;
	struct generation generation;		       /* of the content that lies here */
	struct generation history[GENERATION_HISTORY]; /* newest first, without the current one */
	uint8_t history_count;
	uint64_t good;	/* mask of node ids (bit id-1) whose copies were good in this epoch */
	uint8_t holder; /* node id that may be primary in this epoch */
	uint64_t register_version; /* highest version of the arbiter's register seen (R4) */
	bool has_intent; /* a swap was sent to the arbiter and its answer is not known here */
	struct epoch intent_epoch;
	uint64_t intent_good;
	uint64_t intent_nonce;
	enum record_role role; /* last role */
	bool is_clean;	       /* the copy was released in order: nothing in flight */
	bool is_complete; /* false while being brought up to date: a mixture, never to be served */
	bool is_foreign;  /* the tree here has to be set aside before it is filled (with is_complete
			     false): foreign or diverged */
	bool should_run;  /* started, and not stopped by an operator (B6) */
	uint64_t barrier; /* highest sequence known durable here, as of the last write of this
			     record */
	uint64_t peer_barrier; /* highest that the peer said is durable there */
};

static inline bool record_has_data(const struct record *record)
{
	return record->generation.number != 0;
}

/* Something is going to be written here that no other copy has. The generation so far goes into the
 * history, whose oldest falls out. */
void record_begin_generation(struct record *record, uint64_t tag);
/* The newest one of the history, from now on. */
void record_push_history(struct record *record, struct generation generation);

/* Versioned, checksummed. Errors: ERROR_RANGE if size_max is too small. */
int record_encode(
	const struct record *record, uint8_t *out, size_t size_max, size_t *out_size) MUST_CHECK;
/* Errors: ERROR_BAD_MESSAGE on a wrong checksum, ERROR_PROTOCOL on an unknown version. */
int record_decode(struct bytes bytes, struct record *out_record) MUST_CHECK;

#endif
