/*
 * Subscriptions: a snapshot of the status, then each change of it, one line each (api/admin.h).
 *
 *	shown ------ what everybody was told: the status as of the newest line
 *	lines ------ a ring of the last changes, the same memory for all subscribers
 *	client.next  the line that it gets next; one that fell behind the ring has lost changes:
 *		     it is told so, and starts over with a snapshot
 *
 * So a client costs the one line that it is being sent, however slow it is and however many there
 * are, and what is written down is written down once. Nothing is kept while nobody subscribes.
 *
 * The core does not say what a step changed, so the status is compared with what was shown: soon
 * after each round of steps, but no oftener than LOOK_SHARE allows, and every second, when the
 * connection is shown to live.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/status.h"
#include "daemon/admin/internal.h"
#include "platform/clock.h"

#define LINES_MAX   256		      /* kept for those who read slowly */
#define BYTES_MAX   (4 * 1024 * 1024) /* of all lines kept, but for the newest */
#define LOOK_GAP_NS (20 * NS_PER_MS)
#define LOOK_SHARE  50 /* looking takes at most one part in so many of the daemon's time */

struct subscriptions {
	struct admin *admin;
	struct timer look, alive;
	int count; /* of subscribers */
	json_t *shown;
	struct admin_line *lines[LINES_MAX]; /* line n lies in n % LINES_MAX */
	uint64_t line_first, line_next;
	size_t bytes;
	struct admin_line *snapshot, *lost;
	uint64_t snapshot_next; /* the line that follows it */
	int64_t looked_ns, look_took_ns, said_ns;
};

/* ---- lines ---- */

struct admin_line *admin_line_new(json_t *json)
{
	struct admin_line *line = calloc(1, sizeof(*line));
	char *text = json_dumps(json, JSON_COMPACT);
	size_t size = text != NULL ? strlen(text) : 0;
	json_decref(json);
	if (line == NULL || text == NULL || size >= ADMIN_ANSWER_MAX) {
		free(text);
		free(line);
		return NULL;
	}
	text[size] = '\n'; /* in the place of the terminator: the size is kept */
	*line = (struct admin_line){ .references = 1, .size = size + 1, .text = text };
	return line;
}

void admin_line_drop(struct admin_line *line)
{
	if (line == NULL || --line->references > 0)
		return;
	free(line->text);
	free(line);
}

static struct admin_line *hold_line(struct admin_line *line)
{
	if (line != NULL)
		line->references++;
	return line;
}

static json_t *line_of(enum admin_line_type type)
{
	return json_pack("{s:s}", "type", words_name(&admin_line_words, type));
}

static void forget_oldest(struct subscriptions *all)
{
	struct admin_line **oldest = &all->lines[all->line_first % LINES_MAX];
	all->bytes -= (*oldest)->size;
	admin_line_drop(*oldest);
	*oldest = NULL;
	all->line_first++;
}

/* Takes json. What cannot be written down is lost for all. */
static void publish(struct subscriptions *all, json_t *json)
{
	struct admin_line *line = admin_line_new(json);
	all->said_ns = clock_boot_ns();
	if (line == NULL) {
		while (all->line_first < all->line_next)
			forget_oldest(all);
		all->line_first = ++all->line_next;
		return;
	}
	if (all->line_next - all->line_first == LINES_MAX)
		forget_oldest(all);
	all->lines[all->line_next++ % LINES_MAX] = line;
	all->bytes += line->size;
	while (all->bytes > BYTES_MAX && all->line_first + 1 < all->line_next)
		forget_oldest(all);
}

/* ---- what has changed ---- */

static const char *name_of(const json_t *item)
{
	return shown_text(json_string_value(json_object_get(item, "name")));
}

static json_t *find_by_name(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *item = json_array_get(list, i);
		if (strcmp(name_of(item), name) == 0)
			return item;
	}
	return NULL;
}

