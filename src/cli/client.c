/*
 * One question to evenkeeld over its admin socket, and its answer; or the lines that follow it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "platform/folders.h"

#define ANSWER_SIZE_MAX (4 * 1024 * 1024)

const char *client_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "";
}

static int open_client(const struct arguments *arguments, int timeout_s)
{
	char path[PATH_SIZE_MAX];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = timeout_s };
	node_file_path(path, NODE_FILE_ADMIN_SOCKET, arguments->run, NULL);
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0 ||
		connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

struct admin_request client_request(enum admin_command command)
{
	return (struct admin_request){ .command = admin_command_rows[command].name };
}

static int send_request(int fd, const struct admin_request *request)
{
	json_t *json = json_object();
	char *text = NULL;
	if (fields_encode(&admin_request_fields, request, json) == 0)
		text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (text == NULL)
		return -ENOMEM;
	size_t size = strlen(text), sent = 0;
	text[size++] = '\n'; /* in the place of the terminator */
	int error = 0;
	while (error == 0 && sent < size) {
		ssize_t more = send(fd, text + sent, size - sent, MSG_NOSIGNAL);
		if (more < 0 && errno != EINTR)
			error = -errno;
		sent += more > 0 ? (size_t)more : 0;
	}
	free(text);
	return error;
}

/* A line in the buffer's beginning, its end included; 0: there is no whole one. */
static size_t line_size(const struct client_stream *stream)
{
	const char *end = stream->size > 0 ? memchr(stream->text, '\n', stream->size) : NULL;
	return end != NULL ? (size_t)(end - stream->text) + 1 : 0;
}

static int receive_more(struct client_stream *stream)
{
	ssize_t got = stream->size < ANSWER_SIZE_MAX ? recv(stream->fd, stream->text + stream->size,
							       ANSWER_SIZE_MAX - stream->size, 0)
						     : 0;
	if (got == 0)
		return -ECONNRESET;
	if (got < 0 && errno != EINTR)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	stream->size += got > 0 ? (size_t)got : 0;
	return 0;
}

/* A control character that JSON writes with a backslash: \n, \u001b. */
static bool is_control(const char *text, size_t size)
{
	if (size < 2 || text[0] != '\\')
		return false;
	if (text[1] != 'u')
		return text[1] != '\0' && strchr("bfnrt", text[1]) != NULL;
	return size >= 6 && text[2] == '0' && text[3] == '0' &&
	       strchr("0189", text[4]) != NULL; /* \u007f is the guard's affair */
}

json_t *client_load(const char *text, size_t size)
{
	char *shown = malloc(2 * size + 1);
	size_t at = 0, filled = 0;
	CHECK(shown != NULL);
	while (at < size) {
		size_t pair = text[at] == '\\' && at + 1 < size ? 2 : 1;
		if (is_control(text + at, size - at))
			shown[filled++] = '\\'; /* the backslash itself, then */
		memcpy(shown + filled, text + at, pair);
		filled += pair;
		at += pair;
	}
	json_t *json = json_loadb(shown, filled, 0, NULL);
	free(shown);
	return json;
}

int client_stream_next(struct client_stream *stream, json_t **out_line)
{
	int error = 0;
	size_t size;
	while ((size = line_size(stream)) == 0 && error == 0)
		error = receive_more(stream);
	if (error != 0)
		return error;
	json_t *line = stream->is_json ? json_loadb(stream->text, size, 0, NULL)
				       : client_load(stream->text, size);
	stream->size -= size;
	memmove(stream->text, stream->text + size, stream->size);
	if (!json_is_object(line)) {
		json_decref(line);
		return -EBADMSG;
	}
	*out_line = line;
	return 0;
}

bool client_stream_has_more(const struct client_stream *stream)
{
	struct pollfd look = { .fd = stream->fd, .events = POLLIN };
	return line_size(stream) > 0 || poll(&look, 1, 0) > 0;
}

