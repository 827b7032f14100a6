#include "repl/receiver.h"

#include "base/error.h"
#include "repl/planted.h"

void receiver_init(struct receiver *receiver, uint64_t epoch, uint64_t received)
{
	*receiver = (struct receiver){
		.epoch = epoch,
		.received = received,
		.applied = received,
		.durable = received,
	};
	receiver_verify(receiver);
}

enum verdict receiver_on_arrived(struct receiver *receiver, uint64_t epoch, uint64_t sequence)
{
	if (receiver->is_promoted && !IS_PLANTED(PLANTED_PROMOTED_RECEIVES))
		return VERDICT_STALE_EPOCH;
	if (epoch != receiver->epoch)
		return VERDICT_STALE_EPOCH;
	if (sequence <= receiver->received)
		return VERDICT_DUPLICATE;
	if (sequence != receiver->received + 1 && !IS_PLANTED(PLANTED_GAP_TAKEN))
		return VERDICT_GAP;
	receiver->received = sequence;
	receiver_verify(receiver);
	return VERDICT_TAKE;
}

int receiver_on_applied(struct receiver *receiver, uint64_t sequence)
{
	bool is_next = sequence == receiver->applied + 1 ||
		       (IS_PLANTED(PLANTED_GAP_TAKEN) && sequence > receiver->applied);

	if (!is_next || sequence > receiver->received)
		return -ERROR_INVALID;
	receiver->applied = sequence;
	receiver_verify(receiver);
	return 0;
}

int receiver_on_durable(struct receiver *receiver, uint64_t up_to)
{
	if (up_to > receiver->applied)
		return -ERROR_INVALID;
	receiver->durable = MAX_OF(receiver->durable, up_to);
	receiver_verify(receiver);
	return 0;
}

uint64_t receiver_acknowledgeable(const struct receiver *receiver)
{
	return IS_PLANTED(PLANTED_ACK_ON_RECEIPT) ? receiver->received : receiver->applied;
}

int receiver_promote(struct receiver *receiver, uint64_t *out_last)
{
	if (!receiver->is_in_sync && !IS_PLANTED(PLANTED_MIXTURE_SERVES))
		return -ERROR_INVALID;
	receiver->is_promoted = true;
	*out_last = receiver->received;
	return 0;
}

void receiver_verify(const struct receiver *receiver)
{
	CHECK(receiver->durable <= receiver->applied);
	CHECK(receiver->applied <= receiver->received);
}
