#include <stdlib.h>
#include <string.h>

#include "core/overtaking.h"
#include "sim/world.h"

/*
 * Plays evenkeeld around the real core: performs actions in order (those after a record wait until
 * it is durable), arms the timer, renews the address, pings the target. What it leaves running when
 * it is killed is what its successor is told.
 */

#define GOODBYE_NS	 (10 * NS_PER_MS)
#define RENEW_NS	 (500 * NS_PER_MS)
#define LIFETIME_NS	 (3 * NS_PER_S)
#define PROBE_TIMEOUT_NS (300 * NS_PER_MS)
#define PING_GAP_NS	 (100 * NS_PER_MS)
#define PING_TRIES	 4
#define TARGET_EVERY_NS	 (2 * NS_PER_S)

static struct core_config core_config(struct world *world, const struct node *node)
{
	return (struct core_config){
		.self = node->id,
		.boot_nonce = chance_next(&world->chance) | 1,
		.node_count = NODES,
		.nodes = { 1, 2 },
		.beat_ns = 200 * NS_PER_MS,
		.silence_ns = 2 * NS_PER_S,
		.margin_ns = 500 * NS_PER_MS,
		.arbiter = world->arbiter,
	};
}

static struct module_config module_config(const struct world *world, const struct node *node)
{
	struct module_config config = {
		.peer = node->id == 1 ? 2 : 1,
		.has_failover = true,
		.address_count = world->has_address ? 1 : 0,
		.repairs_max = 3,
		.repairs_window_ns = 24 * 3600 * NS_PER_S,
		.address_lifetime_ns = LIFETIME_NS,
	};

	config.has_script[SCRIPT_START_PRIM] = true;
	config.has_script[SCRIPT_STOP_PRIM] = true;
	return config;
}

/* An event that this node's daemon will handle as soon as it may. */
void daemon_post(struct world *world, struct node *node, struct event *event)
{
	if (!node->daemon.is_running)
		return;
	happen_to(world, node, PROCESS_DAEMON, HAPPEN_CORE, 0)->core.event = *event;
}

/* ---- performing ---- */

static void write_record(struct world *world, struct node *node, const struct record *record)
{
	int64_t duration = chance_between(&world->chance, NS_PER_MS, 15 * NS_PER_MS);

	if (chance_is(&world->chance, 20))
		duration *= 30; /* a slow disk */
	node->daemon.is_writing = true;
	node->daemon.writing = *record;
	node->daemon.writing_since = world->now;
	happen_to(world, node, PROCESS_DAEMON, HAPPEN_RECORD, duration);
}

static void order_fs(struct world *world, struct node *node, const struct action *action)
{
	int64_t delay = chance_between(&world->chance, 50 * NS_PER_US, 2 * NS_PER_MS);
	struct daemon *daemon = &node->daemon;
	bool is_role = action->fs.order == FS_ORDER_LOOK || action->fs.order == FS_ORDER_PRIMARY ||
		       action->fs.order == FS_ORDER_SECONDARY;

	if (is_role || action->fs.order == FS_ORDER_STOP) {
		daemon->has_role_order = true;
		daemon->role_order = *action;
	}
	/* Nobody there: the first one is started; a dead one's successor comes by itself. */
	if (!node->fs.is_running && is_role && node->held.role == FS_NONE)
		fs_start(world, node);
	if (!node->fs.is_running) {
		if (node->pending_count < PENDING_MAX)
			node->pending[node->pending_count++] = *action;
		return;
	}
	daemon->last_order_at = MAX_OF(world->now + delay, daemon->last_order_at);
	happen_to(world, node, PROCESS_FS, HAPPEN_ORDER, daemon->last_order_at - world->now)
		->order_fs = *action;
}

void daemon_send_pending(struct world *world, struct node *node)
{
	int count = node->pending_count;

	node->pending_count = 0;
	for (int i = 0; i < count; i++)
		order_fs(world, node, &node->pending[i]);
}

/* A successor without a role: what its predecessor was told died with it. */
void daemon_repeat_role(struct world *world, struct node *node)
{
	struct daemon *daemon = &node->daemon;

	if (daemon->is_running && daemon->has_role_order)
		order_fs(world, node, &daemon->role_order);
}

