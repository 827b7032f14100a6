/*
 * The walk: has directory after directory listed (resync/list.c), asks for the hashes of file after
 * file, many at a time, and ends when everything is known to be there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fs/resync/inside.h"

/* ---- beginning ---- */

static uint64_t used_bytes(struct resync_source *source)
{
	uint64_t total = 0;
	for (uint64_t root = 1; root <= source->r->config.module->directory_count; root++) {
		struct statfs fs;
		int fd = -1;
		if (tree_open_object(source->r->config.tree, root, O_RDONLY | O_DIRECTORY, &fd) !=
			0)
			continue; /* an estimate; the walk itself will meet the error */
		if (fstatfs(fd, &fs) == 0)
			total += (uint64_t)fs.f_bsize * (fs.f_blocks - fs.f_bfree);
		close(fd);
	}
	return total;
}

/*
 * Notes the orphans of the root as absent at the target: they have no names, so no list will ever
 * show them, and the target does without them. Nothing is lost by that: an orphan ends when whoever
 * holds it open closes it, and its holders end with this node at the latest. In the folder of
 * orphans an object's name is its id, in decimal.
 */
static int note_orphans(struct resync_source *source, uint64_t root)
{
	int fd = -1;
	int error = tree_open_object(source->r->config.tree, root, O_RDONLY | O_DIRECTORY, &fd);
	if (error != 0)
		return error;
	int orphans_fd = openat(fd, ".evenkeel/orphan", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(fd);
	DIR *directory = orphans_fd >= 0 ? fdopendir(orphans_fd) : NULL;
	if (directory == NULL)
		return -errno;
	for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
		char *end = NULL;
		uint64_t id = strtoull(entry->d_name, &end, 10);
		if (end == entry->d_name || *end != '\0' || id == 0)
			continue;
		lock_take(&source->r->lock);
		if (!idmap_has(&source->present, id))
			absent_add(&source->r->absent, id);
		lock_give(&source->r->lock);
	}
	(void)closedir(directory);
	return 0;
}

static int begin_root(struct resync_source *source, uint64_t root)
{
	lock_take(&source->r->lock);
	resync_present(source, root, S_IFDIR);
	lock_give(&source->r->lock);
	return note_orphans(source, root);
}

static int begin(struct resync_source *source)
{
	struct op op = { .type = OP_RESYNC_BEGIN, .mask = source->plan };
	int error = resync_append(source, &op);
	if (error == 0) {
		op = (struct op){ .type = OP_LEASE, .offset = replicator_id_limit(source->r) };
		error = resync_append(source, &op);
	}
	for (uint64_t root = 1; error == 0 && root <= source->r->config.module->directory_count;
		root++)
		error = begin_root(source, root);
	source->walk.total = used_bytes(source);
	return error;
}

/* ---- files ---- */

static int send_metadata(struct resync_source *source, uint64_t object)
{
	const struct order_objects objects = { .ids = { object } };
	struct op op;
	order_lock(source->r->config.order, &objects);
	int error =
		resync_metadata(source->r->config.tree, object, object, source->walk.metadata, &op);
	bool is_present = resync_is_present(source, object);
	if (error == 0 && is_present)
		error = resync_append(source, &op);
	order_unlock(source->r->config.order, &objects);
	return error == -ESTALE ? 0 : error;
}

static struct resync_file *free_file(struct resync_source *source)
{
	for (int i = 0; i < REQUESTS_MAX; i++)
		if (!source->walk.files[i].is_used)
			return &source->walk.files[i];
	return NULL;
}

/*
 * The copy there may be longer than the file is here. What the application makes room for from now
 * on, and does not write, would show old bytes there; so both have one size before they are
 * compared.
 */
static int send_size(struct resync_source *source, struct resync_file *file)
{
	const struct order_objects objects = { .ids = { file->object } };
	struct op op = {
		.type = OP_SET_ATTRIBUTES, .object = file->object, .mask = ATTRIBUTE_SIZE
	};
	struct tree_entry entry;
	order_lock(source->r->config.order, &objects);
	int error = tree_stat(source->r->config.tree, file->object, &entry);
	bool is_present = resync_is_present(source, file->object);
	if (error == 0) {
		file->size = entry.attributes.size;
		op.attributes = entry.attributes;
	}
	if (error == 0 && is_present)
		error = resync_append(source, &op);
	order_unlock(source->r->config.order, &objects);
	return error == -ESTALE ? 0 : error;
}

