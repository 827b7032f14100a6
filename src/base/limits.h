/*
 * Every limit of the house, in one place, so that their relations can be asserted.
 * Not for: settings an operator may change (those are rows of a settings table).
 */
#ifndef EVENKEEL_BASE_LIMITS_H
#define EVENKEEL_BASE_LIMITS_H

#include <stdint.h>

#define NODES_MAX	    64	 /* nodes of a cluster; node ids are 1..NODES_MAX */
#define MODULES_MAX	    512	 /* modules of a cluster */
#define LINKS_MAX	    8	 /* networks between two nodes; what libknet takes */
#define ROOTS_MAX	    8	 /* replicated directories of one module */
#define ADDRESSES_MAX	    8	 /* virtual addresses of one module */
#define CHECKS_MAX	    16	 /* checks of one module */
#define NODE_NAME_MAX	    64	 /* bytes of a node's name, without the terminator */
#define STREAMED_BEAT_MAX   1536 /* hexadecimal digits of a beat that goes over the stream */
#define MODULE_NAME_MAX	    64	 /* bytes of a module's name, without the terminator */
#define OBJECT_NAME_MAX	    255	 /* bytes of one name in a directory (POSIX NAME_MAX) */
#define OBJECT_LINK_MAX	    4095 /* bytes of a symbolic link's target (PATH_MAX - 1) */
#define XATTR_NAME_SIZE_MAX 255
#define XATTR_SIZE_MAX_	    65536 /* Linux XATTR_SIZE_MAX */
#define XATTR_LIST_SIZE_MAX 65536 /* all names of an object, terminated: Linux XATTR_LIST_MAX */
#define XATTR_NAME_SIZE_MIN 6	  /* user.x */
#define PATH_SIZE_MAX	    4096
#define SENTENCE_SIZE_MAX   512 /* bytes of a sentence for the operator, terminator included */
#define WRITE_SIZE_MAX	    (256 * 1024) /* the largest write that the kernel sends at once */
#define GENERATION_HISTORY  8		 /* generations a node remembers */

#define NS_PER_US ((int64_t)1000)
#define NS_PER_MS ((int64_t)1000 * NS_PER_US)
#define NS_PER_S  ((int64_t)1000 * NS_PER_MS)

/*
 * Times that contain each other: how long it takes at most until a node has let go (R10). Each step
 * ends by itself; who waits for it waits longer. docs/limits.md has the whole table.
 */
#define UNMOUNT_TRY_NS	(1500 * NS_PER_MS) /* plainly, for killed processes to let go */
#define HOLDERS_LOOK_NS (1 * NS_PER_S)	   /* at all of /proc, to name or to kill them */
#define WORKERS_END_NS	(1 * NS_PER_S) /* before the connection of an unmounted mount is ended */
#define RELEASE_GAP_NS	(5 * NS_PER_S) /* those who use a directory are named; then it is taken */
#define FS_RELEASE_LIMIT_NS \
	(15 * NS_PER_S) /* of evenkeel-fs, before evenkeeld does it without it */

#define FS_HELLO_LIMIT_NS (8 * NS_PER_S) /* of successors that end without a hello: given up */

#define DRAIN_PATIENCE_NS (60 * NS_PER_S) /* for both disks to take what is left */
#define EMPTY_TERM_NS	  (5 * NS_PER_S) /* between SIGTERM and SIGKILL for what was left running */
#define EMPTY_KILL_NS	  (5 * NS_PER_S) /* after SIGKILL, before it is called impossible to end */

_Static_assert(UNMOUNT_TRY_NS + HOLDERS_LOOK_NS < 3 * NS_PER_S, "who holds it is named in time");
_Static_assert(2 * UNMOUNT_TRY_NS + 3 * HOLDERS_LOOK_NS + 2 * WORKERS_END_NS < FS_RELEASE_LIMIT_NS,
	"evenkeel-fs comes to the end of its ladder before evenkeeld ends it");

_Static_assert(NODES_MAX <= 64, "a set of nodes is a 64-bit mask");

#endif
