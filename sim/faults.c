#include "sim/world.h"

/*
 * Troubles. The seed first draws which kinds exist in this run, then how strong they are: a run
 * with everything at once finds less than many with some of it.
 *
 * Under the arbiter `ping` the promises hold while at most one side of a split reaches the target;
 * so there a split always takes the gateway away from one side, and the client network is cut by
 * detaching a node from it, never between the nodes alone.
 */

/* What a trouble keeps down, in a number that its end brings back. */
#define CUT(link, from) (BIT(2 * (link) + (from)))
#define CUT_BOTH(link)	(CUT(link, 0) | CUT(link, 1))
#define DETACHED(node)	(BIT(6 + (node)))
#define GATEWAY		BIT(8)
#define UNMOUNTED(node) (BIT(9 + (node)))
#define SIDE_KEPT_NS	(5 * NS_PER_S)
#define KIND_PERMILLE	350

static int64_t draw_duration(struct world *world)
{
	static const struct {
		int64_t least, most;
	} ranges[] = {
		{ 100 * NS_PER_MS, 1500 * NS_PER_MS },
		{ 1500 * NS_PER_MS, 3 * NS_PER_S },
		{ 3 * NS_PER_S, 20 * NS_PER_S },
	};
	uint64_t range = chance_below(&world->chance, ARRAY_COUNT(ranges));

	return chance_between(&world->chance, ranges[range].least, ranges[range].most);
}

void faults_draw(struct world *world)
{
	struct chance *chance = &world->chance;
	struct weather *weather = &world->weather;

	for (int i = 0; i < FAULT_COUNT; i++)
		world->has_fault[i] = chance_is(chance, KIND_PERMILLE);
	if (!world->has_fault[FAULT_OPERATOR])
		world->has_fault[FAULT_FORCE] = false;
	world->arbiter = chance_is(chance, 650) ? ARBITER_PING : ARBITER_OPERATOR;
	weather->loss_permille = chance_is(chance, 300) ? (uint32_t)chance_below(chance, 300) : 0;
	weather->twice_permille = chance_is(chance, 300) ? (uint32_t)chance_below(chance, 300) : 0;
	weather->frame_permille =
		chance_is(chance, 150) ? 1 + (uint32_t)chance_below(chance, 5) : 0;
	weather->delay_min = 50 * NS_PER_US;
	weather->delay_max = chance_is(chance, 300) ? 80 * NS_PER_MS : NS_PER_MS;
	weather->lateness_max = chance_is(chance, 300) ? 40 * NS_PER_MS : 100 * NS_PER_US;
	world->fault_gap_min = chance_between(chance, 100 * NS_PER_MS, 4 * NS_PER_S);
	int64_t spread = chance_between(chance, NS_PER_S, 20 * NS_PER_S);
	world->fault_gap_max = world->fault_gap_min + spread;
	if (world->is_verbose)
		for (int i = 0; i < FAULT_COUNT; i++)
			if (world->has_fault[i])
				SAY(world, "this run has fault %d", i);
}

static void apply_mask(struct world *world, uint64_t mask, int change)
{
	for (int link = 0; link < LINKS; link++)
		for (int from = 0; from < NODES; from++)
			if ((mask & CUT(link, from)) != 0)
				world->cuts[link][from] += change;
	for (int i = 0; i < NODES; i++) {
		if ((mask & DETACHED(i)) != 0)
			world->nodes[i].detached += change;
		if ((mask & UNMOUNTED(i)) != 0)
			world->nodes[i].unmounted += change;
	}
	if ((mask & GATEWAY) != 0)
		world->gateway_cuts += change;
}

static void disturb(struct world *world, uint64_t mask, int64_t duration)
{
	SAY(world, "network: cut %03llx for %lld ms", (unsigned long long)mask,
		(long long)(duration / NS_PER_MS));
	apply_mask(world, mask, 1);
	if ((mask & (DETACHED(0) | DETACHED(1))) != 0)
		world->detached_until = MAX_OF(world->detached_until, world->now + duration);
	happen(world, duration, HAPPEN_HEAL)->number = mask;
}

void fault_heal(struct world *world, const struct happening *happening)
{
	if (world->is_calm)
		return; /* everything was healed at once */
	SAY(world, "network: %03llx heals", (unsigned long long)happening->number);
	apply_mask(world, happening->number, -1);
}

