/*
 * The other nodes, as far as beats tell: who is heard both ways, who is silent, and how late this
 * node was itself (R16, R21). member.c says how they are counted.
 */
#ifndef EVENKEEL_CORE_MEMBER_H
#define EVENKEEL_CORE_MEMBER_H

#include "core/core.h"

#define RETIRED_NONCES 8

struct member {
	uint64_t nonce; /* of its boot; 0: never heard */
	uint64_t counter;
	uint64_t retired[RETIRED_NONCES];
	uint8_t retired_next;
	int64_t sent_ns;    /* its clock: to echo */
	int64_t heard_ns;   /* our clock: when its last beat came, echo or not */
	int64_t two_way_ns; /* our clock: when the newest beat that it has echoed was sent; 0: none
			     */
	int64_t excuse_ns;  /* so much later it is suspected, as this node itself was late (R16) */
	int64_t late_ns;    /* when this node was late last */
	bool is_gone;	    /* said goodbye */
};

/* This node was late by so much, until that time. */
void member_on_lateness(struct core *core, int64_t lateness_ns, int64_t until_ns);
/* False if the beat means nothing (R21). */
bool member_on_beat(struct core *core, const struct beat *beat);
/* Since our newest beat that the node has echoed was sent. */
int64_t member_age_ns(const struct core *core, uint8_t node);
/* The same, less our own lateness. */
int64_t member_suspicion_ns(const struct core *core, uint8_t node);
/* A beat came lately, in whatever state the way back is. */
bool member_is_talking(const struct core *core, uint8_t node);
bool member_is_heard(const struct core *core, uint8_t node);
bool member_is_silent(const struct core *core, uint8_t node);
/* When that age, or that suspicion, is reached. */
int64_t member_age_at(const struct core *core, uint8_t node, int64_t age_ns);
int64_t member_suspicion_at(const struct core *core, uint8_t node, int64_t age_ns);

#endif
