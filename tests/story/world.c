#include "world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/overtaking.h"

#define EPOCH_NS   (1000 * NS_PER_S) /* the machines run for a while already; printed as 0 */
#define NET_NS	   (1 * NS_PER_MS)
#define WRITE_NS   (2 * NS_PER_MS)
#define SCRIPT_NS  (10 * NS_PER_MS)
#define FS_NS	   (10 * NS_PER_MS)
#define PROBE_NS   (80 * NS_PER_MS)
#define ARBITER_NS (20 * NS_PER_MS)
#define PEER_NS	   (1 * NS_PER_S) /* evenkeel-fs tries so long to reconnect */
#define ADDRESS_NS (3 * NS_PER_S) /* lifetime in the kernel */
#define SLOW_NS	   (5 * NS_PER_S)
#define NEVER_NS   (1000000 * NS_PER_S)

void world_say(struct world *world, int node, const char *format, ...)
{
	va_list arguments;

	int64_t time_ns = world->now_ns - EPOCH_NS;

	fprintf(world->out, "%4lld.%03lld %c  ", (long long)(time_ns / NS_PER_S),
		(long long)(time_ns % NS_PER_S / NS_PER_MS), node < 0 ? '-' : 'a' + node);
	va_start(arguments, format);
	vfprintf(world->out, format, arguments);
	va_end(arguments);
	fputc('\n', world->out);
}

/* ---- the queue ---- */

static struct story_item *push(struct world *world, int node, int64_t delay_ns)
{
	CHECK(world->count < QUEUE_MAX);
	struct story_item *item = &world->queue[world->count++];
	*item = (struct story_item){
		.time_ns = world->now_ns + delay_ns,
		.order = ++world->orders,
		.node = node,
		.incarnation = world->nodes[node].incarnation,
	};
	item->event.module = STORY_MODULE;
	return item;
}

static int next_item(const struct world *world)
{
	int best = -1;

	for (int i = 0; i < world->count; i++) {
		const struct story_item *item = &world->queue[i];
		if (world->nodes[item->node].is_frozen)
			continue;
		if (best < 0 || item->time_ns < world->queue[best].time_ns ||
			(item->time_ns == world->queue[best].time_ns &&
				item->order < world->queue[best].order))
			best = i;
	}
	return best;
}

static void report_in(struct world *world, int node, int64_t delay_ns, enum fs_report report)
{
	struct story_item *item = push(world, node, delay_ns);

	item->is_of_fs = true;
	item->incarnation = world->nodes[node].powers;
	item->event.type = EVENT_FS_REPORTED;
	item->event.fs.report = report;
	item->event.fs.epoch = world->nodes[node].fs_epoch;
	item->event.fs.is_behind = world->nodes[node].is_fs_behind;
	item->event.fs.barrier = 100;
	item->event.fs.done = 50;
	item->event.fs.total = 100;
}

/* ---- what an action brings about ---- */

static const char *good_words(uint64_t good)
{
	static const char *const words[] = { "-", "a", "b", "a,b" };

	return words[good & 3];
}

static char node_letter(uint8_t id)
{
	return id == 0 ? '-' : (char)('a' + id - 1);
}

static void say_record(struct world *world, int node, const struct record *record)
{
	world_say(world, node, "record   epoch %llu/%c good %s holder %c generation %llu%s%s%s%s%s",
		(unsigned long long)record->epoch.number, node_letter(record->epoch.node),
		good_words(record->good), node_letter(record->holder),
		(unsigned long long)record->generation.number,
		record->is_complete ? "" : " incomplete", record->is_foreign ? " foreign" : "",
		record->is_clean ? " clean" : "", record->has_intent ? " intent" : "",
		record->should_run ? "" : " stopped");
}

static void do_write(struct world *world, int node, const struct action *action)
{
	const struct record *record = &action->write_record.record;
	struct story_node *self = &world->nodes[node];
	struct story_item *item = push(world, node, self->is_disk_stuck ? NEVER_NS : WRITE_NS);

	say_record(world, node, record);
	self->is_record_awaited = self->is_disk_stuck && action->write_record.is_awaited;
	item->event.type = EVENT_RECORD_WRITTEN;
	item->is_record = true;
	item->record = *record;
}

