/*
 * The TCP port of this node: accepts, reads the preface, answers it, and hands the connection to
 * the evenkeel-fs of the module it names.
 *
 *	accepted --80 bytes--> answered --go on--> handed over (TLS is evenkeel-fs's)
 *	    |                      +-- refused --> closed
 *	    +-- 2 s, or garbage ----------------> closed, counted, one event a minute
 *
 * Anyone who reaches the port may connect: pending connections are few and short-lived.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/preface.h"
#include "daemon/guests/internal.h"
#include "platform/clock.h"
#include "platform/socket_address.h"

#define PENDING_MAX	 64
#define PREFACE_LIMIT_NS (2 * NS_PER_S)
#define RELISTEN_NS	 NS_PER_S
#define REPORT_NS	 (60 * NS_PER_S)
#define BACKLOG		 64

struct caller {
	struct daemon_streams *streams;
	int socket; /* -1: free */
	size_t size;
	uint8_t data[PREFACE_SIZE];
	int64_t came_ns;
	struct watch watch;
};

struct listener {
	struct daemon_streams *streams;
	struct address address;
	struct watch watch; /* fd -1: not open */
	bool is_error_said;
};

struct daemon_streams {
	struct daemon *daemon;
	struct listener listeners[LINKS_MAX];
	uint8_t listener_count;
	struct caller callers[PENDING_MAX];
	struct timer tick; /* opens what is not open, ends who is slow, reports */
	uint64_t garbage, other_version, reported;
	int64_t reported_ns;
};

/* ---- callers ---- */

static void dismiss(struct caller *caller)
{
	loop_remove(&caller->streams->daemon->loop, &caller->watch);
	if (caller->socket >= 0)
		close(caller->socket);
	caller->socket = -1;
}

static bool answer(struct caller *caller, enum preface_status status)
{
	uint8_t data[PREFACE_ANSWER_SIZE];

	preface_encode_answer(status, data);
	/* The send buffer of a new connection is empty: all of it fits, or the caller is gone. */
	return send(caller->socket, data, sizeof(data), MSG_NOSIGNAL | MSG_DONTWAIT) ==
	       (ssize_t)sizeof(data);
}

static enum preface_status judge(
	const struct caller *caller, const struct preface *preface, struct module **out_module)
{
	struct daemon *daemon = caller->streams->daemon;

	if (preface->version != PREFACE_VERSION || preface->kind != PREFACE_STREAM)
		return PREFACE_OTHER_VERSION;
	struct module *module = daemon_module_by_name(daemon, preface->module);
	const struct node_config *peer = module == NULL ? NULL : daemon_peer(daemon, module);
	if (peer == NULL || peer->id != preface->node)
		return PREFACE_UNKNOWN_MODULE;
	*out_module = module;
	return fs_is_secondary(module) ? PREFACE_GO_ON : PREFACE_NOT_SECONDARY;
}

static void on_preface(struct caller *caller)
{
	struct preface preface;
	struct module *module = NULL;

	if (preface_decode(caller->data, &preface) != 0) {
		caller->streams->garbage++;
		dismiss(caller);
		return;
	}
	enum preface_status status = judge(caller, &preface, &module);
	if (status == PREFACE_OTHER_VERSION)
		caller->streams->other_version++;
	bool is_answered = answer(caller, status);
	if (is_answered && status == PREFACE_GO_ON) {
		int socket = caller->socket;
		loop_remove(&caller->streams->daemon->loop, &caller->watch);
		caller->socket = -1;
		/* If it is gone this moment, the caller sees the connection end and comes again. */
		(void)!fs_hand_stream(module, preface.node, socket);
		return;
	}
	dismiss(caller);
}

static void on_readable(void *owner, uint32_t events)
{
	struct caller *caller = owner;

	(void)events;
	/* Not one byte more than the preface: what follows is for TLS. */
	ssize_t size = recv(caller->socket, caller->data + caller->size,
		PREFACE_SIZE - caller->size, MSG_DONTWAIT);
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0) {
		if (caller->size > 0)
			caller->streams->garbage++;
		dismiss(caller);
		return;
	}
	caller->size += (size_t)size;
	if (caller->size == PREFACE_SIZE)
		on_preface(caller);
}

static struct caller *free_place(struct daemon_streams *streams)
{
	struct caller *oldest = &streams->callers[0];

	for (int i = 0; i < PENDING_MAX; i++) {
		struct caller *caller = &streams->callers[i];
		if (caller->socket < 0)
			return caller;
		if (caller->came_ns < oldest->came_ns)
			oldest = caller;
	}
	/* A flood must not keep the peer out: who has waited longest goes. */
	streams->garbage++;
	dismiss(oldest);
	return oldest;
}

