/*
 * Virtual addresses: held, released, asked for. Not for: who may hold one (core). The daemon's thread only.
 * Close and remove take what is half made.
 */
#ifndef EVENKEEL_DAEMON_ADDRESSES_H
#define EVENKEEL_DAEMON_ADDRESSES_H

#include "daemon/daemon.h"

int addresses_open(struct daemon *daemon) MUST_CHECK;
void addresses_close(struct daemon *daemon);
int addresses_add(struct module *module) MUST_CHECK;
void addresses_remove(struct module *module);
/* Are all of the module's addresses on interfaces of ours? False without any. */
bool addresses_is_held(struct module *module);
/* Are all that are to be held set, as of the last look? True while none is to be. */
bool addresses_are_set(const struct module *module);
/* What is wrong with one that is to be held, as of the last look, which is half a second old: it cannot
 * be set, or another machine has it too. False: nothing, and out_sentence is not written. */
bool addresses_trouble(const struct module *module, char out_sentence[SENTENCE_SIZE_MAX]);
void addresses_hold(struct module *module);
void addresses_release(struct module *module);
void addresses_probe(struct module *module);

/* What is seen of the module's addresses: set, or where they may come, that they could be. */
enum finding addresses_look(struct module *module);

#endif
