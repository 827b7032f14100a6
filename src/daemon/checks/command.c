/*
 * A program of the module's bin/: up while it ends with 0.
 *
 *	OWN GROUP/evenkeel-NODE/MODULE/check/N	what a try of check N has started
 *
 * Whatever a try leaves running is killed when the try ends, be it in a session of its own; the
 * application is the scripts' to start. While something in the group cannot die (it is stuck in the
 * kernel), no further try is heaped upon it: the check is down.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/checks/internal.h"
#include "daemon/reaper.h"
#include "daemon/scripts/scripts.h"
#include "platform/cgroup.h"

#define READS_AT_ONCE 16

static bool has_groups(const struct module *module)
{
	return module->daemon->cgroup[0] != '\0';
}

static void set_group(const struct module *module, int index, char out[2 * PATH_SIZE_MAX])
{
	(void)snprintf(out, 2 * PATH_SIZE_MAX, "%s/%s/check/%d", module->daemon->cgroup,
		module->settings.name, index);
}

/* ---- what a program prints ---- */

static void take_output(struct check_said *said, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '\n' || text[i] == '\r') {
			said->is_ended = true;
			continue;
		}
		if (said->is_ended)
			said->size = 0;
		said->is_ended = false;
		if (said->size < sizeof(said->text) - 1)
			said->text[said->size++] = text[i];
	}
	said->text[said->size] = '\0';
}

/* It is read as it comes, so that a program that prints much is not stopped by a full pipe. */
static void on_output(void *owner, uint32_t events)
{
	struct check *check = owner;
	char text[4096];
	ssize_t size = 0;

	(void)events;
	for (int i = 0; i < READS_AT_ONCE; i++) {
		size = read(check->output, text, sizeof(text));
		if (size <= 0)
			break;
		take_output(&check->said, text, (size_t)size);
	}
	if (size == 0) /* nobody has it any more */
		loop_remove(&check->module->daemon->loop, &check->output_watch);
}

/* Gives the end that the program gets. */
static int open_output(struct check *check, int *out_fd)
{
	int ends[2];

	check->said = (struct check_said){ .is_ended = true };
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	check->output = ends[0];
	check->output_watch =
		(struct watch){ .fd = ends[0], .owner = check, .on_ready = on_output };
	int error = fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (error == 0)
		error = loop_add(&check->module->daemon->loop, &check->output_watch, EPOLLIN);
	if (error == 0)
		*out_fd = ends[1];
	else
		close(ends[1]);
	return error;
}

static void close_output(struct check *check)
{
	if (check->output < 0)
		return;
	loop_remove(&check->module->daemon->loop, &check->output_watch);
	close(check->output);
	check->output = -1;
}

/* ---- one try ---- */

static void on_ended(void *owner, uint32_t events)
{
	struct check *check = owner;
	int status = 0;
	char why[CHECK_SAID_SIZE + 64] = "it was ended by a signal";

	(void)events;
	loop_remove(&check->module->daemon->loop, &check->watch);
	on_output(check, 0); /* what it printed last */
	int error = process_reap(&check->process, &status);
	if (error == 0 && WIFEXITED(status))
		(void)snprintf(why, sizeof(why), "it ended with status %d%s%s", WEXITSTATUS(status),
			check->said.size > 0 ? ", and said: " : "", check->said.text);
	if (error == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		check_is_up(check);
	else
		check_is_down(check, error != 0 ? process_failure(error) : why);
}

/* Its descriptor; -1: there are no groups here. Errors: -EBUSY: the last try has not died yet. */
static int open_group(const struct check *check, int *out_fd)
{
	char path[2 * PATH_SIZE_MAX];

	*out_fd = -1;
	if (!has_groups(check->module))
		return 0;
	set_group(check->module, check->index, path);
	if (cgroup_is_populated(path))
		return -EBUSY;
	int error = cgroup_make(path);
	if (error != 0)
		return error;
	*out_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *out_fd < 0 ? -errno : 0;
}

static int launch(struct check *check, int cgroup_fd)
{
	const struct module *module = check->module;
	char path[3 * PATH_SIZE_MAX];
	char *arguments[] = { path, NULL };
	char **environment = scripts_environment(module);
	int output = -1;

	int error = open_output(check, &output);
	if (error != 0) {
		scripts_free_environment(environment);
		return error;
	}
	const struct process_order order = { .path = path,
		.arguments = arguments,
		.environment = environment,
		.cgroup_fd = cgroup_fd,
		.output_fd = output };

	(void)snprintf(path, sizeof(path), "%s/bin/%s", module->settings.folder,
		check_config_of(check)->command);
	error = process_start(&order, &check->process);
	close(output);
	scripts_free_environment(environment);
	return error;
}

static int start(struct check *check)
{
	int group;

	int error = open_group(check, &group);
	if (error != 0)
		return error;
	error = launch(check, group);
	if (group >= 0)
		close(group);
	if (error != 0)
		return error;
	check->watch =
		(struct watch){ .fd = check->process.pidfd, .owner = check, .on_ready = on_ended };
	return loop_add(&check->module->daemon->loop, &check->watch, EPOLLIN);
}

static void end(struct check *check)
{
	struct daemon *daemon = check->module->daemon;
	char path[2 * PATH_SIZE_MAX];

	loop_remove(&daemon->loop, &check->watch);
	close_output(check);
	if (has_groups(check->module)) {
		set_group(check->module, check->index, path);
		(void)!cgroup_kill(path); /* what is left is seen before the next try */
	}
	if (check->process.pidfd < 0)
		return;
	(void)process_kill(&check->process, SIGKILL);
	process_kill_group(&check->process);
	reaper_take(daemon, &check->process);
}

static const char *failure(int error)
{
	return error == -EBUSY ? "what it started last was killed and has not died yet"
			       : process_failure(error);
}

const struct check_type check_command = { start, end, failure };

/* The folder of all groups of the module's checks. False: there is none, or it was never needed. */
static bool find_groups(const struct module *module, char out[2 * PATH_SIZE_MAX])
{
	(void)snprintf(out, 2 * PATH_SIZE_MAX, "%s/%s/check", module->daemon->cgroup,
		module->settings.name);
	return has_groups(module) && access(out, F_OK) == 0;
}

void check_command_forget(struct module *module)
{
	char path[2 * PATH_SIZE_MAX];

	if (!find_groups(module, path))
		return;
	for (int i = 0; i < CHECKS_MAX; i++) {
		set_group(module, i, path);
		(void)!cgroup_kill(path); /* what is left is seen before the next try */
	}
}

void check_command_remove(struct module *module)
{
	char folder[2 * PATH_SIZE_MAX], path[2 * PATH_SIZE_MAX];

	if (!find_groups(module, folder))
		return;
	for (int i = 0; i < CHECKS_MAX; i++) {
		set_group(module, i, path);
		cgroup_remove(path);
	}
	cgroup_remove(folder);
}
