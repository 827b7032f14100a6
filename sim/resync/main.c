/*
 * sim_resync: brings copies up to date, each history from a seed, and stops at the first broken
 * promise.
 *
 *	sim_resync --seed N [--verbose]     one history; with all that happens in it
 *	sim_resync --seeds FROM..TO         one after the other
 *	sim_resync --seconds S              as many as fit
 *
 * Prints each seed's hash (--hashes). Exit code: 0 all promises kept, 1 one was broken, 2 wrong use.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/resync/world.h"

struct options {
	uint64_t from, to;
	double seconds; /* 0: no limit */
	bool is_verbose, has_hashes;
};

/* A broken CHECK() of the product is a broken promise, too. */
static sigjmp_buf after_check;

static void on_check(int number)
{
	siglongjmp(after_check, number);
}

void promise_broken(struct world *world, const char *promise, const char *format, ...)
{
	va_list arguments;
	if (world->broken != NULL)
		return;
	world->broken = promise;
	va_start(arguments, format);
	/* NOLINTNEXTLINE: clang-tidy 14 does not see va_start() here */
	(void)vsnprintf(world->detail, sizeof(world->detail), format, arguments);
	va_end(arguments);
}

void world_say(struct world *world, const char *format, ...)
{
	va_list arguments;
	if (!world->is_verbose)
		return;
	(void)printf("%6" PRIu64 " ", world->steps);
	va_start(arguments, format);
	(void)vprintf(format, arguments); /* NOLINT: the same */
	va_end(arguments);
	(void)puts("");
}

/* ---- one history ---- */

static uint32_t any_plan(struct world *world)
{
	return chance_is(&world->chance, 100) ? PLAN_SET_ASIDE : PLAN_COMPARE;
}

static void open_log(struct sender *sender)
{
	static _Alignas(4096) uint8_t memory[OPLOG_HEADER_SIZE + OP_SIZE_MAX + 4096];
	struct oplog log;
	oplog_format(&log, memory, sizeof(memory), 0, 1);
	sender_open(sender, &log, DURABILITY_CALL);
	sender_init(sender, 1, 1);
}

static void begin(struct world *world, uint64_t seed, bool is_verbose)
{
	*world = (struct world){
		.chance = { seed }, .next_id = SOURCE_IDS, .next_value = 1, .is_verbose = is_verbose
	};
	open_log(&world->source.sender);
	copy_prepare(world);
	world->changes_left = (int)chance_between(&world->chance, 0, 120);
	world->cuts_left = (int)chance_below(&world->chance, 3);
	source_begin(world, any_plan(world));
}

static bool cut(struct world *world)
{
	if (world->cuts_left == 0 || world->source.sender.mode != SENDER_CATCHING_UP)
		return false;
	world->cuts_left--;
	source_lose(world);
	source_begin(world, any_plan(world));
	return true;
}

static bool change(struct world *world)
{
	if (world->changes_left == 0 || world->wire.next - world->wire.first > WIRE_OPS / 2)
		return false;
	world->changes_left--;
	application_change(world);
	return true;
}

/* Somebody does something. How busy each of them is differs from seed to seed. */
static bool step(struct world *world, const uint32_t weights[6])
{
	uint64_t choice = chance_below(&world->chance, 1000);
	world->steps++;
	for (uint32_t i = 0; i < 6; i++) {
		if (choice >= weights[i]) {
			choice -= weights[i];
			continue;
		}
		switch (i) {
		case 0: return change(world);
		case 1: return source_step(world);
		case 2: return target_apply(world);
		case 3: return target_work(world);
		case 4: return source_hear(world);
		default: return cut(world);
		}
	}
	return source_step(world);
}

static bool is_quiet(const struct world *world)
{
	return world->changes_left == 0 && world->wire.first == world->wire.next &&
	       world->target.is_complete && world->target.job_count == 0;
}

