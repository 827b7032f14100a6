#include "sim/world.h"

/*
 * A primary that is stopped, by a person or with its node, while its state disk hangs, so that nothing is handed
 * over; its stop script takes long, and meanwhile it is cut off. The good copy beside it takes over (R7). These
 * have a stream of chance of their own, so a seed without them has the history that it always had.
 */

#define RUNS_PERMILLE 80
#define LOOK_AGAIN_NS (200 * NS_PER_MS)

void stops_draw(struct world *world, int64_t from)
{
	world->stop.state = (world->seed ^ UINT64_C(0x70ca5ade)) * UINT64_C(0xc4ceb9fe1a85ec53);
	if (chance_is(&world->stop, RUNS_PERMILLE))
		happen(world, from + chance_between(&world->stop, 0, 20 * NS_PER_S), HAPPEN_STOP);
}

static bool is_pair(struct world *world, const struct node *primary)
{
	return primary->daemon.is_running && !primary->daemon.is_leaving &&
	       primary->frozen_until[PROCESS_DAEMON] <= world->now &&
	       primary->fs.sender.mode == SENDER_PAIRED && !primary->fs.sender.is_muted &&
	       primary->record.good == other_node(world, primary)->record.good &&
	       !fault_is_untold(world, primary);
}

void stop_strike(struct world *world)
{
	struct node *primary = &world->nodes[primary_is_serving(&world->nodes[0]) ? 0 : 1];
	int64_t cut_after = chance_between(&world->stop, 0, 6 * NS_PER_S);

	if (world->is_calm)
		return;
	if (!primary_is_serving(primary) || !is_pair(world, primary)) {
		happen(world, LOOK_AGAIN_NS, HAPPEN_STOP);
		return;
	}
	SAY(world, "node %d: its state disk hangs, its stop script takes long", primary->id);
	world->counters.faults++;
	primary->stop_lasts_until =
		world->now + chance_between(&world->stop, 8 * NS_PER_S, 25 * NS_PER_S);
	primary->state_disk_until =
		world->now + chance_between(&world->stop, 5 * NS_PER_S, 40 * NS_PER_S);
	if (chance_is(&world->stop, 500))
		daemon_shut_down(world, primary);
	else
		daemon_command(world, primary, COMMAND_STOP, false);
	happen(world, cut_after, HAPPEN_STOP_CUT)->node = primary->id;
	happen(world, chance_between(&world->stop, 40 * NS_PER_S, 80 * NS_PER_S), HAPPEN_STOP);
}

void stop_cut_off(struct world *world, struct node *node)
{
	int64_t duration = chance_between(&world->stop, 2 * NS_PER_S, 30 * NS_PER_S);

	if (!world->is_calm && node->is_up)
		fault_cut_off(world, node, duration);
}
