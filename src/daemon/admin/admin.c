/*
 * Clients of the admin socket: lines in, answers out, nothing that waits.
 *
 * A client is in one of three moods: it may send (EPOLLIN), it waits for its request (nothing but
 * its end is watched), it takes its answer (EPOLLOUT). So memory for a client is bounded, and one
 * that floods is held back by its own socket.
 */
#include "daemon/admin/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/folders.h"

static void client_close(struct admin_client *client)
{
	struct admin *admin = client->admin;
	loop_remove(&admin->daemon->loop, &client->watch);
	close(client->watch.fd);
	if (client->is_subscriber)
		subscribe_end(client);
	admin_line_drop(client->out);
	*client = (struct admin_client){ .admin = admin, .watch = { .fd = -1 } };
}

static bool has_line(const struct admin_client *client)
{
	return memchr(client->in, '\n', client->in_size) != NULL;
}

/* It is told nothing more, because what it would have to be told first is too long, or there is no
 * memory for it. */
static bool is_cut_off(const struct admin_client *client)
{
	return client->is_subscriber && client->wants_snapshot && client->out == NULL;
}

static void watch_mood(struct admin_client *client)
{
	uint32_t events = 0;
	if (is_cut_off(client)) {
		client_close(client);
		return;
	}
	if (client->out != NULL)
		events = EPOLLOUT;
	else if (client->request == 0) /* a line that is here already must not wait for another */
		events = has_line(client) ? EPOLLIN | EPOLLOUT : EPOLLIN;
	if (loop_change(&client->admin->daemon->loop, &client->watch, events) != 0)
		client_close(client);
}

static void out_is_sent(struct admin_client *client)
{
	admin_line_drop(client->out);
	bool has_more = client->is_subscriber && !client->is_last;
	client->out = has_more ? subscribe_next(client) : NULL;
	client->out_sent = 0;
}

/* Sends what the socket takes. Gives false if the client is gone. */
static bool client_flush(struct admin_client *client)
{
	while (client->out != NULL) {
		ssize_t sent = send(client->watch.fd, client->out->text + client->out_sent,
			client->out->size - client->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			return true;
		if (sent < 0) {
			client_close(client);
			return false;
		}
		client->active_ns = clock_boot_ns();
		client->out_sent += (size_t)sent;
		if (client->out_sent == client->out->size)
			out_is_sent(client);
	}
	if (client->is_last) {
		client_close(client);
		return false;
	}
	return true;
}

static void start_sending(struct admin_client *client, struct admin_line *line)
{
	client->out = line;
	client->out_sent = 0;
	client->active_ns = clock_boot_ns();
	if (client_flush(client))
		watch_mood(client);
}

void admin_feed(struct admin_client *client)
{
	if (client->out == NULL)
		start_sending(client, subscribe_next(client));
}

void admin_reply(struct admin_client *client, json_t *answer)
{
	struct admin_line *line = admin_line_new(answer);
	CHECK(client->out == NULL);
	client->request = 0;
	client->comparing = 0;
	if (line == NULL)
		client_close(client);
	else
		start_sending(client, line);
}

void admin_reply_refused(
	struct admin_client *client, enum admin_refusal refusal, const char *sentence)
{
	json_t *answer = json_pack("{s:b,s:s}", "ok", 0, "sentence", sentence);
	const char *name = words_name(&admin_refusal_words, refusal);
	if (answer != NULL && refusal != ADMIN_REFUSED_NONE)
		(void)json_object_set_new(answer, "refusal", json_string(name));
	admin_reply(client, answer);
}

void admin_reply_error(struct admin_client *client, const char *what, int error)
{
	char sentence[SENTENCE_SIZE_MAX];
	snprintf(sentence, sizeof(sentence),
		"evenkeeld could not %s: %s. Nothing was changed; free what this machine is short "
		"of "
		"(memory, descriptors, threads), then give the command again",
		what, strerror(-error));
	admin_reply_refused(client, ADMIN_REFUSED_NONE, sentence);
}

struct admin_client *admin_client_of(struct admin *admin, uint32_t request)
{
	for (int i = 0; i < ADMIN_CLIENTS_MAX && request != 0; i++) {
		if (admin->clients[i].watch.fd >= 0 && admin->clients[i].request == request)
			return &admin->clients[i];
	}
	return NULL;
}

/* Whoever speaks so is told once, and the connection ends: what follows is no better. */
static void refuse_last(struct admin_client *client, const char *sentence)
{
	client->is_last = true;
	client->in_size = 0;
	admin_reply_refused(client, ADMIN_REFUSED_WRONG_REQUEST, sentence);
}

static void refuse_line(struct admin_client *client, const json_t *found, const json_error_t *wrong)
{
	char sentence[SENTENCE_SIZE_MAX];
	snprintf(sentence, sizeof(sentence),
		"this line is no JSON object (%s); expected one object a line, such as "
		"{\"command\":\"status\"}",
		found != NULL ? "it is another value" : wrong->text);
	refuse_last(client, sentence);
}

static void obey_line(struct admin_client *client, const char *line, size_t size)
{
	json_error_t wrong;
	json_t *request = json_loadb(line, size, JSON_REJECT_DUPLICATES, &wrong);
	if (!json_is_object(request)) {
		refuse_line(client, request, &wrong);
		json_decref(request);
		return;
	}
	client->request = ++client->admin->request_last;
	if (client->request == 0) /* turned over: 0 means none */
		client->request = ++client->admin->request_last;
	admin_obey(client, request);
	json_decref(request);
}

/* Obeys what lines there are, one after the other is answered. */
static void client_advance(struct admin_client *client)
{
	while (client->watch.fd >= 0 && client->request == 0 && client->out == NULL) {
		char line[ADMIN_LINE_MAX];
		char *end = memchr(client->in, '\n', client->in_size);
		if (end == NULL) {
			if (client->in_size == sizeof(client->in))
				refuse_last(client, "a request is longer than 4096 bytes; expected "
						    "one JSON object a line");
			return;
		}
		size_t size = (size_t)(end - client->in);
		memcpy(line, client->in, size);
		client->in_size -= size + 1;
		memmove(client->in, end + 1, client->in_size);
		obey_line(client, line, size);
	}
}

static void client_read(struct admin_client *client)
{
	ssize_t got = recv(client->watch.fd, client->in + client->in_size,
		sizeof(client->in) - client->in_size, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		client_close(client);
		return;
	}
	client->in_size += (size_t)got;
	client->active_ns = clock_boot_ns();
}

static void client_ready(void *owner, uint32_t events)
{
	struct admin_client *client = owner;
	if (client->out != NULL) {
		if (!client_flush(client))
			return;
	} else if (client->request == 0) {
		if (!has_line(client))
			client_read(client);
	} else if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
		client_close(client);
	}
	client_advance(client);
	if (client->watch.fd >= 0)
		watch_mood(client);
}

