/*
 * One mirror module on one node: the table of its steps.
 *
 *	STOPPED --start--> PRESTART --> WAITING <-------------------------------------------------+
 *	   ^                             |   |  the other serves: follow it                       |
 *	   |      chosen, or sure: mine  |   +--> ACCEPTING -> ATTACHING -> FOLLOWING             |
 *	   |                             v                                     | adopted          |
 *	   |                          PROBING                                  v                  |
 *	   |                             |         ADOPTING -> ADOPTED -> JOINING -> SECOND       |
 *	   |        silent, granted      v                                     |  |  |  ^          |
 *	   |   +--------------------> CLAIMING <---------- handed over --------+  |  |  |          |
 *	   |   |                         |                                 dropped|  |  | heard    |
 *	   |   |                      MOUNTING          RESIGNED <- RESIGNING <---+  |  |          |
 *	   |   |                         |                 |                         v  |          |
 *	   |   |                         |                 +-> (ACCEPTING)       SUSPECTING       |
 *	   |   +--- TAKE_ASKING <--------|----------------- TAKE_INTENDING <---------+            |
 *	   |                             v                                                        |
 *	   |        +----------------> ALONE --> CONNECTING --> RESYNCING --> COMPLETE            |
 *	   |        |                    ^           |              |             |               |
 *	   |     PARTING <- SHRINKING <--|-----------+--- lost -----+------+      v               |
 *	   |                    ^        |                                       GROWING          |
 *	   |   resigned, granted|        |                                        |               |
 *	   |    ASKING <- INTENDING <- HELD <---- silence ----+                   v               |
 *	   |                    ^-- DROPPING <-- stream lost -+---------------- PAIRED            |
 *	   |                                                                      | swap, stop    |
 *	   |                         YIELDED <- YIELDING <- DRAINING <- QUIETING <+               |
 *	   |                            | (the other serves: ACCEPTING; silent: SUSPECTING)       |
 *	   |                            v                                                         |
 *	   +-------- CLOSING <- UNMOUNTING <- STOPPING  <-- from every serving or following step  |
 *	                |                                                                         |
 *	                +-------------------------------------------------------------------------+
 *
 * A move that the table does not have stops the process: a stopped node fails over, a wrong one
 * corrupts.
 */
#include "core/core_internal.h"

#define S(step)	   BIT64(STEP_##step)
#define LEAVING	   (S(STOPPING))
#define LOSING	   (S(SHRINKING) | LEAVING)
#define FOLLOWABLE (S(ACCEPTING) | LEAVING)
/* A daemon that was restarted takes up what its predecessor left running. */
#define RESUMABLE                                                                       \
	(S(PRESTART) | S(MOUNTING) | S(ALONE) | S(RESYNCING) | S(PAIRED) | S(PARTING) | \
		S(YIELDED) | S(FOLLOWING) | S(SECOND) | LEAVING)

_Static_assert(STEP_COUNT <= 64, "a set of steps is a 64-bit mask");

