/*
 * Carries operations from the primary to the secondary: the seam between the file system in front
 * (fs/front) and stream, log, applier and resync behind. One per module process.
 *
 * On the primary the front does an operation here, under order locks, hands it to
 * replicator_submit() before it unlocks, and answers its caller when on_answerable() has named its
 * sequence. On the secondary the replicator receives, applies and acknowledges by itself. Roles
 * follow the daemon's orders (core/fs.h), which the control loop turns into
 * the calls below. Thread-safe unless it says otherwise.
 */
#ifndef EVENKEEL_FS_REPLICATOR_H
#define EVENKEEL_FS_REPLICATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "api/config.h"
#include "core/fs.h"
#include "fs/tree/order.h"
#include "fs/tree/tree.h"
#include "repl/standing.h"

struct replicator;

struct replicator_callbacks {
	void *context;
	/* Every operation up to and with this sequence may be answered. From a thread of the
	 * replicator; must not block. */
	void (*on_answerable)(void *context, uint64_t sequence);
	/* OP_SYNC of this sequence is durable at the peer (or no longer needed there): error 0 or
	 * the peer's, negative. */
	void (*on_synced)(void *context, uint64_t sequence, int error);
	/* Something for the daemon: report, is_continued, done, total, error and detail; the
	 * rest is for whoever passes it on. */
	void (*on_report)(void *context, const struct fs_reported *report);
	/* A beat of the other node's evenkeeld came over the stream. */
	void (*on_beat)(void *context, const char *beat);
	/* The secondary changed this object through the applier: kernel caches of the read-only
	 * mount are stale. */
	void (*on_applied)(void *context, const struct op *op);
};

struct replicator_config {
	const struct cluster_config *cluster;
	const struct module_settings *module;
	uint8_t self, peer;
	struct tree *tree;
	struct order *order;
	int send_log_fd, receive_log_fd; /* memfds that outlast this process (borrowed); formatted
					    when new */
	bool is_fresh;			 /* both memfds are new: there is no predecessor */
	const char *state_path;		 /* the module's fs slot file: barriers, lease */
	const char *alive_path; /* whose time is a sign of life; gone with the machine; or NULL */
	int64_t alive_ns;	/* a predecessor's last one, wall clock; 0: none */
	const char *tls_folder; /* ca.pem, node.pem, node.key; NULL: never connects (standalone) */
};

int replicator_open(const struct replicator_config *config,
	const struct replicator_callbacks *callbacks,
	struct replicator **out_replicator) MUST_CHECK;
void replicator_close(struct replicator *replicator);

/* ---- primary: the front's calls ---- */

/*
 * Gives the operation its sequence and puts it into the log. Called with the order locks of its
 * objects held, after it was done here (OP_SYNC: before). Blocks while the log is full. Never
 * fails: without a peer it just numbers. While a resync runs it decides by itself what of the
 * operation the target needs.
 */
uint64_t replicator_submit(struct replicator *replicator, struct op *op);
uint64_t replicator_answerable(struct replicator *replicator);
/* A successor asks: did its predecessor sequence the operation of this request? Fills op if so (0 =
 * yes, -ENOENT). */
int replicator_find_request(
	struct replicator *replicator, uint64_t request, struct op *out_op) MUST_CHECK;
/* OP_SYNC of this sequence is durable here. */
void replicator_synced_here(struct replicator *replicator, uint64_t sequence);
/* The local sync of this OP_SYNC failed, and was reported: on_synced() will not come. */
void replicator_sync_abandoned(struct replicator *replicator, uint64_t sequence);
/* Makes sure that at least count ids are in the tree's lease; blocks while a new lease is made
 * durable on both. */
int replicator_ensure_ids(struct replicator *replicator, uint64_t count) MUST_CHECK;

/* ---- orders of the daemon (control thread only) ---- */

/* is_resumed: a successor continues what its predecessor served, log and mode included. */
int replicator_be_primary(struct replicator *replicator, struct epoch epoch,
	struct generation generation, const uint8_t set_id[SET_ID_SIZE],
	bool is_resumed) MUST_CHECK;
int replicator_be_secondary(struct replicator *replicator, struct epoch epoch,
	const uint8_t set_id[SET_ID_SIZE], bool is_resumed) MUST_CHECK;
/* Finishes what was received without a gap, discards the rest. Reports FS_REPORT_IS_PRIMARY when it
 * may serve. */
int replicator_promote(
	struct replicator *replicator, struct epoch epoch, struct generation generation) MUST_CHECK;
int replicator_connect(struct replicator *replicator, enum resync_plan plan) MUST_CHECK;
int replicator_pair(struct replicator *replicator, struct epoch epoch) MUST_CHECK;
int replicator_go_alone(
	struct replicator *replicator, struct epoch epoch, struct generation generation) MUST_CHECK;
void replicator_hold(struct replicator *replicator, bool is_held);
/* Sends evenkeeld's beat over the stream, if one stands, beside what else is sent. Waits for
 * nothing; of two that are not sent yet the later one goes. */
void replicator_send_beat(struct replicator *replicator, const char *beat);
/* This copy is being left while its answers wait for the peer: whoever waits for room in the log or
 * for a lease goes on (without the lease: -EAGAIN). Does nothing while the peer is there. */
void replicator_let_go(struct replicator *replicator, bool is_left);
int replicator_drain(struct replicator *replicator) MUST_CHECK;
/* Something else than our mount leads to the directories: what is written there since then (byhand_now_ns())
 * does not come through us (R13). Any thread that may wait for the module's disk. */
void replicator_lie_open(struct replicator *replicator, int64_t since_ns);
/* Syncs, records clean. */
int replicator_stop(struct replicator *replicator) MUST_CHECK;
/* A connection from whoever claims to be the peer, accepted by evenkeeld, its preface read already.
 * Takes fd. What stands is given up only for a caller who proves to be the peer, beside it. */
void replicator_take_connection(struct replicator *replicator, int fd);
/*
 * Compares the two copies while the application runs, without changing either; takes as long as
 * reading both. On a primary that is in sync with its peer. Not from the control thread. Errors:
 * -ENOTCONN: not in sync, or the peer was lost; -EBUSY: one comparison at a time; those of reading.
 * detail says why, or names the first difference.
 */
int replicator_verify(struct replicator *replicator, struct fs_verified *out_result) MUST_CHECK;
/* True, and why in words for a person, if what lies in the directories is not the copy that the
 * state speaks of. is_source: it is to be served; else to be brought up to date. */
bool replicator_has_doubt(
	struct replicator *replicator, bool is_source, char *out_why, size_t size);
/* The same of what evenkeeld's record says about this copy, before it is claimed. */
void replicator_believe_record(struct replicator *replicator, const struct recorded_copy *recorded);
/* Reports it. */
void replicator_say_doubt(struct replicator *replicator, const char *why);
/* Secondary: not everything that was acknowledged is here, so PROMOTE would be refused. */
bool replicator_is_behind(struct replicator *replicator);
/* Highest sequences durable here and at the peer. */
void replicator_barriers(struct replicator *replicator, uint64_t *out_here, uint64_t *out_peer);

#endif
