/*
 * What is said to and by the evenkeel-fs of each module. Orders wait until it has said hello; after
 * its death its successor says hello and gets what it missed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/admin/admin.h"
#include "daemon/guests/internal.h"
#include "daemon/hold.h"
#include "daemon/runtime.h"
#include "daemon/modules.h"
#include "daemon/watch/watch.h"
#include "platform/clock.h"

#define SEND_AGAIN_NS (20 * NS_PER_MS)
#define NOTICE_GAP_NS (60 * NS_PER_S)

/* ---- sending ---- */

static void send_pending(struct module_fs *fs)
{
	while (fs->socket >= 0 && fs->pending_count > 0) {
		int error = control_send(fs->socket, &fs->pending[0], -1);
		if (error == -EAGAIN)
			loop_arm(&fs->module->daemon->loop, &fs->send_again,
				clock_boot_ns() + SEND_AGAIN_NS);
		if (error != 0)
			return; /* gone: its successor gets them */
		fs->pending_count--;
		memmove(fs->pending, fs->pending + 1,
			(size_t)fs->pending_count * sizeof(fs->pending[0]));
	}
}

static void on_send_again(void *owner)
{
	send_pending(owner);
}

static void push_pending(struct module_fs *fs, const struct control_message *message)
{
	if (fs->pending_count == FS_PENDING_MAX) { /* one that hears nothing; the newest count */
		fs->pending_count--;
		memmove(fs->pending, fs->pending + 1,
			(size_t)fs->pending_count * sizeof(fs->pending[0]));
	}
	fs->pending[fs->pending_count++] = *message;
}

/* ---- what it says ---- */

void fs_post(struct module *module, const struct event *event)
{
	if (module->is_added)
		daemon_post(module->daemon, event);
}

void fs_post_unfit(struct module_fs *fs)
{
	struct event event = { .type = EVENT_FS_REPORTED,
		.module = fs->module->settings.number,
		.fs.report = FS_REPORT_LOCAL_FAILED };

	(void)snprintf(event.fs.detail, sizeof(event.fs.detail), "%s", fs->unfit);
	fs_post(fs->module, &event);
}

void fs_close_socket(struct module_fs *fs)
{
	if (fs->socket < 0)
		return;
	loop_remove(&fs->module->daemon->loop, &fs->socket_watch);
	close(fs->socket);
	fs->socket = -1;
}

static enum fs_role role_of_report(enum fs_report report, enum fs_role otherwise)
{
	if (report == FS_REPORT_IS_PRIMARY || report == FS_REPORT_IS_ALONE)
		return FS_PRIMARY;
	if (report == FS_REPORT_IS_SECONDARY)
		return FS_SECONDARY;
	return report == FS_REPORT_IS_STOPPED ? FS_NONE : otherwise;
}

static void note_role(struct module_fs *fs, enum fs_report report)
{
	enum fs_role role = role_of_report(report, fs->role);
	bool is_answer = role != fs->role || report == FS_REPORT_IS_PRIMARY ||
			 report == FS_REPORT_IS_SECONDARY || report == FS_REPORT_IS_STOPPED;

	fs->role = role;
	if (!is_answer)
		return;
	fs->is_changing = false;
	watch_fs_changed(fs->module);
}

/* Where an old tree is kept; that a stranger was turned away. Strangers knock as often as they like:
 * the same sentence is logged once in NOTICE_GAP_NS. */
static void log_notice(struct module_fs *fs, const char *detail)
{
	int64_t now_ns = clock_boot_ns();
	bool is_same = strncmp(fs->notice, detail, sizeof(fs->notice)) == 0;

	if (is_same && now_ns - fs->notice_ns < NOTICE_GAP_NS)
		return;
	(void)snprintf(fs->notice, sizeof(fs->notice), "%s", detail);
	fs->notice_ns = now_ns;
	daemon_log(fs->module->daemon, fs->module, SEVERITY_WARNING, "fs.notice", "%s", detail);
}

