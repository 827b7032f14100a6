/*
 * The peer is lost while it was good. Nothing is answered until it is durably recorded as stale
 * (R4: shrink), and that needs its own word or the arbiter's:
 *
 *	beats go on, stream lost	DROPPING: "record yourself stale in epoch + 1" (wants_drop);
 *					its word is its record in a beat. Without it for 300 ms:
 *					arbiter.
 *	no two-way beat for		HELD: answers are held at once, by the true age of the last
 *	silence - margin (R7)		two-way beat, whoever was late; arbiter.
 *
 * The primary may ask as long as the peer could not have taken over yet: until `silence`; a node
 * that was late itself asks later, then only while nobody else answers at the service address.
 * Beyond that it stays held: the other node may serve. What it hears, a person, or freeze_max ends
 * that.
 */
#include "core/core_internal.h"

static int64_t hold_after_ns(const struct core *core)
{
	return core->config.silence_ns - core->config.margin_ns;
}

/* A daemon that was killed while answers were held took that knowledge with it: without this they
 * would wait for ever. */
static void resume_predecessors_hold(struct core *core, struct module *module)
{
	if (!module->is_perhaps_held || core->members[module->config.peer].two_way_ns == 0)
		return;
	module->is_perhaps_held = false;
	order_fs(core, module, FS_ORDER_RESUME);
}

void loss_guard(struct core *core, struct module *module)
{
	uint8_t peer = module->config.peer;
	bool is_peer_good = record_is_good(&module->record, peer) ||
			    (module->is_writing && record_is_good(&module->writing, peer));

	if (module->is_held || !is_peer_good)
		return;
	if (member_age_ns(core, peer) < hold_after_ns(core) && !core->members[peer].is_gone) {
		wake_at(module, member_age_at(core, peer, hold_after_ns(core)));
		resume_predecessors_hold(core, module);
		return;
	}
	order_fs(core, module, FS_ORDER_HOLD);
	module->is_perhaps_held = false;
	module->is_held = true;
	module->held_ns = core->now_ns;
	module->returned_ns = 0;
	module->ask_ns = core->now_ns;
	module->first_grant_ns = 0;
	text_add(log_add(core, module, "module.held", SEVERITY_WARNING),
		"the other node is not heard: answers to the application wait until it is clear "
		"who goes on");
}

static bool resume(struct core *core, struct module *module)
{
	order_fs(core, module, FS_ORDER_RESUME);
	module->is_held = false;
	module->application.is_address_wanted = true;
	text_add(log_add(core, module, "module.resumed", SEVERITY_INFO),
		"the other node is heard again: nothing was changed");
	if (!module->is_peer_lost)
		return mirror_move(core, module, STEP_PAIRED);
	module->wants_drop = true;
	return mirror_move(core, module, STEP_DROPPING);
}

/* A planted bug: the order goes out before the record, although it belongs after it. */
static void order_too_early(struct core *core, struct module *module)
{
	struct action *list = core->actions->list;

	order_fs(core, module, FS_ORDER_GO_ALONE);
	struct action order = list[core->actions->count - 1];
	order.fs.epoch = module->writing.epoch;
	order.fs.generation = module->writing.generation;
	list[core->actions->count - 1] = list[core->actions->count - 2];
	list[core->actions->count - 2] = order;
	module->fs_epoch = module->writing.epoch;
}

/* Asked to, the peer has recorded itself stale: that counts for resting (R20). */
static void note_drop(struct core *core, struct module *module)
{
	module->drops_ns[module->drops_next] = core->now_ns;
	module->drops_next = (uint8_t)((module->drops_next + 1) % DROPS_REMEMBERED);
}

