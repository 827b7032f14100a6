/* Requests that change names: make, link, remove, rename. */
#include "fs/front/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TRIES_MAX 100 /* what was looked up changed before it was locked, each time */
#define IDS_LOW	  32

/* What a predecessor recorded before it started wins over what is looked up now. */
static void recall(const struct request *request, struct op *op)
{
	op->object = request->slot->object;
	op->replaced = request->slot->replaced;
	op->whiteout.object = request->slot->whiteout;
	op->flags = (uint16_t)request->slot->op_flags;
}

/* ---- making ---- */

static int check_is_free(struct request *request, struct change *change)
{
	bool is_link = change->op.type == OP_LINK;
	uint64_t there;
	int error = tree_identify(request->front->tree,
		is_link ? change->op.new_parent : change->op.parent,
		is_link ? change->op.new_name : change->op.name, &there);

	if (error == 0)
		return -EEXIST;
	return error == -ENOENT ? 0 : error;
}

static int answer_entry(struct request *request, struct change *change)
{
	struct fuse_entry_out out;
	struct tree_entry entry;
	int error = tree_stat(request->front->tree, change->op.object, &entry);

	if (error != 0)
		return error;
	fill_entry(request, &entry, &out);
	change_answer(request, &out, sizeof(out));
	return 0;
}

static int answer_created(struct request *request, struct change *change)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out = { .open.open_flags = FOPEN_KEEP_CACHE };
	struct tree_entry entry;
	int error = tree_stat(request->front->tree, change->op.object, &entry);

	if (error != 0)
		return error;
	fill_entry(request, &entry, &out.entry);
	change_answer(request, &out, sizeof(out));
	return 0;
}

static int new_id(struct request *request, uint64_t *out_id)
{
	struct front *front = request->front;
	int error = 0;

	if (tree_lease_left(front->tree) < IDS_LOW)
		error = replicator_ensure_ids(front->replicator, IDS_LOW);
	return error != 0 ? error : tree_new_id(front->tree, out_id);
}

struct creation {
	uint32_t mode, umask;
	uint64_t device;
	size_t name_offset;
	struct bytes link;
	int (*answer)(struct request *request, struct change *change);
};

static void create(struct request *request, const struct creation *creation)
{
	struct change change = { .op = { .type = OP_CREATE,
					 .parent = request->object,
					 .umask = creation->umask,
					 .data = creation->link,
					 .attributes = { .mode = creation->mode,
						 .uid = request->in.uid,
						 .gid = request->in.gid,
						 .device = creation->device } },
		.check = check_is_free,
		.answer = creation->answer };
	int error = request_name(request, creation->name_offset, &change.op.name);

	if (error == 0 && request->was_started)
		recall(request, &change.op);
	else if (error == 0)
		error = new_id(request, &change.op.object);
	change.objects = (struct order_objects){ .ids = { request->object, change.op.object } };
	if (error == 0)
		error = change_run(request, &change);
	if (error != 0)
		reply_error(request, error);
}

void on_mknod(struct request *request)
{
	struct fuse_mknod_in in;

	memcpy(&in, request->argument, sizeof(in));
	create(request, &(struct creation){ .mode = in.mode,
				.umask = in.umask,
				.device = in.rdev,
				.name_offset = sizeof(in),
				.answer = answer_entry });
}

void on_mkdir(struct request *request)
{
	struct fuse_mkdir_in in;

	memcpy(&in, request->argument, sizeof(in));
	create(request, &(struct creation){ .mode = S_IFDIR | (in.mode & 07777),
				.umask = in.umask,
				.name_offset = sizeof(in),
				.answer = answer_entry });
}

void on_symlink(struct request *request)
{
	struct creation creation = { .mode = S_IFLNK | 0777, .answer = answer_entry };
	struct bytes name;
	int error = request_name(request, 0, &name);

	if (error == 0)
		error = request_name(request, name.size + 1, &creation.link);
	if (error != 0)
		reply_error(request, error);
	else
		create(request, &creation);
}

