/*
 * What the source of a resynchronisation knows of its target, and what its walk does next.
 *
 *	            shown                 begin_list          end_list
 *	 unknown ----------> PRESENT, to list ------> begun -----------> LISTED      a directory
 *	    |                                                              ^
 *	    |  shown                                                       |
 *	    +-------> PRESENT, to compare ----> compared                   |         all else
 *	    |  made in a listed directory: nothing to compare              |
 *	    +--------------------------------------------------------------+
 *
 * What is gone, or lives on without a name, is unknown again. The walk itself:
 *
 *	WALKING --nothing left--> SYNCING --synced--> SYNCED --still nothing left--> OVER
 *	   ^                                             |
 *	   +---------------- more was shown -------------+
 *
 * Pure: ids lie in the caller's memory (struct resync_memory), which may be as large as the tree.
 * Not for: reading the tree, threads, the stream (fs/resync). Under the caller's lock. The simulator
 * runs this very code (sim/resync).
 */
#ifndef EVENKEEL_REPL_RESYNC_WALK_H
#define EVENKEEL_REPL_RESYNC_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "repl/op.h"
#include "repl/resync_rules.h"

enum resync_set { RESYNC_PRESENT, RESYNC_LISTED, RESYNC_SET_COUNT };
enum resync_queue { RESYNC_TO_LIST, RESYNC_TO_COMPARE, RESYNC_TO_FINISH, RESYNC_QUEUE_COUNT };

/* The caller's; none of it calls back. An error of add or push breaks the walk: a half-known target
 * cannot be reasoned about. */
struct resync_memory {
	void *context;
	bool (*has)(void *context, enum resync_set set, uint64_t object);
	int (*add)(void *context, enum resync_set set, uint64_t object);
	void (*remove)(void *context, enum resync_set set, uint64_t object);
	int (*push)(void *context, enum resync_queue queue, uint64_t object);
	uint64_t (*pop)(void *context, enum resync_queue queue); /* 0: empty */
	size_t (*count)(void *context, enum resync_queue queue);
};

enum resync_phase {
	RESYNC_WALKING,
	RESYNC_SYNCING,
	RESYNC_SYNCED,
	RESYNC_OVER,
	RESYNC_PHASE_COUNT
};

struct resync_walk { /* its functions alone change it */
	struct resync_memory memory;
	enum resync_phase phase;
	uint64_t begun;		/* the directory that is being listed, or 0 */
	uint64_t sync_sequence; /* in SYNCING: of the sync of everything, once it is asked for */
	bool is_broken;		/* something could not be remembered: the session has to end */
};

const char *resync_phase_name(enum resync_phase phase);
bool resync_phase_may_follow(enum resync_phase phase, enum resync_phase next);

void resync_walk_init(struct resync_walk *walk, const struct resync_memory *memory);

/* ---- objects ---- */

bool resync_walk_is_present(const struct resync_walk *walk, uint64_t object);
/* The target has it from now on, by a list or by OP_METADATA; what follows from that is queued. Again:
 * nothing happens. */
void resync_walk_shown(struct resync_walk *walk, uint64_t object, bool is_directory);
/* What happens to its names is sent from now on. One directory at a time. */
void resync_walk_begin_list(struct resync_walk *walk, uint64_t directory);
/* All of its names are there. */
void resync_walk_end_list(struct resync_walk *walk, uint64_t directory);
/* It was removed before its list came to an end. Without a list: nothing happens. */
void resync_walk_drop_list(struct resync_walk *walk);

/* ---- an operation of the application, done here already ---- */

struct resync_seen {		 /* in the tree, now */
	bool has_object_names;	 /* OP_UNLINK: object has a name left */
	bool has_replaced_names; /* OP_RENAME: replaced has */
	bool is_replaced_directory;
};

enum resync_kind {
	RESYNC_SEND_AS_IS,    /* the operation itself */
	RESYNC_SEND_OP,	      /* op */
	RESYNC_SEND_METADATA, /* OP_METADATA of object, which will live near that one; then
				 resync_walk_shown() */
	RESYNC_NOTE_ABSENT,   /* object lives on here, and the target never gets it */
	RESYNC_NOTE_GONE      /* object is neither here nor there any more */
};

struct resync_part {
	enum resync_kind kind;
	struct op op; /* borrows the names of the operation it is made from */
	uint64_t object, near;
};

struct resync_translation {
	struct resync_walk *walk;
	const struct op *op;
	enum resync_step steps[RESYNC_STEPS_MAX];
	int next;
};

/* Begins to take the operation (borrowed until the end) apart. */
struct resync_translation resync_walk_translate(
	struct resync_walk *walk, const struct op *op, const struct resync_seen *seen);
/* The next thing to be done, in this order; false: no more. */
bool resync_translation_next(struct resync_translation *translation, struct resync_part *out_part);

/* ---- what is next ---- */

enum resync_task {
	RESYNC_TAKE_ANSWER, /* hashes have come */
	RESYNC_ASK,	    /* for hashes of the open file */
	RESYNC_OPEN,	    /* object, to compare it */
	RESYNC_LIST,	    /* directory object */
	RESYNC_WAIT,	    /* for an answer of the target */
	RESYNC_FINISH,	    /* attributes of directory object, as nothing is bound there any more */
	RESYNC_SYNC,	    /* everything there; then resync_walk_sync_asked() */
	RESYNC_END	    /* OP_RESYNC_END, before the lock is given back: the walk is over */
};

struct resync_load { /* of the walk's own hands */
	bool has_answer;
	bool has_file;		/* one is open, and not all of it is asked for */
	bool has_request_room;	/* for one more question under way */
	bool has_file_room;	/* for one more open file */
	bool is_question_there; /* one is under way at least */
};

struct resync_todo {
	enum resync_task task;
	uint64_t object;
};

#define RESYNC_FILES_AHEAD 512 /* files known; above it no further directory is listed */

/* What it gives is taken from its queue. Not once the walk is over. */
struct resync_todo resync_walk_next(struct resync_walk *walk, const struct resync_load *load);
void resync_walk_sync_asked(struct resync_walk *walk, uint64_t sequence);
/* The target has made durable what came before this OP_SYNC; another one's: nothing happens. */
void resync_walk_on_synced(struct resync_walk *walk, uint64_t sequence);

/* ---- what the walk may have under way ---- */

#define RESYNC_OPS   1024 /* so that live ones wait little */
#define RESYNC_BYTES ((uint64_t)4 * 1024 * 1024)

/* Counted by itself, as the application's operations may fill their window all the time. A ring. */
struct resync_window {
	struct {
		uint64_t sequence;
		size_t size;
	} ops[RESYNC_OPS];
	uint64_t first, next; /* rising */
	uint64_t bytes;
};

/* acked: all up to there are applied at the target. */
bool resync_window_has_room(struct resync_window *window, uint64_t acked);
/* There is room. */
void resync_window_add(struct resync_window *window, uint64_t sequence, size_t size);

#endif
