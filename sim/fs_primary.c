#include "base/error.h"
#include "sim/world.h"

/*
 * evenkeel-fs as primary: does writes here, numbers them, puts them into the log, sends, answers
 * what the sender lets it answer; copies every object to a peer that has to be brought up to date.
 */

#define WINDOW_OPS	300
#define RECONNECT_NS	NS_PER_S
#define SILENT_NS	NS_PER_S
#define PEER_TIMEOUT_NS (2 * NS_PER_S)

bool primary_is_serving(const struct node *node)
{
	return node->fs.is_running && node->fs.role == FS_PRIMARY;
}

static struct oplog_header *header(struct fs *fs)
{
	return fs->send_log.header;
}

static void format_log(struct node *node, uint64_t session)
{
	struct fs *fs = &node->fs;

	oplog_format(&fs->send_log, node->held.send_memory, LOG_MEMORY_SIZE, session,
		fs->sender.next_sequence);
	header(fs)->epoch = fs->sender.epoch;
	fs->send_cursor.position = header(fs)->tail;
	node->held.has_send_log = true;
}

static void begin_tenure(struct world *world, struct node *node)
{
	CHECK(world->tenure_count < TENURES_MAX);
	struct tenure *tenure = &world->tenures[world->tenure_count];

	node->tenure = world->tenure_count++;
	tenure->node = node->id;
	tenure->epoch = node->fs.epoch.number;
	tenure->first_write = world->write_count;
	for (int i = 0; i < OBJECTS; i++)
		tenure->base[i] = node->copy.cached[i];
	world->counters.tenures++;
}

void primary_begin(struct world *world, struct node *node, struct epoch epoch, uint64_t sequence)
{
	struct fs *fs = &node->fs;

	fs->role = FS_PRIMARY;
	fs->epoch = epoch;
	fs->want = LINK_IDLE;
	sender_init(&fs->sender, epoch.number, sequence);
	format_log(node, 0);
	node->held.role = FS_PRIMARY;
	node->held.epoch = epoch;
	node->held.next_sequence = sequence;
	node->held.is_muted = false;
	node->held.is_complete_told = false;
	for (int i = 0; i < CLIENTS; i++)
		node->held.ring[i].is_pending = false;
	begin_tenure(world, node);
}

/* A successor: what waited for the peer goes on waiting for it. */
void primary_resume(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	bool has_log = node->held.has_send_log &&
		       oplog_attach(&fs->send_log, node->held.send_memory, LOG_MEMORY_SIZE) == 0;
	bool was_sending = has_log && header(fs)->session != 0;

	fs->role = FS_PRIMARY;
	sender_init(&fs->sender, node->held.epoch.number, node->held.next_sequence);
	fs->sender.is_muted = node->held.is_muted;
	if (was_sending && header(fs)->is_paired) {
		CHECK(header(fs)->next_sequence == node->held.next_sequence);
		fs->sender.mode = SENDER_HELD;
		fs->sender.acked = header(fs)->applied;
		fs->want = LINK_CONTINUE;
		fs->lost_at = world->now;
		return;
	}
	format_log(node, 0);
	if (was_sending)
		fs_report(world, node, FS_REPORT_PEER_LOST);
}

/* ---- towards the peer ---- */

static void flush(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	struct oplog_cursor cursor = fs->send_cursor;
	struct bytes encoded;

	while (fs->connection != 0 && oplog_next(&fs->send_log, &cursor, &encoded)) {
		struct frame frame = { .kind = FRAME_OP, .connection = fs->connection };
		CHECK(encoded.size <= sizeof(frame.bytes));
		frame.size = (uint16_t)encoded.size;
		__builtin_memcpy(frame.bytes, encoded.data, encoded.size);
		if (!network_send(world, node, &frame))
			return; /* full: the next acknowledgement makes room */
		fs->send_cursor = cursor;
	}
}

static uint64_t sent(struct fs *fs)
{
	struct oplog_cursor cursor = fs->send_cursor;
	struct bytes encoded;
	struct op op;
	size_t size;

	if (!oplog_next(&fs->send_log, &cursor, &encoded))
		return header(fs)->next_sequence - 1;
	CHECK(op_decode(encoded, &op, &size) == 0);
	return op.sequence - 1;
}

static bool has_room(struct fs *fs)
{
	return !sender_is_sending(&fs->sender) ||
	       header(fs)->next_sequence - header(fs)->first_sequence < WINDOW_OPS;
}

