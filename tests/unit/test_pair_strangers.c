/*
 * Strangers at the secondary's port, all with a right preface: evenkeeld believes that one, so its
 * evenkeel-fs has to find out. Nothing that they do may end the stream that stands, and none of them
 * keeps the peer out.
 */
#include "pair.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fs/replicator/stream.h"
#include "platform/clock.h"
#include "platform/tls.h"

#define KINDS	4
#define SILENT	40 /* more than there are places */
#define STEP_NS (2 * NS_PER_S)

static struct {
	struct tls_context *foreigner, *other_node, *peer;
	atomic_bool is_over;
	atomic_uint calls[KINDS];
	pthread_t threads[KINDS];
	int silent[SILENT]; /* 0: none */
} strangers;

/* ---- what they do ---- */

static int call_with_preface(void)
{
	uint8_t preface[PREFACE_SIZE];
	struct sockaddr_storage target;
	socklen_t size = socket_address_fill(pair_address(&nodes[1]), PAIR_PORT, &target);
	int fd = socket(target.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&target, size), 0);
	preface_encode(&(const struct preface){ .version = PREFACE_VERSION,
			       .kind = PREFACE_STREAM,
			       .node = 1,
			       .module = "pair" },
		preface);
	assert_int_equal(send(fd, preface, sizeof(preface), MSG_NOSIGNAL), sizeof(preface));
	return fd;
}

/* True if the other side let us through TLS; then we may go on talking. */
static bool call_with(struct tls_context *context, struct stream **out_stream)
{
	const struct stream_call call = {
		.address = *pair_address(&nodes[1]),
		.port = PAIR_PORT,
		.caller = 1,
		.module = "pair",
		.peer_name = "beta",
		.timeout_ns = STEP_NS,
	};
	struct tls_error why;
	return stream_connect(context, &call, out_stream, &why) == 0;
}

static void hang_up(struct stream *stream)
{
	stream_end(stream);
	stream_put(stream);
}

static void talk_garbage(void)
{
	static uint8_t garbage[5000];
	uint8_t answer[PREFACE_ANSWER_SIZE];
	int fd = call_with_preface();
	(void)!recv(fd, answer, sizeof(answer), MSG_WAITALL);
	(void)!send(fd, garbage, sizeof(garbage), MSG_NOSIGNAL);
	close(fd);
}

/* Holds many connections at a time, without a word. */
static void say_nothing(void)
{
	static int next;
	if (strangers.silent[next] > 0)
		close(strangers.silent[next]);
	strangers.silent[next] = call_with_preface();
	next = (next + 1) % SILENT;
}

/* TLS 1.3 lets the client go on before the server has seen its certificate: the end comes later. */
static void show_wrong_certificate(void)
{
	static int turn;
	struct stream *stream = NULL;
	struct frame frame;
	if (!call_with(turn++ % 2 == 0 ? strangers.foreigner : strangers.other_node, &stream))
		return;
	assert_true(stream_receive(stream, STEP_NS, &frame) != 0);
	hang_up(stream);
}

/* The peer's own certificate, but nothing behind it that we listen to: a primary of long ago. */
static void speak_of_the_past(void)
{
	struct stream *stream = NULL;
	struct frame frame = { .kind = FRAME_HELLO, .hello = { .version = STREAM_VERSION } };
	memcpy(frame.hello.set_id, pair_set_id, SET_ID_SIZE);
	if (!call_with(strangers.peer, &stream))
		return;
	if (stream_send(stream, &frame) == 0 && stream_receive(stream, STEP_NS, &frame) == 0)
		assert_int_equal(frame.kind, FRAME_ERROR);
	hang_up(stream);
}

static void (*const kinds[KINDS])(
	void) = { talk_garbage, say_nothing, show_wrong_certificate, speak_of_the_past };

static void *stranger_run(void *context)
{
	const size_t kind = (size_t)((atomic_uint *)context - strangers.calls);
	while (!atomic_load(&strangers.is_over)) {
		kinds[kind]();
		atomic_fetch_add(&strangers.calls[kind], 1);
		writers_let(0.01);
	}
	return NULL;
}

