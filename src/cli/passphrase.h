/* Where the recovery passphrase comes from: a file, the environment, the terminal. */
#ifndef EVENKEEL_CLI_PASSPHRASE_H
#define EVENKEEL_CLI_PASSPHRASE_H

#include "cli/cli.h"
#include "cli/keys.h"

/* From --passphrase-file or EVENKEEL_PASSPHRASE. Gives false with *out_code 0 if neither is given,
 * or with another exit code (and a sentence) if it is of no use. */
bool passphrase_given(
	const struct arguments *arguments, char out[PASSPHRASE_MAX + 1], int *out_code);
/* The same, else asked for at the terminal, without echo. Gives an exit code. */
int passphrase_ask(const struct arguments *arguments, char out[PASSPHRASE_MAX + 1]) MUST_CHECK;

#endif
