/*
 * Wrong versions of safety rules, on purpose: the simulator must find each of them (its budget of
 * seeds stands in sim/), else it proves nothing. A build without -DPLANTED=n has none of them;
 * numbers from 100 on belong to repl/planted.h.
 *
 *	 1  a secondary takes over without asking the arbiter
 *	 2  a secondary takes over although it knows that the primary went on without it
 *	 3  a primary goes on alone without recording it
 *	 4  a primary records that it is alone only after it has told evenkeel-fs to answer
 *	 5  a node starts alone although its record does not say that it is the only good one
 *	 6  a copy counts as complete and good from the moment it is being brought up to date
 *	 7  a primary that lost the stream goes on alone without the peer's or the arbiter's word
 *	 8  swap: the old primary keeps serving after it recorded the other as holder
 *	 9  a secondary takes over before its primary holds its answers (R7 turned round)
 *	10  a target calls itself good when it has adopted, without the primary's word
 *	11  going on alone begins no new generation, and the handshake asks not who was good
 *	13  a secondary shows that it is no longer good before that is durable
 *	14  a beat of an earlier boot or with an old counter is believed (R21)
 *	15  the arbiter is asked with an intent that is not durable (R4)
 *	16  a tree that holds what the primary never had is overwritten, not set aside (R12)
 *	17  a secondary counts the primary's silence from its last echo, not from its last beat (R7)
 *	18  what gives something up waits for a record that is being written (R10)
 *	25  a life of the other node is believed in before it has proved itself (R21)
 *	26  the echo of another life of ours proves a life (R21)
 *	27  any echo of ours proves a life, also one older than what was echoed before (R21)
 *	30  what was observed here is known and nobody acts on it (R23)
 *	31  a node that cannot serve gives the service to one whose disk is stuck as well (R23)
 *	32  who was given the service gives it back as soon as the other one follows (R23)
 *	33  a primary that is being stopped keeps application and address, unheard (R7)
 *
 * One more breaks no promise that the simulator checks, and is not among its numbers:
 *
 *	12  the lateness guard is ignored (covered by: what lies in a late node's socket counts as heard,
 *	    and the first question to the arbiter is asked before `silence` or not at all)
 */
#ifndef EVENKEEL_CORE_PLANTED_H
#define EVENKEEL_CORE_PLANTED_H

#include <stdbool.h>

enum {
	PLANTED_NO_ARBITER = 1,
	PLANTED_NOT_GOOD = 2,
	PLANTED_NO_RECORD = 3,
	PLANTED_RECORD_AFTER = 4,
	PLANTED_STALE_START = 5,
	PLANTED_INCOMPLETE = 6,
	PLANTED_NO_WORD = 7,
	PLANTED_BOTH_HOLD = 8,
	PLANTED_IMPATIENT = 9,
	PLANTED_SELF_MADE_GOOD = 10,
	PLANTED_SAME_GENERATION = 11,
	PLANTED_NO_GUARD = 12,
	PLANTED_SHOWN_EARLY = 13,
	PLANTED_OLD_BEATS = 14,
	PLANTED_VOLATILE_INTENT = 15,
	PLANTED_OVERWRITTEN = 16,
	PLANTED_ECHO_SILENCE = 17,
	PLANTED_SAFETY_QUEUES = 18,
	PLANTED_ANY_LIFE = 25,
	PLANTED_ANY_ECHO = 26,
	PLANTED_OLD_ECHO = 27,
	PLANTED_UNHEEDED = 30,
	PLANTED_BLIND = 31,
	PLANTED_TAKES_BACK = 32,
	PLANTED_LEAVES_UNGUARDED = 33,
};

static inline bool planted(int number)
{
#ifdef PLANTED
	return number == PLANTED;
#else
	(void)number;
	return false;
#endif
}

/* The invariants of core_verify() would stop a node before a planted bug shows its damage. */
static inline bool is_planted_build(void)
{
#ifdef PLANTED
	return PLANTED > 0 && PLANTED < 100;
#else
	return false;
#endif
}

#endif
