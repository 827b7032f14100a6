/*
 * The simulated world: two nodes, their networks, disks, processes, clients and people, in one
 * process, from one seed. The core of evenkeeld and all that evenkeel-fs decides about two copies
 * (src/repl) are the product's own code; wires, disks, clocks and people are played here.
 *
 *	 clients ----- client network (link 2, gateway = ping target) -----+
 *	                  |                                                |
 *	      node 1: kernel (address, page cache, disk)      node 2: the same
 *	              hold   (logs, ring)
 *	              daemon (core) --orders--> fs === stream === fs <-- daemon
 *	                  |                                                |
 *	                  +--------------- hb1, hb2 (links 0, 1) ----------+
 *
 * Files: run.c plays one seed; queue.c orders what happens; node.c crashes, cuts, freezes; daemon.c
 * performs actions; fs*.c play evenkeel-fs; network.c loses and delays; copy.c knows what lies
 * where; clients.c write; faults.c, rare.c, disks.c, stops.c, looks.c and people.c make trouble; promises.c judges. Time is in
 * nanoseconds of the world's own clock; each node's boot clock is derived from it.
 */
#ifndef EVENKEEL_SIM_WORLD_H
#define EVENKEEL_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"
#include "repl/barrier.h"
#include "repl/receiver.h"
#include "repl/sender.h"
#include "repl/standing.h"
#include "repl/syncs.h"
#include "repl/unwatched.h"
#include "sim/random.h"

#define NODES		2
#define LINKS		3
#define LINK_CLIENT	2
#define OBJECTS		12
#define CLIENTS		4
#define WRITES_MAX	40000
#define TENURES_MAX	4000
#define EVENTS_MAX	20000
#define CHANNEL_MAX	512
#define FRAME_OP_MAX	256
#define QUEUED_MAX	256
#define PENDING_MAX	16
#define UNSENT_MAX	16
#define RECORDED_MAX	64
#define MODULE		1
#define LOG_MEMORY_SIZE (OPLOG_HEADER_SIZE + OP_SIZE_MAX + 4096)
#define FIRST_OBJECT	1024 /* object id of object 0 */
#define IDS_MAX		(1 << 17)

struct world;

/* ---- what happens ---- */

enum happening_kind {
	HAPPEN_CORE,	   /* daemon: an event for the core */
	HAPPEN_DEADLINE,   /* daemon: its timer */
	HAPPEN_RECORD,	   /* daemon: the record's write is done */
	HAPPEN_RENEW,	   /* daemon: renew the address */
	HAPPEN_TRY_TARGET, /* daemon: ping the target */
	HAPPEN_LOOK,	   /* daemon: what all rests on is looked at */
	HAPPEN_ARBITER,	   /* daemon: the ping before going on alone has its answer */
	HAPPEN_GOODBYE,	   /* daemon: everything has left its role in order: the node ends */
	HAPPEN_PROBE,	   /* daemon: somebody answers for the address, or nobody */
	HAPPEN_NODE_STARTS,
	HAPPEN_DAEMON_STARTS, /* node: life is its boot */
	HAPPEN_FS_STARTS,     /* node: likewise */
	HAPPEN_SCRIPT,	      /* node: a script comes to its end */
	HAPPEN_ORDER,	      /* fs */
	HAPPEN_TICK,	      /* fs */
	HAPPEN_FRAME,	      /* channel: its first frame arrives */
	HAPPEN_CONNECT,	      /* fs: a connection comes about, or not */
	HAPPEN_APPLY,	      /* fs: the next received operation is applied */
	HAPPEN_SYNC,	      /* fs: a sync of the disk is done */
	HAPPEN_RESYNC,	      /* fs: the walk goes on */
	HAPPEN_SERVE,	      /* fs: what was promoted serves */
	HAPPEN_CLIENT,
	HAPPEN_FAULT,  /* the next trouble */
	HAPPEN_RARE,   /* the next rare one */
	HAPPEN_BACKUP, /* something is kept, or put back */
	HAPPEN_DISK,   /* the next state disk that hangs */
	HAPPEN_STOP,   /* the next primary that is stopped while it hangs */
	HAPPEN_STOP_CUT,
	HAPPEN_STUCK, /* the next data disk, or server, that hangs */
	HAPPEN_TURN,  /* the other way breaks */
	HAPPEN_HEAL,  /* a trouble ends */
	HAPPEN_PERSON,
	HAPPEN_BY_HAND, /* somebody writes where nothing is mounted */
	HAPPEN_COUNT,
};

