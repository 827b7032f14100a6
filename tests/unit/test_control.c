#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/control.h"

static struct fields_error wrong_field;

static void expect_same_after(const struct control_message *message, const char *json)
{
	char packet[CONTROL_PACKET_MAX];
	size_t size = 0;
	struct control_message again;
	memset(&again, 0xee, sizeof(again));
	assert_int_equal(control_encode(message, packet, sizeof(packet), &size), 0);
	if (json != NULL) {
		assert_int_equal(size, strlen(json));
		assert_memory_equal(packet, json, size);
	}
	assert_int_equal(control_decode(packet, size, &again, &wrong_field), 0);
	assert_memory_equal(message, &again, sizeof(again));
}

static struct control_message zeroed(enum control_type type)
{
	struct control_message message;
	memset(&message, 0, sizeof(message));
	message.type = type;
	return message;
}

static void each_message_comes_back_as_it_was(void **state)
{
	(void)state;
	struct control_message message = zeroed(CONTROL_HELLO);
	snprintf(message.hello.module, sizeof(message.hello.module), "%s", "postgresql");
	message.hello.pid = 4711;
	message.hello.fs.role = FS_PRIMARY;
	message.hello.fs.link = FS_LINK_IN_SYNC;
	message.hello.fs.epoch = (struct epoch){ .number = 8, .node = 1 };
	message.hello.fs.is_behind = true;
	message.hello.fs.barrier = 12;
	message.hello.fs.peer_barrier = 11;
	message.hello.fs.kept = 3;
	expect_same_after(&message,
		"{\"type\":\"hello\",\"module\":\"postgresql\",\"pid\":4711,\"role\":\"primary\","
		"\"link\":\"in_sync\",\"epoch\":[8,1],\"behind\":true,"
		"\"barrier\":12,\"peer_barrier\":11,\"kept\":3}");

	message = zeroed(CONTROL_ORDER);
	message.order.order = FS_ORDER_GO_ALONE;
	message.order.epoch = (struct epoch){ .number = 9, .node = 2 };
	message.order.generation = (struct generation){ .number = 5, .tag = UINT64_MAX - 1 };
	message.order.plan = RESYNC_SET_ASIDE;
	message.order.is_forced = true;
	memset(message.order.set_id, 0xa5, SET_ID_SIZE);
	expect_same_after(&message,
		"{\"type\":\"order\",\"order\":\"go_alone\",\"epoch\":[9,2],"
		"\"generation\":[5,\"0xfffffffffffffffe\"],\"plan\":\"set_aside\","
		"\"set_id\":\"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5\",\"forced\":true}");

	message = zeroed(CONTROL_VERIFIED);
	message.verified.request = 3;
	message.verified.error = -ENOTCONN;
	snprintf(message.verified.copies.detail, sizeof(message.verified.copies.detail), "%s",
		"no peer");
	expect_same_after(&message, NULL);
	message = zeroed(CONTROL_UNSTORE);
	snprintf(message.store.name, sizeof(message.store.name), "%s", "fuse.0");
	expect_same_after(&message, "{\"type\":\"unstore\",\"name\":\"fuse.0\"}");
	message = zeroed(CONTROL_STREAM);
	message.stream.peer = 2;
	expect_same_after(&message, "{\"type\":\"stream\",\"peer\":2}");
	message = zeroed(CONTROL_VERIFY);
	message.verify.request = UINT32_MAX;
	expect_same_after(&message, "{\"type\":\"verify\",\"request\":4294967295}");
	message = zeroed(CONTROL_BEAT);
	memset(message.beat.bytes, 'f', STREAMED_BEAT_MAX);
	expect_same_after(&message, NULL);
	message = zeroed(CONTROL_BEAT_CAME);
	snprintf(message.beat.bytes, sizeof(message.beat.bytes), "%s", "00ff");
	expect_same_after(&message, "{\"type\":\"beat_came\",\"bytes\":\"00ff\"}");
}

