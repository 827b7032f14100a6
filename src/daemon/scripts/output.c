/*
 * What scripts and the application say: one pipe a module, kept in evenkeel-hold, because an
 * application that writes there must not get SIGPIPE when we are killed. Each line is an event.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/scripts/internal.h"
#include "daemon/hold.h"
#include "platform/clock.h"

#define OUTPUT_LINES	200 /* of a burst; more are counted only: an application that chatters */
#define OUTPUT_BURST_NS (10 * NS_PER_S)

static void say_line(struct script_output *output)
{
	struct module *module = output->module;
	int64_t now_ns = clock_boot_ns();

	output->line[output->line_size] = '\0';
	if (now_ns - output->burst_ns > OUTPUT_BURST_NS) {
		if (output->burst_lines > OUTPUT_LINES)
			daemon_log(module->daemon, module, SEVERITY_WARNING, "script.output_cut",
				"%d more lines of output were left out here.",
				output->burst_lines - OUTPUT_LINES);
		output->burst_ns = now_ns;
		output->burst_lines = 0;
	}
	if (output->line_size > 0 && output->burst_lines++ < OUTPUT_LINES)
		daemon_log(
			module->daemon, module, SEVERITY_INFO, "script.output", "%s", output->line);
	output->line_size = 0;
}

void scripts_output_take(struct script_output *output)
{
	char data[4096];

	ssize_t size = read(output->read_fd, data, sizeof(data));
	for (ssize_t i = 0; i < size; i++) {
		if (data[i] == '\n' || output->line_size + 1 == sizeof(output->line))
			say_line(output);
		if (data[i] != '\n' && data[i] != '\r' && data[i] != '\0')
			output->line[output->line_size++] = data[i];
	}
}

static void on_output(void *owner, uint32_t events)
{
	(void)events;
	scripts_output_take(owner);
}

static int find_output(struct module *module)
{
	static struct handed_fd kept[32];
	int count = hold_list(module, kept, ARRAY_COUNT(kept));

	for (int i = 0; i < count; i++)
		if (strcmp(kept[i].name, SCRIPTS_OUTPUT_NAME) == 0)
			return fcntl(kept[i].fd, F_DUPFD_CLOEXEC, 0);
	return -1;
}

static int make_output(struct script_output *output)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	output->read_fd = ends[0];
	output->write_fd = ends[1];
	int copy = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
	if (copy >= 0)
		hold_keep(output->module, SCRIPTS_OUTPUT_NAME, copy);
	return 0;
}

int scripts_output_open(struct script_output *output, struct module *module)
{
	char path[64];
	int error = 0;

	output->module = module;
	output->read_fd = find_output(output->module);
	if (output->read_fd >= 0) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", output->read_fd);
		output->write_fd = open(path, O_WRONLY | O_CLOEXEC);
		error = output->write_fd < 0 ? -errno : 0;
	} else {
		error = make_output(output);
	}
	if (error == 0 && fcntl(output->read_fd, F_SETFL, O_NONBLOCK) < 0)
		error = -errno;
	if (error != 0)
		return error;
	output->watch =
		(struct watch){ .fd = output->read_fd, .owner = output, .on_ready = on_output };
	return loop_add(&output->module->daemon->loop, &output->watch, EPOLLIN);
}

void scripts_output_close(struct script_output *output)
{
	loop_remove(&output->module->daemon->loop, &output->watch);
	if (output->read_fd >= 0)
		close(output->read_fd);
	if (output->write_fd >= 0)
		close(output->write_fd);
}
