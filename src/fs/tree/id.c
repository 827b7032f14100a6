/*
 * The id in the inode (R11).
 *
 * trusted.evenkeel, 33 bytes, big-endian: u8 version 1, u64 object id, u64 inode number, u64 hash
 * of the file handle (XXH3-64 of its type and bytes; the handle carries the inode's generation, on
 * all types of inode, which the ioctl for generations does not reach), u64 hash of the file
 * system's UUID (0: it has none). A copied attribute fails the comparison and counts as none.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <xxhash.h>

#include "fs/tree/internal.h"

#define ID_VERSION 1
#define ID_SIZE	   33

void proc_path(char out[PROC_PATH_SIZE], int fd, const char *name)
{
	if (name[0] == '\0')
		(void)snprintf(out, PROC_PATH_SIZE, "/proc/self/fd/%d", fd);
	else
		(void)snprintf(out, PROC_PATH_SIZE, "/proc/self/fd/%d/%s", fd, name);
}

/* FS_IOC_GETFSUUID of Linux 6.9, which Debian 12's headers do not know. */
struct file_system_uuid {
	uint8_t size;
	uint8_t uuid[16];
};
#define IOCTL_GET_UUID _IOR(0x15, 0, struct file_system_uuid)

/* EXT4_IOC_GETFSUUID of Linux 6.0, for kernels before the general one. */
struct ext4_uuid {
	uint32_t size;
	uint32_t flags;
	uint8_t uuid[16];
};
struct ext4_uuid_head {
	uint32_t size;
	uint32_t flags;
};
#define IOCTL_GET_UUID_EXT4 _IOR('f', 44, struct ext4_uuid_head)

uint64_t id_file_system(int fd)
{
	struct file_system_uuid general = { 0 };
	struct ext4_uuid ext4 = { .size = 16 };

	if (ioctl(fd, IOCTL_GET_UUID, &general) == 0 && general.size == 16)
		return XXH3_64bits(general.uuid, 16);
	if (ioctl(fd, IOCTL_GET_UUID_EXT4, &ext4) == 0)
		return XXH3_64bits(ext4.uuid, 16);
	return 0;
}

/* Renaming and linking stop at the end of a mount, also where the file system is the same. */
int id_root_of(const struct tree *tree, dev_t device, int mount)
{
	for (int i = 0; i < tree->root_count; i++) {
		if (tree->roots[i].mount == mount)
			return i;
	}
	for (int i = 0; i < tree->root_count; i++) {
		if (tree->roots[i].device == device)
			return i;
	}
	return -1;
}

static uint64_t hash_of(const struct place *place)
{
	return XXH3_64bits_withSeed(place->bytes, place->size, (uint64_t)(uint32_t)place->type);
}

/* All but the root. */
static int handle_read(int fd, const char *name, struct place *out, int *out_mount)
{
	union {
		struct file_handle handle;
		uint8_t bytes[sizeof(struct file_handle) + HANDLE_BYTES_MAX];
	} room;

	room.handle.handle_bytes = HANDLE_BYTES_MAX;
	if (name_to_handle_at(
		    fd, name, &room.handle, out_mount, name[0] == '\0' ? AT_EMPTY_PATH : 0) != 0)
		return errno == EOPNOTSUPP ? -ENOTSUP : -errno;
	out->type = room.handle.handle_type;
	out->size = room.handle.handle_bytes;
	memcpy(out->bytes, room.handle.f_handle, out->size);
	return 0;
}

int id_mount_of(int fd, int *out_mount)
{
	struct place place;

	return handle_read(fd, "", &place, out_mount);
}

static int place_read(struct tree *tree, struct met met, struct place *out)
{
	int mount;

	if (id_root_of(tree, met.st->st_dev, -1) < 0)
		return -EXDEV; /* another file system is mounted below a root */
	int error = handle_read(met.fd, met.name, out, &mount);
	if (error != 0)
		return error;
	int root = id_root_of(tree, met.st->st_dev, mount);
	CHECK(root >= 0);
	out->root = (uint8_t)root;
	return 0;
}