/* Whose life a happening belongs to: it is void when that process has died since, but for what comes
 * from the network: that reaches whoever is there. */
#define LIFE_ANY UINT64_MAX
enum process { PROCESS_NONE, PROCESS_DAEMON, PROCESS_FS, PROCESS_COUNT };

struct happening {
	int64_t at;
	uint64_t order; /* of those at the same time */
	enum happening_kind kind;
	uint8_t node;
	enum process process;
	uint64_t life;
	uint64_t number; /* client, connection, sequence: see the kind */
	uint64_t extra;
	union {
		struct {
			struct event event;
			struct summary summary; /* of a beat */
		} core;
		struct action order_fs;
		struct arbiter_question question;
	};
};

/* ---- the network ---- */

enum frame_kind {
	FRAME_HELLO,
	FRAME_OP,
	FRAME_ACK,
	FRAME_SYNCED,
	FRAME_PROGRESS,
	FRAME_COMPLETE,
	FRAME_KEEP,
	FRAME_FAILED, /* the peer cannot do what we did */
	FRAME_CLOSED, /* what the kernel says when the other end is gone */
};

struct frame {
	enum frame_kind kind;
	uint64_t connection;
	int64_t ready_at;
	struct hello hello;
	uint64_t epoch, applied, durable, sequence;
	int64_t duration;
	uint16_t size;
	uint8_t bytes[FRAME_OP_MAX];
};

struct channel { /* one direction of a connection, in order */
	uint64_t connection;
	uint32_t first, count;
	bool is_scheduled;
	int64_t last_ready;
	struct frame frames[CHANNEL_MAX];
};

struct weather {				/* how strong the troubles of this run are */
	uint32_t loss_permille, twice_permille; /* of beats */
	uint32_t frame_permille;		/* of the stream: lost, doubled, swapped */
	int64_t delay_min, delay_max;
	int64_t lateness_max; /* of timers */
};

/* ---- what lies where ---- */

struct copy {
	uint32_t cached[OBJECTS];  /* what a read on this node returns: ids of writes */
	uint32_t durable[OBJECTS]; /* what a power cut leaves at least */
	int64_t changed_at[OBJECTS];
	bool is_by_hand[OBJECTS]; /* somebody wrote on it here, and it did not come to rest yet */
};

struct written {	   /* one write of the application; its id is its place in the list */
	uint32_t previous; /* write that it replaced; 0: none */
	uint32_t tenure;
	uint8_t object, node;
	bool is_acknowledged, is_synced;
	bool is_kept;	 /* in a tree that was set aside */
	bool is_excused; /* lost with both servers at once */
	uint8_t cut;	 /* nodes that had it and lost it with their power: a mask */
};

struct tenure { /* a node serving, from when it began */
	uint8_t node;
	uint64_t epoch;
	uint32_t first_write;
	uint32_t base[OBJECTS];
};

/* ---- processes ---- */

struct request { /* of a client, in the ring that outlives evenkeel-fs */
	bool is_pending, is_sync;
	bool is_orphan; /* whoever called was killed: an answer reaches nobody */
	int64_t since;
	uint32_t write;
	uint64_t sequence;
	uint32_t values[OBJECTS]; /* sync: what has to be durable */
};

struct held { /* what evenkeel-hold keeps */
	enum fs_role role;
	struct epoch epoch;
	uint8_t set_id[SET_ID_SIZE];
	struct generation generation;
	bool is_muted;
	bool has_logs;
	struct request ring[CLIENTS];
	uint8_t *send_memory, *receive_memory;
};

