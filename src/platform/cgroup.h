/*
 * Control groups, version 2, wherever they are mounted: making, killing, counting.
 *
 * A group is named by its directory's path. Only what works on every host is used (kill, events,
 * procs), no controllers. Not for: limits. Any thread.
 */
#ifndef EVENKEEL_PLATFORM_CGROUP_H
#define EVENKEEL_PLATFORM_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

/* The group this process is in. Errors: -ENOENT: no cgroup2 is mounted here. */
int cgroup_own(char *out, size_t size_max) MUST_CHECK;
/* Makes the group, with its parents. Errors: as of mkdir(2). */
int cgroup_make(const char *path) MUST_CHECK;
/* Removes an empty group; a busy one stays. */
void cgroup_remove(const char *path);
/* SIGKILL to all processes in it, and below where the kernel can do that at once (5.14). */
int cgroup_kill(const char *path) MUST_CHECK;
/* SIGTERM to all processes in it (not below). Errors: of kill(2). */
int cgroup_terminate(const char *path) MUST_CHECK;
/* Names some of its processes, as "name (process N) ..."; "" if there are none to be seen. */
void cgroup_name(const char *path, char *out, size_t size);
/* Does a thread of the group (not of those below) sleep in a function of the kernel with this in its name? False
 * where the kernel does not tell. Waits for nobody, whatever the thread holds. */
bool cgroup_sleeps_in(const char *path, const char *function);
/* Does any process live in it or below? false if it does not exist. */
bool cgroup_is_populated(const char *path);
/* Moves all processes of one group (not those below) to another. */
int cgroup_move_all(const char *from, const char *to) MUST_CHECK;
/* Puts one process into the group. */
int cgroup_enter(const char *path, long pid) MUST_CHECK;

#endif
