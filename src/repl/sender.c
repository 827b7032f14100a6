#include "repl/sender.h"

#include "base/error.h"
#include "repl/planted.h"

static const struct mode_rule {
	const char *name;
	uint32_t next;	 /* modes that may follow */
	bool is_sending; /* operations go into the log and to the peer */
} rules[SENDER_MODE_COUNT] = {
	/* clang-format off */
	[SENDER_ALONE]       = { "alone",       BIT(SENDER_ALONE) | BIT(SENDER_CATCHING_UP), false },
	[SENDER_CATCHING_UP] = { "catching_up", BIT(SENDER_ALONE) | BIT(SENDER_PAIRED),      true },
	[SENDER_PAIRED]      = { "paired",      BIT(SENDER_ALONE) | BIT(SENDER_HELD),        true },
	[SENDER_HELD]        = { "held",        BIT(SENDER_ALONE) | BIT(SENDER_PAIRED),      true },
	/* clang-format on */
};

const char *sender_mode_name(enum sender_mode mode)
{
	CHECK(mode < SENDER_MODE_COUNT);
	return rules[mode].name;
}

bool sender_mode_may_follow(enum sender_mode mode, enum sender_mode next)
{
	CHECK(mode < SENDER_MODE_COUNT && next < SENDER_MODE_COUNT);
	return (rules[mode].next & BIT(next)) != 0;
}

static int sender_move(struct sender *sender, enum sender_mode next)
{
	if (!sender_mode_may_follow(sender->mode, next))
		return -ERROR_INVALID;
	sender->mode = next;
	sender_verify(sender);
	return 0;
}

static uint64_t last_given(const struct sender *sender)
{
	return sender->next_sequence - 1;
}

void sender_init(struct sender *sender, uint64_t epoch, uint64_t next_sequence)
{
	CHECK(next_sequence > 0);
	*sender = (struct sender){
		.mode = SENDER_ALONE,
		.epoch = epoch,
		.next_sequence = next_sequence,
	};
	sender_verify(sender);
}

uint64_t sender_sequence(struct sender *sender)
{
	CHECK(sender->next_sequence > 0);
	CHECK(sender->next_sequence < UINT64_MAX);
	return sender->next_sequence++;
}

bool sender_is_sending(const struct sender *sender)
{
	return rules[sender->mode].is_sending;
}

uint64_t sender_answerable(const struct sender *sender)
{
	if (sender->is_muted)
		return 0;
	switch (sender->mode) {
	case SENDER_ALONE:
	case SENDER_CATCHING_UP: return last_given(sender);
	case SENDER_PAIRED:
		return IS_PLANTED(PLANTED_ANSWER_ON_SENT) ? last_given(sender) : sender->acked;
	case SENDER_HELD: return IS_PLANTED(PLANTED_ANSWER_IGNORES_HELD) ? last_given(sender) : 0;
	case SENDER_MODE_COUNT: break;
	}
	CHECK(false);
	return 0;
}

int sender_on_acknowledged(
	struct sender *sender, uint64_t epoch, uint64_t applied, uint64_t durable)
{
	if (epoch != sender->epoch && !IS_PLANTED(PLANTED_STRANGE_ACK))
		return -ERROR_STALE;
	if (applied > last_given(sender) || durable > applied)
		return -ERROR_INVALID;
	sender->acked = MAX_OF(sender->acked, applied);
	if (IS_PLANTED(PLANTED_APPLIED_IS_DURABLE))
		durable = applied;
	sender->peer_barrier = MAX_OF(sender->peer_barrier, durable);
	sender_verify(sender);
	return 0;
}

void sender_on_synced_here(struct sender *sender, uint64_t up_to)
{
	CHECK(up_to <= last_given(sender));
	sender->local_barrier = MAX_OF(sender->local_barrier, up_to);
	sender_verify(sender);
}

int sender_catch_up(struct sender *sender)
{
	return sender_move(sender, SENDER_CATCHING_UP);
}

int sender_pair(struct sender *sender)
{
	return sender->mode == SENDER_CATCHING_UP ? sender_move(sender, SENDER_PAIRED)
						  : -ERROR_INVALID;
}

void sender_peer_lost(struct sender *sender)
{
	if (sender->mode == SENDER_PAIRED)
		sender->mode = IS_PLANTED(PLANTED_LOST_IS_ALONE) ? SENDER_ALONE : SENDER_HELD;
	else if (sender->mode == SENDER_CATCHING_UP)
		sender->mode = SENDER_ALONE;
	sender_verify(sender);
}

int sender_reconnected(struct sender *sender, uint64_t received)
{
	if (sender->mode != SENDER_HELD)
		return -ERROR_INVALID;
	if (received < sender->acked || received > last_given(sender))
		return -ERROR_INVALID;
	return sender_move(sender, SENDER_PAIRED);
}

int sender_go_alone(struct sender *sender, uint64_t epoch)
{
	if (epoch <= sender->epoch && !IS_PLANTED(PLANTED_STALE_ALONE))
		return -ERROR_INVALID;
	int error = sender_move(sender, SENDER_ALONE);
	if (error == 0)
		sender->epoch = epoch;
	return error;
}

void sender_verify(const struct sender *sender)
{
	CHECK((unsigned)sender->mode < SENDER_MODE_COUNT);
	CHECK(sender->next_sequence > 0);
	CHECK(sender->acked <= last_given(sender));
	CHECK(sender->peer_barrier <= sender->acked);
	CHECK(sender->local_barrier <= last_given(sender));
}
