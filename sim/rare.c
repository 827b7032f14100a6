#include "sim/world.h"

/*
 * Troubles that hardly ever come about by themselves, each of which one rule alone holds off. They
 * have a stream of chance of their own, so a seed without them has the history that it always had.
 *
 *	RARE_TURN	the way from the secondary breaks, then, as it heals, the way to it (R7)
 *	RARE_ORDER	evenkeel-fs is told what it must refuse: to serve a copy that is not in step,
 *			to go on alone in an epoch that it is in already (R4, R6)
 *	RARE_ACK	the peer acknowledges all there is, of another epoch
 *	RARE_BEATS	a beat comes once more, long after (R21)
 *	RARE_LIVES	daemons are killed, one or both, or stopped in order, and beats of all their lives come once more,
 *			in any order, to either node, also to the one that sent them (R21)
 *	RARE_ARBITER	the arbiter takes its time
 */

#define RARE_PERMILLE  120
#define LIVES_PERMILLE 300
#define FSYNC_PERMILLE 150 /* runs with durability: fsync */
#define BARE_PERMILLE  200 /* runs of a module without a service address */
#define LOOK_AGAIN_NS  (30 * NS_PER_MS)
#define SIDE_KEPT_NS   (5 * NS_PER_S)
#define KEPT_PERMILLE  100 /* of beats, of each life */
#define PLAYED_MAX     6   /* beats at one time */

void rare_draw(struct world *world, int64_t from)
{
	bool has_any = false;

	world->rare.state = ~world->seed * UINT64_C(0xd1342543de82ef95);
	for (int i = 0; i < RARE_COUNT; i++) {
		world->has_rare[i] =
			chance_is(&world->rare, i == RARE_LIVES ? LIVES_PERMILLE : RARE_PERMILLE);
		has_any = has_any || world->has_rare[i];
	}
	if (has_any)
		happen(world, from, HAPPEN_RARE);
	world->durability =
		chance_is(&world->rare, FSYNC_PERMILLE) ? DURABILITY_FSYNC : DURABILITY_CALL;
	world->has_address = !chance_is(&world->rare, BARE_PERMILLE);
}

/* ---- each of them; false: the moment has not come ---- */

/* The primary hears again just when it is not heard any more: so it is fresh, and seems old. */
static bool turn(struct world *world)
{
	struct node *primary = &world->nodes[primary_is_serving(&world->nodes[0]) ? 0 : 1];
	int64_t first = chance_between(&world->rare, 800 * NS_PER_MS, 1450 * NS_PER_MS);
	int64_t second = chance_between(&world->rare, 1500 * NS_PER_MS, 6 * NS_PER_S);
	uint64_t side = primary->id - 1u;

	bool is_pair = primary->record.good == other_node(world, primary)->record.good &&
		       primary->fs.sender.mode == SENDER_PAIRED && !primary->fs.sender.is_muted;
	if (world->arbiter != ARBITER_PING || !is_pair ||
		(world->detached_side != side && world->now < world->detached_until + SIDE_KEPT_NS))
		return false;
	world->detached_side = side;
	fault_turn(world, other_node(world, primary), first, second);
	return true;
}

static void give_order(struct world *world, struct node *node, enum fs_order order, uint64_t epoch)
{
	struct action action = { .type = ACTION_ORDER_FS, .module = MODULE };

	SAY(world, "node %d: evenkeel-fs gets an order that it must refuse", node->id);
	action.fs.order = order;
	action.fs.epoch = (struct epoch){ .number = epoch, .node = node->id };
	fs_order(world, node, &action); /* at once: a moment later it may be the right one */
}

static bool wrong_order(struct world *world, struct node *node)
{
	const struct fs *fs = &node->fs;
	/* One that sleeps would get it later, when it may be right. */
	bool is_awake = node->frozen_until[PROCESS_FS] <= world->now;
	bool is_mixture = is_awake && fs->is_running && fs->role == FS_SECONDARY &&
			  fs->connection != 0 && !receiver_is_in_sync(&fs->receiver);
	bool is_paired = is_awake && primary_is_serving(node) && fs->sender.mode == SENDER_PAIRED;

	if (is_mixture)
		give_order(world, node, FS_ORDER_PROMOTE, fs->tenant.epoch.number + 1);
	else if (is_paired)
		give_order(world, node, FS_ORDER_GO_ALONE, fs->sender.epoch);
	return is_mixture || is_paired;
}

static bool strange_ack(struct world *world, struct node *node)
{
	const struct sender *sender = &node->fs.sender;
	struct frame frame = {
		.kind = FRAME_ACK,
		.connection = node->fs.connection,
		.epoch = sender->epoch - 1,
		.applied = sender->next_sequence - 1,
	};

	if (!primary_is_serving(node) || sender->mode != SENDER_PAIRED || frame.connection == 0)
		return false;
	SAY(world, "node %d: gets an acknowledgement of epoch %llu", node->id,
		(unsigned long long)frame.epoch);
	fs_on_frame(world, node, &frame);
	return true;
}

