/*
 * The contract with evenkeel-fs: what it is ordered to do and what it reports, in one place for the
 * core, the control socket, evenkeeld, evenkeel-fs, the simulator and the stories.
 *
 * A row of a list below is a word of the contract: the constant, how it is written wherever a
 * person or a program reads it, and what it means. The structs travel whole, from the one who fills
 * them to the one who decides on them; api/control.c writes them on control.sock by their rows.
 *
 * A new field costs its member and its row here; whoever sets it, and whoever decides on it.
 * docs/reference.md is made of these rows.
 *
 * Not for: the daemon's own part of that talk (descriptors, streams; api/control.h).
 */
#ifndef EVENKEEL_CORE_FS_H
#define EVENKEEL_CORE_FS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/words.h"
#include "core/record.h"

#define FS_DETAIL_MAX 128 /* bytes of a report's detail, terminator included */

/* clang-format off */
#define FS_ROLES(X) \
	X(FS_NONE,	"none",		"nothing is mounted") \
	X(FS_PRIMARY,	"primary",	"mounted, serves") \
	X(FS_SECONDARY,	"secondary",	"mounted read-only, receives") \
	X(FS_FAILED,	"failed",	"its disk failed")

#define FS_LINKS(X) \
	X(FS_LINK_NONE,		"none",		"no stream to the peer") \
	X(FS_LINK_CONNECTED,	"connected",	"the stream stands") \
	X(FS_LINK_RESYNCING,	"resyncing",	"the secondary is brought up to date") \
	X(FS_LINK_IN_SYNC,	"in_sync",	"both copies hold what was acknowledged")

#define FS_REPORTS(X) \
	X(FS_REPORT_IS_PRIMARY,	     "is_primary",	"mounted and serving, alone or awaiting its peer") \
	X(FS_REPORT_IS_SECONDARY,    "is_secondary",	"mounted read-only, ready to receive") \
	X(FS_REPORT_IS_STOPPED,	     "is_stopped",	"unmounted; clean") \
	X(FS_REPORT_CONNECTED,	     "connected",	"the stream to the peer stands") \
	X(FS_REPORT_RESYNC_PROGRESS, "resync_progress",	"done, total: bytes looked at") \
	X(FS_REPORT_TARGET_COMPLETE, "target_complete",	"source: the target has everything, durably, and adopted the generation") \
	X(FS_REPORT_ADOPTED,	     "adopted",		"target: everything is here and durable; answers wait for us from now on") \
	X(FS_REPORT_PEER_LOST,	     "peer_lost",	"the stream is down or without progress; answers are held") \
	X(FS_REPORT_PEER_FAILED,     "peer_failed",	"the peer could not do what we did (full disk, I/O error); answers are held") \
	X(FS_REPORT_LOCAL_FAILED,    "local_failed",	"our own disk failed; nothing was answered") \
	X(FS_REPORT_IS_ALONE,	     "is_alone",	"answers the order go_alone") \
	X(FS_REPORT_DRAINED,	     "drained",		"answers the order drain: everything is durable on both") \
	X(FS_REPORT_DIED,	     "died",		"the process is gone (said by evenkeeld, which starts a successor by itself)") \
	X(FS_REPORT_REFUSED,	     "refused",		"the order cannot be carried out; detail says why") \
	X(FS_REPORT_LOOKED,	     "looked",		"answers the order look: data, state and record belong together") \
	X(FS_REPORT_WRONG_COPY,	     "wrong_copy",	"refused: what lies in the directories is not the copy that this node's state speaks of (another disk, none); detail says how") \
	X(FS_REPORT_OLD_COPY,	     "old_copy",	"refused: the data are older than this node's state: an old image was put back; it may be brought up to date") \
	X(FS_REPORT_OLD_STATE,	     "old_state",	"refused: this node's state is older than the data: it was put back; they are set aside before they are brought up to date") \
	X(FS_REPORT_NOTICE,	     "notice",		"detail is for a person; evenkeeld logs it, nothing is decided")

