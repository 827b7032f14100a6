/* The owner of a replicated directory puts whatever he likes where our folder lies, while nothing is mounted. He gets root to do
 * nothing for him: our folder is root's alone, or another one is made. */
#include "trees.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOMEBODY 4711

/* ---- somebody else's inode, on the same file system ---- */

/* What the note says of it: these flags, by its handle. */
static void say_note(const char *path, unsigned int flags, char out[400])
{
	struct {
		struct file_handle handle;
		unsigned char bytes[128];
	} room = { .handle.handle_bytes = 128 };
	int mount_id;
	assert_int_equal(name_to_handle_at(AT_FDCWD, path, &room.handle, &mount_id, 0), 0);
	int used = snprintf(out, 400, "%x 0 %x ", flags, (unsigned)room.handle.handle_type);
	for (unsigned i = 0; i < room.handle.handle_bytes; i++)
		used += snprintf(out + used, 400 - (size_t)used, "%02x", room.bytes[i]);
}

static void make_victim(const struct trees *trees, char path[700])
{
	snprintf(path, 700, "%s/of root", trees->folder);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	protect(path, FS_IMMUTABLE_FL);
}

/* ---- what he does, as himself ---- */

struct attack {
	const char *name;
	void (*act)(const char *folder, const char *text, unsigned long long inode);
};

static void write_notes(const char *folder, const char *text, unsigned long long inode)
{
	char path[800];
	snprintf(path, sizeof(path), "%s/flags-1", folder);
	(void)!symlink(text, path);
	snprintf(path, sizeof(path), "%s/flags-%llu", folder, inode);
	(void)!symlink(text, path);
}

static void put_own_folder(const char *folder, const char *text, unsigned long long inode)
{
	(void)mkdir(folder, 0777);
	write_notes(folder, text, inode);
}

static void put_link(const char *folder, const char *text, unsigned long long inode)
{
	char other[800];
	snprintf(other, sizeof(other), "%s.mine", folder);
	put_own_folder(other, text, inode);
	(void)!symlink(".evenkeel.mine", folder);
}

static void put_dangling_link(const char *folder, const char *text, unsigned long long inode)
{
	(void)text;
	(void)inode;
	(void)!symlink("/nowhere/at/all", folder);
}

static void put_fifo(const char *folder, const char *text, unsigned long long inode)
{
	(void)text;
	(void)inode;
	(void)mkfifo(folder, 0666);
}

static void put_file(const char *folder, const char *text, unsigned long long inode)
{
	(void)inode;
	int fd = open(folder, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
	(void)!write(fd, text, strlen(text));
	(void)!ftruncate(fd, (off_t)1 << 40); /* huge, and mostly a hole */
	close(fd);
}

static void put_socket(const char *folder, const char *text, unsigned long long inode)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	(void)text;
	(void)inode;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (strlen(folder) < sizeof(address.sun_path)) {
		memcpy(address.sun_path, folder, strlen(folder));
		(void)bind(fd, (struct sockaddr *)&address, sizeof(address));
	}
	close(fd);
}

static void put_folders_inside(const char *folder, const char *text, unsigned long long inode)
{
	static const char *const names[] = { "orphan", "limbo", "kept" };
	char path[800];
	put_own_folder(folder, text, inode);
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)!symlink("/", path);
	}
}

static void rename_ours_away(const char *folder, const char *text, unsigned long long inode)
{
	char away[800];
	snprintf(away, sizeof(away), "%s.away", folder);
	(void)rename(folder, away);
	put_own_folder(folder, text, inode);
}

static const struct attack attacks[] = {
	{ "a folder of his own", put_own_folder },
	{ "a link to a folder of his own", put_link },
	{ "a link to nowhere", put_dangling_link },
	{ "a fifo", put_fifo },
	{ "a huge file", put_file },
	{ "a socket", put_socket },
	{ "links inside", put_folders_inside },
	{ "ours renamed away", rename_ours_away },
};

static void as_somebody(const struct attack *attack, const char *folder, const char *victim)
{
	char text[400];
	struct stat st;
	int status;
	say_note(victim, 0, text); /* "it had none" */
	assert_int_equal(stat(victim, &st), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (setgid(SOMEBODY) != 0 || setuid(SOMEBODY) != 0)
			_exit(1);
		attack->act(folder, text, st.st_ino);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void assert_is_ours(const char *folder)
{
	static const char *const names[] = { ".", "orphan", "limbo", "kept" };
	char path[800];
	struct stat st;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		assert_int_equal(lstat(path, &st), 0);
		assert_true(S_ISDIR(st.st_mode) && st.st_uid == 0 && (st.st_mode & 0777) == 0700);
	}
}

static void nobody_else_puts_anything_into_our_folder(void **state)
{
	struct trees *trees = *state;
	char victim[700], folder[700], old[800];
	make_victim(trees, victim);
	snprintf(folder, sizeof(folder), "%s/.evenkeel", trees->here.folder);
	snprintf(old, sizeof(old), "%s.old", folder);
	assert_int_equal(chmod(trees->folder, 0755), 0);
	assert_int_equal(chown(trees->here.folder, SOMEBODY, SOMEBODY), 0);
	for (size_t i = 0; i < ARRAY_COUNT(attacks); i++) {
		side_close(&trees->here);
		if (attacks[i].act != rename_ours_away)
			assert_int_equal(rename(folder, old), 0);
		as_somebody(&attacks[i], folder, victim);
		side_open(&trees->here, trees->folder, "here");
		if (flags_of(victim) != FS_IMMUTABLE_FL)
			fail_msg("%s: root took the flags of another's file away", attacks[i].name);
		assert_is_ours(folder);
		snprintf(old, sizeof(old), "%s.old-%zu", folder, i);
	}
	protect(victim, 0);
	assert_int_equal(chown(trees->here.folder, 0, 0), 0);
}

/* And of what lies in a folder that is root's alone: only the inode that a note is named after. */
static void a_note_counts_for_its_own_inode_only(void **state)
{
	struct trees *trees = *state;
	char victim[700], note[800], text[400];
	make_victim(trees, victim);
	say_note(victim, 0, text);
	snprintf(note, sizeof(note), "%s/.evenkeel/flags-1", trees->here.folder);
	assert_int_equal(symlink(text, note), 0);
	side_close(&trees->here);
	side_open(&trees->here, trees->folder, "here");
	assert_int_equal(flags_of(victim), FS_IMMUTABLE_FL);
	assert_int_equal(access(note, F_OK), -1);
	protect(victim, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_else_puts_anything_into_our_folder),
		cmocka_unit_test(a_note_counts_for_its_own_inode_only),
	};
	return trees_main(tests, ARRAY_COUNT(tests));
}
