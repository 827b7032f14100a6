/*
 * The primary's side towards the peer: one thread connects and sends, one receives.
 *
 *	        connect()                 HELLO done            RESYNC_END
 *	IDLE ------------> LINK_RESYNC ------------> CATCHING_UP ----------> PAIRED <--+
 *	  ^                                               | lost               | lost  | HELLO, same
 *	  |                                               v                    v       | session
 *	  +----------------- go_alone, or told ---------- ALONE               HELD ----+
 *	                                                          (LINK_CONTINUE)
 */
#include "fs/replicator_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"

#define BATCH_BYTES	(512 * 1024)
#define SEQUENCE_MAX	((uint64_t)1 << 62) /* nobody gets there; beyond, sums might overflow */
#define SESSION_GAP	((uint64_t)1 << 24)
#define REFUSE_AFTER_NS (5 * NS_PER_S) /* a peer that cannot be reached for so long is reported */

_Static_assert(BATCH_BYTES > FRAME_SIZE_MAX, "every operation fits a batch");

/* ---- losing the peer ---- */

static const char lost_detail[] = "the stream to the peer is down";

void replicator_drop_peer(
	struct replicator *r, enum fs_report report, int error, const char *detail)
{
	pthread_mutex_lock(&r->lock);
	bool is_new = !r->is_loss_reported && sender_is_sending(&r->sender);
	r->is_loss_reported = true;
	r->is_log_broken = r->is_log_broken || report == FS_REPORT_PEER_FAILED;
	if (r->is_log_broken || r->sender.mode == SENDER_CATCHING_UP)
		r->want = LINK_IDLE;
	sender_peer_lost(&r->sender);
	if (r->sender.mode == SENDER_ALONE && r->send_log.header->session != 0)
		replicator_format_send_log(r, 0);
	if (r->stream != NULL)
		stream_end(r->stream);
	r->is_stream_broken = true;
	pthread_cond_broadcast(&r->changed);
	pthread_cond_broadcast(&r->to_send);
	pthread_mutex_unlock(&r->lock);
	if (is_new)
		replicator_say_simple(r, report, error, detail);
}

/* The connection is gone; the session need not be. */
static void on_stream_lost(struct replicator *r)
{
	pthread_mutex_lock(&r->lock);
	bool is_held = r->sender.mode == SENDER_PAIRED || r->sender.mode == SENDER_HELD;
	bool is_over = r->sender.mode == SENDER_CATCHING_UP;
	if (r->sender.mode == SENDER_PAIRED) {
		r->lost_ns = clock_boot_ns();
		sender_peer_lost(&r->sender);
	}
	if (is_held)
		r->want = r->is_log_broken ? LINK_IDLE : LINK_CONTINUE;
	pthread_mutex_unlock(&r->lock);
	if (is_over)
		replicator_drop_peer(r, FS_REPORT_PEER_LOST, -ECONNRESET, lost_detail);
}

/* ---- receiving ---- */

