/*
 * The target: does one operation after the other as fs/tree and fs/resync/target.c do, with a pool of
 * workers beside it that hash, sync and finish whenever they come to it.
 */
#include <string.h>

#include "repl/resync_entry.h"
#include "sim/resync/world.h"

#define EXCHANGE BIT(1) /* RENAME_EXCHANGE of renameat2(2) */

static uint8_t name_of(struct bytes name)
{
	CHECK(name.size == 1);
	return (uint8_t)(name.data[0] - 'a');
}

/* ---- primitives: fs/tree/resync.c ---- */

static bool is_nameless(uint64_t object)
{
	return object >= NAMELESS;
}

static void unbind(struct tree *tree, uint64_t directory, uint8_t name)
{
	uint8_t object = tree->objects[directory].names[name];
	const struct resync_named named = { .is_there = object != 0,
		.is_directory = tree_is_directory(tree, object),
		.links = object != 0 ? tree_links(tree, object) : 0 };
	switch (resync_unbind(&named)) {
	case RESYNC_REMOVE_NOTHING: return;
	case RESYNC_REMOVE_TO_LIMBO: tree->objects[object].is_in_limbo = true; break;
	case RESYNC_REMOVE_NAME: break;
	}
	tree_drop_name(tree, directory, name);
}

static bool bind(struct tree *tree, uint64_t object, uint64_t directory, uint8_t name)
{
	if (!tree_is_directory(tree, directory))
		return false;
	uint8_t *at = &tree->objects[directory].names[name];
	if (*at == object)
		return true;
	unbind(tree, directory, name);
	if (!tree_has(tree, object) || tree_is_below(tree, directory, object))
		return false;
	struct object *it = &tree->objects[object];
	struct place from = tree_place_of(tree, object);
	switch (resync_bind(it->is_in_limbo, it->kind == KIND_DIRECTORY)) {
	case RESYNC_BIND_FROM_LIMBO: it->is_in_limbo = false; break;
	case RESYNC_BIND_MOVE: tree->objects[from.directory].names[from.name] = 0; break;
	case RESYNC_BIND_LINK: break;
	}
	*at = (uint8_t)object;
	return true;
}

static void set_attributes(struct tree *tree, const struct op *op, uint32_t mask)
{
	struct object *it = &tree->objects[op->object];
	if ((mask & ATTRIBUTE_UID) != 0)
		it->owner = op->attributes.uid;
	if ((mask & ATTRIBUTE_SIZE) != 0 && it->kind == KIND_FILE)
		tree_set_size(it, op->attributes.size);
}

static bool is_directory_mode(uint32_t mode)
{
	return (mode & 0170000) == 0040000;
}

static void make_placeholder(
	struct tree *tree, uint64_t object, const struct attributes *attributes)
{
	struct object *it = &tree->objects[object];
	bool is_directory = is_directory_mode(attributes->mode);
	it->owner = attributes->uid;
	if (it->kind != KIND_NONE)
		return;
	it->kind = is_directory ? KIND_DIRECTORY : KIND_FILE;
	it->is_in_limbo = true;
	if (!is_directory)
		tree_set_size(it, attributes->size);
}

static void adopt(struct tree *tree, uint64_t directory, uint8_t name, uint64_t object)
{
	uint8_t *at = &tree->objects[directory].names[name];
	tree->objects[object] = tree->objects[*at];
	tree->objects[*at] = (struct object){ 0 };
	*at = (uint8_t)object;
}

/* ---- the application's operations, again: fs/tree in replay ---- */

static bool create(struct tree *tree, const struct op *op)
{
	if (!tree_is_directory(tree, op->parent))
		return false;
	uint8_t there = tree_at(tree, op->parent, op->name);
	bool is_new = !tree_has(tree, op->object);
	if (is_new && there == 0) {
		make_placeholder(tree, op->object, &op->attributes);
		return bind(tree, op->object, op->parent, name_of(op->name));
	}
	bool is_same = there != 0 &&
		       tree_is_directory(tree, there) == is_directory_mode(op->attributes.mode);
	if (is_new && is_nameless(there) && is_same)
		adopt(tree, op->parent, name_of(op->name), op->object);
	else if (is_new)
		make_placeholder(tree, op->object, &op->attributes);
	set_attributes(tree, op, ATTRIBUTE_UID);
	return true;
}

