/*
 * A YAML file against a settings table, event by event.
 *
 *   file  = map                         the top table
 *   map   = { key value }               every key a row, at most once
 *   value = scalar | [ scalar ... ] | [ map ... ]    as the row says; a list of one may be a scalar
 *
 * Recursion goes only as deep as tables do, so depth in the file costs nothing.
 */
#include "api/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yaml.h>

#define FILE_SIZE_MAX	(256 * 1024)
#define FILE_SHOWN_MAX	200
#define VALUE_SHOWN_MAX 60

struct reader {
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	const char *file;
	struct config_error *error;
};

int settings_complain(struct config_error *error, const char *file, int line, const char *key,
	const char *format, ...)
{
	/* A path is cut at its front: the end of it, and the sentence, are what helps. */
	size_t size = strlen(file);
	const char *dots = size > FILE_SHOWN_MAX ? "..." : "";
	const char *shown = size > FILE_SHOWN_MAX ? file + size - FILE_SHOWN_MAX : file;
	char place[FILE_SHOWN_MAX + 24];
	va_list arguments;
	if (line > 0)
		snprintf(place, sizeof(place), "%s%s:%d", dots, shown, line);
	else
		snprintf(place, sizeof(place), "%s%s", dots, shown);
	int used = snprintf(error->sentence, sizeof(error->sentence), "%s: ", place);
	if (key != NULL)
		used += snprintf(error->sentence + used, sizeof(error->sentence) - (size_t)used,
			"key '%.40s': ", key);
	va_start(arguments, format);
	vsnprintf(
		error->sentence + used, sizeof(error->sentence) - (size_t)used, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int event_line(const struct reader *reader)
{
	return (int)reader->event.start_mark.line + 1;
}

static int next_event(struct reader *reader)
{
	if (reader->has_event)
		yaml_event_delete(&reader->event);
	reader->has_event = false;
	if (!yaml_parser_parse(&reader->parser, &reader->event)) {
		const yaml_parser_t *parser = &reader->parser;
		return settings_complain(reader->error, reader->file,
			(int)parser->problem_mark.line + 1, NULL,
			"this is not YAML: %s at column %d",
			parser->problem != NULL ? parser->problem : "out of memory",
			(int)parser->problem_mark.column + 1);
	}
	reader->has_event = true;
	return 0;
}

/* The event's text if it is a plain value, without zero bytes inside; else NULL. */
static const char *scalar_text(const struct reader *reader)
{
	const yaml_event_t *event = &reader->event;
	if (event->type != YAML_SCALAR_EVENT || event->data.scalar.anchor != NULL)
		return NULL;
	const char *text = (const char *)event->data.scalar.value;
	return strlen(text) == event->data.scalar.length ? text : NULL;
}

static const char *found_words(const struct reader *reader, char *out, size_t size)
{
	const char *text = scalar_text(reader);
	if (text != NULL && text[0] != '\0') {
		snprintf(out, size, "'%.*s'%s", VALUE_SHOWN_MAX, text,
			strlen(text) > VALUE_SHOWN_MAX ? "..." : "");
		return out;
	}
	switch (reader->event.type) {
	case YAML_SEQUENCE_START_EVENT: return "a list";
	case YAML_MAPPING_START_EVENT: return "a map";
	case YAML_ALIAS_EVENT: return "an alias (*)";
	case YAML_SCALAR_EVENT:
		return reader->event.data.scalar.anchor != NULL ? "an anchor (&)" : "nothing";
	default: return "nothing";
	}
}

static int complain_value(struct reader *reader, const struct setting *row)
{
	char expected[256], found[VALUE_SHOWN_MAX + 8];
	const char *text = scalar_text(reader);
	const char *why = text != NULL && text[0] != '\0' ? settings_why_not(row, text) : NULL;
	settings_expected(row, expected, sizeof(expected));
	return settings_complain(reader->error, reader->file, event_line(reader), row->key,
		"found %s%s%s; expected %s", found_words(reader, found, sizeof(found)),
		why != NULL ? ", which " : "", why != NULL ? why : "", expected);
}

static int parse_map(
	struct reader *reader, const struct settings_table *table, void *target, int *lines);

/* One item, or the single value, from the current event. index: where in the list. */
static int parse_item(struct reader *reader, const struct setting *row, void *target, int index)
{
	char *item = (char *)target + (size_t)index * row->size;
	if (row->type == SETTING_MAPS) {
		int lines[SETTINGS_MAX] = { 0 };
		if (reader->event.type != YAML_MAPPING_START_EVENT)
			return complain_value(reader, row);
		return parse_map(reader, row->table, item + row->offset, lines);
	}
	const char *text = scalar_text(reader);
	if (text == NULL || !settings_parse_value(row, text, item))
		return complain_value(reader, row);
	return 0;
}

static int parse_list(struct reader *reader, const struct setting *row, void *target)
{
	int count = 0, line = event_line(reader);
	int error = next_event(reader);
	while (error == 0 && reader->event.type != YAML_SEQUENCE_END_EVENT) {
		if (count == row->items_max) {
			return settings_complain(reader->error, reader->file, event_line(reader),
				row->key, "found more than %d; expected at most so many",
				row->items_max);
		}
		error = parse_item(reader, row, target, count++);
		if (error == 0)
			error = next_event(reader);
	}
	if (error == 0 && count == 0 && row->is_required)
		return settings_complain(reader->error, reader->file, line, row->key,
			"found an empty list; expected at least one");
	*((uint8_t *)target + row->count_offset) = (uint8_t)count;
	return error;
}

static int parse_value(struct reader *reader, const struct setting *row, void *target)
{
	if (row->items_max == 0)
		return parse_item(reader, row, target, 0);
	if (reader->event.type == YAML_SEQUENCE_START_EVENT)
		return parse_list(reader, row, target);
	*((uint8_t *)target + row->count_offset) = 1;
	return parse_item(reader, row, target, 0);
}

static int find_row(struct reader *reader, const struct settings_table *table, int *out_row)
{
	char found[VALUE_SHOWN_MAX + 8];
	const char *key = scalar_text(reader);
	if (key == NULL)
		return settings_complain(reader->error, reader->file, event_line(reader), NULL,
			"found %s; expected a key, as in 'key: value'",
			found_words(reader, found, sizeof(found)));
	for (int i = 0; i < table->count; i++) {
		if (strcmp(table->rows[i].key, key) == 0) {
			*out_row = i;
			return 0;
		}
	}
	const char *nearest = settings_nearest(table, key);
	if (nearest != NULL)
		return settings_complain(reader->error, reader->file, event_line(reader), key,
			"there is no such setting; did you mean '%s'?", nearest);
	return settings_complain(reader->error, reader->file, event_line(reader), key,
		"there is no such setting; 'evenkeel settings' lists them");
}

static int check_required(
	struct reader *reader, const struct settings_table *table, const int *lines, int line)
{
	for (int i = 0; i < table->count; i++) {
		char expected[256];
		if (!table->rows[i].is_required || lines[i] != 0)
			continue;
		settings_expected(&table->rows[i], expected, sizeof(expected));
		return settings_complain(reader->error, reader->file, line, table->rows[i].key,
			"is missing; expected %s", expected);
	}
	return 0;
}

static void fill_defaults(const struct settings_table *table, void *target)
{
	for (int i = 0; i < table->count; i++) {
		const struct setting *row = &table->rows[i];
		if (row->fallback != NULL)
			CHECK(settings_parse_value(row, row->fallback, target));
	}
}

static int parse_pair(
	struct reader *reader, const struct settings_table *table, void *target, int *lines)
{
	int row = 0, error = find_row(reader, table, &row);
	if (error != 0)
		return error;
	if (lines[row] != 0)
		return settings_complain(reader->error, reader->file, event_line(reader),
			table->rows[row].key, "is given twice (first in line %d); expected once",
			lines[row]);
	lines[row] = event_line(reader);
	error = next_event(reader);
	return error != 0 ? error : parse_value(reader, &table->rows[row], target);
}

/* From the map's start event to its end event, which is left as the current one. */
static int parse_map(
	struct reader *reader, const struct settings_table *table, void *target, int *lines)
{
	int line = event_line(reader);
	CHECK(table->count <= SETTINGS_MAX);
	fill_defaults(table, target);
	int error = next_event(reader);
	while (error == 0 && reader->event.type != YAML_MAPPING_END_EVENT) {
		error = parse_pair(reader, table, target, lines);
		if (error == 0)
			error = next_event(reader);
	}
	return error != 0 ? error : check_required(reader, table, lines, line);
}

static int parse_document(
	struct reader *reader, const struct settings_table *table, void *target, int *lines)
{
	char found[VALUE_SHOWN_MAX + 8];
	int error = next_event(reader); /* stream start */
	if (error == 0)
		error = next_event(reader); /* document start, or the end of an empty file */
	if (error == 0 && reader->event.type == YAML_STREAM_END_EVENT)
		return settings_complain(reader->error, reader->file, 0, NULL,
			"the file is empty; expected lines 'key: value'");
	if (error == 0)
		error = next_event(reader);
	if (error == 0 && reader->event.type != YAML_MAPPING_START_EVENT)
		return settings_complain(reader->error, reader->file, event_line(reader), NULL,
			"found %s; expected lines 'key: value'",
			found_words(reader, found, sizeof(found)));
	if (error == 0)
		error = parse_map(reader, table, target, lines);
	if (error == 0)
		error = next_event(reader); /* document end */
	if (error == 0)
		error = next_event(reader);
	if (error == 0 && reader->event.type != YAML_STREAM_END_EVENT)
		return settings_complain(reader->error, reader->file, event_line(reader), NULL,
			"found a second document ('---'); expected one");
	return error;
}

/* A file that is not YAML is told so, before what one half of it might have meant. */
static int check_syntax(const char *file, struct bytes text, struct config_error *error)
{
	struct reader reader = { .file = file, .error = error };
	bool is_over = false;
	int result = 0;
	if (!yaml_parser_initialize(&reader.parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&reader.parser, text.data, text.size);
	while (result == 0 && !is_over) {
		result = next_event(&reader);
		is_over = reader.has_event && reader.event.type == YAML_STREAM_END_EVENT;
	}
	if (reader.has_event)
		yaml_event_delete(&reader.event);
	yaml_parser_delete(&reader.parser);
	return result;
}

int settings_read_text(const struct settings_table *table, struct settings_source *source,
	struct bytes text, void *target, struct config_error *error)
{
	struct reader reader = { .file = source->file, .error = error };
	memset(source->lines, 0, sizeof(source->lines));
	int result = check_syntax(source->file, text, error);
	if (result != 0)
		return result;
	if (!yaml_parser_initialize(&reader.parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&reader.parser, text.data, text.size);
	result = parse_document(&reader, table, target, source->lines);
	if (reader.has_event)
		yaml_event_delete(&reader.event);
	yaml_parser_delete(&reader.parser);
	return result;
}

/* Reads at most size_max bytes; more is -EFBIG. */
static int read_file(const char *path, uint8_t *out, size_t size_max, size_t *out_size)
{
	/* Without O_NONBLOCK the opening of a pipe would wait for somebody who writes. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	size_t size = 0;
	ssize_t got = 0;
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
		close(fd);
		return -EBADFD;
	}
	do {
		got = read(fd, out + size, size_max - size);
		if (got > 0)
			size += (size_t)got;
	} while ((got > 0 && size < size_max) || (got < 0 && errno == EINTR));
	int error = got < 0 ? -errno : 0;
	close(fd);
	if (error == 0 && size == size_max)
		error = -EFBIG;
	*out_size = size;
	return error;
}

int settings_read(const struct settings_table *table, struct settings_source *source, void *target,
	struct config_error *error)
{
	size_t size = 0;
	uint8_t *text = malloc(FILE_SIZE_MAX);
	if (text == NULL)
		return -ENOMEM;
	int result = read_file(source->file, text, FILE_SIZE_MAX, &size);
	if (result != 0)
		(void)settings_complain(error, source->file, 0, NULL, "cannot be read: %s",
			result == -EBADFD ? "it is not a regular file" : strerror(-result));
	else
		result = settings_read_text(
			table, source, (struct bytes){ .data = text, .size = size }, target, error);
	free(text);
	return result;
}
