/*
 * A killed predecessor's requests are carried on (R8).
 *
 * Where the kernel can send again, it is asked to first: from then on each unanswered request has
 * the resent bit in its unique id and is at the head of the queue. They are read before anything
 * else and told apart from what lies in the ring already: a request that the ring knows only gives
 * its new unique id. A slot that nothing was sent again for was answered already; its work is
 * finished all the same, its answer goes nowhere. They are read into slots as well: the memory is
 * there (ring.c), and what is read and not sent again, on kernels that cannot, outlives us.
 *
 * Then what was started is decided, then what was only read is done. No two started ones depend on
 * each other (see request_change.c).
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/front/request.h"

/* Whether it will; else the ring is the only net. */
static bool ask_to_resend(struct mount *mount)
{
	struct fuse_out_header out = { .len = sizeof(out), .error = FUSE_NOTIFY_RESEND_NOW };

	return mount->ring.header->has_resend != 0 &&
	       write(mount->fuse_fd, &out, sizeof(out)) == (ssize_t)sizeof(out);
}

static uint32_t state_of(struct slot *slot)
{
	return atomic_load(&slot->state);
}

static bool is_used(const struct ring *ring, int index)
{
	return (ring->used[index / 64] & BIT64(index % 64)) != 0;
}

static bool is_forget(uint32_t opcode)
{
	return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET;
}

/*
 * The header was zeroed before it was read into: a length means that there is a request, but not that
 * all of it is there, nor that it was not answered (with EIO, by a kernel that could not go on). So
 * what is sent again is taken from there, and only what nobody answers, which is not, from here.
 */
static void settle_reading(struct mount *mount, bool is_resent)
{
	struct fuse_in_header in;

	for (int i = 0; i < RING_SLOTS; i++) {
		if (!is_used(&mount->ring, i))
			continue;
		struct slot *slot = ring_slot(&mount->ring, i);
		if (state_of(slot) != SLOT_READING)
			continue;
		memcpy(&in, slot_request(slot), sizeof(in));
		if (in.len < sizeof(in) || (is_resent && !is_forget(in.opcode))) {
			ring_free(&mount->ring, slot);
			continue;
		}
		slot->unique = in.unique;
		atomic_store(&slot->state, SLOT_READ);
	}
}

static struct slot *slot_of(struct mount *mount, uint64_t unique)
{
	for (int i = 0; i < RING_SLOTS; i++) {
		if (!is_used(&mount->ring, i))
			continue;
		struct slot *slot = ring_slot(&mount->ring, i);
		if (state_of(slot) >= SLOT_READ &&
			(slot->unique & ~FUSE_UNIQUE_RESENT) == (unique & ~FUSE_UNIQUE_RESENT))
			return slot;
	}
	return NULL;
}

static bool is_readable(const struct mount *mount)
{
	struct pollfd poll_fd = { .fd = mount->fuse_fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLIN) != 0;
}

/* A request that was sent again, or the first new one, for which no slot was free. */
struct unplaced {
	struct unplaced *next;
	size_t size;
	uint8_t bytes[];
};

static bool is_full(const struct mount *mount)
{
	for (int i = 0; i < RING_SLOTS / 64; i++) {
		if (mount->ring.used[i] != UINT64_MAX)
			return false;
	}
	return true;
}

static void place_later(struct unplaced **list, const uint8_t *bytes, size_t size)
{
	struct unplaced *unplaced = malloc(sizeof(*unplaced) + size);

	CHECK(unplaced != NULL);
	unplaced->size = size;
	memcpy(unplaced->bytes, bytes, size);
	unplaced->next = *list;
	*list = unplaced;
}

static struct slot *place(struct mount *mount, const struct unplaced *unplaced)
{
	struct slot *slot = ring_take(&mount->ring);
	struct fuse_in_header in;

	if (slot == NULL)
		return NULL;
	memcpy(&in, unplaced->bytes, sizeof(in));
	memcpy(slot_request(slot), unplaced->bytes, unplaced->size);
	slot->unique = in.unique;
	atomic_store(&slot->state, SLOT_READ);
	return slot;
}

