/*
 * What daemon.c asks of its parts; which file does what stands in daemon.h. Each part has an open
 * and a close for the daemon, and an add and a remove for a module where it keeps something for
 * each. Close and remove take what is half made. The daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_PARTS_H
#define EVENKEEL_DAEMON_PARTS_H

#include "api/control.h"
#include "daemon/admin/admin.h"
#include "daemon/daemon.h"
#include "platform/process.h"

/* ---- daemon.c ---- */

/* Performs what waits in the module's queue, as far as it may. */
void daemon_perform_queue(struct module *module);
/* Tells the core of the module once evenkeel-fs has said what still runs (fs.c calls it): its
 * CONTROL_HELLO, or NULL if nothing runs. */
void daemon_module_is_known(struct module *module, const struct control_message *hello);
/* Stopped through and through: nothing is mounted, runs or is being written. Only then it may get
 * other settings, or go. */
bool daemon_module_is_at_rest(struct daemon *daemon, const struct module *module);
void daemon_log(struct daemon *daemon, struct module *module, enum severity severity,
	const char *id, const char *format, ...) PRINTF_LIKE(5, 6);
/* Random bytes for nonces. */
uint64_t daemon_random(void);

/* ---- shutdown.c: a planned exit ---- */

/* Stops all modules, says goodbye, and then stops the loop. A second call does not wait. */
void shutdown_start(struct daemon *daemon);

/* ---- reaper.c ---- */

/* Takes a child over that was killed and may take its time to die. */
void reaper_take(struct daemon *daemon, struct process *process);

/* ---- modules.c: the set of modules, and each one's way in and out ---- */

void modules_load(struct daemon *daemon);
void modules_close(struct daemon *daemon);

/* ---- records.c: state/NAME.record ---- */

int records_open(struct daemon *daemon) MUST_CHECK;
void records_close(struct daemon *daemon);
/* Opens the module's slot file. Errors: -EBADMSG: damaged; of open(2). */
int records_add(struct module *module, struct record *out_record) MUST_CHECK;
void records_remove(struct module *module);
/* Hands the record to the writer thread; records_on_written() of daemon.c answers. */
void records_write(struct module *module, const struct record *record);
void daemon_record_written(struct module *module, int error);

/* ---- mesh.c ---- */

int mesh_open(struct daemon *daemon) MUST_CHECK;
void mesh_close(struct daemon *daemon);
/* One beat to each other node, over every network. */
void mesh_send(struct daemon *daemon, bool is_goodbye);

/* ---- runtime.c ---- */

void runtime_read(struct module *module);
void runtime_write(struct module *module);
void runtime_remove(struct module *module);
/* run/NAME.yaml: under which settings it runs, for our successor and for evenkeel-fs. */
void runtime_keep_settings(struct module *module);

/* ---- hold.c: evenkeel-hold ---- */

int hold_open(struct daemon *daemon) MUST_CHECK;
void hold_close(struct daemon *daemon);
/* Keeps a descriptor under MODULE/NAME: here and in evenkeel-hold. Takes fd. */
void hold_keep(struct module *module, const char *name, int fd);
void hold_forget(struct module *module, const char *name);
/* What is kept for the module, without its prefix; borrowed descriptors. Returns how many. */
int hold_list(struct module *module, struct handed_fd *out, int max);

/* ---- fs.c, fs_guests.c, fs_process.c: evenkeel-fs ---- */

int fs_open(struct daemon *daemon) MUST_CHECK;
void fs_close(struct daemon *daemon);
/* Ends in daemon_module_is_known(), at once or when a living evenkeel-fs has said hello. */
int fs_add(struct module *module) MUST_CHECK;
void fs_remove(struct module *module);
void fs_order(struct module *module, const struct action *action);
/* Runs an evenkeel-fs, or should one? */
bool fs_is_wanted(const struct module *module);
/* Does an evenkeel-fs run here that receives? */
bool fs_is_secondary(const struct module *module);
/* Hands an accepted connection over. Takes fd. Errors: -ENOTCONN: there is no secondary here. */
int fs_hand_stream(struct module *module, uint8_t peer, int fd) MUST_CHECK;
int fs_verify(struct module *module, uint32_t request) MUST_CHECK;

/* ---- streams.c ---- */

int streams_open(struct daemon *daemon) MUST_CHECK;
void streams_close(struct daemon *daemon);

/* ---- scripts.c, scripts/output.c, scripts/environment.c ---- */

int scripts_add(struct module *module) MUST_CHECK;
void scripts_remove(struct module *module);
bool scripts_has(const struct module *module, enum script script);
void scripts_run(struct module *module, enum script script, bool is_forced);
void scripts_kill_application(struct module *module);
bool scripts_is_application_running(const struct module *module);
/* The environment of scripts and commands of a module; gives an array for free_environment(). */
char **scripts_environment(const struct module *module);
void scripts_free_environment(char **environment);

/* ---- checks.c ---- */

int checks_add(struct module *module) MUST_CHECK;
void checks_remove(struct module *module);
void checks_start(struct module *module);
void checks_stop(struct module *module);

/* ---- addresses.c, addresses/wires.c, addresses/probe.c ---- */

int addresses_open(struct daemon *daemon) MUST_CHECK;
void addresses_close(struct daemon *daemon);
int addresses_add(struct module *module) MUST_CHECK;
void addresses_remove(struct module *module);
/* Is any of the module's addresses on one of our interfaces? */
bool addresses_is_held(struct module *module);
void addresses_hold(struct module *module);
void addresses_release(struct module *module);
void addresses_probe(struct module *module);

/* ---- arbiter.c ---- */

int arbiter_open(struct daemon *daemon) MUST_CHECK;
void arbiter_close(struct daemon *daemon);
void arbiter_ask(struct module *module, uint64_t nonce);

#endif
