/*
 * What is decided while a copy is brought up to date, case by case; how it goes together is played by
 * the simulator (sim/resync).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "repl/resync_content.h"
#include "repl/resync_entry.h"
#include "repl/resync_place.h"
#include "repl/resync_walk.h"

/* ---- entries of a list ---- */

static void test_list_entry(void **state)
{
	(void)state;
	const struct resync_entry sample = { .object = 44,
		.attributes = { .mode = 0120777, .uid = 1, .gid = 2, .size = 3 },
		.name = { (const uint8_t *)"name", 4 },
		.link = { (const uint8_t *)"../target", 9 } };
	uint8_t bytes[512];
	struct buf_writer writer = buf_writer_init(bytes, sizeof(bytes));
	struct resync_entry back;
	resync_entry_put(&writer, &sample);
	for (size_t cut = 0; cut < writer.size; cut++) {
		struct buf_reader reader = buf_reader_init(bytes, cut);
		assert_int_equal(resync_entry_get(&reader, &back), -ERROR_BAD_MESSAGE);
	}
	struct buf_reader reader = buf_reader_init(bytes, writer.size);
	assert_int_equal(resync_entry_get(&reader, &back), 0);
	assert_int_equal(back.object, 44);
	assert_int_equal(back.attributes.mode, 0120777);
	assert_memory_equal(back.link.data, "../target", 9);
}

static void test_list_entry_refuses_names_that_lead_away(void **state)
{
	(void)state;
	static const char *const names[] = { "", ".", "..", "a/b" };
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		const struct resync_entry sample = { .object = 44,
			.name = { (const uint8_t *)names[i], strlen(names[i]) } };
		uint8_t bytes[512];
		struct buf_writer writer = buf_writer_init(bytes, sizeof(bytes));
		struct resync_entry back;
		resync_entry_put(&writer, &sample);
		struct buf_reader reader = buf_reader_init(bytes, writer.size);
		assert_int_equal(resync_entry_get(&reader, &back), -ERROR_BAD_MESSAGE);
	}
}

/* ---- the translation table ---- */