static void strangers_start(void)
{
	char folder[PAIR_PATH_SIZE];
	struct tls_error why;
	memset(&strangers, 0, sizeof(strangers));
	pair_make_foreigner(folder);
	assert_int_equal(tls_context_new(folder, &strangers.foreigner, &why), 0);
	assert_int_equal(tls_context_new(nodes[1].tls, &strangers.other_node, &why), 0);
	assert_int_equal(tls_context_new(nodes[0].tls, &strangers.peer, &why), 0);
	for (int i = 0; i < KINDS; i++)
		assert_int_equal(pthread_create(&strangers.threads[i], NULL, stranger_run,
					 &strangers.calls[i]),
			0);
}

static void strangers_stop(void)
{
	atomic_store(&strangers.is_over, true);
	for (int i = 0; i < KINDS; i++) {
		(void)pthread_join(strangers.threads[i], NULL);
		print_message("  kind %d called %u times\n", i, atomic_load(&strangers.calls[i]));
		assert_true(atomic_load(&strangers.calls[i]) > 5);
	}
	for (int i = 0; i < SILENT; i++) {
		if (strangers.silent[i] > 0)
			close(strangers.silent[i]);
	}
	tls_context_free(strangers.foreigner);
	tls_context_free(strangers.other_node);
	tls_context_free(strangers.peer);
}

/* ---- stories ---- */

static void test_the_stream_stays(void **state)
{
	(void)state;
	struct writers writers;
	pair_begin();
	unsigned here = node_seen(&nodes[0], FS_REPORT_CONNECTED);
	unsigned there = node_seen(&nodes[1], FS_REPORT_CONNECTED);
	writers_start(&writers, &nodes[0]);
	strangers_start();
	writers_let(2);
	strangers_stop();
	assert_true(writers_stop(&writers) > 0);
	assert_int_equal(node_seen(&nodes[0], FS_REPORT_CONNECTED), here);
	assert_int_equal(node_seen(&nodes[1], FS_REPORT_CONNECTED), there);
	assert_int_equal(node_seen(&nodes[0], FS_REPORT_PEER_LOST), 0);
	/* One for wrong certificates, one for the rest: not one for each. */
	assert_int_equal(node_seen(&nodes[1], FS_REPORT_NOTICE), 2);
	pair_finish(&nodes[0]);
}

static void test_the_peer_gets_in(void **state)
{
	(void)state;
	struct writers writers;
	pair_begin();
	strangers_start();
	for (int round = 0; round < 3; round++) {
		writers_start(&writers, &nodes[0]);
		writers_let(0.3);
		(void)writers_stop(&writers);
		node_close_process(&nodes[0]);
		node_open_process(&nodes[0], false);
		unsigned before = node_seen(&nodes[0], FS_REPORT_CONNECTED);
		assert_int_equal(replicator_be_primary(nodes[0].replicator, pair_epoch,
					 pair_generation, pair_set_id, true),
			0);
		node_wait_report(&nodes[0], FS_REPORT_CONNECTED, before);
	}
	strangers_stop();
	pair_finish(&nodes[0]);
	assert_int_equal(node_seen(&nodes[0], FS_REPORT_PEER_LOST), 0);
}

/* A role is left while some are still proving themselves. */
static void test_the_role_is_left_meanwhile(void **state)
{
	(void)state;
	pair_begin();
	strangers_start();
	writers_let(0.5);
	struct bystander bystander;
	bystander_start(&bystander);
	int64_t start_ns = clock_boot_ns();
	assert_int_equal(replicator_stop(nodes[1].replicator), 0);
	int64_t taken_ns = clock_boot_ns() - start_ns;
	assert_true(taken_ns < NS_PER_S + BYSTANDER_HOPS * bystander_stop(&bystander));
	strangers_stop();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_stream_stays, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_the_peer_gets_in, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(
			test_the_role_is_left_meanwhile, pair_setup, pair_teardown),
	};
	return pair_main(argc, argv, tests, ARRAY_COUNT(tests));
}
