#include <string.h>

#include "repl/planted.h"
#include "sim/world.h"

/*
 * Plays evenkeel-fs: the process, its orders, its reports, its disk. What it does as primary and as
 * secondary stands in fs_primary.c and fs_secondary.c; sender, receiver and log are the product's.
 */

#define TICK_NS	      (200 * NS_PER_MS)
#define SYNC_EVERY_NS (5 * NS_PER_S)

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
			.epoch = fs->epoch,
			.is_behind = fs->role == FS_SECONDARY && !fs->receiver.is_in_sync,
			.is_continued = is_continued,
			.barrier = node->barrier,
			.peer_barrier = node->peer_barrier },
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

void fs_start(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	CHECK(!fs->is_running);
	*fs = (struct fs){ .is_running = true, .life = ++world->last_life };
	fs->epoch = node->held.epoch;
	if (node->held.role == FS_PRIMARY)
		primary_resume(world, node);
	else if (node->held.role == FS_SECONDARY)
		secondary_resume(world, node);
	happen_to(world, node, PROCESS_FS, HAPPEN_TICK, TICK_NS);
	happen_to(world, node, PROCESS_FS, HAPPEN_SYNC, SYNC_EVERY_NS)->number = 1;
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

	if (fs->is_syncing) {
		fs->is_sync_wanted = true; /* what came since is not covered by the one that runs */
		return;
	}
	fs->is_syncing = true;
	fs->is_sync_wanted = false;
	fs->sync_to = fs->role == FS_PRIMARY ? fs->sender.next_sequence - 1 : fs->receiver.applied;
	memcpy(fs->syncing, node->copy.cached, sizeof(fs->syncing));
	happen_to(world, node, PROCESS_FS, HAPPEN_SYNC, duration);
}

static void on_synced(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	fs->is_syncing = false;
	memcpy(node->copy.durable, fs->syncing, sizeof(fs->syncing));
	if (fs->role == FS_PRIMARY)
		primary_on_synced(world, node);
	else if (fs->role == FS_SECONDARY)
		secondary_on_synced(world, node);
	if (fs->is_sync_wanted)
		fs_sync(world, node);
}

/* ---- orders ---- */

static void stop(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	fs_close(world, node);
	memcpy(node->copy.durable, node->copy.cached, sizeof(node->copy.cached));
	if (fs->role == FS_PRIMARY)
		node->barrier = fs->sender.next_sequence - 1;
	if (fs->role == FS_SECONDARY)
		node->barrier = fs->receiver.applied;
	fs->role = FS_NONE;
	fs->want = LINK_IDLE;
	node->held.role = FS_NONE;
	node->held.has_send_log = false;
	node->held.has_receive_log = false;
	node->held.is_in_sync = false;
	for (int i = 0; i < CLIENTS; i++)
		node->held.ring[i].is_pending = false; /* EIO */
	fs_report(world, node, FS_REPORT_IS_STOPPED);
}

static void be_primary(struct world *world, struct node *node, const struct action *order)
{
	struct fs *fs = &node->fs;

	if (fs->role == FS_SECONDARY) {
		fs_report(world, node, FS_REPORT_REFUSED);
		return;
	}
	if (fs->role == FS_NONE && node->unmounted > 0) {
		if (!IS_PLANTED(PLANTED_STRANGE_SERVES)) {
			fs_report(world, node, FS_REPORT_WRONG_COPY);
			return;
		}
		memset(node->copy.cached, 0, sizeof(node->copy.cached));
	}
	if (fs->role == FS_NONE) {
		primary_begin(
			world, node, order->fs.epoch, order->fs.epoch.number << TENURE_BITS | 1);
		promise_on_serving(world, node, false);
	}
	fs_report(world, node, FS_REPORT_IS_PRIMARY);
}

static void be_secondary(struct world *world, struct node *node, const struct action *order)
{
	struct fs *fs = &node->fs;

	if (fs->role == FS_PRIMARY) {
		fs_report(world, node, FS_REPORT_REFUSED);
		return;
	}
	if (fs->role == FS_NONE || fs->epoch.number != order->fs.epoch.number)
		secondary_begin(world, node, order->fs.epoch);
	fs_report(world, node, FS_REPORT_IS_SECONDARY);
}

void fs_order(struct world *world, struct node *node, const struct action *order)
{
	switch (order->fs.order) {
	case FS_ORDER_STOP: stop(world, node); break;
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

static void tick(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	happen_to(world, node, PROCESS_FS, HAPPEN_TICK, TICK_NS);
	if (fs->role == FS_PRIMARY)
		primary_tick(world, node);
	else if (fs->role == FS_SECONDARY && fs->connection != 0 &&
		 world->now - fs->heard_at > NS_PER_S)
		fs_close(world, node); /* the primary says something every 200 ms */
}

void fs_on_frame(struct world *world, struct node *node, const struct frame *frame)
{
	struct fs *fs = &node->fs;

	if (frame->connection == fs->connection)
		fs->heard_at = world->now;
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
		primary_walk(world, node);
	else if (happening->kind == HAPPEN_SYNC && happening->number == 0)
		on_synced(world, node);
	else if (happening->kind == HAPPEN_SYNC) {
		happen_to(world, node, PROCESS_FS, HAPPEN_SYNC, SYNC_EVERY_NS)->number = 1;
		if (node->fs.role != FS_NONE)
			fs_sync(world, node);
	}
}
