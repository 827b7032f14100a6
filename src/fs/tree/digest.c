#include "fs/tree/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "fs/tree/resync.h"

struct facts { /* what is hashed in the end, as bytes */
	uint8_t bytes[128];
};

struct zeros { /* the hash of a whole block of them, once it was needed */
	bool is_known;
	uint8_t hash[HASH_SIZE];
};

/* ---- parts whose order does not count: sums of hashes ---- */

static int add_xattr(void *context, const char *name, struct bytes value)
{
	uint64_t *sum = context;
	*sum += XXH3_64bits_withSeed(name, strlen(name), XXH3_64bits(value.data, value.size));
	return 0;
}

static int sum_names(struct tree *tree, uint64_t object, uint64_t *out_sum)
{
	struct tree_directory *directory = NULL;
	struct tree_name name;
	uint64_t sum = 0;
	int error = tree_directory_open(tree, object, &directory);
	if (error != 0)
		return error;
	while ((error = tree_directory_next(directory, &name)) == 1) {
		uint64_t child = 0;
		error = tree_identify(tree, object, name.name, &child);
		if (error != 0 && error != -ENOENT)
			break;
		sum += XXH3_64bits_withSeed(name.name.data, name.name.size, child * 16 + name.type);
	}
	tree_directory_close(directory);
	*out_sum = sum;
	return error;
}

static int hash_link(struct tree *tree, uint64_t object, uint64_t *out_hash)
{
	uint8_t link[OBJECT_LINK_MAX];
	size_t size = 0;
	int error = tree_read_link(tree, object, link, sizeof(link), &size);
	if (error == 0)
		*out_hash = XXH3_64bits(link, size);
	return error;
}

int digest_object(struct tree *tree, uint64_t object, uint8_t out_hash[HASH_SIZE])
{
	struct facts facts = { 0 };
	struct buf_writer writer = buf_writer_init(facts.bytes, sizeof(facts.bytes));
	struct tree_entry entry;
	uint64_t xattrs = 0, content = 0;
	int error = tree_stat(tree, object, &entry);
	if (error == 0)
		error = tree_xattrs_each(tree, object, add_xattr, &xattrs);
	uint32_t mode = error == 0 ? entry.attributes.mode : 0;
	if (error == 0 && S_ISDIR(mode))
		error = sum_names(tree, object, &content);
	else if (error == 0 && S_ISLNK(mode))
		error = hash_link(tree, object, &content);
	if (error != 0)
		return error;
	buf_put_u32(&writer, mode);
	buf_put_u32(&writer, entry.attributes.uid);
	buf_put_u32(&writer, entry.attributes.gid);
	buf_put_u64(&writer, S_ISBLK(mode) || S_ISCHR(mode) ? entry.attributes.device : 0);
	buf_put_u64(&writer, S_ISREG(mode) ? entry.attributes.size : 0);
	buf_put_u64(&writer, S_ISDIR(mode) ? 0 : entry.links);
	buf_put_i64(&writer, entry.attributes.mtime_ns);
	buf_put_u64(&writer, xattrs);
	buf_put_u64(&writer, content);
	CHECK(!writer.is_overrun);
	XXH128_canonical_t hash;
	XXH128_canonicalFromHash(&hash, XXH3_128bits(writer.data, writer.size));
	memcpy(out_hash, hash.digest, HASH_SIZE);
	return 0;
}

/* ---- content ---- */

int digest_read(int fd, uint8_t *block, size_t wanted, uint64_t at, size_t *out_size)
{
	size_t have = 0;
	while (have < wanted) {
		ssize_t got = pread(fd, block + have, wanted - have, (off_t)(at + have));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	*out_size = have;
	return 0;
}

/* A file system that cannot tell has data everywhere. Asked for each block: what is written meanwhile
 * is seen as by a read. */
static bool is_hole(int fd, uint64_t at, size_t wanted)
{
	off_t data = lseek(fd, (off_t)at, SEEK_DATA);

	return data < 0 ? errno == ENXIO : (uint64_t)data >= at + wanted;
}

static void put_hash(uint8_t out[HASH_SIZE], const uint8_t *block, size_t size)
{
	XXH128_canonical_t hash;

	XXH128_canonicalFromHash(&hash, XXH3_128bits(block, size));
	memcpy(out, hash.digest, HASH_SIZE);
}

/* A hole has the hash of the zeros that it reads as. */
static int hash_block(int fd, uint64_t at, size_t wanted, struct zeros *zeros, uint8_t *out)
{
	static _Thread_local uint8_t block[HASH_BLOCK_SIZE];
	size_t have = 0;

	if (wanted == HASH_BLOCK_SIZE && is_hole(fd, at, wanted)) {
		if (!zeros->is_known) {
			memset(block, 0, sizeof(block));
			put_hash(zeros->hash, block, sizeof(block));
			zeros->is_known = true;
		}
		memcpy(out, zeros->hash, HASH_SIZE);
		return 0;
	}
	int error = digest_read(fd, block, wanted, at, &have);
	if (error == 0)
		put_hash(out, block, have);
	return error;
}

static int hash_blocks(int fd, const struct op *op, uint8_t *hashes, struct digest *digest)
{
	static _Thread_local struct zeros zeros;
	uint64_t end = MIN_OF(op->offset + op->length, digest->size);
	uint32_t count = 0;
	for (uint64_t at = op->offset; at < end && count < HASHES_MAX; at += HASH_BLOCK_SIZE) {
		size_t wanted = (size_t)MIN_OF((uint64_t)HASH_BLOCK_SIZE, digest->size - at);
		int error = hash_block(fd, at, wanted, &zeros, hashes + (size_t)count * HASH_SIZE);
		/* Bad blocks of a copy that is brought up to date are written anew. */
		if (error == -EIO && (op->mask & HASH_IN_ORDER) == 0)
			break;
		if (error != 0)
			return error;
		count++;
	}
	digest->count = count;
	digest->hashes = (struct bytes){ .data = hashes, .size = (size_t)count * HASH_SIZE };
	return 0;
}

int digest_blocks(
	struct tree *tree, const struct op *op, uint8_t *hashes, struct digest *out_digest)
{
	struct stat st = { 0 };
	int fd = -1;
	*out_digest = (struct digest){ .object = op->object, .offset = op->offset };
	int error = tree_open_object(tree, op->object, O_RDONLY, &fd);
	if (error == -ESTALE)
		return 0; /* removed by a later operation: nothing of it is there */
	if (error != 0)
		return error;
	if (fstat(fd, &st) != 0)
		error = -errno;
	out_digest->size = (uint64_t)st.st_size;
	if (error == 0)
		error = hash_blocks(fd, op, hashes, out_digest);
	close(fd);
	return error;
}
