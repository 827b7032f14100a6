/* What the files of the admin socket share. Not for others. */
#ifndef EVENKEEL_DAEMON_ADMIN_INTERNAL_H
#define EVENKEEL_DAEMON_ADMIN_INTERNAL_H

#include <jansson.h>

#include "api/admin.h"
#include "daemon/admin/admin.h"

struct admin_client {
	struct admin *admin;
	struct watch watch;
	uint32_t request;   /* the one being worked on, 0: none */
	uint16_t comparing; /* number of the module whose copies it has compared, 0: none */
	char in[ADMIN_LINE_MAX];
	size_t in_size;
	char *out; /* the answer being sent, NULL: none */
	size_t out_size, out_sent;
	int64_t active_ns; /* when it last sent or took something */
};

struct preflight_job;

struct admin {
	struct daemon *daemon;
	struct watch listener;
	struct timer stall_timer;
	uint32_t request_last;
	struct admin_client clients[ADMIN_CLIENTS_MAX];
	struct preflight_job *jobs; /* admin/start.c */
};

/* Answers the client's request with this object (takes it). */
void admin_reply(struct admin_client *client, json_t *answer);
/* {"ok":false,"refusal":NAME,"sentence":TEXT}; no name for ADMIN_REFUSED_NONE. */
void admin_reply_refused(
	struct admin_client *client, enum admin_refusal refusal, const char *sentence);
/* The client whose request this is; NULL: it is gone. */
struct admin_client *admin_client_of(struct admin *admin, uint32_t request);

/* admin/commands.c: one request, a JSON object. Replies now or later. */
void admin_obey(struct admin_client *client, const json_t *request);
/* admin/status.c: gives a new object. */
json_t *admin_status(struct daemon *daemon);
/* admin/start.c: looks at the node in a thread, then gives the command to the core. */
void admin_start(struct admin_client *client, struct module *module, const struct event *event);
void admin_start_close(struct admin *admin);

#endif
