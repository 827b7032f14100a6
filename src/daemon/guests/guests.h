/*
 * The guests of this node: the evenkeel-fs of each module, which live beside us and longer than us, and
 * the peers' connections that are handed on to them. Not for: what is said over these (api/control.h).
 * The daemon's thread only. Close and remove take what is half made.
 */
#ifndef EVENKEEL_DAEMON_GUESTS_H
#define EVENKEEL_DAEMON_GUESTS_H

#include "daemon/daemon.h"

/* ---- fs.c, fs_guests.c, fs_process.c: evenkeel-fs ---- */

int fs_open(struct daemon *daemon) MUST_CHECK;
void fs_close(struct daemon *daemon);
/* Ends in modules_tell_core(), at once or when a living evenkeel-fs has said hello. A module that
 * replicates nothing has none. */
int fs_add(struct module *module) MUST_CHECK;
void fs_remove(struct module *module);
void fs_order(struct module *module, const struct action *action);
/* Runs an evenkeel-fs, or should one? */
bool fs_is_wanted(const struct module *module);
/* Is one there that can be asked? And has it mounted what its last order says, and said so? */
bool fs_is_there(const struct module *module);
bool fs_is_mounted(const struct module *module);
/* Asks it what it sees; the answers come to watch_looked(). One that hears nothing is asked again. */
void fs_look(struct module *module, uint32_t number);
/* Takes its mounts away and kills it, whatever it is at. */
void fs_release_now(struct module *module);
/* Hands a beat, in hexadecimal, to the module's evenkeel-fs, for its stream. False: none takes it. */
bool fs_send_beat(struct module *module, const char *beat);
/* Asks the evenkeel-fs of a mirror to compare the copies; the answer comes to admin_verified(). Errors:
 * -ENOTCONN: none runs. */
int fs_verify(struct module *module, uint32_t request) MUST_CHECK;

/* ---- streams.c: the TCP port ---- */

int streams_open(struct daemon *daemon) MUST_CHECK;
void streams_close(struct daemon *daemon);

#endif
