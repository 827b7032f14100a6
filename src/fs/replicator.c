#include "fs/replicator_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fs/tree_resync.h"

/* ---- small things for all files ---- */

void replicator_say(struct replicator *r, const struct replicator_report *report)
{
	r->callbacks.on_report(r->callbacks.context, report);
}

void replicator_say_simple(
	struct replicator *r, enum fs_report report, int error, const char *detail)
{
	struct replicator_report said = { .report = report, .error = error };
	(void)snprintf(said.detail, sizeof(said.detail), "%s", detail);
	replicator_say(r, &said);
}

int replicator_store_state_unlock(struct replicator *r)
{
	int error = state_store(&r->slots, &r->state);
	pthread_mutex_unlock(&r->state_lock);
	return error;
}

const char *replicator_peer_name(const struct replicator *r)
{
	const struct node_config *node = config_node_by_id(r->config.cluster, r->config.peer);
	CHECK(node != NULL);
	return node->name;
}

void replicator_wait(struct replicator *r, pthread_cond_t *condition, int64_t timeout_ns)
{
	struct timespec until;
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + timeout_ns;
	until.tv_sec += ns / NS_PER_S;
	until.tv_nsec = ns % NS_PER_S;
	(void)pthread_cond_timedwait(condition, &r->lock, &until); /* callers look again anyway */
}

int replicator_start_thread(pthread_t *out_thread, void *(*run)(void *), struct replicator *r)
{
	return -pthread_create(out_thread, NULL, run, r);
}

struct frame_hello replicator_hello(struct replicator *r)
{
	struct frame_hello hello = {
		.version = STREAM_VERSION, .epoch = r->epoch, .generation = r->generation
	};
	memcpy(hello.set_id, r->set_id, SET_ID_SIZE);
	return hello;
}

/* ---- open and close ---- */

static int map_log(int fd, void **out_memory, size_t *out_size)
{
	struct stat status;
	if (fstat(fd, &status) != 0)
		return -errno;
	size_t size = (size_t)status.st_size;
	if (size <= OPLOG_HEADER_SIZE + OP_SIZE_MAX) {
		size = LOG_SIZE;
		if (ftruncate(fd, (off_t)size) != 0)
			return -errno;
	}
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	*out_memory = memory;
	*out_size = size;
	return 0;
}

static int open_log(int fd, bool is_fresh, struct oplog *log)
{
	void *memory = NULL;
	size_t size = 0;
	int error = map_log(fd, &memory, &size);
	if (error != 0)
		return error;
	/* A log that a predecessor left half formatted held nothing that was promised. */
	if (is_fresh || oplog_attach(log, memory, size) != 0)
		oplog_format(log, memory, size, 0, 1);
	return 0;
}

static void close_log(struct oplog *log)
{
	if (log->header != NULL)
		(void)munmap(log->header, OPLOG_HEADER_SIZE + log->header->ring_size);
	log->header = NULL;
}

static int open_parts(struct replicator *r)
{
	struct tls_error why = { 0 };
	int error = 0;
	if (r->config.tls_folder != NULL) /* standalone: there is no peer */
		error = tls_context_new(r->config.tls_folder, &r->tls, &why);
	if (error != 0) {
		replicator_say_simple(r, FS_REPORT_REFUSED, error, why.sentence);
		return error;
	}
	error = slotfile_open(&r->slots, r->config.state_path);
	if (error == 0)
		error = state_load(&r->slots, &r->state);
	if (error == 0)
		error = open_log(r->config.send_log_fd, r->config.is_fresh, &r->send_log);
	if (error == 0)
		error = open_log(r->config.receive_log_fd, r->config.is_fresh, &r->receive_log);
	return error;
}

/* What was received is gone with the memory it lay in: this copy may miss acknowledged writes (R6).
 */
static int drop_in_sync(struct replicator *r)
{
	pthread_mutex_lock(&r->state_lock);
	if (!r->state.is_in_sync) {
		pthread_mutex_unlock(&r->state_lock);
		return 0;
	}
	r->state.is_in_sync = false;
	return replicator_store_state_unlock(r);
}

