#include "fs/replicator/applier.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/replicator/inside.h"
#include "fs/tree/resync.h"
#include "platform/planted.h"

#define WORKERS	  4 /* at most: one at once, the others when all are busy */
#define JOBS_MAX  256
#define ACK_EVERY 64 /* operations, while more are waiting */

enum job_kind { JOB_SYNC, JOB_HASH, JOB_FINISH };

struct job {
	enum job_kind kind;
	uint64_t session; /* what belongs to another one is worthless */
	uint64_t sequence;
	int fd; /* sync: of the object, or -1: everything */
	bool is_data_only;
	struct op op; /* hash: object and range; name and data are not kept */
	int64_t since_ns;
	bool is_running;
};

struct applier {
	struct replicator *r;
	pthread_t thread, workers[WORKERS];
	bool is_stopping; /* under the replicator's lock, as everything below */
	bool is_joined;
	uint64_t working_on; /* of the applier thread; 0: idle */
	int64_t working_since_ns;
	struct job jobs[JOBS_MAX]; /* a ring */
	uint64_t first_job, next_job;
	struct job *running[WORKERS];
	int worker_count, idle_count;
	struct condition has_job;
};

/* ---- the pool ---- */

static void run_sync(struct replicator *r, const struct job *job)
{
	int error = 0;
	if (job->fd < 0)
		error = replicator_take_barrier(r);
	else if (!IS_PLANTED(PLANTED_SECOND_SYNC_SKIPPED) &&
		 (job->is_data_only ? fdatasync(job->fd) : fsync(job->fd)) != 0)
		error = -errno;
	if (job->fd >= 0 && IS_PLANTED(PLANTED_SECOND_SYNC_ERROR_LOST))
		error = 0;
	if (error != 0) {
		replicator_apply_failed(
			r, error, "the secondary could not make data durable: look at its disk");
		return;
	}
	const struct frame frame = { .kind = FRAME_SYNCED,
		.synced = { .sequence = job->sequence } };
	if (job->fd < 0)
		replicator_send_ack(r); /* carries the barrier */
	replicator_send(r, &frame);
}

static void run_hash(struct replicator *r, const struct job *job)
{
	uint8_t hashes[HASHES_MAX * HASH_SIZE];
	struct frame frame = { .kind = FRAME_HASHES };
	int error = replicator_digest(r->config.tree, &job->op, hashes, &frame);
	if (error == 0)
		replicator_send(r, &frame);
	else
		replicator_apply_failed(r, error, "the secondary cannot read its own copy");
}

/* All was synced after it had been applied. */
static bool is_end_durable(struct replicator *r, uint64_t sequence)
{
	lock_take(&r->lock);
	while (receiver_is_open(&r->receiver) && r->receiver.applied < sequence)
		replicator_wait(r, &r->changed, TICK_NS); /* its thread is about to say so */
	bool is_open = receiver_is_open(&r->receiver);
	if (is_open) {
		receiver_on_end(&r->receiver, sequence);
		is_open = receiver_on_durable(&r->receiver, sequence) == 0;
	}
	bool is_durable = is_open && receiver_can_complete(&r->receiver);
	lock_give(&r->lock);
	return is_durable;
}

/* Everything was applied: durable first, then remembered, then told (R4, grow). */
static int finish_resync(struct replicator *r, uint64_t sequence)
{
	int error = resync_target_finish(r->target);
	if (error != 0)
		return error;
	if (!is_end_durable(r, sequence))
		return -ECANCELED;
	error = replicator_mark_roots(r, sequence);
	if (error != 0)
		return error;
	lock_take(&r->state_lock);
	standing_adopt(&r->state, sequence);
	error = replicator_store_state_unlock(r);
	if (error != 0)
		return error;
	lock_take(&r->lock);
	/* The connection may have ended between: then this session is over. */
	if (!receiver_complete(&r->receiver))
		error = -ECANCELED;
	lock_give(&r->lock);
	return error;
}

