/*
 * The process of each module's evenkeel-fs: started when the core first orders something, started
 * again at once when it dies, left alone when we end.
 *
 *	          order                    hello                      process ended
 *	 nobody -----------> started ----------------> greeted ----------------------+
 *	    ^                   ^   (orders wait)         |   FS_REPORT_DIED         |
 *	    |                   +-------------------------|---- 0..300 ms <----------+
 *	    +---------------------------------------------+   unless it had stopped as ordered
 *	    +--- FS_HELLO_LIMIT_NS without a hello: given up (R8); if nobody waits, 5 s between starts
 *
 * It outlives us: after our own restart one that holds run/NAME.lock is waited for, one that died
 * with us is started again with what hold kept; only then the core is told of the module.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/admin/admin.h"
#include "daemon/guests/internal.h"
#include "daemon/hold.h"
#include "daemon/scripts/scripts.h"
#include "daemon/modules.h"
#include "platform/cgroup.h"
#include "platform/clock.h"
#include "platform/folders.h"

#define ADOPT_LIMIT_NS	 (2 * NS_PER_S) /* then it is said that we wait */
#define ADOPT_LOOK_NS	 (100 * NS_PER_MS)
#define HEALTHY_NS	 NS_PER_S
#define BACKOFF_FIRST_NS (20 * NS_PER_MS)
#define BACKOFF_MAX_NS	 (300 * NS_PER_MS)
#define BACKOFF_MUTE_NS \
	(5 * NS_PER_S)		     /* of those that have not come as far as a hello for a while */
#define WORDS_GAP_NS (60 * NS_PER_S) /* between events about the same words */

/* ---- starting ---- */

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
	int count = hold_list(module, out, FS_KEPT_MAX);

	for (int i = 0; i < count; i++)
		if (strcmp(out[i].name, SCRIPTS_OUTPUT_NAME) == 0)
			out[i--] = out[--count];
	return count;
}

static int launch(struct module_fs *fs)
{
	struct module *module = fs->module;
	struct paths *paths = &module->daemon->paths;
	struct handed_fd kept[FS_KEPT_MAX];
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
	bool is_mute =
		fs->missed_since_ns != 0 && now_ns - fs->missed_since_ns >= FS_HELLO_LIMIT_NS;
	int64_t max_ns = is_mute ? BACKOFF_MUTE_NS : BACKOFF_MAX_NS;

	if (!is_mute && now_ns - fs->started_ns >= HEALTHY_NS)
		fs->backoff_ns = 0;
	else
		fs->backoff_ns = MIN_OF(MAX_OF(2 * fs->backoff_ns, BACKOFF_FIRST_NS), max_ns);
	loop_arm(&fs->module->daemon->loop, &fs->start, now_ns + fs->backoff_ns);
}

/* ---- its end ---- */

/*
 * Nobody carries on with what it left. What hangs in the mount must come free, or not even a SIGKILL
 * would end the application: with the last descriptor the kernel ends the connection. The dead mount
 * stays where it is as long as something may write there; the evenkeel-fs that is started to stop it
 * takes it away (fs/parts.c), or we do (give_up()).
 */
static void abandon(struct module_fs *fs, const char *why)
{
	fs_process_forget(fs);
	if (fs->is_adopting) { /* the core hears that nothing runs */
		fs->is_wanted = false;
		return;
	}
	fs->unfit = why;
	fs_post_unfit(fs);
}

/* Started again it would end again. */
static void on_unfit(struct module_fs *fs)
{
	struct module *module = fs->module;

	daemon_log(module->daemon, module, SEVERITY_ERROR, "fs.other_version",
		"evenkeel-fs was replaced by another version while module '%s' was mounted on this "
		"node, then it ended, and the new one cannot carry on with the requests that the "
		"old one had in its memory. Nothing that was acknowledged is lost. The other node "
		"takes over if its copy is up to date. Look at `evenkeel status`; then `evenkeel "
		"start %s` here. Before the next upgrade: `evenkeel stop %s` on the node that is "
		"to be upgraded.",
		module->settings.name, module->settings.name, module->settings.name);
	abandon(fs, "it was replaced by another version while it ran; the disk is not to blame");
}

