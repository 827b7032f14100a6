/*
 * Comparing the two copies while the application runs, without changing either.
 *
 * Object after object, both sides take a digest at the same place in the order of operations: here
 * under the object's order lock, together with giving the question its sequence; there in the
 * applier, when everything before is applied. So a difference is a difference, however busy the
 * tree is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/replicator/inside.h"
#include "fs/tree/digest.h"
#include "fs/tree/idlist.h"
#include "fs/tree/idmap.h"
#include "fs/tree/resync.h"

#define ANSWER_NS    (2 * OP_TIMEOUT_NS) /* the answer may have been lost with a connection */
#define VERIFY_BYTES ((uint64_t)HASHES_MAX * HASH_BLOCK_SIZE)

struct verify {
	struct replicator *r;
	struct fs_verified *result;
	struct idlist objects;
	struct idmap known;
};

/* ---- one question ---- */

/* Sends the question; the object's order lock is held. */
static int ask(struct replicator *r, struct op *op)
{
	lock_take(&r->lock);
	replicator_wait_for_room(r, WINDOW_OPS, WINDOW_BYTES);
	int error = -ENOTCONN;
	if (r->role == FS_PRIMARY && r->sender.mode == SENDER_PAIRED) {
		r->asked.object = op->object;
		r->asked.offset = op->offset;
		r->asked.is_answered = false;
		(void)replicator_append(r, op);
		error = 0;
	}
	lock_give(&r->lock);
	return error;
}

static bool is_same_answer(const struct replicator *r, const struct frame *ours)
{
	return r->asked.size == ours->hashes.size && r->asked.count == ours->hashes.count &&
	       (r->asked.count == 0 || memcmp(r->asked.hashes, ours->hashes.hashes.data,
					       ours->hashes.hashes.size) == 0);
}

static int wait_answer(struct replicator *r, const struct frame *ours, bool *out_is_same)
{
	int64_t until_ns = clock_boot_ns() + ANSWER_NS;
	lock_take(&r->lock);
	while (!r->asked.is_answered && r->role == FS_PRIMARY && sender_is_sending(&r->sender) &&
		clock_boot_ns() < until_ns)
		replicator_wait(r, &r->changed, TICK_NS);
	int error = r->asked.is_answered ? 0 : -ENOTCONN;
	*out_is_same = error == 0 && is_same_answer(r, ours);
	r->asked.object = 0;
	lock_give(&r->lock);
	return error;
}

bool replicator_verify_on_hashes(struct replicator *r, const struct frame *frame)
{
	bool is_ours = r->asked.object != 0 && r->asked.object == frame->hashes.object &&
		       r->asked.offset == frame->hashes.offset;
	if (!is_ours)
		return false;
	r->asked.size = frame->hashes.size;
	r->asked.count = frame->hashes.count;
	memcpy(r->asked.hashes, frame->hashes.hashes.data, frame->hashes.hashes.size);
	r->asked.is_answered = true;
	condition_wake_all(&r->changed);
	return true;
}

int replicator_digest(
	struct tree *tree, const struct op *op, uint8_t *hashes, struct frame *out_frame)
{
	*out_frame = (struct frame){ .kind = FRAME_HASHES,
		.hashes = { .object = op->object, .offset = op->offset } };
	if ((op->mask & HASH_OBJECT) == 0)
		return digest_blocks(tree, op, hashes, &out_frame->hashes);
	int error = digest_object(tree, op->object, hashes);
	if (error == -ESTALE)
		return 0;
	out_frame->hashes.count = 1;
	out_frame->hashes.hashes = (struct bytes){ .data = hashes, .size = HASH_SIZE };
	return error;
}

static int compare(struct verify *verify, struct op *op, bool *out_is_same)
{
	struct replicator *r = verify->r;
	const struct order_objects objects = { .ids = { op->object } };
	uint8_t hashes[HASHES_MAX * HASH_SIZE];
	struct frame ours;
	order_lock(r->config.order, &objects);
	int error = replicator_digest(r->config.tree, op, hashes, &ours);
	if (error == 0)
		error = ask(r, op);
	order_unlock(r->config.order, &objects);
	return error != 0 ? error : wait_answer(r, &ours, out_is_same);
}

/* ---- one object ---- */

