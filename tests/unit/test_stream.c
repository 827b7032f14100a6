/*
 * The frames of the stream and the durable state of evenkeel-fs: both ways, cut short, and garbage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "fs/replicator/state.h"
#include "fs/replicator/stream_frame.h"

#define GARBAGE_ROUNDS 20000

static const uint8_t hash_bytes[2 * HASH_SIZE] = { 1, 2, 3, [31] = 9 };

static const struct frame samples[] = {
	{ .kind = FRAME_HELLO,
		.hello = { .version = 1,
			.set_id = { 1, 2, 3 },
			.epoch = { 7, 2 },
			.generation = { 3, 99 },
			.session = 5,
			.received = 6,
			.durable = 4,
			.id_limit = 8192,
			.wants = STREAM_SET_ASIDE } },
	{ .kind = FRAME_OP, .op = { .data = hash_bytes, .size = sizeof(hash_bytes) } },
	{ .kind = FRAME_ACK, .ack = { 1, 2, 3 } },
	{ .kind = FRAME_SYNCED, .synced = { 9, -28 } },
	{ .kind = FRAME_HASHES,
		.hashes = { .object = 1,
			.offset = 65536,
			.size = 200000,
			.count = 2,
			.hashes = { .data = hash_bytes, .size = sizeof(hash_bytes) } } },
	{ .kind = FRAME_PROGRESS, .progress = { 5, 6, 7000 } },
	{ .kind = FRAME_ERROR, .error = { .error = -5, .text = "the disk is full" } },
	{ .kind = FRAME_COMPLETE, .complete = { 77 } },
	{ .kind = FRAME_KEEP, .complete = { 78 } },
	{ .kind = FRAME_BEAT, .beat = "00ff19" },
};

static void assert_same_frame(const struct frame *a, const struct frame *b)
{
	uint8_t left[4096], right[4096];
	size_t left_size = 0, right_size = 0;
	assert_int_equal(frame_encode(a, left, sizeof(left), &left_size), 0);
	assert_int_equal(frame_encode(b, right, sizeof(right), &right_size), 0);
	assert_int_equal(left_size, right_size);
	assert_memory_equal(left, right, left_size);
}

static void test_frames_come_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(samples); i++) {
		uint8_t bytes[4096];
		size_t size = 0, used = 0;
		struct frame back;
		assert_int_equal(frame_encode(&samples[i], bytes, sizeof(bytes), &size), 0);
		assert_int_equal(
			frame_decode((struct bytes){ bytes, sizeof(bytes) }, &back, &used), 0);
		assert_int_equal(used, size);
		assert_int_equal(back.kind, samples[i].kind);
		assert_same_frame(&samples[i], &back);
	}
}

static void test_every_cut_wants_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(samples); i++) {
		uint8_t bytes[4096];
		size_t size = 0, used = 0;
		struct frame back;
		assert_int_equal(frame_encode(&samples[i], bytes, sizeof(bytes), &size), 0);
		for (size_t cut = 0; cut < size; cut++)
			assert_int_equal(frame_decode((struct bytes){ bytes, cut }, &back, &used),
				-ERROR_AGAIN);
	}
}

static void test_too_small_for_a_frame(void **state)
{
	(void)state;
	uint8_t bytes[4096];
	size_t size = 0;
	assert_int_equal(frame_encode(&samples[0], bytes, 10, &size), -ERROR_RANGE);
	assert_int_equal(frame_encode(&samples[0], bytes, 2, &size), -ERROR_RANGE);
}

/* A payload that is longer or shorter than its kind wants. */
static void test_wrong_sizes_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(samples); i++) {
		uint8_t bytes[4096] = { 0 };
		size_t size = 0, used = 0;
		struct frame back;
		if (samples[i].kind == FRAME_OP) /* its size is its own */
			continue;
		assert_int_equal(frame_encode(&samples[i], bytes, sizeof(bytes), &size), 0);
		frame_encode_lead(samples[i].kind, size - FRAME_LEAD_SIZE + 1, bytes);
		assert_int_equal(frame_decode((struct bytes){ bytes, sizeof(bytes) }, &back, &used),
			-ERROR_BAD_MESSAGE);
		frame_encode_lead(samples[i].kind, size - FRAME_LEAD_SIZE - 1, bytes);
		assert_int_equal(frame_decode((struct bytes){ bytes, sizeof(bytes) }, &back, &used),
			-ERROR_BAD_MESSAGE);
	}
}

