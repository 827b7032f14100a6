/* A thread that does what may hang: the order, what is left at the end, and one that never ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <semaphore.h>
#include <unistd.h>

#include "platform/worker.h"

#define JOBS 5

struct work {
	struct worker_job job; /* first */
	int number;
	sem_t *begun, *may_end; /* NULL: it begins and ends at once */
	int done_as;		/* which one it was, from 1 on; 0: not done */
};

static int done_count;

static void work(struct worker_job *given)
{
	struct work *work = (struct work *)given;

	if (work->begun != NULL)
		sem_post(work->begun);
	if (work->may_end != NULL)
		sem_wait(work->may_end);
	work->done_as = ++done_count;
}

static void on_done(void *owner, struct worker_job *done)
{
	struct loop *loop = owner;

	if (((struct work *)done)->number == JOBS - 1)
		loop->should_stop = true;
}

static void open_worker(struct worker *worker, struct loop *loop, bool does_all)
{
	const struct worker_config config = {
		.rank = RANK_LEAF,
		.does_all = does_all,
		.owner = loop,
		.work = work,
		.on_done = on_done,
	};

	done_count = 0;
	assert_int_equal(loop_open(loop), 0);
	assert_int_equal(worker_open(worker, &config, loop), 0);
}

static void give_all(struct worker *worker, struct work works[JOBS])
{
	for (int i = 0; i < JOBS; i++) {
		works[i].number = i;
		worker_give(worker, &works[i].job);
	}
}

static void test_in_order(void **state)
{
	(void)state;
	struct work works[JOBS] = { 0 };
	struct worker worker;
	struct loop loop;

	open_worker(&worker, &loop, false);
	give_all(&worker, works);
	assert_int_equal(loop_run(&loop), 0);
	for (int i = 0; i < JOBS; i++)
		assert_int_equal(works[i].done_as, i + 1);
	assert_int_equal(worker_close(&worker, 10), 0);
	assert_null(worker_left(&worker));
	loop_close(&loop);
}

/* The first job is at work when the worker is closed; the others wait. Gives how many were done. */
static int close_at_work(bool does_all, int *out_left)
{
	struct work works[JOBS] = { 0 };
	struct worker worker;
	struct loop loop;
	sem_t begun, may_end;

	assert_int_equal(sem_init(&begun, 0, 0), 0);
	assert_int_equal(sem_init(&may_end, 0, 0), 0);
	works[0].begun = &begun;
	works[0].may_end = &may_end;
	open_worker(&worker, &loop, does_all);
	give_all(&worker, works);
	sem_wait(&begun);
	assert_int_equal(worker_close(&worker, 0), -ETIMEDOUT);
	sem_post(&may_end);
	assert_int_equal(
		pthread_join(worker.thread, NULL), 0); /* as a process that goes on would */
	*out_left = 0;
	while (worker_left(&worker) != NULL)
		++*out_left;
	close(worker.watch.fd);
	loop_close(&loop);
	return done_count;
}

static void test_closed_at_work(void **state)
{
	(void)state;
	int left;

	assert_int_equal(close_at_work(true, &left), JOBS);
	assert_int_equal(left, JOBS); /* done, and not told */
	assert_int_equal(close_at_work(false, &left), 1);
	assert_int_equal(left, JOBS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_closed_at_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