/* Done here; now it has its number, and is in the log before anything else happens. */
static uint64_t submit(struct world *world, struct node *node, struct op *op)
{
	struct fs *fs = &node->fs;

	op->sequence = sender_sequence(&fs->sender);
	op->epoch = fs->sender.epoch;
	node->held.next_sequence = fs->sender.next_sequence;
	if (sender_is_sending(&fs->sender)) {
		CHECK(oplog_append(&fs->send_log, op) == 0);
		flush(world, node);
	}
	return op->sequence;
}

static struct op object_op(enum op_type type, uint8_t object, const uint32_t *value)
{
	return (struct op){
		.type = type,
		.object = FIRST_OBJECT + object,
		.data = { .data = (const uint8_t *)value, .size = sizeof(*value) },
	};
}

/* ---- requests of the application ---- */

static void request_sync(struct world *world, struct node *node, struct request *request)
{
	struct op op = { .type = OP_SYNC, .object = 1 };

	request->is_sync = true;
	for (int i = 0; i < OBJECTS; i++)
		request->values[i] = node->copy.cached[i];
	request->sequence = submit(world, node, &op);
	fs_sync(world, node);
}

static void request_write(struct world *world, struct node *node, struct request *request)
{
	uint8_t object = (uint8_t)chance_below(&world->chance, OBJECTS);
	uint32_t write = copy_write(world, node, object);
	struct op op = object_op(OP_WRITE, object, &write);

	request->is_sync = false;
	request->write = write;
	request->sequence = submit(world, node, &op);
}

bool primary_request(struct world *world, struct node *node, uint32_t client, bool is_sync)
{
	struct request *request = &node->held.ring[client];

	if (!primary_is_serving(node) || request->is_pending || !has_room(&node->fs) ||
		world->write_count == WRITES_MAX)
		return false;
	request->is_pending = true;
	request->since = world->now;
	if (is_sync)
		request_sync(world, node, request);
	else
		request_write(world, node, request);
	primary_answer(world, node);
	return true;
}

static bool is_durable(const struct fs *fs, uint64_t sequence)
{
	bool is_alone = fs->sender.mode == SENDER_ALONE || fs->sender.mode == SENDER_CATCHING_UP;

	return fs->sender.local_barrier >= sequence &&
	       (is_alone || fs->sender.peer_barrier >= sequence);
}

void primary_answer(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	uint64_t answerable = sender_answerable(&fs->sender);

	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct request *request = &node->held.ring[i];
		if (!request->is_pending || request->sequence > answerable ||
			(request->is_sync && !is_durable(fs, request->sequence)))
			continue;
		request->is_pending = false;
		promise_on_acknowledged(world, node, i);
	}
}

static void drained(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	if (!fs->is_draining || !is_durable(fs, fs->sender.next_sequence - 1))
		return;
	fs->is_draining = false;
	fs_report(world, node, FS_REPORT_DRAINED);
}

void primary_on_synced(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	sender_on_synced_here(&fs->sender, fs->sync_to);
	node->barrier = MAX_OF(node->barrier, fs->sync_to);
	primary_answer(world, node);
	drained(world, node);
}

/* ---- the connection ---- */

void primary_on_lost(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	bool was_catching_up = fs->sender.mode == SENDER_CATCHING_UP;

	fs_close(world, node);
	if (fs->sender.mode == SENDER_PAIRED)
		fs->lost_at = world->now;
	sender_peer_lost(&fs->sender);
	if (fs->sender.mode == SENDER_HELD)
		fs->want = LINK_CONTINUE;
	if (!was_catching_up)
		return;
	fs->want = LINK_IDLE;
	format_log(node, 0);
	primary_answer(world, node);
	fs_report(world, node, FS_REPORT_PEER_LOST);
}

/* The session cannot go on. */
static void drop_peer(struct world *world, struct node *node, enum fs_report report)
{
	struct fs *fs = &node->fs;
	bool is_new = !fs->is_loss_told && fs->sender.mode != SENDER_ALONE;
	bool is_held = fs->sender.mode == SENDER_PAIRED || fs->sender.mode == SENDER_HELD;

	fs->is_loss_told = true;
	primary_on_lost(world, node);
	fs->want = LINK_IDLE;
	if (is_new && is_held)
		fs_report(world, node, report);
}

