/*
 * Two copies in one process, over real TLS on the loopback: what the scenarios of test_pair_*.c stand
 * on. No kernel mounts: writers use the seam as the file system in front does (tree_apply(), then
 * replicator_submit(), under order locks).
 *
 *	writers -> tree A, replicator A ===TLS=== replicator B -> tree B        treediff A B
 *	                127.77.PID.1                 127.77.PID.2
 *
 * Afterwards tools/treediff, which knows nothing of the product, compares the two trees. Needs
 * root (trusted.* attributes). Each program is run as `test_pair_THEME [SECONDS [FILTER]]` and writes
 * for so long where a scenario says so. A new scenario goes into the file of its theme:
 *
 *	static void test_x(void **state)
 *	{
 *		struct writers writers;
 *		pair_begin();                        both have their roles and are up to date
 *		writers_start(&writers, &nodes[0]);
 *		... what happens meanwhile ...
 *		(void)writers_stop(&writers);
 *		pair_finish(&nodes[0]);              all is sent, both trees are equal
 *	}
 *
 * Everything here fails the test by itself when it cannot do what it says.
 */
#ifndef TESTS_UNIT_PAIR_H
#define TESTS_UNIT_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <cmocka.h>

#include "fs/replicator/replicator.h"
#include "fs/tree/order.h"
#include "fs/tree/tree.h"
#include "platform/lock.h"
#include "platform/socket_address.h"

#define PAIR_PATH_SIZE 128
#define PAIR_WRITERS   4

/* One side: what its evenkeel-fs has open, and what it was told so far. */
struct pair_node {
	uint8_t id;
	char root[PAIR_PATH_SIZE], index[PAIR_PATH_SIZE], state[PAIR_PATH_SIZE];
	char tls[PAIR_PATH_SIZE];
	int root_fd, send_fd, receive_fd, listen_fd;
	struct tree *tree;
	struct order *order;
	struct lock door; /* whether there is a replicator to bring callers to */
	bool is_open;
	struct replicator *replicator;
	pthread_t acceptor;
	atomic_bool is_deaf; /* does not take connections */

	struct lock lock; /* below */
	struct condition changed;
	unsigned seen[FS_REPORT_COUNT];
	struct fs_reported complete; /* the last FS_REPORT_TARGET_COMPLETE */
	uint64_t answerable;
	uint64_t synced[64];
	unsigned synced_count;
};

extern struct pair_node nodes[2]; /* [0] begins as the primary */
extern int pair_seconds;	  /* how long to write where a scenario has no time of its own */
extern const uint8_t pair_set_id[SET_ID_SIZE];
extern const struct epoch pair_epoch;		/* the first */
extern const struct generation pair_generation; /* the first */

/* ---- both nodes (pair.c) ---- */

/* For cmocka: two empty trees and their replicators, without a role; and the end of them. */
int pair_setup(void **state);
int pair_teardown(void **state);

/* Node 1 becomes primary, node 2 secondary. */
void pair_roles(void);

/* Brings target up to date, and lets answers wait for it from there on. */
void pair_connect(struct pair_node *source, struct pair_node *target, struct epoch epoch,
	enum resync_plan plan);

/* pair_roles() and pair_connect() of the empty trees: where most scenarios begin. */
void pair_begin(void);

/* Everything is sent and applied, and the two trees are equal: where most scenarios end. */
void pair_finish(struct pair_node *primary);

/* The main() of each program. */
int pair_main(int argc, char **argv, const struct CMUnitTest *tests, size_t count);

/* ---- one node (pair.c) ---- */

/* A process of the node begins, on its memory (is_fresh: of no earlier process), or ends. */
#define PAIR_PORT 17600

const struct address *pair_address(const struct pair_node *node);
void node_open_process(struct pair_node *node, bool is_fresh);
void node_close_process(struct pair_node *node);

/* How often this was reported; and waits until it was reported more often than that. */
unsigned node_seen(struct pair_node *node, enum fs_report report);
void node_wait_report(struct pair_node *node, enum fs_report report, unsigned more_than);

/* Of the resynchronisation that ended last: how many objects were left out, and what was said. */
uint64_t node_left_out(struct pair_node *node, char *out_why, size_t size);

void node_drain(struct pair_node *node);

/* `evenkeel verify` on the primary, while others may write: so many objects differ. */
void node_verify(struct pair_node *node, uint64_t differences);

/* ---- certificates (pair_certificates.c) ---- */

/* ca.pem, node.pem and node.key for both, in the folders node->tls, which it makes. */
void pair_make_certificates(void);
/* For tls_context_new(): somebody who believes our authority, and is named like the first node by one
 * of his own. Removed with the rest. */
void pair_make_foreigner(char out_folder[PAIR_PATH_SIZE]);

/* ---- applications (pair_writers.c) ---- */

struct writer {
	pthread_t thread;
	struct pair_node *node;
	uint64_t random;
	atomic_bool *is_over;
	uint64_t done, failed;
	uint64_t last; /* sequence of the last one that was answered */
};

struct writers {
	struct writer list[PAIR_WRITERS];
	atomic_bool is_over;
};

/* Threads that do anything an application may do, until writers_stop(), which returns how much. */
void writers_start(struct writers *writers, struct pair_node *node);
uint64_t writers_stop(struct writers *writers);
void writers_let(double seconds);

/* One operation as the front does it: here first, sequenced under the same locks, then waits until
 * it may be answered. Returns what the file system answered. */
int writer_perform(struct writer *writer, struct op *op, struct order_objects objects);
bool writer_new_id(struct writer *writer, uint64_t *out_id);

/* ---- the machine (pair_bystander.c) ---- */

/* So often a call may have to wait for a processor on its way through both copies. */
#define BYSTANDER_HOPS 10

struct bystander {
	pthread_t thread;
	atomic_bool is_over;
	int64_t longest_ns; /* that a nap was over its time */
};

void bystander_start(struct bystander *bystander);
int64_t bystander_stop(struct bystander *bystander);

/* What is written: WRITE_SIZE_MAX bytes of which no two places are alike. */
const uint8_t *writers_data(void);

#endif
