#include "fs/replicator/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- small things for all files ---- */

void replicator_say(struct replicator *r, const struct fs_reported *report)
{
	r->callbacks.on_report(r->callbacks.context, report);
}

void replicator_send_beat(struct replicator *r, const char *beat)
{
	lock_take(&r->lock);
	(void)snprintf(r->beat, sizeof(r->beat), "%s", r->stream != NULL ? beat : "");
	condition_wake_one(&r->to_send);
	lock_give(&r->lock);
}

bool replicator_take_beat(struct replicator *r, struct frame *out_frame)
{
	if (r->beat[0] == '\0')
		return false;
	*out_frame = (struct frame){ .kind = FRAME_BEAT };
	(void)snprintf(out_frame->beat, sizeof(out_frame->beat), "%s", r->beat);
	r->beat[0] = '\0';
	return true;
}

void replicator_say_simple(
	struct replicator *r, enum fs_report report, int error, const char *detail)
{
	struct fs_reported said = { .report = report, .error = error };
	(void)snprintf(said.detail, sizeof(said.detail), "%s", detail);
	replicator_say(r, &said);
}

static void say_state(struct replicator *r, int error)
{
	struct fs_reported said = { .report = FS_REPORT_NOTICE, .error = error };
	if (error != 0)
		(void)snprintf(said.detail, sizeof(said.detail),
			"%.60s cannot be written: %.30s; repair that disk", r->state_path,
			strerror(-error));
	else
		(void)snprintf(said.detail, sizeof(said.detail), "%.60s can be written again",
			r->state_path);
	replicator_say(r, &said);
}

int replicator_store_state_unlock(struct replicator *r)
{
	int error = state_store(&r->slots, &r->state);
	bool is_news = (error != 0) != r->is_state_stuck;
	r->is_state_stuck = error != 0;
	lock_give(&r->state_lock);
	if (is_news)
		say_state(r, error);
	return error;
}

const char *replicator_peer_name(const struct replicator *r)
{
	const struct node_config *node = config_node_by_id(r->config.cluster, r->config.peer);
	CHECK(node != NULL);
	return node->name;
}

void replicator_wait(struct replicator *r, struct condition *condition, int64_t timeout_ns)
{
	(void)condition_wait_for(condition, &r->lock, timeout_ns); /* callers look again anyway */
}

int replicator_start_thread(pthread_t *out_thread, void *(*run)(void *), struct replicator *r)
{
	return -pthread_create(out_thread, NULL, run, r);
}

struct replica replicator_replica(struct replicator *r)
{
	enum side side = r->role == FS_PRIMARY	   ? SIDE_PRIMARY
			 : r->role == FS_SECONDARY ? SIDE_SECONDARY
						   : SIDE_NONE;
	return (struct replica){ .side = side, .sender = &r->sender, .receiver = &r->receiver };
}

struct tenant replicator_tenant(const struct replicator *r)
{
	struct tenant tenant = { .epoch = r->epoch };
	memcpy(tenant.set_id, r->set_id, SET_ID_SIZE);
	return tenant;
}

struct hello replicator_hello(struct replicator *r)
{
	struct hello hello = {
		.version = STREAM_VERSION, .epoch = r->epoch, .generation = r->generation
	};
	memcpy(hello.set_id, r->set_id, SET_ID_SIZE);
	return hello;
}

int replicator_refuse(struct replicator *r, int error, const char *detail)
{
	replicator_say_simple(r, FS_REPORT_REFUSED, error, detail);
	return error;
}

/* ---- open and close ---- */

