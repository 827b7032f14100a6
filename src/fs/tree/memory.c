/* Numbers and small values in memory: what the index cannot put on disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/tree/disk.h"

#define BUCKETS_MIN 1024

struct remembered {
	struct remembered *chain;
	uint64_t key;
	size_t size;
	uint8_t bytes[];
};

static size_t bucket_of(const struct memory *memory, uint64_t key)
{
	return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (memory->bucket_count - 1);
}

static struct remembered **find(struct memory *memory, uint64_t key)
{
	struct remembered **at = &memory->buckets[bucket_of(memory, key)];

	while (*at != NULL && (*at)->key != key)
		at = &(*at)->chain;
	return at;
}

static int grow(struct memory *memory)
{
	struct memory larger = { .bucket_count = MAX_OF(BUCKETS_MIN, memory->bucket_count * 4),
		.count = memory->count };

	if (memory->count < memory->bucket_count)
		return 0;
	larger.buckets = calloc(larger.bucket_count, sizeof(struct remembered *));
	if (larger.buckets == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < memory->bucket_count; i++) {
		struct remembered *next, *entry = memory->buckets[i];
		for (; entry != NULL; entry = next) {
			size_t bucket = bucket_of(&larger, entry->key);
			next = entry->chain;
			entry->chain = larger.buckets[bucket];
			larger.buckets[bucket] = entry;
		}
	}
	free(memory->buckets);
	*memory = larger;
	return 0;
}

int memory_put(struct memory *memory, uint64_t key, const void *value, size_t size)
{
	int error = grow(memory);
	struct remembered *entry = error == 0 ? malloc(sizeof(*entry) + size) : NULL;

	if (entry == NULL)
		return -ENOMEM;
	memory_remove(memory, key);
	entry->key = key;
	entry->size = size;
	memcpy(entry->bytes, value, size);
	entry->chain = NULL;
	*find(memory, key) = entry;
	memory->count++;
	return 0;
}

const void *memory_get(struct memory *memory, uint64_t key, size_t *out_size)
{
	struct remembered *entry = memory->count > 0 ? *find(memory, key) : NULL;

	if (entry == NULL)
		return NULL;
	*out_size = entry->size;
	return entry->bytes;
}

void memory_remove(struct memory *memory, uint64_t key)
{
	struct remembered **at = memory->count > 0 ? find(memory, key) : NULL;
	struct remembered *entry = at != NULL ? *at : NULL;

	if (entry == NULL)
		return;
	*at = entry->chain;
	free(entry);
	memory->count--;
}

int memory_each(struct memory *memory, memory_on_each on_each, void *context)
{
	int error = 0;

	for (size_t i = 0; i < memory->bucket_count && error == 0; i++) {
		const struct remembered *entry = memory->buckets[i];
		for (; entry != NULL && error == 0; entry = entry->chain)
			error = on_each(context, entry->key, entry->bytes, entry->size);
	}
	return error;
}

void memory_clear(struct memory *memory)
{
	for (size_t i = 0; i < memory->bucket_count; i++) {
		struct remembered *next, *entry = memory->buckets[i];
		for (; entry != NULL; entry = next) {
			next = entry->chain;
			free(entry);
		}
	}
	free(memory->buckets);
	*memory = (struct memory){ 0 };
}
