/* What is done at one tree and then at the other, twice, makes the same of both. */
#include "trees.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/tree/resync.h"

static void assert_same(struct trees *trees, uint64_t object)
{
	struct tree_entry a, b;
	assert_int_equal(tree_stat(trees->here.tree, object, &a), 0);
	assert_int_equal(tree_stat(trees->there.tree, object, &b), 0);
	assert_int_equal(a.attributes.mode, b.attributes.mode);
	assert_int_equal(a.attributes.uid, b.attributes.uid);
	assert_int_equal(a.attributes.gid, b.attributes.gid);
	assert_int_equal(a.attributes.size, b.attributes.size);
	assert_int_equal(a.attributes.device, b.attributes.device);
	assert_int_equal(a.attributes.mtime_ns, b.attributes.mtime_ns);
	assert_int_equal(a.links, b.links);
}

static void every_type_is_created_alike(void **state)
{
	struct trees *trees = *state;
	static const uint32_t modes[] = { S_IFREG | 0666, S_IFREG | 06755, S_IFDIR | 0777,
		S_IFDIR | S_ISGID | 0775, S_IFLNK | 0777, S_IFIFO | 0600, S_IFSOCK | 0644,
		S_IFCHR | 0600 };
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		char name[32];
		snprintf(name, sizeof(name), "new\n%zu", i);
		uint64_t object = trees_create(trees, 1, name, modes[i]);
		assert_same(trees, object);
		assert_int_equal(side_id_at(&trees->there, 1, name), object);
	}
	assert_same(trees, 1);
}

static void a_setgid_directory_gives_its_group(void **state)
{
	struct trees *trees = *state;
	struct tree_entry entry;
	uint64_t folder = trees_create(trees, 1, "setgid", S_IFDIR | S_ISGID | 0775);
	struct op op = { .type = OP_SET_ATTRIBUTES,
		.object = folder,
		.mask = ATTRIBUTE_GID,
		.attributes = { .gid = 77 } };
	assert_int_equal(trees_do(trees, &op), 0);
	op = (struct op){ .type = OP_SET_ATTRIBUTES,
		.object = folder,
		.mask = ATTRIBUTE_MODE,
		.attributes = { .mode = 02775 } };
	assert_int_equal(trees_do(trees, &op), 0);
	uint64_t below = trees_create(trees, folder, "below", S_IFDIR | 0755);
	assert_int_equal(tree_stat(trees->here.tree, below, &entry), 0);
	assert_int_equal(entry.attributes.gid, 77);
	assert_int_equal(entry.attributes.mode & 07777, 02755);
	assert_same(trees, below);
}

static void bytes_and_attributes_follow(void **state)
{
	struct trees *trees = *state;
	uint64_t file = trees_create(trees, 1, "file", S_IFREG | 0644);
	struct op op = {
		.type = OP_WRITE, .object = file, .offset = 100000, .data = text("some bytes")
	};
	assert_int_equal(trees_do(trees, &op), 0);
	assert_int_equal(op.attributes.size, 100010);
	assert_same(trees, file);
	op = (struct op){ .type = OP_ALLOCATE, .object = file, .length = 200000 };
	assert_int_equal(trees_do(trees, &op), 0);
	assert_same(trees, file);
	op = (struct op){ .type = OP_SET_ATTRIBUTES,
		.object = file,
		.mask = ATTRIBUTE_SIZE | ATTRIBUTE_UID,
		.attributes = { .size = 5, .uid = 9 } };
	assert_int_equal(trees_do(trees, &op), 0);
	assert_same(trees, file);
	op = (struct op){
		.type = OP_SET_XATTR, .object = file, .name = text("user.x"), .data = text("value")
	};
	assert_int_equal(trees_do(trees, &op), 0);
	op = (struct op){ .type = OP_REMOVE_XATTR, .object = file, .name = text("user.x") };
	assert_int_equal(trees_do(trees, &op), 0);
	op = (struct op){ .type = OP_SET_XATTR,
		.object = file,
		.name = text("trusted.evenkeel"),
		.data = text("x") };
	assert_int_equal(trees_do(trees, &op), -EPERM);
	op = (struct op){ .type = OP_SYNC, .object = file };
	assert_int_equal(trees_do(trees, &op), 0);
}

/* The kernel asks for both at once: a truncation by somebody who may not keep the setuid bit. */
static void a_truncation_that_fails_changes_nothing(void **state)
{
	struct trees *trees = *state;
	uint64_t file = trees_create(trees, 1, "setuid", S_IFREG | 06777);
	struct op op = { .type = OP_SET_ATTRIBUTES,
		.object = file,
		.mask = ATTRIBUTE_SIZE | ATTRIBUTE_MODE | ATTRIBUTE_UID,
		.attributes = { .size = (uint64_t)INT64_MAX + 1, .mode = 0777, .uid = 9 } };
	assert_true(trees_do(trees, &op) < 0);
	assert_same(trees, file);
}

static void names_follow(void **state)
{
	struct trees *trees = *state;
	uint64_t a = trees_create(trees, 1, "names", S_IFDIR | 0755);
	uint64_t b = trees_create(trees, a, "b", S_IFDIR | 0755);
	uint64_t file = trees_create(trees, a, "file", S_IFREG | 0644);
	uint64_t other = trees_create(trees, b, "other", S_IFLNK | 0777);
	struct op op = {
		.type = OP_LINK, .object = file, .new_parent = b, .new_name = text("linked")
	};
	assert_int_equal(trees_do(trees, &op), 0);
	assert_same(trees, file);
	op = (struct op){ .type = OP_RENAME,
		.object = file,
		.replaced = other,
		.parent = a,
		.name = text("file"),
		.new_parent = b,
		.new_name = text("other") };
	assert_int_equal(trees_do(trees, &op), 0);
	assert_int_equal(op.flags, OP_FLAG_OVERWRITES);
	assert_int_equal(side_id_at(&trees->there, b, "other"), file);
	assert_int_equal(side_id_at(&trees->there, a, "file"), 0);
	assert_false(tree_has_object(trees->there.tree, other));
	assert_same(trees, b);
	op = (struct op){ .type = OP_RMDIR, .object = b, .parent = a, .name = text("b") };
	assert_int_equal(trees_do(trees, &op), -ENOTEMPTY);
	op = (struct op){ .type = OP_UNLINK, .object = file, .parent = b, .name = text("linked") };
	assert_int_equal(trees_do(trees, &op), 0);
	assert_same(trees, file);
}

