/*
 * The durable records, written by a thread of their own: a state disk that is stuck for seconds
 * must not stop beats and renewals, or the other node would take over while we still serve.
 *
 *	daemon's thread		writer
 *	records_write() ------> jobs ------> slotfile_write()
 *	on_done()       <------ done <------
 *
 * A module has one record under way at most (daemon.c holds its queue meanwhile).
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/record.h"
#include "daemon/records.h"
#include "platform/clock.h"
#include "platform/folders.h"
#include "platform/lock.h"
#include "platform/slotfile.h"

#define SLOW_WRITE_NS NS_PER_S /* said when it is over */
#define CLOSE_LIMIT_S 5

struct module_record {
	struct module *module;
	struct slotfile file;
	struct module_record *next; /* in jobs or done */
	uint8_t bytes[RECORD_SIZE_MAX];
	size_t size;
	int64_t started_ns, took_ns;
	int error;
};

struct job_list {
	struct module_record *first, **end;
};

struct daemon_records {
	struct daemon *daemon;
	pthread_t thread;
	struct lock lock; /* guards jobs, done, is_closing */
	struct condition changed;
	struct job_list jobs, done;
	bool is_closing;
	struct watch watch; /* eventfd: something is done */
};

static void list_push(struct job_list *list, struct module_record *job)
{
	job->next = NULL;
	*list->end = job;
	list->end = &job->next;
}

static struct module_record *list_pop(struct job_list *list)
{
	struct module_record *job = list->first;

	if (job == NULL)
		return NULL;
	list->first = job->next;
	if (list->first == NULL)
		list->end = &list->first;
	return job;
}

static void *run_writer(void *owner)
{
	struct daemon_records *records = owner;
	const uint64_t one = 1;

	lock_take(&records->lock);
	for (;;) {
		struct module_record *job = list_pop(&records->jobs);
		if (job == NULL && records->is_closing)
			break;
		if (job == NULL) {
			condition_wait(&records->changed, &records->lock);
			continue;
		}
		lock_give(&records->lock);
		job->error = slotfile_write(&job->file, job->bytes, job->size);
		job->took_ns = clock_boot_ns() - job->started_ns;
		lock_take(&records->lock);
		list_push(&records->done, job);
		(void)!write(records->watch.fd, &one, sizeof(one)); /* full: it is readable */
	}
	lock_give(&records->lock);
	return NULL;
}

static void on_done(void *owner, uint32_t events)
{
	struct daemon_records *records = owner;
	uint64_t count;

	(void)events;
	(void)!read(records->watch.fd, &count, sizeof(count)); /* only to quieten it */
	for (;;) {
		lock_take(&records->lock);
		struct module_record *job = list_pop(&records->done);
		lock_give(&records->lock);
		if (job == NULL)
			return;
		if (job->took_ns >= SLOW_WRITE_NS)
			daemon_log(records->daemon, job->module, SEVERITY_WARNING, "record.slow",
				"Writing this module's record of 4 KiB to %s took %lld ms: that "
				"disk is very slow, and failovers wait for it.",
				records->daemon->paths.state,
				(long long)(job->took_ns / NS_PER_MS));
		daemon_record_written(job->module, job->error);
	}
}

int records_open(struct daemon *daemon)
{
	struct daemon_records *records = calloc(1, sizeof(*records));
	if (records == NULL)
		return -ENOMEM;
	records->daemon = daemon;
	records->jobs.end = &records->jobs.first;
	records->done.end = &records->done.first;
	lock_init(&records->lock, RANK_RECORDS);
	condition_init(&records->changed);
	records->watch = (struct watch){ .owner = records, .on_ready = on_done };
	records->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int error =
		records->watch.fd < 0 ? -errno : loop_add(&daemon->loop, &records->watch, EPOLLIN);
	if (error == 0)
		error = -pthread_create(&records->thread, NULL, run_writer, records);
	if (error != 0) {
		if (records->watch.fd >= 0)
			close(records->watch.fd);
		free(records);
		return error;
	}
	daemon->records = records;
	return 0;
}

void records_close(struct daemon *daemon)
{
	struct daemon_records *records = daemon->records;

	if (records == NULL)
		return;
	lock_take(&records->lock);
	records->is_closing = true;
	condition_wake_one(&records->changed);
	lock_give(&records->lock);
	/* What was ordered becomes durable first, unless its disk is stuck. */
	struct timespec limit;
	(void)clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += CLOSE_LIMIT_S;
	bool is_stuck = pthread_timedjoin_np(records->thread, NULL, &limit) != 0;
	if (is_stuck)
		daemon_log(daemon, NULL, SEVERITY_ERROR, "record.stuck",
			"A record is still being written to %s: that disk is stuck.",
			daemon->paths.state);
	for (int i = 0; i < daemon->module_count; i++)
		daemon->modules[i]->is_writing = false;
	if (is_stuck)
		return; /* the memory stays the thread's until the process ends */
	loop_remove(&daemon->loop, &records->watch);
	close(records->watch.fd);
	free(records);
	daemon->records = NULL;
}

static int read_record(struct module_record *state, struct record *out_record)
{
	uint8_t bytes[RECORD_SIZE_MAX];
	size_t size;

	int error = slotfile_read(&state->file, bytes, sizeof(bytes), &size);
	if (error == -ENOENT) {
		*out_record = (struct record){ 0 };
		return 0;
	}
	if (error != 0)
		return error;
	return record_decode((struct bytes){ .data = bytes, .size = size }, out_record);
}

int records_add(struct module *module, struct record *out_record)
{
	char path[PATH_SIZE_MAX];

	struct module_record *state = calloc(1, sizeof(*state));
	if (state == NULL)
		return -ENOMEM;
	state->module = module;
	state->file.fd = -1;
	module->record = state;
	node_file_path(path, NODE_FILE_RECORD, module->daemon->paths.state, module->settings.name);
	int error = slotfile_open(&state->file, path);
	if (error == 0)
		error = read_record(state, out_record);
	if (error != 0)
		records_remove(module);
	return error;
}

void records_remove(struct module *module)
{
	if (module->record == NULL)
		return;
	CHECK(!module->is_writing);
	slotfile_close(&module->record->file);
	free(module->record);
	module->record = NULL;
}

void records_write(struct module *module, const struct record *record)
{
	struct daemon_records *records = module->daemon->records;
	struct module_record *job = module->record;

	CHECK(job != NULL);
	int error = record_encode(record, job->bytes, sizeof(job->bytes), &job->size);
	CHECK(error == 0); /* RECORD_SIZE_MAX holds any record */
	job->started_ns = clock_boot_ns();
	lock_take(&records->lock);
	list_push(&records->jobs, job);
	condition_wake_one(&records->changed);
	lock_give(&records->lock);
}