static bool link(struct tree *tree, const struct op *op)
{
	if (!tree_is_directory(tree, op->new_parent) || !tree_has(tree, op->object))
		return false;
	if (tree_at(tree, op->new_parent, op->new_name) == 0)
		tree->objects[op->new_parent].names[name_of(op->new_name)] = (uint8_t)op->object;
	return true;
}

static bool remove_name(struct tree *tree, const struct op *op)
{
	if (!tree_is_directory(tree, op->parent))
		return false;
	if (tree_at(tree, op->parent, op->name) != op->object)
		return true;
	if (op->type == OP_RMDIR && !tree_is_empty(tree, op->object))
		return false;
	if ((op->flags & OP_FLAG_TO_ORPHAN) != 0)
		tree->objects[op->object].is_orphan = true;
	tree_drop_name(tree, op->parent, name_of(op->name));
	return true;
}

/* rename(2): what is in the way goes, if it may. Two names of one inode: nothing happens. */
static bool rename_over(struct tree *tree, const struct op *op)
{
	uint8_t there = tree_at(tree, op->new_parent, op->new_name);
	bool is_kept = op->replaced != 0 && (op->flags & OP_FLAG_TO_ORPHAN) != 0;
	if (there == op->object)
		return true;
	if (tree_is_below(tree, op->new_parent, op->object))
		return false;
	if (there != 0 && (tree_is_directory(tree, there) != tree_is_directory(tree, op->object) ||
				  !tree_is_empty(tree, there)))
		return false;
	if (there != 0 && is_kept && !tree_has(tree, op->replaced))
		return false;
	if (there != 0 && is_kept)
		tree->objects[op->replaced].is_orphan = true;
	tree_drop_name(tree, op->new_parent, name_of(op->new_name));
	tree->objects[op->parent].names[name_of(op->name)] = 0;
	tree->objects[op->new_parent].names[name_of(op->new_name)] = (uint8_t)op->object;
	return true;
}

static bool rename_names(struct tree *tree, const struct op *op)
{
	if (!tree_is_directory(tree, op->parent) || !tree_is_directory(tree, op->new_parent))
		return false;
	uint8_t *at_old = &tree->objects[op->parent].names[name_of(op->name)];
	uint8_t *at_new = &tree->objects[op->new_parent].names[name_of(op->new_name)];
	if ((op->mask & EXCHANGE) != 0) {
		if (*at_old != op->object || *at_new != op->replaced)
			return true;
		*at_old = (uint8_t)op->replaced;
		*at_new = (uint8_t)op->object;
		return true;
	}
	if (*at_old == op->object)
		return rename_over(tree, op);
	if (*at_new != op->object && tree->objects[op->object].is_in_limbo)
		return bind(tree, op->object, op->new_parent, name_of(op->new_name));
	return true;
}

static bool whiteout(struct tree *tree, const struct op *op)
{
	const struct op creation = { .type = OP_CREATE,
		.object = op->whiteout.object,
		.parent = op->parent,
		.name = op->name,
		.attributes = { .mode = 0100644 } };
	return !op_has_whiteout(op) || create(tree, &creation);
}

static bool change_content(struct tree *tree, const struct op *op)
{
	struct object *it = &tree->objects[op->object];
	if (it->kind != KIND_FILE)
		return false;
	for (uint64_t i = 0; i < op->length; i++) {
		uint32_t value = 0;
		if (op->type == OP_WRITE)
			memcpy(&value, op->data.data + i * sizeof(value), sizeof(value));
		if (op->offset + i < BLOCKS)
			it->blocks[op->offset + i] = value;
	}
	uint64_t end = op->type == OP_WRITE ? op->offset + op->length : 0;
	it->size = MAX_OF(it->size, end);
	return true;
}

