/*
 * The admin socket: run/admin.sock, a stream socket for root, one JSON object a line each way.
 *
 *	{"command":"status"}                              {"ok":true,"node":"a","modules":[...],...}
 *	{"command":"start","module":"pg","force":false}   {"ok":true,"sentence":"..."}
 *	                                                  {"ok":false,"refusal":"busy","sentence":"..."}
 *
 * What may be asked and answered stands in api/admin.h; commands of modules are answered when the
 * core took or refused them, not when they are done.
 *
 * Never blocks the daemon's loop: a client has one request at a time, a line and an answer of
 * bounded size, and is dropped when it sends garbage or does not read. `start` looks first at the
 * node (api/preflight.h), in a thread of its own. Not for: the network; that is evenkeel-web's,
 * later.
 */
#ifndef EVENKEEL_DAEMON_ADMIN_H
#define EVENKEEL_DAEMON_ADMIN_H

#include "daemon/daemon.h"

#define ADMIN_CLIENTS_MAX   128
#define SUBSCRIBERS_MAX	    112 /* there is always room for who gives a command */
#define SUBSCRIBER_STALL_NS (60 * NS_PER_S)
#define ADMIN_LINE_MAX	    4096	      /* bytes of a request */
#define ADMIN_ANSWER_MAX    (4 * 1024 * 1024) /* bytes of an answer: the status of MODULES_MAX */
#define ADMIN_STALL_NS	    (10 * NS_PER_S) /* a client that does not read for so long is dropped */

/* Opens run/admin.sock and watches it with daemon->loop. Errors: as of bind(2). */
int admin_open(struct daemon *daemon) MUST_CHECK;
void admin_close(struct daemon *daemon);
/* Something of the status may be different: subscribers are told, if it is. */
void admin_changed(struct daemon *daemon);
/* ACTION_ANSWER_COMMAND: answers the request of that number (EVENT_COMMAND_GIVEN's). A request
 * whose client is gone is forgotten. */
void admin_answer(struct daemon *daemon, struct module *module, uint32_t request,
	enum refusal refusal, const char *sentence);
/* CONTROL_VERIFIED came from the module's evenkeel-fs. */
void admin_verified(
	struct daemon *daemon, struct module *module, const struct control_message *message);
/* The module's evenkeel-fs is gone: who waits for a comparison by it is told so. */
void admin_fs_lost(struct daemon *daemon, const struct module *module);

#endif
