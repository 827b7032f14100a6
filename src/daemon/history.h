/*
 * Since when a module is what it is, and when it last began or ceased to serve on this node, and why: for
 * people, from what the core says to the log. Kept in run/NAME.runtime, so that a restart of evenkeeld does
 * not forget it; a reboot does. Not for: deciding anything. The daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_HISTORY_H
#define EVENKEEL_DAEMON_HISTORY_H

#include "daemon/daemon.h"

/* The core says this of the module, now. */
void history_hear(struct module *module, const char *id, const char *sentence, int64_t wall_ns);

#endif
