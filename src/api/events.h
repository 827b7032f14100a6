/*
 * The events of state/events.jsonl: what each id means and what to do, for docs/reference.md and
 * for consoles. The sentence of an event says more; the id is what programs look for, and stays.
 *
 * A gate holds that every id that is logged has a row, with the severity that it is logged with,
 * and every row is logged somewhere.
 */
#ifndef EVENKEEL_API_EVENTS_H
#define EVENKEEL_API_EVENTS_H

#include <stddef.h>

#include "api/fields.h"
#include "core/core.h"

extern const struct event_row {
	const char *id;
	enum severity severity;
	const char *meaning;
	const char *to_do; /* "": nothing */
} event_rows[];
extern const size_t event_row_count;

/* The row of this id; NULL: there is none. */
const struct event_row *event_row_find(const char *id);

extern const struct words severity_words;
/* What a line of events.jsonl holds. */
struct shown_event {
	const char *time, *node, *module, *severity, *id, *sentence;
};
extern const struct fields shown_event_fields;

#endif
