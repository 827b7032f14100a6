/* What a copy that is brought up to date needs of its tree: names bound and unbound, a tree set aside,
 * attributes as a whole. */
#include "trees.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "fs/tree/digest.h"
#include "fs/tree/resync.h"

static void a_target_is_bound_and_unbound(void **state)
{
	struct trees *trees = *state;
	struct tree *tree = trees->there.tree;
	struct attributes folder = { .mode = S_IFDIR | 0750, .uid = 3, .mtime_ns = 1500000000 };
	struct attributes file = { .mode = S_IFREG | 0640, .size = 12345, .mtime_ns = -1500000001 };
	struct tree_entry entry;
	assert_int_equal(tree_create_placeholder(tree, 20000, 1, &folder, text("")), 0);
	assert_int_equal(tree_create_placeholder(tree, 20001, 1, &file, text("")), 0);
	assert_int_equal(tree_bind(tree, 20000, 1, text("bound")), 0);
	assert_int_equal(tree_bind(tree, 20001, 20000, text("file")), 0);
	assert_int_equal(tree_bind(tree, 20001, 1, text("second")), 0);
	assert_int_equal(tree_stat(tree, 20001, &entry), 0);
	assert_int_equal(entry.links, 2);
	assert_int_equal(entry.attributes.size, 12345);
	assert_int_equal(entry.attributes.mtime_ns, -1500000001);
	/* A directory moves with everything below it, and takes the place of what was there. */
	assert_int_equal(tree_bind(tree, 20000, 1, text("second")), 0);
	assert_int_equal(side_id_at(&trees->there, 1, "bound"), 0);
	assert_int_equal(side_id_at(&trees->there, 20000, "file"), 20001);
	assert_int_equal(tree_unbind(tree, 1, text("second")), 0);
	assert_true(tree_has_object(tree, 20001));
	assert_int_equal(tree_bind(tree, 20001, 1, text("saved")), 0);
	assert_int_equal(tree_empty_limbo(tree), 0);
	assert_false(tree_has_object(tree, 20000));
	assert_true(tree_has_object(tree, 20001));
}

static void a_tree_is_set_aside_whole(void **state)
{
	struct trees *trees = *state;
	char path[256], whole[900];
	struct tree_directory *directory;
	struct tree_name name;
	uint64_t file = trees_create(trees, 1, "aside", S_IFREG | 0644);
	assert_int_equal(tree_set_aside(trees->there.tree, path, sizeof(path)), 0);
	assert_false(tree_has_object(trees->there.tree, file));
	assert_int_equal(tree_directory_open(trees->there.tree, 1, &directory), 0);
	assert_int_equal(tree_directory_next(directory, &name), 0);
	tree_directory_close(directory);
	snprintf(whole, sizeof(whole), "%s/%s/aside", trees->there.folder, path);
	assert_int_equal(access(whole, F_OK), 0);
	/* Put back by hand while the id lives elsewhere: it is somebody else's. */
	struct attributes attributes = { .mode = S_IFREG | 0600 };
	assert_int_equal(
		tree_create_placeholder(trees->there.tree, file, 1, &attributes, text("")), 0);
	char back[900];
	snprintf(back, sizeof(back), "%s/back", trees->there.folder);
	assert_int_equal(rename(whole, back), 0);
	assert_int_equal(side_id_at(&trees->there, 1, "back"), 0);
	assert_int_equal(tree_adopt(trees->there.tree, 1, text("back"), file), -EEXIST);
}

static void what_was_set_aside_is_not_found_by_a_new_index(void **state)
{
	struct trees *trees = *state;
	char path[256];
	uint64_t file = trees_create(trees, 1, "aside for good", S_IFREG | 0644);
	assert_int_equal(tree_set_aside(trees->there.tree, path, sizeof(path)), 0);
	side_close(&trees->there);
	side_lose_index(&trees->there);
	side_open(&trees->there, trees->folder, "there");
	assert_false(tree_has_object(trees->there.tree, file));
}

