#include "repl/resync_walk.h"

#include "repl/planted.h"

#define MODE_TYPE      0170000u /* S_IFMT of stat(2) */
#define MODE_DIRECTORY 0040000u

static bool is_directory(const struct attributes *attributes)
{
	return (attributes->mode & MODE_TYPE) == MODE_DIRECTORY;
}

/* ---- phases ---- */

static const struct phase_rule {
	const char *name;
	uint8_t next;
} rules[RESYNC_PHASE_COUNT] = {
	[RESYNC_WALKING] = { "walking", BIT(RESYNC_SYNCING) },
	[RESYNC_SYNCING] = { "syncing", BIT(RESYNC_SYNCED) },
	[RESYNC_SYNCED] = { "synced", BIT(RESYNC_WALKING) | BIT(RESYNC_OVER) },
	[RESYNC_OVER] = { "over", 0 },
};

const char *resync_phase_name(enum resync_phase phase)
{
	CHECK(phase < RESYNC_PHASE_COUNT);
	return rules[phase].name;
}

bool resync_phase_may_follow(enum resync_phase phase, enum resync_phase next)
{
	CHECK(phase < RESYNC_PHASE_COUNT && next < RESYNC_PHASE_COUNT);
	return (rules[phase].next & BIT(next)) != 0;
}

static void move(struct resync_walk *walk, enum resync_phase phase)
{
	CHECK(resync_phase_may_follow(walk->phase, phase));
	walk->phase = phase;
}

void resync_walk_init(struct resync_walk *walk, const struct resync_memory *memory)
{
	*walk = (struct resync_walk){ .memory = *memory, .phase = RESYNC_WALKING };
}

/* ---- the caller's memory ---- */

static bool has(const struct resync_walk *walk, enum resync_set set, uint64_t object)
{
	return object != 0 && walk->memory.has(walk->memory.context, set, object);
}

static void add(struct resync_walk *walk, enum resync_set set, uint64_t object)
{
	if (walk->memory.add(walk->memory.context, set, object) != 0)
		walk->is_broken = true;
}

static void push(struct resync_walk *walk, enum resync_queue queue, uint64_t object)
{
	if (walk->memory.push(walk->memory.context, queue, object) != 0)
		walk->is_broken = true;
}

static uint64_t pop(struct resync_walk *walk, enum resync_queue queue)
{
	return walk->memory.pop(walk->memory.context, queue);
}

static void forget(struct resync_walk *walk, enum resync_set set, uint64_t object)
{
	walk->memory.remove(walk->memory.context, set, object);
}

/* ---- objects ---- */

bool resync_walk_is_present(const struct resync_walk *walk, uint64_t object)
{
	return has(walk, RESYNC_PRESENT, object);
}

void resync_walk_shown(struct resync_walk *walk, uint64_t object, bool is_a_directory)
{
	CHECK(object != 0);
	if (has(walk, RESYNC_PRESENT, object))
		return;
	add(walk, RESYNC_PRESENT, object);
	if (!is_a_directory) {
		push(walk, RESYNC_TO_COMPARE, object);
		return;
	}
	push(walk, RESYNC_TO_LIST, object);
	push(walk, RESYNC_TO_FINISH, object);
}

void resync_walk_begin_list(struct resync_walk *walk, uint64_t directory)
{
	CHECK(walk->begun == 0);
	CHECK(has(walk, RESYNC_PRESENT, directory));
	walk->begun = directory;
}

void resync_walk_end_list(struct resync_walk *walk, uint64_t directory)
{
	CHECK(walk->begun == directory);
	walk->begun = 0;
	add(walk, RESYNC_LISTED, directory);
}

void resync_walk_drop_list(struct resync_walk *walk)
{
	walk->begun = 0;
}

/* Made in a listed directory, it goes as it is, with all that follows: a directory was empty. */
static void created(struct resync_walk *walk, uint64_t object, bool is_a_directory)
{
	add(walk, RESYNC_PRESENT, object);
	if (is_a_directory)
		add(walk, RESYNC_LISTED, object);
}

/* ---- translating ---- */

static bool is_begun(const struct resync_walk *walk, uint64_t directory)
{
	return directory != 0 && directory == walk->begun;
}