static void every_report_and_order_has_its_word(void **state)
{
	(void)state;
	struct control_message message = zeroed(CONTROL_REPORT);
	message.report.error = -EIO;
	message.report.is_continued = true;
	snprintf(message.report.detail, sizeof(message.report.detail), "%s",
		"a \"quoted\" path\nof two lines");
	for (int report = 0; report < FS_REPORT_COUNT; report++) {
		message.report.report = (enum fs_report)report;
		assert_non_null(fs_report_name(message.report.report));
		expect_same_after(&message, NULL);
	}
	message = zeroed(CONTROL_ORDER);
	for (int order = 0; order < FS_ORDER_COUNT; order++) {
		message.order.order = (enum fs_order)order;
		expect_same_after(&message, NULL);
	}
}

static void a_detail_that_is_no_text_is_still_said(void **state)
{
	(void)state;
	char packet[CONTROL_PACKET_MAX];
	size_t size = 0;
	struct control_message message = zeroed(CONTROL_REPORT), again;
	snprintf(message.report.detail, sizeof(message.report.detail), "%s", "/data/\xff\xfe");
	assert_int_equal(control_encode(&message, packet, sizeof(packet), &size), 0);
	assert_int_equal(control_decode(packet, size, &again, &wrong_field), 0);
	assert_string_equal(again.report.detail, "/data/?"
						 "?");
}

static void what_is_wrong_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int error;
		const char *sentence; /* NULL: whatever the library says */
	} wrong[] = {
		{ "", -EBADMSG, NULL },
		{ "{", -EBADMSG, NULL },
		{ "[]", -EPROTO, "'type' is missing" },
		{ "{}", -EPROTO, "'type' is missing" },
		{ "{\"type\":7}", -EPROTO, "'type' is missing" },
		{ "{\"type\":\"reboot\"}", -EPROTO, "there is no message 'reboot'" },
		{ "{\"type\":\"verify\"}", -EPROTO, "'request' is missing" },
		{ "{\"type\":\"verify\",\"request\":-1}", -EPROTO,
			"'request': found -1; expected a number of 0 to 4294967295" },
		{ "{\"type\":\"verify\",\"request\":4294967296}", -EPROTO,
			"'request': found 4294967296; expected a number of 0 to 4294967295" },
		{ "{\"type\":\"verify\",\"request\":\"1\"}", -EPROTO,
			"'request': found \"1\"; expected a number of 0 to 4294967295" },
		{ "{\"type\":\"stream\",\"peer\":256}", -EPROTO,
			"'peer': found 256; expected a number of 0 to 255" },
		{ "{\"type\":\"store\",\"name\":\"a\\u0000b\"}", -EBADMSG, NULL },
		{ "{\"type\":\"store\",\"name\":7}", -EPROTO,
			"'name': found 7; expected a text of at most 96 bytes" },
		{ "{\"type\":\"order\",\"order\":\"sleep\"}", -EPROTO,
			"'order': found \"sleep\"; expected one of stop, look, primary, secondary, "
			"promote, "
			"connect, pair, go_alone, hold, resume, drain" },
		{ "{\"type\":\"order\",\"order\":\"stop\",\"epoch\":[1,65]}", -EPROTO,
			"'epoch': found [1,65]; expected [number, node]" },
		{ "{\"type\":\"verify\",\"request\":1,\"more\":true}", 0, NULL },
	};
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		struct control_message message;
		assert_int_equal(control_decode(wrong[i].text, strlen(wrong[i].text), &message,
					 &wrong_field),
			wrong[i].error);
		if (wrong[i].sentence != NULL)
			assert_string_equal(wrong_field.sentence, wrong[i].sentence);
	}
	struct control_message message = zeroed(CONTROL_VERIFY);
	char small[10];
	size_t size;
	assert_int_equal(control_encode(&message, small, sizeof(small), &size), -ERANGE);
}

