/*
 * The world of a resynchronisation: a small tree that an application changes, a copy of it that is
 * old, damaged or empty, and between them a stream that takes its time and may break.
 *
 *	application --> source tree                                  target tree
 *	                    |  walk, translation                          ^
 *	                    v                                             | applier, workers
 *	                  wire: encoded operations, in order -------------+
 *	                    ^                                             |
 *	                    +--- answers: acknowledged, hashes, synced ---+
 *
 * Whatever is decided is decided by the product's own object files: repl/resync_*.h, repl/op.h,
 * repl/sender.h. What is played here are the disks, the threads' interleaving and the wire. Each step
 * does what the product does under one lock. At the end the target's tree has to be the source's.
 *
 * An object's bytes are a few blocks, each one number; 0 is a hole. Names are single letters. Not
 * for: whether a copy is due, and which one is good (sim/world.h). One thread.
 */
#ifndef EVENKEEL_SIM_RESYNC_WORLD_H
#define EVENKEEL_SIM_RESYNC_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "repl/op.h"
#include "repl/resync_content.h"
#include "repl/resync_place.h"
#include "repl/resync_walk.h"
#include "repl/sender.h"
#include "sim/random.h"

#define OBJECTS	     224
#define ROOT	     1
#define SOURCE_IDS   2	 /* the source makes objects from here on, */
#define STRANGER_IDS 130 /* an old target has made its own ones from here on, */
#define NAMELESS     180 /* and from here on they stand for what has no id at all */
#define NAMES	     5
#define BLOCKS	     6
#define WIRE_OPS     1024
#define WIRE_BYTES   512
#define ANSWERS_MAX  2048
#define JOBS_MAX     256
#define FILES_MAX    2
#define REQUESTS_MAX 3
#define QUEUE_MAX    512
#define STEPS_MAX    200000

/* ---- trees ---- */

enum kind { KIND_NONE, KIND_FILE, KIND_DIRECTORY };

struct object {
	enum kind kind;
	uint32_t owner; /* stands for all attributes */
	uint64_t size;	/* blocks */
	uint32_t blocks[BLOCKS];
	uint8_t names[NAMES]; /* of a directory: objects; 0: free */
	bool is_orphan, is_in_limbo;
};

struct tree {
	struct object objects[OBJECTS];
};

struct place {
	uint8_t directory, name; /* directory 0: nowhere */
};

/* ---- what is under way ---- */

struct wire {
	struct {
		uint8_t bytes[WIRE_BYTES];
		size_t size;
	} ops[WIRE_OPS];
	uint64_t first, next; /* rising */
};

enum answer_kind { ANSWER_ACK, ANSWER_HASHES, ANSWER_SYNCED };

struct answer {
	enum answer_kind kind;
	uint64_t sequence;
	uint64_t object, offset;
	uint32_t count;
	uint32_t hashes[BLOCKS];
};

struct answers {
	struct answer answers[ANSWERS_MAX];
	uint64_t first, next;
};

/* ---- the two sides ---- */

struct file {
	bool is_used;
	uint64_t object;
	struct resync_content content;
};

struct request {
	bool is_used, is_answered;
	struct file *file;
	struct resync_span span;
	uint32_t count;
	uint32_t hashes[BLOCKS];
	struct resync_run runs[BLOCKS]; /* found to differ, to be sent one after the other */
	int run_count, run_next;
	bool is_compared;
};

struct listing {
	uint8_t directory; /* 0: none */
	bool is_begun;
	uint8_t next;	      /* name to be read */
	uint8_t fresh[NAMES]; /* sent, not yet known to be present; the directory stays locked */
	int fresh_count;
	uint64_t sent;
};

struct source {
	struct tree tree;
	struct sender sender;
	bool is_running; /* the walk */
	struct resync_walk walk;
	struct resync_window window;
	bool sets[RESYNC_SET_COUNT][OBJECTS];
	struct {
		uint64_t ids[QUEUE_MAX];
		size_t first, end;
	} queues[RESYNC_QUEUE_COUNT];
	bool absent[OBJECTS];
	struct file files[FILES_MAX];
	struct file *current;
	struct request requests[REQUESTS_MAX];
	struct listing listing;
};

