/* What evenkeeld knows of a disk, over the deaths of the evenkeel-fs that tries it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/watch/root.h"

#define LIMIT_NS (5 * NS_PER_S)

/* One replicated directory, asked every second; its evenkeel-fs answers as looker.c does. */
struct played {
	struct watched_root root;
	int64_t now_ns, spoke_ns;
	uint64_t tries;
	int64_t trying_since_ns; /* 0: no try is open */
	bool is_disk_hanging;
};

static void play(struct played *played)
{
	*played = (struct played){ .now_ns = 100 * NS_PER_S };
	root_begin(&played->root, played->now_ns);
}

/* A second goes by: what was seen is told, and the next question asked and answered. */
static enum finding look(struct played *played)
{
	played->now_ns += LOOK_GAP_NS;
	enum finding finding = root_sight(&played->root, played->now_ns, LIMIT_NS).finding;
	struct fs_looked looked = { .tries = played->tries, .took_ns = 1 };

	if (played->trying_since_ns != 0)
		looked.pending_ns = (uint64_t)(played->now_ns - played->trying_since_ns);
	played->root.disk.unanswered++;
	root_hear(&played->root, &looked, played->now_ns);
	played->spoke_ns = played->now_ns;
	if (!played->is_disk_hanging)
		played->tries++;
	else if (played->trying_since_ns == 0)
		played->trying_since_ns = played->now_ns;
	return finding;
}

static void free_disk(struct played *played)
{
	played->is_disk_hanging = false;
	played->trying_since_ns = 0;
}

static void kill_fs(struct played *played)
{
	played->now_ns += NS_PER_S / 3;
	played->tries = 0;
	played->trying_since_ns = 0;
	root_continue(&played->root, played->spoke_ns);
}

static void look_often(struct played *played, int times, enum finding worst)
{
	for (int i = 0; i < times; i++)
		assert_true(look(played) <= worst);
}

static void a_disk_that_hangs_is_found(void **state)
{
	struct played played;

	(void)state;
	play(&played);
	look_often(&played, 3, FINDING_GOOD);
	played.is_disk_hanging = true;
	look_often(&played, 5, FINDING_LATE);
	look_often(&played, 2, FINDING_BAD);
	assert_int_equal(look(&played), FINDING_BAD);
	free_disk(&played);
	look_often(&played, 2, FINDING_BAD);
	assert_int_equal(look(&played), FINDING_GOOD);
}

static void deaths_do_not_hide_it(void **state)
{
	struct played played;

	(void)state;
	play(&played);
	look_often(&played, 3, FINDING_GOOD);
	played.is_disk_hanging = true;
	look_often(&played, 4, FINDING_LATE);
	for (int death = 0; death < 2; death++) {
		kill_fs(&played);
		look_often(&played, 3, FINDING_BAD);
		assert_int_equal(look(&played), FINDING_BAD);
	}
}

static void a_successor_tries_it_itself(void **state)
{
	struct played played;

	(void)state;
	play(&played);
	look_often(&played, 3, FINDING_GOOD);
	played.is_disk_hanging = true;
	look_often(&played, 7, FINDING_BAD);
	free_disk(&played);
	kill_fs(&played); /* it answers again, but nobody was left to say so */
	look_often(&played, 3, FINDING_LATE);
	assert_int_equal(look(&played), FINDING_GOOD);
}

static void another_role_begins_anew(void **state)
{
	struct played played;

	(void)state;
	play(&played);
	look_often(&played, 3, FINDING_GOOD);
	played.is_disk_hanging = true;
	look_often(&played, 7, FINDING_BAD);
	kill_fs(&played);
	root_begin(&played.root, played.now_ns);
	look_often(&played, 4, FINDING_LATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_that_hangs_is_found),
		cmocka_unit_test(deaths_do_not_hide_it),
		cmocka_unit_test(a_successor_tries_it_itself),
		cmocka_unit_test(another_role_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
