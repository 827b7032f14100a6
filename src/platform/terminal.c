#include "platform/terminal.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/visible.h"

#define CHUNK 1024

struct guarded { /* under its stream's own lock */
	int fd;
	char rest[4]; /* the beginning of a character */
	size_t rest_size;
};

static struct guarded outputs[] = { { .fd = STDOUT_FILENO }, { .fd = STDERR_FILENO } };

static bool write_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t done = write(fd, text, size);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		text += done;
		size -= (size_t)done;
	}
	return true;
}

/* Gives how much of it was shown; what is left begins a character. -1: not written. */
static ssize_t show(const struct guarded *guarded, const char *text, size_t size)
{
	char shown[CHUNK];
	size_t at = 0, filled = 0;

	while (at < size) {
		size_t used;
		size_t count = visible_next(text + at, size - at, true, shown + filled, &used);
		if (count == 0)
			break;
		at += used;
		filled += count;
		if (filled + VISIBLE_MAX <= sizeof(shown))
			continue;
		if (!write_all(guarded->fd, shown, filled))
			return -1;
		filled = 0;
	}
	return write_all(guarded->fd, shown, filled) ? (ssize_t)at : -1;
}

/* Whether the character that began in an earlier write goes on in this one. */
static bool complete_rest(struct guarded *guarded, const char **text, size_t *size)
{
	while (guarded->rest_size > 0 && *size > 0) {
		guarded->rest[guarded->rest_size++] = **text;
		++*text;
		--*size;
		ssize_t done = show(guarded, guarded->rest, guarded->rest_size);
		if (done < 0)
			return false;
		guarded->rest_size -= (size_t)done;
		memmove(guarded->rest, guarded->rest + done, guarded->rest_size);
	}
	return true;
}

static ssize_t on_write(void *cookie, const char *text, size_t size)
{
	struct guarded *guarded = cookie;
	size_t left = size;

	if (!complete_rest(guarded, &text, &left))
		return 0; /* an error, for stdio */
	ssize_t done = show(guarded, text, left);
	if (done < 0)
		return 0;
	guarded->rest_size = left - (size_t)done;
	CHECK(guarded->rest_size < sizeof(guarded->rest));
	memcpy(guarded->rest, text + done, guarded->rest_size);
	return (ssize_t)size;
}

static FILE *guard(struct guarded *guarded, int mode)
{
	FILE *stream = fopencookie(guarded, "w", (cookie_io_functions_t){ .write = on_write });

	CHECK(stream != NULL && setvbuf(stream, NULL, mode, BUFSIZ) == 0);
	return stream;
}

void terminal_guard(void)
{
	(void)fflush(NULL);
	stdout = guard(&outputs[0], isatty(STDOUT_FILENO) != 0 ? _IOLBF : _IOFBF);
	stderr = guard(&outputs[1], _IOLBF);
}

void terminal_clear(void)
{
	static const char wipe[] = "\033[H\033[2J";

	(void)fflush(stdout);
	(void)!write(STDOUT_FILENO, wipe, sizeof(wipe) - 1); /* what follows is shown below, then */
}