void primary_on_connected(struct world *world, struct node *node, uint64_t connection)
{
	struct fs *fs = &node->fs;
	struct node *other = other_node(world, node);

	(void)connection;
	fs->is_connecting = false;
	if (fs->role != FS_PRIMARY || fs->want == LINK_IDLE || fs->connection != 0 ||
		!network_has_stream(world) || !other->fs.is_running ||
		other->fs.role != FS_SECONDARY)
		return;
	fs->connection = network_connect(world);
	fs->heard_at = world->now;
	struct frame frame = {
		.kind = FRAME_HELLO,
		.connection = fs->connection,
		.epoch = fs->sender.epoch,
		.session = fs->want == LINK_RESYNC ? ++world->last_session : header(fs)->session,
		.received = fs->sender.next_sequence - 1,
		.wants_compare = fs->want == LINK_RESYNC,
		.wants_set_aside = fs->plan == RESYNC_SET_ASIDE,
	};
	(void)network_send(world, node, &frame); /* a full channel: silence ends the connection */
}

static void begin_session(struct world *world, struct node *node, const struct frame *frame)
{
	struct fs *fs = &node->fs;
	struct op op = { .type = OP_RESYNC_BEGIN };

	if (sender_catch_up(&fs->sender) < 0) {
		fs_close(world, node);
		return;
	}
	fs->sender.acked = fs->sender.next_sequence - 1;
	node->held.is_complete_told = false;
	format_log(node, frame->session);
	fs->resync_next = 0;
	submit(world, node, &op);
	happen_to(world, node, PROCESS_FS, HAPPEN_RESYNC, NS_PER_MS)->number = frame->session;
	world->counters.resyncs++;
}

static int continue_session(struct node *node, const struct frame *frame)
{
	struct fs *fs = &node->fs;

	if (frame->session != header(fs)->session)
		return -ERROR_STALE;
	int error = sender_reconnected(&fs->sender, frame->received);
	if (error < 0)
		return error;
	fs->send_cursor.position = header(fs)->tail;
	if (oplog_seek(&fs->send_log, frame->received + 1, &fs->send_cursor) < 0)
		CHECK(frame->received == header(fs)->next_sequence - 1);
	return 0;
}

static void on_hello(struct world *world, struct node *node, const struct frame *frame)
{
	struct fs *fs = &node->fs;

	if (fs->want == LINK_RESYNC && fs->sender.mode == SENDER_ALONE)
		begin_session(world, node, frame);
	else if (fs->want != LINK_CONTINUE || continue_session(node, frame) < 0) {
		drop_peer(world, node, FS_REPORT_PEER_LOST);
		return;
	}
	fs->want = LINK_IDLE;
	fs->is_loss_told = false;
	fs->progress_at = world->now;
	fs_report_connected(world, node, fs->sender.mode == SENDER_PAIRED);
	primary_answer(world, node);
	flush(world, node);
}

static void on_ack(struct world *world, struct node *node, const struct frame *frame)
{
	struct fs *fs = &node->fs;
	uint64_t durable = fs->sender.mode == SENDER_CATCHING_UP ? 0 : frame->durable;
	uint64_t before = fs->sender.acked;

	if (sender_on_acknowledged(&fs->sender, frame->epoch, frame->received, durable) < 0) {
		primary_on_lost(world, node);
		return;
	}
	uint64_t all_sent = sent(fs);
	if (fs->sender.acked > before || fs->sender.acked >= all_sent)
		fs->progress_at = world->now;
	header(fs)->applied = fs->sender.acked;
	oplog_trim(&fs->send_log, MIN_OF(fs->sender.acked, all_sent));
	node->peer_barrier = MAX_OF(node->peer_barrier, fs->sender.peer_barrier);
	primary_answer(world, node);
	drained(world, node);
	flush(world, node);
}

void primary_on_frame(struct world *world, struct node *node, const struct frame *frame)
{
	struct fs *fs = &node->fs;

	switch (frame->kind) {
	case FRAME_HELLO: on_hello(world, node, frame); break;
	case FRAME_ACK:
		if (fs->want == LINK_IDLE) /* before HELLO is answered there is no session */
			on_ack(world, node, frame);
		break;
	case FRAME_COMPLETE:
		if (fs->sender.mode == SENDER_PAIRED && !node->held.is_complete_told) {
			node->held.is_complete_told = true;
			fs_report(world, node, FS_REPORT_TARGET_COMPLETE);
		}
		break;
	case FRAME_FAILED: drop_peer(world, node, FS_REPORT_PEER_FAILED); break;
	case FRAME_CLOSED: primary_on_lost(world, node); break;
	case FRAME_OP:
	case FRAME_KEEP: break;
	}
}

