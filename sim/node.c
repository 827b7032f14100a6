#include "sim/world.h"

/*
 * A node's machine: its boot clock, its kernel's service address, its scripts, and the ways it
 * ends. A crash ends all processes and leaves the page cache; a power cut leaves the disk.
 */

#define SCRIPT_TIMEOUT_NS (10 * NS_PER_S)
#define SCRIPT_RETRY_NS	  (500 * NS_PER_MS)

int64_t node_clock(const struct world *world, const struct node *node)
{
	int64_t elapsed = world->now - node->clock_offset;

	return elapsed + elapsed / 1000000 * node->drift_ppm + NS_PER_S;
}

bool node_has_address(const struct world *world, const struct node *node)
{
	return node->address_until > world->now;
}

void node_start(struct world *world, struct node *node)
{
	SAY(world, "node %d: starts", node->id);
	node->is_up = true;
	node->boots++;
	daemon_start(world, node);
}

static void end_processes(struct world *world, struct node *node)
{
	daemon_kill(world, node);
	fs_kill(world, node);
	scripts_kill(node);
	node->is_script_running = false;
	node->pending_count = 0;
	node->held.has_logs = false;
	node->held.role = FS_NONE;
	node->is_up = false;
	node->is_mount_gone = false;
	for (int i = 0; i < NODES; i++)
		world->nodes[i].has_given_away = false; /* a service that begins anew */
	for (int i = 0; i < PROCESS_COUNT; i++)
		node->frozen_until[i] = 0;
}

void node_crash(struct world *world, struct node *node)
{
	SAY(world, "node %d: all processes die", node->id);
	end_processes(world, node);
	copy_excuse(world);
}

void node_cut_power(struct world *world, struct node *node)
{
	SAY(world, "node %d: power cut", node->id);
	end_processes(world, node);
	copy_lose_unsynced(world, node);
	node->power_cut_at = world->now;
	node->wishes = (struct wishes){ 0 };
	node->state_disk_until = 0;
	node->stop_lasts_until = 0;
	byhand_cut(node);
	node->address_until = 0;
	node->clock_offset = world->now;
	copy_excuse(world);
}

void node_freeze(struct world *world, struct node *node, enum process process, int64_t duration)
{
	int64_t until = world->now + duration;

	SAY(world, "node %d: %s stopped for %lld ms", node->id,
		process == PROCESS_NONE	    ? "everything is"
		: process == PROCESS_DAEMON ? "evenkeeld is"
					    : "evenkeel-fs is",
		(long long)(duration / NS_PER_MS));
	node->woken_at = MAX_OF(node->woken_at, until);
	node->may_be_unfit = node->may_be_unfit || process == PROCESS_FS;
	for (int i = 0; i < PROCESS_COUNT; i++)
		if (process == PROCESS_NONE || i == (int)process)
			node->frozen_until[i] = MAX_OF(node->frozen_until[i], until);
}

/* ---- scripts: start_prim starts the application, stop_prim ends it ---- */

/* A script that runs is killed with it; its end is told like any other. */
void scripts_kill(struct node *node)
{
	for (int i = 0; i < CLIENTS; i++)
		node->held.ring[i].is_orphan = node->held.ring[i].is_pending;
	node->is_application_running = false;
	node->is_script_killed = node->is_script_running;
}

void script_run(struct world *world, struct node *node, const struct action *action)
{
	int64_t duration = chance_between(&world->chance, 5 * NS_PER_MS, 400 * NS_PER_MS);
	struct happening *end = happen_to(world, node, PROCESS_NONE, HAPPEN_SCRIPT, duration);

	SAY(world, "node %d: script %s%s", node->id, script_name(action->script.script),
		action->script.is_forced ? ", by force" : "");
	end->number = (uint64_t)action->script.script;
	end->extra = action->script.is_forced;
	end->life = node->daemon.life;
	node->script_since = world->now;
	node->script_end = end->order;
	node->is_script_running = true;
	node->is_script_killed = false;
	if (action->script.script == SCRIPT_STOP_PRIM && action->script.is_forced)
		node->is_application_running = false;
}

/* A clean stop waits for the writes under way; while answers are held it cannot finish (R10). */
static bool is_stop_stuck(
	const struct world *world, const struct node *node, const struct happening *happening)
{
	bool has_pending = false;

	for (int i = 0; i < CLIENTS; i++)
		has_pending |= node->held.ring[i].is_pending;
	bool is_in_order = happening->number == SCRIPT_STOP_PRIM && happening->extra == 0;
	return is_in_order && node->is_application_running &&
	       (has_pending || world->now < node->stop_lasts_until);
}

static void tell_end(struct world *world, struct node *node, const struct happening *happening,
	enum script_outcome outcome)
{
	struct event event = {
		.type = EVENT_SCRIPT_ENDED,
		.module = MODULE,
		.script = { .script = (enum script)happening->number,
			.is_forced = happening->extra != 0,
			.outcome = outcome },
	};

	SAY(world, "node %d: script %s ends, outcome %d", node->id,
		script_name((enum script)happening->number), outcome);
	node->is_script_running = false;
	if (node->daemon.is_running && node->daemon.life == happening->life)
		daemon_post(world, node, &event);
}

void script_on_end(struct world *world, struct node *node, const struct happening *happening)
{
	if (!node->is_script_running || happening->order != node->script_end)
		return; /* the whole node has ended meanwhile, or a new daemon began anew */
	if (node->is_script_killed) {
		tell_end(world, node, happening, SCRIPT_FAILED);
		return;
	}
	if (is_stop_stuck(world, node, happening)) {
		bool is_slow = world->now < node->stop_lasts_until;
		if (is_slow || world->now - node->script_since < SCRIPT_TIMEOUT_NS)
			queue_postpone(world, happening, world->now + SCRIPT_RETRY_NS);
		else
			tell_end(world, node, happening, SCRIPT_TIMED_OUT);
		return;
	}
	if (happening->number == SCRIPT_START_PRIM)
		node->is_application_running = true;
	if (happening->number == SCRIPT_STOP_PRIM)
		node->is_application_running = false;
	tell_end(world, node, happening, SCRIPT_SUCCEEDED);
}
