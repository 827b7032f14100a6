/*
 * What the files of the replicator share. Nobody else includes this.
 *
 *	primary                                              secondary
 *	submit --> send log --> link thread ===TLS===> link thread --> receive log --> applier
 *	on_answerable <-- receiver thread <===TLS=== ACK, SYNCED, HASHES <-- applier, workers
 *
 * The order of the locks is that of their ranks (platform/lock.h). `lock` is never held while waiting for the disk or the network, with one
 * exception: the translation of an operation during a resynchronisation reads attributes of the
 * object it names. Callbacks are called without `lock`.
 */
#ifndef EVENKEEL_FS_REPLICATOR_INSIDE_H
#define EVENKEEL_FS_REPLICATOR_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fs/replicator/absent.h"
#include "fs/replicator/applier.h"
#include "fs/replicator/replicator.h"
#include "fs/replicator/state.h"
#include "fs/replicator/stream.h"
#include "fs/resync/host.h"
#include "fs/resync/resync.h"
#include "platform/clock.h"
#include "platform/lock.h"
#include "platform/tls.h"
#include "repl/barrier.h"
#include "repl/receiver.h"
#include "repl/resync_walk.h"
#include "repl/sender.h"
#include "repl/standing.h"
#include "repl/syncs.h"

#define LOG_SIZE	((size_t)64 * 1024 * 1024) /* sparse: pages exist where they are used */
#define LOG_MEMORY_SIZE (LOG_SIZE + ABSENT_SIZE)
#define WINDOW_OPS \
	4096 /* not acknowledged; so many small ones are applied in well under 0.5 s \
		(R6) */
#define WINDOW_BYTES	   ((uint64_t)16 * 1024 * 1024)
#define LEASE_IDS	   4096
#define LEASE_LOW	   1024 /* ask ahead */
#define FIRST_ID	   1024 /* below are the roots and what may come to be fixed */
#define CONNECT_TIMEOUT_NS (400 * NS_PER_MS)
#define HELLO_TIMEOUT_NS   (2 * NS_PER_S)
#define RETRY_NS	   (50 * NS_PER_MS)
#define BATCH_BYTES	   (512 * 1024) /* gathered from the log and sent at once */
#define CALLERS_MAX	   16

_Static_assert(WINDOW_BYTES + RESYNC_BYTES + 16 * OP_SIZE_MAX < LOG_SIZE,
	"what the window admits fits the log");

/* Who called and has still to prove himself: replicator/callers.c. */
struct caller {
	enum { CALLER_NONE, CALLER_AT_WORK, CALLER_OVER } state; /* over: to be joined */
	struct replicator *r;
	pthread_t thread;
	int fd;	    /* goes to TLS */
	int end_fd; /* the same connection, to end it by */
	int64_t came_ns;
};

struct turned_away {
	uint64_t count; /* not said yet */
	int64_t said_ns;
};

/* What the watch sends somebody to do, as it may take its time: replicator/tick.c. */
enum errand_kind { ERRAND_BARRIER, ERRAND_LEASE, ERRAND_WATCH, ERRAND_COUNT };

struct errand {
	bool is_under_way;
	bool has_thread; /* to be joined. The tick thread's own, until that has ended */
	pthread_t thread;
};

struct found_mark {
	bool is_there;
	struct root_mark mark;
};

struct replicator {
	struct replicator_config config;
	struct replicator_callbacks callbacks;
	struct tls_context *tls;

	struct lock mark_lock;	/* one marks the roots at a time */
	struct lock state_lock; /* slots, state, and what is known of the roots' marks */
	struct slotfile slots;
	struct standing state;
	struct found_mark marks[ROOTS_MAX]; /* as the roots were found, or marked since */
	uint64_t doubtful_root;
	enum doubt doubt;		    /* about the data that lie beside the state */
	uint8_t marked_set_id[SET_ID_SIZE]; /* all roots carry it */
	char state_path[PATH_SIZE_MAX], alive_path[PATH_SIZE_MAX];
	bool is_state_stuck; /* the last write of it failed, and that was said */

