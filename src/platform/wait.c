#include "platform/wait.h"

#include <errno.h>
#include <poll.h>

#include "platform/clock.h"

int wait_for_fd(int fd, short events, int64_t deadline_ns)
{
	for (;;) {
		int64_t left_ns = deadline_ns - clock_boot_ns();
		if (left_ns <= 0)
			return -ETIMEDOUT;
		struct pollfd item = { .fd = fd, .events = events };
		struct timespec timeout = { left_ns / NS_PER_S, left_ns % NS_PER_S };
		int ready = ppoll(&item, 1, &timeout, NULL);
		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return -errno;
	}
}