static const struct step_rule {
	const char *name;
	enum mirror_state state;
	enum readiness readiness;
	uint64_t next;
} rules[STEP_COUNT] = {
	/* clang-format off */
	[STEP_STOPPED]        = { "stopped",        MIRROR_STOP,   NOT_READY, RESUMABLE },
	[STEP_PRESTART]       = { "prestart",       MIRROR_WAIT,   TRANSIENT, S(WAITING) | LEAVING },
	[STEP_WAITING]        = { "waiting",        MIRROR_WAIT,   NOT_READY, S(PROBING) | FOLLOWABLE },
	[STEP_PROBING]        = { "probing",        MIRROR_WAIT,   TRANSIENT, S(CLAIMING) | S(WAITING) | LEAVING },
	[STEP_CLAIMING]       = { "claiming",       MIRROR_ALONE,  TRANSIENT, S(MOUNTING) },
	[STEP_MOUNTING]       = { "mounting",       MIRROR_ALONE,  TRANSIENT, S(ALONE) | LEAVING },
	[STEP_ALONE]          = { "alone",          MIRROR_ALONE,  READY,     S(CONNECTING) | LOSING },
	[STEP_CONNECTING]     = { "connecting",     MIRROR_ALONE,  READY,     S(RESYNCING) | LOSING },
	[STEP_RESYNCING]      = { "resyncing",      MIRROR_ALONE,  READY,     S(COMPLETE) | LOSING },
	[STEP_COMPLETE]       = { "complete",       MIRROR_ALONE,  READY,     S(GROWING) | LOSING },
	[STEP_GROWING]        = { "growing",        MIRROR_ALONE,  READY,     S(PAIRED) },
	[STEP_PAIRED]         = { "paired",         MIRROR_PRIM,   READY,     S(HELD) | S(DROPPING) | S(QUIETING) | S(YIELDING) | LOSING },
	[STEP_HELD]           = { "held",           MIRROR_PRIM,   TRANSIENT, S(PAIRED) | S(DROPPING) | S(INTENDING) | S(ASKING) | LOSING },
	[STEP_DROPPING]       = { "dropping",       MIRROR_PRIM,   TRANSIENT, S(HELD) | S(INTENDING) | S(ASKING) | LOSING },
	[STEP_INTENDING]      = { "intending",      MIRROR_PRIM,   TRANSIENT, S(ASKING) | LEAVING },
	[STEP_ASKING]         = { "asking",         MIRROR_PRIM,   TRANSIENT, S(HELD) | S(DROPPING) | LOSING },
	[STEP_SHRINKING]      = { "shrinking",      MIRROR_ALONE,  TRANSIENT, S(PARTING) | LEAVING },
	[STEP_PARTING]        = { "parting",        MIRROR_ALONE,  TRANSIENT, S(ALONE) | LEAVING },
	[STEP_QUIETING]       = { "quieting",       MIRROR_PRIM,   TRANSIENT, S(DRAINING) | S(PAIRED) | LEAVING },
	[STEP_DRAINING]       = { "draining",       MIRROR_PRIM,   TRANSIENT, S(YIELDING) | S(PAIRED) | LEAVING },
	[STEP_YIELDING]       = { "yielding",       MIRROR_PRIM,   TRANSIENT, S(YIELDED) | S(PAIRED) | LEAVING },
	[STEP_YIELDED]        = { "yielded",        MIRROR_WAIT,   TRANSIENT, S(SUSPECTING) | FOLLOWABLE },
	[STEP_ACCEPTING]      = { "accepting",      MIRROR_SECOND, TRANSIENT, S(ATTACHING) },
	[STEP_ATTACHING]      = { "attaching",      MIRROR_SECOND, TRANSIENT, S(FOLLOWING) | FOLLOWABLE },
	[STEP_FOLLOWING]      = { "following",      MIRROR_SECOND, TRANSIENT, S(ADOPTING) | S(RESIGNING) | FOLLOWABLE },
	[STEP_ADOPTING]       = { "adopting",       MIRROR_SECOND, TRANSIENT, S(ADOPTED) },
	[STEP_ADOPTED]        = { "adopted",        MIRROR_SECOND, TRANSIENT, S(JOINING) | S(RESIGNING) | FOLLOWABLE },
	[STEP_JOINING]        = { "joining",        MIRROR_SECOND, TRANSIENT, S(SECOND) },
	[STEP_SECOND]         = { "second",         MIRROR_SECOND, READY,     S(CLAIMING) | S(RESIGNING) | S(SUSPECTING) | S(ACCEPTING) },
	[STEP_RESIGNING]      = { "resigning",      MIRROR_SECOND, TRANSIENT, S(RESIGNED) },
	[STEP_RESIGNED]       = { "resigned",       MIRROR_SECOND, TRANSIENT, FOLLOWABLE },
	[STEP_SUSPECTING]     = { "suspecting",     MIRROR_WAIT,   NOT_READY, S(SECOND) | S(YIELDED) | S(TAKE_INTENDING) | S(TAKE_ASKING) | S(CLAIMING) | LEAVING },
	[STEP_TAKE_INTENDING] = { "take-intending", MIRROR_WAIT,   NOT_READY, S(SUSPECTING) | S(TAKE_ASKING) },
	[STEP_TAKE_ASKING]    = { "take-asking",    MIRROR_WAIT,   NOT_READY, S(SUSPECTING) | S(CLAIMING) },
	[STEP_STOPPING]       = { "stopping",       MIRROR_WAIT,   TRANSIENT, S(UNMOUNTING) | S(CLOSING) },
	[STEP_UNMOUNTING]     = { "unmounting",     MIRROR_WAIT,   TRANSIENT, S(CLOSING) },
	[STEP_CLOSING]        = { "closing",        MIRROR_WAIT,   TRANSIENT, S(STOPPED) | S(WAITING) },
	/* clang-format on */
};

const char *step_name(enum step step)
{
	CHECK(step < STEP_COUNT);
	return rules[step].name;
}

bool mirror_move(struct core *core, struct module *module, enum step next)
{
	CHECK(next < STEP_COUNT);
	CHECK((rules[module->step].next & BIT64(next)) != 0);
	module->step = next;
	module->since_ns = core->now_ns;
	return true;
}

bool step_is_primary(enum step step)
{
	return step >= STEP_CLAIMING && step <= STEP_YIELDING;
}

bool step_is_secondary(enum step step)
{
	return step >= STEP_ACCEPTING && step <= STEP_RESIGNED;
}

