/* The tree's contract: every operation here, again at a second tree, and repeated. Needs root and a
 * file system with trusted.* attributes below TMPDIR. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/order.h"
#include "fs/tree.h"
#include "fs/tree_resync.h"

struct side {
	char folder[512];
	int fd;
	struct tree *tree;
};
struct pair {
	char folder[256];
	struct side here, there;
};

static void side_open(struct side *side, const char *folder, const char *name)
{
	char index[600];
	snprintf(side->folder, sizeof(side->folder), "%s/%s", folder, name);
	snprintf(index, sizeof(index), "%s/%s.index", folder, name);
	if (mkdir(side->folder, 0755) != 0)
		assert_int_equal(errno, EEXIST);
	side->fd = open(side->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(side->fd >= 0);
	struct tree_root root = { .path = side->folder, .fd = side->fd };
	assert_int_equal(tree_open(&root, 1, index, &side->tree), 0);
}

static void side_close(struct side *side)
{
	tree_close(side->tree);
	close(side->fd);
}

static int setup(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	const char *base = getenv("TMPDIR");
	snprintf(pair->folder, sizeof(pair->folder), "%s/evenkeel-tree-XXXXXX",
		base != NULL ? base : "/tmp");
	assert_non_null(mkdtemp(pair->folder));
	side_open(&pair->here, pair->folder, "here");
	side_open(&pair->there, pair->folder, "there");
	tree_set_lease(pair->here.tree, 4096, 8192);
	*state = pair;
	return 0;
}

static void remove_all(const char *path)
{
	pid_t child = fork();
	if (child == 0) {
		execl("/bin/rm", "rm", "-rf", path, (char *)NULL);
		_exit(1);
	}
}

static int teardown(void **state)
{
	struct pair *pair = *state;
	side_close(&pair->here);
	side_close(&pair->there);
	remove_all(pair->folder);
	free(pair);
	return 0;
}

static struct bytes text(const char *string)
{
	return (struct bytes){ (const uint8_t *)string, strlen(string) };
}

/* The other side's process died before it had set the times. */
static void forget_times(struct pair *pair, uint64_t object)
{
	struct op op = { .type = OP_SET_ATTRIBUTES,
		.object = object,
		.mask = ATTRIBUTE_ATIME | ATTRIBUTE_MTIME,
		.attributes = { .atime_ns = 1, .mtime_ns = 1 } };

	assert_int_equal(tree_apply(pair->there.tree, &op, TREE_REPLAY), 0);
}

/* Does it here, then twice at the other tree. */
static int both(struct pair *pair, struct op *op)
{
	int error = tree_apply(pair->here.tree, op, TREE_LOCAL);
	if (error != 0)
		return error;
	assert_int_equal(tree_apply(pair->there.tree, op, TREE_REPLAY), 0);
	if (op->type == OP_CREATE) {
		forget_times(pair, op->object);
		forget_times(pair, op->parent);
	}
	assert_int_equal(tree_apply(pair->there.tree, op, TREE_REPLAY), 0);
	return 0;
}

static uint64_t create(struct pair *pair, uint64_t parent, const char *name, uint32_t mode)
{
	struct op op = { .type = OP_CREATE,
		.parent = parent,
		.name = text(name),
		.umask = 022,
		.attributes = { .mode = mode, .uid = 1000, .gid = 1001 } };
	if (S_ISLNK(mode))
		op.data = text("a target\n");
	assert_int_equal(tree_new_id(pair->here.tree, &op.object), 0);
	assert_int_equal(both(pair, &op), 0);
	return op.object;
}

static void assert_same(struct pair *pair, uint64_t object)
{
	struct tree_entry a, b;
	assert_int_equal(tree_stat(pair->here.tree, object, &a), 0);
	assert_int_equal(tree_stat(pair->there.tree, object, &b), 0);
	assert_int_equal(a.attributes.mode, b.attributes.mode);
	assert_int_equal(a.attributes.uid, b.attributes.uid);
	assert_int_equal(a.attributes.gid, b.attributes.gid);
	assert_int_equal(a.attributes.size, b.attributes.size);
	assert_int_equal(a.attributes.device, b.attributes.device);
	assert_int_equal(a.attributes.mtime_ns, b.attributes.mtime_ns);
	assert_int_equal(a.links, b.links);
}

