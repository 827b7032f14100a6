/*
 * The session of two copies: what each side says in HELLO, whether the other's is acceptable, and
 * what becomes of the session when its connection, or the peer, is lost. This is the primary's half;
 * the secondary's stands in repl/receiver.h.
 *
 *	        connect                  HELLO_BEGUN             sender_pair()
 *	IDLE ------------> LINK_RESYNC ------------> CATCHING_UP ----------> PAIRED <---+
 *	  ^                                               | lost               | lost   | HELLO_CONTINUED
 *	  |                                               v                    v        |
 *	  +------- sender_go_alone(), or dropped ------ ALONE                HELD ------+
 *	                                                              (LINK_CONTINUE)
 *
 * A connection that ends costs no session while the copies are in step; a session that cannot go on
 * costs the peer, and that is told once. Not for: connections, certificates, bytes (fs/replicator).
 */
#ifndef EVENKEEL_REPL_SESSION_H
#define EVENKEEL_REPL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/copies.h"
#include "base/macros.h"

#define STREAM_VERSION 1

struct sender;

enum stream_wants { STREAM_CONTINUE, STREAM_COMPARE, STREAM_SET_ASIDE, STREAM_WANTS_COUNT };

struct hello {
	uint16_t version;
	uint8_t set_id[SET_ID_SIZE];
	struct epoch epoch;
	struct generation generation;
	uint64_t session;  /* 0: this side has none that could go on */
	uint64_t received; /* secondary: all up to here are in its log; primary: what comes first,
			      less one */
	uint64_t durable;  /* primary: durable there; secondary: likewise, or, answering a new
			      session, what it may have seen in any history */
	uint64_t id_limit; /* no object id from here on was ever given away (R11) */
	enum stream_wants wants;
};

enum link_want {
	LINK_IDLE,     /* nobody wants a connection */
	LINK_RESYNC,   /* connect, bring the peer up to date */
	LINK_CONTINUE, /* connect again, go on where the session was */
	LINK_WANT_COUNT
};

struct session { /* part of struct sender */
	enum link_want want;
	enum stream_wants plan; /* of LINK_RESYNC */
	bool is_up;		/* HELLO is done, the connection stands */
	bool is_broken; /* an operation could not be told or not be done there: it cannot go on */
	bool is_loss_told;
	bool is_complete_told;
	bool is_let_go; /* this copy is being left: nobody waits for the peer */
};

enum hello_outcome {
	HELLO_CONTINUED, /* the same session goes on */
	HELLO_BEGUN,	 /* a new one: the walk over the tree may begin */
	HELLO_AGAIN,	 /* close, and call again */
	HELLO_OVER,	 /* the session cannot go on: drop the peer */
	HELLO_WRONG,	 /* no peer says that: close */
	HELLO_OUTCOME_COUNT
};

enum loss {
	LOSS_SILENT, /* no connection for too long, or no progress */
	LOSS_OVER,   /* its process started anew */
	LOSS_FAILED, /* it could not do what was done here */
	LOSS_COUNT
};

/* The core wants the peer brought up to date. Errors: ERROR_INVALID unless alone, or under way. */
int session_connect(struct sender *sender, enum stream_wants plan, int64_t now_ns) MUST_CHECK;
/* Fills what is the session's in our HELLO; who we are is the caller's to fill. new_session: drawn
 * at random, for one that begins. False: nobody wants a connection any more. */
bool session_hello(const struct sender *sender, uint64_t new_session, struct hello *hello);
/*
 * The peer's answer to our HELLO. is_tidy: nothing of an earlier resynchronisation is left. After
 * HELLO_CONTINUED what the peer has not received is sent again.
 */
enum hello_outcome session_on_hello(struct sender *sender, const struct hello *ours,
	const struct hello *theirs, bool is_tidy, int64_t now_ns);
/* What HELLO_BEGUN asks for could not be started here: it is wanted again. */
void session_abandon(struct sender *sender);
/* True for the first COMPLETE of a session: the peer has everything, durably. */
bool session_on_complete(struct sender *sender);
/* The connection is gone; the session need not be. True: the peer is lost with it, drop it. */
bool session_on_disconnected(struct sender *sender, int64_t now_ns);
/* No more of this session. True if that is news, to be told to the core. */
bool session_drop(struct sender *sender, enum loss loss);
/* True if the peer of this epoch counts as up to date. */
bool session_is_paired(const struct sender *sender, uint64_t epoch);
/* Whoever waits for the peer goes on: this copy is being left. Only while the peer is lost. */
void session_let_go(struct sender *sender, bool is_left);
/* Aborts if what is wanted does not fit the mode. */
void session_verify(const struct sender *sender);
const char *link_want_name(enum link_want want);
bool link_want_may_follow(enum link_want want, enum link_want next);
/* An operation could not be told: the next look of the watch drops the peer. */
void session_break(struct sender *sender);

#endif