static void on_caller(void *owner, uint32_t events)
{
	struct listener *listener = owner;
	struct daemon_streams *streams = listener->streams;
	const int one = 1;

	(void)events;
	int socket = accept4(listener->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (socket < 0)
		return;							       /* gone again */
	(void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* only slower */
	struct caller *caller = free_place(streams);
	*caller =
		(struct caller){ .streams = streams, .socket = socket, .came_ns = clock_boot_ns() };
	caller->watch = (struct watch){ .fd = socket, .owner = caller, .on_ready = on_readable };
	if (loop_add(&streams->daemon->loop, &caller->watch, EPOLLIN) != 0)
		dismiss(caller);
}

/* ---- listeners ---- */

static int set_free_bind(int fd, const struct address *address)
{
	bool is_ipv6 = address->family == ADDRESS_IPV6;
	const int one = 1;

	return setsockopt(fd, is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
		is_ipv6 ? IPV6_FREEBIND : IP_FREEBIND, &one, sizeof(one));
}

static int bind_and_listen(int fd, const struct address *address, uint16_t port)
{
	struct sockaddr_storage local;
	socklen_t size = socket_address_fill(address, port, &local);
	const int one = 1;

	/* An address that comes with its network later is listened on already. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		set_free_bind(fd, address) < 0 || bind(fd, (struct sockaddr *)&local, size) < 0 ||
		listen(fd, BACKLOG) < 0)
		return -errno;
	return 0;
}

static int open_listener(struct listener *listener)
{
	struct daemon *daemon = listener->streams->daemon;

	int fd = socket(
		socket_family(&listener->address), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	listener->watch = (struct watch){ .fd = fd, .owner = listener, .on_ready = on_caller };
	int error = bind_and_listen(fd, &listener->address, daemon->cluster.port);
	if (error == 0)
		error = loop_add(&daemon->loop, &listener->watch, EPOLLIN);
	if (error != 0) {
		close(fd);
		listener->watch.fd = -1;
	}
	return error;
}

static void try_listener(struct listener *listener)
{
	struct daemon *daemon = listener->streams->daemon;
	char text[ADDRESS_TEXT_SIZE];

	int error = listener->watch.fd >= 0 ? 0 : open_listener(listener);
	if (error != 0 && !listener->is_error_said)
		daemon_log(daemon, NULL, SEVERITY_ERROR, "stream.no_port",
			"TCP port %u of %s cannot be used for replication: %s. Trying every "
			"second; "
			"see that nothing else uses it.",
			daemon->cluster.port, address_format(&listener->address, text),
			strerror(-error));
	listener->is_error_said = error != 0;
}

static void report(struct daemon_streams *streams)
{
	uint64_t all = streams->garbage + streams->other_version;
	int64_t now_ns = clock_boot_ns();

	if (all == streams->reported ||
		(streams->reported_ns != 0 && now_ns - streams->reported_ns < REPORT_NS))
		return;
	daemon_log(streams->daemon, NULL, SEVERITY_WARNING, "stream.foreign",
		"%llu connections to TCP port %u were not from this cluster's nodes, or of another "
		"version (%llu of these since the start), and were closed.",
		(unsigned long long)(all - streams->reported), streams->daemon->cluster.port,
		(unsigned long long)streams->other_version);
	streams->reported = all;
	streams->reported_ns = now_ns;
}

static void on_tick(void *owner)
{
	struct daemon_streams *streams = owner;
	int64_t now_ns = clock_boot_ns();

	for (uint8_t i = 0; i < streams->listener_count; i++)
		try_listener(&streams->listeners[i]);
	for (int i = 0; i < PENDING_MAX; i++) {
		struct caller *caller = &streams->callers[i];
		if (caller->socket < 0 || now_ns - caller->came_ns < PREFACE_LIMIT_NS)
			continue;
		streams->garbage++;
		dismiss(caller);
	}
	report(streams);
	loop_arm(&streams->daemon->loop, &streams->tick, now_ns + RELISTEN_NS / 2);
}

int streams_open(struct daemon *daemon)
{
	struct daemon_streams *streams = calloc(1, sizeof(*streams));
	if (streams == NULL)
		return -ENOMEM;
	daemon->streams = streams;
	streams->daemon = daemon;
	for (int i = 0; i < PENDING_MAX; i++)
		streams->callers[i].socket = -1;
	streams->listener_count = daemon->self->address_count;
	for (uint8_t i = 0; i < streams->listener_count; i++)
		streams->listeners[i] = (struct listener){
			.streams = streams, .address = daemon->self->addresses[i], .watch.fd = -1
		};
	streams->tick = (struct timer){ .owner = streams, .on_due = on_tick };
	on_tick(streams);
	return 0;
}

void streams_close(struct daemon *daemon)
{
	struct daemon_streams *streams = daemon->streams;

	if (streams == NULL)
		return;
	loop_disarm(&daemon->loop, &streams->tick);
	for (uint8_t i = 0; i < streams->listener_count; i++) {
		if (streams->listeners[i].watch.fd < 0)
			continue;
		loop_remove(&daemon->loop, &streams->listeners[i].watch);
		close(streams->listeners[i].watch.fd);
	}
	for (int i = 0; i < PENDING_MAX; i++)
		if (streams->callers[i].socket >= 0)
			dismiss(&streams->callers[i]);
	free(streams);
	daemon->streams = NULL;
}
