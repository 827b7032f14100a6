#include "repl/receiver.h"

#include "base/error.h"
#include "repl/planted.h"

static const struct phase_rule {
	const char *name;
	uint32_t next;	 /* phases that may follow */
	bool is_open;	 /* its operations are applied */
	bool is_heard;	 /* and taken, and acknowledged */
	bool is_in_sync; /* everything acknowledged is here */
} rules[RECEIVER_PHASE_COUNT] = {
	/* clang-format off */
	[RECEIVER_IDLE]     = { "idle",
		BIT(RECEIVER_QUIET) | BIT(RECEIVER_FAILED) | BIT(RECEIVER_PROMOTED),    false, false, false },
	[RECEIVER_QUIET]    = { "quiet",
		BIT(RECEIVER_QUIET) | BIT(RECEIVER_FILLING) | BIT(RECEIVER_FAILED),     false, false, false },
	[RECEIVER_FILLING]  = { "filling",
		BIT(RECEIVER_IDLE) | BIT(RECEIVER_QUIET) | BIT(RECEIVER_IN_SYNC) |
		BIT(RECEIVER_FAILED), true,  true,  false },
	[RECEIVER_IN_SYNC]  = { "in_sync",
		BIT(RECEIVER_QUIET) | BIT(RECEIVER_FAILED) | BIT(RECEIVER_PROMOTED),    true,  true,  true },
	[RECEIVER_FAILED]   = { "failed",
		BIT(RECEIVER_QUIET) | BIT(RECEIVER_FAILED),                             false, false, false },
	[RECEIVER_PROMOTED] = { "promoted",
		BIT(RECEIVER_PROMOTED) | BIT(RECEIVER_FAILED),                          true,  false, true },
	/* clang-format on */
};

static const char *const sentences[OBJECTION_COUNT] = {
	[OBJECTION_NONE] = "",
	[OBJECTION_VERSION] = "another protocol version: install the same release on both nodes",
	[OBJECTION_PROMOTED] = "this node has taken over",
	[OBJECTION_OLD_EPOCH] = "this node knows of a later epoch: the caller is no longer primary",
	[OBJECTION_OTHER_SET] = "the data here belong to another set of copies",
};

const char *receiver_phase_name(enum receiver_phase phase)
{
	CHECK(phase < RECEIVER_PHASE_COUNT);
	return rules[phase].name;
}

bool receiver_phase_may_follow(enum receiver_phase phase, enum receiver_phase next)
{
	CHECK(phase < RECEIVER_PHASE_COUNT && next < RECEIVER_PHASE_COUNT);
	return (rules[phase].next & BIT(next)) != 0;
}

static void receiver_move(struct receiver *receiver, enum receiver_phase next)
{
	CHECK(receiver_phase_may_follow(receiver->phase, next));
	receiver->phase = next;
	receiver_verify(receiver);
}

/* ---- begin ---- */

/* An empty log: the first operation of this session, 0 for none, comes after `received`. */
static void format_log(struct receiver *receiver, uint64_t session)
{
	struct oplog *log = &receiver->log;

	oplog_format(log, log->header, OPLOG_HEADER_SIZE + log->header->ring_size, session,
		receiver->received + 1);
	log->header->epoch = receiver->epoch;
	receiver->cursor.position = log->header->tail;
}

static void reset(
	struct receiver *receiver, enum receiver_phase phase, uint64_t epoch, uint64_t received)
{
	*receiver = (struct receiver){
		.phase = phase,
		.epoch = epoch,
		.received = received,
		.applied = received,
		.durable = received,
		.log = receiver->log,
	};
}

void receiver_open(struct receiver *receiver, const struct oplog *log)
{
	*receiver = (struct receiver){ .log = *log };
}

void receiver_init(struct receiver *receiver, uint64_t epoch)
{
	reset(receiver, RECEIVER_IDLE, epoch, 0);
	format_log(receiver, 0);
	receiver_verify(receiver);
}

static bool can_go_on(const struct oplog_header *header, uint64_t epoch)
{
	/* A primary of a later epoch may have connected since the role was ordered. */
	return header->session != 0 && header->epoch >= epoch &&
	       header->applied < header->next_sequence;
}