static bool is_stop(const struct control_message *order)
{
	return order->order.order == FS_ORDER_STOP;
}

static void on_report(struct module_fs *fs, const struct control_message *message)
{
	const struct event event = { .type = EVENT_FS_REPORTED,
		.module = fs->module->settings.number,
		.fs = message->report };

	if (message->report.report == FS_REPORT_NOTICE) {
		log_notice(fs, message->report.detail);
		fs_post(fs->module, &event);
		return;
	}
	note_role(fs, message->report.report);
	if (message->report.report == FS_REPORT_IS_STOPPED ||
		message->report.report == FS_REPORT_REFUSED)
		fs_force_disarm(fs);
	if (message->report.report == FS_REPORT_IS_STOPPED) {
		/* Told by our predecessor, perhaps: then another starts, with what was ordered since. */
		fs->is_wanted = fs->has_role_order && !is_stop(&fs->role_order);
		fs_process_forget(fs);
		if (!fs->is_wanted)
			config_forget_applied(
				fs->module->daemon->paths.run, fs->module->settings.name);
	}
	fs_post(fs->module, &event);
}

/* A successor says where it stands; what the core had ordered meanwhile follows. */
static void on_hello(struct module_fs *fs, const struct fs_hello *hello)
{
	struct module *module = fs->module;
	bool goes_on = fs->role == hello->role && !fs->is_changing && !fs->is_adopting;
	struct event event = { .type = EVENT_FS_REPORTED,
		.module = module->settings.number,
		.fs = { .epoch = hello->epoch,
			.is_behind = hello->is_behind,
			.barrier = hello->barrier,
			.peer_barrier = hello->peer_barrier,
			.kept = hello->kept } };

	fs->role = hello->role;
	fs->is_changing = false;
	fs->missed_since_ns = 0;
	fs->given_up_count = 0; /* it has taken them away before it said hello (fs/parts.c) */
	fs->has_greeted = true;
	fs->words_ns = 0;
	if (goes_on)
		watch_fs_succeeded(module);
	else
		watch_fs_changed(module);
	if (fs->is_adopting) {
		fs->is_adopting = false;
		fs->is_wanted = fs->role != FS_NONE;
		if (fs->is_wanted)
			runtime_keep_settings(module);
		loop_disarm(&module->daemon->loop, &fs->adopt);
		modules_tell_core(module, hello);
		send_pending(fs);
		return;
	}
	bool is_lost = fs->has_role_order && fs->role == FS_NONE &&
		       (fs->is_wanted || !is_stop(&fs->role_order));
	bool is_waiting = fs->pending_count > 0; /* the role order is among them, perhaps */
	if (is_lost && !is_waiting)
		push_pending(fs, &fs->role_order);
	send_pending(fs);
	if (fs->role != FS_PRIMARY && fs->role != FS_SECONDARY)
		return;
	event.fs.report = fs->role == FS_PRIMARY ? FS_REPORT_IS_PRIMARY : FS_REPORT_IS_SECONDARY;
	fs_post(module, &event);
	event.fs.report = FS_REPORT_CONNECTED;
	if (hello->link != FS_LINK_NONE)
		fs_post(module, &event);
}

/* Whoever asked may be gone: what was found is not. */
static void on_verified(struct module_fs *fs, const struct control_message *message)
{
	struct module *module = fs->module;
	struct event event = { .type = EVENT_COMPARED,
		.module = module->settings.number,
		.compared.differences = message->verified.copies.differences };

	admin_verified(module->daemon, module, message);
	if (message->verified.error == 0)
		fs_post(module, &event);
}