static uint64_t id_at(struct side *side, uint64_t parent, const char *name)
{
	uint64_t object;
	return tree_identify(side->tree, parent, text(name), &object) == 0 ? object : 0;
}

static void every_type_is_created_alike(void **state)
{
	struct pair *pair = *state;
	static const uint32_t modes[] = { S_IFREG | 0666, S_IFREG | 06755, S_IFDIR | 0777,
		S_IFDIR | S_ISGID | 0775, S_IFLNK | 0777, S_IFIFO | 0600, S_IFSOCK | 0644,
		S_IFCHR | 0600 };
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		char name[32];
		snprintf(name, sizeof(name), "new\n%zu", i);
		uint64_t object = create(pair, 1, name, modes[i]);
		assert_same(pair, object);
		assert_int_equal(id_at(&pair->there, 1, name), object);
	}
	assert_same(pair, 1);
}

static void a_setgid_directory_gives_its_group(void **state)
{
	struct pair *pair = *state;
	struct tree_entry entry;
	uint64_t folder = create(pair, 1, "setgid", S_IFDIR | S_ISGID | 0775);
	struct op op = { .type = OP_SET_ATTRIBUTES,
		.object = folder,
		.mask = ATTRIBUTE_GID,
		.attributes = { .gid = 77 } };
	assert_int_equal(both(pair, &op), 0);
	op = (struct op){ .type = OP_SET_ATTRIBUTES,
		.object = folder,
		.mask = ATTRIBUTE_MODE,
		.attributes = { .mode = 02775 } };
	assert_int_equal(both(pair, &op), 0);
	uint64_t below = create(pair, folder, "below", S_IFDIR | 0755);
	assert_int_equal(tree_stat(pair->here.tree, below, &entry), 0);
	assert_int_equal(entry.attributes.gid, 77);
	assert_int_equal(entry.attributes.mode & 07777, 02755);
	assert_same(pair, below);
}

static void bytes_and_attributes_follow(void **state)
{
	struct pair *pair = *state;
	uint64_t file = create(pair, 1, "file", S_IFREG | 0644);
	struct op op = {
		.type = OP_WRITE, .object = file, .offset = 100000, .data = text("some bytes")
	};
	assert_int_equal(both(pair, &op), 0);
	assert_int_equal(op.attributes.size, 100010);
	assert_same(pair, file);
	op = (struct op){ .type = OP_ALLOCATE, .object = file, .length = 200000 };
	assert_int_equal(both(pair, &op), 0);
	assert_same(pair, file);
	op = (struct op){ .type = OP_SET_ATTRIBUTES,
		.object = file,
		.mask = ATTRIBUTE_SIZE | ATTRIBUTE_UID,
		.attributes = { .size = 5, .uid = 9 } };
	assert_int_equal(both(pair, &op), 0);
	assert_same(pair, file);
	op = (struct op){
		.type = OP_SET_XATTR, .object = file, .name = text("user.x"), .data = text("value")
	};
	assert_int_equal(both(pair, &op), 0);
	op = (struct op){ .type = OP_REMOVE_XATTR, .object = file, .name = text("user.x") };
	assert_int_equal(both(pair, &op), 0);
	op = (struct op){ .type = OP_SET_XATTR,
		.object = file,
		.name = text("trusted.evenkeel"),
		.data = text("x") };
	assert_int_equal(both(pair, &op), -EPERM);
	op = (struct op){ .type = OP_SYNC, .object = file };
	assert_int_equal(both(pair, &op), 0);
}

/* The kernel asks for both at once: a truncation by somebody who may not keep the setuid bit. */
static void a_truncation_that_fails_changes_nothing(void **state)
{
	struct pair *pair = *state;
	uint64_t file = create(pair, 1, "setuid", S_IFREG | 06777);
	struct op op = { .type = OP_SET_ATTRIBUTES,
		.object = file,
		.mask = ATTRIBUTE_SIZE | ATTRIBUTE_MODE | ATTRIBUTE_UID,
		.attributes = { .size = (uint64_t)INT64_MAX + 1, .mode = 0777, .uid = 9 } };
	assert_true(both(pair, &op) < 0);
	assert_same(pair, file);
}