static void init_locks(struct replicator *r)
{
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->state_lock, NULL);
	pthread_mutex_init(&r->answer_lock, NULL);
	pthread_cond_init(&r->changed, &monotonic);
	pthread_cond_init(&r->to_send, &monotonic);
	pthread_cond_init(&r->to_apply, &monotonic);
	pthread_cond_init(&r->to_tick, &monotonic);
	pthread_cond_init(&r->to_lease, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

int replicator_open(const struct replicator_config *config,
	const struct replicator_callbacks *callbacks, struct replicator **out_replicator)
{
	struct replicator *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->config = *config;
	r->callbacks = *callbacks;
	r->slots.fd = -1;
	r->taken_fd = -1;
	init_locks(r);
	sender_init(&r->sender, 0, 1);
	int error = open_parts(r);
	if (error == 0 && config->is_fresh)
		error = drop_in_sync(r);
	if (error != 0) {
		replicator_close(r);
		return error;
	}
	*out_replicator = r;
	return 0;
}

/* ---- leaving a role ---- */

static void end_threads(struct replicator *r)
{
	pthread_mutex_lock(&r->lock);
	bool has_threads = r->has_threads;
	r->is_leaving = true;
	r->has_threads = false;
	if (r->stream != NULL)
		stream_end(r->stream);
	pthread_cond_broadcast(&r->changed);
	pthread_cond_broadcast(&r->to_send);
	pthread_cond_broadcast(&r->to_apply);
	pthread_cond_broadcast(&r->to_tick);
	pthread_cond_broadcast(&r->to_lease);
	pthread_mutex_unlock(&r->lock);
	if (!has_threads)
		return;
	(void)pthread_join(r->link_thread, NULL);
	(void)pthread_join(r->tick_thread, NULL);
	(void)pthread_join(r->lease_thread, NULL);
	(void)pthread_join(r->barrier_thread, NULL);
}

static void leave_role(struct replicator *r)
{
	if (r->applier != NULL)
		applier_stop(r->applier);
	end_threads(r);
	pthread_mutex_lock(&r->lock);
	CHECK(r->retired_applier == NULL);
	r->retired_applier = r->applier;
	r->applier = NULL;
	struct resync_source *source = r->resync;
	r->resync = NULL;
	r->role = FS_NONE;
	r->want = LINK_IDLE;
	r->is_leaving = false;
	if (r->taken_fd >= 0)
		close(r->taken_fd);
	r->taken_fd = -1;
	pthread_mutex_unlock(&r->lock);
	if (source != NULL) {
		resync_source_stop(source);
		resync_source_free(source);
	}
}

static void free_retired(struct replicator *r)
{
	if (r->retired_applier == NULL)
		return;
	applier_free(r->retired_applier);
	r->retired_applier = NULL;
	resync_target_free(r->target); /* its jobs used it up to now */
	r->target = NULL;
}

void replicator_close(struct replicator *r)
{
	if (r == NULL)
		return;
	free_retired(r);
	leave_role(r);
	free_retired(r);
	close_log(&r->send_log);
	close_log(&r->receive_log);
	if (r->slots.fd >= 0)
		slotfile_close(&r->slots);
	tls_context_free(r->tls);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static int start_threads(struct replicator *r, void *(*link_run)(void *))
{
	pthread_mutex_lock(&r->lock);
	r->is_leaving = false;
	r->barrier_ns = clock_boot_ns();
	pthread_mutex_unlock(&r->lock);
	int error = replicator_start_thread(&r->link_thread, link_run, r);
	if (error != 0)
		return error;
	/* Without its watches a copy must not run at all: stop, and be started again. */
	CHECK(replicator_start_thread(&r->tick_thread, replicator_tick_run, r) == 0);
	CHECK(replicator_start_thread(&r->lease_thread, replicator_lease_run, r) == 0);
	CHECK(replicator_start_thread(&r->barrier_thread, replicator_barrier_run, r) == 0);
	r->has_threads = true;
	return 0;
}

/* ---- primary ---- */

/* Sequences of a new tenure stand above all that were ever given or received here. */
static uint64_t next_tenure(struct replicator *r)
{
	uint64_t known = MAX_OF(r->state.sequence, r->state.barrier);
	known = MAX_OF(known, r->receiver.received);
	known = MAX_OF(known, r->sender.next_sequence);
	return ((known >> TENURE_BITS) + 1) << TENURE_BITS;
}

static int store_primary(struct replicator *r, uint64_t sequence)
{
	pthread_mutex_lock(&r->state_lock);
	memcpy(r->state.set_id, r->set_id, SET_ID_SIZE);
	r->state.epoch = r->epoch;
	r->state.sequence = MAX_OF(r->state.sequence, sequence);
	r->state.is_clean = false;
	r->state.is_in_sync = false;
	return replicator_store_state_unlock(r);
}

/* The predecessor's answers waited for the peer: go on holding them until the session stands again.
 */
static void resume_paired(struct replicator *r)
{
	const struct oplog_header *header = r->send_log.header;
	sender_init(&r->sender, header->epoch, header->next_sequence);
	r->sender.mode = SENDER_HELD;
	r->sender.acked = header->applied;
	r->want = LINK_CONTINUE;
	r->lost_ns = clock_boot_ns();
	r->is_loss_reported = false;
	sender_verify(&r->sender);
}

static bool can_resume_paired(const struct replicator *r, struct epoch epoch)
{
	const struct oplog_header *header = r->send_log.header;
	return header->session != 0 && header->is_paired != 0 && header->epoch == epoch.number &&
	       header->applied < header->next_sequence;
}

static int enter_primary(struct replicator *r, bool is_resumed)
{
	pthread_mutex_lock(&r->lock);
	bool is_paired = is_resumed && can_resume_paired(r, r->epoch);
	bool was_catching_up = is_resumed && !is_paired && r->send_log.header->session != 0;
	if (is_paired) {
		resume_paired(r);
	} else {
		sender_init(&r->sender, r->epoch.number, next_tenure(r));
		replicator_format_send_log(r, 0);
	}
	uint64_t sequence = r->sender.next_sequence;
	r->role = FS_PRIMARY;
	r->is_log_broken = false;
	r->sync_count = 0;
	memset(r->syncs, 0, sizeof(r->syncs));
	pthread_mutex_unlock(&r->lock);
	int error = store_primary(r, sequence);
	if (error == 0)
		error = start_threads(r, replicator_primary_run);
	if (error == 0 && was_catching_up)
		replicator_say_simple(r, FS_REPORT_PEER_LOST, 0,
			"restarted while bringing the peer up to date; it has to begin again");
	return error;
}

int replicator_be_primary(struct replicator *r, struct epoch epoch, struct generation generation,
	const uint8_t set_id[SET_ID_SIZE], bool is_resumed)
{
	free_retired(r);
	leave_role(r);
	free_retired(r);
	memcpy(r->set_id, set_id, SET_ID_SIZE);
	r->epoch = epoch;
	r->generation = generation;
	/* The users of a dead node's orphans are dead; a predecessor's are not. */
	int error = is_resumed ? 0 : tree_purge_orphans(r->config.tree);
	return error != 0 ? error : enter_primary(r, is_resumed);
}

/* ---- secondary ---- */

static bool can_resume_received(const struct replicator *r, struct epoch epoch)
{
	const struct oplog_header *header = r->receive_log.header;
	/* A primary of a later epoch may have connected since the role was ordered. */
	return header->session != 0 && header->epoch >= epoch.number && r->state.is_in_sync &&
	       header->applied < header->next_sequence;
}

static void resume_received(struct replicator *r)
{
	const struct oplog_header *header = r->receive_log.header;
	receiver_init(&r->receiver, header->epoch, header->next_sequence - 1);
	r->receiver.applied = header->applied;
	r->receiver.durable = MIN_OF(header->applied, r->state.barrier);
	r->receiver.is_in_sync = true;
	r->has_session = true;
	if (r->state.epoch.number == header->epoch)
		r->epoch = r->state.epoch;
	if (oplog_seek(&r->receive_log, header->applied + 1, &r->apply_cursor) != 0)
		r->apply_cursor.position = header->tail; /* everything is applied */
	receiver_verify(&r->receiver);
}

static void forget_received(struct replicator *r)
{
	oplog_format(&r->receive_log, r->receive_log.header,
		OPLOG_HEADER_SIZE + r->receive_log.header->ring_size, 0, 1);
	receiver_init(&r->receiver, r->epoch.number, 0);
	r->has_session = false;
	r->apply_cursor.position = r->receive_log.header->tail;
}

static int store_secondary(struct replicator *r)
{
	pthread_mutex_lock(&r->state_lock);
	memcpy(r->state.set_id, r->set_id, SET_ID_SIZE);
	r->state.epoch = r->epoch;
	r->state.is_clean = false;
	r->state.is_in_sync = r->receiver.is_in_sync;
	return replicator_store_state_unlock(r);
}

int replicator_be_secondary(struct replicator *r, struct epoch epoch,
	const uint8_t set_id[SET_ID_SIZE], bool is_resumed)
{
	free_retired(r);
	leave_role(r);
	free_retired(r);
	memcpy(r->set_id, set_id, SET_ID_SIZE);
	r->epoch = epoch;
	pthread_mutex_lock(&r->lock);
	if (is_resumed && can_resume_received(r, epoch))
		resume_received(r);
	else
		forget_received(r);
	r->role = FS_SECONDARY;
	r->is_apply_failed = r->is_applying = false;
	pthread_mutex_unlock(&r->lock);
	int error = store_secondary(r);
	if (error != 0)
		return error;
	r->target = resync_target_new(r);
	if (r->target == NULL)
		return -ENOMEM;
	error = start_threads(r, replicator_secondary_run);
	return error != 0 ? error : applier_new(r, &r->applier);
}

/* ---- promotion ---- */

static int finish_received(struct replicator *r, uint64_t last)
{
	int64_t until_ns = clock_boot_ns() + OP_TIMEOUT_NS;
	pthread_mutex_lock(&r->lock);
	while (r->receiver.applied < last && !r->is_apply_failed && clock_boot_ns() < until_ns)
		replicator_wait(r, &r->changed, TICK_NS);
	bool is_finished = r->receiver.applied >= last;
	pthread_mutex_unlock(&r->lock);
	return is_finished ? 0 : -EIO;
}

static int refuse(struct replicator *r, int error, const char *detail)
{
	replicator_say_simple(r, FS_REPORT_REFUSED, error, detail);
	return error;
}

int replicator_promote(struct replicator *r, struct epoch epoch, struct generation generation)
{
	uint64_t last = 0;
	pthread_mutex_lock(&r->lock);
	int error = r->role == FS_SECONDARY ? receiver_promote(&r->receiver, &last) : -EINVAL;
	if (error == 0 && r->stream != NULL)
		stream_end(r->stream);
	pthread_mutex_unlock(&r->lock);
	if (error != 0)
		return refuse(r, error, "this copy does not hold everything that was acknowledged");
	error = finish_received(r, last);
	if (error != 0)
		return refuse(r, error, "what was received could not be applied to this disk");
	leave_role(r);
	r->epoch = epoch;
	r->generation = generation;
	error = tree_purge_orphans(r->config.tree);
	if (error == 0)
		error = enter_primary(r, false);
	if (error != 0)
		return refuse(r, error, "this node's disk failed while it was taking over");
	pthread_mutex_lock(&r->lock);
	r->is_barrier_wanted = true; /* sync in the background (R6) */
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	replicator_say_simple(r, FS_REPORT_IS_PRIMARY, 0, "");
	return 0;
}

/* ---- the primary and its peer ---- */

int replicator_connect(struct replicator *r, enum resync_plan plan)
{
	pthread_mutex_lock(&r->lock);
	bool is_possible = r->role == FS_PRIMARY && r->sender.mode == SENDER_ALONE;
	bool is_under_way = r->role == FS_PRIMARY && r->sender.mode == SENDER_CATCHING_UP;
	if (is_possible) {
		r->plan = plan;
		r->want = LINK_RESYNC;
		r->is_loss_reported = false;
		r->lost_ns = clock_boot_ns();
		pthread_cond_broadcast(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
	if (is_possible || is_under_way)
		return 0;
	return refuse(r, -EINVAL, "cannot connect: not primary and alone");
}

int replicator_pair(struct replicator *r, struct epoch epoch)
{
	pthread_mutex_lock(&r->lock);
	bool is_paired = r->role == FS_PRIMARY && r->sender.epoch == epoch.number &&
			 (r->sender.mode == SENDER_PAIRED || r->sender.mode == SENDER_HELD);
	pthread_mutex_unlock(&r->lock);
	return is_paired ? 0 : refuse(r, -EINVAL, "cannot pair: the peer is not up to date");
}

static int move_alone(struct replicator *r, struct epoch epoch)
{
	sender_peer_lost(&r->sender);
	bool is_alone = r->sender.mode == SENDER_ALONE && r->sender.epoch == epoch.number;
	int error = is_alone ? 0 : sender_go_alone(&r->sender, epoch.number);
	if (error != 0)
		return error;
	r->epoch = epoch;
	r->want = LINK_IDLE;
	r->is_log_broken = false;
	replicator_format_send_log(r, 0);
	if (r->stream != NULL)
		stream_end(r->stream);
	pthread_cond_broadcast(&r->changed);
	pthread_cond_broadcast(&r->to_send);
	return 0;
}

int replicator_go_alone(struct replicator *r, struct epoch epoch, struct generation generation)
{
	pthread_mutex_lock(&r->lock);
	int error = r->role == FS_PRIMARY ? move_alone(r, epoch) : -EINVAL;
	if (error == 0)
		r->generation = generation;
	pthread_mutex_unlock(&r->lock);
	if (error != 0)
		return refuse(r, error, "cannot go on alone: not primary, or the epoch is not new");
	pthread_mutex_lock(&r->state_lock);
	r->state.epoch = epoch;
	error = replicator_store_state_unlock(r);
	if (error != 0)
		return refuse(r, error, "cannot write this module's state");
	replicator_answer(r);
	replicator_say_simple(r, FS_REPORT_IS_ALONE, 0, "");
	return 0;
}

void replicator_hold(struct replicator *r, bool is_held)
{
	pthread_mutex_lock(&r->answer_lock); /* nobody is answering any more when this returns */
	pthread_mutex_lock(&r->lock);
	r->sender.is_muted = is_held;
	pthread_mutex_unlock(&r->lock);
	pthread_mutex_unlock(&r->answer_lock);
	if (!is_held)
		replicator_answer(r);
}

int replicator_drain(struct replicator *r)
{
	pthread_mutex_lock(&r->lock);
	bool is_possible = r->role == FS_PRIMARY;
	r->is_drain_wanted = is_possible;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return is_possible ? 0 : refuse(r, -EINVAL, "cannot drain: not primary");
}

int replicator_stop(struct replicator *r)
{
	pthread_mutex_lock(&r->lock);
	enum fs_role role = r->role;
	pthread_mutex_unlock(&r->lock);
	if (role == FS_NONE)
		return 0;
	leave_role(r);
	free_retired(r);
	int error = replicator_take_barrier(r);
	pthread_mutex_lock(&r->state_lock);
	r->state.is_clean = error == 0;
	int stored = replicator_store_state_unlock(r);
	return error != 0 ? error : stored;
}

void replicator_take_connection(struct replicator *r, int fd)
{
	pthread_mutex_lock(&r->lock);
	if (r->taken_fd >= 0)
		close(r->taken_fd);
	r->taken_fd = -1;
	if (r->role == FS_SECONDARY) {
		r->taken_fd = fd;
		fd = -1;
		if (r->stream != NULL)
			stream_end(r->stream); /* the peer would not call if it still used this one
						*/
		pthread_cond_broadcast(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
	if (fd >= 0)
		close(fd);
}

void replicator_barriers(struct replicator *r, uint64_t *out_here, uint64_t *out_peer)
{
	pthread_mutex_lock(&r->state_lock);
	*out_here = r->state.barrier;
	*out_peer = r->state.peer_barrier;
	pthread_mutex_unlock(&r->state_lock);
}
