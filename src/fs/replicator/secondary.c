/*
 * The secondary's side towards its primary: one thread takes proven callers and receives.
 *
 * A connection begins with HELLO. `continue` goes on with the session whose log lies here;
 * `compare` and `set aside` begin a new one, and from then on this copy is no longer in sync until
 * OP_RESYNC_END is durable.
 */
#include "fs/replicator/inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* ---- sending back ---- */

void replicator_send(struct replicator *r, const struct frame *frame)
{
	lock_take(&r->lock);
	struct stream *stream = r->stream;
	if (stream != NULL)
		stream_get(stream);
	lock_give(&r->lock);
	if (stream == NULL)
		return;
	if (stream_send(stream, frame) != 0)
		stream_end(stream); /* its reader sees that */
	stream_put(stream);
}

void replicator_send_ack(struct replicator *r)
{
	lock_take(&r->lock);
	struct frame frame = { .kind = FRAME_ACK, .ack = { .epoch = r->receiver.epoch } };
	bool is_fit =
		receiver_acknowledgeable(&r->receiver, &frame.ack.applied, &frame.ack.durable);
	lock_give(&r->lock);
	if (is_fit)
		replicator_send(r, &frame);
}

void replicator_send_error(struct stream *stream, int error, const char *sentence)
{
	struct frame frame = { .kind = FRAME_ERROR, .error = { .error = error } };
	(void)snprintf(frame.error.text, sizeof(frame.error.text), "%s", sentence);
	if (stream_send(stream, &frame) != 0)
		stream_end(stream); /* as it does anyway */
}

void replicator_apply_failed(struct replicator *r, int error, const char *detail)
{
	lock_take(&r->lock);
	receiver_fail(&r->receiver);
	struct stream *stream = r->stream;
	if (stream != NULL)
		stream_get(stream);
	condition_wake_all(&r->changed);
	lock_give(&r->lock);
	/* The slot may lie on the failing disk: the session is void in memory already. */
	(void)!replicator_drop_in_sync(r);
	if (stream != NULL) {
		replicator_send_error(stream, error, detail);
		stream_put(stream);
	}
	replicator_say_simple(r, FS_REPORT_LOCAL_FAILED, error, detail);
}

/* ---- HELLO ---- */

const char *replicator_objection(struct replicator *r, const struct hello *theirs)
{
	const struct hello ours = replicator_hello(r);
	enum objection objection = receiver_objection(&r->receiver, &ours, theirs);
	return objection == OBJECTION_NONE ? NULL : objection_sentence(objection);
}

/* A fresh session: the log is empty, and nothing here counts until the end of the resync. False: this
 * copy is being promoted. Under lock. */
static bool take_session(struct replicator *r, const struct hello *theirs)
{
	if (!receiver_quiet(&r->receiver))
		return false;
	while (r->is_applying || r->is_finishing)
		replicator_wait(r, &r->changed, TICK_NS);
	if (!receiver_begin_session(&r->receiver, theirs))
		return false;
	memcpy(r->set_id, theirs->set_id, SET_ID_SIZE);
	r->epoch = theirs->epoch;
	r->generation = theirs->generation;
	return true;
}

/* Gives the highest sequence that this copy may have seen before, in any history of its own. */
static int store_session(struct replicator *r, uint64_t *out_known)
{
	const struct tenant tenant = replicator_tenant(r);
	lock_take(&r->state_lock);
	*out_known = standing_begin_session(&r->state, &tenant);
	return replicator_store_state_unlock(r);
}

/* Dropped durably before the first operation of the new session can touch the tree. */
static int begin_session(struct replicator *r, const struct hello *theirs, uint64_t *out_known)
{
	int error = replicator_drop_in_sync(r);
	if (error != 0)
		return error;
	lock_take(&r->lock);
	/* The promotion that began after the objections were heard finishes what was received. */
	bool is_taken = take_session(r, theirs);
	lock_give(&r->lock);
	if (!is_taken)
		return -ESTALE;
	error = store_session(r, out_known);
	/* What is set aside first is marked when that is done. */
	if (error == 0 && theirs->wants == STREAM_COMPARE)
		error = replicator_mark_roots(r, 0);
	return error;
}

static int answer_hello(
	struct replicator *r, struct stream *stream, const struct hello *theirs, uint64_t known)
{
	uint64_t id_limit = replicator_id_limit(r);
	lock_take(&r->lock);
	struct frame ours = { .kind = FRAME_HELLO, .hello = replicator_hello(r) };
	bool is_going_on = receiver_answer(&r->receiver, theirs, known, &ours.hello);
	ours.hello.id_limit = id_limit;
	lock_give(&r->lock);
	int error = stream_send(stream, &ours);
	return error != 0 ? error : is_going_on ? 0 : -ESTALE;
}

