/*
 * A planned exit (SIGTERM: the service is stopped, the machine goes down): every module leaves in
 * order, so that the other node takes over without waiting for silence. They start again with us.
 */
#include "daemon/mesh/mesh.h"
#include "daemon/shutdown.h"
#include "platform/clock.h"

#define LOOK_NS	 (50 * NS_PER_MS)
#define LIMIT_NS (90 * NS_PER_S) /* a service manager's usual patience */

static void finish(struct daemon *daemon)
{
	mesh_send(daemon, core_is_shut_down(daemon->core));
	loop_disarm(&daemon->loop, &daemon->shutdown_timer);
	daemon->loop.should_stop = true;
}

static bool is_writing(const struct daemon *daemon)
{
	for (int i = 0; i < daemon->module_count; i++)
		if (daemon->modules[i]->is_writing)
			return true;
	return false;
}

static void on_look(void *owner)
{
	struct daemon *daemon = owner;
	int64_t now_ns = clock_boot_ns();
	bool is_done = core_is_shut_down(daemon->core) && !is_writing(daemon);

	if (!is_done && now_ns < daemon->shutdown_limit_ns) {
		loop_arm(&daemon->loop, &daemon->shutdown_timer, now_ns + LOOK_NS);
		return;
	}
	if (!is_done)
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
	daemon_post(daemon, &(struct event){ .type = EVENT_SHUTDOWN_WANTED });
	on_look(daemon);
}