static void test_impossible_leads_are_refused(void **state)
{
	(void)state;
	static const uint8_t leads[][FRAME_LEAD_SIZE] = {
		{ 0, 0, 0, 0, FRAME_ACK },	      /* not even a kind */
		{ 0xff, 0xff, 0xff, 0xff, FRAME_OP }, /* larger than any */
		{ 0, 0, 0, 1, FRAME_NONE },
		{ 0, 0, 0, 1, FRAME_KIND_COUNT },
	};
	for (size_t i = 0; i < ARRAY_COUNT(leads); i++) {
		struct frame back;
		size_t used = 0;
		assert_int_equal(
			frame_decode((struct bytes){ leads[i], FRAME_LEAD_SIZE }, &back, &used),
			-ERROR_BAD_MESSAGE);
	}
}

static void test_garbage_does_no_harm(void **state)
{
	(void)state;
	uint64_t random = 88172645463325252u; /* xorshift64 (Marsaglia 2003): the same every time */
	for (int round = 0; round < GARBAGE_ROUNDS; round++) {
		uint8_t bytes[256];
		size_t used = 0;
		struct frame back;
		for (size_t i = 0; i < sizeof(bytes); i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			bytes[i] = (uint8_t)random;
		}
		bytes[0] = bytes[1] = bytes[2] = 0; /* or hardly any would be short enough */
		bytes[4] %= FRAME_KIND_COUNT + 1;
		int error = frame_decode((struct bytes){ bytes, sizeof(bytes) }, &back, &used);
		assert_true(error == 0 || error == -ERROR_BAD_MESSAGE || error == -ERROR_AGAIN);
		if (error == 0)
			assert_in_range(used, FRAME_LEAD_SIZE, sizeof(bytes));
	}
}

/* What a hostile peer writes must not reach a terminal. */
static void test_error_texts_are_made_harmless(void **state)
{
	(void)state;
	struct frame frame = { .kind = FRAME_ERROR, .error = { .error = -1, .text = "a\x1b[2Jb" } };
	uint8_t bytes[4096];
	size_t size = 0;
	assert_int_equal(frame_encode(&frame, bytes, sizeof(bytes), &size), 0);
	assert_int_equal(frame_decode((struct bytes){ bytes, size }, &frame, &size), 0);
	assert_string_equal(frame.error.text, "a?[2Jb");
}

/* ---- state ---- */

static void test_state_comes_back(void **state)
{
	(void)state;
	const struct standing sample = { .set_id = { 9, 8 },
		.epoch = { 4, 1 },
		.barrier = 10,
		.peer_barrier = 9,
		.sequence = 1,
		.id_limit = 4096,
		.seal = 77,
		.is_sealing = true,
		.is_in_sync = true };
	uint8_t bytes[STATE_SIZE_MAX], again[STATE_SIZE_MAX];
	size_t size = 0, again_size = 0;
	struct standing back;
	assert_int_equal(state_encode(&sample, bytes, sizeof(bytes), &size), 0);
	assert_int_equal(state_decode((struct bytes){ bytes, size }, &back), 0);
	assert_int_equal(state_encode(&back, again, sizeof(again), &again_size), 0);
	assert_int_equal(size, again_size);
	assert_memory_equal(bytes, again, size);
	assert_true(back.is_in_sync && back.is_sealing && back.seal == 77);
	assert_false(back.is_clean);
}

static void test_state_refuses_what_it_does_not_know(void **state)
{
	(void)state;
	const struct standing sample = { 0 };
	uint8_t bytes[STATE_SIZE_MAX];
	size_t size = 0;
	struct standing back;
	assert_int_equal(state_encode(&sample, bytes, 10, &size), -ERROR_RANGE);
	assert_int_equal(state_encode(&sample, bytes, sizeof(bytes), &size), 0);
	for (size_t cut = 2; cut < size; cut++)
		assert_int_equal(
			state_decode((struct bytes){ bytes, cut }, &back), -ERROR_BAD_MESSAGE);
	bytes[size - 1] = 2; /* neither true nor false */
	assert_int_equal(state_decode((struct bytes){ bytes, size }, &back), -ERROR_BAD_MESSAGE);
	bytes[0] = 9; /* another version */
	assert_int_equal(state_decode((struct bytes){ bytes, size }, &back), -ERROR_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_come_back),
		cmocka_unit_test(test_every_cut_wants_more),
		cmocka_unit_test(test_too_small_for_a_frame),
		cmocka_unit_test(test_wrong_sizes_are_refused),
		cmocka_unit_test(test_impossible_leads_are_refused),
		cmocka_unit_test(test_garbage_does_no_harm),
		cmocka_unit_test(test_error_texts_are_made_harmless),
		cmocka_unit_test(test_state_comes_back),
		cmocka_unit_test(test_state_refuses_what_it_does_not_know),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