static void connect_peer(struct world *world, int node)
{
	struct story_node *source = &world->nodes[node];
	struct story_node *target = &world->nodes[1 - node];
	int64_t work = source->is_resync_slow ? SLOW_NS : 60 * NS_PER_MS;

	if (!target->is_powered || target->fs_role != FS_SECONDARY || world->is_stream_cut ||
		target->fs_epoch.number != source->fs_epoch.number) {
		report_in(world, node, PEER_NS, FS_REPORT_PEER_LOST);
		return;
	}
	source->fs_link = target->fs_link = FS_LINK_RESYNCING;
	report_in(world, node, FS_NS, FS_REPORT_CONNECTED);
	report_in(world, 1 - node, FS_NS, FS_REPORT_CONNECTED);
	report_in(world, 1 - node, FS_NS + NET_NS, FS_REPORT_RESYNC_PROGRESS);
	report_in(world, node, FS_NS + NET_NS, FS_REPORT_RESYNC_PROGRESS);
	target->is_fs_behind = false;
	target->has_old_copy = false;
	target->marked = 0;
	report_in(world, 1 - node, work, FS_REPORT_ADOPTED);
	report_in(world, node, work + NET_NS, FS_REPORT_TARGET_COMPLETE);
}

static void lose_peer(struct world *world, int node)
{
	struct story_node *self = &world->nodes[node];

	if (self->is_powered && self->fs_role == FS_PRIMARY && self->fs_link != FS_LINK_NONE)
		report_in(world, node, PEER_NS, FS_REPORT_PEER_LOST);
	self->fs_link = FS_LINK_NONE;
}

static void refuse(struct world *world, int node, const char *why)
{
	report_in(world, node, FS_NS, FS_REPORT_REFUSED);
	snprintf(world->queue[world->count - 1].event.fs.detail, 128, "%s", why);
}

static void become(struct world *world, int node, enum fs_role role, enum fs_report report)
{
	struct story_node *self = &world->nodes[node];

	if (self->is_fs_broken && role == FS_PRIMARY) {
		refuse(world, node, "the directory is in use by another process");
		return;
	}
	if (self->fs_role == FS_SECONDARY && role != FS_SECONDARY)
		lose_peer(world, 1 - node);
	self->fs_role = role;
	self->is_fs_behind = role == FS_SECONDARY;
	self->fs_link = FS_LINK_NONE;
	report_in(world, node, FS_NS, report);
}

static void be_primary(struct world *world, int node, bool is_forced)
{
	if (!world->nodes[node].has_wrong_copy || is_forced) {
		become(world, node, FS_PRIMARY, FS_REPORT_IS_PRIMARY);
		return;
	}
	refuse(world, node, "its disk is not mounted");
	world->queue[world->count - 1].event.fs.report = FS_REPORT_WRONG_COPY;
}

static void look(struct world *world, int node)
{
	struct story_node *self = &world->nodes[node];
	enum fs_report report = FS_REPORT_LOOKED;

	if (self->has_wrong_copy)
		report = FS_REPORT_WRONG_COPY;
	else if (self->has_old_copy)
		report = FS_REPORT_OLD_COPY;
	else if (self->marked != 0)
		report = FS_REPORT_OLD_STATE;
	if (report == FS_REPORT_LOOKED) {
		report_in(world, node, FS_NS, report);
		return;
	}
	refuse(world, node,
		self->has_wrong_copy ? "its disk is not mounted" : "something was put back");
	world->queue[world->count - 1].event.fs.report = report;
	world->queue[world->count - 1].event.fs.marked.number = self->marked;
}

static void promote(struct world *world, int node)
{
	if (world->nodes[node].is_fs_behind)
		refuse(world, node, "this copy does not hold everything that was acknowledged");
	else
		become(world, node, FS_PRIMARY, FS_REPORT_IS_PRIMARY);
}