struct fs {
	bool is_running;
	uint64_t life;
	enum fs_role role;
	enum fs_link link; /* as its reports have it */
	int unsent_count;
	struct event unsent[UNSENT_MAX]; /* reports for a daemon that is not there */
	struct epoch ordered_epoch;	 /* as its reports have it */
	struct tenant tenant;		 /* who is served or followed */
	struct generation generation;
	struct sender sender;
	struct receiver receiver;
	struct syncs syncs;
	struct barriers barriers;
	struct standing standing; /* in memory; fs_store() makes it durable */
	enum doubt doubt;
	uint64_t connection;	 /* 0: none */
	uint64_t old_connection; /* of a secondary that was promoted */
	bool is_connecting;
	struct hello said; /* into the connection, by a primary */
	int64_t said_at;
	bool is_applying, is_syncing, is_sync_wanted;
	int64_t applying_since, syncing_since;
	struct barrier barrier; /* what the running sync will have made durable */
	uint32_t syncing[OBJECTS];
	uint64_t next_id, lease_end; /* ids of new objects that may be given away */
	bool is_leasing;
	uint64_t lease_first, lease_sequence; /* of the next lease, not known there yet */
	bool is_draining;
	uint64_t drain_to, drain_sequence;
	uint32_t draining[OBJECTS]; /* what has to be durable then */
	bool is_promoting;
	struct action promotion; /* its order */
	uint32_t resync_next;	 /* object to copy next */
	uint64_t sync_sequence;	 /* of the last OP_SYNC that was applied */
	bool is_complete_owed;
	bool is_watching; /* what changes the tree comes from here */
};

struct daemon {
	bool is_running;
	uint64_t life;
	struct core *core;
	bool is_writing;
	int64_t started_at;
	struct record writing;
	int64_t writing_since;
	uint32_t queued_first, queued_count;
	struct action queued[QUEUED_MAX];
	int64_t deadline; /* what the armed timer waits for, boot clock */
	int64_t last_order_at;
	bool has_role_order; /* not answered yet, as far as is known */
	struct action role_order;
	bool is_renewing, is_leaving, is_saying_goodbye;
};

struct node {
	uint8_t id;
	bool is_up;
	int64_t clock_offset;
	int64_t drift_ppm;
	int64_t frozen_until[PROCESS_COUNT];
	int64_t last_report_at;
	struct record record; /* durable */
	int64_t recorded_at;
	struct copy copy;
	struct standing standing;   /* durable: evenkeel-fs's own slot file */
	struct root_mark mark;	    /* durable: on the replicated directory */
	struct unwatched unwatched; /* durable: there as well */
	bool is_released;	    /* in order: known whatever the machine does then */
	int64_t alive_at;  /* the last sign of life of evenkeel-fs; in the kernel's memory */
	uint64_t id_floor; /* likewise: no id from here on was given away */
	struct held held;
	struct daemon daemon;
	struct fs fs;
	bool is_application_running, is_checking;
	struct wishes wishes; /* in /run: as long as the machine */
	bool is_script_running, is_script_killed;
	int64_t stop_lasts_until; /* a stop script in order ends no earlier */
	int64_t script_since;
	uint64_t script_end;   /* the happening that ends it */
	int64_t address_until; /* the kernel's lifetime of the service address */
	int unmounted;	       /* troubles that keep its data disk away: the directory is empty */
	int64_t state_disk_until; /* it hangs: no record is written before */
	int64_t data_disk_until;  /* it hangs */
	bool is_mount_gone;	  /* somebody took it away */
	uint32_t looks_in_vain[LOOK_COUNT];
	uint64_t seen_life; /* of the evenkeel-fs that was asked last, and its role */
	enum fs_role seen_role;
	struct sights told_sights; /* what the other has told of itself last */
	int64_t unheeded_since;	   /* 0: not so */
	uint32_t unheeded;	   /* what: a mask of looks */
	uint32_t seen_unfit;	   /* what was so when it looked last: likewise */
	bool may_be_unfit;	   /* something was done to it since it gave the service away */
	bool has_given_away;	   /* the service, because of that, and has not had it since */
	int detached;		   /* troubles that keep it off the client network */
	int64_t power_cut_at;
	int64_t woken_at; /* end of its last freeze */
	uint64_t boots;
	uint32_t tenure;		    /* while it serves */
	uint64_t told_epoch;		    /* newest that a beat of the other has told it */
	bool is_loss_announced;		    /* an operator was told, and insisted */
	struct action pending[PENDING_MAX]; /* orders for an evenkeel-fs that is not there */
	int pending_count;
};

