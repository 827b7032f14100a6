/* Looking up, attributes and file system figures. */
#include "fs/front/die.h"
#include "fs/front/request.h"
#include "platform/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* On the primary only we change the tree, so what the kernel knows stays true until it is told. */
#define FOREVER_S (UINT64_C(1) << 30)

static void split(int64_t time_ns, uint64_t *out_s, uint32_t *out_ns)
{
	int64_t ns = time_ns % NS_PER_S;

	if (ns < 0)
		ns += NS_PER_S;
	*out_s = (uint64_t)((time_ns - ns) / NS_PER_S);
	*out_ns = (uint32_t)ns;
}

void fill_attr(const struct tree_entry *entry, struct fuse_attr *out)
{
	const struct attributes *attributes = &entry->attributes;

	*out = (struct fuse_attr){
		.ino = entry->object,
		.size = attributes->size,
		.blocks = entry->blocks,
		.mode = attributes->mode,
		.nlink = entry->links,
		.uid = attributes->uid,
		.gid = attributes->gid,
		.rdev = (uint32_t)attributes->device,
		.blksize = 4096,
	};
	split(attributes->atime_ns, &out->atime, &out->atimensec);
	split(attributes->mtime_ns, &out->mtime, &out->mtimensec);
	split(entry->ctime_ns, &out->ctime, &out->ctimensec);
}

void fill_entry(
	const struct request *request, const struct tree_entry *entry, struct fuse_entry_out *out)
{
	uint64_t valid_s = is_primary(request) ? FOREVER_S : 0;

	*out = (struct fuse_entry_out){
		.nodeid = node_of(request->mount, entry->object),
		.entry_valid = valid_s,
		.attr_valid = valid_s,
	};
	fill_attr(entry, &out->attr);
}

void fill_attr_out(
	const struct request *request, const struct tree_entry *entry, struct fuse_attr_out *out)
{
	*out = (struct fuse_attr_out){ .attr_valid = is_primary(request) ? FOREVER_S : 0 };
	fill_attr(entry, &out->attr);
}

/* The ring has no room for all of them: then the folder that they are kept in says it. */
static bool is_unnoted_orphan(struct request *request, const struct tree_entry *entry)
{
	return request->mount->ring.header->has_overflowed != 0 && entry->links == 1 &&
	       !S_ISDIR(entry->attributes.mode) &&
	       tree_is_orphan(request->front->tree, entry->object);
}

int request_stat(struct request *request, uint64_t object, struct tree_entry *out)
{
	bool is_orphan = false;
	bool is_gone = gone_find(&request->mount->ring, object, out, &is_orphan);

	if (is_gone && !is_orphan)
		return 0;
	int error = tree_stat(request->front->tree, object, out);
	if (error == 0 && (is_gone || is_unnoted_orphan(request, out)))
		out->links = 0;
	/* Our own folder's ".." is not to be seen; with 1 the file system does not count them. */
	if (error == 0 && object == request->mount->root_object && out->links > 2)
		out->links--;
	return error;
}

int request_lookup(
	struct request *request, uint64_t parent, struct bytes name, struct tree_entry *out)
{
	struct front *front = request->front;
	int error = tree_lookup(front->tree, parent, name, out);

	if (error != -EAGAIN || !is_primary(request))
		return error;
	error = replicator_ensure_ids(front->replicator, 1);
	return error != 0 ? error : tree_lookup(front->tree, parent, name, out);
}

void on_lookup(struct request *request)
{
	struct fuse_entry_out out = { 0 };
	struct tree_entry entry;
	struct bytes name;
	bool is_orphan;
	int error = request_name(request, 0, &name);

	if (error == 0)
		error = request_lookup(request, request->object, name, &entry);
	die_if_told(request->in.opcode, DIE_LOOKED_UP);
	if (error == -ESTALE && gone_find(&request->mount->ring, request->object, NULL, &is_orphan))
		error = -ENOENT; /* a directory that was removed while it was in use */
	if (error == 0) {
		fill_entry(request, &entry, &out);
	} else if (error == -ENOENT && is_primary(request)) {
		out.entry_valid =
			FOREVER_S; /* nodeid 0: the kernel remembers that it is not there */
		error = 0;
	}
	if (error == 0)
		reply_data(request, &out, sizeof(out));
	else
		reply_error(request, error);
}

void on_getattr(struct request *request)
{
	struct fuse_attr_out out;
	struct tree_entry entry;
	int error = request_stat(request, request->object, &entry);

	if (error != 0) {
		reply_error(request, error);
		return;
	}
	fill_attr_out(request, &entry, &out);
	reply_data(request, &out, sizeof(out));
}

/* ---- setattr ---- */

static int answer_attributes(struct request *request, struct change *change)
{
	struct fuse_attr_out out;
	struct tree_entry entry;
	int error = request_stat(request, change->op.object, &entry);

	if (error != 0)
		return error;
	fill_attr_out(request, &entry, &out);
	change_answer(request, &out, sizeof(out));
	return 0;
}

