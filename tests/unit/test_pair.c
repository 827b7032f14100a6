/*
 * Two copies in one process, over real TLS on the loopback: pairing, writing, breaking connections,
 * successors, promotion, resynchronisation. No kernel mounts: writers use the seam as the file
 * system in front does (tree_apply(), then replicator_submit(), under order locks).
 *
 *	writers -> tree A, replicator A ===TLS=== replicator B -> tree B        treediff A B
 *	                127.77.PID.1                 127.77.PID.2
 *
 * Afterwards tools/treediff, which knows nothing of the product, compares the two trees. Needs
 * root (trusted.* attributes). `test_pair SECONDS` writes for so long in each scenario.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cmocka.h>

#include "fs/order.h"
#include "fs/replicator.h"
#include "fs/stream_frame.h"
#include "fs/tree.h"
#include "fs/tree_resync.h"
#include "platform/clock.h"

#define PORT	    17600
#define WRITERS	    4
#define DIRECTORIES 12
#define NAMES	    40
#define WAIT_NS	    (60 * NS_PER_S)

struct node {
	uint8_t id;
	char root[128], index[128], state[128];
	int root_fd, send_fd, receive_fd, listen_fd;
	struct tree *tree;
	struct order *order;
	struct replicator *replicator;
	pthread_t acceptor;
	atomic_bool is_deaf; /* does not take connections */

	pthread_mutex_t lock; /* below */
	pthread_cond_t changed;
	unsigned seen[FS_REPORT_NOTICE + 1];
	uint64_t answerable;
	uint64_t synced[64];
	unsigned synced_count;
};

static struct cluster_config cluster;
static struct module_settings module_settings;
static char base[96];
static char tls_folder[2][128];
static struct node nodes[2];
static int write_seconds = 1;
static const uint8_t set_id[SET_ID_SIZE] = { 7 };

/* ---- certificates ---- */

static EVP_PKEY *new_key(const char *path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	assert_non_null(key);
	if (path != NULL) {
		FILE *file = fopen(path, "we");
		assert_non_null(file);
		assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
		assert_int_equal(fclose(file), 0);
	}
	return key;
}

