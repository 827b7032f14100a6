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
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fs/service.h"
#include "platform/fdstore.h"

#define HANDED_MAX	  64
#define LOCK_TRIES	  100 /* of 20 ms: a dying predecessor lets go */
#define DESCRIPTORS	  65536
#define STANDALONE_MODULE "standalone"

static void say(const char *what, const char *why)
{
	(void)fprintf(stderr, "evenkeel-fs: %s: %s\n", what, why);
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
		{ "module", required_argument, NULL, 'm' },
		{ "config", required_argument, NULL, 'c' },
		{ "state", required_argument, NULL, 's' },
		{ "run", required_argument, NULL, 'r' },
		{ "directory", required_argument, NULL, 'd' },
		{ "standalone", no_argument, NULL, 'a' },
		{ NULL, 0, NULL, 0 },
	};
	int letter;

	*out = (struct options){
		.config = "/etc/evenkeel", .state = "/var/lib/evenkeel", .run = "/run/evenkeel"
	};
	while ((letter = getopt_long(count, words, "", known, NULL)) != -1) {
		switch (letter) {
		case 'm': out->module = optarg; break;
		case 'c': out->config = optarg; break;
		case 's': out->state = optarg; break;
		case 'r': out->run = optarg; break;
		case 'd': out->directory = optarg; break;
		case 'a': out->is_standalone = true; break;
		default: return -EINVAL;
		}
	}
	if (out->is_standalone && out->module == NULL)
		out->module = STANDALONE_MODULE;
	bool is_complete = out->module != NULL && out->is_standalone == (out->directory != NULL);
	return is_complete && optind == count ? 0 : -EINVAL;
}

/* ---- configuration ---- */

static int read_node_name(const char *config, char *out, size_t size)
{
	char path[PATH_SIZE_MAX];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/node", config);
	file = fopen(path, "re");
	if (file == NULL || fgets(out, (int)size, file) == NULL) {
		say(path, file == NULL ? strerror(errno) : "is empty; it holds this node's name");
		if (file != NULL)
			(void)fclose(file);
		return -EINVAL;
	}
	(void)fclose(file);
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

static int find_nodes(struct service *service, const char *name)
{
	const struct node_config *self = config_node_by_name(&service->cluster, name);

	if (self == NULL) {
		say(name, "this node is not in cluster.yaml");
		return -EINVAL;
	}
	service->self = self->id;
	for (int i = 0; i < 2; i++) {
		const struct node_config *node =
			config_node_by_name(&service->cluster, service->module.nodes[i]);
		if (node != NULL && node->id != self->id)
			service->peer = node->id;
	}
	if (service->peer == 0) {
		say(service->module.name, "the module's other node is not in cluster.yaml");
		return -EINVAL;
	}
	return 0;
}

static int read_configuration(struct service *service)
{
	char path[PATH_SIZE_MAX], name[NODE_NAME_MAX + 2];
	struct config_error why = { 0 };
	int error;

	(void)snprintf(path, sizeof(path), "%s/cluster.yaml", service->options.config);
	error = config_read_cluster(path, &service->cluster, &why);
	(void)snprintf(path, sizeof(path), "%s/modules/%s", service->options.config,
		service->options.module);
	if (error == 0)
		error = config_read_module(path, &service->module, &why);
	if (error != 0) {
		say("configuration", why.sentence);
		return error;
	}
	error = read_node_name(service->options.config, name, sizeof(name));
	return error != 0 ? error : find_nodes(service, name);
}

static void configure_standalone(struct service *service)
{
	const struct options *options = &service->options;

	service->self = 1;
	service->module.durability = DURABILITY_CALL;
	service->module.directory_count = 1;
	(void)snprintf(service->module.name, sizeof(service->module.name), "%s", options->module);
	(void)snprintf(service->module.directories[0], sizeof(service->module.directories[0]), "%s",
		options->directory);
}

/* ---- what a predecessor left ---- */

static struct handed_fd handed[HANDED_MAX];
static int handed_count;

/* Gives the descriptor and forgets it here; -1 if it was not handed over. */
static int take_handed(const char *name)
{
	for (int i = 0; i < handed_count; i++) {
		if (strcmp(handed[i].name, name) == 0) {
			int fd = handed[i].fd;
			handed[i] = handed[--handed_count];
			return fd;
		}
	}
	return -1;
}

static int take_handed_number(const char *name, int number)
{
	char full[32];

	(void)snprintf(full, sizeof(full), "%s.%d", name, number);
	return take_handed(full);
}

static int make_log(const char *name, int *out_fd)
{
	*out_fd = memfd_create(name, MFD_CLOEXEC);
	return *out_fd < 0 ? -errno : 0;
}

static int open_logs(struct service *service)
{
	int error = 0;

	service->send_log_fd = take_handed("send_log");
	service->receive_log_fd = take_handed("receive_log");
	service->is_fresh = service->send_log_fd < 0 || service->receive_log_fd < 0;
	if (service->send_log_fd < 0)
		error = make_log("evenkeel-send-log", &service->send_log_fd);
	if (error == 0 && service->receive_log_fd < 0)
		error = make_log("evenkeel-receive-log", &service->receive_log_fd);
	if (error != 0)
		return error;
	service_store(service, "send_log", service->send_log_fd);
	service_store(service, "receive_log", service->receive_log_fd);
	return 0;
}

/* A mount of ours whose connection died with everybody who held it is in the way. */
static int open_root(const char *path, int *out_fd)
{
	*out_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*out_fd < 0 && errno == ENOTCONN && umount2(path, MNT_DETACH) == 0)
		*out_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *out_fd < 0 ? -errno : 0;
}

