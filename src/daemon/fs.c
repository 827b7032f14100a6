/*
 * evenkeel-fs of each module, from our side: started when the core first orders something, started
 * again at once when it dies, spoken to over control.sock.
 *
 *	          order                    hello                      process ended
 *	 nobody -----------> started ----------------> greeted ----------------------+
 *	    ^                   ^   (orders wait)         |   FS_REPORT_DIED         |
 *	    |                   +-------------------------|---- 0..300 ms <----------+
 *	    +---------------------------------------------+   unless it had stopped as ordered
 *
 * It outlives us: after our own restart one that holds run/NAME.lock is waited for, one that died
 * with us is started again with what hold kept; only then the core is told of the module.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/admin.h"
#include "daemon/parts.h"
#include "platform/cgroup.h"
#include "platform/clock.h"

#define GUESTS_MAX	 64 /* connections that have not yet said hello */
#define GUEST_LIMIT_NS	 (2 * NS_PER_S)
#define ADOPT_LIMIT_NS	 (2 * NS_PER_S) /* then it is said that we wait */
#define ADOPT_LOOK_NS	 (100 * NS_PER_MS)
#define PENDING_MAX	 16 /* orders that wait for a hello */
#define SEND_AGAIN_NS	 (20 * NS_PER_MS)
#define HEALTHY_NS	 NS_PER_S
#define BACKOFF_FIRST_NS (20 * NS_PER_MS)
#define BACKOFF_MAX_NS	 (300 * NS_PER_MS)
#define KEPT_MAX	 64
#define NOTICE_GAP_NS	 (60 * NS_PER_S)
#define OUTPUT_NAME	 "output" /* scripts.c's */

struct guest {
	struct daemon_control *control;
	int socket; /* -1: free */
	int64_t came_ns;
	struct watch watch;
};

struct daemon_control {
	struct daemon *daemon;
	struct watch watch; /* listening */
	struct timer tick;  /* throws out guests that say nothing */
	struct guest guests[GUESTS_MAX];
};

struct module_fs {
	struct module *module;
	int socket; /* -1: it has not said hello */
	struct watch socket_watch;
	struct process process; /* pidfd -1: none */
	bool is_child;
	struct watch process_watch;
	bool is_wanted;	  /* it has something to do; dying, it is started again */
	bool is_adopting; /* the core is not told before it has said hello */
	bool is_wait_said;
	enum fs_role role;
	struct control_message role_order; /* the last one */
	bool has_role_order;
	struct control_message pending[PENDING_MAX];
	int pending_count;
	int64_t started_ns, adopt_since_ns, backoff_ns;
	struct timer start, send_again, adopt;
	char notice[CONTROL_DETAIL_MAX]; /* the last one logged, and when */
	int64_t notice_ns;
};

static void on_packet(void *owner, uint32_t events);

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
	if (fs->pending_count == PENDING_MAX) { /* one that hears nothing; the newest count */
		fs->pending_count--;
		memmove(fs->pending, fs->pending + 1,
			(size_t)fs->pending_count * sizeof(fs->pending[0]));
	}
	fs->pending[fs->pending_count++] = *message;
}

/* ---- the process ---- */

static void on_process_ended(void *owner, uint32_t events);

static void watch_process(struct module_fs *fs)
{
	fs->process_watch = (struct watch){
		.fd = fs->process.pidfd, .owner = fs, .on_ready = on_process_ended
	};
	int error = loop_add(&fs->module->daemon->loop, &fs->process_watch, EPOLLIN);
	CHECK(error == 0);
}

