/*
 * What the files of the core share: its memory, and who calls whom.
 *
 *	core.c         the step: event in, facts noted, every touched module advanced, actions out
 *	member.c       beats: who is heard both ways, who is silent, own lateness (R16, R21)
 *	steps.c        the table of a mirror's steps, mirror_move()
 *	mirror.c       what people see of a mirror, mirror_verify(), one step of it
 *	decide.c       start: whose copy may serve, and why a node waits
 *	probing.c      start: does anybody else answer at the service address
 *	primary.c      serving: pairing, going on alone
 *	handover.c     the service goes to the good peer in order
 *	secondary.c    following: being brought up to date, resigning
 *	takeover.c     a silent primary: probe, ask, take over
 *	leave.c        stopping, fencing, the final record
 *	application.c  scripts, checks, address, repairs
 *	loss.c         a good peer is lost: drop it or ask; hold answers (R7)
 *	resume.c       a module enters the core; a restarted daemon takes up what runs
 *	order.c        orders to evenkeel-fs and its reports
 *	tenure.c       durable records: composed, written one at a time
 *	command.c      commands and refusals
 *	status*.c      sentences
 *
 * Each module advances by level, not by edge: events only note facts; advance() looks at all of
 * them and takes at most one step after the other until none is due. While a record is being
 * written nothing else moves (but silence is noted, see HELD). Not for users of the core: they see
 * core.h.
 */
#ifndef EVENKEEL_CORE_CORE_INTERNAL_H
#define EVENKEEL_CORE_CORE_INTERNAL_H

#include "core/core.h"
#include "core/mirror/generation.h"
#include "core/mirror/steps.h"
#include "core/planted.h"

#define RETIRED_NONCES	   8
#define DROPS_REMEMBERED   3
#define NO_TIME		   INT64_MAX
#define ACTIONS_OF_ADVANCE 24 /* most actions of one module in one step of the core */
#define ADVANCES_MAX	   24

#define INSISTED_EPOCHS	    100
#define BEAT_GAP_NS	    (20 * NS_PER_MS)  /* between two beats, however much changes */
#define BEAT_TROUBLE_NS	    (50 * NS_PER_MS)  /* while somebody is suspected */
#define SETTLE_NS	    (300 * NS_PER_MS) /* beats flow by then, if the network is back */
#define LATENESS_MIN_NS	    (10 * NS_PER_MS)  /* less is a timer's own jitter */
#define PROBE_GAP_NS	    (100 * NS_PER_MS) /* between probes of an address */
#define PROBE_EAGER_NS	    (5 * NS_PER_S)    /* after that, only every ... */
#define PROBE_SLOW_GAP_NS   (NS_PER_S)
#define ASK_GAP_NS	    (100 * NS_PER_MS)  /* between questions to the arbiter */
#define RETURN_PATIENCE_NS  (1500 * NS_PER_MS) /* for the stream to follow the beats */
#define DROP_PATIENCE_NS    (300 * NS_PER_MS)  /* for a peer to record itself stale */
#define RESIGN_PATIENCE_NS  (NS_PER_S)	       /* for the primary to go on without us */
#define YIELD_PATIENCE_NS   (5 * NS_PER_S)     /* for a heard peer to take what was handed over */
#define FREEZE_MAX_NS	    (10 * NS_PER_S)    /* cut off so long: step down (R10) */
#define WRITE_RETRY_NS	    (NS_PER_S)
#define CONNECT_PATIENCE_NS (10 * NS_PER_S)
#define RESYNC_PATIENCE_NS  (120 * NS_PER_S) /* without any progress */
#define FS_PATIENCE_NS	    (10 * NS_PER_S)  /* for a successor of a dead evenkeel-fs */
#define DROPS_WINDOW_NS	    (600 * NS_PER_S)
#define RETRY_GAP_NS	    (5 * NS_PER_S) /* between attempts of a secondary that failed */
#define RETRY_DOUBLINGS	    7
#define SWAP_PATIENCE_NS    (30 * NS_PER_S)
#define PREFERRED_AFTER_NS  (10 * NS_PER_S) /* paired so long: swap to the preferred node (B4) */

