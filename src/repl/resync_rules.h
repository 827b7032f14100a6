/*
 * What a target that is being brought up to date needs of one operation: the rules, alone.
 *
 * A directory is *listed* when its names were sent; while they are being sent, piece by piece,
 * nobody here knows which of them the target has, so names are bound and unbound there, which fits
 * whatever it has. An object is *present* when the target has it by id. Not for: knowing which is which (repl/resync_walk.h). Pure; any thread.
 */
#ifndef EVENKEEL_REPL_RESYNC_RULES_H
#define EVENKEEL_REPL_RESYNC_RULES_H

#include <stdbool.h>

#include "repl/op.h"

struct resync_facts { /* of the operation's objects, after it was done here */
	bool is_object_present;
	bool is_parent_listed, is_new_parent_listed;
	bool is_parent_begun, is_new_parent_begun; /* being listed just now */
	bool is_object_listed, is_replaced_listed; /* directories only */
	bool is_replaced_directory;
	bool has_object_names, has_replaced_names; /* any name left (not a directory) */
};

enum resync_step {
	STEP_END,	  /* no more */
	STEP_AS_IS,	  /* the operation itself */
	STEP_SHOW_OBJECT, /* OP_METADATA, if it is not present: it becomes present, and is queued */
	STEP_SHOW_REPLACED,    /* the same for the other one of an exchange */
	STEP_SHOW_CREATED,     /* the same for what was made in parent */
	STEP_BIND_CREATED,     /* it at name in parent */
	STEP_BIND_NEW,	       /* object at new_name in new_parent */
	STEP_BIND_OLD,	       /* replaced at name in parent (exchange) */
	STEP_UNBIND_NEW,       /* new_name in new_parent is gone */
	STEP_UNBIND_OLD,       /* name in parent is gone */
	STEP_SHOW_WHITEOUT,    /* of what a rename left at name in parent */
	STEP_BIND_WHITEOUT,    /* it at name in parent */
	STEP_WHITEOUT_CREATED, /* it is present from now on */
	STEP_OBJECT_CREATED,   /* it is present from now on; a directory is listed: it was empty */
	STEP_OBJECT_ABSENT,    /* lives on without a name here, and the target never gets it */
	STEP_REPLACED_ABSENT,  /* the same for what was replaced */
	STEP_OBJECT_GONE,      /* neither here nor there any more */
};

#define RESYNC_STEPS_MAX 6

void resync_decide(const struct op *op, const struct resync_facts *facts,
	enum resync_step out_steps[RESYNC_STEPS_MAX]);

#endif
