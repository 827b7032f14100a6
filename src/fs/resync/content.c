/*
 * The content of one file: which blocks are asked about, and what is sent of those that differ.
 *
 * Holes are not asked about: a hole here is punched there, which costs nothing where it is one
 * already. Blocks are compared without a lock (docs/architecture.md says why equal stays right) and
 * read again under the file's order lock before they are sent.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "fs/resync/inside.h"
#include "fs/tree/digest.h"

#define ASK_BYTES ((uint64_t)HASHES_MAX * HASH_BLOCK_SIZE)

_Static_assert(WRITE_SIZE_MAX % HASH_BLOCK_SIZE == 0, "runs of blocks are sent in whole blocks");

/* ---- holes ---- */

/* Where data begins at or behind offset; the file's size if there is none. A file system that
 * cannot tell has data everywhere. */
static uint64_t next_data(int fd, uint64_t offset, uint64_t size)
{
	off_t at = lseek(fd, (off_t)offset, SEEK_DATA);
	if (at < 0)
		return errno == ENXIO ? size : offset;
	return MIN_OF((uint64_t)at, size);
}

static uint64_t next_hole(int fd, uint64_t offset, uint64_t size)
{
	off_t at = lseek(fd, (off_t)offset, SEEK_HOLE);
	return at < 0 ? size : MIN_OF((uint64_t)at, size);
}

/* Looks again under the lock: what is a hole now is made one there. */
static int punch(struct resync_source *source, const struct resync_file *file, uint64_t from,
	uint64_t length, bool *out_is_hole)
{
	const struct order_objects objects = { .ids = { file->object } };
	struct op op = { .type = OP_ALLOCATE,
		.object = file->object,
		.offset = from,
		.length = length,
		.mask = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };
	struct tree_entry entry;
	int error = 0;
	order_lock(source->r->config.order, &objects);
	*out_is_hole = next_data(file->fd, from, from + length) == from + length;
	if (*out_is_hole)
		error = tree_stat(source->r->config.tree, file->object, &entry);
	if (*out_is_hole && error == 0) {
		op.attributes = entry.attributes;
		error = resync_append(source, &op);
	}
	order_unlock(source->r->config.order, &objects);
	return error == -ESTALE ? 0 : error;
}

/* ---- asking ---- */

static uint64_t block_down(uint64_t offset)
{
	return offset / HASH_BLOCK_SIZE * HASH_BLOCK_SIZE;
}

static uint64_t block_up(uint64_t offset)
{
	return block_down(offset + HASH_BLOCK_SIZE - 1);
}

/* Moves `asked` behind a hole that covers whole blocks, if it stands before one. */
static int skip_hole(struct resync_source *source, struct resync_file *file)
{
	uint64_t data = next_data(file->fd, file->asked, file->size);
	uint64_t end = data >= file->size ? file->size : block_down(data);
	if (end <= file->asked)
		return 0;
	bool is_hole = false;
	int error = punch(source, file, file->asked, end - file->asked, &is_hole);
	if (error == 0 && is_hole) {
		source->walk.done += end - file->asked;
		file->asked = end;
	}
	return error;
}

int resync_ask(struct resync_source *source, struct resync_file *file,
	struct resync_request *request, bool *out_is_asked)
{
	*out_is_asked = false;
	int error = skip_hole(source, file);
	if (error != 0 || file->asked >= file->size)
		return error;
	uint64_t end = block_up(next_hole(file->fd, file->asked, file->size));
	end = MAX_OF(end, file->asked + HASH_BLOCK_SIZE); /* it became a hole just now */
	uint64_t length = MIN_OF(end - file->asked, ASK_BYTES);
	struct op op = { .type = OP_HASH_WANTED,
		.object = file->object,
		.offset = file->asked,
		.length = length };
	lock_take(&source->r->lock);
	request->file = file;
	request->object = file->object;
	request->offset = file->asked;
	request->length = length;
	request->is_answered = false;
	request->is_used = true;
	lock_give(&source->r->lock);
	file->waiting++;
	file->asked += length;
	*out_is_asked = true;
	return resync_append(source, &op);
}

/* ---- comparing ---- */

static int is_different(struct resync_source *source, const struct resync_request *request,
	uint32_t block, bool *out_is_different)
{
	uint64_t at = request->offset + (uint64_t)block * HASH_BLOCK_SIZE;
	size_t size = 0;
	int error = digest_read(request->file->fd, source->walk.data, HASH_BLOCK_SIZE, at, &size);
	if (error != 0)
		return error;
	source->walk.done += size;
	if (block >= request->count) {
		*out_is_different = size > 0;
		return 0;
	}
	XXH128_canonical_t hash;
	XXH128_canonicalFromHash(&hash, XXH3_128bits(source->walk.data, size));
	*out_is_different =
		memcmp(hash.digest, request->hashes + (size_t)block * HASH_SIZE, HASH_SIZE) != 0;
	return 0;
}

/* Sends a run of blocks as they are now. */
static int send_run(
	struct resync_source *source, const struct resync_file *file, uint64_t at, size_t length)
{
	const struct order_objects objects = { .ids = { file->object } };
	struct op op = { .type = OP_WRITE, .object = file->object, .offset = at };
	struct tree_entry entry;
	size_t size = 0;
	order_lock(source->r->config.order, &objects);
	int error = tree_stat(source->r->config.tree, file->object, &entry);
	if (error == 0)
		error = digest_read(file->fd, source->walk.data, length, at, &size);
	if (error == 0 && size > 0) {
		op.length = size;
		op.attributes = entry.attributes;
		op.data = (struct bytes){ .data = source->walk.data, .size = size };
		error = resync_append(source, &op);
	}
	order_unlock(source->r->config.order, &objects);
	return error == -ESTALE ? 0 : error; /* removed meanwhile */
}

int resync_compare(struct resync_source *source, const struct resync_request *request)
{
	uint32_t blocks = (uint32_t)((request->length + HASH_BLOCK_SIZE - 1) / HASH_BLOCK_SIZE);
	uint32_t first = 0;
	int error = 0;
	for (uint32_t i = 0; error == 0 && i <= blocks; i++) {
		bool is_same = true;
		if (i < blocks) {
			bool is_unlike = false;
			error = is_different(source, request, i, &is_unlike);
			is_same = !is_unlike;
		}
		bool is_full = (uint64_t)(i - first) * HASH_BLOCK_SIZE >= WRITE_SIZE_MAX;
		if (error == 0 && i > first && (is_same || is_full)) {
			error = send_run(source, request->file,
				request->offset + (uint64_t)first * HASH_BLOCK_SIZE,
				(size_t)(i - first) * HASH_BLOCK_SIZE);
			first = i;
		}
		if (is_same)
			first = i + 1;
	}
	return error;
}
