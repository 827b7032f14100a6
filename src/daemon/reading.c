/*
 * One worker reads, one reading after the other: cluster.yaml, modules/NAME/module.yaml. If it takes LIMIT_NS, who waits is told so; what the thread brings later is thrown away. It stays
 * where it hangs, and the few jobs that there may be fill up: then reading_ask() refuses.
 */
#include "daemon/reading.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/preflight.h"
#include "platform/clock.h"
#include "platform/folders.h"
#include "platform/worker.h"

#define JOBS_MAX      8
#define LIMIT_NS      (5 * NS_PER_S)
#define CLOSE_LIMIT_S 1

struct job {
	struct worker_job job; /* first */
	struct daemon *daemon;
	enum reading_kind kind;
	uint32_t request;
	reading_function *on_read; /* NULL: it was answered already */
	struct timer limit;
	struct reading reading; /* the reader's, until it is done */
};

struct daemon_reading {
	struct daemon *daemon;
	struct worker reader;
	int count; /* of jobs that there are */
};

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
	if (error == 0)
		error = config_read_all_modules(daemon->paths.config, &out_reading->cluster,
			&out_reading->modules, &out_reading->wrong);
	if (error == 0)
		error = preflight_addresses(
			&out_reading->cluster, &out_reading->modules, &out_reading->wrong);
	return error != 0 ? error : preflight_programs(&out_reading->modules, &out_reading->wrong);
}

/* At the start the modules wait for it, addresses that want to be renewed among them; later it must
 * not take the loop's turn on a machine of one processor. */
static void set_priority(enum reading_kind kind)
{
	const struct sched_param usual = { 0 };

	if (kind != READING_AT_START)
		(void)pthread_setschedparam(pthread_self(), SCHED_OTHER, &usual);
}

static void read_for(struct worker_job *given)
{
	struct job *job = (struct job *)given;
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

/* ---- the daemon's thread ---- */

static void on_done(void *owner, struct worker_job *done)
{
	struct daemon_reading *readings = owner;
	struct job *job = (struct job *)done;

	readings->count--;
	loop_disarm(&readings->daemon->loop, &job->limit);
	if (job->on_read != NULL)
		job->on_read(readings->daemon, job->request, &job->reading);
	job_free(job);
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
	worker_give(&readings->reader, &job->job);
	return 0;
}

int reading_open(struct daemon *daemon)
{
	struct daemon_reading *readings = calloc(1, sizeof(*readings));
	if (readings == NULL)
		return -ENOMEM;
	readings->daemon = daemon;
	const struct worker_config config = {
		.rank = RANK_READING,
		.owner = readings,
		.work = read_for,
		.on_done = on_done,
	};
	int error = worker_open(&readings->reader, &config, &daemon->loop);
	if (error != 0) {
		free(readings);
		return error;
	}
	daemon->readings = readings;
	return 0;
}

void reading_close(struct daemon *daemon)
{
	struct daemon_reading *readings = daemon->readings;

	if (readings == NULL)
		return;
	daemon->readings = NULL;
	if (worker_close(&readings->reader, CLOSE_LIMIT_S) != 0)
		return; /* it hangs; the memory stays its own until the process ends */
	for (struct worker_job *left; (left = worker_left(&readings->reader)) != NULL;) {
		struct job *job = (struct job *)left;
		loop_disarm(&daemon->loop, &job->limit);
		job_free(job);
	}
	free(readings);
}