bool receiver_resume(struct receiver *receiver, uint64_t epoch, bool was_in_sync, uint64_t durable)
{
	const struct oplog_header *header = receiver->log.header;

	if (!was_in_sync || !can_go_on(header, epoch)) {
		receiver_init(receiver, epoch);
		return false;
	}
	reset(receiver, RECEIVER_IN_SYNC, header->epoch, header->next_sequence - 1);
	receiver->applied = header->applied;
	receiver->durable = MIN_OF(header->applied, durable);
	if (oplog_seek(&receiver->log, header->applied + 1, &receiver->cursor) != 0)
		receiver->cursor.position = header->tail; /* everything is applied */
	receiver_verify(receiver);
	return true;
}

void receiver_note_promoted(struct receiver *receiver, struct epoch epoch)
{
	CHECK(epoch.number != 0);
	CHECK(receiver->phase == RECEIVER_IDLE);
	receiver->promoted_epoch = epoch;
}

/* ---- the session ---- */

static bool is_blank(const uint8_t set_id[SET_ID_SIZE])
{
	static const uint8_t nothing[SET_ID_SIZE];

	return __builtin_memcmp(set_id, nothing, SET_ID_SIZE) == 0;
}

enum objection receiver_objection(
	const struct receiver *receiver, const struct hello *ours, const struct hello *theirs)
{
	if (theirs->version != STREAM_VERSION)
		return OBJECTION_VERSION;
	if (receiver->phase == RECEIVER_PROMOTED)
		return OBJECTION_PROMOTED;
	if (theirs->epoch.number < ours->epoch.number)
		return OBJECTION_OLD_EPOCH;
	bool is_ours = __builtin_memcmp(theirs->set_id, ours->set_id, SET_ID_SIZE) == 0;
	if (!is_ours && !is_blank(ours->set_id) && theirs->wants != STREAM_SET_ASIDE)
		return OBJECTION_OTHER_SET;
	return OBJECTION_NONE;
}

const char *objection_sentence(enum objection objection)
{
	CHECK((unsigned)objection < OBJECTION_COUNT);
	return sentences[objection];
}

bool receiver_quiet(struct receiver *receiver)
{
	if (receiver->phase == RECEIVER_PROMOTED)
		return false;
	receiver_move(receiver, RECEIVER_QUIET);
	return true;
}

bool receiver_begin_session(struct receiver *receiver, const struct hello *theirs)
{
	CHECK(theirs->wants != STREAM_CONTINUE);
	if (receiver->phase == RECEIVER_PROMOTED)
		return false;
	receiver_move(receiver, RECEIVER_QUIET);
	reset(receiver, RECEIVER_QUIET, theirs->epoch.number, theirs->received);
	format_log(receiver, theirs->session);
	receiver_move(receiver, RECEIVER_FILLING);
	return true;
}

static bool is_same_session(const struct receiver *receiver, const struct hello *theirs)
{
	return rules[receiver->phase].is_heard &&
	       receiver->log.header->session == theirs->session &&
	       receiver->epoch == theirs->epoch.number;
}

bool receiver_answer(const struct receiver *receiver, const struct hello *theirs, uint64_t known,
	struct hello *ours)
{
	bool is_new = theirs->wants != STREAM_CONTINUE;
	bool is_going_on = is_new || is_same_session(receiver, theirs);

	ours->session = is_going_on ? theirs->session : 0;
	ours->received = receiver->received;
	ours->durable = is_new ? known : receiver->durable;
	return is_going_on;
}

void receiver_on_disconnected(struct receiver *receiver)
{
	if (receiver->phase != RECEIVER_FILLING)
		return;
	receiver->log.header->session = 0;
	receiver_move(receiver, RECEIVER_IDLE);
}

void receiver_fail(struct receiver *receiver)
{
	receiver->log.header->session = 0;
	receiver_move(receiver, RECEIVER_FAILED);
}

/* ---- operations ---- */

enum arrival receiver_on_arrived(struct receiver *receiver, uint64_t epoch, uint64_t sequence)
{
	bool is_heard =
		rules[receiver->phase].is_heard ||
		(receiver->phase == RECEIVER_PROMOTED && IS_PLANTED(PLANTED_PROMOTED_RECEIVES));

