/*
 * Keeping descriptors where they outlive us: datagrams in the form of sd_notify(3).
 *
 *	FDSTORE=1 \n FDNAME=name	with one descriptor beside it: keep it
 *	FDSTOREREMOVE=1 \n FDNAME=name	forget it
 *
 * and, to whoever is started next, LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES. Used by evenkeel-hold
 * (which receives) and evenkeeld (which sends). A name is kept once: storing it again replaces it.
 * Any thread.
 */
#ifndef EVENKEEL_PLATFORM_FDSTORE_H
#define EVENKEEL_PLATFORM_FDSTORE_H

#include "base/macros.h"

#define FDSTORE_NAME_MAX 167 /* without the terminator; names hold no colons and no line ends */

enum fdstore_word { FDSTORE_KEEP, FDSTORE_FORGET, FDSTORE_OTHER };

struct fdstore_message {
	enum fdstore_word word;
	char name[FDSTORE_NAME_MAX + 1];
	int fd; /* -1: none; the receiver closes it */
};

/* A datagram socket bound to path (replaced), 0600, non-blocking. Errors: as of bind(2). */
int fdstore_listen(const char *path, int *out_socket) MUST_CHECK;
/* Errors: -EAGAIN: nothing there; -EBADMSG: not of this form. */
int fdstore_receive(int socket, struct fdstore_message *out_message) MUST_CHECK;
/* Never blocks. fd is borrowed. Errors: -ECONNREFUSED, -ENOENT: nobody listens; -EAGAIN. */
int fdstore_keep(const char *path, const char *name, int fd) MUST_CHECK;
int fdstore_forget(const char *path, const char *name) MUST_CHECK;
/* What was handed to this process; fills up to max and returns how many. The descriptors are
 * close-on-exec afterwards, and the variables gone. */
struct handed_fd;
int fdstore_inherited(struct handed_fd *out, int max);

#endif
