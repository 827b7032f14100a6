/*
 * One mirror module on one node: what people see of it, what must always hold, and one step of it.
 * The table of its steps is in steps.c.
 */
#include "core/mirror/mirror.h"

enum module_state mirror_state_of(const struct mirror *mirror)
{
	if (step_is_in(mirror->step, GROUP_LEAVING) && mirror->common.wants_stop)
		return STATE_STOP;
	return step_state(mirror->step);
}

enum readiness mirror_readiness_of(const struct mirror *mirror)
{
	enum readiness readiness = step_readiness(mirror->step);
	bool is_up = application_is_settled(&mirror->common) && !mirror->fs.is_dead &&
		     !mirror->loss.is_held;

	return readiness == READY && !is_up ? TRANSIENT : readiness;
}

/* ---- invariants: the promises, seen from one node ---- */

static void verify_primary(const struct core *core, const struct mirror *mirror)
{
	const struct record *record = &mirror->common.record;

	CHECK(record->holder == core->config.self);
	CHECK(record->epoch.node == core->config.self);
	CHECK(record->is_complete);
	CHECK(record_is_good(record, core->config.self));
	CHECK(record_has_data(record));
}

static void verify_ready(const struct mirror *mirror)
{
	enum module_state state = mirror_state_of(mirror);

	if (mirror_readiness_of(mirror) != READY)
		return;
	CHECK(!mirror->fs.is_order_open);
	if (state == STATE_SECOND)
		CHECK(mirror->fs.role == FS_SECONDARY);
	else
		CHECK(mirror->fs.role == FS_PRIMARY);
}

static void mirror_verify(const struct core *core, const struct mirror *mirror)
{
	enum step step = mirror->step;
	const struct record *record = &mirror->common.record;

	CHECK(mirror->common.config.peer != core->config.self);
	if (step_has(step, STEP_IS_HOLDER))
		verify_primary(core, mirror);
	if (step_has(step, STEP_LACKS_PEER))
		CHECK(!record_is_good(record, mirror->common.config.peer));
	if (step_has(step, STEP_HAS_PEER))
		CHECK(record_is_good(record, mirror->common.config.peer));
	if (step_has(step, STEP_IS_STALE))
		CHECK(!record_is_good(record, core->config.self));
	if (step == STEP_SECOND) {
		CHECK(record_is_good(record, core->config.self));
		CHECK(record->is_complete);
		CHECK(record->holder == mirror->common.config.peer);
	}
	verify_ready(mirror);
}

/* ---- one step ---- */

bool prestart_advance(struct core *core, struct mirror *mirror)
{
	if (!application_is_gone(&mirror->common))
		return false;
	if (mirror->common.wants_stop)
		return leave(core, mirror);
	return application_prestart(core, &mirror->common) ||
	       mirror_move(core, mirror, STEP_WAITING);
}

bool stopped_advance(struct core *core, struct mirror *mirror)
{
	return application_may_start(core, &mirror->common) &&
	       mirror_move(core, mirror, STEP_PRESTART);
}

static bool mirror_advance(struct core *core, struct mirror *mirror)
{
	struct writing *writing = &mirror->common.writing;

	application_advance(core, &mirror->common);
	step_guard(core, mirror);
	if (writing->is_failed && mirror->step == STEP_YIELDING)
		return yielding_unrecorded(core, mirror);
	if (writing->is_failed)
		(void)writing_retry(core, &mirror->common);
	if (writing->is_open)
		return step_aside(core, mirror);
	if (step_advance(core, mirror))
		return true;
	tenure_tidy(core, mirror);
	return false;
}

/* ---- what the core calls ---- */

static struct mirror *mirror_of(struct instance *instance)
{
	CHECK(instance->kind == &mirror_kind);
	return (struct mirror *)instance;
}

static const struct mirror *mirror_seen(const struct instance *instance)
{
	CHECK(instance->kind == &mirror_kind);
	return (const struct mirror *)instance;
}

