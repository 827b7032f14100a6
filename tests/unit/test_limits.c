/*
 * docs/limits.md says what the code does: each figure of a name in its tables is read and compared.
 *
 * usage: test_limits PAGE
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "core/look.h"
#include "core/mirror/mirror.h"
#include "core/writing.h"
#include "daemon/shutdown.h"
#include "repl/unwatched.h"

static const char *page;

static const struct limit {
	const char *name;
	int64_t ns;
} limits[] = {
	{ "UNMOUNT_TRY_NS", UNMOUNT_TRY_NS },
	{ "HOLDERS_LOOK_NS", HOLDERS_LOOK_NS },
	{ "WORKERS_END_NS", WORKERS_END_NS },
	{ "RELEASE_GAP_NS", RELEASE_GAP_NS },
	{ "FS_RELEASE_LIMIT_NS", FS_RELEASE_LIMIT_NS },
	{ "FS_HELLO_LIMIT_NS", FS_HELLO_LIMIT_NS },
	{ "EMPTY_TERM_NS", EMPTY_TERM_NS },
	{ "EMPTY_KILL_NS", EMPTY_KILL_NS },
	{ "DRAIN_PATIENCE_NS", DRAIN_PATIENCE_NS },
	{ "UNRECORDED_LIMIT_NS", UNRECORDED_LIMIT_NS },
	{ "FORCE_LIMIT_NS", FORCE_LIMIT_NS },
	{ "WRITING_STUCK_NS", WRITING_STUCK_NS },
	{ "FREEZE_MAX_NS", FREEZE_MAX_NS },
	{ "SIGHT_FRESH_NS", SIGHT_FRESH_NS },
	{ "UNWATCHED_SEEN_NS", UNWATCHED_SEEN_NS },
	{ "UNWATCHED_LATE_NS", UNWATCHED_LATE_NS },
};

/* "15 s", "1500 ms" */
static int64_t time_of(const char *text)
{
	char *unit;
	long long value = strtoll(text, &unit, 10);

	return value * (strncmp(unit, " ms", 3) == 0 ? NS_PER_MS : NS_PER_S);
}

static int64_t limit_of(const char *name)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (strcmp(limits[i].name, name) == 0)
			return limits[i].ns;
	fail_msg("%s of the page is no name that the code is asked for", name);
	return 0;
}

static void every_figure_is_the_codes(void **state)
{
	char line[1024], name[64], figure[32];
	size_t found = 0;

	(void)state;
	FILE *file = fopen(page, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "| `%63[A-Z_]` | %31[^|]", name, figure) != 2)
			continue;
		assert_int_equal(time_of(figure), limit_of(name));
		found++;
	}
	(void)fclose(file);
	assert_int_equal(found, sizeof(limits) / sizeof(limits[0]));
}

int main(int count, char **words)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_figure_is_the_codes) };

	page = count == 2 ? words[1] : "docs/limits.md";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
