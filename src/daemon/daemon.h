/*
 * What the parts of evenkeeld share: the daemon, and each module it looks after.
 *
 * evenkeeld is one thread around one core. Facts come in as events (daemon_post), the core answers
 * with actions, and each action is performed by the file that is named after what it touches:
 *
 *	mesh*.c      beats over libknet            SEND_BEAT
 *	records.c    the modules' durable records  WRITE_RECORD    (a writer thread: a stuck disk
 *	                                                            must not stop beats)
 *	fs*.c        evenkeel-fs, control.sock     ORDER_FS
 *	scripts*.c   scripts, control groups       RUN_SCRIPT, KILL_APPLICATION
 *	addresses*.c virtual addresses, ARP        HOLD_, RELEASE_, PROBE_ADDRESS
 *	arbiter.c    operator, ping                ASK_ARBITER
 *	checks.c     tcp, command                  START_CHECKS, STOP_CHECKS
 *	streams.c    the TCP port                  (hands connections to evenkeel-fs)
 *	admin*.c     admin.sock                    ANSWER_COMMAND
 *	events.c     the event log                 LOG
 *	runtime.c    run/NAME.runtime, NAME.yaml   (what a successor must know)
 *
 * Actions of one module are performed in order: those after a WRITE_RECORD wait until it is
 * durable, and are dropped if it cannot be. Actions without a module (beats) never wait.
 *
 * Not for: decisions about roles; those are the core's. All functions: the daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_DAEMON_H
#define EVENKEEL_DAEMON_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "api/config.h"
#include "api/control.h"
#include "core/core.h"
#include "daemon/events.h"
#include "platform/loop.h"

#define DAEMON_QUEUE_MAX    4096	   /* events that wait to be handled */
#define ADDRESS_LIFETIME_NS (3 * NS_PER_S) /* in the kernel's hands; whole seconds (R15) */

struct daemon;

struct paths {
	char config[PATH_SIZE_MAX];   /* --config, /etc/evenkeel */
	char state[PATH_SIZE_MAX];    /* --state, /var/lib/evenkeel */
	char run[PATH_SIZE_MAX];      /* --run, /run/evenkeel */
	char programs[PATH_SIZE_MAX]; /* where this program lies, and the others beside it */
};

/* One action that waits for its module's turn. */
struct queued_action {
	struct queued_action *next;
	uint64_t step; /* the core_step() it came from */
	struct action action;
};

/* What runs now, as run/NAME.runtime says it to a successor. */
struct runtime {
	bool is_application_running; /* a start script succeeded, no stop script since */
	bool is_address_held;
	bool are_checks_running;
};

struct module {
	struct daemon *daemon;
	struct module_settings settings;
	bool is_added;		    /* the core knows it */
	struct record first_record; /* as it was found at the start */
	struct runtime runtime;
	struct queued_action *queue, **queue_end; /* actions not yet performed */
	bool is_writing;			  /* a record is with the writer thread */
	uint64_t writing_step;			  /* the step that ordered it */
	/* mesh/modules.c: in what the other node's configuration differs, and when that was heard */
	char disagreement[SENTENCE_SIZE_MAX];
	int64_t disagreement_ns;
	bool is_named_by_peer;
	struct module_record *record;	    /* records.c */
	struct module_fs *fs;		    /* fs.c */
	struct module_scripts *scripts;	    /* scripts.c */
	struct module_addresses *addresses; /* addresses.c */
	struct module_checks *checks;	    /* checks.c */
	struct module_arbiter *arbiter;	    /* arbiter.c */
};

struct daemon {
	struct paths paths;
	struct cluster_config cluster;
	const struct node_config *self; /* in cluster */
	struct loop loop;
	struct events *events;
	struct core *core;
	uint64_t boot_nonce;
	int module_count;
	struct module
		*modules[MODULES_MAX]; /* in no order; settings.number names one to the core */
	struct config_wrong *wrong; /* whose module.yaml is: they stay out, or go on as they were */
	int wrong_count;
	struct actions *actions; /* of the step under way */
	uint64_t steps;
	int64_t last_step_ns;
	bool is_stepping;
	bool should_restart;	   /* ends, to be started again with another configuration */
	bool is_stopping;	   /* SIGTERM came: a planned exit is under way */
	struct event *event_queue; /* DAEMON_QUEUE_MAX, a ring */
	uint32_t event_first, event_count;
	struct timer core_timer, shutdown_timer, restart_timer;
	int64_t shutdown_limit_ns;
	struct watch signal_watch;
	struct daemon_mesh *mesh;
	struct daemon_records *records;
	struct daemon_control *control;
	struct daemon_streams *streams;
	struct daemon_netlink *netlink;
	struct daemon_arbiter *arbiter;
	struct daemon_hold *hold;
	struct admin *admin;	    /* admin.c */
	char cgroup[PATH_SIZE_MAX]; /* the group below which each module has its own; empty: none */
};

/*
 * Hands one event to the core, after those that wait already; now_ns is filled in here. What the
 * event borrows (a beat's summaries) must stay until the loop turns: events with borrowed parts
 * are handled before this returns, if the core is not being stepped already.
 */
void daemon_post(struct daemon *daemon, const struct event *event);
struct module *daemon_module_by_number(struct daemon *daemon, uint16_t number);
struct module *daemon_module_by_name(struct daemon *daemon, const char *name);
/* The other node of a mirror module; NULL if the configuration does not know it. */
const struct node_config *daemon_peer(const struct daemon *daemon, const struct module *module);
/*
 * Reads cluster.yaml and all modules again and takes over what changed: new modules are added, gone
 * ones removed, checks, time limits and numbers of the others replaced. What the core was told when
 * the module was added (nodes, preferred node, directories, addresses) changes only in STOP. If
 * cluster.yaml changed, the daemon ends a moment later and is started again by evenkeel-hold, which
 * nothing that runs notices.
 * Errors: -EINVAL with a sentence; nothing was changed then. -EBUSY likewise.
 */
int daemon_reload(struct daemon *daemon, struct config_error *out_error) MUST_CHECK;
/* Asks the module's evenkeel-fs to compare the copies; the answer comes to admin_verified().
 * Errors: -ENOTCONN: no evenkeel-fs runs. */
int daemon_verify(struct daemon *daemon, struct module *module, uint32_t request) MUST_CHECK;
/* Is the link to that node over network index (as in node_config.addresses) up, as libknet sees
 * it? Shown, not believed (R21). */
bool daemon_link_is_up(const struct daemon *daemon, uint8_t node, uint8_t index);
/* What mesh.c counted since the start: datagrams that were not ours, or of another version. */
struct mesh_counters {
	uint64_t beats_sent, beats_heard, garbage, other_version;
};
void daemon_mesh_counters(const struct daemon *daemon, struct mesh_counters *out_counters);

#endif