static void names_follow(void **state)
{
	struct pair *pair = *state;
	uint64_t a = create(pair, 1, "names", S_IFDIR | 0755);
	uint64_t b = create(pair, a, "b", S_IFDIR | 0755);
	uint64_t file = create(pair, a, "file", S_IFREG | 0644);
	uint64_t other = create(pair, b, "other", S_IFLNK | 0777);
	struct op op = {
		.type = OP_LINK, .object = file, .new_parent = b, .new_name = text("linked")
	};
	assert_int_equal(both(pair, &op), 0);
	assert_same(pair, file);
	op = (struct op){ .type = OP_RENAME,
		.object = file,
		.replaced = other,
		.parent = a,
		.name = text("file"),
		.new_parent = b,
		.new_name = text("other") };
	assert_int_equal(both(pair, &op), 0);
	assert_int_equal(op.flags, OP_FLAG_OVERWRITES);
	assert_int_equal(id_at(&pair->there, b, "other"), file);
	assert_int_equal(id_at(&pair->there, a, "file"), 0);
	assert_false(tree_has_object(pair->there.tree, other));
	assert_same(pair, b);
	op = (struct op){ .type = OP_RMDIR, .object = b, .parent = a, .name = text("b") };
	assert_int_equal(both(pair, &op), -ENOTEMPTY);
	op = (struct op){ .type = OP_UNLINK, .object = file, .parent = b, .name = text("linked") };
	assert_int_equal(both(pair, &op), 0);
	assert_same(pair, file);
}

static void exchange_is_repeated_without_harm(void **state)
{
	struct pair *pair = *state;
	uint64_t x = create(pair, 1, "x", S_IFREG | 0644);
	uint64_t y = create(pair, 1, "y", S_IFDIR | 0755);
	struct op op = { .type = OP_RENAME,
		.object = x,
		.replaced = y,
		.mask = RENAME_EXCHANGE,
		.parent = 1,
		.name = text("x"),
		.new_parent = 1,
		.new_name = text("y") };
	assert_int_equal(both(pair, &op), 0);
	assert_int_equal(id_at(&pair->there, 1, "x"), y);
	assert_int_equal(id_at(&pair->there, 1, "y"), x);
}

static void an_open_object_stays_until_it_is_forgotten(void **state)
{
	struct pair *pair = *state;
	uint64_t file = create(pair, 1, "open", S_IFREG | 0644);
	uint64_t next = create(pair, 1, "next", S_IFREG | 0644);
	struct op op = { .type = OP_RENAME,
		.flags = OP_FLAG_TO_ORPHAN,
		.object = next,
		.replaced = file,
		.parent = 1,
		.name = text("next"),
		.new_parent = 1,
		.new_name = text("open") };
	assert_int_equal(both(pair, &op), 0);
	assert_true(tree_has_object(pair->there.tree, file));
	op = (struct op){ .type = OP_UNLINK,
		.flags = OP_FLAG_TO_ORPHAN,
		.object = next,
		.parent = 1,
		.name = text("open") };
	assert_int_equal(both(pair, &op), 0);
	assert_int_equal(id_at(&pair->here, 1, "open"), 0);
	op = (struct op){ .type = OP_WRITE, .object = next, .data = text("still written") };
	assert_int_equal(both(pair, &op), 0);
	for (int i = 0; i < 2; i++) {
		op = (struct op){ .type = OP_FORGET, .object = i == 0 ? file : next };
		assert_int_equal(both(pair, &op), 0);
		assert_false(tree_has_object(pair->here.tree, op.object));
		assert_false(tree_has_object(pair->there.tree, op.object));
	}
}

