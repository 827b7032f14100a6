/*
 * Starting other programs: into a control group, with exactly the descriptors they are meant to
 * have, and watched by a pidfd. Not for: what they are run for. The daemon's thread.
 */
#ifndef EVENKEEL_PLATFORM_PROCESS_H
#define EVENKEEL_PLATFORM_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/macros.h"

#define PROCESS_HANDED_MAX 4096 /* descriptors handed over in LISTEN_FDS form */
#define HANDED_NAME_MAX	   168	/* bytes of a name, terminator included */

/* A descriptor and the name its reader finds in LISTEN_FDNAMES. */
struct handed_fd {
	int fd;
	char name[HANDED_NAME_MAX]; /* without colons */
};

struct process_order {
	const char *path;
	char *const *arguments;	  /* terminated by NULL; [0] is the program's own name */
	char *const *environment; /* terminated by NULL; LISTEN_* are added */
	const char *folder;	  /* working directory; NULL: / */
	int cgroup_fd;		  /* of the group's directory; -1: ours */
	int output_fd;		  /* becomes standard output and error; -1: ours */
	const struct handed_fd *handed;
	int handed_count;
	bool keeps_protection; /* keeps our oom_score_adj; else it starts with 0 */
};

struct process {
	pid_t pid;
	int pidfd;	/* readable when it has ended; -1: there is none */
	int failure_fd; /* while there is a pidfd: where a child says why it could not run; or -1 */
};

/*
 * Starts a session of its own, standard input from /dev/null, signals as at login, all other
 * descriptors closed. Does not wait for the program's file to be read, whose disk may hang: that it
 * cannot be run is seen as its end, and told by process_reap(). Errors: of fork(2), pipe(2).
 */
int process_start(const struct process_order *order, struct process *out_process) MUST_CHECK;
/* Watches a process that is not our child. Errors: -ESRCH: there is none. */
int process_watch(pid_t pid, struct process *out_process) MUST_CHECK;
/*
 * Takes the exit status of a child that has ended, as of waitpid(2), and closes the pidfd. Errors:
 * -ECHILD: it was not our child; if it never ran, what execve(2) and the like said: -ENOENT: it is not
 * there; -ELIBACC: the interpreter that its first line names is not; -EACCES, -ENOEXEC.
 */
int process_reap(struct process *process, int *out_status) MUST_CHECK;
/* Such an error of process_start() and process_reap() in words. */
const char *process_failure(int error);
/* Closes the pidfd only. */
void process_close(struct process *process);
/* SIGKILL to a child and to what it started in its session's first group; before it is reaped. */
void process_kill_group(const struct process *process);
/* A write to a closed connection returns -EPIPE from now on, and ends nobody. */
void process_ignore_broken_pipes(void);
/* Errors: -ESRCH. */
int process_kill(const struct process *process, int signal_number);

#endif
