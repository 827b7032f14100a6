#include "fs/tree/idmap.h"

#include <errno.h>
#include <stdlib.h>

#define ROOM_MIN 64

/* Fibonacci hashing (Knuth, TAOCP 6.4), by the topmost bits: ids rise one by one, and some differ in
 * their highest bit alone. */
static size_t home_of(const struct idmap *map, uint64_t id)
{
	unsigned bits = (unsigned)__builtin_ctzll(map->room);
	return (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - bits));
}

static size_t next(const struct idmap *map, size_t place)
{
	return (place + 1) & (map->room - 1);
}

/* Where the id is, or the free place where it would be put. One place in four is free at least. */
static size_t find(const struct idmap *map, uint64_t id)
{
	size_t place = home_of(map, id);
	while (map->ids[place] != 0 && map->ids[place] != id)
		place = next(map, place);
	return place;
}

static int move_to(struct idmap *map, size_t room, bool has_values)
{
	struct idmap larger = { .room = room, .count = map->count };
	larger.ids = calloc(room, sizeof(larger.ids[0]));
	if (larger.ids != NULL && has_values)
		larger.values = calloc(room, sizeof(larger.values[0]));
	if (larger.ids == NULL || (has_values && larger.values == NULL)) {
		free(larger.ids);
		return -ENOMEM;
	}
	uint64_t id;
	void *value;
	for (size_t position = 0; idmap_next(map, &position, &id, &value);) {
		size_t place = find(&larger, id);
		larger.ids[place] = id;
		if (has_values)
			larger.values[place] = value;
	}
	struct idmap old = *map;
	*map = larger;
	idmap_done(&old);
	return 0;
}

static int make_room(struct idmap *map, bool is_new, bool has_value)
{
	size_t room = MAX_OF((size_t)ROOM_MIN, map->room);
	size_t count = map->count + (is_new ? 1 : 0);
	bool has_values = map->values != NULL || has_value;
	if (count > room / 4 * 3)
		room *= 2;
	bool is_enough = room == map->room && has_values == (map->values != NULL);
	return is_enough ? 0 : move_to(map, room, has_values);
}

void idmap_done(struct idmap *map)
{
	free(map->ids);
	free(map->values);
	*map = (struct idmap){ 0 };
}

bool idmap_has(const struct idmap *map, uint64_t id)
{
	return id != 0 && map->count > 0 && map->ids[find(map, id)] == id;
}

void *idmap_get(const struct idmap *map, uint64_t id)
{
	return idmap_has(map, id) && map->values != NULL ? map->values[find(map, id)] : NULL;
}

int idmap_put(struct idmap *map, uint64_t id, void *value)
{
	CHECK(id != 0);
	bool is_new = !idmap_has(map, id);
	int error = make_room(map, is_new, value != NULL);
	if (error != 0)
		return error;
	size_t place = find(map, id);
	map->ids[place] = id;
	if (map->values != NULL)
		map->values[place] = value;
	map->count += is_new ? 1 : 0;
	return 0;
}

/* Does the id at place stay findable when the gap, which is before it in its run, is free? Only if
 * its search begins behind the gap. */
static bool is_behind_gap(const struct idmap *map, size_t gap, size_t place)
{
	size_t mask = map->room - 1;
	size_t home = home_of(map, map->ids[place]);
	return ((place - home) & mask) < ((place - gap) & mask);
}

void idmap_remove(struct idmap *map, uint64_t id)
{
	if (!idmap_has(map, id))
		return;
	size_t gap = find(map, id);
	for (size_t place = next(map, gap); map->ids[place] != 0; place = next(map, place)) {
		if (is_behind_gap(map, gap, place))
			continue;
		map->ids[gap] = map->ids[place];
		if (map->values != NULL)
			map->values[gap] = map->values[place];
		gap = place;
	}
	map->ids[gap] = 0;
	if (map->values != NULL)
		map->values[gap] = NULL;
	map->count--;
}

bool idmap_next(const struct idmap *map, size_t *position, uint64_t *out_id, void **out_value)
{
	while (*position < map->room && map->ids[*position] == 0)
		++*position;
	if (*position >= map->room)
		return false;
	*out_id = map->ids[*position];
	*out_value = map->values != NULL ? map->values[*position] : NULL;
	++*position;
	return true;
}
