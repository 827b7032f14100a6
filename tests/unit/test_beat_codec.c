/* Beats as bytes: what goes in comes out, in as many datagrams as needed; garbage is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/mesh/beat_codec.h"

#define VERSION_OFFSET 5
#define COUNT_OFFSET   65

static struct summary full_summary(uint16_t module)
{
	struct summary summary = { .module = module,
		.state = STATE_SECOND,
		.readiness = READY,
		.fs_role = FS_SECONDARY,
		.fs_link = FS_LINK_IN_SYNC,
		.wants_drop = true,
		.wants_swap = true,
		.is_rolled_back = true,
		.marked_epoch = 77,
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
	.echo = { .nonce = 42, .sent_ns = 987654321 },
	.greeting = { .nonce = 43, .sent_ns = 987654322 } };

/* What is sent, and what the last hear() made of it. */
static uint8_t data[BEAT_DATAGRAM_MAX];
static struct summary summaries[MODULES_MAX];
static struct beat_name names[MODULES_MAX];
static struct {
	struct summary summaries[BEAT_SUMMARIES_MAX];
	struct beat_name names[BEAT_SUMMARIES_MAX];
	struct beat beat;
	uint8_t to;
} heard;

/* A beat with so many full summaries, numbered from `first` on. */
static struct beat beat_of(uint16_t first, uint16_t count)
{
	struct beat beat = head;

	for (uint16_t i = 0; i < count; i++) {
		summaries[i] = full_summary((uint16_t)(first + i));
		(void)snprintf(names[i].text, sizeof(names[i].text), "module-%u", first + i);
		names[i].directories = 0xfffffff0u + i;
	}
	beat.summary_count = count;
	beat.summaries = summaries;
	return beat;
}

static size_t encode_one(const struct beat *beat)
{
	struct beat_envelope envelope = { .to = 2 };
	size_t size = 0;

	assert_int_equal(beat_encode(beat, names, &envelope, data, &size), 0);
	assert_int_equal(envelope.first, beat->summary_count);
	return size;
}

static int hear(const uint8_t *bytes, size_t size)
{
	return beat_decode((struct bytes){ .data = bytes, .size = size }, heard.summaries,
		heard.names, &heard.beat, &heard.to);
}

static void what_is_encoded_is_decoded(void **state)
{
	(void)state;
	struct beat beat = beat_of(5, 1);
	const struct summary *back = &heard.summaries[0];

	beat.is_goodbye = true;
	assert_int_equal(hear(data, encode_one(&beat)), 0);
	assert_int_equal(heard.to, 2);
	assert_int_equal(heard.beat.from, 1);
	assert_true(heard.beat.boot_nonce == head.boot_nonce);
	assert_true(heard.beat.counter == head.counter * BEAT_PARTS_MAX);
	assert_true(heard.beat.sent_ns == head.sent_ns);
	assert_memory_equal(&heard.beat.echo, &head.echo, sizeof(head.echo));
	assert_memory_equal(&heard.beat.greeting, &head.greeting, sizeof(head.greeting));
	assert_true(heard.beat.is_goodbye);
	assert_int_equal(heard.beat.summary_count, 1);
	assert_int_equal(back->module, 5);
	assert_string_equal(heard.names[0].text, "module-5");
	assert_true(heard.names[0].directories == 0xfffffff0u);
	assert_int_equal(back->state, STATE_SECOND);
	assert_int_equal(back->readiness, READY);
	assert_int_equal(back->fs_link, FS_LINK_IN_SYNC);
	assert_true(back->wants_drop && back->wants_swap && back->can_reach_target);
	assert_true(back->is_rolled_back && back->marked_epoch == 77);
	assert_false(back->is_failed || back->is_second_only || back->is_looking);
	assert_memory_equal(&back->record, &summaries[0].record, sizeof(back->record));
}

static void an_intent_stays_at_home(void **state)
{
	(void)state;
	struct beat beat = beat_of(5, 1);
	struct record *record = &summaries[0].record;

	record->has_intent = true;
	record->intent_nonce = 77;
	record->intent_epoch = (struct epoch){ .number = 8, .node = 1 };
	record->intent_good = 1;
	assert_int_equal(hear(data, encode_one(&beat)), 0);
	record = &heard.summaries[0].record;
	assert_false(record->has_intent);
	assert_true(record->intent_nonce == 0 && record->intent_good == 0);
}

