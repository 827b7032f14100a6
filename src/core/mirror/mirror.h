/*
 * A mirror module on one node: two copies, one primary. Its state, in parts that are each forgotten
 * as a whole, and what its files offer each other:
 *
 *	steps.c        the table of steps, mirror_move()
 *	mirror.c       what people see, what must hold, one step; what the core calls (mirror_kind)
 *	decide.c       start: whose copy may serve, and why a node waits
 *	probing.c      start: does anybody else answer at the service address
 *	primary.c      serving: pairing, going on alone
 *	handover.c     the service goes to the good peer in order
 *	secondary.c    following: being brought up to date, resigning
 *	takeover.c     a silent primary: probe, ask, take over
 *	asking.c       the arbiter is asked: intent first, then the question
 *	leave.c        stopping, fencing, the final record
 *	loss.c         a good peer is lost: drop it or ask; hold answers (R7)
 *	resume.c       a module enters the core; a restarted daemon takes up what runs
 *	order.c        orders to evenkeel-fs and its reports
 *	tenure.c       durable records: what each of them says
 *	commands.c     commands and refusals
 *	observed.c     what was seen here and there, and what it means
 *	tell.c         what decisions tell the log
 *	wait_words.c   why it waits, in words; status.c: all that `status` shows
 *
 * While a record is being written a mirror makes no move that rests on it: silence is noted
 * (step_guard()), and what must be given up is (step_aside()).
 */
#ifndef EVENKEEL_CORE_MIRROR_MIRROR_H
#define EVENKEEL_CORE_MIRROR_MIRROR_H

#include "core/arbiter/inquiry.h"
#include "core/instance.h"
#include "core/mirror/generation.h"
#include "core/mirror/steps.h"

#define DROPS_REMEMBERED 3

#define INSISTED_EPOCHS	    100
#define PROBE_GAP_NS	    (100 * NS_PER_MS) /* between probes of an address */
#define PROBE_EAGER_NS	    (5 * NS_PER_S)    /* after that, only every ... */
#define PROBE_SLOW_GAP_NS   (NS_PER_S)
#define RETURN_PATIENCE_NS  (1500 * NS_PER_MS) /* for the stream to follow the beats */
#define DROP_PATIENCE_NS    (300 * NS_PER_MS)  /* for a peer to record itself stale */
#define RESIGN_PATIENCE_NS  (NS_PER_S)	       /* for the primary to go on without us */
#define YIELD_PATIENCE_NS   (5 * NS_PER_S)     /* for a heard peer to take what was handed over */
#define FREEZE_MAX_NS	    (10 * NS_PER_S)    /* cut off so long: step down (R10) */
#define CONNECT_PATIENCE_NS (10 * NS_PER_S)
#define RESYNC_PATIENCE_NS  (120 * NS_PER_S)  /* without any progress */
#define LOOK_PATIENCE_NS    (10 * NS_PER_S)   /* a disk that says by then what lies on it */
#define FS_PATIENCE_NS	    (10 * NS_PER_S)   /* for a successor of a dead evenkeel-fs */
#define RESYNC_RETRY_NS	    (500 * NS_PER_MS) /* after one that ended early; doubled each time, */
#define RESYNC_RETRY_MAX_NS (15 * NS_PER_S)   /* up to this */
#define DROPS_WINDOW_NS	    (600 * NS_PER_S)
#define RETRY_GAP_NS	    (5 * NS_PER_S) /* between attempts of a secondary that failed */
#define RETRY_DOUBLINGS	    7
#define MOUNT_ANEW_NS	    (60 * NS_PER_S) /* lost again so soon: not at once a second time */
#define ORDER_SLOW_NS	    (2 * NS_PER_S)  /* an order without an answer is spoken of */
#define SWAP_PATIENCE_NS    (30 * NS_PER_S)
#define JUST_HEARD_NS	    (700 * NS_PER_MS) /* the newest beat that a peer has echoed is no older */
#define HOLD_PATIENCE_NS    (100 * NS_PER_MS) /* for an evenkeel-fs that lives to hold its answers */
#define PREFERRED_AFTER_NS  (10 * NS_PER_S)   /* paired so long: swap to the preferred node (B4) */

