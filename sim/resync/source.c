/*
 * The source: the walk's thread, one step at a time, and the translation of what the application does
 * meanwhile. What is decided is repl/resync_walk.h's and repl/resync_content.h's.
 */
#include <string.h>

#include "base/error.h"
#include "repl/resync_entry.h"
#include "sim/resync/world.h"

#define PIECE_NAMES 2
#define ROOM_OPS    16 /* free on the wire before anybody begins to fill it */
#define LIST_BYTES  256

/* ---- the wire ---- */

static uint64_t append(struct world *world, struct op *op)
{
	struct source *source = &world->source;
	struct wire *wire = &world->wire;
	uint64_t at = wire->next++ % WIRE_OPS;
	struct oplog_cursor after;
	struct bytes encoded;
	CHECK(wire->next - wire->first <= WIRE_OPS);
	(void)sender_give(&source->sender, op);
	CHECK(sender_next_to_send(&source->sender, &after, &encoded));
	CHECK(encoded.size <= WIRE_BYTES);
	memcpy(wire->ops[at].bytes, encoded.data, encoded.size);
	wire->ops[at].size = encoded.size;
	sender_on_sent(&source->sender, after);
	world_say(world, "   sends %s of %llu in %llu", op_type_name(op->type),
		(unsigned long long)op->object, (unsigned long long)op->parent);
	return op->sequence;
}

static void append_nothing(struct world *world)
{
	struct op op = { .type = OP_LEASE };
	(void)append(world, &op);
}

void source_append(struct world *world, struct op *op)
{
	uint64_t sequence = append(world, op);
	resync_window_add(&world->source.window, sequence, op_encoded_size(op));
}

static bool has_room(struct world *world)
{
	return world->wire.next - world->wire.first + ROOM_OPS <= WIRE_OPS &&
	       resync_window_has_room(&world->source.window, world->source.sender.acked);
}

/* ---- the walk's memory ---- */

static bool memory_has(void *context, enum resync_set set, uint64_t object)
{
	const struct source *source = context;
	return source->sets[set][object];
}

static int memory_add(void *context, enum resync_set set, uint64_t object)
{
	struct source *source = context;
	source->sets[set][object] = true;
	return 0;
}

static void memory_remove(void *context, enum resync_set set, uint64_t object)
{
	struct source *source = context;
	source->sets[set][object] = false;
}

static int memory_push(void *context, enum resync_queue queue, uint64_t object)
{
	struct source *source = context;
	CHECK(source->queues[queue].end < QUEUE_MAX);
	source->queues[queue].ids[source->queues[queue].end++] = object;
	return 0;
}

static uint64_t memory_pop(void *context, enum resync_queue queue)
{
	struct source *source = context;
	if (source->queues[queue].first == source->queues[queue].end)
		return 0;
	return source->queues[queue].ids[source->queues[queue].first++];
}

static size_t memory_count(void *context, enum resync_queue queue)
{
	const struct source *source = context;
	return source->queues[queue].end - source->queues[queue].first;
}

/* ---- beginning ---- */

/* HELLO and its answer: a new session. */
static void connect(struct sender *sender, uint32_t plan)
{
	enum stream_wants wants = plan == PLAN_SET_ASIDE ? STREAM_SET_ASIDE : STREAM_COMPARE;
	struct hello hello = { .version = STREAM_VERSION, .epoch = { .number = sender->epoch } };
	CHECK(session_connect(sender, wants, 0) == 0);
	CHECK(session_hello(sender, 1, &hello));
	CHECK(session_on_hello(sender, &hello, &hello, true, 0) == HELLO_BEGUN);
}

void source_begin(struct world *world, uint32_t plan)
{
	struct source *source = &world->source;
	const struct resync_memory memory = { .context = source,
		.has = memory_has,
		.add = memory_add,
		.remove = memory_remove,
		.push = memory_push,
		.pop = memory_pop,
		.count = memory_count };
	struct op op = { .type = OP_RESYNC_BEGIN, .mask = plan };
	memset(source->sets, 0, sizeof(source->sets));
	memset(source->queues, 0, sizeof(source->queues));
	memset(source->absent, 0, sizeof(source->absent));
	memset(source->files, 0, sizeof(source->files));
	memset(source->requests, 0, sizeof(source->requests));
	source->listing = (struct listing){ 0 };
	source->window = (struct resync_window){ 0 };
	source->current = NULL;
	source->is_running = true;
	connect(&source->sender, plan);
	resync_walk_init(&source->walk, &memory);
	source_append(world, &op);
	resync_walk_shown(&source->walk, ROOT, true);
	for (int i = 1; i < OBJECTS; i++)
		source->absent[i] = source->tree.objects[i].is_orphan;
}

