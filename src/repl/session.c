#include "repl/session.h"

#include "base/error.h"
#include "repl/planted.h"
#include "repl/sender.h"

#define SEQUENCE_MAX ((uint64_t)1 << 62) /* nobody gets there; beyond, sums might overflow */
#define SESSION_GAP  ((uint64_t)1 << 24) /* answers go on while HELLO is under way */

/* In which modes a connection of this kind may be wanted. */
static const struct want_rule {
	const char *name;
	uint32_t modes, next;
} rules[LINK_WANT_COUNT] = {
	/* clang-format off */
	[LINK_IDLE]     = { "idle",
		BIT(SENDER_ALONE) | BIT(SENDER_CATCHING_UP) | BIT(SENDER_PAIRED) | BIT(SENDER_HELD),
		BIT(LINK_IDLE) | BIT(LINK_RESYNC) | BIT(LINK_CONTINUE) },
	[LINK_RESYNC]   = { "resync",   BIT(SENDER_ALONE), BIT(LINK_IDLE) | BIT(LINK_RESYNC) },
	[LINK_CONTINUE] = { "continue", BIT(SENDER_HELD),  BIT(LINK_IDLE) | BIT(LINK_CONTINUE) },
	/* clang-format on */
};

const char *link_want_name(enum link_want want)
{
	CHECK(want < LINK_WANT_COUNT);
	return rules[want].name;
}

bool link_want_may_follow(enum link_want want, enum link_want next)
{
	CHECK(want < LINK_WANT_COUNT && next < LINK_WANT_COUNT);
	return (rules[want].next & BIT(next)) != 0;
}

static void want_move(struct sender *sender, enum link_want next)
{
	CHECK(link_want_may_follow(sender->session.want, next));
	sender->session.want = next;
	session_verify(sender);
}

void session_verify(const struct sender *sender)
{
	CHECK((unsigned)sender->session.want < LINK_WANT_COUNT);
	CHECK((rules[sender->session.want].modes & BIT(sender->mode)) != 0);
}

int session_connect(struct sender *sender, enum stream_wants plan, int64_t now_ns)
{
	CHECK(plan != STREAM_CONTINUE);
	if (sender->mode == SENDER_CATCHING_UP)
		return 0;
	if (sender->mode != SENDER_ALONE)
		return -ERROR_INVALID;
	sender->session.plan = plan;
	sender->session.is_loss_told = false;
	sender->watch.lost_ns = now_ns;
	want_move(sender, LINK_RESYNC);
	return 0;
}

/* ---- HELLO ---- */

static enum stream_wants wanted(const struct session *session)
{
	return session->want == LINK_CONTINUE ? STREAM_CONTINUE : session->plan;
}

bool session_hello(const struct sender *sender, uint64_t new_session, struct hello *hello)
{
	if (sender->session.want == LINK_IDLE)
		return false;
	hello->wants = wanted(&sender->session);
	if (hello->wants == STREAM_CONTINUE) {
		hello->session = sender->log.header->session;
		hello->received = sender->acked;
	} else {
		hello->session = new_session;
		hello->received = sender->next_sequence + SESSION_GAP;
	}
	hello->durable = sender->local_barrier;
	return true;
}

static bool is_same_copy(const struct hello *ours, const struct hello *theirs)
{
	return __builtin_memcmp(ours->set_id, theirs->set_id, SET_ID_SIZE) == 0 &&
	       ours->epoch.number == theirs->epoch.number;
}

/* From what the peer has received on, everything is sent again. */
static enum hello_outcome go_on(
	struct sender *sender, const struct hello *ours, const struct hello *theirs)
{
	if ((theirs->session != sender->log.header->session &&
		    !IS_PLANTED(PLANTED_OTHER_SESSION)) ||
		sender->session.is_broken || !is_same_copy(ours, theirs))
		return HELLO_OVER;
	enum link_want want = sender->session.want;
	sender->session.want = LINK_IDLE;
	if (sender_reconnected(sender, theirs->received) == 0)
		return HELLO_CONTINUED;
	sender->session.want = want;
	return HELLO_OVER;
}

/*
 * A new session: its first operation is the first of the resynchronisation. All its sequences are
 * above whatever the peer saw in another history, so that barriers only rise.
 */
