/*
 * Lists one directory of the source for the target: all its names, with the type and the attributes
 * of what they name. What is listed is present there from then on; what happens to these names is
 * translated (resync/translate.c).
 *
 * In pieces, each under the directory's order lock. Of a name that changes between two of them the
 * application's operation tells the target (repl/resync_rules.h); the reader of the directory gives all
 * that stay as they were.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/resync/inside.h"
#include "fs/tree/resync.h"

#define IDS_AT_ONCE 256 /* given to objects that have none yet */
#define PIECE_NAMES 256 /* of a directory, listed under its lock at once */
#define PIECE_NS    (5 * NS_PER_MS)
#define PAUSE_NS    (NS_PER_MS / 2)

struct listing {
	uint64_t directory;
	struct tree_directory *reader;
	struct buf_writer writer;
	uint64_t count; /* of entries sent */
	struct {	/* of those in the writer */
		uint64_t object;
		uint32_t mode;
	} fresh[1024];
	size_t fresh_count;
};

static int flush(struct resync_source *source, struct listing *listing)
{
	if (listing->fresh_count == 0)
		return 0;
	struct op op = { .type = OP_LIST,
		.object = listing->directory,
		.offset = 1 + listing->count,
		.data = { .data = listing->writer.data, .size = listing->writer.size } };
	int error = resync_append(source, &op);
	if (error != 0)
		return error;
	lock_take(source->site.lock);
	for (size_t i = 0; i < listing->fresh_count; i++)
		if (listing->fresh[i].object != 0)
			resync_walk_shown(&source->walk, listing->fresh[i].object,
				S_ISDIR(listing->fresh[i].mode));
	resync_settle(source);
	lock_give(source->site.lock);
	listing->count += listing->fresh_count;
	listing->fresh_count = 0;
	listing->writer.size = 0;
	return 0;
}

/* An object that was never seen through the mount gets its id here. */
static int look_up(struct resync_source *source, uint64_t parent, struct bytes name,
	struct tree_entry *out_entry)
{
	struct tree *tree = source->site.tree;
	for (;;) {
		int error = tree_lookup(tree, parent, name, out_entry);
		if (error != -EAGAIN)
			return error;
		error = host_ensure_ids(source->site.host, IDS_AT_ONCE);
		if (error != 0)
			return error;
	}
}

static int put(
	struct resync_source *source, struct listing *listing, const struct resync_entry *sent)
{
	size_t size_max = 64 + sent->name.size + sent->link.size;
	int error = 0;
	if (listing->writer.size + size_max > LIST_BYTES ||
		listing->fresh_count == ARRAY_COUNT(listing->fresh))
		error = flush(source, listing);
	if (error != 0)
		return error;
	resync_entry_put(&listing->writer, sent);
	CHECK(!listing->writer.is_overrun);
	listing->fresh[listing->fresh_count].object = sent->object;
	listing->fresh[listing->fresh_count++].mode = sent->attributes.mode;
	return 0;
}

/* It has a name, and that is all that is known of it: the target keeps what it has there. */
static int leave_out(
	struct resync_source *source, struct listing *listing, struct bytes name, int error)
{
	const struct resync_entry sent = { .name = name };
	char folder[64], path[96];
	tree_describe(source->site.tree, listing->directory, folder, sizeof(folder));
	(void)snprintf(
		path, sizeof(path), "%.*s in %s", (int)name.size, (const char *)name.data, folder);
	error = resync_leave_out_unlocked(source, 0, path, error);
	return error != 0 ? error : put(source, listing, &sent);
}

static int add_name(struct resync_source *source, struct listing *listing, struct bytes name)
{
	struct tree_entry entry;
	uint8_t link[OBJECT_LINK_MAX];
	int error = look_up(source, listing->directory, name, &entry);
	if (error == -ENOENT)
		return 0;
	if (error != 0)
		return leave_out(source, listing, name, error);
	struct resync_entry sent = { .object = entry.object,
		.attributes = entry.attributes,
		.name = name,
		.link = { .data = link } };
	if (S_ISLNK(entry.attributes.mode))
		error = tree_read_link(
			source->site.tree, entry.object, link, sizeof(link), &sent.link.size);
	return error != 0 ? leave_out(source, listing, name, error) : put(source, listing, &sent);
}

