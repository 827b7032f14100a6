/* The words of an enum, by value: how each is written, and what it means. */
#ifndef EVENKEEL_BASE_WORDS_H
#define EVENKEEL_BASE_WORDS_H

#include "base/macros.h"

struct word {
	const char *name;
	const char *meaning; /* NULL: the name says it */
};

struct words {
	const struct word *list; /* by value of the enum */
	unsigned int count;
};

/* For the rows of a list X(constant, name, meaning): an enum's constant, and its word. */
#define WORD_CONSTANT(constant, name, meaning) constant,
#define WORD_ROW(constant, name, meaning)      [constant] = { name, meaning },

static inline const char *words_name(const struct words *words, unsigned int value)
{
	CHECK(value < words->count);
	return words->list[value].name;
}

#endif
