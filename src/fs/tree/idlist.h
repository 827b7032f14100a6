/*
 * A queue of ids: grows at its end, is taken from the front. Not thread-safe: under its owner's
 * lock.
 */
#ifndef EVENKEEL_FS_TREE_IDLIST_H
#define EVENKEEL_FS_TREE_IDLIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct idlist { /* all zero: empty */
	uint64_t *ids;
	size_t first, end, room;
};

void idlist_done(struct idlist *list);
/* Errors: -ENOMEM: nothing has changed. */
int idlist_push(struct idlist *list, uint64_t id) MUST_CHECK;
/* 0: empty. */
uint64_t idlist_pop(struct idlist *list);
size_t idlist_count(const struct idlist *list);

#endif
