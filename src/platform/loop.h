/*
 * One thread that waits: descriptors (epoll) and timers (one timerfd on the boot clock).
 *
 * Watches and timers are embedded in what they belong to; the loop borrows them from add/arm until
 * remove/disarm. A handler may remove any watch, its own included: one that was removed is not
 * called again, even if it was ready in the same round. Not for: threads; all calls come from the
 * thread that runs the loop.
 */
#ifndef EVENKEEL_PLATFORM_LOOP_H
#define EVENKEEL_PLATFORM_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/macros.h"

#define LOOP_BATCH 64 /* descriptors handled a round */

struct watch {
	int fd; /* borrowed: the owner closes it, after loop_remove() */
	void *owner;
	void (*on_ready)(void *owner, uint32_t events);
	bool is_watched;
};

struct timer {
	int64_t due_ns; /* boot clock */
	void *owner;
	void (*on_due)(void *owner);
	struct timer *next;
	bool is_armed;
};

struct loop {
	int epoll_fd;
	int timer_fd;
	int64_t timer_set_ns;
	struct timer *timers; /* rising due_ns */
	struct watch *batch[LOOP_BATCH];
	int batch_count;
	bool should_stop;
	/* After each handler, so that what it caused happens before the next one; may be NULL. */
	void *owner;
	void (*after_each)(void *owner);
};

int loop_open(struct loop *loop) MUST_CHECK;
void loop_close(struct loop *loop);
/* Runs until should_stop is set. Errors: of epoll_wait(2). */
int loop_run(struct loop *loop) MUST_CHECK;

/* The watch has fd, owner and on_ready set. Errors: of epoll_ctl(2). */
int loop_add(struct loop *loop, struct watch *watch, uint32_t events) MUST_CHECK;
/* Changes what is waited for. */
int loop_change(struct loop *loop, struct watch *watch, uint32_t events) MUST_CHECK;
/* Nothing happens if it is not watched. */
void loop_remove(struct loop *loop, struct watch *watch);

/* The timer has owner and on_due set; armed again, it only moves. */
void loop_arm(struct loop *loop, struct timer *timer, int64_t due_ns);
void loop_disarm(struct loop *loop, struct timer *timer);

#endif