/* One object more for the target; at the end answers begin to wait for it. */
void primary_walk(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	struct op end = { .type = OP_RESYNC_END };

	if (fs->sender.mode != SENDER_CATCHING_UP)
		return;
	if (has_room(fs) && fs->resync_next < OBJECTS) {
		uint8_t object = (uint8_t)fs->resync_next++;
		struct op op = object_op(OP_METADATA, object, &node->copy.cached[object]);
		submit(world, node, &op);
	} else if (has_room(fs)) {
		submit(world, node, &end);
		CHECK(sender_pair(&fs->sender) == 0);
		header(fs)->is_paired = 1;
		return;
	}
	int64_t pause = chance_between(&world->chance, NS_PER_MS, 60 * NS_PER_MS);
	happen_to(world, node, PROCESS_FS, HAPPEN_RESYNC, pause);
}

void primary_tick(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	struct frame keep = { .kind = FRAME_KEEP, .connection = fs->connection };

	if (fs->connection != 0 && world->now - fs->heard_at > SILENT_NS)
		primary_on_lost(world, node);
	if (fs->connection != 0)
		(void)network_send(world, node, &keep); /* a full channel needs no keeping */
	if (fs->connection != 0 && fs->want == LINK_IDLE && fs->sender.acked < sent(fs) &&
		world->now - fs->progress_at > PEER_TIMEOUT_NS)
		drop_peer(world, node, FS_REPORT_PEER_LOST);
	if (fs->connection == 0 && fs->want != LINK_IDLE && !fs->is_connecting) {
		int64_t delay = chance_between(&world->chance, 2 * NS_PER_MS, 40 * NS_PER_MS);
		fs->is_connecting = true;
		happen_to(world, node, PROCESS_FS, HAPPEN_CONNECT, delay);
	}
	if (fs->sender.mode == SENDER_HELD && !fs->is_loss_told &&
		world->now - fs->lost_at > RECONNECT_NS) {
		fs->is_loss_told = true;
		fs_report(world, node, FS_REPORT_PEER_LOST);
	}
}

/* ---- orders ---- */

static void go_alone(struct world *world, struct node *node, struct epoch epoch)
{
	struct fs *fs = &node->fs;
	bool is_so = fs->sender.mode == SENDER_ALONE && fs->sender.epoch == epoch.number;

	if (!is_so && sender_go_alone(&fs->sender, epoch.number) < 0) {
		fs_report(world, node, FS_REPORT_REFUSED);
		return;
	}
	fs_close(world, node);
	fs->want = LINK_IDLE;
	fs->epoch = epoch;
	node->held.epoch = epoch;
	node->held.is_complete_told = false;
	format_log(node, 0);
	/* The same tree goes on: a new tenure for what is acknowledged from here on. */
	begin_tenure(world, node);
	primary_answer(world, node);
	drained(world, node);
	fs_report(world, node, FS_REPORT_IS_ALONE);
}

static void mute(struct world *world, struct node *node, bool is_muted)
{
	node->fs.sender.is_muted = is_muted;
	node->held.is_muted = is_muted;
	primary_answer(world, node);
}

static void drain(struct world *world, struct node *node)
{
	struct op op = { .type = OP_SYNC, .object = 1 };

	node->fs.is_draining = true;
	if (has_room(&node->fs))
		submit(world, node, &op);
	fs_sync(world, node);
}

void primary_order(struct world *world, struct node *node, const struct action *order)
{
	/* EXCEPTION: the other orders are those of fs_order(). */
	if (order->fs.order == FS_ORDER_CONNECT && node->fs.sender.mode == SENDER_ALONE) {
		node->fs.want = LINK_RESYNC;
		node->fs.plan = order->fs.plan;
		node->fs.is_loss_told = false;
	} else if (order->fs.order == FS_ORDER_GO_ALONE)
		go_alone(world, node, order->fs.epoch);
	else if (order->fs.order == FS_ORDER_HOLD)
		mute(world, node, true);
	else if (order->fs.order == FS_ORDER_RESUME)
		mute(world, node, false);
	else if (order->fs.order == FS_ORDER_DRAIN)
		drain(world, node);
}