void on_create(struct request *request)
{
	struct fuse_create_in in;

	memcpy(&in, request->argument, sizeof(in));
	create(request, &(struct creation){ .mode = S_IFREG | (in.mode & 07777),
				.umask = in.umask,
				.name_offset = sizeof(in),
				.answer = answer_created });
}

void on_link(struct request *request)
{
	struct fuse_link_in in;
	struct change change = { .op = { .type = OP_LINK, .new_parent = request->object },
		.check = check_is_free,
		.answer = answer_entry };

	memcpy(&in, request->argument, sizeof(in));
	change.op.object = object_of(request->mount, in.oldnodeid);
	change.objects = (struct order_objects){ .ids = { request->object, change.op.object } };
	int error = request_name(request, sizeof(in), &change.op.new_name);
	if (error == 0)
		error = change_run(request, &change);
	if (error != 0)
		reply_error(request, error);
}

/* ---- losing a name ---- */

/*
 * Before an object loses its last name: the kernel may go on asking about it, and whoever has it
 * open goes on using it. A directory is really removed (it must be empty), the rest is kept until
 * the kernel forgets it (see request_open.c).
 */
static void note_loss(struct request *request, struct change *change, uint64_t object)
{
	struct tree_entry entry;

	if (tree_stat(request->front->tree, object, &entry) != 0)
		return; /* gone already: the operation itself will say so */
	bool is_directory = S_ISDIR(entry.attributes.mode);
	if (!is_directory && entry.links > 1)
		return;
	gone_add(&request->mount->ring, &entry, !is_directory);
	if (is_directory)
		tree_keep_removed(request->front->tree, object);
	else
		change->op.flags |= OP_FLAG_TO_ORPHAN;
}

static int check_removal(struct request *request, struct change *change)
{
	uint64_t there;
	int error = tree_identify(request->front->tree, change->op.parent, change->op.name, &there);

	if (error != 0)
		return error;
	if (there != change->op.object)
		return -EAGAIN;
	note_loss(request, change, there);
	return 0;
}

static void forget_loss(struct request *request, uint64_t object)
{
	gone_remove(&request->mount->ring, object);
	if (object != 0)
		tree_forget(request->front->tree, object | TREE_REMOVED);
}

static void on_removal_failed(struct request *request, struct change *change)
{
	forget_loss(request, change->op.object);
}

static int answer_nothing(struct request *request, struct change *change)
{
	(void)request;
	(void)change;
	return 0;
}

static int try_removal(struct request *request, enum op_type type)
{
	struct change change = { .op = { .type = type, .parent = request->object },
		.check = check_removal,
		.answer = answer_nothing,
		.on_failed = on_removal_failed };
	struct tree_entry entry;
	int error = request_name(request, 0, &change.op.name);

	if (error == 0 && request->was_started) {
		recall(request, &change.op);
	} else if (error == 0) {
		error = request_lookup(request, request->object, change.op.name, &entry);
		change.op.object = error == 0 ? entry.object : 0;
		if (error == 0 && S_ISDIR(entry.attributes.mode) != (type == OP_RMDIR))
			error = type == OP_RMDIR ? -ENOTDIR : -EISDIR;
	}
	if (error != 0) {
		reply_error(request, error);
		return 0;
	}
	change.objects = (struct order_objects){ .ids = { request->object, change.op.object } };
	return change_run(request, &change);
}

static void remove_name(struct request *request, enum op_type type)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		if (try_removal(request, type) != -EAGAIN)
			return;
	}
	reply_error(request, -EBUSY);
}

void on_unlink(struct request *request)
{
	remove_name(request, OP_UNLINK);
}

void on_rmdir(struct request *request)
{
	remove_name(request, OP_RMDIR);
}

/* ---- rename ---- */

static int look_up_target(struct request *request, struct op *op, struct tree_entry *entry)
{
	int error = request_lookup(request, op->new_parent, op->new_name, entry);

	op->replaced = error == 0 ? entry->object : 0;
	if (error == -ENOENT)
		error = (op->mask & RENAME_EXCHANGE) != 0 ? -ENOENT : 0;
	return error;
}

static void forget_effects(struct op *op)
{
	op->replaced = 0;
	op->mask &= ~(uint32_t)OP_RENAME_WHITEOUT;
}

