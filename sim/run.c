#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world.h"

/*
 * One seed, one history: a pair is set up, gets into trouble, is left in peace, and must then be a
 * pair in order again.
 */

#define TROUBLE_FROM_NS (15 * NS_PER_S)
#define TROUBLE_MIN_NS	(30 * NS_PER_S)
#define TROUBLE_MAX_NS	(150 * NS_PER_S)
#define CONVERGE_NS \
	(800 * NS_PER_S) /* three drops in ten minutes: the next attempt waits (R20) \
			  */
#define STEADY_NS (4 * NS_PER_S)

void world_say(struct world *world, const char *format, ...)
{
	va_list values;

	printf("%5lld.%06lld  ", (long long)(world->now / NS_PER_S),
		(long long)(world->now % NS_PER_S / 1000));
	va_start(values, format);
	vprintf(format, values); /* NOLINT: clang-tidy 14 does not see va_start() here */
	va_end(values);
	printf("\n");
}

/* FNV-1a (Fowler, Noll, Vo), a word at a time. */
void world_hash(struct world *world, uint64_t value)
{
	world->hash = (world->hash ^ value) * UINT64_C(0x100000001b3);
}

struct world *world_new(void)
{
	struct world *world = calloc(1, sizeof(*world));

	CHECK(world != NULL);
	for (int i = 0; i < NODES; i++) {
		struct node *node = &world->nodes[i];
		node->daemon.core = malloc(core_size());
		node->held.send_memory = aligned_alloc(4096, LOG_MEMORY_SIZE / 4096 * 4096 + 4096);
		node->held.receive_memory =
			aligned_alloc(4096, LOG_MEMORY_SIZE / 4096 * 4096 + 4096);
		CHECK(node->daemon.core != NULL);
		CHECK(node->held.send_memory != NULL && node->held.receive_memory != NULL);
	}
	return world;
}

void world_free(struct world *world)
{
	for (int i = 0; i < NODES; i++) {
		free(world->nodes[i].daemon.core);
		free(world->nodes[i].held.send_memory);
		free(world->nodes[i].held.receive_memory);
	}
	free(world);
}

/* Everything but the memory that is kept from run to run. */
static void reset_node(struct world *world, struct node *node, uint8_t id)
{
	struct core *core = node->daemon.core;
	uint8_t *send_memory = node->held.send_memory, *receive_memory = node->held.receive_memory;

	*node = (struct node){
		.id = id, .power_cut_at = -NS_PER_S * 1000, .woken_at = -NS_PER_S * 1000
	};
	node->daemon.core = core;
	node->held.send_memory = send_memory;
	node->held.receive_memory = receive_memory;
	node->clock_offset = -chance_between(&world->chance, 0, 1000 * NS_PER_S);
	node->drift_ppm = chance_between(&world->chance, -50, 50);
}

static void reset(struct world *world, uint64_t seed)
{
	world->seed = seed;
	world->chance.state = seed * UINT64_C(0x9e3779b97f4a7c15);
	world->now = 0;
	world->steps = world->order = 0;
	world->hash = UINT64_C(0xcbf29ce484222325);
	world->is_calm = world->is_quiet = false;
	world->commanded = 0;
	world->two_addresses_since = world->two_applications_since = 0;
	world->has_insisted = false;
	world->calm_since = world->steady_since = 0;
	world->gateway_cuts = 0;
	world->detached_until = -1000 * NS_PER_S;
	world->detached_side = 0;
	world->last_connection = world->last_session = world->last_life = world->last_request = 0;
	world->write_count = 1; /* write 0: nothing was ever written */
	world->writes[0] = (struct written){ 0 };
	world->tenure_count = 0;
	world->promise = (struct promise_state){ 0 };
	memset(world->given_ids, 0, sizeof(world->given_ids));
	world->counters = (struct counters){ 0 };
	for (int link = 0; link < LINKS; link++)
		for (int from = 0; from < NODES; from++)
			world->cuts[link][from] = 0;
	for (int i = 0; i < NODES; i++) {
		world->asked_prim[i] = world->insisted_prim[i] = 0;
		world->channels[i] = (struct channel){ 0 };
		for (int shelf = 0; shelf < SHELF_COUNT; shelf++)
			world->recorded[i][shelf].count = 0;
		reset_node(world, &world->nodes[i], (uint8_t)(i + 1));
	}
	queue_clear(world);
}

static void begin(struct world *world)
{
	for (int i = 0; i < NODES; i++) {
		struct happening *start = happen(world, i * 300 * NS_PER_MS, HAPPEN_NODE_STARTS);
		start->node = (uint8_t)(i + 1);
	}
	for (uint32_t i = 0; i < CLIENTS; i++)
		happen(world, 10 * NS_PER_S, HAPPEN_CLIENT)->number = i;
	happen(world, NS_PER_S, HAPPEN_PERSON);
	happen(world, TROUBLE_FROM_NS, HAPPEN_FAULT);
}

static bool is_alive(const struct node *node, const struct happening *happening)
{
	if (happening->process == PROCESS_DAEMON)
		return node->daemon.is_running &&
		       (node->daemon.life == happening->life || happening->life == LIFE_ANY);
	return node->fs.is_running && node->fs.life == happening->life;
}

static void handle_process(struct world *world, const struct happening *happening)
{
	struct node *node = &world->nodes[happening->node - 1];

	if (!is_alive(node, happening))
		return;
	if (node->frozen_until[happening->process] > world->now)
		queue_postpone(world, happening, node->frozen_until[happening->process]);
	else if (happening->process == PROCESS_FS && stuck_waits(world, node, happening))
		queue_postpone(world, happening, node->data_disk_until);
	else if (happening->process == PROCESS_DAEMON)
		daemon_handle(world, node, happening);
	else
		fs_handle(world, node, happening);
}

