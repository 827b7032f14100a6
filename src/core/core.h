/*
 * The core: what a node decides. A step function without clock, socket, allocation, thread or log.
 *
 * core_step() is handed one event (a fact in the past tense, with its time) and answers with
 * actions (orders in the imperative), which the daemon performs in order. Each order that can fail
 * or take time is answered by a later event. The same object file runs in evenkeeld, in the story
 * tests and in the simulator.
 *
 * Nodes tell each other *state*, never requests: each beat carries a summary of each module, so a
 * lost datagram costs one beat and nothing is ever half asked. "Drop yourself, epoch 8" is a
 * primary whose summary says wants_drop; the answer is a secondary whose summary no longer calls
 * itself good.
 *
 * Not for: bytes of files (repl), names and paths (the daemon keeps them under the ids used here).
 * One thread owns one core.
 */
#ifndef EVENKEEL_CORE_CORE_H
#define EVENKEEL_CORE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/text.h"
#include "core/arbiter/arbiter.h"
#include "core/fs.h"
#include "core/look.h"
#include "core/record.h"

/* ---- words that people see ---- */

enum module_state {
	STATE_STOP,
	STATE_WAIT,
	STATE_ALONE,
	STATE_PRIM,
	STATE_SECOND,
	STATE_UP, /* serves, and no other copy is expected: a single */
	STATE_COUNT
};
enum readiness { NOT_READY, TRANSIENT, READY, READINESS_COUNT };

enum refusal {
	REFUSAL_NONE,
	REFUSAL_UNKNOWN_MODULE,
	REFUSAL_ALREADY_SO,	 /* already in the state that was asked for */
	REFUSAL_NOT_RUNNING,	 /* the module is stopped */
	REFUSAL_NOT_UP_TO_DATE,	 /* the copy misses acknowledged writes */
	REFUSAL_PEER_NOT_READY,	 /* swap wants a SECOND Ready */
	REFUSAL_PEER_IS_PRIMARY, /* prim while the peer serves: use swap */
	REFUSAL_WOULD_LOSE,	 /* forced command: say it again with what may be lost confirmed */
	REFUSAL_BUSY,		 /* another change is under way */
	REFUSAL_NOT_THIS_NODE,	 /* the module is not configured on this node */
	REFUSAL_NOT_ITS_KIND,	 /* a module of this kind knows no such command */
	REFUSAL_STREAM_ONLY,	 /* nothing but the stream, which a swap ends, leads to the peer */
	REFUSAL_NOT_RECORDABLE, /* the disk of a state folder does not answer: a swap ends in records */
	REFUSAL_COUNT,
};

/* ---- configuration, as the core sees it ---- */

struct core_config {
	uint8_t self;	     /* this node's id, 1..NODES_MAX */
	uint64_t boot_nonce; /* random at each start of this daemon */
	uint8_t node_count;
	uint8_t nodes[NODES_MAX]; /* ids, self included */
	int64_t beat_ns;	  /* 200 ms: between beats */
	int64_t silence_ns;	  /* 2 s: all links silent for so long, and the peer is dead */
	int64_t margin_ns;	  /* 500 ms: a primary stops answering so long before (R7) */
	enum arbiter_kind arbiter;
};

/* What a module is: core/instance.h has what a kind brings. */
enum module_kind {
	KIND_MIRROR, /* two copies, one primary */
	KIND_SINGLE, /* one node: started, checked, repaired */
	KIND_COUNT
};

struct module_config {
	enum module_kind kind;
	uint8_t peer;	   /* node id of the other node; 0: no other node runs it */
	uint8_t preferred; /* node id that should be primary, 0 for no preference (B4) */
	bool has_failover; /* B5: false: a secondary never takes over by itself */
	uint8_t address_count;
	bool has_script[8];	     /* by enum script */
	uint8_t repairs_max;	     /* B7: maxloop, 3 */
	int64_t repairs_window_ns;   /* 24 h */
	int64_t address_lifetime_ns; /* 3 s: how long an address outlives a silent node (R15) */
	uint8_t check_count;
};

enum script {
	SCRIPT_PRESTART,
	SCRIPT_START_PRIM,
	SCRIPT_STOP_PRIM,
	SCRIPT_START_SECOND,
	SCRIPT_STOP_SECOND,
	SCRIPT_START_BOTH,
	SCRIPT_STOP_BOTH,
	SCRIPT_POSTSTOP,
	SCRIPT_COUNT
};

/* ---- what nodes tell each other ---- */

struct summary {
	uint16_t module; /* the same number on all nodes */
	enum module_state state;
	enum readiness readiness;
	struct record record; /* only what is durable already; the wire leaves out the intent */
	enum fs_role fs_role;
	enum fs_link fs_link;
	bool wants_drop; /* primary: asks its peer to record itself stale in epoch.number + 1 */
	bool wants_swap; /* a person wants the service here: `swap` on a secondary, `prim` on a node that
			    waits */
	bool is_second_only; /* `second`: does not become primary by itself in this start */
	bool is_rolled_back; /* data or state here were put back: this copy does not serve by itself */
	uint64_t marked_epoch; /* if it was the state: the last that the data know of */
	bool is_looking;       /* nobody knows yet whether one of them was */
	bool is_failed;	       /* cannot serve here: the application (maxloop) or the disk */
	bool can_reach_target; /* the ping target answers, as this node last saw */
	struct sights sights;  /* what was seen there; seen_ns is an age in it, not a time */
};

