/*
 * The syncs of the application that are under way: each is answered when it is done here, and, while
 * the peer counts, there as well (R1). A peer that counts no more is not waited for; one that is lost
 * and still counts is. Nobody outside of src/repl changes a field. Under the replicator's lock.
 */
#ifndef EVENKEEL_REPL_SYNCS_H
#define EVENKEEL_REPL_SYNCS_H

#include <stdbool.h>
#include <stdint.h>

#define SYNCS_MAX 1024 /* more have to wait */

struct sender;

struct pending_sync {
	uint64_t sequence; /* of its OP_SYNC; 0: free */
	bool is_done_here, is_done_there;
};

struct syncs {
	struct pending_sync list[SYNCS_MAX];
	uint32_t count;
};

void syncs_clear(struct syncs *syncs);
bool syncs_has_room(const struct syncs *syncs);
/* The sync that was given this sequence; there is room. */
void syncs_add(struct syncs *syncs, uint64_t sequence, bool is_needed_there);
/* It is done here. True: syncs_take() has something to give. */
bool syncs_on_done_here(struct syncs *syncs, const struct sender *sender, uint64_t sequence);
/* The peer has done this one, or is durable up to there. An unknown sequence is ignored. */
void syncs_on_done_there(struct syncs *syncs, uint64_t sequence);
void syncs_on_durable_there(struct syncs *syncs, uint64_t up_to);
/* It failed here, and nobody waits for it any more. */
void syncs_abandon(struct syncs *syncs, uint64_t sequence);
/* Gives what may be answered now, and forgets it. Returns how many, at most `max`. */
uint32_t syncs_take(
	struct syncs *syncs, const struct sender *sender, uint64_t *out_sequences, uint32_t max);

#endif
