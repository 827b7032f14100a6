/* The event log: what repeats itself does not turn everything else out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/events.h"
#include "daemon/repeats.h"

static struct repeats the_repeats;

static bool is_told(const char *id, const char *module, int64_t now_ns)
{
	return repeats_is_told(&the_repeats,
		&(struct repeats_event){ .id = id,
			.module = module,
			.sentence = "it happened",
			.severity = SEVERITY_WARNING },
		now_ns);
}

static int forget(void **state)
{
	(void)state;
	memset(&the_repeats, 0, sizeof(the_repeats));
	return 0;
}

static void the_first_ones_are_told_one_by_one(void **state)
{
	struct repeat repeat;

	(void)state;
	for (int i = 0; i < REPEATS_FREE; i++)
		assert_true(is_told("fs.died", "a", NS_PER_S));
	assert_false(is_told("fs.died", "a", NS_PER_S));
	assert_true(is_told("fs.died", "b", NS_PER_S)); /* each module and each kind for itself */
	assert_true(is_told("fs.killed", "a", NS_PER_S));
	assert_false(repeats_take(&the_repeats, REPEATS_WINDOW_NS, false, &repeat));
	assert_true(repeats_take(&the_repeats, NS_PER_S + REPEATS_WINDOW_NS, false, &repeat));
	assert_int_equal(repeat.held, 1);
	assert_string_equal(repeat.id, "fs.died");
	assert_string_equal(repeat.module, "a");
	assert_string_equal(repeat.sentence, "it happened");
	assert_false(repeats_take(&the_repeats, NS_PER_S + REPEATS_WINDOW_NS, true, &repeat));
}

/* A day of 25 a second: some hundred lines, and every one is counted. */
static void a_storm_is_few_lines(void **state)
{
	const int64_t step_ns = 40 * NS_PER_MS, end_ns = 24 * REPEATS_WINDOW_NS_MAX;
	uint64_t count = 0, told = 0, lines = 0, held = 0;
	struct repeat repeat;

	(void)state;
	for (int64_t at_ns = NS_PER_S; at_ns < end_ns; at_ns += step_ns) {
		count++;
		told += is_told("resync.ended", "a", at_ns);
		while (repeats_take(&the_repeats, at_ns, false, &repeat)) {
			held += repeat.held;
			lines++;
		}
	}
	while (repeats_take(&the_repeats, end_ns, true, &repeat))
		held += repeat.held;
	assert_int_equal(told + held, count);
	assert_in_range(told + lines, REPEATS_FREE, 500);
}

static void after_a_quiet_window_it_is_news_again(void **state)
{
	struct repeat repeat;
	int64_t at_ns = NS_PER_S;

	(void)state;
	for (int i = 0; i <= REPEATS_FREE; i++)
		(void)is_told("check.down", "a", at_ns);
	at_ns += REPEATS_WINDOW_NS;
	assert_true(repeats_take(&the_repeats, at_ns, false, &repeat));
	assert_true(is_told("check.down", "a", at_ns)); /* the next ones are not kept waiting */
	at_ns += 2 * REPEATS_WINDOW_NS;
	for (int i = 0; i < REPEATS_FREE; i++)
		assert_true(is_told("check.down", "a", at_ns));
}

static void more_kinds_than_can_be_counted_are_told(void **state)
{
	char module[16];

	(void)state;
	for (int i = 0; i < 2 * REPEATS_MAX; i++) {
		(void)snprintf(module, sizeof(module), "m%d", i);
		assert_true(is_told("module.state", module, NS_PER_S));
	}
}

static int count_lines(const char *folder, const char *words, char *out_last, size_t size)
{
	char path[128], line[EVENTS_LINE_MAX];
	int count = 0;

	(void)snprintf(path, sizeof(path), "%s/events.jsonl", folder);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (strstr(line, words) != NULL) {
			count++;
			(void)snprintf(out_last, size, "%s", line);
		}
	fclose(file);
	(void)unlink(path);
	return count;
}

/* Through the writer's thread: what was held back is told at the end at the latest. */
static void nothing_is_lost_when_the_log_is_closed(void **state)
{
	char folder[] = "/tmp/evenkeel-events-XXXXXX", last[EVENTS_LINE_MAX] = "";
	struct events *events;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(events_open(folder, "node", &events), 0);
	for (int i = 0; i < REPEATS_FREE + 50; i++)
		events_write(events, SEVERITY_WARNING, "stream.foreign", "pg", "Somebody called.");
	events_write(events, SEVERITY_ERROR, "module.lost", "pg", "The other node serves.");
	events_close(events);
	assert_int_equal(
		count_lines(folder, "stream.foreign", last, sizeof(last)), REPEATS_FREE + 1);
	assert_non_null(strstr(last, "Somebody called. (50 of these since the last line)"));
	assert_non_null(strstr(last, "\"module\":\"pg\""));
	(void)rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_first_ones_are_told_one_by_one, forget),
		cmocka_unit_test_setup(a_storm_is_few_lines, forget),
		cmocka_unit_test_setup(after_a_quiet_window_it_is_news_again, forget),
		cmocka_unit_test_setup(more_kinds_than_can_be_counted_are_told, forget),
		cmocka_unit_test(nothing_is_lost_when_the_log_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
