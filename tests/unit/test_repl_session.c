#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "repl/barrier.h"
#include "repl/paths.h"
#include "repl/receiver.h"
#include "repl/sender.h"
#include "repl/syncs.h"

/* A primary and a secondary that say to each other what src/repl has them say. */
#define MEMORY_SIZE (OPLOG_HEADER_SIZE + OP_SIZE_MAX + 4096)
static uint8_t send_memory[MEMORY_SIZE] __attribute__((aligned(4096)));
static uint8_t receive_memory[MEMORY_SIZE] __attribute__((aligned(4096)));
static struct sender sender;
static struct receiver receiver;

static struct hello hello_of(uint64_t epoch)
{
	return (struct hello){
		.version = STREAM_VERSION, .set_id = { 7 }, .epoch = { .number = epoch, .node = 1 }
	};
}

static void both_begin(void)
{
	struct oplog log;

	oplog_format(&log, send_memory, sizeof(send_memory), 0, 1);
	sender_open(&sender, &log, DURABILITY_CALL);
	sender_init(&sender, 3, 10);
	oplog_format(&log, receive_memory, sizeof(receive_memory), 0, 1);
	receiver_open(&receiver, &log);
	receiver_init(&receiver, 3);
}

static enum hello_outcome shake_hands(uint64_t known, int64_t now_ns)
{
	struct hello ours = hello_of(3), theirs = hello_of(3);

	assert_true(session_hello(&sender, 77, &ours));
	assert_int_equal(receiver_objection(&receiver, &theirs, &ours), OBJECTION_NONE);
	if (ours.wants != STREAM_CONTINUE) {
		assert_true(receiver_quiet(&receiver));
		assert_true(receiver_begin_session(&receiver, &ours));
	}
	(void)receiver_answer(&receiver, &ours, known, &theirs);
	return session_on_hello(&sender, &ours, &theirs, true, now_ns);
}

static void give(enum op_type type)
{
	struct op op = { .type = type };

	(void)sender_give(&sender, &op);
}

/* Everything that is in the log arrives and is applied. */
static void carry(void)
{
	struct oplog_cursor after;
	struct bytes encoded;

	while (sender_next_to_send(&sender, &after, &encoded)) {
		struct op op;
		size_t size;
		assert_int_equal(op_decode(encoded, &op, &size), 0);
		assert_int_equal(
			receiver_on_arrived(&receiver, op.epoch, op.sequence), VERDICT_TAKE);
		assert_int_equal(receiver_append(&receiver, &op, encoded), 0);
		sender_on_sent(&sender, after);
	}
	while (receiver_next_to_apply(&receiver, &encoded)) {
		struct op op;
		size_t size;
		assert_int_equal(op_decode(encoded, &op, &size), 0);
		assert_int_equal(receiver_on_applied(&receiver, op.sequence), 0);
		if (op.type == OP_RESYNC_END)
			receiver_on_end(&receiver, op.sequence);
	}
}

static void acknowledge(int64_t now_ns)
{
	uint64_t applied, durable;

	assert_true(receiver_acknowledgeable(&receiver, &applied, &durable));
	assert_int_equal(
		sender_on_acknowledged(&sender, receiver.epoch, applied, durable, now_ns), 0);
}

static void sync_there(void)
{
	assert_int_equal(receiver_on_durable(&receiver, receiver.applied), 0);
}

static void become_pair(void)
{
	both_begin();
	assert_int_equal(session_connect(&sender, STREAM_COMPARE, 0), 0);
	assert_int_equal(shake_hands(0, 0), HELLO_BEGUN);
	give(OP_RESYNC_BEGIN);
	give(OP_RESYNC_END);
	assert_int_equal(sender_pair(&sender), 0);
	carry();
	sync_there();
	assert_true(receiver_complete(&receiver));
	acknowledge(0);
	assert_true(session_on_complete(&sender));
	assert_false(session_on_complete(&sender));
}

