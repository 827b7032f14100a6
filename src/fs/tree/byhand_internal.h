/*
 * What the files of tree/byhand*.c share. Nobody else includes this.
 *
 * In .evenkeel/kept/unfinished of each root: `INODE` is one more name of what was changed by hand,
 * `INODE.copy` a copy of it, `list` says which path each had: decimal inode, space, path, zero byte.
 */
#ifndef EVENKEEL_FS_TREE_BYHAND_INTERNAL_H
#define EVENKEEL_FS_TREE_BYHAND_INTERNAL_H

#include "fs/tree/byhand.h"
#include "fs/tree/internal.h"

#define UNFINISHED     "unfinished"
#define HELD_LIST      "list"
#define HELD_NAME_SIZE 32
#define COPY_BYTES     ((size_t)16 * 1024 * 1024) /* between two signs that it goes on */

struct unwatched byhand_spans(struct tree *tree);
/* Gives a descriptor. Errors: -ENOENT unless is_made. */
int byhand_open_unfinished(const struct tree_part *part, bool is_made, int *out_fd) MUST_CHECK;
void byhand_name(uint64_t inode, bool is_copy, char out[HELD_NAME_SIZE]);
/* Copies a regular file into the folder, durably. fd: of the inode, O_PATH will do. */
int byhand_copy(
	int fd, const struct stat *st, int to_fd, const struct byhand_work *work) MUST_CHECK;

#endif