	struct lock answer_lock; /* held around on_answerable and on_synced: replicator_hold()
					returns when nobody is in them any more (R7) */

	struct lock lock;	  /* everything below */
	struct condition changed; /* room, modes, roles, streams */
	struct condition to_send, to_apply, to_tick;
	enum fs_role role;
	bool is_leaving; /* the role's threads are to end */
	uint8_t set_id[SET_ID_SIZE];
	struct epoch epoch;
	struct generation generation;
	struct stream *stream;		  /* stands, HELLO is done; holds a reference */
	bool is_stream_broken;		  /* whoever met the error says so here, and signals */
	char beat[STREAMED_BEAT_MAX + 1]; /* of evenkeeld, to be sent; empty: none */
	bool is_keep_due; /* primary: the link thread says KEEP when it has nothing else */
	pthread_t link_thread, tick_thread;
	struct errand errands[ERRAND_COUNT];
	bool has_threads;
	atomic_bool is_watching; /* all that changes the tree comes through us (R13) */
	int64_t watch_noted_ns;	 /* when that was last noted; of the tick thread */
	uint64_t kept;		 /* as it was last told; of the errand */

	/* primary */
	struct sender sender;
	struct resync_source *resync; /* in CATCHING_UP, and a while longer */
	struct absent absent;	      /* what the peer never got */
	struct syncs syncs;
	bool is_leasing, is_lease_wanted;
	bool is_session_unmarked; /* told to connect, and the roots do not say so yet */

	bool is_verifying;
	struct { /* the question of replicator_verify() that is under way; object 0: none */
		uint64_t object, offset, size;
		uint32_t count;
		uint8_t hashes[HASHES_MAX * HASH_SIZE];
		bool is_answered;
	} asked;

	/* secondary */
	struct receiver receiver;
	bool is_applying;			   /* the applier is inside an operation */
	bool is_finishing;			   /* a worker empties the limbo */
	struct applier *applier, *retired_applier; /* retired: its last syncs may still run */
	struct resync_target *target;
	struct caller callers[CALLERS_MAX];
	struct turned_away turned_away[2];
	struct stream *taken; /* a proven caller whom the link thread has not looked at yet, or NULL
			       */
	struct hello taken_hello;

	struct barriers barriers;
};

/* ---- replicator.c ---- */

/* Takes the beat that is to be sent into the frame; false: there is none. Under lock. */
bool replicator_take_beat(struct replicator *r, struct frame *out_frame);
void replicator_say(struct replicator *r, const struct fs_reported *report);
void replicator_say_simple(
	struct replicator *r, enum fs_report report, int error, const char *detail);
/*
 * The end of an edit of r->state: stores it and releases state_lock, which the caller took. People
 * are told when that begins to fail, and when it works again. It is the disk of the state, not of
 * the data: where an older record is on the safe side, the caller goes on. Errors: those of
 * slotfile_write().
 */
int replicator_store_state_unlock(struct replicator *r) MUST_CHECK;
/* This copy may miss acknowledged writes; durable when it returns 0. */
int replicator_drop_in_sync(struct replicator *r) MUST_CHECK;
const char *replicator_peer_name(const struct replicator *r);
/* Waits on the condition for at most timeout_ns. Under lock. */
void replicator_wait(struct replicator *r, struct condition *condition, int64_t timeout_ns);
int replicator_start_thread(
	pthread_t *out_thread, void *(*run)(void *), struct replicator *r) MUST_CHECK;
/* What this node is at this moment. Under lock. */
struct replica replicator_replica(struct replicator *r);
/* Whose data are served or followed here. */
struct tenant replicator_tenant(const struct replicator *r);
/* Who we are; session, received and id_limit are the caller's to fill. Under lock. */
struct hello replicator_hello(struct replicator *r);

/* Reports FS_REPORT_REFUSED, and gives the error back. */
int replicator_refuse(struct replicator *r, int error, const char *detail);

/* ---- replicator/site.c ---- */

struct resync_site replicator_site(struct replicator *r);

/* ---- replicator/roles.c ---- */

