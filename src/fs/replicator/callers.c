/*
 * Callers of a secondary. Each is asked for its certificate by a thread of its own, while the session
 * that stands goes on; only one that has passed may take its place.
 *
 *	fd --> a thread: TLS, certificate, HELLO --> taken --> link thread ends the old stream, serves
 *	                       |
 *	                       +--> turned away: closed, counted, said once a minute
 *
 * Anyone who reaches the port gets this far (daemon/guests/streams.c believes the preface), so nothing that
 * stands is given up before the certificate is seen. Callers are few and have little time. One place
 * is kept free: when the last is taken, who has been here longest goes, so that a crowd of strangers
 * does not keep the peer out.
 */
#include "fs/replicator/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define HANDSHAKE_NS (1 * NS_PER_S)
#define NOTICE_NS    (60 * NS_PER_S)

/* ---- turning away ---- */

/* A wrong certificate may be a mistake of ours; the rest is noise, and must not drown it. */
static void say_turned_away(struct replicator *r, int error, const char *why)
{
	struct fs_reported said = { .report = FS_REPORT_NOTICE };
	int64_t now_ns = clock_boot_ns();

	lock_take(&r->lock);
	struct turned_away *away = &r->turned_away[error == -EACCES ? 0 : 1];
	bool is_due = away->said_ns == 0 || now_ns - away->said_ns >= NOTICE_NS;
	uint64_t count = away->count + 1;
	away->count = is_due ? 0 : count;
	if (is_due)
		away->said_ns = now_ns;
	lock_give(&r->lock);
	if (!is_due)
		return;
	if (count == 1)
		(void)snprintf(said.detail, sizeof(said.detail), "turned a caller away: %s", why);
	else
		(void)snprintf(said.detail, sizeof(said.detail),
			"turned %llu callers away; the last: %s", (unsigned long long)count, why);
	replicator_say(r, &said);
}

static void dismiss(struct stream *stream)
{
	stream_end(stream);
	stream_put(stream);
}

/* ---- one caller ---- */

static int hear_hello(struct stream *stream, struct frame *out_hello, struct tls_error *out_why)
{
	int error = stream_receive(stream, HELLO_TIMEOUT_NS, out_hello);
	if (error == 0 && out_hello->kind != FRAME_HELLO)
		error = -EBADMSG;
	if (error != 0)
		(void)snprintf(out_why->sentence, sizeof(out_why->sentence),
			"the other node showed its certificate, and then said nothing of use");
	return error;
}

static int prove(struct replicator *r, int fd, struct stream **out_stream, struct frame *out_hello,
	struct tls_error *out_why)
{
	const struct tls_wanted wanted = {
		.side = TLS_SERVER, .peer_name = replicator_peer_name(r), .timeout_ns = HANDSHAKE_NS
	};
	struct stream *stream = NULL;
	int error = stream_accept(r->tls, fd, &wanted, &stream, out_why);
	if (error != 0)
		return error;
	error = hear_hello(stream, out_hello, out_why);
	if (error != 0) {
		dismiss(stream);
		return error;
	}
	*out_stream = stream;
	return 0;
}

/* The peer is here: it would not call if it still used the stream that stands. */
static void hand_over(struct replicator *r, struct stream *stream, const struct hello *hello)
{
	lock_take(&r->lock);
	const char *why_not = replicator_objection(r, hello);
	if (why_not == NULL && !r->is_leaving) {
		stream_put(r->taken);
		r->taken = stream;
		r->taken_hello = *hello;
		if (r->stream != NULL)
			stream_end(r->stream);
		condition_wake_all(&r->changed);
		stream = NULL;
	}
	lock_give(&r->lock);
	if (stream == NULL)
		return;
	if (why_not != NULL)
		replicator_send_error(stream, -ESTALE, why_not);
	dismiss(stream);
}

static void *caller_run(void *context)
{
	struct caller *caller = context;
	struct replicator *r = caller->r;
	struct stream *stream = NULL;
	struct frame hello = { 0 };
	struct tls_error why = { 0 };

	int error = prove(r, caller->fd, &stream, &hello, &why);
	if (error == 0)
		hand_over(r, stream, &hello.hello);
	lock_take(&r->lock);
	bool is_told = error != 0 && !r->is_leaving;
	lock_give(&r->lock);
	if (is_told) /* the caller learns it by the end of the connection, and says so there */
		say_turned_away(r, error, why.sentence);
	lock_take(&r->lock);
	close(caller->end_fd);
	caller->state = CALLER_OVER;
	lock_give(&r->lock);
	return NULL;
}

/* ---- their places (all under lock) ---- */

static struct caller *free_place(struct replicator *r)
{
	for (int i = 0; i < CALLERS_MAX; i++) {
		struct caller *caller = &r->callers[i];
		if (caller->state == CALLER_OVER) { /* it has only to return */
			(void)pthread_join(caller->thread, NULL);
			caller->state = CALLER_NONE;
		}
		if (caller->state == CALLER_NONE)
			return caller;
	}
	return NULL;
}

static void end_oldest(struct replicator *r)
{
	struct caller *oldest = &r->callers[0];

	for (int i = 1; i < CALLERS_MAX; i++) {
		if (r->callers[i].came_ns < oldest->came_ns)
			oldest = &r->callers[i];
	}
	(void)shutdown(oldest->end_fd, SHUT_RDWR);
}

/* Takes fd, unless it fails. */
static int add_caller(struct replicator *r, int fd)
{
	struct caller *caller = free_place(r);
	if (caller == NULL)
		return -EBUSY;
	int end_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (end_fd < 0)
		return -errno;
	*caller = (struct caller){ .r = r, .fd = fd, .end_fd = end_fd, .came_ns = clock_boot_ns() };
	int error = -pthread_create(&caller->thread, NULL, caller_run, caller);
	if (error != 0) {
		close(end_fd);
		return error;
	}
	caller->state = CALLER_AT_WORK;
	if (free_place(r) == NULL)
		end_oldest(r);
	return 0;
}

/* ---- public ---- */

void replicator_take_connection(struct replicator *r, int fd)
{
	lock_take(&r->lock);
	bool is_wanted = r->role == FS_SECONDARY && !r->is_leaving;
	int error = is_wanted ? add_caller(r, fd) : -EINVAL;
	lock_give(&r->lock);
	if (error != 0) /* the peer comes again */
		close(fd);
}

void replicator_dismiss_callers(struct replicator *r)
{
	for (int i = 0; i < CALLERS_MAX; i++) {
		struct caller *caller = &r->callers[i];
		lock_take(&r->lock);
		CHECK(r->is_leaving); /* nobody is added any more */
		bool is_there = caller->state != CALLER_NONE;
		if (caller->state == CALLER_AT_WORK)
			(void)shutdown(caller->end_fd, SHUT_RDWR);
		lock_give(&r->lock);
		if (is_there)
			(void)pthread_join(caller->thread, NULL);
		caller->state = CALLER_NONE;
	}
}
