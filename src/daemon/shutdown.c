/*
 * A planned exit (SIGTERM: the service is stopped, the machine goes down): every module is stopped
 * in order, so that the other node takes over without waiting for silence, and is started again
 * when we come back. Which ones that are stands in state/resume, one name a line.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/parts.h"
#include "platform/clock.h"

#define LOOK_NS	 (50 * NS_PER_MS)
#define LIMIT_NS (90 * NS_PER_S) /* a service manager's usual patience */

static void set_path(const struct daemon *daemon, char out[2 * PATH_SIZE_MAX])
{
	(void)snprintf(out, 2 * PATH_SIZE_MAX, "%s/resume", daemon->paths.state);
}

static bool is_stopped(struct daemon *daemon, const struct module *module)
{
	struct status status;

	return core_status(daemon->core, module->settings.number, &status) != 0 ||
	       status.state == MIRROR_STOP;
}

/* Best effort: a module that is missing in it stays stopped, and `status` shows that. */
static void remember(struct daemon *daemon)
{
	char path[2 * PATH_SIZE_MAX];

	set_path(daemon, path);
	FILE *file = fopen(path, "we");
	if (file == NULL)
		return;
	for (int i = 0; i < daemon->module_count; i++)
		if (!is_stopped(daemon, daemon->modules[i]))
			fprintf(file, "%s\n", daemon->modules[i]->settings.name);
	(void)fflush(file);
	(void)fsync(fileno(file));
	(void)fclose(file);
}

static void finish(struct daemon *daemon)
{
	mesh_send(daemon, true);
	loop_disarm(&daemon->loop, &daemon->shutdown_timer);
	daemon->loop.should_stop = true;
}

static void on_look(void *owner)
{
	struct daemon *daemon = owner;
	int64_t now_ns = clock_boot_ns();
	bool are_all_stopped = true;

	for (int i = 0; i < daemon->module_count; i++)
		if (!is_stopped(daemon, daemon->modules[i]) || daemon->modules[i]->is_writing)
			are_all_stopped = false;
	if (!are_all_stopped && now_ns < daemon->shutdown_limit_ns) {
		loop_arm(&daemon->loop, &daemon->shutdown_timer, now_ns + LOOK_NS);
		return;
	}
	if (!are_all_stopped)
		daemon_log(daemon, NULL, SEVERITY_ERROR, "daemon.stop_incomplete",
			"evenkeeld ends although a module has not stopped in time.");
	finish(daemon);
}

void shutdown_start(struct daemon *daemon)
{
	if (daemon->is_stopping) {
		finish(daemon);
		return;
	}
	daemon->is_stopping = true;
	daemon->shutdown_limit_ns = clock_boot_ns() + LIMIT_NS;
	daemon->shutdown_timer = (struct timer){ .owner = daemon, .on_due = on_look };
	remember(daemon);
	for (int i = 0; i < daemon->module_count; i++) {
		if (is_stopped(daemon, daemon->modules[i]))
			continue;
		daemon_post(daemon, &(struct event){ .type = EVENT_COMMAND_GIVEN,
					    .module = daemon->modules[i]->settings.number,
					    .command.command = COMMAND_STOP });
	}
	on_look(daemon);
}

/* Takes the name out of the list: it is started once. */
static bool take_from_list(const struct module *module)
{
	char path[2 * PATH_SIZE_MAX], text[PATH_SIZE_MAX * 16];
	bool is_there = false;
	char *rest = NULL;

	set_path(module->daemon, path);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t size = read(fd, text, sizeof(text) - 1);
	text[MAX_OF(size, 0)] = '\0';
	(void)!ftruncate(fd, 0); /* at worst it is started again next time */
	(void)lseek(fd, 0, SEEK_SET);
	for (char *line = strtok_r(text, "\n", &rest); line != NULL;
		line = strtok_r(NULL, "\n", &rest)) {
		if (strcmp(line, module->settings.name) == 0)
			is_there = true;
		else
			(void)!dprintf(fd, "%s\n", line);
	}
	close(fd);
	return is_there;
}

void shutdown_resume(struct module *module)
{
	if (!take_from_list(module) || !is_stopped(module->daemon, module))
		return;
	daemon_post(module->daemon, &(struct event){ .type = EVENT_COMMAND_GIVEN,
					    .module = module->settings.number,
					    .command.command = COMMAND_START });
}
