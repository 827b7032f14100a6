/*
 * The application's operations while the target is being brought up to date: finds out what the
 * target knows, and does the steps that resync_decide() names.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "fs/resync/decide.h"
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

int resync_metadata(
	struct tree *tree, uint64_t object, uint64_t near, uint8_t *buffer, struct op *out_op)
{
	struct tree_entry entry;
	size_t size = 0;
	int error = tree_stat(tree, object, &entry);
	if (error != 0)
		return error;
	struct buf_writer writer = buf_writer_init(buffer, METADATA_MAX);
	error = read_link(tree, object, entry.attributes.mode, &writer);
	if (error == 0)
		error = tree_xattrs_encode(
			tree, object, buffer + writer.size, METADATA_MAX - writer.size, &size);
	if (error != 0)
		return error;
	*out_op = (struct op){ .type = OP_METADATA,
		.object = object,
		.parent = near,
		.mask = ATTRIBUTE_MODE | ATTRIBUTE_UID | ATTRIBUTE_GID | ATTRIBUTE_ATIME |
			ATTRIBUTE_MTIME,
		.attributes = entry.attributes,
		.data = { .data = buffer, .size = writer.size + size } };
	if (S_ISREG(entry.attributes.mode))
		out_op->mask |= ATTRIBUTE_SIZE;
	if (S_ISLNK(entry.attributes.mode))
		out_op->mask &= ~(uint32_t)ATTRIBUTE_MODE; /* a link has none of its own */
	return 0;
}

bool resync_is_present(struct resync_source *source, uint64_t object)
{
	lock_take(&source->r->lock);
	bool is_present = idmap_has(&source->present, object);
	lock_give(&source->r->lock);
	return is_present;
}

void resync_note(struct resync_source *source, int error)
{
	if (error != 0)
		source->r->is_log_broken = true;
}

void resync_present(struct resync_source *source, uint64_t object, uint32_t mode)
{
	if (idmap_has(&source->present, object))
		return;
	resync_note(source, idmap_put(&source->present, object, NULL));
	if (!S_ISDIR(mode)) {
		resync_note(source, idlist_push(&source->files, object));
		return;
	}
	resync_note(source, idlist_push(&source->directories, object));
	resync_note(source, idlist_push(&source->to_finish, object));
}

/* ---- facts ---- */

static bool has_names(struct tree *tree, uint64_t object, bool *out_is_directory)
{
	struct tree_entry entry;
	*out_is_directory = false;
	if (object == 0 || tree_stat(tree, object, &entry) != 0)
		return false;
	*out_is_directory = S_ISDIR(entry.attributes.mode);
	return entry.links > 0;
}

static struct resync_facts find_facts(struct resync_source *source, const struct op *op)
{
	struct resync_facts facts = {
		.is_object_present = idmap_has(&source->present, op->object),
		.is_replaced_present = idmap_has(&source->present, op->replaced),
		.is_parent_listed = idmap_has(&source->listed, op->parent),
		.is_new_parent_listed = idmap_has(&source->listed, op->new_parent),
		.is_parent_begun = op->parent != 0 && op->parent == source->begun,
		.is_new_parent_begun = op->new_parent != 0 && op->new_parent == source->begun,
		.is_object_listed = idmap_has(&source->listed, op->object),
		.is_replaced_listed = idmap_has(&source->listed, op->replaced),
	};
	bool is_directory = false;
	struct tree *tree = source->r->config.tree;
	if (op->type == OP_UNLINK)
		facts.has_object_names = has_names(tree, op->object, &is_directory);
	if (op->type != OP_RENAME || op->replaced == 0)
		return facts;
	facts.has_replaced_names = has_names(tree, op->replaced, &is_directory);
	/* An empty directory that was renamed over is gone; what was moved there says what it was.
	 */
	facts.is_replaced_directory = is_directory || S_ISDIR(op->attributes.mode);
	return facts;
}

/* ---- steps ---- */