enum wait_reason {
	WAIT_NONE,
	WAIT_LISTENING,	   /* the other node may still be heard */
	WAIT_NEW,	   /* no data anywhere yet (R17) */
	WAIT_STALE,	   /* own record: this copy misses writes; the other is not heard */
	WAIT_UNSURE,	   /* own record: the other may have gone on; it is not heard */
	WAIT_INTENT,	   /* a question to the arbiter was never answered */
	WAIT_INCOMPLETE,   /* a mixture */
	WAIT_PEER_STARTS,  /* the other node is the one to start */
	WAIT_PEER_STOPPED, /* the newer copy is there, its module is stopped */
	WAIT_PEER_FAILED,  /* the newer copy is there, it cannot serve */
	WAIT_DIVERGED,
	WAIT_UNRELATED,
	WAIT_ROLLED_BACK,
	WAIT_PEER_ROLLED_BACK,
	WAIT_NEWER_THAN_PRIMARY, /* the other serves an older state */
	WAIT_PEER_ONLY,		 /* neither may: commanded second, or failed, on both */
	WAIT_ADDRESS_FOREIGN,	 /* somebody else answers at the service address */
	WAIT_ADDRESS_PEER,	 /* the other node still answers there */
	WAIT_APPLICATION,	 /* its scripts or checks failed too often */
	WAIT_DISK,		 /* evenkeel-fs gave up here */
	WAIT_REFUSED,		 /* evenkeel-fs cannot do what it was told */
	WAIT_BEHIND,		 /* evenkeel-fs lost what it had received and not yet applied */
	WAIT_WRONG_COPY,	 /* what lies here is not what the record speaks of */
	WAIT_CUT_OFF,		 /* heard nobody and got no arbiter's word: stepped down */
	WAIT_REASON_COUNT,
};

enum { UP_BOTH = BIT(0), UP_PRIM = BIT(1), UP_SECOND = BIT(2) };

struct application {
	uint8_t wanted; /* UP_*: which start scripts are to have run */
	uint8_t up;	/* which have, and were not undone */
	bool is_running_script;
	bool is_script_dead; /* its end means nothing any more */
	bool is_script_forced;
	bool is_restarting; /* everything down once, then up again */
	bool is_prestarted;
	bool is_address_wanted, is_address_held;
	bool is_checking;
	bool is_failed; /* repairs used up */
	enum script script;
	uint32_t checks_down; /* mask */
	uint8_t repairs;
	int64_t repairs_since_ns;
};

struct member {
	uint64_t nonce; /* of its boot; 0: never heard */
	uint64_t counter;
	uint64_t retired[RETIRED_NONCES];
	uint8_t retired_next;
	int64_t sent_ns;    /* its clock: to echo */
	int64_t heard_ns;   /* our clock: when its last beat came, echo or not */
	int64_t two_way_ns; /* our clock: when the newest beat that it has echoed was sent; 0: none
			     */
	int64_t excuse_ns;  /* own lateness since then (R16) */
	int64_t late_ns;    /* when this node was late last */
	bool is_gone;	    /* said goodbye */
};

struct module {
	bool is_used, is_dirty;
	uint16_t number;
	struct module_config config;
	enum step step;
	int64_t since_ns; /* when the step was entered */
	int64_t wake_ns;  /* advance() wants to look again */
	uint64_t random;

	/* the durable record, and the one on its way to the disk */
	struct record record, writing;
	struct record before_claim; /* what a claim can be undone to */
	bool is_writing, is_write_failed;
	bool is_write_in_trouble; /* it failed, and has not succeeded since */
	bool should_run;
	uint64_t record_stamp; /* rises with each durable record: a summary changed */
	uint64_t barrier, peer_barrier;

	/* evenkeel-fs */
	enum fs_role fs_role;
	enum fs_link fs_link;
	struct epoch fs_epoch; /* of the last order */
	bool is_torn;	       /* evenkeel-fs died while it stopped: nobody knows how far it came */
	bool has_run;	       /* served or followed since the last release in order */
	bool is_order_open;    /* a role was ordered and not reported yet */
	bool is_mounted;       /* not known to be unmounted */
	bool is_stop_reported, is_peer_lost, is_local_failed, is_target_complete, is_adopted;
	bool is_session_cut; /* that is all of is_peer_lost: the session may go on */
	bool is_drained, is_refused, is_wrong_copy, is_dead;
	int64_t dead_ns;
	bool is_behind; /* evenkeel-fs, a secondary, does not hold all that was acknowledged */
	bool is_rolled_back;
	uint64_t clean_barrier;	  /* of the last release in order; 0: unknown */
	enum fs_order role_order; /* the last order that changes the role */
	bool is_resumed;      /* told GO_ALONE without knowing whether it had been told before */
	bool is_resync_known; /* a predecessor ordered the resync that runs */
	bool is_perhaps_held; /* a predecessor may have ordered to hold, and never to resume */
	uint64_t resync_done, resync_total;
	char detail[128];

