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
static int punch(struct resync_source *source, const struct resync_file *file,
	const struct resync_span *span, bool *out_is_hole)
{
	const struct order_objects objects = { .ids = { file->object } };
	uint64_t end = span->from + span->length;
	struct op op = { .type = OP_ALLOCATE,
		.object = file->object,
		.offset = span->from,
		.length = span->length,
		.mask = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };
	struct tree_entry entry;
	int error = 0;
	order_lock(source->site.order, &objects);
	*out_is_hole = next_data(file->fd, span->from, end) == end;
	if (*out_is_hole)
		error = tree_stat(source->site.tree, file->object, &entry);
	if (*out_is_hole && error == 0) {
		op.attributes = entry.attributes;
		error = resync_append(source, &op);
	}
	order_unlock(source->site.order, &objects);
	return error == -ESTALE ? 0 : error;
}

/* ---- asking ---- */

static const struct resync_limits limits = { .block = HASH_BLOCK_SIZE,
	.ask = (uint64_t)HASHES_MAX * HASH_BLOCK_SIZE,
	.send = WRITE_SIZE_MAX };

static struct resync_span next_span(const struct resync_file *file, bool has_data)
{
	const struct resync_content *content = &file->content;
	uint64_t data = content->asked;
	if (!has_data)
		data = next_data(file->fd, content->asked, content->size);
	uint64_t hole = next_hole(file->fd, content->asked, content->size);
	return resync_content_next(content, &limits, data, hole);
}

/* What has become data since it was taken for a hole is asked about. */
static int pass_holes(
	struct resync_source *source, struct resync_file *file, struct resync_span *out_span)
{
	*out_span = next_span(file, false);
	while (out_span->kind == RESYNC_SPAN_HOLE) {
		bool is_hole = false;
		int error = punch(source, file, out_span, &is_hole);
		if (error != 0)
			return error;
		if (is_hole) {
			source->hands.done += out_span->length;
			resync_content_punched(&file->content, out_span);
		}
		*out_span = next_span(file, !is_hole);
	}
	return 0;
}

int resync_ask(struct resync_source *source, struct resync_file *file,
	struct resync_request *request, bool *out_is_asked)
{
	struct resync_span span;
	*out_is_asked = false;
	int error = pass_holes(source, file, &span);
	if (error != 0 || span.kind == RESYNC_SPAN_END)
		return error;
	struct op op = { .type = OP_HASH_WANTED,
		.object = file->object,
		.offset = span.from,
		.length = span.length };
	lock_take(source->site.lock);
	request->file = file;
	request->object = file->object;
	request->span = span;
	request->is_answered = false;
	request->is_used = true;
	lock_give(source->site.lock);
	resync_content_asked(&file->content, &span);
	*out_is_asked = true;
	return resync_append(source, &op);
}

/* ---- comparing ---- */

static int is_different(struct resync_source *source, const struct resync_request *request,
	uint32_t block, bool *out_is_different)
{
	uint64_t at = request->span.from + (uint64_t)block * HASH_BLOCK_SIZE;
	size_t size = 0;
	int error = digest_read(request->file->fd, source->hands.data, HASH_BLOCK_SIZE, at, &size);
	if (error != 0)
		return error;
	source->hands.done += size;
	if (block >= request->count) {
		*out_is_different = size > 0;
		return 0;
	}
	XXH128_canonical_t hash;
	XXH128_canonicalFromHash(&hash, XXH3_128bits(source->hands.data, size));
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
	order_lock(source->site.order, &objects);
	int error = tree_stat(source->site.tree, file->object, &entry);
	if (error == 0)
		error = digest_read(file->fd, source->hands.data, length, at, &size);
	if (error == 0 && size > 0) {
		op.length = size;
		op.attributes = entry.attributes;
		op.data = (struct bytes){ .data = source->hands.data, .size = size };
		error = resync_append(source, &op);
	}
	order_unlock(source->site.order, &objects);
	return error == -ESTALE ? 0 : error; /* removed meanwhile */
}

int resync_compare(struct resync_source *source, const struct resync_request *request)
{
	uint32_t blocks =
		(uint32_t)((request->span.length + HASH_BLOCK_SIZE - 1) / HASH_BLOCK_SIZE);
	struct resync_run run = { 0 }, sent;
	int error = 0;
	for (uint32_t i = 0; error == 0 && i <= blocks; i++) {
		bool is_unlike = false;
		if (i < blocks)
			error = is_different(source, request, i, &is_unlike);
		if (error == 0 && resync_run_block(&run, &limits, is_unlike, &sent))
			error = send_run(source, request->file,
				request->span.from + (uint64_t)sent.first * HASH_BLOCK_SIZE,
				(size_t)(sent.next - sent.first) * HASH_BLOCK_SIZE);
	}
	return error;
}
