/*
 * The tree as a resynchronisation needs it: objects without names, names without ids, and
 * directories that are listed.
 *
 * At the target an object is found by its id wherever it is. What loses its last name goes to the
 * limbo (`.evenkeel/limbo/`), where a later name may pick it up; what is left there at the end is
 * deleted. Nothing here is for the application's requests (those go through tree_apply()), and
 * nothing here decides what is to be done (repl/resync_place.h). Thread-safe; the order of operations on
 * one object is the caller's.
 */
#ifndef EVENKEEL_FS_TREE_RESYNC_H
#define EVENKEEL_FS_TREE_RESYNC_H

#include <dirent.h>

#include "fs/tree/tree.h"

/* ---- directories, one name after the other ---- */

struct tree_directory;

struct tree_name {
	struct bytes name; /* terminated in memory; valid until the next call on this directory */
	uint64_t cookie;   /* stands behind this name; of the file system underneath */
	uint8_t type;	   /* DT_* of dirent(3); DT_UNKNOWN is resolved */
};

/* Gives a reader that stands at the start. Errors: -ESTALE, -ENOTDIR, others. */
int tree_directory_open(
	struct tree *tree, uint64_t object, struct tree_directory **out_directory) MUST_CHECK;
void tree_directory_close(struct tree_directory *directory);
int tree_directory_seek(struct tree_directory *directory, uint64_t cookie) MUST_CHECK;
/* From now on "." and ".." are listed, too. */
void tree_directory_show_dots(struct tree_directory *directory);
/* The id of the name that was read last, 0 if it has none. Gives nobody an id. */
uint64_t tree_directory_identify(struct tree_directory *directory, const struct tree_name *name);
/* 1: out_name is filled; 0: the end; negative: the error. Leaves out ".", ".." and what is ours. */
int tree_directory_next(struct tree_directory *directory, struct tree_name *out_name) MUST_CHECK;

/* The id that a name has, 0 if it has none (or a copied one, R11). Gives nobody an id, unlike
 * tree_lookup(). Errors: -ENOENT, others. */
int tree_identify(
	struct tree *tree, uint64_t parent, struct bytes name, uint64_t *out_object) MUST_CHECK;
/* Is there an object with this id, named, orphaned or in limbo? */
bool tree_has_object(struct tree *tree, uint64_t object);

/* ---- the target of a resynchronisation ---- */

/*
 * The object is at this name from now on. If it lies in limbo it is moved here; a directory is
 * moved from wherever it is; anything else that has names elsewhere gets this one more (the other
 * names go when their directories are listed). What had the name before is unbound first. The same
 * object there already: nothing happens.
 */
int tree_bind(struct tree *tree, uint64_t object, uint64_t parent, struct bytes name) MUST_CHECK;
/* The name is gone from now on; what it named goes to limbo if that was its last name. -ENOENT is
 * not an error. */
int tree_unbind(struct tree *tree, uint64_t parent, struct bytes name) MUST_CHECK;
/* Writes the id into what the name leads to, which has none of its own. Errors: -EEXIST if it has
 * another valid id, or if the id belongs to another object already. */
int tree_adopt(struct tree *tree, uint64_t parent, struct bytes name, uint64_t object) MUST_CHECK;
/*
 * Makes the object in limbo: type, owner, mode and times as in attributes, a symbolic link's target
 * in link; a regular file of that size, all hole. near: any object of the root that it will live
 * in, its future directory for instance. Exists already with the same type: only its attributes are
 * set (not its size). Errors: -EEXIST if it is there with another type.
 */
int tree_create_placeholder(struct tree *tree, uint64_t object, uint64_t near,
	const struct attributes *attributes, struct bytes link) MUST_CHECK;
/* Sets what mask names (ATTRIBUTE_*), in an order in which nothing undoes another. */
int tree_set_attributes(struct tree *tree, uint64_t object, uint32_t mask,
	const struct attributes *attributes) MUST_CHECK;
/* The object has exactly these extended attributes afterwards (and ours); encoded as by
 * tree_xattrs_encode(). Set owner and mode before, times after. */
int tree_xattrs_apply(struct tree *tree, uint64_t object, struct bytes encoded) MUST_CHECK;
/* The target of a symbolic link, not terminated. */
int tree_read_link(struct tree *tree, uint64_t object, uint8_t *out, size_t size_max,
	size_t *out_size) MUST_CHECK;
/* Moves all names of all roots to `.evenkeel/kept/TIME/` (R12). out_path: where the first ones
 * lie, for the event. The ids of what was moved are void: those objects are no longer found. */
int tree_set_aside(struct tree *tree, char *out_path, size_t path_size) MUST_CHECK;
/* Deletes everything in limbo. */
int tree_empty_limbo(struct tree *tree) MUST_CHECK;
/* Deletes all orphans: their users died with the process, or with the node, that served them. */
int tree_purge_orphans(struct tree *tree) MUST_CHECK;
/* The orphans of a root, each named by its id in decimal. Gives the stream. */
int tree_read_orphans(struct tree *tree, uint64_t root, DIR **out_stream) MUST_CHECK;

#endif
