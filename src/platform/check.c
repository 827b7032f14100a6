/*
 * The last words of a process that stops itself: its name, the place and the condition, as one line
 * on its standard error, by one system call and nothing that takes a lock or allocates.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/macros.h"

static struct iovec part(const char *text)
{
	return (struct iovec){ .iov_base = (void *)text, .iov_len = strlen(text) };
}

/* Stronger than the one of base/check.c. */
void check_failed(const char *place)
{
	while (strncmp(place, "../", 3) == 0) /* from the build folder */
		place += 3;
	struct iovec line[] = { part(program_invocation_short_name), part(": CHECK failed: "),
		part(place), part("\n") };
	if (writev(STDERR_FILENO, line, ARRAY_COUNT(line)) < 0)
		__builtin_trap(); /* nobody listens: as well */
	__builtin_trap();
}