static const struct translation {
	const char *what;
	struct op op;
	struct resync_facts facts;
	enum resync_step steps[RESYNC_STEPS_MAX];
} translations[] = {
	{ "create where nothing was listed", { .type = OP_CREATE }, { 0 }, { STEP_END } },
	{ "create in a listed directory", { .type = OP_CREATE }, { .is_parent_listed = true },
		{ STEP_AS_IS, STEP_OBJECT_CREATED } },
	{ "write to what is not there", { .type = OP_WRITE }, { 0 }, { STEP_END } },
	{ "write to what is there", { .type = OP_WRITE }, { .is_object_present = true },
		{ STEP_AS_IS } },
	{ "link into a listed directory", { .type = OP_LINK }, { .is_new_parent_listed = true },
		{ STEP_SHOW_OBJECT, STEP_BIND_NEW } },
	{ "unlink, other names left", { .type = OP_UNLINK },
		{ .is_parent_listed = true, .has_object_names = true }, { STEP_UNBIND_OLD } },
	{ "unlink, last name", { .type = OP_UNLINK }, { .is_parent_listed = true },
		{ STEP_AS_IS } },
	{ "unlink while open, not listed", { .type = OP_UNLINK, .flags = OP_FLAG_TO_ORPHAN }, { 0 },
		{ STEP_OBJECT_ABSENT } },
	{ "rmdir of a directory not listed", { .type = OP_RMDIR }, { .is_parent_listed = true },
		{ STEP_UNBIND_OLD, STEP_OBJECT_GONE } },
	{ "rmdir of a listed one", { .type = OP_RMDIR },
		{ .is_parent_listed = true, .is_object_listed = true },
		{ STEP_AS_IS, STEP_OBJECT_GONE } },
	{ "rename inside what is listed", { .type = OP_RENAME },
		{ .is_parent_listed = true, .is_new_parent_listed = true }, { STEP_AS_IS } },
	{ "rename over a file with names left", { .type = OP_RENAME, .replaced = 9 },
		{ .is_parent_listed = true,
			.is_new_parent_listed = true,
			.has_replaced_names = true },
		{ STEP_UNBIND_NEW, STEP_AS_IS } },
	{ "rename over a directory not listed", { .type = OP_RENAME, .replaced = 9 },
		{ .is_parent_listed = true,
			.is_new_parent_listed = true,
			.is_replaced_directory = true },
		{ STEP_UNBIND_NEW, STEP_AS_IS } },
	{ "rename out of what is listed", { .type = OP_RENAME }, { .is_parent_listed = true },
		{ STEP_UNBIND_OLD } },
	{ "rename into what is listed", { .type = OP_RENAME }, { .is_new_parent_listed = true },
		{ STEP_SHOW_OBJECT, STEP_BIND_NEW } },
	{ "rename over an open file, not listed",
		{ .type = OP_RENAME, .replaced = 9, .flags = OP_FLAG_TO_ORPHAN },
		{ .is_parent_listed = true }, { STEP_REPLACED_ABSENT, STEP_UNBIND_OLD } },
	{ "exchange across the border", { .type = OP_RENAME, .mask = 2, .replaced = 9 },
		{ .is_parent_listed = true }, { STEP_SHOW_REPLACED, STEP_BIND_OLD } },
	{ "rename with a whiteout inside what is listed",
		{ .type = OP_RENAME, .mask = OP_RENAME_WHITEOUT },
		{ .is_parent_listed = true, .is_new_parent_listed = true },
		{ STEP_AS_IS, STEP_WHITEOUT_CREATED } },
	{ "rename with a whiteout out of what is listed",
		{ .type = OP_RENAME, .mask = OP_RENAME_WHITEOUT }, { .is_parent_listed = true },
		{ STEP_SHOW_WHITEOUT, STEP_BIND_WHITEOUT } },
	{ "create in a directory that is being listed", { .type = OP_CREATE },
		{ .is_parent_begun = true }, { STEP_SHOW_CREATED, STEP_BIND_CREATED } },
	{ "unlink in one, other names left", { .type = OP_UNLINK },
		{ .is_parent_begun = true, .has_object_names = true }, { STEP_UNBIND_OLD } },
	{ "unlink while open in one", { .type = OP_UNLINK, .flags = OP_FLAG_TO_ORPHAN },
		{ .is_parent_begun = true }, { STEP_OBJECT_ABSENT, STEP_UNBIND_OLD } },
	{ "rmdir in one, of a listed directory", { .type = OP_RMDIR },
		{ .is_parent_begun = true, .is_object_listed = true },
		{ STEP_UNBIND_OLD, STEP_OBJECT_GONE } },
	{ "rename out of one into what is listed", { .type = OP_RENAME },
		{ .is_parent_begun = true, .is_new_parent_listed = true },
		{ STEP_SHOW_OBJECT, STEP_BIND_NEW, STEP_UNBIND_OLD } },
	{ "exchange inside one", { .type = OP_RENAME, .mask = 2, .replaced = 9 },
		{ .is_parent_begun = true, .is_new_parent_begun = true },
		{ STEP_SHOW_OBJECT, STEP_BIND_NEW, STEP_SHOW_REPLACED, STEP_BIND_OLD } },
	{ "rename with a whiteout over an open file inside one",
		{ .type = OP_RENAME,
			.mask = OP_RENAME_WHITEOUT,
			.replaced = 9,
			.flags = OP_FLAG_TO_ORPHAN },
		{ .is_parent_begun = true, .is_new_parent_begun = true },
		{ STEP_REPLACED_ABSENT, STEP_SHOW_OBJECT, STEP_BIND_NEW, STEP_SHOW_WHITEOUT,
			STEP_BIND_WHITEOUT } },
	{ "forget what is there", { .type = OP_FORGET }, { .is_object_present = true },
		{ STEP_AS_IS, STEP_OBJECT_GONE } },
	{ "sync", { .type = OP_SYNC }, { .is_object_present = true }, { STEP_END } },
	{ "lease", { .type = OP_LEASE }, { 0 }, { STEP_AS_IS } },
};

static void test_translations(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(translations); i++) {
		const struct translation *row = &translations[i];
		enum resync_step steps[RESYNC_STEPS_MAX] = { STEP_END };
		resync_decide(&row->op, &row->facts, steps);
		for (int step = 0; step == 0 || steps[step - 1] != STEP_END; step++)
			if (steps[step] != row->steps[step])
				fail_msg("%s: step %d is %d, not %d", row->what, step,
					(int)steps[step], (int)row->steps[step]);
	}
}

/* ---- the walk ---- */

#define IDS 64

struct ids { /* a walk's memory */
	bool sets[RESYNC_SET_COUNT][IDS];
	uint64_t queues[RESYNC_QUEUE_COUNT][IDS];
	size_t counts[RESYNC_QUEUE_COUNT];
	bool is_full;
};

static bool ids_has(void *context, enum resync_set set, uint64_t object)
{
	struct ids *ids = context;
	return ids->sets[set][object];
}

