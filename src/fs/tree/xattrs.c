/*
 * All extended attributes of an object as bytes, for OP_METADATA.
 *
 * Layout: for each attribute, u32 length and name, u32 length and value; sorted by nothing. Ours is
 * left out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

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

static int encode_one(struct buf_writer *writer, const char *path, const char *name)
{
	uint8_t *value = malloc(XATTR_SIZE_MAX_);
	int error = 0;

	if (value == NULL)
		return -ENOMEM;
	ssize_t size = getxattr(path, name, value, XATTR_SIZE_MAX_);
	if (size >= 0) {
		buf_put_bytes(writer, (struct bytes){ (const uint8_t *)name, strlen(name) });
		buf_put_bytes(writer, (struct bytes){ value, (size_t)size });
	} else if (errno != ENODATA) {
		error = -errno;
	}
	free(value);
	return error;
}

int tree_xattrs_encode(
	struct tree *tree, uint64_t object, uint8_t *out, size_t size_max, size_t *out_size)
{
	struct buf_writer writer = buf_writer_init(out, size_max);
	char path[PROC_PATH_SIZE];
	char *names = NULL;
	size_t size = 0;
	struct grip grip;
	int error = tree_grip(tree, object, WANTS_ANY, &grip);

	if (error != 0)
		return error;
	proc_path(path, grip.fd, "");
	error = list_names(path, &names, &size);
	for (size_t at = 0; error == 0 && at < size; at += strlen(names + at) + 1) {
		if (!tree_is_hidden_xattr(names + at))
			error = encode_one(&writer, path, names + at);
	}
	free(names);
	tree_release(tree, &grip);
	if (error == 0 && writer.is_overrun)
		error = -ERANGE;
	if (error == 0)
		*out_size = writer.size;
	return error;
}

static int next_pair(
	struct buf_reader *reader, char name[XATTR_NAME_SIZE_MAX + 1], struct bytes *value)
{
	struct bytes raw = buf_get_bytes(reader, XATTR_NAME_SIZE_MAX);

	*value = buf_get_bytes(reader, XATTR_SIZE_MAX_);
	if (reader->is_overrun || raw.size == 0)
		return -EBADMSG;
	memcpy(name, raw.data, raw.size);
	name[raw.size] = '\0';
	return 0;
}

static bool is_among(struct bytes encoded, const char *wanted)
{
	struct buf_reader reader = buf_reader_init(encoded.data, encoded.size);
	char name[XATTR_NAME_SIZE_MAX + 1];
	struct bytes value;

	while (reader.position < reader.size && next_pair(&reader, name, &value) == 0) {
		if (strcmp(name, wanted) == 0)
			return true;
	}
	return false;
}

static int remove_others(const char *path, struct bytes encoded)
{
	char *names = NULL;
	size_t size = 0;
	int error = list_names(path, &names, &size);

	for (size_t at = 0; error == 0 && at < size; at += strlen(names + at) + 1) {
		if (tree_is_hidden_xattr(names + at) || is_among(encoded, names + at))
			continue;
		if (removexattr(path, names + at) != 0 && errno != ENODATA)
			error = -errno;
	}
	free(names);
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
	char name[XATTR_NAME_SIZE_MAX + 1];
	struct bytes value;

	while (reader.position < reader.size) {
		int error = next_pair(&reader, name, &value);
		if (error != 0)
			return error;
		if (tree_is_hidden_xattr(name) || has_value(target->path, name, value))
			continue;
		error = set_one(target, name, value);
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