/* ---- the run ---- */

enum fault {
	FAULT_LINK_CUT,	  /* one link, both ways */
	FAULT_SPLIT,	  /* all links */
	FAULT_ONE_WAY,	  /* one direction of some links */
	FAULT_CRASH,	  /* all processes of a node */
	FAULT_POWER,	  /* the machine */
	FAULT_FAST_CRASH, /* all processes, back at once */
	FAULT_KILL_DAEMON,
	FAULT_KILL_FS,
	FAULT_FREEZE, /* all processes of a node */
	FAULT_FREEZE_DAEMON,
	FAULT_FREEZE_FS,
	FAULT_STREAM,	/* the connection breaks */
	FAULT_GATEWAY,	/* the ping target is away for everybody */
	FAULT_ADDRESS,	/* somebody removes the address */
	FAULT_DISK,	/* a power cut, and the data disk is not mounted for a while */
	FAULT_OPERATOR, /* start, stop, swap, ... at random */
	FAULT_FORCE,	/* an operator who insists */
	FAULT_COUNT,
};

/* Troubles of rare.c. */
enum rare { RARE_TURN, RARE_ORDER, RARE_ACK, RARE_BEATS, RARE_ARBITER, RARE_LIVES, RARE_COUNT };

/* What is kept of the beats of a node: the last ones, some of all its lives, its goodbyes. */
enum shelf { SHELF_LAST, SHELF_LIVES, SHELF_GOODBYES, SHELF_COUNT };

struct recorded {
	uint64_t count;
	struct recorded_beat {
		struct event event;
		struct summary summary;
	} beats[RECORDED_MAX];
};

struct backups {
	struct chance chance;		  /* its own, see backups.c */
	bool has_old_state, has_old_data; /* somewhere, and the pair is not in order since */
	struct backup {
		bool is_taken;
		struct record record;
		struct standing standing;
		struct root_mark mark;
		struct unwatched unwatched;
		uint64_t id_floor;
		struct copy copy;
	} kept[NODES];
};

struct promise_state {
	uint32_t acknowledged[OBJECTS]; /* the newest that must not be missing */
	uint32_t tenure;		/* youngest in which something was acknowledged */
	uint64_t epoch;			/* its epoch, and the node that did */
	uint8_t writer;
	bool is_broken;
	char what[256];
};

struct counters {
	uint64_t acknowledged, syncs, tenures, promotions, resyncs, excused, announced, faults;
	uint64_t by_hand; /* writes */
	uint64_t helped;  /* times an operator had to say who is primary in the end */
};

