/*
 * The admin socket around a real loop, with a daemon that only notes what it is told.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/addresses/addresses.h"
#include "daemon/admin/admin.h"
#include "daemon/checks/checks.h"
#include "daemon/guests/guests.h"
#include "daemon/mesh/mesh.h"
#include "daemon/modules.h"
#include "daemon/reading.h"
#include "platform/clock.h"

static struct daemon *the_daemon;
static struct module *the_module;
static struct event posted;
static int posted_count;
static bool answers_at_once;

/* ---- what admin.c wants of the others ---- */

void daemon_post(struct daemon *daemon, const struct event *event)
{
	posted = *event;
	posted_count++;
	if (answers_at_once)
		admin_answer(daemon, the_module, event->command.request, REFUSAL_BUSY, "");
}

struct module *daemon_module_by_name(struct daemon *daemon, const char *name)
{
	(void)daemon;
	return strcmp(name, "pg") == 0 ? the_module : NULL;
}

const struct node_config *daemon_peer(const struct daemon *daemon, const struct module *module)
{
	(void)module;
	return &daemon->cluster.nodes[1];
}

bool modules_is_at_rest(struct daemon *daemon, const struct module *module)
{
	struct status status;
	return core_status(daemon->core, module->settings.number, &status) == 0 &&
	       status.state == STATE_STOP;
}

int reading_ask(
	struct daemon *daemon, enum reading_kind kind, uint32_t request, reading_function *on_read)
{
	struct reading reading = { .error = 0 };
	(void)kind;
	on_read(daemon, request, &reading);
	return 0;
}

int modules_reload(
	struct daemon *daemon, const struct reading *reading, struct config_error *out_error)
{
	(void)daemon;
	(void)reading;
	snprintf(out_error->sentence, sizeof(out_error->sentence), "no");
	return -EINVAL;
}

int fs_verify(struct module *module, uint32_t request)
{
	(void)module;
	posted.command.request = request;
	return 0;
}

bool addresses_are_set(const struct module *module)
{
	(void)module;
	return true;
}

bool checks_trouble(const struct module *module, char out_sentence[SENTENCE_SIZE_MAX])
{
	(void)module;
	(void)out_sentence;
	return false;
}

bool addresses_trouble(const struct module *module, char out_sentence[SENTENCE_SIZE_MAX])
{
	(void)module;
	(void)out_sentence;
	return false;
}

bool mesh_link_is_up(const struct daemon *daemon, uint8_t node, uint8_t index)
{
	(void)daemon;
	(void)node;
	return index == 0;
}

void mesh_count(const struct daemon *daemon, struct mesh_counters *out_counters)
{
	(void)daemon;
	*out_counters = (struct mesh_counters){ 0 };
}

/* ---- a daemon in a folder of its own ---- */

static int set_up(void **state)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	struct module *module = calloc(1, sizeof(*module));
	char folder[] = "/tmp/evenkeel-test-admin-XXXXXX";
	(void)state;
	CHECK(daemon != NULL && module != NULL);
	CHECK(mkdtemp(folder) != NULL);
	snprintf(daemon->paths.run, sizeof(daemon->paths.run), "%s", folder);
	snprintf(daemon->paths.config, sizeof(daemon->paths.config), "%s", folder);
	daemon->cluster = (struct cluster_config){ .name = "demo",
		.node_count = 2,
		.nodes = {
			{ .id = 1, .name = "a" }, { .id = 2, .name = "b", .address_count = 2 } } };
	daemon->self = &daemon->cluster.nodes[0];
	snprintf(module->settings.name, sizeof(module->settings.name), "pg");
	module->settings.number = 7;
	daemon->modules[0] = module;
	daemon->module_count = 1;
	daemon->core = malloc(core_size());
	core_init(daemon->core, &(struct core_config){ .self = 1,
					.node_count = 2,
					.nodes = { 1, 2 },
					.beat_ns = NS_PER_S,
					.silence_ns = 10 * NS_PER_S,
					.margin_ns = NS_PER_S });
	the_daemon = daemon;
	the_module = module;
	posted_count = 0;
	answers_at_once = false;
	return loop_open(&daemon->loop) == 0 && admin_open(daemon) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	char path[PATH_SIZE_MAX + 16];
	(void)state;
	admin_close(the_daemon);
	loop_close(&the_daemon->loop);
	snprintf(path, sizeof(path), "%s/admin.sock", the_daemon->paths.run);
	unlink(path);
	rmdir(the_daemon->paths.run);
	free(the_daemon->core);
	free(the_daemon);
	free(the_module);
	return 0;
}