#define FS_ORDERS(X) \
	X(FS_ORDER_STOP,      "stop",	   "unmount; the directory is plain again") \
	X(FS_ORDER_LOOK,      "look",	   "before a claim: do data, state and the record (set_id, generation, epoch) belong together? Nothing is mounted") \
	X(FS_ORDER_PRIMARY,   "primary",   "mount and serve, alone, in this epoch") \
	X(FS_ORDER_SECONDARY, "secondary", "mount read-only; receive from the primary of this epoch") \
	X(FS_ORDER_PROMOTE,   "promote",   "secondary: finish what was received, then serve alone in this epoch") \
	X(FS_ORDER_CONNECT,   "connect",   "primary: connect to the peer; compare and bring it up to date as plan says") \
	X(FS_ORDER_PAIR,      "pair",	   "primary: the peer is good again; from now on losing it must be asked about") \
	X(FS_ORDER_GO_ALONE,  "go_alone",  "primary: the peer is recorded as stale; answer what is held") \
	X(FS_ORDER_HOLD,      "hold",	   "primary: hold answers (R7)") \
	X(FS_ORDER_RESUME,    "resume",	   "primary: answer again") \
	X(FS_ORDER_DRAIN,     "drain",	   "primary whose application has stopped: sync everything on both")

#define RESYNC_PLANS(X) \
	X(RESYNC_COMPARE,   "compare",	 "same set: send what differs") \
	X(RESYNC_SET_ASIDE, "set_aside", "foreign or diverged: the target keeps its old tree aside, whole, and is filled anew")
/* clang-format on */

enum fs_role { FS_ROLES(WORD_CONSTANT) FS_ROLE_COUNT };
enum fs_link { FS_LINKS(WORD_CONSTANT) FS_LINK_COUNT };
enum fs_report { FS_REPORTS(WORD_CONSTANT) FS_REPORT_COUNT };
enum fs_order { FS_ORDERS(WORD_CONSTANT) FS_ORDER_COUNT };
enum resync_plan { RESYNC_PLANS(WORD_CONSTANT) RESYNC_PLAN_COUNT };

extern const struct words fs_role_words, fs_link_words, fs_report_words, fs_order_words,
	resync_plan_words;

/* ---- what is said ----
 *
 * Beside each struct stand its members as rows X(KIND, member, name, words, unit, help), in the
 * order in which they are written: KIND as of api/fields.h, where the words of an enum count.
 */

/* Where an evenkeel-fs stands when it meets evenkeeld, for the first time or again. */
struct fs_hello {
	enum fs_role role;
	enum fs_link link;
	struct epoch epoch;
	bool is_behind;
	uint64_t barrier, peer_barrier;
	uint64_t kept;
};

/* clang-format off */
#define FS_HELLO_FIELDS(X) \
	X(WORD,	 role,	       "role",	       &fs_role_words, "", "what it is") \
	X(WORD,	 link,	       "link",	       &fs_link_words, "", "how it stands with its peer") \
	X(EPOCH, epoch,	       "epoch",	       NULL, "",	 "that it works in; number 0: not known") \
	X(BOOL,	 is_behind,    "behind",       NULL, "",	 "a secondary that does not hold all that was acknowledged") \
	X(U64,	 barrier,      "barrier",      NULL, "sequence", "the highest that is durable here") \
	X(U64,	 peer_barrier, "peer_barrier", NULL, "sequence", "the highest that is durable at the peer") \
	X(U64,	 kept,	       "kept",	       NULL, "",	 "folders in .evenkeel/kept: what only this copy had")
/* clang-format on */

struct fs_reported {
	enum fs_report report;
	struct epoch epoch;
	bool is_behind;
	bool is_continued;
	uint64_t barrier, peer_barrier;
	uint64_t kept;
	uint64_t left_out;
	uint64_t done, total;
	struct epoch marked;
	int error;
	char detail[FS_DETAIL_MAX];
};

