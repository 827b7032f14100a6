#include "daemon/queue.h"

#include <stdlib.h>

#include "core/overtaking.h"

void queue_init(struct action_queue *queue)
{
	queue->first = NULL;
	queue->end = &queue->first;
}

void queue_push(struct action_queue *queue, uint64_t step, const struct action *action)
{
	struct queued_action *queued = malloc(sizeof(*queued));

	CHECK(queued != NULL);
	*queued = (struct queued_action){ .step = step, .action = *action };
	*queue->end = queued;
	queue->end = &queued->next;
}

static struct queued_action *unlink_at(struct action_queue *queue, struct queued_action **at)
{
	struct queued_action *queued = *at;

	*at = queued->next;
	if (queue->end == &queued->next)
		queue->end = at;
	queued->next = NULL;
	return queued;
}

struct queued_action *queue_pop(struct action_queue *queue, bool is_record_awaited)
{
	for (struct queued_action **at = &queue->first; *at != NULL; at = &(*at)->next)
		if (!is_record_awaited || action_overtakes(&(*at)->action))
			return unlink_at(queue, at);
	return NULL;
}

struct queued_action *queue_take_back(struct action_queue *queue, const struct action *overtaking)
{
	for (struct queued_action **at = &queue->first; *at != NULL; at = &(*at)->next)
		if (action_takes_back(overtaking, &(*at)->action))
			return unlink_at(queue, at);
	return NULL;
}

void queue_drop_step(struct action_queue *queue, uint64_t step)
{
	struct queued_action **at = &queue->first;

	while (*at != NULL) {
		const struct queued_action *queued = *at;
		bool is_said = queued->action.type == ACTION_LOG ||
			       queued->action.type == ACTION_ANSWER_COMMAND;
		if (queued->step != step || is_said)
			at = &(*at)->next;
		else
			free(unlink_at(queue, at));
	}
}

void queue_done(struct action_queue *queue)
{
	while (queue->first != NULL)
		free(unlink_at(queue, &queue->first));
}
