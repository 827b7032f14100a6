/* What fields.c (structs, lists, what is wrong) has of fields_value.c (one value). Not for others. */
#ifndef EVENKEEL_API_FIELDS_INTERNAL_H
#define EVENKEEL_API_FIELDS_INTERNAL_H

#include "api/fields.h"

#define FIELD_BYTES_MAX 64

/* Gives NULL if there is no memory. Not of lists and objects. */
json_t *field_value_to_json(const struct field *field, const void *at);
/* False: it is of another kind, or has no room. Not of lists and objects. */
bool field_value_from_json(const struct field *field, const json_t *json, void *at);
json_t *field_text_to_json(const char *text);

#endif