/* As fs/tree/tools.c: a time that nanoseconds do not reach is the last, or the first. */
static int64_t time_of(uint64_t s, uint32_t ns)
{
	int64_t time_ns;

	if (__builtin_mul_overflow((int64_t)s, NS_PER_S, &time_ns) ||
		__builtin_add_overflow(time_ns, (int64_t)ns, &time_ns))
		return (int64_t)s < 0 ? INT64_MIN + 1 : INT64_MAX;
	return time_ns;
}

static void wanted_attributes(const struct fuse_setattr_in *in, struct op *op)
{
	static const struct {
		uint32_t valid, mask;
	} bits[] = {
		{ FATTR_MODE, ATTRIBUTE_MODE },
		{ FATTR_UID, ATTRIBUTE_UID },
		{ FATTR_GID, ATTRIBUTE_GID },
		{ FATTR_SIZE, ATTRIBUTE_SIZE },
		{ FATTR_ATIME, ATTRIBUTE_ATIME },
		{ FATTR_MTIME, ATTRIBUTE_MTIME },
	};

	for (size_t i = 0; i < ARRAY_COUNT(bits); i++) {
		if ((in->valid & bits[i].valid) != 0)
			op->mask |= bits[i].mask;
	}
	if (op->mask == 0)
		op->mask = ATTRIBUTE_UID | ATTRIBUTE_GID;
	op->attributes = (struct attributes){
		.mode = in->mode,
		.uid = (in->valid & FATTR_UID) != 0 ? in->uid : UINT32_MAX,
		.gid = (in->valid & FATTR_GID) != 0 ? in->gid : UINT32_MAX,
		.size = in->size,
		.atime_ns = (in->valid & FATTR_ATIME_NOW) != 0 ? clock_wall_ns()
							       : time_of(in->atime, in->atimensec),
		.mtime_ns = (in->valid & FATTR_MTIME_NOW) != 0 ? clock_wall_ns()
							       : time_of(in->mtime, in->mtimensec),
	};
}

static bool drops_privilege(const struct fuse_setattr_in *in, const struct op *op)
{
	if ((in->valid & FATTR_MODE) != 0)
		return false;
	return (op->mask & (ATTRIBUTE_UID | ATTRIBUTE_GID)) != 0 ||
	       ((in->valid & FATTR_KILL_SUIDGID) != 0 && (in->valid & FATTR_SIZE) != 0);
}

/*
 * A request for nothing at all is a chown(2) that keeps both, or stands before a write. Who is not
 * the owner may take nothing away by it: of a write we are told with the write.
 */
static bool is_for_nothing(struct request *request, const struct fuse_setattr_in *in)
{
	const uint32_t all =
		FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_SIZE | FATTR_ATIME | FATTR_MTIME;
	struct tree_entry entry;

	return (in->valid & all) == 0 && request->in.uid != 0 &&
	       request_stat(request, request->object, &entry) == 0 &&
	       request->in.uid != entry.attributes.uid;
}

void on_setattr(struct request *request)
{
	struct fuse_setattr_in in;
	struct change change = { .op = { .type = OP_SET_ATTRIBUTES, .object = request->object },
		.objects = { .ids = { request->object } },
		.answer = answer_attributes };
	int error = 0;

	memcpy(&in, request->argument, sizeof(in));
	if (is_for_nothing(request, &in)) {
		on_getattr(request);
		return;
	}
	wanted_attributes(&in, &change.op);
	/* ftruncate(2) sets the mtime even where truncate(2) leaves it, to the same size; which of
	 * them it was shows in the handle. */
	if ((in.valid & FATTR_SIZE) != 0 && (in.valid & (FATTR_FH | FATTR_MTIME)) == FATTR_FH) {
		change.op.mask |= ATTRIBUTE_MTIME;
		change.op.attributes.mtime_ns = clock_wall_ns();
	}
	if (request_is_removed(request)) {
		change_removed(request, &change);
		return;
	}
	if (drops_privilege(&in, &change.op))
		error = drop_privilege_before(request, &change.op);
	if (error == 0)
		error = change_run(request, &change);
	if (error != 0)
		reply_error(request, error);
}

void on_statfs(struct request *request)
{
	struct fuse_statfs_out out = { 0 };
	struct statvfs st;
	int error = tree_statfs(request->front->tree, request->mount->index, &st);

	if (error != 0) {
		reply_error(request, error);
		return;
	}
	out.st = (struct fuse_kstatfs){
		.blocks = st.f_blocks,
		.bfree = st.f_bfree,
		.bavail = st.f_bavail,
		.files = st.f_files,
		.ffree = st.f_ffree,
		.bsize = (uint32_t)st.f_bsize,
		.namelen = (uint32_t)st.f_namemax,
		.frsize = (uint32_t)st.f_frsize,
	};
	reply_data(request, &out, sizeof(out));
}
