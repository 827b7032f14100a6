/*
 * sim: plays histories of a pair of nodes, each from a seed, and stops at the first broken promise.
 *
 *	sim --seed N [--verbose]     one history; with all that happens in it
 *	sim --seeds FROM..TO         one after the other
 *	sim --seconds S [--from N]   as many as fit
 *
 * --all goes on after a broken promise. Prints each seed's hash (--hashes), and at the end how much
 * simulated time went by in a real second. Exit code: 0 all promises kept, 1 one was broken, 2 wrong
 * use.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/world.h"

struct options {
	uint64_t from, to;
	double seconds; /* 0: no limit */
	bool is_verbose, has_hashes, is_all;
};

struct totals {
	uint64_t seeds, steps, hash, broken;
	int64_t simulated_ns;
	struct counters counters;
};

static double real_seconds(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool parse_number(const char *text, uint64_t *out_number)
{
	char *end = NULL;

	*out_number = strtoull(text, &end, 10);
	return *text != '\0' && *end == '\0';
}

static bool parse_range(char *text, struct options *options)
{
	char *dots = strstr(text, "..");

	if (dots == NULL)
		return false;
	*dots = '\0';
	return parse_number(text, &options->from) && parse_number(dots + 2, &options->to) &&
	       options->from <= options->to;
}

static bool parse_option(int *at, int count, char **values, struct options *options)
{
	const char *name = values[*at];

	if (strcmp(name, "--verbose") == 0)
		return options->is_verbose = true;
	if (strcmp(name, "--hashes") == 0)
		return options->has_hashes = true;
	if (strcmp(name, "--all") == 0)
		return options->is_all = true;
	if (++*at >= count)
		return false;
	char *value = values[*at];
	if (strcmp(name, "--seed") == 0)
		return parse_number(value, &options->from) && (options->to = options->from, true);
	if (strcmp(name, "--from") == 0)
		return parse_number(value, &options->from);
	if (strcmp(name, "--seeds") == 0)
		return parse_range(value, options);
	if (strcmp(name, "--seconds") == 0)
		return (options->seconds = strtod(value, NULL)) > 0;
	return false;
}

static void add_up(struct totals *totals, const struct world *world)
{
	totals->seeds++;
	totals->steps += world->steps;
	totals->simulated_ns += world->now;
	totals->hash = (totals->hash ^ world->hash) * UINT64_C(0x100000001b3);
	totals->counters.acknowledged += world->counters.acknowledged;
	totals->counters.syncs += world->counters.syncs;
	totals->counters.tenures += world->counters.tenures;
	totals->counters.promotions += world->counters.promotions;
	totals->counters.resyncs += world->counters.resyncs;
	totals->counters.excused += world->counters.excused;
	totals->counters.announced += world->counters.announced;
	totals->counters.faults += world->counters.faults;
	totals->counters.helped += world->counters.helped;
}

static void tell_totals(const struct totals *totals, double seconds)
{
	const struct counters *counters = &totals->counters;

	printf("%" PRIu64 " seeds, %" PRIu64 " steps, %" PRIu64 " troubles, %" PRIu64
	       " promotions, %" PRIu64 " resyncs\n",
		totals->seeds, totals->steps, counters->faults, counters->promotions,
		counters->resyncs);
	printf("%" PRIu64 " writes and %" PRIu64
	       " syncs acknowledged; lost with both servers at once "
	       "%" PRIu64 ", announced and insisted on %" PRIu64 "; %" PRIu64
	       " words of an operator "
	       "needed at the end\n",
		counters->acknowledged, counters->syncs, counters->excused, counters->announced,
		counters->helped);
	if (totals->broken > 0)
		printf("%" PRIu64 " seeds broke a promise\n", totals->broken);
	printf("hash %016" PRIx64 "\n", totals->hash);
	printf("%.1f h simulated in %.1f s: %.0f simulated seconds a second\n",
		(double)totals->simulated_ns / 3.6e12, seconds,
		(double)totals->simulated_ns / 1e9 / (seconds > 0 ? seconds : 1));
}

static void tell_broken(const struct world *world, const char *program)
{
	printf("FAILED seed %" PRIu64 ", step %" PRIu64 ", at %.6f s: %s\n", world->seed,
		world->steps, (double)world->now / 1e9, world->promise.what);
	printf("replay: %s --seed %" PRIu64 " --verbose\n", program, world->seed);
}

/* ---- a CHECK that fails inside the product's code ---- */

static jmp_buf before_run;

static const char *failed_place;

/* The world is garbage then, and begins anew with the next seed. */
void check_failed(const char *place)
{
	while (strncmp(place, "../", 3) == 0)
		place += 3;
	failed_place = place;
	longjmp(before_run, 1);
}

static bool run_one(struct world *world, uint64_t seed)
{
	if (setjmp(before_run) == 0)
		return world_run(world, seed);
	promise_broken(world, 0, "a process stopped itself: CHECK failed: %s", failed_place);
	return false;
}

static bool run_all(struct world *world, const struct options *options, const char *program)
{
	struct totals totals = { 0 };
	double started = real_seconds();

	for (uint64_t seed = options->from; seed <= options->to; seed++) {
		if (options->seconds > 0 && real_seconds() - started >= options->seconds)
			break;
		bool is_kept = run_one(world, seed);
		add_up(&totals, world);
		if (options->has_hashes || options->from == options->to)
			printf("seed %" PRIu64 " hash %016" PRIx64 "\n", seed, world->hash);
		if (!is_kept) {
			totals.broken++;
			tell_broken(world, program);
		}
		if (!is_kept && !options->is_all)
			break;
	}
	tell_totals(&totals, real_seconds() - started);
	return totals.broken == 0;
}

int main(int count, char **values)
{
	struct options options = { .from = 1, .to = UINT64_MAX - 1 };

	for (int at = 1; at < count; at++)
		if (!parse_option(&at, count, values, &options)) {
			fprintf(stderr,
				"usage: %s --seed N [--verbose] | --seeds FROM..TO | "
				"--seconds S [--from N] [--all] [--hashes]\n",
				values[0]);
			return 2;
		}
	if (options.seconds == 0 && options.to == UINT64_MAX - 1)
		options.to = options.from + 99;
	struct world *world = world_new();
	world->is_verbose = options.is_verbose;
	bool is_kept = run_all(world, &options, values[0]);
	world_free(world);
	return is_kept ? 0 : 1;
}