static void our_folder_is_hidden(void **state)
{
	struct pair *pair = *state;
	struct tree_entry entry;
	assert_int_equal(tree_lookup(pair->here.tree, 1, text(".evenkeel"), &entry), -ENOENT);
	struct op op = { .type = OP_CREATE,
		.object = 8000,
		.parent = 1,
		.name = text(".evenkeel"),
		.attributes = { .mode = S_IFDIR | 0755 } };
	assert_int_equal(tree_apply(pair->here.tree, &op, TREE_LOCAL), -EPERM);
	struct tree_directory *directory;
	struct tree_name name;
	assert_int_equal(tree_directory_open(pair->here.tree, 1, &directory), 0);
	while (tree_directory_next(directory, &name) == 1)
		assert_int_not_equal(name.name.data[0], '.');
	tree_directory_close(directory);
}

static void a_copied_id_is_recognised(void **state)
{
	struct pair *pair = *state;
	char path[600], copy[600];
	uint8_t value[64];
	struct tree_entry entry;
	uint64_t file = create(pair, 1, "original", S_IFREG | 0644);
	snprintf(path, sizeof(path), "%s/original", pair->here.folder);
	snprintf(copy, sizeof(copy), "%s/copy", pair->here.folder);
	ssize_t size = getxattr(path, "trusted.evenkeel", value, sizeof(value));
	assert_true(size > 0);
	close(open(copy, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(setxattr(copy, "trusted.evenkeel", value, (size_t)size, 0), 0);
	assert_int_equal(id_at(&pair->here, 1, "copy"), 0);
	assert_int_equal(tree_lookup(pair->here.tree, 1, text("copy"), &entry), 0);
	assert_true(entry.object != file && entry.object >= 4096);
}

static void the_index_is_rebuilt(void **state)
{
	struct pair *pair = *state;
	char mark[600];
	struct tree_entry entry;
	uint64_t folder = create(pair, 1, "rebuilt", S_IFDIR | 0755);
	uint64_t file = create(pair, folder, "below", S_IFLNK | 0777);
	side_close(&pair->here);
	snprintf(mark, sizeof(mark), "%s.index/boot", pair->here.folder);
	assert_int_equal(unlink(mark), 0);
	side_open(&pair->here, pair->folder, "here");
	tree_set_lease(pair->here.tree, 6000, 8192);
	assert_int_equal(tree_stat(pair->here.tree, file, &entry), 0);
}

/* Everything that the state folder holds of one side. */
static void lose_the_index(const struct side *side)
{
	static const char *const names[] = { "boot", "data.mdb", "lock.mdb" };
	char path[700];
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s.index/%s", side->folder, names[i]);
		(void)unlink(path);
	}
}

static uint64_t lookup(struct side *side, const char *name)
{
	struct tree_entry entry;
	assert_int_equal(tree_lookup(side->tree, 1, text(name), &entry), 0);
	return entry.object;
}

static uint64_t create_here(struct side *side, const char *name)
{
	struct op op = { .type = OP_CREATE,
		.parent = 1,
		.name = text(name),
		.attributes = { .mode = S_IFREG | 0644 } };
	assert_int_equal(tree_new_id(side->tree, &op.object), 0);
	assert_int_equal(tree_apply(side->tree, &op, TREE_LOCAL), 0);
	return op.object;
}

static void no_id_is_given_again_after_the_state_was_lost(void **state)
{
	struct pair *pair = *state;
	tree_set_lease(pair->here.tree, 10000, 11000);
	uint64_t file = create(pair, 1, "before the loss", S_IFREG | 0644);
	uint64_t removed = create(pair, 1, "removed", S_IFREG | 0644);
	struct op op = {
		.type = OP_UNLINK, .object = removed, .parent = 1, .name = text("removed")
	};
	assert_int_equal(tree_apply(pair->here.tree, &op, TREE_LOCAL), 0);
	assert_int_equal(tree_note_id_limit(pair->here.tree, removed + 1, true), 0);
	side_close(&pair->here);
	lose_the_index(&pair->here);
	side_open(&pair->here, pair->folder, "here");
	/* A lease begins above all that there are and were. */
	assert_true(tree_id_floor(pair->here.tree) > removed);
	/* And a wrong one does no harm. */
	tree_set_lease(pair->here.tree, file, file + 4096);
	assert_int_not_equal(create_here(&pair->here, "after the loss"), file);
	assert_int_equal(lookup(&pair->here, "before the loss"), file);
	assert_int_not_equal(lookup(&pair->here, "after the loss"), file);
}

static void the_highest_id_counts_without_a_noted_limit(void **state)
{
	struct pair *pair = *state;
	tree_set_lease(pair->here.tree, 50000, 51000);
	uint64_t file = create(pair, 1, "highest", S_IFREG | 0644);
	assert_int_equal(removexattr(pair->there.folder, "trusted.evenkeel.ids"), -1);
	side_close(&pair->there);
	lose_the_index(&pair->there);
	side_open(&pair->there, pair->folder, "there");
	assert_true(tree_id_floor(pair->there.tree) > file);
}

/* An object of another module, with an id of its numbering, lies in our tree. */
static void bring(struct pair *pair, struct side *from, const char *name, uint64_t object)
{
	char old_path[700], new_path[700];
	tree_set_lease(from->tree, object, object + 1);
	assert_int_equal(create_here(from, name), object);
	snprintf(old_path, sizeof(old_path), "%s/%s", from->folder, name);
	snprintf(new_path, sizeof(new_path), "%s/%s", pair->here.folder, name);
	assert_int_equal(rename(old_path, new_path), 0);
}

static void what_was_brought_by_hand_shares_no_id(void **state)
{
	struct pair *pair = *state;
	struct side other;
	side_open(&other, pair->folder, "other");
	tree_set_lease(pair->here.tree, 30000, 31000);
	bring(pair, &other, "found later", 30000);
	bring(pair, &other, "found first", 30001);
	bring(pair, &other, "far above", 90000);
	uint64_t first = lookup(&pair->here, "found first");
	uint64_t above = lookup(&pair->here, "far above");
	uint64_t made[4];
	for (int i = 0; i < 4; i++) {
		char name[16];
		snprintf(name, sizeof(name), "made%d", i);
		made[i] = create_here(&pair->here, name);
	}
	uint64_t later = lookup(&pair->here, "found later");
	assert_true(later != first && later != above && first != above);
	for (int i = 0; i < 4; i++)
		assert_true(made[i] != later && made[i] != first && made[i] != above);
	/* It keeps what it got, and a second name of it has the same. */
	assert_int_equal(linkat(pair->here.fd, "found later", pair->here.fd, "second name", 0), 0);
	assert_int_equal(lookup(&pair->here, "second name"), later);
	assert_int_equal(lookup(&pair->here, "found later"), later);
	side_close(&other);
}

static void a_root_of_another_module_is_no_root_here(void **state)
{
	struct pair *pair = *state;
	struct side other;
	char moved[700];
	side_open(&other, pair->folder, "was a root");
	side_close(&other);
	snprintf(moved, sizeof(moved), "%s/was a root", pair->here.folder);
	assert_int_equal(rename(other.folder, moved), 0);
	assert_true(lookup(&pair->here, "was a root") > ROOTS_MAX);
	side_close(&pair->here);
	lose_the_index(&pair->here);
	side_open(&pair->here, pair->folder, "here");
	tree_set_lease(pair->here.tree, 40000, 41000);
	assert_true(lookup(&pair->here, "was a root") > ROOTS_MAX);
}

/* ---- what cannot be marked ---- */

static unsigned int flags_of(const char *path)
{
	unsigned int flags = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, FS_IOC_GETFLAGS, &flags), 0);
	close(fd);
	return flags & (FS_IMMUTABLE_FL | FS_APPEND_FL);
}

