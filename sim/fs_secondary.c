#include "base/error.h"
#include "sim/world.h"

/*
 * evenkeel-fs as secondary: what arrives is judged by the receiver, kept in the log, applied in
 * order, acknowledged; a promotion finishes what was received without a gap.
 */

static struct oplog_header *header(struct fs *fs)
{
	return fs->receive_log.header;
}

static void format_log(struct node *node, uint64_t session)
{
	struct fs *fs = &node->fs;

	oplog_format(&fs->receive_log, node->held.receive_memory, LOG_MEMORY_SIZE, session,
		fs->receiver.received + 1);
	header(fs)->epoch = fs->receiver.epoch;
	fs->apply_cursor.position = header(fs)->tail;
	node->held.has_receive_log = true;
}

static void set_in_sync(struct node *node, bool is_in_sync)
{
	node->held.is_in_sync = is_in_sync;
	node->fs.receiver.is_in_sync = is_in_sync;
}

void secondary_begin(struct world *world, struct node *node, struct epoch epoch)
{
	struct fs *fs = &node->fs;

	fs_close(world, node);
	fs->role = FS_SECONDARY;
	fs->epoch = epoch;
	fs->is_adopted = false;
	fs->end_sequence = 0;
	receiver_init(&fs->receiver, epoch.number, 0);
	format_log(node, 0);
	set_in_sync(node, false);
	node->held.role = FS_SECONDARY;
	node->held.epoch = epoch;
}

/* With the log it goes on; without, this copy may miss acknowledged writes (R6). */
void secondary_resume(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	bool has_log =
		node->held.has_receive_log &&
		oplog_attach(&fs->receive_log, node->held.receive_memory, LOG_MEMORY_SIZE) == 0;

	if (!has_log || header(fs)->session == 0) {
		secondary_begin(world, node, node->held.epoch);
		return;
	}
	fs->role = FS_SECONDARY;
	receiver_init(&fs->receiver, header(fs)->epoch, header(fs)->next_sequence - 1);
	fs->receiver.applied = header(fs)->applied;
	fs->receiver.durable = MIN_OF(header(fs)->applied, node->barrier);
	fs->is_adopted = node->held.is_in_sync;
	set_in_sync(node, node->held.is_in_sync);
	fs->apply_cursor.position = header(fs)->tail;
	if (oplog_seek(&fs->receive_log, fs->receiver.applied + 1, &fs->apply_cursor) == 0) {
		fs->is_applying = true;
		happen_to(world, node, PROCESS_FS, HAPPEN_APPLY, NS_PER_MS);
	}
}

static void acknowledge(struct world *world, struct node *node, uint64_t connection)
{
	struct fs *fs = &node->fs;
	struct frame frame = {
		.kind = FRAME_ACK,
		.connection = connection,
		.epoch = fs->receiver.epoch,
		.received = receiver_acknowledgeable(&fs->receiver),
		.durable = fs->receiver.durable,
	};

	(void)network_send(world, node, &frame); /* cumulative: the next one says it too */
}

static void send_ack(struct world *world, struct node *node)
{
	if (node->fs.connection != 0)
		acknowledge(world, node, node->fs.connection);
}

static void send_complete(struct world *world, struct node *node)
{
	struct frame frame = { .kind = FRAME_COMPLETE, .connection = node->fs.connection };

	if (node->fs.connection != 0 && node->fs.is_adopted)
		(void)network_send(world, node, &frame); /* said again with every KEEP */
}

/* ---- promotion ---- */

static void finish_promotion(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	if (!fs->is_promoting || fs->receiver.applied < fs->promote_after)
		return;
	oplog_cut(&fs->receive_log, fs->promote_after);
	fs->is_promoting = false;
	fs->is_adopted = false;
	node->held.is_in_sync = false;
	primary_begin(world, node, fs->promote_epoch, fs->promote_epoch.number << TENURE_BITS | 1);
	world->counters.promotions++;
	promise_on_serving(world, node, true);
	fs_report(world, node, FS_REPORT_IS_PRIMARY);
}

void secondary_promote(struct world *world, struct node *node, const struct action *order)
{
	struct fs *fs = &node->fs;
	uint64_t last;

	if (fs->role == FS_PRIMARY && fs->epoch.number == order->fs.epoch.number) {
		fs_report(world, node, FS_REPORT_IS_PRIMARY);
		return;
	}
	if (fs->role != FS_SECONDARY || receiver_promote(&fs->receiver, &last) < 0) {
		fs_report(world, node, FS_REPORT_REFUSED);
		return;
	}
	/* The connection stays open here: it is the receiver that lets nothing more in. */
	fs->is_promoting = true;
	fs->promote_after = last;
	fs->promote_epoch = order->fs.epoch;
	fs->old_connection = fs->connection;
	fs->connection = 0;
	finish_promotion(world, node);
}

/* ---- what arrives ---- */

static void apply_now(struct node *node, const struct op *op)
{
	if (op->type != OP_WRITE && op->type != OP_METADATA)
		return;
	CHECK(op->data.size == sizeof(uint32_t));
	__builtin_memcpy(
		&node->copy.cached[op->object - FIRST_OBJECT], op->data.data, sizeof(uint32_t));
}

static void schedule_apply(struct world *world, struct node *node)
{
	int64_t duration = chance_between(&world->chance, 100 * NS_PER_US, 8 * NS_PER_MS);

	if (node->fs.is_applying)
		return;
	if (chance_is(&world->chance, 10))
		duration = 300 * NS_PER_MS;
	node->fs.is_applying = true;
	happen_to(world, node, PROCESS_FS, HAPPEN_APPLY, duration);
}

