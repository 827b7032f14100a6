#include "base/error.h"
#include "sim/world.h"

/*
 * evenkeel-fs as secondary: what arrives is judged by the receiver, kept in the log, applied in
 * order, acknowledged; a promotion finishes what was received without a gap.
 */

void secondary_begin(struct world *world, struct node *node, const struct action *order)
{
	struct fs *fs = &node->fs;

	fs_close(world, node);
	fs_take_role(node, FS_SECONDARY, order);
	byhand_take(world, node, false);
	fs->sync_sequence = 0;
	fs->is_promoting = false;
	receiver_init(&fs->receiver, fs->tenant.epoch.number);
	standing_follow(&fs->standing, &fs->tenant, false);
	fs_store(node);
	if (fs->doubt == DOUBT_NONE && node->unmounted == 0 &&
		__builtin_memcmp(node->mark.set_id, fs->tenant.set_id, SET_ID_SIZE) == 0)
		fs_mark(node, 0);
	barriers_begin(&fs->barriers, world->now);
}

static void schedule_apply(struct world *world, struct node *node)
{
	int64_t duration = chance_between(&world->chance, 100 * NS_PER_US, 8 * NS_PER_MS);

	if (node->fs.is_applying)
		return;
	if (chance_is(&world->chance, 10))
		duration = 300 * NS_PER_MS;
	node->fs.is_applying = true;
	node->fs.applying_since = world->now;
	happen_to(world, node, PROCESS_FS, HAPPEN_APPLY, duration);
}

/* With the log it goes on; without, this copy may miss acknowledged writes (R6). */
void secondary_resume(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	struct standing *standing = &fs->standing;
	const struct tenant ordered = fs->tenant;

	fs->role = FS_SECONDARY;
	byhand_take(world, node, true);
	if (receiver_resume(
		    &fs->receiver, ordered.epoch.number, standing->is_in_sync, standing->barrier) &&
		standing->epoch.number == fs->receiver.epoch)
		fs->tenant.epoch = standing->epoch;
	barriers_begin(&fs->barriers, world->now);
	if (standing_was_promoted(standing, &ordered, node->id))
		receiver_note_promoted(&fs->receiver, standing->epoch);
	else
		standing_follow(standing, &fs->tenant, receiver_is_in_sync(&fs->receiver));
	fs_store(node);
	if (fs->receiver.applied < fs->receiver.received)
		schedule_apply(world, node);
}

/* ---- towards the primary ---- */

static void acknowledge(struct world *world, struct node *node, uint64_t connection)
{
	struct fs *fs = &node->fs;
	struct frame frame = {
		.kind = FRAME_ACK,
		.connection = connection,
		.epoch = fs->receiver.epoch,
	};
	bool is_fit = receiver_acknowledgeable(&fs->receiver, &frame.applied, &frame.durable);

	/* A planted bug acknowledges what it takes after its promotion. */
	if (connection != 0 && (is_fit || fs->role == FS_PRIMARY))
		(void)network_send(world, node, &frame); /* cumulative: the next one says it too */
}

static void send_ack(struct world *world, struct node *node)
{
	acknowledge(world, node, node->fs.connection);
}

static void send_complete(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	struct frame frame = { .kind = FRAME_COMPLETE, .connection = fs->connection };

	if (fs->is_complete_owed && fs->connection != 0)
		fs->is_complete_owed = !network_send(world, node, &frame);
}

static void send_progress(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	int64_t since = fs->is_applying ? fs->applying_since : fs->syncing_since;
	struct frame frame = {
		.kind = FRAME_PROGRESS,
		.connection = fs->connection,
		.duration = world->now - since,
	};

	(void)network_send(world, node, &frame); /* a full channel says as much */
}

void secondary_tick(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	if (fs->connection == 0)
		return;
	if (fs->is_applying || fs->is_syncing)
		send_progress(world, node);
	else
		send_ack(world, node);
	send_complete(world, node);
}

/* ---- promotion ---- */

/* Recorded first; a moment later it serves, and says so. */
static void finish_promotion(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	if (!fs->is_promoting || !receiver_is_finished(&fs->receiver))
		return;
	struct tenant tenant = fs->tenant;
	tenant.epoch = fs->promotion.fs.epoch;
	fs_mark_new(node);
	(void)standing_serve(&fs->standing, &tenant, primary_next_tenure(node), false);
	fs_store(node);
	int64_t moment = chance_between(&world->chance, 50 * NS_PER_US, 5 * NS_PER_MS);
	happen_to(world, node, PROCESS_FS, HAPPEN_SERVE, moment);
}