static void judge(struct world *world)
{
	char detail[120];
	const char *difference = tree_difference(&world->source.tree, &world->target.tree,
		world->source.absent, detail, sizeof(detail));
	if (difference != NULL)
		promise_broken(world, "the copy is what it is a copy of", "%s", difference);
}

static void play(struct world *world)
{
	uint32_t weights[6] = { 0, 0, 0, 0, 0, 2 };
	for (int i = 0; i < 5; i++)
		weights[i] = (uint32_t)chance_between(&world->chance, 20, 200);
	while (world->broken == NULL && !is_quiet(world)) {
		bool is_done = step(world, weights);
		world->hash = (world->hash ^ (is_done ? 1 : 0) ^ world->wire.next << 1) *
			      UINT64_C(0x100000001b3);
		if (world->steps >= STEPS_MAX)
			promise_broken(world, "it comes to an end", "after %d steps it has not",
				STEPS_MAX);
	}
	if (world->broken == NULL)
		judge(world);
}

static bool run(uint64_t seed, const struct options *options, uint64_t *out_steps)
{
	static struct world world; /* large */
	begin(&world, seed, options->is_verbose);
	if (sigsetjmp(after_check, 1) == 0)
		play(&world);
	else
		promise_broken(&world, "no program stops itself", "a CHECK() failed");
	*out_steps = world.steps;
	if (options->has_hashes)
		(void)printf("seed %" PRIu64 " hash %016" PRIx64 "\n", seed, world.hash);
	if (world.broken != NULL)
		(void)printf("FAILED seed %" PRIu64 " after %" PRIu64 " steps: %s: %s\n", seed,
			world.steps, world.broken, world.detail);
	return world.broken == NULL;
}

/* ---- many ---- */

static double real_seconds(void)
{
	struct timespec time;
	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool parse_range(char *text, struct options *options)
{
	char *dots = strstr(text, "..");
	if (dots == NULL)
		return false;
	options->from = strtoull(text, NULL, 10);
	options->to = strtoull(dots + 2, NULL, 10);
	return options->from > 0 && options->from <= options->to;
}

static bool parse(int count, char **words, struct options *out)
{
	*out = (struct options){ .from = 1, .to = UINT64_MAX };
	for (int i = 1; i < count; i++) {
		char *value = i + 1 < count ? words[i + 1] : NULL;
		if (strcmp(words[i], "--verbose") == 0) {
			out->is_verbose = true;
			continue;
		}
		if (strcmp(words[i], "--hashes") == 0) {
			out->has_hashes = true;
			continue;
		}
		if (value == NULL)
			return false;
		i++;
		if (strcmp(words[i - 1], "--seed") == 0)
			out->from = out->to = strtoull(value, NULL, 10);
		else if (strcmp(words[i - 1], "--seconds") == 0)
			out->seconds = strtod(value, NULL);
		else if (strcmp(words[i - 1], "--seeds") != 0 || !parse_range(value, out))
			return false;
	}
	return out->to != UINT64_MAX || out->seconds > 0;
}

/* A trap is SIGILL or SIGTRAP, as the processor has it. */
static void catch_checks(void)
{
	const struct sigaction action = { .sa_handler = on_check };
	(void)sigaction(SIGILL, &action, NULL); /* cannot fail for these signals */
	(void)sigaction(SIGTRAP, &action, NULL);
}

int main(int count, char **words)
{
	struct options options;
	uint64_t seeds = 0, steps = 0, total = 0;
	if (!parse(count, words, &options)) {
		(void)fputs("usage: sim_resync --seed N | --seeds FROM..TO | --seconds S\n"
			    "                  [--verbose] [--hashes]\n",
			stderr);
		return 2;
	}
	catch_checks();
	double until = real_seconds() + options.seconds;
	for (uint64_t seed = options.from; seed <= options.to; seed++) {
		if (options.seconds > 0 && real_seconds() >= until)
			break;
		if (!run(seed, &options, &steps))
			return 1;
		seeds++;
		total += steps;
	}
	(void)printf("%" PRIu64 " copies brought up to date in %" PRIu64 " steps\n", seeds, total);
	return 0;
}
