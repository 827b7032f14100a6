/*
 * Data and state prove each other (R2): each replicated root carries an xattr with the set of copies
 * that its data belong to, and how far they were durable. It is durable itself before the state says
 * the same. So a state that says more than a root lies beside other data: a disk that is not mounted,
 * another one, or an old image that was put back. Such data are never the source of anything.
 *
 *	trusted.evenkeel.root	set id (16) | u64 generation number | u64 tag | u64 barrier
 */
#include "fs/replicator/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ROOT_XATTR	"trusted.evenkeel.root"
#define ROOT_XATTR_SIZE (SET_ID_SIZE + 3 * 8)

static int open_root(struct replicator *r, uint64_t root, int *out_fd)
{
	return tree_open_object(r->config.tree, root, O_RDONLY | O_DIRECTORY, out_fd);
}

static int mark_root(struct replicator *r, uint64_t root, uint64_t barrier)
{
	uint8_t value[ROOT_XATTR_SIZE];
	struct buf_writer writer = buf_writer_init(value, sizeof(value));
	buf_put_raw(&writer, r->set_id, SET_ID_SIZE);
	buf_put_u64(&writer, r->generation.number);
	buf_put_u64(&writer, r->generation.tag);
	buf_put_u64(&writer, barrier);
	CHECK(!writer.is_overrun);
	int fd = -1;
	int error = open_root(r, root, &fd);
	if (error != 0)
		return error;
	if (fsetxattr(fd, ROOT_XATTR, value, writer.size, 0) != 0 || fsync(fd) != 0)
		error = -errno;
	close(fd);
	return error;
}

int replicator_mark_roots(struct replicator *r, uint64_t barrier)
{
	lock_take(&r->state_lock);
	barrier = standing_mark_barrier(&r->state, barrier);
	lock_give(&r->state_lock);
	for (uint64_t root = 1; root <= r->config.module->directory_count; root++) {
		int error = mark_root(r, root, barrier);
		if (error != 0)
			return error;
	}
	lock_take(&r->state_lock);
	memcpy(r->marked_set_id, r->set_id, SET_ID_SIZE);
	r->doubt = DOUBT_NONE;
	lock_give(&r->state_lock);
	return 0;
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
	out_mark->barrier = buf_get_u64(&reader);
	return 0;
}

static void believe_root(struct replicator *r, uint64_t root)
{
	struct root_mark mark;
	int error = read_mark(r, root, &mark);
	enum doubt doubt = standing_believe(&r->state, error == 0 ? &mark : NULL);
	if (doubt <= r->doubt)
		return;
	r->doubt = doubt;
	r->doubtful_root = root;
}

void replicator_believe_roots(struct replicator *r)
{
	r->doubt = DOUBT_NONE;
	for (uint64_t root = 1; root <= r->config.module->directory_count; root++)
		believe_root(r, root);
	if (r->doubt == DOUBT_NONE)
		memcpy(r->marked_set_id, r->state.set_id, SET_ID_SIZE);
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
	else
		(void)snprintf(out_why, size,
			"an older state of %.40s was put back (a snapshot, an image)", directory);
	return true;
}