void secondary_serve(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	if (!fs->is_promoting || fs->role != FS_SECONDARY)
		return; /* told otherwise meanwhile */
	fs->is_promoting = false;
	fs_close(world, node);
	primary_begin(world, node, &fs->promotion);
	barriers_want(&fs->barriers);
	world->counters.promotions++;
	promise_on_serving(world, node, true);
	fs_report(world, node, FS_REPORT_IS_PRIMARY);
}

void secondary_promote(struct world *world, struct node *node, const struct action *order)
{
	struct fs *fs = &node->fs;

	if (fs->role == FS_PRIMARY && fs->tenant.epoch.number == order->fs.epoch.number) {
		fs_report(world, node, FS_REPORT_IS_PRIMARY);
		return;
	}
	if (fs->role != FS_SECONDARY ||
		receiver_promote(&fs->receiver, order->fs.epoch.number) < 0) {
		fs_report(world, node, FS_REPORT_REFUSED);
		return;
	}
	/* The connection stays open here: it is the receiver that lets nothing more in. */
	fs->is_promoting = true;
	fs->promotion = *order;
	__builtin_memcpy(fs->promotion.fs.set_id, fs->tenant.set_id, SET_ID_SIZE);
	fs->old_connection = fs->connection;
	fs->connection = 0;
	finish_promotion(world, node);
}

/* ---- what arrives ---- */

static void apply_now(const struct world *world, struct node *node, const struct op *op)
{
	if (op->type == OP_LEASE)
		fs_raise_ids(node, op->offset);
	if (op->type != OP_WRITE && op->type != OP_METADATA)
		return;
	CHECK(op->data.size == sizeof(uint32_t));
	__builtin_memcpy(
		&node->copy.cached[op->object - FIRST_OBJECT], op->data.data, sizeof(uint32_t));
	node->copy.changed_at[op->object - FIRST_OBJECT] = world->now;
}

static void hang_up(struct world *world, struct node *node, uint64_t connection)
{
	network_close(world, node, connection);
	if (node->fs.old_connection == connection)
		node->fs.old_connection = 0;
	if (node->fs.connection != connection)
		return;
	node->fs.connection = 0;
	receiver_on_disconnected(&node->fs.receiver);
}

static void fail(struct world *world, struct node *node, uint64_t connection)
{
	struct frame frame = { .kind = FRAME_FAILED, .connection = connection };

	(void)network_send(world, node, &frame); /* the end of the connection says enough */
	hang_up(world, node, connection);
}

/* A planted bug may take what the log does not, or after its promotion: then it is simply done. */
static void do_at_once(
	struct world *world, struct node *node, const struct frame *frame, const struct op *op)
{
	apply_now(world, node, op);
	if (receiver_on_applied(&node->fs.receiver, op->sequence) == 0)
		acknowledge(world, node, frame->connection);
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
		if (receiver_append(&fs->receiver, &op, bytes) < 0 || fs->role == FS_PRIMARY)
			do_at_once(world, node, frame, &op);
		schedule_apply(world, node);
		break;
	case VERDICT_DUPLICATE:
	case VERDICT_DROP: break;
	case VERDICT_GAP: fail(world, node, frame->connection); break;
	case VERDICT_STALE_EPOCH: hang_up(world, node, frame->connection); break;
	}
}

/* ---- HELLO ---- */

/* False: promoted meanwhile. */
static bool begin_session(
	struct world *world, struct node *node, const struct hello *theirs, uint64_t *out_known)
{
	struct fs *fs = &node->fs;

	(void)standing_drop_in_sync(&fs->standing);
	fs_store(node);
	if (!receiver_quiet(&fs->receiver) || !receiver_begin_session(&fs->receiver, theirs))
		return false;
	promise_on_overwritten(world, node, theirs->wants == STREAM_SET_ASIDE);
	byhand_find(world, node, theirs->wants == STREAM_SET_ASIDE);
	__builtin_memcpy(fs->tenant.set_id, theirs->set_id, SET_ID_SIZE);
	fs->tenant.epoch = theirs->epoch;
	fs->generation = theirs->generation;
	fs->sync_sequence = 0;
	fs->is_complete_owed = false;
	*out_known = standing_begin_session(&fs->standing, &fs->tenant);
	fs_store(node);
	fs_mark(node, 0);
	return true;
}