_Static_assert(
	WRITING_STUCK_NS < FREEZE_MAX_NS, "a disk that hangs is named before anything is killed");
_Static_assert(FS_HELLO_LIMIT_NS < FS_PATIENCE_NS, "evenkeeld says why before the core gives up");

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
	WAIT_UNFIT,		 /* handed over because of what was observed here */
	WAIT_CUT_OFF,		 /* heard nobody and got no arbiter's word: stepped down */
	WAIT_REASON_COUNT,
};

/* What evenkeel-fs said since it was given its role; forgotten with the next role. */
struct fs_said {
	bool is_stopped, is_local_failed, is_target_complete, is_adopted, is_drained;
	bool is_peer_lost;
	bool is_session_cut; /* is_peer_lost, and only because the stream broke: nobody refused or
				failed, so the session may go on when it stands again */
	bool is_refused, is_wrong_copy;
};

/* Do data, state and record belong together (R2)? What does not fit stays known until a person or a
 * resynchronisation changes it. */
enum found { FOUND_NOTHING, FOUND_FIT, FOUND_OLD_DATA, FOUND_OLD_STATE, FOUND_WRONG };

struct fs_view {
	enum fs_role role;
	enum fs_link link;
	struct epoch epoch;	  /* of the last order */
	enum fs_order role_order; /* the last order that changes the role */
	bool is_order_open;	  /* a role was ordered and not reported yet */
	bool is_mounted;	  /* not known to be unmounted */
	bool has_run;		  /* served or followed since the last release in order */
	bool is_torn; /* evenkeel-fs died while it stopped: nobody knows how far it came */
	bool is_dead;
	int64_t dead_ns;
	char dead_why[FS_DETAIL_MAX]; /* why no successor can begin, in its words; or "" */
	int64_t ordered_ns;	      /* when the last order went out */
	uint64_t kept;		      /* folders of what only this copy had */
	uint64_t left_out; /* objects that the other copy lacks, as they cannot be read here */
	char left_out_why[FS_DETAIL_MAX];
	bool is_behind;	      /* a secondary that does not hold all that was acknowledged */
	bool is_rolled_back;  /* data or state were put back: never the source by itself */
	bool is_state_old;    /* the state, and what this copy was for since is not known */
	struct epoch marked;  /* the last that the data were found to know of */
	enum found found;     /* by looking, before any role */
	bool is_look_late;    /* the other node need not wait for it any more */
	bool is_resumed;      /* told GO_ALONE without knowing whether it had been told before */
	bool is_perhaps_held; /* a predecessor may have ordered to hold, and never to resume */
	uint64_t barrier, peer_barrier;
	uint64_t clean_barrier; /* of the last release in order; 0: unknown */
	struct fs_said said;
	char detail[FS_DETAIL_MAX];
};

struct resync {
	bool is_known; /* a predecessor ordered the resync that runs */
	uint64_t done, total;
	int64_t progress_ns; /* when evenkeel-fs spoke of its session last */
	int64_t adopted_ns;  /* since when the target says that it has adopted */
	uint32_t failures;   /* attempts in a row that ended early */
	int64_t retry_ns;    /* the next one is not made before */
	bool is_given_up; /* one ended early; whether answers wait for the peer is not known yet */
};

struct peer {
	struct summary shows; /* its last summary; what was seen there is by our clock */
	bool is_known;	      /* one came since this daemon started */
	int64_t compared_ns;  /* when its copy and ours were compared last; 0: never */
	uint64_t differences; /* found then, and not put right since */
	int64_t echo_ns;      /* which beat of ours the peer had heard when it sent it */
};

/* Wishes of a person beyond should_run and wants_stop. */
struct wants {
	bool swap;
	int64_t swap_ns;
	bool forced_prim;
	bool any_copy;	  /* the last prim was insisted on: whatever lies here is to be served */
	bool overrule;	  /* prim on a serving node: the peer's own writes do not count */
	bool second_only; /* does not become primary by itself in this start */
};