/* Whatever becomes of a packet on its way, it is understood or refused in words. */
static void a_broken_packet_breaks_nobody(void **state)
{
	(void)state;
	static const char others[] = "\0\xff\"{}[],:0e-";
	char packet[CONTROL_PACKET_MAX], broken[CONTROL_PACKET_MAX];
	size_t size = 0;
	int count[2] = { 0 }; /* understood, refused */
	struct control_message message = zeroed(CONTROL_REPORT);
	snprintf(message.report.detail, sizeof(message.report.detail), "%s", "a disk");
	message.report.total = UINT64_MAX;
	assert_int_equal(control_encode(&message, packet, sizeof(packet), &size), 0);
	for (size_t at = 0; at < size; at++) {
		for (size_t i = 0; i < sizeof(others); i++) { /* the last one: cut off here */
			bool is_cut = i == sizeof(others) - 1;
			memcpy(broken, packet, size);
			broken[at] = others[i];
			memset(&wrong_field, 0, sizeof(wrong_field));
			int error =
				control_decode(broken, is_cut ? at : size, &message, &wrong_field);
			assert_true(error == 0 || error == -EPROTO || error == -EBADMSG);
			assert_true(error == 0 || wrong_field.sentence[0] != '\0');
			assert_non_null(
				memchr(wrong_field.sentence, '\0', sizeof(wrong_field.sentence)));
			count[error != 0]++;
		}
	}
	assert_true(count[0] > 0 && count[1] > count[0]);
}

static void a_descriptor_travels_beside_its_message(void **state)
{
	(void)state;
	int pair[2], got = -1, other = -1;
	struct stat before, after;
	struct control_message message = zeroed(CONTROL_STORE), received;
	snprintf(message.store.name, sizeof(message.store.name), "%s", "ring.0");
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	int fd = open("/dev/null", O_RDONLY);
	assert_int_equal(control_receive(pair[1], &received, &got, &wrong_field), -EAGAIN);
	assert_int_equal(control_send(pair[0], &message, fd), 0);
	message.type = CONTROL_UNSTORE;
	assert_int_equal(control_send(pair[0], &message, -1), 0);
	assert_int_equal(control_receive(pair[1], &received, &got, &wrong_field), 0);
	assert_string_equal(received.store.name, "ring.0");
	assert_true(got >= 0);
	assert_int_equal(fcntl(got, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(fd, &before) | fstat(got, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(control_receive(pair[1], &received, &other, &wrong_field), 0);
	assert_int_equal(other, -1);

	/* garbage is refused, and what follows is still understood */
	assert_int_equal(send(pair[0], "nonsense", 8, 0), 8);
	assert_int_equal(control_send(pair[0], &message, -1), 0);
	assert_int_equal(control_receive(pair[1], &received, &other, &wrong_field), -EBADMSG);
	assert_int_equal(control_receive(pair[1], &received, &other, &wrong_field), 0);
	close(pair[0]);
	assert_int_equal(control_receive(pair[1], &received, &other, &wrong_field), -ECONNRESET);
	assert_int_equal(control_send(pair[1], &message, -1), -EPIPE);
	close(pair[1]);
	close(fd);
	close(got);
}

static void a_full_socket_does_not_block(void **state)
{
	(void)state;
	int pair[2], error = 0;
	struct control_message message = zeroed(CONTROL_VERIFY);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	for (int i = 0; i < 100000 && error == 0; i++)
		error = control_send(pair[0], &message, -1);
	assert_int_equal(error, -EAGAIN);
	close(pair[0]);
	close(pair[1]);
}

static void a_listener_is_for_root_only(void **state)
{
	(void)state;
	char folder[] = "/tmp/evenkeel-test-control-XXXXXX", path[128], endless[200];
	int listener, client;
	struct stat status;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/control.sock", folder);
	assert_int_equal(control_connect(path, &client), -ENOENT);
	assert_int_equal(control_listen(path, &listener), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(control_connect(path, &client), 0);
	close(client);
	close(listener);
	assert_int_equal(control_connect(path, &client), -ECONNREFUSED);
	memset(endless, 'x', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	assert_int_equal(control_listen(endless, &listener), -ENAMETOOLONG);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_message_comes_back_as_it_was),
		cmocka_unit_test(every_report_and_order_has_its_word),
		cmocka_unit_test(a_detail_that_is_no_text_is_still_said),
		cmocka_unit_test(what_is_wrong_is_refused),
		cmocka_unit_test(a_broken_packet_breaks_nobody),
		cmocka_unit_test(a_descriptor_travels_beside_its_message),
		cmocka_unit_test(a_full_socket_does_not_block),
		cmocka_unit_test(a_listener_is_for_root_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
