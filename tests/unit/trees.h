/*
 * Two trees of one module in one process: what the tests of test_tree_*.c stand on. No mounts, no
 * stream: an operation is done here, and handed to the other tree as its applier would.
 *
 *	trees_do()  ->  here (TREE_LOCAL)  ->  there (TREE_REPLAY), twice
 *
 * The tests of one program share both trees, one after the other. Needs root and a file system with
 * trusted.* attributes below TMPDIR. A new test goes into the file of its theme.
 *
 * Everything here fails the test by itself when it cannot do what it says.
 */
#ifndef TESTS_UNIT_TREES_H
#define TESTS_UNIT_TREES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "fs/tree/tree.h"

struct side {
	char folder[512]; /* its one root; beside it lies the folder of its index */
	int fd;
	struct tree *tree;
};

struct trees {
	char folder[256]; /* of everything below */
	struct side here, there;
};

/* ---- one of them ---- */

/* Makes the root if there is none; a lease it does not have yet. */
void side_open(struct side *side, const char *folder, const char *name);
void side_close(struct side *side);

/* Everything that the state folder holds of one side. */
void side_lose_index(const struct side *side);

/* The id of what has this name in root 1, given now if it had none. */
uint64_t side_look_up(struct side *side, const char *name);

/* The same below any directory, but nothing is given: 0 then. */
uint64_t side_id_at(struct side *side, uint64_t parent, const char *name);

/* ---- both ---- */

/* Does it here, then twice at the other tree. Returns what it returned here. */
int trees_do(struct trees *trees, struct op *op);

/* Makes an object of that type in both, and returns its id. */
uint64_t trees_create(struct trees *trees, uint64_t parent, const char *name, uint32_t mode);

/* What chattr(1) has set of FS_IMMUTABLE_FL and FS_APPEND_FL; and that it is these. */
unsigned int flags_of(const char *path);
void protect(const char *path, unsigned int flags);

/* Borrows the string. */
struct bytes text(const char *string);

/* The main() of each program. */
int trees_main(const struct CMUnitTest *tests, size_t count);

#endif