/* Its own control group: what kills the application must not kill it. */
static int open_group(const struct module *module)
{
	char path[2 * PATH_SIZE_MAX];

	if (module->daemon->cgroup[0] == '\0')
		return -1;
	(void)snprintf(
		path, sizeof(path), "%s/%s/fs", module->daemon->cgroup, module->settings.name);
	if (cgroup_make(path) != 0)
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int list_kept(struct module *module, struct handed_fd *out)
{
	int count = hold_list(module, out, KEPT_MAX);

	for (int i = 0; i < count; i++)
		if (strcmp(out[i].name, OUTPUT_NAME) == 0)
			out[i--] = out[--count];
	return count;
}

static int launch(struct module_fs *fs)
{
	struct module *module = fs->module;
	struct paths *paths = &module->daemon->paths;
	struct handed_fd kept[KEPT_MAX];
	char path[PATH_SIZE_MAX + 16];
	char *arguments[] = { path, "--module", module->settings.name, "--config", paths->config,
		"--state", paths->state, "--run", paths->run, NULL };
	struct process_order order = { .path = path,
		.arguments = arguments,
		.environment = environ,
		.cgroup_fd = open_group(module),
		.output_fd = -1,
		.handed = kept,
		.handed_count = list_kept(module, kept),
		.keeps_protection = true };

	(void)snprintf(path, sizeof(path), "%s/evenkeel-fs", paths->programs);
	int error = process_start(&order, &fs->process);
	if (order.cgroup_fd >= 0)
		close(order.cgroup_fd);
	return error;
}

static void back_off(struct module_fs *fs)
{
	int64_t now_ns = clock_boot_ns();

	if (now_ns - fs->started_ns >= HEALTHY_NS) {
		fs->backoff_ns = 0;
	} else {
		fs->backoff_ns =
			MIN_OF(MAX_OF(2 * fs->backoff_ns, BACKOFF_FIRST_NS), BACKOFF_MAX_NS);
	}
	loop_arm(&fs->module->daemon->loop, &fs->start, now_ns + fs->backoff_ns);
}

static void on_start(void *owner)
{
	struct module_fs *fs = owner;

	if (fs->process.pidfd >= 0)
		return;
	int error = launch(fs);
	fs->started_ns = clock_boot_ns();
	if (error != 0) {
		daemon_log(fs->module->daemon, fs->module, SEVERITY_ERROR, "fs.cannot_start",
			"%s/evenkeel-fs cannot be started: %s. Trying on.",
			fs->module->daemon->paths.programs, strerror(-error));
		back_off(fs);
		return;
	}
	fs->is_child = true;
	watch_process(fs);
}

static void post_report(struct module *module, const struct event *event)
{
	if (module->is_added)
		daemon_post(module->daemon, event);
}

static void close_socket(struct module_fs *fs)
{
	if (fs->socket < 0)
		return;
	loop_remove(&fs->module->daemon->loop, &fs->socket_watch);
	close(fs->socket);
	fs->socket = -1;
}

static void on_process_ended(void *owner, uint32_t events)
{
	struct module_fs *fs = owner;
	struct module *module = fs->module;
	int status = 0;

	(void)events;
	/* What it said last, an answer to "stop" perhaps, comes first. */
	while (fs->socket >= 0)
		on_packet(fs, 0);
	loop_remove(&module->daemon->loop, &fs->process_watch);
	bool is_known = fs->is_child && process_reap(&fs->process, &status) == 0;
	process_close(&fs->process);
	admin_fs_lost(module->daemon, module);
	if (!fs->is_wanted)
		return;
	if (is_known && WIFEXITED(status))
		daemon_log(module->daemon, module, SEVERITY_WARNING, "fs.ended",
			"evenkeel-fs ended by itself with status %d.", WEXITSTATUS(status));
	else if (is_known)
		daemon_log(module->daemon, module, SEVERITY_WARNING, "fs.killed",
			"evenkeel-fs was ended by signal %d.", WTERMSIG(status));
	back_off(fs);
	post_report(module, &(struct event){ .type = EVENT_FS_REPORTED,
				    .module = module->settings.number,
				    .fs.report = FS_REPORT_DIED });
}

/* ---- what it says ---- */

static enum fs_role role_of_report(enum fs_report report, enum fs_role otherwise)
{
	if (report == FS_REPORT_IS_PRIMARY || report == FS_REPORT_IS_ALONE)
		return FS_PRIMARY;
	if (report == FS_REPORT_IS_SECONDARY)
		return FS_SECONDARY;
	return report == FS_REPORT_IS_STOPPED ? FS_NONE : otherwise;
}

/* Stopped in order: what its predecessors left for a successor holds nothing any more. */
static void forget_kept(struct module_fs *fs)
{
	struct handed_fd kept[KEPT_MAX];
	int count = list_kept(fs->module, kept);

	for (int i = 0; i < count; i++)
		hold_forget(fs->module, kept[i].name);
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

static void on_report(struct module_fs *fs, const struct control_message *message)
{
	struct event event = { .type = EVENT_FS_REPORTED,
		.module = fs->module->settings.number,
		.fs = { .report = message->report.report,
			.epoch = message->report.epoch,
			.barrier = message->report.barrier,
			.peer_barrier = message->report.peer_barrier,
			.done = message->report.done,
			.total = message->report.total,
			.error = message->report.error } };

	_Static_assert(sizeof(event.fs.detail) == CONTROL_DETAIL_MAX, "the same room");
	memcpy(event.fs.detail, message->report.detail, sizeof(event.fs.detail));
	if (message->report.report == FS_REPORT_NOTICE) {
		log_notice(fs, message->report.detail);
		return;
	}
	fs->role = role_of_report(message->report.report, fs->role);
	if (message->report.report == FS_REPORT_IS_STOPPED) {
		fs->is_wanted = false;
		forget_kept(fs);
	}
	post_report(fs->module, &event);
}

static bool is_stop(const struct control_message *order)
{
	return order->order.order == FS_ORDER_STOP;
}

/* A successor says where it stands; what the core had ordered meanwhile follows. */
static void on_hello(struct module_fs *fs, const struct control_message *message)
{
	struct module *module = fs->module;
	struct event event = { .type = EVENT_FS_REPORTED,
		.module = module->settings.number,
		.fs = { .epoch = message->hello.epoch,
			.barrier = message->hello.barrier,
			.peer_barrier = message->hello.peer_barrier } };

	fs->role = message->hello.role;
	if (fs->is_adopting) {
		fs->is_adopting = false;
		fs->is_wanted = fs->role != FS_NONE;
		loop_disarm(&module->daemon->loop, &fs->adopt);
		daemon_module_is_known(
			module, message->hello.role, message->hello.link, message->hello.epoch);
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
	post_report(module, &event);
	event.fs.report = FS_REPORT_CONNECTED;
	if (message->hello.link != FS_LINK_NONE)
		post_report(module, &event);
}

static void on_message(struct module_fs *fs, const struct control_message *message, int fd)
{
	struct module *module = fs->module;

	switch (message->type) {
	case CONTROL_HELLO: on_hello(fs, message); break;
	case CONTROL_REPORT: on_report(fs, message); break;
	case CONTROL_STORE:
		if (fd >= 0)
			hold_keep(module, message->store.name, fd);
		return; /* the descriptor is taken */
	case CONTROL_UNSTORE: hold_forget(module, message->store.name); break;
	case CONTROL_VERIFIED: admin_verified(module->daemon, module, message); break;
	case CONTROL_ORDER:
	case CONTROL_STREAM:
	case CONTROL_VERIFY:
	case CONTROL_TYPE_COUNT: break; /* ours to say, not its */
	}
	if (fd >= 0)
		close(fd);
}

static void on_packet(void *owner, uint32_t events)
{
	struct module_fs *fs = owner;
	struct control_message message;
	int fd = -1;

	(void)events;
	int error = control_receive(fs->socket, &message, &fd);
	if (error == 0) {
		on_message(fs, &message, fd);
		return;
	}
	if (error == -EBADMSG || error == -EPROTO) {
		daemon_log(fs->module->daemon, fs->module, SEVERITY_ERROR, "fs.unreadable",
			"evenkeel-fs said something that evenkeeld does not understand. Are both "
			"of "
			"the same version?");
		return;
	}
	if (error == -EAGAIN && fs->process.pidfd >= 0 && (events & EPOLLIN) != 0)
		return;
	close_socket(fs); /* it comes back, or its process has ended */
}

/* ---- guests ---- */

static void dismiss(struct guest *guest)
{
	loop_remove(&guest->control->daemon->loop, &guest->watch);
	if (guest->socket >= 0)
		close(guest->socket);
	guest->socket = -1;
}

static pid_t peer_pid(int socket)
{
	struct ucred who = { 0 };
	socklen_t size = sizeof(who);

	return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 ? 0 : who.pid;
}

/* Binds the guest's connection to its module; false if it must go. */
static bool welcome(struct guest *guest, const struct control_message *message)
{
	struct daemon *daemon = guest->control->daemon;
	struct module *module = daemon_module_by_name(daemon, message->hello.module);
	pid_t pid = peer_pid(guest->socket);

	if (module == NULL || pid == 0)
		return false;
	struct module_fs *fs = module->fs;
	bool is_other = fs->process.pidfd >= 0 && fs->process.pid != pid;
	if (is_other && fs->socket >= 0)
		return false;
	if (is_other || fs->process.pidfd < 0) {
		loop_remove(&daemon->loop, &fs->process_watch);
		process_close(&fs->process);
		if (process_watch(pid, &fs->process) != 0)
			return false;
		fs->is_child = false;
		fs->started_ns = clock_boot_ns();
		loop_disarm(&daemon->loop, &fs->start);
		watch_process(fs);
	}
	close_socket(fs);
	loop_remove(&daemon->loop, &guest->watch);
	fs->socket = guest->socket;
	guest->socket = -1;
	fs->socket_watch = (struct watch){ .fd = fs->socket, .owner = fs, .on_ready = on_packet };
	int error = loop_add(&daemon->loop, &fs->socket_watch, EPOLLIN);
	CHECK(error == 0);
	on_hello(fs, message);
	return true;
}

static void on_guest(void *owner, uint32_t events)
{
	struct guest *guest = owner;
	struct control_message message;
	int fd = -1;

	(void)events;
	int error = control_receive(guest->socket, &message, &fd);
	if (error == -EAGAIN)
		return;
	if (error == 0 && fd >= 0)
		close(fd);
	if (error != 0 || message.type != CONTROL_HELLO || !welcome(guest, &message))
		dismiss(guest);
}

static void on_guest_comes(void *owner, uint32_t events)
{
	struct daemon_control *control = owner;

	(void)events;
	int socket = accept4(control->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (socket < 0)
		return;
	for (int i = 0; i < GUESTS_MAX; i++) {
		struct guest *guest = &control->guests[i];
		if (guest->socket >= 0)
			continue;
		*guest = (struct guest){
			.control = control, .socket = socket, .came_ns = clock_boot_ns()
		};
		guest->watch = (struct watch){ .fd = socket, .owner = guest, .on_ready = on_guest };
		if (loop_add(&control->daemon->loop, &guest->watch, EPOLLIN) != 0)
			dismiss(guest);
		return;
	}
	close(socket); /* full: it tries again */
}

static void on_tick(void *owner)
{
	struct daemon_control *control = owner;
	int64_t now_ns = clock_boot_ns();

	for (int i = 0; i < GUESTS_MAX; i++)
		if (control->guests[i].socket >= 0 &&
			now_ns - control->guests[i].came_ns > GUEST_LIMIT_NS)
			dismiss(&control->guests[i]);
	loop_arm(&control->daemon->loop, &control->tick, now_ns + GUEST_LIMIT_NS);
}

int fs_open(struct daemon *daemon)
{
	char path[PATH_SIZE_MAX + 16];

	struct daemon_control *control = calloc(1, sizeof(*control));
	if (control == NULL)
		return -ENOMEM;
	daemon->control = control;
	control->daemon = daemon;
	for (int i = 0; i < GUESTS_MAX; i++)
		control->guests[i].socket = -1;
	control->watch = (struct watch){ .fd = -1, .owner = control, .on_ready = on_guest_comes };
	control->tick = (struct timer){ .owner = control, .on_due = on_tick };
	(void)snprintf(path, sizeof(path), "%s/control.sock", daemon->paths.run);
	int error = control_listen(path, &control->watch.fd);
	if (error != 0)
		return error;
	on_tick(control);
	return loop_add(&daemon->loop, &control->watch, EPOLLIN);
}

void fs_close(struct daemon *daemon)
{
	struct daemon_control *control = daemon->control;

	if (control == NULL)
		return;
	for (int i = 0; i < GUESTS_MAX; i++)
		if (control->guests[i].socket >= 0)
			dismiss(&control->guests[i]);
	loop_disarm(&daemon->loop, &control->tick);
	loop_remove(&daemon->loop, &control->watch);
	if (control->watch.fd >= 0)
		close(control->watch.fd);
	free(control);
	daemon->control = NULL;
}

/* ---- a module comes and goes ---- */

static bool is_lock_held(const struct module *module)
{
	char path[2 * PATH_SIZE_MAX];

	(void)snprintf(
		path, sizeof(path), "%s/%s.lock", module->daemon->paths.run, module->settings.name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool is_held = flock(fd, LOCK_SH | LOCK_NB) < 0;
	close(fd);
	return is_held;
}

/* Somebody lives: wait for its hello. Nobody, but hold kept something: a successor says hello.
 * Neither: nothing runs. */
static void on_adopt(void *owner)
{
	struct module_fs *fs = owner;
	struct module *module = fs->module;
	struct handed_fd kept[KEPT_MAX];
	int64_t now_ns = clock_boot_ns();

	if (!is_lock_held(module) && fs->process.pidfd < 0) {
		if (list_kept(module, kept) == 0) {
			fs->is_adopting = false;
			daemon_module_is_known(module, FS_NONE, FS_LINK_NONE, (struct epoch){ 0 });
			return;
		}
		fs->is_wanted = true;
		if (!fs->start.is_armed)
			on_start(fs);
	}
	if (now_ns - fs->adopt_since_ns > ADOPT_LIMIT_NS && !fs->is_wait_said) {
		fs->is_wait_said = true;
		daemon_log(module->daemon, module, SEVERITY_ERROR, "fs.mute",
			"evenkeel-fs of this module still runs, but does not answer since "
			"evenkeeld "
			"was started again; waiting for it. If it hangs for good, kill it.");
	}
	loop_arm(&module->daemon->loop, &fs->adopt, now_ns + ADOPT_LOOK_NS);
}

int fs_add(struct module *module)
{
	struct module_fs *fs = calloc(1, sizeof(*fs));
	if (fs == NULL)
		return -ENOMEM;
	module->fs = fs;
	fs->module = module;
	fs->socket = -1;
	fs->process.pidfd = -1;
	fs->start = (struct timer){ .owner = fs, .on_due = on_start };
	fs->send_again = (struct timer){ .owner = fs, .on_due = on_send_again };
	fs->adopt = (struct timer){ .owner = fs, .on_due = on_adopt };
	fs->is_adopting = true;
	fs->adopt_since_ns = clock_boot_ns();
	on_adopt(fs);
	return 0;
}

/* The process is left alone: it outlives us, or has nothing to do. */
void fs_remove(struct module *module)
{
	struct module_fs *fs = module->fs;

	if (fs == NULL)
		return;
	struct loop *loop = &module->daemon->loop;
	close_socket(fs);
	loop_remove(loop, &fs->process_watch);
	loop_disarm(loop, &fs->start);
	loop_disarm(loop, &fs->send_again);
	loop_disarm(loop, &fs->adopt);
	process_close(&fs->process);
	free(fs);
	module->fs = NULL;
}

/* ---- orders ---- */

static bool is_role_order(enum fs_order order)
{
	return order == FS_ORDER_STOP || order == FS_ORDER_PRIMARY || order == FS_ORDER_SECONDARY ||
	       order == FS_ORDER_PROMOTE;
}

/* Nothing runs and nothing is mounted: stopped it is. */
static void report_stopped(struct module_fs *fs, struct epoch epoch)
{
	post_report(fs->module, &(struct event){ .type = EVENT_FS_REPORTED,
					.module = fs->module->settings.number,
					.fs = { .report = FS_REPORT_IS_STOPPED, .epoch = epoch } });
}

void fs_order(struct module *module, const struct action *action)
{
	struct module_fs *fs = module->fs;
	struct control_message message = { .type = CONTROL_ORDER,
		.order = { .order = action->fs.order,
			.epoch = action->fs.epoch,
			.generation = action->fs.generation,
			.plan = action->fs.plan } };

	memcpy(message.order.set_id, action->fs.set_id, SET_ID_SIZE);
	bool is_nobody = fs->process.pidfd < 0 && !fs->start.is_armed;
	if (is_nobody && !fs->is_wanted && action->fs.order == FS_ORDER_STOP) {
		report_stopped(fs, action->fs.epoch);
		return;
	}
	if (is_role_order(action->fs.order)) {
		fs->role_order = message;
		fs->has_role_order = true;
		fs->pending_count = 0; /* whatever waited was meant for the role before */
	}
	fs->is_wanted = true;
	push_pending(fs, &message);
	if (is_nobody)
		on_start(fs);
	send_pending(fs);
}

bool fs_is_secondary(const struct module *module)
{
	return module->fs->socket >= 0 && module->fs->role == FS_SECONDARY;
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

int fs_verify(struct module *module, uint32_t request)
{
	const struct control_message message = { .type = CONTROL_VERIFY,
		.verify.request = request };

	return module->fs->socket < 0 ? -ENOTCONN : control_send(module->fs->socket, &message, -1);
}
