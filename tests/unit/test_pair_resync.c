/*
 * A copy is brought up to date while the application goes on writing: once, again and again, cut off
 * in the middle, and while files shrink and grow.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "pair.h"

static void test_resync_under_load(void **state)
{
	(void)state;
	struct writers writers;
	pair_roles();
	writers_start(&writers, &nodes[0]);
	writers_let(pair_seconds);
	pair_connect(&nodes[0], &nodes[1], pair_epoch, RESYNC_COMPARE);
	writers_let(0.3);
	(void)writers_stop(&writers);
	pair_finish(&nodes[0]);
}

static void test_resync_again_and_again(void **state)
{
	(void)state;
	struct writers writers;
	pair_roles();
	writers_start(&writers, &nodes[0]);
	struct epoch epoch = pair_epoch;
	for (int round = 0; round < 4; round++) {
		writers_let(0.2);
		pair_connect(&nodes[0], &nodes[1], epoch,
			round == 3 ? RESYNC_SET_ASIDE : RESYNC_COMPARE);
		writers_let(0.2);
		epoch.number++;
		unsigned before = node_seen(&nodes[0], FS_REPORT_IS_ALONE);
		assert_int_equal(
			replicator_go_alone(nodes[0].replicator, epoch, pair_generation), 0);
		node_wait_report(&nodes[0], FS_REPORT_IS_ALONE, before);
	}
	writers_let(0.2);
	pair_connect(&nodes[0], &nodes[1], epoch, RESYNC_COMPARE);
	(void)writers_stop(&writers);
	pair_finish(&nodes[0]);
}

static void test_resync_cut_off(void **state)
{
	(void)state;
	struct writers writers;
	pair_roles();
	writers_start(&writers, &nodes[0]);
	writers_let(pair_seconds);
	for (int round = 0; round < 5; round++) {
		unsigned before = node_seen(&nodes[1], FS_REPORT_CONNECTED);
		assert_int_equal(replicator_connect(nodes[0].replicator, RESYNC_COMPARE), 0);
		node_wait_report(&nodes[1], FS_REPORT_CONNECTED, before);
		writers_let(0.01 * (round + 1));
		node_close_process(&nodes[1]);
		node_open_process(&nodes[1], round % 2 == 0);
		assert_int_equal(replicator_be_secondary(nodes[1].replicator, pair_epoch,
					 pair_set_id, round % 2 != 0),
			0);
		writers_let(0.2);
	}
	(void)writers_stop(&writers);
	writers_start(&writers, &nodes[0]);
	writers_let(0.1);
	if (replicator_connect(nodes[0].replicator, RESYNC_COMPARE) == 0)
		node_wait_report(&nodes[0], FS_REPORT_TARGET_COMPLETE, 0);
	(void)writers_stop(&writers);
	pair_finish(&nodes[0]);
}

/*
 * The old copy of a file is longer than the file is now, and the file gets room that nobody writes
 * while its content is being compared: what shows there are zeros, not the old bytes.
 */
static void test_room_while_compared(void **state)
{
	(void)state;
	const uint64_t size = 96 * 1024 * 1024, kept = 48 * 1024 * 1024;
	struct epoch epoch = { 2, 1 };
	struct writer writer = { .node = &nodes[0], .random = 1 };
	struct op op = { .type = OP_CREATE, .parent = 1 };
	pair_begin();
	assert_true(writer_new_id(&writer, &op.object));
	uint64_t object = op.object;
	op.attributes.mode = S_IFREG | 0600;
	op.name = (struct bytes){ .data = (const uint8_t *)"long", .size = 4 };
	const struct order_objects objects = { .ids = { 1, object } };
	assert_int_equal(writer_perform(&writer, &op, objects), 0);
	for (uint64_t at = 0; at < size; at += WRITE_SIZE_MAX) {
		op = (struct op){ .type = OP_WRITE, .object = object, .offset = at };
		op.length = op.data.size = WRITE_SIZE_MAX;
		op.data.data = writers_data();
		assert_int_equal(writer_perform(&writer, &op, objects), 0);
	}
	assert_int_equal(replicator_go_alone(nodes[0].replicator, epoch, pair_generation), 0);
	op = (struct op){ .type = OP_SET_ATTRIBUTES, .object = object, .mask = ATTRIBUTE_SIZE };
	op.attributes.size = kept;
	assert_int_equal(writer_perform(&writer, &op, objects), 0);
	assert_int_equal(
		replicator_be_secondary(nodes[1].replicator, epoch, pair_set_id, false), 0);
	unsigned before = node_seen(&nodes[0], FS_REPORT_TARGET_COMPLETE);
	assert_int_equal(replicator_connect(nodes[0].replicator, RESYNC_COMPARE), 0);
	for (uint64_t now = kept; node_seen(&nodes[0], FS_REPORT_TARGET_COMPLETE) == before;) {
		now += now < size ? 64 * 1024 : 0;
		op = (struct op){
			.type = OP_SET_ATTRIBUTES, .object = object, .mask = ATTRIBUTE_SIZE
		};
		op.attributes.size = now;
		assert_int_equal(writer_perform(&writer, &op, objects), 0);
		writers_let(0.002);
	}
	pair_finish(&nodes[0]);
}

