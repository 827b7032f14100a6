/*
 * A module's scripts, each in the module's own control groups:
 *
 *	OWN GROUP/evenkeel-NODE/MODULE/script	what runs now, and what it has started so far
 *	                              /app	what successful scripts left: the application
 *	                              /fs	evenkeel-fs (fs.c)
 *
 * A script that is over its time limit is killed with all it started; what a script leaves running
 * is moved to `app`. Its output goes through one pipe a module, kept in evenkeel-hold: an
 * application that writes there does not get SIGPIPE when we are killed.
 *
 *	          RUN_SCRIPT              ended, or the time limit
 *	  idle ---------------> running ----------------------------> idle, SCRIPT_ENDED
 *
 * One script of a module runs at a time; orders that come meanwhile wait.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/parts.h"
#include "platform/cgroup.h"
#include "platform/clock.h"
#include "platform/process.h"

#define WAITING_MAX	4
#define ENVIRONMENT_MAX 16
#define OUTPUT_NAME	"output"
#define OUTPUT_LINES	200 /* of a burst; more are counted only: an application that chatters */
#define OUTPUT_BURST_NS (10 * NS_PER_S)

struct script_order {
	enum script script;
	bool is_forced;
};

struct module_scripts {
	struct module *module;
	char script_group[PATH_SIZE_MAX], app_group[PATH_SIZE_MAX];
	bool is_running;
	struct script_order current;
	struct process process;
	struct watch process_watch;
	struct timer limit;
	struct script_order waiting[WAITING_MAX];
	int waiting_count;
	int output_fd;	  /* read end */
	int output_write; /* handed to scripts */
	struct watch output_watch;
	char line[SENTENCE_SIZE_MAX];
	size_t line_size;
	int64_t burst_ns;
	int burst_lines;
};

static void start_next(struct module_scripts *scripts);

/* ---- output ---- */

static void say_line(struct module_scripts *scripts)
{
	struct module *module = scripts->module;
	int64_t now_ns = clock_boot_ns();

	scripts->line[scripts->line_size] = '\0';
	if (now_ns - scripts->burst_ns > OUTPUT_BURST_NS) {
		if (scripts->burst_lines > OUTPUT_LINES)
			daemon_log(module->daemon, module, SEVERITY_WARNING, "script.output_cut",
				"%d more lines of output were left out here.",
				scripts->burst_lines - OUTPUT_LINES);
		scripts->burst_ns = now_ns;
		scripts->burst_lines = 0;
	}
	if (scripts->line_size > 0 && scripts->burst_lines++ < OUTPUT_LINES)
		daemon_log(module->daemon, module, SEVERITY_INFO, "script.output", "%s",
			scripts->line);
	scripts->line_size = 0;
}

static void on_output(void *owner, uint32_t events)
{
	struct module_scripts *scripts = owner;
	char data[4096];

	(void)events;
	ssize_t size = read(scripts->output_fd, data, sizeof(data));
	for (ssize_t i = 0; i < size; i++) {
		if (data[i] == '\n' || scripts->line_size + 1 == sizeof(scripts->line))
			say_line(scripts);
		if (data[i] != '\n' && data[i] != '\r' && data[i] != '\0')
			scripts->line[scripts->line_size++] = data[i];
	}
}

static int find_output(struct module *module)
{
	static struct handed_fd kept[32];
	int count = hold_list(module, kept, ARRAY_COUNT(kept));

	for (int i = 0; i < count; i++)
		if (strcmp(kept[i].name, OUTPUT_NAME) == 0)
			return fcntl(kept[i].fd, F_DUPFD_CLOEXEC, 0);
	return -1;
}

static int make_output(struct module_scripts *scripts)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	scripts->output_fd = ends[0];
	scripts->output_write = ends[1];
	int copy = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
	if (copy >= 0)
		hold_keep(scripts->module, OUTPUT_NAME, copy);
	return 0;
}

