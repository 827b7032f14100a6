/* The answers that wait, and who lets them go. */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/front/front.h"
#include "platform/clock.h"
#include "platform/planted.h"

void answers_init(struct answers *answers)
{
	*answers = (struct answers){ 0 };
	lock_init(&answers->lock, RANK_ANSWERS);
}

void answer_send(struct mount *mount, struct slot *slot)
{
	struct fuse_out_header out = { .unique = slot->unique, .error = slot->error };
	struct iovec parts[2] = { { .iov_base = &out, .iov_len = sizeof(out) },
		{ .iov_base = slot->answer, .iov_len = slot->answer_size } };
	bool has_data = slot->error == 0 && slot->answer_size > 0;

	out.len = (uint32_t)(sizeof(out) + (has_data ? slot->answer_size : 0));
	/* Errors: ENOENT: the kernel no longer knows the request (answered by a predecessor);
	 * ENODEV: unmounted. Nobody waits for this answer any more. */
	(void)!writev(mount->fuse_fd, parts, has_data ? 2 : 1);
	ring_free(&mount->ring, slot);
}

static bool is_ready(const struct waiting *waiting, uint64_t answerable)
{
	if (waiting->failed_ns != 0)
		return false;
	if (IS_PLANTED(PLANTED_SYNC_ANSWERED_HERE) && waiting->is_synced_here)
		return true;
	if (waiting->is_sync && !(waiting->is_synced_here && waiting->is_synced_there))
		return false;
	return waiting->sequence <= answerable + IS_PLANTED(PLANTED_ANSWER_ONE_MORE);
}

static struct waiting *add(struct answers *answers, struct mount *mount, struct slot *slot)
{
	struct waiting *waiting = NULL;

	for (int i = 0; i < WAITING_MAX && waiting == NULL; i++) {
		if (answers->waiting[i].slot == NULL) {
			waiting = &answers->waiting[i];
			answers->used = MAX_OF(answers->used, i + 1);
		}
	}
	CHECK(waiting != NULL); /* there are as many as slots */
	*waiting = (struct waiting){ .mount = mount, .slot = slot, .sequence = slot->sequence };
	answers->count++;
	return waiting;
}

static void let_go(struct answers *answers, struct waiting *waiting)
{
	struct slot *slot = waiting->slot;

	waiting->slot = NULL;
	CHECK(answers->count > 0);
	answers->count--;
	if (answers->count == 0)
		answers->used = 0;
	answer_send(waiting->mount, slot);
}

/* What may be answered is asked for under the lock, so that answers_settle() can wait for those who
 * have asked and not yet answered. */
void answer_later(struct mount *mount, struct slot *slot)
{
	struct front *front = mount->front;

	CHECK(atomic_load(&slot->state) == SLOT_DONE);
	lock_take(&front->answers.lock);
	if (slot->sequence <= replicator_answerable(front->replicator))
		answer_send(mount, slot);
	else
		(void)add(&front->answers, mount, slot);
	lock_give(&front->answers.lock);
}

void answer_after_sync(struct mount *mount, struct slot *slot)
{
	struct answers *answers = &mount->front->answers;

	CHECK(atomic_load(&slot->state) == SLOT_DONE);
	lock_take(&answers->lock);
	struct waiting *waiting = add(answers, mount, slot);
	waiting->is_sync = true;
	lock_give(&answers->lock);
}

static struct waiting *find(struct answers *answers, const struct slot *slot)
{
	for (int i = 0; i < answers->used; i++) {
		if (answers->waiting[i].slot == slot)
			return &answers->waiting[i];
	}
	return NULL;
}

void answer_synced_here(struct mount *mount, struct slot *slot)
{
	struct front *front = mount->front;

	lock_take(&front->answers.lock);
	struct waiting *waiting = find(&front->answers, slot);
	if (waiting != NULL) /* NULL: fail mode was faster */
		waiting->is_synced_here = true;
	if (waiting != NULL && is_ready(waiting, replicator_answerable(front->replicator)))
		let_go(&front->answers, waiting);
	lock_give(&front->answers.lock);
}

void answer_failed(struct mount *mount, struct slot *slot, int error)
{
	struct front *front = mount->front;

	slot->error = error;
	slot->answer_size = 0;
	lock_take(&front->answers.lock);
	struct waiting *waiting = find(&front->answers, slot);
	if (waiting == NULL)
		waiting = add(&front->answers, mount, slot);
	waiting->failed_ns = clock_boot_ns();
	if (front->on_local_failed == NULL)
		let_go(&front->answers, waiting);
	lock_give(&front->answers.lock);
	if (front->on_local_failed != NULL)
		front->on_local_failed(front->report_context, error);
}

static void let_go_ready(struct front *front)
{
	struct answers *answers = &front->answers;
	uint64_t answerable = replicator_answerable(front->replicator);

	for (int i = 0; i < answers->used; i++) {
		struct waiting *waiting = &answers->waiting[i];
		if (waiting->slot != NULL && is_ready(waiting, answerable))
			let_go(answers, waiting);
	}
}

void answers_on_answerable(struct front *front, uint64_t sequence)
{
	(void)sequence; /* asked for again: a hold may have come in between */
	lock_take(&front->answers.lock);
	if (front->answers.count > 0)
		let_go_ready(front);
	lock_give(&front->answers.lock);
}

void answers_on_synced(struct front *front, uint64_t sequence, int error)
{
	struct answers *answers = &front->answers;

	/* A peer that cannot sync is dropped through the daemon; the request goes on when that is
	 * recorded and on_synced comes again, without an error. */
	if (error != 0)
		return;
	lock_take(&answers->lock);
	for (int i = 0; i < answers->used; i++) {
		struct waiting *waiting = &answers->waiting[i];
		if (waiting->slot != NULL && waiting->is_sync && waiting->sequence == sequence)
			waiting->is_synced_there = true;
	}
	let_go_ready(front);
	lock_give(&answers->lock);
}

void answers_release_failed(struct front *front, int64_t before_ns)
{
	struct answers *answers = &front->answers;

	lock_take(&answers->lock);
	for (int i = 0; i < answers->used; i++) {
		struct waiting *waiting = &answers->waiting[i];
		if (waiting->slot == NULL || waiting->failed_ns == 0)
			continue;
		if (before_ns == 0 || waiting->failed_ns < before_ns)
			let_go(answers, waiting);
	}
	lock_give(&answers->lock);
}

void answers_fail_all(struct front *front)
{
	struct answers *answers = &front->answers;

	atomic_store(&front->is_failing, true);
	lock_take(&answers->lock);
	for (int i = 0; i < answers->used; i++) {
		struct waiting *waiting = &answers->waiting[i];
		if (waiting->slot == NULL)
			continue;
		waiting->slot->error = -EIO;
		let_go(answers, waiting);
	}
	lock_give(&answers->lock);
}

void answers_stop_failing(struct front *front)
{
	atomic_store(&front->is_failing, false);
}

void answers_settle(struct front *front)
{
	lock_take(&front->answers.lock);
	lock_give(&front->answers.lock);
}