void source_lose(struct world *world)
{
	struct source *source = &world->source;
	world_say(world, "the stream breaks");
	if (session_on_disconnected(&source->sender, 0))
		(void)session_drop(&source->sender, LOSS_SILENT);
	source->is_running = false;
	world->wire.first = world->wire.next;
	world->answers.first = world->answers.next;
	target_lose(world);
}

/* ---- the application's operations ---- */

static void append_metadata(struct world *world, uint64_t object, uint64_t near)
{
	const struct tree *tree = &world->source.tree;
	struct op op = { .type = OP_METADATA,
		.object = object,
		.parent = near,
		.mask = ATTRIBUTE_UID | ATTRIBUTE_SIZE,
		.attributes = tree_attributes(tree, object) };
	(void)append(world, &op);
}

static void send_part(struct world *world, struct op *op, struct resync_part *part)
{
	struct source *source = &world->source;
	switch (part->kind) {
	case RESYNC_SEND_AS_IS: (void)append(world, op); break;
	case RESYNC_SEND_OP: (void)append(world, &part->op); break;
	case RESYNC_SEND_METADATA:
		append_metadata(world, part->object, part->near);
		resync_walk_shown(&source->walk, part->object,
			tree_is_directory(&source->tree, part->object));
		break;
	case RESYNC_NOTE_ABSENT: source->absent[part->object] = true; break;
	case RESYNC_NOTE_GONE: source->absent[part->object] = false; break;
	}
}

static void translate(struct world *world, struct op *op)
{
	struct source *source = &world->source;
	struct resync_seen seen = { 0 };
	if (op->type == OP_UNLINK)
		seen.has_object_names = tree_links(&source->tree, op->object) > 0;
	if (op->type == OP_RENAME && op->replaced != 0) {
		seen.has_replaced_names = tree_links(&source->tree, op->replaced) > 0;
		seen.is_replaced_directory = tree_is_directory(&source->tree, op->replaced);
	}
	struct resync_translation translation = resync_walk_translate(&source->walk, op, &seen);
	struct resync_part part;
	uint64_t before = world->wire.next;
	while (resync_translation_next(&translation, &part))
		send_part(world, op, &part);
	if (world->wire.next == before)
		append_nothing(world);
}

void source_submit(struct world *world, struct op *op)
{
	struct source *source = &world->source;
	if (!sender_is_sending(&source->sender)) {
		(void)sender_give(&source->sender, op);
	} else if (source->sender.mode == SENDER_CATCHING_UP) {
		translate(world, op);
	} else if (source->absent[op->object]) {
		source->absent[op->object] = op->type != OP_FORGET;
		append_nothing(world);
	} else {
		(void)append(world, op);
	}
}

/* ---- lists ---- */

static void send_piece(struct world *world)
{
	struct source *source = &world->source;
	struct listing *listing = &source->listing;
	const struct object *directory = &source->tree.objects[listing->directory];
	uint8_t bytes[LIST_BYTES];
	struct buf_writer writer = buf_writer_init(bytes, sizeof(bytes));
	for (int i = 0; i < PIECE_NAMES && listing->next < NAMES; i++, listing->next++) {
		const uint8_t letter = (uint8_t)('a' + listing->next);
		uint8_t object = directory->names[listing->next];
		const struct resync_entry entry = { .object = object,
			.attributes = tree_attributes(&source->tree, object),
			.name = { .data = &letter, .size = 1 } };
		if (object == 0)
			continue;
		resync_entry_put(&writer, &entry);
		listing->fresh[listing->fresh_count++] = object;
	}
	struct op op = { .type = OP_LIST,
		.object = listing->directory,
		.offset = 1 + listing->sent,
		.data = { .data = bytes, .size = writer.size } };
	if (listing->fresh_count > 0)
		source_append(world, &op);
	listing->sent += (uint64_t)listing->fresh_count;
}

static void note_piece(struct source *source)
{
	struct listing *listing = &source->listing;
	for (int i = 0; i < listing->fresh_count; i++)
		resync_walk_shown(&source->walk, listing->fresh[i],
			tree_is_directory(&source->tree, listing->fresh[i]));
	listing->fresh_count = 0;
}

static void end_list(struct source *source)
{
	source->listing = (struct listing){ 0 };
	resync_walk_drop_list(&source->walk);
}

