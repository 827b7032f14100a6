#include "repl/sender.h"

#include "base/error.h"
#include "repl/planted.h"

static const struct mode_rule {
	const char *name;
	uint32_t next;	     /* modes that may follow */
	bool is_sending;     /* operations go into the log and to the peer */
	bool is_peer_needed; /* what the peer has not done is not done */
} rules[SENDER_MODE_COUNT] = {
	/* clang-format off */
	[SENDER_ALONE]       = { "alone",       BIT(SENDER_ALONE) | BIT(SENDER_CATCHING_UP), false, false },
	[SENDER_CATCHING_UP] = { "catching_up", BIT(SENDER_ALONE) | BIT(SENDER_PAIRED),      true,  false },
	[SENDER_PAIRED]      = { "paired",      BIT(SENDER_ALONE) | BIT(SENDER_HELD),        true,  true },
	[SENDER_HELD]        = { "held",        BIT(SENDER_ALONE) | BIT(SENDER_PAIRED),      true,  true },
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

/* ---- begin ---- */

void sender_open(struct sender *sender, const struct oplog *log, enum durability durability)
{
	*sender = (struct sender){ .log = *log, .durability = durability, .next_sequence = 1 };
	sender_verify(sender);
}

void sender_format_log(struct sender *sender, uint64_t session)
{
	struct oplog *log = &sender->log;

	oplog_format(log, log->header, OPLOG_HEADER_SIZE + log->header->ring_size, session,
		sender->next_sequence);
	log->header->epoch = sender->epoch;
	sender->cursor.position = log->header->tail;
	sender->sent = last_given(sender);
	sender->session.is_broken = false;
}

static void reset(struct sender *sender, uint64_t epoch, uint64_t next_sequence)
{
	CHECK(next_sequence > 0);
	*sender = (struct sender){
		.mode = SENDER_ALONE,
		.durability = sender->durability,
		.epoch = epoch,
		.next_sequence = next_sequence,
		.log = sender->log,
	};
}

void sender_init(struct sender *sender, uint64_t epoch, uint64_t next_sequence)
{
	reset(sender, epoch, next_sequence);
	sender_format_log(sender, 0);
	sender_verify(sender);
}

uint64_t sender_next_tenure(uint64_t known)
{
	return ((known >> TENURE_BITS) + 1) << TENURE_BITS;
}

static bool can_go_on(const struct oplog_header *header, uint64_t epoch)
{
	return header->session != 0 && header->pairing != OPLOG_UNPAIRED &&
	       header->epoch == epoch && header->applied < header->next_sequence;
}

enum resumption sender_resume(struct sender *sender, uint64_t epoch, uint64_t known, int64_t now_ns)
{
	const struct oplog_header *header = sender->log.header;
	bool had_session = header->session != 0;

	if (!can_go_on(header, epoch) || IS_PLANTED(PLANTED_RESUMED_ALONE)) {
		sender_init(sender, epoch, sender_next_tenure(known));
		return had_session ? RESUMED_LOST : RESUMED_ALONE;
	}
	/* Of a broken session more sequences were given than the log knows of: none of them again. */
	bool is_broken = header->pairing == OPLOG_BROKEN;
	uint64_t next = is_broken ? sender_next_tenure(MAX_OF(known, header->next_sequence))
				  : header->next_sequence;
	reset(sender, epoch, next);
	sender->mode = SENDER_HELD;
	sender->acked = header->applied;
	sender->cursor.position = header->tail;
	sender->sent = last_given(sender);
	sender->session.is_broken = is_broken;
	sender->session.want = is_broken ? LINK_IDLE : LINK_CONTINUE;
	sender->watch.lost_ns = now_ns;
	sender_verify(sender);
	return RESUMED_HELD;
}

/* ---- operations ---- */

uint64_t sender_give(struct sender *sender, struct op *op)
{
	CHECK(sender->next_sequence > 0);
	CHECK(sender->next_sequence < UINT64_MAX);
	op->sequence = sender->next_sequence++;
	op->epoch = sender->epoch;
	if (sender_is_sending(sender) &&
		(sender->session.is_broken || oplog_append(&sender->log, op) != 0))
		session_break(sender);
	return op->sequence;
}

bool sender_has_room(const struct sender *sender, const struct op_window *window)
{
	const struct oplog_header *header = sender->log.header;
	const struct session *session = &sender->session;

	if (!sender_is_sending(sender) || session->is_broken || session->is_let_go)
		return true; /* nobody waits for the peer */
	uint64_t first = MAX_OF(header->first_sequence, sender->acked + 1);
	return header->next_sequence - first < window->ops &&
	       header->tail - header->head < window->bytes;
}

bool sender_next_to_send(
	const struct sender *sender, struct oplog_cursor *out_after, struct bytes *out_encoded)
{
	*out_after = sender->cursor;
	return oplog_next(&sender->log, out_after, out_encoded);
}

void sender_on_sent(struct sender *sender, struct oplog_cursor after)
{
	CHECK(after.position > sender->cursor.position);
	sender->cursor = after;
	sender->sent++;
	CHECK(sender->sent <= last_given(sender));
}

bool sender_is_sending(const struct sender *sender)
{
	return rules[sender->mode].is_sending;
}

/* ---- answers ---- */

static uint64_t answerable_in_step(const struct sender *sender)
{
	if (sender->durability == DURABILITY_FSYNC)
		return last_given(sender); /* its syncs wait (repl/syncs.h) */
	return IS_PLANTED(PLANTED_ANSWER_ON_SENT) ? last_given(sender) : sender->acked;
}

uint64_t sender_answerable(const struct sender *sender)
{
	if (sender->is_muted)
		return 0;
	switch (sender->mode) {
	case SENDER_ALONE:
	case SENDER_CATCHING_UP: return last_given(sender);
	case SENDER_PAIRED: return answerable_in_step(sender);
	case SENDER_HELD: return IS_PLANTED(PLANTED_ANSWER_IGNORES_HELD) ? last_given(sender) : 0;
	case SENDER_MODE_COUNT: break;
	}
	CHECK(false);
	return 0;
}

bool sender_needs_peer(const struct sender *sender)
{
	if (sender->mode == SENDER_HELD && IS_PLANTED(PLANTED_HELD_NEEDS_NOBODY))
		return false;
	return rules[sender->mode].is_peer_needed;
}

bool sender_is_known_there(const struct sender *sender, uint64_t sequence)
{
	return !sender_needs_peer(sender) || sender->acked >= sequence ||
	       IS_PLANTED(PLANTED_LEASE_UNTOLD);
}

/* `durable` reaches what stood before the sync when it is done; the sync itself counts as applied a
 * moment later. */
bool sender_is_drained(const struct sender *sender, uint64_t sequence)
{
	return !sender_needs_peer(sender) || IS_PLANTED(PLANTED_DRAINED_HERE_ONLY) ||
	       (sender->peer_barrier + 1 >= sequence && sender->acked >= sequence);
}

static void forget_acknowledged(struct sender *sender)
{
	sender->log.header->applied = sender->acked;
	oplog_trim(&sender->log, MIN_OF(sender->acked, sender->sent));
}

int sender_on_acknowledged(
	struct sender *sender, uint64_t epoch, uint64_t applied, uint64_t durable, int64_t now_ns)
{
	uint64_t before = sender->acked;

	if (epoch != sender->epoch && !IS_PLANTED(PLANTED_STRANGE_ACK))
		return -ERROR_STALE;
	/* What is durable at a copy that is not complete proves nothing. */
	if (sender->mode == SENDER_CATCHING_UP)
		durable = 0;
	if (applied > last_given(sender) || durable > applied)
		return -ERROR_INVALID;
	sender->acked = MAX_OF(sender->acked, applied);
	if (IS_PLANTED(PLANTED_APPLIED_IS_DURABLE))
		durable = applied;
	sender->peer_barrier = MAX_OF(sender->peer_barrier, durable);
	if (sender->acked > before || sender->acked >= sender->sent)
		watch_on_progress(sender, now_ns);
	forget_acknowledged(sender);
	sender_verify(sender);
	return 0;
}

void sender_on_synced_here(struct sender *sender, uint64_t up_to)
{
	CHECK(up_to <= last_given(sender));
	sender->local_barrier = MAX_OF(sender->local_barrier, up_to);
	sender_verify(sender);
}

void sender_mute(struct sender *sender, bool is_muted)
{
	sender->is_muted = is_muted;
}

/* ---- modes ---- */

int sender_catch_up(struct sender *sender)
{
	return sender_move(sender, SENDER_CATCHING_UP);
}

int sender_pair(struct sender *sender)
{
	if (sender->mode != SENDER_CATCHING_UP)
		return -ERROR_INVALID;
	sender->log.header->pairing = OPLOG_PAIRED;
	return sender_move(sender, SENDER_PAIRED);
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
	if (oplog_seek(&sender->log, received + 1, &sender->cursor) != 0)
		sender->cursor.position = sender->log.header->tail; /* it has everything */
	sender->sent = received;
	return sender_move(sender, SENDER_PAIRED);
}

int sender_go_alone(struct sender *sender, uint64_t epoch)
{
	bool is_so = !sender_needs_peer(sender) && epoch == sender->epoch;

	if (!is_so && epoch <= sender->epoch && !IS_PLANTED(PLANTED_STALE_ALONE))
		return -ERROR_INVALID;
	sender->session.want = LINK_IDLE;
	int error = sender_move(sender, SENDER_ALONE);
	CHECK(error == 0); /* from everywhere */
	sender->epoch = epoch;
	sender_format_log(sender, 0);
	sender_verify(sender);
	return 0;
}

void sender_verify(const struct sender *sender)
{
	CHECK((unsigned)sender->mode < SENDER_MODE_COUNT);
	CHECK(sender->next_sequence > 0);
	CHECK(sender->acked <= last_given(sender));
	CHECK(sender->peer_barrier <= sender->acked);
	CHECK(sender->local_barrier <= last_given(sender));
	CHECK(sender->sent <= last_given(sender));
	session_verify(sender);
}
