/*
 * The text of a module.yaml, with some settings given anew: comments and the numbers of its lines
 * stay, so what is complained about is found where the person wrote it. Not for: understanding
 * YAML; the result is read by api/config.h.
 */
#ifndef EVENKEEL_CLI_MODULE_TEXT_H
#define EVENKEEL_CLI_MODULE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

/* True if a line at the left margin gives this key. */
bool module_text_has(const char *text, const char *key);
/* True if that line gives it this word, in quotes or not. */
bool module_text_is(const char *text, const char *key, const char *word);
/* The key's lines become comments, "key: value" is appended. Takes *text and gives another. Errors:
 * -ENOMEM (text is kept). */
int module_text_set(char **text, const char *key, const char *value) MUST_CHECK;
/* The key's lines become comments. */
int module_text_unset(char **text, const char *key) MUST_CHECK;
/* A YAML list of double-quoted texts, in out. Errors: -ERANGE. */
int module_text_list(const char *const *items, int count, char *out, size_t size) MUST_CHECK;

#endif
