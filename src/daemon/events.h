/*
 * The event log: one JSON object a line, appended to state/events.jsonl and to standard error.
 *
 *	{"time":"2026-01-02T03:04:05.678Z","node":"a","module":"pg","severity":"info",
 *	 "id":"mirror.prim","sentence":"..."}
 *
 * Never blocks: lines go through a bounded queue to a thread of their own; what does not fit is
 * dropped and counted, and the count is written when there is room again. What repeats itself is told
 * as a count after a while (repeats.h). The file is turned over
 * once at EVENTS_FILE_MAX (events.jsonl.1). Not for: deciding anything. Any thread may write.
 */
#ifndef EVENKEEL_DAEMON_EVENTS_H
#define EVENKEEL_DAEMON_EVENTS_H

#include "base/macros.h"
#include "core/core.h"

#define EVENTS_FILE_MAX (8 * 1024 * 1024)
#define EVENTS_LINE_MAX 2048
#define EVENTS_QUEUE	512 /* lines */

struct events;

/* folder: the state folder; node: this node's name. Both are copied. Errors: -ENOMEM, of
 * pthread_create(3); an unwritable file is no error: standard error still gets the lines. */
int events_open(const char *folder, const char *node, struct events **out_events) MUST_CHECK;
/* Writes what is queued, waiting at most a second, and ends the thread. */
void events_close(struct events *events);

/* id: stable, with dots ("address.put_back"); module may be NULL. What is too long is cut. */
void events_write(struct events *events, enum severity severity, const char *id, const char *module,
	const char *sentence);

#endif
