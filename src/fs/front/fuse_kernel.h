/*
 * The kernel's FUSE protocol: linux/fuse.h, and what Debian 12's copy of it is too old to know.
 * Not for: libfuse, which Evenkeel does not use (docs/decisions/).
 */
#ifndef EVENKEEL_FS_FUSE_KERNEL_H
#define EVENKEEL_FS_FUSE_KERNEL_H

#include <linux/fuse.h>

#define FUSE_HAS_RESEND_BIT    (UINT64_C(1) << 39) /* INIT: the server may ask for a resend */
#define FUSE_NOTIFY_RESEND_NOW 7 /* notification: send all unanswered requests again */
#define FUSE_UNIQUE_RESENT     (UINT64_C(1) << 63) /* in unique: this request is sent again */
#define FUSE_STATX_OPCODE      52

#endif