/* The longest names there are, so that nothing can be larger. */
static void all_modules_arrive_in_parts_with_rising_counters(void **state)
{
	(void)state;
	struct beat beat = beat_of(0, MODULES_MAX);
	struct beat_envelope envelope = { .to = 2 };
	uint64_t counter = 0;
	unsigned count = 0, parts = 0;

	for (int i = 0; i < MODULES_MAX; i++)
		(void)snprintf(names[i].text, sizeof(names[i].text), "%064d", i);
	while (envelope.first < beat.summary_count) {
		size_t size;
		assert_int_equal(beat_encode(&beat, names, &envelope, data, &size), 0);
		assert_true(size <= BEAT_DATAGRAM_MAX);
		assert_int_equal(hear(data, size), 0);
		assert_true(heard.beat.counter > counter);
		counter = heard.beat.counter;
		for (int i = 0; i < heard.beat.summary_count; i++, count++) {
			assert_int_equal(heard.summaries[i].module, count);
			assert_string_equal(heard.names[i].text, names[count].text);
		}
		parts++;
	}
	assert_int_equal(count, MODULES_MAX);
	assert_true(parts > 1 && parts <= BEAT_PARTS_MAX);
	assert_true(counter < (head.counter + 1) * BEAT_PARTS_MAX);
}

static void another_version_is_named(void **state)
{
	(void)state;
	size_t size = encode_one(&head);

	data[VERSION_OFFSET + 1]++;
	assert_int_equal(hear(data, size), -EPROTO);
}

static void a_beat_that_is_cut_or_too_long_is_refused(void **state)
{
	(void)state;
	struct beat beat = beat_of(5, 1);
	size_t size = encode_one(&beat);

	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(hear(data, cut), -EBADMSG);
	assert_int_equal(hear(data, size + 1), -EBADMSG);
}

static void a_claimed_number_of_summaries_is_not_believed(void **state)
{
	(void)state;
	size_t size = encode_one(&head);

	data[COUNT_OFFSET] = 0xff;
	data[COUNT_OFFSET + 1] = 0xff;
	assert_int_equal(hear(data, size), -EBADMSG);
	data[COUNT_OFFSET] = 0;
	data[COUNT_OFFSET + 1] = 1;
	assert_int_equal(hear(data, size), -EBADMSG);
}

/* Without a name nobody knows whose summary it is; one that is too long or unprintable is none. */
static void a_summary_without_a_name_is_refused(void **state)
{
	(void)state;
	struct beat beat = beat_of(5, 1);
	size_t size = encode_one(&beat);
	uint8_t *name_size = data + COUNT_OFFSET + 2 + 2;

	assert_int_equal(hear(data, size), 0);
	name_size[3] = '\n';
	assert_int_equal(hear(data, size), -EBADMSG);
	name_size[3] = '\0';
	assert_int_equal(hear(data, size), -EBADMSG);
	name_size[3] = 'd';
	assert_int_equal(hear(data, size), 0);
	for (unsigned wrong = 0; wrong < 256; wrong++) {
		*name_size = (uint8_t)wrong;
		if (wrong != strlen("module-5"))
			assert_int_equal(hear(data, size), -EBADMSG);
	}
}

/* No sanitizer complains, and nothing that is accepted is out of range. */
static void random_bytes_and_flipped_bits_do_no_harm(void **state)
{
	(void)state;
	static uint8_t good[BEAT_DATAGRAM_MAX];
	struct beat beat = beat_of(0, 8);
	unsigned seed = 20261122;
	size_t size = encode_one(&beat);

	memcpy(good, data, size);
	for (int round = 0; round < 20000; round++) {
		memcpy(data, good, size);
		for (int flips = 0; flips < 1 + round % 4; flips++)
			data[(size_t)rand_r(&seed) % size] ^= (uint8_t)(1 << rand_r(&seed) % 8);
		size_t shown = round % 3 == 0 ? (size_t)rand_r(&seed) % size : size;
		uint8_t *exact = malloc(shown + 1); /* of its own size, so that ASan sees the end */
		assert_non_null(exact);
		memcpy(exact, data, shown);
		if (hear(exact, shown) == 0) {
			assert_true(heard.beat.from >= 1 && heard.beat.from <= NODES_MAX);
			for (int i = 0; i < heard.beat.summary_count; i++) {
				const struct summary *summary = &heard.summaries[i];
				assert_true(summary->state < STATE_COUNT &&
					    summary->fs_link <= FS_LINK_IN_SYNC);
				assert_true(heard.names[i].text[0] != '\0');
				assert_true(strlen(heard.names[i].text) <= MODULE_NAME_MAX);
			}
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
		cmocka_unit_test(a_summary_without_a_name_is_refused),
		cmocka_unit_test(random_bytes_and_flipped_bits_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