static int open_roots(struct service *service)
{
	struct front *front = &service->front;

	front->mount_count = service->module.directory_count;
	for (int i = 0; i < front->mount_count; i++) {
		struct mount *mount = &front->mounts[i];
		int error = 0;
		(void)snprintf(
			mount->path, sizeof(mount->path), "%s", service->module.directories[i]);
		mount->root_fd = take_handed_number("root", i);
		if (mount->root_fd < 0)
			error = open_root(mount->path, &mount->root_fd);
		if (error != 0) {
			say(mount->path, strerror(-error));
			return error;
		}
	}
	return 0;
}

static int open_store(struct service *service)
{
	struct tree_root roots[ROOTS_MAX];
	char index[PATH_SIZE_MAX];
	struct front *front = &service->front;
	int error;

	for (int i = 0; i < front->mount_count; i++)
		roots[i] = (struct tree_root){ .path = front->mounts[i].path,
			.fd = front->mounts[i].root_fd };
	(void)snprintf(index, sizeof(index), "%s/%s.index", service->options.state,
		service->options.module);
	error = tree_open(roots, front->mount_count, index, &front->tree);
	if (error == -ENOTSUP)
		say(roots[0].path, "its file system has no trusted.* attributes or file handles; "
				   "use ext4, XFS or btrfs");
	else if (error != 0)
		say(index, strerror(-error));
	return error;
}

/* ---- the parts together ---- */

static void on_answerable(void *context, uint64_t sequence)
{
	struct service *service = context;

	answers_on_answerable(&service->front, sequence);
}

static void on_synced(void *context, uint64_t sequence, int error)
{
	struct service *service = context;

	answers_on_synced(&service->front, sequence, error);
}

static void on_report(void *context, const struct replicator_report *report)
{
	struct service *service = context;

	if (report->report == FS_REPORT_IS_PRIMARY)
		roles_promoted(service);
	service_say(service, report);
}

static void on_applied(void *context, const struct op *op)
{
	struct service *service = context;

	front_on_applied(&service->front, op);
}

static void on_local_failed(void *context, int error)
{
	service_report(context, FS_REPORT_LOCAL_FAILED, error, strerror(-error));
}

