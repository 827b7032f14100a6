/*
 * What the parts of the tree share: tree/tree.c (the store), tree/index.c and below it tree/disk.c
 * and tree/memory.c (id to file handle), tree/id.c (the id in the inode), tree/lease.c (which ids are
 * given), tree/cache.c (open descriptors), tree/apply.c and what it calls (operations),
 * tree/directory.c, tree/resync.c and tree/limbo.c. Not for: anybody else; the outside sees
 * fs/tree/tree.h and fs/tree/resync.h.
 *
 * Locks: the cache's and the lease's are leaves; naming (who gives an object its id) is taken
 * before them. None is held while the file system underneath is waited for, but naming.
 */
#ifndef EVENKEEL_FS_TREE_INTERNAL_H
#define EVENKEEL_FS_TREE_INTERNAL_H

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/macros.h"
#include "fs/tree/idmap.h"
#include "fs/tree/resync.h"
#include "fs/tree/tree.h"
#include "platform/lock.h"
#include "repl/unwatched.h"

#define OWN_FOLDER	 ".evenkeel"
#define OWN_XATTR	 "trusted.evenkeel"
#define CACHED_FDS_MAX	 4096
#define PROC_PATH_SIZE	 (32 + OBJECT_NAME_MAX + 1)
#define HANDLE_BYTES_MAX 128 /* MAX_HANDLE_SZ of the kernel */

/* Where an object lies: root and the file system's own handle. */
struct place {
	uint8_t root; /* index */
	int32_t type;
	uint32_t size;
	uint8_t bytes[HANDLE_BYTES_MAX];
};

struct tree_part { /* one root */
	int fd;	   /* borrowed from the caller of tree_open() */
	int own_fd, orphan_fd, limbo_fd, kept_fd;
	uint64_t uuid; /* of the file system, hashed; 0: it does not say */
	dev_t device;
	int mount; /* two roots may be mounts of their own on one file system */
};

struct index;
struct cache;

struct tree {
	int root_count;
	struct tree_part roots[ROOTS_MAX];
	struct index *index;
	struct cache *cache;
	struct lock naming; /* giving an id to an object that has none */
	struct lock lease_lock;
	/* Under lease_lock. */
	uint64_t lease_first; /* the lowest id that this process ever got a lease for; 0: none */
	uint64_t lease_next, lease_end;
	uint64_t id_floor;		/* no object here has, or ever had, an id from here on */
	atomic_uint_fast64_t anonymous; /* for names in limbo of what has no id */
	struct lock byhand_lock;	/* what our folder says of when the copy was watched */
	struct idmap held[ROOTS_MAX];	/* inodes changed by hand; of whoever applies operations */
	atomic_uint_fast64_t kept;	/* folders in kept/ */
};

/* ---- tree/own.c ---- */

/* A folder of ours, made if it is not there; what else has its name is set aside. Gives the
 * descriptor. Errors: the system calls'; -EPERM: somebody is busy putting other things there. */
int own_open(int above, const char *name, int *out_fd) MUST_CHECK;

/* ---- tree/index.c ---- */

/* out_is_new: nothing of an earlier index could be used. own_fd: our folder on the data's disk;
 * borrowed. Errors: -ENOMEM. */
int index_open(const char *path, int own_fd, struct index **out_index, bool *out_is_new) MUST_CHECK;
/* All that has an id is in it: from now on it may be used again. */
int index_filled(struct index *index) MUST_CHECK;
void index_close(struct index *index);
/* No id is that high. */
#define IDS_END BIT64(62)
/* Errors: -ENOMEM; the disk's are not the caller's. */
int index_put(struct index *index, uint64_t object, const struct place *place) MUST_CHECK;
/* Errors: -ENOENT. */
int index_get(struct index *index, uint64_t object, struct place *out_place) MUST_CHECK;
/* The highest id that is in it, 0 if it is empty. */
uint64_t index_highest(struct index *index);
void index_remove(struct index *index, uint64_t object);
/* The id of an inode that cannot hold it, by a hash of its place. Errors: as of index_put(),
 * index_get(). */
int index_put_alias(struct index *index, uint64_t hash, uint64_t object) MUST_CHECK;
int index_get_alias(struct index *index, uint64_t hash, uint64_t *out_object) MUST_CHECK;
/* Forgets everything. */
void index_clear(struct index *index);
/* As tree_listen(). */
void index_listen(struct index *index, struct tree_listener listener);

