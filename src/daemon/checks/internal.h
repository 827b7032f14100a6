/*
 * What the kinds of checks and their common half share: a kind starts a try and says how it ended;
 * checks.c says when one is due, what is too long, and what the core hears of it. Not for others; the
 * daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_CHECKS_INTERNAL_H
#define EVENKEEL_DAEMON_CHECKS_INTERNAL_H

#include "daemon/checks/checks.h"
#include "platform/process.h"

#define CHECK_SAID_SIZE 200 /* of what a program says, its last line */

enum check_result { CHECK_UNKNOWN, CHECK_IS_UP, CHECK_IS_DOWN };

/* The last line that a try's program printed that is not empty. */
struct check_said {
	char text[CHECK_SAID_SIZE];
	size_t size;
	bool is_ended; /* what comes next begins another line */
};

struct check {
	struct module *module;
	uint8_t index;
	enum check_result last;
	int failures; /* in a row */
	int64_t since_ns;
	const struct check_type *trying; /* the row of the try under way, NULL: none */
	struct timer timer;		 /* the next try, or the limit of this one */
	/* what a try may hold; its kind gives it back */
	int socket;
	struct process process;
	struct watch watch;
	int output; /* what its program prints; -1: none */
	struct watch output_watch;
	struct check_said said;
	char why[SENTENCE_SIZE_MAX]; /* while it is down: as of its last try */
	int64_t down_ns;	     /* since when, on the clock of the wall */
};

/* A kind of check. A try never blocks. */
struct check_type {
	/* Begins a try, which ends in check_is_up() or check_is_down(), later. Errors: it failed
	 * already. */
	int (*start)(struct check *check);
	/* Gives back what a try holds, however it ended. */
	void (*end)(struct check *check);
	/* Such an error in words. */
	const char *(*failure)(int error);
};

extern const struct check_type check_tcp, check_command;

const struct check_config *check_config_of(const struct check *check);
void check_is_up(struct check *check);
void check_is_down(struct check *check, const char *why);

/* ---- command.c: what must not outlive the check ---- */

/* Kills what a predecessor of this process had running for the module's checks. */
void check_command_forget(struct module *module);
/* Removes the groups of the module's checks. */
void check_command_remove(struct module *module);

#endif