bool go_alone(struct core *core, struct module *module)
{
	if (module->wants_drop && peer_has_resigned(core, module))
		note_drop(core, module);
	module->is_handed = false;
	text_add(log_add(core, module, "module.alone", SEVERITY_WARNING),
		"this node goes on alone; the other copy is recorded as stale first");
	tenure_shrink(core, module);
	module->wants_forced_prim = false;
	if (planted(PLANTED_RECORD_AFTER))
		order_too_early(core, module);
	return mirror_move(core, module, STEP_SHRINKING);
}

/* ---- asking ---- */

/* Since the peer could have taken over: only where nobody answers for the address. */
static bool is_address_silent(struct core *core, struct module *module)
{
	if (module->config.address_count == 0)
		return true;
	if (module->is_probed && module->probe_ns >= module->held_ns)
		return module->probe == PROBE_SILENT;
	address_probe(core, module);
	return false;
}

/* Everybody who reaches the target hears of a grant by our beats before the peer may serve. */
static bool is_in_time(const struct core *core, const struct module *module)
{
	uint8_t peer = module->config.peer;

	return core->members[peer].is_gone || !module->is_held ||
	       member_age_ns(core, peer) < core->config.silence_ns - SETTLE_NS;
}

static bool may_ask_held(struct core *core, struct module *module)
{
	uint8_t peer = module->config.peer;

	if (core->members[peer].is_gone)
		return true;
	if (core->members[peer].two_way_ns == 0)
		return false; /* a restarted daemon does not know for how long it was silent */
	if (member_suspicion_ns(core, peer) < hold_after_ns(core)) {
		wake_at(module, member_suspicion_at(core, peer, hold_after_ns(core)));
		return false;
	}
	if (is_in_time(core, module))
		return true;
	/* This node stood still itself: the peer may serve already. */
	bool is_excused = member_suspicion_ns(core, peer) < core->config.silence_ns ||
			  module->first_grant_ns != 0;
	return is_excused && !member_is_talking(core, peer) &&
	       has_passed(core, module, module->held_ns, SETTLE_NS) &&
	       is_address_silent(core, module);
}

/* In time one grant is enough; later two, and no beat in between, as for the peer (takeover.c). */
static bool is_granted(struct core *core, struct module *module)
{
	if (module->answer != ARBITER_GRANTED) {
		module->first_grant_ns = 0;
		module->ask_ns = core->now_ns + ASK_GAP_NS;
		return false;
	}
	if (is_in_time(core, module))
		return true;
	if (module->first_grant_ns != 0 && core->now_ns - module->first_grant_ns >= SETTLE_NS)
		return !member_is_talking(core, module->config.peer);
	if (module->first_grant_ns == 0)
		module->first_grant_ns = core->now_ns;
	module->ask_ns = module->first_grant_ns + SETTLE_NS;
	return false;
}

static bool ask(struct core *core, struct module *module)
{
	if (core->config.arbiter != ARBITER_PING)
		return false;
	if (core->now_ns < module->ask_ns) {
		wake_at(module, module->ask_ns);
		return false;
	}
	if (!module->record.has_intent) {
		tenure_intend(core, module);
		return mirror_move(core, module, STEP_INTENDING);
	}
	(void)ask_arbiter(core, module);
	return mirror_move(core, module, STEP_ASKING);
}

static enum step trouble_of(const struct module *module)
{
	return module->is_held ? STEP_HELD : STEP_DROPPING;
}

static bool is_heard_in_time(const struct core *core, const struct module *module)
{
	return member_age_ns(core, module->config.peer) < hold_after_ns(core) &&
	       !core->members[module->config.peer].is_gone;
}

bool asking_advance(struct core *core, struct module *module)
{
	if (peer_has_resigned(core, module))
		return go_alone(core, module);
	if (module->is_held && is_heard_in_time(core, module))
		return mirror_move(core, module, STEP_HELD);
	if (module->is_answer_open)
		return false;
	if (!is_granted(core, module))
		return mirror_move(core, module, trouble_of(module));
	text_add(log_add(core, module, "arbiter.granted", SEVERITY_WARNING),
		"the arbiter lets this node go on alone");
	return go_alone(core, module);
}