static uint64_t id_decode(const struct tree *tree, const uint8_t *bytes, size_t size,
	const struct stat *st, const struct place *place)
{
	struct buf_reader reader = buf_reader_init(bytes, size);
	uint8_t version = buf_get_u8(&reader);
	uint64_t object = buf_get_u64(&reader);
	uint64_t inode = buf_get_u64(&reader);
	uint64_t hash = buf_get_u64(&reader);
	uint64_t uuid = buf_get_u64(&reader);
	uint64_t uuid_here = tree->roots[place->root].uuid;

	if (!buf_reader_is_complete(&reader) || version != ID_VERSION)
		return 0;
	if (inode != st->st_ino || hash != hash_of(place))
		return 0;
	if (object >= IDS_END)
		return 0;
	if (uuid != 0 && uuid_here != 0 && uuid != uuid_here)
		return 0;
	return object;
}

/* The id of an inode that could not take it. */
static uint64_t id_elsewhere(struct tree *tree, const struct place *place)
{
	struct place known;
	uint64_t object;

	if (tree->index == NULL || index_get_alias(tree->index, hash_of(place), &object) != 0 ||
		index_get(tree->index, object, &known) != 0)
		return 0;
	return is_same_inode(tree, &known, place) ? object : 0;
}

int id_read(struct tree *tree, struct met met, struct place *place, uint64_t *out_object)
{
	char path[PROC_PATH_SIZE];
	uint8_t bytes[ID_SIZE + 1];
	int error = place_read(tree, met, place);

	if (error != 0)
		return error;
	proc_path(path, met.fd, met.name);
	/* Without a name the descriptor itself is meant: its link is followed, exactly once. */
	ssize_t size = met.name[0] == '\0' ? getxattr(path, OWN_XATTR, bytes, sizeof(bytes))
					   : lgetxattr(path, OWN_XATTR, bytes, sizeof(bytes));
	if (size < 0 && errno != ENODATA && errno != ERANGE)
		return -errno;
	*out_object = size == ID_SIZE ? id_decode(tree, bytes, ID_SIZE, met.st, place) : 0;
	if (*out_object == 0)
		*out_object = id_elsewhere(tree, place);
	return 0;
}

int id_write(struct tree *tree, struct met met, const struct place *place, uint64_t object)
{
	char path[PROC_PATH_SIZE];
	uint8_t bytes[ID_SIZE];
	struct buf_writer writer = buf_writer_init(bytes, sizeof(bytes));

	CHECK(object > 0);
	buf_put_u8(&writer, ID_VERSION);
	buf_put_u64(&writer, object);
	buf_put_u64(&writer, met.st->st_ino);
	buf_put_u64(&writer, hash_of(place));
	buf_put_u64(&writer, tree->roots[place->root].uuid);
	CHECK(!writer.is_overrun && writer.size == ID_SIZE);
	proc_path(path, met.fd, met.name);
	int result = met.name[0] == '\0' ? setxattr(path, OWN_XATTR, bytes, ID_SIZE, 0)
					 : lsetxattr(path, OWN_XATTR, bytes, ID_SIZE, 0);
	if (result != 0 && errno == EPERM)
		return flags_write_id(tree, met.fd, met.name,
			&(struct flags_value){ met.st, place, bytes, ID_SIZE });
	return result == 0 ? 0 : -errno;
}

int id_give(struct tree *tree, struct met met, const struct place *place, uint64_t object)
{
	int error = index_put(tree->index, object, place);

	if (error == 0)
		error = id_write(tree, met, place, object);
	if (error != 0)
		index_remove(tree->index, object);
	return error;
}

int id_give_somehow(struct tree *tree, struct met met, const struct place *place, uint64_t object)
{
	int error = id_give(tree, met, place, object);

	/* ext4 has one block for what does not fit into the inode, and its users may have filled
	 * it. */
	if (error != -ENOSPC && error != -EDQUOT && error != -EPERM)
		return error;
	error = index_put(tree->index, object, place);
	return error != 0 ? error : index_put_alias(tree->index, hash_of(place), object);
}

