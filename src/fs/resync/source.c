/*
 * The source of a resynchronisation: its beginning, its end, and what the target answers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/resync/inside.h"

/* ---- the walk's memory ---- */

static bool memory_has(void *context, enum resync_set set, uint64_t object)
{
	struct resync_source *source = context;
	return idmap_has(&source->sets[set], object);
}

static int memory_add(void *context, enum resync_set set, uint64_t object)
{
	struct resync_source *source = context;
	return idmap_put(&source->sets[set], object, NULL);
}

static void memory_remove_from(void *context, enum resync_set set, uint64_t object)
{
	struct resync_source *source = context;
	idmap_remove(&source->sets[set], object);
}

static int memory_push(void *context, enum resync_queue queue, uint64_t object)
{
	struct resync_source *source = context;
	return idlist_push(&source->queues[queue], object);
}

static uint64_t memory_pop(void *context, enum resync_queue queue)
{
	struct resync_source *source = context;
	return idlist_pop(&source->queues[queue]);
}

static size_t memory_count(void *context, enum resync_queue queue)
{
	struct resync_source *source = context;
	return idlist_count(&source->queues[queue]);
}

static struct resync_memory memory_of(struct resync_source *source)
{
	return (struct resync_memory){ .context = source,
		.has = memory_has,
		.add = memory_add,
		.remove = memory_remove_from,
		.push = memory_push,
		.pop = memory_pop,
		.count = memory_count };
}

/* ---- what cannot be read here ---- */

/* The others are this process's, or everybody's. */
static bool is_objects_own(int error)
{
	switch (error) {
	case -EIO:
	case -E2BIG:
	case -ERANGE:
	case -EUCLEAN:
	case -EBADMSG:
	case -EACCES:
	case -EPERM:
	case -ENXIO: return true;
	default: return false;
	}
}

int resync_leave_out(struct resync_source *source, uint64_t object, const char *name, int error)
{
	if (!is_objects_own(error) || source->left_out.count >= LEFT_OUT_MAX)
		return error;
	if (object != 0 && idmap_has(&source->left_out.ids, object))
		return 0;
	if (object != 0 && idmap_put(&source->left_out.ids, object, NULL) != 0)
		return -ENOMEM;
	if (source->left_out.count++ > 0)
		return 0;
	source->left_out.error = error;
	if (name != NULL)
		(void)snprintf(source->left_out.name, sizeof(source->left_out.name), "%s", name);
	else
		tree_describe(source->site.tree, object, source->left_out.name,
			sizeof(source->left_out.name));
	return 0;
}

int resync_leave_out_unlocked(
	struct resync_source *source, uint64_t object, const char *name, int error)
{
	lock_take(source->site.lock);
	int result = resync_leave_out(source, object, name, error);
	lock_give(source->site.lock);
	return result;
}

uint64_t resync_source_left_out(const struct resync_source *source, char *out_why, size_t size)
{
	out_why[0] = '\0';
	if (source->left_out.count > 0)
		(void)snprintf(out_why, size, "%llu object%s%s: %s",
			(unsigned long long)source->left_out.count,
			source->left_out.count == 1 ? ": " : "s, the first: ",
			source->left_out.name, strerror(-source->left_out.error));
	return source->left_out.count;
}

/* ---- beginning and end ---- */

static struct resync_source *source_new(const struct resync_site *site, enum resync_plan plan)
{
	struct resync_source *source = calloc(1, sizeof(*source));
	if (source == NULL)
		return NULL;
	const struct resync_memory memory = memory_of(source);
	resync_walk_init(&source->walk, &memory);
	source->site = *site;
	source->plan = plan;
	condition_init(&source->answered);
	source->hands.list = malloc(LIST_BYTES);
	source->hands.data = malloc(WRITE_SIZE_MAX);
	source->hands.metadata = malloc(METADATA_MAX);
	if (source->hands.list != NULL && source->hands.data != NULL &&
		source->hands.metadata != NULL)
		return source;
	resync_source_free(source);
	return NULL;
}

int resync_source_start(
	const struct resync_site *site, enum resync_plan plan, struct resync_source **out_source)
{
	struct resync_source *source = source_new(site, plan);
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
	lock_take(source->site.lock);
	bool has_thread = source->has_thread;
	source->has_thread = false;
	source->is_stopping = true;
	condition_wake_all(&source->answered);
	condition_wake_all(source->site.changed);
	lock_give(source->site.lock);
	if (has_thread)
		(void)pthread_join(source->thread, NULL);
}

void resync_source_free(struct resync_source *source)
{
	CHECK(!source->has_thread);
	for (int i = 0; i < RESYNC_SET_COUNT; i++)
		idmap_done(&source->sets[i]);
	for (int i = 0; i < RESYNC_QUEUE_COUNT; i++)
		idlist_done(&source->queues[i]);
	idmap_done(&source->left_out.ids);
	condition_done(&source->answered);
	free(source->hands.list);
	free(source->hands.data);
	free(source->hands.metadata);
	free(source);
}

/* ---- what the target answers ---- */

static struct resync_request *find_request(
	struct resync_source *source, uint64_t object, uint64_t offset)
{
	for (int i = 0; i < REQUESTS_MAX; i++) {
		struct resync_request *request = &source->requests[i];
		if (request->is_used && !request->is_answered && request->object == object &&
			request->span.from == offset)
			return request;
	}
	return NULL;
}

void resync_source_on_hashes(struct resync_source *source, const struct digest *digest)
{
	lock_take(source->site.lock);
	struct resync_request *request = find_request(source, digest->object, digest->offset);
	if (request != NULL) {
		request->is_answered = true;
		request->count = digest->count;
		memcpy(request->hashes, digest->hashes.data, digest->hashes.size);
		condition_wake_all(&source->answered);
	}
	lock_give(source->site.lock);
}

void resync_source_on_synced(struct resync_source *source, uint64_t sequence)
{
	lock_take(source->site.lock);
	resync_walk_on_synced(&source->walk, sequence);
	condition_wake_all(&source->answered);
	lock_give(source->site.lock);
}

/* ---- what the walk puts into the log ---- */

bool resync_is_running(const struct resync_source *source)
{
	return !source->is_stopping && !source->walk.is_broken &&
	       host_is_open(source->site.host, source);
}

static bool has_room(struct resync_source *source)
{
	return resync_window_has_room(&source->window, host_acked(source->site.host));
}

static void wait_for_room(struct resync_source *source)
{
	while (resync_is_running(source) && !has_room(source))
		(void)condition_wait_for(source->site.changed, source->site.lock, WAIT_NS);
}

void resync_wait_for_room(struct resync_source *source)
{
	lock_take(source->site.lock);
	wait_for_room(source);
	lock_give(source->site.lock);
}

int resync_append(struct resync_source *source, struct op *op)
{
	lock_take(source->site.lock);
	wait_for_room(source);
	bool is_running = resync_is_running(source);
	if (is_running) {
		(void)host_append(source->site.host, op);
		resync_window_add(&source->window, op->sequence, op_encoded_size(op));
	}
	lock_give(source->site.lock);
	return is_running ? 0 : -ECANCELED;
}