static int map_log(int fd, void **out_memory, size_t *out_size)
{
	struct stat status;
	if (fstat(fd, &status) != 0)
		return -errno;
	size_t size = (size_t)status.st_size;
	if (size <= OPLOG_HEADER_SIZE + OP_SIZE_MAX + ABSENT_SIZE) {
		size = LOG_MEMORY_SIZE;
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
	size -= ABSENT_SIZE;
	/* A log that a predecessor left half formatted held nothing that was promised. */
	if (is_fresh || oplog_attach(log, memory, size) != 0)
		oplog_format(log, memory, size, 0, 1);
	return 0;
}

/* The ABSENT_SIZE bytes that follow each log; only those of the send log are used. */
static void *behind(const struct oplog *log)
{
	return (uint8_t *)log->header + OPLOG_HEADER_SIZE + log->header->ring_size;
}

static void close_log(const struct oplog *log)
{
	if (log->header != NULL)
		(void)munmap(log->header, OPLOG_HEADER_SIZE + log->header->ring_size + ABSENT_SIZE);
}

static int open_logs(struct replicator *r)
{
	struct oplog log = { 0 };
	int error = open_log(r->config.send_log_fd, r->config.is_fresh, &log);
	if (error != 0)
		return error;
	sender_open(&r->sender, &log, r->config.module->durability);
	absent_open(&r->absent, behind(&log));
	error = open_log(r->config.receive_log_fd, r->config.is_fresh, &log);
	if (error == 0)
		receiver_open(&r->receiver, &log);
	return error;
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
	return error != 0 ? error : open_logs(r);
}

/* What was received is gone with the memory it lay in: this copy may miss acknowledged writes (R6).
 */
int replicator_drop_in_sync(struct replicator *r)
{
	lock_take(&r->state_lock);
	if (standing_drop_in_sync(&r->state))
		return replicator_store_state_unlock(r);
	lock_give(&r->state_lock);
	return 0;
}

static void init_locks(struct replicator *r)
{
	lock_init(&r->lock, RANK_REPLICATOR);
	lock_init(&r->mark_lock, RANK_MARKS);
	lock_init(&r->state_lock, RANK_STATE);
	lock_init(&r->answer_lock, RANK_REPLICATOR_ANSWER);
	condition_init(&r->changed);
	condition_init(&r->to_send);
	condition_init(&r->to_apply);
	condition_init(&r->to_tick);
}

static void done_locks(struct replicator *r)
{
	condition_done(&r->to_tick);
	condition_done(&r->to_apply);
	condition_done(&r->to_send);
	condition_done(&r->changed);
	lock_done(&r->answer_lock);
	lock_done(&r->state_lock);
	lock_done(&r->mark_lock);
	lock_done(&r->lock);
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
	(void)snprintf(r->state_path, sizeof(r->state_path), "%s", config->state_path);
	(void)snprintf(r->alive_path, sizeof(r->alive_path), "%s",
		config->alive_path != NULL ? config->alive_path : "");
	init_locks(r);
	int error = open_parts(r);
	if (error == 0)
		replicator_believe_roots(r);
	if (error == 0 && config->is_fresh)
		error = replicator_drop_in_sync(r);
	if (error != 0) {
		replicator_close(r);
		return error;
	}
	*out_replicator = r;
	return 0;
}

void replicator_close(struct replicator *r)
{
	if (r == NULL)
		return;
	replicator_free_retired(r);
	replicator_leave_role(r);
	replicator_free_retired(r);
	absent_close(&r->absent);
	close_log(&r->sender.log);
	close_log(&r->receiver.log);
	if (r->slots.fd >= 0)
		slotfile_close(&r->slots);
	tls_context_free(r->tls);
	done_locks(r);
	free(r);
}

/* ---- the primary and its peer ---- */

static enum stream_wants wanted_by(enum resync_plan plan)
{
	return plan == RESYNC_SET_ASIDE ? STREAM_SET_ASIDE : STREAM_COMPARE;
}

int replicator_connect(struct replicator *r, enum resync_plan plan)
{
	lock_take(&r->lock);
	int error = r->role == FS_PRIMARY
			    ? session_connect(&r->sender, wanted_by(plan), clock_boot_ns())
			    : -EINVAL;
	if (error == 0)
		r->is_session_unmarked = true;
	condition_wake_all(&r->changed);
	lock_give(&r->lock);
	return error == 0 ? 0
			  : replicator_refuse(r, error, "cannot connect: not primary and alone");
}

int replicator_pair(struct replicator *r, struct epoch epoch)
{
	lock_take(&r->lock);
	bool is_paired = r->role == FS_PRIMARY && session_is_paired(&r->sender, epoch.number);
	if (is_paired)
		barriers_want(&r->barriers); /* and the roots say from then on that it was so */
	condition_wake_one(&r->to_tick);
	lock_give(&r->lock);
	return is_paired ? 0
			 : replicator_refuse(r, -EINVAL, "cannot pair: the peer is not up to date");
}

static int move_alone(struct replicator *r, struct epoch epoch)
{
	int error = sender_go_alone(&r->sender, epoch.number);
	if (error != 0)
		return error;
	r->epoch = epoch;
	barriers_want(&r->barriers); /* the data know of the epoch, too */
	absent_clear(&r->absent);
	if (r->stream != NULL)
		stream_end(r->stream);
	condition_wake_all(&r->changed);
	condition_wake_all(&r->to_send);
	condition_wake_one(&r->to_tick);
	return 0;
}

int replicator_go_alone(struct replicator *r, struct epoch epoch, struct generation generation)
{
	lock_take(&r->lock);
	int error = r->role == FS_PRIMARY ? move_alone(r, epoch) : -EINVAL;
	if (error == 0)
		r->generation = generation;
	lock_give(&r->lock);
	if (error != 0)
		return replicator_refuse(
			r, error, "cannot go on alone: not primary, or the epoch is not new");
	lock_take(&r->state_lock);
	standing_go_alone(&r->state, epoch);
	error = replicator_store_state_unlock(r);
	if (error != 0)
		return replicator_refuse(r, error, "cannot write this module's state");
	replicator_answer(r);
	replicator_say_simple(r, FS_REPORT_IS_ALONE, 0, "");
	return 0;
}

void replicator_hold(struct replicator *r, bool is_held)
{
	lock_take(&r->answer_lock); /* nobody is answering any more when this returns */
	lock_take(&r->lock);
	sender_mute(&r->sender, is_held);
	lock_give(&r->lock);
	lock_give(&r->answer_lock);
	if (!is_held)
		replicator_answer(r);
}

void replicator_let_go(struct replicator *r, bool is_left)
{
	lock_take(&r->lock);
	session_let_go(&r->sender, is_left);
	condition_wake_all(&r->changed);
	lock_give(&r->lock);
}

int replicator_drain(struct replicator *r)
{
	lock_take(&r->lock);
	bool is_possible = r->role == FS_PRIMARY;
	if (is_possible)
		barriers_want_drain(&r->barriers);
	condition_wake_one(&r->to_tick);
	lock_give(&r->lock);
	return is_possible ? 0 : replicator_refuse(r, -EINVAL, "cannot drain: not primary");
}

void replicator_barriers(struct replicator *r, uint64_t *out_here, uint64_t *out_peer)
{
	lock_take(&r->state_lock);
	*out_here = r->state.barrier;
	*out_peer = r->state.peer_barrier;
	lock_give(&r->state_lock);
}