static int check_rename(struct request *request, struct change *change)
{
	struct op *op = &change->op;
	uint64_t at_old = 0, at_new = 0;
	int error = tree_identify(request->front->tree, op->parent, op->name, &at_old);

	if (error != 0)
		return error;
	error = tree_identify(request->front->tree, op->new_parent, op->new_name, &at_new);
	if (error != 0 && error != -ENOENT)
		return error;
	if (at_old != op->object || at_new != op->replaced)
		return -EAGAIN;
	if (at_new != 0 && (op->mask & RENAME_NOREPLACE) != 0)
		return -EEXIST;
	if (at_new == at_old)
		forget_effects(op); /* two names of one inode: nothing happens */
	else if (at_new != 0 && (op->mask & RENAME_EXCHANGE) == 0)
		note_loss(request, change, at_new);
	return 0;
}

static void on_rename_failed(struct request *request, struct change *change)
{
	if ((change->op.mask & RENAME_EXCHANGE) == 0)
		forget_loss(request, change->op.replaced);
}

static int look_up_both(struct request *request, struct change *change)
{
	struct tree_entry entry;
	int error = request_lookup(request, change->op.parent, change->op.name, &entry);

	if (error != 0)
		return error;
	change->op.object = entry.object;
	change->is_exclusive = S_ISDIR(entry.attributes.mode);
	error = look_up_target(request, &change->op, &entry);
	if (error == 0 && change->op.replaced != 0 && (change->op.mask & RENAME_EXCHANGE) != 0)
		change->is_exclusive |= S_ISDIR(entry.attributes.mode);
	return error;
}

static int finish_whiteout(struct request *request, struct change *change)
{
	struct op *op = &change->op;

	return op_has_whiteout(op) ? tree_finish_whiteout(request->front->tree, op) : 0;
}

static int try_rename(struct request *request, struct op op)
{
	struct change change = { .op = op,
		.check = check_rename,
		.after = finish_whiteout,
		.answer = answer_nothing,
		.on_failed = on_rename_failed };
	int error = 0;

	if (request->was_started) {
		recall(request, &change.op);
		change.is_exclusive = true;
	} else {
		error = look_up_both(request, &change);
	}
	if (error != 0) {
		reply_error(request, error);
		return 0;
	}
	change.objects = (struct order_objects){ .ids = { op.parent, op.new_parent,
							 change.op.object, change.op.replaced } };
	return change_run(request, &change);
}

static int want_whiteout(struct request *request, struct op *op)
{
	op->whiteout.uid = request->in.uid;
	op->whiteout.gid = request->in.gid;
	return request->was_started ? 0 : new_id(request, &op->whiteout.object);
}

static void rename_names(struct request *request, struct op *op, size_t name_offset)
{
	int error = request_name(request, name_offset, &op->name);

	if (error == 0)
		error = request_name(request, name_offset + op->name.size + 1, &op->new_name);
	if (error == 0 && (op->mask & ~(uint32_t)RENAME_FLAGS_KNOWN) != 0)
		error = -EINVAL;
	if (error == 0 && op_has_whiteout(op))
		error = want_whiteout(request, op);
	if (error != 0) {
		reply_error(request, error);
		return;
	}
	for (int i = 0; i < TRIES_MAX; i++) {
		if (try_rename(request, *op) != -EAGAIN)
			return;
	}
	reply_error(request, -EBUSY);
}

void on_rename(struct request *request)
{
	struct fuse_rename_in in;

	memcpy(&in, request->argument, sizeof(in));
	struct op op = { .type = OP_RENAME,
		.parent = request->object,
		.new_parent = object_of(request->mount, in.newdir) };
	rename_names(request, &op, sizeof(in));
}

void on_rename2(struct request *request)
{
	struct fuse_rename2_in in;

	memcpy(&in, request->argument, sizeof(in));
	struct op op = { .type = OP_RENAME,
		.mask = in.flags,
		.parent = request->object,
		.new_parent = object_of(request->mount, in.newdir) };
	rename_names(request, &op, sizeof(in));
}
