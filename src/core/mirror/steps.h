/*
 * The steps of a mirror on one node: finer than what people see. Each is one row of the table in
 * steps.c: the group it belongs to, what people see of it, what is true in it, which function looks
 * what is due in it, and where it may lead. The order of the names means nothing.
 *
 * Not for: deciding. Each function named here stands in the file of its group.
 */
#ifndef EVENKEEL_CORE_MIRROR_STEPS_H
#define EVENKEEL_CORE_MIRROR_STEPS_H

#include "core/core.h"

struct mirror;

enum step {
	STEP_STOPPED,
	STEP_PRESTART,
	STEP_WAITING,
	STEP_PROBING,  /* nobody else answers for the address? */
	STEP_CLAIMING, /* record: this node is the holder */
	STEP_MOUNTING, /* evenkeel-fs becomes primary */
	STEP_ALONE,    /* serving; the peer is not good and not connected */
	STEP_CONNECTING,
	STEP_RESYNCING,
	STEP_COMPLETE, /* the target has everything; its record is awaited */
	STEP_GROWING,  /* record: good = both */
	STEP_PAIRED,
	STEP_HELD,	/* no two-way beat: answers held, arbiter wanted (R7) */
	STEP_DROPPING,	/* the stream is lost, beats go on: the peer is asked to resign */
	STEP_INTENDING, /* record: intent */
	STEP_ASKING,	/* the arbiter */
	STEP_SHRINKING, /* record: good = me */
	STEP_PARTING,	/* evenkeel-fs goes on alone */
	STEP_QUIETING,	/* handing over: application stops, address goes */
	STEP_DRAINING,
	STEP_YIELDING,	/* record: the peer is the holder */
	STEP_YIELDED,	/* until the peer serves */
	STEP_ACCEPTING, /* record: incomplete, follows this primary */
	STEP_ATTACHING, /* evenkeel-fs becomes secondary */
	STEP_FOLLOWING, /* being brought up to date */
	STEP_ADOPTING,	/* record: complete */
	STEP_ADOPTED,	/* until the primary calls us good */
	STEP_JOINING,	/* record: good = both */
	STEP_SECOND,
	STEP_RESIGNING, /* record: not good since epoch + 1 */
	STEP_RESIGNED,	/* until the primary goes on without us */
	STEP_SUSPECTING,
	STEP_TAKE_INTENDING,
	STEP_TAKE_ASKING,
	STEP_STOPPING, /* application stops */
	STEP_UNMOUNTING,
	STEP_CLOSING, /* poststop, final record */
	STEP_COUNT,
};

/* Steps of one group stand in one file, and have in common what is looked at first in each. */
enum step_group {
	GROUP_STARTING,	  /* mirror.c, decide.c, probing.c: no role yet, or no more */
	GROUP_CLAIMING,	  /* primary.c: on the way to serving */
	GROUP_SERVING,	  /* primary.c: serving, and pairing */
	GROUP_LOSING,	  /* loss.c: the good peer is lost */
	GROUP_HANDING,	  /* handover.c: the service goes to the good peer */
	GROUP_HANDED,	  /* handover.c: it went there */
	GROUP_FOLLOWING,  /* secondary.c */
	GROUP_SUSPECTING, /* takeover.c: the primary is silent */
	GROUP_LEAVING,	  /* leave.c: the way out of every role */
	GROUP_COUNT,
};

/* What is true in a step. */
enum step_trait {
	STEP_IS_RECORDING = BIT(0), /* entered while the record that makes it true is written */
	STEP_IS_SAFER = BIT(1),	    /* to go there gives something up, and claims nothing */
	STEP_IS_GUARDED = BIT(2),   /* a silent peer that is good makes answers wait (R7) */
	STEP_IS_TROUBLE = BIT(3),   /* somebody is suspected: beats go out more often */
	STEP_IS_HOLDER = BIT(4),    /* by the record this node is the one primary */
	STEP_HAS_PEER = BIT(5),	    /* by the record the peer's copy is good */
	STEP_LACKS_PEER = BIT(6),   /* by the record it is not */
	STEP_IS_STALE = BIT(7),	    /* by the record the copy here is not good */
	STEP_IS_SOLE = BIT(8),	    /* serving with the only copy that is up to date */
	STEP_DISTURBS = BIT(9),	    /* what the application's checks find is not its fault */
};