int id_take_out(struct tree *tree, int fd, uint64_t object)
{
	char path[PROC_PATH_SIZE];
	struct place place = { 0 };
	struct stat st;
	int error = fstat(fd, &st) != 0 ? -errno
					: place_read(tree, (struct met){ fd, "", &st }, &place);

	if (error == 0)
		error = index_put_alias(tree->index, hash_of(&place), object);
	if (error != 0)
		return error;
	proc_path(path, fd, "");
	return removexattr(path, OWN_XATTR) == 0 || errno == ENODATA ? 0 : -errno;
}

/* ---- building the index anew ---- */

/*
 * Folders that were seen and have still to be read, by their places: descriptors would run out on a
 * deep tree, and so would the stack of a walk that calls itself, for the depth is its users' choice.
 */
struct to_walk {
	struct place *places;
	size_t count, room;
};

static int walk_later(struct to_walk *to_walk, const struct place *place)
{
	if (to_walk->count == to_walk->room) {
		size_t room = MAX_OF((size_t)64, to_walk->room * 2);
		struct place *places = realloc(to_walk->places, room * sizeof(places[0]));
		if (places == NULL)
			return -ENOMEM;
		to_walk->places = places;
		to_walk->room = room;
	}
	to_walk->places[to_walk->count++] = *place;
	return 0;
}

enum folder { FOLDER_ROOT, FOLDER_OWN, FOLDER_BELOW };

/* Not of the tree: our own folder, which is walked by itself, and in it what was set aside. */
static bool is_passed_over(const char *name, enum folder folder)
{
	return is_dots(name) || (folder == FOLDER_ROOT && strcmp(name, OWN_FOLDER) == 0) ||
	       (folder == FOLDER_OWN && strcmp(name, "kept") == 0);
}

/* Puts one name into the index, if it has an id. What was a root once is none below another. */
static int index_name(struct tree *tree, int folder_fd, const char *name, struct to_walk *to_walk)
{
	struct place place;
	struct stat st;
	uint64_t object;

	if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0; /* removed meanwhile */
	if (id_root_of(tree, st.st_dev, -1) < 0)
		return 0; /* another file system */
	int error = id_read(tree, (struct met){ folder_fd, name, &st }, &place, &object);
	if (error != 0)
		return error == -ENOENT ? 0 : error;
	if (object > ROOTS_MAX)
		error = index_put(tree->index, object, &place);
	return error == 0 && S_ISDIR(st.st_mode) ? walk_later(to_walk, &place) : error;
}

static int index_folder(struct tree *tree, int fd, enum folder folder, struct to_walk *to_walk)
{
	DIR *stream;
	const struct dirent *entry;
	int error = folder_read(fd, &stream);

	if (error != 0)
		return error;
	while (error == 0 && (entry = readdir(stream)) != NULL) {
		if (!is_passed_over(entry->d_name, folder))
			error = index_name(tree, fd, entry->d_name, to_walk);
	}
	(void)closedir(stream);
	return error;
}

static bool is_short_of_room(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

/* A folder that cannot be opened is passed over, unless it is for want of room: an index without
 * what is below would look whole. */
static int index_next(struct tree *tree, struct to_walk *to_walk)
{
	struct place place = to_walk->places[--to_walk->count];
	int fd = -1, error = place_open(tree, &place, O_RDONLY | O_DIRECTORY, &fd);

	if (error != 0)
		return is_short_of_room(error) ? error : 0;
	error = index_folder(tree, fd, FOLDER_BELOW, to_walk);
	(void)close(fd);
	return error;
}

static int index_below(struct tree *tree, int fd, enum folder folder)
{
	struct to_walk to_walk = { 0 };
	int error = index_folder(tree, fd, folder, &to_walk);

	while (error == 0 && to_walk.count > 0)
		error = index_next(tree, &to_walk);
	free(to_walk.places);
	return error;
}

int id_rebuild_index(struct tree *tree)
{
	int error = 0;

	for (int i = 0; i < tree->root_count && error == 0; i++) {
		error = index_below(tree, tree->roots[i].fd, FOLDER_ROOT);
		/* Our own folder: orphans and limbo are objects, what was set aside is not. */
		if (error == 0)
			error = index_below(tree, tree->roots[i].own_fd, FOLDER_OWN);
	}
	return error;
}
