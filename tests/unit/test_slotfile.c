/* The two-slot file: what survives a torn write, two torn writes, a full disk. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/slotfile.h"

struct place {
	char folder[64];
	char path[96];
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	(void)snprintf(place->folder, sizeof(place->folder), "/tmp/test-slotfile-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	(void)snprintf(place->path, sizeof(place->path), "%s/record", place->folder);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	(void)unlink(place->path);
	(void)rmdir(place->folder);
	free(place);
	return 0;
}

static void write_text(struct slotfile *file, const char *text)
{
	assert_int_equal(slotfile_write(file, text, strlen(text)), 0);
}

static void store(const char *path, const char *text)
{
	struct slotfile file;

	assert_int_equal(slotfile_open(&file, path), 0);
	write_text(&file, text);
	slotfile_close(&file);
}

/* A file in which both slots are used: "first" lies in slot 1, "second" in slot 0. */
static int set_up_two(void **state)
{
	int error = set_up(state);
	const struct place *place = *state;

	store(place->path, "first");
	store(place->path, "second");
	return error;
}

static void assert_reads(const char *path, const char *text)
{
	struct slotfile file;
	char data[SLOT_PAYLOAD_MAX];
	size_t size = 0;

	assert_int_equal(slotfile_open(&file, path), 0);
	assert_int_equal(slotfile_read(&file, data, sizeof(data), &size), 0);
	assert_int_equal(size, strlen(text));
	assert_memory_equal(data, text, size);
	slotfile_close(&file);
}

static void damage(const char *path, off_t offset)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, offset), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
	close(fd);
}

static void a_new_file_holds_nothing(void **state)
{
	const struct place *place = *state;
	struct slotfile file;
	struct stat info;
	char data[16];
	size_t size;

	assert_int_equal(slotfile_open(&file, place->path), 0);
	assert_int_equal(file.counter, 0);
	assert_int_equal(slotfile_read(&file, data, sizeof(data), &size), -ENOENT);
	slotfile_close(&file);
	assert_int_equal(stat(place->path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	assert_int_equal(info.st_size, 2 * SLOT_SIZE);
}

static void the_newest_is_read_after_each_write(void **state)
{
	const struct place *place = *state;
	struct slotfile file;
	char text[32];

	for (int i = 0; i < 5; i++) {
		(void)snprintf(text, sizeof(text), "number %d", i);
		assert_int_equal(slotfile_open(&file, place->path), 0);
		assert_int_equal(file.counter, i);
		write_text(&file, text);
		slotfile_close(&file);
		assert_reads(place->path, text);
	}
}

static void a_torn_slot_leaves_the_older_one(void **state)
{
	const struct place *place = *state;

	damage(place->path, 0 * SLOT_SIZE + 33);
	assert_reads(place->path, "first");
	store(place->path, "third"); /* over the torn one */
	assert_reads(place->path, "third");
}

static void every_byte_of_a_slot_is_guarded(void **state)
{
	const struct place *place = *state;

	for (off_t offset = 0; offset < SLOT_SIZE; offset += 7) {
		damage(place->path, offset);
		assert_reads(place->path, "first");
		damage(place->path, offset); /* the same bit: as it was */
	}
	assert_reads(place->path, "second");
}

static void two_torn_slots_are_an_error_and_not_an_empty_file(void **state)
{
	const struct place *place = *state;
	struct slotfile file;

	char data[16];
	size_t size;

	assert_int_equal(slotfile_open(&file, place->path), 0);
	damage(place->path, 0 * SLOT_SIZE + 40);
	damage(place->path, 1 * SLOT_SIZE + 40);
	assert_int_equal(slotfile_read(&file, data, sizeof(data), &size), -EBADMSG);
	slotfile_close(&file);
	assert_int_equal(slotfile_open(&file, place->path), -EBADMSG);
}

static void a_foreign_file_is_refused(void **state)
{
	const struct place *place = *state;
	struct slotfile file;
	int fd = open(place->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, "hello", 5), 5);
	close(fd);
	assert_int_equal(slotfile_open(&file, place->path), -EBADMSG);
}

static void sizes_at_their_limits(void **state)
{
	const struct place *place = *state;
	struct slotfile file;
	static uint8_t data[SLOT_PAYLOAD_MAX + 1], back[SLOT_PAYLOAD_MAX];
	size_t size = 0;

	memset(data, 0x5a, sizeof(data));
	assert_int_equal(slotfile_open(&file, place->path), 0);
	assert_int_equal(slotfile_write(&file, data, sizeof(data)), -ERANGE);
	assert_int_equal(slotfile_write(&file, data, SLOT_PAYLOAD_MAX), 0);
	assert_int_equal(slotfile_read(&file, back, sizeof(back) - 1, &size), -ERANGE);
	assert_int_equal(slotfile_read(&file, back, sizeof(back), &size), 0);
	assert_int_equal(size, SLOT_PAYLOAD_MAX);
	assert_memory_equal(back, data, size);
	assert_int_equal(slotfile_write(&file, data, 0), 0);
	assert_int_equal(slotfile_read(&file, back, sizeof(back), &size), 0);
	assert_int_equal(size, 0);
	slotfile_close(&file);
}

/* The file exists before the disk is full: writing in place goes on. A new one cannot be made, and
 * what is left of the attempt counts as new when there is room again. */
static void a_full_disk_stops_new_files_only(void **state)
{
	const struct place *place = *state;
	struct slotfile file, second;
	char filler[96], other[96];

	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		mount("tmpfs", place->folder, "tmpfs", 0, "size=64k") != 0)
		skip(); /* needs root */
	(void)snprintf(filler, sizeof(filler), "%s/filler", place->folder);
	(void)snprintf(other, sizeof(other), "%s/other", place->folder);
	assert_int_equal(slotfile_open(&file, place->path), 0);
	int fd = open(filler, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	static const char zeros[4096];
	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	write_text(&file, "written in place");
	slotfile_close(&file);
	assert_reads(place->path, "written in place");
	assert_int_equal(slotfile_open(&second, other), -ENOSPC);
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
	store(other, "late");
	assert_reads(other, "late");
	(void)unlink(other);
	(void)unlink(filler);
	assert_int_equal(umount2(place->folder, MNT_DETACH), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_file_holds_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_newest_is_read_after_each_write, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_torn_slot_leaves_the_older_one, set_up_two, tear_down),
		cmocka_unit_test_setup_teardown(
			every_byte_of_a_slot_is_guarded, set_up_two, tear_down),
		cmocka_unit_test_setup_teardown(
			two_torn_slots_are_an_error_and_not_an_empty_file, set_up_two, tear_down),
		cmocka_unit_test_setup_teardown(a_foreign_file_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sizes_at_their_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_full_disk_stops_new_files_only, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