static void renew(struct world *world, struct node *node)
{
	if (!node->daemon.is_renewing)
		return;
	node->address_until = world->now + LIFETIME_NS;
	promise_on_time(world);
	happen_to(world, node, PROCESS_DAEMON, HAPPEN_RENEW, RENEW_NS);
}

static void hold_address(struct world *world, struct node *node)
{
	struct event event = {
		.type = EVENT_ADDRESS_CHANGED,
		.module = MODULE,
		.address = { .change = ADDRESS_HELD },
	};

	if (!node->daemon.is_renewing) {
		node->daemon.is_renewing = true;
		renew(world, node);
	}
	node->address_until = world->now + LIFETIME_NS;
	daemon_post(world, node, &event);
}

/* ARP on the client network: the other node's kernel answers as long as it has the address. */
static void probe_address(struct world *world, struct node *node)
{
	struct node *other = other_node(world, node);
	bool is_answered = network_carries(world, node, LINK_CLIENT) &&
			   network_carries(world, other, LINK_CLIENT) &&
			   node_has_address(world, other);
	int64_t delay = is_answered ? chance_between(&world->chance, NS_PER_MS, 20 * NS_PER_MS)
				    : PROBE_TIMEOUT_NS;

	happen_to(world, node, PROCESS_DAEMON, HAPPEN_PROBE, delay)->number = is_answered;
}

static void ask_arbiter(struct world *world, struct node *node, const struct action *action)
{
	int64_t delay = chance_between(&world->chance, NS_PER_MS, 30 * NS_PER_MS);
	delay += rare_arbiter_delay(world);
	struct happening *try = happen_to(world, node, PROCESS_DAEMON, HAPPEN_ARBITER, delay);

	promise_on_asked(world, node, action);
	try->question = action->arbiter;
	try->extra = world->arbiter == ARBITER_PING ? PING_TRIES : 0;
}

static void empty_application(struct world *world, struct node *node)
{
	struct event event = { .type = EVENT_APPLICATION_EMPTIED, .module = MODULE };

	node->is_application_running = false;
	daemon_post(world, node, &event);
}

static void perform(struct world *world, struct node *node, const struct action *action)
{
	switch (action->type) {
	case ACTION_WRITE_RECORD:
		looks_on_record(world, node, &action->write_record.record);
		write_record(world, node, &action->write_record.record);
		break;
	case ACTION_NOTE_WISHES: node->wishes = action->wishes; break;
	case ACTION_ORDER_FS: order_fs(world, node, action); break;
	case ACTION_RUN_SCRIPT: script_run(world, node, action); break;
	case ACTION_HOLD_ADDRESS: hold_address(world, node); break;
	case ACTION_RELEASE_ADDRESS:
		node->address_until = 0;
		node->daemon.is_renewing = false;
		break;
	case ACTION_PROBE_ADDRESS: probe_address(world, node); break;
	case ACTION_ASK_ARBITER: ask_arbiter(world, node, action); break;
	case ACTION_START_CHECKS: node->is_checking = true; break;
	case ACTION_STOP_CHECKS: node->is_checking = false; break;
	case ACTION_KILL_APPLICATION: scripts_kill(node); break;
	case ACTION_EMPTY_APPLICATION: empty_application(world, node); break;
	case ACTION_ANSWER_COMMAND: person_on_answer(world, node, action); break;
	case ACTION_LOG:
		SAY(world, "node %d: %s: %s", node->id, action->log.id, action->log.sentence.data);
		if (strcmp(action->log.id, "module.unfit") == 0)
			looks_on_unfit(world, node);
		break;
	case ACTION_SEND_BEAT:
	case ACTION_TYPE_COUNT: CHECK(false);
	}
}

static struct action *queued_at(struct daemon *daemon, uint32_t place)
{
	return &daemon->queued[(daemon->queued_first + place) % QUEUED_MAX];
}

static struct action unqueue(struct daemon *daemon, uint32_t place)
{
	struct action action = *queued_at(daemon, place);

	for (; place + 1 < daemon->queued_count; place++)
		*queued_at(daemon, place) = *queued_at(daemon, place + 1);
	daemon->queued_count--;
	return action;
}

