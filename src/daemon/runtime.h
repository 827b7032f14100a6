/*
 * What a successor of this process must know: run/NAME.runtime and run/NAME.yaml. Gone with the
 * machine. Not for: what must outlive it (daemon/records.h). The daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_RUNTIME_H
#define EVENKEEL_DAEMON_RUNTIME_H

#include "daemon/daemon.h"

void runtime_read(struct module *module);
void runtime_write(struct module *module);
/* A module without an evenkeel-fs, of which something runs. */
bool runtime_is_single_running(const struct module *module);
void runtime_remove(struct module *module);
/* run/NAME.yaml: under which settings it runs, for our successor and for evenkeel-fs. */
void runtime_keep_settings(struct module *module);

#endif
