/*
 * Locks with a rank, and conditions of the monotonic clock: the one way to lock in this house.
 *
 * A thread takes locks in rising rank; two of one rank only where the rank says so, and then in
 * rising address. In the builds of ./check (meson's option checked_locks, and every sanitizer) each
 * lock that is taken is held against those that the thread has, and a wrong order stops the process:
 * a deadlock that waits for its day is found by the first test that walks through it.
 * docs/threads.md says what each lock guards.
 *
 * Not for: locks between processes. What cannot fail on Linux is checked and not returned.
 */
#ifndef EVENKEEL_PLATFORM_LOCK_H
#define EVENKEEL_PLATFORM_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

/* Outermost first. */
enum lock_rank {
	/* evenkeel-fs */
	RANK_ORDER_ALL,		/* fs/tree/order.c: everything, shared or alone */
	RANK_ORDER,		/* fs/tree/order.c: a stripe of objects; several, rising */
	RANK_MARKS,		/* fs/replicator: marking the roots */
	RANK_REPLICATOR_ANSWER, /* fs/replicator: around the callbacks that answer */
	RANK_ANSWERS,		/* fs/front/answers.c: who waits for an answer */
	RANK_MOUNT,		/* fs/front/mount.c: the pool of one mount */
	RANK_SERVICE_SOCKET,	/* fs/service.h: what is said to evenkeeld */
	RANK_SERVICE_ROLE,	/* fs/service.h: what the module is on this node */
	RANK_REPLICATOR,	/* fs/replicator: roles, session, logs */
	RANK_STATE,		/* fs/replicator: the state folder's slots, and the roots' marks */
	RANK_RING,		/* fs/front/ring.c: free slots */
	RANK_TREE_BY_HAND,	/* fs/tree: when the copy was watched */
	RANK_TREE_NAMING,	/* fs/tree: giving an id to an object that has none */
	RANK_TREE_LEASE,	/* fs/tree: ids that may be given */
	RANK_TREE_CACHE,	/* fs/tree: open descriptors */
	RANK_TREE_INDEX,	/* fs/tree: id to file handle */
	RANK_SERVICE_ORDERS,	/* fs/service.h: orders that wait */
	RANK_LOOKER,		/* fs/looker.c: how the disks answered */
	/* evenkeeld */
	RANK_READING, /* daemon/reading.c: configuration on its way from the disk */
	RANK_RECORDS, /* daemon/records.c: records on their way to the disk */
	RANK_WATCH,   /* daemon/watch: whether the state folder answers */
	RANK_EVENTS,  /* daemon/events.c: lines on their way to the disk */
	/* the libraries' own */
	RANK_TLS_WRITE, /* platform/tls.c: one whole write at a time */
	RANK_TLS,	/* platform/tls.c: one call of the library at a time */
	RANK_LEAF,	/* under which nothing is taken */
	RANK_COUNT
};

struct lock {
	pthread_mutex_t mutex;
	enum lock_rank rank;
};

struct shared_lock { /* held by many, or by one alone; whoever wants it alone goes first */
	pthread_rwlock_t rwlock;
	enum lock_rank rank;
};

struct condition {
	pthread_cond_t cond;
};

void lock_init(struct lock *lock, enum lock_rank rank);
/* The same, for a lock that a thread of real-time priority shares with others: who holds it runs
 * with the priority of who waits for it. */
void lock_init_inheriting(struct lock *lock, enum lock_rank rank);
void lock_done(struct lock *lock);
void lock_take(struct lock *lock);
void lock_give(struct lock *lock);

void shared_lock_init(struct shared_lock *lock, enum lock_rank rank);
void shared_lock_done(struct shared_lock *lock);
void shared_lock_take(struct shared_lock *lock);
void shared_lock_take_alone(struct shared_lock *lock);
void shared_lock_give(struct shared_lock *lock);

void condition_init(struct condition *condition);
void condition_done(struct condition *condition);
/* Gives the lock, waits to be woken (or for nothing: the caller looks again), takes it again. */
void condition_wait(struct condition *condition, struct lock *lock);
/* The same, for at most this long; false when the time was over. */
bool condition_wait_for(struct condition *condition, struct lock *lock, int64_t duration_ns);
void condition_wake_one(struct condition *condition);
void condition_wake_all(struct condition *condition);

#endif
