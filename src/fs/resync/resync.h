/*
 * Brings a copy up to date while the application runs (docs/architecture.md has the algorithm).
 *
 * The source walks its tree and translates the application's operations into what the target can
 * do already; the target makes its tree follow. Both work on operations of the one sequence. Not
 * for: deciding that a resynchronisation is due (core).
 */
#ifndef EVENKEEL_FS_RESYNC_H
#define EVENKEEL_FS_RESYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "core/fs.h"
#include "fs/replicator/stream_frame.h"
#include "repl/op.h"

struct replicator;
struct resync_source;
struct resync_target;

/* ---- source ---- */

/* Starts the walk; the mode is CATCHING_UP. Under the replicator's lock. */
int resync_source_start(struct replicator *replicator, enum resync_plan plan,
	struct resync_source **out_source) MUST_CHECK;
/* Ends the walk's thread. Without the lock. */
void resync_source_stop(struct resync_source *source);
void resync_source_free(struct resync_source *source);
/*
 * An operation that was done here: puts what the target needs of it into the log, with room for
 * RESYNC_TRANSLATED_MAX operations there. Gives the sequence to answer at. Under the replicator's
 * lock.
 */
#define RESYNC_TRANSLATED_MAX 8
uint64_t resync_source_translate(struct resync_source *source, struct op *op);
/* From the receiver thread, without the lock. */
void resync_source_on_hashes(struct resync_source *source, const struct frame *frame);
void resync_source_on_synced(struct resync_source *source, uint64_t sequence);

/* ---- target ---- */

struct resync_target *resync_target_new(struct replicator *replicator);
void resync_target_free(struct resync_target *target);
/* Does an operation for which op_is_resync() holds, but for OP_HASH_WANTED and OP_RESYNC_END. From
 * the applier. */
int resync_target_apply(struct resync_target *target, const struct op *op) MUST_CHECK;
/* Everything was applied: empties the limbo, makes everything durable. */
int resync_target_finish(struct resync_target *target) MUST_CHECK;

/* ---- what an OP_LIST and an OP_METADATA carry in data ---- */

struct resync_entry {
	uint64_t object;
	struct attributes attributes;
	struct bytes name;
	struct bytes link; /* target of a symbolic link */
};
void resync_entry_put(struct buf_writer *writer, const struct resync_entry *entry);
/* Errors: -ERROR_BAD_MESSAGE. */
int resync_entry_get(struct buf_reader *reader, struct resync_entry *out_entry) MUST_CHECK;

#endif
