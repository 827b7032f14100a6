/*
 * The index: object id to file handle. It is a cache, on disk as fs/tree/disk.h has it.
 *
 * That disk is the state's, not the data's, so nothing that happens to it may be the answer to an
 * application: what cannot be written there is kept in memory, the mark goes, so that a successor
 * builds it anew, and it is tried again from time to time.
 *
 * Value, host byte order (it never leaves the machine): u8 root, 3 zero bytes, i32 handle type, u32
 * handle size, the handle.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fs/tree/disk.h"
#include "fs/tree/internal.h"

#define RETRY_S 5

struct index {
	struct disk disk;	  /* without an env: all of it is in memory */
	atomic_bool is_in_memory; /* some of it */
	atomic_bool is_disk_void; /* what lies on the disk does not count any more */
	struct lock lock;	  /* of all below; a leaf, but for LMDB's own */
	struct memory memory;	  /* is newer than what is on disk */
	int error;		  /* why it is in memory */
	time_t tried;
	struct tree_listener listener;
};

/* ---- open and close ---- */

int index_open(const char *path, int own_fd, struct index **out_index, bool *out_is_new)
{
	struct index *index = calloc(1, sizeof(*index));

	if (index == NULL)
		return -ENOMEM;
	lock_init(&index->lock, RANK_TREE_INDEX);
	index->error = disk_open(&index->disk, path, own_fd, out_is_new);
	if (index->error != 0) /* do without it */
		atomic_store(&index->is_in_memory, true);
	*out_index = index;
	return 0;
}

int index_filled(struct index *index)
{
	return atomic_load(&index->is_in_memory) ? 0 : disk_mark_in_use(&index->disk);
}

/* ---- when the disk fails ---- */

static time_t now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void tell(struct index *index, int error)
{
	if (index->listener.on_index != NULL)
		index->listener.on_index(index->listener.context, error);
}

void index_listen(struct index *index, struct tree_listener listener)
{
	lock_take(&index->lock);
	index->listener = listener;
	int error = atomic_load(&index->is_in_memory) ? index->error : 0;
	lock_give(&index->lock);
	if (error != 0)
		tell(index, error);
}

/* From now on the disk alone does not tell all. Gives true if it did until now. Under the lock. */
static bool leave_disk(struct index *index, int error)
{
	if (atomic_load(&index->is_in_memory))
		return false;
	index->error = error;
	index->tried = now_s();
	disk_unmark(&index->disk);
	atomic_store(&index->is_in_memory, true);
	return true;
}

/* Gives true if the disk alone tells all again. Under the lock. */
static bool return_to_disk(struct index *index)
{
	bool is_alone = atomic_load(&index->is_disk_void);

	if (index->disk.env == NULL || disk_put_all(&index->disk, &index->memory, is_alone) != 0)
		return false;
	atomic_store(&index->is_disk_void, false);
	atomic_store(&index->is_in_memory, false);
	memory_clear(&index->memory);
	(void)!disk_mark_in_use(&index->disk); /* without it, the next one builds it anew */
	return true;
}

static void try_disk_again(struct index *index)
{
	bool is_back = false;

	lock_take(&index->lock);
	if (atomic_load(&index->is_in_memory) && now_s() - index->tried >= RETRY_S) {
		is_back = return_to_disk(index);
		index->tried = now_s();
	}
	lock_give(&index->lock);
	if (is_back)
		tell(index, 0);
}

void index_close(struct index *index)
{
	if (index == NULL)
		return;
	lock_take(&index->lock);
	bool is_whole = !atomic_load(&index->is_in_memory) || return_to_disk(index);
	lock_give(&index->lock);
	disk_close(&index->disk, is_whole);
	memory_clear(&index->memory);
	lock_done(&index->lock);
	free(index);
}

/* ---- keys and values ---- */

