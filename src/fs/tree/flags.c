/*
 * Objects that chattr(1) protects (+i, +a).
 *
 * They take no attribute, so to get their id the flags are taken away for a moment. A note beside
 * them (`.evenkeel/flags-INODE`, a symbolic link: made at once, and in the journal before the flags
 * are) says what they were, for whoever opens the tree after a crash in that moment. A copy that is
 * brought up to date gets those of its primary; while it follows they are taken away for the moment in which
 * they are in the way.
 *
 * The note's text: flags, root, type of the handle, the handle; in hex, parted by spaces. It lies in
 * our folder, which is root's alone (own.c); all the same it is believed only of the inode that it
 * is named after, and nothing but what protects is set.
 */
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/tree/internal.h"

#define PROTECTING (FS_IMMUTABLE_FL | FS_APPEND_FL)
#define NOTE_NAME  "flags-"
#define NOTE_SIZE  (3 * 9 + 2 * HANDLE_BYTES_MAX + 1)

/* Only these have such flags. Gives a descriptor for ioctl(2); fd and name as for id_read(). */
static int open_for_flags(int fd, const char *name, const struct stat *st)
{
	char path[PROC_PATH_SIZE];
	int follow = name[0] == '\0' ? 0 : O_NOFOLLOW;

	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		return -EPERM;
	proc_path(path, fd, name);
	int opened = open(path, O_RDONLY | O_NONBLOCK | O_NOATIME | O_CLOEXEC | follow);
	if (opened < 0)
		return -errno;
	struct stat now;
	if (fstat(opened, &now) == 0 && now.st_ino == st->st_ino && now.st_dev == st->st_dev)
		return opened;
	(void)close(opened); /* another inode has that name by now */
	return -ESTALE;
}

/* Errors: -EPERM if there are none that protect. */
static int read_flags(int fd, unsigned int *out_flags)
{
	*out_flags = 0;
	if (ioctl(fd, FS_IOC_GETFLAGS, out_flags) != 0)
		return errno == ENOTTY || errno == EOPNOTSUPP ? -EPERM : -errno;
	return (*out_flags & PROTECTING) == 0 ? -EPERM : 0;
}

static int set_flags(int fd, unsigned int flags)
{
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0 ? 0 : -errno;
}

/* ---- the note ---- */

static void note_name(const struct stat *st, char out[64])
{
	(void)snprintf(out, 64, NOTE_NAME "%llu", (unsigned long long)st->st_ino);
}

static int write_note(
	struct tree *tree, const struct stat *st, const struct place *place, unsigned int flags)
{
	char name[64], text[NOTE_SIZE];
	int used = snprintf(text, sizeof(text), "%x %x %x ", flags, (unsigned int)place->root,
		(unsigned int)place->type);

	for (uint32_t i = 0; i < place->size; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "%02x", place->bytes[i]);
	note_name(st, name);
	if (symlinkat(text, tree->roots[place->root].own_fd, name) == 0 || errno == EEXIST)
		return 0; /* there already: it says what they were before all this */
	return -errno;
}

static int hex_at(const char *text)
{
	char digits[3] = { text[0], text[0] == '\0' ? '\0' : text[1], '\0' };
	char *end;
	long value = strtol(digits, &end, 16);

	return end == digits + 2 ? (int)value : -1;
}

static bool parse_note(const char *text, struct place *out_place, unsigned int *out_flags)
{
	unsigned int root, type;
	int at = 0, byte;

	if (sscanf(text, "%x %x %x %n", out_flags, &root, &type, &at) != 3 || root >= ROOTS_MAX)
		return false;
	*out_place = (struct place){ .root = (uint8_t)root, .type = (int32_t)type };
	while (out_place->size < HANDLE_BYTES_MAX && (byte = hex_at(text + at)) >= 0) {
		out_place->bytes[out_place->size++] = (uint8_t)byte;
		at += 2;
	}
	return out_place->size > 0 && text[at] == '\0';
}

/* Only what protects, and only of the inode that the note is named after. */
static int restore_one(int fd, const char *name, unsigned int flags)
{
	char expected[64];
	struct stat st;
	unsigned int now = 0;

	if (fstat(fd, &st) != 0 || ioctl(fd, FS_IOC_GETFLAGS, &now) != 0)
		return -errno;
	note_name(&st, expected);
	if (strcmp(name, expected) != 0)
		return 0; /* nobody of us wrote that */
	return set_flags(fd, (now & ~(unsigned int)PROTECTING) | (flags & PROTECTING));
}

