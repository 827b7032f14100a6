/*
 * The source of a resynchronisation: its beginning, its end, and what the target answers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/resync/inside.h"

static struct resync_source *source_new(struct replicator *r, enum resync_plan plan)
{
	struct resync_source *source = calloc(1, sizeof(*source));
	if (source == NULL)
		return NULL;
	source->r = r;
	source->plan = plan;
	condition_init(&source->answered);
	source->walk.list = malloc(LIST_BYTES);
	source->walk.data = malloc(WRITE_SIZE_MAX);
	source->walk.metadata = malloc(METADATA_MAX);
	if (source->walk.list != NULL && source->walk.data != NULL && source->walk.metadata != NULL)
		return source;
	resync_source_free(source);
	return NULL;
}

int resync_source_start(
	struct replicator *r, enum resync_plan plan, struct resync_source **out_source)
{
	struct resync_source *source = source_new(r, plan);
	if (source == NULL)
		return -ENOMEM;
	int error = -pthread_create(&source->thread, NULL, resync_walk_run, source);
	if (error != 0) {
		resync_source_free(source);
		return error;
	}
	source->has_thread = true;
	*out_source = source;
	return 0;
}

void resync_source_stop(struct resync_source *source)
{
	lock_take(&source->r->lock);
	bool has_thread = source->has_thread;
	source->has_thread = false;
	source->is_stopping = true;
	condition_wake_all(&source->answered);
	condition_wake_all(&source->r->changed);
	lock_give(&source->r->lock);
	if (has_thread)
		(void)pthread_join(source->thread, NULL);
}

void resync_source_free(struct resync_source *source)
{
	CHECK(!source->has_thread);
	idmap_done(&source->present);
	idmap_done(&source->listed);
	idlist_done(&source->directories);
	idlist_done(&source->files);
	idlist_done(&source->to_finish);
	condition_done(&source->answered);
	free(source->walk.list);
	free(source->walk.data);
	free(source->walk.metadata);
	free(source);
}

static struct resync_request *find_request(
	struct resync_source *source, uint64_t object, uint64_t offset)
{
	for (int i = 0; i < REQUESTS_MAX; i++) {
		struct resync_request *request = &source->requests[i];
		if (request->is_used && !request->is_answered && request->object == object &&
			request->offset == offset)
			return request;
	}
	return NULL;
}

void resync_source_on_hashes(struct resync_source *source, const struct frame *frame)
{
	lock_take(&source->r->lock);
	struct resync_request *request =
		find_request(source, frame->hashes.object, frame->hashes.offset);
	if (request != NULL) {
		request->is_answered = true;
		request->size_there = frame->hashes.size;
		request->count = frame->hashes.count;
		memcpy(request->hashes, frame->hashes.hashes.data, frame->hashes.hashes.size);
		condition_wake_all(&source->answered);
	}
	lock_give(&source->r->lock);
}

void resync_source_on_synced(struct resync_source *source, uint64_t sequence)
{
	lock_take(&source->r->lock);
	if (sequence != 0 && sequence == source->sync_sequence) {
		source->is_synced = true;
		condition_wake_all(&source->answered);
	}
	lock_give(&source->r->lock);
}

static bool has_room(struct resync_source *source)
{
	struct resync_under_way *own = &source->under_way;
	while (own->first < own->next &&
		own->ops[own->first % RESYNC_OPS].sequence <= source->r->sender.acked)
		own->bytes -= own->ops[own->first++ % RESYNC_OPS].size;
	return own->next - own->first < RESYNC_OPS && own->bytes < RESYNC_BYTES;
}

static bool is_running(const struct resync_source *source)
{
	const struct replicator *r = source->r;
	return !source->is_stopping && !r->is_leaving && !r->is_log_broken && !r->is_let_go &&
	       r->sender.mode == SENDER_CATCHING_UP && r->resync == source;
}

static void note_under_way(struct resync_source *source, const struct op *op)
{
	struct resync_under_way *own = &source->under_way;
	size_t size = op_encoded_size(op);
	own->ops[own->next % RESYNC_OPS].sequence = op->sequence;
	own->ops[own->next++ % RESYNC_OPS].size = size;
	own->bytes += size;
}

void resync_wait_for_room(struct resync_source *source)
{
	lock_take(&source->r->lock);
	while (is_running(source) && !has_room(source))
		replicator_wait(source->r, &source->r->changed, TICK_NS);
	lock_give(&source->r->lock);
}

int resync_append(struct resync_source *source, struct op *op)
{
	struct replicator *r = source->r;
	int error = -ECANCELED;
	lock_take(&r->lock);
	while (is_running(source) && !has_room(source))
		replicator_wait(r, &r->changed, TICK_NS);
	if (is_running(source)) {
		(void)replicator_append(r, op);
		note_under_way(source, op);
		error = 0;
	}
	lock_give(&r->lock);
	return error;
}
