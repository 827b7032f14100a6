/* The parts of one evenkeel-fs: from configuration, from folders, from what a predecessor left. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "fs/service.h"
#include "platform/folders.h"

/* ---- configuration ---- */

static int read_node_name(const struct service *service, char *out, size_t size)
{
	char path[PATH_SIZE_MAX];
	FILE *file;

	node_file_path(path, NODE_FILE_SELF, service->options.config, NULL);
	file = fopen(path, "re");
	if (file == NULL || fgets(out, (int)size, file) == NULL) {
		service_complain(service, path,
			file == NULL ? strerror(errno) : "is empty; it holds this node's name");
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
		service_complain(service, name, "this node is not in cluster.yaml");
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
		service_complain(service, service->module.name,
			"the module's other node is not in cluster.yaml");
		return -EINVAL;
	}
	return 0;
}

int parts_configure(struct service *service)
{
	char path[PATH_SIZE_MAX], name[NODE_NAME_MAX + 2];
	struct config_error why = { 0 };

	node_file_path(path, NODE_FILE_CLUSTER, service->options.config, NULL);
	int error = config_read_cluster(path, &service->cluster, &why);
	node_file_path(path, NODE_FILE_MODULE, service->options.config, service->options.module);
	if (error == 0)
		error = config_read_applied(service->options.run, path, &service->module, &why);
	if (error != 0) {
		service_complain(service, "configuration", why.sentence);
		return error;
	}
	error = read_node_name(service, name, sizeof(name));
	return error != 0 ? error : find_nodes(service, name);
}

void parts_configure_standalone(struct service *service)
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

/* Gives the descriptor and forgets it here; -1 if it was not handed over. */
static int take_handed(struct service *service, const char *name)
{
	struct handed_fd *handed = service->handed;

	for (int i = 0; i < service->handed_count; i++) {
		if (strcmp(handed[i].name, name) == 0) {
			int fd = handed[i].fd;
			handed[i] = handed[--service->handed_count];
			return fd;
		}
	}
	return -1;
}

static int take_handed_number(struct service *service, const char *name, int number)
{
	char full[32];

	(void)snprintf(full, sizeof(full), "%s.%d", name, number);
	return take_handed(service, full);
}

static int make_log(const char *name, int *out_fd)
{
	*out_fd = memfd_create(name, MFD_CLOEXEC);
	return *out_fd < 0 ? -errno : 0;
}

static int open_logs(struct service *service)
{
	int error = 0;

	service->send_log_fd = take_handed(service, "send_log");
	service->receive_log_fd = take_handed(service, "receive_log");
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
		mount->root_fd = take_handed_number(service, "root", i);
		if (mount->root_fd < 0)
			error = open_root(mount->path, &mount->root_fd);
		if (error != 0) {
			service_complain(service, mount->path,
				error == -ENOENT ? "it is not there; is its disk mounted?"
						 : strerror(-error));
			return error;
		}
	}
	return 0;
}

/* Nothing that happens to the disk of the state is the application's to hear of; people are. */
static void on_index(void *context, int error)
{
	struct service *service = context;
	char detail[FS_DETAIL_MAX];

	if (error != 0)
		(void)snprintf(detail, sizeof(detail),
			"%.50s/%.30s.index cannot be written: %.30s; served on from memory, make "
			"room there",
			service->options.state, service->options.module, strerror(-error));
	else
		(void)snprintf(detail, sizeof(detail), "%.50s/%.30s.index can be written again",
			service->options.state, service->options.module);
	service_complain(service, "the object index", detail);
	service_report(service, FS_REPORT_NOTICE, error, detail);
}

static int open_store(struct service *service)
{
	struct tree_root roots[ROOTS_MAX] = { 0 };
	char index[PATH_SIZE_MAX];
	struct front *front = &service->front;

	for (int i = 0; i < front->mount_count; i++)
		roots[i] = (struct tree_root){ .path = front->mounts[i].path,
			.fd = front->mounts[i].root_fd };
	node_file_path(index, NODE_FILE_INDEX, service->options.state, service->options.module);
	int error = tree_open(roots, front->mount_count, index, &front->tree);
	if (error == -ENOTSUP)
		service_complain(service, roots[0].path,
			"its file system has no trusted.* attributes or file handles; "
			"use ext4, XFS or btrfs");
	else if (error != 0)
		service_complain(service, roots[0].path, strerror(-error));
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

static void on_report(void *context, const struct fs_reported *report)
{
	struct service *service = context;

	if (report->report == FS_REPORT_IS_PRIMARY)
		roles_promoted(service);
	if (service->options.is_standalone && report->error != 0) /* nobody else says it */
		service_complain(service, service->module.name, report->detail);
	service_say(service, report);
}

static void on_beat(void *context, const char *beat)
{
	struct control_message message = { .type = CONTROL_BEAT_CAME };

	(void)snprintf(message.beat.bytes, sizeof(message.beat.bytes), "%s", beat);
	service_tell(context, &message);
}

static void on_applied(void *context, const struct op *op)
{
	struct service *service = context;

	front_on_applied(&service->front, op);
}

void parts_on_local_failed(void *context, int error)
{
	service_report(context, FS_REPORT_LOCAL_FAILED, error, strerror(-error));
}

static int open_replicator(struct service *service)
{
	char state[PATH_SIZE_MAX], tls[PATH_SIZE_MAX], alive[PATH_SIZE_MAX];
	const struct replicator_callbacks callbacks = { .context = service,
		.on_answerable = on_answerable,
		.on_synced = on_synced,
		.on_report = on_report,
		.on_beat = on_beat,
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
		.alive_path = alive,
		.alive_ns = service->predecessor_alive_ns,
		.tls_folder = service->options.is_standalone ? NULL : tls };

	node_file_path(state, NODE_FILE_BARRIERS, service->options.state, service->options.module);
	node_file_path(alive, NODE_FILE_MODULE_LOCK, service->options.run, service->options.module);
	node_file_path(tls, NODE_FILE_TLS, service->options.config, NULL);
	int error = replicator_open(&config, &callbacks, &service->replicator);
	service->front.replicator = service->replicator;
	if (error != 0)
		service_complain(service, state, strerror(-error));
	return error;
}

int parts_adopt(struct service *service, bool *out_is_resumed)
{
	struct front *front = &service->front;

	*out_is_resumed = false;
	for (int i = 0; i < front->mount_count; i++) {
		int fuse_fd = take_handed_number(service, "fuse", i);
		int ring_fd = take_handed_number(service, "ring", i);
		if (fuse_fd >= 0 && ring_fd >= 0) {
			int error = front_adopt(front, i, fuse_fd, ring_fd);
			if (error != 0 && error != -ENODEV)
				return error;
		}
	}
	*out_is_resumed = front->mounts[0].is_mounted;
	return *out_is_resumed ? roles_resume(service) : 0;
}

int parts_open(struct service *service)
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
	if (error == 0)
		tree_listen(service->front.tree, (struct tree_listener){ service, on_index });
	return error;
}
