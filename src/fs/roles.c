/*
 * What the module is on this node: nothing, primary or secondary, and the way from one to another.
 *
 *	          primary                    promote
 *	  none ------------> PRIMARY <------------------- SECONDARY
 *	   ^ ^                 |  |       secondary          ^ |
 *	   | +----- stop ------+  +--------------------------+ |
 *	   +------------------------ stop ---------------------+
 *
 * A demoted primary unmounts and mounts anew: nothing that its kernel cached may be served.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fs/front/die.h"
#include "fs/service.h"
#include "platform/clock.h"

static void note(struct service *service, enum fs_role role, const struct control_message *order)
{
	lock_take(&service->role_lock);
	service->role = role;
	if (order != NULL) {
		service->epoch = order->order.epoch;
		service->generation = order->order.generation;
		memcpy(service->set_id, order->order.set_id, SET_ID_SIZE);
	}
	front_note(&service->front, role, service->epoch, service->generation, service->set_id);
	lock_give(&service->role_lock);
}

static enum fs_role role_of(struct service *service)
{
	lock_take(&service->role_lock);
	enum fs_role role = service->role;
	lock_give(&service->role_lock);
	return role;
}

static void refuse(struct service *service, int error, const char *what)
{
	char detail[FS_DETAIL_MAX];

	(void)snprintf(detail, sizeof(detail), "%s: %s", what, strerror(-error));
	service_report(service, FS_REPORT_REFUSED, error,
		service->front.refused[0] != '\0' ? service->front.refused : detail);
	service->front.refused[0] = '\0';
}

static void pause_ms(long ms)
{
	struct timespec duration = { .tv_nsec = ms * 1000000 };

	(void)nanosleep(&duration, NULL);
}

static int try_to_unmount(struct service *service)
{
	int64_t until_ns = clock_boot_ns() + UNMOUNT_TRY_NS;
	int error = front_unmount(&service->front);

	while (error == -EBUSY && clock_boot_ns() < until_ns) {
		answers_fail_all(&service->front);
		replicator_let_go(service->replicator, true);
		pause_ms(20);
		error = front_unmount(&service->front);
	}
	return error;
}

/* The rest of the ladder (R10): who has files open is killed, then nobody is asked any more. */
static int take_away(struct service *service)
{
	if (front_kill_holders(&service->front))
		service_report(service, FS_REPORT_NOTICE, 0, service->front.refused);
	int error = try_to_unmount(service);
	if (error != -EBUSY)
		return error;
	service_report(service, FS_REPORT_NOTICE, 0, service->front.refused);
	service_report(service, FS_REPORT_NOTICE, 0,
		"the directory is taken away from whoever still uses it: their calls fail");
	return front_take_away(&service->front);
}

/* Whoever still waits for an answer here will never get a true one: this copy is being left. */
static int unmount(struct service *service, bool is_forced)
{
	looker_look_at_cover(service); /* somebody may have been faster */
	atomic_store(&service->is_unmounting, true);
	replicator_let_go(service->replicator, true);
	int error = try_to_unmount(service);

	if (error == -EBUSY && is_forced)
		error = take_away(service);
	atomic_store(&service->is_unmounting, false);
	answers_stop_failing(&service->front);
	replicator_let_go(service->replicator, false);
	/* After a failure some are mounted anew, and their rings know nothing yet. */
	note(service, error == 0 ? FS_NONE : role_of(service), NULL);
	return error;
}

/* ---- orders ---- */

/* Before a claim is recorded: what is found may be that this copy is none to claim with. */
static void look(struct service *service, const struct control_message *order)
{
	struct replicator *replicator = service->replicator;
	struct recorded_copy recorded = { .tenant.epoch = order->order.epoch,
		.generation = order->order.generation };
	char doubt[FS_DETAIL_MAX];

	memcpy(recorded.tenant.set_id, order->order.set_id, SET_ID_SIZE);
	replicator_believe_record(replicator, &recorded);
	if (replicator_has_doubt(replicator, true, doubt, sizeof(doubt)))
		replicator_say_doubt(replicator, doubt);
	else
		service_report(service, FS_REPORT_LOOKED, 0, "");
}

static void be_primary(struct service *service, const struct control_message *order)
{
	int error = 0;

	if (role_of(service) != FS_NONE)
		error = unmount(service, false);
	char doubt[FS_DETAIL_MAX];
	if (error == 0 && !order->order.is_forced &&
		replicator_has_doubt(service->replicator, true, doubt, sizeof(doubt))) {
		replicator_say_doubt(service->replicator, doubt);
		return;
	}
	if (error == 0)
		error = replicator_be_primary(service->replicator, order->order.epoch,
			order->order.generation, order->order.set_id, false);
	if (error == 0)
		error = front_mount(&service->front, FS_PRIMARY);
	if (error != 0) {
		refuse(service, error, "cannot become primary");
		return;
	}
	note(service, FS_PRIMARY, order);
	looker_look_at_cover(service);
	service_report(service, FS_REPORT_IS_PRIMARY, 0, "");
}

static void be_secondary(struct service *service, const struct control_message *order)
{
	bool is_mounted = role_of(service) == FS_SECONDARY;
	int error = 0;

	if (role_of(service) == FS_PRIMARY)
		error = unmount(service, false);
	if (error == 0)
		error = replicator_be_secondary(
			service->replicator, order->order.epoch, order->order.set_id, false);
	if (error == 0 && !is_mounted)
		error = front_mount(&service->front, FS_SECONDARY);
	if (error != 0) {
		refuse(service, error, "cannot become secondary");
		return;
	}
	note(service, FS_SECONDARY, order);
	looker_look_at_cover(service);
	service_report(service, FS_REPORT_IS_SECONDARY, 0, "");
}

