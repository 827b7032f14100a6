/* Waiting for one descriptor, up to a moment of the boot clock. Not for: loops (platform/loop.h). */
#ifndef EVENKEEL_PLATFORM_WAIT_H
#define EVENKEEL_PLATFORM_WAIT_H

#include <stdint.h>

#include "base/macros.h"

/* events: as of poll(2). Errors: -ETIMEDOUT, those of ppoll(2). */
int wait_for_fd(int fd, short events, int64_t deadline_ns) MUST_CHECK;

#endif
