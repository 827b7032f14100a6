#include "platform/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"

#define MOVE_ROUNDS 50 /* a group whose processes fork while they are moved */
#define KILL_ROUNDS 20

static int join(char out[PATH_SIZE_MAX], const char *folder, const char *name)
{
	int size = snprintf(out, PATH_SIZE_MAX, "%s/%s", folder, name);
	return size < 0 || size >= PATH_SIZE_MAX ? -ENAMETOOLONG : 0;
}

static void close_file(FILE **file)
{
	if (*file != NULL)
		fclose(*file);
}

/* mountinfo: ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS [FIELDS...] - TYPE SOURCE OPTIONS */
static int find_mount(char root[PATH_SIZE_MAX], char mount[PATH_SIZE_MAX])
{
	CLEANUP(close_file) FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[3 * PATH_SIZE_MAX];

	if (file == NULL)
		return -errno;
	while (fgets(line, sizeof(line), file) != NULL) {
		const char *type = strstr(line, " - cgroup2 ");
		if (type != NULL && sscanf(line, "%*s %*s %*s %4095s %4095s", root, mount) == 2)
			return 0;
	}
	return -ENOENT;
}

int cgroup_own(char *out, size_t size_max)
{
	CLEANUP(close_file) FILE *file = fopen("/proc/self/cgroup", "re");
	char root[PATH_SIZE_MAX], mount[PATH_SIZE_MAX], line[PATH_SIZE_MAX];

	if (file == NULL)
		return -errno;
	int error = find_mount(root, mount);
	if (error != 0)
		return error;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		const char *path = line + 3;
		/* What is mounted may be a part of the hierarchy: its root comes off the path. */
		size_t skip = strcmp(root, "/") == 0 ? 0 : strlen(root);
		if (strncmp(path, root, skip) == 0)
			path += skip;
		if (strcmp(path, "/") == 0)
			path = "";
		int size = snprintf(out, size_max, "%s%s", mount, path);
		return size < 0 || (size_t)size >= size_max ? -ENAMETOOLONG : 0;
	}
	return -ENOENT;
}

int cgroup_make(const char *path)
{
	char copy[PATH_SIZE_MAX];

	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -errno;
	size_t size = strlen(path);
	if (size >= sizeof(copy))
		return -ENAMETOOLONG;
	memcpy(copy, path, size + 1);
	char *slash = strrchr(copy, '/');
	if (slash == NULL || slash == copy)
		return -ENOENT;
	*slash = '\0';
	int error = cgroup_make(copy);
	if (error != 0)
		return error;
	return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -errno;
}

void cgroup_remove(const char *path)
{
	(void)rmdir(path); /* busy: it stays, and is used again */
}

static int write_word(const char *folder, const char *name, const char *word)
{
	char path[PATH_SIZE_MAX];

	int error = join(path, folder, name);
	if (error != 0)
		return error;
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t size = write(fd, word, strlen(word));
	error = size < 0 ? -errno : 0;
	close(fd);
	return error;
}

/* Calls visit with each process id of the group; *out_count says how many. */
static int for_each_process(const char *folder, int (*visit)(const char *owner, long pid),
	const char *owner, int *out_count)
{
	char path[PATH_SIZE_MAX];
	long pid;

	*out_count = 0;
	int error = join(path, folder, "cgroup.procs");
	if (error != 0)
		return error;
	CLEANUP(close_file) FILE *file = fopen(path, "re");
	if (file == NULL)
		return -errno;
	while (fscanf(file, "%ld", &pid) == 1) {
		(*out_count)++;
		error = visit(owner, pid);
		if (error != 0 && error != -ESRCH)
			return error;
	}
	return 0;
}

static int send_one(long pid, int number)
{
	if (pid <= 0)
		return 0; /* of another pid namespace: not ours to name */
	return kill((pid_t)pid, number) < 0 ? -errno : 0;
}

static int kill_one(const char *owner, long pid)
{
	(void)owner;
	return send_one(pid, SIGKILL);
}

static int terminate_one(const char *owner, long pid)
{
	(void)owner;
	return send_one(pid, SIGTERM);
}

int cgroup_terminate(const char *path)
{
	int count;

	return for_each_process(path, terminate_one, NULL, &count);
}

void cgroup_name(const char *path, char *out, size_t size)
{
	char file_path[PATH_SIZE_MAX], name[32];
	size_t used = 0;
	long pid;

	out[0] = '\0';
	if (join(file_path, path, "cgroup.procs") != 0)
		return;
	CLEANUP(close_file) FILE *file = fopen(file_path, "re");
	while (file != NULL && used + 1 < size && fscanf(file, "%ld", &pid) == 1) {
		(void)snprintf(file_path, sizeof(file_path), "/proc/%ld/comm", pid);
		CLEANUP(close_file) FILE *comm = fopen(file_path, "re");
		if (comm == NULL || fgets(name, sizeof(name), comm) == NULL)
			continue;
		name[strcspn(name, "\n")] = '\0';
		int more = snprintf(out + used, size - used, "%s%s (process %ld)",
			used == 0 ? "" : ", ", name, pid);
		used = MIN_OF(used + (size_t)MAX_OF(more, 0), size - 1);
	}
}

/* Not /proc/N/stack: it waits for a thread in exec(2), which may itself wait for what hangs. */
static bool sleeps_in(long thread, const char *function)
{
	char path[64], name[128];

	(void)snprintf(path, sizeof(path), "/proc/%ld/wchan", thread);
	CLEANUP(close_file) FILE *file = fopen(path, "re");
	return file != NULL && fgets(name, sizeof(name), file) != NULL &&
	       strstr(name, function) != NULL;
}

bool cgroup_sleeps_in(const char *path, const char *function)
{
	char file_path[PATH_SIZE_MAX];
	long thread;
	bool is_found = false;

	if (join(file_path, path, "cgroup.threads") != 0)
		return false;
	CLEANUP(close_file) FILE *file = fopen(file_path, "re");
	while (file != NULL && !is_found && fscanf(file, "%ld", &thread) == 1)
		is_found = sleeps_in(thread, function);
	return is_found;
}

int cgroup_kill(const char *path)
{
	int count = 1;

	int error = write_word(path, "cgroup.kill", "1");
	if (error != -ENOENT || access(path, F_OK) != 0)
		return error == -ENOENT ? 0 : error;
	/* Kernels before 5.14: one by one, until none is left that could have forked. */
	error = 0;
	for (int round = 0; error == 0 && count > 0 && round < KILL_ROUNDS; round++)
		error = for_each_process(path, kill_one, NULL, &count);
	return error;
}

bool cgroup_is_populated(const char *path)
{
	char file_path[PATH_SIZE_MAX], line[128];

	if (join(file_path, path, "cgroup.events") != 0)
		return false;
	CLEANUP(close_file) FILE *file = fopen(file_path, "re");
	if (file == NULL)
		return false;
	while (fgets(line, sizeof(line), file) != NULL)
		if (strcmp(line, "populated 1\n") == 0)
			return true;
	return false;
}

int cgroup_enter(const char *path, long pid)
{
	char word[24];

	(void)snprintf(word, sizeof(word), "%ld", pid);
	return write_word(path, "cgroup.procs", word);
}

int cgroup_move_all(const char *from, const char *to)
{
	int count = 1;
	int error = 0;

	for (int round = 0; error == 0 && count > 0 && round < MOVE_ROUNDS; round++)
		error = for_each_process(from, cgroup_enter, to, &count);
	return error;
}
