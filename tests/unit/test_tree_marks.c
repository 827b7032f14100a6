/* What cannot simply be marked with its id: protected by chattr, or without room for one more
 * attribute. */
#include "trees.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/tree/resync.h"

static void make_by_hand(const struct side *side, const char *name, char path[700])
{
	snprintf(path, 700, "%s/%s", side->folder, name);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "content", 7), 7);
	close(fd);
}

static bool has_note(const struct side *side)
{
	char path[700];
	snprintf(path, sizeof(path), "%s/.evenkeel", side->folder);
	DIR *stream = opendir(path);
	const struct dirent *entry;
	bool is_found = false;
	assert_non_null(stream);
	while ((entry = readdir(stream)) != NULL)
		is_found = is_found || strncmp(entry->d_name, "flags-", 6) == 0;
	closedir(stream);
	return is_found;
}

static void what_chattr_protects_gets_its_id(void **state)
{
	struct trees *trees = *state;
	static const unsigned int flags[] = { FS_IMMUTABLE_FL, FS_APPEND_FL,
		FS_IMMUTABLE_FL | FS_APPEND_FL };
	tree_set_lease(trees->here.tree, 60000, 61000);
	for (int i = 0; i < 4; i++) {
		char name[32], path[700];
		snprintf(name, sizeof(name), "protected%d", i);
		make_by_hand(&trees->here, name, path);
		if (i == 3) {
			assert_int_equal(unlink(path), 0);
			assert_int_equal(mkdir(path, 0755), 0);
		}
		protect(path, flags[i % 3]);
		uint64_t object = side_look_up(&trees->here, name);
		assert_int_equal(flags_of(path), flags[i % 3]);
		assert_int_equal(side_id_at(&trees->here, 1, name), object);
		assert_true(getxattr(path, "trusted.evenkeel", NULL, 0) > 0);
		protect(path, 0);
	}
	assert_false(has_note(&trees->here));
}

static void flags_come_back_after_a_crash(void **state)
{
	struct trees *trees = *state;
	char path[700], note[800], text[400];
	struct {
		struct file_handle handle;
		unsigned char bytes[128];
	} room = { .handle.handle_bytes = 128 };
	struct stat st;
	int mount_id;
	make_by_hand(&trees->here, "was protected", path);
	assert_int_equal(name_to_handle_at(AT_FDCWD, path, &room.handle, &mount_id, 0), 0);
	int used = snprintf(
		text, sizeof(text), "%x 0 %x ", FS_IMMUTABLE_FL, (unsigned)room.handle.handle_type);
	for (unsigned i = 0; i < room.handle.handle_bytes; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "%02x", room.bytes[i]);
	assert_int_equal(stat(path, &st), 0);
	snprintf(note, sizeof(note), "%s/.evenkeel/flags-%llu", trees->here.folder,
		(unsigned long long)st.st_ino);
	assert_int_equal(symlink(text, note), 0);
	side_close(&trees->here);
	side_open(&trees->here, trees->folder, "here");
	assert_int_equal(flags_of(path), FS_IMMUTABLE_FL);
	assert_int_equal(access(note, F_OK), -1);
	protect(path, 0);
}

/* False: this file system has room for any number of attributes. */
static bool fill_attributes(const char *path)
{
	static const char value[4096];
	int number = 0;
	for (size_t size = 2048; size > 0; size /= 2) {
		for (;;) {
			char name[32];
			snprintf(name, sizeof(name), "user.%d", number++);
			if (setxattr(path, name, value, size, 0) != 0)
				break;
			if (number > 100)
				return false;
		}
	}
	return true;
}

