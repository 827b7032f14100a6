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
#define MODULE_NAME_MAX	    64	 /* bytes of a module's name, without the terminator */
#define OBJECT_NAME_MAX	    255	 /* bytes of one name in a directory (POSIX NAME_MAX) */
#define OBJECT_LINK_MAX	    4095 /* bytes of a symbolic link's target (PATH_MAX - 1) */
#define XATTR_NAME_SIZE_MAX 255
#define XATTR_SIZE_MAX_	    65536 /* Linux XATTR_SIZE_MAX */
#define PATH_SIZE_MAX	    4096
#define SENTENCE_SIZE_MAX   512 /* bytes of a sentence for the operator, terminator included */
#define WRITE_SIZE_MAX	    (256 * 1024) /* the largest write that the kernel sends at once */
#define GENERATION_HISTORY  8		 /* generations a node remembers */

#define NS_PER_US ((int64_t)1000)
#define NS_PER_MS ((int64_t)1000 * NS_PER_US)
#define NS_PER_S  ((int64_t)1000 * NS_PER_MS)

_Static_assert(NODES_MAX <= 64, "a set of nodes is a 64-bit mask");

#endif
