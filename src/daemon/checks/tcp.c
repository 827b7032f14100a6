/* A TCP port: up while it accepts connections. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/checks/internal.h"
#include "platform/socket_address.h"

/* The virtual address, where clients connect; without one, this machine. */
static struct address target_of(const struct module *module)
{
	const struct address local = { .family = ADDRESS_IPV4, .bytes = { 127, 0, 0, 1 } };

	return module->settings.address_count > 0 && module->runtime.is_address_held
		       ? module->settings.addresses[0].address
		       : local;
}

static void on_connected(void *owner, uint32_t events)
{
	struct check *check = owner;
	struct address target = target_of(check->module);
	char place[ADDRESS_PORT_TEXT_SIZE], why[128];
	int error = 0;
	socklen_t size = sizeof(error);

	(void)events;
	if (getsockopt(check->socket, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error == 0) {
		check_is_up(check);
		return;
	}
	(void)snprintf(why, sizeof(why), "%s at %s", strerror(error),
		address_format_port(&target, check_config_of(check)->tcp_port, place));
	check_is_down(check, why);
}

static int start(struct check *check)
{
	struct address target = target_of(check->module);
	struct sockaddr_storage address;
	socklen_t size = socket_address_fill(&target, check_config_of(check)->tcp_port, &address);

	check->socket =
		socket(socket_family(&target), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (check->socket < 0)
		return -errno;
	if (connect(check->socket, (struct sockaddr *)&address, size) < 0 && errno != EINPROGRESS)
		return -errno;
	check->watch =
		(struct watch){ .fd = check->socket, .owner = check, .on_ready = on_connected };
	return loop_add(&check->module->daemon->loop, &check->watch, EPOLLOUT);
}

static void end(struct check *check)
{
	loop_remove(&check->module->daemon->loop, &check->watch);
	if (check->socket >= 0)
		close(check->socket);
	check->socket = -1;
}

static const char *failure(int error)
{
	return strerror(-error);
}

const struct check_type check_tcp = { start, end, failure };
