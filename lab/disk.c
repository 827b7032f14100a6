/*
 * Disks that lose power. Serves files through FUSE; a loop device over one is a disk whose cache can be lost: what was written
 * lies here, and counts as durable when the file was synced, which is what a loop device makes of a flush.
 *
 *	evenkeel-lab-disk FOLDER NAME=MEGABYTES...
 *
 *	file system -> /dev/loopN -> FOLDER/NAME -> here: base (durable) + log (writes since, and flushes)
 *	                             FOLDER/control: a command a write; the answer is read from it
 *
 *	record NAME		from now on the log keeps flushes too, so that a moment can be chosen afterwards
 *	cut NAME...		the power goes: from this moment no write and no flush is answered
 *	dead NAME		all I/O fails, also what was held: what is mounted can be taken away
 *	restore NAME KEEP SEED	power is back: the disk holds what was flushed, and of the rest: KEEP none, some, all
 *	build NAME FROM FLUSH KEEP SEED
 *				NAME becomes what FROM, recorded, would be if the power had gone after so many flushes
 *	hold NAME, release NAME	flushes are not answered, and are again
 *	pass NAME		those that wait are, those that come are not
 *	fail NAME		flushes fail, and make nothing durable
 *	lose NAME		the next write fails
 *
 * `some`: each write since the last flush is there, or not, or torn between two of its sectors, as the seed says; a later one
 * may be there without an earlier one. One thread, so a command is one moment for all disks. Read `control`: a line a disk,
 * "NAME state writes flushes flushes-that-wait bytes-not-flushed".
 *
 * Not for: the product. It never waits for a disk itself: its memory is locked.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define DISKS_MAX    16
#define HELD_MAX     4096
#define REQUEST_MAX  ((1 << 20) + 8192)
#define SECTOR	     512
#define LOG_MAX	     ((size_t)1 << 30) /* bytes of one disk's log */
#define NODE_CONTROL 2
#define NODE_DISK    3 /* and following */

enum power { POWER_ON, POWER_CUT, POWER_DEAD };
enum keep { KEEP_NONE, KEEP_SOME, KEEP_ALL };

struct entry {
	bool is_flush;
	uint32_t size;
	uint64_t offset;
	uint8_t *data;
};

struct disk {
	char name[64];
	uint64_t size;
	uint8_t *now;  /* what is read */
	uint8_t *base; /* what is durable, before the log */
	struct entry *log;
	size_t count, count_max, bytes;
	uint64_t writes, flushes, unflushed;
	enum power power;
	bool is_recorded, is_holding, is_failing, is_losing;
};

struct held {
	uint64_t unique;
	struct disk *disk;
	bool is_flush;
};

static struct disk disks[DISKS_MAX];
static int disk_count;
static struct held held[HELD_MAX];
static int held_count;
static int fuse_fd;