static void drop_false_claim(struct replicator *r)
{
	int error = replicator_drop_in_sync(r);
	if (error != 0)
		replicator_apply_failed(r, error, "the secondary cannot write its state");
}

static void run_finish(struct replicator *r, const struct job *job)
{
	int error = finish_resync(r, job->sequence);
	if (error == -ECANCELED) {
		drop_false_claim(r);
		return;
	}
	if (error != 0) {
		replicator_apply_failed(r, error,
			"the secondary could not make its copy durable: look at its disk");
		return;
	}
	const struct frame frame = { .kind = FRAME_COMPLETE,
		.complete = { .sequence = job->sequence } };
	replicator_say_simple(r, FS_REPORT_ADOPTED, 0, "");
	replicator_send(r, &frame);
}

static void run_job(struct replicator *r, const struct job *job)
{
	switch (job->kind) {
	case JOB_SYNC: run_sync(r, job); break;
	case JOB_HASH: run_hash(r, job); break;
	case JOB_FINISH: run_finish(r, job); break;
	}
}

static bool is_current(const struct replicator *r, const struct job *job)
{
	return receiver_is_open(&r->receiver) && r->receiver.log.header->session == job->session;
}

static void *worker_run(void *context)
{
	struct applier *applier = context;
	struct replicator *r = applier->r;
	struct job job = { 0 };
	lock_take(&r->lock);
	int self = 0;
	while (applier->running[self] != NULL)
		self++;
	applier->running[self] = &job;
	while (!applier->is_stopping) {
		if (applier->first_job == applier->next_job) {
			applier->idle_count++;
			replicator_wait(r, &applier->has_job, NS_PER_S);
			applier->idle_count--;
			continue;
		}
		job = applier->jobs[applier->first_job++ % JOBS_MAX];
		job.is_running = true;
		bool is_wanted = is_current(r, &job);
		bool is_finish = is_wanted && job.kind == JOB_FINISH;
		r->is_finishing = r->is_finishing || is_finish;
		condition_wake_all(&r->changed); /* there is room for a job */
		lock_give(&r->lock);
		if (is_wanted)
			run_job(r, &job);
		if (job.fd >= 0)
			close(job.fd);
		lock_take(&r->lock);
		job.is_running = false;
		r->is_finishing = r->is_finishing && !is_finish;
	}
	applier->running[self] = NULL;
	lock_give(&r->lock);
	return NULL;
}

/* False: there is no thread to be had. Under lock. */
static bool start_worker(struct applier *applier)
{
	pthread_t *thread = &applier->workers[applier->worker_count];
	if (pthread_create(thread, NULL, worker_run, applier) != 0)
		return false;
	applier->worker_count++;
	return true;
}

/* Without another one it waits until a worker is done. Under lock. */
static void have_it_done(struct applier *applier)
{
	uint64_t waiting = applier->next_job - applier->first_job;
	if (waiting > (uint64_t)applier->idle_count && applier->worker_count < WORKERS)
		(void)start_worker(applier);
	condition_wake_one(&applier->has_job);
}

/* Waits for room. */
static void push_job(struct applier *applier, struct job *job)
{
	struct replicator *r = applier->r;
	lock_take(&r->lock);
	while (applier->next_job - applier->first_job >= JOBS_MAX && !applier->is_stopping)
		replicator_wait(r, &r->changed, TICK_NS);
	if (applier->next_job - applier->first_job < JOBS_MAX) {
		job->session = r->receiver.log.header->session;
		job->since_ns = clock_boot_ns();
		applier->jobs[applier->next_job++ % JOBS_MAX] = *job;
		job->fd = -1;
		have_it_done(applier);
	}
	lock_give(&r->lock);
	if (job->fd >= 0)
		close(job->fd);
}

/* ---- one operation ---- */