/* One time as holder, or on the way to it. */
struct tenure {
	struct record before_claim; /* what a claim, or going on alone, can be undone to */
	bool is_handed;		    /* it began by an orderly handover */
	bool has_lost;		    /* the other serves other data: not good any more */
	bool is_fenced;		    /* on the way down: nothing may run on */
	bool is_forced;		    /* nobody who uses the directories is asked any more (R10) */
	bool is_unused;		    /* it began with a record that came too late to go on by */
	bool is_unfit;		    /* it ends because of what was observed */
};

/* The good peer is silent, or its stream is lost. */
struct loss {
	bool is_held; /* answers are */
	int64_t held_ns;
	int64_t returned_ns; /* while held: since when the peer is heard again; 0: it is not */
	bool wants_drop;     /* the peer is asked to record itself stale */
	bool is_granted;     /* it goes on alone by the arbiter's word */
	int64_t suspect_ns;  /* since when the silent primary is suspected */
	bool is_intent_late; /* it was durable only when a first grant came too late */
};

/* Peers dropped lately (R20). */
struct drops {
	int64_t times_ns[DROPS_REMEMBERED];
	uint8_t next;
};

/* The address of a silent peer. */
struct probe {
	bool is_open, is_done;
	enum probe_outcome outcome;
	uint8_t mac[6];
	int64_t started_ns; /* the last one */
};

struct waiting {
	enum wait_reason reason;
	bool is_blocked; /* until a command, or until retry_ns */
	int64_t retry_ns;
	uint8_t failures;    /* of the secondary since an operator's start */
	bool is_cut_off;     /* stepped down, and nobody was heard since */
	int64_t eligible_ns; /* since when this node could be chosen as primary */
	bool was_eligible;
	int64_t mounted_anew_ns; /* when the mount was lost here last, and nobody took over */
};

struct mirror {
	struct instance common; /* first: what the core hands over is this */
	enum step step;
	struct fs_view fs;
	struct resync resync;
	struct peer peer;
	struct wants wants;
	struct tenure tenure;
	struct loss loss;
	struct inquiry ask;
	struct drops drops;
	struct probe probe;
	struct waiting wait;
};

extern const struct kind mirror_kind;

/* mirror.c */
enum module_state mirror_state_of(const struct mirror *mirror);
enum readiness mirror_readiness_of(const struct mirror *mirror);

/* decide.c */
bool peer_is_heard(const struct core *core, const struct mirror *mirror);
bool peer_is_primary(const struct core *core, const struct mirror *mirror);
bool peer_has_resigned(const struct core *core, const struct mirror *mirror);
bool peer_is_good_second(const struct core *core, const struct mirror *mirror);
bool peer_outranks(const struct core *core, const struct mirror *mirror);
/* Both hold the same, and the other one is to serve it. */
bool peer_comes_first(const struct core *core, const struct mirror *mirror);
enum relation mirror_relation(const struct core *core, const struct mirror *mirror);
/* By this node's own record its copy is complete and counts. */
bool mirror_is_good_here(const struct core *core, const struct mirror *mirror);
/* By the record that rules, this copy counts. */
bool mirror_is_ruled_good(const struct core *core, const struct mirror *mirror);
/* It served by itself, in a later epoch, what the copy here had replaced. */
bool peer_has_gone_on(const struct mirror *mirror);
/* True if, with both heard and nobody primary, this node is the one. */
bool mirror_is_chosen(struct core *core, struct mirror *mirror);
/* The same, with the peer not heard. */
bool mirror_may_start_alone(const struct core *core, const struct mirror *mirror);
bool mirror_can_follow(const struct core *core, const struct mirror *mirror);
void mirror_note_eligible(struct core *core, struct mirror *mirror);

/* primary.c */
/* Dropped too often: the next attempt to bring the peer up to date waits (R20). */
bool mirror_is_resting(const struct core *core, const struct mirror *mirror);
/* The address and the scripts are wanted here. */
void serve(struct mirror *mirror);
/* The other node serves and counts: nothing runs on here. */
bool give_way(struct core *core, struct mirror *mirror);
/* What was observed here, and of the peer, says that the service goes there now. */
bool mirror_must_hand_over(const struct core *core, const struct mirror *mirror);
/* evenkeel-fs or its disk cannot go on; and which reason a person reads then. */
bool has_fs_failed(struct core *core, struct mirror *mirror);
enum wait_reason fs_failure(const struct mirror *mirror);