struct job {
	enum { JOB_HASH, JOB_SYNC, JOB_FINISH } kind;
	uint64_t sequence, object, offset, length;
};

struct target {
	struct tree tree;
	struct resync_listing listing;
	bool names[NAMES];
	struct job jobs[JOBS_MAX];
	int job_count;
	bool is_complete;
};

struct world {
	struct chance chance;
	struct source source;
	struct target target;
	struct wire wire;
	struct answers answers;
	uint8_t next_id;
	uint32_t next_value;
	int changes_left, cuts_left;
	uint64_t steps, hash;
	bool is_verbose;
	const char *broken; /* the promise, NULL: none */
	char detail[160];
};

/* ---- tree.c: a disk ---- */

bool tree_has(const struct tree *tree, uint64_t object);
bool tree_is_directory(const struct tree *tree, uint64_t object);
/* 0: nothing has the name. */
uint8_t tree_at(const struct tree *tree, uint64_t directory, struct bytes name);
/* As st_nlink: the orphanage and the limbo are names, too. */
uint64_t tree_links(const struct tree *tree, uint64_t object);
struct place tree_place_of(const struct tree *tree, uint64_t object);
bool tree_is_below(const struct tree *tree, uint64_t object, uint64_t directory);
bool tree_is_empty(const struct tree *tree, uint64_t directory);
/* Takes the name away; what has none left is gone. */
void tree_drop_name(struct tree *tree, uint64_t directory, uint8_t name);
void tree_drop_if_nameless(struct tree *tree, uint64_t object);
void tree_drop_limbo(struct tree *tree);
void tree_drop_orphans(struct tree *tree);
struct attributes tree_attributes(const struct tree *tree, uint64_t object);
void tree_set_size(struct object *object, uint64_t size);
/* The first difference in words; NULL: there is none. is_absent: what the copy need not have. */
const char *tree_difference(const struct tree *tree, const struct tree *copy, const bool *is_absent,
	char *out, size_t size);

/* By chance; 0, or a place nowhere: there is none. */
uint8_t tree_any_object(struct chance *chance, const struct tree *tree, enum kind kind);
struct place tree_any_name(struct chance *chance, const struct tree *tree);
/* Where there may be a name, or not. */
struct place tree_any_place(struct chance *chance, const struct tree *tree);
uint8_t *tree_name(struct tree *tree, struct place place);

/* ---- application.c ---- */

/* One thing that an application does, or does not, as it finds the tree. */
void application_change(struct world *world);

/* ---- copy.c ---- */

/* The tree, and the state that the copy is in at first. */
void copy_prepare(struct world *world);

/* ---- source.c ---- */

enum plan { PLAN_COMPARE, PLAN_SET_ASIDE };

void source_begin(struct world *world, uint32_t plan);
/* An operation that was done there: what the target needs of it goes onto the wire. */
void source_submit(struct world *world, struct op *op);
/* False: the walk has nothing to do just now. */
bool source_step(struct world *world);
bool source_hear(struct world *world);
/* The stream broke: the session is over. */
void source_lose(struct world *world);

/* Puts an operation of the walk onto the wire; there is room. */
void source_append(struct world *world, struct op *op);
/* All about the object but its content, if the target knows it. */
void source_send_metadata(struct world *world, uint64_t object);

/* ---- content.c: one step of the walk each ---- */

/* NULL: all are in use. */
struct file *content_free_file(struct source *source);
struct request *content_free_request(struct source *source);
void content_open(struct world *world, uint64_t object);
/* About the next blocks of the current file. */
void content_ask(struct world *world);
void content_take_answer(struct world *world, struct request *request);

/* ---- target.c ---- */

bool target_apply(struct world *world);
bool target_work(struct world *world);
void target_lose(struct world *world);

/* ---- main.c ---- */

void promise_broken(struct world *world, const char *promise, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void world_say(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