static void start_sync(struct applier *applier, const struct op *op)
{
	struct job job = { .kind = JOB_SYNC,
		.sequence = op->sequence,
		.fd = -1,
		.is_data_only = (op->mask & BIT(0)) != 0 };
	/* Opened now, as a later operation may take the object's last name. What cannot be opened
	 * is covered by syncing everything. */
	if ((op->mask & SYNC_EVERYTHING) == 0 &&
		tree_open_object(
			applier->r->config.tree, op->object, O_RDONLY | O_NONBLOCK, &job.fd) != 0)
		job.fd = -1;
	push_job(applier, &job);
}

static void start_job(struct applier *applier, enum job_kind kind, const struct op *op)
{
	struct job job = { .kind = kind, .sequence = op->sequence, .fd = -1, .op = *op };
	job.op.name = job.op.new_name = job.op.data = (struct bytes){ 0 };
	push_job(applier, &job);
}

static int apply_once(struct replicator *r, struct op *op)
{
	int error = resync_target_before(r->target, op);
	if (error != 0)
		return error;
	return op_is_resync(op->type) ? resync_target_apply(r->target, op)
				      : tree_apply(r->config.tree, op, TREE_REPLAY);
}

#define PROTECTED_MAX 4 /* objects of one operation */

/* chattr(1)'s flags forbid what they did not forbid there, as the caller was the file system's: they are
 * taken away for a moment. The metadata of a resynchronisation say what they are in the end. */
static int apply_unprotected(struct replicator *r, struct op *op)
{
	const uint64_t objects[PROTECTED_MAX] = { op->object, op->parent, op->new_parent,
		op->replaced };
	uint32_t were[PROTECTED_MAX], any = 0;
	struct tree *tree = r->config.tree;
	for (size_t i = 0; i < PROTECTED_MAX; i++) {
		were[i] = tree_unprotect(tree, objects[i]);
		any |= were[i];
	}
	int error = any != 0 ? apply_once(r, op) : -EPERM;
	bool is_told = op->type == OP_METADATA && (op->mask & ATTRIBUTE_PROTECTION) != 0;
	for (size_t i = 0; i < PROTECTED_MAX; i++) {
		bool is_gone = were[i] != 0 && !tree_has_object(tree, objects[i]);
		if (were[i] == 0 || is_gone || (is_told && i == 0))
			continue;
		int restored = tree_protect(tree, objects[i], were[i]);
		error = error != 0 ? error : restored;
	}
	return error;
}

static int apply(struct applier *applier, struct op *op)
{
	struct replicator *r = applier->r;
	switch (op->type) {
	case OP_SYNC: start_sync(applier, op); return 0;
	case OP_HASH_WANTED:
		if ((op->mask & HASH_IN_ORDER) == 0)
			start_job(applier, JOB_HASH, op);
		else
			run_hash(r, &(struct job){ .kind = JOB_HASH, .op = *op });
		return 0;
	case OP_RESYNC_END:
		resync_target_end(r->target);
		start_job(applier, JOB_FINISH, op);
		return 0;
	case OP_LEASE: return replicator_raise_id_limit(r, op->offset);
	default: break; /* EXCEPTION: the rest falls in two groups, which op.h tells apart */
	}
	int error = apply_once(r, op);
	if (error == -EPERM)
		error = apply_unprotected(r, op);
	if (error == 0 && r->callbacks.on_applied != NULL)
		r->callbacks.on_applied(r->callbacks.context, op);
	return error;
}

static void say_failed(struct replicator *r, const struct op *op, int error)
{
	char detail[FRAME_TEXT_MAX + 1];
	const char *why = resync_target_why(r->target);
	(void)snprintf(detail, sizeof(detail), "the secondary could not do '%s' on object %llu: %s",
		op_type_name(op->type), (unsigned long long)op->object, strerror(-error));
	if (why[0] != '\0')
		(void)snprintf(detail, sizeof(detail), "%s", why);
	replicator_apply_failed(r, error, detail);
}

/* ---- the applier thread ---- */

static void on_done(struct replicator *r, uint64_t sequence)
{
	int error = receiver_on_applied(&r->receiver, sequence);
	CHECK(error == 0);
}