static void note_difference(struct verify *verify, uint64_t object, const char *what)
{
	char path[32], name[PATH_SIZE_MAX] = "?";
	int fd = -1;
	verify->result->differences++;
	if (verify->result->differences > 1)
		return;
	/* Below the mount the path is the same as above it. */
	if (tree_open_object(verify->r->config.tree, object, O_PATH | O_NOFOLLOW, &fd) == 0) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t size = readlink(path, name, sizeof(name) - 1);
		name[MAX_OF(size, 0)] = '\0';
		close(fd);
	}
	(void)snprintf(
		verify->result->detail, sizeof(verify->result->detail), "%s: %s", what, name);
}

/* Each once, whatever names it has. */
static int add_object(struct verify *verify, uint64_t object)
{
	if (idmap_has(&verify->known, object))
		return 0;
	int error = idmap_put(&verify->known, object, NULL);
	return error == 0 ? idlist_push(&verify->objects, object) : error;
}

static int add_children(struct verify *verify, uint64_t directory)
{
	struct tree *tree = verify->r->config.tree;
	struct tree_directory *reader = NULL;
	struct tree_name name;
	int error = tree_directory_open(tree, directory, &reader);
	if (error != 0)
		return error;
	while ((error = tree_directory_next(reader, &name)) == 1) {
		uint64_t child = 0;
		if (tree_identify(tree, directory, name.name, &child) != 0 || child == 0)
			continue;
		error = add_object(verify, child);
		if (error != 0)
			break;
	}
	tree_directory_close(reader);
	return error;
}

static int verify_content(struct verify *verify, uint64_t object, uint64_t size)
{
	bool is_all_same = true;
	for (uint64_t at = 0; at < size; at += VERIFY_BYTES) {
		struct op op = { .type = OP_HASH_WANTED,
			.object = object,
			.offset = at,
			.length = VERIFY_BYTES,
			.mask = HASH_IN_ORDER };
		bool is_same = true;
		int error = compare(verify, &op, &is_same);
		if (error != 0)
			return error;
		verify->result->bytes += MIN_OF(size - at, VERIFY_BYTES);
		is_all_same = is_all_same && is_same;
	}
	if (!is_all_same)
		note_difference(verify, object, "the content differs");
	return 0;
}

static int verify_object(struct verify *verify, uint64_t object)
{
	struct op op = { .type = OP_HASH_WANTED,
		.object = object,
		.offset = UINT64_MAX,
		.mask = HASH_IN_ORDER | HASH_OBJECT };
	struct tree_entry entry;
	bool is_same = true;
	int error = tree_stat(verify->r->config.tree, object, &entry);
	if (error == -ESTALE)
		return 0; /* removed meanwhile */
	if (error == 0 && S_ISDIR(entry.attributes.mode))
		error = add_children(verify, object);
	if (error == 0)
		error = compare(verify, &op, &is_same);
	if (error != 0)
		return error == -ESTALE ? 0 : error;
	verify->result->objects++;
	if (!is_same)
		note_difference(verify, object, "names, owner, mode, times or attributes differ");
	return S_ISREG(entry.attributes.mode)
		       ? verify_content(verify, object, entry.attributes.size)
		       : 0;
}

int replicator_verify(struct replicator *r, struct fs_verified *out_result)
{
	struct verify verify = { .r = r, .result = out_result };
	*out_result = (struct fs_verified){ 0 };
	lock_take(&r->lock);
	bool is_paired = r->role == FS_PRIMARY && r->sender.mode == SENDER_PAIRED;
	bool is_busy = r->is_verifying;
	r->is_verifying = r->is_verifying || is_paired;
	lock_give(&r->lock);
	if (!is_paired || is_busy) {
		(void)snprintf(out_result->detail, sizeof(out_result->detail), "%s",
			is_busy ? "a comparison is under way already"
				: "nothing to compare: ask the primary, while the other node is "
				  "in sync");
		return is_busy ? -EBUSY : -ENOTCONN;
	}
	int error = 0;
	for (uint64_t root = 1; error == 0 && root <= r->config.module->directory_count; root++)
		error = add_object(&verify, root);
	while (error == 0 && idlist_count(&verify.objects) > 0)
		error = verify_object(&verify, idlist_pop(&verify.objects));
	idlist_done(&verify.objects);
	idmap_done(&verify.known);
	lock_take(&r->lock);
	r->is_verifying = false;
	condition_wake_all(&r->changed);
	lock_give(&r->lock);
	if (error != 0 && out_result->detail[0] == '\0')
		(void)snprintf(out_result->detail, sizeof(out_result->detail), "%s",
			error == -ENOTCONN ? "the other node was lost before the end"
					   : strerror(-error));
	return error;
}