static void list_step(struct world *world)
{
	struct source *source = &world->source;
	struct listing *listing = &source->listing;
	struct op begin = { .type = OP_LIST, .object = listing->directory };
	struct op end = { .type = OP_LIST_END, .object = listing->directory };
	if (listing->fresh_count > 0) {
		note_piece(source);
	} else if (!listing->is_begun && !tree_is_directory(&source->tree, listing->directory)) {
		end_list(source);
	} else if (!listing->is_begun) {
		source_append(world, &begin);
		resync_walk_begin_list(&source->walk, listing->directory);
		listing->is_begun = true;
	} else if (!resync_walk_is_present(&source->walk, listing->directory)) {
		end_list(source);
	} else if (listing->next < NAMES) {
		send_piece(world);
	} else {
		source_append(world, &end);
		resync_walk_end_list(&source->walk, listing->directory);
		end_list(source);
	}
}

void source_send_metadata(struct world *world, uint64_t object)
{
	struct source *source = &world->source;
	if (tree_has(&source->tree, object) && resync_walk_is_present(&source->walk, object))
		append_metadata(world, object, object);
}

/* ---- the walk ---- */

static struct request *answered_request(struct source *source)
{
	for (int i = 0; i < REQUESTS_MAX; i++)
		if (source->requests[i].is_used && source->requests[i].is_answered)
			return &source->requests[i];
	return NULL;
}

static struct resync_load load_of(struct source *source)
{
	struct resync_load load = { .has_answer = answered_request(source) != NULL,
		.has_file = source->current != NULL,
		.has_request_room = content_free_request(source) != NULL,
		.has_file_room = content_free_file(source) != NULL };
	for (int i = 0; i < REQUESTS_MAX; i++)
		load.is_question_there = load.is_question_there || source->requests[i].is_used;
	return load;
}

static void sync_there(struct world *world)
{
	struct op op = { .type = OP_SYNC, .object = ROOT, .mask = SYNC_EVERYTHING };
	resync_walk_sync_asked(&world->source.walk, append(world, &op));
}

static void end(struct world *world)
{
	struct op op = { .type = OP_RESYNC_END };
	(void)append(world, &op);
	CHECK(sender_pair(&world->source.sender) == 0);
	world->source.is_running = false;
}

static bool take(struct world *world, const struct resync_todo *todo)
{
	struct source *source = &world->source;
	switch (todo->task) {
	case RESYNC_TAKE_ANSWER: content_take_answer(world, answered_request(source)); return true;
	case RESYNC_ASK: content_ask(world); return true;
	case RESYNC_OPEN: content_open(world, todo->object); return true;
	case RESYNC_LIST: source->listing.directory = (uint8_t)todo->object; return true;
	case RESYNC_WAIT: return false;
	case RESYNC_FINISH: source_send_metadata(world, todo->object); return true;
	case RESYNC_SYNC: sync_there(world); return true;
	case RESYNC_END: end(world); return true;
	}
	return false;
}

bool source_step(struct world *world)
{
	struct source *source = &world->source;
	if (!source->is_running || !has_room(world))
		return false;
	if (source->listing.directory != 0) {
		list_step(world);
		return true;
	}
	const struct resync_load load = load_of(source);
	const struct resync_todo todo = resync_walk_next(&source->walk, &load);
	return take(world, &todo);
}

/* ---- what the target answers ---- */

static void on_hashes(struct source *source, const struct answer *answer)
{
	for (int i = 0; i < REQUESTS_MAX; i++) {
		struct request *request = &source->requests[i];
		if (!request->is_used || request->is_answered ||
			request->file->object != answer->object ||
			request->span.from != answer->offset)
			continue;
		request->is_answered = true;
		request->count = answer->count;
		memcpy(request->hashes, answer->hashes, sizeof(request->hashes));
		return;
	}
}

bool source_hear(struct world *world)
{
	struct source *source = &world->source;
	struct answers *answers = &world->answers;
	if (answers->first == answers->next)
		return false;
	const struct answer *answer = &answers->answers[answers->first++ % ANSWERS_MAX];
	switch (answer->kind) {
	case ANSWER_ACK:
		CHECK(sender_on_acknowledged(
			      &source->sender, source->sender.epoch, answer->sequence, 0, 0) == 0);
		break;
	case ANSWER_HASHES: on_hashes(source, answer); break;
	case ANSWER_SYNCED:
		if (source->is_running)
			resync_walk_on_synced(&source->walk, answer->sequence);
		break;
	}
	return true;
}
