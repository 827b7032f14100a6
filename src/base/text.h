/*
 * Sentences for people, built without the C library: append, truncate at the end, always
 * terminated. Not for: bytes on wire or disk. Any thread, one at a time for each text.
 */
#ifndef EVENKEEL_BASE_TEXT_H
#define EVENKEEL_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

struct text {
	char data[SENTENCE_SIZE_MAX]; /* always terminated */
	size_t size;		      /* bytes before the terminator */
};

void text_clear(struct text *text);
/* Appends a terminated string; what does not fit is cut off. */
void text_add(struct text *text, const char *string);
void text_add_u64(struct text *text, uint64_t value);
/* Seconds with one decimal, from nanoseconds: "2.5". A negative value counts as zero. */
void text_add_seconds(struct text *text, int64_t duration_ns);

#endif
