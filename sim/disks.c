#include "sim/world.h"

/*
 * State disks that hang: a record that is being written, or is begun, is not durable before the disk
 * answers again, perhaps half a minute later. They have a stream of chance of their own, so a seed
 * without them has the history that it always had. Often the network breaks in the same moment: a
 * machine that loses its storage network does.
 */

#define RUNS_PERMILLE 150
#define WITH_CUT      400

void disks_draw(struct world *world, int64_t from)
{
	world->disk.state = (world->seed ^ UINT64_C(0x5ca1ab1e)) * UINT64_C(0xff51afd7ed558ccd);
	if (chance_is(&world->disk, RUNS_PERMILLE))
		happen(world, from + chance_between(&world->disk, 0, 10 * NS_PER_S), HAPPEN_DISK);
}

void disk_strike(struct world *world)
{
	struct node *node = &world->nodes[chance_below(&world->disk, NODES)];
	int64_t duration = chance_is(&world->disk, 300)
				   ? chance_between(&world->disk, NS_PER_S, 5 * NS_PER_S)
				   : chance_between(&world->disk, 5 * NS_PER_S, 40 * NS_PER_S);

	if (world->is_calm)
		return;
	happen(world, duration + chance_between(&world->disk, NS_PER_S, 30 * NS_PER_S),
		HAPPEN_DISK);
	if (!node->is_up || fault_is_untold(world, node))
		return;
	SAY(world, "node %d: its state disk hangs for %lld ms", node->id,
		(long long)(duration / NS_PER_MS));
	world->counters.faults++;
	node->state_disk_until = world->now + duration;
	if (chance_is(&world->disk, WITH_CUT))
		fault_cut_off(
			world, node, chance_between(&world->disk, 3 * NS_PER_S, 30 * NS_PER_S));
}
