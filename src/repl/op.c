#include "repl/op.h"

#include "base/crc32c.h"
#include "base/error.h"

#define SIZE_FIELD_SIZE	  4 /* of the leading size, which does not count itself */
#define CHECKSUM_END	  8 /* the checksum guards what begins here */
#define FIXED_FIELDS_SIZE 128
#define OP_SIZE_MIN	  (OP_HEADER_SIZE + FIXED_FIELDS_SIZE)
#define WHITEOUT_SIZE	  24
#define FLAGS_KNOWN	  (OP_FLAG_TO_ORPHAN | OP_FLAG_OVERWRITES | OP_FLAG_MODE | OP_FLAG_NO_XATTRS)

#define MODE_TYPE_MASK 0170000u /* S_IFMT */
#define MODE_LINK      0120000u /* S_IFLNK */

_Static_assert(OP_SIZE_MIN + WHITEOUT_SIZE + 2 * OBJECT_NAME_MAX + WRITE_SIZE_MAX <= OP_SIZE_MAX,
	"the largest operation that may be encoded fits what readers allow");
_Static_assert(WRITE_SIZE_MAX >= XATTR_SIZE_MAX_ && WRITE_SIZE_MAX >= OBJECT_LINK_MAX,
	"no kind of data is larger than a write");

/* What each type must carry; the rest of its fields is free. */
enum {
	NEEDS_OBJECT = BIT(0),
	NEEDS_NAME = BIT(1),	 /* a name in the directory parent */
	NEEDS_NEW_NAME = BIT(2), /* a name in the directory new_parent */
	NEEDS_XATTR = BIT(3),	 /* name is that of an extended attribute: '/' is allowed in it */
	NEEDS_RANGE = BIT(4),	 /* offset and length are a range of a file */
};

static const struct op_rule {
	const char *name;
	uint32_t needs;
	bool is_resync;
} rules[OP_TYPE_COUNT] = {
	/* clang-format off */
	[OP_NONE]           = { "none",           0,                                          false },
	[OP_CREATE]         = { "create",         NEEDS_OBJECT | NEEDS_NAME,                  false },
	[OP_LINK]           = { "link",           NEEDS_OBJECT | NEEDS_NEW_NAME,              false },
	[OP_UNLINK]         = { "unlink",         NEEDS_OBJECT | NEEDS_NAME,                  false },
	[OP_RMDIR]          = { "rmdir",          NEEDS_OBJECT | NEEDS_NAME,                  false },
	[OP_RENAME]         = { "rename",         NEEDS_OBJECT | NEEDS_NAME | NEEDS_NEW_NAME, false },
	[OP_WRITE]          = { "write",          NEEDS_OBJECT | NEEDS_RANGE,                 false },
	[OP_ALLOCATE]       = { "allocate",       NEEDS_OBJECT | NEEDS_RANGE,                 false },
	[OP_SET_ATTRIBUTES] = { "set_attributes", NEEDS_OBJECT,                               false },
	[OP_SET_XATTR]      = { "set_xattr",      NEEDS_OBJECT | NEEDS_XATTR,                 false },
	[OP_REMOVE_XATTR]   = { "remove_xattr",   NEEDS_OBJECT | NEEDS_XATTR,                 false },
	[OP_SYNC]           = { "sync",           NEEDS_OBJECT,                               false },
	[OP_FORGET]         = { "forget",         NEEDS_OBJECT,                               false },
	[OP_LEASE]          = { "lease",          0,                                          false },
	[OP_REPAIR]         = { "repair",         NEEDS_OBJECT | NEEDS_RANGE,                 false },
	[OP_RESYNC_BEGIN]   = { "resync_begin",   0,                                          true },
	[OP_LIST]           = { "list",           NEEDS_OBJECT,                               true },
	[OP_LIST_END]       = { "list_end",       NEEDS_OBJECT,                               true },
	[OP_BIND]           = { "bind",           NEEDS_OBJECT | NEEDS_NAME,                  true },
	[OP_UNBIND]         = { "unbind",         NEEDS_NAME,                                 true },
	[OP_METADATA]       = { "metadata",       NEEDS_OBJECT,                               true },
	[OP_HASH_WANTED]    = { "hash_wanted",    NEEDS_OBJECT,                               true },
	[OP_RESYNC_END]     = { "resync_end",     0,                                          true },
	/* clang-format on */
};

static bool has_byte(struct bytes bytes, uint8_t byte)
{
	for (size_t i = 0; i < bytes.size; i++)
		if (bytes.data[i] == byte)
			return true;
	return false;
}

/* "." and ".." would lead out of the directory that was named. */
static bool is_dots(struct bytes name)
{
	return (name.size == 1 || name.size == 2) && name.data[0] == '.' &&
	       name.data[name.size - 1] == '.';
}