static X509 *new_certificate(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *certificate = X509_new();
	assert_int_equal(X509_set_version(certificate, 2), 1);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
	X509_gmtime_adj(X509_getm_notAfter(certificate), -3600); /* over: dates are ignored */
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
		(const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(
		certificate, X509_get_subject_name(issuer != NULL ? issuer : certificate));
	if (issuer == NULL) {
		X509_EXTENSION *extension =
			X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
		X509_add_ext(certificate, extension, -1);
		X509_EXTENSION_free(extension);
	}
	assert_true(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);
	return certificate;
}

static void write_certificate(const char *folder, const char *name, X509 *certificate)
{
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(PEM_write_X509(file, certificate), 1);
	assert_int_equal(fclose(file), 0);
}

static void make_certificates(void)
{
	EVP_PKEY *ca_key = new_key(NULL);
	X509 *ca = new_certificate(ca_key, "test CA", NULL, ca_key);
	for (int i = 0; i < 2; i++) {
		char path[256];
		(void)snprintf(tls_folder[i], sizeof(tls_folder[i]), "%s/tls%d", base, i);
		assert_int_equal(mkdir(tls_folder[i], 0700), 0);
		(void)snprintf(path, sizeof(path), "%s/node.key", tls_folder[i]);
		EVP_PKEY *key = new_key(path);
		X509 *certificate = new_certificate(key, i == 0 ? "alpha" : "beta", ca, ca_key);
		write_certificate(tls_folder[i], "ca.pem", ca);
		write_certificate(tls_folder[i], "node.pem", certificate);
		X509_free(certificate);
		EVP_PKEY_free(key);
	}
	X509_free(ca);
	EVP_PKEY_free(ca_key);
}

/* ---- callbacks ---- */

static void on_answerable(void *context, uint64_t sequence)
{
	struct node *node = context;
	pthread_mutex_lock(&node->lock);
	if (sequence > node->answerable)
		node->answerable = sequence;
	pthread_cond_broadcast(&node->changed);
	pthread_mutex_unlock(&node->lock);
}

static void on_synced(void *context, uint64_t sequence, int error)
{
	struct node *node = context;
	assert_int_equal(error, 0);
	pthread_mutex_lock(&node->lock);
	assert_true(node->synced_count < ARRAY_COUNT(node->synced));
	node->synced[node->synced_count++] = sequence;
	pthread_cond_broadcast(&node->changed);
	pthread_mutex_unlock(&node->lock);
}

static void on_report(void *context, const struct replicator_report *report)
{
	struct node *node = context;
	if (report->report != FS_REPORT_RESYNC_PROGRESS || report->detail[0] != '\0')
		print_message("  node %d: report %d %s (%d)\n", node->id, (int)report->report,
			report->detail, report->error);
	pthread_mutex_lock(&node->lock);
	node->seen[report->report]++;
	pthread_cond_broadcast(&node->changed);
	pthread_mutex_unlock(&node->lock);
}

static void wait_report(struct node *node, enum fs_report report, unsigned more_than)
{
	struct timespec until;
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_NS / NS_PER_S;
	pthread_mutex_lock(&node->lock);
	int error = 0;
	while (node->seen[report] <= more_than && error == 0)
		error = pthread_cond_timedwait(&node->changed, &node->lock, &until);
	unsigned seen = node->seen[report];
	pthread_mutex_unlock(&node->lock);
	if (seen <= more_than)
		fail_msg("node %d: report %d did not come", node->id, (int)report);
}

static unsigned seen(struct node *node, enum fs_report report)
{
	pthread_mutex_lock(&node->lock);
	unsigned count = node->seen[report];
	pthread_mutex_unlock(&node->lock);
	return count;
}

/* ---- the peer's evenkeeld, as far as the stream needs it ---- */

static void *acceptor_run(void *context)
{
	struct node *node = context;
	for (;;) {
		uint8_t preface[STREAM_PREFACE_SIZE];
		const uint8_t answer[STREAM_ANSWER_SIZE] = { 'E', 'V', 'K', 'L', 0, 1, 0, 0 };
		int fd = accept4(node->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return NULL;
		if (recv(fd, preface, sizeof(preface), MSG_WAITALL) != sizeof(preface) ||
			atomic_load(&node->is_deaf) ||
			send(fd, answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			close(fd);
		else
			replicator_take_connection(node->replicator, fd);
	}
}

static void start_listening(struct node *node)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr = cluster.nodes[node->id - 1].addresses[0] };
	int one = 1;
	node->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(node->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(
		bind(node->listen_fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(node->listen_fd, 8), 0);
	assert_int_equal(pthread_create(&node->acceptor, NULL, acceptor_run, node), 0);
}

static void stop_listening(struct node *node)
{
	(void)shutdown(node->listen_fd, SHUT_RDWR);
	(void)pthread_join(node->acceptor, NULL);
	close(node->listen_fd);
}

/* ---- nodes ---- */

static void open_process(struct node *node, bool is_fresh)
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
		.tls_folder = tls_folder[node->id - 1],
	};
	const struct replicator_callbacks callbacks = { .context = node,
		.on_answerable = on_answerable,
		.on_synced = on_synced,
		.on_report = on_report };
	assert_int_equal(replicator_open(&config, &callbacks, &node->replicator), 0);
}

static void close_process(struct node *node)
{
	replicator_close(node->replicator);
	order_free(node->order);
	tree_close(node->tree);
}

static void make_node(struct node *node, uint8_t id)
{
	memset(node, 0, sizeof(*node));
	node->id = id;
	pthread_mutex_init(&node->lock, NULL);
	pthread_cond_init(&node->changed, NULL);
	(void)snprintf(node->root, sizeof(node->root), "%s/root%d", base, id);
	(void)snprintf(node->index, sizeof(node->index), "%s/index%d", base, id);
	(void)snprintf(node->state, sizeof(node->state), "%s/state%d", base, id);
	assert_int_equal(mkdir(node->root, 0755), 0);
	node->root_fd = open(node->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(node->root_fd >= 0);
	node->send_fd = memfd_create("send", MFD_CLOEXEC);
	node->receive_fd = memfd_create("receive", MFD_CLOEXEC);
	open_process(node, true);
	start_listening(node);
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(base, sizeof(base), "/tmp/evenkeel-pair-XXXXXX");
	assert_non_null(mkdtemp(base));
	make_certificates();
	unsigned subnet = (unsigned)getpid() % 250;
	cluster = (struct cluster_config){ .port = PORT, .node_count = 2 };
	for (int i = 0; i < 2; i++) {
		struct node_config *node = &cluster.nodes[i];
		node->id = (uint8_t)(i + 1);
		(void)snprintf(node->name, sizeof(node->name), "%s", i == 0 ? "alpha" : "beta");
		node->address_count = 1;
		node->addresses[0].s_addr = htonl(0x7f4d0000u | subnet << 8 | (unsigned)(i + 1));
	}
	module_settings = (struct module_settings){
		.directory_count = 1, .durability = DURABILITY_CALL, .peer_timeout_ns = 2 * NS_PER_S
	};
	(void)snprintf(module_settings.name, sizeof(module_settings.name), "pair");
	make_node(&nodes[0], 1);
	make_node(&nodes[1], 2);
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

static int teardown(void **state)
{
	(void)state;
	int status = 0;
	for (int i = 0; i < 2; i++) {
		stop_listening(&nodes[i]);
		close_process(&nodes[i]);
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

/* ---- writers ---- */

struct writer {
	pthread_t thread;
	struct node *node;
	uint64_t random;
	atomic_bool *is_over;
	uint64_t done, failed;
	uint64_t last; /* sequence of the last one that was answered */
};

static uint64_t draw(struct writer *writer, uint64_t below)
{
	writer->random ^= writer->random << 13; /* xorshift64 (Marsaglia 2003) */
	writer->random ^= writer->random >> 7;
	writer->random ^= writer->random << 17;
	return (writer->random >> 11) % below;
}

static void wait_answerable(struct writer *writer, uint64_t sequence)
{
	struct node *node = writer->node;
	if (replicator_answerable(node->replicator) >= sequence)
		return;
	pthread_mutex_lock(&node->lock);
	while (node->answerable < sequence)
		pthread_cond_wait(&node->changed, &node->lock);
	pthread_mutex_unlock(&node->lock);
}

static void wait_synced(struct node *node, uint64_t sequence)
{
	pthread_mutex_lock(&node->lock);
	for (;;) {
		for (unsigned i = 0; i < node->synced_count; i++)
			if (node->synced[i] == sequence) {
				node->synced[i] = node->synced[--node->synced_count];
				pthread_mutex_unlock(&node->lock);
				return;
			}
		pthread_cond_wait(&node->changed, &node->lock);
	}
}

/* As the front does it: here first, sequenced under the same locks, answered later. */
static int perform(struct writer *writer, struct op *op, struct order_objects objects)
{
	struct node *node = writer->node;
	uint64_t sequence = 0;
	order_lock(node->order, &objects);
	/* The kernel would not let through what is meant for an object without a name. */
	bool is_there = op->type == OP_CREATE || tree_has_object(node->tree, op->object);
	int error = is_there ? tree_apply(node->tree, op, TREE_LOCAL) : -ENOENT;
	if (error == 0)
		sequence = replicator_submit(node->replicator, op);
	order_unlock(node->order, &objects);
	if (error != 0) {
		writer->failed++;
		return error;
	}
	wait_answerable(writer, sequence);
	writer->last = sequence;
	writer->done++;
	return 0;
}

static struct bytes name_of(char *buffer, const char *prefix, uint64_t number)
{
	int size = snprintf(buffer, 32, "%s%llu", prefix, (unsigned long long)number);
	return (struct bytes){ .data = (const uint8_t *)buffer, .size = (size_t)size };
}

static bool new_id(struct writer *writer, uint64_t *out_id)
{
	return replicator_ensure_ids(writer->node->replicator, 1) == 0 &&
	       tree_new_id(writer->node->tree, out_id) == 0;
}

/* As the kernel does it: nobody looks a name up while it is being made. */
static int look_up_locked(
	struct node *node, uint64_t parent, struct bytes name, struct tree_entry *out_entry)
{
	const struct order_objects objects = { .ids = { parent } };
	order_lock(node->order, &objects);
	int error = tree_lookup(node->tree, parent, name, out_entry);
	order_unlock(node->order, &objects);
	return error;
}

/* A directory below the root, or the root. */
static uint64_t some_directory(struct writer *writer)
{
	char buffer[32];
	struct tree_entry entry;
	uint64_t number = draw(writer, DIRECTORIES + 1);
	uint64_t parent = 1;
	if (number == DIRECTORIES ||
		look_up_locked(writer->node, 1, name_of(buffer, "d", number), &entry) != 0)
		return 1;
	parent = entry.object;
	if (draw(writer, 3) == 0 && look_up_locked(writer->node, parent,
					    name_of(buffer, "d", draw(writer, 3)), &entry) == 0)
		parent = entry.object;
	return parent;
}

static void do_create(struct writer *writer, uint64_t parent)
{
	static const uint32_t modes[] = { S_IFREG | 0644, S_IFREG | 0600, S_IFDIR | 0755,
		S_IFLNK | 0777, S_IFIFO | 0600 };
	char buffer[32];
	struct op op = { .type = OP_CREATE, .parent = parent, .umask = 022 };
	op.attributes.mode = modes[draw(writer, ARRAY_COUNT(modes))];
	bool is_directory = S_ISDIR(op.attributes.mode);
	op.name = is_directory ? name_of(buffer, "d", draw(writer, DIRECTORIES))
			       : name_of(buffer, "n", draw(writer, NAMES));
	if (S_ISLNK(op.attributes.mode))
		op.data = (struct bytes){ .data = (const uint8_t *)"some/target", .size = 11 };
	if (new_id(writer, &op.object))
		(void)perform(
			writer, &op, (struct order_objects){ .ids = { op.parent, op.object } });
}

static bool look_up(struct writer *writer, uint64_t parent, char *buffer, struct bytes *out_name,
	struct tree_entry *out_entry)
{
	*out_name = draw(writer, 8) == 0 ? name_of(buffer, "d", draw(writer, DIRECTORIES))
					 : name_of(buffer, "n", draw(writer, NAMES));
	return tree_lookup(writer->node->tree, parent, *out_name, out_entry) == 0;
}

/* The caller shut everybody else out before it looked names up; here they come in again. */
static void perform_locked(struct writer *writer, struct op *op)
{
	struct node *node = writer->node;
	uint64_t sequence = 0;
	int error = tree_apply(node->tree, op, TREE_LOCAL);
	if (error == 0)
		sequence = replicator_submit(node->replicator, op);
	order_unlock_all(node->order);
	if (error != 0) {
		writer->failed++;
		return;
	}
	wait_answerable(writer, sequence);
	writer->done++;
}

static void do_unlink(struct writer *writer, uint64_t parent)
{
	char buffer[32];
	struct tree_entry entry;
	struct op op = { .type = OP_UNLINK, .parent = parent };
	order_lock_all(writer->node->order);
	if (!look_up(writer, parent, buffer, &op.name, &entry)) {
		order_unlock_all(writer->node->order);
		return;
	}
	op.object = entry.object;
	if (S_ISDIR(entry.attributes.mode))
		op.type = OP_RMDIR;
	perform_locked(writer, &op);
}

static void do_rename(struct writer *writer, uint64_t parent)
{
	char buffer[32], new_buffer[32];
	struct tree_entry entry;
	struct node *node = writer->node;
	struct op op = { .type = OP_RENAME, .parent = parent };
	op.new_parent = some_directory(writer);
	op.mask = draw(writer, 6) == 0 ? 2 : 0; /* exchange */
	order_lock_all(node->order);
	if (!look_up(writer, parent, buffer, &op.name, &entry)) {
		order_unlock_all(node->order);
		return;
	}
	op.object = entry.object;
	op.new_name = name_of(new_buffer, S_ISDIR(entry.attributes.mode) ? "d" : "n",
		draw(writer, S_ISDIR(entry.attributes.mode) ? DIRECTORIES : NAMES));
	if (tree_lookup(node->tree, op.new_parent, op.new_name, &entry) == 0)
		op.replaced = entry.object;
	if (op.replaced == op.object) /* the kernel answers this itself */
		order_unlock_all(node->order);
	else
		perform_locked(writer, &op);
}

static void do_link(struct writer *writer, uint64_t parent)
{
	char buffer[32], new_buffer[32];
	struct tree_entry entry;
	struct op op = { .type = OP_LINK };
	struct bytes name;
	op.new_parent = some_directory(writer);
	op.new_name = name_of(new_buffer, "n", draw(writer, NAMES));
	order_lock_all(writer->node->order);
	if (!look_up(writer, parent, buffer, &name, &entry) || S_ISDIR(entry.attributes.mode)) {
		order_unlock_all(writer->node->order);
		return;
	}
	op.object = entry.object;
	perform_locked(writer, &op);
}

static uint8_t data[WRITE_SIZE_MAX]; /* what is written: no two places are alike */

static void fill_data(void)
{
	uint32_t random = 2463534242u;
	for (size_t i = 0; i < sizeof(data); i++) {
		random = random * 1664525u + 1013904223u;
		data[i] = (uint8_t)(random >> 24);
	}
}

static void do_write(struct writer *writer, uint64_t object)
{
	struct op op = { .type = OP_WRITE, .object = object };
	op.offset = draw(writer, 3) == 0 ? draw(writer, 4 * 1024 * 1024) : draw(writer, 20000);
	op.data.size = draw(writer, 20) == 0 ? 128 * 1024 : 1 + draw(writer, 9000);
	op.data.data = data + draw(writer, 1000);
	op.length = op.data.size;
	(void)perform(writer, &op, (struct order_objects){ .ids = { object } });
}

static void do_allocate(struct writer *writer, uint64_t object)
{
	static const uint32_t modes[] = { 0, FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE };
	struct op op = { .type = OP_ALLOCATE, .object = object };
	op.mask = modes[draw(writer, ARRAY_COUNT(modes))];
	op.offset = draw(writer, 200000);
	op.length = 1 + draw(writer, 200000);
	(void)perform(writer, &op, (struct order_objects){ .ids = { object } });
}

static void do_attributes(struct writer *writer, const struct tree_entry *entry)
{
	struct op op = { .type = OP_SET_ATTRIBUTES, .object = entry->object };
	op.attributes = entry->attributes;
	switch (draw(writer, 4)) {
	case 0:
		op.mask = ATTRIBUTE_MODE;
		op.attributes.mode =
			(entry->attributes.mode & S_IFMT) | (uint32_t)draw(writer, 01000);
		break;
	case 1:
		op.mask = ATTRIBUTE_UID | ATTRIBUTE_GID;
		op.attributes.uid = (uint32_t)draw(writer, 3000);
		op.attributes.gid = (uint32_t)draw(writer, 3000);
		break;
	case 2:
		op.mask = ATTRIBUTE_MTIME;
		op.attributes.mtime_ns = (int64_t)draw(writer, 1000000000000000000u);
		break;
	default:
		if (!S_ISREG(entry->attributes.mode))
			return;
		op.mask = ATTRIBUTE_SIZE;
		op.attributes.size = draw(writer, 300000);
	}
	if (!S_ISLNK(entry->attributes.mode))
		(void)perform(writer, &op, (struct order_objects){ .ids = { op.object } });
}

static void do_xattr(struct writer *writer, uint64_t object)
{
	char buffer[32];
	struct op op = { .type = OP_SET_XATTR, .object = object };
	op.name = name_of(buffer, "user.x", draw(writer, 3));
	op.data = op.name;
	if (draw(writer, 3) == 0) {
		op.type = OP_REMOVE_XATTR;
		op.data = (struct bytes){ 0 };
	}
	(void)perform(writer, &op, (struct order_objects){ .ids = { object } });
}

static void do_sync(struct writer *writer, uint64_t object)
{
	struct node *node = writer->node;
	struct op op = { .type = OP_SYNC, .object = object };
	uint64_t sequence = replicator_submit(node->replicator, &op);
	int fd = -1;
	if (tree_open_object(node->tree, object, O_RDONLY, &fd) == 0) {
		assert_int_equal(fsync(fd), 0);
		close(fd);
	}
	replicator_synced_here(node->replicator, sequence);
	wait_synced(node, sequence);
	writer->done++;
}

static bool some_object(struct writer *writer, uint64_t parent, struct tree_entry *out_entry)
{
	const struct order_objects objects = { .ids = { parent } };
	char buffer[32];
	struct bytes name;
	order_lock(writer->node->order, &objects);
	bool is_there = look_up(writer, parent, buffer, &name, out_entry);
	order_unlock(writer->node->order, &objects);
	return is_there;
}

static void do_something(struct writer *writer)
{
	struct tree_entry entry;
	uint64_t parent = some_directory(writer);
	uint64_t choice = draw(writer, 100);
	if (choice < 22) {
		do_create(writer, parent);
	} else if (choice < 32) {
		do_unlink(writer, parent);
	} else if (choice < 42) {
		do_rename(writer, parent);
	} else if (choice < 48) {
		do_link(writer, parent);
	} else if (some_object(writer, parent, &entry)) {
		bool is_file = S_ISREG(entry.attributes.mode);
		if (choice < 75 && is_file)
			do_write(writer, entry.object);
		else if (choice < 80 && is_file)
			do_allocate(writer, entry.object);
		else if (choice < 90)
			do_attributes(writer, &entry);
		else if (choice < 97 && (is_file || S_ISDIR(entry.attributes.mode)))
			do_xattr(writer, entry.object);
		else if (is_file)
			do_sync(writer, entry.object);
	}
}

static void *writer_run(void *context)
{
	struct writer *writer = context;
	while (!atomic_load(writer->is_over))
		do_something(writer);
	return NULL;
}

struct writers {
	struct writer list[WRITERS];
	atomic_bool is_over;
};

static void start_writers(struct writers *writers, struct node *node)
{
	static uint64_t seed = 88172645463325252u;
	atomic_init(&writers->is_over, false);
	for (int i = 0; i < WRITERS; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		writers->list[i] = (struct writer){
			.node = node, .random = seed | 1, .is_over = &writers->is_over
		};
		assert_int_equal(pthread_create(&writers->list[i].thread, NULL, writer_run,
					 &writers->list[i]),
			0);
	}
}

static uint64_t stop_writers(struct writers *writers)
{
	uint64_t done = 0, failed = 0;
	atomic_store(&writers->is_over, true);
	for (int i = 0; i < WRITERS; i++) {
		(void)pthread_join(writers->list[i].thread, NULL);
		done += writers->list[i].done;
		failed += writers->list[i].failed;
	}
	print_message("  %llu operations, %llu refused by the file system\n",
		(unsigned long long)done, (unsigned long long)failed);
	return done;
}

static void let_them_write(double seconds)
{
	struct timespec time = { (time_t)seconds,
		(long)((seconds - (double)(time_t)seconds) * 1e9) };
	(void)nanosleep(&time, NULL);
}

/* ---- steps ---- */

static const struct epoch first_epoch = { 1, 1 };
static const struct generation first_generation = { 1, 11 };

static void roles(void)
{
	assert_int_equal(replicator_be_primary(
				 nodes[0].replicator, first_epoch, first_generation, set_id, false),
		0);
	assert_int_equal(
		replicator_be_secondary(nodes[1].replicator, first_epoch, set_id, false), 0);
}

static void pair(
	struct node *source, struct node *target, struct epoch epoch, enum resync_plan plan)
{
	unsigned before = seen(source, FS_REPORT_TARGET_COMPLETE);
	unsigned adopted = seen(target, FS_REPORT_ADOPTED);
	int64_t start_ns = clock_boot_ns();
	assert_int_equal(replicator_connect(source->replicator, plan), 0);
	wait_report(source, FS_REPORT_TARGET_COMPLETE, before);
	wait_report(target, FS_REPORT_ADOPTED, adopted);
	assert_int_equal(replicator_pair(source->replicator, epoch), 0);
	print_message(
		"  up to date in %lld ms\n", (long long)((clock_boot_ns() - start_ns) / NS_PER_MS));
}

/* While the application writes: no difference may be seen where there is none. */
static void verify(struct node *node, uint64_t differences)
{
	struct replicator_verified result;
	assert_int_equal(replicator_verify(node->replicator, &result), 0);
	print_message("  verified %llu objects, %llu bytes: %llu differ (%s)\n",
		(unsigned long long)result.objects, (unsigned long long)result.bytes,
		(unsigned long long)result.differences, result.detail);
	assert_int_equal(result.differences, differences);
}

static void drain(struct node *node)
{
	unsigned before = seen(node, FS_REPORT_DRAINED);
	assert_int_equal(replicator_drain(node->replicator), 0);
	wait_report(node, FS_REPORT_DRAINED, before);
}

/* ---- scenarios ---- */

static void test_paired_writing(void **state)
{
	(void)state;
	struct writers writers;
	roles();
	pair(&nodes[0], &nodes[1], first_epoch, RESYNC_COMPARE);
	start_writers(&writers, &nodes[0]);
	let_them_write(write_seconds);
	verify(&nodes[0], 0);
	assert_true(stop_writers(&writers) > 100);
	drain(&nodes[0]);
	assert_equal_trees();

	/* Behind the product's back: one byte, and one name. */
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/extra", nodes[1].root);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	verify(&nodes[0], 1);
	assert_int_equal(seen(&nodes[0], FS_REPORT_PEER_LOST), 0);
	assert_int_equal(seen(&nodes[0], FS_REPORT_PEER_FAILED), 0);
}

static void test_resync_under_load(void **state)
{
	(void)state;
	struct writers writers;
	roles();
	start_writers(&writers, &nodes[0]);
	let_them_write(write_seconds);
	pair(&nodes[0], &nodes[1], first_epoch, RESYNC_COMPARE);
	let_them_write(0.3);
	(void)stop_writers(&writers);
	drain(&nodes[0]);
	assert_equal_trees();
}

static void test_resync_again_and_again(void **state)
{
	(void)state;
	struct writers writers;
	roles();
	start_writers(&writers, &nodes[0]);
	struct epoch epoch = first_epoch;
	for (int round = 0; round < 4; round++) {
		let_them_write(0.2);
		pair(&nodes[0], &nodes[1], epoch, round == 3 ? RESYNC_SET_ASIDE : RESYNC_COMPARE);
		let_them_write(0.2);
		epoch.number++;
		unsigned before = seen(&nodes[0], FS_REPORT_IS_ALONE);
		assert_int_equal(
			replicator_go_alone(nodes[0].replicator, epoch, first_generation), 0);
		wait_report(&nodes[0], FS_REPORT_IS_ALONE, before);
	}
	let_them_write(0.2);
	pair(&nodes[0], &nodes[1], epoch, RESYNC_COMPARE);
	(void)stop_writers(&writers);
	drain(&nodes[0]);
	assert_equal_trees();
}

static void test_resync_cut_off(void **state)
{
	(void)state;
	struct writers writers;
	roles();
	start_writers(&writers, &nodes[0]);
	let_them_write(write_seconds);
	for (int round = 0; round < 5; round++) {
		unsigned before = seen(&nodes[1], FS_REPORT_CONNECTED);
		assert_int_equal(replicator_connect(nodes[0].replicator, RESYNC_COMPARE), 0);
		wait_report(&nodes[1], FS_REPORT_CONNECTED, before);
		let_them_write(0.01 * (round + 1));
		close_process(&nodes[1]);
		open_process(&nodes[1], round % 2 == 0);
		assert_int_equal(replicator_be_secondary(
					 nodes[1].replicator, first_epoch, set_id, round % 2 != 0),
			0);
		let_them_write(0.2);
	}
	(void)stop_writers(&writers);
	start_writers(&writers, &nodes[0]);
	let_them_write(0.1);
	if (replicator_connect(nodes[0].replicator, RESYNC_COMPARE) == 0)
		wait_report(&nodes[0], FS_REPORT_TARGET_COMPLETE, 0);
	(void)stop_writers(&writers);
	drain(&nodes[0]);
	assert_equal_trees();
}

/* The secondary's process dies and is continued on the same memory: same session. */
static void test_secondary_successor(void **state)
{
	(void)state;
	struct writers writers;
	roles();
	pair(&nodes[0], &nodes[1], first_epoch, RESYNC_COMPARE);
	start_writers(&writers, &nodes[0]);
	for (int round = 0; round < 10; round++) {
		let_them_write(0.1);
		atomic_store(&nodes[1].is_deaf, true);
		close_process(&nodes[1]);
		open_process(&nodes[1], false);
		assert_int_equal(
			replicator_be_secondary(nodes[1].replicator, first_epoch, set_id, true), 0);
		atomic_store(&nodes[1].is_deaf, false);
	}
	let_them_write(0.3);
	(void)stop_writers(&writers);
	drain(&nodes[0]);
	assert_equal_trees();
	assert_int_equal(seen(&nodes[0], FS_REPORT_PEER_LOST), 0);
}

/* The primary's process dies between operations and is continued on the same memory. */
static void test_primary_successor(void **state)
{
	(void)state;
	struct writers writers;
	roles();
	pair(&nodes[0], &nodes[1], first_epoch, RESYNC_COMPARE);
	for (int round = 0; round < 5; round++) {
		start_writers(&writers, &nodes[0]);
		let_them_write(0.2);
		(void)stop_writers(&writers);
		close_process(&nodes[0]);
		open_process(&nodes[0], false);
		unsigned before = seen(&nodes[0], FS_REPORT_CONNECTED);
		assert_int_equal(replicator_be_primary(nodes[0].replicator, first_epoch,
					 first_generation, set_id, true),
			0);
		wait_report(&nodes[0], FS_REPORT_CONNECTED, before);
	}
	drain(&nodes[0]);
	assert_equal_trees();
	assert_int_equal(seen(&nodes[0], FS_REPORT_PEER_LOST), 0);
}

/* The peer is gone: nothing is answered until the order to go on alone. */
static void test_held_until_alone(void **state)
{
	(void)state;
	struct writers writers;
	roles();
	pair(&nodes[0], &nodes[1], first_epoch, RESYNC_COMPARE);
	start_writers(&writers, &nodes[0]);
	let_them_write(0.2);
	atomic_store(&nodes[1].is_deaf, true);
	close_process(&nodes[1]);
	open_process(&nodes[1], true);
	wait_report(&nodes[0], FS_REPORT_PEER_LOST, 0);
	assert_int_equal(replicator_answerable(nodes[0].replicator), 0);
	let_them_write(0.3);
	assert_int_equal(replicator_answerable(nodes[0].replicator), 0);
	struct epoch epoch = { 2, 1 };
	assert_int_equal(replicator_go_alone(nodes[0].replicator, epoch, first_generation), 0);
	let_them_write(0.2);
	atomic_store(&nodes[1].is_deaf, false);
	assert_int_equal(replicator_be_secondary(nodes[1].replicator, epoch, set_id, false), 0);
	pair(&nodes[0], &nodes[1], epoch, RESYNC_COMPARE);
	(void)stop_writers(&writers);
	drain(&nodes[0]);
	assert_equal_trees();
}

/* The secondary is promoted while the primary still writes; what was answered is there. */
static void test_promotion(void **state)
{
	(void)state;
	struct writers writers;
	roles();
	pair(&nodes[0], &nodes[1], first_epoch, RESYNC_COMPARE);
	start_writers(&writers, &nodes[0]);
	let_them_write(write_seconds);
	struct epoch epoch = { 2, 2 };
	struct generation generation = { 2, 22 };
	int64_t start_ns = clock_boot_ns();
	assert_int_equal(replicator_promote(nodes[1].replicator, epoch, generation), 0);
	print_message(
		"  promoted in %lld ms\n", (long long)((clock_boot_ns() - start_ns) / NS_PER_MS));
	assert_true(clock_boot_ns() - start_ns < NS_PER_S / 2);
	assert_int_equal(seen(&nodes[1], FS_REPORT_IS_PRIMARY), 1);
	wait_report(&nodes[0], FS_REPORT_PEER_LOST, 0);
	assert_int_equal(replicator_answerable(nodes[0].replicator), 0);

	/* The old primary lets its writers go, and becomes the new one's target. */
	atomic_store(&writers.is_over, true);
	struct epoch wrong = { 3, 1 };
	assert_int_equal(replicator_go_alone(nodes[0].replicator, wrong, first_generation), 0);
	(void)stop_writers(&writers);
	assert_int_equal(replicator_stop(nodes[0].replicator), 0);
	assert_int_equal(replicator_be_secondary(nodes[0].replicator, epoch, set_id, false), 0);
	start_writers(&writers, &nodes[1]);
	pair(&nodes[1], &nodes[0], epoch, RESYNC_COMPARE);
	let_them_write(0.3);
	(void)stop_writers(&writers);
	drain(&nodes[1]);
	assert_equal_trees();
}

/*
 * The old copy of a file is longer than the file is now, and the file gets room that nobody writes
 * while its content is being compared: what shows there are zeros, not the old bytes.
 */
static void test_room_while_compared(void **state)
{
	(void)state;
	const uint64_t size = 96 * 1024 * 1024, kept = 48 * 1024 * 1024;
	struct epoch epoch = { 2, 1 };
	struct writer writer = { .node = &nodes[0], .random = 1 };
	struct op op = { .type = OP_CREATE, .parent = 1 };
	roles();
	pair(&nodes[0], &nodes[1], first_epoch, RESYNC_COMPARE);
	assert_true(new_id(&writer, &op.object));
	uint64_t object = op.object;
	op.attributes.mode = S_IFREG | 0600;
	op.name = (struct bytes){ .data = (const uint8_t *)"long", .size = 4 };
	const struct order_objects objects = { .ids = { 1, object } };
	assert_int_equal(perform(&writer, &op, objects), 0);
	for (uint64_t at = 0; at < size; at += sizeof(data)) {
		op = (struct op){ .type = OP_WRITE, .object = object, .offset = at };
		op.length = op.data.size = sizeof(data);
		op.data.data = data;
		assert_int_equal(perform(&writer, &op, objects), 0);
	}
	assert_int_equal(replicator_go_alone(nodes[0].replicator, epoch, first_generation), 0);
	op = (struct op){ .type = OP_SET_ATTRIBUTES, .object = object, .mask = ATTRIBUTE_SIZE };
	op.attributes.size = kept;
	assert_int_equal(perform(&writer, &op, objects), 0);
	assert_int_equal(replicator_be_secondary(nodes[1].replicator, epoch, set_id, false), 0);
	unsigned before = seen(&nodes[0], FS_REPORT_TARGET_COMPLETE);
	assert_int_equal(replicator_connect(nodes[0].replicator, RESYNC_COMPARE), 0);
	for (uint64_t now = kept; seen(&nodes[0], FS_REPORT_TARGET_COMPLETE) == before;) {
		now += now < size ? 64 * 1024 : 0;
		op = (struct op){
			.type = OP_SET_ATTRIBUTES, .object = object, .mask = ATTRIBUTE_SIZE
		};
		op.attributes.size = now;
		assert_int_equal(perform(&writer, &op, objects), 0);
		let_them_write(0.002);
	}
	drain(&nodes[0]);
	assert_equal_trees();
}

/* A copy that is not complete is never promoted. */
static void test_promotion_refused(void **state)
{
	(void)state;
	roles();
	struct epoch epoch = { 2, 2 };
	assert_true(replicator_promote(nodes[1].replicator, epoch, first_generation) != 0);
	assert_int_equal(seen(&nodes[1], FS_REPORT_REFUSED), 1);
}

int main(int argc, char **argv)
{
	if (geteuid() != 0) {
		print_message("needs root: trusted.* attributes\n");
		return 77; /* meson: skipped */
	}
	if (argc > 1)
		write_seconds = (int)strtol(argv[1], NULL, 10);
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	fill_data();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_promotion_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paired_writing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resync_under_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resync_again_and_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resync_cut_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secondary_successor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_primary_successor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held_until_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_promotion, setup, teardown),
		cmocka_unit_test_setup_teardown(test_room_while_compared, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