static void stop(const char *what)
{
	(void)fprintf(stderr, "evenkeel-lab-disk: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- what a disk holds ---- */

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void drop_log(struct disk *disk)
{
	for (size_t i = 0; i < disk->count; i++)
		free(disk->log[i].data);
	disk->count = disk->bytes = 0;
	disk->unflushed = 0;
}

/* Pages that are alike stay as they are: most were never written, and take no memory. */
static void copy_image(uint8_t *to, const uint8_t *from, uint64_t size)
{
	const uint64_t step = 1 << 16;

	for (uint64_t at = 0; at < size; at += step)
		if (memcmp(to + at, from + at, step) != 0)
			memcpy(to + at, from + at, step);
}

static void put(uint8_t *image, const struct entry *entry)
{
	if (!entry->is_flush)
		memcpy(image + entry->offset, entry->data, entry->size);
}

/* A half, and one of eight of those only in part: up to a sector, or from one on. */
static void put_some(uint8_t *image, const struct entry *entry, uint64_t *random)
{
	uint64_t drawn = next_random(random);
	uint32_t sectors = entry->size / SECTOR;
	struct entry part = *entry;

	if ((drawn & 1) != 0)
		return;
	if ((drawn >> 1 & 7) == 0 && sectors > 1) {
		uint32_t at = (uint32_t)(1 + (drawn >> 8) % (sectors - 1)) * SECTOR;
		bool is_head = (drawn >> 4 & 1) != 0;
		part.offset += is_head ? 0 : at;
		part.data += is_head ? 0 : at;
		part.size = is_head ? at : entry->size - at;
	}
	put(image, &part);
}

/* Into image, which holds the base: all up to `from` entries, and of the rest what is to be kept. */
static void put_log(
	const struct disk *disk, uint8_t *image, size_t from, enum keep keep, uint64_t seed)
{
	uint64_t random = seed;

	for (size_t i = 0; i < from; i++)
		put(image, &disk->log[i]);
	for (size_t i = from; i < disk->count && !disk->log[i].is_flush && keep != KEEP_NONE; i++) {
		if (keep == KEEP_ALL)
			put(image, &disk->log[i]);
		else
			put_some(image, &disk->log[i], &random);
	}
}

static size_t entries_up_to_flush(const struct disk *disk, uint64_t flushes)
{
	uint64_t seen = 0;
	size_t count = 0;

	for (size_t i = 0; i < disk->count && seen < flushes; i++) {
		if (!disk->log[i].is_flush)
			continue;
		seen++;
		count = i + 1;
	}
	return count;
}

static void append(struct disk *disk, const struct entry *entry)
{
	if (disk->count == disk->count_max) {
		disk->count_max = disk->count_max * 2 + 1024;
		disk->log = realloc(disk->log, disk->count_max * sizeof(*disk->log));
		if (disk->log == NULL)
			stop("log");
	}
	disk->log[disk->count++] = *entry;
	disk->bytes += entry->size;
}

static void do_flush(struct disk *disk)
{
	disk->flushes++;
	disk->unflushed = 0;
	if (disk->is_recorded) {
		append(disk, &(struct entry){ .is_flush = true });
		return;
	}
	put_log(disk, disk->base, disk->count, KEEP_NONE, 0);
	drop_log(disk);
}

static int do_write(struct disk *disk, uint64_t offset, const uint8_t *data, uint32_t size)
{
	struct entry entry = { .offset = offset, .size = size };

	if (offset > disk->size || size > disk->size - offset)
		return -ENOSPC;
	if (disk->bytes + size > LOG_MAX && disk->is_recorded)
		return -ENOSPC;
	if (disk->bytes + size > LOG_MAX) /* a disk may make durable what it likes */
		do_flush(disk);
	entry.data = malloc(size);
	if (entry.data == NULL)
		return -ENOMEM;
	memcpy(entry.data, data, size);
	memcpy(disk->now + offset, data, size);
	append(disk, &entry);
	disk->writes++;
	disk->unflushed += size;
	return 0;
}

/* ---- answers ---- */

static void reply(uint64_t unique, int error, const void *data, size_t size)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + size), .error = error, .unique = unique
	};
	struct iovec parts[] = { { &out, sizeof(out) }, { (void *)data, size } };

	/* ENOENT: interrupted meanwhile. */
	if (writev(fuse_fd, parts, size > 0 ? 2 : 1) < 0 && errno != ENOENT && errno != ENODEV)
		stop("answer");
}

static void hold(uint64_t unique, struct disk *disk, bool is_flush)
{
	if (held_count == HELD_MAX)
		reply(unique, -EIO, NULL, 0);
	else
		held[held_count++] =
			(struct held){ .unique = unique, .disk = disk, .is_flush = is_flush };
}

/* Those of a disk that is dead fail, those of one that flushes again are done. */
static void let_go(struct disk *disk)
{
	int kept = 0;

	for (int i = 0; i < held_count; i++) {
		if (held[i].disk != disk) {
			held[kept++] = held[i];
			continue;
		}
		if (disk->power == POWER_ON)
			do_flush(disk);
		reply(held[i].unique, disk->power == POWER_ON ? 0 : -EIO, NULL, 0);
	}
	held_count = kept;
}

