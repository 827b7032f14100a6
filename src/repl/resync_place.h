/*
 * What the target of a resynchronisation does with a name: the rules, alone.
 *
 * There an object is found by its id wherever it is. What loses its last name goes to the limbo,
 * where a later name may pick it up; what is left in it at the end is deleted. Not for: doing it
 * (fs/tree/resync.c, fs/resync/target.c). Pure; any thread.
 */
#ifndef EVENKEEL_REPL_RESYNC_PLACE_H
#define EVENKEEL_REPL_RESYNC_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "repl/op.h"

/* ---- one entry of a list ---- */

struct resync_there {	 /* at the target, before */
	bool has_object; /* by its id, wherever it is */
	bool is_name_there;
	uint64_t at_name;      /* the id of what has the name, 0: it has none */
	bool is_same_type;     /* as the entry's; of a regular file or a directory */
	bool is_its_only_name; /* or a directory, which has but one */
};

enum resync_arrival {
	RESYNC_ARRIVAL_BIND,  /* the object gets the name */
	RESYNC_ARRIVAL_ADOPT, /* what has the name becomes the object: a restored backup looks like
				 this; its content is compared later */
	RESYNC_ARRIVAL_MAKE   /* the object is made, then it gets the name */
};

enum resync_arrival resync_arrive(const struct resync_there *there);

/* ---- the list of a directory ---- */

/* The names of a list are noted as it comes; those that nobody noted are taken away at its end. */
struct resync_listing { /* all zero: none */
	uint64_t directory;
};

/* An OP_LIST or OP_LIST_END comes. True: what was noted is of another list, and is forgotten. */
bool resync_listing_expect(struct resync_listing *listing, const struct op *op);
/* Is the name of this OP_BIND to be noted? Its list may be past that name. */
bool resync_listing_gains(const struct resync_listing *listing, const struct op *op);
void resync_listing_end(struct resync_listing *listing);

/* ---- names ---- */

enum resync_removal {
	RESYNC_REMOVE_NOTHING,
	RESYNC_REMOVE_NAME, /* what it names has others */
	RESYNC_REMOVE_TO_LIMBO
};

struct resync_named {
	bool is_there, is_directory;
	uint64_t links;
};

enum resync_removal resync_unbind(const struct resync_named *named);

enum resync_binding {
	RESYNC_BIND_FROM_LIMBO,
	RESYNC_BIND_MOVE, /* a directory, from wherever it is */
	RESYNC_BIND_LINK  /* one more name: the others go when their directories are listed */
};

/* The name is free. */
enum resync_binding resync_bind(bool is_in_limbo, bool is_directory);

#endif
