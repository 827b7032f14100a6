#include "platform/mount_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define TEXT_STEP 65536

static int read_all(int fd, char **out_text)
{
	size_t size = 0, room = TEXT_STEP;
	char *text = malloc(room + 1);

	while (text != NULL) {
		ssize_t got = pread(fd, text + size, room - size, (off_t)size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int error = -errno;
			free(text);
			return error;
		}
		size += (size_t)got;
		text[size] = '\0';
		if (got == 0) {
			*out_text = text;
			return 0;
		}
		if (size < room)
			continue;
		room += TEXT_STEP;
		char *more = realloc(text, room + 1);
		if (more == NULL)
			free(text);
		text = more;
	}
	return -ENOMEM;
}

/* The kernel writes blanks, tabs, line ends and backslashes as \ and three octal digits. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; to++) {
		bool is_escaped = from[0] == '\\' && strspn(from + 1, "01234567") >= 3;
		if (!is_escaped) {
			*to = *from++;
			continue;
		}
		*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
		from += 4;
	}
	*to = '\0';
}

/* proc(5): id parent major:minor root path options [tags] - type source options. */
static bool parse_row(char *line, struct mount_row *out)
{
	unsigned int major_number, minor_number;
	int id, parent, root_at = 0, path_at = 0;
	char *rest = strstr(line, " - "), *end;

	if (rest == NULL ||
		sscanf(line, "%d %d %u:%u %n%*s %n", &id, &parent, &major_number, &minor_number,
			&root_at, &path_at) != 4 ||
		path_at == 0)
		return false;
	char *root = line + root_at, *path = line + path_at, *type = rest + 3;
	root[strcspn(root, " ")] = '\0';
	end = strchr(path, ' ');
	if (end == NULL)
		return false;
	*end = '\0';
	end = strchr(type, ' ');
	if (end != NULL)
		*end = '\0';
	unescape(root);
	unescape(path);
	*out = (struct mount_row){ .id = id,
		.parent = parent,
		.device = makedev(major_number, minor_number),
		.root = root,
		.path = path,
		.type = type };
	return true;
}

int mount_table_read(struct mount_table *mounts, int fd)
{
	struct mount_table next = { 0 };
	char *rest = NULL;
	size_t lines = 0;

	int error = read_all(fd, &next.text);
	if (error != 0)
		return error;
	CHECK(next.text != NULL);
	for (const char *at = next.text; *at != '\0'; at++)
		lines += *at == '\n';
	next.rows = calloc(lines + 1, sizeof(next.rows[0]));
	if (next.rows == NULL) {
		free(next.text);
		return -ENOMEM;
	}
	for (char *line = strtok_r(next.text, "\n", &rest); line != NULL;
		line = strtok_r(NULL, "\n", &rest)) {
		if (next.count < lines + 1 && parse_row(line, &next.rows[next.count]))
			next.count++;
	}
	mount_table_done(mounts);
	*mounts = next;
	return 0;
}

void mount_table_done(struct mount_table *mounts)
{
	free(mounts->rows);
	free(mounts->text);
	*mounts = (struct mount_table){ 0 };
}

/* True if the path lies at or below that place. */
static bool is_on_the_way(const char *place, const char *path)
{
	size_t size = strlen(place);

	if (size == 1 && place[0] == '/')
		return true;
	return strncmp(place, path, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

/* Whose parent is in no row. */
static const struct mount_row *find_root(const struct mount_table *mounts)
{
	for (size_t i = 0; i < mounts->count; i++) {
		bool has_parent = false;
		for (size_t j = 0; j < mounts->count && !has_parent; j++)
			has_parent = j != i && mounts->rows[j].id == mounts->rows[i].parent;
		if (!has_parent && strcmp(mounts->rows[i].path, "/") == 0)
			return &mounts->rows[i];
	}
	return NULL;
}

/* As the kernel walks a path: of the mounts on the one that we are in, the first that is met. */
static const struct mount_row *step(
	const struct mount_table *mounts, const struct mount_row *at, const char *path)
{
	const struct mount_row *next = NULL;

	for (size_t i = 0; i < mounts->count; i++) {
		const struct mount_row *row = &mounts->rows[i];
		if (row->parent != at->id || row == at || !is_on_the_way(row->path, path))
			continue;
		if (next == NULL || strlen(row->path) < strlen(next->path))
			next = row;
	}
	return next;
}

const struct mount_row *mount_table_find(const struct mount_table *mounts, const char *path)
{
	const struct mount_row *at = find_root(mounts);

	for (size_t i = 0; at != NULL && i < mounts->count; i++) {
		const struct mount_row *next = step(mounts, at, path);
		if (next == NULL)
			break;
		at = next;
	}
	return at;
}