static void a_pair_comes_about(void **state)
{
	(void)state;
	become_pair();
	assert_int_equal(sender.mode, SENDER_PAIRED);
	assert_int_equal(receiver.phase, RECEIVER_IN_SYNC);
	assert_int_equal(sender_answerable(&sender), sender.next_sequence - 1);
	give(OP_LEASE);
	assert_int_equal(sender_answerable(&sender), sender.next_sequence - 2);
}

static void what_may_have_been_seen_before_is_passed_over(void **state)
{
	(void)state;
	both_begin();
	assert_int_equal(session_connect(&sender, STREAM_COMPARE, 0), 0);
	assert_int_equal(shake_hands((uint64_t)1 << 50, 0), HELLO_AGAIN);
	assert_int_equal(shake_hands((uint64_t)1 << 50, 0), HELLO_BEGUN);
	assert_true(sender.next_sequence > (uint64_t)1 << 50);
}

static void complete_is_not_told_before_it_is_durable(void **state)
{
	(void)state;
	both_begin();
	assert_int_equal(session_connect(&sender, STREAM_COMPARE, 0), 0);
	assert_int_equal(shake_hands(0, 0), HELLO_BEGUN);
	give(OP_RESYNC_END);
	carry();
	assert_false(receiver_can_complete(&receiver));
	assert_true(receiver_is_behind(&receiver));
	sync_there();
	assert_true(receiver_complete(&receiver));
	assert_false(receiver_is_behind(&receiver));
}

static void a_connection_that_ends_costs_no_session(void **state)
{
	(void)state;
	become_pair();
	give(OP_LEASE);
	assert_false(session_on_disconnected(&sender, 5));
	receiver_on_disconnected(&receiver);
	assert_int_equal(sender.mode, SENDER_HELD);
	assert_int_equal(sender_answerable(&sender), 0);
	assert_int_equal(shake_hands(0, 6), HELLO_CONTINUED);
	carry();
	acknowledge(6);
	assert_int_equal(sender_answerable(&sender), sender.next_sequence - 1);
}

static void a_session_that_is_gone_is_over(void **state)
{
	(void)state;
	become_pair();
	assert_false(session_on_disconnected(&sender, 5));
	receiver_init(&receiver, 3); /* its process began anew, without the log */
	assert_int_equal(shake_hands(0, 6), HELLO_OVER);
	assert_true(session_drop(&sender, LOSS_OVER));
	assert_false(session_drop(&sender, LOSS_OVER));
	assert_int_equal(sender.session.want, LINK_IDLE);
	assert_int_equal(sender_answerable(&sender), 0);
}

static void what_ends_late_costs_nothing_that_is_wanted_since(void **state)
{
	(void)state;
	become_pair();
	assert_false(session_on_disconnected(&sender, 5));
	assert_int_equal(sender_go_alone(&sender, 4), 0);
	assert_int_equal(session_connect(&sender, STREAM_COMPARE, 6), 0);
	assert_false(session_drop(&sender, LOSS_OVER));
	assert_false(session_drop(&sender, LOSS_FAILED));
	assert_int_equal(sender.session.want, LINK_RESYNC);
	assert_false(sender.session.is_broken);
}

static void another_copy_is_not_gone_on_with(void **state)
{
	(void)state;
	become_pair();
	assert_false(session_on_disconnected(&sender, 5));
	struct hello ours = hello_of(3), theirs = hello_of(3);
	assert_true(session_hello(&sender, 0, &ours));
	assert_true(receiver_answer(&receiver, &ours, 0, &theirs));
	struct hello strange = theirs, old = theirs, behind = theirs;
	strange.set_id[0] = 8;
	old.epoch.number = 2;
	behind.received = sender.acked - 1;
	assert_int_equal(session_on_hello(&sender, &ours, &strange, true, 6), HELLO_OVER);
	assert_int_equal(session_on_hello(&sender, &ours, &old, true, 6), HELLO_OVER);
	assert_int_equal(session_on_hello(&sender, &ours, &behind, true, 6), HELLO_OVER);
	assert_int_equal(sender.mode, SENDER_HELD);
	assert_int_equal(session_on_hello(&sender, &ours, &theirs, true, 6), HELLO_CONTINUED);
}

