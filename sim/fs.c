#include <string.h>

#include "sim/world.h"

/*
 * Plays evenkeel-fs: the process, its orders, its reports, its disks. What it does as primary and as
 * secondary stands in fs_primary.c and fs_secondary.c. It decides nothing: that is src/repl.
 */

static void tell(struct world *world, struct node *node, const struct event *event)
{
	int64_t delay = chance_between(&world->chance, 50 * NS_PER_US, 2 * NS_PER_MS);

	node->last_report_at = MAX_OF(world->now + delay, node->last_report_at);
	happen_to(world, node, PROCESS_DAEMON, HAPPEN_CORE, node->last_report_at - world->now)
		->core.event = *event;
}

static void say(struct world *world, struct node *node, enum fs_report report, bool is_continued)
{
	struct fs *fs = &node->fs;
	struct event event = {
		.type = EVENT_FS_REPORTED,
		.module = MODULE,
		.fs = { .report = report,
			.epoch = fs->ordered_epoch,
			.is_behind = fs->role == FS_SECONDARY && receiver_is_behind(&fs->receiver),
			.is_continued = is_continued,
			.barrier = fs->standing.barrier,
			.peer_barrier = fs->standing.peer_barrier,
			.marked = node->mark.epoch },
	};

	SAY(world, "node %d: fs: %s", node->id, fs_report_name(report));
	fs->link = fs_link_after(&event.fs, fs->link);
	if (report == FS_REPORT_IS_STOPPED)
		node->daemon.has_role_order = false;
	if (node->daemon.is_running)
		tell(world, node, &event);
	else if (fs->is_running && fs->unsent_count < UNSENT_MAX)
		fs->unsent[fs->unsent_count++] = event;
}

void fs_report(struct world *world, struct node *node, enum fs_report report)
{
	say(world, node, report, false);
}

void fs_report_connected(struct world *world, struct node *node, bool is_continued)
{
	say(world, node, FS_REPORT_CONNECTED, is_continued);
}

void fs_say_missed(struct world *world, struct node *node)
{
	for (int i = 0; i < node->fs.unsent_count; i++)
		tell(world, node, &node->fs.unsent[i]);
	node->fs.unsent_count = 0;
}

/* ---- the process ---- */

struct replica fs_replica(struct node *node)
{
	struct fs *fs = &node->fs;
	enum side side = fs->role == FS_PRIMARY	    ? SIDE_PRIMARY
			 : fs->role == FS_SECONDARY ? SIDE_SECONDARY
						    : SIDE_NONE;

	return (struct replica){ .side = side, .sender = &fs->sender, .receiver = &fs->receiver };
}

void fs_store(struct node *node)
{
	node->standing = node->fs.standing;
}

struct hello fs_hello(const struct node *node)
{
	struct hello hello = { .version = STREAM_VERSION,
		.epoch = node->fs.tenant.epoch,
		.generation = node->fs.generation,
		.id_limit = node->fs.standing.id_limit };

	memcpy(hello.set_id, node->fs.tenant.set_id, SET_ID_SIZE);
	return hello;
}

void fs_raise_ids(struct node *node, uint64_t id_limit)
{
	node->id_floor = MAX_OF(node->id_floor, id_limit);
	if (standing_raise_ids(&node->fs.standing, id_limit))
		fs_store(node);
}

void fs_mark(struct node *node, uint64_t barrier)
{
	struct fs *fs = &node->fs;
	uint64_t seal = standing_begin_seal(&fs->standing, node->mark.seal);

	fs_store(node);
	memcpy(node->mark.set_id, fs->tenant.set_id, SET_ID_SIZE);
	node->mark.generation = fs->generation;
	node->mark.epoch = fs->tenant.epoch;
	node->mark.barrier = standing_mark_barrier(&fs->standing, barrier);
	node->mark.seal = seal;
	fs->doubt = DOUBT_NONE;
	standing_end_seal(&fs->standing, seal);
	fs_store(node);
}

