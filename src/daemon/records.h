/*
 * The modules' durable records, state/NAME.record, written by a thread of their own. Not for: what
 * stands in one (core/record.h). The daemon's thread only. Close and remove take what is half made.
 */
#ifndef EVENKEEL_DAEMON_RECORDS_H
#define EVENKEEL_DAEMON_RECORDS_H

#include "core/record.h"
#include "daemon/daemon.h"

int records_open(struct daemon *daemon) MUST_CHECK;
void records_close(struct daemon *daemon);
/* Opens the module's slot file. Errors: -EBADMSG: damaged; of open(2). */
int records_add(struct module *module, struct record *out_record) MUST_CHECK;
void records_remove(struct module *module);
/* Hands the record to the writer thread; daemon_record_written() answers. */
void records_write(struct module *module, const struct record *record);

#endif