static bool forget(struct tree *tree, const struct op *op)
{
	if (tree->objects[op->object].is_orphan) {
		tree->objects[op->object].is_orphan = false;
		tree_drop_if_nameless(tree, op->object);
	}
	return true;
}

/* ---- lists ---- */

static bool list_one(struct target *target, uint64_t directory, const struct resync_entry *entry)
{
	struct tree *tree = &target->tree;
	uint8_t name = name_of(entry->name);
	uint8_t at_name = tree->objects[directory].names[name];
	const struct resync_there there = { .has_object = tree_has(tree, entry->object),
		.is_name_there = at_name != 0,
		.at_name = is_nameless(at_name) ? 0 : at_name,
		.is_same_type = at_name != 0 && tree_is_directory(tree, at_name) ==
							is_directory_mode(entry->attributes.mode),
		.is_its_only_name = at_name != 0 && tree_links(tree, at_name) == 1 };
	target->names[name] = true;
	switch (resync_arrive(&there)) {
	case RESYNC_ARRIVAL_ADOPT: adopt(tree, directory, name, entry->object); return true;
	case RESYNC_ARRIVAL_MAKE: make_placeholder(tree, entry->object, &entry->attributes); break;
	case RESYNC_ARRIVAL_BIND: break;
	}
	return bind(tree, entry->object, directory, name);
}

static void expect_list(struct target *target, const struct op *op)
{
	if (resync_listing_expect(&target->listing, op))
		memset(target->names, 0, sizeof(target->names));
}

static bool list(struct target *target, const struct op *op)
{
	struct buf_reader reader = buf_reader_init(op->data.data, op->data.size);
	if (!tree_is_directory(&target->tree, op->object))
		return false;
	expect_list(target, op);
	while (reader.position < reader.size) {
		struct resync_entry entry;
		if (resync_entry_get(&reader, &entry) != 0 || !list_one(target, op->object, &entry))
			return false;
	}
	return true;
}

static bool list_end(struct target *target, const struct op *op)
{
	if (!tree_is_directory(&target->tree, op->object))
		return false;
	expect_list(target, op);
	for (uint8_t name = 0; name < NAMES; name++)
		if (!target->names[name])
			unbind(&target->tree, op->object, name);
	resync_listing_end(&target->listing);
	return true;
}

static bool change_name(struct target *target, const struct op *op)
{
	struct tree *tree = &target->tree;
	uint8_t name = name_of(op->name);
	if (resync_listing_gains(&target->listing, op))
		target->names[name] = true;
	if (op->type == OP_BIND)
		return bind(tree, op->object, op->parent, name);
	if (!tree_is_directory(tree, op->parent))
		return false;
	unbind(tree, op->parent, name);
	return true;
}

static bool metadata(struct tree *tree, const struct op *op)
{
	if (!tree_has(tree, op->object))
		make_placeholder(tree, op->object, &op->attributes);
	set_attributes(tree, op, op->mask);
	return true;
}

static bool begin(struct target *target, const struct op *op)
{
	resync_listing_end(&target->listing);
	tree_drop_limbo(&target->tree);
	tree_drop_orphans(&target->tree);
	if (op->mask != 0) /* set aside */
		for (uint8_t name = 0; name < NAMES; name++)
			tree_drop_name(&target->tree, ROOT, name);
	return true;
}

/* ---- workers ---- */

static bool push_job(struct target *target, const struct job *job)
{
	CHECK(target->job_count < JOBS_MAX);
	target->jobs[target->job_count++] = *job;
	return true;
}

static void answer(struct world *world, const struct answer *answer)
{
	struct answers *answers = &world->answers;
	CHECK(answers->next - answers->first < ANSWERS_MAX);
	answers->answers[answers->next++ % ANSWERS_MAX] = *answer;
}

