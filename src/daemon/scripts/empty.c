/*
 * What runs in the application's control group although its stop scripts have run, or there are none,
 * is ended before the module is called stopped, and before anything is started again.
 *
 *	EMPTY_APPLICATION --nobody there--------------------------------------> EMPTIED
 *	        |                                                                 ^
 *	        +--> SIGTERM --EMPTY_TERM_NS--> SIGKILL --EMPTY_KILL_NS--> named, EMPTIED (left)
 *
 * A script that was killed may leave its own group full for the same reason; it is emptied with it.
 */
#include <stdio.h>

#include "daemon/runtime.h"
#include "daemon/scripts/internal.h"
#include "platform/cgroup.h"
#include "platform/clock.h"

#define LOOK_NS (20 * NS_PER_MS)

static bool is_empty(const struct script_empty *empty)
{
	return empty->module->daemon->cgroup[0] == '\0' ||
	       (!cgroup_is_populated(empty->app_group) &&
		       !cgroup_is_populated(empty->script_group));
}

static void end(struct script_empty *empty, bool is_left)
{
	struct module *module = empty->module;

	empty->is_running = false;
	if (!is_left && module->runtime.is_application_running) { /* no stop script noted it */
		module->runtime.is_application_running = false;
		runtime_write(module);
	}
	loop_disarm(&module->daemon->loop, &empty->look);
	daemon_post(module->daemon, &(struct event){ .type = EVENT_APPLICATION_EMPTIED,
					    .module = module->settings.number,
					    .emptied.is_left = is_left });
}

/* Who has ended meanwhile need not hear of it; the next look says who has not. */
static void terminate_all(struct script_empty *empty)
{
	(void)!cgroup_terminate(empty->app_group);
	(void)!cgroup_terminate(empty->script_group);
}

static void kill_all(struct script_empty *empty)
{
	(void)!cgroup_kill(empty->app_group);
	(void)!cgroup_kill(empty->script_group);
}

static void say(
	struct script_empty *empty, enum severity severity, const char *id, const char *what)
{
	char names[256];

	scripts_name_application(empty->module, names, sizeof(names));
	daemon_log(empty->module->daemon, empty->module, severity, id, "%s: %s.", what,
		names[0] == '\0' ? "they cannot be seen from here" : names);
}

/* A request to a FUSE file system was sent, and is not answered. */
static bool waits_for_fuse(const char *group)
{
	return cgroup_sleeps_in(group, "request_wait_answer") || cgroup_sleeps_in(group, "fuse");
}

/* Our own mount looks like a disk that hangs: an evenkeel-fs that does not answer keeps them too. */
static void say_left(struct script_empty *empty)
{
	bool is_ours = waits_for_fuse(empty->app_group) || waits_for_fuse(empty->script_group);

	say(empty, SEVERITY_ERROR, "application.not_ended",
		is_ours ? "Processes of the application do not end, not even by SIGKILL: they wait "
			  "for a replicated directory (evenkeel-fs has not answered them yet), and "
			  "end when it is released. Nothing is started beside them"
			: "Processes of the application do not end, not even by SIGKILL: they wait "
			  "inside the kernel, for a disk most likely, or for a replicated "
			  "directory. "
			  "Nothing is started beside them");
}

static void on_look(void *owner)
{
	struct script_empty *empty = owner;
	struct loop *loop = &empty->module->daemon->loop;
	int64_t now_ns = clock_boot_ns(), age_ns = now_ns - empty->since_ns;

	if (is_empty(empty)) {
		end(empty, false);
		return;
	}
	if (age_ns >= EMPTY_TERM_NS + EMPTY_KILL_NS) {
		say_left(empty);
		end(empty, true);
		return;
	}
	/* Again each time: some may have forked meanwhile. */
	if (age_ns >= EMPTY_TERM_NS)
		kill_all(empty);
	loop_arm(loop, &empty->look, now_ns + LOOK_NS);
}

void scripts_empty_init(struct script_empty *empty, struct module *module)
{
	empty->module = module;
	empty->look = (struct timer){ .owner = empty, .on_due = on_look };
}

void scripts_empty_start(struct script_empty *empty)
{
	if (empty->is_running)
		return;
	empty->is_running = true;
	empty->since_ns = clock_boot_ns();
	if (!is_empty(empty)) {
		say(empty, SEVERITY_WARNING, "application.left",
			"Processes of the application still run although it is stopped (no stop "
			"script ended them); they get SIGTERM, and SIGKILL after 5 s");
		terminate_all(empty);
	}
	on_look(empty);
}

void scripts_empty_stop(struct script_empty *empty)
{
	loop_disarm(&empty->module->daemon->loop, &empty->look);
}