static void end_turn(void *owner)
{
	struct loop *loop = owner;
	loop->should_stop = true;
}

/* Lets the loop work for so long. */
static void turn(int64_t duration_ns)
{
	struct loop *loop = &the_daemon->loop;
	struct timer end = { .owner = loop, .on_due = end_turn };
	loop_arm(loop, &end, clock_boot_ns() + duration_ns);
	loop->should_stop = false;
	assert_int_equal(loop_run(loop), 0);
	loop_disarm(loop, &end);
}

static int open_client(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/admin.sock",
		the_daemon->paths.run);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turn(20 * NS_PER_MS);
}

static void expect(int fd, const char *text)
{
	char answer[16384] = "";
	ssize_t size = recv(fd, answer, sizeof(answer) - 1, 0);
	assert_true(size > 0);
	assert_int_equal(answer[size - 1], '\n');
	if (strstr(answer, text) == NULL)
		fail_msg("'%s' is not in '%s'", text, answer);
}

static void expect_silence(int fd)
{
	char byte;
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void expect_end(int fd)
{
	char byte;
	ssize_t size = recv(fd, &byte, 1, 0);
	assert_true(size == 0 || (size < 0 && errno == ECONNRESET));
	close(fd);
}

/* ---- tests ---- */

static void the_socket_is_for_root_only(void **state)
{
	struct stat status;
	char path[PATH_SIZE_MAX + 16];
	(void)state;
	snprintf(path, sizeof(path), "%s/admin.sock", the_daemon->paths.run);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void a_command_reaches_the_core_and_its_answer_the_client(void **state)
{
	int fd = open_client();
	(void)state;
	say(fd, "{\"command\":\"stop\",\"module\":\"pg\",\"force\":true}\n");
	assert_int_equal(posted_count, 1);
	assert_int_equal(posted.type, EVENT_COMMAND_GIVEN);
	assert_int_equal(posted.module, 7);
	assert_int_equal(posted.command.command, COMMAND_STOP);
	assert_true(posted.command.is_forced);
	expect_silence(fd);
	say(fd, "{\"command\":\"stop\",\"module\":\"pg\"}\n"); /* one at a time */
	assert_int_equal(posted_count, 1);
	admin_answer(the_daemon, the_module, posted.command.request, REFUSAL_NONE, "stopping");
	turn(20 * NS_PER_MS);
	expect(fd, "{\"ok\":true,\"sentence\":\"stopping\"}");
	assert_int_equal(posted_count, 2);
	admin_answer(the_daemon, the_module, posted.command.request, REFUSAL_BUSY, "");
	expect(fd, "\"refusal\":\"busy\"");
	close(fd);
}

static void lines_that_came_together_are_answered_in_turn(void **state)
{
	int fd = open_client();
	(void)state;
	answers_at_once = true;
	say(fd, "{\"command\":\"swap\",\"module\":\"pg\"}\n{\"command\":\"status\"}\n{\"comm");
	say(fd, "and\":\"reload\"}\n");
	char all[16384] = "";
	assert_true(recv(fd, all, sizeof(all) - 1, 0) > 0);
	const char *busy = strstr(all, "\"busy\""), *status = strstr(all, "\"modules\""),
		   *reload = strstr(all, "\"sentence\":\"no\"");
	assert_non_null(busy);
	assert_true(busy < status && status < reload);
	close(fd);
}

static void what_nobody_knows_is_refused_in_words(void **state)
{
	int fd = open_client();
	(void)state;
	say(fd, "{\"command\":\"stop\",\"module\":\"nosuch\"}\n");
	expect(fd, "there is no module 'nosuch' on this node");
	say(fd, "{\"command\":\"explode\"}\n");
	expect(fd, "evenkeeld knows no command 'explode'");
	say(fd, "{}\n");
	expect(fd, "evenkeeld knows no command ''");
	say(fd, "{\"command\":7}\n");
	expect(fd, "\"'command': found 7; expected a text\",\"refusal\":\"wrong_request\"");
	say(fd, "{\"command\":\"stop\",\"module\":\"pg\",\"force\":\"yes\"}\n");
	expect(fd, "'force': found \\\"yes\\\"; expected true or false");
	assert_int_equal(posted_count, 0);
	close(fd);
}

static void garbage_and_endless_lines_end_the_connection(void **state)
{
	static const char *const garbage[] = { "hello\n", "[]\n", "\n", "{\"a\":\n" };
	char endless[ADMIN_LINE_MAX];
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(garbage); i++) {
		int fd = open_client();
		say(fd, garbage[i]);
		expect(fd, "expected one object a line, such as "
			   "{\\\"command\\\":\\\"status\\\"}\",\"refusal\":\"wrong_request\"");
		expect_end(fd);
	}
	int fd = open_client();
	memset(endless, 'x', sizeof(endless));
	assert_int_equal(send(fd, endless, sizeof(endless), 0), sizeof(endless));
	turn(50 * NS_PER_MS);
	expect(fd, "a request is longer than 4096 bytes");
	expect_end(fd);
}

static void an_answer_to_one_who_left_is_forgotten(void **state)
{
	int fd = open_client();
	(void)state;
	say(fd, "{\"command\":\"restart\",\"module\":\"pg\"}\n");
	assert_int_equal(posted_count, 1);
	close(fd);
	turn(20 * NS_PER_MS);
	admin_answer(the_daemon, the_module, posted.command.request, REFUSAL_NONE, "restarting");
	fd = open_client();
	say(fd, "{\"command\":\"status\"}\n");
	expect(fd, "\"ok\":true");
	close(fd);
}

static void the_one_idle_longest_makes_room(void **state)
{
	int fds[ADMIN_CLIENTS_MAX + 1];
	(void)state;
	for (int i = 0; i <= ADMIN_CLIENTS_MAX; i++) {
		fds[i] = open_client();
		turn(2 * NS_PER_MS);
	}
	say(fds[ADMIN_CLIENTS_MAX], "{\"command\":\"status\"}\n");
	expect(fds[ADMIN_CLIENTS_MAX], "\"node\":\"a\"");
	expect_end(fds[0]);
	for (int i = 1; i <= ADMIN_CLIENTS_MAX; i++)
		close(fds[i]);
}

static void a_flood_is_held_back_by_its_own_socket(void **state)
{
	static const char line[] = "{\"command\":\"status\"}\n";
	int fd = open_client(), other = open_client();
	size_t sent = 0;
	(void)state;
	for (int round = 0; round < 200; round++) {
		while (send(fd, line, sizeof(line) - 1, MSG_NOSIGNAL) > 0)
			sent += sizeof(line) - 1;
		turn(NS_PER_MS);
	}
	assert_true(sent < 4 * 1024 * 1024);
	say(other, line);
	expect(other, "\"ok\":true");
	close(fd);
	close(other);
}

/* The core is told of the module. */
static void know_module(void)
{
	struct event added = { .type = EVENT_MODULE_ADDED, .module = 7, .now_ns = 1 };
	struct actions *actions = calloc(1, sizeof(*actions));
	assert_non_null(actions);
	core_step(the_daemon->core, &(struct event){ .type = EVENT_STARTED, .now_ns = 1 }, actions);
	added.module_added.config.peer = 2;
	added.module_added.config.address_lifetime_ns = 3 * NS_PER_S;
	added.module_added.random[0] = 1;
	core_step(the_daemon->core, &added, actions);
	free(actions);
}

static void a_start_is_looked_at_first(void **state)
{
	int fd = open_client();
	(void)state;
	know_module();
	snprintf(the_module->settings.directories[0], PATH_SIZE_MAX, "/proc/none");
	the_module->settings.directory_count = 1;
	say(fd, "{\"command\":\"start\",\"module\":\"pg\"}\n");
	turn(NS_PER_S);
	expect(fd, "directory '/proc/none' cannot be replicated");
	assert_int_equal(posted_count, 0);
	the_module->settings.directory_count = 0;
	say(fd, "{\"command\":\"start\",\"module\":\"pg\"}\n");
	turn(NS_PER_S);
	assert_int_equal(posted_count, 1);
	assert_int_equal(posted.command.command, COMMAND_START);
	close(fd);
}

static void a_comparison_is_answered_with_its_numbers(void **state)
{
	int fd = open_client();
	struct control_message message;
	(void)state;
	memset(&message, 0, sizeof(message));
	message.type = CONTROL_VERIFIED;
	say(fd, "{\"command\":\"verify\",\"module\":\"pg\"}\n");
	message.verified.request = posted.command.request;
	message.verified.copies.objects = 12;
	message.verified.copies.differences = 1;
	snprintf(message.verified.copies.detail, sizeof(message.verified.copies.detail), "/data/x");
	admin_verified(the_daemon, the_module, &message);
	expect(fd, "\"objects\":12,\"bytes\":0,\"differences\":1,\"detail\":\"/data/x\"");
	say(fd, "{\"command\":\"verify\",\"module\":\"pg\"}\n");
	message.verified.request = posted.command.request;
	message.verified.error = -EHOSTDOWN;
	admin_verified(the_daemon, the_module, &message);
	expect(fd, "the copies could not be compared: Host is down: /data/x");
	say(fd, "{\"command\":\"verify\",\"module\":\"pg\"}\n");
	admin_fs_lost(the_daemon, the_module);
	expect(fd, "was started anew; try again");
	admin_fs_lost(the_daemon, the_module);
	expect_silence(fd);
	close(fd);
}

/* The names and their order are what people's programs read. */
static void a_status_has_its_names(void **state)
{
	int fd = open_client();
	(void)state;
	the_daemon->cluster.nodes[1].addresses[0] = the_daemon->cluster.nodes[1].addresses[1] =
		(struct address){ .family = ADDRESS_IPV4, .bytes = { 10, 77, 0, 2 } };
	snprintf(the_module->settings.directories[0], PATH_SIZE_MAX, "/srv");
	the_module->settings.directory_count = 1;
	know_module();
	say(fd, "{\"command\":\"status\"}\n");
	expect(fd, "{\"ok\":true,\"node\":\"a\","
		   "\"cluster\":{\"name\":\"demo\",\"epoch\":0,\"port\":0},"
		   "\"nodes\":[{\"name\":\"a\",\"id\":1,\"is_self\":true,\"addresses\":[]},"
		   "{\"name\":\"b\",\"id\":2,\"is_self\":false,\"addresses\":["
		   "{\"address\":\"10.77.0.2\",\"is_up\":true},"
		   "{\"address\":\"10.77.0.2\",\"is_up\":false}]}],"
		   "\"arbiter\":{\"kind\":\"operator\",\"promise\":\"a person decides: ");
	say(fd, "{\"command\":\"status\"}\n");
	expect(fd, "\"counters\":{\"beats_sent\":0,\"beats_heard\":0,\"garbage\":0,"
		   "\"other_version\":0},\"modules\":[{\"name\":\"pg\",\"kind\":\"mirror\","
		   "\"number\":7,"
		   "\"directories\":[\"/srv\"],\"addresses\":[],\"durability\":\"call\","
		   "\"state\":\"STOP\",\"readiness\":\"NotReady\",\"peer\":\"b\","
		   "\"peer_heard\":false,\"epoch\":0,\"generation\":0,\"good\":[],"
		   "\"holder\":\"\",\"is_complete\":false,\"should_run\":false,"
		   "\"fs\":\"none\",\"link\":\"none\",\"is_failed\":false,"
		   "\"is_application_running\":false,\"is_address_held\":false,\"now\":\"");
	close(fd);
}

/* ---- subscriptions ---- */

#define SUBSCRIBE "{\"command\":\"subscribe\"}\n"

/* Takes what there is, up to the end of a line; 0 if there is nothing, negative at the end. */
static ssize_t take_part(int fd, char *out, size_t room)
{
	ssize_t there = recv(fd, out, room, MSG_PEEK);
	if (there <= 0)
		return there == 0 ? -1 : 0;
	const char *end = memchr(out, '\n', (size_t)there);
	return recv(fd, out, end != NULL ? (size_t)(end - out) + 1 : (size_t)there, 0);
}

/* The next whole line that there is; lets the loop work for at most so long until there is one. */
static char *read_line(int fd, int64_t limit_ns)
{
	static char line[512 * 1024];
	int64_t until_ns = clock_boot_ns() + limit_ns;
	size_t size = 0;
	while (size == 0 || line[size - 1] != '\n') {
		ssize_t got = take_part(fd, line + size, sizeof(line) - 1 - size);
		if (got < 0 || (got == 0 && clock_boot_ns() > until_ns))
			return NULL;
		if (got == 0)
			turn(5 * NS_PER_MS);
		size += (size_t)got;
		assert_true(size < sizeof(line) - 1);
	}
	line[size] = '\0';
	return line;
}

static void expect_line(int fd, const char *text)
{
	const char *line = read_line(fd, 3 * NS_PER_S / 2);
	while (line != NULL && strstr(line, "\"alive\"") != NULL)
		line = read_line(fd, 3 * NS_PER_S / 2);
	if (line == NULL || strstr(line, text) == NULL)
		fail_msg("'%s' is not in '%s'", text, line != NULL ? line : "nothing");
}

static int open_subscriber(void)
{
	int fd = open_client();
	say(fd, SUBSCRIBE);
	expect_line(fd, "\"type\":\"snapshot\"");
	return fd;
}

static void expect_end_of_lines(int fd)
{
	char data[4096];
	ssize_t size;
	while ((size = recv(fd, data, sizeof(data), 0)) > 0)
		;
	assert_int_equal(size, 0);
	close(fd);
}

static void change_module(bool is_running)
{
	the_module->runtime.is_application_running = is_running;
	admin_changed(the_daemon);
}

static void a_subscriber_hears_what_changes_and_nothing_else(void **state)
{
	(void)state;
	know_module();
	int fd = open_client();
	say(fd, SUBSCRIBE);
	const char *line = read_line(fd, NS_PER_S);
	assert_non_null(line);
	assert_non_null(strstr(line, "{\"ok\":true,\"node\":\"a\""));
	assert_non_null(strstr(line, "\"type\":\"snapshot\""));
	admin_changed(the_daemon); /* nothing is different */
	turn(100 * NS_PER_MS);
	expect_silence(fd);
	change_module(true);
	line = read_line(fd, NS_PER_S / 2);
	assert_non_null(line);
	assert_non_null(strstr(line, "{\"type\":\"changes\",\"modules\":[{\"name\":\"pg\""));
	assert_non_null(strstr(line, "\"is_application_running\":true"));
	assert_null(strstr(line, "\"nodes\""));
	the_daemon->module_count = 0;
	snprintf(the_daemon->cluster.nodes[1].name, NODE_NAME_MAX, "c");
	admin_changed(the_daemon);
	expect_line(fd, "\"nodes\":[{\"name\":\"a\"");
	the_daemon->module_count = 1;
	expect_line(fd, "\"modules\":[{\"name\":\"pg\""); /* seen without being told of it */
	the_daemon->module_count = 0;
	expect_line(fd, "{\"type\":\"changes\",\"gone\":[\"pg\"]}");
	the_daemon->module_count = 1;
	close(fd);
}

static void a_subscriber_sees_that_the_daemon_lives(void **state)
{
	(void)state;
	int fd = open_subscriber();
	for (int i = 0; i < 2; i++) {
		const char *line = read_line(fd, 3 * NS_PER_S / 2);
		assert_non_null(line);
		assert_string_equal(line,
			"{\"type\":\"alive\",\"counters\":{\"beats_sent\":0,"
			"\"beats_heard\":0,\"garbage\":0,\"other_version\":0}}\n");
	}
	close(fd);
}

static void a_subscriber_gives_no_commands(void **state)
{
	(void)state;
	know_module();
	int fd = open_subscriber();
	say(fd, "{\"command\":\"stop\",\"module\":\"pg\"}\n" SUBSCRIBE);
	expect_line(fd, "\"sentence\":\"this connection shows what changes; give commands over "
			"another one\",\"refusal\":\"subscribed\"");
	expect_line(fd, "\"refusal\":\"subscribed\"");
	assert_int_equal(posted_count, 0);
	change_module(true);
	expect_line(fd, "\"type\":\"changes\"");
	say(fd, "garbage\n");
	expect_line(fd, "this line is no JSON object");
	expect_end(fd);
	fd = open_client(); /* and its place is free again */
	say(fd, "{\"command\":\"status\"}\n");
	expect(fd, "\"ok\":true");
	close(fd);
}

static void make_lines_long(void)
{
	the_module->settings.directory_count = ROOTS_MAX;
	for (int i = 0; i < ROOTS_MAX; i++) {
		memset(the_module->settings.directories[i], 'x', PATH_SIZE_MAX - 1);
		the_module->settings.directories[i][PATH_SIZE_MAX - 1] = '\0';
	}
}

/* More lines than are kept, each of 32 KiB; one who reads them sees them all. */
static void change_often(int reader)
{
	for (int i = 0; i < 160; i++) {
		change_module(i % 2 == 0);
		expect_line(reader, "\"type\":\"changes\"");
	}
}

static void a_slow_subscriber_is_told_that_it_lost_changes(void **state)
{
	(void)state;
	know_module();
	make_lines_long();
	int slow = open_subscriber(), fast = open_subscriber(), lines = 0;
	change_often(fast);
	const char *line = read_line(slow, NS_PER_S);
	assert_non_null(line);
	for (; strstr(line, "\"lost\"") == NULL; lines++) {
		assert_non_null(strstr(line, "\"type\":\"changes\""));
		line = read_line(slow, NS_PER_S);
		assert_non_null(line);
	}
	assert_in_range(lines, 1, 100);
	assert_non_null(strstr(line, "was read too slowly and misses changes"));
	line = read_line(slow, NS_PER_S);
	assert_non_null(line);
	assert_non_null(strstr(line, "\"type\":\"snapshot\""));
	assert_non_null(strstr(line, "\"is_application_running\":false"));
	change_module(true);
	expect_line(slow, "\"is_application_running\":true");
	close(slow);
	close(fast);
}

static void subscribers_that_vanish_disturb_nobody(void **state)
{
	(void)state;
	int gone[8];
	know_module();
	make_lines_long();
	for (size_t i = 0; i < ARRAY_COUNT(gone); i++)
		gone[i] = open_subscriber();
	for (int i = 0; i < 20; i++) { /* until something waits to be sent to each of them */
		change_module(i % 2 == 0);
		turn(25 * NS_PER_MS);
	}
	for (size_t i = 0; i < ARRAY_COUNT(gone) / 2; i++)
		close(gone[i]);
	int stays = open_subscriber();
	for (size_t i = ARRAY_COUNT(gone) / 2; i < ARRAY_COUNT(gone); i++)
		close(gone[i]);
	change_module(true);
	expect_line(stays, "\"is_application_running\":true");
	close(stays);
	turn(20 * NS_PER_MS);
	int later = open_subscriber();
	close(later);
}

/* 300 modules of 32 KiB each are more than an answer may have. */
static void a_status_that_is_too_long_ends_the_connection(void **state)
{
	(void)state;
	know_module();
	int before = open_subscriber();
	make_lines_long();
	for (int i = 1; i < 300; i++)
		the_daemon->modules[i] = the_module;
	the_daemon->module_count = 300;
	admin_changed(the_daemon);
	turn(NS_PER_S);
	expect_end_of_lines(before);
	int fd = open_client();
	say(fd, SUBSCRIBE);
	expect_end(fd);
	the_daemon->module_count = 1;
	fd = open_subscriber();
	close(fd);
}

static void a_hundred_subscribers_and_room_for_commands(void **state)
{
	(void)state;
	int fds[SUBSCRIBERS_MAX];
	know_module();
	for (int i = 0; i < SUBSCRIBERS_MAX; i++) {
		fds[i] = open_client();
		assert_int_equal(send(fds[i], SUBSCRIBE, strlen(SUBSCRIBE), MSG_NOSIGNAL),
			strlen(SUBSCRIBE));
		turn(2 * NS_PER_MS);
	}
	for (int i = 0; i < SUBSCRIBERS_MAX; i++)
		expect_line(fds[i], "\"type\":\"snapshot\"");
	int other = open_client();
	say(other, SUBSCRIBE);
	expect_line(other, "\"refusal\":\"too_many\"");
	for (int i = 0; i < ADMIN_CLIENTS_MAX; i++) { /* idle ones make room, subscribers stay */
		int idle = open_client();
		turn(NS_PER_MS);
		close(idle);
	}
	say(other, "{\"command\":\"status\"}\n");
	expect_line(other, "\"modules\"");
	change_module(true);
	for (int i = 0; i < SUBSCRIBERS_MAX; i++)
		expect_line(fds[i], "\"is_application_running\":true");
	close(fds[0]);
	say(other, SUBSCRIBE);
	expect_line(other, "\"type\":\"snapshot\"");
	for (int i = 1; i < SUBSCRIBERS_MAX; i++)
		close(fds[i]);
	close(other);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_socket_is_for_root_only),
		TEST(a_command_reaches_the_core_and_its_answer_the_client),
		TEST(lines_that_came_together_are_answered_in_turn),
		TEST(what_nobody_knows_is_refused_in_words),
		TEST(garbage_and_endless_lines_end_the_connection),
		TEST(an_answer_to_one_who_left_is_forgotten),
		TEST(the_one_idle_longest_makes_room),
		TEST(a_flood_is_held_back_by_its_own_socket),
		TEST(a_start_is_looked_at_first),
		TEST(a_comparison_is_answered_with_its_numbers),
		TEST(a_status_has_its_names),
		TEST(a_subscriber_hears_what_changes_and_nothing_else),
		TEST(a_subscriber_sees_that_the_daemon_lives),
		TEST(a_subscriber_gives_no_commands),
		TEST(a_slow_subscriber_is_told_that_it_lost_changes),
		TEST(subscribers_that_vanish_disturb_nobody),
		TEST(a_status_that_is_too_long_ends_the_connection),
		TEST(a_hundred_subscribers_and_room_for_commands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