static void take_back(struct world *world, struct node *node, const struct action *action)
{
	struct event event = {
		.type = EVENT_SCRIPT_ENDED,
		.module = MODULE,
		.script = { .script = action->script.script,
			.is_forced = action->script.is_forced,
			.outcome = SCRIPT_FAILED },
	};

	if (action->type == ACTION_RUN_SCRIPT)
		daemon_post(world, node, &event);
}

/* What gives something up goes before the record that is being written. */
static void overtake(struct world *world, struct node *node)
{
	struct daemon *daemon = &node->daemon;

	for (uint32_t i = 0; i < daemon->queued_count; i++) {
		if (!action_overtakes(queued_at(daemon, i)))
			continue;
		struct action action = unqueue(daemon, i);
		for (uint32_t j = i; j-- > 0;) {
			if (!action_takes_back(&action, queued_at(daemon, j)))
				continue;
			struct action undone = unqueue(daemon, j);
			take_back(world, node, &undone);
			i--;
		}
		perform(world, node, &action);
		i--;
	}
}

static void perform_queue(struct world *world, struct node *node)
{
	struct daemon *daemon = &node->daemon;

	while (daemon->queued_count > 0 && !daemon->is_writing) {
		struct action action = unqueue(daemon, 0);
		perform(world, node, &action);
	}
	if (daemon->is_writing)
		overtake(world, node);
}

static void send_beat(struct world *world, struct node *node)
{
	static struct happening beat; /* large; filled anew each time */
	struct event *event = &beat.core.event;

	*event = (struct event){ .type = EVENT_BEAT_HEARD };
	core_beat(node->daemon.core, node->id == 1 ? 2 : 1, node_clock(world, node), &event->beat);
	event->beat.summary_count = core_summaries(node->daemon.core, &beat.core.summary, 1);
	/* What the wire leaves out. */
	beat.core.summary.record.has_intent = false;
	beat.core.summary.record.intent_epoch = (struct epoch){ 0 };
	beat.core.summary.record.intent_good = 0;
	beat.core.summary.record.intent_nonce = 0;
	network_send_beat(world, node, &beat);
}

static void say_order(struct world *world, struct node *node, const struct action *action)
{
	if (action->type == ACTION_ORDER_FS)
		SAY(world, "node %d: order '%s' epoch %llu", node->id,
			fs_order_name(action->fs.order),
			(unsigned long long)action->fs.epoch.number);
	if (action->type == ACTION_WRITE_RECORD)
		SAY(world,
			"node %d: record epoch %llu holder %d good %llx%s%s%s generation %llu/%llx",
			node->id, (unsigned long long)action->write_record.record.epoch.number,
			action->write_record.record.holder,
			(unsigned long long)action->write_record.record.good,
			action->write_record.record.is_complete ? " complete" : "",
			action->write_record.record.is_clean ? " clean" : "",
			action->write_record.record.has_intent ? " intent" : "",
			(unsigned long long)action->write_record.record.generation.number,
			(unsigned long long)action->write_record.record.generation.tag & 0xffff);
}

static void take_action(struct world *world, struct node *node, const struct action *action)
{
	struct daemon *daemon = &node->daemon;

	if (action->type == ACTION_SEND_BEAT) {
		send_beat(world, node);
		return;
	}
	world_hash(world, (uint64_t)action->type << 8 | node->id);
	if (world->is_verbose)
		say_order(world, node, action);
	CHECK(daemon->queued_count < QUEUED_MAX);
	daemon->queued[(daemon->queued_first + daemon->queued_count) % QUEUED_MAX] = *action;
	daemon->queued_count++;
	perform_queue(world, node);
}

static void arm_timer(struct world *world, struct node *node)
{
	int64_t deadline = core_deadline(node->daemon.core);

	if (deadline == node->daemon.deadline || deadline == INT64_MAX)
		return;
	node->daemon.deadline = deadline;
	int64_t lateness = chance_between(&world->chance, 0, world->weather.lateness_max);
	int64_t delay = MAX_OF(deadline - node_clock(world, node), 0) + lateness;
	happen_to(world, node, PROCESS_DAEMON, HAPPEN_DEADLINE, delay)->number = (uint64_t)deadline;
}

