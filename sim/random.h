/*
 * The one source of chance of a simulated history: the seed decides everything that follows.
 * SplitMix64 (Steele, Lea and Flood, 2014). Never call it twice in one expression or argument list:
 * the order of evaluation would differ between compilers, and with it the history.
 */
#ifndef EVENKEEL_SIM_RANDOM_H
#define EVENKEEL_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct chance {
	uint64_t state;
};

static inline uint64_t chance_next(struct chance *chance)
{
	uint64_t x = chance->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* 0..limit-1 */
static inline uint64_t chance_below(struct chance *chance, uint64_t limit)
{
	CHECK(limit > 0);
	return chance_next(chance) % limit;
}

/* Both ends included. */
static inline int64_t chance_between(struct chance *chance, int64_t least, int64_t most)
{
	CHECK(least <= most);
	return least + (int64_t)chance_below(chance, (uint64_t)(most - least) + 1);
}

static inline bool chance_is(struct chance *chance, uint32_t permille)
{
	return chance_below(chance, 1000) < permille;
}

#endif
