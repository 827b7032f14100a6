#include "sim/world.h"

/*
 * A binary heap over slots: what happens first stands on top, and of two at the same time the one
 * that was planned first.
 */

static bool is_before(const struct world *world, uint32_t one, uint32_t other)
{
	const struct happening *a = &world->happenings[one], *b = &world->happenings[other];

	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct world *world, uint32_t one, uint32_t other)
{
	uint32_t slot = world->heap[one];

	world->heap[one] = world->heap[other];
	world->heap[other] = slot;
}

static void push(struct world *world, uint32_t slot)
{
	uint32_t at = world->heap_count++;

	world->heap[at] = slot;
	while (at > 0 && is_before(world, world->heap[at], world->heap[(at - 1) / 2])) {
		swap(world, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

static uint32_t pop(struct world *world)
{
	uint32_t slot = world->heap[0], at = 0;

	world->heap[0] = world->heap[--world->heap_count];
	for (;;) {
		uint32_t least = at;
		for (uint32_t child = 2 * at + 1; child <= 2 * at + 2; child++)
			if (child < world->heap_count &&
				is_before(world, world->heap[child], world->heap[least]))
				least = child;
		if (least == at)
			return slot;
		swap(world, at, least);
		at = least;
	}
}

void queue_clear(struct world *world)
{
	world->heap_count = 0;
	world->free_count = EVENTS_MAX;
	for (uint32_t i = 0; i < EVENTS_MAX; i++)
		world->free[i] = EVENTS_MAX - 1 - i;
}

static struct happening *plan(struct world *world, int64_t at, uint64_t order)
{
	CHECK(world->free_count > 0);
	CHECK(at >= world->now);
	uint32_t slot = world->free[--world->free_count];
	struct happening *happening = &world->happenings[slot];

	happening->at = at;
	happening->order = order;
	push(world, slot);
	return happening;
}

struct happening *happen(struct world *world, int64_t delay, enum happening_kind kind)
{
	struct happening *happening = plan(world, world->now + delay, world->order++);

	happening->kind = kind;
	happening->node = 0;
	happening->process = PROCESS_NONE;
	happening->life = 0;
	happening->number = 0;
	happening->extra = 0;
	return happening;
}

struct happening *happen_to(struct world *world, struct node *node, enum process process,
	enum happening_kind kind, int64_t delay)
{
	struct happening *happening = happen(world, delay, kind);

	happening->node = node->id;
	happening->process = process;
	happening->life = process == PROCESS_DAEMON ? node->daemon.life
			  : process == PROCESS_FS   ? node->fs.life
						    : 0;
	return happening;
}

struct happening *queue_next(struct world *world)
{
	if (world->heap_count == 0)
		return NULL;
	uint32_t slot = pop(world);
	world->free[world->free_count++] = slot;
	return &world->happenings[slot];
}

void queue_postpone(struct world *world, const struct happening *happening, int64_t at)
{
	struct happening copy = *happening;
	struct happening *again = plan(world, at, copy.order);

	copy.at = at;
	*again = copy;
}
