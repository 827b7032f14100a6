/*
 * One side is gone: the primary holds its answers until it may go on alone; the secondary is promoted,
 * unless its copy is not complete.
 */
#include "pair.h"

#include <string.h>
#include <sys/socket.h>

#include "fs/replicator/inside.h" /* EXCEPTION: one moment cannot be had from outside */
#include "fs/replicator/stream.h"
#include "platform/clock.h"

/* A copy that is not complete is never promoted. */
static void test_promotion_refused(void **state)
{
	(void)state;
	pair_roles();
	struct epoch epoch = { 2, 2 };
	assert_true(replicator_promote(nodes[1].replicator, epoch, pair_generation) != 0);
	assert_int_equal(node_seen(&nodes[1], FS_REPORT_REFUSED), 1);
}

/* The peer is gone: nothing is answered until the order to go on alone. */
static void test_held_until_alone(void **state)
{
	(void)state;
	struct writers writers;
	pair_begin();
	writers_start(&writers, &nodes[0]);
	writers_let(0.2);
	atomic_store(&nodes[1].is_deaf, true);
	node_close_process(&nodes[1]);
	node_open_process(&nodes[1], true);
	node_wait_report(&nodes[0], FS_REPORT_PEER_LOST, 0);
	assert_int_equal(replicator_answerable(nodes[0].replicator), 0);
	writers_let(0.3);
	assert_int_equal(replicator_answerable(nodes[0].replicator), 0);
	struct epoch epoch = { 2, 1 };
	assert_int_equal(replicator_go_alone(nodes[0].replicator, epoch, pair_generation), 0);
	writers_let(0.2);
	atomic_store(&nodes[1].is_deaf, false);
	assert_int_equal(
		replicator_be_secondary(nodes[1].replicator, epoch, pair_set_id, false), 0);
	pair_connect(&nodes[0], &nodes[1], epoch, RESYNC_COMPARE);
	(void)writers_stop(&writers);
	pair_finish(&nodes[0]);
}

/* The secondary is promoted while the primary still writes; what was answered is there. */
static void test_promotion(void **state)
{
	(void)state;
	struct writers writers;
	pair_begin();
	writers_start(&writers, &nodes[0]);
	writers_let(pair_seconds);
	struct epoch epoch = { 2, 2 };
	struct generation generation = { 2, 22 };
	struct bystander bystander;
	bystander_start(&bystander);
	int64_t start_ns = clock_boot_ns();
	assert_int_equal(replicator_promote(nodes[1].replicator, epoch, generation), 0);
	int64_t taken_ns = clock_boot_ns() - start_ns;
	print_message("  promoted in %lld ms\n", (long long)(taken_ns / NS_PER_MS));
	assert_true(taken_ns < NS_PER_S / 2 + BYSTANDER_HOPS * bystander_stop(&bystander));
	assert_int_equal(node_seen(&nodes[1], FS_REPORT_IS_PRIMARY), 1);
	node_wait_report(&nodes[0], FS_REPORT_PEER_LOST, 0);
	assert_int_equal(replicator_answerable(nodes[0].replicator), 0);

	/* The old primary lets its writers go, and becomes the new one's target. */
	atomic_store(&writers.is_over, true);
	struct epoch wrong = { 3, 1 };
	assert_int_equal(replicator_go_alone(nodes[0].replicator, wrong, pair_generation), 0);
	(void)writers_stop(&writers);
	assert_int_equal(replicator_stop(nodes[0].replicator), 0);
	assert_int_equal(
		replicator_be_secondary(nodes[0].replicator, epoch, pair_set_id, false), 0);
	writers_start(&writers, &nodes[1]);
	pair_connect(&nodes[1], &nodes[0], epoch, RESYNC_COMPARE);
	writers_let(0.3);
	(void)writers_stop(&writers);
	pair_finish(&nodes[1]);
	assert_int_equal(replicator_stop(nodes[1].replicator), 0);
}

/* ---- a primary calls while its secondary is being promoted ---- */

#define NEW_SESSION 77

static struct stream *call_second(struct tls_context *context)
{
	struct stream *stream = NULL;
	struct tls_error why;
	const struct stream_call call = {
		.address = *pair_address(&nodes[1]),
		.port = PAIR_PORT,
		.caller = 1,
		.module = "pair",
		.peer_name = "beta",
		.timeout_ns = 2 * NS_PER_S,
	};
	assert_int_equal(stream_connect(context, &call, &stream, &why), 0);
	return stream;
}

static void say_hello(struct stream *stream)
{
	struct frame frame = { .kind = FRAME_HELLO,
		.hello = { .version = STREAM_VERSION,
			.epoch = pair_epoch,
			.generation = pair_generation,
			.session = NEW_SESSION,
			.received = (uint64_t)1 << 50,
			.id_limit = 1,
			.wants = STREAM_COMPARE } };
	memcpy(frame.hello.set_id, pair_set_id, SET_ID_SIZE);
	assert_int_equal(stream_send(stream, &frame), 0);
}

static void *promote_run(void *context)
{
	struct epoch epoch = { 2, 2 };
	struct generation generation = { 2, 22 };
	assert_int_equal(replicator_promote(context, epoch, generation), 0);
	return NULL;
}

static void wait_promoted(struct replicator *r)
{
	bool is_promoted = false;
	while (!is_promoted) {
		writers_let(0.01);
		lock_take(&r->lock);
		is_promoted = r->receiver.phase == RECEIVER_PROMOTED;
		lock_give(&r->lock);
	}
}

/* Its HELLO was not objected to, and then the promotion begins: no session may begin any more. */
static void test_called_while_promoted(void **state)
{
	(void)state;
	struct tls_context *context = NULL;
	struct tls_error why;
	pthread_t promoting;
	pair_begin();
	node_drain(&nodes[0]);
	node_close_process(&nodes[0]);
	node_open_process(&nodes[0], false); /* without a role: only the test calls */
	assert_int_equal(tls_context_new(nodes[0].tls, &context, &why), 0);
	struct replicator *r = nodes[1].replicator;
	uint64_t session = r->receiver.log.header->session;
	struct stream *stream = call_second(context);
	/* Who has been listened to has to look at the state next: there it is kept. Were it late, it
	 * would be objected to, and this would prove less, but nothing wrong. EXCEPTION: the lock is
	 * taken past its rank, because this thread looks at the state under another one meanwhile. */
	pthread_mutex_lock(&r->state_lock.mutex);
	say_hello(stream);
	writers_let(0.3);
	assert_int_equal(pthread_create(&promoting, NULL, promote_run, r), 0);
	wait_promoted(r);
	pthread_mutex_unlock(&r->state_lock.mutex);
	assert_int_equal(pthread_join(promoting, NULL), 0);
	assert_int_equal(r->receiver.log.header->session, session);
	lock_take(&r->state_lock); /* the barrier's thread runs already */
	uint64_t barrier = r->state.barrier;
	lock_give(&r->state_lock);
	assert_true(session != 0 && barrier > 0);
	assert_int_equal(node_seen(&nodes[1], FS_REPORT_IS_PRIMARY), 1);
	stream_end(stream);
	stream_put(stream);
	tls_context_free(context);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_promotion_refused, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_held_until_alone, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_promotion, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(
			test_called_while_promoted, pair_setup, pair_teardown),
	};
	return pair_main(argc, argv, tests, ARRAY_COUNT(tests));
}