static int open_output(struct module_scripts *scripts)
{
	char path[64];
	int error = 0;

	scripts->output_fd = find_output(scripts->module);
	if (scripts->output_fd >= 0) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", scripts->output_fd);
		scripts->output_write = open(path, O_WRONLY | O_CLOEXEC);
		error = scripts->output_write < 0 ? -errno : 0;
	} else {
		error = make_output(scripts);
	}
	if (error == 0 && fcntl(scripts->output_fd, F_SETFL, O_NONBLOCK) < 0)
		error = -errno;
	if (error != 0)
		return error;
	scripts->output_watch =
		(struct watch){ .fd = scripts->output_fd, .owner = scripts, .on_ready = on_output };
	return loop_add(&scripts->module->daemon->loop, &scripts->output_watch, EPOLLIN);
}

/* ---- environment ---- */

static char *variable(const char *key, const char *value)
{
	char *text = NULL;

	return asprintf(&text, "%s=%s", key, value) < 0 ? NULL : text;
}

static void join_directories(const struct module_settings *settings, char *out, size_t size_max)
{
	size_t size = 0;

	out[0] = '\0';
	for (int i = 0; i < settings->directory_count && size < size_max; i++)
		size += (size_t)snprintf(out + size, size_max - size, "%s%s", i == 0 ? "" : ":",
			settings->directories[i]);
}

char **scripts_environment(const struct module *module)
{
	const struct module_settings *settings = &module->settings;
	const char *path = getenv("PATH");
	char address[INET_ADDRSTRLEN] = "";
	char **environment = calloc(ENVIRONMENT_MAX, sizeof(char *));
	char *directories = malloc(PATH_SIZE_MAX * ROOTS_MAX);
	int count = 0;

	CHECK(environment != NULL && directories != NULL);
	join_directories(settings, directories, PATH_SIZE_MAX * ROOTS_MAX);
	if (settings->address_count > 0)
		(void)inet_ntop(AF_INET, &settings->addresses[0].address, address, sizeof(address));
	const char *const pairs[][2] = {
		{ "PATH", path != NULL ? path : "/usr/sbin:/usr/bin:/sbin:/bin" },
		{ "HOME", "/root" },
		{ "LANG", "C.UTF-8" },
		{ "EVENKEEL_MODULE", settings->name },
		{ "EVENKEEL_NODE", module->daemon->self->name },
		{ "EVENKEEL_ADDRESS", address },
		{ "EVENKEEL_DIRECTORY",
			settings->directory_count > 0 ? settings->directories[0] : "" },
		{ "EVENKEEL_DIRECTORIES", directories },
		{ "EVENKEEL_CONFIG", module->daemon->paths.config },
		{ "EVENKEEL_STATE", module->daemon->paths.state },
		{ "EVENKEEL_RUN", module->daemon->paths.run },
	};
	_Static_assert(ARRAY_COUNT(pairs) < ENVIRONMENT_MAX, "and the terminator");
	for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
		environment[count] = variable(pairs[i][0], pairs[i][1]);
		CHECK(environment[count] != NULL);
		count++;
	}
	free(directories);
	return environment;
}

void scripts_free_environment(char **environment)
{
	for (int i = 0; environment[i] != NULL; i++)
		free(environment[i]);
	free(environment);
}

/* ---- the end of a script ---- */

static void note_runtime(struct module *module, struct script_order order, bool is_success)
{
	bool was_running = module->runtime.is_application_running;

	if (is_success && (order.script == SCRIPT_START_PRIM || order.script == SCRIPT_START_BOTH))
		module->runtime.is_application_running = true;
	else if (order.script == SCRIPT_STOP_PRIM || order.script == SCRIPT_STOP_BOTH)
		module->runtime.is_application_running = false;
	if (module->runtime.is_application_running != was_running)
		runtime_write(module);
}

static void report(struct module_scripts *scripts, enum script_outcome outcome, int exit_status)
{
	struct module *module = scripts->module;
	struct script_order order = scripts->current;

	note_runtime(module, order, outcome == SCRIPT_SUCCEEDED);
	daemon_post(module->daemon, &(struct event){ .type = EVENT_SCRIPT_ENDED,
					    .module = module->settings.number,
					    .script = { .script = order.script,
						    .is_forced = order.is_forced,
						    .outcome = outcome,
						    .exit_status = exit_status } });
}

static void settle(struct module_scripts *scripts)
{
	struct loop *loop = &scripts->module->daemon->loop;

	loop_disarm(loop, &scripts->limit);
	loop_remove(loop, &scripts->process_watch);
	scripts->is_running = false;
}

