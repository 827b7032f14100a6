#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sim/world.h"

/*
 * The judge. Sees the whole world at once, asks no node what it believes.
 *
 *	1  acknowledged is on every node that is called good   promise_on_acknowledged, _on_record
 *	2  a stale copy never serves by itself                 promise_on_serving
 *	3  one writer, one place                               promise_on_acknowledged, _on_time
 *	4  promoted: a prefix with all that was acknowledged   promise_on_serving
 *	5  what the winner never had is kept                   promise_on_overwritten
 */

#define RECENT_NS	    (15 * NS_PER_S)
#define RESIGN_RACE_NS	    (1700 * NS_PER_MS)
#define TWO_ADDRESSES_NS    (4 * NS_PER_S) /* more than it takes to hear the other, or to be cut off */
#define TWO_APPLICATIONS_NS (20 * NS_PER_S) /* being cut off ends with FREEZE_MAX_NS and a script */

void promise_broken(struct world *world, int promise, const char *format, ...)
{
	va_list values;

	if (world->promise.is_broken)
		return; /* the first one is the one to look at */
	int size = snprintf(world->promise.what, sizeof(world->promise.what), "%s%d: ",
		promise == 0		   ? "convergence "
		: promise >= RULE_OBSERVED ? "rule R"
					   : "promise ",
		promise);
	va_start(values, format);
	/* NOLINTNEXTLINE: clang-tidy 14 does not see va_start() here */
	(void)vsnprintf(world->promise.what + size, sizeof(world->promise.what) - (size_t)size,
		format, values);
	va_end(values);
	world->promise.is_broken = true;
	SAY(world, "BROKEN %s", world->promise.what);
}

/* ---- serving ---- */

static bool is_state_at(const struct world *world, uint32_t write, const uint32_t *state)
{
	const struct tenure *tenure = &world->tenures[world->writes[write].tenure];
	uint32_t replayed[OBJECTS];

	memcpy(replayed, tenure->base, sizeof(replayed));
	for (uint32_t id = tenure->first_write; id <= write; id++)
		if (world->writes[id].tenure == world->writes[write].tenure)
			replayed[world->writes[id].object] = id;
	return memcmp(replayed, state, sizeof(replayed)) == 0;
}

/* Did some primary's tree really go through this state? */
static bool is_prefix(const struct world *world, const uint32_t *state)
{
	uint32_t newest = 0;

	for (int i = 0; i < OBJECTS; i++)
		newest = MAX_OF(newest, state[i]);
	if (newest == 0 || is_state_at(world, newest, state))
		return true;
	for (uint32_t i = world->tenure_count; i-- > 0;)
		if (memcmp(world->tenures[i].base, state, sizeof(world->tenures[i].base)) == 0)
			return true;
	return false;
}

/* Steps back to what this copy has. */
static void lose_announced(struct world *world, const struct node *node, int object)
{
	uint32_t *acknowledged = &world->promise.acknowledged[object];

	while (*acknowledged != 0 &&
		(!world->writes[*acknowledged].is_acknowledged ||
			!copy_contains(world, node->copy.cached[object], *acknowledged))) {
		world->counters.announced++;
		*acknowledged = world->writes[*acknowledged].previous;
	}
}

/*
 * R7: before another may serve, a primary that is awake has stopped answering. Who sleeps cannot;
 * what protects its clients' writes then is that nobody acknowledges them. A broken stream holds the
 * answers as well, but not what is read.
 */
static void check_quiet(struct world *world, struct node *node)
{
	struct node *other = other_node(world, node);
	const struct sender *sender = &other->fs.sender;
	bool was_awake = other->daemon.is_running && world->now - other->woken_at > RECENT_NS &&
			 world->now - other->daemon.started_at > RECENT_NS;

	bool has_peer = sender->mode == SENDER_PAIRED || sender->mode == SENDER_HELD;

	if (was_awake && primary_is_serving(other) && has_peer && !sender->is_muted &&
		other->record.holder == other->id && !world->has_insisted)
		promise_broken(world, 3,
			"node %d serves while node %d still answers, awake and not told to hold",
			node->id, other->id);
}

/* R6: what was received without a gap is applied before it serves. */
static void check_applied(struct world *world, struct node *node)
{
	const struct oplog_header *header = node->fs.receiver.log.header;

	if (header->applied + 1 < header->next_sequence)
		promise_broken(world, 4,
			"node %d serves before it applied %llu operations that it had received",
			node->id,
			(unsigned long long)(header->next_sequence - 1 - header->applied));
}

