/* Two copies in one process: see pair.h for the drawing. */
#include "pair.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/replicator/stream_frame.h"
#include "platform/clock.h"

#define WAIT_NS (300 * NS_PER_S) /* an end, not a bound */

static struct cluster_config cluster;
static struct module_settings module_settings;
static char base[96];

struct pair_node nodes[2];
int pair_seconds = 1;
const uint8_t pair_set_id[SET_ID_SIZE] = { 7 };
const struct epoch pair_epoch = { 1, 1 };
const struct generation pair_generation = { 1, 11 };

/* ---- callbacks ---- */

static void on_answerable(void *context, uint64_t sequence)
{
	struct pair_node *node = context;
	lock_take(&node->lock);
	if (sequence > node->answerable)
		node->answerable = sequence;
	condition_wake_all(&node->changed);
	lock_give(&node->lock);
}

static void on_synced(void *context, uint64_t sequence, int error)
{
	struct pair_node *node = context;
	assert_int_equal(error, 0);
	lock_take(&node->lock);
	assert_true(node->synced_count < ARRAY_COUNT(node->synced));
	node->synced[node->synced_count++] = sequence;
	condition_wake_all(&node->changed);
	lock_give(&node->lock);
}

static void on_beat(void *context, const char *beat)
{
	(void)context;
	(void)beat;
}

static void on_report(void *context, const struct fs_reported *report)
{
	struct pair_node *node = context;
	if (report->report != FS_REPORT_RESYNC_PROGRESS || report->detail[0] != '\0')
		print_message("  node %d: report %d %s (%d)\n", node->id, (int)report->report,
			report->detail, report->error);
	lock_take(&node->lock);
	node->seen[report->report]++;
	if (report->report == FS_REPORT_TARGET_COMPLETE)
		node->complete = *report;
	condition_wake_all(&node->changed);
	lock_give(&node->lock);
}

void node_wait_report(struct pair_node *node, enum fs_report report, unsigned more_than)
{
	int64_t until = clock_boot_ns() + WAIT_NS;
	lock_take(&node->lock);
	for (int64_t now; node->seen[report] <= more_than && (now = clock_boot_ns()) < until;)
		(void)condition_wait_for(&node->changed, &node->lock, until - now);
	unsigned seen = node->seen[report];
	lock_give(&node->lock);
	if (seen <= more_than)
		fail_msg("node %d: report %d did not come", node->id, (int)report);
}

unsigned node_seen(struct pair_node *node, enum fs_report report)
{
	lock_take(&node->lock);
	unsigned count = node->seen[report];
	lock_give(&node->lock);
	return count;
}

uint64_t node_left_out(struct pair_node *node, char *out_why, size_t size)
{
	lock_take(&node->lock);
	uint64_t count = node->complete.left_out;
	snprintf(out_why, size, "%s", node->complete.detail);
	lock_give(&node->lock);
	return count;
}

/* ---- the peer's evenkeeld, as far as the stream needs it ---- */

/* A caller of a process that is not there goes away. */
static void bring_in(struct pair_node *node, int fd)
{
	lock_take(&node->door);
	if (node->is_open)
		replicator_take_connection(node->replicator, fd);
	else
		close(fd);
	lock_give(&node->door);
}

