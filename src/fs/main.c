/*
 * evenkeel-fs: the file system of one mirror module. Started by evenkeeld, with what a predecessor
 * left as descriptors (docs/architecture.md); or by hand, with --standalone, for trying and for
 * tests: primary, alone, without a peer, until SIGTERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fs/service.h"
#include "platform/fdstore.h"
#include "platform/folders.h"
#include "platform/process.h"
#include "platform/terminal.h"

#define LOCK_TRIES	  100 /* of 20 ms: a dying predecessor lets go */
#define DESCRIPTORS	  65536
#define STANDALONE_MODULE "standalone"

/* As the last words of this process; without them standard error has it. */
static void leave_words(const struct service *service, const char *what, const char *why)
{
	char path[PATH_SIZE_MAX];

	node_file_path(path, NODE_FILE_WORDS, service->options.run, service->options.module);
	FILE *file = fopen(path, "we");
	if (file == NULL)
		return;
	(void)fprintf(file, "%s: %s\n", what, why);
	(void)fclose(file);
}

void service_complain(const struct service *service, const char *what, const char *why)
{
	(void)fprintf(stderr, "evenkeel-fs: %s: %s\n", what, why);
	if (!service->options.is_standalone)
		leave_words(service, what, why);
}

/* ---- options ---- */

static const char usage[] =
	"usage: evenkeel-fs --module NAME [--config DIR] [--state DIR] [--run DIR]\n"
	"       evenkeel-fs --standalone --directory DIR --state DIR --run DIR\n"
	"\n"
	"The file system of one mirror module; evenkeeld starts it.\n"
	"--standalone mounts over DIR without a peer, for trying and for tests, until SIGTERM.\n";

static int parse_options(int count, char **words, struct options *out)
{
	static const struct option known[] = {
		FOLDERS(FOLDER_GETOPT){ "module", required_argument, NULL, 'm' },
		{ "directory", required_argument, NULL, 'd' },
		{ "standalone", no_argument, NULL, 'a' },
		{ NULL, 0, NULL, 0 },
	};
	int letter;

	*out = (struct options){ .config = folder_rows[FOLDER_CONFIG].standard,
		.state = folder_rows[FOLDER_STATE].standard,
		.run = folder_rows[FOLDER_RUN].standard };
	while ((letter = getopt_long(count, words, "", known, NULL)) != -1) {
		switch (letter) {
		case 'm': out->module = optarg; break;
		case FOLDER_GIVEN + FOLDER_CONFIG: out->config = optarg; break;
		case FOLDER_GIVEN + FOLDER_STATE: out->state = optarg; break;
		case FOLDER_GIVEN + FOLDER_RUN: out->run = optarg; break;
		case 'd': out->directory = optarg; break;
		case 'a': out->is_standalone = true; break;
		default: return -EINVAL;
		}
	}
	if (out->is_standalone && out->module == NULL)
		out->module = STANDALONE_MODULE;
	bool is_complete = out->module != NULL && out->is_standalone == (out->directory != NULL);
	bool has_room = folder_is_usable(out->config) && folder_is_usable(out->state) &&
			folder_is_usable(out->run) && out->module != NULL &&
			strlen(out->module) <= MODULE_NAME_MAX;
	return is_complete && has_room && optind == count ? 0 : -EINVAL;
}

/* ---- serving ---- */

static void *run_order_thread(void *context)
{
	struct service *service = context;

	if (service->front.mounts[0].is_mounted &&
		front_resume(&service->front, service->role) != 0)
		abort(); /* the next one may have more luck; nothing was answered */
	atomic_store(&service->is_recovering, false);
	return roles_run(service);
}

