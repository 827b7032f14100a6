/*
 * A set of object ids: open addressing, grows by doubling. For the resynchronisation's memory of
 * what the target has. Not for: anything that must not allocate. Under its owner's lock.
 */
#ifndef EVENKEEL_FS_IDSET_H
#define EVENKEEL_FS_IDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idset {
	uint64_t *slots;		/* 0: free */
	size_t slot_count, used, count; /* used counts removed ones as well */
};

/* All zero is an empty set. */
void idset_done(struct idset *set);
bool idset_has(const struct idset *set, uint64_t id);
/* True if it was not there before. Ids 0 and UINT64_MAX do not exist. Stops the process when there
 * is no memory: a half-known target cannot be reasoned about. */
bool idset_add(struct idset *set, uint64_t id);
void idset_remove(struct idset *set, uint64_t id);

#endif
