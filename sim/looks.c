#include <string.h>

#include "sim/world.h"

/*
 * What a node is looked at for, and what hangs (R23). In some runs evenkeeld looks every second, as
 * daemon/watch does: is the mount ours, does evenkeel-fs answer, do the disks. In these, disks of the
 * data hang without an error, often on both nodes in the same moments, evenkeel-fs stands still for
 * longer than disk_timeout, and somebody takes a mount away. They have a stream of chance of their own, so a
 * seed without them has the history that it always had.
 *
 * A disk that hangs lets nothing be applied, synced, walked, promoted or stopped. State disks: disks.c.
 */

#define RUNS_PERMILLE 250
#define BOTH_PERMILLE 350
#define LOOK_GAP_NS   NS_PER_S
#define LATE_AFTER    2 /* looks in vain */
#define BAD_AFTER     6
#define HEED_NS	      (5 * NS_PER_S) /* for a finding to be acted on, everything else being well */
#define PERSON_NS     (60 * NS_PER_S)

void looks_draw(struct world *world, int64_t from)
{
	world->looking.state = (world->seed ^ UINT64_C(0x10053)) * UINT64_C(0x9fb21c651e98df25);
	world->is_watched = chance_is(&world->looking, RUNS_PERMILLE);
	if (world->is_watched)
		happen(world, from + chance_between(&world->looking, 0, 10 * NS_PER_S),
			HAPPEN_STUCK);
}

/* ---- what hangs ---- */

static void hang(struct world *world, struct node *node, int64_t duration)
{
	SAY(world, "node %d: its data disk hangs for %lld ms", node->id,
		(long long)(duration / NS_PER_MS));
	node->data_disk_until = MAX_OF(node->data_disk_until, world->now + duration);
}

static void take_mount(struct world *world, struct node *node)
{
	if (!node->fs.is_running || (node->fs.role != FS_PRIMARY && node->fs.role != FS_SECONDARY))
		return;
	SAY(world, "node %d: somebody takes the mount away", node->id);
	node->is_mount_gone = true;
}

void stuck_strike(struct world *world)
{
	struct chance *chance = &world->looking;
	struct node *node = &world->nodes[chance_below(chance, NODES)];
	int64_t duration = chance_between(chance, NS_PER_S, 25 * NS_PER_S);
	uint64_t what = chance_below(chance, 10);

	if (world->is_calm)
		return;
	happen(world, duration + chance_between(chance, NS_PER_S, 30 * NS_PER_S), HAPPEN_STUCK);
	if (!node->is_up || fault_is_untold(world, node))
		return;
	world->counters.faults++;
	node->may_be_unfit = true;
	if (what < 6) {
		hang(world, node, duration);
		if (chance_is(chance, BOTH_PERMILLE)) {
			hang(world, other_node(world, node),
				chance_between(chance, 3 * NS_PER_S, 25 * NS_PER_S));
			other_node(world, node)->may_be_unfit = true;
		}
	} else if (what < 8) {
		node_freeze(world, node, PROCESS_FS, duration);
	} else {
		take_mount(world, node);
	}
}

/* What waits for the data disk. */
bool stuck_waits(
	const struct world *world, const struct node *node, const struct happening *happening)
{
	enum happening_kind kind = happening->kind;
	bool is_stop = kind == HAPPEN_ORDER && happening->order_fs.fs.order == FS_ORDER_STOP;
	bool is_of_disk = kind == HAPPEN_APPLY || kind == HAPPEN_SYNC || kind == HAPPEN_RESYNC ||
			  kind == HAPPEN_SERVE;

	return (is_of_disk || is_stop) && node->data_disk_until > world->now;
}

/* ---- looking ---- */

/* Counted, as daemon/watch does: a node that stands still itself asks nothing. */
static struct sight answer(uint32_t *in_vain, bool is_hanging)
{
	struct sight sight = { .finding = FINDING_GOOD };

