/* The application: makes, links, renames, removes, writes; now and then it removes what it holds open. */
#include <string.h>

#include "sim/resync/world.h"

#define EXCHANGE BIT(1) /* RENAME_EXCHANGE of renameat2(2) */

static const uint8_t letters[NAMES] = { 'a', 'b', 'c', 'd', 'e' };

static struct bytes letter(uint8_t name)
{
	return (struct bytes){ .data = &letters[name], .size = 1 };
}

/* ---- locks ---- */

/* A piece of its list is being sent: who changes its names waits for its lock. */
static bool is_locked(const struct world *world, uint64_t directory)
{
	const struct listing *listing = &world->source.listing;
	return world->source.is_running && listing->fresh_count > 0 &&
	       listing->directory == directory;
}

static bool is_any_locked(const struct world *world)
{
	return is_locked(world, world->source.listing.directory);
}

/* ---- operations ---- */

static uint8_t new_id(struct world *world)
{
	return world->next_id < STRANGER_IDS ? world->next_id++ : 0;
}

static void create(struct world *world)
{
	struct tree *tree = &world->source.tree;
	struct place place = tree_any_place(&world->chance, tree);
	enum kind kind = chance_is(&world->chance, 400) ? KIND_DIRECTORY : KIND_FILE;
	if (*tree_name(tree, place) != 0 || is_locked(world, place.directory))
		return;
	uint8_t object = new_id(world);
	if (object == 0)
		return;
	tree->objects[object] = (struct object){ .kind = kind, .owner = world->next_value++ };
	*tree_name(tree, place) = object;
	struct op op = { .type = OP_CREATE,
		.object = object,
		.parent = place.directory,
		.name = letter(place.name),
		.attributes = tree_attributes(tree, object) };
	source_submit(world, &op);
}

static void link_again(struct world *world)
{
	struct tree *tree = &world->source.tree;
	struct place from = tree_any_name(&world->chance, tree);
	struct place to = tree_any_place(&world->chance, tree);
	uint8_t object = from.directory != 0 ? *tree_name(tree, from) : 0;
	if (object == 0 || *tree_name(tree, to) != 0 || tree_is_directory(tree, object) ||
		is_locked(world, to.directory))
		return;
	*tree_name(tree, to) = object;
	struct op op = { .type = OP_LINK,
		.object = object,
		.new_parent = to.directory,
		.new_name = letter(to.name),
		.attributes = tree_attributes(tree, object) };
	source_submit(world, &op);
}

/* Somebody holds it open, and this was its last name. */
static bool becomes_orphan(struct world *world, uint64_t object)
{
	const struct tree *tree = &world->source.tree;
	return tree->objects[object].kind == KIND_FILE && tree_links(tree, object) == 1 &&
	       chance_is(&world->chance, 500);
}

static void remove_name(struct world *world)
{
	struct tree *tree = &world->source.tree;
	struct place place = tree_any_name(&world->chance, tree);
	uint8_t object = place.directory != 0 ? *tree_name(tree, place) : 0;
	if (object == 0 || is_locked(world, place.directory))
		return;
	bool is_directory = tree_is_directory(tree, object);
	if (is_directory && (!tree_is_empty(tree, object) || is_locked(world, object)))
		return;
	struct op op = { .type = is_directory ? OP_RMDIR : OP_UNLINK,
		.object = object,
		.parent = place.directory,
		.name = letter(place.name),
		.attributes = tree_attributes(tree, object) };
	if (becomes_orphan(world, object)) {
		op.flags = OP_FLAG_TO_ORPHAN;
		tree->objects[object].is_orphan = true;
	}
	tree_drop_name(tree, place.directory, place.name);
	source_submit(world, &op);
}

static void exchange(struct world *world, struct place from, struct place to)
{
	struct tree *tree = &world->source.tree;
	uint8_t object = *tree_name(tree, from), other = *tree_name(tree, to);
	if (tree_is_below(tree, to.directory, object) || tree_is_below(tree, from.directory, other))
		return;
	struct op op = { .type = OP_RENAME,
		.mask = EXCHANGE,
		.object = object,
		.replaced = other,
		.parent = from.directory,
		.name = letter(from.name),
		.new_parent = to.directory,
		.new_name = letter(to.name),
		.attributes = tree_attributes(tree, object) };
	*tree_name(tree, to) = object;
	*tree_name(tree, from) = other;
	source_submit(world, &op);
}

static void leave_whiteout(struct world *world, struct place from, struct op *op)
{
	uint8_t object = chance_is(&world->chance, 150) ? new_id(world) : 0;
	if (object == 0)
		return;
	world->source.tree.objects[object] = (struct object){ .kind = KIND_FILE };
	*tree_name(&world->source.tree, from) = object;
	op->mask |= OP_RENAME_WHITEOUT;
	op->whiteout.object = object;
}

static bool may_replace(const struct tree *tree, uint8_t object, uint8_t there)
{
	return tree_is_directory(tree, there) == tree_is_directory(tree, object) &&
	       tree_is_empty(tree, there);
}