static void on_message(struct module_fs *fs, const struct control_message *message, int fd)
{
	struct module *module = fs->module;

	switch (message->type) {
	case CONTROL_HELLO: on_hello(fs, &message->hello.fs); break;
	case CONTROL_REPORT: on_report(fs, message); break;
	case CONTROL_STORE:
		if (fd >= 0)
			hold_keep(module, message->store.name, fd);
		return; /* the descriptor is taken */
	case CONTROL_UNSTORE: hold_forget(module, message->store.name); break;
	case CONTROL_LOOKED: watch_looked(module, &message->looked); break;
	case CONTROL_VERIFIED: on_verified(fs, message); break;
	case CONTROL_BEAT_CAME: daemon_on_streamed(module, message->beat.bytes); break;
	case CONTROL_ORDER:
	case CONTROL_STREAM:
	case CONTROL_VERIFY:
	case CONTROL_BEAT:
	case CONTROL_LOOK:
	case CONTROL_TYPE_COUNT: break; /* ours to say, not its */
	}
	if (fd >= 0)
		close(fd);
}

void fs_hear(void *owner, uint32_t events)
{
	struct module_fs *fs = owner;
	struct control_message message;
	struct fields_error wrong;
	int fd = -1;

	(void)events;
	int error = control_receive(fs->socket, &message, &fd, &wrong);
	if (error == 0) {
		on_message(fs, &message, fd);
		return;
	}
	if (error == -EBADMSG || error == -EPROTO) {
		daemon_log(fs->module->daemon, fs->module, SEVERITY_ERROR, "fs.unreadable",
			"evenkeel-fs said something that evenkeeld does not understand. Are both "
			"of the same version? (%s)",
			wrong.sentence);
		return;
	}
	if (error == -EAGAIN && fs->process.pidfd >= 0 && (events & EPOLLIN) != 0)
		return;
	fs_close_socket(fs); /* it comes back, or its process has ended */
}

bool fs_welcome(struct module *module, pid_t pid, int socket, const struct control_message *hello)
{
	struct module_fs *fs = module->fs;
	struct loop *loop = &module->daemon->loop;
	bool is_other = fs->process.pidfd >= 0 && fs->process.pid != pid;

	if (is_other && fs->socket >= 0)
		return false;
	if ((is_other || fs->process.pidfd < 0) && fs_process_follow(fs, pid) != 0)
		return false;
	fs_close_socket(fs);
	fs->socket = socket;
	fs->socket_watch = (struct watch){ .fd = fs->socket, .owner = fs, .on_ready = fs_hear };
	int error = loop_add(loop, &fs->socket_watch, EPOLLIN);
	CHECK(error == 0);
	on_hello(fs, &hello->hello.fs);
	return true;
}

/* ---- a module comes and goes ---- */

int fs_add(struct module *module)
{
	if (module->settings.kind != KIND_MIRROR) { /* nothing is replicated */
		modules_tell_core(module, NULL);
		return 0;
	}
	struct module_fs *fs = calloc(1, sizeof(*fs));
	if (fs == NULL)
		return -ENOMEM;
	module->fs = fs;
	fs->module = module;
	fs->socket = -1;
	fs->send_again = (struct timer){ .owner = fs, .on_due = on_send_again };
	fs_force_init(fs);
	fs_process_adopt(fs);
	return 0;
}

void fs_remove(struct module *module)
{
	struct module_fs *fs = module->fs;

	if (fs == NULL)
		return;
	fs_close_socket(fs);
	loop_disarm(&module->daemon->loop, &fs->send_again);
	fs_force_disarm(fs);
	fs_process_done(fs);
	free(fs);
	module->fs = NULL;
}

/* ---- orders ---- */

static bool is_role_order(enum fs_order order)
{
	return order == FS_ORDER_STOP || order == FS_ORDER_LOOK || order == FS_ORDER_PRIMARY ||
	       order == FS_ORDER_SECONDARY || order == FS_ORDER_PROMOTE;
}

/* Nothing runs and nothing is mounted: stopped it is. */
static void report_stopped(struct module_fs *fs, struct epoch epoch)
{
	fs_post(fs->module, &(struct event){ .type = EVENT_FS_REPORTED,
				    .module = fs->module->settings.number,
				    .fs = { .report = FS_REPORT_IS_STOPPED, .epoch = epoch } });
}

