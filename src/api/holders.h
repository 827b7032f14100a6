/*
 * Who uses a directory underneath (R9): processes that hold a descriptor, a working directory, a
 * root or a mapping below it, in any mount namespace.
 *
 * A path that /proc shows belongs to the mount namespace of its process; the same directory may be
 * visible there under another path, or not at all. So for each namespace the places are worked out
 * from its mountinfo, and paths are compared with those. Not for: holders of a mount that covers
 * the directory. Slow (reads all of /proc): never in the daemon's own thread.
 */
#ifndef EVENKEEL_API_HOLDERS_H
#define EVENKEEL_API_HOLDERS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/limits.h"
#include "base/macros.h"

#define HOLDERS_MAX 8 /* that are named; more are only counted */

struct holder {
	pid_t pid;
	char name[64];	 /* of the process, as a person may see it */
	const char *how; /* "working directory", "open file", ...; a constant */
};

struct holders {
	int count; /* all of them */
	struct holder list[HOLDERS_MAX];
};

/* programs: our own folder; processes that run an `evenkeel*` from there are not counted, nor is
 * the caller. Errors: -ENOENT if the path is not there, others as of open(2) on /proc. */
int holders_find(const char *path, const char *programs, struct holders *out_holders) MUST_CHECK;

#endif
