#include "repl/resync_rules.h"

#include <stddef.h>

#include "repl/planted.h"

#define RENAME_EXCHANGES BIT(1) /* RENAME_EXCHANGE of renameat2(2) */

struct steps {
	enum resync_step *list;
	size_t count;
};

static void add(struct steps *steps, enum resync_step step)
{
	CHECK(steps->count < RESYNC_STEPS_MAX - 1);
	steps->list[steps->count++] = step;
	steps->list[steps->count] = STEP_END;
}

static bool is_old_known(const struct resync_facts *facts)
{
	return facts->is_parent_listed || facts->is_parent_begun;
}

static bool is_new_known(const struct resync_facts *facts)
{
	return facts->is_new_parent_listed || facts->is_new_parent_begun;
}

static void decide_create(struct steps *steps, const struct resync_facts *facts)
{
	if (facts->is_parent_listed) {
		add(steps, STEP_AS_IS);
		add(steps, STEP_OBJECT_CREATED);
	} else if (facts->is_parent_begun) {
		add(steps, STEP_SHOW_CREATED);
		add(steps, STEP_BIND_CREATED);
	} /* else the walk will find it */
}

static void decide_link(struct steps *steps, const struct resync_facts *facts)
{
	if (!is_new_known(facts))
		return;
	if (!IS_PLANTED(PLANTED_RESYNC_LINK_UNSHOWN))
		add(steps, STEP_SHOW_OBJECT);
	add(steps, STEP_BIND_NEW);
}

/* The target may hold fewer names of the object than we do, so that its last one there need not be
 * the last one here: then the object has to survive, in limbo. */
static void decide_unlink(
	struct steps *steps, const struct op *op, const struct resync_facts *facts)
{
	bool is_orphan = (op->flags & OP_FLAG_TO_ORPHAN) != 0;
	if (!facts->is_parent_listed) {
		if (is_orphan)
			add(steps, STEP_OBJECT_ABSENT);
		if (facts->is_parent_begun)
			add(steps, STEP_UNBIND_OLD);
		return;
	}
	if (!is_orphan && facts->has_object_names && !IS_PLANTED(PLANTED_RESYNC_UNLINK_AS_IS))
		add(steps, STEP_UNBIND_OLD);
	else
		add(steps, STEP_AS_IS);
}

/* A directory that was not listed may hold names there that it no longer has here. */
static void decide_rmdir(struct steps *steps, const struct resync_facts *facts)
{
	if (!is_old_known(facts))
		return;
	bool is_alike = facts->is_parent_listed && facts->is_object_listed;
	add(steps, is_alike ? STEP_AS_IS : STEP_UNBIND_OLD);
	add(steps, STEP_OBJECT_GONE);
}

static void decide_exchange(struct steps *steps, const struct resync_facts *facts)
{
	if (facts->is_parent_listed && facts->is_new_parent_listed) {
		add(steps, STEP_AS_IS);
		return;
	}
	if (is_new_known(facts)) {
		add(steps, STEP_SHOW_OBJECT);
		add(steps, STEP_BIND_NEW);
	}
	if (is_old_known(facts)) {
		add(steps, STEP_SHOW_REPLACED);
		add(steps, STEP_BIND_OLD);
	}
}

/* What is renamed over dies there by the same call only if it is the same thing there. */
static bool is_replacing_alike(const struct op *op, const struct resync_facts *facts)
{
	if (op->replaced == 0 || (op->flags & OP_FLAG_TO_ORPHAN) != 0 ||
		IS_PLANTED(PLANTED_RESYNC_REPLACED_ALIKE))
		return true;
	return facts->is_replaced_directory ? facts->is_replaced_listed
					    : !facts->has_replaced_names;
}

static void decide_rename(
	struct steps *steps, const struct op *op, const struct resync_facts *facts)
{
	if ((op->mask & RENAME_EXCHANGES) != 0) {
		decide_exchange(steps, facts);
		return;
	}
	if (facts->is_parent_listed && facts->is_new_parent_listed) {
		if (!is_replacing_alike(op, facts))
			add(steps, STEP_UNBIND_NEW);
		add(steps, STEP_AS_IS);
		if (op_has_whiteout(op))
			add(steps, STEP_WHITEOUT_CREATED);
		return;
	}
	if (op->replaced != 0 && (op->flags & OP_FLAG_TO_ORPHAN) != 0 &&
		!IS_PLANTED(PLANTED_RESYNC_ORPHAN_KEPT))
		add(steps, STEP_REPLACED_ABSENT);
	if (is_new_known(facts)) {
		add(steps, STEP_SHOW_OBJECT);
		add(steps, STEP_BIND_NEW);
	}
	if (is_old_known(facts) && op_has_whiteout(op)) {
		add(steps, STEP_SHOW_WHITEOUT);
		add(steps, STEP_BIND_WHITEOUT);
	} else if (is_old_known(facts)) {
		add(steps, STEP_UNBIND_OLD);
	}
}

static void decide_forget(struct steps *steps, const struct resync_facts *facts)
{
	if (facts->is_object_present)
		add(steps, STEP_AS_IS);
	add(steps, STEP_OBJECT_GONE);
}

void resync_decide(const struct op *op, const struct resync_facts *facts,
	enum resync_step out_steps[RESYNC_STEPS_MAX])
{
	struct steps steps = { .list = out_steps };
	out_steps[0] = STEP_END;
	switch (op->type) {
	case OP_CREATE: decide_create(&steps, facts); break;
	case OP_LINK: decide_link(&steps, facts); break;
	case OP_UNLINK: decide_unlink(&steps, op, facts); break;
	case OP_RMDIR: decide_rmdir(&steps, facts); break;
	case OP_RENAME: decide_rename(&steps, op, facts); break;
	case OP_WRITE:
	case OP_ALLOCATE:
	case OP_SET_ATTRIBUTES:
	case OP_SET_XATTR:
	case OP_REMOVE_XATTR:
	case OP_REPAIR:
		if (facts->is_object_present)
			add(&steps, STEP_AS_IS);
		break;
	case OP_FORGET: decide_forget(&steps, facts); break;
	case OP_LEASE: add(&steps, STEP_AS_IS); break;
	case OP_SYNC: break; /* nobody waits for the target yet */
	case OP_NONE:
	case OP_RESYNC_BEGIN:
	case OP_LIST:
	case OP_LIST_END:
	case OP_BIND:
	case OP_UNBIND:
	case OP_METADATA:
	case OP_HASH_WANTED:
	case OP_RESYNC_END:
	case OP_TYPE_COUNT: CHECK(false); /* the walk appends its own */
	}
}
