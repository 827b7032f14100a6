/* Whoever owns a replicated directory reaches it underneath the mount, and puts another inode under the name of what root has just
 * made. Root touches nothing that it has not made itself. Linked with --wrap=mknodat, --wrap=mkdirat: the moment after. */
#include "trees.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOMEBODY 4711

static const char *
	swapped_in; /* takes the new inode's name; relative to its directory, or absolute for a link; NULL: nothing */
static bool is_link;

static void swap(int folder, const char *name)
{
	if (swapped_in == NULL)
		return;
	assert_int_equal(renameat(folder, name, folder, "moved away"), 0);
	if (is_link)
		assert_int_equal(symlinkat(swapped_in, folder, name), 0);
	else
		assert_int_equal(renameat(folder, swapped_in, folder, name), 0);
	swapped_in = NULL;
}

int __real_mknodat(int folder, const char *name, mode_t mode, dev_t device);
int __wrap_mknodat(int folder, const char *name, mode_t mode, dev_t device);
int __wrap_mknodat(int folder, const char *name, mode_t mode, dev_t device)
{
	int result = __real_mknodat(folder, name, mode, device);
	if (result == 0)
		swap(folder, name);
	return result;
}

int __real_mkdirat(int folder, const char *name, mode_t mode);
int __wrap_mkdirat(int folder, const char *name, mode_t mode);
int __wrap_mkdirat(int folder, const char *name, mode_t mode)
{
	int result = __real_mkdirat(folder, name, mode);
	if (result == 0)
		swap(folder, name);
	return result;
}

/* ---- tests ---- */

static int create(struct trees *trees, const char *name, uint32_t mode)
{
	struct op op = { .type = OP_CREATE,
		.object = 0,
		.parent = 1,
		.name = text(name),
		.attributes = { .mode = mode, .uid = SOMEBODY, .gid = SOMEBODY } };
	assert_int_equal(tree_new_id(trees->here.tree, &op.object), 0);
	return tree_apply(trees->here.tree, &op, TREE_LOCAL);
}

static void place_in(const struct trees *trees, const char *name, char out[800])
{
	snprintf(out, 800, "%s/%s", trees->here.folder, name);
}

static void assert_untouched(const char *path, mode_t mode)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void make_root_file(const char *path)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	usleep(20 * 1000); /* older than what is made next, by the clock of inodes */
}

static void a_link_to_a_file_of_roots(void **state)
{
	struct trees *trees = *state;
	char victim[700], leftover[800];
	snprintf(victim, sizeof(victim), "%s/of root", trees->folder);
	make_root_file(victim);
	swapped_in = victim;
	is_link = true;
	assert_int_equal(create(trees, "x", S_IFREG | 04755), -EBUSY);
	assert_untouched(victim, 0600);
	place_in(trees, "moved away", leftover);
	assert_untouched(leftover, 04755);
	assert_int_equal(unlink(leftover), 0);
}

static void another_file_of_roots(void **state)
{
	struct trees *trees = *state;
	char victim[800], there[800];
	place_in(trees, "secret", victim);
	make_root_file(victim);
	swapped_in = "secret";
	is_link = false;
	assert_int_equal(create(trees, "y", S_IFREG | 0644), -EBUSY);
	place_in(trees, "y", there);
	assert_untouched(there, 0600);
	place_in(trees, "moved away", there);
	assert_int_equal(unlink(there), 0);
}

static void our_own_folder(void **state)
{
	struct trees *trees = *state;
	char there[800], own[800];
	swapped_in = ".evenkeel";
	is_link = false;
	assert_int_equal(create(trees, "z", S_IFDIR | 0755), -EBUSY);
	place_in(trees, "z", there);
	assert_untouched(there, 0700);
	place_in(trees, ".evenkeel", own);
	assert_int_equal(rename(there, own), 0);
	place_in(trees, "moved away", there);
	assert_int_equal(rmdir(there), 0);
}

static void nothing_else_is_hindered(void **state)
{
	struct trees *trees = *state;
	char path[800];
	struct stat st;
	assert_int_equal(create(trees, "mine", S_IFREG | 06755), 0);
	place_in(trees, "mine", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, SOMEBODY);
	assert_int_equal(st.st_mode & 07777, 06755);
	assert_int_equal(create(trees, "folder", S_IFDIR | 0750), 0);
	assert_int_equal(create(trees, "device", S_IFCHR | 0600), 0);
	assert_int_not_equal(side_look_up(&trees->here, "device"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_to_a_file_of_roots),
		cmocka_unit_test(another_file_of_roots),
		cmocka_unit_test(our_own_folder),
		cmocka_unit_test(nothing_else_is_hindered),
	};
	return trees_main(tests, ARRAY_COUNT(tests));
}