static void show(struct resync_source *source, uint64_t object, uint64_t near)
{
	struct op metadata;
	if (idmap_has(&source->present, object))
		return;
	int error =
		resync_metadata(source->r->config.tree, object, near, source->metadata, &metadata);
	if (error != 0) {
		/* It has a name, so it is there: this disk cannot be read. The session ends. */
		source->r->is_log_broken = true;
		return;
	}
	(void)replicator_append(source->r, &metadata);
	resync_present(source, object, metadata.attributes.mode);
}

static void bind_at(struct resync_source *source, const struct op *op, uint64_t object, bool is_new)
{
	struct op bound = { .type = OP_BIND,
		.object = object,
		.parent = is_new ? op->new_parent : op->parent,
		.parent_mtime_ns = is_new ? op->new_parent_mtime_ns : op->parent_mtime_ns,
		.name = is_new ? op->new_name : op->name };
	(void)replicator_append(source->r, &bound);
}

static void unbind_at(struct resync_source *source, const struct op *op, bool is_new)
{
	struct op unbound = { .type = OP_UNBIND,
		.parent = is_new ? op->new_parent : op->parent,
		.parent_mtime_ns = is_new ? op->new_parent_mtime_ns : op->parent_mtime_ns,
		.name = is_new ? op->new_name : op->name };
	(void)replicator_append(source->r, &unbound);
}

static void absent(struct resync_source *source, uint64_t object)
{
	idmap_remove(&source->present, object);
	absent_add(&source->r->absent, object);
}

static void gone(struct resync_source *source, uint64_t object)
{
	idmap_remove(&source->present, object);
	idmap_remove(&source->listed, object);
	absent_remove(&source->r->absent, object);
}

/* An object made in a listed directory goes as it is, with all that follows: nothing to compare. */
static void created(struct resync_source *source, const struct op *op)
{
	resync_note(source, idmap_put(&source->present, op->object, NULL));
	if (S_ISDIR(op->attributes.mode))
		resync_note(source, idmap_put(&source->listed, op->object, NULL));
}

static void do_step(struct resync_source *source, struct op *op, enum resync_step step)
{
	switch (step) {
	case STEP_END: break;
	case STEP_AS_IS: (void)replicator_append(source->r, op); break;
	case STEP_SHOW_OBJECT: show(source, op->object, op->new_parent); break;
	case STEP_SHOW_REPLACED: show(source, op->replaced, op->parent); break;
	case STEP_SHOW_CREATED: show(source, op->object, op->parent); break;
	case STEP_BIND_CREATED: bind_at(source, op, op->object, false); break;
	case STEP_BIND_NEW: bind_at(source, op, op->object, true); break;
	case STEP_BIND_OLD: bind_at(source, op, op->replaced, false); break;
	case STEP_UNBIND_NEW: unbind_at(source, op, true); break;
	case STEP_UNBIND_OLD: unbind_at(source, op, false); break;
	case STEP_SHOW_WHITEOUT: show(source, op->whiteout.object, op->parent); break;
	case STEP_BIND_WHITEOUT: bind_at(source, op, op->whiteout.object, false); break;
	case STEP_WHITEOUT_CREATED:
		resync_note(source, idmap_put(&source->present, op->whiteout.object, NULL));
		break;
	case STEP_OBJECT_CREATED: created(source, op); break;
	case STEP_OBJECT_ABSENT: absent(source, op->object); break;
	case STEP_REPLACED_ABSENT: absent(source, op->replaced); break;
	case STEP_OBJECT_GONE: gone(source, op->object); break;
	}
}

uint64_t resync_source_translate(struct resync_source *source, struct op *op)
{
	enum resync_step steps[RESYNC_STEPS_MAX];
	struct resync_facts facts = find_facts(source, op);
	uint64_t before = source->r->sender.next_sequence;
	resync_decide(op, &facts, steps);
	for (int i = 0; steps[i] != STEP_END; i++)
		do_step(source, op, steps[i]);
	if (source->r->sender.next_sequence == before) {
		/* It takes its place in the order all the same. */
		struct op nothing = { .type = OP_LEASE };
		(void)replicator_append(source->r, &nothing);
	}
	return source->r->sender.next_sequence - 1;
}