static int open_replicator(struct service *service)
{
	char state[PATH_SIZE_MAX], tls[PATH_SIZE_MAX];
	const struct replicator_callbacks callbacks = { .context = service,
		.on_answerable = on_answerable,
		.on_synced = on_synced,
		.on_report = on_report,
		.on_applied = on_applied };
	struct replicator_config config = { .cluster = &service->cluster,
		.module = &service->module,
		.self = service->self,
		.peer = service->peer,
		.tree = service->front.tree,
		.order = service->front.order,
		.send_log_fd = service->send_log_fd,
		.receive_log_fd = service->receive_log_fd,
		.is_fresh = service->is_fresh,
		.state_path = state,
		.tls_folder = service->options.is_standalone ? NULL : tls };

	(void)snprintf(
		state, sizeof(state), "%s/%s.fs", service->options.state, service->options.module);
	(void)snprintf(tls, sizeof(tls), "%s/tls", service->options.config);
	int error = replicator_open(&config, &callbacks, &service->replicator);
	service->front.replicator = service->replicator;
	if (error != 0)
		say(state, strerror(-error));
	return error;
}

static int adopt(struct service *service, bool *out_is_resumed)
{
	struct front *front = &service->front;

	*out_is_resumed = false;
	for (int i = 0; i < front->mount_count; i++) {
		int fuse_fd = take_handed_number("fuse", i);
		int ring_fd = take_handed_number("ring", i);
		if (fuse_fd >= 0 && ring_fd >= 0) {
			int error = front_adopt(front, i, fuse_fd, ring_fd);
			if (error != 0 && error != -ENODEV)
				return error;
		}
	}
	*out_is_resumed = front->mounts[0].is_mounted;
	return *out_is_resumed ? roles_resume(service) : 0;
}

static int open_parts(struct service *service)
{
	int error = open_roots(service);

	if (error == 0)
		error = open_logs(service);
	if (error == 0)
		error = open_store(service);
	service->front.order = order_new();
	if (error == 0 && service->front.order == NULL)
		error = -ENOMEM;
	if (error == 0)
		error = open_replicator(service);
	return error;
}

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
	int error = adopt(service, &is_resumed);

	if (error != 0)
		say("cannot continue what was running", strerror(-error));
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
		error = roles_stop(service);
		if (error != 0)
			say(service->options.directory, service->front.refused[0] != '\0'
								? service->front.refused
								: strerror(-error));
	} while (error == -EBUSY);
	return error;
}

/* ---- starting ---- */

static int take_lock(struct service *service)
{
	struct timespec pause = { .tv_nsec = 20000000 };
	char path[PATH_SIZE_MAX];

	(void)snprintf(
		path, sizeof(path), "%s/%s.lock", service->options.run, service->options.module);
	service->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	for (int i = 0; service->lock_fd >= 0 && i < LOCK_TRIES; i++) {
		if (flock(service->lock_fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		(void)nanosleep(&pause, NULL);
	}
	say(path, service->lock_fd < 0 ? strerror(errno)
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

static struct service *service_new(const struct options *options)
{
	struct service *service = calloc(1, sizeof(*service));

	if (service == NULL)
		return NULL;
	service->options = *options;
	service->socket = service->lock_fd = -1;
	CHECK(pthread_mutex_init(&service->socket_lock, NULL) == 0);
	CHECK(pthread_mutex_init(&service->role_lock, NULL) == 0);
	CHECK(pthread_mutex_init(&service->order_lock, NULL) == 0);
	CHECK(pthread_cond_init(&service->ordered, NULL) == 0);
	front_init(&service->front);
	service->front.report_context = service;
	if (!options->is_standalone) {
		service->front.on_local_failed = on_local_failed;
		service->front.keeper = (struct keeper){
			.context = service, .store = service_store, .unstore = service_unstore
		};
	}
	return service;
}

int main(int count, char **words)
{
	struct options options;
	struct service *service;
	sigset_t ends;
	int error;

	if (parse_options(count, words, &options) != 0) {
		(void)fputs(usage, stderr);
		return 2;
	}
	handed_count = fdstore_inherited(handed, HANDED_MAX);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	if (options.is_standalone)
		(void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
	service = service_new(&options);
	if (service == NULL)
		return 1;
	raise_limits();
	if (take_lock(service) != 0)
		return 1;
	if (options.is_standalone)
		configure_standalone(service);
	else if (read_configuration(service) != 0)
		return 1;
	error = open_parts(service);
	if (error == 0)
		error = options.is_standalone ? serve_standalone(service, &ends) : serve(service);
	replicator_close(service->replicator);
	tree_close(service->front.tree); /* marks the index as clean */
	return error == 0 ? 0 : 1;
}