static enum hello_outcome begin(
	struct sender *sender, const struct hello *ours, const struct hello *theirs, bool is_tidy)
{
	if (theirs->durable >= SEQUENCE_MAX || theirs->session != ours->session ||
		!is_same_copy(ours, theirs))
		return HELLO_WRONG;
	if (sender->mode != SENDER_ALONE || ours->epoch.number != sender->epoch)
		return HELLO_AGAIN; /* or the core has gone on meanwhile */
	if (theirs->durable > ours->received) {
		sender->next_sequence = MAX_OF(sender->next_sequence, theirs->durable + 1);
		return HELLO_AGAIN;
	}
	if (!is_tidy || sender->next_sequence > ours->received + 1)
		return HELLO_AGAIN; /* the next try finds it tidy */
	want_move(sender, LINK_IDLE);
	sender->next_sequence = ours->received + 1;
	sender->acked = ours->received;
	sender->session.is_complete_told = false;
	sender_format_log(sender, ours->session);
	return sender_catch_up(sender) == 0 ? HELLO_BEGUN : HELLO_AGAIN;
}

enum hello_outcome session_on_hello(struct sender *sender, const struct hello *ours,
	const struct hello *theirs, bool is_tidy, int64_t now_ns)
{
	struct session *session = &sender->session;

	if (theirs->version != STREAM_VERSION)
		return HELLO_WRONG;
	if (session->want == LINK_IDLE || wanted(session) != ours->wants)
		return HELLO_AGAIN; /* another order came in between */
	enum hello_outcome outcome = ours->wants == STREAM_CONTINUE
					     ? go_on(sender, ours, theirs)
					     : begin(sender, ours, theirs, is_tidy);
	if (outcome != HELLO_CONTINUED && outcome != HELLO_BEGUN)
		return outcome;
	session->is_up = true;
	session->is_loss_told = false;
	watch_on_connected(sender, now_ns);
	sender_verify(sender);
	return outcome;
}

void session_abandon(struct sender *sender)
{
	CHECK(sender->mode == SENDER_CATCHING_UP);
	sender->session.is_up = false;
	sender_peer_lost(sender);
	sender_format_log(sender, 0);
	want_move(sender, LINK_RESYNC);
}

/* ---- its life ---- */

bool session_on_complete(struct sender *sender)
{
	bool is_new = sender->mode == SENDER_PAIRED && !sender->session.is_complete_told;

	sender->session.is_complete_told = sender->session.is_complete_told || is_new;
	return is_new;
}

bool session_is_paired(const struct sender *sender, uint64_t epoch)
{
	return sender_needs_peer(sender) && sender->epoch == epoch;
}

bool session_on_disconnected(struct sender *sender, int64_t now_ns)
{
	struct session *session = &sender->session;

	session->is_up = false;
	if (sender->mode == SENDER_CATCHING_UP)
		return true;
	if (sender->mode == SENDER_PAIRED) {
		sender->watch.lost_ns = now_ns;
		sender_peer_lost(sender);
	}
	if (sender->mode == SENDER_HELD)
		want_move(sender, session->is_broken ? LINK_IDLE : LINK_CONTINUE);
	return false;
}

void session_break(struct sender *sender)
{
	struct oplog_header *header = sender->log.header;

	sender->session.is_broken = true;
	if (header->pairing == OPLOG_PAIRED) /* for a successor */
		header->pairing = OPLOG_BROKEN;
}

bool session_drop(struct sender *sender, enum loss loss)
{
	struct session *session = &sender->session;
	bool is_new = !session->is_loss_told;

	if (!sender_is_sending(sender))
		return false; /* of a session that is over; another may be wanted by now */
	session->is_loss_told = true;
	if (loss == LOSS_FAILED)
		session_break(sender);
	if (session->is_broken || loss == LOSS_OVER || sender->mode == SENDER_CATCHING_UP)
		want_move(sender, LINK_IDLE);
	sender_peer_lost(sender);
	if (sender->mode == SENDER_ALONE && sender->log.header->session != 0)
		sender_format_log(sender, 0);
	return is_new;
}

void session_let_go(struct sender *sender, bool is_left)
{
	sender->session.is_let_go = is_left && sender->mode == SENDER_HELD;
}