/* ---- commands ---- */

static struct disk *find(const char *name)
{
	for (int i = 0; name != NULL && i < disk_count; i++)
		if (strcmp(disks[i].name, name) == 0)
			return &disks[i];
	return NULL;
}

static int parse_keep(const char *word, enum keep *out)
{
	static const char *const words[] = { "none", "some", "all" };

	for (int i = 0; word != NULL && i < 3; i++) {
		if (strcmp(word, words[i]) != 0)
			continue;
		*out = (enum keep)i;
		return 0;
	}
	return EINVAL;
}

static int restore(struct disk *disk, const char *keep_word, const char *seed)
{
	enum keep keep;

	if (disk->power != POWER_DEAD || seed == NULL || parse_keep(keep_word, &keep) != 0)
		return EINVAL;
	size_t flushed = disk->is_recorded ? entries_up_to_flush(disk, UINT64_MAX) : 0;
	put_log(disk, disk->base, flushed, keep, strtoull(seed, NULL, 0));
	drop_log(disk);
	copy_image(disk->now, disk->base, disk->size);
	disk->power = POWER_ON;
	disk->is_recorded = disk->is_holding = disk->is_failing = disk->is_losing = false;
	return 0;
}

static int build(struct disk *disk, char *const words[])
{
	const struct disk *from = find(words[0]);
	enum keep keep;

	if (from == NULL || from->size != disk->size || words[1] == NULL || words[3] == NULL ||
		parse_keep(words[2], &keep) != 0)
		return EINVAL;
	drop_log(disk);
	copy_image(disk->base, from->base, disk->size);
	put_log(from, disk->base, entries_up_to_flush(from, strtoull(words[1], NULL, 0)), keep,
		strtoull(words[3], NULL, 0));
	copy_image(disk->now, disk->base, disk->size);
	return 0;
}

static int record(struct disk *disk)
{
	put_log(disk, disk->base, disk->count, KEEP_NONE, 0);
	drop_log(disk);
	disk->flushes = 0;
	disk->is_recorded = true;
	return 0;
}

static int command_one(const char *verb, struct disk *disk, char *const words[])
{
	if (strcmp(verb, "record") == 0)
		return record(disk);
	if (strcmp(verb, "restore") == 0)
		return restore(disk, words[0], words[0] != NULL ? words[1] : NULL);
	if (strcmp(verb, "build") == 0)
		return build(disk, words);
	if (strcmp(verb, "lose") == 0)
		disk->is_losing = true;
	else if (strcmp(verb, "fail") == 0)
		disk->is_failing = true;
	else if (strcmp(verb, "hold") == 0)
		disk->is_holding = true;
	else if (strcmp(verb, "release") == 0)
		disk->is_holding = false;
	else if (strcmp(verb, "cut") == 0)
		disk->power = POWER_CUT;
	else if (strcmp(verb, "dead") == 0)
		disk->power = POWER_DEAD;
	else if (strcmp(verb, "pass") != 0)
		return EINVAL;
	if (strcmp(verb, "hold") != 0 && strcmp(verb, "cut") != 0)
		let_go(disk);
	return 0;
}

#define WORDS_MAX (DISKS_MAX + 2)

static int command(char *text)
{
	char *words[WORDS_MAX] = { NULL };
	char *rest = NULL;
	int count = 0, error = 0;

	for (char *word = strtok_r(text, " \n", &rest); word != NULL && count < WORDS_MAX - 1;
		word = strtok_r(NULL, " \n", &rest))
		words[count++] = word;
	if (count < 2)
		return EINVAL;
	bool is_of_many = strcmp(words[0], "cut") == 0;
	for (int i = 1; i < (is_of_many ? count : 2) && error == 0; i++) {
		struct disk *disk = find(words[i]);
		error = disk == NULL ? ENODEV : command_one(words[0], disk, words + 2);
	}
	return error;
}