/* What its last one had not brought to the disk is gone: that it died is said of this stop. */
void fs_stopped_without(struct module_fs *fs)
{
	struct module *module = fs->module;

	fs_force_disarm(fs);
	fs->is_wanted = false;
	fs->pending_count = 0;
	fs->missed_since_ns = 0;
	config_forget_applied(module->daemon->paths.run, module->settings.name);
	fs_post(module, &(struct event){ .type = EVENT_FS_REPORTED,
				.module = module->settings.number,
				.fs.report = FS_REPORT_DIED });
	report_stopped(fs, fs->role_order.order.epoch);
}

void fs_order(struct module *module, const struct action *action)
{
	struct module_fs *fs = module->fs;
	CHECK(fs != NULL); /* a kind without one orders nothing of it */
	const struct control_message message = { .type = CONTROL_ORDER, .order = action->fs };
	bool is_nobody = fs->process.pidfd < 0 && !loop_is_armed(&fs->start);
	bool was_unfit = fs->unfit != NULL;
	if (was_unfit && action->fs.order != FS_ORDER_STOP) {
		fs_post_unfit(fs);
		return;
	}
	fs->unfit = NULL;
	if (is_nobody && !fs->is_wanted && action->fs.order == FS_ORDER_STOP) {
		report_stopped(fs, action->fs.epoch);
		return;
	}
	if (is_role_order(action->fs.order)) {
		fs->role_order = message;
		fs->has_role_order = true;
		fs->is_changing = true;
		fs->pending_count = 0; /* whatever waited was meant for the role before */
	}
	if (!fs->is_wanted)
		runtime_keep_settings(module);
	fs->is_wanted = true;
	if (is_stop(&message))
		fs_force_arm(fs);
	push_pending(fs, &message);
	if (is_nobody)
		fs_process_start(fs);
	send_pending(fs);
	if (was_unfit) /* and took with it what it had not brought to the disk */
		fs_post(module, &(struct event){ .type = EVENT_FS_REPORTED,
					.module = module->settings.number,
					.fs.report = FS_REPORT_DIED });
}

bool fs_is_wanted(const struct module *module)
{
	return module->fs != NULL && module->fs->is_wanted;
}

bool fs_is_there(const struct module *module)
{
	return module->fs != NULL && module->fs->socket >= 0;
}

bool fs_is_mounted(const struct module *module)
{
	return fs_is_there(module) && !module->fs->is_changing &&
	       (module->fs->role == FS_PRIMARY || module->fs->role == FS_SECONDARY);
}

void fs_look(struct module *module, uint32_t number)
{
	const struct control_message message = { .type = CONTROL_LOOK, .look.number = number };

	CHECK(fs_is_there(module));
	(void)!control_send(module->fs->socket, &message, -1);
}

bool fs_is_secondary(const struct module *module)
{
	return fs_is_there(module) && module->fs->role == FS_SECONDARY;
}

int fs_hand_stream(struct module *module, uint8_t peer, int fd)
{
	struct module_fs *fs = module->fs;
	const struct control_message message = { .type = CONTROL_STREAM, .stream.peer = peer };
	int error = -ENOTCONN;

	if (fs_is_secondary(module))
		error = control_send(fs->socket, &message, fd);
	close(fd);
	return error;
}

bool fs_send_beat(struct module *module, const char *beat)
{
	struct module_fs *fs = module->fs;
	struct control_message message = { .type = CONTROL_BEAT };

	if (!fs_is_there(module) || (fs->role != FS_PRIMARY && fs->role != FS_SECONDARY))
		return false;
	(void)snprintf(message.beat.bytes, sizeof(message.beat.bytes), "%s", beat);
	return control_send(fs->socket, &message, -1) == 0;
}

int fs_verify(struct module *module, uint32_t request)
{
	const struct control_message message = { .type = CONTROL_VERIFY,
		.verify.request = request };

	CHECK(module->fs != NULL);
	return module->fs->socket < 0 ? -ENOTCONN : control_send(module->fs->socket, &message, -1);
}
