/*
 * Brings a copy up to date while the application runs (docs/architecture.md has the algorithm).
 *
 * The source walks its tree and translates the application's operations into what the target can
 * do already; the target makes its tree follow. Both work on operations of the one sequence, and do
 * what repl/resync_*.h decide. Not for: deciding that a resynchronisation is due (core).
 */
#ifndef EVENKEEL_FS_RESYNC_H
#define EVENKEEL_FS_RESYNC_H

#include <stdint.h>

#include "base/macros.h"
#include "core/core.h"
#include "fs/resync/host.h"
#include "fs/tree/digest.h"
#include "repl/op.h"

struct resync_source;
struct resync_target;
struct byhand_account;

/* ---- source ---- */

/* Starts the walk, whose session is open (host_is_open()) as soon as the lock is free. Under the
 * lock. */
int resync_source_start(const struct resync_site *site, enum resync_plan plan,
	struct resync_source **out_source) MUST_CHECK;
/* Ends the walk's thread. Without the lock. */
void resync_source_stop(struct resync_source *source);
void resync_source_free(struct resync_source *source);
/*
 * An operation that was done here: puts what the target needs of it into the log, with room for
 * RESYNC_STEPS_MAX operations there. Gives the sequence to answer at. Under the lock.
 */
uint64_t resync_source_translate(struct resync_source *source, struct op *op);
/* How many objects could not be read here and were left as they are there; the first, and why. Under
 * the lock. */
uint64_t resync_source_left_out(const struct resync_source *source, char *out_why, size_t size);
/* From the receiver thread, without the lock. */
void resync_source_on_hashes(struct resync_source *source, const struct digest *digest);
void resync_source_on_synced(struct resync_source *source, uint64_t sequence);

/* ---- target ---- */

struct resync_target *resync_target_new(const struct resync_site *site);
void resync_target_free(struct resync_target *target);
/* Does an operation for which op_is_resync() holds, but for OP_HASH_WANTED and OP_RESYNC_END. From
 * the applier. */
int resync_target_apply(struct resync_target *target, const struct op *op) MUST_CHECK;
/* Before any operation: what it takes away that was changed here by hand is kept. From the applier.
 * Errors: it must not be done. */
int resync_target_before(struct resync_target *target, const struct op *op) MUST_CHECK;
/* About the error of the last call, for people; empty: the error says all. */
const char *resync_target_why(const struct resync_target *target);
/* From here on operations change what the primary has. From the applier. */
void resync_target_end(struct resync_target *target);
/* Everything was applied: empties the limbo, makes everything durable. */
int resync_target_finish(struct resync_target *target) MUST_CHECK;
/* The one event of what was changed by hand; none if nothing was. */
void resync_say_by_hand(struct replicator *host, const struct byhand_account *account);

#endif