/* ---- tree/id.c ---- */

/* An inode as it was just met: a name below a directory or, with an empty name, what the descriptor
 * itself (also O_PATH) stands for. */
struct met {
	int fd;
	const char *name;
	const struct stat *st;
};

/* The valid id of an inode; 0 if there is none. Fills place. Errors: the system call's. */
int id_read(
	struct tree *tree, struct met met, struct place *place, uint64_t *out_object) MUST_CHECK;
int id_write(
	struct tree *tree, struct met met, const struct place *place, uint64_t object) MUST_CHECK;
/* As id_read(), but gives 0 for an id that is not this object's alone: see there. What it gives is
 * in the index. */
int id_known(
	struct tree *tree, struct met met, struct place *place, uint64_t *out_object) MUST_CHECK;
/* Into the index, then into the inode: an id that can be read anywhere is known already. */
int id_give(
	struct tree *tree, struct met met, const struct place *place, uint64_t object) MUST_CHECK;
/* As id_give(); an inode that takes no id gets it in the index alone, as long as that lasts. For
 * what was not made by us. */
int id_give_somehow(
	struct tree *tree, struct met met, const struct place *place, uint64_t object) MUST_CHECK;
/* Makes room in the inode: its id is in the index alone from now on. */
int id_take_out(struct tree *tree, int fd, uint64_t object) MUST_CHECK;
uint64_t id_file_system(int fd);
/* Which root it belongs to, -1 for none: the one on this mount (-1: any), else one on this device. */
int id_root_of(const struct tree *tree, dev_t device, int mount);
/* The mount a descriptor is on. Errors: -ENOTSUP: no file handles here; the system call's. */
int id_mount_of(int fd, int *out_mount) MUST_CHECK;
/* Walks everything below the roots that has an id and puts it into the index. */
int id_rebuild_index(struct tree *tree) MUST_CHECK;
/* "/proc/self/fd/N" or, with a name, "/proc/self/fd/N/NAME". */
void proc_path(char out[PROC_PATH_SIZE], int fd, const char *name);

/* ---- tree/lease.c ---- */

/* What the roots and the index say of the ids that there are. */
void lease_open(struct tree *tree);
/* Not below what this process got leases for: given out by it, or by nobody yet. */
bool lease_is_ours(struct tree *tree, uint64_t object);

/* ---- tree/flags.c ---- */

struct flags_value { /* of our attribute, for this inode */
	const struct stat *st;
	const struct place *place;
	const uint8_t *data;
	size_t size;
};
/* Writes our attribute although chattr(1) protects the inode, whose flags stay. Errors: -EPERM if
 * it is not that, others. */
int flags_write_id(
	struct tree *tree, int fd, const char *name, const struct flags_value *value) MUST_CHECK;
/* Nothing protects it any more. Errors: -EPERM if nothing did, others. */
int flags_clear(int fd, const char *name) MUST_CHECK;
/* What a process that was killed in flags_write_id() left. */
int flags_restore(struct tree *tree) MUST_CHECK;

/* ---- tree/cache.c ---- */

struct cache *cache_new(void);
void cache_free(struct cache *cache);

enum wants { WANTS_ANY, WANTS_CONTENT };
struct grip {
	struct cached *cached;
	int fd;
};
/* Content: a regular file for reading and writing, a directory for reading. Any: may be O_PATH. */
int tree_grip(struct tree *tree, uint64_t object, enum wants wants, struct grip *out) MUST_CHECK;
void tree_release(struct tree *tree, struct grip *grip);
/* The object is gone: descriptors are closed as soon as nobody uses them. */
void cache_drop(struct tree *tree, uint64_t object);
void cache_drop_all(struct tree *tree);
/* Whatever inode is there. Errors: -ESTALE, others. */
int place_open(struct tree *tree, const struct place *place, int flags, int *out_fd) MUST_CHECK;
bool is_same_place(const struct place *a, const struct place *b);
/* The root aside, if both roots are on one file system. */
bool is_same_inode(const struct tree *tree, const struct place *a, const struct place *b);
/* A descriptor (O_PATH) by handle. Errors: -ESTALE if what is there does not have this id. */
int open_by_place(
	struct tree *tree, const struct place *place, uint64_t object, int *out_fd) MUST_CHECK;