/* handover.c */
/* The record that hands over cannot be written. */
bool yielding_unrecorded(struct core *core, struct mirror *mirror);

/* loss.c */
/* Held: lets go of the address, then of everything, as time goes by. True if it moved. */
bool step_down_slowly(struct core *core, struct mirror *mirror);
/* Records that the peer is stale, then tells evenkeel-fs. */
bool go_alone(struct core *core, struct mirror *mirror);

/* secondary.c */
bool accept_primary(struct core *core, struct mirror *mirror);
/* When the primary falls silent, takeover.c goes on. */
bool suspect_if_silent(struct core *core, struct mirror *mirror);
bool peer_has_handed_over(const struct core *core, const struct mirror *mirror);

/* takeover.c */
/* Age of the last two-way beat at which a secondary suspects its primary. */
int64_t suspect_after_ns(const struct core *core);
/* The secondary records that it is the holder, and moves on to serving. */
bool secondary_claim(struct core *core, struct mirror *mirror, bool is_handed);
/* The silence is over: what is granted first from here on may belong to another situation. */
bool is_first_grant_late(const struct core *core, const struct mirror *mirror);
/* The service was handed over, and the peer had heard of it before it fell silent. */
bool peer_may_hold(const struct mirror *mirror);

/* asking.c: the arbiter's word (core/arbiter). */
/* Asks when it is time: first the intent is recorded, then the question goes out. */
bool consult_arbiter(
	struct core *core, struct mirror *mirror, enum step intending, enum step asking);
/* The intent is durable: asks with it. */
bool ask_arbiter(struct core *core, struct mirror *mirror, enum step asking);
void arbiter_on_answered(struct mirror *mirror, const struct event *event);

/* probing.c */
/* False: evenkeel-fs has not looked yet whether data, state and record belong together (R2); it is told
 * to, unless nothing is recorded, or a person wants whatever lies here. */
bool mirror_has_looked(struct core *core, struct mirror *mirror);
/* Something was found that does not fit. */
bool mirror_is_unfit(const struct mirror *mirror);
/* Nobody could look, or what was found does not fit: nothing holds the directories then. */
bool mirror_end_look(struct core *core, struct mirror *mirror);
/* Forgets what was found. */
void mirror_look_again(struct mirror *mirror);
/* Asks who answers at the service address, not oftener than makes sense. */
void address_probe(struct core *core, struct mirror *mirror);
void probe_on_ended(struct mirror *mirror, const struct event *event);

/* leave.c */
bool leave(struct core *core, struct mirror *mirror);
/* While a record is on its way: gives up what may not wait for it. True if it moved. */
bool step_aside(struct core *core, struct mirror *mirror);
bool fence(struct core *core, struct mirror *mirror, enum wait_reason reason);
void mirror_block(struct core *core, struct mirror *mirror, enum wait_reason reason);

/* order.c */
void order_fs(struct core *core, struct mirror *mirror, enum fs_order order);
void order_on_report(struct core *core, struct mirror *mirror, const struct event *event);

/* resume.c */
void mirror_on_added(struct core *core, struct mirror *mirror, const struct event *event);

/* tenure.c */
/* Small changes that wait for a free moment: should_run, an intent that is over. */
void tenure_tidy(struct core *core, struct mirror *mirror);
void tenure_claim(struct core *core, struct mirror *mirror);
void tenure_shrink(struct core *core, struct mirror *mirror);
void tenure_intend(struct core *core, struct mirror *mirror);
void tenure_yield(struct core *core, struct mirror *mirror);
void tenure_accept(struct core *core, struct mirror *mirror);
void tenure_adopt(struct core *core, struct mirror *mirror);
void tenure_grow(struct core *core, struct mirror *mirror);
void tenure_join(struct core *core, struct mirror *mirror);
void tenure_resign(struct core *core, struct mirror *mirror);
void tenure_renounce(struct core *core, struct mirror *mirror);
/* Nothing was in flight when the role was left. */
bool tenure_is_clean(const struct mirror *mirror);
void tenure_close(struct core *core, struct mirror *mirror);
void tenure_disown(struct core *core, struct mirror *mirror);
void tenure_forget(struct core *core, struct mirror *mirror);