static void hang_up(struct world *world, struct node *node, uint64_t connection)
{
	network_close(world, node, connection);
	if (node->fs.connection == connection)
		node->fs.connection = 0;
	if (node->fs.old_connection == connection)
		node->fs.old_connection = 0;
}

static void on_op(struct world *world, struct node *node, const struct frame *frame)
{
	struct fs *fs = &node->fs;
	struct bytes bytes = { .data = frame->bytes, .size = frame->size };
	struct op op;
	size_t size;

	CHECK(op_decode(bytes, &op, &size) == 0);
	switch (receiver_on_arrived(&fs->receiver, op.epoch, op.sequence)) {
	case VERDICT_TAKE:
		/* A planted bug may take what the log does not: then it is simply done. */
		if (oplog_append_encoded(&fs->receive_log, &op, bytes) < 0) {
			apply_now(node, &op);
			fs->receiver.applied = op.sequence;
		}
		if (fs->role == FS_PRIMARY) { /* likewise: done, and acknowledged */
			apply_now(node, &op);
			fs->receiver.applied = op.sequence;
			acknowledge(world, node, frame->connection);
		}
		schedule_apply(world, node);
		break;
	case VERDICT_DUPLICATE: send_ack(world, node); break;
	case VERDICT_GAP:
	case VERDICT_STALE_EPOCH: hang_up(world, node, frame->connection); break;
	}
}

/* The receiver says whether this primary is the one to obey. */
static bool is_obeyed(const struct fs *fs, uint64_t epoch)
{
	struct receiver probe = fs->receiver;

	return fs->role == FS_SECONDARY &&
	       receiver_on_arrived(&probe, epoch, probe.received + 1) == VERDICT_TAKE;
}

static void begin_session(struct world *world, struct node *node, const struct frame *frame)
{
	struct fs *fs = &node->fs;

	promise_on_overwritten(world, node, frame->wants_set_aside);
	receiver_init(&fs->receiver, fs->receiver.epoch, frame->received);
	set_in_sync(node, false);
	fs->is_adopted = false;
	fs->end_sequence = 0;
	format_log(node, frame->session);
}

static void on_hello(struct world *world, struct node *node, const struct frame *frame)
{
	struct fs *fs = &node->fs;

	if (!is_obeyed(fs, frame->epoch)) {
		hang_up(world, node, frame->connection);
		return;
	}
	if (node->unmounted > 0) {
		hang_up(world, node, frame->connection);
		fs_report(world, node, FS_REPORT_WRONG_COPY);
		return;
	}
	if (fs->connection != 0)
		fs_close(world, node);
	fs->connection = frame->connection;
	fs->heard_at = world->now;
	if (frame->wants_compare)
		begin_session(world, node, frame);
	struct frame reply = {
		.kind = FRAME_HELLO,
		.connection = frame->connection,
		.epoch = fs->receiver.epoch,
		.session = header(fs)->session,
		.received = fs->receiver.received,
	};
	(void)network_send(world, node, &reply); /* a full channel: silence ends the connection */
	fs_report_connected(world, node, fs->receiver.is_in_sync);
}

void secondary_on_frame(struct world *world, struct node *node, const struct frame *frame)
{
	struct fs *fs = &node->fs;
	bool is_ours = frame->connection == fs->connection ||
		       (frame->connection == fs->old_connection && fs->old_connection != 0);

	if (frame->kind == FRAME_HELLO) {
		on_hello(world, node, frame);
		return;
	}
	if (!is_ours)
		return;
	if (frame->kind == FRAME_OP)
		on_op(world, node, frame);
	if (frame->kind == FRAME_CLOSED && frame->connection == fs->connection)
		fs->connection = 0;
	if (frame->kind == FRAME_KEEP && fs->role == FS_SECONDARY) {
		send_ack(world, node);
		send_complete(world, node);
	}
}

/* ---- applying ---- */

static void on_applied(struct world *world, struct node *node, const struct op *op)
{
	struct fs *fs = &node->fs;

	if (receiver_on_applied(&fs->receiver, op->sequence) < 0)
		return; /* done already, by a planted bug */
	header(fs)->applied = op->sequence;
	if (op->type == OP_RESYNC_END)
		fs->end_sequence = op->sequence;
	if (op->type == OP_SYNC || op->type == OP_RESYNC_END)
		fs_sync(world, node);
}

void secondary_apply(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	struct bytes encoded;
	struct op op;
	size_t size;

	fs->is_applying = false;
	if (fs->role != FS_SECONDARY || !oplog_next(&fs->receive_log, &fs->apply_cursor, &encoded))
		return;
	CHECK(op_decode(encoded, &op, &size) == 0);
	if (fs->is_promoting && op.sequence > fs->promote_after)
		return;
	apply_now(node, &op);
	on_applied(world, node, &op);
	oplog_trim(&fs->receive_log, fs->receiver.applied);
	send_ack(world, node);
	finish_promotion(world, node);
	if (fs->role == FS_SECONDARY && fs->receiver.applied < fs->receiver.received)
		schedule_apply(world, node);
}

void secondary_on_synced(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	if (receiver_on_durable(&fs->receiver, fs->sync_to) < 0)
		return; /* of a session before this one */
	node->barrier = MAX_OF(node->barrier, fs->sync_to);
	send_ack(world, node);
	if (fs->end_sequence == 0 || fs->receiver.durable < fs->end_sequence || fs->is_adopted)
		return;
	fs->is_adopted = true;
	set_in_sync(node, true);
	fs_report(world, node, FS_REPORT_ADOPTED);
	send_complete(world, node);
}