/* Opens the next file whose content is to be compared; what has none is done at once. */
static int open_file(struct resync_source *source, struct resync_file *file, uint64_t object)
{
	struct tree *tree = source->r->config.tree;
	struct tree_entry entry;
	int error = tree_stat(tree, object, &entry);
	if (error != 0)
		return error == -ESTALE ? 0 : error;
	if (!S_ISREG(entry.attributes.mode))
		return send_metadata(source, object);
	*file = (struct resync_file){ .object = object };
	error = tree_open_object(tree, object, O_RDONLY, &file->fd);
	if (error != 0)
		return error == -ESTALE ? 0 : error;
	file->is_used = true;
	source->walk.current = file;
	return send_size(source, file);
}

static int end_file(struct resync_source *source, struct resync_file *file)
{
	CHECK(file->waiting == 0 && file != source->walk.current);
	close(file->fd);
	file->is_used = false;
	return send_metadata(source, file->object);
}

static struct resync_request *free_request(struct resync_source *source)
{
	for (int i = 0; i < REQUESTS_MAX; i++)
		if (!source->requests[i].is_used)
			return &source->requests[i];
	return NULL;
}

/* Asks about the next blocks. *out_is_busy: there was something to do. */
static int ask_next(struct resync_source *source, bool *out_is_busy)
{
	struct resync_file *file = source->walk.current;
	struct resync_request *request = free_request(source);
	bool is_asked = false;
	*out_is_busy = false;
	if (request == NULL)
		return 0;
	if (file == NULL) {
		file = free_file(source);
		lock_take(&source->r->lock);
		uint64_t object = file != NULL ? idlist_pop(&source->files) : 0;
		lock_give(&source->r->lock);
		*out_is_busy = object != 0;
		return object != 0 ? open_file(source, file, object) : 0;
	}
	*out_is_busy = true;
	int error = resync_ask(source, file, request, &is_asked);
	if (error != 0 || is_asked)
		return error;
	source->walk.current = NULL;
	return file->waiting == 0 ? end_file(source, file) : 0;
}

static struct resync_request *answered_request(struct resync_source *source, unsigned *out_waiting)
{
	struct resync_request *found = NULL;
	*out_waiting = 0;
	lock_take(&source->r->lock);
	for (int i = 0; i < REQUESTS_MAX; i++) {
		if (source->requests[i].is_used && source->requests[i].is_answered)
			found = &source->requests[i];
		*out_waiting += source->requests[i].is_used ? 1 : 0;
	}
	lock_give(&source->r->lock);
	return found;
}

static int take_answer(struct resync_source *source, struct resync_request *request)
{
	struct resync_file *file = request->file;
	int error = resync_compare(source, request);
	lock_take(&source->r->lock);
	request->is_used = false;
	lock_give(&source->r->lock);
	file->waiting--;
	if (error == 0 && file->waiting == 0 && file != source->walk.current)
		error = end_file(source, file);
	return error;
}

/* ---- the end ---- */

static int finish_directories(struct resync_source *source)
{
	for (;;) {
		lock_take(&source->r->lock);
		uint64_t object = idlist_pop(&source->to_finish);
		lock_give(&source->r->lock);
		if (object == 0)
			return 0;
		int error = send_metadata(source, object);
		if (error != 0)
			return error;
	}
}

/* So that little is left to be made durable when answers begin to wait for the target. */
static int sync_there(struct resync_source *source)
{
	struct replicator *r = source->r;
	struct op op = { .type = OP_SYNC, .object = 1, .mask = SYNC_EVERYTHING };
	lock_take(&r->lock);
	source->is_synced = false;
	source->sync_sequence = r->sender.mode == SENDER_CATCHING_UP && !source->is_stopping
					? replicator_append(r, &op)
					: 0;
	while (source->sync_sequence != 0 && !source->is_synced && !source->is_stopping &&
		r->sender.mode == SENDER_CATCHING_UP)
		replicator_wait(r, &source->answered, TICK_NS);
	bool is_synced = source->is_synced;
	lock_give(&r->lock);
	return is_synced ? 0 : -ECANCELED;
}