static void do_order(struct world *world, int node, const struct action *action)
{
	struct story_node *self = &world->nodes[node];

	world_say(world, node, "fs       %s epoch %llu/%c%s%s", fs_order_name(action->fs.order),
		(unsigned long long)action->fs.epoch.number, node_letter(action->fs.epoch.node),
		action->fs.order == FS_ORDER_CONNECT && action->fs.plan == RESYNC_SET_ASIDE
			? " set aside"
			: "",
		action->fs.is_forced && action->fs.order == FS_ORDER_STOP ? " by force" : "");
	self->fs_epoch = action->fs.epoch;
	if (self->is_fs_mute)
		return;
	switch (action->fs.order) {
	case FS_ORDER_STOP: become(world, node, FS_NONE, FS_REPORT_IS_STOPPED); break;
	case FS_ORDER_LOOK: look(world, node); break;
	case FS_ORDER_PRIMARY: be_primary(world, node, action->fs.is_forced); break;
	case FS_ORDER_SECONDARY: become(world, node, FS_SECONDARY, FS_REPORT_IS_SECONDARY); break;
	case FS_ORDER_PROMOTE: promote(world, node); break;
	case FS_ORDER_CONNECT: connect_peer(world, node); break;
	case FS_ORDER_PAIR: self->fs_link = world->nodes[1 - node].fs_link = FS_LINK_IN_SYNC; break;
	case FS_ORDER_GO_ALONE:
		self->fs_link = FS_LINK_NONE;
		report_in(world, node, NET_NS, FS_REPORT_IS_ALONE);
		break;
	case FS_ORDER_DRAIN: report_in(world, node, FS_NS, FS_REPORT_DRAINED); break;
	case FS_ORDER_HOLD:
	case FS_ORDER_RESUME:
	case FS_ORDER_COUNT: break;
	}
}

static void do_script(struct world *world, int node, const struct action *action)
{
	struct story_node *self = &world->nodes[node];
	enum script script = action->script.script;
	struct story_item *item = push(world, node, SCRIPT_NS);

	world_say(world, node, "script   %s%s", script_name(script),
		action->script.is_forced ? " force" : "");
	item->time_ns += self->script_lasts_ns[script];
	item->event.type = EVENT_SCRIPT_ENDED;
	item->event.script.script = script;
	item->event.script.is_forced = action->script.is_forced;
	if (self->script_failures[script] == 0)
		return;
	self->script_failures[script]--;
	item->event.script.outcome = SCRIPT_FAILED;
}

static void end_scripts(struct world *world, int node)
{
	for (int i = 0; i < world->count; i++) {
		struct story_item *item = &world->queue[i];
		if (item->node == node && item->event.type == EVENT_SCRIPT_ENDED)
			item->time_ns = MIN_OF(item->time_ns, world->now_ns + SCRIPT_NS);
	}
}

/* What no stop script ended is told of; else it is empty already. */
static void do_empty(struct world *world, int node)
{
	struct story_node *self = &world->nodes[node];
	struct story_item *item = push(world, node, 0);

	if (self->has_leftovers)
		world_say(world, node, "empty    the application");
	item->event.type = EVENT_APPLICATION_EMPTIED;
	item->event.emptied.is_left = self->cannot_be_ended;
	if (!self->has_leftovers)
		return;
	item->time_ns += SCRIPT_NS;
	self->has_leftovers = self->cannot_be_ended;
}

static void do_probe(struct world *world, int node)
{
	const struct story_node *other = &world->nodes[1 - node];
	struct story_item *item = push(world, node, PROBE_NS);

	item->event.type = EVENT_PROBE_ENDED;
	item->event.probe.outcome = PROBE_SILENT;
	bool is_expired = other->is_frozen && world->now_ns - other->frozen_ns > ADDRESS_NS;
	if (other->is_powered && other->is_address_held && !world->is_client_cut && !is_expired)
		item->event.probe.outcome = PROBE_PEER_ANSWERS;
	if (world->nodes[node].has_foreign_address) {
		static const uint8_t mac[6] = { 0x52, 0x54, 0, 0xab, 0xcd, 0xef };
		item->event.probe.outcome = PROBE_FOREIGN_ANSWERS;
		memcpy(item->event.probe.mac, mac, 6);
	}
	world_say(world, node, "probe    the service address");
}

static void do_ask(struct world *world, int node, const struct action *action)
{
	struct story_item *item = push(world, node, ARBITER_NS);
	bool is_granted = world->nodes[node].can_reach_target;

	world_say(world, node, "arbiter  epoch %llu/%c good %s?",
		(unsigned long long)action->arbiter.epoch.number,
		node_letter(action->arbiter.epoch.node), good_words(action->arbiter.good));
	item->event.type = EVENT_ARBITER_ANSWERED;
	item->event.arbiter.answer = is_granted ? ARBITER_GRANTED : ARBITER_REFUSED;
	item->event.arbiter.question = action->arbiter;
}