/* ---- small helpers (tree/tools.c) ---- */

struct terminated {
	char data[OBJECT_NAME_MAX + 1];
};
/* Errors: -EINVAL for an empty name, "." and "..", -ENAMETOOLONG. */
int terminate(struct bytes name, struct terminated *out) MUST_CHECK;
bool is_hidden(uint64_t parent, struct bytes name);
/* "." or "..". */
bool is_dots(const char *name);
/* What the folder holds, by a descriptor of its own: the place in fd's is not moved. Gives: closedir(). */
int folder_read(int fd, DIR **out_stream) MUST_CHECK;
void attributes_of(const struct stat *st, struct attributes *out);
void entry_of(const struct stat *st, uint64_t object, struct tree_entry *out);
int64_t mtime_ns_of(const struct stat *st);
int set_times(int fd, int64_t atime_ns, int64_t mtime_ns) MUST_CHECK; /* TIME_OMIT: leave */
#define TIME_OMIT INT64_MIN
/* The name of an object in orphan/ and limbo/. */
void id_name(uint64_t object, struct terminated *out);
/* Root index of an object, from the index. */
int tree_root_of(struct tree *tree, uint64_t object, uint8_t *out_root) MUST_CHECK;
/* The last name is gone, and nobody keeps it: forget the descriptor and the index entry. */
void object_is_gone(struct tree *tree, uint64_t object);

/* ---- tree/limbo.c ---- */

/* The object's name in limbo. What has no id (0) gets one that no id can have: no later name can pick
 * it up. */
void limbo_name(struct tree *tree, uint64_t object, struct terminated *out);

/* ---- tree/resync.c, tree/byhand_find.c, tree/byhand_settle.c ---- */

/* A name without an id in a copy that is compared: none of ours made it, so it is held like all that was
 * changed by hand, before it is removed or becomes another object. parent: near it. */
int byhand_hold(struct tree *tree, uint64_t parent, const struct met *met) MUST_CHECK;

/* Makes kept/TIME. */
int kept_make(const struct tree_part *part, char *out_name, size_t size) MUST_CHECK;
/* Looks how much lies in kept/. */
void kept_count(struct tree *tree);

/* ---- operations (tree/apply.c calls them) ---- */

int create_local(struct tree *tree, struct op *op) MUST_CHECK;
int create_replay(struct tree *tree, const struct op *op) MUST_CHECK;
/* ---- tree/made.c ---- */

struct making {
	int parent_fd;
	const char *name;
	mode_t type;	  /* S_IFMT */
	uid_t uid;	  /* whose it becomes */
	int64_t since_ns; /* made_now_ns() before it was made; 0: in an earlier life, perhaps */
};

int64_t made_now_ns(void);
/* The new inode under that name: an O_PATH descriptor, the caller's to close. Errors: -EBUSY: another
 * inode has the name by now; the system call's. */
int made_open(const struct tree *tree, const struct making *making, struct stat *out_st) MUST_CHECK;

/* A new inode that an operation wants below a directory; umask_bits as of umask(2). */
struct creation {
	int parent_fd;
	const char *name;
	const struct op *op;
	mode_t umask_bits;
};

/* Makes it: id, owner, mode. */
int create_named(
	struct tree *tree, const struct creation *creation, struct stat *out_st) MUST_CHECK;
/* Of one that was made in an earlier life, perhaps. */
int create_finish(struct tree *tree, int parent_fd, const char *name, const struct op *op,
	struct stat *st) MUST_CHECK;
int link_apply(struct tree *tree, struct op *op, enum tree_mode mode) MUST_CHECK;
int unlink_apply(struct tree *tree, struct op *op, enum tree_mode mode) MUST_CHECK;
int rename_apply(struct tree *tree, struct op *op, enum tree_mode mode) MUST_CHECK;
int forget_apply(struct tree *tree, const struct op *op) MUST_CHECK;
int write_apply(struct tree *tree, struct op *op, enum tree_mode mode) MUST_CHECK;
int allocate_apply(struct tree *tree, struct op *op, enum tree_mode mode) MUST_CHECK;
int attributes_apply(struct tree *tree, struct op *op, enum tree_mode mode) MUST_CHECK;
int xattr_apply(struct tree *tree, struct op *op, enum tree_mode mode) MUST_CHECK;
int sync_apply(struct tree *tree, const struct op *op) MUST_CHECK;

#endif