static uint64_t client_cut(struct world *world)
{
	uint64_t side = chance_below(&world->chance, NODES);

	/* One split after the other, without a word between the nodes, is one split. */
	if (world->now < world->detached_until + SIDE_KEPT_NS)
		side = world->detached_side;
	if (world->arbiter == ARBITER_OPERATOR && chance_is(&world->chance, 500))
		return CUT_BOTH(LINK_CLIENT);
	world->detached_side = side;
	return DETACHED(side);
}

static uint64_t link_cut(struct world *world)
{
	uint64_t link = chance_below(&world->chance, LINKS);

	return link == LINK_CLIENT ? client_cut(world) : CUT_BOTH(link);
}

static uint64_t one_way_cut(struct world *world)
{
	uint64_t from = chance_below(&world->chance, NODES), mask = 0;
	int last = world->arbiter == ARBITER_PING ? LINK_CLIENT : LINKS;

	for (int link = 0; link < last; link++)
		if (chance_is(&world->chance, 700))
			mask |= CUT(link, from);
	/* With the ping target between them, the client network fails a node as a whole. */
	if (world->arbiter == ARBITER_PING && chance_is(&world->chance, 500))
		mask |= client_cut(world);
	return mask;
}

/*
 * What is left of the gap of the guess (docs/promises.md): a primary that went on alone while the other
 * could not hear of it. That it dies or freezes then is played; a second trouble that strikes it in
 * the same moment is not.
 */
bool fault_is_untold(const struct world *world, const struct node *node)
{
	const struct node *other = &world->nodes[node->id == 1 ? 1 : 0];

	return world->arbiter == ARBITER_PING && node->record.holder == node->id &&
	       node->record.epoch.number > other->told_epoch;
}

/* The other node says that its copy does not count any more, and its disk hangs over it: by the time
 * that it is said, what this one had not synced is gone. Two servers at once. */
static bool is_resigned_to(struct world *world, const struct node *node)
{
	const struct node *other = other_node(world, node);

	return other->daemon.is_writing && other->state_disk_until > world->now &&
	       (other->daemon.writing.good & BIT64(other->id - 1)) == 0;
}

static void end_node(struct world *world, struct node *node, enum fault fault)
{
	bool is_power = fault == FAULT_POWER || fault == FAULT_DISK;
	int64_t down = is_power ? 5 * NS_PER_S + draw_duration(world)
		       : fault == FAULT_FAST_CRASH
			       ? chance_between(&world->chance, 50 * NS_PER_MS, 1500 * NS_PER_MS)
			       : draw_duration(world);

	if (!node->is_up || (is_power && is_resigned_to(world, node)))
		return;
	if (is_power)
		node_cut_power(world, node);
	else
		node_crash(world, node);
	/* What was found put back is known from both halves: with one of them away nobody knows it. */
	bool is_put_back = world->backups.has_old_state || world->backups.has_old_data;
	if (fault == FAULT_DISK && !is_put_back)
		disturb(world, UNMOUNTED(node->id - 1), down + draw_duration(world));
	happen(world, down, HAPPEN_NODE_STARTS)->node = node->id;
}

static void freeze(struct world *world, struct node *node, enum fault fault, int64_t duration)
{
	node_freeze(world, node, fault == FAULT_FREEZE ? PROCESS_NONE : PROCESS_DAEMON, duration);
}

void fault_kill_daemon(struct world *world, struct node *node, int64_t down)
{
	if (!node->daemon.is_running || node->daemon.is_leaving)
		return;
	SAY(world, "node %d: evenkeeld is killed", node->id);
	daemon_kill(world, node);
	struct happening *start = happen(world, down, HAPPEN_DAEMON_STARTS);
	start->node = node->id;
	start->life = node->boots;
}

static void kill_daemon(struct world *world, struct node *node)
{
	fault_kill_daemon(
		world, node, chance_between(&world->chance, 20 * NS_PER_MS, 400 * NS_PER_MS));
}

static void kill_fs(struct world *world, struct node *node)
{
	int64_t down = chance_between(&world->chance, 20 * NS_PER_MS, 400 * NS_PER_MS);
	bool is_hold_killed = chance_is(&world->chance, 150);

	if (!node->fs.is_running)
		return;
	SAY(world, "node %d: evenkeel-fs is killed%s", node->id,
		is_hold_killed && node->fs.role == FS_SECONDARY ? ", its logs are lost" : "");
	/* A primary's requests would be lost with them: outside what is promised (R8). */
	if (is_hold_killed && node->fs.role == FS_SECONDARY)
		node->held.has_logs = false;
	fs_kill(world, node);
	fs_report(world, node, FS_REPORT_DIED);
	struct happening *start = happen(world, down, HAPPEN_FS_STARTS);
	start->node = node->id;
	start->life = node->boots;
}