static void deliver_beat(struct world *world, int to, const struct recorded *recorded)
{
	struct story_item *item = push(world, to, NET_NS);

	item->event.type = EVENT_BEAT_HEARD;
	item->event.beat = recorded->beat;
	item->summary = recorded->summary;
	item->summary_count = recorded->summary_count;
}

static void do_beat(struct world *world, int node)
{
	struct story_node *self = &world->nodes[node];
	int other = 1 - node;
	struct recorded *sent = &world->last[node];

	*sent = (struct recorded){ .is_there = true };
	core_beat(self->core, world->nodes[other].id, world->now_ns, &sent->beat);
	sent->summary_count = core_summaries(self->core, &sent->summary, 1);
	/* As on the wire: the intent stays at home. */
	sent->summary.record.has_intent = false;
	if (!world->is_cut[node] && world->nodes[other].is_up)
		deliver_beat(world, other, sent);
}

void world_record_beat(struct world *world, int node)
{
	world->recorded[node] = world->last[node];
}

void world_play_beat(struct world *world, int node)
{
	CHECK(world->recorded[node].is_there);
	deliver_beat(world, 1 - node, &world->recorded[node]);
}

static void do_log(struct world *world, int node, const struct action *action)
{
	static const char *const severities[] = {
		[SEVERITY_INFO] = "info", [SEVERITY_WARNING] = "warning", [SEVERITY_ERROR] = "error"
	};

	if (strcmp(action->log.id, "module.state") == 0)
		world_say(world, node, "=> %s", action->log.sentence.data);
	else
		world_say(world, node, "%s %s: %s", severities[action->log.severity],
			action->log.id, action->log.sentence.data);
}

static void do_action(struct world *world, int node, const struct action *action)
{
	struct story_node *self = &world->nodes[node];

	switch (action->type) {
	case ACTION_SEND_BEAT: do_beat(world, node); break;
	case ACTION_WRITE_RECORD: do_write(world, node, action); break;
	case ACTION_NOTE_WISHES: self->wishes = action->wishes; break;
	case ACTION_ORDER_FS: do_order(world, node, action); break;
	case ACTION_RUN_SCRIPT: do_script(world, node, action); break;
	case ACTION_HOLD_ADDRESS:
		world_say(world, node, "address  hold");
		self->is_address_held = true;
		break;
	case ACTION_RELEASE_ADDRESS:
		world_say(world, node, "address  release");
		self->is_address_held = false;
		break;
	case ACTION_PROBE_ADDRESS: do_probe(world, node); break;
	case ACTION_ASK_ARBITER: do_ask(world, node, action); break;
	case ACTION_START_CHECKS: world_say(world, node, "checks   start"); break;
	case ACTION_STOP_CHECKS: world_say(world, node, "checks   stop"); break;
	case ACTION_KILL_APPLICATION:
		world_say(world, node, "kill     the application");
		self->scripts_up = 0;
		end_scripts(world, node);
		break;
	case ACTION_EMPTY_APPLICATION: do_empty(world, node); break;
	case ACTION_ANSWER_COMMAND:
		world_say(world, node, "answer   %s: %s",
			action->answer.refusal == REFUSAL_NONE ? "yes" : "no",
			action->answer.sentence.data);
		break;
	case ACTION_LOG: do_log(world, node, action); break;
	case ACTION_TYPE_COUNT: CHECK(false);
	}
}

static void drop_waiting(struct story_node *self, int at)
{
	self->waiting_count--;
	for (int i = at; i < self->waiting_count; i++)
		self->waiting[i] = self->waiting[i + 1];
}

/* What waits and is undone by an action that does not. */
static void take_back(struct world *world, int node, const struct action *action)
{
	struct story_node *self = &world->nodes[node];

	for (int i = self->waiting_count; i-- > 0;) {
		struct action undone = self->waiting[i];
		if (!action_takes_back(action, &undone))
			continue;
		drop_waiting(self, i);
		world_say(world, node, "taken back");
		if (undone.type != ACTION_RUN_SCRIPT)
			continue;
		struct story_item *item = push(world, node, 0);
		item->event.type = EVENT_SCRIPT_ENDED;
		item->event.script.script = undone.script.script;
		item->event.script.outcome = SCRIPT_FAILED;
	}
}

