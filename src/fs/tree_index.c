/*
 * The index: object id to file handle, in LMDB.
 *
 * It is a cache. It outlives the process (SIGKILL loses nothing that was committed), but not the
 * machine: it is never synced, so after a boot without a clean stop it is dropped and built anew.
 * The file `boot` beside it says so: the boot id of the last user, or "clean".
 *
 * Value, host byte order (it never leaves the machine): u8 root, 3 zero bytes, i32 handle type, u32
 * handle size, the handle.
 */
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/tree_internal.h"

#define MAP_SIZE    ((size_t)64 << 30) /* address space, not disk */
#define READERS_MAX 512		       /* threads of this process that look something up at once */

struct index {
	MDB_env *env;
	MDB_dbi table;
	int folder_fd;
};

static int from_lmdb(int error)
{
	if (error == 0)
		return 0;
	if (error == MDB_NOTFOUND)
		return -ENOENT;
	if (error == MDB_MAP_FULL)
		return -ENOSPC;
	return error > 0 ? -error : -EIO;
}

static int read_line(int folder_fd, const char *name, char *out, size_t size)
{
	int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, out, size - 1);
	(void)close(fd); /* only read */
	if (got < 0)
		return -EIO;
	out[got] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

static int write_mark(int folder_fd, const char *text)
{
	int fd = openat(folder_fd, "boot", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t size = strlen(text);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, size) != (ssize_t)size || fsync(fd) != 0)
		error = -EIO;
	(void)close(fd);
	return error;
}

static bool is_usable(int folder_fd, const char *boot)
{
	char mark[64];

	if (faccessat(folder_fd, "data.mdb", R_OK, 0) != 0)
		return false;
	if (read_line(folder_fd, "boot", mark, sizeof(mark)) != 0)
		return false;
	return strcmp(mark, boot) == 0 || strcmp(mark, "clean") == 0;
}

static void remove_files(int folder_fd)
{
	/* Missing is as good as removed; what cannot be removed is found by mdb_env_open(). */
	(void)unlinkat(folder_fd, "data.mdb", 0);
	(void)unlinkat(folder_fd, "lock.mdb", 0);
	(void)unlinkat(folder_fd, "boot", 0);
}

static int open_environment(struct index *index, const char *path)
{
	MDB_txn *txn;
	int dead;
	int error = mdb_env_create(&index->env);

	if (error == 0)
		error = mdb_env_set_mapsize(index->env, MAP_SIZE);
	if (error == 0)
		error = mdb_env_set_maxreaders(index->env, READERS_MAX);
	if (error == 0)
		error = mdb_env_open(
			index->env, path, MDB_NOSYNC | MDB_NOTLS | MDB_NORDAHEAD, 0600);
	if (error == 0)
		error = mdb_reader_check(index->env, &dead);
	if (error == 0)
		error = mdb_txn_begin(index->env, NULL, 0, &txn);
	if (error != 0)
		return from_lmdb(error);
	error = mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &index->table);
	if (error != 0) {
		mdb_txn_abort(txn);
		return from_lmdb(error);
	}
	return from_lmdb(mdb_txn_commit(txn));
}

static int open_usable(struct index *index, const char *path, bool *out_is_new)
{
	char boot[64] = "unknown";
	int error;

	(void)read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	*out_is_new = !is_usable(index->folder_fd, boot);
	if (*out_is_new)
		remove_files(index->folder_fd);
	error = open_environment(index, path);
	if (error != 0 && !*out_is_new) { /* damaged: it is only a cache */
		mdb_env_close(index->env);
		index->env = NULL;
		remove_files(index->folder_fd);
		*out_is_new = true;
		error = open_environment(index, path);
	}
	/* A new index is not marked usable before it was filled: see index_filled(). */
	if (error == 0 && !*out_is_new)
		error = write_mark(index->folder_fd, boot);
	return error;
}

int index_open(const char *path, struct index **out_index, bool *out_is_new)
{
	struct index *index = calloc(1, sizeof(*index));
	int error;

	if (index == NULL)
		return -ENOMEM;
	index->folder_fd = -1;
	error = mkdir(path, 0700) != 0 && errno != EEXIST ? -errno : 0;
	if (error == 0)
		index->folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (error == 0 && index->folder_fd < 0)
		error = -errno;
	if (error == 0)
		error = open_usable(index, path, out_is_new);
	if (error != 0) {
		if (index->env != NULL)
			mdb_env_close(index->env);
		if (index->folder_fd >= 0)
			(void)close(index->folder_fd);
		free(index);
		return error;
	}
	*out_index = index;
	return 0;
}

