/*
 * The primary's session, from HELLO to the end of its connection: the link thread sends, another one
 * receives. A connection that ends costs no session while the copies are in step; a session that
 * cannot go on costs the peer, and that is reported once.
 */
#include "fs/replicator/inside.h"

#include <errno.h>
#include <string.h>

_Static_assert(BATCH_BYTES > FRAME_SIZE_MAX, "every operation fits a batch");

/* ---- losing the peer ---- */

static const char lost_detail[] = "the stream to the peer is down";

void replicator_drop_peer(
	struct replicator *r, enum fs_report report, int error, const char *detail)
{
	lock_take(&r->lock);
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
	condition_wake_all(&r->changed);
	condition_wake_all(&r->to_send);
	lock_give(&r->lock);
	if (is_new)
		replicator_say_simple(r, report, error, detail);
}

/* The connection is gone; the session need not be. */
static void on_stream_lost(struct replicator *r)
{
	lock_take(&r->lock);
	bool is_held = r->sender.mode == SENDER_PAIRED || r->sender.mode == SENDER_HELD;
	bool is_over = r->sender.mode == SENDER_CATCHING_UP;
	if (r->sender.mode == SENDER_PAIRED) {
		r->lost_ns = clock_boot_ns();
		sender_peer_lost(&r->sender);
	}
	if (is_held)
		r->want = r->is_log_broken ? LINK_IDLE : LINK_CONTINUE;
	lock_give(&r->lock);
	if (is_over)
		replicator_drop_peer(r, FS_REPORT_PEER_LOST, -ECONNRESET, lost_detail);
}

/* ---- receiving ---- */

static int on_ack(struct replicator *r, const struct frame *frame)
{
	lock_take(&r->lock);
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
		condition_wake_all(&r->changed);
	}
	lock_give(&r->lock);
	if (error == 0)
		replicator_answer(r);
	return error;
}

static void on_progress(struct replicator *r, const struct frame *frame)
{
	lock_take(&r->lock);
	if (frame->progress.duration_ns < OP_TIMEOUT_NS)
		r->progress_ns = clock_boot_ns();
	lock_give(&r->lock);
}

static void on_synced(struct replicator *r, const struct frame *frame)
{
	if (frame->synced.error != 0) {
		replicator_drop_peer(r, FS_REPORT_PEER_FAILED, frame->synced.error,
			"the peer could not make data durable: look at its disk");
		return;
	}
	lock_take(&r->lock);
	replicator_peer_synced(r, frame->synced.sequence);
	struct resync_source *source = r->resync;
	r->progress_ns = clock_boot_ns();
	lock_give(&r->lock);
	/* The source is freed by the link thread only, after it has joined this one. */
	if (source != NULL)
		resync_source_on_synced(source, frame->synced.sequence);
	replicator_answer(r);
}

static void on_complete(struct replicator *r)
{
	lock_take(&r->lock);
	bool is_new = !r->is_complete_reported && r->sender.mode == SENDER_PAIRED;
	r->is_complete_reported = r->is_complete_reported || is_new;
	lock_give(&r->lock);
	if (is_new)
		replicator_say_simple(r, FS_REPORT_TARGET_COMPLETE, 0, "");
}

static void on_hashes(struct replicator *r, const struct frame *frame)
{
	lock_take(&r->lock);
	struct resync_source *source = r->sender.mode == SENDER_CATCHING_UP ? r->resync : NULL;
	r->progress_ns = clock_boot_ns();
	if (replicator_verify_on_hashes(r, frame))
		source = NULL;
	lock_give(&r->lock);
	if (source != NULL)
		resync_source_on_hashes(source, &frame->hashes);
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
		lock_take(&r->lock);
		if (error == 0)
			r->heard_ns = clock_boot_ns();
		if (r->is_leaving && error == 0)
			error = -ECONNRESET;
		lock_give(&r->lock);
	}
	lock_take(&r->lock);
	r->is_stream_broken = true;
	condition_wake_all(&r->to_send);
	lock_give(&r->lock);
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
	lock_take(&r->lock);
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
		lock_give(&r->lock);
		int error = stream_send_encoded(r->stream, batch, size);
		lock_take(&r->lock);
		r->is_sending = false;
		if (error != 0)
			r->is_stream_broken = true;
	}
	lock_give(&r->lock);
}

/* ---- the session ---- */

void replicator_paired(struct replicator *r)
{
	int error = sender_pair(&r->sender);
	CHECK(error == 0);
	r->send_log.header->is_paired = 1;
}

void replicator_run_session(struct replicator *r, uint8_t *batch)
{
	pthread_t receiver;
	struct fs_reported connected = { .report = FS_REPORT_CONNECTED };
	lock_take(&r->lock);
	connected.is_continued = r->sender.mode == SENDER_PAIRED;
	lock_give(&r->lock);
	CHECK(replicator_start_thread(&receiver, receiver_run, r) == 0);
	replicator_say(r, &connected);
	replicator_answer(r); /* what was acknowledged before the connection broke */
	send_all(r, batch);
	stream_end(r->stream);
	(void)pthread_join(receiver, NULL);
	lock_take(&r->lock);
	struct stream *stream = r->stream;
	r->stream = NULL;
	lock_give(&r->lock);
	stream_put(stream);
	on_stream_lost(r);
}
