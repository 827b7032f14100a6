/*
 * control.sock: an evenkeel-fs that connects is a guest until it has said hello for a module; then
 * its connection is the module's (fs.c). One that says nothing is shown out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/guests/internal.h"
#include "platform/clock.h"
#include "platform/folders.h"

#define GUESTS_MAX     64 /* connections that have not yet said hello */
#define GUEST_LIMIT_NS (2 * NS_PER_S)

struct guest {
	struct daemon_control *control;
	int socket; /* -1: free */
	int64_t came_ns;
	struct watch watch;
};

struct daemon_control {
	struct daemon *daemon;
	struct watch watch; /* listening */
	struct timer tick;  /* throws out guests that say nothing */
	struct guest guests[GUESTS_MAX];
};

static void dismiss(struct guest *guest)
{
	loop_remove(&guest->control->daemon->loop, &guest->watch);
	if (guest->socket >= 0)
		close(guest->socket);
	guest->socket = -1;
}

static pid_t peer_pid(int socket)
{
	struct ucred who = { 0 };
	socklen_t size = sizeof(who);

	return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 ? 0 : who.pid;
}

/* False if it must go. */
static bool welcome(struct guest *guest, const struct control_message *message)
{
	struct daemon *daemon = guest->control->daemon;
	struct module *module = daemon_module_by_name(daemon, message->hello.module);
	pid_t pid = peer_pid(guest->socket);

	if (module == NULL || module->fs == NULL || pid == 0)
		return false;
	/* Two watches of one descriptor cannot be: ours goes first. */
	loop_remove(&daemon->loop, &guest->watch);
	if (!fs_welcome(module, pid, guest->socket, message))
		return false;
	guest->socket = -1;
	return true;
}

static void on_guest(void *owner, uint32_t events)
{
	struct guest *guest = owner;
	struct control_message message;
	struct fields_error wrong; /* whoever says it is sent away, whatever it was */
	int fd = -1;

	(void)events;
	int error = control_receive(guest->socket, &message, &fd, &wrong);
	if (error == -EAGAIN)
		return;
	if (error == 0 && fd >= 0)
		close(fd);
	if (error != 0 || message.type != CONTROL_HELLO || !welcome(guest, &message))
		dismiss(guest);
}

static void on_guest_comes(void *owner, uint32_t events)
{
	struct daemon_control *control = owner;

	(void)events;
	int socket = accept4(control->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (socket < 0)
		return;
	for (int i = 0; i < GUESTS_MAX; i++) {
		struct guest *guest = &control->guests[i];
		if (guest->socket >= 0)
			continue;
		*guest = (struct guest){
			.control = control, .socket = socket, .came_ns = clock_boot_ns()
		};
		guest->watch = (struct watch){ .fd = socket, .owner = guest, .on_ready = on_guest };
		if (loop_add(&control->daemon->loop, &guest->watch, EPOLLIN) != 0)
			dismiss(guest);
		return;
	}
	close(socket); /* full: it tries again */
}

static void on_tick(void *owner)
{
	struct daemon_control *control = owner;
	int64_t now_ns = clock_boot_ns();

	for (int i = 0; i < GUESTS_MAX; i++)
		if (control->guests[i].socket >= 0 &&
			now_ns - control->guests[i].came_ns > GUEST_LIMIT_NS)
			dismiss(&control->guests[i]);
	loop_arm(&control->daemon->loop, &control->tick, now_ns + GUEST_LIMIT_NS);
}

int fs_open(struct daemon *daemon)
{
	char path[PATH_SIZE_MAX];

	struct daemon_control *control = calloc(1, sizeof(*control));
	if (control == NULL)
		return -ENOMEM;
	daemon->control = control;
	control->daemon = daemon;
	for (int i = 0; i < GUESTS_MAX; i++)
		control->guests[i].socket = -1;
	control->watch = (struct watch){ .fd = -1, .owner = control, .on_ready = on_guest_comes };
	control->tick = (struct timer){ .owner = control, .on_due = on_tick };
	node_file_path(path, NODE_FILE_CONTROL_SOCKET, daemon->paths.run, NULL);
	int error = control_listen(path, &control->watch.fd);
	if (error != 0)
		return error;
	on_tick(control);
	return loop_add(&daemon->loop, &control->watch, EPOLLIN);
}

void fs_close(struct daemon *daemon)
{
	struct daemon_control *control = daemon->control;

	if (control == NULL)
		return;
	for (int i = 0; i < GUESTS_MAX; i++)
		if (control->guests[i].socket >= 0)
			dismiss(&control->guests[i]);
	loop_disarm(&daemon->loop, &control->tick);
	loop_remove(&daemon->loop, &control->watch);
	if (control->watch.fd >= 0)
		close(control->watch.fd);
	free(control);
	daemon->control = NULL;
}