static void half_a_resynchronisation_begins_again(void **state)
{
	(void)state;
	both_begin();
	assert_int_equal(session_connect(&sender, STREAM_COMPARE, 0), 0);
	assert_int_equal(shake_hands(0, 0), HELLO_BEGUN);
	give(OP_RESYNC_BEGIN);
	carry();
	assert_true(session_on_disconnected(&sender, 5));
	assert_true(session_drop(&sender, LOSS_SILENT));
	receiver_on_disconnected(&receiver);
	assert_int_equal(sender.mode, SENDER_ALONE);
	assert_int_equal(receiver.phase, RECEIVER_IDLE);
	assert_int_equal(receiver.log.header->session, 0);
}

static void an_objection_has_its_reason(void **state)
{
	(void)state;
	become_pair();
	struct hello ours = hello_of(3), theirs = hello_of(3);
	theirs.version = STREAM_VERSION + 1;
	assert_int_equal(receiver_objection(&receiver, &ours, &theirs), OBJECTION_VERSION);
	theirs = hello_of(2);
	assert_int_equal(receiver_objection(&receiver, &ours, &theirs), OBJECTION_OLD_EPOCH);
	theirs = hello_of(4);
	theirs.set_id[0] = 8;
	assert_int_equal(receiver_objection(&receiver, &ours, &theirs), OBJECTION_OTHER_SET);
	theirs.wants = STREAM_SET_ASIDE;
	assert_int_equal(receiver_objection(&receiver, &ours, &theirs), OBJECTION_NONE);
	assert_int_equal(receiver_promote(&receiver, 4), 0);
	assert_int_equal(receiver_objection(&receiver, &ours, &theirs), OBJECTION_PROMOTED);
	assert_false(receiver_begin_session(&receiver, &theirs));
}

/* ---- the processes begin anew ---- */

static void a_primary_goes_on_holding(void **state)
{
	(void)state;
	become_pair();
	give(OP_LEASE);
	uint64_t last = sender.next_sequence - 1;
	const struct oplog log = sender.log;
	sender_open(&sender, &log, DURABILITY_CALL);
	assert_int_equal(sender_resume(&sender, 3, last, 9), RESUMED_HELD);
	assert_int_equal(sender_answerable(&sender), 0);
	assert_int_equal(sender.next_sequence, last + 1);
	sender_open(&sender, &log, DURABILITY_CALL);
	assert_int_equal(sender_resume(&sender, 4, last, 9), RESUMED_LOST); /* had gone alone */
	assert_int_equal(sender.next_sequence, sender_next_tenure(last));
	assert_int_equal(sender_resume(&sender, 4, last, 9), RESUMED_ALONE);
}

/* What came after the session broke is not in the log: a successor gives none of its sequences again,
 * and waits as its predecessor did. */
static void a_successor_leaves_a_broken_session_alone(void **state)
{
	(void)state;
	become_pair();
	give(OP_LEASE);
	assert_true(session_drop(&sender, LOSS_FAILED));
	give(OP_LEASE);
	give(OP_LEASE);
	uint64_t last = sender.next_sequence - 1, known = sender.log.header->next_sequence - 1;
	assert_true(known < last);
	const struct oplog log = sender.log;
	sender_open(&sender, &log, DURABILITY_CALL);
	assert_int_equal(sender_resume(&sender, 3, known, 9), RESUMED_HELD);
	assert_true(sender.next_sequence > last);
	assert_true(sender.session.is_broken);
	assert_int_equal(sender.session.want, LINK_IDLE);
	assert_int_equal(sender_answerable(&sender), 0);
	assert_int_equal(sender_go_alone(&sender, 4), 0);
	assert_true(sender_answerable(&sender) >= last);
}

