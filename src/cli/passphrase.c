#include "cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASSPHRASE_MIN 8

static int check(const struct arguments *arguments, const char *text, char *out)
{
	size_t size = strcspn(text, "\r\n");
	if (size < PASSPHRASE_MIN || size > PASSPHRASE_MAX)
		return refuse(arguments,
			"the recovery passphrase has %zu characters; expected %d to %d on one line",
			size, PASSPHRASE_MIN, PASSPHRASE_MAX);
	memcpy(out, text, size);
	out[size] = '\0';
	return EXIT_DONE;
}

bool passphrase_given(
	const struct arguments *arguments, char out[PASSPHRASE_MAX + 1], int *out_code)
{
	const char *path = option_value(arguments, OPTION_PASSPHRASE_FILE);
	const char *environment = getenv("EVENKEEL_PASSPHRASE");
	char *text = NULL;
	size_t size = 0;
	*out_code = EXIT_DONE;
	if (path == NULL && environment == NULL)
		return false;
	if (path == NULL) {
		*out_code = check(arguments, environment, out);
		return *out_code == EXIT_DONE;
	}
	int error = file_read(path, &text, &size);
	if (error != 0)
		*out_code = refuse(arguments, "the passphrase's file %s cannot be read: %s", path,
			strerror(-error));
	else
		*out_code = check(arguments, text, out);
	key_free(text);
	return *out_code == EXIT_DONE;
}

/* A line from the terminal, not shown. Errors: -ENXIO without a terminal. */
static int read_hidden(const char *prompt, char *out, size_t size)
{
	struct termios before;
	int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (terminal < 0)
		return -ENXIO;
	if (tcgetattr(terminal, &before) != 0) {
		close(terminal);
		return -ENXIO;
	}
	struct termios silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(terminal, TCSAFLUSH, &silent); /* at worst it is seen */
	(void)dprintf(terminal, "%s", prompt);
	ssize_t got = read(terminal, out, size - 1);
	(void)tcsetattr(terminal, TCSAFLUSH, &before);
	(void)dprintf(terminal, "\n");
	close(terminal);
	out[got > 0 ? got : 0] = '\0';
	return got > 0 ? 0 : -EIO;
}

int passphrase_ask(const struct arguments *arguments, char out[PASSPHRASE_MAX + 1])
{
	char line[PASSPHRASE_MAX + 3];
	int code;
	if (passphrase_given(arguments, out, &code) || code != EXIT_DONE)
		return code;
	int error = read_hidden("Recovery passphrase of the cluster: ", line, sizeof(line));
	if (error != 0)
		return refuse(arguments,
			"wants the recovery passphrase that 'cluster init' printed: give "
			"--passphrase-file, or set EVENKEEL_PASSPHRASE, or call it at a terminal");
	return check(arguments, line, out);
}
