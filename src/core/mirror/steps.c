/*
 * The table of a mirror's steps. The main ways through it; docs/states.md has every move:
 *
 *	STOPPED -> PRESTART -> WAITING -> PROBING -> CLAIMING -> MOUNTING -> ALONE
 *	                          |                     ^
 *	the other serves          v                     +-- granted: TAKE_ASKING, handed over: SECOND
 *	ACCEPTING -> ATTACHING -> FOLLOWING -> ADOPTING -> ADOPTED -> JOINING -> SECOND
 *
 *	serving    ALONE -> CONNECTING -> RESYNCING -> COMPLETE -> GROWING -> PAIRED
 *	the peer   PAIRED -> HELD      silence; heard again: PAIRED   | its word, or the arbiter's:
 *	is lost    PAIRED -> DROPPING  the stream is lost             | SHRINKING -> PARTING -> ALONE
 *	           HELD, DROPPING -> INTENDING -> ASKING -> SHRINKING
 *	swap       PAIRED -> QUIETING -> DRAINING -> YIELDING -> YIELDED -> ACCEPTING, or SUSPECTING
 *	silence    SECOND -> SUSPECTING -> TAKE_INTENDING -> TAKE_ASKING -> SUSPECTING, or CLAIMING
 *	resigning  SECOND, FOLLOWING, ADOPTED -> RESIGNING -> RESIGNED -> ACCEPTING
 *	leaving    STOPPING -> UNMOUNTING -> CLOSING -> WAITING, or STOPPED
 *
 * A move that the table does not have stops the process: a stopped node fails over, a wrong one
 * corrupts.
 */
#include "core/mirror/mirror.h"

#define S(step)	   BIT64(STEP_##step)
#define LEAVING	   (S(STOPPING))
#define LOSING	   (S(SHRINKING) | LEAVING)
#define FOLLOWABLE (S(ACCEPTING) | LEAVING)
/* A daemon that was restarted takes up what its predecessor left running. */
#define RESUMABLE                                                                       \
	(S(PRESTART) | S(MOUNTING) | S(ALONE) | S(RESYNCING) | S(PAIRED) | S(PARTING) | \
		S(YIELDED) | S(FOLLOWING) | S(SECOND) | LEAVING)

#define REC	STEP_IS_RECORDING
#define SAFER	STEP_IS_SAFER
#define GUARD	STEP_IS_GUARDED
#define TROUBLE STEP_IS_TROUBLE
#define HOLDER	STEP_IS_HOLDER
#define HAS	STEP_HAS_PEER
#define LACKS	STEP_LACKS_PEER
#define STALE	STEP_IS_STALE
#define SOLE	STEP_IS_SOLE
#define DISTURB STEP_DISTURBS

_Static_assert(STEP_COUNT <= 64, "a set of steps is a 64-bit mask");