/* An empty name is fine where none is needed. */
static bool is_name_valid(struct bytes name, bool is_needed)
{
	if (name.size == 0)
		return !is_needed;
	return name.size <= OBJECT_NAME_MAX && !has_byte(name, '\0') && !has_byte(name, '/') &&
	       !is_dots(name);
}

static bool is_xattr_name_valid(struct bytes name)
{
	return name.size > 0 && name.size <= XATTR_NAME_SIZE_MAX && !has_byte(name, '\0');
}

static size_t data_size_max(const struct op *op)
{
	if (op->type == OP_CREATE && (op->attributes.mode & MODE_TYPE_MASK) == MODE_LINK)
		return OBJECT_LINK_MAX;
	if (op->type == OP_SET_XATTR)
		return XATTR_SIZE_MAX_;
	return WRITE_SIZE_MAX;
}

static bool is_range_valid(const struct op *op)
{
	uint64_t length = MAX_OF(op->length, (uint64_t)op->data.size);

	return op->offset <= INT64_MAX && length <= (uint64_t)INT64_MAX - op->offset;
}

/* Whether the fields are possible; decides alike for what is encoded and what is decoded. */
static bool is_valid(const struct op *op)
{
	if (op->type <= OP_NONE || op->type >= OP_TYPE_COUNT || (op->flags & ~FLAGS_KNOWN) != 0)
		return false;
	uint32_t needs = rules[op->type].needs;
	if ((needs & NEEDS_OBJECT) != 0 && op->object == 0)
		return false;
	if ((needs & NEEDS_NAME) != 0 && op->parent == 0)
		return false;
	if ((needs & NEEDS_NEW_NAME) != 0 && op->new_parent == 0)
		return false;
	if ((needs & NEEDS_RANGE) != 0 && !is_range_valid(op))
		return false;
	if (op_has_whiteout(op) && op->whiteout.object == 0)
		return false;
	bool is_name_fine = (needs & NEEDS_XATTR) != 0
				    ? is_xattr_name_valid(op->name)
				    : is_name_valid(op->name, (needs & NEEDS_NAME) != 0);
	return is_name_fine && is_name_valid(op->new_name, (needs & NEEDS_NEW_NAME) != 0) &&
	       op->data.size <= data_size_max(op);
}

static void put_attributes(struct buf_writer *writer, const struct attributes *attributes)
{
	buf_put_u32(writer, attributes->mode);
	buf_put_u32(writer, attributes->uid);
	buf_put_u32(writer, attributes->gid);
	buf_put_u64(writer, attributes->device);
	buf_put_u64(writer, attributes->size);
	buf_put_i64(writer, attributes->atime_ns);
	buf_put_i64(writer, attributes->mtime_ns);
}

static void get_attributes(struct buf_reader *reader, struct attributes *out_attributes)
{
	out_attributes->mode = buf_get_u32(reader);
	out_attributes->uid = buf_get_u32(reader);
	out_attributes->gid = buf_get_u32(reader);
	out_attributes->device = buf_get_u64(reader);
	out_attributes->size = buf_get_u64(reader);
	out_attributes->atime_ns = buf_get_i64(reader);
	out_attributes->mtime_ns = buf_get_i64(reader);
}

static void put_whiteout(struct buf_writer *writer, const struct whiteout *whiteout)
{
	buf_put_u64(writer, whiteout->object);
	buf_put_u32(writer, whiteout->uid);
	buf_put_u32(writer, whiteout->gid);
	buf_put_i64(writer, whiteout->mtime_ns);
}

static void get_whiteout(struct buf_reader *reader, struct whiteout *out_whiteout)
{
	out_whiteout->object = buf_get_u64(reader);
	out_whiteout->uid = buf_get_u32(reader);
	out_whiteout->gid = buf_get_u32(reader);
	out_whiteout->mtime_ns = buf_get_i64(reader);
}

static void put_header(struct buf_writer *writer, const struct op *op)
{
	buf_put_u8(writer, OP_VERSION);
	buf_put_u8(writer, (uint8_t)op->type);
	buf_put_u16(writer, op->flags);
	buf_put_u64(writer, op->sequence);
	buf_put_u64(writer, op->epoch);
	buf_put_u64(writer, op->request);
}