static void exchange_is_repeated_without_harm(void **state)
{
	struct trees *trees = *state;
	uint64_t x = trees_create(trees, 1, "x", S_IFREG | 0644);
	uint64_t y = trees_create(trees, 1, "y", S_IFDIR | 0755);
	struct op op = { .type = OP_RENAME,
		.object = x,
		.replaced = y,
		.mask = RENAME_EXCHANGE,
		.parent = 1,
		.name = text("x"),
		.new_parent = 1,
		.new_name = text("y") };
	assert_int_equal(trees_do(trees, &op), 0);
	assert_int_equal(side_id_at(&trees->there, 1, "x"), y);
	assert_int_equal(side_id_at(&trees->there, 1, "y"), x);
}

static void an_open_object_stays_until_it_is_forgotten(void **state)
{
	struct trees *trees = *state;
	uint64_t file = trees_create(trees, 1, "open", S_IFREG | 0644);
	uint64_t next = trees_create(trees, 1, "next", S_IFREG | 0644);
	struct op op = { .type = OP_RENAME,
		.flags = OP_FLAG_TO_ORPHAN,
		.object = next,
		.replaced = file,
		.parent = 1,
		.name = text("next"),
		.new_parent = 1,
		.new_name = text("open") };
	assert_int_equal(trees_do(trees, &op), 0);
	assert_true(tree_has_object(trees->there.tree, file));
	op = (struct op){ .type = OP_UNLINK,
		.flags = OP_FLAG_TO_ORPHAN,
		.object = next,
		.parent = 1,
		.name = text("open") };
	assert_int_equal(trees_do(trees, &op), 0);
	assert_int_equal(side_id_at(&trees->here, 1, "open"), 0);
	op = (struct op){ .type = OP_WRITE, .object = next, .data = text("still written") };
	assert_int_equal(trees_do(trees, &op), 0);
	for (int i = 0; i < 2; i++) {
		op = (struct op){ .type = OP_FORGET, .object = i == 0 ? file : next };
		assert_int_equal(trees_do(trees, &op), 0);
		assert_false(tree_has_object(trees->here.tree, op.object));
		assert_false(tree_has_object(trees->there.tree, op.object));
	}
}

static void our_folder_is_hidden(void **state)
{
	struct trees *trees = *state;
	struct tree_entry entry;
	assert_int_equal(tree_lookup(trees->here.tree, 1, text(".evenkeel"), &entry), -ENOENT);
	struct op op = { .type = OP_CREATE,
		.object = 8000,
		.parent = 1,
		.name = text(".evenkeel"),
		.attributes = { .mode = S_IFDIR | 0755 } };
	assert_int_equal(tree_apply(trees->here.tree, &op, TREE_LOCAL), -EPERM);
	struct tree_directory *directory;
	struct tree_name name;
	assert_int_equal(tree_directory_open(trees->here.tree, 1, &directory), 0);
	while (tree_directory_next(directory, &name) == 1)
		assert_int_not_equal(name.name.data[0], '.');
	tree_directory_close(directory);
}

static void started_operations_are_recognised(void **state)
{
	struct trees *trees = *state;
	bool was_done;
	uint64_t file = trees_create(trees, 1, "started", S_IFREG | 0644);
	struct op op = { .type = OP_RENAME,
		.object = file,
		.parent = 1,
		.name = text("started"),
		.new_parent = 1,
		.new_name = text("ended") };
	assert_int_equal(tree_was_done(trees->here.tree, &op, &was_done), 0);
	assert_false(was_done);
	assert_int_equal(trees_do(trees, &op), 0);
	assert_int_equal(tree_was_done(trees->here.tree, &op, &was_done), 0);
	assert_true(was_done);
	/* Killed between making the inode and giving it its id. */
	int fd = openat(trees->here.fd, "half", O_CREAT | O_WRONLY | O_CLOEXEC, 0640);
	close(fd);
	op = (struct op){ .type = OP_CREATE,
		.object = 7000,
		.parent = 1,
		.name = text("half"),
		.attributes = { .mode = S_IFREG | 0640, .uid = 5, .gid = 6 } };
	assert_int_equal(tree_was_done(trees->here.tree, &op, &was_done), 0);
	assert_true(was_done);
	assert_int_equal(op.attributes.uid, 5);
	assert_int_equal(side_id_at(&trees->here, 1, "half"), 7000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_is_created_alike),
		cmocka_unit_test(a_setgid_directory_gives_its_group),
		cmocka_unit_test(bytes_and_attributes_follow),
		cmocka_unit_test(a_truncation_that_fails_changes_nothing),
		cmocka_unit_test(names_follow),
		cmocka_unit_test(exchange_is_repeated_without_harm),
		cmocka_unit_test(an_open_object_stays_until_it_is_forgotten),
		cmocka_unit_test(our_folder_is_hidden),
		cmocka_unit_test(started_operations_are_recognised),
	};
	return trees_main(tests, ARRAY_COUNT(tests));
}
