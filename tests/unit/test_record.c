#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "core/mirror/generation.h"
#include "core/record.h"

static struct record full_record(void)
{
	struct record record = {
		.epoch = { .number = 0x1122334455667788, .node = 64 },
		.generation = { .number = 9, .tag = UINT64_MAX },
		.history_count = GENERATION_HISTORY,
		.good = UINT64_MAX,
		.holder = 63,
		.register_version = 77,
		.has_intent = true,
		.intent_epoch = { .number = 12, .node = 1 },
		.intent_good = 1,
		.intent_nonce = 0xabcdef,
		.role = RECORD_ROLE_SECONDARY,
		.is_clean = true,
		.is_complete = true,
		.is_foreign = true,
		.should_run = true,
		.barrier = 1,
		.peer_barrier = 2,
	};

	for (int i = 0; i < SET_ID_SIZE; i++)
		record.set_id[i] = (uint8_t)(i + 1);
	for (uint64_t i = 0; i < GENERATION_HISTORY; i++)
		record.history[i] = (struct generation){ .number = 8 - i, .tag = i * 3 };
	return record;
}

static void assert_same(const struct record *a, const struct record *b)
{
	uint8_t bytes_a[RECORD_SIZE_MAX], bytes_b[RECORD_SIZE_MAX];
	size_t size_a, size_b;

	assert_int_equal(record_encode(a, bytes_a, sizeof(bytes_a), &size_a), 0);
	assert_int_equal(record_encode(b, bytes_b, sizeof(bytes_b), &size_b), 0);
	assert_int_equal(size_a, size_b);
	assert_memory_equal(bytes_a, bytes_b, size_a);
}

static void a_record_comes_back_as_it_went(void **state)
{
	(void)state;
	struct record empty = { 0 };
	const struct record records[] = { full_record(), empty };
	for (size_t i = 0; i < ARRAY_COUNT(records); i++) {
		uint8_t bytes[RECORD_SIZE_MAX];
		size_t size;
		struct record back;
		assert_int_equal(record_encode(&records[i], bytes, sizeof(bytes), &size), 0);
		struct bytes in = { .data = bytes, .size = size };
		assert_int_equal(record_decode(in, &back), 0);
		assert_same(&records[i], &back);
		assert_int_equal(back.has_intent, records[i].has_intent);
		assert_int_equal(back.is_foreign, records[i].is_foreign);
		assert_int_equal(back.history_count, records[i].history_count);
	}
}

static void each_flipped_bit_is_noticed(void **state)
{
	(void)state;
	struct record record = full_record(), back;
	uint8_t bytes[RECORD_SIZE_MAX];
	size_t size;
	assert_int_equal(record_encode(&record, bytes, sizeof(bytes), &size), 0);
	for (size_t bit = 0; bit < size * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		struct bytes in = { .data = bytes, .size = size };
		assert_int_equal(record_decode(in, &back), -ERROR_BAD_MESSAGE);
		bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
	}
	for (size_t shorter = 0; shorter < size; shorter++) {
		struct bytes in = { .data = bytes, .size = shorter };
		assert_int_equal(record_decode(in, &back), -ERROR_BAD_MESSAGE);
	}
}

static void seal(uint8_t *bytes, size_t size)
{
	uint32_t sum = crc32c(bytes, size - 4);

	for (int i = 0; i < 4; i++)
		bytes[size - 4 + (size_t)i] = (uint8_t)(sum >> (8 * (3 - i)));
}

static void another_version_and_impossible_fields_are_refused(void **state)
{
	(void)state;
	enum { VERSION = 4, EPOCH_NODE = 30, HISTORY_COUNT = 47 };
	struct record record = full_record(), back;
	uint8_t bytes[RECORD_SIZE_MAX];
	size_t size;
	assert_int_equal(record_encode(&record, bytes, sizeof(bytes), &size), 0);
	struct bytes in = { .data = bytes, .size = size };
	bytes[VERSION]++;
	seal(bytes, size);
	assert_int_equal(record_decode(in, &back), -ERROR_PROTOCOL);
	bytes[VERSION]--;
	bytes[EPOCH_NODE] = NODES_MAX + 1;
	seal(bytes, size);
	assert_int_equal(record_decode(in, &back), -ERROR_BAD_MESSAGE);
	bytes[EPOCH_NODE] = NODES_MAX;
	bytes[HISTORY_COUNT] = GENERATION_HISTORY + 1;
	seal(bytes, size);
	assert_int_equal(record_decode(in, &back), -ERROR_BAD_MESSAGE);
	bytes[HISTORY_COUNT] = GENERATION_HISTORY;
	seal(bytes, size);
	assert_int_equal(record_decode(in, &back), 0);
}