static int ids_add(void *context, enum resync_set set, uint64_t object)
{
	struct ids *ids = context;
	ids->sets[set][object] = ids->sets[set][object] || !ids->is_full;
	return ids->is_full ? -ERROR_RANGE : 0;
}

static void ids_remove(void *context, enum resync_set set, uint64_t object)
{
	struct ids *ids = context;
	ids->sets[set][object] = false;
}

static int ids_push(void *context, enum resync_queue queue, uint64_t object)
{
	struct ids *ids = context;
	ids->queues[queue][ids->counts[queue]++] = object;
	return 0;
}

static uint64_t ids_pop(void *context, enum resync_queue queue)
{
	struct ids *ids = context;
	if (ids->counts[queue] == 0)
		return 0;
	uint64_t object = ids->queues[queue][0];
	ids->counts[queue]--;
	memmove(ids->queues[queue], ids->queues[queue] + 1,
		ids->counts[queue] * sizeof(ids->queues[queue][0]));
	return object;
}

static size_t ids_count(void *context, enum resync_queue queue)
{
	const struct ids *ids = context;
	return ids->counts[queue];
}

static void begin_walk(struct resync_walk *walk, struct ids *ids)
{
	const struct resync_memory memory = { .context = ids,
		.has = ids_has,
		.add = ids_add,
		.remove = ids_remove,
		.push = ids_push,
		.pop = ids_pop,
		.count = ids_count };
	*ids = (struct ids){ 0 };
	resync_walk_init(walk, &memory);
	resync_walk_shown(walk, 1, true);
}

static const struct resync_load free_hands = { .has_request_room = true, .has_file_room = true };

static void assert_next(struct resync_walk *walk, const struct resync_load *load,
	enum resync_task task, uint64_t object)
{
	struct resync_todo todo = resync_walk_next(walk, load);
	assert_int_equal(todo.task, task);
	assert_int_equal(todo.object, object);
}

static void list(struct resync_walk *walk, uint64_t directory)
{
	assert_next(walk, &free_hands, RESYNC_LIST, directory);
	resync_walk_begin_list(walk, directory);
	resync_walk_end_list(walk, directory);
}

static void test_a_walk_from_root_to_end(void **state)
{
	struct resync_walk walk;
	struct ids ids;
	struct resync_load load = free_hands;
	(void)state;
	begin_walk(&walk, &ids);
	assert_next(&walk, &load, RESYNC_LIST, 1);
	resync_walk_begin_list(&walk, 1);
	resync_walk_shown(&walk, 10, false);
	resync_walk_shown(&walk, 11, true);
	resync_walk_shown(&walk, 10, false); /* by another name */
	resync_walk_end_list(&walk, 1);
	assert_next(&walk, &load, RESYNC_OPEN, 10);
	load.has_file = true;
	assert_next(&walk, &load, RESYNC_ASK, 0);
	load.has_file = false;
	load.is_question_there = true;
	list(&walk, 11);
	assert_next(&walk, &load, RESYNC_WAIT, 0);
	load.has_answer = true;
	assert_next(&walk, &load, RESYNC_TAKE_ANSWER, 0);
	assert_next(&walk, &free_hands, RESYNC_FINISH, 1);
	assert_next(&walk, &free_hands, RESYNC_FINISH, 11);
	assert_next(&walk, &free_hands, RESYNC_SYNC, 0);
	resync_walk_sync_asked(&walk, 77);
	assert_next(&walk, &free_hands, RESYNC_WAIT, 0);
	resync_walk_on_synced(&walk, 76); /* an earlier one */
	assert_next(&walk, &free_hands, RESYNC_WAIT, 0);
	resync_walk_on_synced(&walk, 77);
	assert_next(&walk, &free_hands, RESYNC_END, 0);
	assert_int_equal(walk.phase, RESYNC_OVER);
}

static void sync_all(struct resync_walk *walk, uint64_t sequence)
{
	assert_next(walk, &free_hands, RESYNC_SYNC, 0);
	resync_walk_sync_asked(walk, sequence);
	resync_walk_on_synced(walk, sequence);
}

static void test_what_is_shown_last_is_compared_as_well(void **state)
{
	struct resync_walk walk;
	struct ids ids;
	(void)state;
	begin_walk(&walk, &ids);
	list(&walk, 1);
	assert_next(&walk, &free_hands, RESYNC_FINISH, 1);
	sync_all(&walk, 5);
	resync_walk_shown(&walk, 12, false);
	assert_next(&walk, &free_hands, RESYNC_OPEN, 12);
	sync_all(&walk, 9);
	assert_next(&walk, &free_hands, RESYNC_END, 0);
}