/* Reads one request; true if there may be more of those that were sent again. slot: taken; NULL: none
 * is free. */
static bool match_one(
	struct mount *mount, struct slot *slot, uint8_t *scratch, struct unplaced **list)
{
	uint8_t *bytes = slot != NULL ? slot_request(slot) : scratch;
	ssize_t size = read(mount->fuse_fd, bytes, SLOT_REQUEST_MAX);
	struct fuse_in_header in = { 0 };
	struct slot *known = NULL;

	if (size >= (ssize_t)sizeof(in))
		memcpy(&in, bytes, sizeof(in));
	if ((in.unique & FUSE_UNIQUE_RESENT) != 0)
		known = slot_of(mount, in.unique);
	if (known != NULL)
		known->unique = in.unique;
	if (in.len == 0 || known != NULL) {
		if (slot != NULL)
			ring_free(&mount->ring, slot);
	} else if (slot != NULL) {
		slot->unique = in.unique;
		atomic_store(&slot->state, SLOT_READ);
	} else {
		place_later(list, bytes, (size_t)size);
	}
	/* What is forgotten has a queue of its own, and comes in between. */
	return (in.unique & FUSE_UNIQUE_RESENT) != 0 || is_forget(in.opcode);
}

static void match_resent(struct mount *mount, uint8_t *scratch, struct unplaced **list)
{
	bool may_be_more = true;

	memset(scratch, 0, SCRATCH_SIZE); /* all of it is there, as a slot is */
	while (may_be_more && is_readable(mount)) {
		struct slot *slot = is_full(mount) ? NULL : ring_take(&mount->ring);
		may_be_more = match_one(mount, slot, scratch, list);
	}
}

/* Answers of a sync must not go before the sync was done: it is done again. */
static bool is_done_again(const struct request *request)
{
	switch (request->in.opcode) {
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR: return true;
	case FUSE_WRITE: return write_wants_sync(request);
	default: return false; /* EXCEPTION: of all opcodes, only these sync */
	}
}

static void carry_on(struct mount *mount, struct slot *slot, uint8_t *scratch)
{
	uint32_t state = state_of(slot);
	struct request request;

	if (request_parse(mount, slot, scratch, &request) != 0) {
		ring_free(&mount->ring, slot);
		return;
	}
	if (state == SLOT_DONE && !is_done_again(&request)) {
		answer_later(mount, slot);
		return;
	}
	request.was_started = state != SLOT_READ;
	atomic_store(&slot->state, SLOT_READ);
	request_handle(&request);
}

/* Each slot as the predecessor left it: what is carried on here changes its state, and must not be
 * met again. */
struct left {
	uint8_t states[RING_SLOTS];
};

static void look(struct mount *mount, struct left *out_left)
{
	for (int i = 0; i < RING_SLOTS; i++)
		out_left->states[i] = is_used(&mount->ring, i)
					      ? (uint8_t)state_of(ring_slot(&mount->ring, i))
					      : SLOT_FREE;
}

static void carry_on_all(
	struct mount *mount, const struct left *left, enum slot_state state, uint8_t *scratch)
{
	for (int i = 0; i < RING_SLOTS; i++) {
		if (left->states[i] == state)
			carry_on(mount, ring_slot(&mount->ring, i), scratch);
	}
}

void successor_recover(struct mount *mount)
{
	uint8_t *scratch = malloc(SCRATCH_SIZE);
	struct unplaced *list = NULL;
	struct left left;

	CHECK(scratch != NULL);
	bool is_resent = ask_to_resend(mount);
	settle_reading(mount, is_resent);
	if (is_resent)
		match_resent(mount, scratch, &list);
	look(mount, &left);
	carry_on_all(mount, &left, SLOT_STARTED, scratch);
	carry_on_all(mount, &left, SLOT_DONE, scratch);
	carry_on_all(mount, &left, SLOT_READ, scratch);
	while (list != NULL) {
		struct unplaced *next = list->next;
		struct slot *slot = place(mount, list);
		if (slot != NULL)
			carry_on(mount, slot, scratch);
		free(list);
		list = next;
	}
	free(scratch);
}