/* commands.c */
void mirror_on_command(struct core *core, struct mirror *mirror, const struct event *event,
	struct verdict *verdict);

/* observed.c */
/* Here: what lies on top of a directory is not ours. */
bool mirror_has_lost_mount(const struct mirror *mirror);
/* Here: the data disk or evenkeel-fs does not answer. */
bool mirror_is_stuck(const struct core *core, const struct mirror *mirror);
/* Here: clients cannot reach the service, which serves. */
bool mirror_lacks_address(const struct core *core, const struct mirror *mirror);
/* There: all was seen lately, and is good. */
bool peer_is_sound(const struct core *core, const struct mirror *mirror);
/* There: the data disk or evenkeel-fs does not answer. */
bool peer_is_stuck(const struct core *core, const struct mirror *mirror);
/* Could the records that end a swap, one here and one there, be durable in time? */
enum recording {
	RECORDING_IN_TIME,
	RECORDING_LATE, /* a look is awaited: it may be, yet */
	RECORDING_NOT_HERE,
	RECORDING_NOT_THERE,
};
enum recording recording_of(const struct core *core, const struct mirror *mirror);
/* Why a swap is refused for that. */
void recording_say(const struct core *core, const struct mirror *mirror, struct text *text);
void compared_on_told(struct mirror *mirror, const struct event *event);
/* The other copy is brought up to date after it. */
void compared_forget(struct mirror *mirror);
/* The last comparison found that this node's and the peer's copy are not equal. */
bool peer_differs(const struct mirror *mirror);
void observed_say_compared(const struct core *core, const struct mirror *mirror, struct text *text);
bool observed_say_obstacle(
	const struct core *core, const struct mirror *mirror, bool is_here, struct status *status);
void observed_say_now(const struct core *core, const struct mirror *mirror, struct status *status);

/* tell.c: to the log; nothing is decided there. */
enum mirror_tells {
	TELL_HELD,
	TELL_RESUMED,
	TELL_ALONE,
	TELL_GRANTED,
	TELL_TAKEOVER,
	TELL_LOST,
	TELL_STOP_UNHEARD,
	TELL_SWAP_GIVEN_UP,
	TELL_SWAP_UNRECORDABLE,
	TELL_PRIM_LATE,
	TELL_PEER_DROPPED,
	TELL_RESYNC_ENDED,
	TELL_LEFT_OUT,
	TELL_RESYNC_LOST, /* the same, because the stream is lost */
	TELL_DISK_FAILED,
	TELL_UNFIT,
	TELL_UNREACHED,
	TELL_MOUNT_ANEW,
	TELL_PEER_STUCK,
	TELL_PEER_DIFFERS,
	TELL_STUCK,
	TELL_CANNOT_FOLLOW,
	TELL_BEHIND,
	TELL_WRONG_COPY,
	TELL_OLD_COPY,
	TELL_FS_DIED,
	TELL_FS_BUSY,
	TELL_COUNT,
};
void mirror_tell(struct core *core, struct mirror *mirror, enum mirror_tells what);
/* The peer could not be brought up to date again; the next attempt comes in so long. */
void mirror_tell_failures(struct core *core, struct mirror *mirror, int64_t gap_ns);
/* Why it waits, or will not try again by itself. */
void mirror_tell_wait(struct core *core, struct mirror *mirror);
void mirror_tell_blocked(struct core *core, struct mirror *mirror);

/* wait_words.c: why it waits, and what a person should do about it. */
void wait_say(
	const struct core *core, const struct mirror *mirror, struct text *now, struct text *to_do);

/* status.c */
void mirror_say(const struct core *core, const struct mirror *mirror, struct status *status);

#endif
