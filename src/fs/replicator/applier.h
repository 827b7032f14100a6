/*
 * Applies what the secondary received, in order, and does beside it what takes long: syncs and
 * hashes.
 *
 * The receive log is the queue: one thread takes operation after operation from it and brings it
 * about through the tree. A sync of one object (or the hashes of its blocks) is handed to a small
 * pool when everything before it is applied; what follows goes on meanwhile. Not for: receiving and
 * acknowledging (replicator/secondary.c).
 */
#ifndef EVENKEEL_FS_APPLIER_H
#define EVENKEEL_FS_APPLIER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "repl/op.h"

struct applier;
struct replicator;

/* Starts the threads. */
int applier_new(struct replicator *replicator, struct applier **out_applier) MUST_CHECK;
/* The operation in work is finished, nothing is begun any more; jobs in work may run on. */
void applier_stop(struct applier *applier);
/* After applier_stop(): waits for the jobs in work. NULL is fine. */
void applier_free(struct applier *applier);
/* What the oldest operation or job in work is, and since when (boot clock); false: nothing. */
bool applier_is_busy(struct applier *applier, uint64_t *out_sequence, int64_t *out_since_ns);
/* The operation in work takes long, and goes on: it counts as begun now. From the applier's thread. */
void applier_goes_on(struct applier *applier);

#endif
