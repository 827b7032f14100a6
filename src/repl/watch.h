/*
 * The primary's watch over its peer (R16): progress, silence, the time to connect again. Time is
 * handed in, in nanoseconds of the boot clock; who looks does so every TICK_NS.
 *
 * Time in which this process itself did not run is not held against the peer. Not for: beats (core).
 */
#ifndef EVENKEEL_REPL_WATCH_H
#define EVENKEEL_REPL_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

#define TICK_NS		(200 * NS_PER_MS)
#define RECONNECT_NS	(1 * NS_PER_S)	/* without a connection, before the peer counts as lost */
#define REFUSE_AFTER_NS (5 * NS_PER_S)	/* a peer that cannot be reached for so long is told */
#define OP_TIMEOUT_NS	(20 * NS_PER_S) /* a stuck disk */

struct sender;

struct watch {		     /* part of struct sender */
	int64_t lost_ns;     /* since when a connection is wanted */
	int64_t sent_ns;     /* when something was written last */
	int64_t progress_ns; /* when the peer last showed progress */
	int64_t heard_ns;    /* when anything came from it */
	int64_t ticked_ns;   /* when the watch last looked; 0: not yet */
	bool is_writing;     /* the connection is being written to, which may take its time */
	bool is_silent;	     /* the connection was given up for that: another network next */
	bool is_stuck;	     /* what was sent is sent again and again, and does not get through */
	bool is_complained;  /* of no progress over this connection */
	bool is_moved;	     /* another network is tried for that, and there was no progress yet */
};

enum complaint {
	COMPLAINT_NONE,
	COMPLAINT_BROKEN,      /* an operation could not be told to the peer */
	COMPLAINT_NO_PROGRESS, /* it is there, and does nothing */
	COMPLAINT_DOWN,	       /* no connection within RECONNECT_NS */
	COMPLAINT_COUNT
};

struct watch_findings {
	enum complaint complaint;
	bool should_hang_up; /* silent, or stuck: find another way */
	bool should_keep;    /* nothing was said for a while: say KEEP */
};

/* A new role: what was before does not count. */
void watch_begin(struct sender *sender);
struct watch_findings watch_look(struct sender *sender, int64_t now_ns, int64_t peer_timeout_ns);
/* Anything came. */
void watch_on_heard(struct sender *sender, int64_t now_ns);
/* Something came that only a peer at work says. */
void watch_on_progress(struct sender *sender, int64_t now_ns);
/* The peer works on one operation for so long. */
void watch_on_working(struct sender *sender, int64_t duration_ns, int64_t now_ns);
/* Around each write to the connection. was_idle: everything sent before was acknowledged. */
void watch_on_writing(struct sender *sender, bool was_idle, int64_t now_ns);
void watch_on_written(struct sender *sender);
/* Whether the connection sends again and again what it has sent already. */
void watch_on_stuck(struct sender *sender, bool is_stuck);
/* A connection stands, and HELLO is done. */
void watch_on_connected(struct sender *sender, int64_t now_ns);
/* The session that has ended fell silent, or got nothing through. */
bool watch_was_bad(const struct sender *sender);
/* A first connection did not come about in time: true once, to be told. */
bool watch_is_unreachable(struct sender *sender, int64_t now_ns);
/* In words, for people. */
const char *complaint_sentence(enum complaint complaint);

#endif