	if (receiver->phase == RECEIVER_FAILED)
		return VERDICT_DROP; /* the error is on its way; the primary ends the connection */
	if (!is_heard || epoch != receiver->epoch)
		return VERDICT_STALE_EPOCH;
	if (sequence <= receiver->received)
		return VERDICT_DUPLICATE;
	if (sequence != receiver->received + 1 && !IS_PLANTED(PLANTED_GAP_TAKEN))
		return VERDICT_GAP;
	receiver->received = sequence;
	receiver_verify(receiver);
	return VERDICT_TAKE;
}

int receiver_append(struct receiver *receiver, const struct op *op, struct bytes encoded)
{
	return oplog_append_encoded(&receiver->log, op, encoded);
}

bool receiver_is_open(const struct receiver *receiver)
{
	return rules[receiver->phase].is_open;
}

bool receiver_next_to_apply(struct receiver *receiver, struct bytes *out_encoded)
{
	return receiver_is_open(receiver) &&
	       oplog_next(&receiver->log, &receiver->cursor, out_encoded);
}

int receiver_on_applied(struct receiver *receiver, uint64_t sequence)
{
	bool is_next = sequence == receiver->applied + 1 ||
		       (IS_PLANTED(PLANTED_GAP_TAKEN) && sequence > receiver->applied);

	if (!is_next || sequence > receiver->received)
		return -ERROR_INVALID;
	receiver->applied = sequence;
	receiver->log.header->applied = sequence;
	oplog_trim(&receiver->log, sequence);
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

bool receiver_acknowledgeable(
	const struct receiver *receiver, uint64_t *out_applied, uint64_t *out_durable)
{
	*out_applied = IS_PLANTED(PLANTED_ACK_ON_RECEIPT) ? receiver->received : receiver->applied;
	*out_durable = receiver_is_in_sync(receiver) ? receiver->durable : 0;
	return rules[receiver->phase].is_heard;
}

/* ---- in sync, and promotion ---- */

void receiver_on_end(struct receiver *receiver, uint64_t sequence)
{
	CHECK(sequence <= receiver->applied);
	receiver->end = sequence;
}

bool receiver_can_complete(const struct receiver *receiver)
{
	bool is_durable =
		receiver->durable >= receiver->end || IS_PLANTED(PLANTED_COMPLETE_UNSYNCED);

	return receiver->phase == RECEIVER_FILLING && receiver->end != 0 && is_durable;
}

bool receiver_complete(struct receiver *receiver)
{
	if (!receiver_can_complete(receiver))
		return false;
	receiver_move(receiver, RECEIVER_IN_SYNC);
	return true;
}

bool receiver_is_in_sync(const struct receiver *receiver)
{
	return rules[receiver->phase].is_in_sync;
}

bool receiver_is_behind(const struct receiver *receiver)
{
	return !receiver_is_in_sync(receiver) && receiver->promoted_epoch.number == 0;
}

int receiver_promote(struct receiver *receiver, uint64_t epoch)
{
	bool is_again = receiver->phase == RECEIVER_IDLE && receiver->promoted_epoch.number != 0 &&
			receiver->promoted_epoch.number == epoch;

	if (IS_PLANTED(PLANTED_MIXTURE_SERVES) && receiver->phase == RECEIVER_FILLING)
		receiver->phase = RECEIVER_IN_SYNC;
	if (!receiver_is_in_sync(receiver) && !is_again)
		return -ERROR_INVALID;
	receiver_move(receiver, RECEIVER_PROMOTED);
	return 0;
}

bool receiver_is_finished(const struct receiver *receiver)
{
	bool is_applied =
		receiver->applied >= receiver->received || IS_PLANTED(PLANTED_PROMOTED_UNAPPLIED);

	return receiver->phase == RECEIVER_PROMOTED && is_applied;
}

void receiver_verify(const struct receiver *receiver)
{
	CHECK((unsigned)receiver->phase < RECEIVER_PHASE_COUNT);
	CHECK(receiver->durable <= receiver->applied);
	CHECK(receiver->applied <= receiver->received);
}