static void take_action(struct world *world, int node, const struct action *action)
{
	struct story_node *self = &world->nodes[node];
	bool is_waiting = self->is_record_awaited && action->type != ACTION_SEND_BEAT;

	if (is_waiting && !action_overtakes(action)) {
		CHECK(self->waiting_count < WAITING_MAX);
		self->waiting[self->waiting_count++] = *action;
		return;
	}
	if (is_waiting)
		take_back(world, node, action);
	do_action(world, node, action);
}

void world_event(struct world *world, int node, struct event event)
{
	static struct actions actions;
	struct story_node *self = &world->nodes[node];

	if (!self->is_up)
		return;
	event.now_ns = world->now_ns;
	core_step(self->core, &event, &actions);
	struct actions taken = actions;
	for (uint16_t i = 0; i < taken.count; i++)
		take_action(world, node, &taken.list[i]);
}

void world_free_disk(struct world *world, int node)
{
	struct story_node *self = &world->nodes[node];

	self->is_disk_stuck = self->is_disk_failing = self->is_record_awaited = false;
	for (int i = 0; i < world->count; i++)
		if (world->queue[i].node == node && world->queue[i].is_record)
			world->queue[i].time_ns = MIN_OF(world->queue[i].time_ns, world->now_ns);
	while (self->waiting_count > 0 && !self->is_record_awaited) {
		struct action action = self->waiting[0];
		drop_waiting(self, 0);
		do_action(world, node, &action);
	}
}

/* ---- time ---- */

static void note_script(struct story_node *self, const struct event *event)
{
	switch (event->script.script) {
	case SCRIPT_START_PRIM: self->scripts_up |= 1; break;
	case SCRIPT_START_SECOND: self->scripts_up |= 2; break;
	case SCRIPT_START_BOTH: self->scripts_up |= 4; break;
	case SCRIPT_STOP_PRIM: self->scripts_up &= (uint8_t)~1; break;
	case SCRIPT_STOP_SECOND: self->scripts_up &= (uint8_t)~2; break;
	case SCRIPT_STOP_BOTH: self->scripts_up &= (uint8_t)~4; break;
	case SCRIPT_PRESTART:
	case SCRIPT_POSTSTOP:
	case SCRIPT_COUNT: break;
	}
}

static void deliver(struct world *world, int index)
{
	static struct story_item item;

	item = world->queue[index];
	world->queue[index] = world->queue[--world->count];
	struct story_node *self = &world->nodes[item.node];
	if (item.is_of_fs && item.incarnation == self->powers &&
		item.event.fs.report == FS_REPORT_ADOPTED)
		self->fs_link = FS_LINK_IN_SYNC; /* its hello says so to a later daemon */
	if (!self->is_up || item.incarnation != (item.is_of_fs ? self->powers : self->incarnation))
		return;
	if (item.is_record && self->is_disk_failing)
		item.event.record_written.error = -5;
	else if (item.is_record)
		self->disk = item.record;
	if (item.event.type == EVENT_BEAT_HEARD) {
		item.event.beat.summaries = &item.summary;
		item.event.beat.summary_count = item.summary_count;
	}
	if (item.event.type == EVENT_SCRIPT_ENDED)
		note_script(self, &item.event);
	world_event(world, item.node, item.event);
}

void world_look(struct world *world, int node)
{
	struct story_node *self = &world->nodes[node];
	struct event event = { .type = EVENT_OBSERVED, .module = STORY_MODULE };

	self->look_ns = world->now_ns + NS_PER_S;
	for (enum look look = 0; look < LOOK_COUNT; look++) {
		struct sight *sight = &event.observed.sights.of[look];
		bool is_of_fs = look == LOOK_MOUNT || look == LOOK_FS || look == LOOK_DISK;
		if (world->module.kind != KIND_MIRROR || (is_of_fs && self->fs_role == FS_NONE) ||
			(look == LOOK_CHECKS && world->module.check_count == 0) ||
			(look == LOOK_ADDRESS && world->module.address_count == 0))
			continue;
		sight->finding = self->findings[look];
		sight->took_ns = sight->finding == FINDING_BAD &&
						 (is_of_fs || look == LOOK_STATE) &&
						 look != LOOK_MOUNT
					 ? 5 * NS_PER_S
					 : NS_PER_MS / 2;
	}
	world_event(world, node, event);
}

