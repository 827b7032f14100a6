/*
 * The loop: timers in their order, watches that go while they are ready.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "platform/clock.h"
#include "platform/loop.h"

#define MODULES	       500
#define TIMERS_OF_EACH 26

struct bell {
	struct loop *loop;
	struct timer timer;
	int number;
	int64_t every_ns; /* 0: once */
	int rings;
};

static int heard[8], heard_count;

static void on_bell(void *owner)
{
	struct bell *bell = owner;

	if (heard_count < 8)
		heard[heard_count] = bell->number;
	heard_count++;
	bell->rings++;
	if (bell->every_ns > 0)
		loop_arm(bell->loop, &bell->timer, clock_boot_ns() + bell->every_ns);
}

static void on_end(void *owner)
{
	struct loop *loop = owner;

	loop->should_stop = true;
}

static struct bell bell_of(struct loop *loop, int number)
{
	return (struct bell){ .loop = loop, .number = number, .timer = { .on_due = on_bell } };
}

static void run_for(struct loop *loop, int64_t duration_ns)
{
	struct timer end = { .owner = loop, .on_due = on_end };

	loop->should_stop = false;
	loop_arm(loop, &end, clock_boot_ns() + duration_ns);
	assert_int_equal(loop_run(loop), 0);
}

static void timers_come_in_their_order(void **state)
{
	struct loop loop;
	struct bell bells[4];
	const int64_t now_ns = clock_boot_ns();

	(void)state;
	assert_int_equal(loop_open(&loop), 0);
	heard_count = 0;
	for (int i = 0; i < 4; i++) {
		bells[i] = bell_of(&loop, i);
		bells[i].timer.owner = &bells[i];
	}
	loop_arm(&loop, &bells[0].timer, now_ns + 3 * NS_PER_MS);
	loop_arm(&loop, &bells[1].timer, now_ns + 1 * NS_PER_MS);
	loop_arm(&loop, &bells[2].timer, now_ns + 1 * NS_PER_MS); /* at once with 1: after it */
	loop_arm(&loop, &bells[3].timer, now_ns + 2 * NS_PER_MS);
	loop_arm(&loop, &bells[1].timer, now_ns + 1 * NS_PER_MS); /* moved: now after 2 */
	loop_disarm(&loop, &bells[3].timer);
	assert_false(loop_is_armed(&bells[3].timer));
	assert_true(loop_is_armed(&bells[0].timer));
	run_for(&loop, 20 * NS_PER_MS);
	assert_int_equal(heard_count, 3);
	assert_int_equal(heard[0], 2);
	assert_int_equal(heard[1], 1);
	assert_int_equal(heard[2], 0);
	loop_close(&loop);
}

struct pair {
	struct loop *loop;
	struct watch watches[2];
	int calls;
};

/* Both are ready; whoever comes first takes the other away. */
static void on_ready(void *owner, uint32_t events)
{
	struct pair *pair = owner;

	(void)events;
	pair->calls++;
	loop_remove(pair->loop, &pair->watches[0]);
	loop_remove(pair->loop, &pair->watches[1]);
}

static void a_watch_that_was_removed_is_not_called(void **state)
{
	struct loop loop;
	struct pair pair = { .loop = &loop };

	(void)state;
	assert_int_equal(loop_open(&loop), 0);
	for (int i = 0; i < 2; i++) {
		pair.watches[i] = (struct watch){
			.fd = eventfd(1, EFD_CLOEXEC), .owner = &pair, .on_ready = on_ready
		};
		assert_int_equal(loop_add(&loop, &pair.watches[i], EPOLLIN), 0);
	}
	run_for(&loop, 5 * NS_PER_MS);
	assert_int_equal(pair.calls, 1);
	for (int i = 0; i < 2; i++)
		close(pair.watches[i].fd);
	loop_close(&loop);
}

/* A full node: what a timer costs does not grow with the number of the others. */
static void five_hundred_modules_ring_at_a_fair_price(void **state)
{
	enum { COUNT = MODULES * TIMERS_OF_EACH };
	struct loop loop;
	struct bell *bells = calloc(COUNT, sizeof(*bells));
	int64_t now_ns = clock_boot_ns();
	uint64_t rings = 0;

	(void)state;
	assert_non_null(bells);
	assert_int_equal(loop_open(&loop), 0);
	for (int i = 0; i < COUNT; i++) {
		bells[i] = bell_of(&loop, i);
		bells[i].timer.owner = &bells[i];
		bells[i].every_ns = (20 + i % 37) * NS_PER_MS;
		loop_arm(&loop, &bells[i].timer, now_ns + bells[i].every_ns);
	}
	uint64_t before = loop.timers.compared;
	run_for(&loop, 300 * NS_PER_MS);
	for (int i = 0; i < COUNT; i++)
		rings += (uint64_t)bells[i].rings;
	uint64_t each = (loop.timers.compared - before) / rings;
	print_message("%llu rings, %llu comparisons each\n", (unsigned long long)rings,
		(unsigned long long)each);
	assert_true(rings >= COUNT);
	assert_in_range(each, 1, 40);
	loop_close(&loop);
	free(bells);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_come_in_their_order),
		cmocka_unit_test(a_watch_that_was_removed_is_not_called),
		cmocka_unit_test(five_hundred_modules_ring_at_a_fair_price),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
