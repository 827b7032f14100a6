#include "fs/front/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RING_MAGIC   UINT64_C(0x45564b4c52494e47) /* EVKLRING */
#define RING_VERSION 3

#define HEADER_SIZE  4096
#define GONE_OFFSET  HEADER_SIZE
#define GONE_SIZE    (GONE_BUCKETS * GONE_BUCKET_SIZE * sizeof(struct gone))
#define SLOTS_OFFSET ((GONE_OFFSET + GONE_SIZE + 4095) / 4096 * 4096)
#define RING_SIZE    (SLOTS_OFFSET + (size_t)RING_SLOTS * RING_SLOT_SIZE)

/* As many as are used at a time keep their memory (16 MiB); the others give it back when they are free. */
#define KEPT_SLOTS 64
#define KEPT_SIZE  4096 /* a slot's state stays to be seen */
#define PAGE	   4096

_Static_assert(sizeof(struct ring_header) <= HEADER_SIZE, "the header has a page");
_Static_assert(offsetof(struct slot, state) == 0, "attach_slots() reads it there");

int ring_create(int *out_fd)
{
	int fd = memfd_create("evenkeel-ring", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	*out_fd = fd;
	return 0;
}

static int map(struct ring *ring, bool is_new)
{
	if (is_new && ftruncate(ring->fd, (off_t)RING_SIZE) != 0)
		return -errno;
	if (lseek(ring->fd, 0, SEEK_END) != (off_t)RING_SIZE)
		return -EPROTO;
	ring->memory = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (ring->memory == MAP_FAILED) {
		ring->memory = NULL;
		return -errno;
	}
	/* What is there stays there: a page that was swapped out is not (see populate()). */
	(void)mlock2(ring->memory, RING_SIZE, MLOCK_ONFAULT);
	ring->header = (struct ring_header *)(void *)ring->memory;
	ring->gone = (struct gone *)(void *)(ring->memory + GONE_OFFSET);
	if (is_new)
		*ring->header =
			(struct ring_header){ .magic = RING_MAGIC, .version = RING_VERSION };
	if (ring->header->magic != RING_MAGIC || ring->header->version != RING_VERSION)
		return -EPROTO;
	return 0;
}

static void attach_slots(struct ring *ring)
{
	for (int i = 0; i < RING_SLOTS; i++) {
		uint32_t state = SLOT_FREE;
		off_t at = (off_t)(SLOTS_OFFSET + (size_t)i * RING_SLOT_SIZE);
		/* pread(2), unlike a look through the mapping, does not make a page exist. */
		if (pread(ring->fd, &state, sizeof(state), at) == (ssize_t)sizeof(state) &&
			state != SLOT_FREE)
			ring->used[i / 64] |= BIT64(i % 64);
	}
}

int ring_open(struct ring *ring, int fd, bool is_new)
{
	*ring = (struct ring){ .fd = fd };
	lock_init(&ring->lock, RANK_RING);
	condition_init(&ring->freed);
	int error = map(ring, is_new);
	if (error == 0 && !is_new)
		attach_slots(ring);
	if (error != 0)
		ring_close(ring);
	return error;
}

void ring_close(struct ring *ring)
{
	if (ring->memory != NULL)
		(void)munmap(ring->memory, RING_SIZE);
	if (ring->fd >= 0)
		(void)close(ring->fd);
	lock_done(&ring->lock);
	condition_done(&ring->freed);
	*ring = (struct ring){ .fd = -1 };
}

/* ---- slots ---- */

struct slot *ring_slot(const struct ring *ring, int index)
{
	CHECK(index >= 0 && index < RING_SLOTS);
	return (struct slot *)(void *)(ring->memory + SLOTS_OFFSET +
				       (size_t)index * RING_SLOT_SIZE);
}

int ring_index(const struct ring *ring, const struct slot *slot)
{
	size_t offset = (size_t)((const uint8_t *)slot - (ring->memory + SLOTS_OFFSET));

	CHECK(offset % RING_SLOT_SIZE == 0 && offset / RING_SLOT_SIZE < RING_SLOTS);
	return (int)(offset / RING_SLOT_SIZE);
}

uint8_t *slot_request(struct slot *slot)
{
	return (uint8_t *)slot + SLOT_REQUEST_OFFSET;
}

static int lowest_free(const struct ring *ring)
{
	for (int i = 0; i < RING_SLOTS / 64; i++) {
		if (ring->used[i] != UINT64_MAX)
			return i * 64 + __builtin_ctzll(~ring->used[i]);
	}
	return -1;
}

static void touch(uint8_t *bytes, size_t size)
{
	for (size_t at = 0; at < size; at += PAGE) {
		volatile uint8_t *byte = bytes + at;
		*byte = *byte;
	}
}

/*
 * All memory that a request may need is there before the kernel copies one into it. For a page that
 * is not, the kernel would have to take the long way, which it gives up when we are being killed: it
 * then answers the request itself, with EIO, and what was stored through a mapping is lost without a
 * word (R8). Memory that is short fails here without a harm, where touching it would kill us.
 */
static void populate(uint8_t *bytes, size_t size)
{
	if (madvise(bytes, size, MADV_POPULATE_WRITE) != 0 && errno == EINVAL)
		touch(bytes, size); /* before Linux 5.14 */
}

/* Under lock. Whether it was; from now on it is, by the caller, who has the slot to himself. */
static bool note_populated(struct ring *ring, int index)
{
	bool was = (ring->populated[index / 64] & BIT64(index % 64)) != 0;

	if (index < KEPT_SLOTS)
		ring->populated[index / 64] |= BIT64(index % 64);
	return was;
}

struct slot *ring_take(struct ring *ring)
{
	struct slot *slot = NULL;
	bool is_populated = false;
	int index;

	lock_take(&ring->lock);
	while ((index = lowest_free(ring)) < 0 && !ring->is_closing)
		condition_wait(&ring->freed, &ring->lock);
	if (index >= 0 && !ring->is_closing) {
		ring->used[index / 64] |= BIT64(index % 64);
		is_populated = note_populated(ring, index);
		slot = ring_slot(ring, index);
	}
	lock_give(&ring->lock);
	if (slot == NULL)
		return NULL;
	if (!is_populated)
		populate((uint8_t *)slot, RING_SLOT_SIZE);
	memset(slot_request(slot), 0, sizeof(struct fuse_in_header));
	slot->unique = slot->sequence = slot->object = slot->replaced = slot->whiteout = 0;
	slot->error = 0;
	slot->answer_size = slot->op_flags = 0;
	atomic_store(&slot->state, SLOT_READING);
	return slot;
}

void ring_free(struct ring *ring, struct slot *slot)
{
	int index = ring_index(ring, slot);

	atomic_store(&slot->state, SLOT_FREE);
	if (index >= KEPT_SLOTS) /* madvise(2) does not in memory that is locked */
		(void)!fallocate(ring->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			(uint8_t *)slot + KEPT_SIZE - ring->memory, RING_SLOT_SIZE - KEPT_SIZE);
	lock_take(&ring->lock);
	CHECK((ring->used[index / 64] & BIT64(index % 64)) != 0);
	ring->used[index / 64] &= ~BIT64(index % 64);
	condition_wake_one(&ring->freed);
	lock_give(&ring->lock);
}

void ring_shut(struct ring *ring)
{
	lock_take(&ring->lock);
	ring->is_closing = true;
	condition_wake_all(&ring->freed);
	lock_give(&ring->lock);
}

/* ---- objects without names ---- */

static struct gone *gone_bucket(struct ring *ring, uint64_t object)
{
	uint64_t bucket = (object * UINT64_C(0x9e3779b97f4a7c15)) >> 54;

	return &ring->gone[bucket * GONE_BUCKET_SIZE];
}

_Static_assert(GONE_BUCKETS == 1 << 10, "gone_bucket() takes the ten topmost bits");

static struct gone *gone_at(struct ring *ring, uint64_t object)
{
	struct gone *bucket = gone_bucket(ring, object);

	for (int i = 0; i < GONE_BUCKET_SIZE; i++) {
		if (bucket[i].object == object)
			return &bucket[i];
	}
	return NULL;
}

/* An entry of the bucket to write to: the object's own, a free one, or that of an object which only
 * its attributes are kept of. NULL: all are orphans. */
static struct gone *gone_room(struct ring *ring, uint64_t object)
{
	struct gone *bucket = gone_bucket(ring, object);
	struct gone *room = gone_at(ring, object);

	for (int i = 0; room == NULL && i < GONE_BUCKET_SIZE; i++) {
		if (bucket[i].object == 0)
			room = &bucket[i];
	}
	for (int i = 0; room == NULL && i < GONE_BUCKET_SIZE; i++) {
		if (bucket[i].is_orphan == 0)
			room = &bucket[i];
	}
	return room;
}

void gone_add(struct ring *ring, const struct tree_entry *entry, bool is_orphan)
{
	CHECK(entry->object != 0);
	lock_take(&ring->lock);
	struct gone *gone = gone_room(ring, entry->object);
	if (gone == NULL) {
		ring->header->has_overflowed = 1;
	} else {
		if (gone->object != entry->object)
			gone->object = 0;
		gone->entry = *entry;
		gone->entry.links = 0;
		gone->is_orphan = is_orphan;
		atomic_signal_fence(memory_order_seq_cst);
		gone->object = entry->object;
	}
	lock_give(&ring->lock);
}

void gone_remove(struct ring *ring, uint64_t object)
{
	lock_take(&ring->lock);
	struct gone *gone = gone_at(ring, object);
	if (gone != NULL && object != 0)
		gone->object = 0;
	lock_give(&ring->lock);
}

bool gone_find(
	struct ring *ring, uint64_t object, struct tree_entry *out_entry, bool *out_is_orphan)
{
	lock_take(&ring->lock);
	struct gone *gone = gone_at(ring, object);
	if (gone != NULL) {
		if (out_entry != NULL)
			*out_entry = gone->entry;
		*out_is_orphan = gone->is_orphan != 0;
	}
	lock_give(&ring->lock);
	return gone != NULL;
}
