/* A directory, one name after the other, with the cookies of the file system underneath. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/tree/internal.h"

#define LISTING_SIZE 32768

struct tree_directory {
	struct tree *tree;
	uint64_t object;
	bool shows_dots;
	int fd;
	size_t size, position; /* of what getdents64(2) gave */
	_Alignas(struct dirent64) uint8_t listing[LISTING_SIZE];
};

int tree_directory_open(struct tree *tree, uint64_t object, struct tree_directory **out_directory)
{
	struct grip grip;
	int error = tree_grip(tree, object, WANTS_CONTENT, &grip);

	if (error != 0)
		return error == -EINVAL ? -ENOTDIR : error;
	struct tree_directory *directory = malloc(sizeof(*directory));
	if (directory == NULL) {
		tree_release(tree, &grip);
		return -ENOMEM;
	}
	directory->tree = tree;
	directory->object = object;
	directory->shows_dots = false;
	directory->size = directory->position = 0;
	directory->fd = openat(grip.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME);
	error = directory->fd < 0 ? -errno : 0;
	tree_release(tree, &grip);
	if (error != 0)
		free(directory);
	else
		*out_directory = directory;
	return error;
}

void tree_directory_close(struct tree_directory *directory)
{
	if (directory == NULL)
		return;
	(void)close(directory->fd);
	free(directory);
}

int tree_directory_seek(struct tree_directory *directory, uint64_t cookie)
{
	directory->size = directory->position = 0;
	return lseek(directory->fd, (off_t)cookie, SEEK_SET) < 0 ? -errno : 0;
}

static bool is_ours(const struct tree_directory *directory, struct bytes name)
{
	if (name.data[0] == '.' && (name.size == 1 || (name.size == 2 && name.data[1] == '.')))
		return !directory->shows_dots;
	return is_hidden(directory->object, name);
}

static uint8_t type_of(const struct tree_directory *directory, const struct dirent64 *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type;
	if (fstatat(directory->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return DT_UNKNOWN;
	return (uint8_t)IFTODT(st.st_mode);
}

int tree_directory_next(struct tree_directory *directory, struct tree_name *out_name)
{
	for (;;) {
		if (directory->position == directory->size) {
			ssize_t got = getdents64(directory->fd, directory->listing, LISTING_SIZE);
			if (got <= 0)
				return got == 0 ? 0 : -errno;
			directory->size = (size_t)got;
			directory->position = 0;
		}
		const struct dirent64 *entry =
			(const void *)(directory->listing + directory->position);
		directory->position += entry->d_reclen;
		struct bytes name = { .data = (const uint8_t *)entry->d_name,
			.size = strlen(entry->d_name) };
		if (is_ours(directory, name))
			continue;
		out_name->name = name;
		out_name->cookie = (uint64_t)entry->d_off;
		out_name->type = type_of(directory, entry);
		return 1;
	}
}

void tree_directory_show_dots(struct tree_directory *directory)
{
	directory->shows_dots = true;
}

uint64_t tree_directory_identify(struct tree_directory *directory, const struct tree_name *name)
{
	const char *text = (const char *)name->name.data;
	bool is_root = directory->object <= (uint64_t)directory->tree->root_count;
	struct place place;
	struct stat st;
	uint64_t object;

	/* Above a root lies what is not ours. */
	if (strcmp(text, ".") == 0 || (is_root && strcmp(text, "..") == 0))
		return directory->object;
	if (fstatat(directory->fd, text, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	int error = strcmp(text, "..") == 0 /* which may be a root */
			    ? id_read(directory->tree, (struct met){ directory->fd, text, &st },
				      &place, &object)
			    : id_known(directory->tree, (struct met){ directory->fd, text, &st },
				      &place, &object);
	return error != 0 ? 0 : object;
}
