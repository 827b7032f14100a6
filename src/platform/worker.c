#include "platform/worker.h"

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static void list_push(struct worker_list *list, struct worker_job *job)
{
	job->next = NULL;
	*list->end = job;
	list->end = &job->next;
}

static struct worker_job *list_pop(struct worker_list *list)
{
	struct worker_job *job = list->first;

	if (job == NULL)
		return NULL;
	list->first = job->next;
	if (list->first == NULL)
		list->end = &list->first;
	return job;
}

static void *run_worker_jobs(void *owner)
{
	struct worker *worker = owner;
	const uint64_t one = 1;

	lock_take(&worker->lock);
	while (!worker->is_closing || worker->config.does_all) {
		struct worker_job *job = list_pop(&worker->jobs);
		if (job == NULL && worker->is_closing)
			break;
		if (job == NULL) {
			condition_wait(&worker->changed, &worker->lock);
			continue;
		}
		lock_give(&worker->lock);
		worker->config.work(job);
		lock_take(&worker->lock);
		list_push(&worker->done, job);
		(void)!write(worker->watch.fd, &one, sizeof(one)); /* full: it is readable */
	}
	lock_give(&worker->lock);
	return NULL;
}

static void on_done(void *owner, uint32_t events)
{
	struct worker *worker = owner;
	uint64_t count;

	(void)events;
	(void)!read(worker->watch.fd, &count, sizeof(count)); /* only to quieten it */
	for (;;) {
		lock_take(&worker->lock);
		struct worker_job *job = list_pop(&worker->done);
		lock_give(&worker->lock);
		if (job == NULL)
			return;
		worker->config.on_done(worker->config.owner, job);
	}
}

int worker_open(struct worker *worker, const struct worker_config *config, struct loop *loop)
{
	*worker = (struct worker){ .config = *config, .loop = loop };
	worker->jobs.end = &worker->jobs.first;
	worker->done.end = &worker->done.first;
	worker->watch = (struct watch){ .owner = worker, .on_ready = on_done };
	worker->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->watch.fd < 0)
		return -errno;
	/* The loop's thread may have real-time priority, and wait for the lock. */
	lock_init_inheriting(&worker->lock, config->rank);
	condition_init(&worker->changed);
	int error = loop_add(loop, &worker->watch, EPOLLIN);
	if (error == 0) {
		error = -pthread_create(&worker->thread, NULL, run_worker_jobs, worker);
		if (error != 0)
			loop_remove(loop, &worker->watch);
	}
	if (error != 0)
		(void)close(worker->watch.fd);
	return error;
}

void worker_give(struct worker *worker, struct worker_job *job)
{
	lock_take(&worker->lock);
	CHECK(!worker->is_closing);
	list_push(&worker->jobs, job);
	condition_wake_one(&worker->changed);
	lock_give(&worker->lock);
}

int worker_close(struct worker *worker, int seconds_max)
{
	struct timespec limit;

	lock_take(&worker->lock);
	worker->is_closing = true;
	condition_wake_one(&worker->changed);
	lock_give(&worker->lock);
	loop_remove(worker->loop, &worker->watch);
	(void)clock_gettime(CLOCK_REALTIME, &limit); /* what the call below goes by */
	limit.tv_sec += seconds_max;
	if (pthread_timedjoin_np(worker->thread, NULL, &limit) != 0)
		return -ETIMEDOUT;
	(void)close(worker->watch.fd);
	return 0;
}

struct worker_job *worker_left(struct worker *worker)
{
	struct worker_job *job = list_pop(&worker->jobs);

	return job != NULL ? job : list_pop(&worker->done);
}