/* ---- by hand ---- */

/* One file with this content, made on the primary and at the peer when it returns. */
static uint64_t make_file(const char *name, const char *content)
{
	struct writer writer = { .node = &nodes[0], .random = 1 };
	struct op op = { .type = OP_CREATE, .parent = 1 };
	assert_true(writer_new_id(&writer, &op.object));
	uint64_t object = op.object;
	const struct order_objects objects = { .ids = { 1, object } };
	op.attributes.mode = S_IFREG | 0644;
	op.name = (struct bytes){ .data = (const uint8_t *)name, .size = strlen(name) };
	assert_int_equal(writer_perform(&writer, &op, objects), 0);
	op = (struct op){ .type = OP_WRITE, .object = object };
	op.data = (struct bytes){ .data = (const uint8_t *)content, .size = strlen(content) };
	op.length = op.data.size;
	assert_int_equal(writer_perform(&writer, &op, objects), 0);
	return object;
}

static void write_by_hand(const char *name, const char *content)
{
	char path[PAIR_PATH_SIZE * 2];
	struct stat st = { 0 };
	snprintf(path, sizeof(path), "%s/%s", nodes[1].root, name);
	bool was_there = stat(path, &st) == 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	const struct timespec times[2] = { st.st_atim, st.st_mtim };
	if (was_there) /* the time of the change is put back: that is no proof of anything */
		assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

/* The one folder of kept/ at the second node; false: there is none. */
static bool find_kept(char out[PAIR_PATH_SIZE * 2])
{
	char path[PAIR_PATH_SIZE * 2];
	snprintf(path, sizeof(path), "%s/.evenkeel/kept", nodes[1].root);
	DIR *stream = opendir(path);
	int count = 0;
	assert_non_null(stream);
	for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		snprintf(out, PAIR_PATH_SIZE * 2, "%.200s/%.40s", path, entry->d_name);
	}
	closedir(stream);
	assert_true(count <= 1);
	return count == 1;
}

