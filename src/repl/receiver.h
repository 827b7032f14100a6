/*
 * What the secondary decides: whom it listens to, what becomes of each operation that arrives, what
 * it may acknowledge, when it counts as in sync, and what remains of it when it is promoted. Pure.
 *
 *	IDLE		no session that could go on; each role begins here
 *	QUIET		a new session is to begin: nothing more of the one before is taken or begun
 *	FILLING		being brought up to date; when the connection ends it begins again from the start
 *	IN_SYNC		everything acknowledged is here; a connection may end and come back
 *	FAILED		could not do what the primary did
 *	PROMOTED	nothing more arrives, the rest is applied, then it serves
 *
 * Which may follow which is drawn from the table in docs/states.md. The log is what was received and
 * is not applied; it outlives the process (R6). Nobody outside of src/repl changes a field. Not for: doing the operation (fs/replicator/applier.c). Under
 * the replicator's lock.
 */
#ifndef EVENKEEL_REPL_RECEIVER_H
#define EVENKEEL_REPL_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/copies.h"
#include "base/macros.h"
#include "repl/oplog.h"
#include "repl/session.h"

enum receiver_phase {
	RECEIVER_IDLE,
	RECEIVER_QUIET,
	RECEIVER_FILLING,
	RECEIVER_IN_SYNC,
	RECEIVER_FAILED,
	RECEIVER_PROMOTED,
	RECEIVER_PHASE_COUNT
};

struct receiver {
	enum receiver_phase phase;
	uint64_t epoch;	   /* epoch number of the primary that it obeys; others are refused */
	uint64_t received; /* all up to here are in the log */
	uint64_t applied;  /* all up to here are applied: their system calls returned */
	uint64_t durable;  /* all up to here are durable */
	uint64_t end;	   /* FILLING: the sequence of OP_RESYNC_END, applied; 0: not yet */
	struct oplog log;
	struct oplog_cursor cursor; /* stands before what was not applied */
	/* A predecessor had applied everything and recorded itself as primary of this one; number 0:
	 * none had. */
	struct epoch promoted_epoch;
};

enum arrival { VERDICT_TAKE, VERDICT_DUPLICATE, VERDICT_GAP, VERDICT_STALE_EPOCH, VERDICT_DROP };

/* Nobody yet; borrows the log's memory for as long as it lives. */
void receiver_open(struct receiver *receiver, const struct oplog *log);
/* Waits for a session; the log is empty. */
void receiver_init(struct receiver *receiver, uint64_t epoch);
/*
 * Carries on what a predecessor left in the log: true if everything acknowledged is here, and the
 * session may go on. Else as after receiver_init(). was_in_sync: as its state has it, durably.
 * durable: up to where its state proves the data. An epoch older than the log's is what was ordered
 * before its primary came.
 */
bool receiver_resume(struct receiver *receiver, uint64_t epoch, bool was_in_sync, uint64_t durable);
/* A predecessor had been promoted in this epoch, and died before it could say so. */
void receiver_note_promoted(struct receiver *receiver, struct epoch epoch);

/* ---- the session ---- */

enum objection {
	OBJECTION_NONE,
	OBJECTION_VERSION,
	OBJECTION_PROMOTED,
	OBJECTION_OLD_EPOCH,
	OBJECTION_OTHER_SET,
	OBJECTION_COUNT
};

/* Why we would not listen to this primary. ours: who we are. */
enum objection receiver_objection(
	const struct receiver *receiver, const struct hello *ours, const struct hello *theirs);
const char *objection_sentence(enum objection objection);
/* A new session is to begin: nothing more of the one before. False: promoted meanwhile. */
bool receiver_quiet(struct receiver *receiver);
/* Nobody works for the session before any more: takes this one. False: promoted meanwhile. */
bool receiver_begin_session(struct receiver *receiver, const struct hello *theirs);
/*
 * Fills what is the session's in our answer to theirs. known: the highest sequence that this copy
 * may have seen in any history, for a new session. False: say it, and close; it cannot go on.
 */
bool receiver_answer(const struct receiver *receiver, const struct hello *theirs, uint64_t known,
	struct hello *ours);
/* The connection is gone. Half a resynchronisation begins again from the start. */
void receiver_on_disconnected(struct receiver *receiver);
/* This copy cannot go on. */
void receiver_fail(struct receiver *receiver);

/* ---- operations ---- */

/* What to do with an operation of this epoch and sequence. TAKE has moved `received`. */
enum arrival receiver_on_arrived(struct receiver *receiver, uint64_t epoch, uint64_t sequence);
/* Puts what was taken into the log. Errors: those of oplog_append_encoded(). */
int receiver_append(
	struct receiver *receiver, const struct op *op, struct bytes encoded) MUST_CHECK;
/* True while there is a session whose operations are taken and applied. */
bool receiver_is_open(const struct receiver *receiver);
/* The next operation to apply, if one may be begun. */
bool receiver_next_to_apply(struct receiver *receiver, struct bytes *out_encoded);
/* Errors: ERROR_INVALID unless sequence is the next one in order. */
int receiver_on_applied(struct receiver *receiver, uint64_t sequence) MUST_CHECK;
int receiver_on_durable(struct receiver *receiver, uint64_t up_to) MUST_CHECK;
/* What may be said of it; false: nothing now. durable is 0 while that proves nothing. */
bool receiver_acknowledgeable(
	const struct receiver *receiver, uint64_t *out_applied, uint64_t *out_durable);

/* ---- in sync, and promotion ---- */

/* OP_RESYNC_END, of this sequence, was applied. */
void receiver_on_end(struct receiver *receiver, uint64_t sequence);
/* Everything up to that is durable: the state may say so. */
bool receiver_can_complete(const struct receiver *receiver);
/* The state says so, durably. False: the session ended before, so this is not to be told, and the
 * state must take it back. */
bool receiver_complete(struct receiver *receiver);
bool receiver_is_in_sync(const struct receiver *receiver);
/* Not everything that was acknowledged is here, so a promotion would be refused. */
bool receiver_is_behind(const struct receiver *receiver);
/*
 * Stops receiving: from now on every arrival is VERDICT_STALE_EPOCH. Errors: ERROR_INVALID if the
 * copy is not in sync, unless a predecessor was promoted in this epoch.
 */
int receiver_promote(struct receiver *receiver, uint64_t epoch) MUST_CHECK;
/* Everything that was received is applied: it may serve. */
bool receiver_is_finished(const struct receiver *receiver);
void receiver_verify(const struct receiver *receiver);
const char *receiver_phase_name(enum receiver_phase phase);
bool receiver_phase_may_follow(enum receiver_phase phase, enum receiver_phase next);

#endif
