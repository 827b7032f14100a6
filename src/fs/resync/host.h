/*
 * All that a resynchronisation knows of whoever carries its operations: the replicator provides what
 * is declared here (fs/replicator/site.c) and nothing else of it is seen from this folder.
 *
 * Not for: what the replicator asks of a resynchronisation (fs/resync/resync.h).
 */
#ifndef EVENKEEL_FS_RESYNC_HOST_H
#define EVENKEEL_FS_RESYNC_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/tree/order.h"
#include "fs/tree/tree.h"
#include "platform/lock.h"
#include "repl/op.h"

struct replicator;
struct resync_source;

struct resync_site { /* where it works; all borrowed */
	struct replicator *host;
	struct tree *tree;
	struct order *order;
	uint64_t root_count;	   /* objects 1 to this are the roots */
	struct lock *lock;	   /* the host's; "under the lock" is this one */
	struct condition *changed; /* something that one may wait for has happened */
};

/* ---- under the lock ---- */

/* Does the session of this source go on, so that it may append? */
bool host_is_open(const struct replicator *host, const struct resync_source *source);
/* Gives the operation its sequence and puts it into the log. Of an open session. */
uint64_t host_append(struct replicator *host, struct op *op);
/* All up to here are applied at the target. */
uint64_t host_acked(const struct replicator *host);
/* The target needs nothing more: answers wait for it from the next operation on. */
void host_pair(struct replicator *host);
/* The session cannot go on; the host finds that out by itself. */
void host_break(struct replicator *host);
/* The object lives on here, and the target does not have it; or: it lives on nowhere. */
void host_note_absent(struct replicator *host, uint64_t object, bool is_absent);

/* ---- without the lock ---- */

/* No object has an id from here on. */
uint64_t host_id_limit(struct replicator *host);
/* At least so many ids are in the tree's lease; may wait for the peer. Errors: -EAGAIN, others. */
int host_ensure_ids(struct replicator *host, uint64_t count) MUST_CHECK;
void host_say_progress(struct replicator *host, uint64_t done, uint64_t total);
/* A sentence for people. */
void host_say_notice(struct replicator *host, const char *sentence);
/* The operation in work takes long and goes on. From the applier. */
void host_goes_on(struct replicator *host);
/* This copy cannot be read: the peer is lost. */
void host_give_up(struct replicator *host, int error, const char *sentence);
/* What lies in the roots is of no barrier any more. Durable when it returns 0. */
int host_void_roots(struct replicator *host) MUST_CHECK;

#endif