/* R11: never twice, whoever serves. A person who insists makes two histories. */
void promise_on_id_given(struct world *world, struct node *node, uint64_t id)
{
	uint64_t *word = &world->given_ids[id / 64 % (IDS_MAX / 64)];

	if ((*word & BIT64(id % 64)) != 0 && !world->has_insisted)
		promise_broken(world, 5, "node %d gives the id %llu away, which another object has",
			node->id, (unsigned long long)id);
	*word |= BIT64(id % 64);
}

/* What lay here when the drain was ordered is on the disks of both. */
void promise_on_drained(struct world *world, struct node *node)
{
	const struct node *other = other_node(world, node);
	uint64_t bit = BIT64(other->id - 1);
	bool is_peer_good = (node->record.good & bit) != 0 && (other->record.good & bit) != 0;

	if (!is_peer_good || world->now - other->power_cut_at < RECENT_NS)
		return;
	for (int i = 0; i < OBJECTS; i++)
		if (!copy_contains(world, other->copy.durable[i], node->fs.draining[i]))
			promise_broken(world, 1,
				"node %d is drained, and write %u of object %d is not on the disk "
				"of node %d",
				node->id, node->fs.draining[i], i, other->id);
}

void promise_on_serving(struct world *world, struct node *node, bool is_promotion)
{
	if (is_promotion) {
		check_quiet(world, node);
		check_applied(world, node);
	}
	SAY(world, "node %d: serves in epoch %llu%s", node->id,
		(unsigned long long)node->fs.tenant.epoch.number, is_promotion ? ", promoted" : "");
	for (int i = 0; i < OBJECTS; i++) {
		uint32_t acknowledged = world->promise.acknowledged[i];
		if (copy_contains(world, node->copy.cached[i], acknowledged))
			continue;
		if (node->is_loss_announced)
			lose_announced(world, node, i);
		else
			promise_broken(world, is_promotion ? 4 : 2,
				"node %d serves without the acknowledged write %u of object %d "
				"(it has %u)",
				node->id, acknowledged, i, node->copy.cached[i]);
	}
	/* The tenure that begins here has this very state as its base: look among the others. */
	world->tenure_count--;
	if (is_promotion && !is_prefix(world, node->copy.cached))
		promise_broken(
			world, 4, "node %d serves a state that no primary ever had", node->id);
	world->tenure_count++;
}

/* ---- what runs at two places ---- */

/* Since when something is so, or 0. */
static int64_t since(const struct world *world, bool is_so, int64_t was_since)
{
	return !is_so ? 0 : was_since != 0 ? was_since : world->now;
}

static bool is_awake_for_long(const struct world *world, const struct node *node)
{
	return node->daemon.is_running && world->now - node->woken_at > RECENT_NS &&
	       world->now - node->daemon.started_at > RECENT_NS;
}

/*
 * R7, R10: who is awake and was cut off lets go of its address, then of its application, whatever its
 * disks do. Under `operator` a person decides, and a person who insists was told.
 */
void promise_on_time(struct world *world)
{
	struct node *nodes = world->nodes;
	bool has_two = node_has_address(world, &nodes[0]) && node_has_address(world, &nodes[1]);
	bool run_two = nodes[0].is_application_running && nodes[1].is_application_running;
	bool is_awake = is_awake_for_long(world, &nodes[0]) && is_awake_for_long(world, &nodes[1]);
	bool is_judged = is_awake && !world->has_insisted && world->arbiter == ARBITER_PING;

	world->two_addresses_since = since(world, has_two && is_judged, world->two_addresses_since);
	world->two_applications_since =
		since(world, run_two && is_judged, world->two_applications_since);
	if (has_two && is_judged && world->now - world->two_addresses_since > TWO_ADDRESSES_NS)
		promise_broken(world, 3, "both nodes have the service address, awake");
	if (run_two && is_judged &&
		world->now - world->two_applications_since > TWO_APPLICATIONS_NS)
		promise_broken(world, 3, "the application runs on both nodes, awake");
}

/* ---- answers ---- */

static bool was_cut_since(const struct node *node, int64_t since)
{
	return node->power_cut_at >= since;
}

static bool has_values(const struct world *world, const uint32_t *have, const uint32_t *values)
{
	for (int i = 0; i < OBJECTS; i++)
		if (!copy_contains(world, have[i], values[i]))
			return false;
	return true;
}

