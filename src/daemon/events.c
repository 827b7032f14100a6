#include "daemon/events.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/events.h"
#include "base/visible.h"
#include "daemon/repeats.h"
#include "platform/clock.h"
#include "platform/folders.h"
#include "platform/lock.h"

#define CLOSE_WAIT_NS NS_PER_S
#define LOOK_NS	      NS_PER_S /* for kinds of which something is held back */

struct line {
	size_t size;
	char text[EVENTS_LINE_MAX];
};

struct events {
	char path[PATH_SIZE_MAX];
	char old_path[PATH_SIZE_MAX];
	char node[NODE_NAME_MAX + 1];
	int fd; /* the thread's own */
	pthread_t thread;
	struct lock lock; /* guards all below; never held while writing */
	struct condition changed;
	struct line *lines; /* EVENTS_QUEUE, a ring */
	size_t first, count;
	uint64_t dropped;
	struct repeats repeats;
	bool is_closing, is_idle;
};

/* ---- JSON, by hand: it may not allocate, and there is one shape only ---- */

static void add(struct line *line, const char *text, size_t size)
{
	size_t room = sizeof(line->text) - line->size;

	size = MIN_OF(size, room);
	memcpy(line->text + line->size, text, size);
	line->size += size;
}

static void add_escaped(struct line *line, const char *text, size_t size_max)
{
	static const char digits[] = "0123456789abcdef";

	while (*text != '\0' && line->size < size_max) {
		unsigned char byte = (unsigned char)*text;
		size_t size = visible_character_size(text, strnlen(text, 4));
		if (byte == '"' || byte == '\\')
			add(line, (char[]){ '\\', *text }, 2);
		else if (byte < 0x20 || byte == 0x7f)
			add(line,
				(char[]){
					'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15] },
				6);
		else if (size == 0)
			add(line, "?", 1);
		else
			add(line, text, size);
		text += MAX_OF(size, (size_t)1);
	}
}

static void add_field(struct line *line, const char *key, const char *value)
{
	/* Room is left for the end of the line, an escape and the rest of a character. */
	static const size_t size_max = EVENTS_LINE_MAX - 16;

	add(line, line->size == 0 ? "{\"" : ",\"", 2);
	add(line, key, strlen(key));
	add(line, "\":\"", 3);
	add_escaped(line, value, size_max);
	add(line, "\"", 1);
}

static void add_time(struct line *line)
{
	int64_t now_ns = clock_wall_ns();
	time_t seconds = (time_t)(now_ns / NS_PER_S);
	struct tm parts;
	char date[32], text[48];

	(void)gmtime_r(&seconds, &parts);
	(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
	(void)snprintf(text, sizeof(text), "%s.%03dZ", date, (int)(now_ns % NS_PER_S / NS_PER_MS));
	add_field(line, "time", text);
}

/* ---- the thread that writes ---- */

static int open_file(struct events *events)
{
	int fd = open(events->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	return fd < 0 ? -errno : fd;
}

static void turn_over(struct events *events)
{
	struct stat info;

	if (events->fd < 0 || fstat(events->fd, &info) < 0 || info.st_size < EVENTS_FILE_MAX)
		return;
	(void)rename(events->path, events->old_path); /* failing, it only grows on */
	close(events->fd);
	events->fd = -1;
}

/* A line that cannot be written is lost: there is nobody to tell. */
static void write_line(struct events *events, const struct line *line)
{
	turn_over(events);
	if (events->fd < 0)
		events->fd = open_file(events);
	if (events->fd >= 0)
		(void)!write(events->fd, line->text, line->size);
	(void)!fwrite(line->text, 1, line->size, stderr);
}

static void compose(struct events *events, struct line *line, const char *fields[4])
{
	line->size = 0;
	add_time(line);
	add_field(line, "node", events->node);
	if (fields[0] != NULL)
		add_field(line, "module", fields[0]);
	add_field(line, "severity", fields[1]);
	add_field(line, "id", fields[2]);
	add_field(line, "sentence", fields[3]);
	add(line, "}\n", 2);
}

static void push(struct events *events, const struct line *line)
{
	if (events->count == EVENTS_QUEUE) {
		events->dropped++;
		return;
	}
	events->lines[(events->first + events->count) % EVENTS_QUEUE] = *line;
	events->count++;
	condition_wake_one(&events->changed);
}

/* Of each kind whose window is over, one line for all that were held back. */
static void push_repeats(struct events *events)
{
	struct repeat repeat;
	char sentence[SENTENCE_SIZE_MAX + 64];
	struct line line;

	while (repeats_take(&events->repeats, clock_boot_ns(), events->is_closing, &repeat)) {
		(void)snprintf(sentence, sizeof(sentence), "%s (%u of these since the last line)",
			repeat.sentence, repeat.held);
		compose(events, &line,
			(const char *[]){ repeat.module[0] != '\0' ? repeat.module : NULL,
				words_name(&severity_words, repeat.severity), repeat.id,
				sentence });
		push(events, &line);
	}
}

static void wait_for_lines(struct events *events)
{
	push_repeats(events);
	while (events->count == 0 && !events->is_closing) {
		if (events->repeats.held_kinds > 0)
			(void)condition_wait_for(&events->changed, &events->lock, LOOK_NS);
		else
			condition_wait(&events->changed, &events->lock);
		push_repeats(events);
	}
}

static void *run(void *owner)
{
	struct events *events = owner;
	struct line line;

	lock_take(&events->lock);
	for (;;) {
		wait_for_lines(events);
		if (events->count == 0)
			break;
		line = events->lines[events->first];
		events->first = (events->first + 1) % EVENTS_QUEUE;
		events->count--;
		lock_give(&events->lock);
		write_line(events, &line);
		lock_take(&events->lock);
	}
	events->is_idle = true;
	condition_wake_all(&events->changed);
	lock_give(&events->lock);
	return NULL;
}

/* ---- from outside ---- */

void events_write(struct events *events, enum severity severity, const char *id, const char *module,
	const char *sentence)
{
	const struct repeats_event event = { .id = id,
		.module = module != NULL ? module : "",
		.sentence = sentence,
		.severity = severity };
	struct line line;
	char lost[96];

	compose(events, &line,
		(const char *[]){ module, words_name(&severity_words, severity), id, sentence });
	lock_take(&events->lock);
	bool is_looking = events->repeats.held_kinds > 0;
	/* What a script prints is bounded where it is read, and no line of it is like another. */
	if (strcmp(id, "script.output") != 0 &&
		!repeats_is_told(&events->repeats, &event, clock_boot_ns())) {
		if (!is_looking)
			condition_wake_one(
				&events->changed); /* it looks now and then from here on */
		lock_give(&events->lock);
		return;
	}
	if (events->dropped > 0 && events->count + 1 < EVENTS_QUEUE) {
		struct line note;
		(void)snprintf(lost, sizeof(lost),
			"%llu lines of this log were dropped: more came than could be written.",
			(unsigned long long)events->dropped);
		compose(events, &note, (const char *[]){ NULL, "warning", "log.dropped", lost });
		events->dropped = 0;
		push(events, &note);
	}
	push(events, &line);
	lock_give(&events->lock);
}

static void init_lock(struct events *events)
{
	/* A daemon with real-time priority may wait for the lock that the thread holds. */
	lock_init_inheriting(&events->lock, RANK_EVENTS);
	condition_init(&events->changed);
}

int events_open(const char *folder, const char *node, struct events **out_events)
{
	struct events *events = calloc(1, sizeof(*events));
	if (events == NULL)
		return -ENOMEM;
	events->fd = -1;
	node_file_path(events->path, NODE_FILE_EVENTS, folder, NULL);
	node_file_path(events->old_path, NODE_FILE_EVENTS_OLD, folder, NULL);
	(void)snprintf(events->node, sizeof(events->node), "%s", node);
	events->lines = calloc(EVENTS_QUEUE, sizeof(*events->lines));
	init_lock(events);
	int error = events->lines == NULL ? -ENOMEM : 0;
	if (error == 0)
		error = -pthread_create(&events->thread, NULL, run, events);
	if (error != 0) {
		free(events->lines);
		free(events);
		return error;
	}
	*out_events = events;
	return 0;
}

void events_close(struct events *events)
{
	if (events == NULL)
		return;
	int64_t until = clock_boot_ns() + CLOSE_WAIT_NS;
	lock_take(&events->lock);
	events->is_closing = true;
	condition_wake_all(&events->changed);
	for (int64_t now; !events->is_idle && (now = clock_boot_ns()) < until;)
		(void)condition_wait_for(&events->changed, &events->lock, until - now);
	bool is_idle = events->is_idle;
	lock_give(&events->lock);
	if (!is_idle)
		return; /* stuck in a write; the memory is its own until the process ends */
	(void)pthread_join(events->thread, NULL);
	if (events->fd >= 0)
		close(events->fd);
	free(events->lines);
	free(events);
}
