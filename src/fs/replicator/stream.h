/*
 * One connection to the peer: frames over mutual TLS.
 *
 * The primary connects, sends the preface in clear and is the TLS client; the secondary's evenkeeld
 * reads the preface and hands the socket on. One thread receives; any thread sends, whole frames at
 * a time. Not for: when to connect, what a frame means (replicator/session.c, replicator/secondary.c). The connection is counted:
 * whoever keeps a pointer holds a reference.
 */
#ifndef EVENKEEL_FS_STREAM_H
#define EVENKEEL_FS_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "fs/replicator/stream_frame.h"
#include "platform/tls.h"

struct stream;

struct stream_call {
	struct address address;
	uint16_t port;
	uint8_t caller;	       /* our node id */
	const char *module;    /* name */
	const char *peer_name; /* node */
	int64_t timeout_ns;    /* for each step */
};

/* Gives a connection with one reference. Errors: as of connect(2); -EPROTO another version,
 * -ENOENT unknown module there, -EAGAIN not secondary there yet; those of tls_open(). */
int stream_connect(struct tls_context *context, const struct stream_call *call,
	struct stream **out_stream, struct tls_error *out_error) MUST_CHECK;
/* The accepting side, behind the preface. Takes fd. Errors: those of tls_open(). */
int stream_accept(struct tls_context *context, int fd, const struct tls_wanted *wanted,
	struct stream **out_stream, struct tls_error *out_error) MUST_CHECK;
void stream_get(struct stream *stream);
void stream_put(struct stream *stream); /* NULL is fine; the last one closes */

/* Errors: those of tls_write(); the connection is ended then. */
int stream_send(struct stream *stream, const struct frame *frame) MUST_CHECK;
/* Whole frames, encoded already. */
int stream_send_encoded(struct stream *stream, const void *data, size_t size) MUST_CHECK;
/* The next frame; what it points to is valid until the next call. Errors: -ETIMEDOUT (go on
 * waiting), -ECONNRESET, -EBADMSG. */
int stream_receive(struct stream *stream, int64_t timeout_ns, struct frame *out_frame) MUST_CHECK;
/* Whoever waits in it returns at once; nothing can be sent any more. */
void stream_end(struct stream *stream);
/* What was sent does not get through, however often. Takes no lock. */
bool stream_is_stuck(const struct stream *stream);

#endif