static int waiting_flushes(const struct disk *disk)
{
	int count = 0;

	for (int i = 0; i < held_count; i++)
		count += held[i].disk == disk && held[i].is_flush;
	return count;
}

static size_t tell(char *out, size_t size_max)
{
	static const char *const powers[] = { "on", "cut", "dead" };
	size_t size = 0;

	for (int i = 0; i < disk_count; i++) {
		const struct disk *disk = &disks[i];
		size += (size_t)snprintf(out + size, size_max - size,
			"%s %s %" PRIu64 " %" PRIu64 " %d %" PRIu64 "\n", disk->name,
			powers[disk->power], disk->writes, disk->flushes, waiting_flushes(disk),
			disk->unflushed);
	}
	return size;
}

/* ---- requests ---- */

static struct disk *disk_of(uint64_t node)
{
	return node >= NODE_DISK && node < NODE_DISK + (uint64_t)disk_count
		       ? &disks[node - NODE_DISK]
		       : NULL;
}

static void fill_attributes(uint64_t node, struct fuse_attr *out)
{
	const struct disk *disk = disk_of(node);

	*out = (struct fuse_attr){ .ino = node,
		.size = disk != NULL ? disk->size : 0,
		.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0700 : S_IFREG | 0600,
		.nlink = 1,
		.blksize = 4096 };
}

static void on_lookup(const struct fuse_in_header *in, const char *name)
{
	struct fuse_entry_out out = { .attr_valid = 3600, .entry_valid = 3600 };
	const struct disk *disk = find(name);

	if (strcmp(name, "control") == 0)
		out.nodeid = NODE_CONTROL;
	else if (disk != NULL)
		out.nodeid = NODE_DISK + (uint64_t)(disk - disks);
	if (out.nodeid != 0)
		fill_attributes(out.nodeid, &out.attr);
	reply(in->unique, out.nodeid == 0 ? -ENOENT : 0, &out, out.nodeid == 0 ? 0 : sizeof(out));
}

static void on_read(const struct fuse_in_header *in, const struct fuse_read_in *read)
{
	const struct disk *disk = disk_of(in->nodeid);
	char text[DISKS_MAX * 192];

	if (disk == NULL) {
		size_t size = tell(text, sizeof(text));
		size_t from = read->offset < size ? (size_t)read->offset : size;
		reply(in->unique, 0, text + from, size - from);
		return;
	}
	uint64_t left = read->offset < disk->size ? disk->size - read->offset : 0;
	if (disk->power == POWER_DEAD)
		reply(in->unique, -EIO, NULL, 0);
	else
		reply(in->unique, 0, disk->now + read->offset,
			left < read->size ? left : read->size);
}

static void on_write(const struct fuse_in_header *in, const struct fuse_write_in *write)
{
	struct fuse_write_out out = { .size = write->size };
	struct disk *disk = disk_of(in->nodeid);
	const uint8_t *data = (const uint8_t *)(write + 1);
	char text[256];
	int error = 0;

	if (disk == NULL) {
		(void)snprintf(text, sizeof(text), "%.*s", (int)write->size, (const char *)data);
		error = -command(text);
	} else if (disk->power == POWER_CUT) {
		hold(in->unique, disk, false);
		return;
	} else {
		bool is_lost = disk->power == POWER_DEAD || disk->is_losing;
		disk->is_losing = false;
		error = is_lost ? -EIO : do_write(disk, write->offset, data, write->size);
	}
	reply(in->unique, error, &out, error == 0 ? sizeof(out) : 0);
}

static void on_fsync(const struct fuse_in_header *in)
{
	struct disk *disk = disk_of(in->nodeid);

	if (disk == NULL) {
		reply(in->unique, 0, NULL, 0);
	} else if (disk->power == POWER_CUT || (disk->power == POWER_ON && disk->is_holding)) {
		hold(in->unique, disk, true);
	} else if (disk->power == POWER_DEAD || disk->is_failing) {
		reply(in->unique, -EIO, NULL, 0);
	} else {
		do_flush(disk);
		reply(in->unique, 0, NULL, 0);
	}
}

