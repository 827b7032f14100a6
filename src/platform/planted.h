/*
 * Wrong versions of rules about what is durable, ordered and answered, for tests/durable to find: compiled
 * into test programs only (evenkeel-fs-planted, evenkeel-planted), where the environment names one by its
 * number. Not for: the product, in which IS_PLANTED() is false when it is compiled.
 * Numbers from 201 on; those of the core stand in core/planted.h, of replication in repl/planted.h.
 */
#ifndef EVENKEEL_PLATFORM_PLANTED_H
#define EVENKEEL_PLATFORM_PLANTED_H

#include <stdbool.h>

enum {
	PLANTED_SECOND_SYNC_SKIPPED = 201, /* the secondary says that it synced an object (R1) */
	PLANTED_FIRST_SYNC_SKIPPED = 202,  /* the primary answers fsync without its own (R1) */
	PLANTED_BARRIER_UNSYNCED = 203,	   /* a barrier moves, and nothing was synced (R1) */
	PLANTED_COPY_UNSYNCED = 204,	   /* complete is told of what lies in memory (R4) */
	PLANTED_SLOT_UNSYNCED = 205,	   /* a record is written, and may be gone (R16) */
	PLANTED_ANSWER_ONE_MORE = 206,	   /* one call returns that the peer did not do (R6) */
	PLANTED_WRITE_UNORDERED = 207,	   /* writes done in one order, sequenced in another (R5) */
	PLANTED_SYNC_ALL_ERROR_LOST = 208, /* what syncfs(2) said is not looked at (R5) */
	PLANTED_SECOND_SYNC_ERROR_LOST = 209, /* the same for the secondary's fsync(2) (R5) */
	PLANTED_FIRST_SYNC_ERROR_LOST = 210,  /* the same for the primary's (R5) */
	PLANTED_MARK_UNSYNCED = 211,	      /* the state says more than the data's mark (R2) */
	PLANTED_LIMIT_UNSYNCED = 212,	      /* ids are used that a power cut gives again (R11) */
	PLANTED_FILE_UNSYNCED = 213,   /* a file is renamed to its name before it is whole (R17) */
	PLANTED_FOLDER_UNSYNCED = 214, /* a name that was made is not there after a cut (R17) */
	PLANTED_APPLIED_TOO_EARLY = 215,  /* acknowledged before the call returned there (R6) */
	PLANTED_SYNC_ANSWERED_HERE = 216, /* fsync returns before the peer synced (R1) */
};

#ifdef WITH_PLANTED
/* What EVENKEEL_PLANTED says. */
bool planted_is(int bug);
#define IS_PLANTED(bug) planted_is(bug)
#else
#define IS_PLANTED(bug) false
#endif

#endif
