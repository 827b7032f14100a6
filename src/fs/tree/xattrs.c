/*
 * All extended attributes of an object as bytes, for OP_METADATA.
 *
 * Layout: for each attribute, u32 length and name, u8 whether its value is here, and if so u32 length and
 * value; sorted by nothing. Ours is left out. A file system may let an object have more than one
 * operation carries (XFS, btrfs: as much as there is room): then all names are here, and values that find
 * no room come after it, each in an OP_SET_XATTR of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <xxhash.h>

#include "fs/tree/internal.h"

/* Gives the list of names, terminated each (the caller frees it). */
static int list_names(const char *path, char **out_names, size_t *out_size)
{
	char *names = NULL;
	ssize_t size;

	do {
		free(names);
		names = NULL;
		size = listxattr(path, NULL, 0);
		if (size < 0)
			return errno == EOPNOTSUPP ? -ENOTSUP : -errno;
		names = malloc((size_t)size + 1);
		if (names == NULL)
			return -ENOMEM;
		size = listxattr(path, names, (size_t)size);
	} while (size < 0 && errno == ERANGE); /* it grew in between */
	if (size < 0) {
		int error = -errno;
		free(names);
		return error;
	}
	*out_names = names;
	*out_size = (size_t)size;
	return 0;
}

/* One after the other; a value that went meanwhile is passed over. */
static int each_of(
	const char *path, const char *names, size_t size, tree_on_xattr on_xattr, void *context)
{
	uint8_t *value = malloc(XATTR_SIZE_MAX_);
	int error = value == NULL ? -ENOMEM : 0;

	for (size_t at = 0; error == 0 && at < size; at += strlen(names + at) + 1) {
		if (tree_is_hidden_xattr(names + at))
			continue;
		ssize_t got = getxattr(path, names + at, value, XATTR_SIZE_MAX_);
		if (got >= 0)
			error = on_xattr(context, names + at, (struct bytes){ value, (size_t)got });
		else if (errno != ENODATA)
			error = -errno;
	}
	free(value);
	return error;
}

int tree_xattrs_each(struct tree *tree, uint64_t object, tree_on_xattr on_xattr, void *context)
{
	char path[PROC_PATH_SIZE];
	char *names = NULL;
	size_t size = 0;
	struct grip grip;
	int error = tree_grip(tree, object, WANTS_ANY, &grip);

	if (error != 0)
		return error;
	proc_path(path, grip.fd, "");
	error = list_names(path, &names, &size);
	if (error == 0)
		error = each_of(path, names, size, on_xattr, context);
	free(names);
	tree_release(tree, &grip);
	return error;
}

/* ---- as bytes ---- */

#define ENTRY_SIZE (4 + 1) /* beside name and value */

_Static_assert(4 + OBJECT_LINK_MAX + XATTR_LIST_SIZE_MAX +
			       XATTR_LIST_SIZE_MAX / (XATTR_NAME_SIZE_MIN + 1) * ENTRY_SIZE <=
		       WRITE_SIZE_MAX,
	"all names of an object's attributes fit its OP_METADATA; values that do not fit follow "
	"it");

struct encoding {
	struct buf_writer writer;
	size_t names_size; /* of those that have still to come, without values */
	bool is_whole;
};

static int count_name(void *context, const char *name, struct bytes value)
{
	struct encoding *encoding = context;

	(void)value;
	encoding->names_size += ENTRY_SIZE + strlen(name);
	return 0;
}

static int encode_one(void *context, const char *name, struct bytes value)
{
	struct encoding *encoding = context;
	struct buf_writer *writer = &encoding->writer;
	size_t left = writer->size_max - writer->size;
	bool has_value = left >= encoding->names_size + 4 + value.size;

	buf_put_bytes(writer, (struct bytes){ (const uint8_t *)name, strlen(name) });
	buf_put_u8(writer, has_value ? 1 : 0);
	if (has_value)
		buf_put_bytes(writer, value);
	encoding->names_size -= MIN_OF(encoding->names_size, ENTRY_SIZE + strlen(name));
	encoding->is_whole = encoding->is_whole && has_value;
	return writer->is_overrun ? -ERANGE : 0;
}

int tree_xattrs_encode(struct tree *tree, uint64_t object, uint8_t *out, size_t size_max,
	struct tree_xattrs *out_xattrs)
{
	struct encoding encoding = { .writer = buf_writer_init(out, size_max), .is_whole = true };
	int error = tree_xattrs_each(tree, object, count_name, &encoding);

	if (error == 0)
		error = tree_xattrs_each(tree, object, encode_one, &encoding);
	if (error == 0)
		*out_xattrs = (struct tree_xattrs){ encoding.writer.size, encoding.is_whole };
	return error;
}

struct encoded {
	char name[XATTR_NAME_SIZE_MAX + 1];
	bool has_value;
	struct bytes value;
};

static int next_encoded(struct buf_reader *reader, struct encoded *out)
{
	struct bytes raw = buf_get_bytes(reader, XATTR_NAME_SIZE_MAX);

	out->has_value = buf_get_u8(reader) != 0;
	out->value = (struct bytes){ 0 };
	if (out->has_value)
		out->value = buf_get_bytes(reader, XATTR_SIZE_MAX_);
	if (reader->is_overrun || raw.size == 0)
		return -EBADMSG;
	memcpy(out->name, raw.data, raw.size);
	out->name[raw.size] = '\0';
	return 0;
}

