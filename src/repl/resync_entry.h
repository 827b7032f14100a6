/*
 * What an OP_LIST carries in its data: one entry a name. Not for: what an OP_METADATA carries (the
 * tree's own business, fs/tree/xattrs.c). Pure; any thread.
 */
#ifndef EVENKEEL_REPL_RESYNC_ENTRY_H
#define EVENKEEL_REPL_RESYNC_ENTRY_H

#include "base/buf.h"
#include "base/macros.h"
#include "repl/op.h"

struct resync_entry {
	uint64_t object; /* 0: it cannot be read here; what has the name there stays */
	struct attributes attributes;
	struct bytes name;
	struct bytes link; /* target of a symbolic link */
};

void resync_entry_put(struct buf_writer *writer, const struct resync_entry *entry);
/* Name and link point into the reader's bytes. Errors: ERROR_BAD_MESSAGE. */
int resync_entry_get(struct buf_reader *reader, struct resync_entry *out_entry) MUST_CHECK;

#endif
