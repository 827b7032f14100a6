/*
 * log: state/events.jsonl for people, or as it is. Follows by looking again every 200 ms, over the
 * turn of the file too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "api/events.h"
#include "api/status.h"
#include "cli/cli.h"
#include "platform/folders.h"

#define LOOK_EVERY_NS (200 * 1000 * 1000)

static void print_event(const struct arguments *arguments, const char *line)
{
	json_t *json = arguments->is_json ? NULL : client_load(line, strlen(line));
	struct shown_event event = { 0 };
	struct fields_error wrong;
	if (json == NULL || fields_decode(&shown_event_fields, json, &event, &wrong) != 0) {
		printf("%s", line);
		json_decref(json);
		return;
	}
	const char *module = shown_text(event.module), *severity = shown_text(event.severity);
	bool is_info = strcmp(severity, words_name(&severity_words, SEVERITY_INFO)) == 0;
	printf("%s  %s%s%s%s%s\n", shown_text(event.time), module, module[0] != '\0' ? ": " : "",
		is_info ? "" : severity, is_info ? "" : ": ", shown_text(event.sentence));
	json_decref(json);
}

/* Prints whole lines from here to the end; a half line at the end is left for later. */
static void print_lines(const struct arguments *arguments, FILE *file)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t size;
	long start = ftell(file);
	while ((size = getline(&line, &room, file)) > 0) {
		if (line[size - 1] != '\n') {
			(void)fseek(file, start, SEEK_SET); /* read again when it is whole */
			break;
		}
		print_event(arguments, line);
		start = ftell(file);
	}
	clearerr(file);
	free(line);
}

static void print_file(const struct arguments *arguments, const char *path)
{
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return; /* the older file need not be there */
	print_lines(arguments, file);
	fclose(file);
}

/* Another file has taken the name: what is left of the old one was printed just before. */
static FILE *reopen_if_turned(FILE *file, const char *path)
{
	struct stat named, open;
	if (stat(path, &named) != 0 || fstat(fileno(file), &open) != 0 ||
		named.st_ino == open.st_ino)
		return file;
	FILE *next = fopen(path, "re");
	if (next == NULL)
		return file;
	fclose(file);
	return next;
}

int do_log(const struct arguments *arguments)
{
	char path[PATH_SIZE_MAX], older[PATH_SIZE_MAX];
	struct timespec rest = { .tv_nsec = LOOK_EVERY_NS };
	node_file_path(path, NODE_FILE_EVENTS, arguments->state, NULL);
	node_file_path(older, NODE_FILE_EVENTS_OLD, arguments->state, NULL);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return refuse(arguments, "%s cannot be read: %s; evenkeeld writes it", path,
			strerror(errno));
	print_file(arguments, older);
	print_lines(arguments, file);
	while (option_given(arguments, OPTION_FOLLOW)) {
		if (fflush(stdout) != 0)
			break; /* nobody reads any more */
		(void)nanosleep(&rest, NULL);
		print_lines(arguments, file);
		file = reopen_if_turned(file, path);
	}
	fclose(file);
	return EXIT_DONE;
}
