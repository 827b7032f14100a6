#include <string.h>

#include "sim/world.h"

/*
 * What lies where. Each write knows the one it replaced, so "this copy contains that write" is a
 * walk back along the writes of one object; two nodes that wrote apart from each other have chains
 * that part.
 */

uint32_t copy_write(struct world *world, struct node *node, uint8_t object)
{
	CHECK(world->write_count < WRITES_MAX);
	uint32_t id = world->write_count++;

	world->writes[id] = (struct written){
		.previous = node->copy.cached[object],
		.tenure = node->tenure,
		.object = object,
		.node = node->id,
	};
	node->copy.cached[object] = id;
	node->copy.changed_at[object] = world->now;
	return id;
}

bool copy_contains(const struct world *world, uint32_t have, uint32_t write)
{
	while (have > write)
		have = world->writes[have].previous;
	return have == write;
}

static void note_cut(struct world *world, const struct node *node, int object, uint32_t left)
{
	for (uint32_t id = node->copy.cached[object]; !copy_contains(world, left, id);
		id = world->writes[id].previous)
		world->writes[id].cut |= BIT(node->id);
}

/* The page cache is gone. What had not been synced may have been written back, or not. */
void copy_lose_unsynced(struct world *world, struct node *node)
{
	for (int i = 0; i < OBJECTS; i++) {
		if (chance_is(&world->chance, 500)) {
			note_cut(world, node, i, node->copy.durable[i]);
			node->copy.cached[i] = node->copy.durable[i];
		} else
			node->copy.durable[i] = node->copy.cached[i];
	}
}

/* As on the day on which this was kept, with what was durable then. */
void copy_put_back(struct world *world, struct node *node, const struct copy *kept)
{
	for (int i = 0; i < OBJECTS; i++)
		note_cut(world, node, i, kept->durable[i]);
	node->copy = *kept;
	memcpy(node->copy.cached, kept->durable, sizeof(node->copy.cached));
}

static bool is_held_by(const struct world *world, const struct node *node, uint32_t write)
{
	uint8_t object = world->writes[write].object;

	return copy_contains(world, node->copy.cached[object], write);
}

/* Who may be good, as the youngest durable record has it. */
static uint64_t good_mask(const struct world *world)
{
	const struct record *a = &world->nodes[0].record, *b = &world->nodes[1].record;

	if (a->epoch.number != b->epoch.number)
		return a->epoch.number > b->epoch.number ? a->good : b->good;
	return a->good | b->good;
}

/* Its copy serves or follows, or was released in order: it is sure of what it holds. */
static bool is_through(const struct node *node)
{
	return node->is_up &&
	       ((node->fs.is_running && node->fs.role != FS_NONE) || node->record.is_clean);
}

/*
 * `durability: call` promises that losing one server loses no completed call. Where both are down
 * at once and one of them lost its unsynced writes, or the only good one did, a write that was
 * completed but not synced may be gone: from here on it is not missed any more.
 */
static bool is_excused(const struct world *world, uint32_t write)
{
	const struct node *one = &world->nodes[0], *two = &world->nodes[1];
	bool has_one = is_held_by(world, one, write), has_two = is_held_by(world, two, write);

	if (world->writes[write].is_synced || (has_one && has_two))
		return false;
	if (!has_one && !has_two)
		return true;
	const struct node *holder = has_one ? one : two, *other = has_one ? two : one;
	bool is_other_good = (good_mask(world) & BIT64(other->id - 1)) != 0;
	/* A copy that does not count yet, or no more: the other was the only one. */
	uint64_t holder_bit = BIT64(holder->id - 1);
	if ((holder->record.good & holder_bit) == 0 || (good_mask(world) & holder_bit) == 0)
		return true;
	return !is_through(holder) && is_other_good;
}

void copy_excuse(struct world *world)
{
	for (int i = 0; i < OBJECTS; i++) {
		uint32_t *acknowledged = &world->promise.acknowledged[i];
		while (*acknowledged != 0 && is_excused(world, *acknowledged)) {
			world->counters.excused++;
			world->writes[*acknowledged].is_excused = true;
			do
				*acknowledged = world->writes[*acknowledged].previous;
			while (*acknowledged != 0 && !world->writes[*acknowledged].is_acknowledged);
		}
	}
}
