/*
 * A single module on its one node: an application that is started, checked and repaired, with the
 * addresses that go with it. No copy, no peer, no arbiter, no evenkeel-fs: whatever it writes lies
 * in plain directories.
 *
 *	STOPPED -> PRESTART -> UP -> STOPPING -> CLOSING -> STOPPED, or FAILED (repairs used up)
 *
 * Its scripts are prestart, start_both, stop_both and poststop (decisions/0011). Nothing that it
 * does waits for its record, which only says whether it is to run after the next boot.
 */
#ifndef EVENKEEL_CORE_SINGLE_SINGLE_H
#define EVENKEEL_CORE_SINGLE_SINGLE_H

#include "core/instance.h"

enum single_step {
	SINGLE_STOPPED,
	SINGLE_PRESTART,
	SINGLE_UP,
	SINGLE_STOPPING, /* application stops, address goes */
	SINGLE_CLOSING,	 /* poststop */
	SINGLE_FAILED,	 /* until a person starts it again */
	SINGLE_STEP_COUNT,
};

struct single {
	struct instance common; /* first: what the core hands over is this */
	enum single_step step;
};

extern const struct kind single_kind;

const char *single_step_name(enum single_step step);
enum module_state single_step_state(enum single_step step);
enum readiness single_step_readiness(enum single_step step);
bool single_step_may_follow(enum single_step step, enum single_step next);

/* status.c */
void single_say(const struct single *single, struct status *status);

#endif
