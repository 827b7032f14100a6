/*
 * Children that were killed and that nobody waits for any more: a process stuck in the kernel may
 * die much later, and its status has to be taken then.
 */
#include <stdlib.h>

#include "daemon/reaper.h"

struct leftover {
	struct daemon *daemon;
	struct process process;
	struct watch watch;
};

static void on_ended(void *owner, uint32_t events)
{
	struct leftover *leftover = owner;
	int status;

	(void)events;
	loop_remove(&leftover->daemon->loop, &leftover->watch);
	(void)!process_reap(&leftover->process, &status); /* its end was reported long ago */
	free(leftover);
}

void reaper_take(struct daemon *daemon, struct process *process)
{
	struct leftover *leftover = calloc(1, sizeof(*leftover));

	if (leftover == NULL) {
		process_close(process); /* a zombie more is the lesser evil */
		return;
	}
	*leftover = (struct leftover){ .daemon = daemon, .process = *process };
	leftover->watch =
		(struct watch){ .fd = process->pidfd, .owner = leftover, .on_ready = on_ended };
	*process = (struct process){ .pidfd = -1 };
	if (loop_add(&daemon->loop, &leftover->watch, EPOLLIN) != 0) {
		process_close(&leftover->process);
		free(leftover);
	}
}
