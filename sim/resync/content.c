/*
 * The source's files: which blocks are asked about, what is made of the answers. What is decided is
 * repl/resync_content.h's.
 */
#include "sim/resync/world.h"

static const struct resync_limits limits = { .block = 1, .ask = 4, .send = 2 };

struct file *content_free_file(struct source *source)
{
	for (int i = 0; i < FILES_MAX; i++)
		if (!source->files[i].is_used)
			return &source->files[i];
	return NULL;
}

void content_open(struct world *world, uint64_t object)
{
	struct source *source = &world->source;
	struct file *file = content_free_file(source);
	struct op op = { .type = OP_SET_ATTRIBUTES,
		.object = object,
		.mask = ATTRIBUTE_SIZE,
		.attributes = tree_attributes(&source->tree, object) };
	if (!tree_has(&source->tree, object))
		return;
	*file = (struct file){ .is_used = true, .object = object };
	file->content.size = op.attributes.size;
	source->current = file;
	if (resync_walk_is_present(&source->walk, object))
		source_append(world, &op);
}

static void end_file(struct world *world, struct file *file)
{
	file->is_used = false;
	source_send_metadata(world, file->object);
}

static uint64_t next_block(const struct object *it, uint64_t from, uint64_t size, bool is_data)
{
	while (from < size && (it->blocks[from] != 0) != is_data)
		from++;
	return from;
}

static void punch(struct world *world, struct file *file, const struct resync_span *span)
{
	struct op op = { .type = OP_ALLOCATE,
		.object = file->object,
		.offset = span->from,
		.length = span->length };
	if (tree_has(&world->source.tree, file->object))
		source_append(world, &op);
	resync_content_punched(&file->content, span);
}

struct request *content_free_request(struct source *source)
{
	for (int i = 0; i < REQUESTS_MAX; i++)
		if (!source->requests[i].is_used)
			return &source->requests[i];
	return NULL;
}

void content_ask(struct world *world)
{
	struct source *source = &world->source;
	struct file *file = source->current;
	const struct object *it = &source->tree.objects[file->object];
	const struct resync_content *content = &file->content;
	struct resync_span span = resync_content_next(content, &limits,
		next_block(it, content->asked, content->size, true),
		next_block(it, content->asked, content->size, false));
	struct op op = { .type = OP_HASH_WANTED,
		.object = file->object,
		.offset = span.from,
		.length = span.length };
	struct request *request = content_free_request(source);
	switch (span.kind) {
	case RESYNC_SPAN_HOLE: punch(world, file, &span); break;
	case RESYNC_SPAN_ASK:
		*request = (struct request){ .is_used = true, .file = file, .span = span };
		resync_content_asked(&file->content, &span);
		source_append(world, &op);
		break;
	case RESYNC_SPAN_END:
		source->current = NULL;
		if (content->waiting == 0)
			end_file(world, file);
		break;
	}
}

static bool is_different(const struct object *it, const struct request *request, uint32_t block)
{
	uint64_t at = request->span.from + block;
	bool is_here = at < it->size, is_there = block < request->count;
	if (!is_here || !is_there)
		return is_here != is_there;
	return it->blocks[at] != request->hashes[block];
}

/* Without a lock: whatever is written meanwhile goes its own way. */
static void compare(struct source *source, struct request *request)
{
	const struct object *it = &source->tree.objects[request->file->object];
	struct resync_run run = { 0 }, sent;
	for (uint32_t i = 0; i <= request->span.length; i++) {
		bool is_unlike = i < request->span.length && is_different(it, request, i);
		if (resync_run_block(&run, &limits, is_unlike, &sent))
			request->runs[request->run_count++] = sent;
	}
	request->is_compared = true;
}

/* The blocks as they are now. */
static void send_run(struct world *world, struct request *request, const struct resync_run *run)
{
	const struct object *it = &world->source.tree.objects[request->file->object];
	uint64_t from = request->span.from + run->first;
	uint64_t end = MIN_OF(request->span.from + run->next, it->size);
	struct op op = { .type = OP_WRITE, .object = request->file->object, .offset = from };
	if (end <= from)
		return;
	op.length = end - from;
	op.data.data = (const uint8_t *)&it->blocks[from];
	op.data.size = op.length * sizeof(it->blocks[0]);
	source_append(world, &op);
}

void content_take_answer(struct world *world, struct request *request)
{
	struct source *source = &world->source;
	struct file *file = request->file;
	if (!request->is_compared) {
		compare(source, request);
		return;
	}
	if (request->run_next < request->run_count) {
		send_run(world, request, &request->runs[request->run_next++]);
		return;
	}
	request->is_used = false;
	resync_content_answered(&file->content);
	if (file->content.waiting == 0 && file != source->current)
		end_file(world, file);
}