/* The next names, for as long as others may be kept waiting. */
static int add_piece(struct resync_source *source, struct listing *listing, bool *out_is_end)
{
	int64_t until_ns = clock_boot_ns() + PIECE_NS;
	struct tree_name name;
	int error = 0;
	for (int i = 0; error == 0 && i < PIECE_NAMES && clock_boot_ns() < until_ns; i++) {
		int has_name = tree_directory_next(listing->reader, &name);
		*out_is_end = has_name == 0;
		if (*out_is_end)
			break;
		error = has_name < 0 ? has_name : add_name(source, listing, name.name);
	}
	return error == 0 ? flush(source, listing) : error;
}

/* From here on what happens to its names is sent. */
static int begin_list(struct resync_source *source, struct listing *listing)
{
	struct op op = { .type = OP_LIST, .object = listing->directory };
	int error = tree_directory_open(source->site.tree, listing->directory, &listing->reader);
	if (error == 0)
		error = resync_append(source, &op);
	if (error != 0)
		return error;
	lock_take(source->site.lock);
	resync_walk_begin_list(&source->walk, listing->directory);
	lock_give(source->site.lock);
	return 0;
}

static int end_list(struct resync_source *source, uint64_t directory)
{
	struct op op = { .type = OP_LIST_END, .object = directory };
	int error = resync_append(source, &op);
	if (error != 0)
		return error;
	lock_take(source->site.lock);
	resync_walk_end_list(&source->walk, directory);
	resync_settle(source);
	lock_give(source->site.lock);
	return 0;
}

static int list_piece(struct resync_source *source, struct listing *listing, bool *out_is_end)
{
	int error = 0;
	if (!resync_is_present(source, listing->directory))
		error = -ESTALE;
	else if (listing->reader == NULL)
		error = begin_list(source, listing);
	if (error == 0)
		error = add_piece(source, listing, out_is_end);
	if (error == 0 && *out_is_end)
		error = end_list(source, listing->directory);
	return error;
}

static int list_pieces(struct resync_source *source, struct listing *listing)
{
	const struct order_objects objects = { .ids = { listing->directory } };
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	bool is_end = false;
	int error = 0;
	while (error == 0 && !is_end) {
		resync_wait_for_room(source); /* before the lock, or others would wait as well */
		error = host_ensure_ids(source->site.host, PIECE_NAMES);
		if (error != 0)
			break;
		order_lock(source->site.order, &objects);
		error = list_piece(source, listing, &is_end);
		order_unlock(source->site.order, &objects);
		/* EXCEPTION: waits for time, as a lock does not go to whoever waited longest. */
		if (error == 0 && !is_end)
			(void)nanosleep(&pause, NULL);
	}
	return error;
}

static void drop_list(struct resync_source *source)
{
	lock_take(source->site.lock);
	resync_walk_drop_list(&source->walk);
	lock_give(source->site.lock);
}

int resync_list_directory(struct resync_source *source, uint64_t directory)
{
	struct listing *listing = calloc(1, sizeof(*listing));
	if (listing == NULL)
		return -ENOMEM;
	listing->directory = directory;
	listing->writer = buf_writer_init(source->hands.list, LIST_BYTES);
	int error = list_pieces(source, listing);
	drop_list(source);
	if (listing->reader != NULL)
		tree_directory_close(listing->reader);
	free(listing);
	if (error == -ESTALE)
		return 0; /* removed meanwhile */
	/* Of what is below nobody knows whether the target has it: named, and the walk ends. */
	if (error != 0 && error != -ECANCELED)
		(void)!resync_leave_out_unlocked(source, directory, NULL, error);
	return error;
}
