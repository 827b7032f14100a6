#include "platform/lock.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "platform/clock.h"

/* ---- who holds what ---- */

#ifdef CHECKED_LOCKS

#define HELD_MAX 16

struct held {
	const void *lock;
	enum lock_rank rank;
};

static _Thread_local struct held held[HELD_MAX];
static _Thread_local int held_count;

static bool may_follow(const struct held *last, const void *lock, enum lock_rank rank)
{
	if (rank == RANK_ORDER && last->rank == RANK_ORDER)
		return (uintptr_t)lock > (uintptr_t)last->lock;
	return rank > last->rank;
}

static void note_taken(const void *lock, enum lock_rank rank)
{
	CHECK(rank < RANK_COUNT);
	CHECK(held_count < HELD_MAX);
	for (int i = 0; i < held_count; i++) {
		if (may_follow(&held[i], lock, rank))
			continue;
		(void)dprintf(STDERR_FILENO, "a lock of rank %d was taken under one of rank %d\n",
			rank, held[i].rank);
		CHECK(false);
	}
	held[held_count++] = (struct held){ .lock = lock, .rank = rank };
}

static void note_given(const void *lock)
{
	int at = held_count - 1;

	while (at >= 0 && held[at].lock != lock)
		at--;
	CHECK(at >= 0); /* nobody gives what another has taken */
	held_count--;
	for (; at < held_count; at++)
		held[at] = held[at + 1];
}

#else

static inline void note_taken(const void *lock, enum lock_rank rank)
{
	(void)lock;
	(void)rank;
}

static inline void note_given(const void *lock)
{
	(void)lock;
}

#endif

/* ---- locks ---- */

void lock_init(struct lock *lock, enum lock_rank rank)
{
	lock->rank = rank;
	CHECK(pthread_mutex_init(&lock->mutex, NULL) == 0);
}

void lock_init_inheriting(struct lock *lock, enum lock_rank rank)
{
	pthread_mutexattr_t attributes;

	lock->rank = rank;
	CHECK(pthread_mutexattr_init(&attributes) == 0);
	CHECK(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT) == 0);
	CHECK(pthread_mutex_init(&lock->mutex, &attributes) == 0);
	CHECK(pthread_mutexattr_destroy(&attributes) == 0);
}

void lock_done(struct lock *lock)
{
	CHECK(pthread_mutex_destroy(&lock->mutex) == 0);
}

void lock_take(struct lock *lock)
{
	note_taken(lock, lock->rank);
	CHECK(pthread_mutex_lock(&lock->mutex) == 0);
}

void lock_give(struct lock *lock)
{
	note_given(lock);
	CHECK(pthread_mutex_unlock(&lock->mutex) == 0);
}

/* ---- locks that many may hold ---- */

/* Nobody takes it twice, which is what the preference for those who want it alone forbids. */
void shared_lock_init(struct shared_lock *lock, enum lock_rank rank)
{
	pthread_rwlockattr_t attributes;

	lock->rank = rank;
	CHECK(pthread_rwlockattr_init(&attributes) == 0);
	CHECK(pthread_rwlockattr_setkind_np(
		      &attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0);
	CHECK(pthread_rwlock_init(&lock->rwlock, &attributes) == 0);
	CHECK(pthread_rwlockattr_destroy(&attributes) == 0);
}

void shared_lock_done(struct shared_lock *lock)
{
	CHECK(pthread_rwlock_destroy(&lock->rwlock) == 0);
}

void shared_lock_take(struct shared_lock *lock)
{
	note_taken(lock, lock->rank);
	CHECK(pthread_rwlock_rdlock(&lock->rwlock) == 0);
}

void shared_lock_take_alone(struct shared_lock *lock)
{
	note_taken(lock, lock->rank);
	CHECK(pthread_rwlock_wrlock(&lock->rwlock) == 0);
}

void shared_lock_give(struct shared_lock *lock)
{
	note_given(lock);
	CHECK(pthread_rwlock_unlock(&lock->rwlock) == 0);
}

/* ---- conditions ---- */

void condition_init(struct condition *condition)
{
	pthread_condattr_t attributes;

	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&condition->cond, &attributes) == 0);
	CHECK(pthread_condattr_destroy(&attributes) == 0);
}

void condition_done(struct condition *condition)
{
	CHECK(pthread_cond_destroy(&condition->cond) == 0);
}

void condition_wait(struct condition *condition, struct lock *lock)
{
	note_given(lock);
	CHECK(pthread_cond_wait(&condition->cond, &lock->mutex) == 0);
	note_taken(lock, lock->rank);
}

bool condition_wait_for(struct condition *condition, struct lock *lock, int64_t duration_ns)
{
	struct timespec until;

	CHECK(duration_ns >= 0);
	CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
	int64_t ns = until.tv_nsec + duration_ns % NS_PER_S;
	until.tv_sec += duration_ns / NS_PER_S + ns / NS_PER_S;
	until.tv_nsec = ns % NS_PER_S;
	note_given(lock);
	bool is_in_time = pthread_cond_timedwait(&condition->cond, &lock->mutex, &until) == 0;
	note_taken(lock, lock->rank);
	return is_in_time;
}

void condition_wake_one(struct condition *condition)
{
	CHECK(pthread_cond_signal(&condition->cond) == 0);
}

void condition_wake_all(struct condition *condition)
{
	CHECK(pthread_cond_broadcast(&condition->cond) == 0);
}
