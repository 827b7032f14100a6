/*
 * The set of modules: how one comes, changes and goes. Not for: what one does (core, and the wings).
 * The daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_MODULES_H
#define EVENKEEL_DAEMON_MODULES_H

#include "daemon/daemon.h"
#include "daemon/reading.h"

/* At the start: takes in what was read; may take out of it. */
void modules_load(struct daemon *daemon, struct reading *reading);
/*
 * Takes over what has changed: new modules are added, gone ones removed, checks, time limits and
 * numbers of the others replaced. What the core was told when the module was added (nodes, preferred
 * node, directories, addresses) changes only in STOP. If cluster.yaml changed, the daemon ends a
 * moment later and is started again by evenkeel-hold, which nothing that runs notices.
 * Errors: -EINVAL with a sentence; nothing was changed then. -EBUSY likewise.
 */
int modules_reload(struct daemon *daemon, const struct reading *reading,
	struct config_error *out_error) MUST_CHECK;
void modules_close(struct daemon *daemon);
/* Tells the core of the module once evenkeel-fs has said what still runs (fs.c calls it): its
 * hello, or NULL if nothing runs. */
void modules_tell_core(struct module *module, const struct fs_hello *hello);
/* Stopped through and through: nothing is mounted, runs or is being written. Only then it may get
 * other settings, or go. */
bool modules_is_at_rest(struct daemon *daemon, const struct module *module);

#endif
