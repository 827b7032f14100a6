/*
 * A module's scripts, each in the module's own control groups:
 *
 *	OWN GROUP/evenkeel-NODE/MODULE/script	what runs now, and what it has started so far
 *	                              /app	what successful scripts left: the application (empty.c)
 *	                              /fs	evenkeel-fs (guests/fs_process.c)
 *	                              /check/N	what a check has started (checks/command.c)
 *
 * A script that is over its time limit is killed with all it started; what a script leaves running
 * is moved to `app`. Its output is scripts/output.c's.
 *
 *	          RUN_SCRIPT              ended, or the time limit
 *	  idle ---------------> running ----------------------------> idle, SCRIPT_ENDED
 *
 * One script of a module runs at a time; orders that come meanwhile wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/scripts/internal.h"
#include "daemon/reaper.h"
#include "daemon/runtime.h"
#include "platform/cgroup.h"
#include "platform/clock.h"
#include "platform/process.h"

#define WAITING_MAX 4

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
	struct script_output output;
	struct script_empty empty;
};

static void start_next(struct module_scripts *scripts);

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

static void set_path(const struct module_scripts *scripts, char out[2 * PATH_SIZE_MAX])
{
	(void)snprintf(out, 2 * PATH_SIZE_MAX, "%s/bin/%s", scripts->module->settings.folder,
		script_name(scripts->current.script));
}

static void say_cannot_run(struct module_scripts *scripts, int error)
{
	char path[2 * PATH_SIZE_MAX];

	set_path(scripts, path);
	daemon_log(scripts->module->daemon, scripts->module, SEVERITY_ERROR, "script.cannot_run",
		"Script %s cannot be run: %s.", path, process_failure(error));
}

static void say_end(struct module_scripts *scripts, int status)
{
	struct module *module = scripts->module;

	if (WIFSIGNALED(status))
		daemon_log(module->daemon, module, SEVERITY_WARNING, "script.killed",
			"Script %s%s was ended by signal %d.", script_name(scripts->current.script),
			pass_word(&scripts->current), WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		daemon_log(module->daemon, module, SEVERITY_WARNING, "script.failed",
			"Script %s%s failed with status %d; what it said stands above.",
			script_name(scripts->current.script), pass_word(&scripts->current),
			WEXITSTATUS(status));
}

static void on_ended(void *owner, uint32_t events)
{
	struct module_scripts *scripts = owner;
	int status = 0;

	(void)events;
	settle(scripts);
	int error = process_reap(&scripts->process, &status);
	bool is_success = error == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	scripts_output_take(
		&scripts->output); /* what it said last comes before what we say of it */
	/* What it left is the application, or the rest of it; both are found in `app`. */
	if (scripts->module->daemon->cgroup[0] != '\0')
		(void)!cgroup_move_all(scripts->script_group, scripts->app_group);
	if (error != 0 && error != -ECHILD) {
		say_cannot_run(scripts, error);
		report(scripts, SCRIPT_CANNOT_RUN, 0);
	} else {
		say_end(scripts, status);
		report(scripts, is_success ? SCRIPT_SUCCEEDED : SCRIPT_FAILED,
			WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
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

static int launch(struct module_scripts *scripts)
{
	struct module *module = scripts->module;
	struct script_order order = scripts->current;
	char path[2 * PATH_SIZE_MAX];
	char *arguments[] = { path, order.is_forced ? "force" : NULL, NULL };
	char **environment = scripts_environment(module);
	struct process_order process = { .path = path,
		.arguments = arguments,
		.environment = environment,
		.cgroup_fd = -1,
		.output_fd = scripts->output.write_fd };

	set_path(scripts, path);
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

	scripts->current = order;
	int error = launch(scripts);
	if (error != 0) {
		say_cannot_run(scripts, error);
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

void scripts_empty_application(struct module *module)
{
	scripts_empty_start(&module->scripts->empty);
}

void scripts_name_application(const struct module *module, char *out, size_t size)
{
	out[0] = '\0';
	if (module->daemon->cgroup[0] == '\0')
		return;
	cgroup_name(module->scripts->app_group, out, size);
	if (out[0] == '\0')
		cgroup_name(module->scripts->script_group, out, size);
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
	scripts->output = (struct script_output){ .module = module, .read_fd = -1, .write_fd = -1 };
	scripts->process.pidfd = -1;
	scripts->empty.app_group = scripts->app_group;
	scripts->empty.script_group = scripts->script_group;
	scripts_empty_init(&scripts->empty, module);
	scripts->limit = (struct timer){ .owner = scripts, .on_due = on_limit };
	int error = make_groups(scripts);
	if (error == 0)
		error = scripts_output_open(&scripts->output, module);
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

/* What still runs keeps its group, for whoever adds the module again. */
static void remove_groups(const struct module *module)
{
	const struct daemon *daemon = module->daemon;
	char folder[2 * PATH_SIZE_MAX];

	if (daemon->cgroup[0] == '\0')
		return;
	cgroup_remove(module->scripts->script_group);
	cgroup_remove(module->scripts->app_group);
	(void)snprintf(folder, sizeof(folder), "%s/%s", daemon->cgroup, module->settings.name);
	cgroup_remove(folder);
}

void scripts_remove(struct module *module)
{
	struct module_scripts *scripts = module->scripts;
	struct loop *loop = &module->daemon->loop;

	if (scripts == NULL)
		return;
	loop_disarm(loop, &scripts->limit);
	scripts_empty_stop(&scripts->empty);
	loop_remove(loop, &scripts->process_watch);
	process_close(&scripts->process);
	scripts_output_close(&scripts->output);
	remove_groups(module);
	free(scripts);
	module->scripts = NULL;
}
