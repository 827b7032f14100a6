/*
 * Applications in front of one copy: threads that create, write, rename, link, unlink and sync what
 * they meet, as the file system in front would pass it on.
 */
#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fs/tree/resync.h"

#define DIRECTORIES 12
#define NAMES	    40

static uint8_t data[WRITE_SIZE_MAX];
static pthread_once_t data_is_filled = PTHREAD_ONCE_INIT;

static void fill_data(void)
{
	uint32_t random = 2463534242u;
	for (size_t i = 0; i < sizeof(data); i++) {
		random = random * 1664525u + 1013904223u;
		data[i] = (uint8_t)(random >> 24);
	}
}

const uint8_t *writers_data(void)
{
	(void)pthread_once(&data_is_filled, fill_data);
	return data;
}

static uint64_t draw(struct writer *writer, uint64_t below)
{
	writer->random ^= writer->random << 13; /* xorshift64 (Marsaglia 2003) */
	writer->random ^= writer->random >> 7;
	writer->random ^= writer->random << 17;
	return (writer->random >> 11) % below;
}

static void wait_answerable(struct writer *writer, uint64_t sequence)
{
	struct pair_node *node = writer->node;
	if (replicator_answerable(node->replicator) >= sequence)
		return;
	lock_take(&node->lock);
	while (node->answerable < sequence)
		condition_wait(&node->changed, &node->lock);
	lock_give(&node->lock);
}

static void wait_synced(struct pair_node *node, uint64_t sequence)
{
	lock_take(&node->lock);
	for (;;) {
		for (unsigned i = 0; i < node->synced_count; i++)
			if (node->synced[i] == sequence) {
				node->synced[i] = node->synced[--node->synced_count];
				lock_give(&node->lock);
				return;
			}
		condition_wait(&node->changed, &node->lock);
	}
}

/* As the front does it: here first, sequenced under the same locks, answered later. */
int writer_perform(struct writer *writer, struct op *op, struct order_objects objects)
{
	struct pair_node *node = writer->node;
	uint64_t sequence = 0;
	order_lock(node->order, &objects);
	/* The kernel would not let through what is meant for an object without a name. */
	bool is_there = op->type == OP_CREATE || tree_has_object(node->tree, op->object);
	int error = is_there ? tree_apply(node->tree, op, TREE_LOCAL) : -ENOENT;
	if (error == 0)
		sequence = replicator_submit(node->replicator, op);
	order_unlock(node->order, &objects);
	if (error != 0) {
		writer->failed++;
		return error;
	}
	wait_answerable(writer, sequence);
	writer->last = sequence;
	writer->done++;
	return 0;
}

static struct bytes name_of(char *buffer, const char *prefix, uint64_t number)
{
	int size = snprintf(buffer, 32, "%s%llu", prefix, (unsigned long long)number);
	return (struct bytes){ .data = (const uint8_t *)buffer, .size = (size_t)size };
}

bool writer_new_id(struct writer *writer, uint64_t *out_id)
{
	return replicator_ensure_ids(writer->node->replicator, 1) == 0 &&
	       tree_new_id(writer->node->tree, out_id) == 0;
}

/* As the kernel does it: nobody looks a name up while it is being made. */
static int look_up_locked(
	struct pair_node *node, uint64_t parent, struct bytes name, struct tree_entry *out_entry)
{
	const struct order_objects objects = { .ids = { parent } };
	order_lock(node->order, &objects);
	int error = tree_lookup(node->tree, parent, name, out_entry);
	order_unlock(node->order, &objects);
	return error;
}

/* A directory below the root, or the root. */
static uint64_t some_directory(struct writer *writer)
{
	char buffer[32];
	struct tree_entry entry;
	uint64_t number = draw(writer, DIRECTORIES + 1);
	uint64_t parent = 1;
	if (number == DIRECTORIES ||
		look_up_locked(writer->node, 1, name_of(buffer, "d", number), &entry) != 0)
		return 1;
	parent = entry.object;
	if (draw(writer, 3) == 0 && look_up_locked(writer->node, parent,
					    name_of(buffer, "d", draw(writer, 3)), &entry) == 0)
		parent = entry.object;
	return parent;
}

static void do_create(struct writer *writer, uint64_t parent)
{
	static const uint32_t modes[] = { S_IFREG | 0644, S_IFREG | 0600, S_IFDIR | 0755,
		S_IFLNK | 0777, S_IFIFO | 0600 };
	char buffer[32];
	struct op op = { .type = OP_CREATE, .parent = parent, .umask = 022 };
	op.attributes.mode = modes[draw(writer, ARRAY_COUNT(modes))];
	bool is_directory = S_ISDIR(op.attributes.mode);
	op.name = is_directory ? name_of(buffer, "d", draw(writer, DIRECTORIES))
			       : name_of(buffer, "n", draw(writer, NAMES));
	if (S_ISLNK(op.attributes.mode))
		op.data = (struct bytes){ .data = (const uint8_t *)"some/target", .size = 11 };
	if (writer_new_id(writer, &op.object))
		(void)writer_perform(
			writer, &op, (struct order_objects){ .ids = { op.parent, op.object } });
}