/* ---- held and dropping ---- */

static void let_go_of_address(struct core *core, struct module *module)
{
	module->application.is_address_wanted = false;
	application_advance(core, module);
}

/* Cut off for good: no answer leaves, and from `silence` on nothing else of the service either. */
static bool step_down_slowly(struct core *core, struct module *module)
{
	bool is_operator = core->config.arbiter == ARBITER_OPERATOR;

	if (is_operator || !module->config.has_failover)
		return false;
	uint8_t peer = module->config.peer;
	/* A node that stood still itself may hear the other at once: it is given one margin. */
	if (member_age_ns(core, peer) < core->config.silence_ns)
		wake_at(module, member_age_at(core, peer, core->config.silence_ns));
	else if (has_passed(core, module, module->held_ns, core->config.margin_ns))
		let_go_of_address(core, module);
	if (has_passed(core, module, module->held_ns, FREEZE_MAX_NS))
		return fence(core, module, WAIT_CUT_OFF);
	return false;
}

/* The stream is tried anew all the time, but not as often as a beat is sent. */
static bool is_stream_awaited(struct core *core, struct module *module)
{
	if (!module->is_session_cut || module->wants_drop)
		return false;
	CHECK(module->is_peer_lost);
	if (module->returned_ns == 0)
		module->returned_ns = core->now_ns;
	return !has_passed(core, module, module->returned_ns, RETURN_PATIENCE_NS);
}

bool held_advance(struct core *core, struct module *module)
{
	if (peer_has_resigned(core, module) || module->wants_forced_prim)
		return go_alone(core, module);
	/* A peer that claims shows it before its record does. */
	if (is_heard_in_time(core, module) && !peer_is_primary(core, module))
		return !is_stream_awaited(core, module) && resume(core, module);
	module->returned_ns = 0;
	if (may_ask_held(core, module) && ask(core, module))
		return true;
	return step_down_slowly(core, module);
}

bool dropping_advance(struct core *core, struct module *module)
{
	bool has_word = peer_has_resigned(core, module) || planted(PLANTED_NO_WORD);
	if (has_word || module->wants_forced_prim)
		return go_alone(core, module);
	if (module->is_held)
		return mirror_move(core, module, STEP_HELD);
	if (!has_passed(core, module, module->since_ns, DROP_PATIENCE_NS))
		return false;
	/* A restarted daemon that heard nobody yet does not know for how long there was silence. */
	return core->members[module->config.peer].two_way_ns != 0 && ask(core, module);
}

bool shrinking_advance(struct core *core, struct module *module)
{
	bool was_ordered = planted(PLANTED_RECORD_AFTER) &&
			   module->fs_epoch.number == module->record.epoch.number;

	if (!was_ordered)
		order_fs(core, module, FS_ORDER_GO_ALONE);
	if (module->is_held)
		order_fs(core, module, FS_ORDER_RESUME);
	module->is_held = false;
	module->wants_drop = false;
	module->wants_swap = false;
	return mirror_move(core, module, STEP_PARTING);
}

/* A restarted daemon that did not know evenkeel-fs's epoch told it what it knew. */
static bool is_told_already(const struct module *module)
{
	return module->is_resumed && module->is_refused;
}

bool parting_advance(struct core *core, struct module *module)
{
	if (module->is_order_open && !is_told_already(module))
		return false;
	module->is_order_open = false;
	module->is_refused = false;
	module->is_resumed = false;
	module->application.is_address_wanted = true;
	return mirror_move(core, module, STEP_ALONE);
}

bool intending_advance(struct core *core, struct module *module)
{
	(void)ask_arbiter(core, module);
	return mirror_move(core, module, STEP_ASKING);
}

bool loss_common(struct core *core, struct module *module)
{
	if (module->step == STEP_PARTING && is_told_already(module))
		return false;
	return primary_common(core, module);
}