void fs_mark_new(struct node *node)
{
	bool is_marked = memcmp(node->mark.set_id, node->fs.tenant.set_id, SET_ID_SIZE) == 0;

	if (!is_marked || node->fs.doubt != DOUBT_NONE)
		fs_mark(node, 0);
}

void fs_take_role(struct node *node, enum fs_role role, const struct action *order)
{
	struct fs *fs = &node->fs;

	fs->role = role;
	fs->ordered_epoch = fs->tenant.epoch = node->held.epoch = order->fs.epoch;
	fs->generation = node->held.generation = order->fs.generation;
	memcpy(fs->tenant.set_id, order->fs.set_id, SET_ID_SIZE);
	memcpy(node->held.set_id, order->fs.set_id, SET_ID_SIZE);
	node->held.role = role;
	node->held.is_muted = false;
	node->held.has_logs = true;
}

static const struct root_mark *mark_at(const struct node *node)
{
	static const uint8_t nothing[SET_ID_SIZE];
	bool is_there =
		node->unmounted == 0 && memcmp(node->mark.set_id, nothing, SET_ID_SIZE) != 0;

	return is_there ? &node->mark : NULL;
}

/* As a process begins: where the disk is not mounted there is no mark. */
static void look_at_disks(struct node *node)
{
	node->fs.standing = node->standing;
	node->fs.doubt = standing_believe(&node->fs.standing, mark_at(node));
	if (node->unmounted == 0)
		(void)standing_raise_ids(&node->fs.standing, node->id_floor);
}

static struct oplog open_log(void *memory, bool is_fresh)
{
	struct oplog log;

	if (is_fresh || oplog_attach(&log, memory, LOG_MEMORY_SIZE) != 0)
		oplog_format(&log, memory, LOG_MEMORY_SIZE, 0, 1);
	return log;
}

static void open_logs(const struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	bool is_fresh = !node->held.has_logs;
	struct oplog log = open_log(node->held.send_memory, is_fresh);

	sender_open(&fs->sender, &log, world->durability);
	log = open_log(node->held.receive_memory, is_fresh);
	receiver_open(&fs->receiver, &log);
	node->held.has_logs = true;
	if (is_fresh && standing_drop_in_sync(&node->fs.standing)) /* what was received is gone */
		fs_store(node);
}

void fs_start(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	CHECK(!fs->is_running);
	*fs = (struct fs){ .is_running = true, .life = ++world->last_life };
	fs->ordered_epoch = fs->tenant.epoch = node->held.epoch;
	fs->generation = node->held.generation;
	memcpy(fs->tenant.set_id, node->held.set_id, SET_ID_SIZE);
	look_at_disks(node);
	open_logs(world, node);
	if (node->held.role == FS_PRIMARY)
		primary_resume(world, node);
	else if (node->held.role == FS_SECONDARY)
		secondary_resume(world, node);
	happen_to(world, node, PROCESS_FS, HAPPEN_TICK, TICK_NS);
}

void fs_kill(struct world *world, struct node *node)
{
	if (node->fs.is_running && node->fs.connection != 0)
		network_close(world, node, node->fs.connection);
	node->fs = (struct fs){ 0 };
}

void fs_close(struct world *world, struct node *node)
{
	if (node->fs.connection == 0)
		return;
	network_close(world, node, node->fs.connection);
	node->fs.connection = 0;
}

void fs_say_hello(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	enum fs_link link = fs->link;
	bool is_waiting = node->pending_count > 0; /* the role order is among them, perhaps */

	daemon_send_pending(world, node);
	if (fs->role == FS_NONE) {
		if (!is_waiting)
			daemon_repeat_role(world, node);
		return;
	}
	fs_report(world, node,
		fs->role == FS_PRIMARY ? FS_REPORT_IS_PRIMARY : FS_REPORT_IS_SECONDARY);
	if (link != FS_LINK_NONE)
		fs_report(world, node, FS_REPORT_CONNECTED);
	fs->link = link; /* a hello is no report */
}