/* But for when it was observed, and how many milliseconds a disk needed: a change every second. */
static bool is_as_before(const json_t *old, const json_t *module)
{
	static const char *const passing[] = { "observed", "peer_observed" };
	bool is_equal = json_object_size(old) == json_object_size(module);
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)module, key, value)
	{
		bool is_passing = strcmp(key, passing[0]) == 0 || strcmp(key, passing[1]) == 0;
		is_equal = is_equal && (is_passing || json_equal(json_object_get(old, key), value));
	}
	return is_equal;
}

/* The modules that were not so before. Where both lists have one at the same place, as nearly
 * always, nothing is searched. */
static json_t *changed_modules(const json_t *before, const json_t *after)
{
	json_t *changed = json_array();
	for (size_t i = 0; i < json_array_size(after); i++) {
		json_t *module = json_array_get(after, i);
		const json_t *old = json_array_get(before, i);
		if (old == NULL || strcmp(name_of(old), name_of(module)) != 0)
			old = find_by_name(before, name_of(module));
		if (old == NULL || !is_as_before(old, module))
			(void)json_array_append(changed, module);
	}
	return changed;
}

static json_t *gone_modules(const json_t *before, const json_t *after)
{
	json_t *gone = json_array();
	for (size_t i = 0; i < json_array_size(before); i++) {
		const char *name = name_of(json_array_get(before, i));
		const json_t *now = json_array_get(after, i);
		if ((now == NULL || strcmp(name_of(now), name) != 0) &&
			find_by_name(after, name) == NULL)
			(void)json_array_append_new(gone, json_string(name));
	}
	return gone;
}

static void add_list(json_t *line, const char *key, json_t *list)
{
	if (json_array_size(list) > 0)
		(void)json_object_set(line, key, list);
	json_decref(list);
}

/* Gives a line with what differs; NULL: nothing does. Counters are no changes. */
static json_t *changes_between(const json_t *before, const json_t *after)
{
	static const char *const heads[] = { "cluster", "nodes", "arbiter" };
	const json_t *old = json_object_get(before, "modules");
	const json_t *new = json_object_get(after, "modules");
	json_t *line = line_of(ADMIN_LINE_CHANGES);
	for (size_t i = 0; i < ARRAY_COUNT(heads); i++) {
		json_t *head = json_object_get(after, heads[i]);
		if (head != NULL && !json_equal(json_object_get(before, heads[i]), head))
			(void)json_object_set(line, heads[i], head);
	}
	add_list(line, "modules", changed_modules(old, new));
	add_list(line, "gone", gone_modules(old, new));
	if (json_object_size(line) > 1)
		return line;
	json_decref(line);
	return NULL;
}

static void feed_all(struct admin *admin)
{
	for (int i = 0; i < ADMIN_CLIENTS_MAX; i++) {
		if (admin->clients[i].watch.fd >= 0 && admin->clients[i].is_subscriber)
			admin_feed(&admin->clients[i]);
	}
}

static void look(struct subscriptions *all)
{
	all->looked_ns = clock_boot_ns();
	json_t *now = admin_status(all->admin->daemon);
	if (json_object_get(now, "modules") == NULL) { /* out of memory: nothing is gone */
		json_decref(now);
		return;
	}
	json_t *line = all->shown != NULL ? changes_between(all->shown, now) : NULL;
	json_decref(all->shown);
	all->shown = now;
	bool is_changed = line != NULL;
	if (is_changed)
		publish(all, line);
	all->look_took_ns = clock_boot_ns() - all->looked_ns;
	if (is_changed)
		feed_all(all->admin);
}

static void on_look(void *owner)
{
	look(owner);
}

/* A line a second at least, so that a client sees that the connection and the daemon live. */
static void on_alive(void *owner)
{
	struct subscriptions *all = owner;
	struct admin *admin = all->admin;
	look(all); /* what changes without a step of the core: links, files */
	if (all->count == 0)
		return;
	if (clock_boot_ns() - all->said_ns >= ADMIN_ALIVE_NS) {
		json_t *line = line_of(ADMIN_LINE_ALIVE);
		(void)json_object_set(line, "counters", json_object_get(all->shown, "counters"));
		publish(all, line);
		feed_all(admin);
	}
	if (all->count > 0)
		loop_arm(&admin->daemon->loop, &all->alive, clock_boot_ns() + ADMIN_ALIVE_NS);
}

