/* The talk with the daemon over control.sock (docs/architecture.md). */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fs/service.h"
#include "fs/tree/byhand.h"
#include "platform/clock.h"
#include "platform/folders.h"

#define RECONNECT_MS  50
#define SEND_TRIES    100 /* of 10 ms: a daemon that does not read for so long is asked anew */
#define FAILED_MAX_NS (10 * NS_PER_S) /* an answer whose disk failed waits for a decision */

static void wait_ms(long ms)
{
	struct timespec duration = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&duration, NULL);
}

/* ---- saying (all under socket_lock) ---- */

static int send_now(struct service *service, const struct control_message *message, int fd)
{
	int error = -ENOTCONN;

	for (int i = 0; service->socket >= 0 && i < SEND_TRIES; i++) {
		error = control_send(service->socket, message, fd);
		if (error != -EAGAIN)
			return error;
		struct pollfd poll_fd = { .fd = service->socket, .events = POLLOUT };
		(void)poll(&poll_fd, 1, 10);
	}
	return error;
}

static void send_store(struct service *service, const struct stored *stored)
{
	struct control_message message = { .type = CONTROL_STORE };

	(void)snprintf(message.store.name, sizeof(message.store.name), "%s", stored->name);
	/* Lost with its connection: all are said again on the next one. */
	(void)!send_now(service, &message, stored->fd);
}

static void lock_socket(struct service *service)
{
	lock_take(&service->socket_lock);
}

static void unlock_socket(struct service *service)
{
	lock_give(&service->socket_lock);
}

void service_tell(struct service *service, const struct control_message *message)
{
	lock_socket(service);
	(void)!send_now(service, message, -1); /* the next one is on its way */
	unlock_socket(service);
}

void service_store(void *context, const char *name, int fd)
{
	struct service *service = context;
	struct stored *stored = NULL;

	lock_socket(service);
	for (int i = 0; i < STORED_MAX; i++) {
		bool is_it = strcmp(service->stored[i].name, name) == 0;
		if (is_it || (stored == NULL && service->stored[i].name[0] == '\0'))
			stored = &service->stored[i];
		if (is_it)
			break;
	}
	CHECK(stored != NULL);
	(void)snprintf(stored->name, sizeof(stored->name), "%s", name);
	stored->fd = fd;
	send_store(service, stored);
	unlock_socket(service);
}

void service_unstore(void *context, const char *name)
{
	struct service *service = context;
	struct control_message message = { .type = CONTROL_UNSTORE };

	(void)snprintf(message.store.name, sizeof(message.store.name), "%s", name);
	lock_socket(service);
	for (int i = 0; i < STORED_MAX; i++) {
		if (strcmp(service->stored[i].name, name) == 0)
			service->stored[i] = (struct stored){ .fd = -1 };
	}
	(void)!send_now(service, &message, -1); /* what is kept too long is not connected */
	unlock_socket(service);
}

void service_say(struct service *service, const struct fs_reported *report)
{
	struct control_message message = { .type = CONTROL_REPORT, .report = *report };

	lock_take(&service->role_lock);
	message.report.epoch = service->epoch;
	service->link = fs_link_after(report, service->link);
	lock_give(&service->role_lock);
	lock_socket(service); /* before looking: reports go out in the order of what they saw */
	if (service->replicator != NULL) {
		message.report.is_behind = replicator_is_behind(service->replicator);
		replicator_barriers(
			service->replicator, &message.report.barrier, &message.report.peer_barrier);
	}
	if (service->front.tree != NULL)
		message.report.kept = byhand_kept(service->front.tree);
	/* The session that was lost while nobody heard goes on: whoever hears of that now would
	 * drop a peer who misses nothing. */
	if (report->is_continued)
		reports_forget(&service->reports, FS_REPORT_PEER_LOST);
	if (service->reports.count > 0 || send_now(service, &message, -1) != 0)
		reports_keep(&service->reports, &message.report);
	unlock_socket(service);
}

void service_report(struct service *service, enum fs_report report, int error, const char *detail)
{
	struct fs_reported said = { .report = report, .error = error };

	(void)snprintf(said.detail, sizeof(said.detail), "%s", detail);
	service_say(service, &said);
}

/* ---- connecting ---- */

static int say_hello(struct service *service)
{
	struct control_message message = { .type = CONTROL_HELLO, .hello.pid = getpid() };

	(void)snprintf(
		message.hello.module, sizeof(message.hello.module), "%s", service->options.module);
	message.hello.fs.is_behind = replicator_is_behind(service->replicator);
	replicator_barriers(
		service->replicator, &message.hello.fs.barrier, &message.hello.fs.peer_barrier);
	message.hello.fs.kept = byhand_kept(service->front.tree);
	lock_take(&service->role_lock);
	message.hello.fs.role = service->role;
	message.hello.fs.link = service->link;
	message.hello.fs.epoch = service->epoch;
	lock_give(&service->role_lock);
	return send_now(service, &message, -1);
}

static void say_what_was_missed(struct service *service)
{
	for (int i = 0; i < STORED_MAX; i++) {
		if (service->stored[i].name[0] != '\0')
			send_store(service, &service->stored[i]);
	}
	while (service->reports.count > 0) {
		struct control_message message = { .type = CONTROL_REPORT,
			.report = service->reports.list[0] };
		if (send_now(service, &message, -1) != 0)
			return;
		reports_shift(&service->reports);
	}
}

