/* Names, times and attributes between the kernel's forms and ours. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/tree/internal.h"

int terminate(struct bytes name, struct terminated *out)
{
	if (name.size == 0)
		return -EINVAL;
	if (name.size > OBJECT_NAME_MAX)
		return -ENAMETOOLONG;
	if (name.data[0] == '.' && (name.size == 1 || (name.size == 2 && name.data[1] == '.')))
		return -EINVAL;
	memcpy(out->data, name.data, name.size);
	out->data[name.size] = '\0';
	return 0;
}

bool is_hidden(uint64_t parent, struct bytes name)
{
	return parent <= ROOTS_MAX && name.size == sizeof(OWN_FOLDER) - 1 &&
	       memcmp(name.data, OWN_FOLDER, name.size) == 0;
}

bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int folder_read(int fd, DIR **out_stream)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME);

	*out_stream = own < 0 ? NULL : fdopendir(own);
	if (*out_stream != NULL)
		return 0;
	int error = -errno;
	if (own >= 0)
		(void)close(own);
	return error;
}

/* Nanoseconds end in the year 2262, and began in 1677: a time beyond is the last, or the first. */
static int64_t ns_of(const struct timespec *time)
{
	int64_t ns;

	if (__builtin_mul_overflow((int64_t)time->tv_sec, NS_PER_S, &ns) ||
		__builtin_add_overflow(ns, (int64_t)time->tv_nsec, &ns))
		return time->tv_sec < 0 ? INT64_MIN + 1 : INT64_MAX; /* the first is TIME_OMIT */
	return ns;
}

int64_t mtime_ns_of(const struct stat *st)
{
	return ns_of(&st->st_mtim);
}

void attributes_of(const struct stat *st, struct attributes *out)
{
	bool is_device = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);

	*out = (struct attributes){
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.device = is_device ? st->st_rdev : 0,
		.size = (uint64_t)st->st_size,
		.atime_ns = ns_of(&st->st_atim),
		.mtime_ns = ns_of(&st->st_mtim),
	};
}

void entry_of(const struct stat *st, uint64_t object, struct tree_entry *out)
{
	out->object = object;
	attributes_of(st, &out->attributes);
	out->ctime_ns = ns_of(&st->st_ctim);
	out->links = (uint32_t)st->st_nlink;
	out->blocks = (uint64_t)st->st_blocks;
}

static struct timespec timespec_of(int64_t time_ns)
{
	if (time_ns == TIME_OMIT)
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	int64_t ns = time_ns % NS_PER_S;
	if (ns < 0)
		ns += NS_PER_S; /* before 1970: seconds are rounded down */
	return (struct timespec){ .tv_sec = (time_ns - ns) / NS_PER_S, .tv_nsec = ns };
}

int set_times(int fd, int64_t atime_ns, int64_t mtime_ns)
{
	struct timespec times[2] = { timespec_of(atime_ns), timespec_of(mtime_ns) };

	return utimensat(fd, "", times, AT_EMPTY_PATH) == 0 ? 0 : -errno;
}

void id_name(uint64_t object, struct terminated *out)
{
	(void)snprintf(out->data, sizeof(out->data), "%llu", (unsigned long long)object);
}
