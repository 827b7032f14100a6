#include "fs/tree/idset.h"

#include <stdlib.h>

#include "base/macros.h"

#define FIRST_SLOT_COUNT 1024
#define REMOVED		 UINT64_MAX

static size_t place(const struct idset *set, uint64_t id)
{
	/* Fibonacci hashing (Knuth, TAOCP 6.4): ids rise one by one. */
	return (size_t)(id * 0x9e3779b97f4a7c15u) & (set->slot_count - 1);
}

/* The id's slot, or the free one where a search for it ends. */
static size_t find(const struct idset *set, uint64_t id)
{
	size_t slot = place(set, id);
	while (set->slots[slot] != 0 && set->slots[slot] != id)
		slot = (slot + 1) & (set->slot_count - 1);
	return slot;
}

static void grow(struct idset *set)
{
	struct idset bigger = { .slot_count = FIRST_SLOT_COUNT };
	while (bigger.slot_count < set->count * 4)
		bigger.slot_count *= 2;
	bigger.slots = calloc(bigger.slot_count, sizeof(bigger.slots[0]));
	CHECK(bigger.slots != NULL);
	for (size_t i = 0; i < set->slot_count; i++)
		if (set->slots[i] != 0 && set->slots[i] != REMOVED)
			(void)idset_add(&bigger, set->slots[i]);
	free(set->slots);
	*set = bigger;
}

void idset_done(struct idset *set)
{
	free(set->slots);
	*set = (struct idset){ 0 };
}

bool idset_has(const struct idset *set, uint64_t id)
{
	return id != 0 && set->slot_count != 0 && set->slots[find(set, id)] == id;
}

bool idset_add(struct idset *set, uint64_t id)
{
	CHECK(id != 0 && id != REMOVED);
	if (set->used * 4 >= set->slot_count * 3)
		grow(set);
	size_t slot = find(set, id);
	if (set->slots[slot] == id)
		return false;
	set->slots[slot] = id;
	set->used++;
	set->count++;
	return true;
}

void idset_remove(struct idset *set, uint64_t id)
{
	if (!idset_has(set, id))
		return;
	set->slots[find(set, id)] = REMOVED;
	set->count--;
}
