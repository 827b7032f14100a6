/*
 * A map from ids to what its owner keeps of them, or a set of ids: open addressing, grows by
 * doubling, and closes the gap where an id was removed, so that it is as fast after a year as on its
 * first day. Not for: ids that another process has to find (fs/front/ring.c), nor for who must not
 * allocate. Not thread-safe: under its owner's lock.
 */
#ifndef EVENKEEL_FS_TREE_IDMAP_H
#define EVENKEEL_FS_TREE_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct idmap {	       /* all zero: empty */
	uint64_t *ids; /* 0: free */
	void **values; /* beside them; NULL where no id has one: a set */
	size_t room;   /* a power of two, or 0 */
	size_t count;
};

/* Gives the memory back; the map is empty. What the values point to stays the owner's. */
void idmap_done(struct idmap *map);
/* No map has id 0. */
bool idmap_has(const struct idmap *map, uint64_t id);
/* NULL: not there, or without a value. */
void *idmap_get(const struct idmap *map, uint64_t id);
/* The id is there, with this value, from now on; value: borrowed for as long as it is there, or NULL.
 * id: any but 0. Errors: -ENOMEM: nothing has changed; never of an id that is there and has a value. */
int idmap_put(struct idmap *map, uint64_t id, void *value) MUST_CHECK;
/* An id that is not there is no error. */
void idmap_remove(struct idmap *map, uint64_t id);
/*
 * All ids, in no order: *position is 0 at first and belongs to this function; false at the end.
 * While it goes on, nothing may be put or removed.
 */
bool idmap_next(const struct idmap *map, size_t *position, uint64_t *out_id, void **out_value);

#endif
