/*
 * A struct as JSON and back, by a table of its fields: name, kind, place in the struct, unit, help.
 *
 * One row a field; the writer, the reader, what says which field is wrong, and docs/reference.md
 * all come from that row. Numbers are unsigned 64 bit; what JSON's signed integers do not hold
 * (random tags) stands as a text: "0x" and 16 digits. Unknown keys are ignored (a newer peer may
 * say more), missing keys and unknown words are refused.
 *
 * Not for: settings (api/settings.h), which people write. Any thread; nothing is kept.
 */
#ifndef EVENKEEL_API_FIELDS_H
#define EVENKEEL_API_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/macros.h"
#include "base/words.h"

enum field_kind {
	FIELD_BOOL,
	FIELD_U8,
	FIELD_U16,
	FIELD_U32,
	FIELD_U64,
	FIELD_I64,
	FIELD_ERROR,	  /* int: 0 or a negative errno */
	FIELD_TEXT,	  /* char[]: terminated */
	FIELD_WORD,	  /* an enum, by its words */
	FIELD_EPOCH,	  /* struct epoch: [number, node] */
	FIELD_GENERATION, /* struct generation: [number, tag] */
	FIELD_BYTES,	  /* uint8_t[]: two digits each */
	FIELD_MAYBE,	  /* int8_t: 1, 0, or -1 for null */
	FIELD_STRING,	  /* const char *, borrowed; NULL: absent */
	FIELD_STRINGS,	  /* const char *[], borrowed, as many as count says */
	FIELD_OBJECT,	  /* a struct with fields of its own */
	FIELD_OBJECTS,	  /* a pointer to as many structs as count says; decoding gives the list */
	FIELD_KIND_COUNT
};

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset, size;
	const struct words *words; /* of FIELD_WORD */
	const char *unit;	   /* "" for none */
	const char *help;
	size_t present;		     /* offset of a bool: whether it is there at all; 0: always */
	size_t count;		     /* offset of a uint32_t, of FIELD_STRINGS and FIELD_OBJECTS */
	const struct fields *fields; /* of FIELD_OBJECT and FIELD_OBJECTS */
	size_t item_size;	     /* of FIELD_OBJECTS */
};

struct fields {
	const struct field *list;
	unsigned int count;
};

/* A row: FIELD(struct type, KIND, member, "name", words or NULL, "unit", "help"), and what else its
 * kind wants. */
#define FIELD(type, field_kind, member, field_name, field_words, field_unit, ...)      \
	{                                                                              \
		.name = (field_name), .kind = FIELD_##field_kind,                      \
		.offset = offsetof(type, member), .size = sizeof(((type *)0)->member), \
		.words = (field_words), .unit = (field_unit), .help = __VA_ARGS__      \
	}
/* A row of FIELD_OBJECTS. */
#define FIELD_LIST(type, member, field_name, count_member, item_fields, item_type, field_help) \
	{                                                                                      \
		.name = (field_name), .kind = FIELD_OBJECTS, .offset = offsetof(type, member), \
		.size = sizeof(void *), .count = offsetof(type, count_member),                 \
		.fields = (item_fields), .item_size = sizeof(item_type), .unit = "",           \
		.help = (field_help)                                                           \
	}
#define FIELDS(rows)                      \
	{                                 \
		(rows), ARRAY_COUNT(rows) \
	}

/* What was wrong, with the field's name: "'epoch' is missing". */
struct fields_error {
	char sentence[320];
};

/* Adds the fields of data to the object. Errors: -ENOMEM. */
int fields_encode(const struct fields *fields, const void *data, json_t *object) MUST_CHECK;
/* Fills those members of data (zeroed by the caller) that have a row; texts point into the JSON.
 * After an error data is only good for what frees its lists. Errors: -EPROTO with a sentence,
 * -ENOMEM. */
int fields_decode(const struct fields *fields, const json_t *object, void *data,
	struct fields_error *out_error) MUST_CHECK;
/* What a reader may expect of the field: "true or false", "a number". */
const char *field_kind_sentence(enum field_kind kind);

#endif