static void protect(const char *path, unsigned int flags)
{
	unsigned int all = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, FS_IOC_GETFLAGS, &all), 0);
	all = (all & ~(unsigned int)(FS_IMMUTABLE_FL | FS_APPEND_FL)) | flags;
	assert_int_equal(ioctl(fd, FS_IOC_SETFLAGS, &all), 0);
	close(fd);
}

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
	struct pair *pair = *state;
	static const unsigned int flags[] = { FS_IMMUTABLE_FL, FS_APPEND_FL,
		FS_IMMUTABLE_FL | FS_APPEND_FL };
	tree_set_lease(pair->here.tree, 60000, 61000);
	for (int i = 0; i < 4; i++) {
		char name[32], path[700];
		snprintf(name, sizeof(name), "protected%d", i);
		make_by_hand(&pair->here, name, path);
		if (i == 3) {
			assert_int_equal(unlink(path), 0);
			assert_int_equal(mkdir(path, 0755), 0);
		}
		protect(path, flags[i % 3]);
		uint64_t object = lookup(&pair->here, name);
		assert_int_equal(flags_of(path), flags[i % 3]);
		assert_int_equal(id_at(&pair->here, 1, name), object);
		assert_true(getxattr(path, "trusted.evenkeel", NULL, 0) > 0);
		protect(path, 0);
	}
	assert_false(has_note(&pair->here));
}