static const struct step_rule {
	const char *name;
	enum step_group group;
	enum module_state state;
	enum readiness readiness;
	uint32_t traits; /* STEP_* */
	bool (*advance)(struct core *core, struct mirror *mirror);
	uint64_t next;
} rules[STEP_COUNT] = {
	/* clang-format off */
	[STEP_STOPPED]        = { "stopped",        GROUP_STARTING,   STATE_STOP,   NOT_READY, SAFER, stopped_advance, RESUMABLE },
	[STEP_PRESTART]       = { "prestart",       GROUP_STARTING,   STATE_WAIT,   TRANSIENT, 0, prestart_advance, S(WAITING) | LEAVING },
	[STEP_WAITING]        = { "waiting",        GROUP_STARTING,   STATE_WAIT,   NOT_READY, SAFER, waiting_advance, S(PROBING) | FOLLOWABLE },
	[STEP_PROBING]        = { "probing",        GROUP_STARTING,   STATE_WAIT,   TRANSIENT, 0, probing_advance, S(CLAIMING) | S(WAITING) | LEAVING },
	[STEP_CLAIMING]       = { "claiming",       GROUP_CLAIMING,   STATE_ALONE,  TRANSIENT, REC, claiming_advance, S(MOUNTING) },
	[STEP_MOUNTING]       = { "mounting",       GROUP_CLAIMING,   STATE_ALONE,  TRANSIENT, HOLDER, mounting_advance, S(ALONE) | LEAVING },
	[STEP_ALONE]          = { "alone",          GROUP_SERVING,    STATE_ALONE,  READY,     HOLDER | LACKS | SOLE, alone_advance, S(CONNECTING) | LOSING },
	[STEP_CONNECTING]     = { "connecting",     GROUP_SERVING,    STATE_ALONE,  READY,     HOLDER | LACKS | SOLE, connecting_advance, S(RESYNCING) | S(PARTING) | LOSING },
	[STEP_RESYNCING]      = { "resyncing",      GROUP_SERVING,    STATE_ALONE,  READY,     HOLDER | LACKS | SOLE, resyncing_advance, S(COMPLETE) | S(PARTING) | LOSING },
	[STEP_COMPLETE]       = { "complete",       GROUP_SERVING,    STATE_ALONE,  READY,     HOLDER | LACKS | SOLE, complete_advance, S(GROWING) | LOSING },
	[STEP_GROWING]        = { "growing",        GROUP_SERVING,    STATE_ALONE,  READY,     HOLDER | SOLE | REC | GUARD, growing_advance, S(PAIRED) | LEAVING },
	[STEP_PAIRED]         = { "paired",         GROUP_SERVING,    STATE_PRIM,   READY,     HOLDER | HAS | GUARD, paired_advance, S(HELD) | S(DROPPING) | S(QUIETING) | S(YIELDING) | LOSING },
	[STEP_HELD]           = { "held",           GROUP_LOSING,     STATE_PRIM,   TRANSIENT, HOLDER | HAS | GUARD | TROUBLE | SAFER, held_advance, S(PAIRED) | S(DROPPING) | S(INTENDING) | S(ASKING) | LOSING },
	[STEP_DROPPING]       = { "dropping",       GROUP_LOSING,     STATE_PRIM,   TRANSIENT, HOLDER | HAS | GUARD | TROUBLE | SAFER | DISTURB, dropping_advance, S(HELD) | S(INTENDING) | S(ASKING) | LOSING },
	[STEP_INTENDING]      = { "intending",      GROUP_LOSING,     STATE_PRIM,   TRANSIENT, HOLDER | HAS | GUARD | TROUBLE | REC, intending_advance, S(ASKING) | LEAVING },
	[STEP_ASKING]         = { "asking",         GROUP_LOSING,     STATE_PRIM,   TRANSIENT, HOLDER | HAS | GUARD | TROUBLE, asking_advance, S(HELD) | S(DROPPING) | LOSING },
	[STEP_SHRINKING]      = { "shrinking",      GROUP_LOSING,     STATE_ALONE,  TRANSIENT, HOLDER | SOLE | REC, shrinking_advance, S(PARTING) | LEAVING },
	[STEP_PARTING]        = { "parting",        GROUP_LOSING,     STATE_ALONE,  TRANSIENT, HOLDER | LACKS | SOLE, parting_advance, S(ALONE) | S(SHRINKING) | LEAVING },
	[STEP_QUIETING]       = { "quieting",       GROUP_HANDING,    STATE_PRIM,   TRANSIENT, HOLDER | GUARD, quieting_advance, S(DRAINING) | S(PAIRED) | LEAVING },
	[STEP_DRAINING]       = { "draining",       GROUP_HANDING,    STATE_PRIM,   TRANSIENT, HOLDER | GUARD, draining_advance, S(YIELDING) | S(PAIRED) | LEAVING },
	[STEP_YIELDING]       = { "yielding",       GROUP_HANDING,    STATE_PRIM,   TRANSIENT, REC, yielding_advance, S(YIELDED) | S(PAIRED) | LEAVING },
	[STEP_YIELDED]        = { "yielded",        GROUP_HANDED,     STATE_WAIT,   TRANSIENT, SAFER, yielded_advance, S(SUSPECTING) | FOLLOWABLE },
	[STEP_ACCEPTING]      = { "accepting",      GROUP_FOLLOWING,  STATE_SECOND, TRANSIENT, REC, accepting_advance, S(ATTACHING) },
	[STEP_ATTACHING]      = { "attaching",      GROUP_FOLLOWING,  STATE_SECOND, TRANSIENT, 0, attaching_advance, S(FOLLOWING) | FOLLOWABLE },
	[STEP_FOLLOWING]      = { "following",      GROUP_FOLLOWING,  STATE_SECOND, TRANSIENT, STALE, following_advance, S(ADOPTING) | S(RESIGNING) | FOLLOWABLE },
	[STEP_ADOPTING]       = { "adopting",       GROUP_FOLLOWING,  STATE_SECOND, TRANSIENT, STALE | REC, adopting_advance, S(ADOPTED) },
	[STEP_ADOPTED]        = { "adopted",        GROUP_FOLLOWING,  STATE_SECOND, TRANSIENT, STALE, adopted_advance, S(JOINING) | S(RESIGNING) | FOLLOWABLE },
	[STEP_JOINING]        = { "joining",        GROUP_FOLLOWING,  STATE_SECOND, TRANSIENT, REC, joining_advance, S(SECOND) },
	[STEP_SECOND]         = { "second",         GROUP_FOLLOWING,  STATE_SECOND, READY,     0, second_advance, S(CLAIMING) | S(RESIGNING) | S(SUSPECTING) | S(ACCEPTING) },
	[STEP_RESIGNING]      = { "resigning",      GROUP_FOLLOWING,  STATE_SECOND, TRANSIENT, REC, resigning_advance, S(RESIGNED) },
	[STEP_RESIGNED]       = { "resigned",       GROUP_FOLLOWING,  STATE_SECOND, TRANSIENT, SAFER, resigned_advance, FOLLOWABLE },
	[STEP_SUSPECTING]     = { "suspecting",     GROUP_SUSPECTING, STATE_WAIT,   NOT_READY, TROUBLE | SAFER, suspecting_advance, S(SECOND) | S(YIELDED) | S(TAKE_INTENDING) | S(TAKE_ASKING) | S(CLAIMING) | LEAVING },
	[STEP_TAKE_INTENDING] = { "take-intending", GROUP_SUSPECTING, STATE_WAIT,   NOT_READY, TROUBLE | REC, take_intending_advance, S(SUSPECTING) | S(TAKE_ASKING) },
	[STEP_TAKE_ASKING]    = { "take-asking",    GROUP_SUSPECTING, STATE_WAIT,   NOT_READY, TROUBLE, take_asking_advance, S(SUSPECTING) | S(CLAIMING) },
	[STEP_STOPPING]       = { "stopping",       GROUP_LEAVING,    STATE_WAIT,   TRANSIENT, SAFER, stopping_advance, S(UNMOUNTING) | S(CLOSING) },
	[STEP_UNMOUNTING]     = { "unmounting",     GROUP_LEAVING,    STATE_WAIT,   TRANSIENT, SAFER, unmounting_advance, S(CLOSING) },
	[STEP_CLOSING]        = { "closing",        GROUP_LEAVING,    STATE_WAIT,   TRANSIENT, SAFER, closing_advance, S(STOPPED) | S(WAITING) },
	/* clang-format on */
};

