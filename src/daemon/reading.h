/*
 * The configuration, read by a thread of its own: a disk that hangs must not stop beats and
 * renewals, or the other node would take over while we still serve.
 *
 * Not for: what is done with it (daemon/modules.h). The daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_READING_H
#define EVENKEEL_DAEMON_READING_H

#include "daemon/daemon.h"

enum reading_kind {
	READING_AT_START, /* each module for itself, as config_read_modules(); however long it takes */
	READING_ALL,	  /* cluster.yaml too, and all of it right, or none */
};

struct reading {
	int error; /* -EINVAL: it is wrong; -ETIMEDOUT: its disk hangs; -ENOMEM */
	struct config_error wrong;
	struct cluster_config cluster;
	struct config_modules modules; /* whoever takes something out of it leaves NULL there */
};

/* request: as it was given to reading_ask(). The reading is borrowed. */
typedef void reading_function(struct daemon *daemon, uint32_t request, struct reading *reading);

int reading_open(struct daemon *daemon) MUST_CHECK;
/* Those who still wait are forgotten. */
void reading_close(struct daemon *daemon);
/* Reads, after what was asked for before; on_read is called once, from the loop. Errors: -EBUSY: too
 * many wait; -ENOMEM. */
int reading_ask(struct daemon *daemon, enum reading_kind kind, uint32_t request,
	reading_function *on_read) MUST_CHECK;

#endif