static void start_again(struct world *world, struct node *node, const struct happening *happening)
{
	bool is_daemon = happening->kind == HAPPEN_DAEMON_STARTS;

	if (!node->is_up || node->boots != happening->life)
		return; /* the node ended meanwhile */
	if (is_daemon && !node->daemon.is_running) {
		daemon_start(world, node);
	} else if (!is_daemon && node->daemon.is_running && !node->fs.is_running) {
		fs_start(world, node);
		fs_say_hello(world, node);
	}
}

static void handle(struct world *world, const struct happening *happening)
{
	struct node *node = &world->nodes[happening->node == 2 ? 1 : 0];

	/* EXCEPTION: the kinds that belong to processes were handled before. */
	if (happening->process != PROCESS_NONE)
		handle_process(world, happening);
	else if (happening->kind == HAPPEN_FRAME)
		network_on_frame(world, node);
	else if (happening->kind == HAPPEN_CLIENT)
		client_wake(world, (uint32_t)happening->number);
	else if (happening->kind == HAPPEN_NODE_STARTS && !node->is_up)
		node_start(world, node);
	else if (happening->kind == HAPPEN_DAEMON_STARTS || happening->kind == HAPPEN_FS_STARTS)
		start_again(world, node, happening);
	else if (happening->kind == HAPPEN_SCRIPT)
		script_on_end(world, node, happening);
	else if (happening->kind == HAPPEN_FAULT)
		fault_strike(world);
	else if (happening->kind == HAPPEN_BY_HAND)
		byhand_write(world);
	else if (happening->kind == HAPPEN_RARE)
		rare_strike(world);
	else if (happening->kind == HAPPEN_DISK)
		disk_strike(world);
	else if (happening->kind == HAPPEN_STOP)
		stop_strike(world);
	else if (happening->kind == HAPPEN_STOP_CUT)
		stop_cut_off(world, &world->nodes[happening->node - 1]);
	else if (happening->kind == HAPPEN_STUCK)
		stuck_strike(world);
	else if (happening->kind == HAPPEN_BACKUP)
		backup_strike(world);
	else if (happening->kind == HAPPEN_TURN)
		fault_turn_round(world, happening);
	else if (happening->kind == HAPPEN_HEAL)
		fault_heal(world, happening);
	else if (happening->kind == HAPPEN_PERSON)
		person_acts(world, happening);
}

/* Until this time, or until a promise is broken. */
static void play(struct world *world, int64_t until)
{
	static struct happening happening; /* large; a copy, since the queue uses the slot again */

	while (!world->promise.is_broken) {
		struct happening *next = queue_next(world);
		if (next == NULL)
			return;
		happening = *next;
		if (happening.at > until) {
			queue_postpone(world, &happening, happening.at);
			world->now = until;
			return;
		}
		world->now = happening.at;
		world->steps++;
		world_hash(world, (uint64_t)happening.at);
		world_hash(world, (uint64_t)happening.kind << 8 | happening.node);
		handle(world, &happening);
	}
}

/* Clients rest as soon as the pair is ready, so that both copies can be compared. */
static bool is_steady(struct world *world)
{
	world->is_quiet = world_is_ready(world);
	if (!world_is_converged(world))
		world->steady_since = world->now;
	return world->now - world->steady_since >= STEADY_NS;
}

static void say_status(struct world *world)
{
	for (int i = 0; i < NODES; i++) {
		struct node *node = &world->nodes[i];
		static struct status status; /* large */
		if (!node->daemon.is_running || core_status(node->daemon.core, MODULE, &status) < 0)
			continue;
		SAY(world,
			"node %d: status: %s %s; %s; %s; sees %s %s%s; fs role %d mode %d want %d "
			"connection %llu",
			node->id, module_state_name(status.state), readiness_name(status.readiness),
			status.now.data, status.to_do.data, module_state_name(status.peer_state),
			readiness_name(status.peer_readiness),
			status.is_peer_heard ? "" : " (not heard)", node->fs.role,
			node->fs.sender.mode, node->fs.sender.session.want,
			(unsigned long long)node->fs.connection);
	}
}

static void converge(struct world *world)
{
	world->steady_since = world->now;
	while (!world->promise.is_broken && !is_steady(world)) {
		if (world->now - world->calm_since > CONVERGE_NS) {
			say_status(world);
			promise_broken(world, 0,
				"%lld s after the last trouble the pair is not in "
				"order again",
				(long long)(CONVERGE_NS / NS_PER_S));
			return;
		}
		play(world, world->now + 200 * NS_PER_MS);
	}
}

bool world_run(struct world *world, uint64_t seed)
{
	reset(world, seed);
	faults_draw(world);
	int64_t trouble = chance_between(&world->chance, TROUBLE_MIN_NS, TROUBLE_MAX_NS);
	begin(world);
	rare_draw(world, TROUBLE_FROM_NS);
	disks_draw(world, TROUBLE_FROM_NS);
	stops_draw(world, TROUBLE_FROM_NS);
	byhand_draw(world, TROUBLE_FROM_NS);
	looks_draw(world, TROUBLE_FROM_NS);
	backups_draw(world, TROUBLE_FROM_NS);
	play(world, TROUBLE_FROM_NS + trouble);
	if (!world->promise.is_broken) {
		faults_end(world);
		converge(world);
	}
	return !world->promise.is_broken;
}