static void flags_come_back_after_a_crash(void **state)
{
	struct pair *pair = *state;
	char path[700], note[800], text[400];
	struct {
		struct file_handle handle;
		unsigned char bytes[128];
	} room = { .handle.handle_bytes = 128 };
	int mount_id, used;
	make_by_hand(&pair->here, "was protected", path);
	assert_int_equal(name_to_handle_at(AT_FDCWD, path, &room.handle, &mount_id, 0), 0);
	used = snprintf(
		text, sizeof(text), "%x 0 %x ", FS_IMMUTABLE_FL, (unsigned)room.handle.handle_type);
	for (unsigned i = 0; i < room.handle.handle_bytes; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "%02x", room.bytes[i]);
	snprintf(note, sizeof(note), "%s/.evenkeel/flags-1", pair->here.folder);
	assert_int_equal(symlink(text, note), 0);
	side_close(&pair->here);
	side_open(&pair->here, pair->folder, "here");
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
	struct pair *pair = *state;
	char path[700], second[700];
	struct tree_entry entry;
	make_by_hand(&pair->here, "full of attributes", path);
	if (!fill_attributes(path))
		skip();
	tree_set_lease(pair->here.tree, 62000, 63000);
	uint64_t object = lookup(&pair->here, "full of attributes");
	assert_int_equal(getxattr(path, "trusted.evenkeel", NULL, 0), -1);
	assert_int_equal(id_at(&pair->here, 1, "full of attributes"), object);
	assert_int_equal(tree_stat(pair->here.tree, object, &entry), 0);
	assert_int_equal(entry.attributes.size, 7);
	snprintf(second, sizeof(second), "%s/another name", pair->here.folder);
	assert_int_equal(link(path, second), 0);
	assert_int_equal(lookup(&pair->here, "another name"), object);
	/* Also for whoever comes after. */
	side_close(&pair->here);
	side_open(&pair->here, pair->folder, "here");
	assert_int_equal(id_at(&pair->here, 1, "full of attributes"), object);
	/* The copy has the same attributes, and so no room either. */
	uint8_t bytes[65536];
	size_t size;
	assert_int_equal(
		tree_xattrs_encode(pair->here.tree, object, bytes, sizeof(bytes), &size), 0);
	assert_int_equal(
		tree_create_placeholder(pair->there.tree, object, 1, &entry.attributes, text("")),
		0);
	assert_int_equal(
		tree_xattrs_apply(pair->there.tree, object, (struct bytes){ bytes, size }), 0);
	assert_int_equal(tree_bind(pair->there.tree, object, 1, text("full of attributes")), 0);
	assert_int_equal(id_at(&pair->there, 1, "full of attributes"), object);
	assert_int_equal(tree_stat(pair->there.tree, object, &entry), 0);
}