bool step_is_trouble(enum step step)
{
	return (step >= STEP_HELD && step <= STEP_ASKING) ||
	       (step >= STEP_SUSPECTING && step <= STEP_TAKE_ASKING);
}

enum mirror_state mirror_state_of(const struct module *module)
{
	bool is_leaving = module->step >= STEP_STOPPING && module->step <= STEP_CLOSING;

	if (is_leaving && module->wants_stop)
		return MIRROR_STOP;
	return rules[module->step].state;
}

enum readiness mirror_readiness_of(const struct module *module)
{
	enum readiness readiness = rules[module->step].readiness;
	bool is_up = application_is_settled(module) && !module->is_dead && !module->is_held;

	return readiness == READY && !is_up ? TRANSIENT : readiness;
}

/* ---- invariants: the promises, seen from one node ---- */

static void verify_primary(const struct core *core, const struct module *module)
{
	const struct record *record = &module->record;

	CHECK(record->holder == core->config.self);
	CHECK(record->epoch.node == core->config.self);
	CHECK(record->is_complete);
	CHECK(record_is_good(record, core->config.self));
	CHECK(record_has_data(record));
}

static void verify_ready(const struct module *module)
{
	enum mirror_state state = mirror_state_of(module);

	if (mirror_readiness_of(module) != READY)
		return;
	CHECK(!module->is_order_open);
	if (state == MIRROR_SECOND)
		CHECK(module->fs_role == FS_SECONDARY);
	else
		CHECK(module->fs_role == FS_PRIMARY);
}

void mirror_verify(const struct core *core, const struct module *module)
{
	enum step step = module->step;
	bool has_peer = record_is_good(&module->record, module->config.peer);

	CHECK(step < STEP_COUNT);
	CHECK(module->config.peer != core->config.self);
	if (step >= STEP_MOUNTING && step <= STEP_DRAINING)
		verify_primary(core, module);
	if (step >= STEP_ALONE && step <= STEP_COMPLETE)
		CHECK(!has_peer);
	if (step == STEP_PARTING)
		CHECK(!has_peer);
	if (step >= STEP_PAIRED && step <= STEP_ASKING)
		CHECK(has_peer);
	if (step == STEP_SECOND) {
		CHECK(record_is_good(&module->record, core->config.self));
		CHECK(module->record.is_complete);
		CHECK(module->record.holder == module->config.peer);
	}
	if (step >= STEP_FOLLOWING && step <= STEP_ADOPTED)
		CHECK(!record_is_good(&module->record, core->config.self));
	verify_ready(module);
}

/* ---- one step ---- */

static bool prestart_advance(struct core *core, struct module *module)
{
	struct application *application = &module->application;

	if (application->is_running_script)
		return false;
	if (module->wants_stop)
		return leave(core, module);
	if (application->is_prestarted)
		return mirror_move(core, module, STEP_WAITING);
	application->is_prestarted = true;
	(void)application_run(core, module, SCRIPT_PRESTART);
	return true;
}

static bool stopped_advance(struct core *core, struct module *module)
{
	bool is_wanted = module->should_run && !core->is_shutting_down;

	if (!is_wanted || module->application.is_running_script)
		return false;
	return mirror_move(core, module, STEP_PRESTART);
}

static bool step_advance(struct core *core, struct module *module)
{
	enum step step = module->step;

	if (step == STEP_STOPPED)
		return stopped_advance(core, module);
	if (step == STEP_PRESTART)
		return prestart_advance(core, module);
	if (step == STEP_WAITING)
		return waiting_advance(core, module);
	if (step == STEP_PROBING)
		return probing_advance(core, module);
	if (step == STEP_CLAIMING || step == STEP_MOUNTING)
		return mounting_advance(core, module);
	if (step <= STEP_PAIRED)
		return primary_advance(core, module);
	if (step <= STEP_PARTING)
		return loss_advance(core, module);
	if (step <= STEP_YIELDED)
		return yielding_advance(core, module);
	if (step <= STEP_RESIGNED)
		return secondary_advance(core, module);
	if (step <= STEP_TAKE_ASKING)
		return takeover_advance(core, module);
	return leave_advance(core, module);
}

bool mirror_advance(struct core *core, struct module *module)
{
	application_advance(core, module);
	primary_guard(core, module);
	if (module->is_write_failed && module->step == STEP_YIELDING)
		return yielding_unrecorded(core, module);
	if (module->is_write_failed) {
		if (!has_passed(core, module, module->since_ns, WRITE_RETRY_NS))
			return false;
		module->since_ns = core->now_ns;
		module->is_write_failed = false;
		action_add(core, module, ACTION_WRITE_RECORD)->write_record.record =
			module->writing;
	}
	if (module->is_writing)
		return false;
	return step_advance(core, module) || tenure_tidy(core, module);
}
