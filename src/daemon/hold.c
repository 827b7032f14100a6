/*
 * Our side of evenkeel-hold: what a successor needs is kept there, and here.
 *
 * Both keep duplicates. When we die, hold hands them to our successor; when hold dies, we offer
 * them to its successor, as soon as run/hold.lock names a living process again. A name is
 * MODULE/NAME.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/hold.h"
#include "platform/clock.h"
#include "platform/fdstore.h"
#include "platform/folders.h"

#define LOOK_NS (100 * NS_PER_MS) /* between looks for hold's successor */

struct daemon_hold {
	struct daemon *daemon;
	char socket_path[2 * PATH_SIZE_MAX], lock_path[2 * PATH_SIZE_MAX];
	struct process process; /* pidfd -1: none known */
	struct watch watch;
	struct timer look;
	int count;
	struct handed_fd kept[PROCESS_HANDED_MAX];
};

static void set_name(const struct module *module, const char *name, char out[HANDED_NAME_MAX])
{
	(void)snprintf(out, HANDED_NAME_MAX, "%s/%s", module->settings.name, name);
}

static int find(const struct daemon_hold *hold, const char *name)
{
	for (int i = 0; i < hold->count; i++)
		if (strcmp(hold->kept[i].name, name) == 0)
			return i;
	return -1;
}

/* ---- hold's life ---- */

static void offer_all(struct daemon_hold *hold)
{
	for (int i = 0; i < hold->count; i++)
		/* If it cannot take one, it keeps the rest; we still have it. */
		(void)!fdstore_keep(hold->socket_path, hold->kept[i].name, hold->kept[i].fd);
}

static long read_pid(const char *path)
{
	char text[24] = "";

	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t size = read(fd, text, sizeof(text) - 1);
	close(fd);
	return size > 0 ? strtol(text, NULL, 10) : 0;
}

static void on_look(void *owner)
{
	struct daemon_hold *hold = owner;
	long pid = read_pid(hold->lock_path);

	loop_arm(&hold->daemon->loop, &hold->look, clock_boot_ns() + LOOK_NS);
	if (pid <= 0 || process_watch((pid_t)pid, &hold->process) != 0)
		return;
	hold->watch.fd = hold->process.pidfd;
	if (loop_add(&hold->daemon->loop, &hold->watch, EPOLLIN) != 0) {
		process_close(&hold->process);
		return;
	}
	loop_disarm(&hold->daemon->loop, &hold->look);
	offer_all(hold);
}

static void on_ended(void *owner, uint32_t events)
{
	struct daemon_hold *hold = owner;

	(void)events;
	loop_remove(&hold->daemon->loop, &hold->watch);
	process_close(&hold->process);
	daemon_log(hold->daemon, NULL, SEVERITY_WARNING, "hold.gone",
		"evenkeel-hold has ended; its service manager should start it again. Until then "
		"nobody restarts evenkeeld.");
	loop_arm(&hold->daemon->loop, &hold->look, clock_boot_ns() + LOOK_NS);
}

int hold_open(struct daemon *daemon)
{
	struct daemon_hold *hold = calloc(1, sizeof(*hold));
	if (hold == NULL)
		return -ENOMEM;
	daemon->hold = hold;
	hold->daemon = daemon;
	hold->process.pidfd = -1;
	hold->watch = (struct watch){ .owner = hold, .on_ready = on_ended };
	hold->look = (struct timer){ .owner = hold, .on_due = on_look };
	node_file_path(hold->socket_path, NODE_FILE_HOLD_SOCKET, daemon->paths.run, NULL);
	node_file_path(hold->lock_path, NODE_FILE_HOLD_LOCK, daemon->paths.run, NULL);
	hold->count = fdstore_inherited(hold->kept, PROCESS_HANDED_MAX);
	on_look(hold);
	return 0;
}

void hold_close(struct daemon *daemon)
{
	struct daemon_hold *hold = daemon->hold;

	if (hold == NULL)
		return;
	loop_disarm(&daemon->loop, &hold->look);
	loop_remove(&daemon->loop, &hold->watch);
	process_close(&hold->process);
	for (int i = 0; i < hold->count; i++)
		close(hold->kept[i].fd);
	free(hold);
	daemon->hold = NULL;
}

/* ---- what is kept ---- */

void hold_forget(struct module *module, const char *name)
{
	struct daemon_hold *hold = module->daemon->hold;
	char full[HANDED_NAME_MAX];

	set_name(module, name, full);
	int at = find(hold, full);
	if (at < 0)
		return;
	close(hold->kept[at].fd);
	hold->kept[at] = hold->kept[--hold->count];
	(void)!fdstore_forget(hold->socket_path, full); /* its successor is not offered it */
}

void hold_keep(struct module *module, const char *name, int fd)
{
	struct daemon_hold *hold = module->daemon->hold;
	char full[HANDED_NAME_MAX];

	set_name(module, name, full);
	int at = find(hold, full);
	if (at >= 0) {
		close(hold->kept[at].fd);
	} else if (hold->count < PROCESS_HANDED_MAX) {
		at = hold->count++;
	} else {
		close(fd);
		daemon_log(module->daemon, module, SEVERITY_ERROR, "hold.full",
			"No more descriptors can be kept for successors; %s is not.", name);
		return;
	}
	hold->kept[at].fd = fd;
	memcpy(hold->kept[at].name, full, sizeof(full));
	int error = fdstore_keep(hold->socket_path, full, fd);
	if (error != 0 && hold->process.pidfd >= 0)
		daemon_log(module->daemon, module, SEVERITY_WARNING, "hold.refused",
			"evenkeel-hold did not take %s: %s. If evenkeeld is killed now, the "
			"application may get errors.",
			name, strerror(-error));
}

int hold_list(struct module *module, struct handed_fd *out, int max)
{
	const struct daemon_hold *hold = module->daemon->hold;
	size_t size = strlen(module->settings.name);
	int count = 0;

	for (int i = 0; i < hold->count && count < max; i++) {
		const struct handed_fd *kept = &hold->kept[i];
		if (strncmp(kept->name, module->settings.name, size) != 0 ||
			kept->name[size] != '/')
			continue;
		out[count].fd = kept->fd;
		(void)snprintf(
			out[count].name, sizeof(out[count].name), "%s", kept->name + size + 1);
		count++;
	}
	return count;
}