static void a_protected_file_is_appended_to_and_no_more(void **state)
{
	struct pair *pair = *state;
	char path[700];
	make_by_hand(&pair->here, "log", path);
	protect(path, FS_APPEND_FL);
	tree_set_lease(pair->here.tree, 63000, 64000);
	struct op op = { .type = OP_WRITE,
		.object = lookup(&pair->here, "log"),
		.offset = 7,
		.data = text("appended") };
	assert_int_equal(tree_apply(pair->here.tree, &op, TREE_LOCAL), 0);
	assert_int_equal(op.length, 8);
	/* A successor does it again. */
	assert_int_equal(tree_apply(pair->here.tree, &op, TREE_LOCAL), 0);
	assert_int_equal(op.attributes.size, 15);
	op.offset = 16;
	assert_int_equal(tree_apply(pair->here.tree, &op, TREE_LOCAL), -EPERM);
	protect(path, FS_IMMUTABLE_FL);
	tree_forget(pair->here.tree, op.object);
	op.offset = 15;
	assert_int_equal(tree_apply(pair->here.tree, &op, TREE_LOCAL), -EPERM);
	/* A copy that follows is freed from it. */
	assert_int_equal(tree_apply(pair->here.tree, &op, TREE_REPLAY), -EPERM);
	assert_true(tree_unprotect(pair->here.tree, op.object));
	assert_int_equal(tree_apply(pair->here.tree, &op, TREE_REPLAY), 0);
	assert_int_equal(flags_of(path), 0);
	assert_false(tree_unprotect(pair->here.tree, op.object));
}

static void started_operations_are_recognised(void **state)
{
	struct pair *pair = *state;
	bool was_done;
	uint64_t file = create(pair, 1, "started", S_IFREG | 0644);
	struct op op = { .type = OP_RENAME,
		.object = file,
		.parent = 1,
		.name = text("started"),
		.new_parent = 1,
		.new_name = text("ended") };
	assert_int_equal(tree_was_done(pair->here.tree, &op, &was_done), 0);
	assert_false(was_done);
	assert_int_equal(both(pair, &op), 0);
	assert_int_equal(tree_was_done(pair->here.tree, &op, &was_done), 0);
	assert_true(was_done);
	/* Killed between making the inode and giving it its id. */
	int fd = openat(pair->here.fd, "half", O_CREAT | O_WRONLY | O_CLOEXEC, 0640);
	close(fd);
	op = (struct op){ .type = OP_CREATE,
		.object = 7000,
		.parent = 1,
		.name = text("half"),
		.attributes = { .mode = S_IFREG | 0640, .uid = 5, .gid = 6 } };
	assert_int_equal(tree_was_done(pair->here.tree, &op, &was_done), 0);
	assert_true(was_done);
	assert_int_equal(op.attributes.uid, 5);
	assert_int_equal(id_at(&pair->here, 1, "half"), 7000);
}

static void a_target_is_bound_and_unbound(void **state)
{
	struct pair *pair = *state;
	struct tree *tree = pair->there.tree;
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
	assert_int_equal(id_at(&pair->there, 1, "bound"), 0);
	assert_int_equal(id_at(&pair->there, 20000, "file"), 20001);
	assert_int_equal(tree_unbind(tree, 1, text("second")), 0);
	assert_true(tree_has_object(tree, 20001));
	assert_int_equal(tree_bind(tree, 20001, 1, text("saved")), 0);
	assert_int_equal(tree_empty_limbo(tree), 0);
	assert_false(tree_has_object(tree, 20000));
	assert_true(tree_has_object(tree, 20001));
}

static void a_tree_is_set_aside_whole(void **state)
{
	struct pair *pair = *state;
	char path[256], whole[900];
	struct tree_directory *directory;
	struct tree_name name;
	uint64_t file = create(pair, 1, "aside", S_IFREG | 0644);
	assert_int_equal(tree_set_aside(pair->there.tree, path, sizeof(path)), 0);
	assert_false(tree_has_object(pair->there.tree, file));
	assert_int_equal(tree_directory_open(pair->there.tree, 1, &directory), 0);
	assert_int_equal(tree_directory_next(directory, &name), 0);
	tree_directory_close(directory);
	snprintf(whole, sizeof(whole), "%s/%s/aside", pair->there.folder, path);
	assert_int_equal(access(whole, F_OK), 0);
	/* Put back by hand while the id lives elsewhere: it is somebody else's. */
	struct attributes attributes = { .mode = S_IFREG | 0600 };
	assert_int_equal(
		tree_create_placeholder(pair->there.tree, file, 1, &attributes, text("")), 0);
	char back[900];
	snprintf(back, sizeof(back), "%s/back", pair->there.folder);
	assert_int_equal(rename(whole, back), 0);
	assert_int_equal(id_at(&pair->there, 1, "back"), 0);
	assert_int_equal(tree_adopt(pair->there.tree, 1, text("back"), file), -EEXIST);
}