static void on_init(const struct fuse_in_header *in, const struct fuse_init_in *init)
{
	struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = init->max_readahead,
		.flags = init->flags & (FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_MAX_PAGES),
		.max_background = 64,
		.congestion_threshold = 48,
		.max_write = 1 << 20,
		.max_pages = 256,
		.time_gran = 1 };

	reply(in->unique, 0, &out, sizeof(out));
}

static void on_attributes(const struct fuse_in_header *in)
{
	struct fuse_attr_out out = { .attr_valid = 3600 };

	fill_attributes(in->nodeid, &out.attr);
	reply(in->unique, 0, &out, sizeof(out));
}

static void on_request(const struct fuse_in_header *in, const void *argument)
{
	/* Past the page cache, so that everything is seen when it happens. */
	const struct fuse_open_out opened = { .open_flags = FOPEN_DIRECT_IO };

	switch (in->opcode) {
	case FUSE_INIT: on_init(in, argument); break;
	case FUSE_LOOKUP: on_lookup(in, argument); break;
	case FUSE_GETATTR:
	case FUSE_SETATTR: on_attributes(in); break;
	case FUSE_OPEN: reply(in->unique, 0, &opened, sizeof(opened)); break;
	case FUSE_READ: on_read(in, argument); break;
	case FUSE_WRITE: on_write(in, argument); break;
	case FUSE_FSYNC: on_fsync(in); break;
	case FUSE_FLUSH:
	case FUSE_RELEASE: reply(in->unique, 0, NULL, 0); break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT: break; /* no answer is wanted */
	default: reply(in->unique, -ENOSYS, NULL, 0); break;
	}
}

/* ---- the program ---- */

static void *memory(size_t size)
{
	void *found = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (found == MAP_FAILED)
		stop("memory");
	return found;
}

static void add_disk(const char *text)
{
	struct disk *disk = &disks[disk_count++];
	const char *equals = strchr(text, '=');

	if (disk_count > DISKS_MAX || equals == NULL || equals - text >= (int)sizeof(disk->name)) {
		errno = EINVAL;
		stop(text);
	}
	memcpy(disk->name, text, (size_t)(equals - text));
	disk->size = strtoull(equals + 1, NULL, 10) << 20;
	disk->now = memory(disk->size);
	disk->base = memory(disk->size);
}

static void mount_at(const char *folder)
{
	char options[128];

	fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	(void)snprintf(options, sizeof(options),
		"fd=%d,rootmode=40700,user_id=0,group_id=0,max_read=1048576", fuse_fd);
	if (fuse_fd < 0 || mount("evenkeel-lab-disk", folder, "fuse.evenkeel-lab-disk",
				   MS_NOSUID | MS_NODEV, options) != 0)
		stop(folder);
}

/* Whoever writes back to these disks may wait for us: we wait for no memory that they would have to give. */
static void never_wait_for_disks(void)
{
	(void)prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
		stop("mlockall");
}

int main(int argc, char **argv)
{
	static uint64_t request[REQUEST_MAX / sizeof(uint64_t)];

	if (argc < 3) {
		(void)fprintf(stderr, "usage: evenkeel-lab-disk FOLDER NAME=MEGABYTES...\n");
		return 2;
	}
	never_wait_for_disks();
	for (int i = 2; i < argc; i++)
		add_disk(argv[i]);
	mount_at(argv[1]);
	(void)printf("ready\n");
	(void)fflush(stdout);
	for (;;) {
		ssize_t size = read(fuse_fd, request, sizeof(request) - 1);
		if (size < 0 && errno == ENODEV)
			return 0; /* unmounted */
		if (size < 0 && errno != EINTR && errno != ENOENT && errno != EAGAIN)
			stop("request");
		const struct fuse_in_header *in = (const struct fuse_in_header *)request;
		if (size >= (ssize_t)sizeof(*in))
			on_request(in, in + 1);
	}
}
