#include "base/error.h"
#include "sim/world.h"

/*
 * evenkeel-fs as primary: does writes here, has them numbered and put into the log, sends, answers
 * what may be answered; copies every object to a peer that has to be brought up to date.
 */

#define PEER_TIMEOUT_NS	 (2 * NS_PER_S)
#define HELLO_TIMEOUT_NS (2 * NS_PER_S)
#define SYNCS_AT_ONCE	 16

static const struct op_window window = { .ops = 300, .bytes = LOG_MEMORY_SIZE - OP_SIZE_MAX };

bool primary_is_serving(const struct node *node)
{
	return node->fs.is_running && node->fs.role == FS_PRIMARY;
}

static void begin_tenure(struct world *world, struct node *node)
{
	CHECK(world->tenure_count < TENURES_MAX);
	struct tenure *tenure = &world->tenures[world->tenure_count];

	node->tenure = world->tenure_count++;
	tenure->node = node->id;
	tenure->epoch = node->fs.tenant.epoch.number;
	tenure->first_write = world->write_count;
	for (int i = 0; i < OBJECTS; i++)
		tenure->base[i] = node->copy.cached[i];
	world->counters.tenures++;
}

static uint64_t known_sequences(const struct node *node)
{
	uint64_t known = MAX_OF(standing_known(&node->fs.standing), node->fs.receiver.received);

	return MAX_OF(known, node->fs.sender.next_sequence);
}

uint64_t primary_next_tenure(const struct node *node)
{
	return sender_next_tenure(known_sequences(node));
}

/* A promotion waits for no other disk than its state's (R16). */
static void record_role(struct node *node, bool is_resumed, bool is_promotion)
{
	struct fs *fs = &node->fs;

	if (is_resumed || is_promotion)
		fs_mark_new(node);
	else
		fs_mark(node, 0);
	(void)standing_serve(&fs->standing, &fs->tenant, fs->sender.next_sequence, is_resumed);
	fs_store(node);
}

void primary_begin(struct world *world, struct node *node, const struct action *order)
{
	struct fs *fs = &node->fs;

	bool is_promotion = fs->role == FS_SECONDARY;

	fs_take_role(node, FS_PRIMARY, order);
	byhand_take(world, node, false);
	byhand_serve(node);
	sender_init(&fs->sender, fs->tenant.epoch.number, primary_next_tenure(node));
	syncs_clear(&fs->syncs);
	barriers_begin(&fs->barriers, world->now);
	watch_begin(&fs->sender);
	record_role(node, false, is_promotion);
	fs->is_draining = fs->is_leasing = false;
	fs->next_id = fs->lease_end = 0;
	for (int i = 0; i < CLIENTS; i++)
		node->held.ring[i].is_pending = false;
	begin_tenure(world, node);
}

/* A successor: what waited for the peer goes on waiting for it; syncs are done again. */
void primary_resume(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	fs->role = FS_PRIMARY;
	byhand_take(world, node, true);
	enum resumption resumption = sender_resume(
		&fs->sender, fs->tenant.epoch.number, known_sequences(node), world->now);
	sender_mute(&fs->sender, node->held.is_muted);
	barriers_begin(&fs->barriers, world->now);
	record_role(node, true, false);
	for (int i = 0; i < CLIENTS; i++)
		if (node->held.ring[i].is_sync)
			node->held.ring[i].sequence = 0;
	if (resumption == RESUMED_LOST)
		fs_report(world, node, FS_REPORT_PEER_LOST);
}

/* ---- towards the peer ---- */

static void flush(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	bool was_idle = fs->sender.acked >= fs->sender.sent;
	struct oplog_cursor after;
	struct bytes encoded;

	while (fs->sender.session.is_up && sender_next_to_send(&fs->sender, &after, &encoded)) {
		struct frame frame = { .kind = FRAME_OP, .connection = fs->connection };
		CHECK(encoded.size <= sizeof(frame.bytes));
		frame.size = (uint16_t)encoded.size;
		__builtin_memcpy(frame.bytes, encoded.data, encoded.size);
		watch_on_writing(&fs->sender, was_idle, world->now);
		was_idle = false;
		if (!network_send(world, node, &frame))
			return; /* full: it goes on when there is room */
		sender_on_sent(&fs->sender, after);
		watch_on_written(&fs->sender);
	}
}

