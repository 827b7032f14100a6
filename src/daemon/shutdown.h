/*
 * A planned exit. Not for: what a module does when it leaves (core). The daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_SHUTDOWN_H
#define EVENKEEL_DAEMON_SHUTDOWN_H

#include "daemon/daemon.h"

/* Stops all modules, says goodbye, and then stops the loop. A second call does not wait. */
void shutdown_start(struct daemon *daemon);

#endif
