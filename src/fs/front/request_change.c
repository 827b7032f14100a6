/*
 * How anything is changed: lock, note down what is begun, do it, sequence it, note down what it
 * answers, unlock, and answer when that is allowed (R5, R8).
 *
 * DONE is noted before the locks are given back, so of all slots that a killed process left in
 * STARTED no two depend on each other.
 */
#include "fs/front/request.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "platform/planted.h"

static bool is_planted_write(const struct change *change)
{
	return IS_PLANTED(PLANTED_WRITE_UNORDERED) && change->op.type == OP_WRITE;
}

static void lock(struct request *request, const struct change *change)
{
	if (change->is_exclusive)
		order_lock_all(request->front->order);
	else if (!is_planted_write(change))
		order_lock(request->front->order, &change->objects);
}

static void unlock(struct request *request, const struct change *change)
{
	if (change->is_exclusive)
		order_unlock_all(request->front->order);
	else if (!is_planted_write(change))
		order_unlock(request->front->order, &change->objects);
}

static void note_started(struct request *request, const struct op *op)
{
	struct slot *slot = request->slot;

	slot->object = op->object;
	slot->replaced = op->replaced;
	slot->whiteout = op->whiteout.object;
	slot->op_flags = op->flags;
	atomic_store(&slot->state, SLOT_STARTED);
	die_if_told(request->in.opcode, DIE_STARTED);
}

static void note_done(struct request *request, uint64_t sequence, int error)
{
	struct slot *slot = request->slot;

	slot->sequence = sequence;
	slot->error = error;
	if (error != 0)
		slot->answer_size = 0;
	atomic_store(&slot->state, SLOT_DONE);
}

/* Of this mount's request: unique ids of two mounts may be the same. */
static uint64_t request_id(const struct request *request)
{
	return (request->in.unique & ~FUSE_UNIQUE_RESENT) | (uint64_t)request->mount->index << 56;
}

static bool is_disk_failure(int error)
{
	return error == -EIO || error == -EROFS || error == -EUCLEAN;
}

/*
 * What a killed predecessor had started may be done, and even sequenced. Gives true if only the
 * answer is missing.
 */
static bool is_sequenced_already(struct request *request, struct op *op)
{
	struct op sequenced;

	if (!request->was_started ||
		replicator_find_request(request->front->replicator, op->request, &sequenced) != 0)
		return false;
	op->sequence = sequenced.sequence;
	op->attributes = sequenced.attributes;
	op->length = sequenced.length;
	return true;
}

static int execute(struct request *request, struct change *change)
{
	bool was_done = false;
	int error = 0;

	if (request->was_started)
		error = tree_was_done(request->front->tree, &change->op, &was_done);
	if (error != 0 || was_done)
		return error;
	return tree_apply(request->front->tree, &change->op, TREE_LOCAL);
}

/* What was done is sequenced even if something that belongs to it failed: the caller hears of it. */
static void finish(struct request *request, struct change *change, int error)
{
	if (error == 0)
		error = change->answer(request, change);
	note_done(request, change->op.sequence, error);
}

/* The caller hears of the failure when the peer has what it left behind. */
static int repair(struct request *request, const struct change *change, int failure)
{
	uint64_t sequence;
	int error = change_repair(request, &change->op, &sequence);

	if (error == -ESTALE)
		return failure; /* gone meanwhile: nothing to be equal */
	if (error != 0)
		return -EIO; /* this copy is not what its peer is, and cannot say how */
	note_done(request, sequence, failure);
	return 0;
}

static int do_change(struct request *request, struct change *change)
{
	int error =
		change->check != NULL && !request->was_started ? change->check(request, change) : 0;

	if (error != 0)
		return error;
	change->op.request = request_id(request);
	if (is_sequenced_already(request, &change->op)) {
		finish(request, change, 0);
		return 0;
	}
	note_started(request, &change->op);
	error = execute(request, change);
	if (error == -ENODATA && request->was_started && change->is_repeatable_enodata)
		error = 0;
	if (error != 0 && !is_disk_failure(error) && can_leave_traces(&change->op, error))
		return repair(request, change, error);
	if (error != 0)
		return error;
	error = change->after != NULL ? change->after(request, change) : 0;
	die_if_told(request->in.opcode, DIE_EXECUTED);
	change->op.sequence = replicator_submit(request->front->replicator, &change->op);
	die_if_told(request->in.opcode, DIE_SEQUENCED);
	finish(request, change, error);
	return 0;
}

int change_run(struct request *request, struct change *change)
{
	lock(request, change);
	int error = do_change(request, change);
	unlock(request, change);
	if (error == -EAGAIN)
		return error;
	if (error == 0 && change->syncs && request->slot->error == 0) {
		change_sync(request, change->op.object, change->syncs_data_only);
		return 0;
	}
	if (error == 0) {
		die_if_told(request->in.opcode, DIE_DONE);
		answer_later(request->mount, request->slot);
		return 0;
	}
	if (change->on_failed != NULL)
		change->on_failed(request, change);
	if (is_disk_failure(error))
		answer_failed(request->mount, request->slot, error);
	else
		reply_error(request, error);
	return 0;
}

void change_answer(struct request *request, const void *data, size_t size)
{
	CHECK(size <= SLOT_ANSWER_MAX);
	memcpy(request->slot->answer, data, size);
	request->slot->answer_size = (uint32_t)size;
}

static int sync_here(struct front *front, struct op *op)
{
	int error = tree_apply(front->tree, op, TREE_LOCAL);

	if (error != 0)
		atomic_store(&front->has_sync_failed, true);
	return error == 0 && atomic_load(&front->has_sync_failed) ? -EIO : error;
}

/* The peer begins its sync while ours runs. What the slot answers stands in it already. */
void change_sync(struct request *request, uint64_t object, bool is_data_only)
{
	struct front *front = request->front;
	struct slot *slot = request->slot;
	struct mount *mount = request->mount;
	const struct order_objects objects = { .ids = { object } };
	/* Without the request's id: under it a successor is to find the write that is synced. */
	struct op op = { .type = OP_SYNC, .object = object, .mask = is_data_only };

	order_lock(front->order, &objects);
	note_started(request, &op);
	uint64_t sequence = replicator_submit(front->replicator, &op);
	die_if_told(request->in.opcode, DIE_SEQUENCED);
	note_done(request, sequence, 0);
	order_unlock(front->order, &objects);
	answer_after_sync(mount, slot);
	int error = sync_here(front, &op);
	die_if_told(request->in.opcode, DIE_EXECUTED);
	if (error != 0) { /* this copy is lost: the pages may be dropped already */
		replicator_sync_abandoned(front->replicator, sequence);
		answer_failed(mount, slot, error);
		return;
	}
	die_if_told(request->in.opcode, DIE_DONE);
	answer_synced_here(mount, slot);
	replicator_synced_here(front->replicator, sequence);
}