static bool look_up(struct writer *writer, uint64_t parent, char *buffer, struct bytes *out_name,
	struct tree_entry *out_entry)
{
	*out_name = draw(writer, 8) == 0 ? name_of(buffer, "d", draw(writer, DIRECTORIES))
					 : name_of(buffer, "n", draw(writer, NAMES));
	return tree_lookup(writer->node->tree, parent, *out_name, out_entry) == 0;
}

/* The caller shut everybody else out before it looked names up; here they come in again. */
static void perform_locked(struct writer *writer, struct op *op)
{
	struct pair_node *node = writer->node;
	uint64_t sequence = 0;
	int error = tree_apply(node->tree, op, TREE_LOCAL);
	if (error == 0)
		sequence = replicator_submit(node->replicator, op);
	order_unlock_all(node->order);
	if (error != 0) {
		writer->failed++;
		return;
	}
	wait_answerable(writer, sequence);
	writer->done++;
}

static void do_unlink(struct writer *writer, uint64_t parent)
{
	char buffer[32];
	struct tree_entry entry;
	struct op op = { .type = OP_UNLINK, .parent = parent };
	order_lock_all(writer->node->order);
	if (!look_up(writer, parent, buffer, &op.name, &entry)) {
		order_unlock_all(writer->node->order);
		return;
	}
	op.object = entry.object;
	if (S_ISDIR(entry.attributes.mode))
		op.type = OP_RMDIR;
	perform_locked(writer, &op);
}

static void do_rename(struct writer *writer, uint64_t parent)
{
	char buffer[32], new_buffer[32];
	struct tree_entry entry;
	struct pair_node *node = writer->node;
	struct op op = { .type = OP_RENAME, .parent = parent };
	op.new_parent = some_directory(writer);
	op.mask = draw(writer, 6) == 0 ? 2 : 0; /* exchange */
	order_lock_all(node->order);
	if (!look_up(writer, parent, buffer, &op.name, &entry)) {
		order_unlock_all(node->order);
		return;
	}
	op.object = entry.object;
	op.new_name = name_of(new_buffer, S_ISDIR(entry.attributes.mode) ? "d" : "n",
		draw(writer, S_ISDIR(entry.attributes.mode) ? DIRECTORIES : NAMES));
	if (tree_lookup(node->tree, op.new_parent, op.new_name, &entry) == 0)
		op.replaced = entry.object;
	if (op.replaced == op.object) /* the kernel answers this itself */
		order_unlock_all(node->order);
	else
		perform_locked(writer, &op);
}

static void do_link(struct writer *writer, uint64_t parent)
{
	char buffer[32], new_buffer[32];
	struct tree_entry entry;
	struct op op = { .type = OP_LINK };
	struct bytes name;
	op.new_parent = some_directory(writer);
	op.new_name = name_of(new_buffer, "n", draw(writer, NAMES));
	order_lock_all(writer->node->order);
	if (!look_up(writer, parent, buffer, &name, &entry) || S_ISDIR(entry.attributes.mode)) {
		order_unlock_all(writer->node->order);
		return;
	}
	op.object = entry.object;
	perform_locked(writer, &op);
}

static void do_write(struct writer *writer, uint64_t object)
{
	struct op op = { .type = OP_WRITE, .object = object };
	op.offset = draw(writer, 3) == 0 ? draw(writer, 4 * 1024 * 1024) : draw(writer, 20000);
	op.data.size = draw(writer, 20) == 0 ? 128 * 1024 : 1 + draw(writer, 9000);
	op.data.data = writers_data() + draw(writer, 1000);
	op.length = op.data.size;
	(void)writer_perform(writer, &op, (struct order_objects){ .ids = { object } });
}

static void do_allocate(struct writer *writer, uint64_t object)
{
	static const uint32_t modes[] = { 0, FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE };
	struct op op = { .type = OP_ALLOCATE, .object = object };
	op.mask = modes[draw(writer, ARRAY_COUNT(modes))];
	op.offset = draw(writer, 200000);
	op.length = 1 + draw(writer, 200000);
	(void)writer_perform(writer, &op, (struct order_objects){ .ids = { object } });
}

