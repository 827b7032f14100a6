/* Whether the state folder's disk answers: a thread tries it, and may hang with it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/watch/internal.h"
#include "platform/clock.h"
#include "platform/disk.h"
#include "platform/worker.h"

#define CLOSE_LIMIT_S 1

struct watched_state {
	struct worker_job job; /* first */
	struct worker worker;
	int folder, file; /* the worker's while it tries */
	bool is_trying;
	struct asking asking;
	int64_t started_ns, took_ns;
	int error;
};

static void try(struct worker_job *job)
{
	struct watched_state *state = (struct watched_state *)job;

	state->error = disk_try(state->folder, &state->file);
	state->took_ns = clock_boot_ns() - state->started_ns;
}

static void on_done(void *owner, struct worker_job *job)
{
	struct watched_state *state = owner;

	(void)job;
	state->is_trying = false;
	state->asking = (struct asking){ .answered_ns = clock_boot_ns() };
}

int state_open(struct daemon *daemon, struct watched_state **out)
{
	struct watched_state *state = calloc(1, sizeof(*state));
	if (state == NULL)
		return -ENOMEM;
	const struct worker_config config = {
		.rank = RANK_WATCH, .owner = state, .work = try, .on_done = on_done
	};
	state->file = -1;
	state->asking.answered_ns = clock_boot_ns();
	state->folder = open(daemon->paths.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = state->folder < 0 ? -errno : 0;
	if (error == 0)
		error = worker_open(&state->worker, &config, &daemon->loop);
	if (error != 0) {
		if (state->folder >= 0)
			(void)close(state->folder);
		free(state);
		return error;
	}
	*out = state;
	return 0;
}

void state_close(struct watched_state *state)
{
	if (state == NULL)
		return;
	if (worker_close(&state->worker, CLOSE_LIMIT_S) != 0)
		return; /* it hangs; so its memory stays until the process ends */
	(void)close(state->folder);
	if (state->file >= 0)
		(void)close(state->file);
	free(state);
}

void state_ask(struct watched_state *state)
{
	state->asking.unanswered++;
	if (state->is_trying)
		return;
	state->is_trying = true;
	state->started_ns = clock_boot_ns();
	worker_give(&state->worker, &state->job);
}

struct sight state_sight(const struct watched_state *state, int64_t limit_ns)
{
	int64_t now_ns = clock_boot_ns();
	struct sight sight = { .finding = watch_finding(&state->asking, now_ns, limit_ns) };

	if (sight.finding != FINDING_GOOD) {
		sight.took_ns = now_ns - state->started_ns;
		return sight;
	}
	if (state->is_trying && state->took_ns == 0)
		return (struct sight){ 0 }; /* the first try of all is under way */
	sight.took_ns = state->took_ns;
	if (!state->is_trying && disk_is_broken(state->error))
		sight.finding = FINDING_BAD;
	return sight;
}