/* Done here; now it has its number, and is in the log before anything else happens. */
static uint64_t submit(struct world *world, struct node *node, struct op *op)
{
	uint64_t sequence = sender_give(&node->fs.sender, op);

	flush(world, node);
	return sequence;
}

static struct op object_op(enum op_type type, uint8_t object, const uint32_t *value)
{
	return (struct op){
		.type = type,
		.object = FIRST_OBJECT + object,
		.data = { .data = (const uint8_t *)value, .size = sizeof(*value) },
	};
}

/* ---- ids ---- */

#define LEASE_IDS 8

/* Durable here, then known to whoever could take over; only then used. */
static void want_lease(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	uint64_t first = MAX_OF(fs->standing.id_limit, (uint64_t)FIRST_OBJECT + OBJECTS);
	struct op op = { .type = OP_LEASE, .offset = first + LEASE_IDS };

	fs_raise_ids(node, op.offset);
	fs->is_leasing = true;
	fs->lease_first = first;
	fs->lease_sequence = submit(world, node, &op);
}

static bool has_id(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	if (fs->next_id < fs->lease_end)
		return true;
	if (!fs->is_leasing)
		want_lease(world, node);
	if (!sender_is_known_there(&fs->sender, fs->lease_sequence))
		return false;
	fs->is_leasing = false;
	fs->next_id = fs->lease_first;
	fs->lease_end = fs->lease_first + LEASE_IDS;
	return true;
}

/* ---- requests of the application ---- */

static void submit_sync(struct world *world, struct node *node, struct request *request)
{
	struct fs *fs = &node->fs;
	struct op op = { .type = OP_SYNC, .object = 1 };
	bool is_needed_there = sender_needs_peer(&fs->sender);

	request->sequence = submit(world, node, &op);
	syncs_add(&fs->syncs, request->sequence, is_needed_there);
	fs_sync(world, node);
}

static void request_sync(struct world *world, struct node *node, struct request *request)
{
	request->is_sync = true;
	for (int i = 0; i < OBJECTS; i++)
		request->values[i] = node->copy.cached[i];
	submit_sync(world, node, request);
}

static void request_write(struct world *world, struct node *node, struct request *request)
{
	uint8_t object = (uint8_t)chance_below(&world->chance, OBJECTS);
	uint32_t write = copy_write(world, node, object);
	struct op op = object_op(OP_WRITE, object, &write);

	promise_on_id_given(world, node, node->fs.next_id++);
	request->is_sync = false;
	request->write = write;
	request->sequence = submit(world, node, &op);
}

static bool has_room(const struct fs *fs)
{
	return sender_has_room(&fs->sender, &window) && syncs_has_room(&fs->syncs);
}

bool primary_request(struct world *world, struct node *node, uint32_t client, bool is_sync)
{
	struct request *request = &node->held.ring[client];

	if (!primary_is_serving(node) || request->is_pending || !has_room(&node->fs) ||
		world->write_count == WRITES_MAX)
		return false;
	if (!is_sync && !has_id(world, node))
		return false;
	request->is_pending = true;
	request->is_orphan = false;
	request->since = world->now;
	if (is_sync)
		request_sync(world, node, request);
	else
		request_write(world, node, request);
	primary_answer(world, node);
	return true;
}

static void submit_again(struct world *world, struct node *node)
{
	for (int i = 0; i < CLIENTS; i++) {
		struct request *request = &node->held.ring[i];
		if (request->is_pending && request->sequence == 0 && has_room(&node->fs))
			submit_sync(world, node, request);
	}
}

static void answer(struct world *world, struct node *node, uint32_t client)
{
	node->held.ring[client].is_pending = false;
	promise_on_acknowledged(world, node, client);
}

