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
	/* Less than the state says would look like an old image. */
	barrier = MAX_OF(barrier, r->state.barrier);
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
static int read_mark(
	struct replicator *r, uint64_t root, uint8_t set_id[SET_ID_SIZE], uint64_t *out_barrier)
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
	buf_get_raw(&reader, set_id, SET_ID_SIZE);
	(void)buf_get_u64(&reader);
	(void)buf_get_u64(&reader);
	*out_barrier = buf_get_u64(&reader);
	return 0;
}

/* The lower of the two barriers is what is true of both. */
static void doubt(struct replicator *r, uint64_t root, enum doubt doubt)
{
	r->doubt = doubt;
	r->doubtful_root = root;
}

static void believe_root(struct replicator *r, uint64_t root)
{
	uint8_t set_id[SET_ID_SIZE];
	uint64_t barrier = 0;
	int error = read_mark(r, root, set_id, &barrier);
	if (error != 0 || memcmp(set_id, r->state.set_id, SET_ID_SIZE) != 0) {
		doubt(r, root, DOUBT_STRANGE);
		barrier = 1; /* something was there once */
	} else if (barrier < r->state.barrier && r->doubt == DOUBT_NONE) {
		doubt(r, root, DOUBT_OLD);
	}
	if (r->state.barrier > barrier)
		r->state.barrier = barrier;
}

void replicator_believe_roots(struct replicator *r)
{
	static const uint8_t nothing[SET_ID_SIZE];
	r->doubt = DOUBT_NONE;
	if (memcmp(r->state.set_id, nothing, SET_ID_SIZE) == 0)
		return; /* no data were ever here */
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
	/* As a target an old state is compared as a whole, and ends like the source. */
	if (doubt == DOUBT_NONE || (doubt == DOUBT_OLD && !is_source))
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
