/*
 * One hash over everything about an object but its content: type, owner, times, links, extended
 * attributes; of a directory its names as well, of a symbolic link its target. Two copies of the
 * same state give the same digest, whatever file systems they lie on: order does not count, nor do
 * access and change times, nor sizes and link counts of directories.
 *
 * Both copies compute it at the same place in the order of operations, under the order lock of the
 * object here, in the applier there (replicator_verify()). Not for: deciding what differs.
 */
#ifndef EVENKEEL_FS_DIGEST_H
#define EVENKEEL_FS_DIGEST_H

#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "fs/tree/tree.h"

#define HASH_BLOCK_SIZE (64 * 1024) /* bytes under one hash */
#define HASH_SIZE	16	    /* XXH3-128 */
#define HASHES_MAX	64	    /* of one digest */

struct digest { /* of an object's blocks from offset on, or of all but its content */
	uint64_t object, offset;
	uint64_t size; /* of the object */
	uint32_t count;
	struct bytes hashes; /* count x HASH_SIZE */
};

/* Errors: -ESTALE: there is no such object. */
int digest_object(struct tree *tree, uint64_t object, uint8_t out_hash[HASH_SIZE]) MUST_CHECK;
/*
 * The hashes of the object's blocks from the operation's offset on, for its length; the bytes lie in
 * hashes (HASHES_MAX * HASH_SIZE). An object that is not there has none.
 */
int digest_blocks(struct tree *tree, const struct op *op, uint8_t *hashes,
	struct digest *out_digest) MUST_CHECK;
/* The bytes that digest_blocks() hashes: gives fewer than wanted only at the end of the file. */
int digest_read(int fd, uint8_t *block, size_t wanted, uint64_t at, size_t *out_size) MUST_CHECK;

#endif
