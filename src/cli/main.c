/* evenkeel: the command line. The commands are rows of commands.c. */
#include <signal.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "platform/terminal.h"

int main(int argc, char **argv)
{
	struct arguments arguments = { .command = "" };
	terminal_guard();
	char **others = calloc((size_t)argc + 1, sizeof(*others));
	int count = 0;
	if (others == NULL)
		return EXIT_REFUSED;
	/* `log | head` ends by a failed write */
	(void)sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	int code = arguments_parse(&arguments, argv, others, &count);
	if (code == EXIT_DONE)
		code = arguments_find_folders(&arguments);
	if (code == EXIT_DONE)
		code = command_run(&arguments, others, count);
	free(others);
	if (fflush(stdout) != 0 && code == EXIT_DONE)
		code = EXIT_REFUSED;
	return code;
}