/* clang-format off */
#define FS_REPORTED_FIELDS(X) \
	X(WORD,	 report,       "report",       &fs_report_words, "", "what has come about") \
	X(EPOCH, epoch,	       "epoch",	       NULL, "",	 "that it works in") \
	X(BOOL,	 is_behind,    "behind",       NULL, "",	 "a secondary that does not hold all that was acknowledged") \
	X(BOOL,	 is_continued, "continued",    NULL, "",	 "of connected: the session goes on, nothing between the copies was lost") \
	X(U64,	 barrier,      "barrier",      NULL, "sequence", "the highest that is durable here") \
	X(U64,	 peer_barrier, "peer_barrier", NULL, "sequence", "the highest that is durable at the peer") \
	X(U64,	 kept,	       "kept",	       NULL, "",	 "folders in .evenkeel/kept: what only this copy had") \
	X(U64,	 left_out,     "left_out",     NULL, "",	 "of target_complete: objects that cannot be read here, and are there as they were; detail names the first") \
	X(U64,	 done,	       "done",	       NULL, "bytes",	 "of resync_progress: looked at") \
	X(U64,	 total,	       "total",	       NULL, "bytes",	 "of resync_progress: to be looked at") \
	X(EPOCH, marked,       "marked",       NULL, "",	 "of old_state: the last that the data know of; number 0: none") \
	X(ERROR, error,	       "error",	       NULL, "errno",	 "0, or negative: why") \
	X(TEXT,	 detail,       "detail",       NULL, "",	 "for a person")
/* clang-format on */

struct fs_ordered {
	enum fs_order order;
	struct epoch epoch;
	struct generation generation;
	enum resync_plan plan;
	uint8_t set_id[SET_ID_SIZE];
	bool is_forced;
};

/* clang-format off */
#define FS_ORDERED_FIELDS(X) \
	X(WORD,	      order,	  "order",	&fs_order_words, "", "what to do") \
	X(EPOCH,      epoch,	  "epoch",	NULL, "", "to work in") \
	X(GENERATION, generation, "generation", NULL, "", "of the copy") \
	X(WORD,	      plan,	  "plan",	&resync_plan_words, "", "of connect: how the peer is brought up to date") \
	X(BYTES,      set_id,	  "set_id",	NULL, "", "of the module's data") \
	X(BOOL,	      is_forced,  "forced",	NULL, "", "of primary: whatever lies in the directories (a person); of stop: whoever uses them")
/* clang-format on */

/* Two copies, compared while the application runs. */
struct fs_verified {
	uint64_t objects, bytes, differences;
	char detail[FS_DETAIL_MAX];
};

/* clang-format off */
#define FS_VERIFIED_FIELDS(X) \
	X(U64,	objects,     "objects",	    NULL, "",	   "looked at") \
	X(U64,	bytes,	     "bytes",	    NULL, "bytes", "compared by hash") \
	X(U64,	differences, "differences", NULL, "",	   "objects that differ") \
	X(TEXT, detail,	     "detail",	    NULL, "",	   "the first difference, or why not")
/* clang-format on */

/* What it sees of one replicated directory, when it is asked. */
struct fs_looked {
	uint32_t root, root_count;
	uint64_t device;     /* of its mount, as the kernel numbers it; 0: not mounted */
	bool is_connected;   /* the kernel still asks it */
	uint64_t tries;	     /* of the disk, that ended */
	uint64_t took_ns;    /* the last one */
	uint64_t pending_ns; /* the one that has not ended; 0: none */
	int error;	     /* of the last one */
};

/* clang-format off */
#define FS_LOOKED_FIELDS(X) \
	X(U32,	 root,	       "root",	       NULL, "",      "number of the directory, from 0 on") \
	X(U32,	 root_count,   "roots",	       NULL, "",      "of the module") \
	X(U64,	 device,       "device",       NULL, "",      "number of the mount over it; 0: not mounted") \
	X(BOOL,	 is_connected, "is_connected", NULL, "",      "the kernel still asks it for what lies below") \
	X(U64,	 tries,	       "tries",	       NULL, "",      "writes to the disk below that ended, well or not") \
	X(U64,	 took_ns,      "took",	       NULL, "ns",    "the last of them") \
	X(U64,	 pending_ns,   "pending",      NULL, "ns",    "for how long the next one has not ended; 0: there is none") \
	X(ERROR, error,	       "error",	       NULL, "errno", "0, or negative: how the last one ended")
/* clang-format on */

const char *fs_role_name(enum fs_role role);
const char *fs_link_name(enum fs_link link);
const char *fs_report_name(enum fs_report report);
const char *fs_order_name(enum fs_order order);

/* What the link is once this has been reported. */
enum fs_link fs_link_after(const struct fs_reported *reported, enum fs_link link);

#endif