static int serve(struct service *service)
{
	pthread_t thread;
	bool is_resumed;
	int error = parts_adopt(service, &is_resumed);

	if (error == -EPROTO)
		service_complain(service, "cannot continue what was running",
			"its requests lie in memory as another version of evenkeel-fs keeps them");
	else if (error != 0)
		service_complain(service, "cannot continue what was running", strerror(-error));
	service->is_unfit = error == -EPROTO;
	if (error == 0)
		atomic_store(&service->is_recovering, is_resumed);
	if (error == 0)
		error = -pthread_create(&thread, NULL, run_order_thread, service);
	if (error != 0)
		return error;
	control_run(service);
	(void)pthread_join(thread, NULL);
	return 0;
}

static int serve_standalone(struct service *service, const sigset_t *ends)
{
	int signal_number, error = roles_be_alone(service);

	if (error != 0)
		return error;
	(void)fprintf(stderr, "evenkeel-fs: %s is mounted; stop with SIGTERM\n",
		service->options.directory);
	do {
		(void)sigwait(ends, &signal_number); /* cannot fail with a valid set */
		error = roles_stop(service, false);
		if (error != 0)
			service_complain(service, service->options.directory,
				service->front.refused[0] != '\0' ? service->front.refused
								  : strerror(-error));
	} while (error == -EBUSY);
	return error;
}

/* ---- starting ---- */

static int take_lock(struct service *service)
{
	struct timespec pause = { .tv_nsec = 20000000 };
	char path[PATH_SIZE_MAX];

	struct stat st;

	node_file_path(path, NODE_FILE_MODULE_LOCK, service->options.run, service->options.module);
	/* A predecessor touched it for as long as it lived; without one it is made now. */
	if (stat(path, &st) == 0)
		service->predecessor_alive_ns =
			(int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
	service->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	for (int i = 0; service->lock_fd >= 0 && i < LOCK_TRIES; i++) {
		if (flock(service->lock_fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		(void)nanosleep(&pause, NULL);
	}
	service_complain(service, path,
		service->lock_fd < 0 ? strerror(errno)
				     : "another evenkeel-fs of this module still runs");
	return -EBUSY;
}

static void raise_limits(void)
{
	struct rlimit limit = { .rlim_cur = DESCRIPTORS, .rlim_max = DESCRIPTORS };

	(void)setrlimit(
		RLIMIT_NOFILE, &limit); /* with fewer the cache of descriptors fails softly */
	(void)umask(0);
	/* Memory that is short must not be reclaimed by writing to our own mount. */
	(void)prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

static void init_service(struct service *service, const struct options *options)
{
	service->options = *options;
	service->socket = service->lock_fd = -1;
	lock_init(&service->socket_lock, RANK_SERVICE_SOCKET);
	lock_init(&service->role_lock, RANK_SERVICE_ROLE);
	lock_init(&service->order_lock, RANK_SERVICE_ORDERS);
	looker_init(&service->looker);
	condition_init(&service->ordered);
	front_init(&service->front);
	service->front.report_context = service;
	if (!options->is_standalone) {
		service->front.on_local_failed = parts_on_local_failed;
		service->front.keeper = (struct keeper){
			.context = service, .store = service_store, .unstore = service_unstore
		};
	}
}

int main(int count, char **words)
{
	/* As long as the process: threads that nobody waits for may still be on their way out. */
	static struct service the_service;
	struct service *service = &the_service;
	struct options options;
	sigset_t ends;

	terminal_guard();
	if (parse_options(count, words, &options) != 0) {
		(void)fputs(usage, stderr);
		return 2;
	}
	process_ignore_broken_pipes();
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	if (options.is_standalone)
		(void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
	init_service(service, &options);
	service->handed_count = fdstore_inherited(service->handed, HANDED_MAX);
	raise_limits();
	if (take_lock(service) != 0)
		return 1;
	if (options.is_standalone)
		parts_configure_standalone(service);
	else if (parts_configure(service) != 0)
		return 1;
	int error = parts_open(service);
	if (error == 0)
		error = options.is_standalone ? serve_standalone(service, &ends) : serve(service);
	replicator_close(service->replicator);
	tree_close(service->front.tree); /* marks the index as clean */
	if (service->is_unfit)
		return CONTROL_EXIT_UNFIT;
	return error == 0 ? 0 : 1;
}
