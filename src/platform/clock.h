/* The one clock of local decisions: boot time in nanoseconds, which counts suspended time. */
#ifndef EVENKEEL_PLATFORM_CLOCK_H
#define EVENKEEL_PLATFORM_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "base/limits.h"

static inline int64_t clock_boot_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail with this clock */
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* For people and logs only; never for a decision. */
static inline int64_t clock_wall_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

#define CLOCK_TEXT_SIZE 32

/* A moment of that clock as people read it: 2026-01-02 03:04:05 UTC. */
static inline const char *clock_wall_text(int64_t wall_ns, char out[CLOCK_TEXT_SIZE])
{
	time_t seconds = (time_t)(wall_ns / NS_PER_S);
	struct tm parts;

	(void)gmtime_r(&seconds, &parts);
	(void)strftime(out, CLOCK_TEXT_SIZE, "%Y-%m-%d %H:%M:%S UTC", &parts);
	return out;
}

#endif