static bool is_listed(const struct resync_walk *walk, uint64_t directory)
{
	if (IS_PLANTED(PLANTED_RESYNC_BEGUN_IS_LISTED) && is_begun(walk, directory))
		return true;
	return has(walk, RESYNC_LISTED, directory);
}

static struct resync_facts find_facts(
	const struct resync_walk *walk, const struct op *op, const struct resync_seen *seen)
{
	return (struct resync_facts){
		.is_object_present = has(walk, RESYNC_PRESENT, op->object),
		.is_parent_listed = is_listed(walk, op->parent),
		.is_new_parent_listed = is_listed(walk, op->new_parent),
		.is_parent_begun = is_begun(walk, op->parent),
		.is_new_parent_begun = is_begun(walk, op->new_parent),
		.is_object_listed = is_listed(walk, op->object),
		.is_replaced_listed = is_listed(walk, op->replaced),
		/* An empty directory that was renamed over is gone; what was moved there says what
		 * it was. */
		.is_replaced_directory = seen->is_replaced_directory ||
					 (op->replaced != 0 && is_directory(&op->attributes)),
		.has_object_names = seen->has_object_names,
		.has_replaced_names = seen->has_replaced_names,
	};
}

struct resync_translation resync_walk_translate(
	struct resync_walk *walk, const struct op *op, const struct resync_seen *seen)
{
	struct resync_translation translation = { .walk = walk, .op = op };
	const struct resync_facts facts = find_facts(walk, op, seen);
	CHECK(walk->phase != RESYNC_OVER);
	resync_decide(op, &facts, translation.steps);
	return translation;
}

static bool send_as_is(struct resync_part *part)
{
	part->kind = RESYNC_SEND_AS_IS;
	return true;
}

static bool show(
	const struct resync_walk *walk, struct resync_part *part, uint64_t object, uint64_t near)
{
	*part = (struct resync_part){
		.kind = RESYNC_SEND_METADATA, .object = object, .near = near
	};
	return !has(walk, RESYNC_PRESENT, object);
}

enum end { END_OLD, END_NEW }; /* name in parent, new_name in new_parent */

static bool name(struct resync_part *part, const struct op *op, enum end end, uint64_t object)
{
	part->kind = RESYNC_SEND_OP;
	part->op = (struct op){ .type = object != 0 ? OP_BIND : OP_UNBIND,
		.object = object,
		.parent = end == END_NEW ? op->new_parent : op->parent,
		.parent_mtime_ns = end == END_NEW ? op->new_parent_mtime_ns : op->parent_mtime_ns,
		.name = end == END_NEW ? op->new_name : op->name };
	return true;
}

static bool absent(struct resync_walk *walk, struct resync_part *part, uint64_t object)
{
	forget(walk, RESYNC_PRESENT, object);
	part->kind = RESYNC_NOTE_ABSENT;
	part->object = object;
	return true;
}

static bool gone(struct resync_walk *walk, struct resync_part *part, uint64_t object)
{
	forget(walk, RESYNC_PRESENT, object);
	forget(walk, RESYNC_LISTED, object);
	part->kind = RESYNC_NOTE_GONE;
	part->object = object;
	return true;
}

/* False: the caller has nothing to do for this step. */
static bool take_step(struct resync_walk *walk, const struct op *op, enum resync_step step,
	struct resync_part *part)
{
	switch (step) {
	case STEP_END: break;
	case STEP_AS_IS: return send_as_is(part);
	case STEP_SHOW_OBJECT: return show(walk, part, op->object, op->new_parent);
	case STEP_SHOW_REPLACED: return show(walk, part, op->replaced, op->parent);
	case STEP_SHOW_CREATED: return show(walk, part, op->object, op->parent);
	case STEP_BIND_CREATED: return name(part, op, END_OLD, op->object);
	case STEP_BIND_NEW: return name(part, op, END_NEW, op->object);
	case STEP_BIND_OLD: return name(part, op, END_OLD, op->replaced);
	case STEP_UNBIND_NEW: return name(part, op, END_NEW, 0);
	case STEP_UNBIND_OLD: return name(part, op, END_OLD, 0);
	case STEP_SHOW_WHITEOUT: return show(walk, part, op->whiteout.object, op->parent);
	case STEP_BIND_WHITEOUT: return name(part, op, END_OLD, op->whiteout.object);
	case STEP_WHITEOUT_CREATED: created(walk, op->whiteout.object, false); break;
	case STEP_OBJECT_CREATED: created(walk, op->object, is_directory(&op->attributes)); break;
	case STEP_OBJECT_ABSENT: return absent(walk, part, op->object);
	case STEP_REPLACED_ABSENT: return absent(walk, part, op->replaced);
	case STEP_OBJECT_GONE: return gone(walk, part, op->object);
	}
	return false;
}

