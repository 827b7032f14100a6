/*
 * The words about copies that the core (who may serve), replication (what was sent and answered) and
 * the settings share. Only types; what they mean for a decision stands with who decides.
 *
 * An epoch is one tenure of one primary: it rises, by compare-and-swap at the arbiter, whenever the
 * set of good copies shrinks or the holder changes. A generation names a content: it changes at the
 * first write that a peer does not have. The tag, drawn at random, tells two generations apart that
 * got the same number on two sides.
 */
#ifndef EVENKEEL_BASE_COPIES_H
#define EVENKEEL_BASE_COPIES_H

#include <stdint.h>

#define SET_ID_SIZE 16 /* names a set of copies; all zero: no data known */

struct epoch {
	uint64_t number; /* 0: none yet */
	uint8_t node;	 /* whose tenure it is: node id, 0 for none */
};

struct generation {
	uint64_t number; /* 0: none yet */
	uint64_t tag;
};

enum durability {
	DURABILITY_CALL, /* a call returns when it is done here and at the peer */
	DURABILITY_FSYNC /* a call returns when it is done here; a sync when it is durable on both */
};

#endif