static void assert_kept(const char *kept, const char *name, const char *content)
{
	char path[PAIR_PATH_SIZE * 4], found[256] = "";
	snprintf(path, sizeof(path), "%s/%s", kept, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail_msg("'%s' was written by hand, and is nowhere", name);
	assert_int_equal(read(fd, found, sizeof(found) - 1), (ssize_t)strlen(content));
	assert_string_equal(found, content);
	close(fd);
}

static void bring_up_to_date(struct epoch epoch)
{
	unsigned before = node_seen(&nodes[0], FS_REPORT_TARGET_COMPLETE);
	assert_int_equal(
		replicator_be_secondary(nodes[1].replicator, epoch, pair_set_id, false), 0);
	assert_int_equal(replicator_connect(nodes[0].replicator, RESYNC_COMPARE), 0);
	node_wait_report(&nodes[0], FS_REPORT_TARGET_COMPLETE, before);
}

static void unlink_on_primary(const char *name, uint64_t object)
{
	struct writer writer = { .node = &nodes[0], .random = 1 };
	struct op op = { .type = OP_UNLINK, .parent = 1, .object = object };
	op.name = (struct bytes){ .data = (const uint8_t *)name, .size = strlen(name) };
	assert_int_equal(
		writer_perform(&writer, &op, (struct order_objects){ .ids = { 1, object } }), 0);
}

/* A person writes on a node in STOP. At its return the copy is the primary's again, and all that was
 * written by hand is kept, under its path, with one event; what was only touched is not. */
static void test_what_was_written_by_hand_is_kept(void **state)
{
	(void)state;
	struct epoch epoch = { 2, 1 };
	char kept[PAIR_PATH_SIZE * 2], path[PAIR_PATH_SIZE * 3];
	pair_begin();
	(void)make_file("edited", "of the primary");
	(void)make_file("touched", "of the primary");
	uint64_t removed = make_file("removed", "of the primary");
	assert_int_equal(replicator_stop(nodes[1].replicator), 0);
	assert_int_equal(replicator_go_alone(nodes[0].replicator, epoch, pair_generation), 0);
	writers_let(0.1); /* a tick of the clock that stamps changes */
	unsigned notices = node_seen(&nodes[1], FS_REPORT_NOTICE);
	write_by_hand("edited", "of a person___");
	write_by_hand("removed", "by a person____");
	write_by_hand("new", "all by hand");
	snprintf(path, sizeof(path), "%s/folder", nodes[1].root);
	assert_int_equal(mkdir(path, 0755), 0);
	write_by_hand("folder/below", "deeper");
	snprintf(path, sizeof(path), "%s/touched", nodes[1].root);
	assert_int_equal(chown(path, 12, 34), 0);
	unlink_on_primary("removed", removed);
	writers_let(0.1);
	bring_up_to_date(epoch);
	pair_finish(&nodes[0]);
	assert_true(find_kept(kept));
	assert_kept(kept, "edited", "of a person___");
	assert_kept(kept, "removed", "by a person____");
	assert_kept(kept, "new", "all by hand");
	assert_kept(kept, "folder/below", "deeper");
	snprintf(path, sizeof(path), "%s/touched", kept);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(node_seen(&nodes[1], FS_REPORT_NOTICE), notices + 1);
}

/* Somebody reaches the directory behind the mount of a copy that follows: what he makes there has no id,
 * and is kept. */
static void test_what_is_made_behind_the_mount_is_kept(void **state)
{
	(void)state;
	struct epoch epoch = { 2, 1 };
	char kept[PAIR_PATH_SIZE * 2], path[PAIR_PATH_SIZE * 3];
	pair_begin();
	write_by_hand("new", "all by hand");
	write_by_hand("same", "by hand first");
	snprintf(path, sizeof(path), "%s/folder", nodes[1].root);
	assert_int_equal(mkdir(path, 0755), 0);
	write_by_hand("folder/below", "deeper");
	assert_int_equal(replicator_go_alone(nodes[0].replicator, epoch, pair_generation), 0);
	(void)make_file("same", "of the primary");
	bring_up_to_date(epoch);
	pair_finish(&nodes[0]);
	assert_true(find_kept(kept));
	assert_kept(kept, "new", "all by hand");
	assert_kept(kept, "same", "by hand first");
	assert_kept(kept, "below", "deeper");
}

/* The process that looked for it dies: the next one finds all of it, and what this one did itself is
 * not taken for a person's. */
static void test_by_hand_and_cut_off(void **state)
{
	(void)state;
	struct epoch epoch = { 2, 1 };
	char kept[PAIR_PATH_SIZE * 2], path[PAIR_PATH_SIZE * 3], name[32];
	pair_begin();
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		(void)make_file(name, "of the primary");
	}
	assert_int_equal(replicator_stop(nodes[1].replicator), 0);
	assert_int_equal(replicator_go_alone(nodes[0].replicator, epoch, pair_generation), 0);
	writers_let(0.1);
	for (int i = 0; i < 200; i += 2) {
		snprintf(name, sizeof(name), "file%d", i);
		write_by_hand(name, "of a person___");
	}
	writers_let(0.1);
	for (int round = 0; round < 4; round++) {
		assert_int_equal(
			replicator_be_secondary(nodes[1].replicator, epoch, pair_set_id, round > 0),
			0);
		unsigned before = node_seen(&nodes[1], FS_REPORT_CONNECTED);
		assert_int_equal(replicator_connect(nodes[0].replicator, RESYNC_COMPARE), 0);
		node_wait_report(&nodes[1], FS_REPORT_CONNECTED, before);
		writers_let(0.004 * round);
		node_close_process(&nodes[1]);
		node_open_process(&nodes[1], true);
		epoch.number++;
		assert_int_equal(
			replicator_go_alone(nodes[0].replicator, epoch, pair_generation), 0);
	}
	bring_up_to_date(epoch);
	pair_finish(&nodes[0]);
	assert_true(find_kept(kept));
	for (int i = 0; i < 200; i += 2) {
		snprintf(name, sizeof(name), "file%d", i);
		assert_kept(kept, name, "of a person___");
	}
	snprintf(path, sizeof(path), "%s/file1", kept);
	assert_int_equal(access(path, F_OK), -1);
}