	/* the peer */
	struct summary peer;
	bool is_peer_known;   /* a summary came since this daemon started */
	int64_t peer_echo_ns; /* which beat of ours the peer had heard when it sent it */
	int64_t eligible_ns;  /* since when this node could be chosen as primary */
	bool was_eligible;

	/* wishes */
	bool wants_stop, wants_swap, wants_forced_prim;
	bool is_copy_forced; /* the last prim was insisted on: whatever lies here is to be served */
	bool wants_overrule; /* prim on a serving node: the peer's own writes do not count */
	bool is_second_only;
	int64_t wants_swap_ns;

	/* the primary's troubles */
	bool is_held, wants_drop, is_answer_open;
	uint64_t ask_nonce;
	enum arbiter_answer answer;
	bool has_lost;		/* the other serves other data: not good any more */
	bool is_fenced;		/* on the way down: nothing may run on */
	int64_t suspect_ns;	/* since when the silent primary is suspected */
	int64_t ask_ns;		/* when to ask next */
	int64_t first_grant_ns; /* granted ever since then; 0: not granted */
	bool has_asked;		/* in this incident */
	int64_t progress_ns;	/* when evenkeel-fs spoke of its session last */
	int64_t adopted_ns;	/* since when the target says that it has adopted */
	int64_t held_ns;
	int64_t returned_ns; /* while held: since when the peer is heard again; 0: it is not */
	bool is_handed;	     /* this tenure began by an orderly handover */
	int64_t drops_ns[DROPS_REMEMBERED];
	uint8_t drops_next;

	/* the address of a silent peer */
	bool is_probe_open, is_probed;
	enum probe_outcome probe;
	uint8_t probe_mac[6];
	int64_t probe_ns; /* when the last one was started */

	enum wait_reason reason; /* why it waits */
	bool is_blocked;	 /* until a command, or until retry_ns */
	int64_t retry_ns;
	uint8_t failures; /* of the secondary since an operator's start */
	bool is_cut_off;  /* stepped down, and nobody was heard since */
	struct application application;
	struct shown {
		enum mirror_state state;
		enum readiness readiness;
		enum fs_role fs_role;
		enum fs_link fs_link;
		uint8_t flags;
		uint64_t record_stamp;
	} shown;
};

struct core {
	struct core_config config;
	int64_t now_ns, started_ns;
	bool is_started, is_shutting_down;
	bool can_reach_target;
	bool wants_beat, is_in_trouble;
	uint64_t beat_counter;
	int64_t beat_ns; /* when the last one was sent */
	uint16_t verify_next;
	struct member members[NODES_MAX + 1];
	struct module modules[MODULES_MAX];
	struct actions *actions; /* only during a step */
};

/* core.c */
struct action *action_add(struct core *core, struct module *module, enum action_type type);
struct text *log_add(
	struct core *core, struct module *module, const char *id, enum severity severity);
/* What evenkeel-fs said last, in brackets; nothing if it said nothing. */
void say_detail(struct text *text, const struct module *module);
void wake_at(struct module *module, int64_t time_ns);
/* True if duration has passed since the step was entered; otherwise wakes then. */
bool has_passed(struct core *core, struct module *module, int64_t since_ns, int64_t duration_ns);
uint64_t module_random(struct module *module);

/* member.c */
void member_on_lateness(struct core *core, int64_t lateness_ns);
/* False if the beat means nothing (R21). */
bool member_on_beat(struct core *core, const struct beat *beat);
/* Since our newest beat that the node has echoed was sent. */
int64_t member_age_ns(const struct core *core, uint8_t node);
/* The same, less our own lateness. */
int64_t member_suspicion_ns(const struct core *core, uint8_t node);
/* A beat came lately, in whatever state the way back is. */
bool member_is_talking(const struct core *core, uint8_t node);
bool member_is_heard(const struct core *core, uint8_t node);
bool member_is_silent(const struct core *core, uint8_t node);
int64_t member_age_at(const struct core *core, uint8_t node, int64_t age_ns);
int64_t member_suspicion_at(const struct core *core, uint8_t node, int64_t age_ns);

/* mirror.c */
enum mirror_state mirror_state_of(const struct module *module);
enum readiness mirror_readiness_of(const struct module *module);
void mirror_verify(const struct core *core, const struct module *module);
/* One step of the module, if one is due. */
bool mirror_advance(struct core *core, struct module *module);