static void a_secondary_goes_on_only_with_its_log(void **state)
{
	(void)state;
	static const struct {
		bool was_in_sync;
		uint64_t epoch;
		bool is_resumed;
	} cases[] = { { true, 2, true }, { true, 3, true }, { false, 3, false },
		{ true, 4, false } };

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		become_pair();
		const struct oplog log = receiver.log;
		uint64_t applied = receiver.applied;
		receiver_open(&receiver, &log);
		assert_int_equal(receiver_resume(&receiver, cases[i].epoch, cases[i].was_in_sync,
					 applied - 1),
			cases[i].is_resumed);
		assert_int_equal(receiver_is_behind(&receiver), !cases[i].is_resumed);
		if (cases[i].is_resumed)
			assert_int_equal(receiver.durable, applied - 1);
	}
	assert_false(receiver_resume(&receiver, 3, true, 0)); /* without a session */
}

static void a_promotion_is_said_again(void **state)
{
	(void)state;
	both_begin();
	receiver_note_promoted(&receiver, (struct epoch){ 5, 2 });
	assert_false(receiver_is_behind(&receiver));
	assert_int_equal(receiver_promote(&receiver, 6), -ERROR_INVALID);
	assert_int_equal(receiver_promote(&receiver, 5), 0);
	assert_true(receiver_is_finished(&receiver));
}

/* ---- syncs and barriers ---- */

static uint32_t ready(struct syncs *syncs)
{
	uint64_t sequences[4];

	return syncs_take(syncs, &sender, sequences, ARRAY_COUNT(sequences));
}

static void a_sync_waits_for_both(void **state)
{
	(void)state;
	static struct syncs syncs;
	become_pair();
	syncs_clear(&syncs);
	syncs_add(&syncs, 100, sender_needs_peer(&sender));
	syncs_add(&syncs, 101, sender_needs_peer(&sender));
	assert_false(syncs_on_done_here(&syncs, &sender, 100));
	assert_int_equal(ready(&syncs), 0);
	syncs_on_durable_there(&syncs, 99);
	assert_int_equal(ready(&syncs), 0);
	syncs_on_done_there(&syncs, 100);
	assert_int_equal(ready(&syncs), 1);
	syncs_on_durable_there(&syncs, 101);
	assert_int_equal(ready(&syncs), 0);
	assert_true(syncs_on_done_here(&syncs, &sender, 101));
	sender_mute(&sender, true);
	assert_int_equal(ready(&syncs), 0);
	sender_mute(&sender, false);
	assert_int_equal(ready(&syncs), 1);
	assert_int_equal(syncs.count, 0);
}

static void a_sync_is_released_when_the_peer_counts_no_more(void **state)
{
	(void)state;
	static struct syncs syncs;
	become_pair();
	syncs_clear(&syncs);
	syncs_add(&syncs, 100, sender_needs_peer(&sender));
	(void)session_on_disconnected(&sender, 5);
	assert_false(syncs_on_done_here(&syncs, &sender, 100));
	assert_int_equal(ready(&syncs), 0);
	assert_int_equal(sender_go_alone(&sender, 4), 0);
	assert_int_equal(ready(&syncs), 1);
	syncs_add(&syncs, 102, sender_needs_peer(&sender));
	syncs_abandon(&syncs, 102);
	assert_int_equal(syncs.count, 0);
	for (uint32_t i = 0; i < SYNCS_MAX; i++) {
		assert_true(syncs_has_room(&syncs));
		syncs_add(&syncs, 200 + i, false);
	}
	assert_false(syncs_has_room(&syncs));
}

