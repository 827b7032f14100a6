/* What the files of the admin socket share. Not for others. */
#ifndef EVENKEEL_DAEMON_ADMIN_INTERNAL_H
#define EVENKEEL_DAEMON_ADMIN_INTERNAL_H

#include <jansson.h>

#include "api/admin.h"
#include "daemon/admin/admin.h"

/* A line to be sent, its end included; a subscription's is shared by all who get it. */
struct admin_line {
	int references;
	size_t size;
	char *text;
};

struct admin_client {
	struct admin *admin;
	struct watch watch;
	uint32_t request;   /* the one being worked on, 0: none */
	uint16_t comparing; /* number of the module whose copies it has compared, 0: none */
	bool is_last;	    /* the answer on its way ends the connection */
	char in[ADMIN_LINE_MAX];
	size_t in_size;
	struct admin_line *out; /* being sent, NULL: none */
	size_t out_sent;
	bool is_subscriber, wants_snapshot;
	uint64_t next;	   /* subscriber: the line that it gets then */
	int64_t active_ns; /* when it last sent or took something */
};

struct preflight_job;
struct subscriptions;

struct admin {
	struct daemon *daemon;
	struct watch listener;
	struct timer stall_timer;
	uint32_t request_last;
	struct admin_client clients[ADMIN_CLIENTS_MAX];
	struct preflight_job *jobs;	     /* admin/start.c */
	struct subscriptions *subscriptions; /* admin/subscribe.c; NULL: nobody ever did */
};

/* Answers the client's request with this object (takes it). */
void admin_reply(struct admin_client *client, json_t *answer);
/* {"ok":false,"refusal":NAME,"sentence":TEXT}; no name for ADMIN_REFUSED_NONE. */
void admin_reply_refused(
	struct admin_client *client, enum admin_refusal refusal, const char *sentence);
/* For lack of something: what was to be done, and why it could not. */
void admin_reply_error(struct admin_client *client, const char *what, int error);
/* The client whose request this is; NULL: it is gone. */
struct admin_client *admin_client_of(struct admin *admin, uint32_t request);

/* Sends the subscriber what there is for it, unless something is being sent already. */
void admin_feed(struct admin_client *client);

/* admin/subscribe.c */

/* Takes json; NULL: out of memory, or too long. */
struct admin_line *admin_line_new(json_t *json);
void admin_line_drop(struct admin_line *line);
/* From now on the client gets a snapshot and changes. Errors: -EBUSY: as many as may do; -ENOMEM. */
int subscribe_start(struct admin_client *client) MUST_CHECK;
/* What the subscriber is sent next; NULL: nothing has changed, or (if it still wants a snapshot) it
 * cannot be told. */
struct admin_line *subscribe_next(struct admin_client *client);
void subscribe_end(struct admin_client *client);
void subscribe_close(struct admin *admin);

/* admin/commands.c: one request, a JSON object. Replies now or later. */
void admin_obey(struct admin_client *client, const json_t *request);
/* admin/status.c: gives a new object. */
json_t *admin_status(struct daemon *daemon);
/* admin/start.c: looks at the node in a thread, then gives the command to the core. */
void admin_start(struct admin_client *client, struct module *module, const struct event *event);
void admin_start_close(struct admin *admin);

#endif