bool tree_xattrs_later(struct bytes encoded, size_t *position, char out_name[OBJECT_NAME_MAX + 1])
{
	struct buf_reader reader = buf_reader_init(encoded.data, encoded.size);
	struct encoded one;

	reader.position = *position;
	while (reader.position < reader.size && next_encoded(&reader, &one) == 0) {
		*position = reader.position;
		if (one.has_value)
			continue;
		(void)snprintf(out_name, OBJECT_NAME_MAX + 1, "%s", one.name);
		return true;
	}
	return false;
}

static uint64_t hash_name(const char *name)
{
	uint64_t hash = XXH3_64bits(name, strlen(name));

	return hash == 0 ? 1 : hash;
}

static int note_names(struct bytes encoded, struct idmap *names)
{
	struct buf_reader reader = buf_reader_init(encoded.data, encoded.size);
	struct encoded one;
	int error = 0;

	while (error == 0 && reader.position < reader.size) {
		error = next_encoded(&reader, &one);
		if (error == 0)
			error = idmap_put(names, hash_name(one.name), NULL);
	}
	return error;
}

static int remove_others(const char *path, struct bytes encoded)
{
	struct idmap wanted = { 0 };
	char *names = NULL;
	size_t size = 0;
	int error = note_names(encoded, &wanted);

	if (error == 0)
		error = list_names(path, &names, &size);
	for (size_t at = 0; error == 0 && at < size; at += strlen(names + at) + 1) {
		if (tree_is_hidden_xattr(names + at) || idmap_has(&wanted, hash_name(names + at)))
			continue;
		if (removexattr(path, names + at) != 0 && errno != ENODATA)
			error = -errno;
	}
	free(names);
	idmap_done(&wanted);
	return error;
}

struct target {
	struct tree *tree;
	uint64_t object;
	int fd;
	char path[PROC_PATH_SIZE];
};

static bool has_value(const char *path, const char *name, struct bytes value)
{
	uint8_t *there = malloc(value.size + 1);
	ssize_t size = there == NULL ? -1 : getxattr(path, name, there, value.size + 1);
	bool is_same = size == (ssize_t)value.size &&
		       (value.size == 0 || memcmp(there, value.data, value.size) == 0);

	free(there);
	return is_same;
}

/* Where our id leaves no room for what its peer has, it goes elsewhere. */
static int set_one(const struct target *target, const char *name, struct bytes value)
{
	if (setxattr(target->path, name, value.data, value.size, 0) == 0)
		return 0;
	int error =
		errno != ENOSPC ? -errno : id_take_out(target->tree, target->fd, target->object);
	if (error != 0)
		return error;
	return setxattr(target->path, name, value.data, value.size, 0) == 0 ? 0 : -errno;
}

static int set_those(const struct target *target, struct bytes encoded)
{
	struct buf_reader reader = buf_reader_init(encoded.data, encoded.size);
	struct encoded one;

	while (reader.position < reader.size) {
		int error = next_encoded(&reader, &one);
		if (error != 0)
			return error;
		if (!one.has_value || tree_is_hidden_xattr(one.name) ||
			has_value(target->path, one.name, one.value))
			continue;
		error = set_one(target, one.name, one.value);
		if (error != 0)
			return error;
	}
	return 0;
}

int tree_xattrs_apply(struct tree *tree, uint64_t object, struct bytes encoded)
{
	struct grip grip;
	int error = tree_grip(tree, object, WANTS_ANY, &grip);

	if (error != 0)
		return error;
	struct target target = { .tree = tree, .object = object, .fd = grip.fd };
	proc_path(target.path, grip.fd, "");
	error = remove_others(target.path, encoded);
	if (error == 0)
		error = set_those(&target, encoded);
	tree_release(tree, &grip);
	return error;
}

int tree_get_xattr(struct tree *tree, uint64_t object, const char *name, uint8_t *out, size_t *size)
{
	char path[PROC_PATH_SIZE];
	struct grip grip;
	int error = tree_grip(tree, object, WANTS_ANY, &grip);

	if (error != 0)
		return error;
	proc_path(path, grip.fd, "");
	ssize_t got = getxattr(path, name, out, *size);
	error = got < 0 ? -errno : 0;
	tree_release(tree, &grip);
	if (error == 0)
		*size = (size_t)got;
	return error;
}

int tree_list_xattrs(
	struct tree *tree, uint64_t object, char *out, size_t size_max, size_t *out_size)
{
	char path[PROC_PATH_SIZE];
	char *names = NULL;
	size_t size = 0, written = 0;
	struct grip grip;
	int error = tree_grip(tree, object, WANTS_ANY, &grip);

	if (error != 0)
		return error;
	proc_path(path, grip.fd, "");
	error = list_names(path, &names, &size);
	for (size_t at = 0; error == 0 && at < size; at += strlen(names + at) + 1) {
		size_t length = strlen(names + at) + 1;
		if (tree_is_hidden_xattr(names + at))
			continue;
		if (length > size_max - written) {
			error = -ERANGE;
			break;
		}
		memcpy(out + written, names + at, length);
		written += length;
	}
	free(names);
	tree_release(tree, &grip);
	if (error == 0)
		*out_size = written;
	return error;
}
