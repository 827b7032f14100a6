/*
 * Data and state prove each other (R2): each replicated root carries an xattr with the set of copies
 * that its data belong to, how far they were durable, and the seal, of which the state says which may
 * lie there (repl/standing.h has the table). A root that is behind the state is an old image; one that
 * is ahead of it lies beside a state that was put back; one of another set, or of none, is a disk that
 * is not mounted, or somebody else's. None of them is the source of anything.
 *
 *	trusted.evenkeel.root	set id (16) | u64 generation number | u64 tag | u64 epoch number |
 *				u8 epoch node | u64 barrier | u64 seal
 */
#include "fs/replicator/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "platform/planted.h"

#define ROOT_XATTR	"trusted.evenkeel.root"
#define ROOT_XATTR_SIZE (SET_ID_SIZE + 5 * 8 + 1)

static int open_root(struct replicator *r, uint64_t root, int *out_fd)
{
	return tree_open_object(r->config.tree, root, O_RDONLY | O_DIRECTORY, out_fd);
}

static int mark_root(struct replicator *r, uint64_t root, const struct root_mark *mark)
{
	uint8_t value[ROOT_XATTR_SIZE];
	struct buf_writer writer = buf_writer_init(value, sizeof(value));
	buf_put_raw(&writer, mark->set_id, SET_ID_SIZE);
	buf_put_u64(&writer, mark->generation.number);
	buf_put_u64(&writer, mark->generation.tag);
	buf_put_u64(&writer, mark->epoch.number);
	buf_put_u8(&writer, mark->epoch.node);
	buf_put_u64(&writer, mark->barrier);
	buf_put_u64(&writer, mark->seal);
	CHECK(!writer.is_overrun && writer.size == sizeof(value));
	int fd = -1;
	int error = open_root(r, root, &fd);
	if (error != 0)
		return error;
	if (fsetxattr(fd, ROOT_XATTR, value, writer.size, 0) != 0 ||
		(!IS_PLANTED(PLANTED_MARK_UNSYNCED) && fsync(fd) != 0))
		error = -errno;
	close(fd);
	return error;
}

static uint64_t highest_seal(const struct replicator *r)
{
	uint64_t highest = 0;
	for (uint64_t root = 1; root <= r->config.module->directory_count; root++)
		highest = MAX_OF(highest, r->marks[root - 1].mark.seal);
	return highest;
}

/* The state says first that there may be such marks, or they would make it an old one. */
static int begin_marks(struct replicator *r, uint64_t barrier, struct root_mark *out_mark)
{
	lock_take(&r->lock);
	struct root_mark mark = { .generation = r->generation, .epoch = r->epoch };
	memcpy(mark.set_id, r->set_id, SET_ID_SIZE);
	lock_give(&r->lock);
	lock_take(&r->state_lock);
	mark.barrier = standing_mark_barrier(&r->state, barrier);
	mark.seal = standing_begin_seal(&r->state, highest_seal(r));
	*out_mark = mark;
	return replicator_store_state_unlock(r);
}

/* That it is not stored promises less: the next marks are held to have been begun. */
static void end_marks(struct replicator *r, const struct root_mark *mark)
{
	lock_take(&r->state_lock);
	for (uint64_t root = 1; root <= r->config.module->directory_count; root++)
		r->marks[root - 1] = (struct found_mark){ .is_there = true, .mark = *mark };
	memcpy(r->marked_set_id, mark->set_id, SET_ID_SIZE);
	r->doubt = DOUBT_NONE;
	standing_end_seal(&r->state, mark->seal);
	(void)!replicator_store_state_unlock(r);
}

int replicator_mark_roots(struct replicator *r, uint64_t barrier)
{
	struct root_mark mark;
	lock_take(&r->mark_lock);
	int error = begin_marks(r, barrier, &mark);
	for (uint64_t root = 1; error == 0 && root <= r->config.module->directory_count; root++)
		error = mark_root(r, root, &mark);
	if (error == 0)
		end_marks(r, &mark);
	lock_give(&r->mark_lock);
	return error;
}

void replicator_mark_session(struct replicator *r)
{
	lock_take(&r->lock);
	bool is_due = r->is_session_unmarked;
	r->is_session_unmarked = false;
	lock_give(&r->lock);
	if (is_due)
		(void)!replicator_mark_roots(
			r, 0); /* the barrier after the pairing says it again */
}

int replicator_mark_following(struct replicator *r)
{
	lock_take(&r->state_lock);
	struct root_mark mark = r->marks[0].mark;
	bool is_ours = r->doubt == DOUBT_NONE && r->marks[0].is_there &&
		       memcmp(mark.set_id, r->set_id, SET_ID_SIZE) == 0;
	lock_give(&r->state_lock);
	if (!is_ours)
		return 0;
	lock_take(&r->lock);
	r->generation = mark.generation; /* until the primary says of which it is */
	lock_give(&r->lock);
	return replicator_mark_roots(r, 0);
}

