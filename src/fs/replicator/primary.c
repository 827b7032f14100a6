/*
 * The primary's side towards the peer: the link thread connects, agrees with the peer on a session
 * (HELLO), and runs it for as long as it lasts (replicator/session.c).
 * What is decided there stands in repl/session.h, with a drawing.
 */
#include "fs/replicator/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/error.h"
#include "repl/paths.h"

#define SHORT_SESSION_NS (10 * NS_PER_S) /* whatever ended it: next time over another network */

/* ---- HELLO ---- */

static uint64_t new_session(void)
{
	uint64_t session = 0;
	while (session == 0)
		CHECK(getrandom(&session, sizeof(session), 0) == (ssize_t)sizeof(session));
	return session;
}

/* Both sides of it; ours is what the outcome is held against. */
struct greeting {
	struct hello ours, theirs;
	char refused[FRAME_TEXT_MAX + 1]; /* why the peer does not want to; empty: it does */
};

static int say_hello(struct replicator *r, struct stream *stream, struct greeting *greeting)
{
	struct frame frame = { .kind = FRAME_HELLO };
	uint64_t id_limit = replicator_id_limit(r);
	lock_take(&r->lock);
	frame.hello = replicator_hello(r);
	bool is_wanted = session_hello(&r->sender, new_session(), &frame.hello);
	lock_give(&r->lock);
	if (!is_wanted)
		return -EAGAIN;
	frame.hello.id_limit = id_limit;
	greeting->ours = frame.hello;
	int error = stream_send(stream, &frame);
	if (error == 0)
		error = stream_receive(stream, HELLO_TIMEOUT_NS, &frame);
	if (error != 0)
		return error;
	if (frame.kind == FRAME_ERROR) {
		(void)snprintf(
			greeting->refused, sizeof(greeting->refused), "%s", frame.error.text);
		return -EAGAIN; /* not now */
	}
	if (frame.kind != FRAME_HELLO)
		return -EBADMSG;
	greeting->theirs = frame.hello;
	return replicator_raise_id_limit(r, frame.hello.id_limit);
}

/* The walk over the tree that a new session begins with. Under lock. */
static int start_walk(struct replicator *r)
{
	absent_clear(&r->absent); /* of another session */
	const struct resync_site site = replicator_site(r);
	enum resync_plan plan =
		r->sender.session.plan == STREAM_SET_ASIDE ? RESYNC_SET_ASIDE : RESYNC_COMPARE;
	int error = resync_source_start(&site, plan, &r->resync);
	if (error != 0)
		session_abandon(&r->sender);
	return error;
}

/* Errors: -EAGAIN: try again; -ESTALE: this session cannot go on. Under lock. */
static int hear_hello(struct replicator *r, const struct greeting *greeting)
{
	bool is_tidy = r->resync == NULL;
	if (r->is_leaving)
		return -EAGAIN;
	switch (session_on_hello(
		&r->sender, &greeting->ours, &greeting->theirs, is_tidy, clock_boot_ns())) {
	case HELLO_CONTINUED: return 0;
	case HELLO_BEGUN: return start_walk(r);
	case HELLO_AGAIN: return -EAGAIN;
	case HELLO_OVER: return -ESTALE;
	case HELLO_WRONG:
	case HELLO_OUTCOME_COUNT: break;
	}
	return -EBADMSG;
}

/* Errors: as hear_hello(), and others. */
static int open_session(struct replicator *r, struct stream *stream, struct tls_error *out_why)
{
	struct greeting greeting = { 0 };
	int error = say_hello(r, stream, &greeting);
	if (greeting.refused[0] != '\0')
		(void)snprintf(
			out_why->sentence, sizeof(out_why->sentence), "%s", greeting.refused);
	if (error != 0)
		return error;
	lock_take(&r->lock);
	error = hear_hello(r, &greeting);
	if (error == 0) {
		stream_get(stream);
		r->stream = stream;
		r->is_stream_broken = false;
	}
	condition_wake_all(&r->changed);
	lock_give(&r->lock);
	return error;
}

/* ---- the link thread ---- */

/* NULL: it is not among the nodes any more. */
static const struct node_config *peer_of(const struct replicator *r)
{
	const struct node_config *peer = config_node_by_id(r->config.cluster, r->config.peer);

	return peer == NULL || peer->address_count == 0 ? NULL : peer;
}

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

static int try_connect(
	struct replicator *r, uint8_t path, struct tls_error *out_why, struct stream **out_stream)
{
	const struct node_config *peer = peer_of(r);
	if (peer == NULL)
		return -ENOENT;
	const struct stream_call call = {
		.address = peer->addresses[path],
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
	bool is_due = watch_is_unreachable(&r->sender, clock_boot_ns());
	lock_give(&r->lock);
	if (is_due)
		replicator_say_simple(r, FS_REPORT_REFUSED, error,
			why->sentence[0] != '\0' ? why->sentence : "the peer cannot be reached");
}

/* The peer itself has said no: the way to it is a good one. */
static bool is_answer(int error)
{
	return error == -EAGAIN || error == -ESTALE;
}

/* The session for as long as it lasts, and what that says of the network. */
static void run_session(struct replicator *r, struct paths *paths, uint8_t path, uint8_t *batch)
{
	int64_t begun_ns = clock_boot_ns();
	replicator_run_session(r, batch);
	int64_t now_ns = clock_boot_ns();
	lock_take(&r->lock);
	bool is_bad = !r->is_leaving &&
		      (watch_was_bad(&r->sender) || now_ns - begun_ns < SHORT_SESSION_NS);
	lock_give(&r->lock);
	paths_on_ended(paths, path, is_bad, now_ns);
}

/* One try: connect, HELLO, and the session for as long as it lasts. */
static void try_session(struct replicator *r, struct paths *paths, uint8_t *batch)
{
	struct tls_error why = { 0 };
	struct stream *stream = NULL;
	const struct node_config *peer = peer_of(r);
	uint8_t count = peer == NULL ? 1 : peer->address_count;
	uint8_t path = paths_choose(paths, count, clock_boot_ns());
	int error = try_connect(r, path, &why, &stream);
	if (error == 0) {
		replicator_mark_session(r);
		error = open_session(r, stream, &why);
	}
	if (error == 0) {
		run_session(r, paths, path, batch);
		stream_put(stream);
		return;
	}
	stream_put(stream);
	if (!is_answer(error))
		paths_on_failed(paths, path, count, clock_boot_ns());
	if (error == -ESTALE)
		replicator_drop_peer(r, LOSS_OVER, error,
			"the peer's process started anew: its copy has to be compared");
	say_unreachable(r, error, &why);
	lock_take(&r->lock);
	if (!r->is_leaving && r->sender.session.want != LINK_IDLE)
		replicator_wait(r, &r->changed, RETRY_NS);
	lock_give(&r->lock);
}

void *replicator_primary_run(void *context)
{
	struct replicator *r = context;
	struct paths paths = { 0 };
	uint8_t *batch = malloc(BATCH_BYTES);
	CHECK(batch != NULL);
	for (;;) {
		lock_take(&r->lock);
		while (r->sender.session.want == LINK_IDLE && !r->is_leaving &&
			!(r->sender.mode == SENDER_ALONE && r->resync != NULL))
			replicator_wait(r, &r->changed, NS_PER_S);
		bool is_wanted = r->sender.session.want != LINK_IDLE;
		bool is_leaving = r->is_leaving;
		lock_give(&r->lock);
		if (is_leaving)
			break;
		tidy_resync(r);
		if (is_wanted)
			try_session(r, &paths, batch);
	}
	free(batch);
	return NULL;
}
