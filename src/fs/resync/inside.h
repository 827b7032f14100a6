/*
 * What the files of the resynchronisation's source share. Nobody else includes this.
 *
 * Everything but `walk` is under the replicator's lock: the walk's thread and the application's
 * operations (resync_source_translate()) change it side by side.
 */
#ifndef EVENKEEL_FS_RESYNC_INSIDE_H
#define EVENKEEL_FS_RESYNC_INSIDE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fs/replicator/inside.h"
#include "fs/resync/resync.h"
#include "fs/tree/idlist.h"
#include "fs/tree/idmap.h"
#include "platform/lock.h"

#define REQUESTS_MAX	32 /* hash requests under way */
#define REPORT_EVERY_NS (500 * NS_PER_MS)
#define FILES_AHEAD	512 /* files known; above it no further directory is listed */
#define METADATA_MAX	WRITE_SIZE_MAX
#define LIST_BYTES	((size_t)128 * 1024)

/* One file whose content is being compared. Belongs to the walk's thread. */
struct resync_file {
	uint64_t object;
	int fd;
	uint64_t size;	  /* of both when it was opened; what grows later comes as operations */
	uint64_t asked;	  /* everything below is asked for, or known to be a hole */
	unsigned waiting; /* requests under way */
	bool is_used;
};

/* What the walk has in the log and the target has not acknowledged: counted by itself, as the
 * application's operations may fill their window all the time. A ring. */
struct resync_under_way {
	struct {
		uint64_t sequence;
		size_t size;
	} ops[RESYNC_OPS];
	uint64_t first, next; /* rising */
	uint64_t bytes;
};

struct resync_request {
	bool is_used, is_answered;
	struct resync_file *file;
	uint64_t object, offset, length;
	uint64_t size_there;
	uint32_t count;
	uint8_t hashes[HASHES_MAX * HASH_SIZE];
};

struct resync_source {
	struct replicator *r;
	enum resync_plan plan;
	pthread_t thread;
	bool has_thread;
	bool is_stopping;
	struct condition answered;

	struct idmap present, listed; /* at the target */
	uint64_t begun;		      /* the directory that is being listed, or 0 */
	struct idlist directories;    /* to be listed */
	struct idlist files;	      /* all that are no directories, to be compared */
	struct idlist to_finish;      /* directories whose attributes come last */
	struct resync_request requests[REQUESTS_MAX];
	struct resync_under_way under_way;
	uint64_t sync_sequence; /* of the sync of everything, 0: not asked for yet */
	bool is_synced;
	uint8_t metadata[METADATA_MAX]; /* of translate */

	struct { /* the walk's own */
		struct resync_file files[REQUESTS_MAX];
		struct resync_file *current;
		uint8_t *list;	   /* of LIST_BYTES */
		uint8_t *data;	   /* of WRITE_SIZE_MAX */
		uint8_t *metadata; /* of METADATA_MAX */
		uint64_t done, total;
		int64_t reported_ns;
	} walk;
};

/* Fills op with everything about the object but its content; near: where it will live. Errors:
 * -ESTALE: it is gone. With or without the lock. */
int resync_metadata(struct tree *tree, uint64_t object, uint64_t near, uint8_t *buffer,
	struct op *out_op) MUST_CHECK;
/* Does the target know the object? Without lock. */
bool resync_is_present(struct resync_source *source, uint64_t object);
/* What is not known of the target any more ends the session: a half-known one cannot be reasoned
 * about. error: of putting it down, 0 if that went well. Under lock. */
void resync_note(struct resync_source *source, int error);
/* The object is known there from now on; queues what follows from that. Under lock. */
void resync_present(struct resync_source *source, uint64_t object, uint32_t mode);
/* Returns when resync_append() would not wait, or the resync is over. Without lock. */
void resync_wait_for_room(struct resync_source *source);
/* Puts one operation of the walk into the log, if the resync still runs. Waits for room. Without
 * lock. Errors: -ECANCELED. */
int resync_append(struct resync_source *source, struct op *op) MUST_CHECK;
/* The hashes have come: sends what differs. Errors: -ECANCELED, or those of reading here. */
int resync_compare(struct resync_source *source, const struct resync_request *request) MUST_CHECK;
/* Asks for the next blocks of the file. Gives false when there are no more. */
int resync_ask(struct resync_source *source, struct resync_file *file,
	struct resync_request *request, bool *out_is_asked) MUST_CHECK;

/* Sends all names of a directory, whatever the application does meanwhile; that it was removed is no
 * error. From the walk's thread, without lock. Errors: -ECANCELED, -ENOMEM, or those of reading
 * here. */
int resync_list_directory(struct resync_source *source, uint64_t directory) MUST_CHECK;

void *resync_walk_run(void *context);

#endif