static void answer_syncs(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	uint64_t ready[SYNCS_AT_ONCE];
	uint32_t count = syncs_take(&fs->syncs, &fs->sender, ready, SYNCS_AT_ONCE);

	for (uint32_t i = 0; i < count; i++)
		for (uint32_t client = 0; client < CLIENTS; client++) {
			const struct request *request = &node->held.ring[client];
			if (request->is_pending && request->is_sync &&
				request->sequence == ready[i])
				answer(world, node, client);
		}
}

void primary_answer(struct world *world, struct node *node)
{
	uint64_t answerable = sender_answerable(&node->fs.sender);

	for (uint32_t i = 0; i < CLIENTS; i++) {
		const struct request *request = &node->held.ring[i];
		if (request->is_pending && !request->is_sync && request->sequence <= answerable)
			answer(world, node, i);
	}
	answer_syncs(world, node);
}

static void drained(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	if (!fs->is_draining || fs->sender.local_barrier < fs->drain_to ||
		!sender_is_drained(&fs->sender, fs->drain_sequence))
		return;
	fs->is_draining = false;
	promise_on_drained(world, node);
	fs_report(world, node, FS_REPORT_DRAINED);
}

void primary_on_synced(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	for (int i = 0; i < CLIENTS; i++) {
		const struct request *request = &node->held.ring[i];
		if (request->is_pending && request->is_sync &&
			request->sequence <= fs->barrier.up_to)
			(void)syncs_on_done_here(&fs->syncs, &fs->sender, request->sequence);
	}
	primary_answer(world, node);
	drained(world, node);
}

/* ---- the connection ---- */

static void drop_peer(struct world *world, struct node *node, enum loss loss)
{
	struct fs *fs = &node->fs;
	bool is_news = session_drop(&fs->sender, loss);

	if (fs->sender.session.is_up)
		primary_on_lost(world, node);
	primary_answer(world, node);
	if (is_news)
		fs_report(world, node,
			loss == LOSS_FAILED ? FS_REPORT_PEER_FAILED : FS_REPORT_PEER_LOST);
}

void primary_on_lost(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	fs_close(world, node);
	if (fs->sender.session.is_up && session_on_disconnected(&fs->sender, world->now))
		drop_peer(world, node, LOSS_SILENT);
}

void primary_on_connected(struct world *world, struct node *node, uint64_t connection)
{
	struct fs *fs = &node->fs;
	struct node *other = other_node(world, node);
	struct frame frame = { .kind = FRAME_HELLO, .hello = fs_hello(node) };

	(void)connection;
	fs->is_connecting = false;
	if (fs->role != FS_PRIMARY || fs->connection != 0 || !network_has_stream(world) ||
		!other->fs.is_running || other->fs.role != FS_SECONDARY)
		return;
	if (!session_hello(&fs->sender, ++world->last_session, &frame.hello))
		return;
	fs->connection = frame.connection = network_connect(world);
	fs->said = frame.hello;
	fs->said_at = world->now;
	(void)network_send(world, node, &frame); /* a full channel: silence ends the connection */
}

static void begin_walk(struct world *world, struct node *node)
{
	struct op op = { .type = OP_RESYNC_BEGIN };

	node->fs.resync_next = 0;
	submit(world, node, &op);
	/* HELLO said what was leased then; a lease since was nobody's to hear. */
	op = (struct op){ .type = OP_LEASE, .offset = node->fs.standing.id_limit };
	submit(world, node, &op);
	happen_to(world, node, PROCESS_FS, HAPPEN_RESYNC, NS_PER_MS)->number =
		node->fs.said.session;
	world->counters.resyncs++;
}

