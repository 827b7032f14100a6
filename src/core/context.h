/*
 * What all files of the core share: the node as a whole, and the actions of the step under way.
 *
 * The rooms of the core, each seeing only those above it:
 *
 *	core.h, fs.h, record.h     what the core says to others
 *	context, member            the node: time, who is heard
 *	instance, application,     one module on this node, whatever its kind
 *	writing, command, arbiter
 *	mirror/, single/           a kind each
 *	core.c                     the step: event in, facts noted, touched modules advanced, actions out
 *
 * Each module advances by level, not by edge: events only note facts; advancing looks at all of them
 * and takes at most one step after the other until none is due. Not for users of the core: they see
 * core.h.
 */
#ifndef EVENKEEL_CORE_CONTEXT_H
#define EVENKEEL_CORE_CONTEXT_H

#include "core/core.h"
#include "core/member.h"
#include "core/planted.h"

#define NO_TIME INT64_MAX

struct core {
	struct core_config config;
	int64_t now_ns, started_ns;
	bool is_started, is_shutting_down;
	bool can_reach_target;
	bool wants_beat, is_in_trouble;
	uint64_t beat_counter;
	int64_t beat_ns; /* when the last one was sent */
	struct member members[NODES_MAX + 1];
	struct actions *actions; /* only during a step */
};

#endif