static int restore(struct tree *tree, const char *name, const char *text)
{
	struct place place;
	unsigned int flags;
	int fd;

	if (!parse_note(text, &place, &flags) || place.root >= tree->root_count)
		return 0; /* not of ours, or of a directory that is not replicated any more */
	int error = place_open(tree, &place, O_RDONLY | O_NONBLOCK, &fd);
	if (error != 0)
		return error == -ESTALE ? 0 : error;
	error = restore_one(fd, name, flags);
	(void)close(fd); /* only its attributes were changed */
	return error;
}

static int restore_part(struct tree *tree, const struct tree_part *part)
{
	DIR *stream;
	const struct dirent *entry;
	int error = folder_read(part->own_fd, &stream);

	if (error != 0)
		return error;
	while (error == 0 && (entry = readdir(stream)) != NULL) {
		char text[NOTE_SIZE + 1];
		if (strncmp(entry->d_name, NOTE_NAME, sizeof(NOTE_NAME) - 1) != 0)
			continue;
		ssize_t size = readlinkat(part->own_fd, entry->d_name, text, sizeof(text) - 1);
		if (size < 0)
			continue;
		text[size] = '\0';
		error = restore(tree, entry->d_name, text);
		if (error == 0 && unlinkat(part->own_fd, entry->d_name, 0) != 0)
			error = -errno;
	}
	(void)closedir(stream);
	return error;
}

int flags_restore(struct tree *tree)
{
	int error = 0;

	for (int i = 0; i < tree->root_count && error == 0; i++)
		error = restore_part(tree, &tree->roots[i]);
	return error;
}

/* ---- writing nevertheless ---- */

static int write_between(struct tree *tree, int fd, const struct flags_value *value)
{
	unsigned int flags;
	char name[64];
	int error = read_flags(fd, &flags);

	if (error == 0)
		error = write_note(tree, value->st, value->place, flags);
	if (error != 0)
		return error;
	error = set_flags(fd, flags & ~(unsigned int)PROTECTING);
	if (error == 0 && fsetxattr(fd, OWN_XATTR, value->data, value->size, 0) != 0)
		error = -errno;
	if (set_flags(fd, flags) != 0)
		return error; /* the note stays, and the next start tries again */
	note_name(value->st, name);
	(void)unlinkat(
		tree->roots[value->place->root].own_fd, name, 0); /* one too many does no harm */
	return error;
}

int flags_write_id(struct tree *tree, int fd, const char *name, const struct flags_value *value)
{
	int opened = open_for_flags(fd, name, value->st);

	if (opened < 0)
		return opened;
	int error = write_between(tree, opened, value);
	(void)close(opened); /* only its attributes were changed */
	return error;
}

int flags_clear(int fd, const char *name)
{
	unsigned int flags;
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0)
		return -errno;
	int opened = open_for_flags(fd, name, &st);
	if (opened < 0)
		return opened;
	int error = read_flags(opened, &flags);
	if (error == 0)
		error = set_flags(opened, flags & ~(unsigned int)PROTECTING);
	(void)close(opened); /* as above */
	return error;
}

/* ---- of an object ---- */

/* Gives a descriptor for ioctl(2). */
static int open_object(struct tree *tree, uint64_t object)
{
	struct grip grip;
	struct stat st;
	int error = object == 0 ? -ESTALE : tree_grip(tree, object, WANTS_ANY, &grip);

	if (error != 0)
		return error;
	int opened = fstat(grip.fd, &st) != 0 ? -errno : open_for_flags(grip.fd, "", &st);
	tree_release(tree, &grip);
	return opened;
}

uint32_t tree_protection(struct tree *tree, uint64_t object)
{
	unsigned int flags = 0;
	int fd = open_object(tree, object);

	if (fd < 0)
		return 0;
	if (read_flags(fd, &flags) != 0)
		flags = 0;
	(void)close(fd); /* only read */
	return flags & PROTECTING;
}

int tree_protect(struct tree *tree, uint64_t object, uint32_t protection)
{
	unsigned int flags;
	int fd = open_object(tree, object);

	if (fd == -EPERM) /* of a type that has none */
		return 0;
	if (fd < 0)
		return fd;
	int error = read_flags(fd, &flags);
	if (error == -EPERM) /* nothing protects it, or nothing can */
		error = 0;
	if (error == 0 && (flags & PROTECTING) != protection)
		error = set_flags(fd, (flags & ~(unsigned int)PROTECTING) | protection);
	(void)close(fd);	  /* only its attributes were changed */
	cache_drop(tree, object); /* its descriptor may be one that can write too much, or cannot */
	return error;
}

uint32_t tree_unprotect(struct tree *tree, uint64_t object)
{
	uint32_t was = tree_protection(tree, object);

	return was != 0 && tree_protect(tree, object, 0) == 0 ? was : 0;
}