/* A process dies under load, without a word: what was under way differs lawfully, nothing is kept. */
static void test_after_a_crash_nothing_is_kept(void **state)
{
	(void)state;
	struct writers writers;
	struct epoch epoch = { 2, 1 };
	char kept[PAIR_PATH_SIZE * 2];
	pair_begin();
	writers_start(&writers, &nodes[0]);
	writers_let(0.2);
	node_close_process(&nodes[1]);
	node_open_process(&nodes[1], true);
	assert_int_equal(replicator_go_alone(nodes[0].replicator, epoch, pair_generation), 0);
	writers_let(0.3);
	(void)writers_stop(&writers);
	bring_up_to_date(epoch);
	pair_finish(&nodes[0]);
	assert_false(find_kept(kept));
}

/* The copy of what was written by hand would take more than half of the room that is left: nothing of it is
 * overwritten, and the copy says why it does not go on. */
static void test_by_hand_without_room(void **state)
{
	(void)state;
	const off_t size = (off_t)100 * 1024 * 1024;
	struct epoch epoch = { 2, 1 };
	struct stat st;
	char path[PAIR_PATH_SIZE * 2], content[16] = "";
	pair_begin();
	(void)make_file("large", "of the primary");
	assert_int_equal(replicator_stop(nodes[1].replicator), 0);
	assert_int_equal(replicator_go_alone(nodes[0].replicator, epoch, pair_generation), 0);
	writers_let(0.1);
	write_by_hand("large", "of a person___");
	snprintf(path, sizeof(path), "%s/large", nodes[1].root);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(posix_fallocate(fd, 0, size), 0);
	snprintf(path, sizeof(path), "%s/../filler", nodes[1].root);
	int filler = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(filler >= 0);
	assert_int_equal(posix_fallocate(filler, 0, size), 0);
	close(filler);
	writers_let(0.1);
	assert_int_equal(
		replicator_be_secondary(nodes[1].replicator, epoch, pair_set_id, false), 0);
	assert_int_equal(replicator_connect(nodes[0].replicator, RESYNC_COMPARE), 0);
	node_wait_report(&nodes[1], FS_REPORT_LOCAL_FAILED, 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, size);
	assert_int_equal(pread(fd, content, 14, 0), 14);
	assert_string_equal(content, "of a person___");
	close(fd);
}

/* ---- objects that are hard to copy ---- */

static unsigned int protection(const struct pair_node *node, const char *name, const int *wanted)
{
	char path[PAIR_PATH_SIZE * 2];
	int flags = 0;
	snprintf(path, sizeof(path), "%s/%s", node->root, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	if (wanted != NULL)
		assert_int_equal(ioctl(fd, FS_IOC_SETFLAGS, wanted), 0);
	assert_int_equal(ioctl(fd, FS_IOC_GETFLAGS, &flags), 0);
	close(fd);
	return (unsigned int)flags & (FS_IMMUTABLE_FL | FS_APPEND_FL);
}

/* What chattr(1) protects on the primary is protected on the other copy in the end, and what it did not
 * hinder there does not clear it. */
static void test_protection_is_copied(void **state)
{
	(void)state;
	const int immutable = FS_IMMUTABLE_FL, append = FS_APPEND_FL, none = 0;
	struct writer writer = { .node = &nodes[0], .random = 1 };
	pair_begin();
	uint64_t fixed = make_file("fixed", "content"), log = make_file("log", "content");
	(void)protection(&nodes[0], "log", &append);
	(void)protection(&nodes[0], "fixed", &immutable);
	tree_forget(nodes[0].tree, fixed);
	tree_forget(nodes[0].tree, log);
	struct epoch epoch = { 2, 1 };
	assert_int_equal(replicator_stop(nodes[1].replicator), 0);
	assert_int_equal(replicator_go_alone(nodes[0].replicator, epoch, pair_generation), 0);
	bring_up_to_date(epoch);
	assert_int_equal(protection(&nodes[1], "fixed", NULL), FS_IMMUTABLE_FL);
	assert_int_equal(protection(&nodes[1], "log", NULL), FS_APPEND_FL);
	struct op op = { .type = OP_WRITE, .object = log, .offset = 7, .length = 4 };
	op.data = (struct bytes){ (const uint8_t *)"more", 4 };
	assert_int_equal(writer_perform(&writer, &op, (struct order_objects){ .ids = { log } }), 0);
	pair_finish(&nodes[0]);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(protection(&nodes[i], "log", NULL), FS_APPEND_FL);
		(void)protection(&nodes[i], "log", &none);
		(void)protection(&nodes[i], "fixed", &none);
	}
}