static int shake_hands(struct replicator *r, struct stream *stream, const struct hello *theirs)
{
	lock_take(&r->lock);
	const char *why_not = replicator_objection(r, theirs); /* it may have changed */
	lock_give(&r->lock);
	if (why_not != NULL) {
		replicator_send_error(stream, -ESTALE, why_not);
		return -ESTALE;
	}
	char doubt[FS_DETAIL_MAX];
	if (theirs->wants == STREAM_COMPARE &&
		replicator_has_doubt(r, false, doubt, sizeof(doubt))) {
		replicator_send_error(stream, -EUCLEAN, doubt);
		replicator_say_doubt(r, doubt);
		return -EUCLEAN;
	}
	uint64_t known = 0;
	int error = replicator_raise_id_limit(r, theirs->id_limit);
	if (error == 0 && theirs->wants != STREAM_CONTINUE)
		error = begin_session(r, theirs, &known);
	if (error != 0) {
		replicator_send_error(
			stream, error, "the secondary cannot write its state: look at its disk");
		return error;
	}
	return answer_hello(r, stream, theirs, known);
}

/* ---- operations ---- */

static bool has_room(const struct replicator *r)
{
	const struct oplog_header *header = r->receiver.log.header;
	return header->ring_size - (header->tail - header->head) > 3 * (uint64_t)OP_SIZE_MAX;
}

/* Under lock. */
static int take_op(struct replicator *r, const struct op *op, struct bytes encoded)
{
	while (!has_room(r) && receiver_is_open(&r->receiver) && !r->is_leaving && r->taken == NULL)
		replicator_wait(r, &r->changed, TICK_NS);
	bool is_failed = r->receiver.phase == RECEIVER_FAILED; /* its verdict says so */
	if (!is_failed && (!has_room(r) || !receiver_is_open(&r->receiver)))
		return -ECONNRESET;
	switch (receiver_on_arrived(&r->receiver, op->epoch, op->sequence)) {
	case VERDICT_TAKE: break;
	case VERDICT_DUPLICATE:
	case VERDICT_DROP: return 0;
	case VERDICT_GAP: return -EPROTO;
	case VERDICT_STALE_EPOCH: return -ESTALE;
	}
	int error = receiver_append(&r->receiver, op, encoded);
	CHECK(error == 0); /* the receiver and the log count alike, and there is room */
	condition_wake_one(&r->to_apply);
	return 0;
}

static int on_op(struct replicator *r, struct bytes encoded)
{
	struct op op;
	size_t size = 0;
	int error = op_decode(encoded, &op, &size);
	if (error != 0 || size != encoded.size)
		return -EBADMSG;
	lock_take(&r->lock);
	error = take_op(r, &op, encoded);
	lock_give(&r->lock);
	return error;
}

static int receive_all(struct replicator *r, struct stream *stream)
{
	for (;;) {
		struct frame frame;
		int error = stream_receive(stream, NS_PER_S, &frame);
		if (error == 0 && frame.kind == FRAME_OP)
			error = on_op(r, frame.op);
		else if (error == 0 && frame.kind == FRAME_BEAT)
			r->callbacks.on_beat(r->callbacks.context, frame.beat);
		else if (error == 0 && frame.kind != FRAME_KEEP)
			error = -EBADMSG;
		if (error != 0 && error != -ETIMEDOUT)
			return error;
		lock_take(&r->lock);
		bool is_over = r->is_leaving || r->taken != NULL;
		lock_give(&r->lock);
		if (is_over)
			return -ECONNRESET;
	}
}

/* ---- the link thread ---- */

static void put_stream_up(struct replicator *r, struct stream *stream)
{
	lock_take(&r->lock);
	stream_get(stream);
	r->stream = stream;
	/* What was synced while the connection was down is told by a barrier. */
	bool is_in_sync = receiver_is_in_sync(&r->receiver);
	if (is_in_sync)
		barriers_want(&r->barriers);
	uint64_t applied = r->receiver.applied;
	condition_wake_one(&r->to_tick);
	condition_wake_all(&r->changed);
	lock_give(&r->lock);
	replicator_say(r,
		&(struct fs_reported){ .report = FS_REPORT_CONNECTED, .is_continued = is_in_sync });
	replicator_send_ack(r);
	if (is_in_sync) {
		const struct frame complete = { .kind = FRAME_COMPLETE,
			.complete = { .sequence = applied } };
		replicator_send(r, &complete);
	}
}

static void take_stream_down(struct replicator *r)
{
	lock_take(&r->lock);
	struct stream *stream = r->stream;
	r->stream = NULL;
	receiver_on_disconnected(&r->receiver);
	condition_wake_all(&r->changed);
	lock_give(&r->lock);
	stream_put(stream);
}

static void serve(struct replicator *r, struct stream *stream, const struct hello *theirs)
{
	int error = shake_hands(r, stream, theirs);
	if (error == 0) {
		put_stream_up(r, stream);
		error = receive_all(r, stream);
		if (error == -EBADMSG || error == -EPROTO || error == -ESTALE)
			replicator_send_error(
				stream, error, "an operation that does not belong here");
		take_stream_down(r);
	}
	stream_end(stream);
	stream_put(stream);
}

void *replicator_secondary_run(void *context)
{
	struct replicator *r = context;
	lock_take(&r->lock);
	while (!r->is_leaving) {
		if (r->taken == NULL) {
			replicator_wait(r, &r->changed, NS_PER_S);
			continue;
		}
		struct stream *stream = r->taken;
		const struct hello theirs = r->taken_hello;
		r->taken = NULL;
		lock_give(&r->lock);
		serve(r, stream, &theirs);
		lock_take(&r->lock);
	}
	lock_give(&r->lock);
	return NULL;
}