static void on_hello(struct world *world, struct node *node, const struct hello *theirs)
{
	struct fs *fs = &node->fs;
	fs_raise_ids(node, theirs->id_limit);
	enum hello_outcome outcome =
		session_on_hello(&fs->sender, &fs->said, theirs, true, world->now);

	if (outcome == HELLO_BEGUN)
		begin_walk(world, node);
	if (outcome == HELLO_BEGUN || outcome == HELLO_CONTINUED) {
		fs_report_connected(world, node, outcome == HELLO_CONTINUED);
		primary_answer(world, node);
		flush(world, node);
		return;
	}
	fs_close(world, node);
	if (outcome == HELLO_OVER)
		drop_peer(world, node, LOSS_OVER);
}

static void on_ack(struct world *world, struct node *node, const struct frame *frame)
{
	struct fs *fs = &node->fs;

	if (sender_on_acknowledged(
		    &fs->sender, frame->epoch, frame->applied, frame->durable, world->now) < 0) {
		primary_on_lost(world, node);
		return;
	}
	syncs_on_durable_there(&fs->syncs, fs->sender.peer_barrier);
	primary_answer(world, node);
	drained(world, node);
	flush(world, node);
}

/* What a peer says in a session that stands. */
static void on_session_frame(struct world *world, struct node *node, const struct frame *frame)
{
	struct fs *fs = &node->fs;

	watch_on_heard(&fs->sender, world->now);
	switch (frame->kind) {
	case FRAME_ACK: on_ack(world, node, frame); break;
	case FRAME_SYNCED:
		syncs_on_done_there(&fs->syncs, frame->sequence);
		watch_on_progress(&fs->sender, world->now);
		primary_answer(world, node);
		break;
	case FRAME_PROGRESS: watch_on_working(&fs->sender, frame->duration, world->now); break;
	case FRAME_COMPLETE:
		if (session_on_complete(&fs->sender))
			fs_report(world, node, FS_REPORT_TARGET_COMPLETE);
		break;
	case FRAME_FAILED: drop_peer(world, node, LOSS_FAILED); break;
	case FRAME_HELLO:
	case FRAME_CLOSED:
	case FRAME_OP:
	case FRAME_KEEP: break;
	}
}

void primary_on_frame(struct world *world, struct node *node, const struct frame *frame)
{
	bool is_up = node->fs.sender.session.is_up;

	if (frame->kind == FRAME_CLOSED || (frame->kind == FRAME_FAILED && !is_up))
		primary_on_lost(world, node);
	else if (frame->kind == FRAME_HELLO && !is_up)
		on_hello(world, node, &frame->hello);
	else if (is_up)
		on_session_frame(world, node, frame);
}

/* One object more for the target; at the end answers begin to wait for it. */
void primary_walk(struct world *world, struct node *node, uint64_t session)
{
	struct fs *fs = &node->fs;
	struct op end = { .type = OP_RESYNC_END };
	bool is_ours = fs->role == FS_PRIMARY && fs->sender.mode == SENDER_CATCHING_UP &&
		       fs->sender.log.header->session == session;

	if (!is_ours || fs->sender.session.is_broken)
		return;
	if (has_room(fs) && fs->resync_next < OBJECTS) {
		uint8_t object = (uint8_t)fs->resync_next++;
		struct op op = object_op(OP_METADATA, object, &node->copy.cached[object]);
		submit(world, node, &op);
	} else if (has_room(fs)) {
		submit(world, node, &end);
		CHECK(sender_pair(&fs->sender) == 0);
		return;
	}
	int64_t pause = chance_between(&world->chance, NS_PER_MS, 60 * NS_PER_MS);
	happen_to(world, node, PROCESS_FS, HAPPEN_RESYNC, pause)->number = session;
}

static void try_again(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	bool is_up = fs->sender.session.is_up;

	if (fs->connection != 0 && !is_up && world->now - fs->said_at > HELLO_TIMEOUT_NS)
		fs_close(world, node);
	if (fs->connection != 0 || fs->sender.session.want == LINK_IDLE || fs->is_connecting)
		return;
	int64_t delay = chance_between(&world->chance, 2 * NS_PER_MS, 40 * NS_PER_MS);
	fs->is_connecting = true;
	happen_to(world, node, PROCESS_FS, HAPPEN_CONNECT, delay);
}

