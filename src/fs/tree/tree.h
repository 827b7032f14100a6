/*
 * The replicated directories of one module as a store of objects, addressed by 64-bit ids (R11).
 *
 * Works on descriptors of the *underlying* directories, opened before anything was mounted over
 * them. The id lies in the extended attribute trusted.evenkeel of each inode together with that
 * inode's own number, generation and file-system UUID, so that a copied attribute is recognised; an
 * index (a cache) leads from the id to a file handle.
 * `.evenkeel` at each root is ours and never visible: orphan/ (unlinked, still open), limbo/ (a
 * resync's loose objects), kept/ (trees set aside).
 *
 * The primary's requests and the secondary's applier both change the tree through tree_apply(), so
 * there is one place that knows how an operation is done. Thread-safe; the order of operations on
 * one object is the caller's (fs/tree/order.h).
 */
#ifndef EVENKEEL_FS_TREE_H
#define EVENKEEL_FS_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include "base/limits.h"
#include "repl/op.h"

struct tree;

struct tree_root {
	const char *path; /* for messages */
	int fd;		  /* the directory itself, opened before mounting; borrowed */
};

/*
 * Opens the store over these roots (1 to ROOTS_MAX). index_path: a folder of ours for the index; a
 * missing or unusable index is rebuilt, in memory if need be: see tree_listen(). Errors:
 * -ENOTSUP if a file system cannot hold trusted.* attributes or file handles; others as of open(2).
 */
int tree_open(const struct tree_root *roots, int root_count, const char *index_path,
	struct tree **out_tree) MUST_CHECK;
void tree_close(struct tree *tree);

/*
 * The index cannot be kept on disk, which costs memory and a walk at the next start but nothing
 * else: error says why; 0: it can again. Any thread may call it, and it must not call the tree.
 */
struct tree_listener {
	void *context;
	void (*on_index)(void *context, int error);
};
/* From now on; what it is already is told at once. Once, before the tree is used. */
void tree_listen(struct tree *tree, struct tree_listener listener);

/* Ids in [first, end) may be given to new objects from now on. */
void tree_set_lease(struct tree *tree, uint64_t first, uint64_t end);
/* No object here has, or ever had, an id from here on, as far as the data know: a lease begins there
 * or above. */
uint64_t tree_id_floor(struct tree *tree);
/* The data are to know that ids below the limit may be given away. Errors: the system call's. */
int tree_note_id_limit(struct tree *tree, uint64_t limit, bool is_durable) MUST_CHECK;
/* Ids left in the lease. */
uint64_t tree_lease_left(const struct tree *tree);
/* The next id of the lease that no object here has. Errors: -EAGAIN if the lease is used up. */
int tree_new_id(struct tree *tree, uint64_t *out_id) MUST_CHECK;

/* How an object is done: by the application here, or again at the peer, or again by a successor. */
enum tree_mode {
	TREE_LOCAL, /* op.object given for creations; fills attributes, times, replaced: what really
		       happened */
	TREE_REPLAY, /* brings about the end state that the op carries, however much of it is there
			already */
};
/*
 * Does the operation. In TREE_LOCAL, op is filled with the results; in TREE_REPLAY it is only read,
 * and what is done already is no error. Errors: the system call's, negative.
 */
int tree_apply(struct tree *tree, struct op *op, enum tree_mode mode) MUST_CHECK;

/*
 * A successor asks of an operation that its predecessor had started: was it done? The op carries
 * what was recorded before it started (object, replaced). Gives true and fills the results if it
 * was.
 */
int tree_was_done(struct tree *tree, struct op *op, bool *out_was_done) MUST_CHECK;

/* Flags of renameat2(2) that OP_RENAME may carry in its mask. */
#define RENAME_FLAGS_KNOWN (BIT(0) | BIT(1) | OP_RENAME_WHITEOUT)
/*
 * A rename with OP_RENAME_WHITEOUT was done (TREE_LOCAL): what it left at the old name gets its id
 * and its owner, op.whiteout what became of it. Where nothing was left there, or on an error, it is
 * an operation without a whiteout afterwards, and there is none. Doing it twice does nothing.
 */
int tree_finish_whiteout(struct tree *tree, struct op *op) MUST_CHECK;

