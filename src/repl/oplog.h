/*
 * A log of operations in memory that outlasts the process: on the primary what was sequenced and is
 * not yet acknowledged, on the secondary what was received and is not yet applied (R6, R8).
 *
 * The memory is a memfd that evenkeel-hold keeps as well. It is written so that a SIGKILL between
 * any two instructions leaves it valid: a record is complete before `tail` is moved (one aligned
 * 64-bit store, release).
 *
 *	+--------+------------------------------------------------------+
 *	| header | ring of encoded operations, each padded to 8 bytes   |
 *	+--------+------------------------------------------------------+
 *	           ^ head (oldest kept)         ^ tail (next to write)
 *
 * Positions are byte counts that only rise. A record never wraps: where the rest of the ring is too
 * short, a skip mark fills it. Not for: disk; the file is gone with the machine, and replication
 * knows that. One writer; trimming and reading under the caller's lock.
 */
#ifndef EVENKEEL_REPL_OPLOG_H
#define EVENKEEL_REPL_OPLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "repl/op.h"

#define OPLOG_HEADER_SIZE 4096

enum oplog_pairing {
	OPLOG_UNPAIRED,
	OPLOG_PAIRED, /* answers wait for the peer */
	OPLOG_BROKEN, /* likewise, and operations are missing here: the session cannot go on */
};

struct oplog_header { /* at the start of the memory; host byte order: it never leaves the machine */
	uint64_t magic;
	uint64_t version;
	uint64_t ring_size;
	uint64_t session;    /* names the continuity: both ends hold the same, or a resync is due */
	uint64_t epoch;	     /* epoch number of the session */
	uint64_t head, tail; /* byte positions, rising for ever */
	uint64_t first_sequence; /* of the record at head */
	uint64_t next_sequence;	 /* of the record that would be appended */
	uint64_t applied;	 /* receiver: all up to here are applied; sender: all up to here are
				    acknowledged */
	uint64_t pairing;	 /* sender: enum oplog_pairing */
};

struct oplog {
	struct oplog_header *header;
	uint8_t *ring;
};

/* Formats memory of size bytes (> OPLOG_HEADER_SIZE + OP_SIZE_MAX). Borrows it for as long as the
 * log is used. */
void oplog_format(
	struct oplog *log, void *memory, size_t size, uint64_t session, uint64_t first_sequence);
/* Takes over what a predecessor left. Errors: ERROR_INVALID if the memory is not a valid log. */
int oplog_attach(struct oplog *log, void *memory, size_t size) MUST_CHECK;
/*
 * Appends one operation whose sequence is header->next_sequence.
 * Errors: ERROR_NO_BUFFERS if there is no room now (back-pressure: trim first), ERROR_INVALID on
 * another sequence.
 */
int oplog_append(struct oplog *log, const struct op *op) MUST_CHECK;
/* Appends an operation as it came from the wire, already encoded and decoded once (op). Errors as
 * above. */
int oplog_append_encoded(struct oplog *log, const struct op *op, struct bytes encoded) MUST_CHECK;
/* Forgets everything up to and with this sequence. */
void oplog_trim(struct oplog *log, uint64_t up_to_sequence);

/* Reads in order. A cursor stays valid across appends; it must not stand before head. */
struct oplog_cursor {
	uint64_t position;
};
/* Stands before the record of this sequence. Errors: ERROR_NOT_FOUND if it is trimmed or not yet
 * there. */
int oplog_seek(
	const struct oplog *log, uint64_t sequence, struct oplog_cursor *out_cursor) MUST_CHECK;
/* Gives the next record, encoded, and moves on. false at the end. The bytes stay valid until
 * trimmed. */
bool oplog_next(const struct oplog *log, struct oplog_cursor *cursor, struct bytes *out_encoded);

#endif
