#include "sim/world.h"

/*
 * The operator: starts the module, names the first primary, gives commands at random while troubles
 * last, insists where told what would be lost, and puts things in order in the end, as far as the
 * product leaves that to people.
 */

#define FIRST_START_NS (1 * NS_PER_S)
#define FIRST_PRIM_NS  (4 * NS_PER_S)
#define CALM_LOOK_NS   (5 * NS_PER_S)
#define HELP_AFTER_NS  (60 * NS_PER_S)

/* Somebody who looks at both consoles does not make a second primary beside one that writes. */
static bool is_other_writing(struct world *world, const struct node *node)
{
	const struct node *other = other_node(world, node);

	return primary_is_serving(other) && !other->fs.sender.is_muted &&
	       other->fs.sender.mode != SENDER_HELD;
}

void person_on_answer(struct world *world, struct node *node, const struct action *action)
{
	SAY(world, "node %d: answer: %s %s", node->id,
		action->answer.refusal == REFUSAL_NONE ? "done."
						       : refusal_sentence(action->answer.refusal),
		action->answer.sentence.data);
	if (action->answer.request == world->insisted_prim[node->id - 1] &&
		action->answer.refusal != REFUSAL_NONE) {
		node->is_loss_announced = false;
		other_node(world, node)->is_loss_announced = false;
	}
	if (action->answer.request != world->asked_prim[node->id - 1])
		return;
	world->asked_prim[node->id - 1] = 0;
	bool may_insist = world->has_fault[FAULT_FORCE] || world->is_calm;
	if (action->answer.refusal != REFUSAL_WOULD_LOSE || !may_insist ||
		is_other_writing(world, node))
		return;
	/* From here on each side has what the other lacks, whichever serves later. */
	world->has_insisted = true;
	node->is_loss_announced = true;
	other_node(world, node)->is_loss_announced = true;
	daemon_command(world, node, COMMAND_PRIM, true);
	world->insisted_prim[node->id - 1] = (uint32_t)world->last_request;
}

static void ask_prim(struct world *world, struct node *node)
{
	daemon_command(world, node, COMMAND_PRIM, false);
	world->asked_prim[node->id - 1] = (uint32_t)world->last_request;
}

static enum module_state state_of(const struct node *node)
{
	struct summary summary;

	if (!node->daemon.is_running || core_summaries(node->daemon.core, &summary, 1) != 1)
		return STATE_STOP;
	return summary.state;
}

static void act_at_random(struct world *world)
{
	static const enum command commands[] = { COMMAND_SWAP, COMMAND_SWAP, COMMAND_STOP,
		COMMAND_START, COMMAND_START, COMMAND_PRIM, COMMAND_SECOND, COMMAND_RESTART };
	struct node *node = &world->nodes[chance_below(&world->chance, NODES)];
	enum command command = commands[chance_below(&world->chance, ARRAY_COUNT(commands))];
	int64_t gap = chance_between(&world->chance, NS_PER_S, 20 * NS_PER_S);

	happen(world, gap, HAPPEN_PERSON);
	if (!node->daemon.is_running)
		return;
	/* Who is ready to insist is most of all impatient with a node that waits. */
	if (world->has_fault[FAULT_FORCE] && state_of(node) == STATE_WAIT)
		command = COMMAND_PRIM;
	if (command == COMMAND_PRIM)
		ask_prim(world, node);
	else if (command == COMMAND_START || !fault_is_untold(world, node))
		daemon_command(world, node, command, false);
}

/* Nothing more happens: whoever was stopped is started; a pair that waits for a word gets it. */
static void put_in_order(struct world *world)
{
	struct node *one = &world->nodes[0], *two = &world->nodes[1];
	bool is_waiting = state_of(one) == STATE_WAIT && state_of(two) == STATE_WAIT;

	happen(world, CALM_LOOK_NS, HAPPEN_PERSON)->number = 1;
	bool is_late = world->now - world->calm_since >= HELP_AFTER_NS;
	if (world_is_ready(world))
		return;
	for (int i = 0; i < NODES; i++)
		if (state_of(&world->nodes[i]) == STATE_STOP || is_late)
			daemon_command(world, &world->nodes[i], COMMAND_START, false);
	if (!is_late)
		return;
	/* Diverged: whoever serves, counts; nobody serves: whoever is newer. */
	enum module_state state = state_of(one);
	bool is_one_newer = one->record.epoch.number >= two->record.epoch.number;
	if (!is_waiting)
		is_one_newer = state == STATE_ALONE || state == STATE_PRIM;
	world->counters.helped++;
	struct node *other = is_one_newer ? two : one;
	/* What its sentence says when the word for the primary changed nothing. */
	if (world->now - world->calm_since >= 2 * HELP_AFTER_NS && !is_waiting &&
		state_of(other) == STATE_WAIT)
		daemon_command(world, other, COMMAND_SECOND, true);
	else
		ask_prim(world, is_one_newer ? one : two);
}

void person_acts(struct world *world, const struct happening *happening)
{
	if (world->is_calm && happening->number == 0)
		return; /* of the time of troubles */
	if (world->is_calm)
		put_in_order(world);
	else if (world->commanded == 0)
		for (int i = 0; i < NODES; i++)
			daemon_command(world, &world->nodes[i], COMMAND_START, false);
	else if (world->commanded == 1)
		ask_prim(world, &world->nodes[0]);
	else
		act_at_random(world);
	if (world->commanded == 0)
		happen(world, FIRST_PRIM_NS, HAPPEN_PERSON);
	else if (world->commanded == 1 && world->has_fault[FAULT_OPERATOR])
		happen(world, 20 * NS_PER_S, HAPPEN_PERSON);
	world->commanded++;
}