static bool is_stopping(const struct module_fs *fs)
{
	return !fs->is_adopting && fs->has_role_order &&
	       fs->role_order.order.order == FS_ORDER_STOP;
}

/* Does anything wait for a successor? Where nothing was mounted, trying on harms nobody. */
static bool is_waited_for(const struct module_fs *fs)
{
	struct handed_fd kept[FS_KEPT_MAX];
	int count = list_kept(fs->module, kept);

	for (int i = 0; i < count; i++)
		if (strncmp(kept[i].name, "fuse.", 5) == 0)
			return true;
	return is_stopping(fs);
}

/* Whatever is wrong with it, nobody shall wait for it for ever. One that is to stop only has stopped
 * when nothing is mounted any more. */
static void give_up(struct module_fs *fs)
{
	struct module *module = fs->module;

	daemon_log(module->daemon, module, SEVERITY_ERROR, "fs.given_up",
		"evenkeel-fs of module '%s' ended, and for %lld s none that was started in its "
		"place "
		"came as far as serving. Whoever waits for the directories here gets errors from "
		"now "
		"on; nothing that was acknowledged is lost. The other node takes over if its copy "
		"is "
		"up to date. Mend what `evenkeel log` says of evenkeel-fs just before this (is "
		"evenkeel installed whole? can its state be read?), then `evenkeel start %s` here.",
		module->settings.name, (long long)(FS_HELLO_LIMIT_NS / NS_PER_S),
		module->settings.name);
	if (is_stopping(fs)) {
		fs_force_take(fs);
		fs_process_forget(fs);
		fs_stopped_without(fs);
		return;
	}
	fs_force_note(fs);
	bool is_said = fs->has_words && fs->words[0] != '\0';
	abandon(fs, is_said ? fs->words
			    : "it ended and cannot be started again; `evenkeel log` says why");
}

static void try_on(struct module_fs *fs)
{
	int64_t now_ns = clock_boot_ns();

	if (fs->missed_since_ns == 0)
		fs->missed_since_ns = now_ns;
	if (now_ns - fs->missed_since_ns >= FS_HELLO_LIMIT_NS && is_waited_for(fs))
		give_up(fs);
	else
		back_off(fs);
}

static void say_cannot_start(struct module_fs *fs, int error)
{
	daemon_log(fs->module->daemon, fs->module, SEVERITY_ERROR, "fs.cannot_start",
		"%s/evenkeel-fs cannot be started: %s. Trying on.",
		fs->module->daemon->paths.programs, strerror(-error));
	try_on(fs);
}

/* One that cannot begin ends each time that it is started: the same words are logged now and then. */
static void say_ended(struct module_fs *fs, int status)
{
	struct module *module = fs->module;
	char words[FS_DETAIL_MAX] = "";
	int64_t now_ns = clock_boot_ns();

	if (fs->has_words)
		fs_words_read(module, words, sizeof(words));
	bool is_same = fs->words_ns != 0 && strcmp(words, fs->words) == 0;
	(void)snprintf(fs->words, sizeof(fs->words), "%s", words);
	if (is_same && now_ns - fs->words_ns < WORDS_GAP_NS)
		return;
	fs->words_ns = fs->has_words ? now_ns : 0;
	daemon_log(module->daemon, module, SEVERITY_WARNING, "fs.ended",
		"evenkeel-fs ended by itself with status %d%s%s.", status,
		words[0] == '\0' ? "" : ": ", words);
}

static void post_died(struct module_fs *fs)
{
	struct event event = { .type = EVENT_FS_REPORTED,
		.module = fs->module->settings.number,
		.fs.report = FS_REPORT_DIED };

	if (fs->has_words)
		(void)snprintf(event.fs.detail, sizeof(event.fs.detail), "%s", fs->words);
	fs_post(fs->module, &event);
}

