/*
 * The file system in front of one module: its mounts, the requests in them, the answers that wait.
 *
 *	kernel --read(2)--> slot of the ring --> request_*.c --> tree, replicator
 *	kernel <--write(2)-- answers.c <-- on_answerable, on_synced
 *
 * Reads never wait for the peer. What changes something is done here under order locks, sequenced,
 * noted down as done in its slot, and answered when the replicator says so. The order of locks:
 * docs/threads.md. Thread-safe unless it says otherwise.
 */
#ifndef EVENKEEL_FS_FRONT_H
#define EVENKEEL_FS_FRONT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/config.h"
#include "fs/front/ring.h"
#include "fs/replicator/replicator.h"
#include "fs/tree/order.h"
#include "fs/tree/tree.h"
#include "platform/lock.h"

/* Of one mount. Two at least, or a request that waits would leave nobody who reads; more are started
 * when all are busy. Blocking fsyncs must not use up those that read. */
#define WORKERS_MIN 2
#define WORKERS_MAX 32
#define CHANGES_MAX 24 /* of them, that may wait for room in the send log */

struct front;

struct mount {
	struct front *front;
	int index;
	uint64_t root_object;	   /* index + 1 */
	char path[PATH_SIZE_MAX];  /* as it is configured */
	char place[PATH_SIZE_MAX]; /* where it is mounted: without symbolic links */
	int root_fd;		   /* the underlying directory; owned by the front */
	int fuse_fd;		   /* -1: not mounted */
	struct ring ring;
	bool is_mounted;
	/* Asked for by other threads as well (R23): of what is mounted, 0: nothing, or not known; and
	 * whether the kernel still asks here. */
	_Atomic uint64_t device;
	atomic_bool is_connected;

	struct lock lock; /* of all below */
	struct condition ended;
	int workers, idle;
	int changes; /* workers that have one */
	struct slot
		*aside[RING_SLOTS]; /* changes that wait for one of those to come back: a queue */
	int aside_first, aside_count;
};

/* A request that is done and waits: for the peer's acknowledgement, or for two syncs. */
struct waiting {
	struct mount *mount;
	struct slot *slot; /* NULL: free */
	uint64_t sequence;
	bool is_sync, is_synced_here, is_synced_there;
	int64_t failed_ns; /* our disk failed then, and the daemon decides what is answered; 0: no
			    */
};

#define WAITING_MAX (ROOTS_MAX * RING_SLOTS)

struct answers {
	struct lock lock;
	int used; /* no entry beyond was ever used since it was last empty */
	int count;
	struct waiting waiting[WAITING_MAX];
};

/* Keeps a descriptor for a successor, under this name; NULL name list: nobody keeps anything. */
struct keeper {
	void *context;
	void (*store)(void *context, const char *name, int fd);
	void (*unstore)(void *context, const char *name);
};

struct front {
	struct tree *tree;
	struct order *order;
	struct replicator *replicator;
	struct keeper keeper;
	void *report_context;
	/* Our own disk failed while a request was done: the daemon decides. NULL: the caller gets
	 * the error at once (standalone). */
	void (*on_local_failed)(void *context, int error);
	_Atomic uint32_t role;	/* enum fs_role */
	atomic_bool is_failing; /* fail mode (R10) */
	/* The kernel tells of a lost page once, and of none afterwards: no later sync is believed
	 * until the next mount. */
	atomic_bool has_sync_failed;
	int mount_count;
	struct mount mounts[ROOTS_MAX];
	struct answers answers;
	char refused[128]; /* why the last call was refused, for a person */
};

/* ---- front.c ---- */

/* Opens nothing yet; paths and root descriptors (taken) are set in mounts[] by the caller. */
void front_init(struct front *front);
/* Mounts all roots in this role. Errors: as of mount(2); front->refused says more. */
int front_mount(struct front *front, enum fs_role role) MUST_CHECK;
/* Unmounts all. Errors: -EBUSY, front->refused names who holds it. */
int front_unmount(struct front *front) MUST_CHECK;
/* SIGKILL to processes that have files of the mounts open or mapped; their names go to `refused`. One
 * that only stands in a directory lives on. False: there are none. */