static void *acceptor_run(void *context)
{
	struct pair_node *node = context;
	for (;;) {
		uint8_t preface[PREFACE_SIZE];
		uint8_t answer[PREFACE_ANSWER_SIZE];
		int fd = accept4(node->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return NULL;
		preface_encode_answer(PREFACE_GO_ON, answer);
		if (recv(fd, preface, sizeof(preface), MSG_WAITALL) != sizeof(preface) ||
			atomic_load(&node->is_deaf) ||
			send(fd, answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			close(fd);
		else
			bring_in(node, fd);
	}
}

const struct address *pair_address(const struct pair_node *node)
{
	return &cluster.nodes[node->id - 1].addresses[0];
}

static void start_listening(struct pair_node *node)
{
	const struct address *own = pair_address(node);
	struct sockaddr_storage address;
	socklen_t size = socket_address_fill(own, PAIR_PORT, &address);
	int one = 1;
	node->listen_fd = socket(socket_family(own), SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(node->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(node->listen_fd, (const struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(node->listen_fd, 8), 0);
	assert_int_equal(pthread_create(&node->acceptor, NULL, acceptor_run, node), 0);
}

static void stop_listening(struct pair_node *node)
{
	(void)shutdown(node->listen_fd, SHUT_RDWR);
	(void)pthread_join(node->acceptor, NULL);
	close(node->listen_fd);
}

/* ---- nodes ---- */

void node_open_process(struct pair_node *node, bool is_fresh)
{
	const struct tree_root root = { .path = node->root, .fd = node->root_fd };
	assert_int_equal(tree_open(&root, 1, node->index, &node->tree), 0);
	node->order = order_new();
	const struct replicator_config config = {
		.cluster = &cluster,
		.module = &module_settings,
		.self = node->id,
		.peer = node->id == 1 ? 2 : 1,
		.tree = node->tree,
		.order = node->order,
		.send_log_fd = node->send_fd,
		.receive_log_fd = node->receive_fd,
		.is_fresh = is_fresh,
		.state_path = node->state,
		.tls_folder = node->tls,
	};
	const struct replicator_callbacks callbacks = { .context = node,
		.on_answerable = on_answerable,
		.on_synced = on_synced,
		.on_report = on_report,
		.on_beat = on_beat };
	assert_int_equal(replicator_open(&config, &callbacks, &node->replicator), 0);
	lock_take(&node->door);
	node->is_open = true;
	lock_give(&node->door);
}

void node_close_process(struct pair_node *node)
{
	lock_take(&node->door);
	node->is_open = false;
	lock_give(&node->door);
	replicator_close(node->replicator);
	order_free(node->order);
	tree_close(node->tree);
}

static void name_node(struct pair_node *node, uint8_t id)
{
	memset(node, 0, sizeof(*node));
	node->id = id;
	lock_init(&node->lock, RANK_LEAF);
	lock_init(&node->door, RANK_ORDER_ALL);
	condition_init(&node->changed);
	(void)snprintf(node->root, sizeof(node->root), "%s/root%d", base, id);
	(void)snprintf(node->index, sizeof(node->index), "%s/index%d", base, id);
	(void)snprintf(node->tls, sizeof(node->tls), "%s/tls%d", base, id);
	(void)snprintf(node->state, sizeof(node->state), "%s/state%d", base, id);
}

static void start_node(struct pair_node *node)
{
	assert_int_equal(mkdir(node->root, 0755), 0);
	node->root_fd = open(node->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(node->root_fd >= 0);
	node->send_fd = memfd_create("send", MFD_CLOEXEC);
	node->receive_fd = memfd_create("receive", MFD_CLOEXEC);
	node_open_process(node, true);
	start_listening(node);
}

/* ---- both ---- */

static void describe_cluster(void)
{
	cluster = (struct cluster_config){ .port = PAIR_PORT, .node_count = 2 };
	for (int i = 0; i < 2; i++) {
		struct node_config *node = &cluster.nodes[i];
		node->id = (uint8_t)(i + 1);
		(void)snprintf(node->name, sizeof(node->name), "%s", i == 0 ? "alpha" : "beta");
		node->address_count = 1;
		node->addresses[0] = address_make(
			ADDRESS_IPV4, (const uint8_t[]){ 127, 77, 1, (uint8_t)(i + 1) });
	}
	module_settings = (struct module_settings){
		.directory_count = 1, .durability = DURABILITY_CALL, .peer_timeout_ns = 2 * NS_PER_S
	};
	(void)snprintf(module_settings.name, sizeof(module_settings.name), "pair");
}

int pair_setup(void **state)
{
	(void)state;
	(void)snprintf(base, sizeof(base), "/tmp/evenkeel-pair-XXXXXX");
	assert_non_null(mkdtemp(base));
	describe_cluster();
	name_node(&nodes[0], 1);
	name_node(&nodes[1], 2);
	pair_make_certificates();
	start_node(&nodes[0]);
	start_node(&nodes[1]);
	return 0;
}

static void run(const char *const arguments[], int *out_status)
{
	extern char **environ;
	pid_t pid = 0;
	assert_int_equal(
		posix_spawnp(&pid, arguments[0], NULL, NULL, (char *const *)arguments, environ), 0);
	assert_int_equal(waitpid(pid, out_status, 0), pid);
}

int pair_teardown(void **state)
{
	(void)state;
	int status = 0;
	for (int i = 0; i < 2; i++) {
		stop_listening(&nodes[i]);
		node_close_process(&nodes[i]);
		close(nodes[i].root_fd);
		close(nodes[i].send_fd);
		close(nodes[i].receive_fd);
	}
	run((const char *const[]){ "rm", "-rf", base, NULL }, &status);
	return 0;
}

static void assert_equal_trees(void)
{
	int status = 0;
	const char *treediff = getenv("TREEDIFF");
	run((const char *const[]){ treediff != NULL ? treediff : "tools/treediff", nodes[0].root,
		    nodes[1].root, NULL },
		&status);
	assert_int_equal(status, 0);
}

/* ---- steps ---- */

void pair_roles(void)
{
	assert_int_equal(replicator_be_primary(nodes[0].replicator, pair_epoch, pair_generation,
				 pair_set_id, false),
		0);
	assert_int_equal(
		replicator_be_secondary(nodes[1].replicator, pair_epoch, pair_set_id, false), 0);
}

void pair_connect(struct pair_node *source, struct pair_node *target, struct epoch epoch,
	enum resync_plan plan)
{
	unsigned before = node_seen(source, FS_REPORT_TARGET_COMPLETE);
	unsigned adopted = node_seen(target, FS_REPORT_ADOPTED);
	int64_t start_ns = clock_boot_ns();
	assert_int_equal(replicator_connect(source->replicator, plan), 0);
	node_wait_report(source, FS_REPORT_TARGET_COMPLETE, before);
	node_wait_report(target, FS_REPORT_ADOPTED, adopted);
	assert_int_equal(replicator_pair(source->replicator, epoch), 0);
	print_message(
		"  up to date in %lld ms\n", (long long)((clock_boot_ns() - start_ns) / NS_PER_MS));
}

/* While the application writes: no difference may be seen where there is none. */
void node_verify(struct pair_node *node, uint64_t differences)
{
	struct fs_verified result;
	assert_int_equal(replicator_verify(node->replicator, &result), 0);
	print_message("  verified %llu objects, %llu bytes: %llu differ (%s)\n",
		(unsigned long long)result.objects, (unsigned long long)result.bytes,
		(unsigned long long)result.differences, result.detail);
	assert_int_equal(result.differences, differences);
}

void node_drain(struct pair_node *node)
{
	unsigned before = node_seen(node, FS_REPORT_DRAINED);
	assert_int_equal(replicator_drain(node->replicator), 0);
	node_wait_report(node, FS_REPORT_DRAINED, before);
}

void pair_begin(void)
{
	pair_roles();
	pair_connect(&nodes[0], &nodes[1], pair_epoch, RESYNC_COMPARE);
}

void pair_finish(struct pair_node *primary)
{
	node_drain(primary);
	assert_equal_trees();
}

/* A loopback of our own: whoever runs the same test beside us has the same addresses. */
static void enter_own_network(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

int pair_main(int argc, char **argv, const struct CMUnitTest *tests, size_t count)
{
	if (geteuid() != 0) {
		print_message("needs root: trusted.* attributes\n");
		return 77; /* meson: skipped */
	}
	enter_own_network();
	if (argc > 1)
		pair_seconds = (int)strtol(argv[1], NULL, 10);
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	/* The function behind cmocka's macro, which wants to see the array itself. */
	return _cmocka_run_group_tests(argv[0], tests, count, NULL, NULL);
}
