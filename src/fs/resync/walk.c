/*
 * The walk: does what is next (repl/resync_walk.h), and ends when everything is known to be there.
 * Directories are listed in resync/list.c, contents compared in resync/content.c.
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
#include "fs/tree/resync.h"

/* ---- beginning ---- */

static uint64_t used_bytes(struct resync_source *source)
{
	uint64_t total = 0;
	for (uint64_t root = 1; root <= source->site.root_count; root++) {
		struct statfs fs;
		int fd = -1;
		if (tree_open_object(source->site.tree, root, O_RDONLY | O_DIRECTORY, &fd) != 0)
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
	DIR *directory = NULL;
	int error = tree_read_orphans(source->site.tree, root, &directory);
	if (error != 0)
		return error;
	for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
		char *end = NULL;
		uint64_t id = strtoull(entry->d_name, &end, 10);
		if (end == entry->d_name || *end != '\0' || id == 0)
			continue;
		lock_take(source->site.lock);
		if (!resync_walk_is_present(&source->walk, id))
			host_note_absent(source->site.host, id, true);
		lock_give(source->site.lock);
	}
	(void)closedir(directory);
	return 0;
}

static int begin_root(struct resync_source *source, uint64_t root)
{
	lock_take(source->site.lock);
	resync_walk_shown(&source->walk, root, true);
	resync_settle(source);
	lock_give(source->site.lock);
	return note_orphans(source, root);
}

static int begin(struct resync_source *source)
{
	struct op op = { .type = OP_RESYNC_BEGIN, .mask = source->plan };
	int error = resync_append(source, &op);
	if (error == 0) {
		op = (struct op){ .type = OP_LEASE, .offset = host_id_limit(source->site.host) };
		error = resync_append(source, &op);
	}
	for (uint64_t root = 1; error == 0 && root <= source->site.root_count; root++)
		error = begin_root(source, root);
	source->hands.total = used_bytes(source);
	return error;
}

/* ---- files ---- */

/* Extended attributes that found no room in the metadata, one by one. Under the order lock. */
static int send_values(struct resync_source *source, const struct op *metadata)
{
	struct buf_reader reader = buf_reader_init(metadata->data.data, metadata->data.size);
	char name[OBJECT_NAME_MAX + 1];
	size_t position = 0;
	int error = 0;
	(void)buf_get_bytes(&reader, OBJECT_LINK_MAX);
	const struct bytes encoded = { metadata->data.data + reader.position,
		metadata->data.size - reader.position };
	while (error == 0 && tree_xattrs_later(encoded, &position, name)) {
		size_t size = XATTR_SIZE_MAX_;
		error = tree_get_xattr(
			source->site.tree, metadata->object, name, source->hands.data, &size);
		struct op op = { .type = OP_SET_XATTR,
			.object = metadata->object,
			.attributes = metadata->attributes,
			.name = { (const uint8_t *)name, strlen(name) },
			.data = { source->hands.data, size } };
		if (error == 0)
			error = resync_append(source, &op);
	}
	return error;
}

static int send_metadata(struct resync_source *source, uint64_t object)
{
	const struct order_objects objects = { .ids = { object } };
	struct resync_about about = { object, object, source->hands.metadata, 0 };
	struct op op;
	order_lock(source->site.order, &objects);
	int error = resync_metadata(source->site.tree, &about, &op);
	int own = about.own;
	bool is_present = resync_is_present(source, object);
	if (error == 0 && is_present)
		error = resync_append(source, &op);
	if (error == 0 && is_present && own == 0)
		own = send_values(source, &op);
	order_unlock(source->site.order, &objects);
	if (error == 0 && own != 0 && own != -ESTALE)
		error = own;
	if (error == -ESTALE)
		return 0;
	return error != 0 ? resync_leave_out_unlocked(source, object, NULL, error) : 0;
}

static struct resync_file *free_file(struct resync_source *source)
{
	for (int i = 0; i < REQUESTS_MAX; i++)
		if (!source->hands.files[i].is_used)
			return &source->hands.files[i];
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
	order_lock(source->site.order, &objects);
	int error = tree_stat(source->site.tree, file->object, &entry);
	bool is_present = resync_is_present(source, file->object);
	if (error == 0) {
		file->content.size = entry.attributes.size;
		op.attributes = entry.attributes;
	}
	if (error == 0 && is_present)
		error = resync_append(source, &op);
	order_unlock(source->site.order, &objects);
	return error == -ESTALE ? 0 : error;
}

/* Opens the next file whose content is to be compared; what has none is done at once. */
static int open_file(struct resync_source *source, struct resync_file *file, uint64_t object)
{
	struct tree *tree = source->site.tree;
	struct tree_entry entry;
	int error = tree_stat(tree, object, &entry);
	if (error == 0 && !S_ISREG(entry.attributes.mode))
		return send_metadata(source, object);
	*file = (struct resync_file){ .object = object };
	if (error == 0)
		error = tree_open_object(tree, object, O_RDONLY, &file->fd);
	if (error == -ESTALE)
		return 0;
	if (error != 0)
		return resync_leave_out_unlocked(source, object, NULL, error);
	file->is_used = true;
	source->hands.current = file;
	return send_size(source, file);
}

