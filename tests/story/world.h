/*
 * Two cores and what lies between them, played without a clock: each action of a core is performed
 * by a small model of daemon, evenkeel-fs, disk, network and arbiter, which answers with the event
 * that the real one would send, after a fixed delay. Everything that happens is printed, beats
 * apart.
 *
 * Not for: faults at random (sim/ does that); here each story is told, and its order of actions is
 * compared with a text. One thread.
 */
#ifndef EVENKEEL_TESTS_STORY_WORLD_H
#define EVENKEEL_TESTS_STORY_WORLD_H

#include <stdbool.h>
#include <stdio.h>

#include "core/core.h"

#define STORY_NODES  2
#define STORY_MODULE 1
#define QUEUE_MAX    4096
#define WAITING_MAX  64

struct story_node {
	uint8_t id;
	struct core *core;
	bool is_up;	 /* its daemon runs */
	bool is_powered; /* its kernel, application, evenkeel-fs */
	bool is_frozen;
	int64_t frozen_ns;
	bool can_reach_target;
	uint64_t boots;
	uint64_t powers;      /* power cuts */
	uint64_t incarnation; /* of the daemon: what was on its way to an earlier one is lost */
	struct record disk;
	struct record kept;
	enum fs_role fs_role;
	enum fs_link fs_link;
	bool has_wrong_copy; /* its directories hold something else */
	bool has_old_copy;   /* an old image of its data was put back */
	uint64_t
		marked; /* epoch that its data know of, above its record's: the state was; else 0 */
	bool is_fs_behind; /* a secondary that does not hold everything */
	struct epoch fs_epoch;
	bool is_fs_broken; /* cannot become primary */
	bool is_resync_slow;
	bool has_foreign_address;
	bool is_fs_mute;		     /* it hangs: no order is answered */
	bool has_leftovers, cannot_be_ended; /* processes that no stop script ends; nor SIGKILL */
	bool is_disk_failing;
	bool is_disk_stuck;	/* a record that is begun now is not written before it is good */
	bool is_record_awaited; /* such a one is under way: actions wait */
	int waiting_count;
	struct action waiting[WAITING_MAX];
	bool is_address_held;
	enum finding findings[LOOK_COUNT]; /* what is seen here, while there is anything to see */
	int64_t look_ns;		   /* when the next look is due */
	struct wishes wishes;		   /* until the next power cut */
	uint8_t scripts_up;		   /* start scripts less stop scripts */
	uint8_t script_failures[SCRIPT_COUNT]; /* so many more of each will fail */
	int64_t script_lasts_ns[SCRIPT_COUNT]; /* else a moment; a kill ends it at once */
};

struct story_item {
	int64_t time_ns;
	uint64_t order;
	int node; /* index */
	uint64_t incarnation;
	bool is_of_fs;	/* lives as long as evenkeel-fs: until a power cut */
	bool is_record; /* takes effect on the disk when it is delivered */
	struct record record;
	struct event event;
	struct summary summary; /* of a beat */
	uint16_t summary_count;
};

struct recorded { /* a beat that somebody on the network keeps */
	bool is_there;
	struct beat beat;
	struct summary summary;
	uint16_t summary_count;
};

struct world {
	FILE *out;
	int64_t now_ns;
	uint64_t orders;
	enum arbiter_kind arbiter;
	struct module_config module;
	struct story_node nodes[STORY_NODES];
	bool is_cut[STORY_NODES]; /* what node i sends does not arrive */
	bool is_client_cut;	  /* probes do not arrive */
	bool is_stream_cut;
	struct recorded last[STORY_NODES], recorded[STORY_NODES]; /* by sender */
	int count;
	struct story_item queue[QUEUE_MAX];
};

/* One node runs the module, with the scripts of that kind. */
void world_make_single(struct world *world);
void world_init(struct world *world, FILE *out);
void world_done(struct world *world);
/* Starts the daemon of a node; what its kernel still runs is shown to it. */
void world_boot(struct world *world, int node);
/* The daemon ends at once; file system, application and address live on. */
void world_kill_daemon(struct world *world, int node);
/* The whole node loses power. */
void world_kill(struct world *world, int node);
/* Somebody keeps the last beat of this node; sends it again, to the other. */
void world_record_beat(struct world *world, int node);
void world_play_beat(struct world *world, int node);
void world_freeze(struct world *world, int node);
/* Its state as it was kept: older than its data from here on, until they are brought up to date. */
void world_put_back(struct world *world, int node);
void world_thaw(struct world *world, int node);
/* What was seen of the module on a node, every second and at each change. */
void world_look(struct world *world, int node);
/* Hands a fact to a node now. */
void world_event(struct world *world, int node, struct event event);
void world_run(struct world *world, int64_t duration_ns);
/* Runs until the node shows this, or not within the limit. */
bool world_until(struct world *world, int node, enum module_state state, enum readiness readiness,
	int64_t limit_ns);
/* The disk of the state folder answers again: what waited for it is done. */
void world_free_disk(struct world *world, int node);
void world_status(struct world *world, int node);
void world_observed(struct world *world, int node);
void world_say(struct world *world, int node, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
