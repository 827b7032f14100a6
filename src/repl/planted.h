/*
 * Wrong versions of safety rules of replication, for the simulator to find (sim/): compiled in
 * only where PLANTED names one. Not for: the product, which is built without PLANTED.
 * Numbers from 101 on; those of the core stand in core/planted.h.
 */
#ifndef EVENKEEL_REPL_PLANTED_H
#define EVENKEEL_REPL_PLANTED_H

#ifndef PLANTED
#define PLANTED 0
#endif

enum {
	PLANTED_ANSWER_IGNORES_HELD = 101,  /* answers leave although the peer is lost */
	PLANTED_ANSWER_ON_SENT = 102,	    /* PAIRED answers what the peer has not applied */
	PLANTED_ANSWER_IGNORES_MUTE = 103,  /* R7: a cut-off primary goes on answering */
	PLANTED_ACK_ON_RECEIPT = 104,	    /* acknowledged when received, not when applied (R6) */
	PLANTED_OLD_EPOCH_TAKEN = 105,	    /* the receiver obeys whichever primary talks to it */
	PLANTED_PROMOTE_WITHOUT_REST = 106, /* what was received and not applied is forgotten */
	PLANTED_PROMOTE_NOT_IN_SYNC = 107,  /* a copy that misses writes is promoted */
	PLANTED_GAP_TAKEN = 108,	    /* what comes after a gap is applied */
	PLANTED_ALONE_IN_OLD_EPOCH = 109,   /* going on alone without a new epoch */
	PLANTED_RECONNECT_UNCHECKED = 110,  /* `received` of a reconnecting peer is believed */
	PLANTED_OLD_ACK_TAKEN = 111,	    /* acknowledgements of another epoch count */
	PLANTED_PROMOTED_STILL_RECEIVES = 112 /* arrivals after the promotion are taken */
};

#define IS_PLANTED(bug) (PLANTED == (bug))

#endif