struct world {
	uint64_t seed;
	bool is_verbose;
	struct chance chance;
	int64_t now;
	uint64_t steps, order, hash;
	enum arbiter_kind arbiter;
	enum durability durability; /* of the module */
	bool has_address;	    /* the module has a service address */
	struct weather weather;
	bool has_fault[FAULT_COUNT];
	struct chance rare;    /* its own, see rare.c */
	struct chance disk;    /* its own, see disks.c */
	struct chance stop;    /* its own, see stops.c */
	struct chance person;  /* its own, see byhand.c */
	struct chance looking; /* likewise, looks.c */
	bool is_watched;       /* evenkeeld looks at what all rests on */
	bool has_rare[RARE_COUNT];
	struct recorded recorded[NODES][SHELF_COUNT];
	struct backups backups;
	int64_t fault_gap_min, fault_gap_max;
	bool is_calm;		/* faults have stopped */
	bool is_quiet;		/* clients rest */
	int cuts[LINKS][NODES]; /* troubles that keep a link down, from this node to the other */
	int gateway_cuts;
	uint64_t detached_side; /* which node splits keep away from the gateway, and how long */
	int64_t detached_until;
	int commanded; /* what the operator has done so far */
	int64_t calm_since, steady_since;
	struct node nodes[NODES];
	struct channel channels[NODES]; /* from this node */
	uint64_t last_connection, last_session, last_life, last_request;
	int64_t two_addresses_since, two_applications_since; /* 0: not so */
	bool has_insisted;				     /* a person has, in this run */
	uint32_t insisted_prim[NODES];
	uint32_t asked_prim[NODES]; /* request number of an unforced `prim`; 0: none */
	uint32_t write_count, tenure_count;
	struct written writes[WRITES_MAX];
	struct tenure tenures[TENURES_MAX];
	struct promise_state promise;
	uint64_t given_ids[IDS_MAX / 64]; /* a mask */
	struct counters counters;
	uint32_t heap_count, free_count;
	uint32_t heap[EVENTS_MAX], free[EVENTS_MAX];
	struct happening happenings[EVENTS_MAX];
	struct actions actions;
};

/* ---- queue.c ---- */

/* Space for a happening after this delay; the caller fills in what belongs to the kind. */
struct happening *happen(struct world *world, int64_t delay, enum happening_kind kind);
/* The same, for a process of a node: void when that process has died by then. */
struct happening *happen_to(struct world *world, struct node *node, enum process process,
	enum happening_kind kind, int64_t delay);
/* The next one, removed from the queue; NULL at the end. Valid until the next call of happen(). */
struct happening *queue_next(struct world *world);
/* Puts it back, to happen later but before all that is younger. */
void queue_postpone(struct world *world, const struct happening *happening, int64_t at);
void queue_clear(struct world *world);

/* ---- run.c ---- */

#define SAY(world, ...)                                  \
	do {                                             \
		if ((world)->is_verbose)                 \
			world_say((world), __VA_ARGS__); \
	} while (0)
void world_say(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);
void world_hash(struct world *world, uint64_t value);
struct world *world_new(void);
void world_free(struct world *world);
/* Plays one seed; true if no promise was broken. */
bool world_run(struct world *world, uint64_t seed);
static inline struct node *other_node(struct world *world, const struct node *node)
{
	return &world->nodes[node->id == 1 ? 1 : 0];
}

/* ---- node.c ---- */

int64_t node_clock(const struct world *world, const struct node *node);
void node_start(struct world *world, struct node *node);
void node_crash(struct world *world, struct node *node);
void node_cut_power(struct world *world, struct node *node);
void node_freeze(struct world *world, struct node *node, enum process process, int64_t duration);
bool node_has_address(const struct world *world, const struct node *node);
void script_run(struct world *world, struct node *node, const struct action *action);
void script_on_end(struct world *world, struct node *node, const struct happening *happening);
void scripts_kill(struct node *node);

/* ---- daemon.c ---- */

void daemon_start(struct world *world, struct node *node);
void daemon_kill(struct world *world, struct node *node);
void daemon_post(struct world *world, struct node *node, struct event *event);
void daemon_repeat_role(struct world *world, struct node *node);
void daemon_send_pending(struct world *world, struct node *node);
void daemon_handle(struct world *world, struct node *node, const struct happening *happening);
/* The node is stopped in order, and says goodbye. */
void daemon_shut_down(struct world *world, struct node *node);
void daemon_command(struct world *world, struct node *node, enum command command, bool is_forced);

/* ---- network.c ---- */