static void too_little_room_is_said(void **state)
{
	(void)state;
	struct record record = full_record();
	uint8_t bytes[RECORD_SIZE_MAX];
	size_t size, again;
	assert_int_equal(record_encode(&record, bytes, sizeof(bytes), &size), 0);
	assert_int_equal(record_encode(&record, bytes, size - 1, &again), -ERROR_RANGE);
	assert_int_equal(record_encode(&record, bytes, size, &again), 0);
	assert_int_equal(again, size);
}

/* ---- the handshake of two records ---- */

static struct record copy_of(uint64_t number, uint64_t tag)
{
	return (struct record){
		.set_id = { 1 },
		.epoch = { .number = 5, .node = 1 },
		.generation = { .number = number, .tag = tag },
		.good = 3,
		.holder = 1,
		.is_complete = true,
	};
}

static enum relation relation(const struct record *mine, const struct record *theirs)
{
	struct relation_input input = { .mine = mine, .theirs = theirs, .self = 1, .peer = 2 };

	return relation_of(&input);
}

/* Both directions at once: what is newer here must be older there. */
static void assert_relation(const struct record *mine, const struct record *theirs,
	enum relation here, enum relation there)
{
	struct relation_input input = { .mine = theirs, .theirs = mine, .self = 2, .peer = 1 };

	assert_int_equal(relation(mine, theirs), here);
	assert_int_equal(relation_of(&input), there);
}

static void no_data_anywhere_or_on_one_side(void **state)
{
	(void)state;
	struct record none = { 0 }, some = copy_of(1, 1);
	assert_relation(&none, &none, RELATION_NO_DATA, RELATION_NO_DATA);
	assert_relation(&none, &some, RELATION_OLDER, RELATION_NEWER);
}

static void equal_copies(void **state)
{
	(void)state;
	struct record a = copy_of(3, 7), b = copy_of(3, 7);
	assert_relation(&a, &b, RELATION_EQUAL_MARKS, RELATION_EQUAL_MARKS);
	a.is_clean = b.is_clean = true;
	assert_relation(&a, &b, RELATION_EQUAL_CLEAN, RELATION_EQUAL_CLEAN);
}

static void a_copy_that_resigned_is_older(void **state)
{
	(void)state;
	struct record a = copy_of(3, 7), b = copy_of(3, 7);
	b.epoch.number++;
	b.good = 1;
	assert_relation(&a, &b, RELATION_NEWER, RELATION_OLDER);
}

static void a_higher_register_version_rules_in_the_same_epoch(void **state)
{
	(void)state;
	struct record a = copy_of(3, 7), b = copy_of(3, 7);
	b.good = 1; /* has not yet heard that the primary called it good */
	a.register_version = 2;
	b.register_version = 1;
	assert_relation(&a, &b, RELATION_EQUAL_MARKS, RELATION_EQUAL_MARKS);
	b.register_version = 3;
	assert_relation(&a, &b, RELATION_NEWER, RELATION_OLDER);
}

static void an_incomplete_copy_is_older(void **state)
{
	(void)state;
	struct record a = copy_of(3, 7), b = copy_of(3, 7);
	b.is_complete = false;
	assert_relation(&a, &b, RELATION_NEWER, RELATION_OLDER);
	a.is_complete = false;
	assert_relation(&a, &b, RELATION_DIVERGED, RELATION_DIVERGED);
}

static void a_generation_in_the_history_is_older(void **state)
{
	(void)state;
	struct record a = copy_of(3, 7), b = copy_of(3, 7);
	record_begin_generation(&a, 8);
	assert_int_equal(a.generation.number, 4);
	assert_relation(&a, &b, RELATION_NEWER, RELATION_OLDER);
	for (uint64_t tag = 20; tag < 20 + GENERATION_HISTORY - 1; tag++)
		record_begin_generation(&a, tag);
	assert_relation(&a, &b, RELATION_NEWER, RELATION_OLDER);
	record_begin_generation(&a, 40); /* now it has fallen out */
	assert_relation(&a, &b, RELATION_DIVERGED, RELATION_DIVERGED);
}

