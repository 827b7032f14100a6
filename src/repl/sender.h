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
 * only the core's compare-and-swap makes the peer good. The session with the peer and the watch over
 * it have files of their own (repl/session.h, repl/watch.h); all of it is one state. Nobody outside
 * of src/repl changes a field. Not for: freshness and roles (core). Under the replicator's lock.
 */
#ifndef EVENKEEL_REPL_SENDER_H
#define EVENKEEL_REPL_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/copies.h"
#include "base/macros.h"
#include "repl/oplog.h"
#include "repl/session.h"
#include "repl/watch.h"

#define TENURE_BITS 40 /* sequences of one tenure; the next starts above all of them */

enum sender_mode {
	SENDER_ALONE,
	SENDER_CATCHING_UP,
	SENDER_PAIRED,
	SENDER_HELD,
	SENDER_MODE_COUNT
};

struct sender {
	enum sender_mode mode;
	enum durability durability;
	bool is_muted;		/* R7: answers are held by order of the core, whatever the mode */
	uint64_t epoch;		/* epoch number in which this node may acknowledge */
	uint64_t next_sequence; /* rises for ever, over all epochs */
	uint64_t acked;		/* all up to here are applied at the peer */
	uint64_t peer_barrier;	/* all up to here are durable at the peer */
	uint64_t local_barrier; /* all up to here are durable here */
	uint64_t sent;		/* all up to here were handed to the present connection */
	struct oplog log; /* what was sequenced and is not acknowledged; outlives the process */
	struct oplog_cursor cursor; /* stands before what was not sent */
	struct session session;
	struct watch watch;
};

struct op_window { /* of what is not acknowledged */
	uint64_t ops, bytes;
};

enum resumption {
	RESUMED_HELD,  /* what waited for the peer goes on waiting for it */
	RESUMED_ALONE, /* nobody waited */
	RESUMED_LOST   /* the peer was being brought up to date: it has to begin again */
};

/* A primary that is nobody yet; borrows the log's memory for as long as it lives. */
void sender_open(struct sender *sender, const struct oplog *log, enum durability durability);
/* Serves alone, in a new tenure; the log is empty. */
void sender_init(struct sender *sender, uint64_t epoch, uint64_t next_sequence);
/*
 * Carries on what a predecessor in this epoch left in the log. known: no sequence up to here will be
 * given again, unless the log says that the peer waits for them.
 */
enum resumption sender_resume(
	struct sender *sender, uint64_t epoch, uint64_t known, int64_t now_ns);
/* The first sequence of a tenure above all that are known. */
uint64_t sender_next_tenure(uint64_t known);

/*
 * Gives the operation its place in the order, and puts it into the log in a mode that sends. What
 * finds no place there ends the session (session.is_broken). Returns the sequence.
 */
uint64_t sender_give(struct sender *sender, struct op *op);
/* False where the log has no room for one more within this window: wait. */
bool sender_has_room(const struct sender *sender, const struct op_window *window);
/* The next operation that the present connection has not carried, and where the log goes on behind
 * it; false: there is none. Stays valid until it is acknowledged. */
bool sender_next_to_send(
	const struct sender *sender, struct oplog_cursor *out_after, struct bytes *out_encoded);
/* It was handed to the connection. */
void sender_on_sent(struct sender *sender, struct oplog_cursor after);
/* True if operations are to be put into the log and sent. */
bool sender_is_sending(const struct sender *sender);
/* The highest sequence whose caller may be answered now; 0 for none. */
uint64_t sender_answerable(const struct sender *sender);
/* A sync or a lease counts only when the peer has it as well. */
bool sender_needs_peer(const struct sender *sender);
/* The peer knows of what has this sequence, or is nobody who could take over without it (R11). */
bool sender_is_known_there(const struct sender *sender, uint64_t sequence);
/* The drain's sync of everything, of this sequence, is done there; 0: nobody was asked. */
bool sender_is_drained(const struct sender *sender, uint64_t sequence);
/*
 * The peer says: all up to `applied` are applied, all up to `durable` are durable, in this epoch.
 * Errors: ERROR_STALE for another epoch, ERROR_INVALID for a sequence never given. An old one is
 * ignored.
 */
int sender_on_acknowledged(struct sender *sender, uint64_t epoch, uint64_t applied,
	uint64_t durable, int64_t now_ns) MUST_CHECK;
void sender_on_synced_here(struct sender *sender, uint64_t up_to);
void sender_mute(struct sender *sender, bool is_muted);
/* OP_RESYNC_END has its sequence: from there on answers wait. Errors: ERROR_INVALID where the
 * diagram has no such move. */
int sender_pair(struct sender *sender) MUST_CHECK;
/* The core has it durably recorded that the peer is stale: epoch is the new one, higher than before,
 * or the present one if this node is alone in it already. */
int sender_go_alone(struct sender *sender, uint64_t epoch) MUST_CHECK;
void sender_verify(const struct sender *sender);
const char *sender_mode_name(enum sender_mode mode);
bool sender_mode_may_follow(enum sender_mode mode, enum sender_mode next);

/* ---- for the other files of src/repl ---- */

int sender_catch_up(struct sender *sender) MUST_CHECK;
void sender_peer_lost(struct sender *sender); /* PAIRED: HELD; CATCHING_UP: ALONE */
/* HELD to PAIRED, same session. */
int sender_reconnected(struct sender *sender, uint64_t received) MUST_CHECK;
/* An empty log, of this session; 0: of none. */
void sender_format_log(struct sender *sender, uint64_t session);

#endif