static void test_many_files_hold_the_next_directory_up(void **state)
{
	struct resync_walk walk;
	struct ids ids;
	const struct resync_load busy = { .is_question_there = true };
	(void)state;
	begin_walk(&walk, &ids);
	ids.counts[RESYNC_TO_COMPARE] = RESYNC_FILES_AHEAD; /* nobody looks into it here */
	assert_next(&walk, &busy, RESYNC_WAIT, 0);
	ids.counts[RESYNC_TO_COMPARE] = RESYNC_FILES_AHEAD - 1;
	assert_next(&walk, &busy, RESYNC_LIST, 1);
}

static void test_what_cannot_be_remembered_breaks_the_walk(void **state)
{
	struct resync_walk walk;
	struct ids ids;
	(void)state;
	begin_walk(&walk, &ids);
	assert_false(walk.is_broken);
	ids.is_full = true;
	resync_walk_shown(&walk, 12, false);
	assert_true(walk.is_broken);
}

static void test_an_orphan_becomes_unknown(void **state)
{
	struct resync_walk walk;
	struct ids ids;
	struct resync_part part;
	const struct resync_seen seen = { 0 };
	const struct op op = {
		.type = OP_UNLINK, .object = 20, .parent = 30, .flags = OP_FLAG_TO_ORPHAN
	};
	(void)state;
	begin_walk(&walk, &ids);
	resync_walk_shown(&walk, 20, false);
	struct resync_translation translation = resync_walk_translate(&walk, &op, &seen);
	assert_true(resync_translation_next(&translation, &part));
	assert_int_equal(part.kind, RESYNC_NOTE_ABSENT);
	assert_int_equal(part.object, 20);
	assert_false(resync_translation_next(&translation, &part));
	assert_false(resync_walk_is_present(&walk, 20));
}

/* ---- the window ---- */

static void test_the_window_is_full_by_count_and_by_size(void **state)
{
	static struct resync_window window;
	(void)state;
	for (uint64_t sequence = 1; sequence <= RESYNC_OPS; sequence++) {
		assert_true(resync_window_has_room(&window, 0));
		resync_window_add(&window, sequence, 1);
	}
	assert_false(resync_window_has_room(&window, 0));
	assert_true(resync_window_has_room(&window, 1));
	assert_int_equal(window.bytes, RESYNC_OPS - 1);
	assert_true(resync_window_has_room(&window, RESYNC_OPS));
	assert_int_equal(window.bytes, 0);
	resync_window_add(&window, RESYNC_OPS + 1, RESYNC_BYTES - 1);
	assert_true(resync_window_has_room(&window, RESYNC_OPS));
	resync_window_add(&window, RESYNC_OPS + 2, 1);
	assert_false(resync_window_has_room(&window, RESYNC_OPS));
}

/* ---- the target ---- */