static void put_up(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	bool is_in_sync = receiver_is_in_sync(&fs->receiver);

	if (is_in_sync)
		barriers_want(&fs->barriers);
	fs_report_connected(world, node, is_in_sync);
	send_ack(world, node);
	fs->is_complete_owed = is_in_sync;
	send_complete(world, node);
}

static void shake_hands(struct world *world, struct node *node, const struct frame *frame)
{
	struct fs *fs = &node->fs;
	const struct hello *theirs = &frame->hello;
	struct frame reply = { .kind = FRAME_HELLO, .connection = frame->connection };
	uint64_t known = 0;

	fs_raise_ids(node, theirs->id_limit);
	if (theirs->wants != STREAM_CONTINUE && !begin_session(world, node, theirs, &known)) {
		fail(world, node, frame->connection);
		return;
	}
	reply.hello = fs_hello(node);
	bool is_going_on = receiver_answer(&fs->receiver, theirs, known, &reply.hello);
	(void)network_send(world, node, &reply); /* a full channel: silence ends the connection */
	if (!is_going_on) {
		network_close(world, node, frame->connection);
		return;
	}
	fs->connection = frame->connection;
	put_up(world, node);
}

static void on_hello(struct world *world, struct node *node, const struct frame *frame)
{
	struct fs *fs = &node->fs;
	const struct hello ours = fs_hello(node);
	enum objection objection = receiver_objection(&fs->receiver, &ours, &frame->hello);

	if (fs->role != FS_SECONDARY || objection != OBJECTION_NONE) {
		fail(world, node, frame->connection);
		return;
	}
	if (fs->connection != 0)
		hang_up(world, node, fs->connection);
	/* To set aside what lies under an absent disk is not played. */
	bool is_wrong = frame->hello.wants == STREAM_COMPARE && doubt_forbids(fs->doubt, false);
	if (is_wrong || node->unmounted > 0) {
		fail(world, node, frame->connection);
		fs_report(world, node, is_wrong ? doubt_report(fs->doubt) : FS_REPORT_WRONG_COPY);
		return;
	}
	shake_hands(world, node, frame);
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
	if (frame->kind == FRAME_CLOSED && frame->connection == fs->connection) {
		fs->connection = 0;
		receiver_on_disconnected(&fs->receiver);
	}
}

/* ---- applying ---- */

static void on_applied(struct world *world, struct node *node, const struct op *op)
{
	struct fs *fs = &node->fs;

	if (receiver_on_applied(&fs->receiver, op->sequence) < 0)
		return; /* done already, by a planted bug */
	if (op->type == OP_RESYNC_END)
		receiver_on_end(&fs->receiver, op->sequence);
	if (op->type == OP_SYNC)
		fs->sync_sequence = op->sequence;
	if (op->type == OP_SYNC || op->type == OP_RESYNC_END)
		fs_sync(world, node);
}

/* Everything was applied: durable first, then remembered, then told (R4, grow). */
static void adopt(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;

	if (!receiver_can_complete(&fs->receiver))
		return;
	fs_mark(node, fs->receiver.end);
	standing_adopt(&fs->standing, fs->receiver.end);
	fs_store(node);
	if (!receiver_complete(&fs->receiver)) {
		(void)standing_drop_in_sync(&fs->standing);
		fs_store(node);
		return;
	}
	fs_report(world, node, FS_REPORT_ADOPTED);
	fs->is_complete_owed = true;
	send_complete(world, node);
}

void secondary_apply(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	struct bytes encoded;
	struct op op;
	size_t size;

	fs->is_applying = false;
	if (fs->role != FS_SECONDARY || !receiver_next_to_apply(&fs->receiver, &encoded))
		return;
	CHECK(op_decode(encoded, &op, &size) == 0);
	apply_now(world, node, &op);
	on_applied(world, node, &op);
	adopt(world, node);
	send_ack(world, node);
	finish_promotion(world, node);
	if (fs->receiver.applied < fs->receiver.received)
		schedule_apply(world, node);
}

void secondary_on_synced(struct world *world, struct node *node)
{
	struct fs *fs = &node->fs;
	struct frame synced = {
		.kind = FRAME_SYNCED,
		.connection = fs->connection,
		.sequence = fs->sync_sequence,
	};

	send_ack(world, node);
	if (fs->connection != 0 && fs->sync_sequence != 0 && fs->sync_sequence <= fs->barrier.up_to)
		(void)network_send(world, node, &synced); /* the barrier says it too */
	adopt(world, node);
}