static void check_good(struct world *world, struct node *node, const struct request *request)
{
	for (int i = 0; i < NODES; i++) {
		struct node *good = &world->nodes[i];
		if ((node->record.good & BIT64(good->id - 1)) == 0 ||
			was_cut_since(good, request->since))
			continue;
		if (request->is_sync) {
			if (!has_values(world, good->copy.durable, request->values))
				promise_broken(world, 1,
					"node %d answered a sync that is not durable on node %d",
					node->id, good->id);
			continue;
		}
		uint8_t object = world->writes[request->write].object;
		if (!copy_contains(world, good->copy.cached[object], request->write))
			promise_broken(world, 1,
				"node %d acknowledged write %u, which is not on node %d, a good "
				"copy by its record",
				node->id, request->write, good->id);
	}
}

static void check_writer(struct world *world, struct node *node, const struct request *request)
{
	struct promise_state *state = &world->promise;
	uint64_t epoch = node->fs.sender.epoch;

	if (node->record.holder != node->id || epoch > node->record.epoch.number)
		promise_broken(world, 3,
			"node %d acknowledges in epoch %llu; its record has epoch %llu, holder %d",
			node->id, (unsigned long long)epoch,
			(unsigned long long)node->record.epoch.number, node->record.holder);
	/* A person who insists, unheard by the other node, may come upon a number that it took. */
	if (epoch == state->epoch && state->writer != node->id && !world->has_insisted)
		promise_broken(world, 3, "both nodes acknowledge in epoch %llu",
			(unsigned long long)epoch);
	/*
	 * An answer may be late; the write must have been handed over then. A person who insists on a
	 * copy whose better one may come back unheard was told: there may be two.
	 */
	const struct node *writer = &world->nodes[state->writer == 2 ? 1 : 0];
	uint8_t object = world->writes[request->write].object;
	if (node->tenure < state->tenure && writer->id != node->id && !request->is_sync &&
		!world->has_insisted &&
		!copy_contains(world, writer->copy.cached[object], request->write))
		promise_broken(world, 3,
			"node %d acknowledges in epoch %llu while node %d does in epoch %llu",
			node->id, (unsigned long long)epoch, writer->id,
			(unsigned long long)state->epoch);
	if (node->tenure >= state->tenure) {
		state->tenure = node->tenure;
		state->epoch = epoch;
		state->writer = node->id;
	}
}

static void note_written(struct world *world, struct node *node, uint32_t write)
{
	uint32_t *acknowledged = &world->promise.acknowledged[world->writes[write].object];
	bool is_newer = copy_contains(world, write, *acknowledged);

	bool is_late = !is_newer && copy_contains(world, *acknowledged, write);
	if (!is_newer && !is_late && world->has_insisted)
		is_newer =
			true; /* one of two; which one counts is seen when a copy is overwritten */
	else if (!is_newer && !is_late)
		promise_broken(world, 3,
			"node %d acknowledged write %u, made without the acknowledged write %u",
			node->id, write, *acknowledged);
	if (is_newer)
		*acknowledged = write;
	world->writes[write].is_acknowledged = true;
	world->counters.acknowledged++;
}

static void note_synced(struct world *world, struct node *node, const struct request *request)
{
	for (int i = 0; i < OBJECTS; i++) {
		for (uint32_t id = request->values[i]; id != 0 && !world->writes[id].is_synced;
			id = world->writes[id].previous)
			world->writes[id].is_synced = true;
		if (world->durability == DURABILITY_FSYNC && request->values[i] != 0)
			note_written(world, node, request->values[i]);
	}
	world->counters.syncs++;
}

void promise_on_acknowledged(struct world *world, struct node *node, uint32_t client)
{
	const struct request *request = &node->held.ring[client];

	world_hash(world, (uint64_t)request->write << 8 | node->id);
	if (world->durability == DURABILITY_FSYNC && !request->is_sync)
		return; /* what is not synced is not promised */
	check_good(world, node, request);
	if (!request->is_orphan)
		check_writer(world, node, request);
	if (request->is_sync)
		note_synced(world, node, request);
	else
		note_written(world, node, request->write);
}

/* It lost it with its power, and a person who was told insisted on it all the same. */
static bool had(const struct world *world, const struct node *source, uint32_t write)
{
	return world->has_insisted && (world->writes[write].cut & BIT(source->id)) != 0;
}

/* What was acknowledged here and the source never had: set aside with the whole tree, or lost. */
static void keep_losing(struct world *world, const struct node *target, int object, bool is_kept)
{
	const struct node *source = other_node(world, target);
	uint32_t write = target->copy.cached[object];

	for (; !copy_contains(world, source->copy.cached[object], write);
		write = world->writes[write].previous) {
		world->writes[write].is_kept |= is_kept;
		if (world->writes[write].is_acknowledged && !world->writes[write].is_kept &&
			!world->writes[write].is_excused && !had(world, source, write))
			promise_broken(world, 5,
				"node %d overwrites write %u, which was acknowledged and lies "
				"nowhere else",
				target->id, write);
	}
}