static int put(struct index *index, uint64_t key, const void *value, size_t size)
{
	int failed =
		atomic_load(&index->is_in_memory) ? -EIO : disk_put(&index->disk, key, value, size);

	if (failed == 0)
		return 0;
	lock_take(&index->lock);
	bool is_left = leave_disk(index, failed);
	int error = memory_put(&index->memory, key, value, size);
	lock_give(&index->lock);
	if (is_left)
		tell(index, failed);
	else
		try_disk_again(index);
	return error;
}

static int get(struct index *index, uint64_t key, void *out, size_t size_max, size_t *out_size)
{
	if (atomic_load(&index->is_in_memory)) {
		lock_take(&index->lock);
		const void *value = memory_get(&index->memory, key, out_size);
		if (value != NULL) {
			CHECK(*out_size <= size_max);
			memcpy(out, value, *out_size);
		}
		lock_give(&index->lock);
		if (value != NULL)
			return 0;
	}
	if (index->disk.env == NULL || atomic_load(&index->is_disk_void))
		return -ENOENT;
	return disk_get(&index->disk, key, out, size_max, out_size);
}

/* ---- objects ---- */

struct value {
	uint8_t root;
	uint8_t zero[3];
	int32_t type;
	uint32_t size;
	uint8_t bytes[HANDLE_BYTES_MAX];
};

int index_put(struct index *index, uint64_t object, const struct place *place)
{
	struct value value = { .root = place->root, .type = place->type, .size = place->size };

	CHECK(place->size <= HANDLE_BYTES_MAX);
	CHECK(object > 0);
	CHECK(object < IDS_END);
	memcpy(value.bytes, place->bytes, place->size);
	return put(index, object, &value, offsetof(struct value, bytes) + place->size);
}

int index_get(struct index *index, uint64_t object, struct place *out_place)
{
	struct value value = { 0 };
	size_t size;
	int error = get(index, object, &value, sizeof(value), &size);

	if (error != 0)
		return error;
	CHECK(value.size <= HANDLE_BYTES_MAX);
	out_place->root = value.root;
	out_place->type = value.type;
	out_place->size = value.size;
	memcpy(out_place->bytes, value.bytes, value.size);
	return 0;
}

int index_put_alias(struct index *index, uint64_t hash, uint64_t object)
{
	CHECK(object > 0 && object < IDS_END);
	return put(index, IDS_END | hash >> 2, &object, sizeof(object));
}

int index_get_alias(struct index *index, uint64_t hash, uint64_t *out_object)
{
	uint64_t object = 0;
	size_t size = 0;
	int error = get(index, IDS_END | hash >> 2, &object, sizeof(object), &size);

	if (error == 0)
		*out_object = object;
	return error;
}

static int note_highest(void *context, uint64_t key, const void *value, size_t size)
{
	uint64_t *highest = context;

	(void)value;
	(void)size;
	if (key < IDS_END)
		*highest = MAX_OF(*highest, key);
	return 0;
}

uint64_t index_highest(struct index *index)
{
	uint64_t highest = 0;

	lock_take(&index->lock);
	(void)memory_each(&index->memory, note_highest, &highest); /* which gives no error */
	lock_give(&index->lock);
	if (index->disk.env == NULL || atomic_load(&index->is_disk_void))
		return highest;
	return MAX_OF(highest, disk_highest(&index->disk, IDS_END));
}

void index_remove(struct index *index, uint64_t object)
{
	if (atomic_load(&index->is_in_memory)) {
		lock_take(&index->lock);
		memory_remove(&index->memory, object);
		lock_give(&index->lock);
	}
	if (index->disk.env != NULL)
		disk_remove(&index->disk, object);
}

void index_clear(struct index *index)
{
	bool is_left = false;

	lock_take(&index->lock);
	memory_clear(&index->memory);
	int error = index->disk.env != NULL ? disk_clear(&index->disk) : 0;
	if (error != 0) {
		is_left = leave_disk(index, error);
		atomic_store(&index->is_disk_void, true);
	}
	lock_give(&index->lock);
	if (is_left)
		tell(index, error);
}
