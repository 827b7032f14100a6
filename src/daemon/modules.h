/*
 * The set of modules: how one comes, changes and goes. Not for: what one does (core, and the wings).
 * The daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_MODULES_H
#define EVENKEEL_DAEMON_MODULES_H

#include "daemon/daemon.h"

void modules_load(struct daemon *daemon);
void modules_close(struct daemon *daemon);

#endif
