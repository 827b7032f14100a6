/*
 * Which events are told one by one: of one kind about one module so many in a window of time, the rest
 * as a count when the window ends. As long as they keep coming each window is twice as long as the one
 * before, so that an event that repeats itself for a week does not turn everything else out of the log.
 * Pure bookkeeping. Not for: writing lines (events.h); what scripts print, which is bounded where it
 * is read.
 */
#ifndef EVENKEEL_DAEMON_REPEATS_H
#define EVENKEEL_DAEMON_REPEATS_H

#include "base/limits.h"
#include "base/macros.h"
#include "core/core.h"

#define REPEATS_MAX	      256 /* kinds that are counted at once; more are all told */
#define REPEATS_FREE	      100 /* events of a kind told in a window */
#define REPEATS_FREE_LATER    10  /* in one that follows a window in which some were held back */
#define REPEATS_WINDOW_NS     (60 * NS_PER_S) /* the first window */
#define REPEATS_WINDOW_NS_MAX (3600 * NS_PER_S)
#define REPEATS_ID_MAX	      48

struct repeat {
	char id[REPEATS_ID_MAX]; /* empty: free */
	char module[MODULE_NAME_MAX + 1];
	enum severity severity;
	char sentence[SENTENCE_SIZE_MAX]; /* of the last one that was held back */
	int64_t since_ns, window_ns;
	uint32_t told, held;
};

struct repeats { /* zero: nothing was told yet */
	struct repeat list[REPEATS_MAX];
	int held_kinds; /* of which something is held back */
};

/* What is to be told; module is empty where there is none. */
struct repeats_event {
	const char *id, *module, *sentence;
	enum severity severity;
};

/* False: it was counted, and is told with the others later. */
bool repeats_is_told(struct repeats *repeats, const struct repeats_event *event, int64_t now_ns);
/* One kind of which a window is over (or any, at the end): what was held back, as one repeat with its
 * count. False: there is none. */
bool repeats_take(struct repeats *repeats, int64_t now_ns, bool is_end, struct repeat *out_repeat);

#endif
