/*
 * A planned exit. Not for: what a module does when it leaves (core). The daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_SHUTDOWN_H
#define EVENKEEL_DAEMON_SHUTDOWN_H

#include "daemon/daemon.h"

#define UNRECORDED_LIMIT_NS (10 * NS_PER_S) /* all is let go, and the state disk does not answer */
#define FORCE_LIMIT_NS	    (20 * NS_PER_S) /* for what is killed to die */

/* Stops all modules, says goodbye, and then stops the loop; daemon->has_failed says whether that was in
 * order. A second call does not wait: what still runs is ended by force. */
void shutdown_start(struct daemon *daemon);
/* How long the modules may take by their own limits, and all that follows. */
int64_t shutdown_limit_ns(const struct daemon *daemon);

#endif