/* Ends the threads of the role. The applier is retired: its last jobs may run on. */
void replicator_leave_role(struct replicator *r);
/* Waits for them. */
void replicator_free_retired(struct replicator *r);

/* ---- replicator/submit.c ---- */

/* Waits until the window is open again, or the mode sends no more. Under lock. */
void replicator_wait_for_room(struct replicator *r, uint64_t ops_max, uint64_t bytes_max);
/* Gives the operation its place, and sends it in a mode that does; there is room. Under lock. */
uint64_t replicator_append(struct replicator *r, struct op *op);
/* Answers whatever may be answered now. Without lock. */
void replicator_answer(struct replicator *r);
/* Somebody knows of ids up to here, whatever we knew; durable when it returns 0. Without lock. */
int replicator_raise_id_limit(struct replicator *r, uint64_t id_limit) MUST_CHECK;
uint64_t replicator_id_limit(struct replicator *r); /* without lock */
/* Makes the next lease before anybody waits for it. */
void *replicator_lease_run(void *context);

/* ---- replicator/primary.c ---- */

void *replicator_primary_run(void *context);

/* ---- replicator/session.c ---- */

/* HELLO is done, r->stream is set: returns when the connection is over, and closes it. batch is of
 * BATCH_BYTES. From the link thread, without lock. */
void replicator_run_session(struct replicator *r, uint8_t *batch);
/* The peer could not do what we did: no more of this session. Without lock. */
void replicator_drop_peer(struct replicator *r, enum loss loss, int error, const char *detail);
/* The walk calls it under lock when everything is there: from here on answers wait. */
void replicator_paired(struct replicator *r);

/* ---- replicator/verify.c ---- */

/* Takes an answer that replicator_verify() waits for. Under lock. */
bool replicator_verify_on_hashes(struct replicator *r, const struct frame *frame);
/* What OP_HASH_WANTED asks for; the bytes lie in hashes (HASHES_MAX * HASH_SIZE). */
int replicator_digest(struct tree *tree, const struct op *op, uint8_t *hashes,
	struct frame *out_frame) MUST_CHECK;

/* ---- replicator/secondary.c ---- */

void *replicator_secondary_run(void *context);
/* Why we would not listen to this primary; NULL if we would. Under lock. */
const char *replicator_objection(struct replicator *r, const struct hello *theirs);
void replicator_send_error(struct stream *stream, int error, const char *sentence);
void replicator_send_ack(struct replicator *r);
/* This copy cannot go on. Without lock. */
void replicator_apply_failed(struct replicator *r, int error, const char *detail);
/* Sends if there is a connection; whether it arrives is found out otherwise. Without lock. */
void replicator_send(struct replicator *r, const struct frame *frame);

/* ---- replicator/callers.c ---- */

/* While the role is being left: when it returns, nobody is proving himself any more. Without lock. */
void replicator_dismiss_callers(struct replicator *r);

/* ---- replicator/marks.c ---- */

/* What of the data beside the state is not as the state says. */
void replicator_believe_roots(struct replicator *r);
/* Durable when it returns 0; from then on there is no doubt. Without lock. */
int replicator_mark_roots(struct replicator *r, uint64_t barrier) MUST_CHECK;
/* A peer is about to be brought up to date, and may be good soon: an older state says it is not.
 * Without lock. */
void replicator_mark_session(struct replicator *r);
/* This copy follows from here on: an older state says that it served. Without lock. */
int replicator_mark_following(struct replicator *r) MUST_CHECK;
/* Only if they do not carry this set's mark yet. Without lock. */
int replicator_mark_new_roots(struct replicator *r) MUST_CHECK;

/* ---- replicator/tick.c ---- */

/* Notes that the copy is watched, and looks what is kept aside. */
void *replicator_watch_run(void *context);

void *replicator_tick_run(void *context);
/* After the tick thread has ended. Without lock. */
void replicator_join_errands(struct replicator *r);

/* ---- replicator/barrier.c ---- */

/* Takes the barriers that are due. */
void *replicator_barrier_run(void *context);
/* Syncs everything, moves the barrier. Without lock. */
int replicator_take_barrier(struct replicator *r) MUST_CHECK;

#endif
