/*
 * The other nodes, as far as beats tell: who is heard both ways, who is silent, and how late this
 * node was itself (R16, R21). member.c says how they are counted.
 */
#ifndef EVENKEEL_CORE_MEMBER_H
#define EVENKEEL_CORE_MEMBER_H

#include "core/core.h"

#define STRANGERS_MAX 8 /* lives that are greeted at one time */

/* From one start of a node's daemon to the next. */
struct life {
	uint64_t nonce; /* of its boot; 0: none */
	uint64_t counter;
	int64_t sent_ns;    /* its clock: to echo */
	int64_t heard_ns;   /* our clock: when its last beat came, echo or not */
	int64_t network_ns; /* the same of a network: not over a stream */
	uint64_t greeted;   /* number of our beat that greeted it last */
	bool is_owed;	    /* has spoken since */
};

struct member {
	struct life living;
	struct life strangers[STRANGERS_MAX]; /* have not echoed us yet, so may be recordings */
	int64_t stranger_ns; /* our clock: until then, a living one may be among them */
	int64_t two_way_ns;  /* our clock: when the newest beat that it has echoed was sent; 0: none
			     */
	int64_t excuse_ns;   /* so much later it is suspected, as this node itself was late (R16) */
	int64_t late_ns;     /* when this node was late last */
	bool is_gone;	     /* said goodbye */
};

/* This node was late by so much, until that time. */
void member_on_lateness(struct core *core, int64_t lateness_ns, int64_t until_ns);
/* False if the beat counts for nothing yet (R21). */
bool member_on_beat(struct core *core, const struct beat *beat);
enum beat_worth member_weigh(const struct core *core, const struct beat *beat, int64_t now_ns);
/* When our newest beat was sent that this one echoes; 0: it echoes none of this life. */
int64_t member_echoed_ns(const struct core *core, const struct beat *beat, int64_t now_ns);
/* What our next beat to the node echoes: of the life that we believe in, and of one that may prove
 * itself by it. */
struct echo member_echo(const struct core *core, uint8_t node);
struct echo member_greet(struct core *core, uint8_t node, int64_t now_ns);
/* Will greetings be owed when each node has got one beat more? */
bool member_is_greeting_owed(const struct core *core);
/* Since our newest beat that the node has echoed was sent. */
int64_t member_age_ns(const struct core *core, uint8_t node);
/* The same, less our own lateness. */
int64_t member_suspicion_ns(const struct core *core, uint8_t node);
/* A beat came lately, in whatever state the way back is. */
bool member_is_talking(const struct core *core, uint8_t node);
bool member_is_heard(const struct core *core, uint8_t node);
/* Its beats come over a network, not only over a stream. */
bool member_is_on_network(const struct core *core, uint8_t node);
bool member_is_silent(const struct core *core, uint8_t node);
/* When that age, or that suspicion, is reached. */
int64_t member_age_at(const struct core *core, uint8_t node, int64_t age_ns);
int64_t member_suspicion_at(const struct core *core, uint8_t node, int64_t age_ns);

#endif
