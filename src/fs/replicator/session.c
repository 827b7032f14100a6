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

void replicator_drop_peer(struct replicator *r, enum loss loss, int error, const char *detail)
{
	lock_take(&r->lock);
	bool is_news = session_drop(&r->sender, loss);
	if (r->sender.mode == SENDER_ALONE)
		absent_clear(&r->absent);
	if (r->stream != NULL)
		stream_end(r->stream);
	r->is_stream_broken = true;
	condition_wake_all(&r->changed);
	condition_wake_all(&r->to_send);
	lock_give(&r->lock);
	if (is_news)
		replicator_say_simple(r,
			loss == LOSS_FAILED ? FS_REPORT_PEER_FAILED : FS_REPORT_PEER_LOST, error,
			detail);
}

/* The connection is gone; the session need not be. */
static void on_stream_lost(struct replicator *r)
{
	lock_take(&r->lock);
	bool is_peer_lost = session_on_disconnected(&r->sender, clock_boot_ns());
	lock_give(&r->lock);
	if (is_peer_lost)
		replicator_drop_peer(
			r, LOSS_SILENT, -ECONNRESET, complaint_sentence(COMPLAINT_DOWN));
}

/* ---- receiving ---- */

static int on_ack(struct replicator *r, const struct frame *frame)
{
	lock_take(&r->lock);
	int error = sender_on_acknowledged(&r->sender, frame->ack.epoch, frame->ack.applied,
		frame->ack.durable, clock_boot_ns());
	if (error == 0) {
		syncs_on_durable_there(&r->syncs, r->sender.peer_barrier);
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
	watch_on_working(&r->sender, frame->progress.duration_ns, clock_boot_ns());
	lock_give(&r->lock);
}

static void on_synced(struct replicator *r, const struct frame *frame)
{
	if (frame->synced.error != 0) {
		replicator_drop_peer(r, LOSS_FAILED, frame->synced.error,
			"the peer could not make data durable: look at its disk");
		return;
	}
	lock_take(&r->lock);
	syncs_on_done_there(&r->syncs, frame->synced.sequence);
	struct resync_source *source = r->resync;
	watch_on_progress(&r->sender, clock_boot_ns());
	lock_give(&r->lock);
	/* The source is freed by the link thread only, after it has joined this one. */
	if (source != NULL)
		resync_source_on_synced(source, frame->synced.sequence);
	replicator_answer(r);
}

static void on_complete(struct replicator *r)
{
	struct fs_reported said = { .report = FS_REPORT_TARGET_COMPLETE };
	lock_take(&r->lock);
	bool is_new = session_on_complete(&r->sender);
	if (r->resync != NULL)
		said.left_out = resync_source_left_out(r->resync, said.detail, sizeof(said.detail));
	lock_give(&r->lock);
	if (is_new)
		replicator_say(r, &said);
}

static void on_hashes(struct replicator *r, const struct frame *frame)
{
	lock_take(&r->lock);
	struct resync_source *source = r->sender.mode == SENDER_CATCHING_UP ? r->resync : NULL;
	watch_on_progress(&r->sender, clock_boot_ns());
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
	case FRAME_BEAT: r->callbacks.on_beat(r->callbacks.context, frame->beat); return 0;
	case FRAME_ERROR:
		replicator_drop_peer(r, LOSS_FAILED, frame->error.error, frame->error.text);
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
			watch_on_heard(&r->sender, clock_boot_ns());
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

static size_t put(const struct frame *frame, uint8_t *batch)
{
	size_t size = 0;
	int error = frame_encode(frame, batch, BATCH_BYTES, &size);
	CHECK(error == 0);
	return size;
}

/* Copies whole frames of what was not sent yet, behind so much that is there already. Under lock. */
static size_t gather(struct replicator *r, uint8_t *batch, size_t size)
{
	struct oplog_cursor after;
	struct bytes encoded;
	while (sender_next_to_send(&r->sender, &after, &encoded)) {
		if (size + FRAME_LEAD_SIZE + encoded.size > BATCH_BYTES)
			break;
		frame_encode_lead(FRAME_OP, encoded.size, batch + size);
		memcpy(batch + size + FRAME_LEAD_SIZE, encoded.data, encoded.size);
		size += FRAME_LEAD_SIZE + encoded.size;
		sender_on_sent(&r->sender, after);
	}
	return size;
}

/* The sign of life of a primary that has nothing to say: from this thread, as any other would wait
 * behind a connection that is full. Under lock. */
static size_t put_keep(struct replicator *r, uint8_t *batch)
{
	const struct frame keep = { .kind = FRAME_KEEP, .complete.sequence = r->sender.acked };
	return put(&keep, batch);
}

static size_t put_beat(struct replicator *r, uint8_t *batch)
{
	struct frame beat;
	return replicator_take_beat(r, &beat) ? put(&beat, batch) : 0;
}

static void send_all(struct replicator *r, uint8_t *batch)
{
	lock_take(&r->lock);
	while (!r->is_stream_broken && !r->is_leaving && !r->sender.session.is_broken &&
		sender_is_sending(&r->sender)) {
		bool was_idle = r->sender.acked >= r->sender.sent;
		size_t aside = put_beat(r, batch);
		size_t size = gather(r, batch, aside);
		bool is_keep = size == aside; /* nothing that the peer answers */
		if (size == 0 && r->is_keep_due)
			size = put_keep(r, batch);
		r->is_keep_due = false;
		if (size == 0) {
			replicator_wait(r, &r->to_send, NS_PER_S);
			continue;
		}
		watch_on_writing(&r->sender, was_idle && !is_keep, clock_boot_ns());
		lock_give(&r->lock);
		int error = stream_send_encoded(r->stream, batch, size);
		lock_take(&r->lock);
		watch_on_written(&r->sender);
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
