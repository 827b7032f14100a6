/*
 * A module's scripts and the application they start, in the module's control groups. Not for: which
 * script is due (core). The daemon's thread only. Close and remove take what is half made.
 */
#ifndef EVENKEEL_DAEMON_SCRIPTS_H
#define EVENKEEL_DAEMON_SCRIPTS_H

#include "daemon/daemon.h"

#define SCRIPTS_OUTPUT_NAME "output" /* under which hold keeps the pipe that they write to */

int scripts_add(struct module *module) MUST_CHECK;
void scripts_remove(struct module *module);
void scripts_run(struct module *module, enum script script, bool is_forced);
void scripts_kill_application(struct module *module);
/* Ends what runs in the application's group: SIGTERM, then SIGKILL, and tells the core. */
void scripts_empty_application(struct module *module);
/* Names some of its processes, for a person. */
void scripts_name_application(const struct module *module, char *out, size_t size);
bool scripts_is_application_running(const struct module *module);
/* The environment of scripts and commands of a module; gives an array for
 * scripts_free_environment(). */
char **scripts_environment(const struct module *module);
void scripts_free_environment(char **environment);

#endif