int client_stream_open(const struct arguments *arguments, struct admin_request request,
	int timeout_s, struct client_stream *out_stream)
{
	struct client_stream stream = { .fd = open_client(arguments, timeout_s),
		.is_json = arguments->is_json };
	int error = stream.fd < 0 ? stream.fd : 0;
	if (error == 0) {
		stream.text = malloc(ANSWER_SIZE_MAX);
		error = stream.text != NULL ? send_request(stream.fd, &request) : -ENOMEM;
		if (error != 0)
			client_stream_close(&stream);
	}
	if (error == 0)
		*out_stream = stream;
	return error;
}

void client_stream_close(struct client_stream *stream)
{
	close(stream->fd);
	free(stream->text);
}

int client_ask(const struct arguments *arguments, struct admin_request request, int timeout_s,
	json_t **out_answer)
{
	struct client_stream stream;
	int error = client_stream_open(arguments, request, timeout_s, &stream);
	if (error != 0)
		return error;
	error = client_stream_next(&stream, out_answer);
	client_stream_close(&stream);
	return error;
}

void client_say_no_answer(const struct arguments *arguments, int error, int timeout_s)
{
	switch (error) {
	case -ENOENT:
	case -ECONNREFUSED:
		(void)refuse(arguments,
			"evenkeeld does not run on this node (nothing listens at %s/admin.sock); "
			"start evenkeel-hold, or the unit that runs it",
			arguments->run);
		return;
	case -EACCES:
	case -EPERM: (void)refuse(arguments, "only root may talk to evenkeeld; use sudo"); return;
	case -ETIMEDOUT:
	case -EAGAIN:
		(void)refuse(arguments,
			"evenkeeld did not answer within %d s: it may still carry the command out; "
			"'evenkeel status' shows what is going on, 'evenkeel log' what it waits "
			"for",
			timeout_s);
		return;
	default: /* EXCEPTION: errno is no enum of ours */
		(void)refuse(arguments,
			"no answer from evenkeeld: %s; 'evenkeel log' tells whether it was started "
			"anew, and 'evenkeel status' what became of the command",
			strerror(-error));
	}
}

int client_refuse_words(const struct arguments *arguments, const char *what)
{
	return refuse(arguments,
		"evenkeeld answers in other words (%s); are both of the same version?", what);
}

static void say_refusal(const struct arguments *arguments, const json_t *answer)
{
	const json_t *findings = json_object_get(answer, "findings");
	for (size_t i = 0; i < json_array_size(findings); i++)
		(void)refuse_again(arguments, "%s", json_string_value(json_array_get(findings, i)));
	if (json_array_size(findings) == 0)
		(void)refuse_again(arguments, "%s", client_text(answer, "sentence"));
}

json_t *client_demand(
	const struct arguments *arguments, struct admin_request request, int timeout_s)
{
	json_t *answer = NULL;
	int error = client_ask(arguments, request, timeout_s, &answer);
	if (error != 0) {
		client_say_no_answer(arguments, error, timeout_s);
		return NULL;
	}
	/* What was asked for is so already: nothing is wrong. */
	if (json_is_true(json_object_get(answer, "ok")) ||
		strcmp(client_text(answer, "refusal"), "already_so") == 0)
		return answer;
	if (arguments->is_json) {
		(void)json_dumpf(answer, stdout, JSON_COMPACT);
		printf("\n");
	}
	say_refusal(arguments, answer);
	json_decref(answer);
	return NULL;
}

int client_reload(const struct arguments *arguments, bool *out_runs, struct config_error *out_error)
{
	json_t *answer = NULL;
	int error = client_ask(arguments, client_request(ADMIN_RELOAD), 10, &answer);
	*out_runs = error != -ENOENT && error != -ECONNREFUSED;
	if (!*out_runs)
		return 0;
	if (error != 0) {
		snprintf(out_error->sentence, sizeof(out_error->sentence),
			"evenkeeld did not answer: %s", strerror(-error));
		return -EINVAL;
	}
	if (!json_is_true(json_object_get(answer, "ok"))) {
		snprintf(out_error->sentence, sizeof(out_error->sentence), "%s",
			client_text(answer, "sentence"));
		error = -EINVAL;
	}
	json_decref(answer);
	return error;
}

/* ---- configuration of this node ---- */
