/*
 * The durable record of a module on its way to the disk. One is on its way at a time; while it is,
 * its module goes nowhere that the record does not yet allow (a kind's table of steps says where
 * it may). One that cannot be written is tried again, until it can or is abandoned.
 */
#ifndef EVENKEEL_CORE_WRITING_H
#define EVENKEEL_CORE_WRITING_H

#include "core/core.h"

#define WRITING_STUCK_NS (2 * NS_PER_S) /* a record has one block */

struct instance;

struct writing {
	struct record record;
	bool is_open;
	bool is_failed;	    /* the last attempt; the next one comes in a while */
	bool is_in_trouble; /* one failed, and none has succeeded since */
	bool is_stuck_said;
	int64_t begun_ns; /* the attempt under way, or when the last one failed */
	int64_t first_ns; /* when this record was begun */
	int64_t took_ns;  /* of the last one that is durable */
	uint64_t stamp;	  /* rises with each durable record: a summary changed */
};

void writing_begin(struct core *core, struct instance *instance, const struct record *next);
void writing_on_written(struct core *core, struct instance *instance, int error);
/* Tries again what failed, when it is time. False if that is not yet so. */
bool writing_retry(struct core *core, struct instance *instance);
/* One is under way for so long that its disk hangs; says so once. Wakes when it would. */
bool writing_is_stuck(struct core *core, struct instance *instance);
/* Does not try again what failed: in the file is the old record, or the new one. */
void writing_abandon(struct instance *instance);

#endif
