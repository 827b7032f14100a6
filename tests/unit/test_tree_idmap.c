/* The map of ids: both sides of where it grows, runs that wrap, and allocations that fail. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fs/tree/idmap.h"

/* ---- memory that runs out: linked with --wrap=calloc ---- */

static int allocations_left = -1; /* -1: no end */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	if (allocations_left == 0)
		return NULL;
	if (allocations_left > 0)
		allocations_left--;
	return __real_calloc(count, size);
}

/* ---- tests ---- */

static void an_empty_one_has_nothing(void **state)
{
	struct idmap map = { 0 };
	uint64_t id;
	void *value;
	size_t position = 0;
	(void)state;
	assert_false(idmap_has(&map, 0));
	assert_false(idmap_has(&map, 1));
	assert_null(idmap_get(&map, 1));
	idmap_remove(&map, 1);
	assert_false(idmap_next(&map, &position, &id, &value));
	idmap_done(&map);
}

static void no_id_is_out_of_bounds_but_0(void **state)
{
	const uint64_t ids[] = { 1, UINT64_MAX, UINT64_MAX - 1, BIT64(63), BIT64(63) | 1 };
	struct idmap map = { 0 };
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(ids); i++)
		assert_int_equal(idmap_put(&map, ids[i], NULL), 0);
	assert_int_equal(map.count, ARRAY_COUNT(ids));
	for (size_t i = 0; i < ARRAY_COUNT(ids); i++)
		assert_true(idmap_has(&map, ids[i]));
	assert_false(idmap_has(&map, 0));
	idmap_done(&map);
}

static void it_grows_when_three_quarters_are_used(void **state)
{
	struct idmap map = { 0 };
	(void)state;
	for (uint64_t id = 1; id <= 48; id++)
		assert_int_equal(idmap_put(&map, id, NULL), 0);
	assert_int_equal(map.room, 64);
	assert_int_equal(idmap_put(&map, 48, NULL), 0); /* is there: needs no room */
	assert_int_equal(map.room, 64);
	assert_int_equal(idmap_put(&map, 49, NULL), 0);
	assert_int_equal(map.room, 128);
	assert_int_equal(map.count, 49);
	for (uint64_t id = 1; id <= 49; id++)
		assert_true(idmap_has(&map, id));
	assert_false(idmap_has(&map, 50));
	idmap_done(&map);
}

static void a_set_becomes_a_map_with_its_first_value(void **state)
{
	struct idmap map = { 0 };
	int one = 1, two = 2;
	(void)state;
	assert_int_equal(idmap_put(&map, 7, NULL), 0);
	assert_null(map.values);
	assert_int_equal(idmap_put(&map, 8, &one), 0);
	assert_true(idmap_has(&map, 7));
	assert_null(idmap_get(&map, 7));
	assert_ptr_equal(idmap_get(&map, 8), &one);
	assert_int_equal(idmap_put(&map, 8, &two), 0);
	assert_ptr_equal(idmap_get(&map, 8), &two);
	assert_int_equal(map.count, 2);
	idmap_remove(&map, 8);
	assert_null(idmap_get(&map, 8));
	idmap_done(&map);
}

/* Against an array that cannot be wrong: few ids, so that runs form, wrap and are cut. */
static void it_agrees_with_an_array(void **state)
{
	enum { IDS = 300, TURNS = 200000 };
	static uint64_t values[IDS + 1];
	bool is_there[IDS + 1] = { false };
	struct idmap map = { 0 };
	uint64_t chance = 88172645463325252u;
	size_t count = 0;
	(void)state;
	for (int turn = 0; turn < TURNS; turn++) {
		chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
		uint64_t id = 1 + chance % IDS;
		bool is_put = (chance >> 32 & 1) != 0;
		if (is_put)
			assert_int_equal(idmap_put(&map, id, &values[id]), 0);
		else
			idmap_remove(&map, id);
		count += (is_put ? 1 : 0) - (is_there[id] ? 1 : 0);
		is_there[id] = is_put;
		assert_int_equal(map.count, count);
		if (turn % 100 != 0)
			continue;
		for (uint64_t each = 1; each <= IDS; each++)
			assert_ptr_equal(
				idmap_get(&map, each), is_there[each] ? &values[each] : NULL);
	}
	uint64_t id;
	void *value;
	for (size_t position = 0; idmap_next(&map, &position, &id, &value); count--)
		assert_ptr_equal(value, &values[id]);
	assert_int_equal(count, 0);
	idmap_done(&map);
}

static void fill(struct idmap *map, void *value)
{
	for (uint64_t id = 1; id <= 48; id++)
		assert_int_equal(idmap_put(map, id, value), 0);
}

/* Of ids and of values: whichever of the two is refused. */
static void without_memory_nothing_changes(void **state)
{
	(void)state;
	for (int allowed = 0; allowed < 2; allowed++) {
		struct idmap map = { 0 };
		int value;
		fill(&map, &value);
		allocations_left = allowed;
		assert_int_equal(idmap_put(&map, 49, &value), -ENOMEM);
		assert_int_equal(idmap_put(&map, 48, &value), 0); /* needs none */
		allocations_left = -1;
		assert_int_equal(map.count, 48);
		assert_false(idmap_has(&map, 49));
		for (uint64_t id = 1; id <= 48; id++)
			assert_ptr_equal(idmap_get(&map, id), &value);
		assert_int_equal(idmap_put(&map, 49, &value), 0);
		idmap_done(&map);
	}
}

static void the_first_needs_memory(void **state)
{
	struct idmap map = { 0 };
	(void)state;
	allocations_left = 0;
	assert_int_equal(idmap_put(&map, 1, NULL), -ENOMEM);
	allocations_left = -1;
	assert_false(idmap_has(&map, 1));
	assert_int_equal(map.count, 0);
	idmap_done(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_has_nothing),
		cmocka_unit_test(no_id_is_out_of_bounds_but_0),
		cmocka_unit_test(it_grows_when_three_quarters_are_used),
		cmocka_unit_test(a_set_becomes_a_map_with_its_first_value),
		cmocka_unit_test(it_agrees_with_an_array),
		cmocka_unit_test(without_memory_nothing_changes),
		cmocka_unit_test(the_first_needs_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
