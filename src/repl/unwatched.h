/*
 * When a copy lay open: spans of time in which nobody of ours had it, so that what changed in them
 * was changed by somebody else, by hand (R12, R13).
 *
 *	   take            let go             take
 *	----|=== watched ===|------ a span ----|=== watched ===--->	of the wall clock
 *	                         ^
 *	                         an object's change time lies here: by hand
 *
 * While a copy is served or followed, it is covered by our mount, and each change of it is ours. So no
 * list of what we did is needed: the kernel's own time of the last change of an inode (ctime), which
 * no program can set, says whether it was us. A copy that was let go of in order says since when; one
 * whose processes died was watched until their last sign of life. Where the machine went down, nobody
 * wrote before it was up again; whether it was up more than once since, only the last note that the copy
 * was watched can tell: what was written by hand within UNWATCHED_LATE_NS of it, in an earlier life of
 * the machine than the one in which the copy is taken, is taken for ours.
 *
 * The spans are kept until a resynchronisation begins, and what it does itself lies outside of them.
 * Not for: what becomes of such an object (fs/tree/byhand.h). Pure; under its owner's lock.
 */
#ifndef EVENKEEL_REPL_UNWATCHED_H
#define EVENKEEL_REPL_UNWATCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/macros.h"

#define UNWATCHED_SPANS 8
#define UNWATCHED_SIZE	(1 + 1 + 1 + 8 + 8 + 8 + UNWATCHED_SPANS * 16) /* encoded */
#define UNWATCHED_SIGN_NS \
	(1 * NS_PER_S) /* after the last sign of life it may have lived for so long */
#define UNWATCHED_SEEN_NS (30 * NS_PER_S) /* so often it is noted durably that it is watched */
#define UNWATCHED_LATE_NS \
	(90 * NS_PER_S) /* after the last such note it may have been for so long */

_Static_assert(UNWATCHED_SEEN_NS < UNWATCHED_LATE_NS, "the next note comes before that");

struct unwatched_span {
	int64_t from_ns, to_ns;
};

struct unwatched { /* all zero: nothing is known yet */
	bool is_known;
	bool is_let_go;
	int64_t let_go_ns;
	uint64_t boot;	 /* the machine's, when it was taken */
	int64_t seen_ns; /* it was watched then, and perhaps longer */
	uint8_t count;
	struct unwatched_span spans[UNWATCHED_SPANS];
};

struct unwatched_witness { /* what is known where a copy is taken; wall clock */
	int64_t now_ns;
	uint64_t boot;	   /* of this life of the machine */
	int64_t booted_ns; /* when it began */
	int64_t alive_ns; /* the last sign of life of those who had the copy, in this life; 0: none */
};

/* The copy is watched from now on. Of one that nobody knows it is not told what is whose. */
void unwatched_take(struct unwatched *unwatched, const struct unwatched_witness *witness);
/* It is watched still. True: that is to be stored, for whoever comes after the machine went down. */
bool unwatched_see(struct unwatched *unwatched, int64_t now_ns);
/* Nobody watches it since then. Again: the first time counts. */
void unwatched_let_go(struct unwatched *unwatched, int64_t since_ns);
/* What was there is this copy's own from now on, or was looked after. */
void unwatched_forget(struct unwatched *unwatched);
/* Was an inode whose last change was at this time changed by hand? */
bool unwatched_is_by_hand(const struct unwatched *unwatched, int64_t changed_ns);

void unwatched_encode(const struct unwatched *unwatched, uint8_t out[UNWATCHED_SIZE]);
/* Errors: ERROR_BAD_MESSAGE: then nothing is known. */
int unwatched_decode(const uint8_t *bytes, size_t size, struct unwatched *out_unwatched) MUST_CHECK;

#endif