struct tree_entry {
	uint64_t object;
	struct attributes attributes;
	int64_t ctime_ns;
	uint32_t links;
	uint64_t blocks; /* of 512 bytes */
};

/* An object without an id gets one (lease). Hidden names do not exist. Errors: -ENOENT, -EAGAIN
 * (lease), others. */
int tree_lookup(struct tree *tree, uint64_t parent, struct bytes name,
	struct tree_entry *out_entry) MUST_CHECK;
/* For people: its path below the root where that is known, else its number. */
void tree_describe(struct tree *tree, uint64_t object, char *out, size_t size);
/* Errors: -ESTALE if there is no such object. */
int tree_stat(struct tree *tree, uint64_t object, struct tree_entry *out_entry) MUST_CHECK;
/* Gives a descriptor of its own (the caller closes it). flags as of open(2); O_NOATIME is added
 * where allowed. */
int tree_open_object(struct tree *tree, uint64_t object, int flags, int *out_fd) MUST_CHECK;
/* A descriptor from the cache, for reading and writing a regular file; borrowed until
 * tree_put_fd(). */
int tree_get_fd(struct tree *tree, uint64_t object, int *out_fd) MUST_CHECK;
/* Would the file system underneath let it be opened for writing? Of a regular file's descriptor.
 * Errors: -EPERM (chattr +i, +a), -EROFS. */
int tree_check_writable(int fd, bool is_append) MUST_CHECK;
void tree_put_fd(struct tree *tree, uint64_t object);
/* The kernel no longer knows the object, or it was closed: cached descriptors may go. */
void tree_forget(struct tree *tree, uint64_t object);
/*
 * An object that is about to be removed stays reachable to this process under its id with
 * TREE_REMOVED, until tree_forget() of that, or until room is wanted: then it is -ESTALE.
 */
#define TREE_REMOVED BIT64(63)
void tree_keep_removed(struct tree *tree, uint64_t object);
/* What chattr(1) protects the object with: +i and +a, as FS_IOC_GETFLAGS of Linux has them. 0: nothing,
 * or what cannot be protected. */
uint32_t tree_protection(struct tree *tree, uint64_t object);
/* Exactly this protects it from now on. Errors: the system call's. */
int tree_protect(struct tree *tree, uint64_t object, uint32_t protection) MUST_CHECK;
/* Nothing protects it any more: gives what did, 0: nothing. A copy that follows is not to be held up by
 * what was no hindrance to the copy that it follows. */
uint32_t tree_unprotect(struct tree *tree, uint64_t object);
bool tree_is_hidden_xattr(const char *name);
/* Each extended attribute of an object but ours. Ends with the first error. Errors: -E2BIG: more names
 * than the kernel tells of; others. */
typedef int (*tree_on_xattr)(void *context, const char *name, struct bytes value);
int tree_xattrs_each(
	struct tree *tree, uint64_t object, tree_on_xattr on_xattr, void *context) MUST_CHECK;
struct tree_xattrs {
	size_t size;
	bool is_whole; /* or values are missing: tree_xattrs_later() */
};
/* All names, and values as far as there is room, as OP_METADATA carries them in data. */
int tree_xattrs_encode(struct tree *tree, uint64_t object, uint8_t *out, size_t size_max,
	struct tree_xattrs *out_xattrs) MUST_CHECK;
/* The next name without a value. *position is 0 at first and belongs to this function; false: none. */
bool tree_xattrs_later(struct bytes encoded, size_t *position, char out_name[OBJECT_NAME_MAX + 1]);

/* One value: size is the room in out, and then what was filled of it. Errors: -ENODATA, -ERANGE,
 * others. */
int tree_get_xattr(struct tree *tree, uint64_t object, const char *name, uint8_t *out,
	size_t *size) MUST_CHECK;
/* All names (terminated each, ours left out). Errors: -ERANGE, others. */
int tree_list_xattrs(struct tree *tree, uint64_t object, char *out, size_t size_max,
	size_t *out_size) MUST_CHECK;
/* Has it lost its last name, and is it kept for its users? */
bool tree_is_orphan(struct tree *tree, uint64_t object);

/* Everything of the roots durable (syncfs). */
int tree_sync(struct tree *tree) MUST_CHECK;
/* Of the file system underneath. root: index. */
int tree_statfs(struct tree *tree, int root, struct statvfs *out) MUST_CHECK;

#endif