static int on_ack(struct replicator *r, const struct frame *frame)
{
	pthread_mutex_lock(&r->lock);
	/* What is durable at a copy that is not complete proves nothing. */
	uint64_t durable = r->sender.mode == SENDER_CATCHING_UP ? 0 : frame->ack.durable;
	uint64_t before = r->sender.acked;
	int error =
		sender_on_acknowledged(&r->sender, frame->ack.epoch, frame->ack.applied, durable);
	if (error == 0) {
		if (r->sender.acked > before || r->sender.acked >= r->sent)
			r->progress_ns = clock_boot_ns();
		r->send_log.header->applied = r->sender.acked;
		oplog_trim(&r->send_log, MIN_OF(r->sender.acked, r->sent));
		replicator_peer_durable(r, durable);
		pthread_cond_broadcast(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
	if (error == 0)
		replicator_answer(r);
	return error;
}

static void on_progress(struct replicator *r, const struct frame *frame)
{
	pthread_mutex_lock(&r->lock);
	if (frame->progress.duration_ns < OP_TIMEOUT_NS)
		r->progress_ns = clock_boot_ns();
	pthread_mutex_unlock(&r->lock);
}

static void on_synced(struct replicator *r, const struct frame *frame)
{
	if (frame->synced.error != 0) {
		replicator_drop_peer(r, FS_REPORT_PEER_FAILED, frame->synced.error,
			"the peer could not make data durable: look at its disk");
		return;
	}
	pthread_mutex_lock(&r->lock);
	replicator_peer_synced(r, frame->synced.sequence);
	struct resync_source *source = r->resync;
	r->progress_ns = clock_boot_ns();
	pthread_mutex_unlock(&r->lock);
	/* The source is freed by the link thread only, after it has joined this one. */
	if (source != NULL)
		resync_source_on_synced(source, frame->synced.sequence);
	replicator_answer(r);
}

static void on_complete(struct replicator *r)
{
	pthread_mutex_lock(&r->lock);
	bool is_new = !r->is_complete_reported && r->sender.mode == SENDER_PAIRED;
	r->is_complete_reported = r->is_complete_reported || is_new;
	pthread_mutex_unlock(&r->lock);
	if (is_new)
		replicator_say_simple(r, FS_REPORT_TARGET_COMPLETE, 0, "");
}

static void on_hashes(struct replicator *r, const struct frame *frame)
{
	pthread_mutex_lock(&r->lock);
	struct resync_source *source = r->sender.mode == SENDER_CATCHING_UP ? r->resync : NULL;
	r->progress_ns = clock_boot_ns();
	if (replicator_verify_on_hashes(r, frame))
		source = NULL;
	pthread_mutex_unlock(&r->lock);
	if (source != NULL)
		resync_source_on_hashes(source, frame);
}

/* Errors: anything that ends the connection. */
static int on_frame(struct replicator *r, const struct frame *frame)
{
	switch (frame->kind) {
	case FRAME_ACK: return on_ack(r, frame);
	case FRAME_PROGRESS: on_progress(r, frame); return 0;
	case FRAME_SYNCED: on_synced(r, frame); return 0;
	case FRAME_HASHES: on_hashes(r, frame); return 0;
	case FRAME_COMPLETE: on_complete(r); return 0;
	case FRAME_ERROR:
		replicator_drop_peer(
			r, FS_REPORT_PEER_FAILED, frame->error.error, frame->error.text);
		return -ECONNRESET;
	case FRAME_NONE:
	case FRAME_HELLO:
	case FRAME_OP:
	case FRAME_KEEP:
	case FRAME_KIND_COUNT: break;
	}
	return -EBADMSG;
}

static void *receiver_run(void *context)
{
	struct replicator *r = context;
	struct stream *stream = r->stream; /* set before this thread, cleared after it */
	int error = 0;
	while (error == 0 || error == -ETIMEDOUT) {
		struct frame frame;
		error = stream_receive(stream, NS_PER_S, &frame);
		if (error == 0)
			error = on_frame(r, &frame);
		pthread_mutex_lock(&r->lock);
		if (error == 0)
			r->heard_ns = clock_boot_ns();
		if (r->is_leaving && error == 0)
			error = -ECONNRESET;
		pthread_mutex_unlock(&r->lock);
	}
	pthread_mutex_lock(&r->lock);
	r->is_stream_broken = true;
	pthread_cond_broadcast(&r->to_send);
	pthread_mutex_unlock(&r->lock);
	stream_end(stream);
	return NULL;
}

/* ---- sending ---- */

/* Copies whole frames of what was not sent yet. Under lock. */
static size_t gather(struct replicator *r, uint8_t *batch)
{
	size_t size = 0;
	struct oplog_cursor cursor = r->send_cursor;
	struct bytes encoded;
	while (oplog_next(&r->send_log, &cursor, &encoded)) {
		if (size + FRAME_LEAD_SIZE + encoded.size > BATCH_BYTES)
			break;
		frame_encode_lead(FRAME_OP, encoded.size, batch + size);
		memcpy(batch + size + FRAME_LEAD_SIZE, encoded.data, encoded.size);
		size += FRAME_LEAD_SIZE + encoded.size;
		r->send_cursor = cursor;
		r->sent++;
	}
	return size;
}

static void send_all(struct replicator *r, uint8_t *batch)
{
	pthread_mutex_lock(&r->lock);
	while (!r->is_stream_broken && !r->is_leaving && !r->is_log_broken &&
		sender_is_sending(&r->sender)) {
		bool was_idle = r->sender.acked >= r->sent;
		size_t size = gather(r, batch);
		if (size == 0) {
			replicator_wait(r, &r->to_send, NS_PER_S);
			continue;
		}
		r->sent_ns = clock_boot_ns();
		if (was_idle) /* the peer owes an answer only from now on */
			r->progress_ns = r->sent_ns;
		r->is_sending = true;
		pthread_mutex_unlock(&r->lock);
		int error = stream_send_encoded(r->stream, batch, size);
		pthread_mutex_lock(&r->lock);
		r->is_sending = false;
		if (error != 0)
			r->is_stream_broken = true;
	}
	pthread_mutex_unlock(&r->lock);
}

/* ---- a connection, from HELLO to its end ---- */

static uint64_t new_session(void)
{
	uint64_t session = 0;
	while (session == 0)
		CHECK(getrandom(&session, sizeof(session), 0) == (ssize_t)sizeof(session));
	return session;
}

static struct frame our_hello(struct replicator *r, enum link_want want, uint64_t session)
{
	struct frame frame = { .kind = FRAME_HELLO, .hello = replicator_hello(r) };
	frame.hello.session = session;
	/* Answers go on while HELLO is under way: the new session begins well above them. */
	frame.hello.received =
		want == LINK_CONTINUE ? r->sender.acked : r->sender.next_sequence + SESSION_GAP;
	frame.hello.durable = r->sender.local_barrier;
	frame.hello.wants = want == LINK_CONTINUE	  ? STREAM_CONTINUE
			    : r->plan == RESYNC_SET_ASIDE ? STREAM_SET_ASIDE
							  : STREAM_COMPARE;
	return frame;
}

/* Same session: from what the peer has received on, everything is sent again. */
static int continue_session(struct replicator *r, const struct frame_hello *theirs)
{
	if (theirs->session != r->send_log.header->session || r->is_log_broken)
		return -ESTALE;
	int error = sender_reconnected(&r->sender, theirs->received);
	if (error != 0)
		return -ESTALE;
	if (oplog_seek(&r->send_log, theirs->received + 1, &r->send_cursor) != 0)
		r->send_cursor.position = r->send_log.header->tail; /* it has everything */
	r->sent = theirs->received;
	return 0;
}

/*
 * A new session: its first operation is the first of the resynchronisation. All its sequences are
 * above whatever the peer saw in another history, so that barriers only rise.
 */
static int begin_session(
	struct replicator *r, uint64_t session, uint64_t told, uint64_t known_there)
{
	if (known_there >= SEQUENCE_MAX)
		return -EBADMSG;
	if (known_there > told && r->sender.mode == SENDER_ALONE) {
		r->sender.next_sequence = MAX_OF(r->sender.next_sequence, known_there + 1);
		return -EAGAIN;
	}
	if (r->resync != NULL || r->sender.next_sequence > told + 1)
		return -EAGAIN; /* orders came in between: the next try finds it tidy */
	int error = sender_catch_up(&r->sender);
	if (error != 0)
		return error;
	r->sender.next_sequence = told + 1;
	r->sender.acked = r->sender.next_sequence - 1;
	r->is_complete_reported = false;
	replicator_format_send_log(r, session);
	error = resync_source_start(r, r->plan, &r->resync);
	if (error != 0)
		sender_peer_lost(&r->sender);
	return error;
}

static int say_hello(struct replicator *r, struct stream *stream, enum link_want want,
	uint64_t session, uint64_t *out_told, struct frame *out_theirs)
{
	uint64_t id_limit = replicator_id_limit(r);
	pthread_mutex_lock(&r->lock);
	struct frame ours = our_hello(r, want, session);
	pthread_mutex_unlock(&r->lock);
	ours.hello.id_limit = id_limit;
	*out_told = ours.hello.received;
	int error = stream_send(stream, &ours);
	if (error == 0)
		error = stream_receive(stream, HELLO_TIMEOUT_NS, out_theirs);
	if (error != 0)
		return error;
	if (out_theirs->kind == FRAME_ERROR)
		return -EAGAIN; /* not now; its sentence is in the frame */
	if (out_theirs->kind != FRAME_HELLO || out_theirs->hello.version != STREAM_VERSION)
		return -EBADMSG;
	return replicator_raise_id_limit(r, out_theirs->hello.id_limit);
}

/* Errors: -EAGAIN: try again; -ESTALE: this session cannot go on. */
static int open_session(struct replicator *r, struct stream *stream, struct tls_error *out_why)
{
	struct frame theirs = { 0 };
	pthread_mutex_lock(&r->lock);
	enum link_want want = r->want;
	uint64_t session = want == LINK_CONTINUE ? r->send_log.header->session : new_session();
	pthread_mutex_unlock(&r->lock);
	uint64_t told = 0;
	int error = say_hello(r, stream, want, session, &told, &theirs);
	if (theirs.kind == FRAME_ERROR)
		(void)snprintf(
			out_why->sentence, sizeof(out_why->sentence), "%s", theirs.error.text);
	if (error != 0)
		return error;
	pthread_mutex_lock(&r->lock);
	if (r->want != want || r->is_leaving)
		error = -EAGAIN; /* another order came in between */
	else if (want == LINK_CONTINUE)
		error = continue_session(r, &theirs.hello);
	else
		error = begin_session(r, session, told, theirs.hello.durable);
	if (error == 0) {
		r->want = LINK_IDLE;
		stream_get(stream);
		r->stream = stream;
		r->is_stream_broken = false;
		r->is_loss_reported = false;
		r->progress_ns = r->sent_ns = r->heard_ns = clock_boot_ns();
		r->is_silent = false;
	}
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return error;
}

static void run_session(struct replicator *r, uint8_t *batch)
{
	pthread_t receiver;
	struct replicator_report connected = { .report = FS_REPORT_CONNECTED };
	pthread_mutex_lock(&r->lock);
	connected.is_continued = r->sender.mode == SENDER_PAIRED;
	pthread_mutex_unlock(&r->lock);
	CHECK(replicator_start_thread(&receiver, receiver_run, r) == 0);
	replicator_say(r, &connected);
	replicator_answer(r); /* what was acknowledged before the connection broke */
	send_all(r, batch);
	stream_end(r->stream);
	(void)pthread_join(receiver, NULL);
	pthread_mutex_lock(&r->lock);
	struct stream *stream = r->stream;
	r->stream = NULL;
	pthread_mutex_unlock(&r->lock);
	stream_put(stream);
	on_stream_lost(r);
}

/* ---- the link thread ---- */

/* The memory of a resynchronisation that is over for good. */
static void tidy_resync(struct replicator *r)
{
	pthread_mutex_lock(&r->lock);
	struct resync_source *source = r->resync;
	if (r->sender.mode == SENDER_ALONE)
		r->resync = NULL;
	else
		source = NULL;
	pthread_mutex_unlock(&r->lock);
	if (source == NULL)
		return;
	resync_source_stop(source);
	resync_source_free(source);
}

static int try_connect(struct replicator *r, unsigned attempt, struct tls_error *out_why,
	struct stream **out_stream)
{
	const struct node_config *peer = config_node_by_id(r->config.cluster, r->config.peer);
	if (peer == NULL || peer->address_count == 0)
		return -ENOENT;
	const struct stream_call call = {
		.address = peer->addresses[attempt % peer->address_count],
		.port = r->config.cluster->port,
		.caller = r->config.self,
		.module = r->config.module->name,
		.peer_name = peer->name,
		.timeout_ns = CONNECT_TIMEOUT_NS,
	};
	return stream_connect(r->tls, &call, out_stream, out_why);
}

static void say_unreachable(struct replicator *r, int error, const struct tls_error *why)
{
	pthread_mutex_lock(&r->lock);
	bool is_due = r->want == LINK_RESYNC && !r->is_loss_reported &&
		      clock_boot_ns() - r->lost_ns > REFUSE_AFTER_NS;
	r->is_loss_reported = r->is_loss_reported || is_due;
	pthread_mutex_unlock(&r->lock);
	if (is_due)
		replicator_say_simple(r, FS_REPORT_REFUSED, error,
			why->sentence[0] != '\0' ? why->sentence : "the peer cannot be reached");
}

/* One try: connect, HELLO, and the session for as long as it lasts. */
static void try_session(struct replicator *r, unsigned *attempt, uint8_t *batch)
{
	struct tls_error why = { 0 };
	struct stream *stream = NULL;
	int error = try_connect(r, *attempt, &why, &stream);
	if (error == 0)
		error = open_session(r, stream, &why);
	if (error == 0) {
		run_session(r, batch);
		stream_put(stream);
		pthread_mutex_lock(&r->lock);
		*attempt = r->is_silent ? *attempt + 1 : 0;
		pthread_mutex_unlock(&r->lock);
		return;
	}
	stream_put(stream);
	*attempt += 1;
	if (error == -ESTALE)
		replicator_drop_peer(r, FS_REPORT_PEER_LOST, error,
			"the peer's process started anew: its copy has to be compared");
	say_unreachable(r, error, &why);
	pthread_mutex_lock(&r->lock);
	if (error == -ESTALE)
		r->want = LINK_IDLE;
	if (!r->is_leaving && r->want != LINK_IDLE)
		replicator_wait(r, &r->changed, RETRY_NS);
	pthread_mutex_unlock(&r->lock);
}

void *replicator_primary_run(void *context)
{
	struct replicator *r = context;
	unsigned attempt = 0;
	uint8_t *batch = malloc(BATCH_BYTES);
	CHECK(batch != NULL);
	for (;;) {
		pthread_mutex_lock(&r->lock);
		while (r->want == LINK_IDLE && !r->is_leaving &&
			!(r->sender.mode == SENDER_ALONE && r->resync != NULL))
			replicator_wait(r, &r->changed, NS_PER_S);
		bool is_wanted = r->want != LINK_IDLE;
		bool is_leaving = r->is_leaving;
		pthread_mutex_unlock(&r->lock);
		if (is_leaving)
			break;
		tidy_resync(r);
		if (is_wanted)
			try_session(r, &attempt, batch);
	}
	free(batch);
	return NULL;
}

void replicator_paired(struct replicator *r)
{
	int error = sender_pair(&r->sender);
	CHECK(error == 0);
	r->send_log.header->is_paired = 1;
}