/* A beat that the sender heard from the receiver, by its boot_nonce and sent_ns; 0: none. */
struct echo {
	uint64_t nonce;
	int64_t sent_ns;
};

struct beat {
	uint8_t from;
	uint64_t boot_nonce;
	uint64_t counter;     /* rises with every beat of one boot */
	int64_t sent_ns;      /* the sender's boot clock */
	struct echo echo;     /* the last one of the life that the sender believes in */
	struct echo greeting; /* one of a life that may prove itself by echoing this beat */
	bool is_goodbye;      /* planned stop: do not wait for silence */
	bool is_streamed;     /* not on the wire: it came over a stream, not over a network */
	uint16_t summary_count;
	const struct summary *summaries; /* borrowed until core_step returns */
};

/* ---- events ---- */

enum event_type {
	EVENT_STARTED,	    /* the daemon runs; the first event of all, before any module */
	EVENT_TIME_PASSED,  /* the deadline that core_deadline() named is reached */
	EVENT_MODULE_ADDED, /* configuration, durable record and what a predecessor left running */
	EVENT_MODULE_REMOVED,
	EVENT_BEAT_HEARD,
	EVENT_RECORD_WRITTEN, /* answers ACTION_WRITE_RECORD */
	EVENT_FS_REPORTED,    /* answers ACTION_ORDER_FS, or evenkeel-fs speaks by itself */
	EVENT_SCRIPT_ENDED,
	EVENT_APPLICATION_EMPTIED, /* answers ACTION_EMPTY_APPLICATION */
	EVENT_ADDRESS_CHANGED,
	EVENT_PROBE_ENDED,	/* answers ACTION_PROBE_ADDRESS */
	EVENT_ARBITER_ANSWERED, /* answers ACTION_ASK_ARBITER */
	EVENT_TARGET_TRIED,	/* the ping target, every 10 s while healthy (R3) */
	EVENT_CHECK_CHANGED,
	EVENT_COMPARED, /* `verify` has compared the two copies */
	EVENT_OBSERVED, /* what serving and taking over rest on was looked at */
	EVENT_COMMAND_GIVEN,
	EVENT_SHUTDOWN_WANTED, /* this node is stopped in order: every module leaves, should_run
				  stays (B6); then beats say goodbye, see core_is_shut_down() */
	EVENT_TYPE_COUNT,
};

enum command {
	COMMAND_START,
	COMMAND_STOP,
	COMMAND_RESTART,
	COMMAND_SWAP,
	COMMAND_PRIM,
	COMMAND_SECOND,
	COMMAND_COUNT,
};

enum script_outcome { SCRIPT_SUCCEEDED, SCRIPT_FAILED, SCRIPT_TIMED_OUT, SCRIPT_CANNOT_RUN };
enum address_change { ADDRESS_HELD, ADDRESS_GONE, ADDRESS_TAKEN_BY_OTHER, ADDRESS_FAILED };
enum probe_outcome { PROBE_SILENT, PROBE_PEER_ANSWERS, PROBE_FOREIGN_ANSWERS, PROBE_FAILED };

/* What is wanted of the application until it has come about; the record may not have got to the disk. */
struct wishes {
	/* By a person, in the life of this machine; neither: as the record says. */
	bool is_told_to_run, is_told_to_stop;
	bool is_restarting; /* everything is to go down once, then up again */
};

struct event {
	enum event_type type;
	int64_t now_ns;	 /* boot clock, never less than in the event before */
	uint16_t module; /* where the event is about one module */
	union {
		struct {
			struct module_config config;
			struct record record;
			struct fs_hello
				fs; /* what still runs from before a restart of the daemon */
			bool is_application_running;
			bool is_address_held;
			struct wishes wishes; /* as ACTION_NOTE_WISHES gave them to a predecessor */
			uint64_t random[4]; /* for set id, tags and nonces of this module's life */
		} module_added;
		struct beat beat;
		struct {
			int error;
		} record_written;
		struct fs_reported fs;
		struct {
			enum script script;
			bool is_forced;
			enum script_outcome outcome;
			int exit_status;
		} script;
		struct {
			bool is_left; /* processes that cannot be ended */
		} emptied;
		struct {
			uint8_t index;
			enum address_change change;
		} address;
		struct {
			enum probe_outcome outcome;
			uint8_t mac[6];
		} probe;
		struct {
			enum arbiter_answer answer;
			struct arbiter_question question; /* as it was asked */
		} arbiter;
		struct {
			bool is_reachable;
		} target;
		struct {
			uint8_t index;
			bool is_up;
		} check;
		struct {
			struct sights sights;	    /* seen_ns is filled in by the core */
			char detail[FS_DETAIL_MAX]; /* of what is bad, for a person */
		} observed;
		struct {
			uint64_t differences;
		} compared;
		struct {
			enum command command;
			uint32_t request;
			bool is_forced;
		} command;
	};
};

