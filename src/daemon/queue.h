/*
 * The actions of one module that are not yet performed, in their order. While a record is being
 * written they wait, but for those that overtake it (core/overtaking.h).
 *
 * Not for: performing. The daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_QUEUE_H
#define EVENKEEL_DAEMON_QUEUE_H

#include "core/core.h"

/* One action that waits for its module's turn. */
struct queued_action {
	struct queued_action *next;
	uint64_t step; /* the core_step() it came from */
	struct action action;
};

struct action_queue {
	struct queued_action *first, **end;
};

void queue_init(struct action_queue *queue);
/* Out of memory stops the process: it is started again. */
void queue_push(struct action_queue *queue, uint64_t step, const struct action *action);
/* The next one that may be performed now; gives it, for free(3). NULL: none. */
struct queued_action *queue_pop(struct action_queue *queue, bool is_record_awaited);
/* One that the action, which overtakes, takes back; gives it, for free(3). NULL: no more. */
struct queued_action *queue_take_back(struct action_queue *queue, const struct action *overtaking);
/* What this step ordered is not done any more; what it says to people stays. */
void queue_drop_step(struct action_queue *queue, uint64_t step);
void queue_done(struct action_queue *queue);

#endif