/* ---- the disk ---- */

void fs_sync(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	int64_t duration = chance_between(&world->chance, 2 * NS_PER_MS, 40 * NS_PER_MS);
	const struct replica replica = fs_replica(node);

	if (fs->is_syncing) {
		fs->is_sync_wanted = true; /* what came since is not covered by the one that runs */
		return;
	}
	fs->is_syncing = true;
	fs->is_sync_wanted = false;
	fs->syncing_since = world->now;
	fs->barrier = barrier_begin(&replica);
	memcpy(fs->syncing, node->copy.cached, sizeof(fs->syncing));
	happen_to(world, node, PROCESS_FS, HAPPEN_SYNC, duration);
}

/* Marked in the data first, then said of them. */
static bool remember_barrier(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	const struct replica replica = fs_replica(node);

	if (!barrier_end(&fs->barriers, &replica, &fs->barrier, world->now))
		return false;
	if (doubt_forbids(fs->doubt, true))
		return true; /* nothing is said of data that are not this state's */
	fs_mark(node, fs->barrier.up_to);
	standing_move_barrier(&fs->standing, fs->barrier.up_to, fs->sender.peer_barrier);
	fs_store(node);
	return true;
}

static void on_synced(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	fs->is_syncing = false;
	memcpy(node->copy.durable, fs->syncing, sizeof(fs->syncing));
	bool is_proven = remember_barrier(world, node);
	if (is_proven && fs->role == FS_PRIMARY)
		primary_on_synced(world, node);
	else if (is_proven && fs->role == FS_SECONDARY)
		secondary_on_synced(world, node);
	if (fs->is_sync_wanted)
		fs_sync(world, node);
}

/* ---- orders ---- */

static void stop(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	fs_close(world, node);
	if (fs->role != FS_NONE) {
		fs->role = FS_NONE;
		byhand_let_go(world, node);
		const struct replica replica = fs_replica(node);
		fs->barrier = barrier_begin(&replica);
		memcpy(node->copy.durable, node->copy.cached, sizeof(node->copy.cached));
		(void)remember_barrier(world, node);
		standing_leave(&fs->standing, true);
		fs_store(node);
	}
	node->held.role = FS_NONE;
	node->is_mount_gone = false;
	node->held.has_logs = false;
	for (int i = 0; i < CLIENTS; i++)
		node->held.ring[i].is_pending = false; /* EIO */
	fs_report(world, node, FS_REPORT_IS_STOPPED);
}

enum fs_report doubt_report(enum doubt doubt)
{
	if (doubt == DOUBT_STRANGE)
		return FS_REPORT_WRONG_COPY;
	return doubt == DOUBT_OLD_STATE ? FS_REPORT_OLD_STATE : FS_REPORT_OLD_COPY;
}

/* One that was stopped has ended, and is another process now. */
static void begin_anew(struct node *node)
{
	if (node->fs.role == FS_NONE)
		look_at_disks(node);
}

static bool is_right_copy(struct world *world, struct node *node)
{
	if (node->unmounted > 0 && node->fs.doubt == DOUBT_NONE)
		memset(node->copy.cached, 0, sizeof(node->copy.cached));
	if (!doubt_forbids(node->fs.doubt, true))
		return true;
	fs_report(world, node, doubt_report(node->fs.doubt));
	return false;
}

static void be_primary(struct world *world, struct node *node, const struct action *order)
{
	if (node->fs.role == FS_PRIMARY) {
		fs_report(world, node, FS_REPORT_IS_PRIMARY);
		return;
	}
	begin_anew(node);
	/* A person who insists on what is under an absent disk is not played. */
	bool is_insisted = order->fs.is_forced && node->fs.doubt != DOUBT_STRANGE;
	if (!is_insisted && !is_right_copy(world, node))
		return;
	fs_close(world, node);
	primary_begin(world, node, order);
	promise_on_serving(world, node, false);
	fs_report(world, node, FS_REPORT_IS_PRIMARY);
}

