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

#include "base/heap.h"
#include "base/macros.h"

#define LOOP_BATCH 64 /* descriptors handled a round */

struct watch {
	int fd; /* borrowed: the owner closes it, after loop_remove() */
	void *owner;
	void (*on_ready)(void *owner, uint32_t events);
	bool is_watched;
};

struct timer {
	struct heap_node node; /* its key: when it is due, on the boot clock */
	void *owner;
	void (*on_due)(void *owner);
};

struct loop {
	int epoll_fd;
	int timer_fd;
	int64_t timer_set_ns;
	struct heap timers;
	struct watch *batch[LOOP_BATCH];
	int batch_count;
	bool should_stop;
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

/* The timer has owner and on_due set; armed again, it only moves. Of timers that are due at once, the
 * one armed first is called first. */
void loop_arm(struct loop *loop, struct timer *timer, int64_t due_ns);
void loop_disarm(struct loop *loop, struct timer *timer);
bool loop_is_armed(const struct timer *timer);
/* When it is due, or was. */
int64_t loop_due_ns(const struct timer *timer);

#endif
