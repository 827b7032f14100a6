/*
 * What the files of this wing share: fs_guests.c (who connects to control.sock), fs.c (what is said to
 * and by a module's evenkeel-fs), fs_process.c (its process), streams.c (the TCP port). Not for others; the
 * daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_GUESTS_INTERNAL_H
#define EVENKEEL_DAEMON_GUESTS_INTERNAL_H

#include <sys/types.h>

#include "daemon/guests/guests.h"
#include "platform/process.h"

#define FS_PENDING_MAX 16 /* orders that wait for a hello */
#define FS_KEPT_MAX    64 /* descriptors of one module that hold keeps */

struct module_fs {
	struct module *module;
	int socket; /* -1: it has not said hello */
	struct watch socket_watch;
	struct process process; /* pidfd -1: none */
	bool is_child;
	bool has_greeted; /* this process has said hello */
	struct watch process_watch;
	bool is_wanted;	  /* it has something to do; dying, it is started again */
	bool is_adopting; /* the core is not told before it has said hello */
	bool is_wait_said;
	const char *
		unfit; /* why what it left is not carried on: nothing starts before STOP; or NULL */
	enum fs_role role;
	bool is_changing;		   /* another role is ordered, and not reported */
	struct control_message role_order; /* the last one */
	bool has_role_order;
	struct control_message pending[FS_PENDING_MAX];
	int pending_count;
	int64_t started_ns, adopt_since_ns, backoff_ns;
	int64_t missed_since_ns; /* the first end without a hello, since the last hello; 0: none */
	dev_t given_up[ROOTS_MAX]; /* mounted still, their connections ended */
	int given_up_count;
	struct timer start, send_again, adopt, release_limit;
	char notice[FS_DETAIL_MAX]; /* the last one logged, and when */
	int64_t notice_ns;
	bool has_words;
	char words[FS_DETAIL_MAX]; /* of the last one that ended without a hello, and when logged */
	int64_t words_ns;
};

/* ---- fs.c ---- */

/* Binds a guest's connection to the module it says hello for; takes the socket. False: it must go,
 * because another process serves the module; the socket is still the caller's then. */
bool fs_welcome(struct module *module, pid_t pid, int socket,
	const struct control_message *hello) MUST_CHECK;
/* Reads one packet from it; closes the socket when there are no more. A watch's function. */
void fs_hear(void *module_fs, uint32_t events);
void fs_close_socket(struct module_fs *fs);
/* Hands an event about the module to the core, if the core knows the module. */
void fs_post(struct module *module, const struct event *event);
/* Tells the core that what ran cannot go on here. */
void fs_post_unfit(struct module_fs *fs);
/* Nothing runs and nothing is mounted, without anybody who could say so. */
void fs_stopped_without(struct module_fs *fs);
/* Does an evenkeel-fs run here that receives? */
bool fs_is_secondary(const struct module *module);
/* Hands an accepted connection over. Takes fd. Errors: -ENOTCONN: there is no secondary here. */
int fs_hand_stream(struct module *module, uint8_t peer, int fd) MUST_CHECK;

/* ---- fs_force.c ---- */

void fs_force_init(struct module_fs *fs);
/* It was ordered to stop: what is still mounted after a while is taken away. */
void fs_force_arm(struct module_fs *fs);
void fs_force_disarm(struct module_fs *fs);
/* Remembers which mounts there are, to be taken away when what leads to them is forgotten. */
void fs_force_note(struct module_fs *fs);
/* Takes the mounts away, those that were remembered too. */
void fs_force_take(struct module_fs *fs);

/* ---- fs_words.c ---- */

void fs_words_forget(const struct module *module);
/* What the process that was started last said it could not do; "": nothing. */
void fs_words_read(const struct module *module, char *out, size_t size);

/* ---- fs_process.c ---- */

/* Finds out what runs from before our start; ends in modules_tell_core(). */
void fs_process_adopt(struct module_fs *fs);
/* Starts the process unless there is one; tries again later if it cannot. A timer's function. */
void fs_process_start(void *module_fs);
/* From here on this is the module's process, whoever started it. Errors: it is gone. */
int fs_process_follow(struct module_fs *fs, pid_t pid) MUST_CHECK;
/* Forgets what a process that stopped in order had left for a successor. */
void fs_process_forget(struct module_fs *fs);
void fs_process_done(struct module_fs *fs);

#endif
