/*
 * evenkeeld: starts, runs the loop, ends. What it does is told in daemon.h.
 *
 * Order of the start: configuration, lock (one evenkeeld a node), loop, memory and priority, core,
 * beats, the parts, the modules (which a thread reads), and then the parts that let somebody in. It
 * ends with status 0 only when asked to (SIGTERM); evenkeel-hold starts it again after any other end.
 */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/addresses/addresses.h"
#include "daemon/admin/admin.h"
#include "daemon/arbiters/arbiters.h"
#include "daemon/footing.h"
#include "daemon/guests/guests.h"
#include "daemon/hold.h"
#include "daemon/mesh/mesh.h"
#include "daemon/modules.h"
#include "daemon/reading.h"
#include "daemon/records.h"
#include "daemon/shutdown.h"
#include "daemon/watch/watch.h"
#include "platform/clock.h"
#include "platform/folders.h"
#include "platform/process.h"
#include "platform/terminal.h"

#define LOAD_LIMIT_NS (5 * NS_PER_S)
#define LATE_NS	      (100 * NS_PER_MS)

static const struct option options[] = {
	FOLDERS(FOLDER_GETOPT){ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help[] =
	"evenkeeld: decides and acts for this node; started by evenkeel-hold\n" FOLDERS(
		FOLDER_HELP);

static void say(const char *sentence)
{
	fprintf(stderr, "evenkeeld: %s\n", sentence);
}

/* ---- configuration ---- */

static int copy_path(char out[PATH_SIZE_MAX], const char *path)
{
	if (!folder_is_usable(path)) {
		say("a folder's path is too long");
		return -ENAMETOOLONG;
	}
	(void)snprintf(out, PATH_SIZE_MAX, "%s", path);
	return 0;
}

static int read_options(struct paths *paths, int count, char **arguments)
{
	char *const places[FOLDER_COUNT] = { [FOLDER_CONFIG] = paths->config,
		[FOLDER_STATE] = paths->state,
		[FOLDER_RUN] = paths->run };
	int error = 0;

	for (int i = 0; i < FOLDER_COUNT && error == 0; i++)
		error = copy_path(places[i], folder_rows[i].standard);
	for (int option; error == 0;) {
		option = getopt_long(count, arguments, "", options, NULL);
		if (option == -1)
			break;
		if (option >= FOLDER_GIVEN) {
			error = copy_path(places[option - FOLDER_GIVEN], optarg);
		} else {
			fputs(help, option == 'h' ? stdout : stderr);
			exit(option == 'h' ? EXIT_SUCCESS : EXIT_FAILURE);
		}
	}
	return error;
}

static int find_programs(struct paths *paths)
{
	char self[PATH_MAX] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return -errno;
	return copy_path(paths->programs, dirname(self));
}

static int read_config(struct daemon *daemon)
{
	char path[PATH_SIZE_MAX];
	struct config_error wrong = { .sentence = "" };

	node_file_path(path, NODE_FILE_CLUSTER, daemon->paths.config, NULL);
	int error = config_read_cluster(path, &daemon->cluster, &wrong);
	if (error == 0)
		error = config_read_self(
			daemon->paths.config, &daemon->cluster, &daemon->self, &wrong);
	if (error != 0)
		say(wrong.sentence);
	return error;
}

/* ---- core ---- */

/* The core measures its own lateness and excuses others for it (R16); people should know as well.
 */
static void on_core_due(void *owner)
{
	struct daemon *daemon = owner;
	int64_t late_ns = clock_boot_ns() - loop_due_ns(&daemon->core_timer);

	if (late_ns >= LATE_NS)
		daemon_log(daemon, NULL, SEVERITY_WARNING, "daemon.late",
			"evenkeeld was %lld ms late: this machine is overloaded, or was stopped. "
			"It suspects the other node as much later.",
			(long long)(late_ns / NS_PER_MS));
	daemon_post(daemon, &(struct event){ .type = EVENT_TIME_PASSED });
}

static int open_core(struct daemon *daemon)
{
	const struct cluster_config *cluster = &daemon->cluster;
	struct core_config config = { .self = daemon->self->id,
		.node_count = cluster->node_count,
		.beat_ns = cluster->beat_ns,
		.silence_ns = cluster->silence_ns,
		.margin_ns = cluster->margin_ns,
		.arbiter = cluster->arbiter };

	while (daemon->boot_nonce == 0) /* zero means none */
		daemon->boot_nonce = daemon_random();
	config.boot_nonce = daemon->boot_nonce;
	for (uint8_t i = 0; i < cluster->node_count; i++)
		config.nodes[i] = cluster->nodes[i].id;
	daemon->core = calloc(1, core_size());
	daemon->actions = calloc(1, sizeof(*daemon->actions));
	daemon->event_queue = calloc(DAEMON_QUEUE_MAX, sizeof(*daemon->event_queue));
	if (daemon->core == NULL || daemon->actions == NULL || daemon->event_queue == NULL)
		return -ENOMEM;
	daemon->core_timer = (struct timer){ .owner = daemon, .on_due = on_core_due };
	core_init(daemon->core, &config);
	return 0;
}

/* ---- signals ---- */

static void on_signal(void *owner, uint32_t events)
{
	struct daemon *daemon = owner;
	struct signalfd_siginfo info;

	(void)events;
	if (read(daemon->signal_watch.fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	daemon_log(daemon, NULL, SEVERITY_INFO, "daemon.stopping",
		"evenkeeld was told to end (signal %u); stopping the modules of this node.",
		info.ssi_signo);
	/* What runs from before our start is stopped as well: once we know of it, or the second time. */
	if (daemon->is_loaded || daemon->is_end_wanted)
		shutdown_start(daemon);
	daemon->is_end_wanted = true;
}

static int open_signals(struct daemon *daemon)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	process_ignore_broken_pipes();
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	daemon->signal_watch = (struct watch){ .owner = daemon, .on_ready = on_signal };
	daemon->signal_watch.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return daemon->signal_watch.fd < 0
		       ? -errno
		       : loop_add(&daemon->loop, &daemon->signal_watch, EPOLLIN);
}

/* ---- the whole ---- */

static const struct part {
	const char *name;
	int (*open)(struct daemon *daemon);
	void (*close)(struct daemon *daemon);
	bool is_door; /* opened once the modules are there: who comes in asks for one of them */
} parts[] = {
	{ "hold", hold_open, hold_close, false },
	{ "mesh", mesh_open, mesh_close, false },
	{ "configuration", reading_open, reading_close, false },
	{ "records", records_open, records_close, false },
	{ "addresses", addresses_open, addresses_close, false },
	{ "watch", watch_open, watch_close, false },
	{ "arbiter", arbiter_open, arbiter_close, false },
	{ "control", fs_open, fs_close, true },
	{ "streams", streams_open, streams_close, true },
	{ "admin", admin_open, admin_close, true },
};

static int open_parts(struct daemon *daemon, bool are_doors)
{
	for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
		int error = parts[i].is_door == are_doors ? parts[i].open(daemon) : 0;
		if (error == 0)
			continue;
		daemon_log(daemon, NULL, SEVERITY_ERROR, "daemon.cannot_start",
			"evenkeeld cannot start its part '%s': %s.", parts[i].name,
			strerror(-error));
		return error;
	}
	return 0;
}

/* False: they cannot be opened; the daemon ends, and is started again. */
static bool open_doors(struct daemon *daemon)
{
	if (!daemon->are_doors_open && open_parts(daemon, true) != 0) {
		daemon->should_restart = true;
		daemon->loop.should_stop = true;
		return false;
	}
	daemon->are_doors_open = true;
	return true;
}

static void on_modules_read(struct daemon *daemon, uint32_t request, struct reading *reading)
{
	(void)request;
	loop_disarm(&daemon->loop, &daemon->load_timer);
	if (!open_doors(daemon))
		return;
	modules_load(daemon, reading);
	daemon->is_loaded = true;
	if (daemon->is_end_wanted)
		shutdown_start(daemon);
}

/* Who asks for the status finds no modules; but somebody has to say why. */
static void on_load_slow(void *owner)
{
	struct daemon *daemon = owner;

	daemon_log(daemon, NULL, SEVERITY_ERROR, "config.hangs",
		"%s/modules cannot be read: its disk has not answered for %lld s. The modules of "
		"this node wait for it; heartbeats go on. Repair that disk.",
		daemon->paths.config, (long long)(LOAD_LIMIT_NS / NS_PER_S));
	(void)open_doors(daemon); /* else the loop ends */
}

static int ask_for_modules(struct daemon *daemon)
{
	daemon->load_timer = (struct timer){ .owner = daemon, .on_due = on_load_slow };
	loop_arm(&daemon->loop, &daemon->load_timer, clock_boot_ns() + LOAD_LIMIT_NS);
	return reading_ask(daemon, READING_AT_START, 0, on_modules_read);
}

static int start(struct daemon *daemon)
{
	int error = loop_open(&daemon->loop);
	if (error == 0)
		error = open_signals(daemon);
	if (error == 0)
		error = events_open(daemon->paths.state, daemon->self->name, &daemon->events);
	if (error != 0) {
		say(strerror(-error));
		return error;
	}
	footing_protect(daemon);
	footing_find_cgroup(daemon);
	error = open_core(daemon);
	if (error == 0)
		error = open_parts(daemon, false);
	if (error != 0)
		return error;
	daemon_log(daemon, NULL, SEVERITY_INFO, "daemon.started", "evenkeeld has started.");
	daemon_post(daemon, &(struct event){ .type = EVENT_STARTED });
	return ask_for_modules(daemon);
}

static void stop(struct daemon *daemon)
{
	loop_disarm(&daemon->loop, &daemon->load_timer);
	records_close(daemon);
	modules_close(daemon);
	for (size_t i = ARRAY_COUNT(parts); i > 0; i--)
		parts[i - 1].close(daemon);
	if (daemon->events != NULL)
		daemon_log(daemon, NULL, SEVERITY_INFO, "daemon.ended", "evenkeeld has ended.");
	events_close(daemon->events);
}

int main(int count, char **arguments)
{
	static struct daemon memory; /* to the end: a thread that hangs may still look at it */
	struct daemon *daemon = &memory;

	terminal_guard();
	(void)umask(022);
	int error = read_options(&daemon->paths, count, arguments);
	if (error == 0)
		error = find_programs(&daemon->paths);
	if (error == 0)
		error = read_config(daemon);
	if (error == 0)
		error = footing_make_folders(&daemon->paths);
	if (error == 0)
		error = footing_take_lock(&daemon->paths);
	if (error != 0)
		return EXIT_FAILURE;
	error = start(daemon);
	if (error == 0)
		error = loop_run(&daemon->loop);
	stop(daemon);
	/* Any other status, and evenkeel-hold starts us again: with what cluster.yaml says now. */
	bool is_success = error == 0 && !daemon->should_restart && !daemon->has_failed;
	return is_success ? EXIT_SUCCESS : EXIT_FAILURE;
}