int replicator_mark_new_roots(struct replicator *r)
{
	lock_take(&r->state_lock);
	bool is_marked =
		memcmp(r->marked_set_id, r->set_id, SET_ID_SIZE) == 0 && r->doubt == DOUBT_NONE;
	lock_give(&r->state_lock);
	return is_marked ? 0 : replicator_mark_roots(r, 0);
}

/* -ENODATA: the root has no mark. */
static int read_mark(struct replicator *r, uint64_t root, struct root_mark *out_mark)
{
	uint8_t value[ROOT_XATTR_SIZE];
	int fd = -1;
	int error = open_root(r, root, &fd);
	if (error != 0)
		return error;
	ssize_t size = fgetxattr(fd, ROOT_XATTR, value, sizeof(value));
	close(fd);
	if (size != (ssize_t)sizeof(value))
		return -ENODATA;
	struct buf_reader reader = buf_reader_init(value, sizeof(value));
	buf_get_raw(&reader, out_mark->set_id, SET_ID_SIZE);
	out_mark->generation.number = buf_get_u64(&reader);
	out_mark->generation.tag = buf_get_u64(&reader);
	out_mark->epoch.number = buf_get_u64(&reader);
	out_mark->epoch.node = buf_get_u8(&reader);
	out_mark->barrier = buf_get_u64(&reader);
	out_mark->seal = buf_get_u64(&reader);
	return 0;
}

static const struct root_mark *mark_of(const struct replicator *r, uint64_t root)
{
	const struct found_mark *found = &r->marks[root - 1];

	return found->is_there ? &found->mark : NULL;
}

static void note_doubt(struct replicator *r, uint64_t root, enum doubt doubt)
{
	if (doubt <= r->doubt)
		return;
	r->doubt = doubt;
	r->doubtful_root = root;
}

static void believe_root(struct replicator *r, uint64_t root)
{
	struct found_mark found = { 0 };
	found.is_there = read_mark(r, root, &found.mark) == 0;
	r->marks[root - 1] = found;
	note_doubt(r, root, standing_believe(&r->state, mark_of(r, root)));
}

void replicator_believe_roots(struct replicator *r)
{
	r->doubt = DOUBT_NONE;
	for (uint64_t root = 1; root <= r->config.module->directory_count; root++)
		believe_root(r, root);
	if (r->doubt == DOUBT_NONE)
		memcpy(r->marked_set_id, r->state.set_id, SET_ID_SIZE);
}

void replicator_believe_record(struct replicator *r, const struct recorded_copy *recorded)
{
	lock_take(&r->state_lock);
	for (uint64_t root = 1; root <= r->config.module->directory_count; root++)
		note_doubt(r, root, standing_believe_record(&r->state, mark_of(r, root), recorded));
	lock_give(&r->state_lock);
}

void replicator_say_doubt(struct replicator *r, const char *why)
{
	struct fs_reported said = { .report = FS_REPORT_OLD_COPY, .error = -EUCLEAN };
	lock_take(&r->state_lock);
	if (r->doubt == DOUBT_STRANGE)
		said.report = FS_REPORT_WRONG_COPY;
	if (r->doubt == DOUBT_OLD_STATE) {
		said.report = FS_REPORT_OLD_STATE;
		said.marked = r->marks[r->doubtful_root - 1].mark.epoch;
	}
	lock_give(&r->state_lock);
	(void)snprintf(said.detail, sizeof(said.detail), "%s", why);
	replicator_say(r, &said);
}

bool replicator_has_doubt(struct replicator *r, bool is_source, char *out_why, size_t size)
{
	lock_take(&r->state_lock);
	enum doubt doubt = r->doubt;
	uint64_t root = r->doubtful_root;
	lock_give(&r->state_lock);
	if (!doubt_forbids(doubt, is_source))
		return false;
	const char *directory = r->config.module->directories[root - 1];
	if (doubt == DOUBT_STRANGE)
		(void)snprintf(out_why, size,
			"this module's data never lay in what is at %.40s now: is its disk "
			"mounted?",
			directory);
	else if (doubt == DOUBT_OLD_STATE)
		(void)snprintf(out_why, size,
			"this node's state (%.36s) is older than the data in %.36s: an old one was "
			"put back",
			r->state_path, directory);
	else
		(void)snprintf(out_why, size,
			"an older state of %.40s was put back (a snapshot, an image)", directory);
	return true;
}
