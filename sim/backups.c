#include "sim/world.h"

/*
 * Somebody puts back what was kept on an earlier day, on one node, while it is down (R2): its state
 * (the machine's own disk) or its data. Data only where the other node holds all that was
 * acknowledged: nothing can be served else. Until the pair is in order again states may follow, of
 * either node, to other days, and nothing else: both halves of a node put back to one day fit, and
 * with the other node's word gone as well nobody knows better (docs/promises.md). What was recorded
 * is in the data when a role began, or after the next barrier, so the last moments before the end are
 * left alone, and a node without a role; and data of before the last barrier are put back. A stream
 * of chance of its own, so a seed without it has the history that it always had.
 */

#define BACKUP_PERMILLE 150
#define LOOK_AGAIN_NS	(50 * NS_PER_MS)
#define SETTLED_NS	(3 * NS_PER_S)

void backups_draw(struct world *world, int64_t from)
{
	world->backups.chance.state =
		(world->seed ^ UINT64_C(0x5deece66d)) * UINT64_C(0x2545f4914f6cdd1d);
	for (int i = 0; i < NODES; i++)
		world->backups.kept[i].is_taken = false;
	world->backups.has_old_state = world->backups.has_old_data = false;
	if (chance_is(&world->backups.chance, BACKUP_PERMILLE))
		happen(world, from, HAPPEN_BACKUP);
}

/* What somebody wrote by hand and is not kept yet would be judged twice. */
static void keep(struct world *world, const struct node *node)
{
	for (int i = 0; i < OBJECTS; i++)
		if (node->copy.is_by_hand[i])
			return;
	SAY(world, "node %d: state and data are backed up", node->id);
	struct backup *backup = &world->backups.kept[node->id - 1];
	*backup = (struct backup){
		.is_taken = true,
		.record = node->record,
		.standing = node->standing,
		.mark = node->mark,
		.unwatched = node->unwatched,
		.id_floor = node->id_floor,
		.copy = node->copy,
	};
}

static bool has_everything(const struct world *world, const struct node *node)
{
	for (int i = 0; i < OBJECTS; i++)
		if (!copy_contains(world, node->copy.durable[i], world->promise.acknowledged[i]))
			return false;
	return true;
}

static void put_back_state(struct world *world, struct node *node, const struct backup *backup)
{
	SAY(world, "node %d: an old state is put back, of epoch %llu", node->id,
		(unsigned long long)backup->record.epoch.number);
	node->record = backup->record;
	node->standing = backup->standing;
}

static void put_back_data(struct world *world, struct node *node, const struct backup *backup)
{
	SAY(world, "node %d: old data are put back", node->id);
	node->mark = backup->mark;
	node->unwatched = backup->unwatched;
	node->id_floor = backup->id_floor;
	copy_put_back(world, node, &backup->copy);
}

/* False: the moment has not come. */
static bool put_back(struct world *world, struct node *node, const struct backup *backup)
{
	struct backups *backups = &world->backups;
	bool is_state = chance_is(&backups->chance, 600);
	int64_t down = chance_between(&backups->chance, 100 * NS_PER_MS, 10 * NS_PER_S);

	if (world_is_ready(world))
		backups->has_old_state = backups->has_old_data = false;
	bool is_hurt = backups->has_old_data || (backups->has_old_state && !is_state);
	if (is_hurt || !node->is_up || node->fs.role == FS_NONE || node->unmounted > 0 ||
		world->now - node->recorded_at < SETTLED_NS || fault_is_untold(world, node) ||
		(!is_state && (backup->mark.seal == node->mark.seal ||
				      !has_everything(world, other_node(world, node)))))
		return false;
	node_cut_power(world, node);
	backups->has_old_state |= is_state;
	backups->has_old_data |= !is_state;
	if (is_state)
		put_back_state(world, node, backup);
	else
		put_back_data(world, node, backup);
	happen(world, down, HAPPEN_NODE_STARTS)->node = node->id;
	world->counters.faults++;
	return true;
}

void backup_strike(struct world *world)
{
	struct chance *chance = &world->backups.chance;
	struct node *node = &world->nodes[chance_below(chance, NODES)];
	const struct backup *backup = &world->backups.kept[node->id - 1];
	int64_t gap = chance_between(chance, 500 * NS_PER_MS, 12 * NS_PER_S);

	if (world->is_calm)
		return;
	if (!backup->is_taken || chance_is(chance, 250))
		keep(world, node);
	else if (!put_back(world, node, backup))
		gap = LOOK_AGAIN_NS;
	happen(world, gap, HAPPEN_BACKUP);
}