static void disconnect(struct service *service)
{
	lock_socket(service);
	if (service->socket >= 0)
		(void)close(service->socket);
	service->socket = -1;
	unlock_socket(service);
}

static bool connect_once(struct service *service)
{
	char path[PATH_SIZE_MAX];
	int socket;

	node_file_path(path, NODE_FILE_CONTROL_SOCKET, service->options.run, NULL);
	if (control_connect(path, &socket) != 0)
		return false;
	lock_socket(service);
	service->socket = socket;
	int error = say_hello(service);
	if (error == 0)
		say_what_was_missed(service);
	unlock_socket(service);
	if (error != 0)
		disconnect(service);
	return error == 0;
}

/* ---- hearing ---- */

/* The order thread cannot hear who would end its own wait for the peer. */
static void on_role_order(struct service *service, const struct control_message *message)
{
	enum fs_order order = message->order.order;

	if (atomic_load(&service->is_recovering)) {
		if (order == FS_ORDER_GO_ALONE) {
			roles_go_alone(service, message);
			return;
		}
		if (order == FS_ORDER_STOP || order == FS_ORDER_SECONDARY)
			replicator_let_go(service->replicator, true);
	}
	roles_push(service, message);
}

static void on_order(struct service *service, const struct control_message *message)
{
	struct replicator *replicator = service->replicator;
	int error = 0;

	switch (message->order.order) {
	case FS_ORDER_HOLD:
		front_note_held(&service->front, true); /* a successor holds as well */
		replicator_hold(replicator, true);
		answers_settle(&service->front);
		break;
	case FS_ORDER_RESUME:
		replicator_hold(replicator, false);
		front_note_held(&service->front, false);
		answers_release_failed(&service->front, 0);
		break;
	case FS_ORDER_CONNECT: error = replicator_connect(replicator, message->order.plan); break;
	case FS_ORDER_PAIR: error = replicator_pair(replicator, message->order.epoch); break;
	case FS_ORDER_DRAIN: error = replicator_drain(replicator); break;
	case FS_ORDER_STOP:
	case FS_ORDER_LOOK:
	case FS_ORDER_PRIMARY:
	case FS_ORDER_SECONDARY:
	case FS_ORDER_PROMOTE:
	case FS_ORDER_GO_ALONE: on_role_order(service, message); break;
	case FS_ORDER_COUNT: break;
	}
	(void)error; /* the replicator has said why itself */
}

struct verification {
	struct service *service;
	uint32_t request;
};

/* As long as it takes, beside everything else; ends with the role. */
static void *verify_run(void *context)
{
	struct verification *verification = context;
	struct service *service = verification->service;
	struct control_message answer = { .type = CONTROL_VERIFIED,
		.verified.request = verification->request };

	answer.verified.error = replicator_verify(service->replicator, &answer.verified.copies);
	lock_socket(service);
	(void)!send_now(service, &answer, -1); /* the one who asked sees the connection end */
	unlock_socket(service);
	free(verification);
	return NULL;
}

static void on_verify(struct service *service, const struct control_message *message)
{
	struct verification *verification = calloc(1, sizeof(*verification));
	pthread_t thread;

	CHECK(verification != NULL);
	*verification = (struct verification){ service, message->verify.request };
	CHECK(pthread_create(&thread, NULL, verify_run, verification) == 0);
	(void)pthread_detach(thread); /* replicator_close() waits until it is out */
}

static void on_message(struct service *service, const struct control_message *message, int fd)
{
	if (message->type == CONTROL_ORDER)
		on_order(service, message);
	else if (message->type == CONTROL_VERIFY)
		on_verify(service, message);
	else if (message->type == CONTROL_LOOK)
		looker_answer(service);
	else if (message->type == CONTROL_BEAT)
		replicator_send_beat(service->replicator, message->beat.bytes);
	if (message->type == CONTROL_STREAM && fd >= 0)
		replicator_take_connection(service->replicator, fd); /* takes it */
	else if (fd >= 0)
		(void)close(fd);
}

static void hear(struct service *service)
{
	struct pollfd poll_fd = { .fd = service->socket, .events = POLLIN };
	struct control_message message;
	struct fields_error wrong;
	int fd;

	if (poll(&poll_fd, 1, RECONNECT_MS) <= 0)
		return;
	int error = control_receive(service->socket, &message, &fd, &wrong);
	if (error == 0)
		on_message(service, &message, fd);
	else if (error == -EBADMSG || error == -EPROTO)
		(void)fprintf(stderr,
			"evenkeel-fs: evenkeeld said something that is not understood here; are "
			"both of the same version? (%s)\n",
			wrong.sentence);
	else if (error != -EAGAIN)
		disconnect(service);
}

void control_run(struct service *service)
{
	while (!atomic_load(&service->should_end)) {
		/* Only this thread changes the socket, so it may look without the lock. */
		if (service->socket >= 0)
			hear(service);
		else if (!connect_once(service))
			wait_ms(RECONNECT_MS);
		answers_release_failed(&service->front, clock_boot_ns() - FAILED_MAX_NS);
	}
}
