/*
 * What is known of one replicated directory, and of the disk below it: pure, so that it is tested without
 * a disk. Not whether it is mounted: that is watch.c's.
 */
#ifndef EVENKEEL_DAEMON_WATCH_ROOT_H
#define EVENKEEL_DAEMON_WATCH_ROOT_H

#include "core/fs.h"
#include "core/look.h"

#define LOOK_GAP_NS NS_PER_S
#define LATE_AFTER  2 /* questions without an answer */

/* A question that is asked every second, and when it was answered. */
struct asking {
	int64_t answered_ns; /* or when it was first asked */
	uint32_t unanswered; /* asked since */
};

struct watched_root {
	bool is_known;	/* it has answered since its role, or its evenkeel-fs, began */
	uint32_t place; /* where it was mounted then */
	struct fs_looked looked;
	struct asking disk;
	int64_t hung_since_ns; /* a try whose evenkeel-fs died before it ended; 0: none */
};

/* Whether an answer is due: good, late, or bad after the limit. */
enum finding watch_finding(const struct asking *asking, int64_t now_ns, int64_t limit_ns);

/* Another role: what was seen before says nothing. */
void root_begin(struct watched_root *root, int64_t now_ns);
/* A successor goes on in the same role, and the disk is the same: what had hung when its predecessor spoke
 * last hangs since then, if the successor's own try does not end either. */
void root_continue(struct watched_root *root, int64_t spoke_ns);
void root_hear(struct watched_root *root, const struct fs_looked *looked, int64_t now_ns);
/* FINDING_NONE: nothing is known of it. An error of the disk is not looked at here. */
struct sight root_sight(const struct watched_root *root, int64_t now_ns, int64_t limit_ns);

#endif
