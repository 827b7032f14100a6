/*
 * One row a setting: its key, type, range, default, whether it may change while the module runs,
 * and a line of help. The parser of a YAML file, its checks, the help text and the plan of `apply`
 * all read the same rows.
 *
 * The YAML is read as libyaml's events, so every complaint names its line. Only what people need
 * is accepted: maps, lists and plain values; no anchors, no tags, one document. Not for: what must
 * hold between several settings (config.c). Any thread.
 */
#ifndef EVENKEEL_API_SETTINGS_H
#define EVENKEEL_API_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "api/config.h"
#include "base/macros.h"

enum setting_type {
	SETTING_NAME,	   /* char[]: letters, digits, '.', '_', '-' */
	SETTING_DIRECTORY, /* char[]: an absolute path, without "." and ".." */
	SETTING_FILE,	   /* char[]: a file below the module's bin/ */
	SETTING_INTEGER,   /* uint8_t, uint16_t, uint64_t by size */
	SETTING_DURATION,  /* int64_t nanoseconds */
	SETTING_BOOLEAN,
	SETTING_WORD,		/* an enum: the index into words */
	SETTING_NODE_ADDRESS,	/* struct address: one of a node itself */
	SETTING_TARGET_ADDRESS, /* struct address: another host's */
	SETTING_ADDRESS,	/* struct address_config: IP[/PREFIX][@INTERFACE] */
	SETTING_MAPS,		/* a list of maps, each a struct described by table */
};

struct setting {
	const char *key;
	enum setting_type type;
	size_t offset, size; /* of the field, or of one item of a list */
	uint8_t items_max; /* 0: a single value; else a list of at least one and at most so many */
	size_t count_offset;		    /* of the list's count, a uint8_t */
	int64_t min, max;		    /* integers and durations */
	const char *const *words;	    /* SETTING_WORD, ended by NULL */
	const struct settings_table *table; /* SETTING_MAPS */
	bool is_required;
	bool is_live;	      /* may change while the module runs */
	const char *fallback; /* the default, as one would write it; NULL: empty */
	const char *help;
};

#define SETTINGS_MAX 24 /* rows of a table */

struct settings_table {
	const char *title;
	const struct setting *rows;
	int count;
};

/* Where things were found, for complaints that come after parsing. */
struct settings_source {
	const char *file;	 /* borrowed */
	int lines[SETTINGS_MAX]; /* by row; 0: not given */
};

/*
 * Reads a file into target (zeroed first, defaults filled in). Errors: -EINVAL or open(2)'s, with a
 * sentence in error.
 */
int settings_read(const struct settings_table *table, struct settings_source *source, void *target,
	struct config_error *error) MUST_CHECK;
/* The same from memory: what the fuzzer and the tests feed; source->file is only a name. */
int settings_read_text(const struct settings_table *table, struct settings_source *source,
	struct bytes text, void *target, struct config_error *error) MUST_CHECK;

/* Writes "FILE:LINE: key 'KEY': ..." into error; gives -EINVAL. line 0: the whole file. */
int settings_complain(struct config_error *error, const char *file, int line, const char *key,
	const char *format, ...) PRINTF_LIKE(5, 6);

/* One value from text. Gives false if it is not one; target is untouched then. */
bool settings_parse_value(const struct setting *row, const char *text, void *target);
/* What is wrong with an address, such as "has a number above 255"; NULL: nothing, or it is no address
 * that is wanted. */
const char *settings_why_not(const struct setting *row, const char *text);
/* What a value must look like: "a duration from 50ms to 5s, such as 500ms". */
void settings_expected(const struct setting *row, char *out, size_t size);
/* A value as one would write it. */
void settings_format(const struct setting *row, const void *target, char *out, size_t size);
bool settings_is_equal(const struct setting *row, const void *a, const void *b);
/* The nearest key, or NULL if none is near. */
const char *settings_nearest(const struct settings_table *table, const char *key);
void settings_print_help(const struct settings_table *table, FILE *out);
/* Appends an object for each row; one that memory lacks for is missing. */
void settings_add_help(const struct settings_table *table, json_t *rows);

#endif
