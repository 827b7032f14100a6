/*
 * One request of the kernel while it is handled. Not for: outside of this room's requests, mounts
 * and successor.
 */
#ifndef EVENKEEL_FS_REQUEST_H
#define EVENKEEL_FS_REQUEST_H

#include "fs/front/die.h"
#include "fs/front/front.h"
#include "fs/tree/resync.h"

struct request {
	struct front *front;
	struct mount *mount;
	struct slot *slot;
	struct fuse_in_header in; /* a copy: its unique may carry the resend bit */
	const uint8_t *argument;
	size_t argument_size; /* without the header; checked against the row's minimum */
	uint64_t object;      /* nodeid as an object id */
	uint8_t *scratch;     /* SCRATCH_SIZE, of the worker */
	/* When it began: what was seen before a promotion must not be cached as if it were after. */
	bool is_primary;
	/* A predecessor had started it, and what it recorded is in the slot. */
	bool was_started;
};

/* ---- request.c ---- */

void request_handle(struct request *request);
/* Whether what was read into the slot may have to wait for room in the send log. */
bool request_may_wait(struct slot *slot);
/* Fills the request from what lies in the slot. Errors: -EINVAL if that is no whole request. */
int request_parse(
	struct mount *mount, struct slot *slot, uint8_t *scratch, struct request *out) MUST_CHECK;

/* Answers that end a request which changed nothing (or failed): each frees the slot. */
void reply_error(struct request *request, int error);
void reply_data(struct request *request, const void *data, size_t size);
/* No answer is expected. */
void reply_nothing(struct request *request);

/* The name at offset of the argument, terminated there. Errors: -EINVAL. */
int request_name(const struct request *request, size_t offset, struct bytes *out_name) MUST_CHECK;
/* A nodeid of this mount as an object id, and back. */
uint64_t object_of(const struct mount *mount, uint64_t node);
uint64_t node_of(const struct mount *mount, uint64_t object);
bool is_primary(const struct request *request);

/* ---- entries (request_attributes.c) ---- */

void fill_attr(const struct tree_entry *entry, struct fuse_attr *out);
void fill_entry(
	const struct request *request, const struct tree_entry *entry, struct fuse_entry_out *out);
void fill_attr_out(
	const struct request *request, const struct tree_entry *entry, struct fuse_attr_out *out);
/* As tree_stat(), but also of objects that lost their names. */
int request_stat(struct request *request, uint64_t object, struct tree_entry *out) MUST_CHECK;
/* As tree_lookup(); asks for more ids where they are used up. */
int request_lookup(struct request *request, uint64_t parent, struct bytes name,
	struct tree_entry *out) MUST_CHECK;

/* ---- changes (request_change.c) ---- */

struct change {
	struct op op;
	bool is_exclusive;	      /* shuts out everybody: a directory moves */
	bool syncs, syncs_data_only;  /* answered only when it is durable on both */
	bool is_repeatable_enodata;   /* done again: what is missing was removed by us */
	struct order_objects objects; /* what it touches */
	/* Checked under the locks, before it starts: what was looked up may have changed. -EAGAIN:
	 * unlock and look again. NULL: nothing to check. */
	int (*check)(struct request *request, struct change *change);
	/* After it was done, before it is sequenced: what belongs to it. NULL: nothing. */
	int (*after)(struct request *request, struct change *change);
	/* Composes the answer. Errors are answered instead (the change stands). */
	int (*answer)(struct request *request, struct change *change);
	void (*on_failed)(struct request *request, struct change *change);
};

/* Does it under order locks, sequences it, answers when that is allowed. -EAGAIN: the check wants
 * another try, nothing was done; else the request is answered, or will be. */
int change_run(struct request *request, struct change *change) MUST_CHECK;
/* Answers when the object is durable on both. */
void change_sync(struct request *request, uint64_t object, bool is_data_only);
/* Puts the answer's bytes into the slot. */
void change_answer(struct request *request, const void *data, size_t size);

/* ---- what a failure leaves behind (request_repair.c) ---- */

bool can_leave_traces(const struct op *op, int error);
/* Sends what is really here, in place of the operation that failed; its order locks are held. Gives
 * the sequence to answer at. Errors: -ESTALE: the object is gone; those of reading. */
int change_repair(
	struct request *request, const struct op *failed, uint64_t *out_sequence) MUST_CHECK;

/* ---- directories without a name (request_removed.c) ---- */

bool request_is_removed(struct request *request);
/* The object, or, of a removed directory, under which id the tree may still reach it. */
uint64_t request_reachable(struct request *request);
/* In place of change_run(), for a directory that was removed. */
void change_removed(struct request *request, struct change *change);

/* A write that is answered only when it is durable. */
bool write_wants_sync(const struct request *request);

/* ---- who may keep setuid and setgid (request_privilege.c) ---- */

/* Adds to the operation what an owner's change, or a truncation, takes away. */
int drop_privilege_before(struct request *request, struct op *op) MUST_CHECK;
/* For change.after: a write by somebody who may not keep them; an ACL set from outside the group.
 */
int drop_privilege_after(struct request *request, struct change *change) MUST_CHECK;
int drop_setgid_after(struct request *request, struct change *change) MUST_CHECK;

/* ---- handlers ---- */

void on_lookup(struct request *request);
void on_forget(struct request *request);
void on_batch_forget(struct request *request);
void on_getattr(struct request *request);
void on_setattr(struct request *request);
void on_readlink(struct request *request);
void on_symlink(struct request *request);
void on_mknod(struct request *request);
void on_mkdir(struct request *request);
void on_unlink(struct request *request);
void on_rmdir(struct request *request);
void on_rename(struct request *request);
void on_rename2(struct request *request);
void on_link(struct request *request);
void on_open(struct request *request);
void on_read(struct request *request);
void on_write(struct request *request);
void on_statfs(struct request *request);
void on_fsync(struct request *request);
void on_setxattr(struct request *request);
void on_getxattr(struct request *request);
void on_listxattr(struct request *request);
void on_removexattr(struct request *request);
void on_init(struct request *request);
void on_opendir(struct request *request);
void on_readdir(struct request *request);
void on_readdirplus(struct request *request);
void on_create(struct request *request);
void on_fallocate(struct request *request);
void on_lseek(struct request *request);

#endif