static void the_same_number_with_another_tag_diverged(void **state)
{
	(void)state;
	struct record a = copy_of(3, 7), b = copy_of(3, 7);
	record_begin_generation(&a, 8);
	record_begin_generation(&b, 9);
	assert_relation(&a, &b, RELATION_DIVERGED, RELATION_DIVERGED);
	b.set_id[0]++;
	assert_relation(&a, &b, RELATION_UNRELATED, RELATION_UNRELATED);
	record_overrule(&a, b.generation);
	assert_relation(&a, &b, RELATION_NEWER, RELATION_OLDER);
	record_overrule(&b, a.generation); /* overruled back: the later epoch counts */
	assert_relation(&a, &b, RELATION_UNRELATED, RELATION_UNRELATED);
	b.epoch.number++;
	assert_relation(&a, &b, RELATION_OLDER, RELATION_NEWER);
}

static void a_copy_put_back_is_recognised(void **state)
{
	(void)state;
	struct record a = copy_of(3, 7), b = copy_of(3, 7);
	a.is_clean = true;
	a.barrier = 99;
	b.peer_barrier = 100;
	assert_relation(&a, &b, RELATION_ROLLED_BACK, RELATION_PEER_ROLLED_BACK);
	a.barrier = 100;
	assert_relation(&a, &b, RELATION_EQUAL_MARKS, RELATION_EQUAL_MARKS);
	struct relation_input found = {
		.mine = &a, .theirs = &b, .self = 1, .peer = 2, .is_rolled_back = true
	};
	assert_int_equal(relation_of(&found), RELATION_ROLLED_BACK);
}

/* It was recorded there that it told b that b is good, before b could say so. */
static void who_knows_less_of_its_own_epoch_was_put_back(void **state)
{
	(void)state;
	struct record a = copy_of(3, 7), b = copy_of(3, 7);

	a.epoch = b.epoch = (struct epoch){ 4, 1 };
	a.holder = b.holder = 1;
	a.good = b.good = 3;
	assert_relation(&a, &b, RELATION_EQUAL_MARKS, RELATION_EQUAL_MARKS);
	a.good = 1;
	assert_relation(&a, &b, RELATION_ROLLED_BACK, RELATION_PEER_ROLLED_BACK);
	b.epoch.number = a.epoch.number - 1;
	assert_relation(&a, &b, RELATION_NEWER, RELATION_OLDER);
}

static enum relation relation_to_old(
	const struct record *mine, const struct record *theirs, uint64_t peer_marked)
{
	const struct relation_input input = { .mine = mine,
		.theirs = theirs,
		.self = 1,
		.peer = 2,
		.is_peer_rolled_back = true,
		.peer_marked = peer_marked };

	return relation_of(&input);
}

static void a_peer_that_was_put_back_counts_for_what_it_says_at_least(void **state)
{
	(void)state;
	struct record mine = copy_of(3, 7), theirs = copy_of(3, 7);

	mine.epoch.number = theirs.epoch.number = 4;
	mine.good = theirs.good = 3;
	assert_int_equal(relation_to_old(&mine, &theirs, 0), RELATION_PEER_ROLLED_BACK);
	assert_int_equal(relation_to_old(&mine, &theirs, 4), RELATION_PEER_ROLLED_BACK);
	/* Its state is old, its data are newer than all that is known here. */
	assert_int_equal(relation_to_old(&mine, &theirs, 5), RELATION_OLDER);
	/* Older than even its old record. */
	theirs.epoch.number = 5;
	theirs.good = 2;
	assert_int_equal(relation_to_old(&mine, &theirs, 0), RELATION_OLDER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_comes_back_as_it_went),
		cmocka_unit_test(each_flipped_bit_is_noticed),
		cmocka_unit_test(another_version_and_impossible_fields_are_refused),
		cmocka_unit_test(too_little_room_is_said),
		cmocka_unit_test(no_data_anywhere_or_on_one_side),
		cmocka_unit_test(equal_copies),
		cmocka_unit_test(a_copy_that_resigned_is_older),
		cmocka_unit_test(a_higher_register_version_rules_in_the_same_epoch),
		cmocka_unit_test(an_incomplete_copy_is_older),
		cmocka_unit_test(a_generation_in_the_history_is_older),
		cmocka_unit_test(the_same_number_with_another_tag_diverged),
		cmocka_unit_test(a_copy_put_back_is_recognised),
		cmocka_unit_test(who_knows_less_of_its_own_epoch_was_put_back),
		cmocka_unit_test(a_peer_that_was_put_back_counts_for_what_it_says_at_least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
