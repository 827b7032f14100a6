/*
 * What the files of the resynchronisation's source share. Nobody else includes this.
 *
 * Everything but `hands` is under the host's lock: the walk's thread and the application's
 * operations (resync_source_translate()) change it side by side.
 */
#ifndef EVENKEEL_FS_RESYNC_INSIDE_H
#define EVENKEEL_FS_RESYNC_INSIDE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fs/resync/host.h"
#include "fs/resync/resync.h"
#include "fs/tree/digest.h"
#include "fs/tree/idlist.h"
#include "fs/tree/idmap.h"
#include "platform/clock.h"
#include "platform/lock.h"
#include "repl/resync_content.h"
#include "repl/resync_entry.h"
#include "repl/resync_walk.h"

#define REQUESTS_MAX	32 /* hash requests under way */
#define REPORT_EVERY_NS (500 * NS_PER_MS)
#define WAIT_NS		(200 * NS_PER_MS) /* at most, before one looks again */
#define METADATA_MAX	WRITE_SIZE_MAX
#define LIST_BYTES	((size_t)128 * 1024)
#define LEFT_OUT_MAX	1000 /* more objects that cannot be read: the disk cannot */

/* One file whose content is being compared. Belongs to the walk's thread. */
struct resync_file {
	uint64_t object;
	int fd;
	struct resync_content content;
	bool is_used;
	bool is_left_out; /* it cannot be read: its answers are not looked at any more */
};

struct resync_request {
	bool is_used, is_answered;
	struct resync_file *file;
	uint64_t object;
	struct resync_span span;
	uint32_t count;
	uint8_t hashes[HASHES_MAX * HASH_SIZE];
};

struct resync_source {
	struct resync_site site;
	enum resync_plan plan;
	pthread_t thread;
	bool has_thread;
	bool is_stopping;
	struct condition answered;

	struct resync_walk walk;
	struct idmap sets[RESYNC_SET_COUNT];	  /* of the walk */
	struct idlist queues[RESYNC_QUEUE_COUNT]; /* the same */
	struct resync_window window;
	struct {
		struct idmap ids; /* objects that could not be read */
		uint64_t count;	  /* of them, and of names */
		int error;	  /* of the first */
		char name[96];
	} left_out;
	struct resync_request requests[REQUESTS_MAX];
	uint8_t metadata[METADATA_MAX]; /* of translate */

	struct { /* the walk's thread's own */
		struct resync_file files[REQUESTS_MAX];
		struct resync_file *current; /* not all of it is asked for */
		uint8_t *list;		     /* of LIST_BYTES */
		uint8_t *data;		     /* of WRITE_SIZE_MAX */
		uint8_t *metadata;	     /* of METADATA_MAX */
		uint64_t done, total;
		int64_t reported_ns;
	} hands;
};

struct resync_about {	       /* an object that the target is to be told of */
	uint64_t object, near; /* near: where it will live */
	uint8_t *buffer;       /* of METADATA_MAX, for what the operation carries */
	int own;	       /* filled: why extended attributes are not among it, 0: they are */
};

/* Fills op with everything about the object but its content. Errors: -ESTALE: it is gone. With or
 * without the lock. */
int resync_metadata(struct tree *tree, struct resync_about *about, struct op *out_op) MUST_CHECK;
/*
 * Something of the object could not be read here. If that is the object's own affair, it is noted, and
 * the rest goes on: 0. Else, or if there are too many: the error. Name: NULL, or what to call it; the
 * object may be 0 then. Under the lock or, with `_unlocked`, without.
 */
int resync_leave_out(
	struct resync_source *source, uint64_t object, const char *name, int error) MUST_CHECK;
int resync_leave_out_unlocked(
	struct resync_source *source, uint64_t object, const char *name, int error) MUST_CHECK;
/* Does the target know the object? Without lock. */
bool resync_is_present(struct resync_source *source, uint64_t object);
/* After each change of the walk: a broken one ends the session. Under lock. */
void resync_settle(struct resync_source *source);
/* Does the walk go on? Under lock. */
bool resync_is_running(const struct resync_source *source);
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
