/* No two objects ever share an id: not after a copy, not after the index or the state was lost, not
 * with what came from another module. */
#include "trees.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/tree/resync.h"

static void a_copied_id_is_recognised(void **state)
{
	struct trees *trees = *state;
	char path[600], copy[600];
	uint8_t value[64];
	struct tree_entry entry;
	uint64_t file = trees_create(trees, 1, "original", S_IFREG | 0644);
	snprintf(path, sizeof(path), "%s/original", trees->here.folder);
	snprintf(copy, sizeof(copy), "%s/copy", trees->here.folder);
	ssize_t size = getxattr(path, "trusted.evenkeel", value, sizeof(value));
	assert_true(size > 0);
	close(open(copy, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(setxattr(copy, "trusted.evenkeel", value, (size_t)size, 0), 0);
	assert_int_equal(side_id_at(&trees->here, 1, "copy"), 0);
	assert_int_equal(tree_lookup(trees->here.tree, 1, text("copy"), &entry), 0);
	assert_true(entry.object != file && entry.object >= 4096);
}

static void the_index_is_rebuilt(void **state)
{
	struct trees *trees = *state;
	char mark[600];
	struct tree_entry entry;
	uint64_t folder = trees_create(trees, 1, "rebuilt", S_IFDIR | 0755);
	uint64_t file = trees_create(trees, folder, "below", S_IFLNK | 0777);
	side_close(&trees->here);
	snprintf(mark, sizeof(mark), "%s.index/boot", trees->here.folder);
	assert_int_equal(unlink(mark), 0);
	side_open(&trees->here, trees->folder, "here");
	tree_set_lease(trees->here.tree, 6000, 8192);
	assert_int_equal(tree_stat(trees->here.tree, file, &entry), 0);
}

static uint64_t create_below(struct side *side, uint64_t parent, const char *name, uint32_t mode)
{
	struct op op = { .type = OP_CREATE,
		.parent = parent,
		.name = text(name),
		.attributes = { .mode = mode } };
	assert_int_equal(tree_new_id(side->tree, &op.object), 0);
	assert_int_equal(tree_apply(side->tree, &op, TREE_LOCAL), 0);
	return op.object;
}

static uint64_t create_here(struct side *side, const char *name)
{
	return create_below(side, 1, name, S_IFREG | 0644);
}

/* How deep is its users' choice: neither descriptors nor the stack may set an end to it. */
#define DEPTH 300

static uint64_t create_deep(struct side *side)
{
	uint64_t folder = create_below(side, 1, "deep", S_IFDIR | 0755);
	for (int i = 1; i < DEPTH; i++)
		folder = create_below(side, folder, "deep", S_IFDIR | 0755);
	return create_below(side, folder, "file", S_IFREG | 0644);
}

static void set_descriptors_max(rlim_t count)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = MIN_OF(count, limit.rlim_max);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void the_index_of_a_deep_tree_is_rebuilt(void **state)
{
	struct trees *trees = *state;
	struct tree_entry entry;
	tree_set_lease(trees->here.tree, 20000, 21000);
	uint64_t file = create_deep(&trees->here);
	side_close(&trees->here);
	side_lose_index(&trees->here);
	set_descriptors_max(DEPTH / 3);
	side_open(&trees->here, trees->folder, "here");
	set_descriptors_max(1024);
	assert_int_equal(tree_stat(trees->here.tree, file, &entry), 0);
}

static void a_deep_tree_in_limbo_is_deleted(void **state)
{
	struct trees *trees = *state;
	struct tree_entry entry;
	assert_int_equal(tree_lookup(trees->here.tree, 1, text("deep"), &entry), 0);
	assert_int_equal(tree_unbind(trees->here.tree, 1, text("deep")), 0);
	assert_int_equal(tree_stat(trees->here.tree, entry.object, &entry), 0);
	side_close(&trees->here); /* no descriptor is cached any more */
	side_open(&trees->here, trees->folder, "here");
	set_descriptors_max(DEPTH / 3);
	assert_int_equal(tree_empty_limbo(trees->here.tree), 0);
	set_descriptors_max(1024);
	assert_int_equal(tree_stat(trees->here.tree, entry.object, &entry), -ESTALE);
}

static void no_id_is_given_again_after_the_state_was_lost(void **state)
{
	struct trees *trees = *state;
	tree_set_lease(trees->here.tree, 10000, 11000);
	uint64_t file = trees_create(trees, 1, "before the loss", S_IFREG | 0644);
	uint64_t removed = trees_create(trees, 1, "removed", S_IFREG | 0644);
	struct op op = {
		.type = OP_UNLINK, .object = removed, .parent = 1, .name = text("removed")
	};
	assert_int_equal(tree_apply(trees->here.tree, &op, TREE_LOCAL), 0);
	assert_int_equal(tree_note_id_limit(trees->here.tree, removed + 1, true), 0);
	side_close(&trees->here);
	side_lose_index(&trees->here);
	side_open(&trees->here, trees->folder, "here");
	/* A lease begins above all that there are and were. */
	assert_true(tree_id_floor(trees->here.tree) > removed);
	/* And a wrong one does no harm. */
	tree_set_lease(trees->here.tree, file, file + 4096);
	assert_int_not_equal(create_here(&trees->here, "after the loss"), file);
	assert_int_equal(side_look_up(&trees->here, "before the loss"), file);
	assert_int_not_equal(side_look_up(&trees->here, "after the loss"), file);
}

static void the_highest_id_counts_without_a_noted_limit(void **state)
{
	struct trees *trees = *state;
	tree_set_lease(trees->here.tree, 50000, 51000);
	uint64_t file = trees_create(trees, 1, "highest", S_IFREG | 0644);
	assert_int_equal(removexattr(trees->there.folder, "trusted.evenkeel.ids"), -1);
	side_close(&trees->there);
	side_lose_index(&trees->there);
	side_open(&trees->there, trees->folder, "there");
	assert_true(tree_id_floor(trees->there.tree) > file);
}

/* An object of another module, with an id of its numbering, lies in our tree. */
static void bring(struct trees *trees, struct side *from, const char *name, uint64_t object)
{
	char old_path[700], new_path[700];
	tree_set_lease(from->tree, object, object + 1);
	assert_int_equal(create_here(from, name), object);
	snprintf(old_path, sizeof(old_path), "%s/%s", from->folder, name);
	snprintf(new_path, sizeof(new_path), "%s/%s", trees->here.folder, name);
	assert_int_equal(rename(old_path, new_path), 0);
}

static void what_was_brought_by_hand_shares_no_id(void **state)
{
	struct trees *trees = *state;
	struct side other;
	side_open(&other, trees->folder, "other");
	tree_set_lease(trees->here.tree, 30000, 31000);
	bring(trees, &other, "found later", 30000);
	bring(trees, &other, "found first", 30001);
	bring(trees, &other, "far above", 90000);
	uint64_t first = side_look_up(&trees->here, "found first");
	uint64_t above = side_look_up(&trees->here, "far above");
	uint64_t made[4];
	for (int i = 0; i < 4; i++) {
		char name[16];
		snprintf(name, sizeof(name), "made%d", i);
		made[i] = create_here(&trees->here, name);
	}
	uint64_t later = side_look_up(&trees->here, "found later");
	assert_true(later != first && later != above && first != above);
	for (int i = 0; i < 4; i++)
		assert_true(made[i] != later && made[i] != first && made[i] != above);
	/* It keeps what it got, and a second name of it has the same. */
	assert_int_equal(
		linkat(trees->here.fd, "found later", trees->here.fd, "second name", 0), 0);
	assert_int_equal(side_look_up(&trees->here, "second name"), later);
	assert_int_equal(side_look_up(&trees->here, "found later"), later);
	side_close(&other);
}

static void a_root_of_another_module_is_no_root_here(void **state)
{
	struct trees *trees = *state;
	struct side other;
	char moved[700];
	side_open(&other, trees->folder, "was a root");
	side_close(&other);
	snprintf(moved, sizeof(moved), "%s/was a root", trees->here.folder);
	assert_int_equal(rename(other.folder, moved), 0);
	assert_true(side_look_up(&trees->here, "was a root") > ROOTS_MAX);
	side_close(&trees->here);
	side_lose_index(&trees->here);
	side_open(&trees->here, trees->folder, "here");
	tree_set_lease(trees->here.tree, 40000, 41000);
	assert_true(side_look_up(&trees->here, "was a root") > ROOTS_MAX);
}

static void ids_end_with_the_lease(void **state)
{
	struct trees *trees = *state;
	uint64_t object;
	tree_set_lease(trees->here.tree, 9000, 9002);
	assert_int_equal(tree_lease_left(trees->here.tree), 2);
	assert_int_equal(tree_new_id(trees->here.tree, &object), 0);
	assert_int_equal(object, 9000);
	assert_int_equal(tree_new_id(trees->here.tree, &object), 0);
	assert_int_equal(tree_new_id(trees->here.tree, &object), -EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copied_id_is_recognised),
		cmocka_unit_test(the_index_is_rebuilt),
		cmocka_unit_test(ids_end_with_the_lease),
		cmocka_unit_test(the_index_of_a_deep_tree_is_rebuilt),
		cmocka_unit_test(a_deep_tree_in_limbo_is_deleted),
		cmocka_unit_test(no_id_is_given_again_after_the_state_was_lost),
		cmocka_unit_test(the_highest_id_counts_without_a_noted_limit),
		cmocka_unit_test(what_was_brought_by_hand_shares_no_id),
		cmocka_unit_test(a_root_of_another_module_is_no_root_here),
	};
	return trees_main(tests, ARRAY_COUNT(tests));
}
