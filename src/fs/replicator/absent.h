/*
 * Objects that live on here without a name, and that the peer never got: bringing a copy up to date
 * goes by names. What happens to them afterwards is not sent; the peer would not know what it is
 * about.
 *
 * The ids lie behind the send log in its memfd, so that a successor of a killed process finds them.
 * There is room for ABSENT_MAX: whatever is beyond is known to this process alone (without memory,
 * not even to it), and an operation on such an object after a restart costs the peer, which is then
 * brought up to date again. Not for:
 * orphans that the peer has as well. Under the replicator's lock.
 */
#ifndef EVENKEEL_FS_ABSENT_H
#define EVENKEEL_FS_ABSENT_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/tree/idmap.h"

#define ABSENT_SIZE ((size_t)64 * 1024)

struct absent_table { /* host byte order: it never leaves the machine */
	uint64_t magic;
	uint64_t count;
	uint64_t ids[]; /* of ABSENT_MAX */
};

#define ABSENT_MAX ((ABSENT_SIZE - sizeof(struct absent_table)) / sizeof(uint64_t))

struct absent {
	struct idmap ids;
	struct absent_table *table; /* borrowed */
};

/* Knows what a predecessor left in these ABSENT_SIZE bytes, which all-zero memory is as well. */
void absent_open(struct absent *absent, void *memory);
void absent_close(struct absent *absent);
void absent_clear(struct absent *absent);
void absent_add(struct absent *absent, uint64_t object);
void absent_remove(struct absent *absent, uint64_t object);
bool absent_has(const struct absent *absent, uint64_t object);

#endif
