/* When memory runs out at whatever moment, nothing that was opened stays open. */
#include "trees.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* ---- memory that runs out: linked with --wrap=calloc ---- */

static int allocations_left = -1; /* -1: no end */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	if (allocations_left == 0)
		return NULL;
	if (allocations_left > 0)
		allocations_left--;
	return __real_calloc(count, size);
}

static int open_count(void)
{
	int count = 0;
	DIR *directory = opendir("/proc/self/fd");
	assert_non_null(directory);
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

/* ---- tests ---- */

static void a_descriptor_that_cannot_be_kept_is_closed(void **state)
{
	struct trees *trees = *state;
	struct tree *tree = trees->here.tree;
	uint64_t file = trees_create(trees, 1, "not kept", S_IFREG | 0644);
	int fd, error = -ENOMEM;
	tree_forget(tree, file);
	int before = open_count();
	for (int allowed = 0; error != 0; allowed++) {
		allocations_left = allowed;
		error = tree_get_fd(tree, file, &fd);
		allocations_left = -1;
		assert_true(error == 0 || error == -ENOMEM);
		assert_int_equal(open_count(), error == 0 ? before + 2 : before);
		assert_true(error != 0 || allowed > 0); /* it was refused once at least */
	}
	tree_put_fd(tree, file);
	tree_forget(tree, file);
	assert_int_equal(open_count(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_that_cannot_be_kept_is_closed),
	};
	return trees_main(tests, ARRAY_COUNT(tests));
}
