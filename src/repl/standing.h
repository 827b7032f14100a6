/*
 * How a copy stands: what evenkeel-fs remembers durably of one module, how far its copy got (R2),
 * which ids were given away (R11), whether it may be promoted (R6), and whether the data beside it
 * are the ones that it speaks of.
 *
 * Each change is made here in memory and stored by the caller before anything that follows from it
 * (fs/replicator/state.c has the bytes). Where an older one is on the safe side, its function says
 * so. Nobody outside of src/repl changes a field. Not for: who may serve (that is evenkeeld's
 * record). Under the replicator's state lock.
 */
#ifndef EVENKEEL_REPL_STANDING_H
#define EVENKEEL_REPL_STANDING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/copies.h"
#include "base/macros.h"

struct standing {
	uint8_t set_id[SET_ID_SIZE]; /* whose data lie here; all zero: nothing known */
	struct epoch epoch;	     /* the last in which this copy was served or fed */
	uint64_t barrier;	     /* all up to here are durable here */
	uint64_t peer_barrier;	     /* all up to here were said to be durable at the peer */
	uint64_t sequence;	     /* no sequence below this one will be given again */
	uint64_t id_limit;	     /* no id from here on was given away, by anybody */
	uint64_t seal;		     /* of the last mark on the roots that is known to be whole */
	bool is_sealing;	     /* the roots may carry the next one already */
	bool is_clean;		     /* stopped in order: everything durable, nothing in flight */
	bool is_in_sync;	     /* secondary: holds everything that was acknowledged */
};

struct tenant { /* who is served here, or followed */
	uint8_t set_id[SET_ID_SIZE];
	struct epoch epoch;
};

/* ---- roles ---- */

/*
 * This copy is served from here on, with sequences from this one up. False: it need not be durable
 * first, as it says nothing that a successor (is_resumed) does not find in its predecessor's.
 */
bool standing_serve(
	struct standing *standing, const struct tenant *tenant, uint64_t sequence, bool is_resumed);
/* This copy follows a primary from here on. */
void standing_follow(struct standing *standing, const struct tenant *tenant, bool is_in_sync);
/* The same copy is served on without its peer. */
void standing_go_alone(struct standing *standing, struct epoch epoch);
/* Left; is_clean: in order. */
void standing_leave(struct standing *standing, bool is_clean);
/* A predecessor had recorded itself as primary in a later epoch than the one it was known by, and
 * died before it could say so. */
bool standing_was_promoted(
	const struct standing *standing, const struct tenant *tenant, uint8_t self);
/* All that were ever given or received here. */
uint64_t standing_known(const struct standing *standing);

/* ---- the copy's worth ---- */

/* Not everything acknowledged is here any more. False: that was said before. */
bool standing_drop_in_sync(struct standing *standing);
/*
 * A new session fills this copy: nothing of it is proven. Gives the highest sequence that it may have
 * seen in any history.
 */
uint64_t standing_begin_session(struct standing *standing, const struct tenant *tenant);
/* Everything up to the end of a resynchronisation is here, and durable. */
void standing_adopt(struct standing *standing, uint64_t sequence);
/* All up to `here` are durable here, and up to `there` at the peer. An older one promises less. */
void standing_move_barrier(struct standing *standing, uint64_t here, uint64_t there);
/* False: nothing new. */
bool standing_raise_ids(struct standing *standing, uint64_t id_limit);

/* ---- the data beside it ----
 *
 * Data and state prove each other in both directions (R2). Each mark on the roots has a seal, a
 * number that rises with every mark; the standing says which seals may lie there. In this order, each
 * durable before the next:
 *
 *	standing: seal n, sealing	mark: seal n + 1	standing: seal n + 1
 *
 * A crash between leaves n or n + 1 under a standing that says so. Any other pair was made by putting
 * one of the two back:
 *
 *	the mark's seal		below n: old data	n, or n + 1 while sealing: fits	above: old state
 *	no mark, another set	strange: not mounted, empty, of another node, module or cluster
 *	no standing		new here, or lost: nothing is known, evenkeeld's record decides
 *
 * Both put back to one day fit. Then only the other node knows better, by its record.
 */

struct root_mark { /* on each replicated directory; durable before the standing says as much */
	uint8_t set_id[SET_ID_SIZE];
	struct generation generation;
	struct epoch epoch; /* in which it was made */
	uint64_t barrier;
	uint64_t seal;
};

/* What evenkeeld's record says of the copy here; set id all zero: nothing. */
struct recorded_copy {
	struct tenant tenant;
	struct generation generation;
};

enum doubt {
	DOUBT_NONE,
	DOUBT_OLD,	 /* a root that is behind the state: an image that was put back */
	DOUBT_OLD_STATE, /* a state that is behind a root: the state was put back */
	DOUBT_STRANGE	 /* a root without the mark of the state's set of copies */
};

/*
 * Holds a root's mark (NULL: it has none) against what the standing says. The lower of the two
 * barriers is what is true of both. A standing that knows of no data doubts nothing.
 */
enum doubt standing_believe(struct standing *standing, const struct root_mark *mark);
/*
 * Holds the record, which lies beside the standing and is written by another, against both: it is
 * durable before what follows from it is marked, so it never knows less.
 */
enum doubt standing_believe_record(const struct standing *standing, const struct root_mark *mark,
	const struct recorded_copy *recorded);
/*
 * What is old never serves by itself. As a target old data are compared as a whole, and end like the
 * source; what lies beside an old state may have been written for itself, so it is set aside first,
 * as what is strange is.
 */
bool doubt_forbids(enum doubt doubt, bool is_source);
/*
 * The roots are about to be marked: store, mark with the seal that this gives, call
 * standing_end_seal(), store. seen: the highest seal found on a root.
 */
uint64_t standing_begin_seal(struct standing *standing, uint64_t seen);
void standing_end_seal(struct standing *standing, uint64_t seal);
/* The barrier to mark the roots with: less than the standing's would look like an old image. */
uint64_t standing_mark_barrier(const struct standing *standing, uint64_t barrier);

#endif