bool resync_translation_next(struct resync_translation *translation, struct resync_part *out_part)
{
	while (translation->steps[translation->next] != STEP_END) {
		enum resync_step step = translation->steps[translation->next++];
		if (take_step(translation->walk, translation->op, step, out_part))
			return true;
	}
	return false;
}

/* ---- what is next ---- */

/* Something that brings the copy forward; RESYNC_WAIT: an answer has to come first. */
static bool find_work(
	struct resync_walk *walk, const struct resync_load *load, struct resync_todo *todo)
{
	bool has_all_ahead =
		walk->memory.count(walk->memory.context, RESYNC_TO_COMPARE) >= RESYNC_FILES_AHEAD;
	todo->task = RESYNC_TAKE_ANSWER;
	if (load->has_answer)
		return true;
	todo->task = RESYNC_ASK;
	if (load->has_request_room && load->has_file)
		return true;
	todo->task = RESYNC_OPEN;
	if (load->has_request_room && load->has_file_room && !load->has_file)
		todo->object = pop(walk, RESYNC_TO_COMPARE);
	if (todo->object != 0)
		return true;
	todo->task = RESYNC_LIST;
	if (!has_all_ahead)
		todo->object = pop(walk, RESYNC_TO_LIST);
	if (todo->object != 0)
		return true;
	todo->task = RESYNC_WAIT;
	if (load->is_question_there && !IS_PLANTED(PLANTED_RESYNC_ENDS_EARLY))
		return true;
	todo->task = RESYNC_FINISH;
	todo->object = pop(walk, RESYNC_TO_FINISH);
	return todo->object != 0;
}

struct resync_todo resync_walk_next(struct resync_walk *walk, const struct resync_load *load)
{
	struct resync_todo todo = { .task = RESYNC_WAIT };
	CHECK(walk->phase != RESYNC_OVER);
	if (walk->phase == RESYNC_SYNCING)
		return todo;
	if (find_work(walk, load, &todo)) {
		if (walk->phase == RESYNC_SYNCED)
			move(walk, RESYNC_WALKING);
		return todo;
	}
	if (walk->phase == RESYNC_SYNCED) {
		move(walk, RESYNC_OVER);
		todo.task = RESYNC_END;
		return todo;
	}
	move(walk, RESYNC_SYNCING);
	todo.task = RESYNC_SYNC;
	return todo;
}

void resync_walk_sync_asked(struct resync_walk *walk, uint64_t sequence)
{
	CHECK(walk->phase == RESYNC_SYNCING);
	CHECK(walk->sync_sequence == 0 && sequence != 0);
	walk->sync_sequence = sequence;
}

void resync_walk_on_synced(struct resync_walk *walk, uint64_t sequence)
{
	if (walk->phase != RESYNC_SYNCING || sequence == 0 || sequence != walk->sync_sequence)
		return;
	walk->sync_sequence = 0;
	move(walk, RESYNC_SYNCED);
}

/* ---- under way ---- */

bool resync_window_has_room(struct resync_window *window, uint64_t acked)
{
	while (window->first < window->next &&
		window->ops[window->first % RESYNC_OPS].sequence <= acked)
		window->bytes -= window->ops[window->first++ % RESYNC_OPS].size;
	return window->next - window->first < RESYNC_OPS && window->bytes < RESYNC_BYTES;
}

void resync_window_add(struct resync_window *window, uint64_t sequence, size_t size)
{
	CHECK(window->next - window->first < RESYNC_OPS);
	window->ops[window->next % RESYNC_OPS].sequence = sequence;
	window->ops[window->next++ % RESYNC_OPS].size = size;
	window->bytes += size;
}
