/*
 * Descriptors that outlive this process: kept here and in evenkeel-hold. Not for: what they are for.
 * The daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_HOLD_H
#define EVENKEEL_DAEMON_HOLD_H

#include "daemon/daemon.h"
#include "platform/process.h"

int hold_open(struct daemon *daemon) MUST_CHECK;
void hold_close(struct daemon *daemon);
/* Keeps a descriptor under MODULE/NAME: here and in evenkeel-hold. Takes fd. */
void hold_keep(struct module *module, const char *name, int fd);
void hold_forget(struct module *module, const char *name);
/* What is kept for the module, without its prefix; borrowed descriptors. Returns how many. */
int hold_list(struct module *module, struct handed_fd *out, int max);

#endif
