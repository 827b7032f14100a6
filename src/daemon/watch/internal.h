/*
 * What the files of this wing share: watch.c (asking, and what is told to the core), state.c (the thread
 * that tries the state folder). Not for others; the daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_WATCH_INTERNAL_H
#define EVENKEEL_DAEMON_WATCH_INTERNAL_H

#include "daemon/watch/root.h"
#include "daemon/watch/watch.h"
#include "platform/mount_table.h"

struct watched_state; /* state.c */

/* Errors: those of worker_open() and open(2). */
int state_open(struct daemon *daemon, struct watched_state **out) MUST_CHECK;
void state_close(struct watched_state *state);
/* Has it tried once more, unless the last try has not ended. */
void state_ask(struct watched_state *state);
struct sight state_sight(const struct watched_state *state, int64_t limit_ns);

#endif