bool network_carries(const struct world *world, const struct node *from, int link);
bool network_reaches_target(const struct world *world, const struct node *node);
/* A beat comes to this node's daemon, if one is there when it comes. */
void network_deliver_beat(struct world *world, struct node *to, const struct event *event,
	const struct summary *summary, int64_t delay);
void network_send_beat(struct world *world, struct node *from, const struct happening *beat);
uint64_t network_connect(struct world *world);
/* False if the channel is full now. */
bool network_send(struct world *world, struct node *from, const struct frame *frame);
void network_close(struct world *world, struct node *from, uint64_t connection);
void network_on_frame(struct world *world, struct node *from);
bool network_has_stream(const struct world *world);

/* ---- copy.c ---- */

uint32_t copy_write(struct world *world, struct node *node, uint8_t object);
/* True if what is named by have is that write or one made on top of it. */
bool copy_contains(const struct world *world, uint32_t have, uint32_t write);
void copy_lose_unsynced(struct world *world, struct node *node);
void copy_put_back(struct world *world, struct node *node, const struct copy *kept);
void copy_excuse(struct world *world);

/* ---- fs.c, fs_primary.c, fs_secondary.c ---- */

void fs_start(struct world *world, struct node *node);
void fs_kill(struct world *world, struct node *node);
void fs_order(struct world *world, struct node *node, const struct action *order);
void fs_report(struct world *world, struct node *node, enum fs_report report);
void fs_report_connected(struct world *world, struct node *node, bool is_continued);
void fs_handle(struct world *world, struct node *node, const struct happening *happening);
void fs_on_frame(struct world *world, struct node *node, const struct frame *frame);
enum fs_report doubt_report(enum doubt doubt);
void fs_close(struct world *world, struct node *node);
void fs_sync(struct world *world, struct node *node);
/* What it is at this moment, and who it says it is. */
struct replica fs_replica(struct node *node);
struct hello fs_hello(const struct node *node);
/* The role, as what outlives the process has it. */
void fs_take_role(struct node *node, enum fs_role role, const struct action *order);
void fs_store(struct node *node);
/* The directory is marked as holding what is served or followed; durable before the standing says as
 * much. */
void fs_mark(struct node *node, uint64_t barrier);
/* Only if it does not say whose data these are. */
void fs_mark_new(struct node *node);
void fs_say_missed(struct world *world, struct node *node);
/* A successor says where it stands; orders that waited for it follow. */
void fs_say_hello(struct world *world, struct node *node);

/* Somebody knows of ids up to here. */
void fs_raise_ids(struct node *node, uint64_t id_limit);
void primary_begin(struct world *world, struct node *node, const struct action *order);
uint64_t primary_next_tenure(const struct node *node);
void primary_resume(struct world *world, struct node *node);
void primary_order(struct world *world, struct node *node, const struct action *order);
void primary_drain(struct world *world, struct node *node);
void primary_tick(struct world *world, struct node *node);
void primary_on_frame(struct world *world, struct node *node, const struct frame *frame);
void primary_on_connected(struct world *world, struct node *node, uint64_t connection);
void primary_on_lost(struct world *world, struct node *node);
void primary_on_synced(struct world *world, struct node *node);
void primary_walk(struct world *world, struct node *node, uint64_t session);
void primary_answer(struct world *world, struct node *node);
/* False if it has to be tried again: no room, or not serving. */
bool primary_request(struct world *world, struct node *node, uint32_t client, bool is_sync);
bool primary_is_serving(const struct node *node);

void secondary_begin(struct world *world, struct node *node, const struct action *order);
void secondary_resume(struct world *world, struct node *node);
void secondary_promote(struct world *world, struct node *node, const struct action *order);
void secondary_on_frame(struct world *world, struct node *node, const struct frame *frame);
void secondary_apply(struct world *world, struct node *node);
void secondary_on_synced(struct world *world, struct node *node);
void secondary_tick(struct world *world, struct node *node);
/* What was promoted is recorded, and serves now. */
void secondary_serve(struct world *world, struct node *node);