static void on_added(struct core *core, struct instance *instance, const struct event *event)
{
	mirror_on_added(core, mirror_of(instance), event);
}

static void on_summary(struct core *core, struct instance *instance, const struct beat *beat,
	const struct summary *summary)
{
	struct peer *peer = &mirror_of(instance)->peer;

	peer->shows = *summary;
	peer->is_known = true;
	peer->echo_ns = MAX_OF(peer->echo_ns, member_echoed_ns(core, beat, core->now_ns));
	if (summary->sights.seen_ns != 0)
		peer->shows.sights.seen_ns = MAX_OF(core->now_ns - summary->sights.seen_ns, 1);
}

static void on_event(struct core *core, struct instance *instance, const struct event *event)
{
	struct mirror *mirror = mirror_of(instance);

	switch (event->type) {
	case EVENT_FS_REPORTED: order_on_report(core, mirror, event); break;
	case EVENT_PROBE_ENDED: probe_on_ended(mirror, event); break;
	case EVENT_ARBITER_ANSWERED: arbiter_on_answered(mirror, event); break;
	case EVENT_COMPARED: compared_on_told(mirror, event); break;
	default: CHECK(false); /* EXCEPTION: the others are every kind's, or no module's */
	}
}

static void on_command(struct core *core, struct instance *instance, const struct event *event,
	struct verdict *verdict)
{
	mirror_on_command(core, mirror_of(instance), event, verdict);
}

static bool advance(struct core *core, struct instance *instance)
{
	return mirror_advance(core, mirror_of(instance));
}

/* `swap` on a secondary, or `prim` on a node that waits. */
static bool wants_service(const struct mirror *mirror)
{
	return (mirror->wants.swap || mirror->wants.forced_prim) && !step_is_primary(mirror->step);
}

static void show(const struct instance *instance, struct summary *out)
{
	const struct mirror *mirror = mirror_seen(instance);

	out->state = mirror_state_of(mirror);
	out->readiness = mirror_readiness_of(mirror);
	/* While an order is open, no role is there to rely on. */
	out->fs_role = mirror->fs.is_order_open ? FS_NONE : mirror->fs.role;
	out->fs_link = mirror->fs.link;
	out->wants_drop = mirror->loss.wants_drop;
	out->wants_swap = wants_service(mirror);
	out->is_second_only = mirror->wants.second_only;
	out->is_rolled_back = mirror->fs.is_rolled_back;
	out->marked_epoch = mirror->fs.is_state_old ? mirror->fs.marked.number : 0;
	out->is_looking = mirror->fs.is_order_open && mirror->fs.role_order == FS_ORDER_LOOK &&
			  !mirror->fs.is_look_late;
	out->is_failed = instance->application.is_failed || mirror->wait.is_blocked;
}

static void say(const struct core *core, const struct instance *instance, struct status *status)
{
	mirror_say(core, mirror_seen(instance), status);
}

static bool is_stopped(const struct instance *instance)
{
	return mirror_seen(instance)->step == STEP_STOPPED;
}

static bool is_in_trouble(const struct instance *instance)
{
	return step_has(mirror_seen(instance)->step, STEP_IS_TROUBLE);
}

static bool is_stalled(const struct instance *instance)
{
	return mirror_seen(instance)->loss.is_held;
}

static bool is_excused(const struct instance *instance)
{
	return is_stalled(instance) || step_has(mirror_seen(instance)->step, STEP_DISTURBS);
}

static void verify(const struct core *core, const struct instance *instance)
{
	mirror_verify(core, mirror_seen(instance));
}

const struct kind mirror_kind = {
	.awaits_record = true,
	.serving = UP_PRIM,
	.on_added = on_added,
	.on_summary = on_summary,
	.on_event = on_event,
	.on_command = on_command,
	.advance = advance,
	.show = show,
	.say = say,
	.is_stopped = is_stopped,
	.is_in_trouble = is_in_trouble,
	.is_stalled = is_stalled,
	.is_excused = is_excused,
	.verify = verify,
};