static void step(struct world *world, struct node *node, struct event *event)
{
	event->now_ns = node_clock(world, node);
	core_step(node->daemon.core, event, &world->actions);
	core_verify(node->daemon.core);
	/* Performing never steps: what it brings about happens later. */
	for (uint16_t i = 0; i < world->actions.count; i++)
		take_action(world, node, &world->actions.list[i]);
	arm_timer(world, node);
	if (!core_is_shut_down(node->daemon.core) || node->daemon.is_saying_goodbye)
		return;
	node->daemon.is_saying_goodbye = true;
	happen_to(world, node, PROCESS_DAEMON, HAPPEN_GOODBYE, GOODBYE_NS);
}

/* ---- life and death ---- */

static void add_module(struct world *world, struct node *node)
{
	struct event event = {
		.type = EVENT_MODULE_ADDED,
		.module = MODULE,
		.module_added = { .config = module_config(world, node),
			.record = node->record,
			.fs = { .role = node->fs.is_running ? node->fs.role : FS_NONE,
				.link = node->fs.link,
				.epoch = node->fs.ordered_epoch,
				.is_behind = node->fs.is_running && node->fs.role == FS_SECONDARY &&
					     receiver_is_behind(&node->fs.receiver) },
			.is_application_running = node->is_application_running,
			.is_address_held = node_has_address(world, node),
			.wishes = node->wishes },
	};

	for (int i = 0; i < 4; i++)
		event.module_added.random[i] = chance_next(&world->chance);
	step(world, node, &event);
}

/* A successor of an evenkeel-fs that ended meanwhile is started before the core is told. */
void daemon_start(struct world *world, struct node *node)
{
	struct daemon *daemon = &node->daemon;
	struct core_config config = core_config(world, node);

	CHECK(!daemon->is_running);
	daemon->is_running = true;
	daemon->life = ++world->last_life;
	daemon->started_at = world->now;
	daemon->is_writing = false;
	daemon->queued_count = 0;
	daemon->deadline = INT64_MAX;
	daemon->last_order_at = 0;
	daemon->has_role_order = false;
	daemon->is_renewing = false;
	daemon->is_leaving = daemon->is_saying_goodbye = false;
	if (!node->fs.is_running && node->held.role != FS_NONE)
		fs_start(world, node);
	core_init(daemon->core, &config);
	step(world, node, &(struct event){ .type = EVENT_STARTED });
	add_module(world, node);
	if (node_has_address(world, node)) {
		daemon->is_renewing = true;
		renew(world, node);
	}
	fs_say_missed(world, node);
	daemon_send_pending(world, node);
	happen_to(world, node, PROCESS_DAEMON, HAPPEN_TRY_TARGET, 0);
	looks_begin(world, node);
}

void daemon_kill(struct world *world, struct node *node)
{
	struct daemon *daemon = &node->daemon;

	/* A record under way: the old one or the new one, never a mixture (platform/slotfile.h). */
	if (daemon->is_running && daemon->is_writing && chance_is(&world->chance, 500)) {
		struct record before = node->record;
		node->record = daemon->writing;
		node->recorded_at = world->now;
		promise_on_record(world, node, &before);
	}
	daemon->is_running = false;
	daemon->is_renewing = false;
}

void daemon_shut_down(struct world *world, struct node *node)
{
	SAY(world, "node %d: is stopped in order", node->id);
	node->daemon.is_leaving = true;
	step(world, node, &(struct event){ .type = EVENT_SHUTDOWN_WANTED });
}

static void say_goodbye(struct world *world, struct node *node)
{
	int64_t down = chance_between(&world->rare, 50 * NS_PER_MS, 3 * NS_PER_S);

	if (node->daemon.is_writing) {
		happen_to(world, node, PROCESS_DAEMON, HAPPEN_GOODBYE, GOODBYE_NS);
		return;
	}
	send_beat(world, node);
	node_crash(world, node);
	happen(world, down, HAPPEN_NODE_STARTS)->node = node->id;
}

void daemon_command(struct world *world, struct node *node, enum command command, bool is_forced)
{
	struct event event = {
		.type = EVENT_COMMAND_GIVEN,
		.module = MODULE,
		.command = { .command = command,
			.request = (uint32_t)++world->last_request,
			.is_forced = is_forced },
	};

	SAY(world, "node %d: person: %s%s", node->id, command_name(command),
		is_forced ? " (insists)" : "");
	daemon_post(world, node, &event);
}

