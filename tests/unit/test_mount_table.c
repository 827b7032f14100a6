/* The kernel's list of mounts: what a path leads to, whatever was mounted over what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/mount_table.h"

#define ROOT "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
#define SRV  "30 20 8:2 / /srv rw shared:2 - xfs /dev/sdb rw\n"
#define OURS "40 30 0:50 / /srv/counter rw,noatime - fuse.evenkeel evenkeel rw,user_id=0\n"

static void read_text(struct mount_table *mounts, const char *text)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	assert_int_equal(fputs(text, file) < 0, 0);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(mount_table_read(mounts, fileno(file)), 0);
	fclose(file);
}

static void expect(const char *text, const char *path, dev_t device, const char *place)
{
	struct mount_table mounts = { 0 };

	read_text(&mounts, text);
	const struct mount_row *row = mount_table_find(&mounts, path);
	assert_non_null(row);
	assert_int_equal(row->device, device);
	assert_string_equal(row->path, place);
	mount_table_done(&mounts);
}

static void what_lies_on_top_is_found(void **state)
{
	(void)state;
	expect(ROOT SRV OURS, "/srv/counter", makedev(0, 50), "/srv/counter");
	expect(ROOT OURS SRV, "/srv/counter", makedev(0, 50), "/srv/counter");
	/* unmounted */
	expect(ROOT SRV, "/srv/counter", makedev(8, 2), "/srv");
	/* something over it, in whatever order it is listed */
	expect(ROOT SRV OURS "41 40 0:60 / /srv/counter rw - tmpfs none rw\n", "/srv/counter",
		makedev(0, 60), "/srv/counter");
	expect("41 40 0:60 / /srv/counter rw - tmpfs none rw\n" ROOT SRV OURS, "/srv/counter",
		makedev(0, 60), "/srv/counter");
	/* something over a folder above it */
	expect(ROOT SRV OURS "42 30 0:61 / /srv rw - tmpfs none rw\n", "/srv/counter",
		makedev(0, 61), "/srv");
	/* a neighbour whose name begins like ours */
	expect(ROOT SRV "43 30 0:62 / /srv/count rw - tmpfs none rw\n", "/srv/counter",
		makedev(8, 2), "/srv");
	/* moved elsewhere */
	expect(ROOT SRV "40 20 0:50 / /mnt rw - fuse.evenkeel evenkeel rw\n", "/srv/counter",
		makedev(8, 2), "/srv");
}

static void names_are_as_they_were_given(void **state)
{
	struct mount_table mounts = { 0 };

	(void)state;
	read_text(&mounts, ROOT "44 20 0:63 / /srv/a\\040b\\134c rw master:1 shared:2 - "
				"fuse.evenkeel evenkeel rw\nno line of a mount\n45 20 0:64 /");
	assert_int_equal(mounts.count, 2);
	assert_string_equal(mount_table_find(&mounts, "/srv/a b\\c/d")->path, "/srv/a b\\c");
	assert_string_equal(mount_table_find(&mounts, "/srv/a b\\c")->type, "fuse.evenkeel");
	read_text(&mounts, "");
	assert_null(mount_table_find(&mounts, "/"));
	mount_table_done(&mounts);
}

static void this_machine_has_a_root(void **state)
{
	struct mount_table mounts = { 0 };

	(void)state;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	assert_non_null(file);
	assert_int_equal(mount_table_read(&mounts, fileno(file)), 0);
	assert_true(mounts.count > 1);
	assert_string_equal(mount_table_find(&mounts, "/proc")->path, "/proc");
	fclose(file);
	mount_table_done(&mounts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_lies_on_top_is_found),
		cmocka_unit_test(names_are_as_they_were_given),
		cmocka_unit_test(this_machine_has_a_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