/* The only function that changes a mirror's step. Stops the process at a move that the table does
 * not have. Always true: "moved". */
bool mirror_move(struct core *core, struct mirror *mirror, enum step next);
bool step_may_follow(enum step step, enum step next);
bool step_is_in(enum step step, enum step_group group);
bool step_has(enum step step, enum step_trait trait);
/* In one of the groups from CLAIMING to HANDING: this node is, or becomes, the primary. */
bool step_is_primary(enum step step);
bool step_is_secondary(enum step step);
enum module_state step_state(enum step step);
enum readiness step_readiness(enum step step);
const char *step_name(enum step step);

/* Looks what is due in the step the mirror is in. True if it moved, or should be looked at again. */
bool step_advance(struct core *core, struct mirror *mirror);
/* What may not wait for a record that is being written: makes things safer, never moves. */
void step_guard(struct core *core, struct mirror *mirror);

/* One function a step, named after it; in the file of its group. True if it moved. */
bool stopped_advance(struct core *core, struct mirror *mirror);
bool prestart_advance(struct core *core, struct mirror *mirror);
bool waiting_advance(struct core *core, struct mirror *mirror);
bool probing_advance(struct core *core, struct mirror *mirror);
bool claiming_advance(struct core *core, struct mirror *mirror);
bool mounting_advance(struct core *core, struct mirror *mirror);
bool alone_advance(struct core *core, struct mirror *mirror);
bool connecting_advance(struct core *core, struct mirror *mirror);
bool resyncing_advance(struct core *core, struct mirror *mirror);
bool complete_advance(struct core *core, struct mirror *mirror);
bool growing_advance(struct core *core, struct mirror *mirror);
bool paired_advance(struct core *core, struct mirror *mirror);
bool held_advance(struct core *core, struct mirror *mirror);
bool dropping_advance(struct core *core, struct mirror *mirror);
bool intending_advance(struct core *core, struct mirror *mirror);
bool asking_advance(struct core *core, struct mirror *mirror);
bool shrinking_advance(struct core *core, struct mirror *mirror);
bool parting_advance(struct core *core, struct mirror *mirror);
bool quieting_advance(struct core *core, struct mirror *mirror);
bool draining_advance(struct core *core, struct mirror *mirror);
bool yielding_advance(struct core *core, struct mirror *mirror);
bool yielded_advance(struct core *core, struct mirror *mirror);
bool accepting_advance(struct core *core, struct mirror *mirror);
bool attaching_advance(struct core *core, struct mirror *mirror);
bool following_advance(struct core *core, struct mirror *mirror);
bool adopting_advance(struct core *core, struct mirror *mirror);
bool adopted_advance(struct core *core, struct mirror *mirror);
bool joining_advance(struct core *core, struct mirror *mirror);
bool second_advance(struct core *core, struct mirror *mirror);
bool resigning_advance(struct core *core, struct mirror *mirror);
bool resigned_advance(struct core *core, struct mirror *mirror);
bool suspecting_advance(struct core *core, struct mirror *mirror);
bool take_intending_advance(struct core *core, struct mirror *mirror);
bool take_asking_advance(struct core *core, struct mirror *mirror);
bool stopping_advance(struct core *core, struct mirror *mirror);
bool unmounting_advance(struct core *core, struct mirror *mirror);
bool closing_advance(struct core *core, struct mirror *mirror);

/* What each step of a group looks at first. True if it moved. */
bool primary_common(struct core *core, struct mirror *mirror);
bool loss_common(struct core *core, struct mirror *mirror);
bool handover_common(struct core *core, struct mirror *mirror);

/* Answers are held in time; for guarded steps. */
void loss_guard(struct core *core, struct mirror *mirror);

#endif
