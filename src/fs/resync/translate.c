/*
 * The application's operations while the target is being brought up to date: looks at what the tree
 * has of them, and does what the walk makes of that (repl/resync_walk.h).
 */
#include <errno.h>
#include <sys/stat.h>

#include "fs/resync/inside.h"
#include "fs/tree/resync.h"

/* ---- objects ---- */

static int read_link(struct tree *tree, uint64_t object, uint32_t mode, struct buf_writer *writer)
{
	uint8_t link[OBJECT_LINK_MAX];
	struct bytes bytes = { .data = link };
	if (S_ISLNK(mode)) {
		int error = tree_read_link(tree, object, link, sizeof(link), &bytes.size);
		if (error != 0)
			return error;
	}
	buf_put_bytes(writer, bytes);
	return 0;
}

int resync_metadata(struct tree *tree, struct resync_about *about, struct op *out_op)
{
	const uint64_t object = about->object;
	uint8_t *buffer = about->buffer;
	struct tree_entry entry;
	struct tree_xattrs xattrs = { 0 };
	int error = tree_stat(tree, object, &entry);
	if (error != 0)
		return error;
	struct buf_writer writer = buf_writer_init(buffer, METADATA_MAX);
	error = read_link(tree, object, entry.attributes.mode, &writer);
	if (error == 0)
		about->own = tree_xattrs_encode(
			tree, object, buffer + writer.size, METADATA_MAX - writer.size, &xattrs);
	if (error != 0)
		return error;
	if (about->own == -ESTALE)
		return -ESTALE;
	*out_op = (struct op){ .type = OP_METADATA,
		.flags = about->own != 0 ? OP_FLAG_NO_XATTRS : 0,
		.object = object,
		.parent = about->near,
		.mask = ATTRIBUTE_MODE | ATTRIBUTE_UID | ATTRIBUTE_GID | ATTRIBUTE_ATIME |
			ATTRIBUTE_MTIME,
		.attributes = entry.attributes,
		.data = { .data = buffer, .size = writer.size + xattrs.size } };
	if (S_ISREG(entry.attributes.mode) || S_ISDIR(entry.attributes.mode)) {
		out_op->mask |= ATTRIBUTE_PROTECTION;
		out_op->length = tree_protection(tree, object);
	}
	if (S_ISREG(entry.attributes.mode))
		out_op->mask |= ATTRIBUTE_SIZE;
	if (S_ISLNK(entry.attributes.mode))
		out_op->mask &= ~(uint32_t)ATTRIBUTE_MODE; /* a link has none of its own */
	return 0;
}

bool resync_is_present(struct resync_source *source, uint64_t object)
{
	lock_take(source->site.lock);
	bool is_present = resync_walk_is_present(&source->walk, object);
	lock_give(source->site.lock);
	return is_present;
}

void resync_settle(struct resync_source *source)
{
	if (source->walk.is_broken)
		host_break(source->site.host);
}

/* ---- what the tree has ---- */

static bool has_names(struct tree *tree, uint64_t object, bool *out_is_directory)
{
	struct tree_entry entry;
	*out_is_directory = false;
	if (object == 0 || tree_stat(tree, object, &entry) != 0)
		return false;
	*out_is_directory = S_ISDIR(entry.attributes.mode);
	return entry.links > 0;
}

static struct resync_seen see(struct tree *tree, const struct op *op)
{
	struct resync_seen seen = { 0 };
	bool is_directory = false;
	if (op->type == OP_UNLINK)
		seen.has_object_names = has_names(tree, op->object, &is_directory);
	if (op->type == OP_RENAME)
		seen.has_replaced_names =
			has_names(tree, op->replaced, &seen.is_replaced_directory);
	return seen;
}

/* ---- what the target gets ---- */

static uint64_t show(struct resync_source *source, uint64_t object, uint64_t near)
{
	struct resync_about about = { .object = object, .near = near, .buffer = source->metadata };
	struct op metadata;
	int error = resync_metadata(source->site.tree, &about, &metadata);
	if (error == 0 && about.own != 0)
		error = resync_leave_out(source, object, NULL, about.own);
	if (error != 0) {
		/* It has a name, so it is there: this disk cannot be read. The session ends. */
		host_break(source->site.host);
		return 0;
	}
	uint64_t sequence = host_append(source->site.host, &metadata);
	resync_walk_shown(&source->walk, object, S_ISDIR(metadata.attributes.mode));
	return sequence;
}

/* Gives its sequence, 0: nothing went into the log. */
static uint64_t send_part(struct resync_source *source, struct op *op, struct resync_part *part)
{
	struct replicator *host = source->site.host;
	switch (part->kind) {
	case RESYNC_SEND_AS_IS: return host_append(host, op);
	case RESYNC_SEND_OP: return host_append(host, &part->op);
	case RESYNC_SEND_METADATA: return show(source, part->object, part->near);
	case RESYNC_NOTE_ABSENT: host_note_absent(host, part->object, true); break;
	case RESYNC_NOTE_GONE: host_note_absent(host, part->object, false); break;
	}
	return 0;
}

uint64_t resync_source_translate(struct resync_source *source, struct op *op)
{
	const struct resync_seen seen = see(source->site.tree, op);
	struct resync_translation translation = resync_walk_translate(&source->walk, op, &seen);
	struct op nothing = { .type = OP_LEASE };
	struct resync_part part;
	uint64_t last = 0;
	while (resync_translation_next(&translation, &part))
		last = MAX_OF(last, send_part(source, op, &part));
	resync_settle(source);
	/* It takes its place in the order all the same. */
	return last != 0 ? last : host_append(source->site.host, &nothing);
}