/* Of the object as it is when the worker comes to it. */
static void hash(struct world *world, const struct job *job)
{
	const struct object *it = &world->target.tree.objects[job->object];
	struct answer hashes = {
		.kind = ANSWER_HASHES, .object = job->object, .offset = job->offset
	};
	uint64_t end = MIN_OF(job->offset + job->length, it->kind == KIND_FILE ? it->size : 0);
	for (uint64_t at = job->offset; at < end; at++)
		hashes.hashes[hashes.count++] = it->blocks[at];
	answer(world, &hashes);
}

bool target_work(struct world *world)
{
	struct target *target = &world->target;
	if (target->job_count == 0)
		return false;
	int at = (int)chance_below(&world->chance, (uint64_t)target->job_count);
	struct job job = target->jobs[at];
	target->jobs[at] = target->jobs[--target->job_count];
	switch (job.kind) {
	case JOB_HASH: hash(world, &job); break;
	case JOB_SYNC:
		answer(world, &(struct answer){ .kind = ANSWER_SYNCED, .sequence = job.sequence });
		break;
	case JOB_FINISH:
		tree_drop_limbo(&target->tree);
		target->is_complete = true;
		break;
	}
	return true;
}

void target_lose(struct world *world)
{
	world->target.job_count = 0;
}

/* ---- one operation ---- */

static bool start_job(struct target *target, const struct op *op)
{
	struct job job = { .sequence = op->sequence,
		.object = op->object,
		.offset = op->offset,
		.length = op->length };
	job.kind = op->type == OP_HASH_WANTED ? JOB_HASH : JOB_SYNC;
	if (op->type == OP_RESYNC_END)
		job.kind = JOB_FINISH;
	return push_job(target, &job);
}

static bool apply(struct target *target, const struct op *op)
{
	struct tree *tree = &target->tree;
	switch (op->type) {
	case OP_CREATE: return create(tree, op);
	case OP_LINK: return link(tree, op);
	case OP_UNLINK:
	case OP_RMDIR: return remove_name(tree, op);
	case OP_RENAME: return rename_names(tree, op) && whiteout(tree, op);
	case OP_WRITE:
	case OP_ALLOCATE: return change_content(tree, op);
	case OP_SET_ATTRIBUTES:
		if (!tree_has(tree, op->object))
			return false;
		set_attributes(tree, op, op->mask);
		return true;
	case OP_FORGET: return forget(tree, op);
	case OP_LEASE: return true;
	case OP_RESYNC_BEGIN: return begin(target, op);
	case OP_LIST: return list(target, op);
	case OP_LIST_END: return list_end(target, op);
	case OP_BIND:
	case OP_UNBIND: return change_name(target, op);
	case OP_METADATA: return metadata(tree, op);
	case OP_SYNC:
	case OP_HASH_WANTED:
	case OP_RESYNC_END: return start_job(target, op);
	case OP_NONE:
	case OP_SET_XATTR:
	case OP_REMOVE_XATTR:
	case OP_REPAIR:
	case OP_TYPE_COUNT: break;
	}
	return false;
}

bool target_apply(struct world *world)
{
	struct wire *wire = &world->wire;
	struct op op;
	size_t size = 0;
	if (wire->first == wire->next)
		return false;
	const uint8_t *encoded = wire->ops[wire->first % WIRE_OPS].bytes;
	CHECK(op_decode((struct bytes){ encoded, wire->ops[wire->first % WIRE_OPS].size }, &op,
		      &size) == 0);
	wire->first++;
	world_say(world, "applies %s of %llu in %llu", op_type_name(op.type),
		(unsigned long long)op.object, (unsigned long long)op.parent);
	if (!apply(&world->target, &op))
		promise_broken(world, "the target can do whatever it is told",
			"'%s' of object %llu in %llu, %llu", op_type_name(op.type),
			(unsigned long long)op.object, (unsigned long long)op.parent,
			(unsigned long long)op.new_parent);
	answer(world, &(struct answer){ .kind = ANSWER_ACK, .sequence = op.sequence });
	return true;
}
