/*
 * What was changed by hand below the replicated directories while nobody of ours watched them, and is
 * about to be overwritten or removed by a resynchronisation: it is kept (R12, R13).
 *
 *	begin	byhand_find(): whatever changed in an unwatched span (repl/unwatched.h) gets one more
 *		name, in .evenkeel/kept/unfinished: durable before the first operation touches it
 *	during	byhand_before(): before its content is changed, or it is unlinked while it is open, that
 *		name gets a copy instead (a clone, where the file system can). What is removed needs
 *		nothing: it lives on under that name
 *	end	byhand_settle(): what was neither changed nor removed was what the primary has, and its
 *		name goes; all else moves to .evenkeel/kept/TIME, under the path it had
 *
 * What has no id in such a copy was made by nobody of ours, also while we watched (behind the mount): it is
 * held the same way before it is removed, or taken for another object.
 *
 * So a file that was only touched costs a name; nothing is copied but what is overwritten, and never
 * into more than half of the room that is left. Not for: what the losing tree of a split held (that is
 * set aside whole, decisions/0004), nor for extended attributes. Taking and letting go: any thread;
 * the rest: whoever applies operations.
 */
#ifndef EVENKEEL_FS_TREE_BYHAND_H
#define EVENKEEL_FS_TREE_BYHAND_H

#include "fs/tree/tree.h"

/* ---- the watch ---- */

/* From now on all changes come from us. alive_ns: the last sign of life (wall clock) of a predecessor
 * in this life of the machine, 0: none. Durable when it returns 0. */
int byhand_take(struct tree *tree, int64_t alive_ns) MUST_CHECK;
/* They are watched still: noted durably, if that is due. */
int byhand_see(struct tree *tree) MUST_CHECK;
/* Since then the directories lie open. Durable when it returns 0. Again: the first time counts. */
int byhand_let_go(struct tree *tree, int64_t since_ns) MUST_CHECK;
/* As the kernel stamps a change: with the wall clock of its last tick. */
int64_t byhand_now_ns(void);
/* What lies here is what is served: nothing of it is anybody else's. Settles what a resynchronisation
 * that was cut off had found. */
struct byhand_account;
int byhand_serve(struct tree *tree, struct byhand_account *out_account) MUST_CHECK;

/* What was changed in the spans so far was looked after. Durable when it returns 0. */
int byhand_forget(struct tree *tree) MUST_CHECK;

/* ---- a resynchronisation ---- */

struct byhand_work { /* tells whoever waits that it goes on; may be all zero */
	void *context;
	void (*goes_on)(void *context);
};

/* The spans are forgotten. Errors: -ENOSPC, others of the file system: then nothing may be
 * overwritten. */
int byhand_find(struct tree *tree, const struct byhand_work *work) MUST_CHECK;
/* An operation is about to be done. out_why: empty, or a sentence about the error. Errors: -ENOSPC: it
 * must not be done, as what it overwrites cannot be kept; others. */
int byhand_before(struct tree *tree, const struct op *op, const struct byhand_work *work,
	char *out_why, size_t size) MUST_CHECK;
/* Is one of the names of this inode, which lies in the same root as the object near it, ours? */
bool byhand_holds(struct tree *tree, uint64_t near, uint64_t inode);
/* Everything that the copy lacked is here; what changes from now on is no longer by hand. */
void byhand_end(struct tree *tree);

struct byhand_account {
	uint64_t kept, touched; /* touched: their content was what the primary has */
	char folder[64]; /* .evenkeel/kept/TIME of the first root that has any; empty: none */
	char names[96];	 /* the first */
};

/* The limbo is empty, everything is durable. */
int byhand_settle(struct tree *tree, struct byhand_account *out_account) MUST_CHECK;

/* Folders in .evenkeel/kept of all roots, as of the last time that anybody looked; and looks. */
uint64_t byhand_kept(struct tree *tree);
uint64_t byhand_look(struct tree *tree);

#endif
