/*
 * Text from elsewhere (names of files and processes, what scripts print, what a peer says) on its way
 * to a person: what a terminal would obey, or what shows other words than there are, is written out.
 *
 *	control characters, also those of 0x80 to 0x9f		\x1b  \u009b
 *	bytes that are no UTF-8					\xff
 *	what turns the direction of reading, or is not seen	\u202e
 *
 * A backslash stays one: this is for reading, not for reading back. Not for: JSON, whose writers
 * escape by its own rules; what is left to them is valid UTF-8 here.
 */
#ifndef EVENKEEL_BASE_VISIBLE_H
#define EVENKEEL_BASE_VISIBLE_H

#include <stdbool.h>
#include <stddef.h>

#define VISIBLE_MAX 10 /* bytes that one character may become */

/*
 * Writes the first character of the text (size bytes, at least one) as a person may see it; out_used:
 * how many bytes of the text it was. Returns how many were written; 0: it goes on beyond the text.
 * keeps_lines: a newline and a tab are what they are.
 */
size_t visible_next(
	const char *text, size_t size, bool keeps_lines, char out[VISIBLE_MAX], size_t *out_used);
/* Bytes of the character that the text (size bytes, at least one) begins with; 0: it is no UTF-8 (RFC 3629). */
size_t visible_character_size(const char *text, size_t size);
/* All of it on one line, cut at a whole character where there is no room. */
void visible_copy(char *out, size_t out_size, const char *text);

#endif