void promise_on_overwritten(struct world *world, struct node *target, bool is_set_aside)
{
	struct node *source = other_node(world, target);

	for (int i = 0; i < OBJECTS; i++)
		keep_losing(world, target, i, is_set_aside);
	if (is_set_aside)
		memset(target->copy.cached, 0, sizeof(target->copy.cached));
	/* One history again. */
	target->is_loss_announced = source->is_loss_announced = false;
	if (world->has_insisted)
		for (int i = 0; i < OBJECTS; i++)
			lose_announced(world, source, i);
}

/* The newest of an object that was synced and must not be missing. */
static uint32_t synced_of(const struct world *world, int object)
{
	uint32_t write = world->promise.acknowledged[object];

	while (write != 0 && !world->writes[write].is_synced)
		write = world->writes[write].previous;
	return write;
}

/* A node that is called good from now on has everything that was acknowledged. */
void promise_on_record(struct world *world, struct node *node, const struct record *before)
{
	struct node *other = other_node(world, node);
	uint64_t bit = BIT64(other->id - 1);
	bool is_grown = (node->record.good & bit) != 0 && (before->good & bit) == 0;

	/* A secondary that is stopped by a person may leave to a primary that has just lost its
	 * power. */
	uint64_t self = BIT64(node->id - 1);
	if ((node->record.good & self) == 0 && (before->good & self) != 0 &&
		was_cut_since(other, node->daemon.writing_since - RESIGN_RACE_NS))
		copy_excuse(world);
	int64_t since = MIN_OF(world->now - RECENT_NS, node->daemon.writing_since);
	if (!is_grown || node->record.holder != node->id || was_cut_since(other, since))
		return;
	for (int i = 0; i < OBJECTS; i++)
		if (!copy_contains(world, other->copy.cached[i], world->promise.acknowledged[i]))
			promise_broken(world, 1,
				"node %d calls node %d good, which has not write %u of object %d",
				node->id, other->id, world->promise.acknowledged[i], i);
	for (int i = 0; i < OBJECTS; i++)
		if (!copy_contains(world, other->copy.durable[i], synced_of(world, i)))
			promise_broken(world, 1,
				"node %d calls node %d good, on whose disk the synced write %u of "
				"object %d is not",
				node->id, other->id, synced_of(world, i), i);
}

/* ---- what is durable before it is used ---- */

static bool is_same_epoch(struct epoch a, struct epoch b)
{
	return a.number == b.number && a.node == b.node;
}

/* R4: after a crash nobody else knows that this node may have been granted. */
void promise_on_asked(struct world *world, struct node *node, const struct action *question)
{
	const struct record *record = &node->record;

	if (!record->has_intent || record->intent_nonce != question->arbiter.nonce ||
		record->intent_good != question->arbiter.good ||
		!is_same_epoch(record->intent_epoch, question->arbiter.epoch))
		promise_broken(world, 3,
			"node %d asks the arbiter with an intent that is not durable", node->id);
}

/* The other node goes on with what it is told, and no crash here takes it back. */
void promise_on_told(struct world *world, struct node *node, const struct record *told)
{
	const struct record *record = &node->record;

	if (told->good != record->good || told->holder != record->holder ||
		told->is_complete != record->is_complete ||
		told->generation.tag != record->generation.tag ||
		!is_same_epoch(told->epoch, record->epoch))
		promise_broken(world, 3,
			"node %d tells of a record (epoch %llu, good %llx) that is not durable",
			node->id, (unsigned long long)told->epoch.number,
			(unsigned long long)told->good);
}

/* ---- the end ---- */

static bool is_equal_and_complete(const struct world *world)
{
	const struct copy *one = &world->nodes[0].copy, *two = &world->nodes[1].copy;

	if (memcmp(one->cached, two->cached, sizeof(one->cached)) != 0)
		return false;
	return has_values(world, one->cached, world->promise.acknowledged);
}

bool world_is_ready(struct world *world)
{
	struct summary summaries[NODES];
	int primaries = 0, secondaries = 0;

	for (int i = 0; i < NODES; i++) {
		if (!world->nodes[i].daemon.is_running)
			return false;
		if (core_summaries(world->nodes[i].daemon.core, &summaries[i], 1) != 1)
			return false;
		bool is_ready = summaries[i].readiness == READY;
		primaries += is_ready && summaries[i].state == STATE_PRIM;
		secondaries += is_ready && summaries[i].state == STATE_SECOND;
	}
	return primaries == 1 && secondaries == 1;
}

bool world_is_converged(struct world *world)
{
	return world_is_ready(world) && is_equal_and_complete(world);
}