static int64_t next_look(const struct world *world, int *out_node)
{
	int64_t next = INT64_MAX;

	for (int i = 0; i < STORY_NODES; i++) {
		const struct story_node *self = &world->nodes[i];
		if (!self->is_up || self->is_frozen || self->look_ns >= next)
			continue;
		next = self->look_ns;
		*out_node = i;
	}
	return next;
}

static int64_t next_deadline(const struct world *world, int *out_node)
{
	int64_t next = INT64_MAX;

	for (int i = 0; i < STORY_NODES; i++) {
		if (!world->nodes[i].is_up || world->nodes[i].is_frozen)
			continue;
		int64_t deadline = core_deadline(world->nodes[i].core);
		if (deadline < next) {
			next = deadline;
			*out_node = i;
		}
	}
	return next;
}

static bool step(struct world *world, int64_t limit_ns)
{
	int node = 0;
	int index = next_item(world);
	int64_t item_ns = index < 0 ? INT64_MAX : world->queue[index].time_ns;
	int64_t deadline_ns = next_deadline(world, &node);
	int looker = 0;
	int64_t look_ns = next_look(world, &looker);
	int64_t next_ns = MIN_OF(MIN_OF(item_ns, deadline_ns), look_ns);

	if (next_ns > limit_ns)
		return false;
	world->now_ns = MAX_OF(world->now_ns, next_ns);
	if (look_ns < item_ns && look_ns < deadline_ns)
		world_look(world, looker);
	else if (item_ns <= deadline_ns)
		deliver(world, index);
	else
		world_event(world, node, (struct event){ .type = EVENT_TIME_PASSED });
	return true;
}

void world_run(struct world *world, int64_t duration_ns)
{
	int64_t limit = world->now_ns + duration_ns;

	while (step(world, limit))
		;
	world->now_ns = limit;
}

static bool shows(struct world *world, int node, enum module_state state, enum readiness readiness)
{
	struct status status;

	if (!world->nodes[node].is_up ||
		core_status(world->nodes[node].core, STORY_MODULE, &status) != 0)
		return false;
	return status.state == state && status.readiness == readiness;
}

bool world_until(struct world *world, int node, enum module_state state, enum readiness readiness,
	int64_t limit_ns)
{
	int64_t limit = world->now_ns + limit_ns;

	while (!shows(world, node, state, readiness))
		if (!step(world, limit))
			return false;
	return true;
}

void world_status(struct world *world, int node)
{
	struct status status;

	if (core_status(world->nodes[node].core, STORY_MODULE, &status) != 0)
		return;
	world_say(world, node, "status   %s %s: %s", module_state_name(status.state),
		readiness_name(status.readiness), status.now.data);
	if (status.if_dies.size > 0)
		world_say(world, node, "         %s", status.if_dies.data);
	if (status.to_do.size > 0)
		world_say(world, node, "         to do: %s", status.to_do.data);
}

void world_observed(struct world *world, int node)
{
	struct status status;

	if (core_status(world->nodes[node].core, STORY_MODULE, &status) == 0)
		world_say(world, node, "observed %s", status.observed.data);
}

/* ---- nodes ---- */

void world_init(struct world *world, FILE *out)
{
	*world = (struct world){
		.out = out,
		.now_ns = EPOCH_NS,
		.arbiter = ARBITER_PING,
		.module = {
			.has_failover = true,
			.address_count = 1,
			.repairs_max = 3,
			.repairs_window_ns = 86400 * NS_PER_S,
			.address_lifetime_ns = 3 * NS_PER_S,
		},
	};
	world->module.has_script[SCRIPT_START_PRIM] = true;
	world->module.has_script[SCRIPT_STOP_PRIM] = true;
	for (int i = 0; i < STORY_NODES; i++) {
		world->nodes[i].id = (uint8_t)(i + 1);
		world->nodes[i].can_reach_target = true;
		for (enum look look = 0; look < LOOK_COUNT; look++)
			world->nodes[i].findings[look] = FINDING_GOOD;
	}
}