/* decide.c */
bool peer_is_heard(const struct core *core, const struct module *module);
bool peer_is_primary(const struct core *core, const struct module *module);
bool peer_has_resigned(const struct core *core, const struct module *module);
bool peer_is_good_second(const struct core *core, const struct module *module);
bool peer_outranks(const struct core *core, const struct module *module);
enum relation module_relation(const struct core *core, const struct module *module);
/* By this node's own record its copy is complete and counts. */
bool module_is_good_here(const struct core *core, const struct module *module);
/* Both hold the same, and the other one is to serve it. */
bool module_is_behind(const struct core *core, const struct module *module);
/* True if, with both heard and nobody primary, this node is the one. */
bool module_is_chosen(struct core *core, struct module *module);
/* The same, with the peer not heard. */
bool module_may_start_alone(const struct core *core, const struct module *module);
bool module_can_follow(const struct core *core, const struct module *module);
void module_eligible(struct core *core, struct module *module);

/* primary.c */
/* Dropped too often: the next attempt to bring the peer up to date waits (R20). */
bool module_is_resting(const struct core *core, const struct module *module);
/* The address and the scripts are wanted here. */
void serve(struct module *module);
/* The other node serves and counts: nothing runs on here. */
bool give_way(struct core *core, struct module *module);
/* evenkeel-fs or its disk cannot go on; and which reason a person reads then. */
bool has_fs_failed(struct core *core, struct module *module);
enum wait_reason fs_failure(const struct module *module);

/* handover.c */
/* The record that hands over cannot be written. */
bool yielding_unrecorded(struct core *core, struct module *module);

/* loss.c */
/* Records that the peer is stale, then tells evenkeel-fs. */
bool go_alone(struct core *core, struct module *module);

/* secondary.c */
bool accept_primary(struct core *core, struct module *module);
/* When the primary falls silent, takeover.c goes on. */
bool suspect_if_silent(struct core *core, struct module *module);
bool secondary_claim(struct core *core, struct module *module, bool is_handed);
bool peer_has_handed_over(const struct core *core, const struct module *module);

/* takeover.c */
/* Age of the last two-way beat at which a secondary suspects its primary. */
int64_t suspect_after_ns(const struct core *core);
void address_probe(struct core *core, struct module *module);
/* The service was handed over, and the peer had heard of it before it fell silent. */
bool peer_may_hold(const struct module *module);
bool ask_arbiter(struct core *core, struct module *module);

/* leave.c */
bool leave(struct core *core, struct module *module);
bool fence(struct core *core, struct module *module, enum wait_reason reason);
void module_block(struct core *core, struct module *module, enum wait_reason reason);

/* application.c */
void application_want(struct module *module, uint8_t up);
bool application_is_settled(const struct module *module);
bool application_is_down(const struct module *module);
void application_advance(struct core *core, struct module *module);
void application_kill(struct core *core, struct module *module);
void application_repair(struct core *core, struct module *module, const char *what);
void application_on_script(struct core *core, struct module *module, const struct event *event);
void application_on_check(struct core *core, struct module *module, const struct event *event);
void application_on_address(struct core *core, struct module *module, const struct event *event);
bool application_run(struct core *core, struct module *module, enum script script);

/* order.c */
void order_fs(struct core *core, struct module *module, enum fs_order order);
void order_on_report(struct core *core, struct module *module, const struct event *event);

/* resume.c */
void module_on_added(struct core *core, struct module *module, const struct event *event);

/* tenure.c */
void tenure_write(struct core *core, struct module *module, const struct record *next);
/* Does not try again to write what failed: in the file is the old record, or the new one. */
void tenure_abandon(struct module *module);
void tenure_on_written(struct core *core, struct module *module, int error);
/* Small changes that wait for a free moment: should_run, an intent that is over. */
bool tenure_tidy(struct core *core, struct module *module);
void tenure_claim(struct core *core, struct module *module);
void tenure_shrink(struct core *core, struct module *module);
void tenure_intend(struct core *core, struct module *module);
void tenure_yield(struct core *core, struct module *module);
void tenure_accept(struct core *core, struct module *module);
void tenure_adopt(struct core *core, struct module *module);
void tenure_grow(struct core *core, struct module *module);
void tenure_join(struct core *core, struct module *module);
void tenure_resign(struct core *core, struct module *module);
void tenure_renounce(struct core *core, struct module *module);
/* Nothing was in flight when the role was left. */
bool tenure_is_clean(const struct module *module);
void tenure_close(struct core *core, struct module *module);
void tenure_disown(struct core *core, struct module *module);
void tenure_forget(struct core *core, struct module *module);

/* command.c */
void command_on_given(struct core *core, struct module *module, const struct event *event);
void command_start(struct core *core, struct module *module);

/* status.c */
void status_fill(const struct core *core, const struct module *module, struct status *out_status);

/* status_wait.c */
void status_say_wait(const struct core *core, const struct module *module, struct status *status);

#endif