/* ---- actions ---- */

enum action_type {
	ACTION_SEND_BEAT,    /* on every link, at once */
	ACTION_WRITE_RECORD, /* durably; if it is awaited, before anything that follows */
	ACTION_NOTE_WISHES, /* for a later life of the daemon, at once: the record may take its time */
	ACTION_ORDER_FS,
	ACTION_RUN_SCRIPT,
	ACTION_HOLD_ADDRESS,	/* add all of the module's addresses, announce, keep renewing */
	ACTION_RELEASE_ADDRESS, /* remove, reset connections */
	ACTION_PROBE_ADDRESS,	/* does somebody answer at a service address? */
	ACTION_ASK_ARBITER,	/* compare-and-swap; core/arbiter/arbiter.h */
	ACTION_START_CHECKS,
	ACTION_STOP_CHECKS,
	ACTION_KILL_APPLICATION,  /* SIGKILL to the module's control group */
	ACTION_EMPTY_APPLICATION, /* what still runs in it gets SIGTERM, then SIGKILL */
	ACTION_ANSWER_COMMAND,
	ACTION_LOG,
	ACTION_TYPE_COUNT,
};

enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_ERROR };

struct action {
	enum action_type type;
	uint16_t module;
	union {
		struct {
			struct record record;
			bool is_awaited; /* what follows rests on it */
		} write_record;
		struct wishes wishes;
		struct fs_ordered fs;
		struct {
			enum script script;
			bool is_forced;
		} script;
		struct arbiter_question arbiter;
		struct {
			uint32_t request;
			enum refusal refusal;
			struct text sentence;
		} answer;
		struct {
			const char *id;
			enum severity severity;
			struct text sentence;
		} log; /* id: stable, a constant */
	};
};

#define ACTIONS_MAX 64 /* of one step */

struct actions {
	uint16_t count;
	struct action list[ACTIONS_MAX];
};

/* ---- the step function ---- */

struct core; /* core_size() bytes, owned by the caller */

size_t core_size(void);
/* Initialises memory of core_size() bytes; copies config. */
void core_init(struct core *core, const struct core_config *config);
/* Handles one event; replaces the content of actions. */
void core_step(struct core *core, const struct event *event, struct actions *actions);
/* The boot-clock time at which EVENT_TIME_PASSED is wanted next; INT64_MAX for never. */
int64_t core_deadline(const struct core *core);
/* Fills the beat's module summaries (up to max) and returns how many; for ACTION_SEND_BEAT and for
 * status. */
uint16_t core_summaries(const struct core *core, struct summary *out, uint16_t max);
/* The same of one module, for decisions: core_status() is for people. Errors: ERROR_NOT_FOUND. */
int core_summary(const struct core *core, uint16_t module, struct summary *out_summary) MUST_CHECK;
/* What a beat is worth before it is handed in as an event (R21). */
enum beat_worth {
	BEAT_WORTHLESS, /* a stranger's, our own, or of a life that has given way to another */
	BEAT_UNPROVEN,	/* of a life that has not echoed a beat of ours yet: only its head counts */
	BEAT_AGAIN,	/* of the living life, heard already: a copy from another network */
	BEAT_COUNTS,
};
/* Since our newest beat that the node has echoed was sent (before the first: since the start). */
int64_t core_two_way_age_ns(const struct core *core, uint8_t node, int64_t now_ns);
enum beat_worth core_weigh_beat(const struct core *core, const struct beat *beat, int64_t now_ns);
/* Fills the head of the beat to send to the node named. */
void core_beat(struct core *core, uint8_t to, int64_t now_ns, struct beat *out_beat);

/* True once EVENT_SHUTDOWN_WANTED has been carried out: the daemon may end after one more beat. */
bool core_is_shut_down(const struct core *core);

/* What `status` shows of a module, in words: what is going on, and what would happen if a node died
 * now. */
struct status {
	enum module_state state, peer_state;
	enum readiness readiness, peer_readiness;
	bool is_peer_heard;
	struct record record;
	uint64_t resync_done, resync_total;
	struct text now;		     /* what is going on */
	struct text if_dies;		     /* what happens if a node dies now */
	struct text to_do;		     /* what a person should do; empty: nothing */
	struct text observed, peer_observed; /* what was seen, and when */
};
/* Errors: ERROR_NOT_FOUND: no such module. */
int core_status(const struct core *core, uint16_t module, struct status *out_status) MUST_CHECK;

/* Aborts if what must always hold does not (the promises, seen from one node). */
void core_verify(const struct core *core);

const char *module_state_name(enum module_state state);
const char *readiness_name(enum readiness readiness);
const char *script_name(enum script script);
const char *command_name(enum command command);
/* A sentence for the operator: what was refused and what to do instead. */
const char *refusal_sentence(enum refusal refusal);

#endif