/* ---- clients.c, faults.c, rare.c, disks.c, stops.c, people.c ---- */

void client_wake(struct world *world, uint32_t client);
void faults_draw(struct world *world);
void fault_strike(struct world *world);
bool fault_is_untold(const struct world *world, const struct node *node);
/* Cuts a node off from everybody, unless a split keeps the other side off. */
void fault_cut_off(struct world *world, struct node *node, int64_t duration);
void fault_heal(struct world *world, const struct happening *happening);
/* No way from this node for so long; then, without a moment between, none to it. The other is off
 * the client network all the time. */
/* Its daemon dies, and is started again after so long. */
void fault_kill_daemon(struct world *world, struct node *node, int64_t down);
void fault_turn(struct world *world, struct node *node, int64_t first, int64_t second);
void fault_turn_round(struct world *world, const struct happening *happening);
void faults_end(struct world *world);
/* ---- byhand.c ---- */

void byhand_draw(struct world *world, int64_t from);
void byhand_write(struct world *world);
/* Of evenkeel-fs: it has the tree, lets go of it, serves it, begins to overwrite it. */
void byhand_take(struct world *world, struct node *node, bool is_resumed);
void byhand_let_go(struct world *world, struct node *node);
void byhand_tick(struct world *world, struct node *node);
void byhand_cut(struct node *node);
void byhand_serve(struct node *node);
void byhand_find(struct world *world, struct node *node, bool is_set_aside);

/* ---- rare.c ---- */

/* The first rare trouble strikes after so long; also draws what is seldom configured. */
void rare_draw(struct world *world, int64_t from);
void rare_strike(struct world *world);

void rare_record(struct world *world, struct node *from, const struct happening *beat);
int64_t rare_arbiter_delay(struct world *world);
void looks_draw(struct world *world, int64_t from);
void stuck_strike(struct world *world);
/* Such a thing of evenkeel-fs cannot happen now, because its disk hangs. */
bool stuck_waits(
	const struct world *world, const struct node *node, const struct happening *happening);
void looks_begin(struct world *world, struct node *node);
void looks_take(struct world *world, struct node *node);
/* It gives the service away because of what was seen; and it begins to write a record. */
void looks_on_unfit(struct world *world, struct node *node);
void looks_on_record(struct world *world, struct node *node, const struct record *record);
void disks_draw(struct world *world, int64_t from);
void disk_strike(struct world *world);
void stops_draw(struct world *world, int64_t from);
void stop_strike(struct world *world);
void stop_cut_off(struct world *world, struct node *node);
void backups_draw(struct world *world, int64_t from);
void backup_strike(struct world *world);
void person_acts(struct world *world, const struct happening *happening);
void person_on_answer(struct world *world, struct node *node, const struct action *action);

/* ---- promises.c ---- */

#define RULE_OBSERVED 23 /* no promise, but a rule (docs/rules.md) */
void promise_broken(struct world *world, int promise, const char *format, ...) PRINTF_LIKE(3, 4);
void promise_on_serving(struct world *world, struct node *node, bool is_promotion);
void promise_on_acknowledged(struct world *world, struct node *node, uint32_t client);
/* A copy is brought up to date: what it alone had is gone, which somebody who insisted was told. */
void promise_on_overwritten(struct world *world, struct node *target, bool is_set_aside);
void promise_on_asked(struct world *world, struct node *node, const struct action *question);
/* What a node tells the other of its record is durable. */
void promise_on_told(struct world *world, struct node *node, const struct record *told);
void promise_on_id_given(struct world *world, struct node *node, uint64_t id);
void promise_on_drained(struct world *world, struct node *node);
/* The address, or the application, at both nodes for too long (R7, R10). */
void promise_on_time(struct world *world);
void promise_on_record(struct world *world, struct node *node, const struct record *before);
bool world_is_ready(struct world *world);
bool world_is_converged(struct world *world);

#endif
