/* A disk: objects, their names, and what hangs on the last of them. */
#include <stdio.h>
#include <string.h>

#include "sim/resync/world.h"

bool tree_has(const struct tree *tree, uint64_t object)
{
	return object != 0 && object < OBJECTS && tree->objects[object].kind != KIND_NONE;
}

bool tree_is_directory(const struct tree *tree, uint64_t object)
{
	return tree_has(tree, object) && tree->objects[object].kind == KIND_DIRECTORY;
}

uint8_t tree_at(const struct tree *tree, uint64_t directory, struct bytes name)
{
	CHECK(name.size == 1);
	return tree->objects[directory].names[name.data[0] - 'a'];
}

uint64_t tree_links(const struct tree *tree, uint64_t object)
{
	const struct object *it = &tree->objects[object];
	uint64_t links = (it->is_orphan ? 1 : 0) + (it->is_in_limbo ? 1 : 0);
	for (int i = 1; i < OBJECTS; i++)
		for (int name = 0; name < NAMES; name++)
			if (tree->objects[i].names[name] == object)
				links++;
	return links;
}

struct place tree_place_of(const struct tree *tree, uint64_t object)
{
	for (int i = 1; i < OBJECTS; i++)
		for (int name = 0; name < NAMES; name++)
			if (tree->objects[i].names[name] == object)
				return (struct place){ (uint8_t)i, (uint8_t)name };
	return (struct place){ 0 };
}

bool tree_is_below(const struct tree *tree, uint64_t object, uint64_t directory)
{
	while (object != 0 && object != directory)
		object = tree_place_of(tree, object).directory;
	return object == directory;
}

bool tree_is_empty(const struct tree *tree, uint64_t directory)
{
	for (int name = 0; name < NAMES; name++)
		if (tree->objects[directory].names[name] != 0)
			return false;
	return true;
}

/* A directory goes with all that is in it. */
void tree_drop_if_nameless(struct tree *tree, uint64_t object)
{
	if (object == ROOT || tree_links(tree, object) > 0)
		return;
	for (uint8_t name = 0; name < NAMES; name++)
		tree_drop_name(tree, object, name);
	tree->objects[object] = (struct object){ 0 };
}

void tree_drop_name(struct tree *tree, uint64_t directory, uint8_t name)
{
	uint8_t object = tree->objects[directory].names[name];
	if (object == 0)
		return;
	tree->objects[directory].names[name] = 0;
	tree_drop_if_nameless(tree, object);
}

void tree_drop_limbo(struct tree *tree)
{
	for (int i = 1; i < OBJECTS; i++) {
		if (!tree->objects[i].is_in_limbo)
			continue;
		tree->objects[i].is_in_limbo = false;
		tree_drop_if_nameless(tree, (uint64_t)i);
	}
}

void tree_drop_orphans(struct tree *tree)
{
	for (int i = 1; i < OBJECTS; i++) {
		if (!tree->objects[i].is_orphan)
			continue;
		tree->objects[i].is_orphan = false;
		tree_drop_if_nameless(tree, (uint64_t)i);
	}
}

struct attributes tree_attributes(const struct tree *tree, uint64_t object)
{
	const struct object *it = &tree->objects[object];
	return (struct attributes){ .mode = it->kind == KIND_DIRECTORY ? 0040755 : 0100644,
		.uid = it->owner,
		.size = it->size };
}

void tree_set_size(struct object *object, uint64_t size)
{
	CHECK(size <= BLOCKS);
	for (uint64_t block = size; block < BLOCKS; block++)
		object->blocks[block] = 0;
	object->size = size;
}

const char *tree_difference(const struct tree *tree, const struct tree *copy, const bool *is_absent,
	char *out, size_t size)
{
	for (int i = 1; i < OBJECTS; i++) {
		const struct object *one = &tree->objects[i], *two = &copy->objects[i];
		const char *what = NULL;
		if (is_absent[i] && two->kind == KIND_NONE)
			continue;
		if (one->kind != two->kind)
			what = one->kind == KIND_NONE ? "should not be there" : "is missing";
		else if (one->is_orphan != two->is_orphan || two->is_in_limbo)
			what = "is kept for other users";
		else if (one->owner != two->owner)
			what = "has other attributes";
		else if (one->size != two->size ||
			 memcmp(one->blocks, two->blocks, sizeof(one->blocks)) != 0)
			what = "has other content";
		else if (memcmp(one->names, two->names, sizeof(one->names)) != 0)
			what = "has other names";
		if (what == NULL)
			continue;
		(void)snprintf(out, size, "object %d %s", i, what);
		return out;
	}
	return NULL;
}

/* ---- by chance ---- */

uint8_t tree_any_object(struct chance *chance, const struct tree *tree, enum kind kind)
{
	uint8_t found[OBJECTS];
	size_t count = 0;
	for (int i = 1; i < OBJECTS; i++)
		if (tree->objects[i].kind == kind)
			found[count++] = (uint8_t)i;
	return count > 0 ? found[chance_below(chance, count)] : 0;
}

struct place tree_any_name(struct chance *chance, const struct tree *tree)
{
	struct place found[OBJECTS * 2];
	size_t count = 0;
	for (int i = 1; i < OBJECTS; i++)
		for (uint8_t name = 0; name < NAMES && count < ARRAY_COUNT(found); name++)
			if (tree->objects[i].names[name] != 0)
				found[count++] = (struct place){ (uint8_t)i, name };
	return count > 0 ? found[chance_below(chance, count)] : (struct place){ 0 };
}

struct place tree_any_place(struct chance *chance, const struct tree *tree)
{
	struct place place = { .directory = tree_any_object(chance, tree, KIND_DIRECTORY) };
	place.name = (uint8_t)chance_below(chance, NAMES);
	return place;
}

uint8_t *tree_name(struct tree *tree, struct place place)
{
	return &tree->objects[place.directory].names[place.name];
}
