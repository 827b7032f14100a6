#include "sim/world.h"

/*
 * A person, or a program started by hand, who writes below the directories of a node while nothing is
 * mounted there. With a stream of chance of its own, as in rare.c. Whether that may be told from what
 * evenkeel-fs did itself is repl/unwatched.h; what is found to be by hand is kept here as the product
 * does it: before the first operation of a session.
 */

#define RUNS_PERMILLE 250
#define GAP_NS	      (3 * NS_PER_S)

void byhand_draw(struct world *world, int64_t from)
{
	world->person.state = world->seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	if (chance_is(&world->person, RUNS_PERMILLE))
		happen(world, from, HAPPEN_BY_HAND);
}

/* Not in the second after a death in which the dead may have written themselves. */
static bool lies_open(const struct world *world, const struct node *node)
{
	return node->is_up && node->fs.role == FS_NONE && node->held.role == FS_NONE &&
	       node->unmounted == 0 && world->now > node->alive_at + UNWATCHED_SIGN_NS;
}

void byhand_write(struct world *world)
{
	struct node *node = &world->nodes[chance_below(&world->person, NODES)];
	uint64_t object = chance_below(&world->person, OBJECTS);

	if (world->is_calm)
		return;
	happen(world, chance_between(&world->person, NS_PER_S / 10, GAP_NS), HAPPEN_BY_HAND);
	if (!lies_open(world, node) || !node->unwatched.is_known)
		return;
	SAY(world, "node %d: somebody writes object %llu by hand", node->id,
		(unsigned long long)object);
	node->copy.is_by_hand[object] = true;
	node->copy.changed_at[object] = world->now;
	world->counters.by_hand++;
}

/* ---- as evenkeel-fs does it ---- */

void byhand_take(struct world *world, struct node *node, bool is_resumed)
{
	const struct unwatched_witness witness = { .now_ns = world->now,
		.boot = (uint64_t)node->power_cut_at + 1,
		.booted_ns = node->power_cut_at,
		.alive_ns = node->alive_at };

	if (!node->fs.is_watching && !is_resumed)
		unwatched_take(&node->unwatched, &witness);
	node->fs.is_watching = true;
	node->is_released = false;
	node->alive_at = world->now;
}

void byhand_tick(struct world *world, struct node *node)
{
	if (!node->fs.is_watching)
		return;
	node->alive_at = world->now;
	(void)unwatched_see(&node->unwatched, world->now);
}

/* Soon after a death, and before the machine goes down once more: that is taken for the dead's. */
void byhand_cut(struct node *node)
{
	const struct unwatched *unwatched = &node->unwatched;
	int64_t told_ns = unwatched->seen_ns + UNWATCHED_LATE_NS;

	node->alive_at = 0;
	for (int i = 0; i < OBJECTS && !node->is_released; i++) {
		bool is_known = unwatched_is_by_hand(unwatched, node->copy.changed_at[i]);
		if (!is_known && node->copy.changed_at[i] <= told_ns)
			node->copy.is_by_hand[i] = false;
	}
}

void byhand_let_go(struct world *world, struct node *node)
{
	if (node->fs.is_watching)
		unwatched_let_go(&node->unwatched, world->now);
	node->fs.is_watching = false;
	node->is_released = true;
}

/* What lies here is what is served. */
void byhand_serve(struct node *node)
{
	unwatched_forget(&node->unwatched);
	__builtin_memset(node->copy.is_by_hand, 0, sizeof(node->copy.is_by_hand));
}

/* A session begins: whatever was changed by hand is kept, or lost; and nothing else is. */
void byhand_find(struct world *world, struct node *node, bool is_set_aside)
{
	/* Two spans that were made one take too much. */
	bool is_exact = node->unwatched.count < UNWATCHED_SPANS;

	for (int i = 0; i < OBJECTS; i++) {
		bool is_found = unwatched_is_by_hand(&node->unwatched, node->copy.changed_at[i]);
		if (node->copy.is_by_hand[i] && !is_found && !is_set_aside)
			promise_broken(world, 5,
				"node %d overwrites object %d, which somebody wrote by hand, and "
				"keeps nothing of it",
				node->id, i);
		if (!node->copy.is_by_hand[i] && is_found && is_exact)
			promise_broken(world, 5,
				"node %d takes what it did itself to object %d for somebody else's",
				node->id, i);
		/* Kept, and known to be: a name of ours changes the inode now. */
		if (node->copy.is_by_hand[i])
			node->copy.changed_at[i] = world->now;
		node->copy.is_by_hand[i] = false;
	}
	unwatched_forget(&node->unwatched);
}