static void test_arrivals(void **state)
{
	static const struct {
		const char *what;
		struct resync_there there;
		enum resync_arrival arrival;
	} rows[] = {
		{ "it is somewhere", { .has_object = true }, RESYNC_ARRIVAL_BIND },
		{ "nothing is there", { 0 }, RESYNC_ARRIVAL_MAKE },
		{ "a restored file",
			{ .is_name_there = true, .is_same_type = true, .is_its_only_name = true },
			RESYNC_ARRIVAL_ADOPT },
		{ "one with other names", { .is_name_there = true, .is_same_type = true },
			RESYNC_ARRIVAL_MAKE },
		{ "another type", { .is_name_there = true, .is_its_only_name = true },
			RESYNC_ARRIVAL_MAKE },
		{ "another object",
			{ .is_name_there = true,
				.at_name = 9,
				.is_same_type = true,
				.is_its_only_name = true },
			RESYNC_ARRIVAL_MAKE },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		if (resync_arrive(&rows[i].there) != rows[i].arrival)
			fail_msg("%s", rows[i].what);
}

static void test_names_of_a_list_are_noted_from_its_beginning(void **state)
{
	struct resync_listing listing = { 0 };
	const struct op begin = { .type = OP_LIST, .object = 5 };
	const struct op more = { .type = OP_LIST, .object = 5, .offset = 1 };
	const struct op end = { .type = OP_LIST_END, .object = 5 };
	const struct op bind = { .type = OP_BIND, .object = 9, .parent = 5 };
	const struct op elsewhere = { .type = OP_BIND, .object = 9, .parent = 6 };
	const struct op unbind = { .type = OP_UNBIND, .parent = 5 };
	(void)state;
	assert_false(resync_listing_gains(&listing, &bind));
	assert_true(resync_listing_expect(&listing, &begin));
	assert_false(resync_listing_expect(&listing, &more));
	assert_true(resync_listing_gains(&listing, &bind));
	assert_false(resync_listing_gains(&listing, &elsewhere));
	assert_false(resync_listing_gains(&listing, &unbind));
	assert_true(resync_listing_expect(&listing, &begin)); /* cut off, and begun again */
	assert_false(resync_listing_expect(&listing, &end));
	resync_listing_end(&listing);
	assert_true(resync_listing_expect(&listing, &end));
}

static void test_the_last_name_leads_to_limbo(void **state)
{
	(void)state;
	assert_int_equal(resync_unbind(&(struct resync_named){ 0 }), RESYNC_REMOVE_NOTHING);
	assert_int_equal(resync_unbind(&(struct resync_named){ .is_there = true, .links = 2 }),
		RESYNC_REMOVE_NAME);
	assert_int_equal(resync_unbind(&(struct resync_named){ .is_there = true, .links = 1 }),
		RESYNC_REMOVE_TO_LIMBO);
	assert_int_equal(resync_unbind(&(struct resync_named){
				 .is_there = true, .is_directory = true, .links = 9 }),
		RESYNC_REMOVE_TO_LIMBO);
	assert_int_equal(resync_bind(true, true), RESYNC_BIND_FROM_LIMBO);
	assert_int_equal(resync_bind(false, true), RESYNC_BIND_MOVE);
	assert_int_equal(resync_bind(false, false), RESYNC_BIND_LINK);
}

/* ---- content ---- */

static const struct resync_limits tens = { .block = 10, .ask = 30, .send = 20 };

static void assert_span(uint64_t asked, uint64_t data, uint64_t hole, int kind, uint64_t length)
{
	const struct resync_content content = { .size = 95, .asked = asked };
	struct resync_span span = resync_content_next(&content, &tens, data, hole);
	assert_int_equal(span.kind, kind);
	assert_int_equal(span.from, asked);
	assert_int_equal(span.length, length);
}

static void test_spans(void **state)
{
	(void)state;
	assert_span(95, 95, 95, RESYNC_SPAN_END, 0);
	assert_span(0, 0, 95, RESYNC_SPAN_ASK, 30);   /* one question's worth */
	assert_span(0, 0, 11, RESYNC_SPAN_ASK, 20);   /* up to a hole, in whole blocks */
	assert_span(90, 90, 95, RESYNC_SPAN_ASK, 10); /* a block may reach beyond the end */
	assert_span(0, 95, 0, RESYNC_SPAN_HOLE, 95);  /* up to the end */
	assert_span(0, 25, 0, RESYNC_SPAN_HOLE, 20);  /* whole blocks */
	assert_span(20, 25, 20, RESYNC_SPAN_ASK, 10); /* less than one */
}

static void assert_runs(const char *unlike, const char *expected)
{
	struct resync_run run = { 0 }, sent;
	char runs[64] = "";
	size_t count = strlen(unlike);
	for (size_t i = 0; i <= count; i++) {
		size_t used = strlen(runs);
		if (!resync_run_block(&run, &tens, i < count && unlike[i] == 'x', &sent))
			continue;
		runs[used] = (char)('0' + sent.first);
		runs[used + 1] = (char)('0' + sent.next);
		runs[used + 2] = ' ';
		runs[used + 3] = '\0';
	}
	assert_string_equal(runs, expected);
}

static void test_runs(void **state)
{
	(void)state;
	assert_runs("....", "");
	assert_runs("x...", "01 ");
	assert_runs("...x", "34 ");
	assert_runs(".xx.x", "13 45 ");
	assert_runs("xxxxx", "02 24 45 "); /* two blocks are what is sent at once */
	assert_runs("xx", "02 ");
	assert_runs("", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_entry),
		cmocka_unit_test(test_list_entry_refuses_names_that_lead_away),
		cmocka_unit_test(test_translations),
		cmocka_unit_test(test_a_walk_from_root_to_end),
		cmocka_unit_test(test_what_is_shown_last_is_compared_as_well),
		cmocka_unit_test(test_many_files_hold_the_next_directory_up),
		cmocka_unit_test(test_what_cannot_be_remembered_breaks_the_walk),
		cmocka_unit_test(test_an_orphan_becomes_unknown),
		cmocka_unit_test(test_the_window_is_full_by_count_and_by_size),
		cmocka_unit_test(test_arrivals),
		cmocka_unit_test(test_names_of_a_list_are_noted_from_its_beginning),
		cmocka_unit_test(test_the_last_name_leads_to_limbo),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_runs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
