/*
 * EVENKEEL_DIE_FILE names a file that says where, as OPCODE:POINT, for instance 16:executed. It is
 * removed first, so the successor lives. As 16:executed:wait, the request waits there until the file
 * is there again, and removes it.
 */
#include "fs/front/die.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const point_names[] = {
	[DIE_READ] = "read",
	[DIE_STARTED] = "started",
	[DIE_EXECUTED] = "executed",
	[DIE_SEQUENCED] = "sequenced",
	[DIE_DONE] = "done",
	[DIE_LOOKED_UP] = "looked_up",
	[DIE_PROMOTED] = "promoted",
};

static void wait_until_told(const char *path)
{
	const struct timespec moment = { .tv_nsec = 5 * 1000000 };

	while (unlink(path) != 0)
		(void)nanosleep(&moment, NULL);
}

void die_if_told(uint32_t opcode, enum die_point point)
{
	const char *path = getenv("EVENKEEL_DIE_FILE");
	char told[40] = "", here[40];
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	ssize_t size = read(fd, told, sizeof(told) - 1);
	(void)close(fd);
	(void)snprintf(here, sizeof(here), "%u:%s", opcode, point_names[point]);
	if (size <= 0)
		return;
	char *wait = strstr(told, ":wait");
	if (wait != NULL)
		*wait = '\0';
	if (strcmp(here, told) != 0 || unlink(path) != 0)
		return;
	if (wait != NULL)
		wait_until_told(path);
	else
		(void)kill(getpid(), SIGKILL);
}
