/*
 * The arbiters, asked who may go on alone. Not for: what their answers can promise (core). The daemon's
 * thread only.
 */
#ifndef EVENKEEL_DAEMON_ARBITERS_H
#define EVENKEEL_DAEMON_ARBITERS_H

#include "daemon/daemon.h"

int arbiter_open(struct daemon *daemon) MUST_CHECK;
void arbiter_close(struct daemon *daemon);
void arbiter_ask(struct module *module, const struct arbiter_question *question);

#endif
