/*
 * What the primary decides about each operation: its sequence, whether it goes to the peer, and
 * when its caller may be answered. Pure: descriptors only. The simulator runs this very code.
 *
 *	ALONE		no peer, or a stale one: answers leave at once, nothing is sent
 *	CATCHING_UP	a stale peer is brought up to date: answers leave at once, all is sent
 *	PAIRED		a good peer: answers wait for its acknowledgement
 *	HELD		a good peer is lost and nobody has decided yet: no answer leaves
 *
 * Which may follow which is drawn from the table in docs/states.md.
 *
 * PAIRED begins at the sequence of OP_RESYNC_END: answers wait for the peer from there on, although
 * only the core's compare-and-swap makes the peer good. Not for: freshness and roles (core). Under
 * the replicator's lock.
 */
#ifndef EVENKEEL_REPL_SENDER_H
#define EVENKEEL_REPL_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

enum sender_mode {
	SENDER_ALONE,
	SENDER_CATCHING_UP,
	SENDER_PAIRED,
	SENDER_HELD,
	SENDER_MODE_COUNT
};

struct sender {
	enum sender_mode mode;
	bool is_muted;		/* R7: answers are held by order of the core, whatever the mode */
	uint64_t epoch;		/* epoch number in which this node may acknowledge */
	uint64_t next_sequence; /* rises for ever, over all epochs */
	uint64_t acked;		/* all up to here are applied at the peer */
	uint64_t peer_barrier;	/* all up to here are durable at the peer */
	uint64_t local_barrier; /* all up to here are durable here */
};

void sender_init(struct sender *sender, uint64_t epoch, uint64_t next_sequence);
/* Gives the next sequence; the operation has been done here. */
uint64_t sender_sequence(struct sender *sender);
/* True if operations are to be put into the log and sent. */
bool sender_is_sending(const struct sender *sender);
/* The highest sequence whose caller may be answered now; 0 for none. */
uint64_t sender_answerable(const struct sender *sender);
/*
 * The peer says: all up to `applied` are applied, all up to `durable` are durable, in this epoch.
 * Errors: ERROR_STALE for another epoch, ERROR_INVALID for a sequence never given. An old one is
 * ignored.
 */
int sender_on_acknowledged(
	struct sender *sender, uint64_t epoch, uint64_t applied, uint64_t durable) MUST_CHECK;
void sender_on_synced_here(struct sender *sender, uint64_t up_to);
/* Errors: ERROR_INVALID where the table has no such move. */
int sender_catch_up(struct sender *sender) MUST_CHECK;
int sender_pair(struct sender *sender) MUST_CHECK;
void sender_peer_lost(struct sender *sender); /* PAIRED: HELD; CATCHING_UP: ALONE */
int sender_reconnected(
	struct sender *sender, uint64_t received) MUST_CHECK; /* HELD to PAIRED, same session */
/* The core has it durably recorded that the peer is stale: epoch is the new one, higher than
 * before. */
int sender_go_alone(struct sender *sender, uint64_t epoch) MUST_CHECK;
void sender_verify(const struct sender *sender);
const char *sender_mode_name(enum sender_mode mode);
bool sender_mode_may_follow(enum sender_mode mode, enum sender_mode next);

#endif