/* ---- what happens to it ---- */

static void on_record(struct world *world, struct node *node, const struct happening *happening)
{
	struct event event = { .type = EVENT_RECORD_WRITTEN, .module = MODULE };

	if (world->now < node->state_disk_until) {
		queue_postpone(world, happening, node->state_disk_until);
		return;
	}
	struct record before = node->record;
	node->record = node->daemon.writing;
	node->recorded_at = world->now;
	node->daemon.is_writing = false;
	promise_on_record(world, node, &before);
	perform_queue(world, node);
	step(world, node, &event);
}

static void on_deadline(struct world *world, struct node *node, const struct happening *happening)
{
	struct event event = { .type = EVENT_TIME_PASSED };

	if ((uint64_t)node->daemon.deadline != happening->number)
		return; /* armed again since */
	node->daemon.deadline = INT64_MAX;
	if (node_clock(world, node) < (int64_t)happening->number) {
		arm_timer(world, node); /* this node's clock is slow */
		return;
	}
	step(world, node, &event);
}

static void on_probe(struct world *world, struct node *node, bool is_answered)
{
	struct event event = {
		.type = EVENT_PROBE_ENDED,
		.module = MODULE,
		.probe = { .outcome = is_answered ? PROBE_PEER_ANSWERS : PROBE_SILENT },
	};

	step(world, node, &event);
}

static void on_arbiter(struct world *world, struct node *node, const struct happening *happening)
{
	bool is_reached = happening->extra > 0 && network_reaches_target(world, node);
	struct event event = {
		.type = EVENT_ARBITER_ANSWERED,
		.module = MODULE,
		.arbiter = { .answer = is_reached ? ARBITER_GRANTED : ARBITER_UNKNOWN,
			.question = happening->question },
	};

	if (!is_reached && happening->extra > 0) {
		struct happening *try =
			happen_to(world, node, PROCESS_DAEMON, HAPPEN_ARBITER, PING_GAP_NS);
		try->question = happening->question;
		try->extra = happening->extra - 1;
		return;
	}
	SAY(world, "node %d: arbiter: %s", node->id, is_reached ? "granted" : "unknown");
	step(world, node, &event);
}

static void try_target(struct world *world, struct node *node)
{
	struct event event = {
		.type = EVENT_TARGET_TRIED,
		.target = { .is_reachable = network_reaches_target(world, node) },
	};

	happen_to(world, node, PROCESS_DAEMON, HAPPEN_TRY_TARGET, TARGET_EVERY_NS);
	if (world->arbiter == ARBITER_PING)
		step(world, node, &event);
}

static void on_core(struct world *world, struct node *node, const struct happening *happening)
{
	struct event event = happening->core.event;
	struct summary summary = happening->core.summary;

	if (event.type == EVENT_BEAT_HEARD) {
		enum beat_worth worth =
			core_weigh_beat(node->daemon.core, &event.beat, node_clock(world, node));
		event.beat.summaries = &summary;
		if (worth == BEAT_COUNTS) {
			node->told_epoch = MAX_OF(node->told_epoch, summary.record.epoch.number);
			node->told_sights = summary.sights;
		}
	}
	step(world, node, &event);
}

void daemon_handle(struct world *world, struct node *node, const struct happening *happening)
{
	/* EXCEPTION: a switch over all kinds would name those of others; these are the daemon's. */
	if (happening->kind == HAPPEN_CORE)
		on_core(world, node, happening);
	else if (happening->kind == HAPPEN_DEADLINE)
		on_deadline(world, node, happening);
	else if (happening->kind == HAPPEN_RECORD)
		on_record(world, node, happening);
	else if (happening->kind == HAPPEN_RENEW)
		renew(world, node);
	else if (happening->kind == HAPPEN_TRY_TARGET)
		try_target(world, node);
	else if (happening->kind == HAPPEN_GOODBYE)
		say_goodbye(world, node);
	else if (happening->kind == HAPPEN_LOOK)
		looks_take(world, node);
	else if (happening->kind == HAPPEN_PROBE)
		on_probe(world, node, happening->number != 0);
	else if (happening->kind == HAPPEN_ARBITER)
		on_arbiter(world, node, happening);
	else
		CHECK(false);
}