static void a_barrier_says_what_was_done_when_it_began(void **state)
{
	(void)state;
	struct barriers barriers = { 0 };
	become_pair();
	const struct replica secondary = { SIDE_SECONDARY, &sender, &receiver };
	struct barrier barrier = barrier_begin(&secondary);
	uint64_t then = receiver.applied;
	give(OP_LEASE);
	carry();
	assert_true(barrier_end(&barriers, &secondary, &barrier, 1));
	assert_int_equal(barrier.up_to, then);
	assert_int_equal(receiver.durable, then);
	barrier = barrier_begin(&secondary);
	const struct hello theirs = { .session = 78, .received = 1000, .wants = STREAM_COMPARE };
	assert_true(receiver_quiet(&receiver));
	assert_true(receiver_begin_session(&receiver, &theirs));
	assert_false(barrier_end(&barriers, &secondary, &barrier, 2));
}

static void a_barrier_is_taken_when_it_is_due(void **state)
{
	(void)state;
	struct barriers barriers = { 0 };
	become_pair();
	const struct replica primary = { SIDE_PRIMARY, &sender, &receiver };
	barriers_begin(&barriers, 0);
	assert_int_equal(barriers_next(&barriers, &primary, SYNC_EVERY_NS), BARRIER_NOTHING);
	assert_int_equal(barriers_next(&barriers, &primary, SYNC_EVERY_NS + 1), BARRIER_TAKE);
	const struct barrier barrier = barrier_begin(&primary);
	assert_true(barrier_end(&barriers, &primary, &barrier, SYNC_EVERY_NS + 1));
	assert_int_equal(barriers_next(&barriers, &primary, 4 * SYNC_EVERY_NS), BARRIER_NOTHING);
	barriers_want(&barriers);
	barriers_want_drain(&barriers);
	assert_int_equal(barriers_next(&barriers, &primary, 0), BARRIER_DRAIN);
	assert_int_equal(barriers_next(&barriers, &primary, 0), BARRIER_NOTHING);
}

/* ---- the watch ---- */

#define PEER_TIMEOUT_NS (2 * NS_PER_S)

static struct watch_findings look(int64_t now_ns)
{
	return watch_look(&sender, now_ns, PEER_TIMEOUT_NS);
}

static void a_peer_without_progress_is_complained_of(void **state)
{
	(void)state;
	become_pair();
	int64_t now = 0;
	for (; now <= PEER_TIMEOUT_NS; now += TICK_NS) {
		watch_on_heard(&sender, now);
		assert_int_equal(look(now).complaint, COMPLAINT_NONE);
	}
	watch_on_working(&sender, OP_TIMEOUT_NS - 1, now);
	assert_int_equal(look(now).complaint, COMPLAINT_NONE);
	for (int i = 0; i <= PEER_TIMEOUT_NS / TICK_NS; i++) {
		now += TICK_NS;
		watch_on_working(&sender, OP_TIMEOUT_NS, now);
		watch_on_heard(&sender, now);
		assert_int_equal(look(now).complaint,
			i < PEER_TIMEOUT_NS / TICK_NS ? COMPLAINT_NONE : COMPLAINT_NO_PROGRESS);
	}
}

static void a_silent_connection_is_given_up_once(void **state)
{
	(void)state;
	become_pair();
	int64_t now = 0;
	for (; now <= PEER_TIMEOUT_NS / 2; now += TICK_NS)
		assert_false(look(now).should_hang_up);
	assert_true(look(now).should_hang_up);
	assert_false(look(now + TICK_NS).should_hang_up);
}

