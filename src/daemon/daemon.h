/*
 * What all of evenkeeld shares: the daemon, and each module it looks after.
 *
 * evenkeeld is one thread around one core. Facts come in as events (daemon_post), the core answers
 * with actions, and each action is performed by the file or wing named after what it touches:
 *
 *	daemon.c     events in, actions out  (main.c: start and end; shutdown.c: a planned exit)
 *	queue.c      actions that wait for their turn
 *	modules.c    the set of modules, and each one's way in and out
 *	reading.c    cluster.yaml, module.yaml  (a reader thread, likewise)
 *	records.c    their durable records   WRITE_RECORD    (a writer thread: a stuck disk must not
 *	                                                      stop beats)
 *	runtime.c    run/NAME.runtime, .yaml (what a successor must know)
 *	hold.c       evenkeel-hold           (descriptors that outlive us)
 *	events.c     the event log           LOG
 *	reaper.c     killed children
 *	footing.c    one of us a node, in memory, on time
 *
 * and eight wings, each with one header that the others see, and an internal.h of its own:
 *
 *	mesh/        beats over libknet      SEND_BEAT
 *	guests/      evenkeel-fs, TCP port   ORDER_FS
 *	scripts/     scripts, application    RUN_SCRIPT, KILL_APPLICATION
 *	checks/      checks of it            START_CHECKS, STOP_CHECKS
 *	addresses/   virtual addresses       HOLD_, RELEASE_, PROBE_ADDRESS
 *	arbiters/    operator, ping          ASK_ARBITER
 *	admin/       admin.sock              ANSWER_COMMAND
 *	watch/       what all of it rests on (looked at every second)
 *
 * Actions of one module are performed in order: those after a WRITE_RECORD wait until it is
 * durable, and are dropped if it cannot be; but what only gives something up never waits
 * (core/overtaking.h). Actions without a module (beats) never wait.
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
#include "daemon/queue.h"
#include "platform/loop.h"

#define STATE_TEXT_SIZE	    32		   /* "SECOND Transient" */
#define DAEMON_QUEUE_MAX    4096	   /* events that wait to be handled */
#define ADDRESS_LIFETIME_NS (3 * NS_PER_S) /* in the kernel's hands; whole seconds (R15) */

struct daemon;

struct paths {
	char config[PATH_SIZE_MAX];   /* --config, /etc/evenkeel */
	char state[PATH_SIZE_MAX];    /* --state, /var/lib/evenkeel */
	char run[PATH_SIZE_MAX];      /* --run, /run/evenkeel */
	char programs[PATH_SIZE_MAX]; /* where this program lies, and the others beside it */
};

/* What runs now, as run/NAME.runtime says it to a successor. */
struct runtime {
	bool is_application_running; /* a start script succeeded, no stop script since */
	bool is_address_held;
	bool are_checks_running;
	struct wishes wishes;
	/* For people: what it is, since when, and when it last began or ceased to serve here, and why. */
	char state[STATE_TEXT_SIZE];
	int64_t since_ns; /* on the clock of the wall; 0: not known */
	char move[SENTENCE_SIZE_MAX];
};

struct module {
	struct daemon *daemon;
	struct module_settings settings;
	bool is_added;		    /* the core knows it */
	struct record first_record; /* as it was found at the start */
	struct runtime runtime;
	char reason
		[SENTENCE_SIZE_MAX]; /* history.c: what was said last of why it changes, and when */
	int64_t reason_ns;
	struct action_queue queue; /* actions not yet performed */
	bool is_writing;	   /* a record is with the writer thread */
	bool is_write_awaited;	   /* and later actions wait for it */
	uint64_t writing_step;	   /* the step that ordered it */
	/* mesh/modules.c: in what the other node's configuration differs, and when that was heard */
	char disagreement[SENTENCE_SIZE_MAX];
	int64_t disagreement_ns;
	bool is_named_by_peer;
	struct module_record *record;	    /* records.c */
	struct module_fs *fs;		    /* guests/ */
	struct module_scripts *scripts;	    /* scripts/ */
	struct module_addresses *addresses; /* addresses/ */
	struct module_checks *checks;	    /* checks/ */
	struct module_watch *watch;	    /* watch/ */
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
	struct module *by_number[MODULES_MAX + 1];
	struct config_wrong *wrong; /* whose module.yaml is: they stay out, or go on as they were */
	int wrong_count;
	struct actions *actions; /* of the step under way */
	uint64_t steps;
	int64_t last_step_ns;
	bool is_stepping;
	bool should_restart;	   /* ends, to be started again with another configuration */
	bool are_doors_open;	   /* the sockets, for whoever asks for a module */
	bool is_loaded;		   /* the modules are there */
	bool is_end_wanted;	   /* SIGTERM came before they were */
	bool is_stopping;	   /* SIGTERM came: a planned exit is under way */
	bool is_forcing;	   /* and what did not leave in order is made to */
	bool has_failed;	   /* it ended, and not in order */
	struct event *event_queue; /* DAEMON_QUEUE_MAX, a ring */
	uint32_t event_first, event_count;
	struct timer core_timer, load_timer, shutdown_timer, restart_timer;
	int64_t shutdown_limit_ns, let_go_ns; /* let_go: when something still ran */
	struct watch signal_watch;
	struct daemon_mesh *mesh;
	struct daemon_reading *readings;
	struct daemon_records *records;
	struct daemon_control *control;
	struct daemon_streams *streams;
	struct daemon_netlink *netlink;
	struct daemon_arbiter *arbiter;
	struct daemon_hold *hold;
	struct daemon_watch *watch; /* watch/ */
	struct admin *admin;	    /* admin/ */
	char cgroup[PATH_SIZE_MAX]; /* the group below which each module has its own; empty: none */
};

/*
 * Hands one event to the core, after those that wait already; now_ns is filled in here. What the
 * event borrows (a beat's summaries) must stay until the loop turns: events with borrowed parts
 * are handled before this returns, if the core is not being stepped already.
 */
void daemon_post(struct daemon *daemon, const struct event *event);
/* A beat of the other node, in hexadecimal, that came over the module's stream of replication. */
void daemon_on_streamed(struct module *module, const char *text);
struct module *daemon_module_by_number(struct daemon *daemon, uint16_t number);
struct module *daemon_module_by_name(struct daemon *daemon, const char *name);
/* The other node of a mirror module; NULL if the configuration does not know it. */
const struct node_config *daemon_peer(const struct daemon *daemon, const struct module *module);
/* Performs what waits in the module's queue, as far as it may. */
void daemon_perform_queue(struct module *module);
/* The module's record is on the disk, or cannot be written (records.c calls it). */
void daemon_record_written(struct module *module, int error);
void daemon_log(struct daemon *daemon, struct module *module, enum severity severity,
	const char *id, const char *format, ...) PRINTF_LIKE(5, 6);
/* Random bytes for nonces. */
uint64_t daemon_random(void);

#endif