static bool (*const commons[GROUP_COUNT])(struct core *core, struct mirror *mirror) = {
	[GROUP_SERVING] = primary_common,
	[GROUP_LOSING] = loss_common,
	[GROUP_HANDING] = handover_common,
};

static const struct step_rule *rule_of(enum step step)
{
	CHECK(step < STEP_COUNT);
	return &rules[step];
}

bool step_may_follow(enum step step, enum step next)
{
	CHECK(next < STEP_COUNT);
	return (rule_of(step)->next & BIT64(next)) != 0;
}

/* While a record is on its way a mirror goes only where that is waited for, or where it gives
 * something up. */
bool mirror_move(struct core *core, struct mirror *mirror, enum step next)
{
	CHECK(step_may_follow(mirror->step, next));
	CHECK(!mirror->common.writing.is_open || step_has(next, STEP_IS_RECORDING) ||
		step_has(next, STEP_IS_SAFER));
	mirror->step = next;
	mirror->common.since_ns = core->now_ns;
	return true;
}

bool step_is_in(enum step step, enum step_group group)
{
	return rule_of(step)->group == group;
}

bool step_has(enum step step, enum step_trait trait)
{
	return (rule_of(step)->traits & trait) != 0;
}

bool step_is_primary(enum step step)
{
	switch (rule_of(step)->group) {
	case GROUP_CLAIMING:
	case GROUP_SERVING:
	case GROUP_LOSING:
	case GROUP_HANDING: return true;
	case GROUP_STARTING:
	case GROUP_HANDED:
	case GROUP_FOLLOWING:
	case GROUP_SUSPECTING:
	case GROUP_LEAVING:
	case GROUP_COUNT: break;
	}
	return false;
}

bool step_is_secondary(enum step step)
{
	return step_is_in(step, GROUP_FOLLOWING);
}

enum module_state step_state(enum step step)
{
	return rule_of(step)->state;
}

enum readiness step_readiness(enum step step)
{
	return rule_of(step)->readiness;
}

const char *step_name(enum step step)
{
	return rule_of(step)->name;
}

bool step_advance(struct core *core, struct mirror *mirror)
{
	const struct step_rule *rule = rule_of(mirror->step);

	if (commons[rule->group] != NULL && commons[rule->group](core, mirror))
		return true;
	return rule->advance(core, mirror);
}

void step_guard(struct core *core, struct mirror *mirror)
{
	if (step_has(mirror->step, STEP_IS_GUARDED))
		loss_guard(core, mirror);
}
