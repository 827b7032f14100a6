/* Beats as bytes: what goes in comes out, in as many datagrams as needed; garbage is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/beat_codec.h"

#define VERSION_OFFSET 5
#define COUNT_OFFSET   49

static struct summary full_summary(uint16_t module)
{
	struct summary summary = { .module = module,
		.state = MIRROR_SECOND,
		.readiness = READY,
		.fs_role = FS_SECONDARY,
		.fs_link = FS_LINK_IN_SYNC,
		.wants_drop = true,
		.wants_swap = true,
		.can_reach_target = true };
	struct record *record = &summary.record;

	memset(record->set_id, module & 0xff, sizeof(record->set_id));
	record->epoch = (struct epoch){ .number = 7, .node = 2 };
	record->generation = (struct generation){ .number = 9, .tag = 0x1122334455667788 };
	record->history_count = GENERATION_HISTORY;
	for (int i = 0; i < GENERATION_HISTORY; i++)
		record->history[i] = (struct generation){ .number = (uint64_t)i + 1, .tag = 5 };
	record->good = 3;
	record->holder = 2;
	record->role = RECORD_ROLE_SECONDARY;
	record->is_complete = true;
	return summary;
}

static const struct beat head = { .from = 1,
	.boot_nonce = 0xabcdef0123456789,
	.counter = 1000,
	.sent_ns = 123456789,
	.echo_ns = 987654321,
	.echo_nonce = 42 };

static size_t encode_one(const struct beat *beat, uint8_t out[BEAT_DATAGRAM_MAX])
{
	struct beat_envelope envelope = { .to = 2 };
	size_t size = 0;

	assert_int_equal(beat_encode(beat, &envelope, out, &size), 0);
	assert_int_equal(envelope.first, beat->summary_count);
	return size;
}

static void what_is_encoded_is_decoded(void **state)
{
	(void)state;
	static uint8_t data[BEAT_DATAGRAM_MAX];
	static struct summary back[BEAT_SUMMARIES_MAX];
	struct summary summary = full_summary(5);
	struct beat beat = head, decoded;
	uint8_t to = 0;

	beat.is_goodbye = true;
	beat.summary_count = 1;
	beat.summaries = &summary;
	size_t size = encode_one(&beat, data);
	struct bytes bytes = { .data = data, .size = size };
	assert_int_equal(beat_decode(bytes, back, &decoded, &to), 0);
	assert_int_equal(to, 2);
	assert_int_equal(decoded.from, 1);
	assert_true(decoded.boot_nonce == head.boot_nonce);
	assert_true(decoded.counter == head.counter * BEAT_PARTS_MAX);
	assert_true(decoded.sent_ns == head.sent_ns && decoded.echo_ns == head.echo_ns);
	assert_true(decoded.echo_nonce == 42);
	assert_true(decoded.is_goodbye);
	assert_int_equal(decoded.summary_count, 1);
	assert_int_equal(back[0].module, 5);
	assert_int_equal(back[0].state, MIRROR_SECOND);
	assert_int_equal(back[0].readiness, READY);
	assert_int_equal(back[0].fs_link, FS_LINK_IN_SYNC);
	assert_true(back[0].wants_drop && back[0].wants_swap && back[0].can_reach_target);
	assert_false(back[0].is_failed || back[0].is_second_only);
	assert_memory_equal(&back[0].record, &summary.record, sizeof(summary.record));
}

static void an_intent_stays_at_home(void **state)
{
	(void)state;
	static uint8_t data[BEAT_DATAGRAM_MAX];
	static struct summary back[BEAT_SUMMARIES_MAX];
	struct summary summary = full_summary(5);
	struct beat beat = head, decoded;
	uint8_t to;

	summary.record.has_intent = true;
	summary.record.intent_nonce = 77;
	summary.record.intent_epoch = (struct epoch){ .number = 8, .node = 1 };
	summary.record.intent_good = 1;
	beat.summary_count = 1;
	beat.summaries = &summary;
	struct bytes bytes = { .data = data, .size = encode_one(&beat, data) };
	assert_int_equal(beat_decode(bytes, back, &decoded, &to), 0);
	assert_false(back[0].record.has_intent);
	assert_true(back[0].record.intent_nonce == 0 && back[0].record.intent_good == 0);
}

static void all_modules_arrive_in_parts_with_rising_counters(void **state)
{
	(void)state;
	static struct summary summaries[MODULES_MAX], back[BEAT_SUMMARIES_MAX];
	static uint8_t data[BEAT_DATAGRAM_MAX];
	struct beat beat = head, decoded;
	struct beat_envelope envelope = { .to = 2 };
	uint64_t counter = 0;
	unsigned heard = 0, parts = 0;

	for (uint16_t i = 0; i < MODULES_MAX; i++)
		summaries[i] = full_summary(i);
	beat.summaries = summaries;
	beat.summary_count = MODULES_MAX;
	while (envelope.first < beat.summary_count) {
		size_t size;
		uint8_t to;
		assert_int_equal(beat_encode(&beat, &envelope, data, &size), 0);
		assert_true(size <= BEAT_DATAGRAM_MAX);
		struct bytes bytes = { .data = data, .size = size };
		assert_int_equal(beat_decode(bytes, back, &decoded, &to), 0);
		assert_true(decoded.counter > counter);
		counter = decoded.counter;
		for (int i = 0; i < decoded.summary_count; i++)
			assert_int_equal(back[i].module, heard++);
		parts++;
	}
	assert_int_equal(heard, MODULES_MAX);
	assert_true(parts > 1 && parts <= BEAT_PARTS_MAX);
	assert_true(counter < (head.counter + 1) * BEAT_PARTS_MAX);
}

static void another_version_is_named(void **state)
{
	(void)state;
	static uint8_t data[BEAT_DATAGRAM_MAX];
	static struct summary back[BEAT_SUMMARIES_MAX];
	struct beat decoded;
	uint8_t to;
	struct bytes bytes = { .data = data, .size = encode_one(&head, data) };

	data[VERSION_OFFSET + 1]++;
	assert_int_equal(beat_decode(bytes, back, &decoded, &to), -EPROTO);
}

static void a_beat_that_is_cut_or_too_long_is_refused(void **state)
{
	(void)state;
	static uint8_t data[BEAT_DATAGRAM_MAX];
	static struct summary back[BEAT_SUMMARIES_MAX];
	struct summary summary = full_summary(5);
	struct beat beat = head, decoded;
	uint8_t to;

	beat.summary_count = 1;
	beat.summaries = &summary;
	size_t size = encode_one(&beat, data);
	for (size_t cut = 0; cut < size; cut++) {
		struct bytes bytes = { .data = data, .size = cut };
		assert_int_equal(beat_decode(bytes, back, &decoded, &to), -EBADMSG);
	}
	struct bytes longer = { .data = data, .size = size + 1 };
	assert_int_equal(beat_decode(longer, back, &decoded, &to), -EBADMSG);
}

static void a_claimed_number_of_summaries_is_not_believed(void **state)
{
	(void)state;
	static uint8_t data[BEAT_DATAGRAM_MAX];
	static struct summary back[BEAT_SUMMARIES_MAX];
	struct beat decoded;
	uint8_t to;

	struct bytes bytes = { .data = data, .size = encode_one(&head, data) };
	data[COUNT_OFFSET] = 0xff;
	data[COUNT_OFFSET + 1] = 0xff;
	assert_int_equal(beat_decode(bytes, back, &decoded, &to), -EBADMSG);
	data[COUNT_OFFSET] = 0;
	data[COUNT_OFFSET + 1] = 1;
	assert_int_equal(beat_decode(bytes, back, &decoded, &to), -EBADMSG);
}

/* No sanitizer complains, and nothing that is accepted is out of range. */
static void random_bytes_and_flipped_bits_do_no_harm(void **state)
{
	(void)state;
	static uint8_t good[BEAT_DATAGRAM_MAX], data[BEAT_DATAGRAM_MAX];
	static struct summary summaries[8], back[BEAT_SUMMARIES_MAX];
	struct beat beat = head, decoded;
	unsigned seed = 20261122;
	uint8_t to;

	for (uint16_t i = 0; i < 8; i++)
		summaries[i] = full_summary(i);
	beat.summary_count = 8;
	beat.summaries = summaries;
	size_t size = encode_one(&beat, good);
	for (int round = 0; round < 20000; round++) {
		memcpy(data, good, size);
		for (int flips = 0; flips < 1 + round % 4; flips++)
			data[(size_t)rand_r(&seed) % size] ^= (uint8_t)(1 << rand_r(&seed) % 8);
		size_t shown = round % 3 == 0 ? (size_t)rand_r(&seed) % size : size;
		uint8_t *exact = malloc(shown + 1); /* of its own size, so that ASan sees the end */
		assert_non_null(exact);
		memcpy(exact, data, shown);
		struct bytes bytes = { .data = exact, .size = shown };
		if (beat_decode(bytes, back, &decoded, &to) == 0) {
			assert_true(decoded.from >= 1 && decoded.from <= NODES_MAX);
			for (int i = 0; i < decoded.summary_count; i++)
				assert_true(back[i].state < MIRROR_STATE_COUNT &&
					    back[i].fs_link <= FS_LINK_IN_SYNC);
		}
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(an_intent_stays_at_home),
		cmocka_unit_test(all_modules_arrive_in_parts_with_rising_counters),
		cmocka_unit_test(another_version_is_named),
		cmocka_unit_test(a_beat_that_is_cut_or_too_long_is_refused),
		cmocka_unit_test(a_claimed_number_of_summaries_is_not_believed),
		cmocka_unit_test(random_bytes_and_flipped_bits_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
