/*
 * One module on this node: what it has whatever its kind (configuration, durable record,
 * application, wishes), and what a kind brings of its own (struct kind).
 *
 * A kind's state begins with its instance; the kind's functions are handed the instance and find
 * their own state around it. Nothing here knows a step of any kind.
 */
#ifndef EVENKEEL_CORE_INSTANCE_H
#define EVENKEEL_CORE_INSTANCE_H

#include "core/application.h"
#include "core/context.h"
#include "core/observation.h"
#include "core/writing.h"

struct kind;

/* What others were shown last: a change of it is worth a beat. */
struct shown {
	enum module_state state;
	enum readiness readiness;
	enum fs_role fs_role;
	enum fs_link fs_link;
	uint8_t flags;
	uint64_t record_stamp;
	uint32_t bad; /* mask of looks */
};

struct instance {
	const struct kind *kind;
	bool is_used, is_dirty;
	uint16_t number;
	struct module_config config;
	int64_t since_ns; /* when the step was entered */
	int64_t wake_ns;  /* the kind's advance() wants to look again */
	uint64_t random;
	struct record record; /* as it is durable */
	struct writing writing;
	bool should_run; /* wished by a person; in the record soon (B6) */
	bool wants_stop;
	bool was_to_run;     /* as noted last, or when it entered the core */
	struct wishes noted; /* as the daemon keeps them */
	struct application application;
	struct observation observation;
	struct shown shown;
};

struct verdict;

/* What a kind is. Every function is there. */
struct kind {
	bool awaits_record; /* what it does next rests on its record */
	uint8_t serving;    /* UP_*: with this script's start it serves, and its checks begin */
	/* It enters the core, and takes up what a predecessor left running. */
	void (*on_added)(struct core *core, struct instance *instance, const struct event *event);
	/* The other node's summary of the module, out of a beat that counts. */
	void (*on_summary)(struct core *core, struct instance *instance, const struct beat *beat,
		const struct summary *summary);
	/* Events of evenkeel-fs, of probes and of the arbiter. */
	void (*on_event)(struct core *core, struct instance *instance, const struct event *event);
	void (*on_command)(struct core *core, struct instance *instance, const struct event *event,
		struct verdict *verdict);
	/* One step, if one is due; true if it should be looked at again. */
	bool (*advance)(struct core *core, struct instance *instance);
	/* Fills state, readiness, and what else others see of this kind. */
	void (*show)(const struct instance *instance, struct summary *out);
	/* Adds to now, if_dies and to_do, and says what is known of the peer. */
	void (*say)(
		const struct core *core, const struct instance *instance, struct status *status);
	bool (*is_stopped)(const struct instance *instance);
	/* Somebody is suspected: beats go out more often. */
	bool (*is_in_trouble)(const struct instance *instance);
	/* Nothing that writes can end now, so no script is begun. */
	bool (*is_stalled)(const struct instance *instance);
	/* What a check finds now is not the application's fault. */
	bool (*is_excused)(const struct instance *instance);
	/* Aborts if what must always hold does not. */
	void (*verify)(const struct core *core, const struct instance *instance);
};

/* instance NULL: an action of the whole node. Borrowed until the step ends. */
struct action *action_add(struct core *core, struct instance *instance, enum action_type type);
/* A line for the log; gives the text to add its sentence to. */
struct text *log_add(
	struct core *core, struct instance *instance, const char *id, enum severity severity);
void wake_at(struct instance *instance, int64_t time_ns);
/* True if duration has passed since then; otherwise wakes at that time. */
bool has_passed(
	struct core *core, struct instance *instance, int64_t since_ns, int64_t duration_ns);
uint64_t instance_random(struct instance *instance);
/* Has the daemon keep what is wished, if that has changed. */
void instance_note_wishes(struct core *core, struct instance *instance);
/* Takes over from the event what every kind has. */
void instance_on_added(struct core *core, struct instance *instance, const struct event *event);

#endif