bool front_kill_holders(struct front *front);
/* The connections end, so that every request fails, and the mounts are taken away, whoever uses them.
 * Errors: of umount2(2); front->refused says more. */
int front_take_away(struct front *front) MUST_CHECK;
/* A predecessor's descriptors: continues its requests. All mounts at once, roles as noted. */
int front_adopt(struct front *front, int index, int fuse_fd, int ring_fd) MUST_CHECK;
/* Begins to serve what was adopted. The replicator has its role already. */
int front_resume(struct front *front, enum fs_role role) MUST_CHECK;
/* A promoted secondary serves from now on: nothing that kernels cached stays valid. */
void front_promote(struct front *front);
/* The applier changed something below the read-only mount. */
void front_on_applied(struct front *front, const struct op *op);
/* Notes down for a successor what the module does. */
void front_note(struct front *front, enum fs_role role, struct epoch epoch,
	struct generation generation, const uint8_t set_id[SET_ID_SIZE]);

/* Held or not by order of the daemon, and what a predecessor was. */
void front_note_held(struct front *front, bool is_held);
bool front_was_held(const struct front *front);
/* The number of a mount's device, 0 while there is none; and whether the kernel still asks there. */
uint64_t front_device(struct front *front, int index);
bool front_is_connected(struct front *front, int index);
/* Does something else than our mount lie at a place where one is to be? Any thread; asks no server. */
bool front_lies_open(struct front *front);

/* ---- mount.c ---- */

int mount_start(struct mount *mount) MUST_CHECK;
/* Errors: -EBUSY: it is used. */
int mount_stop(struct mount *mount) MUST_CHECK;
/* Whoever uses it. Errors: what is left cannot be reached; it fails every request. */
int mount_take_away(struct mount *mount) MUST_CHECK;
/* Finds out where it is mounted, and as which device, and notes the device down for a successor. */
void mount_find_place(struct mount *mount);
int mount_start_workers(struct mount *mount) MUST_CHECK;
/* The kernel drops attributes and pages. It may wait for readers of those pages. */
void mount_invalidate(struct mount *mount, uint64_t object);
/* The kernel asks for the attributes again. False: it does not know the object. Does not wait for us. */
bool mount_invalidate_attributes(struct mount *mount, uint64_t object);
/* Who uses it, in words for a person; looks for a second at most. With should_kill those who have files
 * open or mapped are killed, and only they are named; gives how many. */
int mount_name_holders(const struct mount *mount, bool should_kill, char *out, size_t size);
/* Handles the one request that was read into the slot. */
void mount_handle(struct mount *mount, struct slot *slot, uint8_t *scratch);
#define SCRATCH_SIZE SLOT_REQUEST_MAX /* of a worker: what it reads, lists */

/* ---- successor.c ---- */

/* Before any worker runs: what the predecessor left, in whatever state. */
void successor_recover(struct mount *mount);

/* ---- answers.c ---- */

void answers_init(struct answers *answers);
/* Sends the slot's recorded answer and frees the slot. */
void answer_send(struct mount *mount, struct slot *slot);
/* The slot is DONE: its answer goes now, or when its sequence may be answered. */
void answer_later(struct mount *mount, struct slot *slot);
/* As above, of an OP_SYNC: also waits for answer_synced_here() and for the peer. */
void answer_after_sync(struct mount *mount, struct slot *slot);
void answer_synced_here(struct mount *mount, struct slot *slot);
/* Our own disk failed: waits until the daemon has decided (or, standalone, for nothing). */
void answer_failed(struct mount *mount, struct slot *slot, int error);
void answers_on_answerable(struct front *front, uint64_t sequence);
void answers_on_synced(struct front *front, uint64_t sequence, int error);
/* The daemon has decided, or does not: those whose disk failed before get the error (0: all). */
void answers_release_failed(struct front *front, int64_t before_ns);
/* Fail mode (R10): every held answer and every new change is an EIO from now on. */
void answers_fail_all(struct front *front);
void answers_stop_failing(struct front *front);
/* Returns when nobody is on the way to answer by an older permission (R7). */
void answers_settle(struct front *front);

#endif