void admin_changed(struct daemon *daemon)
{
	struct subscriptions *all = daemon->admin != NULL ? daemon->admin->subscriptions : NULL;
	if (all == NULL || all->count == 0 || loop_is_armed(&all->look))
		return;
	int64_t gap_ns = MAX_OF(LOOK_GAP_NS, LOOK_SHARE * all->look_took_ns);
	loop_arm(&daemon->loop, &all->look, all->looked_ns + gap_ns);
}

/* ---- clients ---- */

/* As it is now, or as it was a few lines ago: these follow then. */
static struct admin_line *snapshot_of(struct subscriptions *all, uint64_t *out_next)
{
	if (all->snapshot == NULL || all->snapshot_next < all->line_first) {
		json_t *json = json_copy(all->shown);
		const char *type = words_name(&admin_line_words, ADMIN_LINE_SNAPSHOT);
		admin_line_drop(all->snapshot);
		if (json != NULL)
			(void)json_object_set_new(json, "type", json_string(type));
		all->snapshot = admin_line_new(json);
		all->snapshot_next = all->line_next;
	}
	*out_next = all->snapshot_next;
	return hold_line(all->snapshot);
}

struct admin_line *subscribe_next(struct admin_client *client)
{
	struct subscriptions *all = client->admin->subscriptions;
	if (client->wants_snapshot) {
		struct admin_line *snapshot = snapshot_of(all, &client->next);
		client->wants_snapshot = snapshot == NULL;
		return snapshot;
	}
	if (client->next < all->line_first) {
		client->wants_snapshot = true;
		return hold_line(all->lost);
	}
	if (client->next == all->line_next)
		return NULL;
	return hold_line(all->lines[client->next++ % LINES_MAX]);
}

static struct admin_line *make_lost_line(void)
{
	json_t *json = line_of(ADMIN_LINE_LOST);
	if (json != NULL)
		(void)json_object_set_new(json, "sentence",
			json_string("this connection was read too slowly and misses changes; "
				    "what is so now follows"));
	return admin_line_new(json);
}

int subscribe_start(struct admin_client *client)
{
	struct admin *admin = client->admin;
	struct subscriptions *all = admin->subscriptions;
	if (all == NULL) {
		all = calloc(1, sizeof(*all));
		if (all == NULL)
			return -ENOMEM;
		all->admin = admin;
		all->look = (struct timer){ .owner = all, .on_due = on_look };
		all->alive = (struct timer){ .owner = all, .on_due = on_alive };
		all->lost = make_lost_line();
		admin->subscriptions = all;
	}
	if (all->count == SUBSCRIBERS_MAX)
		return -EBUSY;
	if (all->count == 0) {
		look(all);
		all->said_ns = clock_boot_ns();
		loop_arm(&admin->daemon->loop, &all->alive, all->said_ns + ADMIN_ALIVE_NS);
	}
	all->count++;
	client->is_subscriber = true;
	client->wants_snapshot = true;
	return 0;
}

static void forget_all(struct subscriptions *all)
{
	struct loop *loop = &all->admin->daemon->loop;
	loop_disarm(loop, &all->look);
	loop_disarm(loop, &all->alive);
	while (all->line_first < all->line_next)
		forget_oldest(all);
	admin_line_drop(all->snapshot);
	json_decref(all->shown);
	all->snapshot = NULL;
	all->shown = NULL;
}

void subscribe_end(struct admin_client *client)
{
	struct subscriptions *all = client->admin->subscriptions;
	client->is_subscriber = false;
	if (--all->count == 0)
		forget_all(all);
}

void subscribe_close(struct admin *admin)
{
	if (admin->subscriptions == NULL)
		return;
	CHECK(admin->subscriptions->count == 0);
	admin_line_drop(admin->subscriptions->lost);
	free(admin->subscriptions);
	admin->subscriptions = NULL;
}
