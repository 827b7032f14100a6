/*
 * The requests of one mount in memory that outlasts the process (R8): a sparse memfd that evenkeeld
 * and evenkeel-hold keep as well.
 *
 *	+--------+------+--------+--------+-----
 *	| header | gone | slot 0 | slot 1 | ...
 *	+--------+------+--------+--------+-----
 *
 * Each request is read(2) straight into a slot. Slots have the largest request's size, but pages
 * exist only where a slot was used, and the lowest free slot is used first: an arena without an
 * allocator. A slot that is taken has all its pages, whatever is read into it: the kernel's copy must
 * not need one when we are being killed.
 *
 *	          take             read(2)           before the operation       sequenced
 *	  FREE ---------> READING ---------> READ ----------------> STARTED ------------> DONE
 *	   ^                                   |                        | failed            |
 *	   +------------- answered ------------+------------------------+-------------------+
 *
 * The request's header is zeroed before it is read, so a length there means that it was read, even
 * if nobody could note it down. Host byte order: the memory never leaves the machine. Not for: what
 * a request means (front/request.h). Thread-safe.
 */
#ifndef EVENKEEL_FS_RING_H
#define EVENKEEL_FS_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/macros.h"
#include "core/record.h"
#include "fs/front/fuse_kernel.h"
#include "fs/tree/tree.h"
#include "platform/lock.h"

#define RING_SLOTS	    512
#define SLOT_REQUEST_OFFSET 1024
#define SLOT_REQUEST_MAX    (WRITE_SIZE_MAX + 7168)
#define RING_SLOT_SIZE	    (SLOT_REQUEST_OFFSET + SLOT_REQUEST_MAX)
#define SLOT_ANSWER_MAX	    512
#define GONE_BUCKETS	    1024
#define GONE_BUCKET_SIZE    8

_Static_assert(RING_SLOT_SIZE % 4096 == 0, "slots begin at pages");

enum slot_state { SLOT_FREE, SLOT_READING, SLOT_READ, SLOT_STARTED, SLOT_DONE };

struct slot {
	_Atomic uint32_t state; /* enum slot_state */
	int32_t error;		/* of the answer: 0 or a negative errno */
	uint32_t answer_size;
	uint32_t op_flags; /* STARTED: of the operation */
	uint64_t unique;   /* as the kernel expects it in the answer */
	uint64_t sequence; /* DONE */
	uint64_t object;   /* STARTED: what the operation is about, and what it replaces */
	uint64_t replaced;
	uint64_t whiteout;		 /* STARTED: the id that a rename's whiteout is to get */
	uint8_t answer[SLOT_ANSWER_MAX]; /* DONE */
};

_Static_assert(sizeof(struct slot) <= SLOT_REQUEST_OFFSET, "the request follows");

/* An object without a name that the kernel may still ask about. */
struct gone {
	uint64_t object; /* 0: free */
	uint64_t is_orphan;
	struct tree_entry entry; /* as it was */
};

struct ring_header {
	uint64_t magic, version;
	uint64_t has_resend; /* granted at INIT */
	uint64_t is_initialised;
	uint64_t has_overflowed; /* the gone table had to forget something once */
	/* what the module does now: for a successor */
	uint64_t role;	  /* enum fs_role */
	uint64_t is_held; /* by order of the daemon (R7) */
	uint64_t device;  /* of the mount */
	struct epoch epoch;
	struct generation generation;
	uint8_t set_id[SET_ID_SIZE];
};

struct ring {
	int fd; /* owned */
	uint8_t *memory;
	struct ring_header *header;
	struct gone *gone;
	struct lock lock; /* of free slots and gone objects */
	struct condition freed;
	uint64_t used[RING_SLOTS / 64]; /* bit: the slot is not free */
	/* bit: the slot's memory is there, in this process (what a predecessor had is not) */
	uint64_t populated[RING_SLOTS / 64];
	bool is_closing;
};

/* fd: a memfd, taken also on failure. is_new: it is formatted. Errors: -EPROTO if it is not a ring
 * of this version; others as of mmap(2). */
int ring_open(struct ring *ring, int fd, bool is_new) MUST_CHECK;
void ring_close(struct ring *ring);
/* Makes an empty memfd for ring_open(). */
int ring_create(int *out_fd) MUST_CHECK;

struct slot *ring_slot(const struct ring *ring, int index);
int ring_index(const struct ring *ring, const struct slot *slot);
uint8_t *slot_request(struct slot *slot);
/* The lowest free slot, READING; waits for one if there is none. NULL: the ring is closing. */
struct slot *ring_take(struct ring *ring);
void ring_free(struct ring *ring, struct slot *slot);
/* Wakes whoever waits in ring_take(). */
void ring_shut(struct ring *ring);

/* ---- objects without names ---- */

void gone_add(struct ring *ring, const struct tree_entry *entry, bool is_orphan);
void gone_remove(struct ring *ring, uint64_t object);
/* out_entry may be NULL. links is 0. */
bool gone_find(
	struct ring *ring, uint64_t object, struct tree_entry *out_entry, bool *out_is_orphan);

#endif