static void what_has_no_room_for_its_id_has_one(void **state)
{
	struct trees *trees = *state;
	char path[700], second[700];
	struct tree_entry entry;
	make_by_hand(&trees->here, "full of attributes", path);
	if (!fill_attributes(path))
		skip();
	tree_set_lease(trees->here.tree, 62000, 63000);
	uint64_t object = side_look_up(&trees->here, "full of attributes");
	assert_int_equal(getxattr(path, "trusted.evenkeel", NULL, 0), -1);
	assert_int_equal(side_id_at(&trees->here, 1, "full of attributes"), object);
	assert_int_equal(tree_stat(trees->here.tree, object, &entry), 0);
	assert_int_equal(entry.attributes.size, 7);
	snprintf(second, sizeof(second), "%s/another name", trees->here.folder);
	assert_int_equal(link(path, second), 0);
	assert_int_equal(side_look_up(&trees->here, "another name"), object);
	/* Also for whoever comes after. */
	side_close(&trees->here);
	side_open(&trees->here, trees->folder, "here");
	assert_int_equal(side_id_at(&trees->here, 1, "full of attributes"), object);
	/* The copy has the same attributes, and so no room either. */
	uint8_t bytes[65536];
	struct tree_xattrs xattrs;
	assert_int_equal(
		tree_xattrs_encode(trees->here.tree, object, bytes, sizeof(bytes), &xattrs), 0);
	assert_true(xattrs.is_whole);
	assert_int_equal(
		tree_create_placeholder(trees->there.tree, object, 1, &entry.attributes, text("")),
		0);
	assert_int_equal(
		tree_xattrs_apply(trees->there.tree, object, (struct bytes){ bytes, xattrs.size }),
		0);
	assert_int_equal(tree_bind(trees->there.tree, object, 1, text("full of attributes")), 0);
	assert_int_equal(side_id_at(&trees->there, 1, "full of attributes"), object);
	assert_int_equal(tree_stat(trees->there.tree, object, &entry), 0);
}

static void a_protected_file_is_appended_to_and_no_more(void **state)
{
	struct trees *trees = *state;
	char path[700];
	make_by_hand(&trees->here, "log", path);
	protect(path, FS_APPEND_FL);
	tree_set_lease(trees->here.tree, 63000, 64000);
	struct op op = { .type = OP_WRITE,
		.object = side_look_up(&trees->here, "log"),
		.offset = 7,
		.data = text("appended") };
	assert_int_equal(tree_apply(trees->here.tree, &op, TREE_LOCAL), 0);
	assert_int_equal(op.length, 8);
	/* A successor does it again. */
	assert_int_equal(tree_apply(trees->here.tree, &op, TREE_LOCAL), 0);
	assert_int_equal(op.attributes.size, 15);
	op.offset = 16;
	assert_int_equal(tree_apply(trees->here.tree, &op, TREE_LOCAL), -EPERM);
	protect(path, FS_IMMUTABLE_FL);
	tree_forget(trees->here.tree, op.object);
	op.offset = 15;
	assert_int_equal(tree_apply(trees->here.tree, &op, TREE_LOCAL), -EPERM);
	/* A copy that follows is freed from it. */
	assert_int_equal(tree_apply(trees->here.tree, &op, TREE_REPLAY), -EPERM);
	assert_int_equal(tree_unprotect(trees->here.tree, op.object), FS_IMMUTABLE_FL);
	assert_int_equal(tree_apply(trees->here.tree, &op, TREE_REPLAY), 0);
	assert_int_equal(flags_of(path), 0);
	assert_int_equal(tree_unprotect(trees->here.tree, op.object), 0);
	assert_int_equal(tree_protect(trees->here.tree, op.object, FS_APPEND_FL), 0);
	assert_int_equal(flags_of(path), FS_APPEND_FL);
	assert_int_equal(tree_protection(trees->here.tree, op.object), FS_APPEND_FL);
	assert_int_equal(tree_protect(trees->here.tree, op.object, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_chattr_protects_gets_its_id),
		cmocka_unit_test(flags_come_back_after_a_crash),
		cmocka_unit_test(what_has_no_room_for_its_id_has_one),
		cmocka_unit_test(a_protected_file_is_appended_to_and_no_more),
	};
	return trees_main(tests, ARRAY_COUNT(tests));
}
