/*
 * One thread reads, one reading after the other:
 *
 *	daemon's thread		reader
 *	reading_ask() --------> jobs ------> cluster.yaml, modules/NAME/module.yaml
 *	on_read() <------------ done <------
 *
 * If it takes LIMIT_NS, who waits is told so; what the thread brings later is thrown away. It stays
 * where it hangs, and the few jobs that there may be fill up: then reading_ask() refuses.
 */
#include "daemon/reading.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/folders.h"
#include "platform/lock.h"

#define JOBS_MAX      8
#define LIMIT_NS      (5 * NS_PER_S)
#define CLOSE_LIMIT_S 1

struct job {
	struct job *next; /* in jobs or done */
	struct daemon *daemon;
	enum reading_kind kind;
	uint32_t request;
	reading_function *on_read; /* NULL: it was answered already */
	struct timer limit;
	struct reading reading; /* the reader's, until it is done */
};

struct job_list {
	struct job *first, **end;
};

struct daemon_reading {
	struct daemon *daemon;
	pthread_t thread;
	struct lock lock; /* guards jobs, done, is_closing */
	struct condition changed;
	struct job_list jobs, done;
	bool is_closing;
	int count;	    /* of jobs that there are */
	struct watch watch; /* eventfd: something is done */
};

static void list_push(struct job_list *list, struct job *job)
{
	job->next = NULL;
	*list->end = job;
	list->end = &job->next;
}

static struct job *list_pop(struct job_list *list)
{
	struct job *job = list->first;

	if (job == NULL)
		return NULL;
	list->first = job->next;
	if (list->first == NULL)
		list->end = &list->first;
	return job;
}

static void job_free(struct job *job)
{
	config_modules_done(&job->reading.modules);
	free(job);
}

/* ---- the reader: of the daemon it sees what never changes, its folders and its cluster ---- */

static int read_all(const struct daemon *daemon, struct reading *out_reading)
{
	char path[PATH_SIZE_MAX];

	node_file_path(path, NODE_FILE_CLUSTER, daemon->paths.config, NULL);
	int error = config_read_cluster(path, &out_reading->cluster, &out_reading->wrong);
	return error != 0 ? error
			  : config_read_all_modules(daemon->paths.config, &out_reading->cluster,
				    &out_reading->modules, &out_reading->wrong);
}

/* At the start the modules wait for it, addresses that want to be renewed among them; later it must
 * not take the loop's turn on a machine of one processor. */
static void set_priority(enum reading_kind kind)
{
	const struct sched_param usual = { 0 };

	if (kind != READING_AT_START)
		(void)pthread_setschedparam(pthread_self(), SCHED_OTHER, &usual);
}

static void read_for(struct job *job)
{
	const struct daemon *daemon = job->daemon;
	struct reading *reading = &job->reading;

	set_priority(job->kind);
	(void)snprintf(reading->wrong.sentence, sizeof(reading->wrong.sentence), "out of memory");
	reading->cluster = daemon->cluster;
	reading->error = job->kind == READING_ALL
				 ? read_all(daemon, reading)
				 : config_read_modules(daemon->paths.config, &reading->cluster,
					   daemon->paths.run, &reading->modules, &reading->wrong);
}

static void *run_reader(void *owner)
{
	struct daemon_reading *readings = owner;
	const uint64_t one = 1;

	lock_take(&readings->lock);
	while (!readings->is_closing) {
		struct job *job = list_pop(&readings->jobs);
		if (job == NULL) {
			condition_wait(&readings->changed, &readings->lock);
			continue;
		}
		lock_give(&readings->lock);
		read_for(job);
		lock_take(&readings->lock);
		list_push(&readings->done, job);
		(void)!write(readings->watch.fd, &one, sizeof(one)); /* full: it is readable */
	}
	lock_give(&readings->lock);
	return NULL;
}

/* ---- the daemon's thread ---- */