static void be_secondary(struct world *world, struct node *node, const struct action *order)
{
	if (node->fs.role == FS_PRIMARY) {
		fs_report(world, node, FS_REPORT_REFUSED);
		return;
	}
	begin_anew(node);
	secondary_begin(world, node, order);
	fs_report(world, node, FS_REPORT_IS_SECONDARY);
}

static void look(struct world *world, struct node *node, const struct action *order)
{
	struct recorded_copy recorded = { .tenant.epoch = order->fs.epoch,
		.generation = order->fs.generation };
	struct fs *fs = &node->fs;

	memcpy(recorded.tenant.set_id, order->fs.set_id, SET_ID_SIZE);
	if (fs->role == FS_NONE)
		look_at_disks(node);
	enum doubt doubt = standing_believe_record(&fs->standing, mark_at(node), &recorded);
	fs->doubt = MAX_OF(fs->doubt, doubt);
	if (!doubt_forbids(fs->doubt, true))
		fs_report(world, node, FS_REPORT_LOOKED);
	else
		fs_report(world, node, doubt_report(fs->doubt));
}

void fs_order(struct world *world, struct node *node, const struct action *order)
{
	switch (order->fs.order) {
	case FS_ORDER_STOP: stop(world, node); break;
	case FS_ORDER_LOOK: look(world, node, order); break;
	case FS_ORDER_PRIMARY: be_primary(world, node, order); break;
	case FS_ORDER_SECONDARY: be_secondary(world, node, order); break;
	case FS_ORDER_PROMOTE: secondary_promote(world, node, order); break;
	case FS_ORDER_CONNECT:
	case FS_ORDER_PAIR:
	case FS_ORDER_GO_ALONE:
	case FS_ORDER_HOLD:
	case FS_ORDER_RESUME:
	case FS_ORDER_DRAIN:
		if (node->fs.role == FS_PRIMARY)
			primary_order(world, node, order);
		break;
	case FS_ORDER_COUNT: CHECK(false);
	}
}

/* ---- what happens to it ---- */

static void take_barrier(struct world *world, struct node *node)
{
	const struct replica replica = fs_replica(node);

	switch (barriers_next(&node->fs.barriers, &replica, world->now)) {
	case BARRIER_NOTHING: break;
	case BARRIER_TAKE: fs_sync(world, node); break;
	case BARRIER_DRAIN: primary_drain(world, node); break;
	}
}

static void tick(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	happen_to(world, node, PROCESS_FS, HAPPEN_TICK, TICK_NS);
	byhand_tick(world, node);
	if (fs->role == FS_PRIMARY)
		primary_tick(world, node);
	else if (fs->role == FS_SECONDARY)
		secondary_tick(world, node);
	if (fs->role != FS_NONE)
		take_barrier(world, node);
}

void fs_on_frame(struct world *world, struct node *node, const struct frame *frame)
{
	struct fs *fs = &node->fs;

	if (fs->role == FS_PRIMARY && frame->connection == fs->connection)
		primary_on_frame(world, node, frame);
	else if (fs->role == FS_SECONDARY || fs->role == FS_PRIMARY)
		secondary_on_frame(world, node, frame);
}

void fs_handle(struct world *world, struct node *node, const struct happening *happening)
{
	/* EXCEPTION: as in daemon_handle(). */
	if (happening->kind == HAPPEN_ORDER)
		fs_order(world, node, &happening->order_fs);
	else if (happening->kind == HAPPEN_TICK)
		tick(world, node);
	else if (happening->kind == HAPPEN_CONNECT)
		primary_on_connected(world, node, 0);
	else if (happening->kind == HAPPEN_APPLY)
		secondary_apply(world, node);
	else if (happening->kind == HAPPEN_RESYNC)
		primary_walk(world, node, happening->number);
	else if (happening->kind == HAPPEN_SERVE)
		secondary_serve(world, node);
	else if (happening->kind == HAPPEN_SYNC)
		on_synced(world, node);
}