static void what_was_set_aside_is_not_found_by_a_new_index(void **state)
{
	struct pair *pair = *state;
	char path[256];
	uint64_t file = create(pair, 1, "aside for good", S_IFREG | 0644);
	assert_int_equal(tree_set_aside(pair->there.tree, path, sizeof(path)), 0);
	side_close(&pair->there);
	lose_the_index(&pair->there);
	side_open(&pair->there, pair->folder, "there");
	assert_false(tree_has_object(pair->there.tree, file));
}

static void attributes_are_carried_whole(void **state)
{
	struct pair *pair = *state;
	uint8_t bytes[4096], again[4096];
	size_t size, size_again;
	uint64_t file = create(pair, 1, "carried", S_IFREG | 0644);
	static const char *names[] = { "user.one", "trusted.two" };
	for (int i = 0; i < 2; i++) {
		struct op op = { .type = OP_SET_XATTR,
			.object = file,
			.name = text(names[i]),
			.data = text("value") };
		assert_int_equal(tree_apply(pair->here.tree, &op, TREE_LOCAL), 0);
	}
	struct op op = {
		.type = OP_SET_XATTR, .object = file, .name = text("user.old"), .data = text("x")
	};
	assert_int_equal(tree_apply(pair->there.tree, &op, TREE_LOCAL), 0);
	assert_int_equal(tree_xattrs_encode(pair->here.tree, file, bytes, sizeof(bytes), &size), 0);
	assert_int_equal(
		tree_xattrs_apply(pair->there.tree, file, (struct bytes){ bytes, size }), 0);
	assert_int_equal(
		tree_xattrs_encode(pair->there.tree, file, again, sizeof(again), &size_again), 0);
	assert_int_equal(size, size_again);
}

static void ids_end_with_the_lease(void **state)
{
	struct pair *pair = *state;
	uint64_t object;
	tree_set_lease(pair->here.tree, 9000, 9002);
	assert_int_equal(tree_lease_left(pair->here.tree), 2);
	assert_int_equal(tree_new_id(pair->here.tree, &object), 0);
	assert_int_equal(object, 9000);
	assert_int_equal(tree_new_id(pair->here.tree, &object), 0);
	assert_int_equal(tree_new_id(pair->here.tree, &object), -EAGAIN);
}

static void locks_of_the_same_object_exclude(void **state)
{
	(void)state;
	struct order *order = order_new();
	struct order_objects objects = { .ids = { 5, 5, 0, 4096 } };
	order_lock(order, &objects);
	order_unlock(order, &objects);
	order_lock_all(order);
	order_unlock_all(order);
	order_lock(order, &objects);
	order_unlock(order, &objects);
	order_free(order);
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
		cmocka_unit_test(a_copied_id_is_recognised),
		cmocka_unit_test(the_index_is_rebuilt),
		cmocka_unit_test(started_operations_are_recognised),
		cmocka_unit_test(a_target_is_bound_and_unbound),
		cmocka_unit_test(a_tree_is_set_aside_whole),
		cmocka_unit_test(attributes_are_carried_whole),
		cmocka_unit_test(what_was_set_aside_is_not_found_by_a_new_index),
		cmocka_unit_test(ids_end_with_the_lease),
		cmocka_unit_test(no_id_is_given_again_after_the_state_was_lost),
		cmocka_unit_test(the_highest_id_counts_without_a_noted_limit),
		cmocka_unit_test(what_was_brought_by_hand_shares_no_id),
		cmocka_unit_test(a_root_of_another_module_is_no_root_here),
		cmocka_unit_test(what_chattr_protects_gets_its_id),
		cmocka_unit_test(flags_come_back_after_a_crash),
		cmocka_unit_test(what_has_no_room_for_its_id_has_one),
		cmocka_unit_test(a_protected_file_is_appended_to_and_no_more),
		cmocka_unit_test(locks_of_the_same_object_exclude),
	};
	if (geteuid() != 0)
		return 77; /* skipped, and said so: ids are trusted.* attributes */
	return cmocka_run_group_tests(tests, setup, teardown);
}