static void move(struct world *world, struct place from, struct place to)
{
	struct tree *tree = &world->source.tree;
	uint8_t object = *tree_name(tree, from), there = *tree_name(tree, to);
	if (tree_is_below(tree, to.directory, object) ||
		(there != 0 && !may_replace(tree, object, there)))
		return;
	struct op op = { .type = OP_RENAME,
		.object = object,
		.replaced = there,
		.flags = there != 0 ? OP_FLAG_OVERWRITES : 0,
		.parent = from.directory,
		.name = letter(from.name),
		.new_parent = to.directory,
		.new_name = letter(to.name),
		.attributes = tree_attributes(tree, object) };
	if (there != 0 && becomes_orphan(world, there)) {
		op.flags |= OP_FLAG_TO_ORPHAN;
		tree->objects[there].is_orphan = true;
	}
	tree_drop_name(tree, to.directory, to.name);
	*tree_name(tree, from) = 0;
	*tree_name(tree, to) = object;
	leave_whiteout(world, from, &op);
	source_submit(world, &op);
}

static void rename_name(struct world *world)
{
	struct tree *tree = &world->source.tree;
	struct place from = tree_any_name(&world->chance, tree);
	struct place to = tree_any_place(&world->chance, tree);
	uint8_t object = from.directory != 0 ? *tree_name(tree, from) : 0;
	if (object == 0 || *tree_name(tree, to) == object)
		return;
	bool is_all_wanted =
		tree_is_directory(tree, object) || tree_is_directory(tree, *tree_name(tree, to));
	if (is_all_wanted ? is_any_locked(world)
			  : is_locked(world, from.directory) || is_locked(world, to.directory))
		return;
	if (*tree_name(tree, to) != 0 && chance_is(&world->chance, 300))
		exchange(world, from, to);
	else
		move(world, from, to);
}

static void write_blocks(struct world *world)
{
	struct tree *tree = &world->source.tree;
	uint8_t object = tree_any_object(&world->chance, tree, KIND_FILE);
	struct object *it = &tree->objects[object];
	if (object == 0)
		return;
	uint64_t from = chance_below(&world->chance, BLOCKS);
	uint64_t count = 1 + chance_below(&world->chance, BLOCKS - from);
	for (uint64_t i = from; i < from + count; i++)
		it->blocks[i] = world->next_value++;
	it->size = MAX_OF(it->size, from + count);
	struct op op = { .type = OP_WRITE,
		.object = object,
		.offset = from,
		.length = count,
		.attributes = tree_attributes(tree, object),
		.data = { .data = (const uint8_t *)&it->blocks[from],
			.size = count * sizeof(it->blocks[0]) } };
	source_submit(world, &op);
}

static void change_attributes(struct world *world)
{
	struct tree *tree = &world->source.tree;
	bool is_of_file = chance_is(&world->chance, 700);
	uint8_t object =
		tree_any_object(&world->chance, tree, is_of_file ? KIND_FILE : KIND_DIRECTORY);
	struct object *it = &tree->objects[object];
	struct op op = { .type = OP_SET_ATTRIBUTES, .object = object, .mask = ATTRIBUTE_UID };
	if (object == 0)
		return;
	it->owner = world->next_value++;
	if (is_of_file && chance_is(&world->chance, 500)) {
		op.mask |= ATTRIBUTE_SIZE;
		tree_set_size(it, chance_below(&world->chance, BLOCKS + 1));
	}
	op.attributes = tree_attributes(tree, object);
	source_submit(world, &op);
}

static void punch(struct world *world)
{
	struct tree *tree = &world->source.tree;
	uint8_t object = tree_any_object(&world->chance, tree, KIND_FILE);
	if (object == 0)
		return;
	uint64_t block = chance_below(&world->chance, BLOCKS);
	struct op op = { .type = OP_ALLOCATE, .object = object, .offset = block, .length = 1 };
	tree->objects[object].blocks[block] = 0;
	source_submit(world, &op);
}

static void forget(struct world *world)
{
	struct tree *tree = &world->source.tree;
	for (uint8_t i = 1; i < OBJECTS; i++) {
		if (!tree->objects[i].is_orphan || chance_is(&world->chance, 500))
			continue;
		struct op op = { .type = OP_FORGET, .object = i };
		tree->objects[i].is_orphan = false;
		tree_drop_if_nameless(tree, i);
		source_submit(world, &op);
		return;
	}
}

void application_change(struct world *world)
{
	switch (chance_below(&world->chance, 12)) {
	case 0:
	case 1:
	case 2: create(world); break;
	case 3: link_again(world); break;
	case 4:
	case 5: remove_name(world); break;
	case 6:
	case 7: rename_name(world); break;
	case 8: change_attributes(world); break;
	case 9: punch(world); break;
	case 10: forget(world); break;
	default: write_blocks(world); break;
	}
}