/* As somebody on the network may have recorded it. */
static bool old_beat(struct world *world, struct node *node)
{
	struct recorded *recorded = &world->recorded[other_node(world, node)->id - 1][SHELF_LAST];

	if (recorded->count == 0 || !node->daemon.is_running)
		return false;
	uint64_t back = chance_below(&world->rare, MIN_OF(recorded->count, RECORDED_MAX));
	const struct recorded_beat *beat =
		&recorded->beats[(recorded->count - 1 - back) % RECORDED_MAX];
	SAY(world, "node %d: beat %llu comes once more", node->id,
		(unsigned long long)beat->event.beat.counter);
	network_deliver_beat(world, node, &beat->event, &beat->summary, NS_PER_MS);
	return true;
}

static void play_one(
	struct world *world, const struct recorded *recorded, struct node *to, int64_t delay)
{
	if (recorded->count == 0)
		return;
	const struct recorded_beat *beat =
		&recorded->beats[chance_below(&world->rare, MIN_OF(recorded->count, RECORDED_MAX))];
	SAY(world, "node %d: beat %llu of life %llu of node %d comes once more", to->id,
		(unsigned long long)beat->event.beat.counter,
		(unsigned long long)beat->event.beat.boot_nonce, beat->event.beat.from);
	network_deliver_beat(world, to, &beat->event, &beat->summary, delay);
}

static const struct recorded *any_of(struct world *world, const struct node *from)
{
	uint64_t shelf = chance_below(&world->rare, SHELF_COUNT + 1);

	return &world->recorded[from->id - 1][MIN_OF(shelf, SHELF_GOODBYES)];
}

/* Its successor hears recordings before it hears anybody. */
static void kill_and_play(struct world *world, struct node *node)
{
	int64_t down = chance_between(&world->rare, 20 * NS_PER_MS, 400 * NS_PER_MS);

	fault_kill_daemon(world, node, down);
	for (int i = 0; i < PLAYED_MAX; i++) {
		int64_t after = chance_between(&world->rare, 0, 20 * NS_PER_MS);
		play_one(world, any_of(world, other_node(world, node)), node, down + after);
	}
}

/* One draw after the other: in one call each compiler would have an order of its own. */
static void play_any(struct world *world)
{
	int64_t delay = chance_between(&world->rare, NS_PER_MS, 700 * NS_PER_MS);
	struct node *to = &world->nodes[chance_below(&world->rare, NODES)];
	const struct node *from = &world->nodes[chance_below(&world->rare, NODES)];

	play_one(world, any_of(world, from), to, delay);
}

static bool old_lives(struct world *world)
{
	struct node *node = &world->nodes[chance_below(&world->rare, NODES)];
	uint64_t what = chance_below(&world->rare, 6);

	bool is_awake = node->daemon.is_running && node->frozen_until[PROCESS_DAEMON] <= world->now;

	if (what <= 1 && is_awake && !fault_is_untold(world, node))
		daemon_shut_down(world, node);
	if (what == 2 || what == 3)
		kill_and_play(world, node);
	if (what == 3)
		kill_and_play(world, other_node(world, node));
	for (int i = 0; what > 3 && i < PLAYED_MAX; i++)
		play_any(world);
	return true;
}

static void keep(struct world *world, struct recorded *recorded, const struct happening *beat)
{
	uint64_t place = recorded->count < RECORDED_MAX ? recorded->count
							: chance_below(&world->rare, RECORDED_MAX);

	recorded->count++;
	recorded->beats[place] = (struct recorded_beat){ beat->core.event, beat->core.summary };
}

void rare_record(struct world *world, struct node *from, const struct happening *beat)
{
	struct recorded *shelves = world->recorded[from->id - 1];
	struct recorded *last = &shelves[SHELF_LAST];

	if (world->has_rare[RARE_BEATS] || world->has_rare[RARE_LIVES])
		last->beats[last->count++ % RECORDED_MAX] =
			(struct recorded_beat){ beat->core.event, beat->core.summary };
	if (world->has_rare[RARE_LIVES] && chance_is(&world->rare, KEPT_PERMILLE))
		keep(world, &shelves[SHELF_LIVES], beat);
	if (world->has_rare[RARE_LIVES] && beat->core.event.beat.is_goodbye)
		keep(world, &shelves[SHELF_GOODBYES], beat);
}

int64_t rare_arbiter_delay(struct world *world)
{
	if (!world->has_rare[RARE_ARBITER] || world->is_calm || chance_is(&world->rare, 500))
		return 0;
	return chance_between(&world->rare, 100 * NS_PER_MS, 5 * NS_PER_S);
}

static bool strike(struct world *world, enum rare rare)
{
	struct node *node = &world->nodes[chance_below(&world->rare, NODES)];

	switch (rare) {
	case RARE_TURN: return turn(world);
	case RARE_ORDER: return wrong_order(world, node);
	case RARE_ACK: return strange_ack(world, node);
	case RARE_BEATS: return old_beat(world, node);
	case RARE_LIVES: return old_lives(world);
	case RARE_ARBITER:
	case RARE_COUNT: break;
	}
	return true;
}

void rare_strike(struct world *world)
{
	enum rare rare = (enum rare)chance_below(&world->rare, RARE_COUNT);

	if (world->is_calm)
		return;
	while (!world->has_rare[rare])
		rare = (enum rare)((rare + 1) % RARE_COUNT);
	bool has_come = strike(world, rare);
	int64_t gap = has_come ? chance_between(&world->rare, 200 * NS_PER_MS, 8 * NS_PER_S)
			       : LOOK_AGAIN_NS;
	happen(world, gap, HAPPEN_RARE);
	world->counters.faults += has_come;
}