static void on_done(void *owner, uint32_t events)
{
	struct daemon_reading *readings = owner;
	uint64_t count;

	(void)events;
	(void)!read(readings->watch.fd, &count, sizeof(count)); /* only to quieten it */
	for (;;) {
		lock_take(&readings->lock);
		struct job *job = list_pop(&readings->done);
		lock_give(&readings->lock);
		if (job == NULL)
			return;
		readings->count--;
		loop_disarm(&readings->daemon->loop, &job->limit);
		if (job->on_read != NULL)
			job->on_read(readings->daemon, job->request, &job->reading);
		job_free(job);
	}
}

/* The job itself stays the reader's. */
static void on_limit(void *owner)
{
	struct job *job = owner;
	reading_function *on_read = job->on_read;
	struct reading late = { .error = -ETIMEDOUT };

	job->on_read = NULL;
	(void)snprintf(late.wrong.sentence, sizeof(late.wrong.sentence),
		"%.300s cannot be read: its disk has not answered for %lld s. Nothing was changed, "
		"and what runs goes on",
		job->daemon->paths.config, (long long)(LIMIT_NS / NS_PER_S));
	on_read(job->daemon, job->request, &late);
}

int reading_ask(
	struct daemon *daemon, enum reading_kind kind, uint32_t request, reading_function *on_read)
{
	struct daemon_reading *readings = daemon->readings;

	if (readings->count == JOBS_MAX)
		return -EBUSY;
	struct job *job = calloc(1, sizeof(*job));
	if (job == NULL)
		return -ENOMEM;
	job->daemon = daemon;
	job->kind = kind;
	job->request = request;
	job->on_read = on_read;
	job->limit = (struct timer){ .owner = job, .on_due = on_limit };
	if (kind != READING_AT_START)
		loop_arm(&daemon->loop, &job->limit, clock_boot_ns() + LIMIT_NS);
	readings->count++;
	lock_take(&readings->lock);
	list_push(&readings->jobs, job);
	condition_wake_one(&readings->changed);
	lock_give(&readings->lock);
	return 0;
}

int reading_open(struct daemon *daemon)
{
	struct daemon_reading *readings = calloc(1, sizeof(*readings));
	if (readings == NULL)
		return -ENOMEM;
	readings->daemon = daemon;
	readings->jobs.end = &readings->jobs.first;
	readings->done.end = &readings->done.first;
	lock_init_inheriting(&readings->lock, RANK_READING);
	condition_init(&readings->changed);
	readings->watch = (struct watch){ .owner = readings, .on_ready = on_done };
	readings->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int error = readings->watch.fd < 0 ? -errno
					   : loop_add(&daemon->loop, &readings->watch, EPOLLIN);
	if (error == 0)
		error = -pthread_create(&readings->thread, NULL, run_reader, readings);
	if (error != 0) {
		if (readings->watch.fd >= 0)
			close(readings->watch.fd);
		free(readings);
		return error;
	}
	daemon->readings = readings;
	return 0;
}

static void free_jobs(struct daemon_reading *readings, struct job_list *list)
{
	for (struct job *job; (job = list_pop(list)) != NULL;) {
		loop_disarm(&readings->daemon->loop, &job->limit);
		job_free(job);
	}
}

void reading_close(struct daemon *daemon)
{
	struct daemon_reading *readings = daemon->readings;
	struct timespec limit;

	if (readings == NULL)
		return;
	lock_take(&readings->lock);
	readings->is_closing = true;
	condition_wake_one(&readings->changed);
	lock_give(&readings->lock);
	(void)clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += CLOSE_LIMIT_S;
	loop_remove(&daemon->loop, &readings->watch);
	daemon->readings = NULL;
	if (pthread_timedjoin_np(readings->thread, NULL, &limit) != 0)
		return; /* it hangs; the memory stays its own until the process ends */
	free_jobs(readings, &readings->jobs);
	free_jobs(readings, &readings->done);
	close(readings->watch.fd);
	free(readings);
}