static void on_process_ended(void *owner, uint32_t events)
{
	struct module_fs *fs = owner;
	struct module *module = fs->module;
	int status = 0;

	(void)events;
	/* What it said last, an answer to "stop" perhaps, comes first. */
	while (fs->socket >= 0)
		fs_hear(fs, 0);
	loop_remove(&module->daemon->loop, &fs->process_watch);
	int error = fs->is_child ? process_reap(&fs->process, &status) : -ECHILD;
	bool is_known = error == 0;
	process_close(&fs->process);
	admin_fs_lost(module->daemon, module);
	if (!fs->is_wanted)
		return;
	if (!is_known && error != -ECHILD) {
		say_cannot_start(fs, error);
		return;
	}
	if (is_known && WIFEXITED(status) && WEXITSTATUS(status) == CONTROL_EXIT_UNFIT) {
		on_unfit(fs);
		return;
	}
	fs->has_words = is_known && WIFEXITED(status) && !fs->has_greeted;
	if (is_known && WIFEXITED(status))
		say_ended(fs, WEXITSTATUS(status));
	else if (is_known)
		daemon_log(module->daemon, module, SEVERITY_WARNING, "fs.killed",
			"evenkeel-fs was ended by signal %d.", WTERMSIG(status));
	post_died(fs);
	try_on(fs);
}

static void watch_process(struct module_fs *fs)
{
	fs->process_watch = (struct watch){
		.fd = fs->process.pidfd, .owner = fs, .on_ready = on_process_ended
	};
	int error = loop_add(&fs->module->daemon->loop, &fs->process_watch, EPOLLIN);
	CHECK(error == 0);
}

void fs_process_start(void *owner)
{
	struct module_fs *fs = owner;

	if (fs->process.pidfd >= 0)
		return;
	fs->has_greeted = fs->has_words = false;
	fs_words_forget(fs->module);
	int error = launch(fs);
	fs->started_ns = clock_boot_ns();
	if (error != 0) {
		say_cannot_start(fs, error);
		return;
	}
	fs->is_child = true;
	watch_process(fs);
}

int fs_process_follow(struct module_fs *fs, pid_t pid)
{
	struct loop *loop = &fs->module->daemon->loop;

	loop_remove(loop, &fs->process_watch);
	process_close(&fs->process);
	int error = process_watch(pid, &fs->process);
	if (error != 0)
		return error;
	fs->is_child = false;
	fs->started_ns = clock_boot_ns();
	loop_disarm(loop, &fs->start);
	watch_process(fs);
	return 0;
}

/* Stopped in order: what its predecessors left for a successor holds nothing any more. */
void fs_process_forget(struct module_fs *fs)
{
	struct handed_fd kept[FS_KEPT_MAX];
	int count = list_kept(fs->module, kept);

	for (int i = 0; i < count; i++)
		hold_forget(fs->module, kept[i].name);
}

/* ---- what runs from before our start ---- */

static bool is_lock_held(const struct module *module)
{
	char path[PATH_SIZE_MAX];

	node_file_path(
		path, NODE_FILE_MODULE_LOCK, module->daemon->paths.run, module->settings.name);
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
	struct handed_fd kept[FS_KEPT_MAX];
	int64_t now_ns = clock_boot_ns();

	if (!is_lock_held(module) && fs->process.pidfd < 0) {
		if (list_kept(module, kept) == 0) {
			fs->is_adopting = false;
			modules_tell_core(module, NULL);
			return;
		}
		fs->is_wanted = true;
		if (!loop_is_armed(&fs->start))
			fs_process_start(fs);
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

void fs_process_adopt(struct module_fs *fs)
{
	fs->process.pidfd = -1;
	fs->start = (struct timer){ .owner = fs, .on_due = fs_process_start };
	fs->adopt = (struct timer){ .owner = fs, .on_due = on_adopt };
	fs->is_adopting = true;
	fs->adopt_since_ns = clock_boot_ns();
	on_adopt(fs);
}

/* The process is left alone: it outlives us, or has nothing to do. */
void fs_process_done(struct module_fs *fs)
{
	struct loop *loop = &fs->module->daemon->loop;

	loop_remove(loop, &fs->process_watch);
	loop_disarm(loop, &fs->start);
	loop_disarm(loop, &fs->adopt);
	process_close(&fs->process);
}