/* A free place; when there is none, that of the client which has been idle longest. */
static struct admin_client *find_place(struct admin *admin)
{
	struct admin_client *idle = NULL;
	for (int i = 0; i < ADMIN_CLIENTS_MAX; i++) {
		struct admin_client *client = &admin->clients[i];
		if (client->watch.fd < 0)
			return client;
		if (client->request == 0 && client->out == NULL && !client->is_subscriber &&
			(idle == NULL || client->active_ns < idle->active_ns))
			idle = client;
	}
	if (idle != NULL)
		client_close(idle);
	return idle;
}

static void listener_ready(void *owner, uint32_t events)
{
	struct admin *admin = owner;
	struct ucred who = { 0 };
	socklen_t size = sizeof(who);
	(void)events;
	int fd = accept4(admin->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	struct admin_client *client = NULL;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
		(who.uid == 0 || who.uid == geteuid()))
		client = find_place(admin);
	if (client == NULL) {
		close(fd);
		return;
	}
	client->active_ns = clock_boot_ns();
	client->watch = (struct watch){ .fd = fd, .owner = client, .on_ready = client_ready };
	if (loop_add(&admin->daemon->loop, &client->watch, EPOLLIN) != 0) {
		close(fd);
		client->watch.fd = -1;
	}
}

static void drop_stalled(void *owner)
{
	struct admin *admin = owner;
	int64_t now_ns = clock_boot_ns();
	for (int i = 0; i < ADMIN_CLIENTS_MAX; i++) {
		struct admin_client *client = &admin->clients[i];
		int64_t limit_ns = client->is_subscriber ? SUBSCRIBER_STALL_NS : ADMIN_STALL_NS;
		if (client->watch.fd >= 0 && client->out != NULL &&
			now_ns - client->active_ns > limit_ns)
			client_close(client);
	}
	loop_arm(&admin->daemon->loop, &admin->stall_timer, now_ns + NS_PER_S);
}

static int open_listener(const char *run, int *out_fd)
{
	char path[PATH_SIZE_MAX];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	node_file_path(path, NODE_FILE_ADMIN_SOCKET, run, NULL);
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)unlink(address.sun_path); /* our predecessor's, or nothing; bind() tells */
	if (fchmod(fd, 0600) != 0 ||	/* Linux: bind(2) takes the mode from the socket */
		bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		listen(fd, ADMIN_CLIENTS_MAX) != 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	*out_fd = fd;
	return 0;
}

int admin_open(struct daemon *daemon)
{
	struct admin *admin = calloc(1, sizeof(*admin));
	if (admin == NULL)
		return -ENOMEM;
	admin->daemon = daemon;
	for (int i = 0; i < ADMIN_CLIENTS_MAX; i++)
		admin->clients[i] = (struct admin_client){ .admin = admin, .watch = { .fd = -1 } };
	admin->listener = (struct watch){ .fd = -1, .owner = admin, .on_ready = listener_ready };
	admin->stall_timer = (struct timer){ .owner = admin, .on_due = drop_stalled };
	int error = open_listener(daemon->paths.run, &admin->listener.fd);
	if (error == 0)
		error = loop_add(&daemon->loop, &admin->listener, EPOLLIN);
	if (error != 0) {
		if (admin->listener.fd >= 0)
			close(admin->listener.fd);
		free(admin);
		return error;
	}
	loop_arm(&daemon->loop, &admin->stall_timer, clock_boot_ns() + NS_PER_S);
	daemon->admin = admin;
	return 0;
}

void admin_close(struct daemon *daemon)
{
	struct admin *admin = daemon->admin;
	if (admin == NULL)
		return;
	admin_start_close(admin);
	loop_disarm(&daemon->loop, &admin->stall_timer);
	loop_remove(&daemon->loop, &admin->listener);
	close(admin->listener.fd);
	for (int i = 0; i < ADMIN_CLIENTS_MAX; i++) {
		if (admin->clients[i].watch.fd >= 0)
			client_close(&admin->clients[i]);
	}
	subscribe_close(admin);
	free(admin);
	daemon->admin = NULL;
}