static bool is_nothing_left(const struct resync_source *source)
{
	return idlist_count(&source->directories) == 0 && idlist_count(&source->files) == 0 &&
	       idlist_count(&source->to_finish) == 0;
}

/* From the sequence of OP_RESYNC_END on answers wait for the target: both in one step. */
static int try_end(struct resync_source *source, bool *out_is_over)
{
	struct replicator *r = source->r;
	struct op op = { .type = OP_RESYNC_END };
	int error = 0;
	lock_take(&r->lock);
	*out_is_over = false;
	if (source->is_stopping || r->is_log_broken || r->sender.mode != SENDER_CATCHING_UP) {
		error = -ECANCELED;
	} else if (is_nothing_left(source)) {
		(void)replicator_append(r, &op);
		replicator_paired(r);
		idmap_done(&source->present);
		idmap_done(&source->listed);
		*out_is_over = true;
	}
	lock_give(&r->lock);
	return error;
}

/* ---- the thread ---- */

static void report(struct resync_source *source)
{
	int64_t now_ns = clock_boot_ns();
	if (now_ns - source->walk.reported_ns < REPORT_EVERY_NS)
		return;
	source->walk.reported_ns = now_ns;
	const struct fs_reported said = { .report = FS_REPORT_RESYNC_PROGRESS,
		.done = source->walk.done,
		.total = MAX_OF(source->walk.total, source->walk.done) };
	replicator_say(source->r, &said);
}

static uint64_t next_directory(struct resync_source *source)
{
	lock_take(&source->r->lock);
	bool is_wanted = idlist_count(&source->files) < FILES_AHEAD;
	uint64_t directory = is_wanted ? idlist_pop(&source->directories) : 0;
	lock_give(&source->r->lock);
	return directory;
}

static void wait_for_answer(struct resync_source *source)
{
	lock_take(&source->r->lock);
	bool has_answer = source->is_stopping;
	for (int i = 0; i < REQUESTS_MAX; i++)
		has_answer = has_answer ||
			     (source->requests[i].is_used && source->requests[i].is_answered);
	if (!has_answer)
		replicator_wait(source->r, &source->answered, TICK_NS);
	lock_give(&source->r->lock);
}

static int step(struct resync_source *source, bool *out_is_over)
{
	unsigned waiting = 0;
	bool is_busy = false;
	struct resync_request *request = answered_request(source, &waiting);
	if (request != NULL)
		return take_answer(source, request);
	int error = ask_next(source, &is_busy);
	if (error != 0 || is_busy)
		return error;
	uint64_t directory = next_directory(source);
	if (directory != 0)
		return resync_list_directory(source, directory);
	if (waiting > 0) {
		wait_for_answer(source);
		return 0;
	}
	error = finish_directories(source);
	if (error == 0)
		error = sync_there(source);
	return error == 0 ? try_end(source, out_is_over) : error;
}

static bool is_cancelled(struct resync_source *source)
{
	lock_take(&source->r->lock);
	bool is_cancelled = source->is_stopping || source->r->is_leaving ||
			    source->r->sender.mode != SENDER_CATCHING_UP;
	lock_give(&source->r->lock);
	return is_cancelled;
}

static void close_files(struct resync_source *source)
{
	for (int i = 0; i < REQUESTS_MAX; i++)
		if (source->walk.files[i].is_used)
			close(source->walk.files[i].fd);
}

void *resync_walk_run(void *context)
{
	struct resync_source *source = context;
	bool is_over = false;
	int error = begin(source);
	while (error == 0 && !is_over && !is_cancelled(source)) {
		report(source);
		error = step(source, &is_over);
	}
	close_files(source);
	if (error == 0 || error == -ECANCELED)
		return NULL;
	char detail[128];
	(void)snprintf(
		detail, sizeof(detail), "the copy here could not be read: %s", strerror(-error));
	replicator_drop_peer(source->r, FS_REPORT_PEER_LOST, error, detail);
	return NULL;
}