static void break_stream(struct world *world, struct node *node)
{
	if (node->fs.is_running && node->fs.role == FS_PRIMARY && node->fs.connection != 0)
		primary_on_lost(world, node);
}

static void remove_address(struct world *world, struct node *node)
{
	struct event event = {
		.type = EVENT_ADDRESS_CHANGED,
		.module = MODULE,
		.address = { .change = ADDRESS_GONE },
	};

	if (!node_has_address(world, node))
		return;
	node->address_until = 0;
	daemon_post(world, node, &event);
}

static void strike(struct world *world, enum fault fault)
{
	struct node *node = &world->nodes[chance_below(&world->chance, NODES)];
	int64_t duration = draw_duration(world);

	switch (fault) {
	case FAULT_LINK_CUT: disturb(world, link_cut(world), duration); break;
	case FAULT_SPLIT:
		disturb(world, CUT_BOTH(0) | CUT_BOTH(1) | client_cut(world), duration);
		break;
	case FAULT_ONE_WAY: disturb(world, one_way_cut(world), duration); break;
	case FAULT_CRASH:
	case FAULT_POWER:
	case FAULT_DISK:
	case FAULT_FAST_CRASH: end_node(world, node, fault); break;
	case FAULT_KILL_DAEMON: kill_daemon(world, node); break;
	case FAULT_KILL_FS: kill_fs(world, node); break;
	case FAULT_FREEZE:
	case FAULT_FREEZE_DAEMON: freeze(world, node, fault, duration); break;
	case FAULT_FREEZE_FS: node_freeze(world, node, PROCESS_FS, duration); break;
	case FAULT_STREAM: break_stream(world, node); break;
	case FAULT_GATEWAY: disturb(world, GATEWAY, duration); break;
	case FAULT_ADDRESS: remove_address(world, node); break;
	case FAULT_OPERATOR:
	case FAULT_FORCE:
	case FAULT_COUNT: break;
	}
}

void fault_strike(struct world *world)
{
	int64_t gap = chance_between(&world->chance, world->fault_gap_min, world->fault_gap_max);
	enum fault fault = (enum fault)chance_below(&world->chance, FAULT_COUNT);

	if (world->is_calm)
		return;
	happen(world, gap, HAPPEN_FAULT);
	for (int i = 0; i < FAULT_COUNT && !world->has_fault[fault]; i++)
		fault = (enum fault)((fault + 1) % FAULT_COUNT);
	if (!world->has_fault[fault])
		return; /* a quiet run */
	world->counters.faults++;
	strike(world, fault);
}

/* The heartbeat networks alone: the client network, with the ping target, fails a node as a whole. */
void fault_turn(struct world *world, struct node *node, int64_t first, int64_t second)
{
	uint64_t from = node->id - 1u, to = other_node(world, node)->id - 1u;

	disturb(world, DETACHED(to), first + second);
	disturb(world, CUT(0, from) | CUT(1, from), first);
	struct happening *turn = happen(world, first, HAPPEN_TURN);
	turn->number = CUT(0, to) | CUT(1, to);
	turn->extra = (uint64_t)second;
}

void fault_turn_round(struct world *world, const struct happening *happening)
{
	if (!world->is_calm)
		disturb(world, happening->number, (int64_t)happening->extra);
}

/* A node that nobody hears, on no network; not where another split keeps the other side away. */
void fault_cut_off(struct world *world, struct node *node, int64_t duration)
{
	uint64_t side = node->id - 1u;

	if (world->detached_side != side && world->now < world->detached_until + SIDE_KEPT_NS)
		return;
	world->detached_side = side;
	disturb(world, CUT_BOTH(0) | CUT_BOTH(1) | DETACHED(side), duration);
}

/* Who is frozen wakes in its own time: what lies in its sockets keeps its order. */
void faults_end(struct world *world)
{
	SAY(world, "faults end");
	world->is_calm = true;
	world->calm_since = world->now;
	world->weather.loss_permille = 0;
	world->weather.frame_permille = 0;
	world->gateway_cuts = 0;
	for (int link = 0; link < LINKS; link++)
		for (int from = 0; from < NODES; from++)
			world->cuts[link][from] = 0;
	for (int i = 0; i < NODES; i++) {
		struct node *node = &world->nodes[i];
		node->detached = 0;
		node->state_disk_until = 0;
		node->stop_lasts_until = 0;
		node->unmounted = 0;
		if (!node->is_up)
			node_start(world, node);
	}
	happen(world, NS_PER_S, HAPPEN_PERSON)->number = 1;
}