/* The replicator reports success itself, and roles_promoted() comes before that report. */
static void promote(struct service *service, const struct control_message *order)
{
	lock_take(&service->role_lock);
	struct epoch epoch = service->epoch;
	struct generation generation = service->generation;
	service->epoch = order->order.epoch;
	service->generation = order->order.generation;
	lock_give(&service->role_lock);
	int error = replicator_promote(
		service->replicator, order->order.epoch, order->order.generation);
	if (error == 0)
		return;
	lock_take(&service->role_lock);
	service->epoch = epoch;
	service->generation = generation;
	lock_give(&service->role_lock);
}

void roles_promoted(struct service *service)
{
	if (role_of(service) != FS_SECONDARY)
		return;
	note(service, FS_PRIMARY, NULL); /* first: nothing is written that a successor denies */
	die_if_told(0, DIE_PROMOTED);
	front_promote(&service->front);
}

void roles_go_alone(struct service *service, const struct control_message *order)
{
	struct replicator *replicator = service->replicator;

	/* Before its report, which carries the epoch; a successor that finds the new epoch and a
	 * log of the old one is alone as well. */
	lock_take(&service->role_lock);
	service->epoch = order->order.epoch;
	service->generation = order->order.generation;
	lock_give(&service->role_lock);
	note(service, FS_PRIMARY, NULL);
	if (replicator_go_alone(replicator, order->order.epoch, order->order.generation) == 0)
		answers_release_failed(&service->front, 0);
}

int roles_stop(struct service *service, bool is_forced)
{
	int error = role_of(service) != FS_NONE ? unmount(service, is_forced) : 0;

	if (error == 0)
		error = replicator_stop(service->replicator);
	return error;
}

static void stop(struct service *service, bool is_forced)
{
	int error = roles_stop(service, is_forced);

	if (error != 0) {
		refuse(service, error, "cannot stop");
		return;
	}
	service_report(service, FS_REPORT_IS_STOPPED, 0, "");
	atomic_store(&service->should_end, true);
}

static void obey(struct service *service, const struct control_message *order)
{
	switch (order->order.order) {
	case FS_ORDER_STOP: stop(service, order->order.is_forced); break;
	case FS_ORDER_LOOK: look(service, order); break;
	case FS_ORDER_PRIMARY: be_primary(service, order); break;
	case FS_ORDER_SECONDARY: be_secondary(service, order); break;
	case FS_ORDER_PROMOTE: promote(service, order); break;
	case FS_ORDER_GO_ALONE: roles_go_alone(service, order); break;
	case FS_ORDER_CONNECT:
	case FS_ORDER_PAIR:
	case FS_ORDER_HOLD:
	case FS_ORDER_RESUME:
	case FS_ORDER_DRAIN:
	case FS_ORDER_COUNT: CHECK(false); /* done by the control thread */
	}
}

void roles_push(struct service *service, const struct control_message *order)
{
	lock_take(&service->order_lock);
	/* evenkeeld has few orders open at a time. One that does not fit is dropped: whoever orders
	 * so much without waiting for an answer is broken, and nothing rests on an order that was
	 * not reported as done. */
	if (service->order_count < ORDERS_MAX)
		service->orders[service->order_count++] = *order;
	condition_wake_one(&service->ordered);
	lock_give(&service->order_lock);
}

static struct control_message next_order(struct service *service)
{
	lock_take(&service->order_lock);
	while (service->order_count == 0)
		condition_wait(&service->ordered, &service->order_lock);
	struct control_message order = service->orders[0];
	service->order_count--;
	memmove(service->orders, service->orders + 1,
		(size_t)service->order_count * sizeof(service->orders[0]));
	lock_give(&service->order_lock);
	return order;
}

void *roles_run(void *context)
{
	struct service *service = context;

	while (!atomic_load(&service->should_end)) {
		struct control_message order = next_order(service);
		obey(service, &order);
	}
	return NULL;
}

/* ---- without an order ---- */

/* The replicator first: the requests that are carried on need it. They may wait for the peer, so
 * that part is the thread's. */
int roles_resume(struct service *service)
{
	const struct ring_header *header = service->front.mounts[0].ring.header;
	enum fs_role role = (enum fs_role)header->role;
	struct control_message order = { .type = CONTROL_ORDER };
	int error = 0;

	order.order.epoch = header->epoch;
	order.order.generation = header->generation;
	memcpy(order.order.set_id, header->set_id, SET_ID_SIZE);
	if (role == FS_PRIMARY)
		error = replicator_be_primary(service->replicator, header->epoch,
			header->generation, header->set_id, true);
	else if (role == FS_SECONDARY)
		error = replicator_be_secondary(
			service->replicator, header->epoch, header->set_id, true);
	if (error != 0)
		return error;
	if (front_was_held(&service->front))
		replicator_hold(service->replicator, true);
	note(service, role, &order);
	return 0;
}

int roles_be_alone(struct service *service)
{
	struct control_message order = { .type = CONTROL_ORDER,
		.order = { .order = FS_ORDER_PRIMARY,
			.epoch = { .number = 1, .node = 1 },
			.generation = { .number = 1, .tag = 1 } } };

	be_primary(service, &order);
	return role_of(service) == FS_PRIMARY ? 0 : -EIO;
}