static void put_fields(struct buf_writer *writer, const struct op *op)
{
	buf_put_u64(writer, op->object);
	buf_put_u64(writer, op->parent);
	buf_put_u64(writer, op->new_parent);
	buf_put_u64(writer, op->replaced);
	buf_put_u64(writer, op->offset);
	buf_put_u64(writer, op->length);
	buf_put_u32(writer, op->mask);
	buf_put_u32(writer, op->umask);
	put_attributes(writer, &op->attributes);
	buf_put_i64(writer, op->parent_mtime_ns);
	buf_put_i64(writer, op->new_parent_mtime_ns);
	if (op_has_whiteout(op))
		put_whiteout(writer, &op->whiteout);
	buf_put_bytes(writer, op->name);
	buf_put_bytes(writer, op->new_name);
	buf_put_bytes(writer, op->data);
}

static void get_fields(struct buf_reader *reader, struct op *out_op)
{
	out_op->object = buf_get_u64(reader);
	out_op->parent = buf_get_u64(reader);
	out_op->new_parent = buf_get_u64(reader);
	out_op->replaced = buf_get_u64(reader);
	out_op->offset = buf_get_u64(reader);
	out_op->length = buf_get_u64(reader);
	out_op->mask = buf_get_u32(reader);
	out_op->umask = buf_get_u32(reader);
	get_attributes(reader, &out_op->attributes);
	out_op->parent_mtime_ns = buf_get_i64(reader);
	out_op->new_parent_mtime_ns = buf_get_i64(reader);
	if (op_has_whiteout(out_op))
		get_whiteout(reader, &out_op->whiteout);
	out_op->name = buf_get_bytes(reader, OBJECT_NAME_MAX);
	out_op->new_name = buf_get_bytes(reader, OBJECT_NAME_MAX);
	out_op->data = buf_get_bytes(reader, WRITE_SIZE_MAX);
}

size_t op_encoded_size(const struct op *op)
{
	return OP_SIZE_MIN + (op_has_whiteout(op) ? WHITEOUT_SIZE : 0) + op->name.size +
	       op->new_name.size + op->data.size;
}

int op_encode(const struct op *op, uint8_t *out, size_t size_max, size_t *out_size)
{
	if (!is_valid(op))
		return -ERROR_INVALID;
	size_t size = op_encoded_size(op);
	if (size > size_max)
		return -ERROR_RANGE;

	struct buf_writer writer = buf_writer_init(out + CHECKSUM_END, size - CHECKSUM_END);
	put_header(&writer, op);
	put_fields(&writer, op);
	CHECK(!writer.is_overrun);
	CHECK(writer.size == size - CHECKSUM_END);

	struct buf_writer lead = buf_writer_init(out, CHECKSUM_END);
	buf_put_u32(&lead, (uint32_t)(size - SIZE_FIELD_SIZE));
	buf_put_u32(&lead, crc32c(writer.data, writer.size));
	CHECK(lead.size == CHECKSUM_END);
	*out_size = size;
	return 0;
}

/* Reads what is behind the checksum, which was right. */
static int decode_body(struct buf_reader *reader, struct op *out_op)
{
	struct op op = { 0 };

	if (buf_get_u8(reader) != OP_VERSION)
		return -ERROR_PROTOCOL;
	op.type = (enum op_type)buf_get_u8(reader);
	op.flags = buf_get_u16(reader);
	op.sequence = buf_get_u64(reader);
	op.epoch = buf_get_u64(reader);
	op.request = buf_get_u64(reader);
	get_fields(reader, &op);
	if (!buf_reader_is_complete(reader) || !is_valid(&op))
		return -ERROR_BAD_MESSAGE;
	*out_op = op;
	return 0;
}

int op_decode(struct bytes bytes, struct op *out_op, size_t *out_size)
{
	if (bytes.size < SIZE_FIELD_SIZE)
		return -ERROR_AGAIN;
	struct buf_reader reader = buf_reader_init(bytes.data, bytes.size);
	size_t size = (size_t)buf_get_u32(&reader) + SIZE_FIELD_SIZE;
	if (size < OP_SIZE_MIN || size > OP_SIZE_MAX)
		return -ERROR_BAD_MESSAGE;
	if (bytes.size < size)
		return -ERROR_AGAIN;

	uint32_t checksum = buf_get_u32(&reader);
	struct buf_reader body = buf_reader_init(bytes.data + CHECKSUM_END, size - CHECKSUM_END);
	if (checksum != crc32c(body.data, body.size))
		return -ERROR_BAD_MESSAGE;
	int error = decode_body(&body, out_op);
	if (error == 0)
		*out_size = size;
	return error;
}

bool op_has_whiteout(const struct op *op)
{
	return op->type == OP_RENAME && (op->mask & OP_RENAME_WHITEOUT) != 0;
}

const char *op_type_name(enum op_type type)
{
	return type >= OP_NONE && type < OP_TYPE_COUNT ? rules[type].name : "unknown";
}

bool op_is_resync(enum op_type type)
{
	return type >= OP_NONE && type < OP_TYPE_COUNT && rules[type].is_resync;
}
