#include "repl/barrier.h"

#include "base/macros.h"
#include "repl/planted.h"
#include "repl/receiver.h"
#include "repl/sender.h"

/* The highest sequence that is done here. */
static uint64_t done_here(const struct replica *replica)
{
	switch (replica->side) {
	case SIDE_PRIMARY: return replica->sender->next_sequence - 1;
	case SIDE_SECONDARY: return replica->receiver->applied;
	case SIDE_NONE: break;
	}
	return MAX_OF(replica->sender->next_sequence - 1, replica->receiver->applied);
}

void barriers_begin(struct barriers *barriers, int64_t now_ns)
{
	*barriers = (struct barriers){ .taken_ns = now_ns };
}

void barriers_want(struct barriers *barriers)
{
	barriers->is_wanted = true;
}

void barriers_want_drain(struct barriers *barriers)
{
	barriers->is_drain_wanted = true;
}

bool barriers_are_due(
	const struct barriers *barriers, const struct replica *replica, int64_t now_ns)
{
	bool is_time = done_here(replica) != barriers->taken &&
		       now_ns - barriers->taken_ns > SYNC_EVERY_NS;

	return barriers->is_drain_wanted || barriers->is_wanted || is_time;
}

enum barrier_job barriers_next(
	struct barriers *barriers, const struct replica *replica, int64_t now_ns)
{
	bool is_drain = barriers->is_drain_wanted;

	if (!barriers_are_due(barriers, replica, now_ns))
		return BARRIER_NOTHING;
	barriers->is_drain_wanted = barriers->is_wanted = false;
	return is_drain ? BARRIER_DRAIN : BARRIER_TAKE;
}

struct barrier barrier_begin(const struct replica *replica)
{
	return (struct barrier){
		.side = replica->side,
		.up_to = done_here(replica),
		.session = replica->receiver->log.header->session,
	};
}

static bool is_void(const struct replica *replica, const struct barrier *barrier)
{
	return barrier->side == SIDE_SECONDARY && replica->side == SIDE_SECONDARY &&
	       barrier->session != replica->receiver->log.header->session;
}

bool barrier_end(struct barriers *barriers, const struct replica *replica,
	const struct barrier *barrier, int64_t now_ns)
{
	uint64_t up_to = IS_PLANTED(PLANTED_BARRIER_AT_END) ? done_here(replica) : barrier->up_to;

	if (is_void(replica, barrier))
		return false;
	if (replica->side == SIDE_PRIMARY && up_to < replica->sender->next_sequence)
		sender_on_synced_here(replica->sender, up_to);
	if (replica->side == SIDE_SECONDARY && up_to <= replica->receiver->applied) {
		int error = receiver_on_durable(replica->receiver, up_to);
		CHECK(error == 0);
	}
	barriers->taken = up_to;
	barriers->taken_ns = now_ns;
	return true;
}
