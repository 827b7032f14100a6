/* Numbers and small values in memory: what the index cannot put on disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/tree/disk.h"

struct remembered {
	size_t size;
	uint8_t bytes[];
};

int memory_put(struct memory *memory, uint64_t key, const void *value, size_t size)
{
	struct remembered *entry = malloc(sizeof(*entry) + size);
	struct remembered *before = idmap_get(&memory->entries, key);

	if (entry == NULL)
		return -ENOMEM;
	entry->size = size;
	memcpy(entry->bytes, value, size);
	int error = idmap_put(&memory->entries, key, entry);
	free(error == 0 ? before : entry);
	return error;
}

const void *memory_get(struct memory *memory, uint64_t key, size_t *out_size)
{
	const struct remembered *entry = idmap_get(&memory->entries, key);

	if (entry == NULL)
		return NULL;
	*out_size = entry->size;
	return entry->bytes;
}

void memory_remove(struct memory *memory, uint64_t key)
{
	struct remembered *entry = idmap_get(&memory->entries, key);

	idmap_remove(&memory->entries, key);
	free(entry);
}

int memory_each(struct memory *memory, memory_on_each on_each, void *context)
{
	uint64_t key;
	void *value;
	int error = 0;

	for (size_t position = 0;
		error == 0 && idmap_next(&memory->entries, &position, &key, &value);) {
		const struct remembered *entry = value;
		error = on_each(context, key, entry->bytes, entry->size);
	}
	return error;
}

void memory_clear(struct memory *memory)
{
	uint64_t key;
	void *value;

	for (size_t position = 0; idmap_next(&memory->entries, &position, &key, &value);)
		free(value);
	idmap_done(&memory->entries);
}
