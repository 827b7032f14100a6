#include "platform/loop.h"

#include <errno.h>
#include <stddef.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "platform/clock.h"

int loop_open(struct loop *loop)
{
	*loop = (struct loop){ .epoll_fd = -1, .timer_fd = -1, .timer_set_ns = INT64_MAX };
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return -errno;
	loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
	if (loop->timer_fd < 0 ||
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timer_fd, &event) < 0) {
		int error = -errno;
		loop_close(loop);
		return error;
	}
	return 0;
}

void loop_close(struct loop *loop)
{
	if (loop->timer_fd >= 0)
		close(loop->timer_fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	loop->timer_fd = loop->epoll_fd = -1;
}

static struct timer *first_timer(const struct loop *loop)
{
	_Static_assert(offsetof(struct timer, node) == 0, "a timer begins with its node");
	return (struct timer *)loop->timers.first;
}

static void set_timer_fd(struct loop *loop)
{
	const struct timer *first = first_timer(loop);
	int64_t due_ns = first == NULL ? INT64_MAX : loop_due_ns(first);
	struct itimerspec spec = { 0 };

	if (due_ns == loop->timer_set_ns)
		return;
	if (due_ns != INT64_MAX) {
		int64_t at_ns = MAX_OF(due_ns, 1); /* zero would disarm it */
		spec.it_value = (struct timespec){ .tv_sec = at_ns / NS_PER_S,
			.tv_nsec = at_ns % NS_PER_S };
	}
	int result = timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
	CHECK(result == 0);
	loop->timer_set_ns = due_ns;
}

static void run_timers(struct loop *loop)
{
	int64_t now_ns = clock_boot_ns();

	for (struct timer *timer;
		(timer = first_timer(loop)) != NULL && loop_due_ns(timer) <= now_ns;) {
		loop_disarm(loop, timer);
		timer->on_due(timer->owner);
	}
}

static int run_round(struct loop *loop)
{
	struct epoll_event events[LOOP_BATCH];

	set_timer_fd(loop);
	int count = epoll_wait(loop->epoll_fd, events, LOOP_BATCH, -1);
	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	loop->batch_count = count;
	for (int i = 0; i < count; i++)
		loop->batch[i] = events[i].data.ptr;
	run_timers(loop);
	for (int i = 0; i < count; i++) {
		struct watch *watch = loop->batch[i];
		uint64_t expirations;
		if (watch != NULL) {
			watch->on_ready(watch->owner, events[i].events);
		} else if (read(loop->timer_fd, &expirations, sizeof(expirations)) > 0) {
			loop->timer_set_ns = INT64_MAX - 1; /* it is spent: set it anew */
		}
	}
	loop->batch_count = 0;
	run_timers(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	while (!loop->should_stop) {
		int error = run_round(loop);
		if (error != 0)
			return error;
	}
	return 0;
}

int loop_add(struct loop *loop, struct watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	CHECK(watch->on_ready != NULL);
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) < 0)
		return -errno;
	watch->is_watched = true;
	return 0;
}

int loop_change(struct loop *loop, struct watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	CHECK(watch->is_watched);
	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0 ? -errno : 0;
}

void loop_remove(struct loop *loop, struct watch *watch)
{
	if (!watch->is_watched)
		return;
	/* Fails only if the descriptor is closed already, which removed it too. */
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->is_watched = false;
	for (int i = 0; i < loop->batch_count; i++)
		if (loop->batch[i] == watch)
			loop->batch[i] = NULL;
}

void loop_arm(struct loop *loop, struct timer *timer, int64_t due_ns)
{
	CHECK(timer->on_due != NULL);
	heap_remove(&loop->timers, &timer->node);
	timer->node.key = due_ns;
	heap_add(&loop->timers, &timer->node);
}

void loop_disarm(struct loop *loop, struct timer *timer)
{
	heap_remove(&loop->timers, &timer->node);
}

bool loop_is_armed(const struct timer *timer)
{
	return heap_has(&timer->node);
}

int64_t loop_due_ns(const struct timer *timer)
{
	return timer->node.key;
}
