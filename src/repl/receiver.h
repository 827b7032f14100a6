/*
 * What the secondary decides about each operation that arrives: take it, ignore it, or refuse it;
 * what it may acknowledge; and what remains of it when it is promoted. Pure. Not for: doing the
 * operation (fs/applier).
 */
#ifndef EVENKEEL_REPL_RECEIVER_H
#define EVENKEEL_REPL_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct receiver {
	uint64_t epoch;	   /* epoch number of the primary that it obeys; others are refused */
	uint64_t received; /* all up to here are in the log */
	uint64_t applied;  /* all up to here are applied: their system calls returned */
	uint64_t durable;  /* all up to here are durable */
	bool is_in_sync;   /* everything acknowledged is here; dropped durably at process start
			      without a log (R6) */
	bool is_promoted;
};

enum verdict { VERDICT_TAKE, VERDICT_DUPLICATE, VERDICT_GAP, VERDICT_STALE_EPOCH };

void receiver_init(struct receiver *receiver, uint64_t epoch, uint64_t received);
/* What to do with an operation of this epoch and sequence. TAKE has moved `received`. */
enum verdict receiver_on_arrived(struct receiver *receiver, uint64_t epoch, uint64_t sequence);
/* Errors: ERROR_INVALID unless sequence is the next one in order. */
int receiver_on_applied(struct receiver *receiver, uint64_t sequence) MUST_CHECK;
int receiver_on_durable(struct receiver *receiver, uint64_t up_to) MUST_CHECK;
/* The sequence to acknowledge: never more than what has been applied (R6). */
uint64_t receiver_acknowledgeable(const struct receiver *receiver);
/*
 * Stops receiving: from now on every arrival is VERDICT_STALE_EPOCH. Gives the last sequence that
 * must still be applied before serving. Errors: ERROR_INVALID if the copy is not in sync.
 */
int receiver_promote(struct receiver *receiver, uint64_t *out_last) MUST_CHECK;
void receiver_verify(const struct receiver *receiver);

#endif