/* Small frames pass, what is large does not: half of the peer's time, then another network, once. */
static void what_does_not_get_through_goes_another_way(void **state)
{
	(void)state;
	become_pair();
	int64_t now = 0;
	watch_on_stuck(&sender, true);
	for (; now <= PEER_TIMEOUT_NS / 2; now += TICK_NS) {
		watch_on_heard(&sender, now);
		assert_false(look(now).should_hang_up);
	}
	watch_on_heard(&sender, now);
	assert_true(look(now).should_hang_up);
	assert_true(watch_was_bad(&sender));
	(void)session_on_disconnected(&sender, now);
	assert_int_equal(shake_hands(0, now), HELLO_CONTINUED);
	assert_false(watch_was_bad(&sender));
	/* The other one is as bad: the peer has no more time than before. */
	for (; now <= PEER_TIMEOUT_NS; now += TICK_NS) {
		watch_on_heard(&sender, now);
		watch_on_stuck(&sender, true);
		assert_false(look(now).should_hang_up);
	}
	watch_on_heard(&sender, now);
	assert_int_equal(look(now).complaint, COMPLAINT_NO_PROGRESS);
	assert_true(watch_was_bad(&sender));
}

/* Heard of all the time, and stuck, from `now` on; gives the time of hanging up. */
static int64_t hangs_up_at(int64_t now)
{
	struct watch_findings findings;

	do {
		now += TICK_NS;
		watch_on_stuck(&sender, true);
		watch_on_heard(&sender, now);
		findings = look(now);
		assert_int_equal(findings.complaint, COMPLAINT_NONE);
	} while (!findings.should_hang_up);
	return now;
}

static void what_got_through_has_its_time_again(void **state)
{
	(void)state;
	become_pair();
	int64_t first = hangs_up_at(0);
	(void)session_on_disconnected(&sender, first);
	assert_int_equal(shake_hands(0, first), HELLO_CONTINUED);
	watch_on_progress(&sender, first);
	assert_int_equal(hangs_up_at(first), 2 * first);
}

/* ---- networks ---- */

static void a_bad_network_comes_last(void **state)
{
	struct paths paths = { 0 };
	int64_t now = NS_PER_S;

	(void)state;
	assert_int_equal(paths_choose(&paths, 3, now), 0);
	paths_on_ended(&paths, 0, true, now);
	assert_int_equal(paths_choose(&paths, 3, now), 1);
	paths_on_ended(&paths, 1, false, now + 1);
	assert_int_equal(paths_choose(&paths, 3, now + 1), 1);
	paths_on_ended(&paths, 1, true, now + 1);
	paths_on_ended(&paths, 2, true, now + 2);
	assert_int_equal(paths_choose(&paths, 3, now + 3), 0); /* all are bad: the oldest */
	assert_int_equal(paths_choose(&paths, 3, now + 1 + BAD_FOR_NS), 0);
	assert_int_equal(paths_choose(&paths, 1, now + 3), 0);
}

static void nothing_is_held_against_networks_without_a_peer(void **state)
{
	struct paths paths = { 0 };

	(void)state;
	for (uint8_t path = 0; path < 3; path++) {
		assert_int_equal(paths_choose(&paths, 3, path + 1), path);
		paths_on_failed(&paths, path, 3, path + 1);
	}
	assert_int_equal(paths_choose(&paths, 3, 4), 0);
	/* One that answered in between is no sign that the peer was away. */
	paths_on_failed(&paths, 0, 3, 5);
	paths_on_failed(&paths, 1, 3, 6);
	paths_on_ended(&paths, 2, false, 7);
	paths_on_failed(&paths, 2, 3, 8);
	assert_int_equal(paths_choose(&paths, 3, 9), 0);
}

static void a_lost_peer_has_a_second_to_come_back(void **state)
{
	(void)state;
	become_pair();
	(void)look(0);
	(void)session_on_disconnected(&sender, 0);
	for (int64_t now = TICK_NS; now <= RECONNECT_NS; now += TICK_NS)
		assert_int_equal(look(now).complaint, COMPLAINT_NONE);
	assert_int_equal(look(RECONNECT_NS + TICK_NS).complaint, COMPLAINT_DOWN);
	assert_true(session_drop(&sender, LOSS_SILENT));
	assert_int_equal(sender.session.want, LINK_CONTINUE); /* it may still come back */
	assert_int_equal(look(RECONNECT_NS + 2 * TICK_NS).complaint, COMPLAINT_NONE);
}

