/*
 * Barriers: "everything up to n is durable on this node" (R1, R2). One moves when all file systems
 * of the module were synced *after* n had been applied: what is done when the sync begins, never what
 * is done when it ends. Taken every few seconds while something changes, after a reconnection, at the
 * end of a drain, and at a stop. Nobody outside of src/repl changes a field. Under the replicator's
 * lock.
 */
#ifndef EVENKEEL_REPL_BARRIER_H
#define EVENKEEL_REPL_BARRIER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

#define SYNC_EVERY_NS (5 * NS_PER_S)

struct sender;
struct receiver;

enum side { SIDE_NONE, SIDE_PRIMARY, SIDE_SECONDARY };

struct replica { /* both halves of what a node is, and which of them counts now */
	enum side side;
	struct sender *sender;
	struct receiver *receiver;
};

struct barriers {
	bool is_wanted, is_drain_wanted;
	uint64_t taken; /* where the last one was taken */
	int64_t taken_ns;
};

struct barrier { /* one that is being taken */
	enum side side;
	uint64_t up_to;
	uint64_t session; /* of the secondary's log */
};

enum barrier_job { BARRIER_NOTHING, BARRIER_TAKE, BARRIER_DRAIN };

/* A new role. */
void barriers_begin(struct barriers *barriers, int64_t now_ns);
void barriers_want(struct barriers *barriers);
void barriers_want_drain(struct barriers *barriers);
/* Is something to be done? */
bool barriers_are_due(
	const struct barriers *barriers, const struct replica *replica, int64_t now_ns);
/* What is to be done now; it is no longer wanted then. */
enum barrier_job barriers_next(
	struct barriers *barriers, const struct replica *replica, int64_t now_ns);

/* Before the sync of everything. */
struct barrier barrier_begin(const struct replica *replica);
/*
 * The sync is done. False: it proves nothing any more, another session has begun to fill this copy;
 * else what the peer is known to have durably, and where the barrier stands.
 */
bool barrier_end(struct barriers *barriers, const struct replica *replica,
	const struct barrier *barrier, int64_t now_ns);

#endif