static int end_file(struct resync_source *source, struct resync_file *file)
{
	CHECK(file->content.waiting == 0 && file != source->hands.current);
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

/* What it has there stays. Questions under way are waited for. */
static int leave_out_file(struct resync_source *source, struct resync_file *file, int error)
{
	error = resync_leave_out_unlocked(source, file->object, NULL, error);
	if (error != 0)
		return error;
	file->is_left_out = true;
	if (source->hands.current == file)
		source->hands.current = NULL;
	return 0;
}

/* Asks about the next blocks of the current file. */
static int ask_next(struct resync_source *source)
{
	struct resync_file *file = source->hands.current;
	bool is_asked = false;
	int error = resync_ask(source, file, free_request(source), &is_asked);
	if (error != 0)
		error = leave_out_file(source, file, error);
	if (error != 0 || is_asked)
		return error;
	source->hands.current = NULL;
	return file->content.waiting == 0 ? end_file(source, file) : 0;
}

/* Under lock. */
static struct resync_request *answered_request(struct resync_source *source)
{
	for (int i = 0; i < REQUESTS_MAX; i++)
		if (source->requests[i].is_used && source->requests[i].is_answered)
			return &source->requests[i];
	return NULL;
}

static int take_answer(struct resync_source *source)
{
	lock_take(source->site.lock);
	struct resync_request *request = answered_request(source);
	lock_give(source->site.lock);
	CHECK(request != NULL); /* this thread alone takes them */
	struct resync_file *file = request->file;
	int error = file->is_left_out ? 0 : resync_compare(source, request);
	if (error != 0)
		error = leave_out_file(source, file, error);
	lock_take(source->site.lock);
	request->is_used = false;
	lock_give(source->site.lock);
	resync_content_answered(&file->content);
	if (error == 0 && file->content.waiting == 0 && file != source->hands.current)
		error = end_file(source, file);
	return error;
}

/* ---- the end ---- */

/* So that little is left to be made durable when answers begin to wait for the target. */
static int sync_there(struct resync_source *source)
{
	struct op op = { .type = OP_SYNC, .object = 1, .mask = SYNC_EVERYTHING };
	lock_take(source->site.lock);
	bool is_running = resync_is_running(source);
	if (is_running)
		resync_walk_sync_asked(&source->walk, host_append(source->site.host, &op));
	lock_give(source->site.lock);
	return is_running ? 0 : -ECANCELED;
}

/* From the sequence of OP_RESYNC_END on answers wait for the target: both in one step, which began
 * with finding that nothing is left. Under lock. */
static void end(struct resync_source *source)
{
	struct op op = { .type = OP_RESYNC_END };
	(void)host_append(source->site.host, &op);
	host_pair(source->site.host);
	for (int i = 0; i < RESYNC_SET_COUNT; i++)
		idmap_done(&source->sets[i]);
}

/* ---- the thread ---- */

static void report(struct resync_source *source)
{
	int64_t now_ns = clock_boot_ns();
	if (now_ns - source->hands.reported_ns < REPORT_EVERY_NS)
		return;
	source->hands.reported_ns = now_ns;
	host_say_progress(source->site.host, source->hands.done,
		MAX_OF(source->hands.total, source->hands.done));
}

static void wait_for_answer(struct resync_source *source)
{
	lock_take(source->site.lock);
	bool is_synced = source->walk.phase == RESYNC_SYNCED;
	if (!source->is_stopping && !is_synced && answered_request(source) == NULL)
		(void)condition_wait_for(&source->answered, source->site.lock, WAIT_NS);
	lock_give(source->site.lock);
}

/* Under lock. */
static struct resync_load load_of(struct resync_source *source)
{
	struct resync_load load = { .has_answer = answered_request(source) != NULL,
		.has_file = source->hands.current != NULL,
		.has_request_room = free_request(source) != NULL,
		.has_file_room = free_file(source) != NULL };
	for (int i = 0; i < REQUESTS_MAX; i++)
		load.is_question_there = load.is_question_there || source->requests[i].is_used;
	return load;
}

/* Errors: -ECANCELED: the resync is over otherwise. */
static int next(struct resync_source *source, struct resync_todo *out_todo)
{
	lock_take(source->site.lock);
	bool is_running = resync_is_running(source);
	if (is_running) {
		const struct resync_load load = load_of(source);
		*out_todo = resync_walk_next(&source->walk, &load);
		if (out_todo->task == RESYNC_END)
			end(source);
	}
	lock_give(source->site.lock);
	return is_running ? 0 : -ECANCELED;
}

static int step(struct resync_source *source, bool *out_is_over)
{
	struct resync_todo todo;
	int error = next(source, &todo);
	if (error != 0)
		return error;
	switch (todo.task) {
	case RESYNC_TAKE_ANSWER: return take_answer(source);
	case RESYNC_ASK: return ask_next(source);
	case RESYNC_OPEN: return open_file(source, free_file(source), todo.object);
	case RESYNC_LIST: return resync_list_directory(source, todo.object);
	case RESYNC_WAIT: wait_for_answer(source); return 0;
	case RESYNC_FINISH: return send_metadata(source, todo.object);
	case RESYNC_SYNC: return sync_there(source);
	case RESYNC_END: *out_is_over = true; return 0;
	}
	return 0;
}

static void close_files(struct resync_source *source)
{
	for (int i = 0; i < REQUESTS_MAX; i++)
		if (source->hands.files[i].is_used)
			close(source->hands.files[i].fd);
}

void *resync_walk_run(void *context)
{
	struct resync_source *source = context;
	bool is_over = false;
	int error = begin(source);
	while (error == 0 && !is_over) {
		report(source);
		error = step(source, &is_over);
	}
	close_files(source);
	if (error == 0 || error == -ECANCELED)
		return NULL;
	char detail[FS_DETAIL_MAX], first[FS_DETAIL_MAX];
	lock_take(source->site.lock);
	uint64_t count = resync_source_left_out(source, first, sizeof(first));
	lock_give(source->site.lock);
	(void)snprintf(detail, sizeof(detail), "the copy here could not be read: %s%s%.80s%s",
		strerror(-error), count > 0 ? " (first " : "", first, count > 0 ? ")" : "");
	host_give_up(source->site.host, error, detail);
	return NULL;
}
