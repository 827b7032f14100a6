/*
 * Children that were killed and that nobody waits for any more. The daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_REAPER_H
#define EVENKEEL_DAEMON_REAPER_H

#include "daemon/daemon.h"
#include "platform/process.h"

/* Takes a child over that was killed and may take its time to die. */
void reaper_take(struct daemon *daemon, struct process *process);

#endif
