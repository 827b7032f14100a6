/*
 * What was seen of one module on this node (core/look.h): kept by its instance, and said once at each
 * change. What it means is the kind's to decide.
 */
#ifndef EVENKEEL_CORE_OBSERVATION_H
#define EVENKEEL_CORE_OBSERVATION_H

#include "core/core.h"

struct instance;

/* The last look at everything, with what a person should know of it. */
struct observation {
	struct sights sights;
	uint32_t said;	    /* mask: found bad, and said so */
	bool is_mount_lost; /* seen gone, and since then neither seen good nor mounted anew: not to know
			       is not good enough to start anything */
};

void observation_on_seen(struct core *core, struct instance *instance, const struct event *event);
/* Another role begins: what was seen of mount, evenkeel-fs and disk is the old one's. */
void observation_forget(struct instance *instance);
/* Nothing is mounted any more, or it was just mounted. */
void observation_on_mount(struct instance *instance);

#endif