int index_filled(struct index *index)
{
	char boot[64] = "unknown";

	(void)read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	return write_mark(index->folder_fd, boot);
}

void index_close(struct index *index)
{
	if (index == NULL)
		return;
	if (mdb_env_sync(index->env, 1) == 0)
		(void)write_mark(index->folder_fd, "clean"); /* else it is built anew */
	mdb_env_close(index->env);
	(void)close(index->folder_fd);
	free(index);
}

struct value {
	uint8_t root;
	uint8_t zero[3];
	int32_t type;
	uint32_t size;
	uint8_t bytes[HANDLE_BYTES_MAX];
};

int index_put(struct index *index, uint64_t object, const struct place *place)
{
	struct value value = { .root = place->root, .type = place->type, .size = place->size };
	MDB_val key = { .mv_size = sizeof(object), .mv_data = &object };
	MDB_val data = { .mv_size = offsetof(struct value, bytes) + place->size,
		.mv_data = &value };
	MDB_txn *txn;
	int error;

	CHECK(place->size <= HANDLE_BYTES_MAX);
	CHECK(object > 0);
	memcpy(value.bytes, place->bytes, place->size);
	error = mdb_txn_begin(index->env, NULL, 0, &txn);
	if (error != 0)
		return from_lmdb(error);
	error = mdb_put(txn, index->table, &key, &data, 0);
	if (error != 0) {
		mdb_txn_abort(txn);
		return from_lmdb(error);
	}
	return from_lmdb(mdb_txn_commit(txn));
}

int index_get(struct index *index, uint64_t object, struct place *out_place)
{
	MDB_val key = { .mv_size = sizeof(object), .mv_data = &object };
	MDB_val data;
	MDB_txn *txn;
	int error = mdb_txn_begin(index->env, NULL, MDB_RDONLY, &txn);

	if (error != 0)
		return from_lmdb(error);
	error = mdb_get(txn, index->table, &key, &data);
	if (error == 0) {
		struct value value = { 0 };
		CHECK(data.mv_size <= sizeof(value));
		memcpy(&value, data.mv_data, data.mv_size);
		CHECK(value.size <= HANDLE_BYTES_MAX);
		out_place->root = value.root;
		out_place->type = value.type;
		out_place->size = value.size;
		memcpy(out_place->bytes, value.bytes, value.size);
	}
	mdb_txn_abort(txn);
	return from_lmdb(error);
}

uint64_t index_highest(struct index *index)
{
	MDB_val key, data;
	MDB_cursor *cursor;
	MDB_txn *txn;
	uint64_t highest = 0;

	if (mdb_txn_begin(index->env, NULL, MDB_RDONLY, &txn) != 0)
		return 0;
	if (mdb_cursor_open(txn, index->table, &cursor) == 0) {
		if (mdb_cursor_get(cursor, &key, &data, MDB_LAST) == 0) {
			CHECK(key.mv_size == sizeof(highest));
			memcpy(&highest, key.mv_data, sizeof(highest));
		}
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	return highest;
}

void index_remove(struct index *index, uint64_t object)
{
	MDB_val key = { .mv_size = sizeof(object), .mv_data = &object };
	MDB_txn *txn;

	if (mdb_txn_begin(index->env, NULL, 0, &txn) != 0)
		return; /* an entry too many does no harm: the handle is stale */
	if (mdb_del(txn, index->table, &key, NULL) != 0) {
		mdb_txn_abort(txn);
		return;
	}
	(void)mdb_txn_commit(txn);
}

int index_clear(struct index *index)
{
	MDB_txn *txn;
	int error = mdb_txn_begin(index->env, NULL, 0, &txn);

	if (error != 0)
		return from_lmdb(error);
	error = mdb_drop(txn, index->table, 0);
	if (error != 0) {
		mdb_txn_abort(txn);
		return from_lmdb(error);
	}
	return from_lmdb(mdb_txn_commit(txn));
}