void world_make_single(struct world *world)
{
	bool *has_script = world->module.has_script;

	world->module.kind = KIND_SINGLE;
	for (int i = 0; i < SCRIPT_COUNT; i++)
		has_script[i] = i == SCRIPT_PRESTART || i == SCRIPT_START_BOTH ||
				i == SCRIPT_STOP_BOTH || i == SCRIPT_POSTSTOP;
}

void world_done(struct world *world)
{
	for (int i = 0; i < STORY_NODES; i++)
		free(world->nodes[i].core);
}

static void add_module(struct world *world, int node)
{
	struct story_node *self = &world->nodes[node];
	struct event event = { .type = EVENT_MODULE_ADDED, .module = STORY_MODULE };

	event.module_added.config = world->module;
	if (world->module.kind == KIND_MIRROR)
		event.module_added.config.peer = world->nodes[1 - node].id;
	event.module_added.record = self->disk;
	event.module_added.fs.role = self->fs_role;
	event.module_added.fs.link = self->fs_link;
	event.module_added.fs.epoch = self->fs_epoch;
	event.module_added.fs.is_behind = self->is_fs_behind;
	event.module_added.is_application_running = self->scripts_up != 0;
	event.module_added.is_address_held = self->is_address_held;
	event.module_added.wishes = self->wishes;
	for (int i = 0; i < 4; i++)
		event.module_added.random[i] =
			(uint64_t)(node + 1) * 1000 + self->boots * 10 + (uint64_t)i;
	world_event(world, node, event);
}

void world_boot(struct world *world, int node)
{
	struct story_node *self = &world->nodes[node];
	struct core_config config = {
		.self = self->id,
		.node_count = STORY_NODES,
		.nodes = { 1, 2 },
		.beat_ns = 200 * NS_PER_MS,
		.silence_ns = 2 * NS_PER_S,
		.margin_ns = 500 * NS_PER_MS,
		.arbiter = world->arbiter,
	};

	CHECK(!self->is_up);
	free(self->core);
	self->core = malloc(core_size());
	CHECK(self->core != NULL);
	self->boots++;
	self->incarnation++;
	config.boot_nonce = (uint64_t)self->id * 1000 + self->boots;
	core_init(self->core, &config);
	self->is_up = true;
	self->is_powered = true;
	world_say(world, node, "-- the daemon starts");
	world_event(world, node, (struct event){ .type = EVENT_STARTED });
	struct event tried = { .type = EVENT_TARGET_TRIED };
	tried.target.is_reachable = self->can_reach_target;
	world_event(world, node, tried);
	add_module(world, node);
	self->look_ns = world->now_ns + NS_PER_S;
}

void world_kill_daemon(struct world *world, int node)
{
	world_say(world, node, "-- the daemon is killed");
	world->nodes[node].is_up = false;
	world->nodes[node].waiting_count = 0;
	world->nodes[node].is_record_awaited = false;
}

void world_kill(struct world *world, int node)
{
	struct story_node *self = &world->nodes[node];

	world_say(world, node, "-- power cut");
	self->is_up = false;
	self->waiting_count = 0;
	self->is_record_awaited = false;
	self->powers++;
	self->is_powered = false;
	self->is_frozen = false;
	self->fs_role = FS_NONE;
	self->is_fs_behind = false;
	self->fs_link = FS_LINK_NONE;
	self->is_address_held = false;
	self->wishes = (struct wishes){ 0 };
	self->scripts_up = 0;
	lose_peer(world, 1 - node);
}

void world_freeze(struct world *world, int node)
{
	world_say(world, node, "-- stands still");
	world->nodes[node].is_frozen = true;
	world->nodes[node].frozen_ns = world->now_ns;
}

void world_put_back(struct world *world, int node)
{
	struct story_node *self = &world->nodes[node];

	world_say(world, node, "-- its state is put back");
	self->marked = self->disk.epoch.number;
	self->disk = self->kept;
}

void world_thaw(struct world *world, int node)
{
	world_say(world, node, "-- goes on after a freeze");
	world->nodes[node].is_frozen = false;
}
