#include "sim/world.h"

/*
 * Beats are datagrams on each link: lost, late, doubled, out of order. The stream is TCP: in order,
 * late while no link carries both ways, and what is on its way still arrives after the sender has
 * closed.
 */

#define STALL_NS (100 * NS_PER_MS) /* between two looks of a channel that cannot deliver */

bool network_carries(const struct world *world, const struct node *from, int link)
{
	const struct node *to = &world->nodes[from->id == 1 ? 1 : 0];

	if (link == LINK_CLIENT && (from->detached > 0 || to->detached > 0))
		return false;
	return world->cuts[link][from->id - 1] == 0;
}

bool network_reaches_target(const struct world *world, const struct node *node)
{
	return node->detached == 0 && world->gateway_cuts == 0;
}

static int64_t draw_delay(struct world *world)
{
	return chance_between(&world->chance, world->weather.delay_min, world->weather.delay_max);
}

void network_deliver_beat(struct world *world, struct node *to, const struct event *event,
	const struct summary *summary, int64_t delay)
{
	struct happening *arrival = happen_to(world, to, PROCESS_DAEMON, HAPPEN_CORE, delay);

	arrival->life = LIFE_ANY;
	arrival->core.event = *event;
	arrival->core.summary = *summary;
}

static void deliver_beat(struct world *world, struct node *to, const struct happening *beat)
{
	network_deliver_beat(world, to, &beat->core.event, &beat->core.summary, draw_delay(world));
}

void network_send_beat(struct world *world, struct node *from, const struct happening *beat)
{
	struct node *to = other_node(world, from);

	if (beat->core.event.beat.summary_count > 0)
		promise_on_told(world, from, &beat->core.summary.record);
	rare_record(world, from, beat);
	for (int link = 0; link < LINKS; link++) {
		bool is_lost = chance_is(&world->chance, world->weather.loss_permille);
		bool is_twice = chance_is(&world->chance, world->weather.twice_permille);
		if (is_lost || !network_carries(world, from, link))
			continue;
		deliver_beat(world, to, beat);
		if (is_twice)
			deliver_beat(world, to, beat);
	}
}

bool network_has_stream(const struct world *world)
{
	for (int link = 0; link < LINKS; link++)
		if (network_carries(world, &world->nodes[0], link) &&
			network_carries(world, &world->nodes[1], link))
			return true;
	return false;
}

uint64_t network_connect(struct world *world)
{
	uint64_t connection = ++world->last_connection;

	/* What is on its way in the old one still arrives. */
	for (int i = 0; i < NODES; i++)
		world->channels[i].connection = connection;
	return connection;
}

static void schedule(struct world *world, struct channel *channel, uint8_t from, int64_t at)
{
	if (channel->is_scheduled || channel->count == 0)
		return;
	channel->is_scheduled = true;
	struct happening *arrival = happen(world, MAX_OF(at - world->now, 0), HAPPEN_FRAME);
	arrival->node = from;
}

/* A transport that breaks its word: the receiver has to notice. Only what is numbered. */
static bool is_dropped(struct world *world, const struct frame *frame)
{
	return world->weather.frame_permille > 0 && frame->kind == FRAME_OP &&
	       chance_is(&world->chance, world->weather.frame_permille);
}

bool network_send(struct world *world, struct node *from, const struct frame *frame)
{
	struct channel *channel = &world->channels[from->id - 1];
	int64_t delay = draw_delay(world);

	if (channel->connection != frame->connection || is_dropped(world, frame))
		return true; /* made again since: what is sent into the old one is lost */
	if (channel->count == CHANNEL_MAX)
		return false;
	struct frame *slot = &channel->frames[(channel->first + channel->count) % CHANNEL_MAX];
	*slot = *frame;
	slot->ready_at = MAX_OF(world->now + delay, channel->last_ready);
	channel->last_ready = slot->ready_at;
	channel->count++;
	schedule(world, channel, from->id, slot->ready_at);
	return true;
}

void network_close(struct world *world, struct node *from, uint64_t connection)
{
	struct frame frame = { .kind = FRAME_CLOSED, .connection = connection };

	(void)network_send(world, from, &frame); /* a full channel: the other end finds out late */
}

/* The first frame of the channel arrives, if something carries it and somebody is awake. */
void network_on_frame(struct world *world, struct node *from)
{
	struct channel *channel = &world->channels[from->id - 1];
	struct node *to = other_node(world, from);

	channel->is_scheduled = false;
	if (channel->count == 0)
		return;
	int64_t ready_at = channel->frames[channel->first].ready_at;
	if (ready_at > world->now) {
		schedule(world, channel, from->id, ready_at);
		return;
	}
	if (!network_has_stream(world) || to->frozen_until[PROCESS_FS] > world->now) {
		schedule(world, channel, from->id, world->now + STALL_NS);
		return;
	}
	struct frame frame = channel->frames[channel->first];
	channel->first = (channel->first + 1) % CHANNEL_MAX;
	channel->count--;
	if (channel->count > 0)
		schedule(world, channel, from->id, channel->frames[channel->first].ready_at);
	if (to->fs.is_running)
		fs_on_frame(world, to, &frame);
}