/* On a file system that lets an object have as many attributes as there is room, as XFS and btrfs do.
 * In a namespace of its own, in which the tests after this one run as well. */
static int setup_in_memory(void **state)
{
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("pair", "/tmp", "tmpfs", 0, "size=300m"), 0);
	return pair_setup(state);
}

static int set_attribute(uint64_t object, const char *name, struct bytes value)
{
	struct writer writer = { .node = &nodes[0], .random = 1 };
	struct op op = { .type = OP_SET_XATTR, .object = object, .data = value };
	op.name = (struct bytes){ .data = (const uint8_t *)name, .size = strlen(name) };
	return writer_perform(&writer, &op, (struct order_objects){ .ids = { object } });
}

/* What is accepted from the application can be copied: 300 KiB of attributes on one file. */
static void test_many_attributes_are_copied(void **state)
{
	(void)state;
	const struct bytes value = { writers_data(), 60000 };
	char name[32], path[PAIR_PATH_SIZE * 2];
	static uint8_t there[60000];
	pair_roles();
	uint64_t object = make_file("heavy", "content");
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "trusted.big%d", i);
		assert_int_equal(set_attribute(object, name, value), 0);
	}
	pair_connect(&nodes[0], &nodes[1], pair_epoch, RESYNC_COMPARE);
	assert_int_equal(set_attribute(object, "trusted.late", value), 0);
	pair_finish(&nodes[0]);
	snprintf(path, sizeof(path), "%s/heavy", nodes[1].root);
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "trusted.big%d", i);
		assert_int_equal(getxattr(path, name, there, sizeof(there)), sizeof(there));
		assert_memory_equal(there, value.data, sizeof(there));
	}
}

/* More names of attributes than the kernel tells of: they cannot be read, by anybody. The rest is copied,
 * and the object is named. */
static void test_one_object_that_cannot_be_read(void **state)
{
	(void)state;
	char name[256], path[PAIR_PATH_SIZE * 2], content[32] = "";
	pair_roles();
	uint64_t object = make_file("unreadable", "content");
	(void)make_file("another", "of the primary");
	memset(name, 'n', sizeof(name));
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "trusted.%d", i);
		name[strlen(name)] = 'n';
		name[254] = '\0';
		assert_int_equal(
			set_attribute(object, name, (struct bytes){ writers_data(), 1 }), 0);
	}
	pair_connect(&nodes[0], &nodes[1], pair_epoch, RESYNC_COMPARE);
	assert_int_equal(node_left_out(&nodes[0], name, sizeof(name)), 1);
	assert_string_equal(name, "1 object: unreadable: Argument list too long");
	node_drain(&nodes[0]);
	snprintf(path, sizeof(path), "%s/another", nodes[1].root);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, content, sizeof(content) - 1) > 0);
	assert_string_equal(content, "of the primary");
	close(fd);
	snprintf(path, sizeof(path), "%s/unreadable", nodes[1].root);
	assert_int_equal(access(path, F_OK), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_resync_under_load, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(
			test_resync_again_and_again, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_resync_cut_off, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(
			test_room_while_compared, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(
			test_what_was_written_by_hand_is_kept, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(
			test_what_is_made_behind_the_mount_is_kept, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(
			test_by_hand_and_cut_off, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(
			test_after_a_crash_nothing_is_kept, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(
			test_protection_is_copied, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(
			test_by_hand_without_room, setup_in_memory, pair_teardown),
		cmocka_unit_test_setup_teardown(
			test_many_attributes_are_copied, setup_in_memory, pair_teardown),
		cmocka_unit_test_setup_teardown(
			test_one_object_that_cannot_be_read, setup_in_memory, pair_teardown),
	};
	return pair_main(argc, argv, tests, ARRAY_COUNT(tests));
}