static void apply_next(struct applier *applier, struct bytes encoded)
{
	struct replicator *r = applier->r;
	struct op op;
	size_t size = 0;
	int error = op_decode(encoded, &op, &size);
	CHECK(error == 0); /* it was decoded before it was put there */
	uint64_t sequence = op.sequence;
	r->is_applying = true;
	applier->working_on = sequence;
	applier->working_since_ns = clock_boot_ns();
	lock_give(&r->lock);
	if (IS_PLANTED(PLANTED_APPLIED_TOO_EARLY))
		replicator_send(r, &(struct frame){ .kind = FRAME_ACK,
					   .ack = { .epoch = op.epoch, .applied = sequence } });
	error = apply(applier, &op);
	if (error != 0)
		say_failed(r, &op, error);
	lock_take(&r->lock);
	if (error == 0)
		on_done(r, sequence);
	r->is_applying = false;
	applier->working_on = 0;
	condition_wake_all(&r->changed);
}

static void *applier_run(void *context)
{
	struct applier *applier = context;
	struct replicator *r = applier->r;
	unsigned unacknowledged = 0;
	lock_take(&r->lock);
	while (!applier->is_stopping) {
		struct bytes encoded;
		bool has_op = receiver_next_to_apply(&r->receiver, &encoded);
		if (has_op) {
			apply_next(applier, encoded);
			unacknowledged++;
		}
		if (unacknowledged > 0 && (!has_op || unacknowledged >= ACK_EVERY)) {
			unacknowledged = 0;
			lock_give(&r->lock);
			replicator_send_ack(r);
			lock_take(&r->lock);
		} else if (!has_op) {
			replicator_wait(r, &r->to_apply, NS_PER_S);
		}
	}
	lock_give(&r->lock);
	return NULL;
}

void applier_goes_on(struct applier *applier)
{
	struct replicator *r = applier->r;
	lock_take(&r->lock);
	applier->working_since_ns = clock_boot_ns();
	lock_give(&r->lock);
}

bool applier_is_busy(struct applier *applier, uint64_t *out_sequence, int64_t *out_since_ns)
{
	struct replicator *r = applier->r;
	lock_take(&r->lock);
	*out_sequence = applier->working_on;
	*out_since_ns = applier->working_on != 0 ? applier->working_since_ns : INT64_MAX;
	for (int i = 0; i < WORKERS; i++) {
		const struct job *job = applier->running[i];
		if (job == NULL || !job->is_running || job->since_ns >= *out_since_ns)
			continue;
		*out_sequence = job->sequence;
		*out_since_ns = job->since_ns;
	}
	lock_give(&r->lock);
	return *out_sequence != 0;
}

int applier_new(struct replicator *r, struct applier **out_applier)
{
	struct applier *applier = calloc(1, sizeof(*applier));
	if (applier == NULL)
		return -ENOMEM;
	applier->r = r;
	condition_init(&applier->has_job);
	/* A copy that cannot start its threads must not answer for anything: stop. */
	CHECK(pthread_create(&applier->thread, NULL, applier_run, applier) == 0);
	lock_take(&r->lock);
	CHECK(start_worker(applier));
	*out_applier = applier;
	lock_give(&r->lock);
	return 0;
}

void applier_stop(struct applier *applier)
{
	struct replicator *r = applier->r;
	lock_take(&r->lock);
	applier->is_stopping = true;
	condition_wake_all(&r->to_apply);
	condition_wake_all(&r->changed);
	condition_wake_all(&applier->has_job);
	lock_give(&r->lock);
	(void)pthread_join(applier->thread, NULL);
	applier->is_joined = true;
}

void applier_free(struct applier *applier)
{
	if (applier == NULL)
		return;
	CHECK(applier->is_joined);
	for (int i = 0; i < applier->worker_count; i++)
		(void)pthread_join(applier->workers[i], NULL);
	while (applier->first_job != applier->next_job) {
		int fd = applier->jobs[applier->first_job++ % JOBS_MAX].fd;
		if (fd >= 0)
			close(fd);
	}
	condition_done(&applier->has_job);
	free(applier);
}