	*in_vain = is_hanging ? *in_vain + 1 : 0;
	if (*in_vain >= BAD_AFTER)
		sight.finding = FINDING_BAD;
	else if (*in_vain >= LATE_AFTER)
		sight.finding = FINDING_LATE;
	sight.took_ns = (int64_t)*in_vain * LOOK_GAP_NS;
	return sight;
}

/* Of another role nothing is known, as in daemon/watch. A successor in the same role is asked itself before
 * the disk is found stuck that its predecessor had found so. */
static void meet(struct node *node)
{
	const struct fs *fs = &node->fs;
	uint32_t *in_vain = node->looks_in_vain;

	if (fs->life == node->seen_life && fs->role == node->seen_role)
		return;
	in_vain[LOOK_FS] = 0;
	in_vain[LOOK_DISK] =
		fs->role == node->seen_role ? MIN_OF(in_vain[LOOK_DISK], BAD_AFTER - 2) : 0;
	node->seen_life = fs->life;
	node->seen_role = fs->role;
}

static void look(struct world *world, struct node *node, struct sights *out)
{
	const struct fs *fs = &node->fs;
	bool is_there = fs->is_running && fs->role != FS_NONE;

	*out = (struct sights){ 0 };
	out->of[LOOK_ADDRESS].finding = FINDING_GOOD;
	out->of[LOOK_STATE] =
		answer(&node->looks_in_vain[LOOK_STATE], node->state_disk_until > world->now);
	if (!is_there) {
		node->looks_in_vain[LOOK_FS] = 0;
		node->is_mount_gone = false;
		if (fs->is_running)
			node->seen_role = FS_NONE;
		return;
	}
	meet(node);
	bool is_still = node->frozen_until[PROCESS_FS] > world->now;
	out->of[LOOK_FS] = answer(&node->looks_in_vain[LOOK_FS], is_still);
	out->of[LOOK_MOUNT].finding = node->is_mount_gone ? FINDING_BAD : FINDING_GOOD;
	if (!is_still)
		out->of[LOOK_DISK] =
			answer(&node->looks_in_vain[LOOK_DISK], node->data_disk_until > world->now);
}

/* ---- what is judged ---- */

static bool is_network_whole(const struct world *world)
{
	bool is_whole = world->weather.loss_permille == 0 && world->weather.frame_permille == 0;

	for (int link = 0; link < LINKS; link++)
		for (int from = 0; from < NODES; from++)
			is_whole = is_whole && world->cuts[link][from] == 0;
	for (int i = 0; i < NODES; i++)
		is_whole = is_whole && world->nodes[i].detached == 0;
	return is_whole && world->gateway_cuts == 0;
}

/* Nothing but the one thing is wrong with it. */
static bool is_well(const struct world *world, const struct node *node)
{
	return node->daemon.is_running && !node->daemon.is_writing &&
	       node->frozen_until[PROCESS_DAEMON] <= world->now &&
	       node->state_disk_until <= world->now && node->fs.is_running;
}

/* What is so now: a mask. */
static uint32_t unfit_now(const struct world *world, const struct node *node)
{
	uint32_t what = 0;

	if (node->data_disk_until > world->now)
		what |= BIT(LOOK_DISK);
	if (node->frozen_until[PROCESS_FS] > world->now)
		what |= BIT(LOOK_FS);
	if (node->is_mount_gone)
		what |= BIT(LOOK_MOUNT);
	return what;
}

static bool shows(const struct node *node, enum module_state state)
{
	struct summary summary;

	return core_summary(node->daemon.core, MODULE, &summary) == 0 && summary.state == state &&
	       summary.readiness == READY;
}