static void own_lateness_is_forgiven(void **state)
{
	(void)state;
	become_pair();
	(void)look(TICK_NS);
	struct watch_findings findings = look(60 * NS_PER_S);
	assert_int_equal(findings.complaint, COMPLAINT_NONE);
	assert_false(findings.should_hang_up);
}

static void what_is_broken_costs_the_peer(void **state)
{
	(void)state;
	become_pair();
	session_break(&sender);
	assert_int_equal(look(1).complaint, COMPLAINT_BROKEN);
	assert_true(session_drop(&sender, LOSS_FAILED));
	assert_false(session_on_disconnected(&sender, 2));
	assert_int_equal(sender.session.want, LINK_IDLE);
	assert_int_equal(sender_answerable(&sender), 0);
}

static void every_phase_has_its_moves(void **state)
{
	(void)state;
	for (int phase = 0; phase < RECEIVER_PHASE_COUNT; phase++) {
		bool is_promotable = phase == RECEIVER_IDLE || phase == RECEIVER_IN_SYNC ||
				     phase == RECEIVER_PROMOTED;
		assert_int_equal(
			receiver_phase_may_follow((enum receiver_phase)phase, RECEIVER_PROMOTED),
			is_promotable);
		assert_true(receiver_phase_may_follow((enum receiver_phase)phase, RECEIVER_FAILED));
		assert_int_equal(
			receiver_phase_may_follow((enum receiver_phase)phase, RECEIVER_QUIET),
			phase != RECEIVER_PROMOTED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pair_comes_about),
		cmocka_unit_test(what_may_have_been_seen_before_is_passed_over),
		cmocka_unit_test(complete_is_not_told_before_it_is_durable),
		cmocka_unit_test(a_connection_that_ends_costs_no_session),
		cmocka_unit_test(a_session_that_is_gone_is_over),
		cmocka_unit_test(what_ends_late_costs_nothing_that_is_wanted_since),
		cmocka_unit_test(another_copy_is_not_gone_on_with),
		cmocka_unit_test(half_a_resynchronisation_begins_again),
		cmocka_unit_test(an_objection_has_its_reason),
		cmocka_unit_test(a_primary_goes_on_holding),
		cmocka_unit_test(a_successor_leaves_a_broken_session_alone),
		cmocka_unit_test(a_secondary_goes_on_only_with_its_log),
		cmocka_unit_test(a_promotion_is_said_again),
		cmocka_unit_test(a_sync_waits_for_both),
		cmocka_unit_test(a_sync_is_released_when_the_peer_counts_no_more),
		cmocka_unit_test(a_barrier_says_what_was_done_when_it_began),
		cmocka_unit_test(a_barrier_is_taken_when_it_is_due),
		cmocka_unit_test(a_peer_without_progress_is_complained_of),
		cmocka_unit_test(a_silent_connection_is_given_up_once),
		cmocka_unit_test(a_lost_peer_has_a_second_to_come_back),
		cmocka_unit_test(a_silent_connection_is_given_up_once),
		cmocka_unit_test(what_does_not_get_through_goes_another_way),
		cmocka_unit_test(a_silent_connection_is_given_up_once),
		cmocka_unit_test(what_got_through_has_its_time_again),
		cmocka_unit_test(a_silent_connection_is_given_up_once),
		cmocka_unit_test(a_bad_network_comes_last),
		cmocka_unit_test(a_silent_connection_is_given_up_once),
		cmocka_unit_test(nothing_is_held_against_networks_without_a_peer),
		cmocka_unit_test(own_lateness_is_forgiven),
		cmocka_unit_test(what_is_broken_costs_the_peer),
		cmocka_unit_test(every_phase_has_its_moves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
