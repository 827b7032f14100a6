/*
 * A planned exit (SIGTERM: the service is stopped, the machine goes down): every module leaves in
 * order, so that the other node takes over without waiting for silence. They start again with us.
 *
 *	           in order, and nothing runs                           status 0
 *	leaving ----------------------------------------------------->  end
 *	   |       all is let go, but a record is not on its disk          ^
 *	   |  +----------------------------------------------------------->|  status 1
 *	   |  |                                                            |
 *	   +--+-- the limit, or a second SIGTERM --> forcing --nothing runs, or FORCE_LIMIT_NS
 *
 * Giving up is no success: the limit contains what the scripts of the modules may take by their own
 * limits, then applications are killed and directories taken away, and the status says so.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/guests/guests.h"
#include "daemon/mesh/mesh.h"
#include "daemon/scripts/scripts.h"
#include "daemon/shutdown.h"
#include "platform/clock.h"

#define LOOK_NS	 (50 * NS_PER_MS)
#define SPARE_NS (10 * NS_PER_S)

_Static_assert(
	FORCE_LIMIT_NS > EMPTY_TERM_NS + EMPTY_KILL_NS, "what is killed has its time to die");

static void finish(struct daemon *daemon, bool is_in_order)
{
	mesh_send(daemon, core_is_shut_down(daemon->core));
	loop_disarm(&daemon->loop, &daemon->shutdown_timer);
	for (int i = 0; i < daemon->module_count && !is_in_order; i++)
		fs_release_now(daemon->modules[i]); /* none of ours stays without us */
	daemon->has_failed = !is_in_order;
	daemon->loop.should_stop = true;
}

/* ---- what still runs ---- */

/* Nothing of it runs here any more. What it waits for else, in words. */
static const char *what_runs(const struct module *module, char *names, size_t size)
{
	if (module->daemon->cgroup[0] != '\0' && scripts_is_application_running(module)) {
		scripts_name_application(module, names, size);
		return names[0] == '\0' ? "its application runs" : names;
	}
	if (module->runtime.is_application_running)
		return "its application runs";
	if (fs_is_wanted(module))
		return "its directories are not released";
	return module->runtime.is_address_held ? "its address is held" : NULL;
}

static bool is_anything_running(const struct daemon *daemon)
{
	char names[128];

	for (int i = 0; i < daemon->module_count; i++)
		if (what_runs(daemon->modules[i], names, sizeof(names)) != NULL)
			return true;
	return false;
}

static bool is_writing(const struct daemon *daemon)
{
	for (int i = 0; i < daemon->module_count; i++)
		if (daemon->modules[i]->is_writing)
			return true;
	return false;
}

static void name_what_runs(struct daemon *daemon, const char *id, const char *what)
{
	char names[128];

	for (int i = 0; i < daemon->module_count; i++) {
		const char *runs = what_runs(daemon->modules[i], names, sizeof(names));
		if (runs != NULL)
			daemon_log(daemon, daemon->modules[i], SEVERITY_ERROR, id, "%s: %s.", what,
				runs);
	}
}

/* ---- how long it may take ---- */

/* A start script that runs, each stop script with its second pass, `poststop`; each has its limit. */
static int64_t scripts_ns(const struct module_settings *settings)
{
	static const enum script stops[] = { SCRIPT_STOP_PRIM, SCRIPT_STOP_SECOND,
		SCRIPT_STOP_BOTH };
	int count = 1 + settings->has_script[SCRIPT_POSTSTOP];

	for (size_t i = 0; i < ARRAY_COUNT(stops); i++)
		count += 2 * settings->has_script[stops[i]];
	return count * settings->script_timeout_ns;
}

int64_t shutdown_limit_ns(const struct daemon *daemon)
{
	const int64_t rest_ns = DRAIN_PATIENCE_NS + EMPTY_TERM_NS + EMPTY_KILL_NS + RELEASE_GAP_NS +
				FS_RELEASE_LIMIT_NS + UNRECORDED_LIMIT_NS + SPARE_NS;
	int64_t longest_ns = 0;

	for (int i = 0; i < daemon->module_count; i++)
		longest_ns = MAX_OF(longest_ns, scripts_ns(&daemon->modules[i]->settings));
	return longest_ns + rest_ns;
}

/* ---- on the way ---- */

static void force(struct daemon *daemon, int64_t now_ns)
{
	name_what_runs(daemon, "daemon.stop_forced",
		"Not stopped in order: what still runs is killed, and directories are taken away");
	daemon->is_forcing = true;
	daemon->shutdown_limit_ns = now_ns + FORCE_LIMIT_NS;
	for (int i = 0; i < daemon->module_count; i++) {
		scripts_kill_application(daemon->modules[i]);
		fs_release_now(daemon->modules[i]);
	}
}

static void on_look(void *owner)
{
	struct daemon *daemon = owner;
	int64_t now_ns = clock_boot_ns();
	bool is_in_order = core_is_shut_down(daemon->core) && !is_writing(daemon);
	bool is_running = is_anything_running(daemon);

	if (is_running)
		daemon->let_go_ns = now_ns;
	bool is_unrecorded = !is_in_order && now_ns - daemon->let_go_ns >= UNRECORDED_LIMIT_NS;
	if (!is_running && (is_in_order || is_unrecorded || daemon->is_forcing)) {
		if (!is_in_order && !daemon->is_forcing)
			daemon_log(daemon, NULL, SEVERITY_ERROR, "daemon.stop_unrecorded",
				"Everything is stopped here, but that could not be written to %s: "
				"look at that disk. At the next start this node is taken for one "
				"that crashed.",
				daemon->paths.state);
		finish(daemon, is_in_order && !daemon->is_forcing);
		return;
	}
	if (now_ns >= daemon->shutdown_limit_ns && daemon->is_forcing) {
		name_what_runs(daemon, "daemon.stop_incomplete",
			"evenkeeld ends although this cannot be ended, not even by force; only a "
			"reboot of this machine will");
		finish(daemon, false);
		return;
	}
	if (now_ns >= daemon->shutdown_limit_ns)
		force(daemon, now_ns);
	loop_arm(&daemon->loop, &daemon->shutdown_timer, now_ns + LOOK_NS);
}

void shutdown_start(struct daemon *daemon)
{
	int64_t now_ns = clock_boot_ns();

	if (daemon->is_stopping) {
		if (!daemon->is_forcing)
			force(daemon, now_ns);
		return;
	}
	daemon->is_stopping = true;
	daemon->let_go_ns = now_ns;
	daemon->shutdown_limit_ns = now_ns + shutdown_limit_ns(daemon);
	daemon->shutdown_timer = (struct timer){ .owner = daemon, .on_due = on_look };
	daemon_post(daemon, &(struct event){ .type = EVENT_SHUTDOWN_WANTED });
	on_look(daemon);
}
