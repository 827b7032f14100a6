/* The tree at first, and the copy as it is found: as it was once, empty, damaged, without ids. */
#include "sim/resync/world.h"

static void add_stranger(struct world *world, uint8_t object)
{
	struct tree *tree = &world->target.tree;
	struct place place = tree_any_place(&world->chance, tree);
	enum kind kind = chance_is(&world->chance, 300) ? KIND_DIRECTORY : KIND_FILE;
	if (*tree_name(tree, place) != 0)
		return;
	tree->objects[object] = (struct object){ .kind = kind, .owner = world->next_value++ };
	*tree_name(tree, place) = object;
}

static void damage_content(struct world *world)
{
	uint8_t object = tree_any_object(&world->chance, &world->target.tree, KIND_FILE);
	struct object *it = &world->target.tree.objects[object];
	if (object == 0)
		return;
	tree_set_size(it, chance_below(&world->chance, BLOCKS + 1));
	if (it->size > 0)
		it->blocks[chance_below(&world->chance, it->size)] = world->next_value++;
}

static void damage_names(struct world *world)
{
	struct tree *tree = &world->target.tree;
	struct place from = tree_any_name(&world->chance, tree);
	struct place to = tree_any_place(&world->chance, tree);
	if (from.directory == 0)
		return;
	uint8_t object = *tree_name(tree, from);
	if (*tree_name(tree, to) == 0 && !tree_is_below(tree, to.directory, object)) {
		*tree_name(tree, from) = 0;
		*tree_name(tree, to) = object;
	} else if (chance_is(&world->chance, 500)) {
		tree_drop_name(tree, from.directory, from.name);
	}
}

/* As after a restored backup: the same names, and no ids. */
static void lose_ids(struct world *world)
{
	struct tree old = world->target.tree, *tree = &world->target.tree;
	uint8_t new_ids[OBJECTS] = { 0 };
	uint8_t next = NAMELESS;
	new_ids[ROOT] = ROOT;
	for (int i = ROOT + 1; i < OBJECTS && next < OBJECTS; i++)
		if (old.objects[i].kind != KIND_NONE)
			new_ids[i] = next++;
	*tree = (struct tree){ 0 };
	for (int i = 1; i < OBJECTS; i++)
		if (new_ids[i] != 0)
			tree->objects[new_ids[i]] = old.objects[i];
	for (int i = 1; i < OBJECTS; i++)
		for (int name = 0; name < NAMES; name++)
			tree->objects[i].names[name] = new_ids[tree->objects[i].names[name]];
}

static void damage(struct world *world)
{
	int64_t count = chance_between(&world->chance, 0, 25);
	for (int64_t i = 0; i < count; i++) {
		switch (chance_below(&world->chance, 4)) {
		case 0: add_stranger(world, (uint8_t)(STRANGER_IDS + i)); break;
		case 1: damage_content(world); break;
		default: damage_names(world); break;
		}
	}
}

static void change_often(struct world *world, int64_t least, int64_t most)
{
	int64_t count = chance_between(&world->chance, least, most);
	for (int64_t i = 0; i < count; i++)
		application_change(world);
}

void copy_prepare(struct world *world)
{
	struct tree *tree = &world->source.tree, *copy = &world->target.tree;
	tree->objects[ROOT] = (struct object){ .kind = KIND_DIRECTORY };
	change_often(world, 5, 80);
	uint64_t state = chance_below(&world->chance, 4);
	*copy = *tree;
	tree_drop_orphans(copy);
	if (state == 0) {
		*copy = (struct tree){ 0 };
		copy->objects[ROOT] = (struct object){ .kind = KIND_DIRECTORY };
	}
	if (state >= 2)
		damage(world);
	if (state == 3)
		lose_ids(world);
	change_often(world, 0, 40);
}