static const char *pass_word(const struct script_order *order)
{
	return order->is_forced ? " (force)" : "";
}

static void on_ended(void *owner, uint32_t events)
{
	struct module_scripts *scripts = owner;
	struct module *module = scripts->module;
	int status = 0;

	(void)events;
	settle(scripts);
	int error = process_reap(&scripts->process, &status);
	bool is_success = error == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	on_output(scripts, 0); /* what it said last comes before what we say of it */
	/* What it left is the application, or the rest of it; both are found in `app`. */
	if (module->daemon->cgroup[0] != '\0')
		(void)!cgroup_move_all(scripts->script_group, scripts->app_group);
	if (error == 0 && WIFSIGNALED(status))
		daemon_log(module->daemon, module, SEVERITY_WARNING, "script.killed",
			"Script %s%s was ended by signal %d.", script_name(scripts->current.script),
			pass_word(&scripts->current), WTERMSIG(status));
	else if (!is_success)
		daemon_log(module->daemon, module, SEVERITY_WARNING, "script.failed",
			"Script %s%s failed with status %d; what it said stands above.",
			script_name(scripts->current.script), pass_word(&scripts->current),
			WEXITSTATUS(status));
	report(scripts, is_success ? SCRIPT_SUCCEEDED : SCRIPT_FAILED,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	start_next(scripts);
}

/* It may be stuck in the kernel and not die now: nobody waits for that. */
static void on_limit(void *owner)
{
	struct module_scripts *scripts = owner;
	struct module *module = scripts->module;

	settle(scripts);
	daemon_log(module->daemon, module, SEVERITY_ERROR, "script.timed_out",
		"Script %s%s has not ended within %lld s and is killed with all it started.",
		script_name(scripts->current.script), pass_word(&scripts->current),
		(long long)(module->settings.script_timeout_ns / NS_PER_S));
	(void)process_kill(&scripts->process, SIGKILL);
	if (module->daemon->cgroup[0] != '\0')
		(void)!cgroup_kill(scripts->script_group);
	reaper_take(module->daemon, &scripts->process);
	report(scripts, SCRIPT_TIMED_OUT, 0);
	start_next(scripts);
}

/* ---- starting ---- */

static const char *cannot_run_reason(int error)
{
	switch (error) {
	case -ENOENT: return "its first line names a program that is not there";
	case -EACCES: return "it is not executable (chmod +x)";
	case -ENOEXEC: return "it is no program, and its first line names none (#!/bin/sh)";
	default: return strerror(-error);
	}
}

static int launch(struct module_scripts *scripts, const char *path)
{
	struct module *module = scripts->module;
	struct script_order order = scripts->current;
	char *arguments[] = { (char *)path, order.is_forced ? "force" : NULL, NULL };
	char **environment = scripts_environment(module);
	struct process_order process = { .path = path,
		.arguments = arguments,
		.environment = environment,
		.cgroup_fd = -1,
		.output_fd = scripts->output_write };

	if (module->daemon->cgroup[0] != '\0')
		process.cgroup_fd = open(scripts->script_group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = process_start(&process, &scripts->process);
	if (process.cgroup_fd >= 0)
		close(process.cgroup_fd);
	scripts_free_environment(environment);
	return error;
}

static void start_now(struct module_scripts *scripts, struct script_order order)
{
	struct module *module = scripts->module;
	struct loop *loop = &module->daemon->loop;
	char path[2 * PATH_SIZE_MAX];

	scripts->current = order;
	(void)snprintf(path, sizeof(path), "%s/bin/%s", module->settings.folder,
		script_name(order.script));
	int error = launch(scripts, path);
	if (error != 0) {
		daemon_log(module->daemon, module, SEVERITY_ERROR, "script.cannot_run",
			"Script %s cannot be run: %s.", path,
			access(path, F_OK) != 0 ? "it does not exist" : cannot_run_reason(error));
		report(scripts, SCRIPT_CANNOT_RUN, 0);
		return;
	}
	scripts->is_running = true;
	scripts->process_watch = (struct watch){
		.fd = scripts->process.pidfd, .owner = scripts, .on_ready = on_ended
	};
	error = loop_add(loop, &scripts->process_watch, EPOLLIN);
	CHECK(error == 0);
	loop_arm(loop, &scripts->limit, clock_boot_ns() + module->settings.script_timeout_ns);
}

static void start_next(struct module_scripts *scripts)
{
	while (!scripts->is_running && scripts->waiting_count > 0) {
		struct script_order order = scripts->waiting[0];
		scripts->waiting_count--;
		memmove(scripts->waiting, scripts->waiting + 1,
			(size_t)scripts->waiting_count * sizeof(order));
		start_now(scripts, order);
	}
}

void scripts_run(struct module *module, enum script script, bool is_forced)
{
	struct module_scripts *scripts = module->scripts;

	CHECK(scripts->waiting_count < WAITING_MAX);
	scripts->waiting[scripts->waiting_count++] =
		(struct script_order){ .script = script, .is_forced = is_forced };
	start_next(scripts);
}

bool scripts_has(const struct module *module, enum script script)
{
	char path[2 * PATH_SIZE_MAX];

	(void)snprintf(
		path, sizeof(path), "%s/bin/%s", module->settings.folder, script_name(script));
	/* One that is not executable is there, and said so when it is its turn. */
	return access(path, F_OK) == 0;
}

/* ---- the application ---- */

void scripts_kill_application(struct module *module)
{
	struct module_scripts *scripts = module->scripts;

	if (module->daemon->cgroup[0] == '\0') {
		daemon_log(module->daemon, module, SEVERITY_ERROR, "application.not_killed",
			"The application cannot be killed: there is no control group here.");
		return;
	}
	int error = cgroup_kill(scripts->app_group);
	int script_error = cgroup_kill(scripts->script_group);
	if (error != 0 || script_error != 0)
		daemon_log(module->daemon, module, SEVERITY_ERROR, "application.not_killed",
			"The application cannot be killed: %s.",
			strerror(error != 0 ? -error : -script_error));
	module->runtime.is_application_running = false;
	runtime_write(module);
}

bool scripts_is_application_running(const struct module *module)
{
	return module->daemon->cgroup[0] == '\0' || cgroup_is_populated(module->scripts->app_group);
}

/* ---- a module comes and goes ---- */

static int make_groups(struct module_scripts *scripts)
{
	const struct daemon *daemon = scripts->module->daemon;
	const char *name = scripts->module->settings.name;

	if (daemon->cgroup[0] == '\0')
		return 0;
	(void)snprintf(scripts->script_group, sizeof(scripts->script_group), "%s/%s/script",
		daemon->cgroup, name);
	(void)snprintf(
		scripts->app_group, sizeof(scripts->app_group), "%s/%s/app", daemon->cgroup, name);
	int error = cgroup_make(scripts->script_group);
	return error != 0 ? error : cgroup_make(scripts->app_group);
}

int scripts_add(struct module *module)
{
	struct module_scripts *scripts = calloc(1, sizeof(*scripts));
	if (scripts == NULL)
		return -ENOMEM;
	module->scripts = scripts;
	scripts->module = module;
	scripts->output_fd = scripts->output_write = -1;
	scripts->process.pidfd = -1;
	scripts->limit = (struct timer){ .owner = scripts, .on_due = on_limit };
	int error = make_groups(scripts);
	if (error == 0)
		error = open_output(scripts);
	/* A script that our predecessor was running when it was killed: nobody can tell how it
	 * ends, so it ends now, and the core has it run again. */
	if (error == 0 && scripts->script_group[0] != '\0' &&
		cgroup_is_populated(scripts->script_group)) {
		daemon_log(module->daemon, module, SEVERITY_WARNING, "script.lost",
			"A script was running when evenkeeld was killed; it is killed and run "
			"again.");
		error = cgroup_kill(scripts->script_group);
	}
	return error;
}

void scripts_remove(struct module *module)
{
	struct module_scripts *scripts = module->scripts;
	struct loop *loop = &module->daemon->loop;

	if (scripts == NULL)
		return;
	loop_disarm(loop, &scripts->limit);
	loop_remove(loop, &scripts->process_watch);
	loop_remove(loop, &scripts->output_watch);
	process_close(&scripts->process);
	if (scripts->output_fd >= 0)
		close(scripts->output_fd);
	if (scripts->output_write >= 0)
		close(scripts->output_write);
	free(scripts);
	module->scripts = NULL;
}