static void attributes_are_carried_whole(void **state)
{
	struct trees *trees = *state;
	uint8_t bytes[4096], again[4096];
	struct tree_xattrs xattrs, xattrs_again;
	uint64_t file = trees_create(trees, 1, "carried", S_IFREG | 0644);
	static const char *names[] = { "user.one", "trusted.two" };
	for (int i = 0; i < 2; i++) {
		struct op op = { .type = OP_SET_XATTR,
			.object = file,
			.name = text(names[i]),
			.data = text("value") };
		assert_int_equal(tree_apply(trees->here.tree, &op, TREE_LOCAL), 0);
	}
	struct op op = {
		.type = OP_SET_XATTR, .object = file, .name = text("user.old"), .data = text("x")
	};
	assert_int_equal(tree_apply(trees->there.tree, &op, TREE_LOCAL), 0);
	assert_int_equal(
		tree_xattrs_encode(trees->here.tree, file, bytes, sizeof(bytes), &xattrs), 0);
	assert_int_equal(
		tree_xattrs_apply(trees->there.tree, file, (struct bytes){ bytes, xattrs.size }),
		0);
	assert_int_equal(
		tree_xattrs_encode(trees->there.tree, file, again, sizeof(again), &xattrs_again),
		0);
	assert_int_equal(xattrs.size, xattrs_again.size);
}

/* Bytes that this thread has read, from a disk or from memory. */
static uint64_t bytes_read(void)
{
	unsigned long long bytes = 0;
	FILE *file = fopen("/proc/thread-self/io", "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "rchar: %llu", &bytes), 1);
	fclose(file);
	return bytes;
}

static void hash_all(struct tree *tree, uint64_t object, uint64_t size, XXH64_hash_t *out_sum)
{
	uint8_t hashes[HASHES_MAX * HASH_SIZE];
	struct digest digest;
	const uint64_t step = (uint64_t)HASHES_MAX * HASH_BLOCK_SIZE;
	*out_sum = 0;
	for (uint64_t at = 0; at < size; at += step) {
		struct op op = { .type = OP_HASH_WANTED,
			.object = object,
			.offset = at,
			.length = step,
			.mask = HASH_IN_ORDER };
		assert_int_equal(digest_blocks(tree, &op, hashes, &digest), 0);
		assert_int_equal(digest.count,
			(MIN_OF(step, size - at) + HASH_BLOCK_SIZE - 1) / HASH_BLOCK_SIZE);
		*out_sum = XXH3_64bits_withSeed(digest.hashes.data, digest.hashes.size, *out_sum);
	}
}

/* Two blocks and a piece of a third, one in a hole and one beside data: equal with and without holes. */
static void a_hole_is_hashed_as_the_zeros_that_it_reads_as(void **state)
{
	struct trees *trees = *state;
	const uint64_t size = 3 * HASH_BLOCK_SIZE + 100;
	static uint8_t bytes[3 * HASH_BLOCK_SIZE + 100];
	XXH64_hash_t sums[2];
	bytes[HASH_BLOCK_SIZE + 77] = 1;
	for (int i = 0; i < 2; i++) {
		int fd = -1;
		uint64_t file = trees_create(trees, 1, i == 0 ? "sparse" : "dense", S_IFREG | 0644);
		assert_int_equal(tree_open_object(trees->here.tree, file, O_RDWR, &fd), 0);
		assert_int_equal(ftruncate(fd, (off_t)size), 0);
		if (i == 0)
			assert_int_equal(
				pwrite(fd, bytes + HASH_BLOCK_SIZE + 77, 1, HASH_BLOCK_SIZE + 77),
				1);
		else
			assert_int_equal(pwrite(fd, bytes, size, 0), size);
		close(fd);
		hash_all(trees->here.tree, file, size, &sums[i]);
	}
	assert_int_equal(sums[0], sums[1]);
}

static void a_hole_is_not_read(void **state)
{
	struct trees *trees = *state;
	const uint64_t size = (uint64_t)1 << 34;
	XXH64_hash_t sum;
	int fd = -1;
	uint64_t file = trees_create(trees, 1, "a disk of a machine", S_IFREG | 0644);
	assert_int_equal(tree_open_object(trees->here.tree, file, O_RDWR, &fd), 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(pwrite(fd, "data", 4, (off_t)(size / 2)), 4);
	close(fd);
	uint64_t before = bytes_read();
	hash_all(trees->here.tree, file, size, &sum);
	assert_in_range(bytes_read() - before, HASH_BLOCK_SIZE, 16 * HASH_BLOCK_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_is_bound_and_unbound),
		cmocka_unit_test(a_tree_is_set_aside_whole),
		cmocka_unit_test(attributes_are_carried_whole),
		cmocka_unit_test(a_hole_is_hashed_as_the_zeros_that_it_reads_as),
		cmocka_unit_test(a_hole_is_not_read),
		cmocka_unit_test(what_was_set_aside_is_not_found_by_a_new_index),
	};
	return trees_main(tests, ARRAY_COUNT(tests));
}
