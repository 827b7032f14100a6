/*
 * The durable records, written by a thread of their own: a state disk that is stuck for seconds
 * must not stop beats and renewals, or the other node would take over while we still serve.
 *
 * A module has one record under way at most (daemon.c holds its queue meanwhile).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/record.h"
#include "daemon/records.h"
#include "platform/clock.h"
#include "platform/folders.h"
#include "platform/slotfile.h"
#include "platform/worker.h"

#define SLOW_WRITE_NS NS_PER_S /* said when it is over */
#define CLOSE_LIMIT_S 5

struct module_record {
	struct worker_job job; /* first */
	struct module *module;
	bool is_under_way; /* the memory is the thread's */
	struct slotfile file;
	uint8_t bytes[RECORD_SIZE_MAX];
	size_t size;
	int64_t started_ns, took_ns;
	int error;
};

struct daemon_records {
	struct daemon *daemon;
	struct worker writer;
};

static void write_record(struct worker_job *given)
{
	struct module_record *job = (struct module_record *)given;

	job->error = slotfile_write(&job->file, job->bytes, job->size);
	job->took_ns = clock_boot_ns() - job->started_ns;
}

static void on_done(void *owner, struct worker_job *done)
{
	struct daemon_records *records = owner;
	struct module_record *job = (struct module_record *)done;

	job->is_under_way = false;
	if (job->took_ns >= SLOW_WRITE_NS)
		daemon_log(records->daemon, job->module, SEVERITY_WARNING, "record.slow",
			"Writing this module's record of 4 KiB to %s took %lld ms: that disk is "
			"very "
			"slow, and failovers wait for it.",
			records->daemon->paths.state, (long long)(job->took_ns / NS_PER_MS));
	daemon_record_written(job->module, job->error);
}

int records_open(struct daemon *daemon)
{
	struct daemon_records *records = calloc(1, sizeof(*records));
	if (records == NULL)
		return -ENOMEM;
	records->daemon = daemon;
	const struct worker_config config = {
		.rank = RANK_RECORDS,
		.does_all = true,
		.owner = records,
		.work = write_record,
		.on_done = on_done,
	};
	int error = worker_open(&records->writer, &config, &daemon->loop);
	if (error != 0) {
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
	/* What was ordered becomes durable first, unless its disk is stuck. */
	bool is_stuck = worker_close(&records->writer, CLOSE_LIMIT_S) != 0;
	if (is_stuck)
		daemon_log(daemon, NULL, SEVERITY_ERROR, "record.stuck",
			"A record is still being written to %s: that disk is stuck.",
			daemon->paths.state);
	for (int i = 0; i < daemon->module_count; i++)
		daemon->modules[i]->is_writing = false;
	if (is_stuck)
		return; /* the memory stays the thread's until the process ends */
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
	struct module_record *record = module->record;

	if (record == NULL)
		return;
	CHECK(!module->is_writing);
	module->record = NULL;
	if (record->is_under_way)
		return; /* its disk is stuck, and we end: it stays the thread's */
	slotfile_close(&record->file);
	free(record);
}

void records_write(struct module *module, const struct record *record)
{
	struct module_record *job = module->record;

	CHECK(job != NULL);
	int error = record_encode(record, job->bytes, sizeof(job->bytes), &job->size);
	CHECK(error == 0); /* RECORD_SIZE_MAX holds any record */
	job->started_ns = clock_boot_ns();
	job->is_under_way = true;
	worker_give(&module->daemon->records->writer, &job->job);
}
