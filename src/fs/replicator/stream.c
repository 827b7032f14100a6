#include "fs/replicator/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/preface.h"
#include "base/error.h"
#include "platform/clock.h"
#include "platform/socket_address.h"
#include "platform/wait.h"

#define SEND_TIMEOUT_NS	  (30 * NS_PER_S) /* the peer's progress is watched elsewhere, sooner */
#define BUFFER_SIZE	  (1024 * 1024)
#define SMALL_FRAME_BYTES 2048

_Static_assert(BUFFER_SIZE >= 2 * FRAME_SIZE_MAX, "a frame always fits behind what is left of one");
_Static_assert(SMALL_FRAME_BYTES >= FRAME_LEAD_SIZE + 28 + HASHES_MAX * HASH_SIZE,
	"every frame but an operation is small");

struct stream {
	struct tls *tls;
	atomic_int references;
	size_t start, end; /* of what was read and not yet given out */
	uint8_t buffer[BUFFER_SIZE];
};

/* ---- opening ---- */

static int connect_fd(int fd, const struct stream_call *call)
{
	struct sockaddr_storage address;
	socklen_t size = socket_address_fill(&call->address, call->port, &address);
	if (connect(fd, (const struct sockaddr *)&address, size) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	int error = wait_for_fd(fd, POLLOUT, clock_boot_ns() + call->timeout_ns);
	if (error != 0)
		return error;
	int result = 0;
	size = sizeof(result);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &size) != 0)
		return -errno;
	return -result;
}

static int read_answer(int fd, uint8_t answer[PREFACE_ANSWER_SIZE], int64_t deadline_ns)
{
	size_t have = 0;
	while (have < PREFACE_ANSWER_SIZE) {
		ssize_t got = recv(fd, answer + have, PREFACE_ANSWER_SIZE - have, 0);
		if (got > 0) {
			have += (size_t)got;
			continue;
		}
		if (got == 0)
			return -ECONNRESET;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		int error = wait_for_fd(fd, POLLIN, deadline_ns);
		if (error != 0)
			return error;
	}
	return 0;
}

static int check_answer(const uint8_t answer[PREFACE_ANSWER_SIZE], struct tls_error *out_error)
{
	static const struct {
		int error;
		const char *sentence;
	} refusals[PREFACE_STATUS_COUNT] = {
		[PREFACE_GO_ON] = { 0, "" },
		[PREFACE_OTHER_VERSION] = { -EPROTO,
			"the other node speaks another protocol version: install the same release "
			"on both" },
		[PREFACE_UNKNOWN_MODULE] = { -ENOENT,
			"the other node does not know this module: copy the module's configuration "
			"to it" },
		[PREFACE_NOT_SECONDARY] = { -EAGAIN,
			"the other node is not ready to receive this module" },
	};
	enum preface_status status;
	if (preface_decode_answer(answer, &status) != 0)
		return -EPROTO;
	(void)snprintf(
		out_error->sentence, sizeof(out_error->sentence), "%s", refusals[status].sentence);
	return refusals[status].error;
}

static int greet(int fd, const struct stream_call *call, struct tls_error *out_error)
{
	struct preface wanted = {
		.version = PREFACE_VERSION, .kind = PREFACE_STREAM, .node = call->caller
	};
	uint8_t preface[PREFACE_SIZE], answer[PREFACE_ANSWER_SIZE];
	(void)snprintf(wanted.module, sizeof(wanted.module), "%s", call->module);
	preface_encode(&wanted, preface);
	/* A new connection's send buffer is empty: it takes this much at once. */
	if (send(fd, preface, sizeof(preface), MSG_NOSIGNAL) != (ssize_t)sizeof(preface))
		return -ECONNRESET;
	int error = read_answer(fd, answer, clock_boot_ns() + call->timeout_ns);
	return error != 0 ? error : check_answer(answer, out_error);
}

