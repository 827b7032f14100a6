/*
 * One evenkeel-fs: its options, what it carries, and the daemon's orders.
 *
 * The control thread (main) hears orders and hands those that mount, unmount or wait on to the
 * order thread, one after the other; hold and resume are done at once. Not for: requests (front),
 * the peer (replicator).
 */
#ifndef EVENKEEL_FS_SERVICE_H
#define EVENKEEL_FS_SERVICE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "api/config.h"
#include "api/control.h"
#include "api/reports.h"
#include "fs/front/front.h"
#include "fs/replicator/replicator.h"
#include "platform/lock.h"
#include "platform/process.h"

#define HANDED_MAX 64
#define ORDERS_MAX 16
#define STORED_MAX (3 * ROOTS_MAX + 2)

struct options {
	const char *module, *config, *state, *run;
	bool is_standalone;
	const char *directory; /* standalone */
};

struct stored {
	char name[CONTROL_NAME_MAX + 1]; /* empty: free */
	int fd;				 /* borrowed */
};

/* Whether the disks below the directories answer, as a thread finds out that may hang with them. */
struct looker {
	struct lock lock; /* of all below */
	struct condition asked;
	bool is_asked, is_running;
	int at; /* the directory whose disk is being tried; -1: none */
	int64_t since_ns;
	_Atomic int64_t covered_ns; /* our mounts were where they are to be, wall clock; 0: not */
	struct {
		int file;
		uint64_t tries;
		int64_t took_ns;
		int error;
	} roots[ROOTS_MAX];
};

struct service {
	struct options options;
	struct cluster_config cluster;
	struct module_settings module;
	uint8_t self, peer;
	int64_t predecessor_alive_ns; /* its last sign of life, wall clock; 0: none */
	int lock_fd, send_log_fd, receive_log_fd;
	bool is_fresh;			     /* no predecessor left logs */
	bool is_unfit;			     /* what a predecessor left is of another version */
	struct handed_fd handed[HANDED_MAX]; /* a predecessor's descriptors, until they are taken */
	int handed_count;
	struct front front;
	struct replicator *replicator;

	struct lock socket_lock; /* of all below: what is said to the daemon */
	int socket;		 /* -1: not connected; received from by the control thread only */
	struct stored stored[STORED_MAX];
	struct reports reports; /* said while nobody heard */

	struct lock role_lock; /* of all below */
	enum fs_role role;
	enum fs_link link;
	struct epoch epoch;
	struct generation generation;
	uint8_t set_id[SET_ID_SIZE];

	struct looker looker;

	struct lock order_lock; /* of the queue */
	struct condition ordered;
	struct control_message orders[ORDERS_MAX];
	int order_count;
	atomic_bool should_end;	   /* stopped as ordered */
	atomic_bool is_unmounting; /* the mounts go as ordered */
	atomic_bool is_recovering; /* the order thread carries a predecessor's requests on, and
				      some may wait for the peer */
};

/* To standard error, and where evenkeeld looks when this process ends without having said hello. */
void service_complain(const struct service *service, const char *what, const char *why);

/* ---- parts.c ---- */

int parts_configure(struct service *service) MUST_CHECK;
void parts_configure_standalone(struct service *service);
/* Roots, logs, tree, order, replicator. What fails is complained of. */
int parts_open(struct service *service) MUST_CHECK;
/* Mounts that a predecessor served, and the role it had. */
int parts_adopt(struct service *service, bool *out_is_resumed) MUST_CHECK;
void parts_on_local_failed(void *context, int error);

/* ---- control.c ---- */

/* Hears the daemon until should_end. */
void control_run(struct service *service);
/* To the daemon, now or when it is there again. From any thread. */
void service_report(struct service *service, enum fs_report report, int error, const char *detail);
void service_say(struct service *service, const struct fs_reported *report);
/* What is said again anyway: while the daemon is away nobody waits for it. */
void service_tell(struct service *service, const struct control_message *message);
/* Keeps a descriptor for a successor. */
void service_store(void *context, const char *name, int fd);
void service_unstore(void *context, const char *name);

/* ---- looker.c ---- */

void looker_init(struct looker *looker);
/* Has the disks tried, and tells what is known now. Never waits for one. */
void looker_answer(struct service *service);
/* Are our mounts where they are to be? Else the directories lie open since they last were. */
void looker_look_at_cover(struct service *service);

/* ---- roles.c ---- */

/* The order thread: role orders, one after the other. */
void *roles_run(void *context);
void roles_push(struct service *service, const struct control_message *order);
/* Answers go on without the peer. */
void roles_go_alone(struct service *service, const struct control_message *order);
/* Continues what the rings say that the predecessor did. Errors: those of the replicator. */
int roles_resume(struct service *service) MUST_CHECK;
/* The replicator says that it is primary now, from inside a promotion. */
void roles_promoted(struct service *service);
/* Standalone: primary, alone, from now on. */
int roles_be_alone(struct service *service) MUST_CHECK;
/* is_forced: whoever uses the directories. Errors: -EBUSY: somebody does. */
int roles_stop(struct service *service, bool is_forced) MUST_CHECK;

#endif
