/*
 * The part of the object index that lies on disk, and numbers in memory beside it. For
 * fs/tree/index.c only: nobody else knows where an entry is. disk_put(), disk_get() and those after
 * them need an env; thread-safe. The memory is its owner's to lock.
 */
#ifndef EVENKEEL_FS_TREE_DISK_H
#define EVENKEEL_FS_TREE_DISK_H

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "fs/tree/idmap.h"

/* ---- tree/memory.c ---- */

struct memory { /* all zero: empty */
	struct idmap entries;
};

/* Errors: -ENOMEM. */
int memory_put(struct memory *memory, uint64_t key, const void *value, size_t size) MUST_CHECK;
/* NULL: not there. Valid until the next change. */
const void *memory_get(struct memory *memory, uint64_t key, size_t *out_size);
void memory_remove(struct memory *memory, uint64_t key);
typedef int (*memory_on_each)(void *context, uint64_t key, const void *value, size_t size);
/* Ends with the first error, and gives it. */
int memory_each(struct memory *memory, memory_on_each on_each, void *context);
void memory_clear(struct memory *memory);

/* ---- tree/disk.c ---- */

struct disk {
	MDB_env *env; /* NULL: could not be opened */
	MDB_dbi table;
	int folder_fd; /* -1: none */
	int own_fd;    /* our folder on the disk of the data; borrowed */
};

/* out_is_new: nothing of an earlier one could be used; it is not marked then. Fails with the disk:
 * close it nevertheless. */
int disk_open(struct disk *disk, const char *path, int own_fd, bool *out_is_new) MUST_CHECK;
/* is_whole: all that counts is in it. */
void disk_close(struct disk *disk, bool is_whole);
/* It may be used again by a successor. */
int disk_mark_in_use(struct disk *disk) MUST_CHECK;
/* It must not be used again. */
void disk_unmark(struct disk *disk);

int disk_put(struct disk *disk, uint64_t key, const void *value, size_t size) MUST_CHECK;
/* All of it or nothing; is_alone: what was there before goes. */
int disk_put_all(struct disk *disk, struct memory *memory, bool is_alone) MUST_CHECK;
/* Errors: -ENOENT, others. */
int disk_get(
	struct disk *disk, uint64_t key, void *out, size_t size_max, size_t *out_size) MUST_CHECK;
/* The highest key below the end, 0 if there is none. */
uint64_t disk_highest(struct disk *disk, uint64_t end);
void disk_remove(struct disk *disk, uint64_t key);
int disk_clear(struct disk *disk) MUST_CHECK;

#endif