void primary_tick(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	struct watch_findings findings = watch_look(&fs->sender, world->now, PEER_TIMEOUT_NS);
	struct frame keep = { .kind = FRAME_KEEP, .connection = fs->connection };

	if (findings.complaint != COMPLAINT_NONE)
		drop_peer(world, node,
			findings.complaint == COMPLAINT_BROKEN ? LOSS_FAILED : LOSS_SILENT);
	else if (findings.should_hang_up)
		primary_on_lost(world, node);
	else if (findings.should_keep && fs->connection != 0)
		(void)network_send(world, node, &keep); /* a full channel needs no keeping */
	if (watch_is_unreachable(&fs->sender, world->now))
		fs_report(world, node, FS_REPORT_REFUSED);
	submit_again(world, node);
	flush(world, node);
	try_again(world, node);
}

/* ---- orders ---- */

static void go_alone(struct world *world, struct node *node, const struct action *order)
{
	struct fs *fs = &node->fs;

	if (sender_go_alone(&fs->sender, order->fs.epoch.number) < 0) {
		fs_report(world, node, FS_REPORT_REFUSED);
		return;
	}
	primary_on_lost(world, node);
	fs->ordered_epoch = fs->tenant.epoch = node->held.epoch = order->fs.epoch;
	fs->generation = node->held.generation = order->fs.generation;
	barriers_want(&fs->barriers);
	standing_go_alone(&fs->standing, order->fs.epoch);
	fs_store(node);
	/* The same tree goes on: a new tenure for what is acknowledged from here on. */
	begin_tenure(world, node);
	primary_answer(world, node);
	drained(world, node);
	fs_report(world, node, FS_REPORT_IS_ALONE);
}

static void mute(struct world *world, struct node *node, bool is_muted)
{
	node->held.is_muted = is_muted;
	sender_mute(&node->fs.sender, is_muted);
	primary_answer(world, node);
}

void primary_drain(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	struct op op = { .type = OP_SYNC, .object = 1 };

	if (!has_room(fs)) {
		barriers_want_drain(&fs->barriers);
		return;
	}
	fs->drain_sequence = sender_needs_peer(&fs->sender) ? submit(world, node, &op) : 0;
	fs->drain_to = fs->sender.next_sequence - 1;
	fs->is_draining = true;
	__builtin_memcpy(fs->draining, node->copy.cached, sizeof(fs->draining));
	fs_sync(world, node);
}

static void connect(struct world *world, struct node *node, const struct action *order)
{
	enum stream_wants wants =
		order->fs.plan == RESYNC_SET_ASIDE ? STREAM_SET_ASIDE : STREAM_COMPARE;

	if (session_connect(&node->fs.sender, wants, world->now) < 0)
		fs_report(world, node, FS_REPORT_REFUSED);
	else
		fs_mark(node, 0); /* the peer may be good soon: an older state says it is not */
}

static void pair(struct world *world, struct node *node, const struct action *order)
{
	if (session_is_paired(&node->fs.sender, order->fs.epoch.number))
		barriers_want(&node->fs.barriers);
	else
		fs_report(world, node, FS_REPORT_REFUSED);
}

void primary_order(struct world *world, struct node *node, const struct action *order)
{
	struct fs *fs = &node->fs;

	/* EXCEPTION: the other orders are those of fs_order(). */
	if (order->fs.order == FS_ORDER_CONNECT)
		connect(world, node, order);
	else if (order->fs.order == FS_ORDER_GO_ALONE)
		go_alone(world, node, order);
	else if (order->fs.order == FS_ORDER_HOLD)
		mute(world, node, true);
	else if (order->fs.order == FS_ORDER_RESUME)
		mute(world, node, false);
	else if (order->fs.order == FS_ORDER_DRAIN)
		barriers_want_drain(&fs->barriers);
	else if (order->fs.order == FS_ORDER_PAIR)
		pair(world, node, order);
}
