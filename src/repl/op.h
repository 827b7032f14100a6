/*
 * One replicated operation: the unit of the stream, of the log and of the applier.
 *
 * An operation carries the wanted end state together with what the primary really got (R5): the
 * object's id, mode, owner, times and length after it, and the times of the directories it touched.
 * Doing it twice gives the same as doing it once (R6). Objects are named by id, never by path.
 * Ids 1..ROOTS_MAX are the roots of the module's replicated directories, in the order of the
 * configuration.
 *
 * Layout on the wire and in the log (big-endian): u32 size of all that follows, u32 CRC-32C of all
 * that follows it, u8 version, u8 type, u16 flags, u64 sequence, u64 epoch number, u64 request,
 * then the fields of struct op in the order they stand there (whiteout only where there is one). The
 * logic of replication looks at descriptors, never at data. Not for: what nodes decide (core). Any
 * thread.
 */
#ifndef EVENKEEL_REPL_OP_H
#define EVENKEEL_REPL_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/limits.h"

#define OP_VERSION     1
#define OP_HEADER_SIZE 36 /* up to and with `request` */
#define OP_SIZE_MAX    (OP_HEADER_SIZE + 512 + 2 * OBJECT_NAME_MAX + OBJECT_LINK_MAX + WRITE_SIZE_MAX)

enum op_type {
	OP_NONE,
	/* live operations of the application */
	OP_CREATE, /* any type, by attributes.mode; a symbolic link's target is in data */
	OP_LINK,   /* object gets one more name */
	OP_UNLINK, /* name out of parent; to_orphan: the object stays, hidden, until OP_FORGET */
	OP_RMDIR,
	OP_RENAME, /* flags of renameat2(2) in mask */
	OP_WRITE,
	OP_ALLOCATE,	   /* fallocate(2), its mode in mask */
	OP_SET_ATTRIBUTES, /* which, in mask (ATTRIBUTE_*): mode, owner, size, times */
	OP_SET_XATTR,	   /* name, value in data, flags of setxattr(2) in mask */
	OP_REMOVE_XATTR,
	OP_SYNC,   /* make object durable; mask 1: data only (fdatasync) */
	OP_FORGET, /* the last user of an orphan is gone: delete it */
	OP_LEASE,  /* ids below offset may be in use from now on (R11); durable before acknowledged
		    */
	OP_REPAIR, /* a lawful local failure: the range, size and attributes that the primary really
		      has (R5) */
	/* bringing a copy up to date */
	OP_RESYNC_BEGIN, /* mask: enum of the plan: 0 compare, 1 set the old tree aside first */
	OP_LIST,	 /* data: entries of directory object; offset 0: its list begins */
	OP_LIST_END,	 /* names of directory object that no OP_LIST named go to limbo */
	OP_BIND,	 /* name in parent is object from now on, wherever the object was */
	OP_UNBIND, /* name in parent is gone; what it named goes to limbo if that was its last name
		    */
	OP_METADATA,	/* object's attributes and, in data, all of its xattrs */
	OP_HASH_WANTED, /* tell the hashes of object's blocks in offset, length */
	OP_RESYNC_END,	/* everything is here: sync, empty the limbo, adopt the generation */
	OP_TYPE_COUNT,
};

enum {
	ATTRIBUTE_MODE = BIT(0),
	ATTRIBUTE_UID = BIT(1),
	ATTRIBUTE_GID = BIT(2),
	ATTRIBUTE_SIZE = BIT(3),
	ATTRIBUTE_ATIME = BIT(4),
	ATTRIBUTE_MTIME = BIT(5),
	ATTRIBUTE_PROTECTION = BIT(6), /* of metadata: `length` says what chattr(1) set (+i, +a) */
};

enum {
	OP_FLAG_TO_ORPHAN = BIT(0),
	OP_FLAG_OVERWRITES = BIT(1), /* a rename or link that replaced a name */
	OP_FLAG_MODE = BIT(2),	     /* an allocation that took set-user-id away */
	OP_FLAG_NO_XATTRS = BIT(3)   /* metadata without extended attributes: those there stay */
};

#define SYNC_EVERYTHING BIT(1) /* in the mask of OP_SYNC: all file systems of the module */
#define HASH_IN_ORDER	BIT(0) /* in the mask of OP_HASH_WANTED: before what follows it */
#define HASH_OBJECT	BIT(1) /* the same: all about the object but its content */

struct attributes {
	uint32_t mode; /* type and permissions, as in st_mode */
	uint32_t uid, gid;
	uint64_t device;	    /* st_rdev, Linux encoding; 0 where it means nothing */
	uint64_t size;		    /* bytes */
	int64_t atime_ns, mtime_ns; /* of the wall clock, since 1970 */
};

#define OP_RENAME_WHITEOUT BIT(2) /* in the mask of OP_RENAME, as RENAME_WHITEOUT of renameat2(2) */

/* A device 0/0 that a rename leaves at the old name, in the same step. */
struct whiteout {
	uint64_t object; /* its id */
	uint32_t uid, gid;
	int64_t mtime_ns;
};

struct op {
	enum op_type type;
	uint16_t flags;
	uint64_t sequence; /* given by sender_give(); 0: not given yet */
	uint64_t epoch;	   /* epoch number it was made in */
	uint64_t request;  /* FUSE unique id of the request behind it; 0: none */

	uint64_t object;     /* the object that is made, changed, bound or removed */
	uint64_t parent;     /* directory of name */
	uint64_t new_parent; /* rename, link: directory of new_name */
	uint64_t replaced;   /* the object whose name was replaced, or, EXCHANGE, the other one; 0:
				none */
	uint64_t offset, length;      /* bytes */
	uint32_t mask;		      /* see the type */
	uint32_t umask;		      /* create: of the caller, for default ACLs */
	struct attributes attributes; /* of object, after the operation */
	int64_t parent_mtime_ns;      /* of parent, after the operation; 0: untouched */
	int64_t new_parent_mtime_ns;
	struct whiteout whiteout; /* of a rename with OP_RENAME_WHITEOUT */
	struct bytes name;	  /* not terminated; 0 to 255 bytes, any but '/' and NUL */
	struct bytes new_name;
	struct bytes data; /* borrowed: points into the request, the log or the receive buffer */
};

/* Bytes that op_encode() will write. */
size_t op_encoded_size(const struct op *op);
/* Errors: ERROR_RANGE if size_max is too small. */
int op_encode(const struct op *op, uint8_t *out, size_t size_max, size_t *out_size) MUST_CHECK;
/*
 * Decodes the one operation at the start of bytes; names and data point into bytes. Every length,
 * name and type is checked here. Errors: ERROR_AGAIN if bytes hold less than one whole operation,
 * ERROR_BAD_MESSAGE on a wrong checksum or an impossible field, ERROR_PROTOCOL on another version.
 */
int op_decode(struct bytes bytes, struct op *out_op, size_t *out_size) MUST_CHECK;
bool op_has_whiteout(const struct op *op);
const char *op_type_name(enum op_type type);
/* True for operations that belong to a resynchronisation rather than to the application. */
bool op_is_resync(enum op_type type);

#endif
