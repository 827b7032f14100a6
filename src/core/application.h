/*
 * The application of a module, of whatever kind: which start scripts are to have run, its checks,
 * its address, its repairs. The kind says what is wanted, and when; application.c says how.
 */
#ifndef EVENKEEL_CORE_APPLICATION_H
#define EVENKEEL_CORE_APPLICATION_H

#include "base/macros.h"
#include "core/core.h"

struct instance;

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
	bool is_failed;		      /* repairs used up */
	bool is_emptied, is_emptying; /* none of its processes runs; that is being seen to */
	bool is_left;		      /* some cannot be ended: nothing is started beside them */
	int64_t left_ns;
	enum script script;
	uint32_t checks_down;  /* mask */
	bool wants_new_checks; /* what one found was acted on, or could not be: they begin anew */
	uint8_t repairs;
	int64_t repairs_since_ns;
};

void application_want(struct instance *instance, uint8_t up);
/* What is wanted is up, and no script runs. */
bool application_is_settled(const struct instance *instance);
/* No script runs, and none of its processes, but for those that cannot be ended. */
bool application_is_down(const struct instance *instance);
/* Likewise, and there are no such processes: it may be started, or called stopped. */
bool application_is_gone(const struct instance *instance);
/* It is to run, and nothing of an earlier start is in the way. */
bool application_may_start(const struct core *core, const struct instance *instance);
/* Begins the script that runs once before all others. False: it has run. */
bool application_prestart(struct core *core, struct instance *instance);
/* Begins what is due: address, scripts, checks. */
void application_advance(struct core *core, struct instance *instance);
/* SIGKILL to all of it; no script is asked. */
void application_kill(struct core *core, struct instance *instance);
void application_repair(struct core *core, struct instance *instance, const char *what);
/* A person looked at it: repairs are counted anew. */
void application_forgive(struct instance *instance);
/* False if the module has no such script: then it has succeeded. */
bool application_run(struct core *core, struct instance *instance, enum script script);

void application_on_script(struct core *core, struct instance *instance, const struct event *event);
void application_on_emptied(
	struct core *core, struct instance *instance, const struct event *event);
void application_on_check(struct core *core, struct instance *instance, const struct event *event);
void application_on_address(
	struct core *core, struct instance *instance, const struct event *event);

#endif