/* As long as all of it is so, the finding waits for somebody who acts on it: on what, as a mask. */
static uint32_t unheeded(struct world *world, struct node *node)
{
	struct node *other = other_node(world, node);

	if (!is_well(world, node) || !is_well(world, other) || !is_network_whole(world) ||
		!shows(node, STATE_PRIM) || !shows(other, STATE_SECOND))
		return 0;
	uint32_t here = unfit_now(world, node), there = unfit_now(world, other);
	return here == 0 || there == 0 ? here | there : 0;
}

/* Of another thing it asks from the beginning; a server that hangs says nothing of its disk. */
static void judge(struct world *world, struct node *node)
{
	int64_t limit_ns = BAD_AFTER * LOOK_GAP_NS + HEED_NS;
	uint32_t what = unheeded(world, node);

	if (what != node->unheeded)
		node->unheeded_since = 0;
	node->unheeded = what;
	if (what == 0)
		node->unheeded_since = 0;
	else if (node->unheeded_since == 0)
		node->unheeded_since = world->now;
	else if (world->now - node->unheeded_since > limit_ns)
		promise_broken(world, RULE_OBSERVED,
			"for %lld s one of a pair has not been able to do its work, and nobody "
			"acts "
			"on it",
			(long long)((world->now - node->unheeded_since) / NS_PER_S));
}

/* The service is given away because of what was seen here. */
void looks_on_unfit(struct world *world, struct node *node)
{
	const struct sights *told = &node->told_sights;

	if (told->of[LOOK_DISK].finding == FINDING_BAD ||
		told->of[LOOK_DISK].finding == FINDING_LATE ||
		told->of[LOOK_FS].finding == FINDING_BAD ||
		told->of[LOOK_FS].finding == FINDING_LATE)
		promise_broken(world, RULE_OBSERVED,
			"node %d gives the service to the other, which has told it that its disk "
			"does not answer either",
			node->id);
	/* What was so when it looked last is not over for it. */
	if (!node->may_be_unfit && unfit_now(world, node) == 0 && node->seen_unfit == 0)
		promise_broken(world, RULE_OBSERVED,
			"node %d gives the service away once more for what is over", node->id);
	node->may_be_unfit = false;
	node->has_given_away = true;
}

/* The other one becomes the holder: nobody asked for it, and nothing is wrong here. */
static void on_yield(struct world *world, struct node *node)
{
	struct node *other = other_node(world, node);
	bool is_asked =
		world->has_fault[FAULT_OPERATOR] || world->is_calm || node->daemon.is_leaving;

	if (other->has_given_away && !node->has_given_away && !is_asked && primary_is_serving(node))
		promise_broken(world, RULE_OBSERVED,
			"node %d gives the service back to the one that could not serve", node->id);
	other->has_given_away = false;
}

void looks_on_record(struct world *world, struct node *node, const struct record *record)
{
	bool was_holder = node->record.holder == node->id;

	if (was_holder && record->holder == other_node(world, node)->id)
		on_yield(world, node);
	else if (!was_holder && record->holder == node->id)
		node->has_given_away = false;
}

/* An evenkeeld that begins has asked nothing yet, and whoever hears it has to wait for that. */
void looks_begin(struct world *world, struct node *node)
{
	memset(node->looks_in_vain, 0, sizeof(node->looks_in_vain));
	node->seen_life = 0;
	node->seen_role = FS_NONE;
	node->seen_unfit = 0;
	for (int i = 0; i < NODES; i++)
		world->nodes[i].unheeded_since = 0;
	if (world->is_watched)
		happen_to(world, node, PROCESS_DAEMON, HAPPEN_LOOK, LOOK_GAP_NS);
}

void looks_take(struct world *world, struct node *node)
{
	struct event event = { .type = EVENT_OBSERVED, .module = MODULE };

	happen_to(world, node, PROCESS_DAEMON, HAPPEN_LOOK, LOOK_GAP_NS);
	look(world, node, &event.observed.sights);
	node->seen_unfit = unfit_now(world, node);
	daemon_post(world, node, &event);
	judge(world, node);
}
