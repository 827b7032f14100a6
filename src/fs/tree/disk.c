/*
 * The index on the disk of the state: LMDB, and the file `boot` beside it.
 *
 * It outlives the process (SIGKILL loses nothing that was committed), but not the machine: it is
 * never synced, so after a boot without a clean stop it is dropped and built anew. `boot` says so:
 * the boot id of the last user, or "clean"; without it nothing counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/tree/disk.h"

#define MAP_SIZE    ((size_t)64 << 30) /* address space, not disk */
#define READERS_MAX 512		       /* threads of this process that look something up at once */
#define VOID_MARK   "index-is-void"    /* in our folder on the disk of the data */
#define BOOT_SIZE   64		       /* a boot id, and more */
#define LOCK_SIZE   65536	       /* room for as many readers, and more */

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

/* Of a transaction that changes something: all of it or, after an error, nothing. */
static int end(MDB_txn *txn, int error)
{
	if (error == 0)
		return from_lmdb(mdb_txn_commit(txn));
	mdb_txn_abort(txn);
	return from_lmdb(error);
}

/* ---- the mark ---- */

static int read_line(int folder_fd, const char *name, char *out, size_t size)
{
	int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t got = read(fd, out, size - 1);
	(void)close(fd); /* only read */
	if (got < 0)
		return -EIO;
	out[got] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

/* Without /proc all boots look alike; nothing of us works there. */
static void read_boot(char out[BOOT_SIZE])
{
	if (read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", out, BOOT_SIZE) != 0)
		(void)snprintf(out, BOOT_SIZE, "unknown");
}

/* What fails leaves no mark that could be believed, or is an error. */
static int write_mark(int folder_fd, const char *text)
{
	int fd = openat(folder_fd, "boot", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t size = strlen(text);
	bool is_written = fd >= 0 && write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;

	if (fd >= 0)
		(void)close(fd);
	if (is_written || unlinkat(folder_fd, "boot", 0) == 0 || errno == ENOENT)
		return 0;
	return -errno;
}

static bool is_usable(int folder_fd, int own_fd, const char *boot)
{
	char mark[BOOT_SIZE];

	if (faccessat(own_fd, VOID_MARK, F_OK, 0) == 0)
		return false;
	if (faccessat(folder_fd, "data.mdb", R_OK, 0) != 0)
		return false;
	if (read_line(folder_fd, "boot", mark, sizeof(mark)) != 0)
		return false;
	return strcmp(mark, boot) == 0 || strcmp(mark, "clean") == 0;
}

int disk_mark_in_use(struct disk *disk)
{
	char boot[BOOT_SIZE];

	read_boot(boot);
	int error = write_mark(disk->folder_fd, boot);
	if (error == 0)
		(void)unlinkat(disk->own_fd, VOID_MARK, 0); /* most often it is not there */
	return error;
}

/* A read-only disk keeps the mark, and may be writable again for a successor: the other disk says
 * that it does not count. */
void disk_unmark(struct disk *disk)
{
	if (disk->folder_fd >= 0 && unlinkat(disk->folder_fd, "boot", 0) == 0)
		return;
	int fd = openat(disk->own_fd, VOID_MARK, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)close(fd);
}

/* ---- open and close ---- */

static void remove_files(int folder_fd)
{
	/* Missing is as good as removed; what cannot be removed is found by mdb_env_open(). */
	(void)unlinkat(folder_fd, "data.mdb", 0);
	(void)unlinkat(folder_fd, "lock.mdb", 0);
	(void)unlinkat(folder_fd, "boot", 0);
}

/* LMDB maps its table of readers for writing: on a full disk a hole in it would be a SIGBUS. */
static int reserve_lock(int folder_fd)
{
	int fd = openat(folder_fd, "lock.mdb", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int error = fd < 0 ? -errno : -posix_fallocate(fd, 0, LOCK_SIZE);

	if (fd >= 0)
		(void)close(fd);
	return error;
}

static int open_environment(struct disk *disk, const char *path)
{
	MDB_txn *txn;
	int dead;
	int error = reserve_lock(disk->folder_fd);

	if (error != 0)
		return error;
	error = mdb_env_create(&disk->env);
	if (error == 0)
		error = mdb_env_set_mapsize(disk->env, MAP_SIZE);
	if (error == 0)
		error = mdb_env_set_maxreaders(disk->env, READERS_MAX);
	if (error == 0)
		error = mdb_env_open(disk->env, path, MDB_NOSYNC | MDB_NOTLS | MDB_NORDAHEAD, 0600);
	if (error == 0)
		error = mdb_reader_check(disk->env, &dead);
	if (error == 0)
		error = mdb_txn_begin(disk->env, NULL, 0, &txn);
	if (error != 0)
		return from_lmdb(error);
	error = mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &disk->table);
	return end(txn, error);
}

static void close_environment(struct disk *disk)
{
	if (disk->env != NULL)
		mdb_env_close(disk->env);
	disk->env = NULL;
}

static int open_usable(struct disk *disk, const char *path, bool *out_is_new)
{
	char boot[BOOT_SIZE];

	read_boot(boot);
	*out_is_new = !is_usable(disk->folder_fd, disk->own_fd, boot);
	if (*out_is_new)
		remove_files(disk->folder_fd);
	int error = open_environment(disk, path);
	if (error != 0 && !*out_is_new) { /* damaged: it is only a cache */
		close_environment(disk);
		remove_files(disk->folder_fd);
		*out_is_new = true;
		error = open_environment(disk, path);
	}
	/* A new index is not marked usable before it was filled: see index_filled(). */
	if (error == 0 && !*out_is_new)
		error = write_mark(disk->folder_fd, boot);
	return error;
}

int disk_open(struct disk *disk, const char *path, int own_fd, bool *out_is_new)
{
	*disk = (struct disk){ .folder_fd = -1, .own_fd = own_fd };
	*out_is_new = true;
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return -errno;
	disk->folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = disk->folder_fd < 0 ? -errno : open_usable(disk, path, out_is_new);
	if (error != 0) {
		close_environment(disk);
		*out_is_new = true;
	}
	return error;
}

void disk_close(struct disk *disk, bool is_whole)
{
	if (is_whole && mdb_env_sync(disk->env, 1) == 0)
		(void)!write_mark(disk->folder_fd, "clean"); /* else it is built anew */
	close_environment(disk);
	if (disk->folder_fd >= 0)
		(void)close(disk->folder_fd);
	disk->folder_fd = -1;
}

/* ---- keys and values ---- */

struct writing {
	MDB_txn *txn;
	MDB_dbi table;
};

static int put_one(void *context, uint64_t key, const void *value, size_t size)
{
	const struct writing *writing = context;
	MDB_val k = { .mv_size = sizeof(key), .mv_data = &key };
	MDB_val v = { .mv_size = size, .mv_data = (void *)value };

	return mdb_put(writing->txn, writing->table, &k, &v, 0);
}

int disk_put(struct disk *disk, uint64_t key, const void *value, size_t size)
{
	struct writing writing = { .table = disk->table };
	int error = mdb_txn_begin(disk->env, NULL, 0, &writing.txn);

	return error != 0 ? from_lmdb(error)
			  : end(writing.txn, put_one(&writing, key, value, size));
}

int disk_put_all(struct disk *disk, struct memory *memory, bool is_alone)
{
	struct writing writing = { .table = disk->table };
	int error = mdb_txn_begin(disk->env, NULL, 0, &writing.txn);

	if (error != 0)
		return from_lmdb(error);
	if (is_alone)
		error = mdb_drop(writing.txn, disk->table, 0);
	if (error == 0)
		error = memory_each(memory, put_one, &writing);
	return end(writing.txn, error);
}

int disk_get(struct disk *disk, uint64_t key, void *out, size_t size_max, size_t *out_size)
{
	MDB_val k = { .mv_size = sizeof(key), .mv_data = &key };
	MDB_val v;
	MDB_txn *txn;
	int error = mdb_txn_begin(disk->env, NULL, MDB_RDONLY, &txn);

	if (error != 0)
		return from_lmdb(error);
	error = mdb_get(txn, disk->table, &k, &v);
	if (error == 0) {
		if (v.mv_size <= size_max) {
			memcpy(out, v.mv_data, v.mv_size);
			*out_size = v.mv_size;
		} else {
			error = EIO;
		}
	}
	mdb_txn_abort(txn);
	return from_lmdb(error);
}

/* The last key below the end of the ids. */
static uint64_t highest_at(MDB_cursor *cursor, uint64_t end)
{
	MDB_val key = { .mv_size = sizeof(end), .mv_data = &end }, value;
	int error = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);

	error = mdb_cursor_get(cursor, &key, &value, error == 0 ? MDB_PREV : MDB_LAST);
	if (error != 0)
		return 0;
	CHECK(key.mv_size == sizeof(end));
	memcpy(&end, key.mv_data, sizeof(end));
	return end;
}

uint64_t disk_highest(struct disk *disk, uint64_t end)
{
	MDB_cursor *cursor;
	MDB_txn *txn;
	uint64_t highest = 0;

	if (mdb_txn_begin(disk->env, NULL, MDB_RDONLY, &txn) != 0)
		return 0;
	if (mdb_cursor_open(txn, disk->table, &cursor) == 0) {
		highest = highest_at(cursor, end);
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	return highest;
}

void disk_remove(struct disk *disk, uint64_t key)
{
	MDB_val k = { .mv_size = sizeof(key), .mv_data = &key };
	MDB_txn *txn;

	/* A value too many does no harm: its handle is stale. */
	if (mdb_txn_begin(disk->env, NULL, 0, &txn) != 0)
		return;
	(void)end(txn, mdb_del(txn, disk->table, &k, NULL));
}

int disk_clear(struct disk *disk)
{
	MDB_txn *txn;
	int error = mdb_txn_begin(disk->env, NULL, 0, &txn);

	if (error != 0)
		return from_lmdb(error);
	error = mdb_drop(txn, disk->table, 0);
	return end(txn, error);
}