static int stream_new(struct tls_context *context, int fd, const struct tls_wanted *wanted,
	struct stream **out_stream, struct tls_error *out_error)
{
	struct stream *stream = malloc(sizeof(*stream));
	if (stream == NULL) {
		close(fd);
		return -ENOMEM;
	}
	stream->start = stream->end = 0;
	atomic_init(&stream->references, 1);
	int error = tls_open(context, fd, wanted, &stream->tls, out_error);
	if (error != 0) {
		free(stream);
		return error;
	}
	*out_stream = stream;
	return 0;
}

int stream_connect(struct tls_context *context, const struct stream_call *call,
	struct stream **out_stream, struct tls_error *out_error)
{
	out_error->sentence[0] = '\0';
	int fd = socket(
		socket_family(&call->address), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int error = connect_fd(fd, call);
	if (error == 0)
		error = greet(fd, call, out_error);
	if (error != 0) {
		close(fd);
		return error;
	}
	const struct tls_wanted wanted = {
		.side = TLS_CLIENT, .peer_name = call->peer_name, .timeout_ns = call->timeout_ns
	};
	return stream_new(context, fd, &wanted, out_stream, out_error);
}

int stream_accept(struct tls_context *context, int fd, const struct tls_wanted *wanted,
	struct stream **out_stream, struct tls_error *out_error)
{
	CHECK(wanted->side == TLS_SERVER);
	return stream_new(context, fd, wanted, out_stream, out_error);
}

void stream_get(struct stream *stream)
{
	atomic_fetch_add(&stream->references, 1);
}

void stream_put(struct stream *stream)
{
	if (stream == NULL || atomic_fetch_sub(&stream->references, 1) != 1)
		return;
	tls_close(stream->tls);
	free(stream);
}

/* ---- frames ---- */

int stream_send_encoded(struct stream *stream, const void *data, size_t size)
{
	return tls_write(stream->tls, data, size, SEND_TIMEOUT_NS);
}

int stream_send(struct stream *stream, const struct frame *frame)
{
	CHECK(frame->kind != FRAME_OP);
	uint8_t bytes[SMALL_FRAME_BYTES];
	size_t size = 0;
	int error = frame_encode(frame, bytes, sizeof(bytes), &size);
	CHECK(error == 0);
	return stream_send_encoded(stream, bytes, size);
}

static struct bytes buffered(const struct stream *stream)
{
	return (struct bytes){ .data = stream->buffer + stream->start,
		.size = stream->end - stream->start };
}

/* Reads some more behind what is there. */
static int fill(struct stream *stream, int64_t timeout_ns)
{
	if (stream->start > 0 && BUFFER_SIZE - stream->end < FRAME_SIZE_MAX) {
		memmove(stream->buffer, stream->buffer + stream->start,
			stream->end - stream->start);
		stream->end -= stream->start;
		stream->start = 0;
	}
	size_t got = 0;
	int error = tls_read(stream->tls, stream->buffer + stream->end, BUFFER_SIZE - stream->end,
		timeout_ns, &got);
	if (error == 0)
		stream->end += got;
	return error;
}

int stream_receive(struct stream *stream, int64_t timeout_ns, struct frame *out_frame)
{
	int64_t deadline_ns = clock_boot_ns() + timeout_ns;
	if (stream->start == stream->end)
		stream->start = stream->end = 0;
	for (;;) {
		size_t size = 0;
		int error = frame_decode(buffered(stream), out_frame, &size);
		if (error == 0) {
			stream->start += size;
			return 0;
		}
		if (error != -ERROR_AGAIN)
			return error;
		error = fill(stream, MAX_OF(deadline_ns - clock_boot_ns(), 0));
		if (error != 0)
			return error;
	}
}

void stream_end(struct stream *stream)
{
	tls_shutdown(stream->tls);
}

bool stream_is_stuck(const struct stream *stream)
{
	return tls_is_stuck(stream->tls);
}
