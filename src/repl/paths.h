/*
 * Over which network the next session goes. The order of the configuration is the order of
 * preference; a network over which a session ended badly, or never began, comes after all others for
 * BAD_FOR_NS. That a session is small at its beginning proves little: a network that loses large
 * packets lets every HELLO pass.
 *
 * When no network at all leads to the peer, the peer was away, and nothing is held against any of
 * them. Not for: connecting (fs/replicator). The link thread's.
 */
#ifndef EVENKEEL_REPL_PATHS_H
#define EVENKEEL_REPL_PATHS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

#define BAD_FOR_NS (600 * NS_PER_S)

struct paths {
	int64_t bad_ns[LINKS_MAX]; /* when it failed last; 0: never, or that is forgiven */
	uint8_t failures;	   /* one after the other, without a session in between */
};

/* count: how many networks there are, 1 to LINKS_MAX. The index of the one to try now. */
uint8_t paths_choose(const struct paths *paths, uint8_t count, int64_t now_ns);
/* The peer was not reached over it, or not as far as a session. */
void paths_on_failed(struct paths *paths, uint8_t path, uint8_t count, int64_t now_ns);
/* A session over it has ended. is_bad: it fell silent, or nothing got through any more. */
void paths_on_ended(struct paths *paths, uint8_t path, bool is_bad, int64_t now_ns);

#endif
