/* The few macros that every layer uses. */
#ifndef EVENKEEL_BASE_MACROS_H
#define EVENKEEL_BASE_MACROS_H

#define MUST_CHECK	   __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a)  __attribute__((format(printf, f, a)))
#define CLEANUP(function)  __attribute__((cleanup(function)))
#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BIT(n)		   (1u << (n))
#define BIT64(n)	   ((uint64_t)1 << (n))
#define MIN_OF(a, b)	   ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b)	   ((a) > (b) ? (a) : (b))

/*
 * Stops the process when what must hold does not: a stopped node fails over, a wrong node corrupts.
 * Always on. Never for input, files, packets or the kernel. Its last words name the place:
 * "file:line: condition" (check_failed() of platform/check.c, which programs link; else it is mute).
 */
#define CHECK(condition)                                                                 \
	do {                                                                             \
		if (__builtin_expect(!(condition), 0))                                   \
			check_failed(__FILE__ ":" LITERAL_OF(__LINE__) ": " #condition); \
	} while (0)
#define LITERAL_OF(line)  LITERAL_OF_(line)
#define LITERAL_OF_(text) #text
__attribute__((noreturn, cold)) void check_failed(const char *place);

#endif
