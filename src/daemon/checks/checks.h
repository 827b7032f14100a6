/*
 * Checks of a running application. Not for: what a result means (core). The daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_CHECKS_H
#define EVENKEEL_DAEMON_CHECKS_H

#include "daemon/daemon.h"

/* Which check is down, since when and why; out_sentence is written only then. */
bool checks_trouble(const struct module *module, char out_sentence[SENTENCE_SIZE_MAX]);

int checks_add(struct module *module) MUST_CHECK;
void checks_remove(struct module *module);
void checks_start(struct module *module);
/* They ran before this process did: the next start is no start of the application, and gives it no grace. */
void checks_resume(struct module *module);
void checks_stop(struct module *module);

/* What they say now; FINDING_NONE while they do not run, or have not said anything. */
enum finding checks_look(const struct module *module);

#endif
