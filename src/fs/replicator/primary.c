/*
 * The primary's side towards the peer: the link thread connects, agrees with the peer on a session
 * (HELLO), and runs it for as long as it lasts (replicator/session.c).
 *
 *	        connect()                 HELLO done            RESYNC_END
 *	IDLE ------------> LINK_RESYNC ------------> CATCHING_UP ----------> PAIRED <--+
 *	  ^                                               | lost               | lost  | HELLO, same
 *	  |                                               v                    v       | session
 *	  +----------------- go_alone, or told ---------- ALONE               HELD ----+
 *	                                                          (LINK_CONTINUE)
 */
#include "fs/replicator/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/error.h"

#define SEQUENCE_MAX	((uint64_t)1 << 62) /* nobody gets there; beyond, sums might overflow */
#define SESSION_GAP	((uint64_t)1 << 24)
#define REFUSE_AFTER_NS (5 * NS_PER_S) /* a peer that cannot be reached for so long is reported */

/* ---- HELLO ---- */

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
	const struct resync_site site = replicator_site(r);
	error = resync_source_start(&site, r->plan, &r->resync);
	if (error != 0)
		sender_peer_lost(&r->sender);
	return error;
}

static int say_hello(struct replicator *r, struct stream *stream, enum link_want want,
	uint64_t session, uint64_t *out_told, struct frame *out_theirs)
{
	uint64_t id_limit = replicator_id_limit(r);
	lock_take(&r->lock);
	struct frame ours = our_hello(r, want, session);
	lock_give(&r->lock);
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
	lock_take(&r->lock);
	enum link_want want = r->want;
	uint64_t session = want == LINK_CONTINUE ? r->send_log.header->session : new_session();
	lock_give(&r->lock);
	uint64_t told = 0;
	int error = say_hello(r, stream, want, session, &told, &theirs);
	if (theirs.kind == FRAME_ERROR)
		(void)snprintf(
			out_why->sentence, sizeof(out_why->sentence), "%s", theirs.error.text);
	if (error != 0)
		return error;
	lock_take(&r->lock);
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
	condition_wake_all(&r->changed);
	lock_give(&r->lock);
	return error;
}

/* ---- the link thread ---- */

/* The memory of a resynchronisation that is over for good. */
static void tidy_resync(struct replicator *r)
{
	lock_take(&r->lock);
	struct resync_source *source = r->resync;
	if (r->sender.mode == SENDER_ALONE)
		r->resync = NULL;
	else
		source = NULL;
	lock_give(&r->lock);
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
	lock_take(&r->lock);
	bool is_due = r->want == LINK_RESYNC && !r->is_loss_reported &&
		      clock_boot_ns() - r->lost_ns > REFUSE_AFTER_NS;
	r->is_loss_reported = r->is_loss_reported || is_due;
	lock_give(&r->lock);
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
		replicator_run_session(r, batch);
		stream_put(stream);
		lock_take(&r->lock);
		*attempt = r->is_silent ? *attempt + 1 : 0;
		lock_give(&r->lock);
		return;
	}
	stream_put(stream);
	*attempt += 1;
	if (error == -ESTALE)
		replicator_drop_peer(r, FS_REPORT_PEER_LOST, error,
			"the peer's process started anew: its copy has to be compared");
	say_unreachable(r, error, &why);
	lock_take(&r->lock);
	if (error == -ESTALE)
		r->want = LINK_IDLE;
	if (!r->is_leaving && r->want != LINK_IDLE)
		replicator_wait(r, &r->changed, RETRY_NS);
	lock_give(&r->lock);
}

void *replicator_primary_run(void *context)
{
	struct replicator *r = context;
	unsigned attempt = 0;
	uint8_t *batch = malloc(BATCH_BYTES);
	CHECK(batch != NULL);
	for (;;) {
		lock_take(&r->lock);
		while (r->want == LINK_IDLE && !r->is_leaving &&
			!(r->sender.mode == SENDER_ALONE && r->resync != NULL))
			replicator_wait(r, &r->changed, NS_PER_S);
		bool is_wanted = r->want != LINK_IDLE;
		bool is_leaving = r->is_leaving;
		lock_give(&r->lock);
		if (is_leaving)
			break;
		tidy_resync(r);
		if (is_wanted)
			try_session(r, &attempt, batch);
	}
	free(batch);
	return NULL;
}