static void do_attributes(struct writer *writer, const struct tree_entry *entry)
{
	struct op op = { .type = OP_SET_ATTRIBUTES, .object = entry->object };
	op.attributes = entry->attributes;
	switch (draw(writer, 4)) {
	case 0:
		op.mask = ATTRIBUTE_MODE;
		op.attributes.mode =
			(entry->attributes.mode & S_IFMT) | (uint32_t)draw(writer, 01000);
		break;
	case 1:
		op.mask = ATTRIBUTE_UID | ATTRIBUTE_GID;
		op.attributes.uid = (uint32_t)draw(writer, 3000);
		op.attributes.gid = (uint32_t)draw(writer, 3000);
		break;
	case 2:
		op.mask = ATTRIBUTE_MTIME;
		op.attributes.mtime_ns = (int64_t)draw(writer, 1000000000000000000u);
		break;
	default:
		if (!S_ISREG(entry->attributes.mode))
			return;
		op.mask = ATTRIBUTE_SIZE;
		op.attributes.size = draw(writer, 300000);
	}
	if (!S_ISLNK(entry->attributes.mode))
		(void)writer_perform(writer, &op, (struct order_objects){ .ids = { op.object } });
}

static void do_xattr(struct writer *writer, uint64_t object)
{
	char buffer[32];
	struct op op = { .type = OP_SET_XATTR, .object = object };
	op.name = name_of(buffer, "user.x", draw(writer, 3));
	op.data = op.name;
	if (draw(writer, 3) == 0) {
		op.type = OP_REMOVE_XATTR;
		op.data = (struct bytes){ 0 };
	}
	(void)writer_perform(writer, &op, (struct order_objects){ .ids = { object } });
}

static void do_sync(struct writer *writer, uint64_t object)
{
	struct pair_node *node = writer->node;
	struct op op = { .type = OP_SYNC, .object = object };
	uint64_t sequence = replicator_submit(node->replicator, &op);
	int fd = -1;
	if (tree_open_object(node->tree, object, O_RDONLY, &fd) == 0) {
		assert_int_equal(fsync(fd), 0);
		close(fd);
	}
	replicator_synced_here(node->replicator, sequence);
	wait_synced(node, sequence);
	writer->done++;
}

static bool some_object(struct writer *writer, uint64_t parent, struct tree_entry *out_entry)
{
	const struct order_objects objects = { .ids = { parent } };
	char buffer[32];
	struct bytes name;
	order_lock(writer->node->order, &objects);
	bool is_there = look_up(writer, parent, buffer, &name, out_entry);
	order_unlock(writer->node->order, &objects);
	return is_there;
}

static void do_something(struct writer *writer)
{
	struct tree_entry entry;
	uint64_t parent = some_directory(writer);
	uint64_t choice = draw(writer, 100);
	if (choice < 22) {
		do_create(writer, parent);
	} else if (choice < 32) {
		do_unlink(writer, parent);
	} else if (choice < 42) {
		do_rename(writer, parent);
	} else if (choice < 48) {
		do_link(writer, parent);
	} else if (some_object(writer, parent, &entry)) {
		bool is_file = S_ISREG(entry.attributes.mode);
		if (choice < 75 && is_file)
			do_write(writer, entry.object);
		else if (choice < 80 && is_file)
			do_allocate(writer, entry.object);
		else if (choice < 90)
			do_attributes(writer, &entry);
		else if (choice < 97 && (is_file || S_ISDIR(entry.attributes.mode)))
			do_xattr(writer, entry.object);
		else if (is_file)
			do_sync(writer, entry.object);
	}
}

/* Under ThreadSanitizer the walk of a resynchronisation is ten times slower, and the writers, which
 * make files all the time, would run away from it. */
#ifdef __SANITIZE_THREAD__
#define PAUSE_S 0.002
#else
#define PAUSE_S 0
#endif

static void *writer_run(void *context)
{
	struct writer *writer = context;
	while (!atomic_load(writer->is_over)) {
		do_something(writer);
		if (PAUSE_S > 0)
			writers_let(PAUSE_S);
	}
	return NULL;
}

void writers_start(struct writers *writers, struct pair_node *node)
{
	static uint64_t seed = 88172645463325252u;
	atomic_init(&writers->is_over, false);
	for (int i = 0; i < PAIR_WRITERS; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		writers->list[i] = (struct writer){
			.node = node, .random = seed | 1, .is_over = &writers->is_over
		};
		assert_int_equal(pthread_create(&writers->list[i].thread, NULL, writer_run,
					 &writers->list[i]),
			0);
	}
}

uint64_t writers_stop(struct writers *writers)
{
	uint64_t done = 0, failed = 0;
	atomic_store(&writers->is_over, true);
	for (int i = 0; i < PAIR_WRITERS; i++) {
		(void)pthread_join(writers->list[i].thread, NULL);
		done += writers->list[i].done;
		failed += writers->list[i].failed;
	}
	print_message("  %llu operations, %llu refused by the file system\n",
		(unsigned long long)done, (unsigned long long)failed);
	return done;
}

void writers_let(double seconds)
{
	struct timespec time = { (time_t)seconds,
		(long)((seconds - (double)(time_t)seconds) * 1e9) };
	(void)nanosleep(&time, NULL);
}
