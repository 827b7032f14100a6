/*
 * A thread that does what may hang, one job after the other; the loop hears of each that is done.
 *
 *	the loop's thread	the worker
 *	worker_give() --------> jobs ------> work()
 *	on_done()     <-------- done <------
 *
 * For disks that must not hold up beats and renewals. Not for: jobs that may run at the same time,
 * or a limit of time: whoever gives the job sets one, and the job stays the worker's until it is
 * done. All calls from the loop's thread.
 */
#ifndef EVENKEEL_PLATFORM_WORKER_H
#define EVENKEEL_PLATFORM_WORKER_H

#include <pthread.h>
#include <stdbool.h>

#include "base/macros.h"
#include "platform/lock.h"
#include "platform/loop.h"

/* The first member of whatever is to be done; the worker's from worker_give() until on_done(). */
struct worker_job {
	struct worker_job *next;
};

struct worker_list {
	struct worker_job *first, **end;
};

struct worker_config {
	enum lock_rank rank;
	bool does_all; /* closed, it does what was given before it ends */
	void *owner;
	void (*work)(struct worker_job *job);		      /* in the worker's thread */
	void (*on_done)(void *owner, struct worker_job *job); /* in the loop's; takes the job */
};

struct worker {
	struct worker_config config;
	struct loop *loop;
	pthread_t thread;
	struct lock lock; /* guards jobs, done, is_closing */
	struct condition changed;
	struct worker_list jobs, done;
	bool is_closing;
	struct watch watch; /* eventfd: something is done */
};

/* Starts the thread. Errors: those of eventfd(), epoll and pthread_create(). */
int worker_open(
	struct worker *worker, const struct worker_config *config, struct loop *loop) MUST_CHECK;
/* Takes the job. */
void worker_give(struct worker *worker, struct worker_job *job);
/*
 * Ends the thread, waiting for it this long; on_done() is called no more. Errors: -ETIMEDOUT: it
 * hangs in a job, and the worker's memory, and the job's, must outlive it.
 */
int worker_close(struct worker *worker, int seconds_max) MUST_CHECK;
/* Of a closed worker: a job that was not done, or not told; NULL: there is none. Gives it. */
struct worker_job *worker_left(struct worker *worker);

#endif
