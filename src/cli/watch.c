/*
 * status -w: the status as it is, shown anew each time that something changes. evenkeeld says what
 * (api/admin.h, "subscribe"); here it is put together again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/admin.h"
#include "api/status.h"
#include "cli/cli.h"
#include "platform/terminal.h"

#define SILENCE_S   5 /* evenkeeld says something every second */
#define AGAIN_S	    1
#define SHOW_GAP_NS (100 * 1000 * 1000) /* changes that come together are shown together */

/* ---- what is known ---- */

static bool is_left_out(const json_t *module)
{
	return json_is_true(json_object_get(module, "is_left_out"));
}

/* By name; those that are left out behind the others. */
static bool comes_before(const json_t *a, const json_t *b)
{
	if (is_left_out(a) != is_left_out(b))
		return is_left_out(b);
	return strcmp(client_text(a, "name"), client_text(b, "name")) < 0;
}

static void remove_module(json_t *modules, const char *name)
{
	for (size_t i = 0; i < json_array_size(modules); i++) {
		if (strcmp(client_text(json_array_get(modules, i), "name"), name) == 0)
			(void)json_array_remove(modules, i--);
	}
}

static void put_module(json_t *modules, json_t *module)
{
	size_t at = 0;
	remove_module(modules, client_text(module, "name"));
	while (at < json_array_size(modules) && comes_before(json_array_get(modules, at), module))
		at++;
	(void)json_array_insert(modules, at, module);
}

void watch_merge(json_t *status, const json_t *line)
{
	static const char *const whole[] = { "cluster", "nodes", "arbiter", "counters" };
	const json_t *changed = json_object_get(line, "modules");
	const json_t *gone = json_object_get(line, "gone");
	json_t *modules = json_object_get(status, "modules");
	for (size_t i = 0; i < ARRAY_COUNT(whole); i++) {
		json_t *value = json_object_get(line, whole[i]);
		if (value != NULL)
			(void)json_object_set(status, whole[i], value);
	}
	for (size_t i = 0; i < json_array_size(changed); i++)
		put_module(modules, json_array_get(changed, i));
	for (size_t i = 0; i < json_array_size(gone); i++)
		remove_module(modules, shown_text(json_string_value(json_array_get(gone, i))));
}

/* ---- hearing ---- */

static bool is_type(const json_t *line, enum admin_line_type type)
{
	return strcmp(client_text(line, "type"), words_name(&admin_line_words, type)) == 0;
}

/* Takes the line. *status is NULL before the first snapshot. Gives whether there is something to
 * show. */
static bool take_line(json_t *line, json_t **status)
{
	bool is_shown = *status != NULL &&
			(is_type(line, ADMIN_LINE_CHANGES) || is_type(line, ADMIN_LINE_ALIVE));
	if (is_type(line, ADMIN_LINE_SNAPSHOT)) {
		(void)json_object_del(line, "type");
		json_decref(*status);
		*status = line;
		return true;
	}
	if (is_shown)
		watch_merge(*status, line);
	json_decref(line);
	return is_shown;
}

static bool is_refusal(const json_t *line)
{
	return json_is_false(json_object_get(line, "ok"));
}

static void show(const struct arguments *arguments, const json_t *status)
{
	if (isatty(STDOUT_FILENO) != 0)
		terminal_clear();
	(void)!status_show(arguments, status); /* what is wrong was said */
}

/* Shows until the connection ends, or nobody reads any more (false). */
static bool follow(const struct arguments *arguments, struct client_stream *stream)
{
	const struct timespec gap = { .tv_nsec = SHOW_GAP_NS };
	json_t *status = NULL, *line = NULL;
	bool is_read = true, is_new = false;
	int error = 0;
	while (is_read && (error = client_stream_next(stream, &line)) == 0) {
		if (is_refusal(line)) {
			(void)refuse(arguments, "%s", client_text(line, "sentence"));
			json_decref(line);
			break;
		}
		is_new = take_line(line, &status) || is_new;
		if (!is_new || client_stream_has_more(stream))
			continue;
		show(arguments, status);
		is_new = false;
		is_read = fflush(stdout) == 0;
		(void)nanosleep(&gap, NULL); /* shorter after a signal: shown sooner */
	}
	if (error != 0)
		client_say_no_answer(arguments, error, SILENCE_S);
	json_decref(status);
	return is_read;
}

int do_watch(const struct arguments *arguments)
{
	const struct timespec rest = { .tv_sec = AGAIN_S };
	bool is_read = true;
	while (is_read) {
		struct client_stream stream;
		int error = client_stream_open(
			arguments, client_request(ADMIN_SUBSCRIBE), SILENCE_S, &stream);
		if (error != 0) {
			client_say_no_answer(arguments, error, SILENCE_S);
		} else {
			is_read = follow(arguments, &stream);
			client_stream_close(&stream);
		}
		(void)nanosleep(&rest, NULL);
		is_read = is_read && fflush(stdout) == 0;
	}
	return EXIT_REFUSED;
}
