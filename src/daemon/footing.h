/*
 * What evenkeeld stands on before it does anything: its folders, alone on this node, in memory, on
 * time, with a control group. Not for: what it does then. The daemon's thread only, at the start.
 */
#ifndef EVENKEEL_DAEMON_FOOTING_H
#define EVENKEEL_DAEMON_FOOTING_H

#include "daemon/daemon.h"

/* Makes the folders of the state and of what runs. Errors, said already: of mkdir(2). */
int footing_make_folders(const struct paths *paths) MUST_CHECK;
/* Held until the process ends; evenkeel-hold finds us by the number in it. Errors, said already
 * when another one runs: of open(2) and flock(2). */
int footing_take_lock(const struct paths *paths) MUST_CHECK;
/* Stays in memory and gets the processor when it needs it; what cannot be had is logged. Threads that
 * are started later have the same priority. */
void footing_protect(struct daemon *daemon);
/* Fills daemon->cgroup; what cannot be had is logged. */
void footing_find_cgroup(struct daemon *daemon);

#endif
