/*
 * Plays a story and compares what happened with the expected text.
 *
 * usage: story SCENARIO EXPECTED [--update]
 *
 * A scenario is a list of lines; `#` begins a comment, which is part of the trace:
 *
 *	arbiter ping|operator          before the first boot
 *	module KEY VALUE               kind single, failover on|off, addresses N, preferred a|b, checks N,
 *	                               repairs N, script NAME|none
 *	boot a                         the daemon starts (B6: the record says whether it runs)
 *	command a NAME [force]         start stop restart swap prim second
 *	run 500ms                      time passes
 *	until a PRIM Ready 5s          fails if it does not come about in that time
 *	expect a WAIT NotReady
 *	status a                       prints its sentences
 *	observed a                     prints what it observed
 *	kill a | kill-daemon a | freeze a | thaw a | shutdown a
 *	cut a | heal a                 what a sends is lost | arrives
 *	client cut|heal                probes of the service address
 *	stream cut|heal                evenkeel-fs of both cannot connect
 *	target a on|off                the ping target answers a
 *	foreign a on|off               another machine answers at the service address
 *	fs a REPORT                    evenkeel-fs of a reports by itself; `continued`: connected, the session goes on
 *	fs a died again                the one that was started next ended before it said hello, and said why
 *	fs-logs a lost                 it does not hold any more what it had received; not told yet
 *	fs-wrong a on|off              its directories hold something else
 *	fs-old a on|off                an old image of its data was put back
 *	keep a, put-back a             its state is kept; is put back as it was then
 *	fits a                         its data were put back to the same day
 *	fs-broken a on|off             cannot become primary
 *	slow a on|off                  resynchronising from a takes 5 s
 *	fs-mute a on|off               its evenkeel-fs hangs: it answers no order
 *	left a on|stuck|off            processes that no stop script ends | that do not even die by SIGKILL
 *	fail a SCRIPT N                the next N runs fail
 *	lasts a SCRIPT 20s             each run takes so long, unless the application is killed
 *	check a down|up
 *	address a gone|taken|failed
 *	disk a failing|stuck|good      the state file: cannot be written | a write does not end
 *	sight a LOOK FINDING           what is seen there from now on: sight a disk bad
 *	verified a N                   `verify` on a found N differences
 *	wipe a                         the record is gone (a replaced disk)
 */
#include <stdlib.h>
#include <string.h>

#include "world.h"

struct line {
	const char *words[6];
	int count;
};

static bool split(char *text, struct line *out_line)
{
	char *rest = NULL;

	*out_line = (struct line){ 0 };
	for (char *word = strtok_r(text, " \t\n", &rest); word != NULL && out_line->count < 6;
		word = strtok_r(NULL, " \t\n", &rest))
		out_line->words[out_line->count++] = word;
	for (int i = out_line->count; i < 6; i++)
		out_line->words[i] = "";
	return out_line->count > 0;
}

static void wrong(const char *what, const char *word)
{
	fprintf(stderr, "story: %s '%s'\n", what, word);
	exit(2);
}

static int node_of(const char *word)
{
	if (strcmp(word, "a") != 0 && strcmp(word, "b") != 0)
		wrong("unknown node", word);
	return word[0] - 'a';
}

static int64_t time_of(const char *word)
{
	char *end;
	long long value = strtoll(word, &end, 10);

	if (strcmp(end, "ms") == 0)
		return value * NS_PER_MS;
	if (strcmp(end, "s") != 0)
		wrong("a time is 5s or 500ms, not", word);
	return value * NS_PER_S;
}

static int name_index(const char *word, const char *(*name)(int), int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(name(i), word) == 0)
			return i;
	wrong("unknown word", word);
	return 0;
}

static const char *state_at(int i)
{
	return module_state_name((enum module_state)i);
}

static const char *readiness_at(int i)
{
	return readiness_name((enum readiness)i);
}

static const char *script_at(int i)
{
	return script_name((enum script)i);
}

static const char *command_at(int i)
{
	return command_name((enum command)i);
}

static const char *report_at(int i)
{
	/* A connection whose session goes on is a word of its own in the stories. */
	return i == FS_REPORT_COUNT ? "continued" : fs_report_name((enum fs_report)i);
}

/* ---- lines that prepare ---- */

static void on_module(struct world *world, const struct line *line)
{
	const char *key = line->words[1];
	const char *value = line->words[2];

	if (strcmp(key, "failover") == 0)
		world->module.has_failover = strcmp(value, "on") == 0;
	else if (strcmp(key, "addresses") == 0)
		world->module.address_count = (uint8_t)strtoul(value, NULL, 10);
	else if (strcmp(key, "preferred") == 0)
		world->module.preferred = (uint8_t)(node_of(value) + 1);
	else if (strcmp(key, "checks") == 0)
		world->module.check_count = (uint8_t)strtoul(value, NULL, 10);
	else if (strcmp(key, "repairs") == 0)
		world->module.repairs_max = (uint8_t)strtoul(value, NULL, 10);
	else if (strcmp(key, "script") == 0 && strcmp(value, "none") == 0)
		memset(world->module.has_script, 0, sizeof(world->module.has_script));
	else if (strcmp(key, "script") == 0)
		world->module.has_script[name_index(value, script_at, SCRIPT_COUNT)] = true;
	else if (strcmp(key, "kind") == 0 && strcmp(value, "single") == 0)
		world_make_single(world);
	else
		wrong("unknown setting", key);
}

static bool is_on(const struct line *line)
{
	const char *word = line->words[2];

	return strcmp(word, "on") == 0 || strcmp(word, "failing") == 0;
}

static void on_address(struct world *world, const struct line *line)
{
	struct event event = { .type = EVENT_ADDRESS_CHANGED, .module = STORY_MODULE };
	const char *word = line->words[2];

	event.address.change = strcmp(word, "gone") == 0    ? ADDRESS_GONE
			       : strcmp(word, "taken") == 0 ? ADDRESS_TAKEN_BY_OTHER
							    : ADDRESS_FAILED;
	world_event(world, node_of(line->words[1]), event);
}

static void on_fs(struct world *world, const struct line *line)
{
	struct event event = { .type = EVENT_FS_REPORTED, .module = STORY_MODULE };
	int node = node_of(line->words[1]);

	int report = name_index(line->words[2], report_at, FS_REPORT_COUNT + 1);

	bool is_again = strcmp(line->words[3], "again") == 0;

	event.fs.is_continued = report == FS_REPORT_COUNT;
	event.fs.report = event.fs.is_continued ? FS_REPORT_CONNECTED : (enum fs_report)report;
	event.fs.epoch = world->nodes[node].fs_epoch;
	event.fs.is_behind = world->nodes[node].is_fs_behind;
	snprintf(event.fs.detail, sizeof(event.fs.detail), "%s",
		event.fs.report == FS_REPORT_PEER_FAILED ? "No space left on device"
		: is_again ? "/data: it is not there; is its disk mounted?"
			   : "");
	if (event.fs.report == FS_REPORT_PEER_LOST || event.fs.report == FS_REPORT_PEER_FAILED)
		world->nodes[0].fs_link = world->nodes[1].fs_link = FS_LINK_NONE;
	world_event(world, node, event);
}

static const char *look_at(int i)
{
	return words_name(&look_words, (unsigned int)i);
}

static const char *finding_at(int i)
{
	return words_name(&finding_words, (unsigned int)i);
}

static void on_sight(struct world *world, const struct line *line)
{
	int node = node_of(line->words[1]);
	const char *word = strcmp(line->words[2], "state") == 0 ? "state disk" : line->words[2];
	int look = name_index(word, look_at, LOOK_COUNT);

	world->nodes[node].findings[look] =
		(enum finding)name_index(line->words[3], finding_at, FINDING_COUNT);
	world_look(world, node);
}

static void on_command(struct world *world, const struct line *line)
{
	struct event event = { .type = EVENT_COMMAND_GIVEN, .module = STORY_MODULE };

	event.command.command = (enum command)name_index(line->words[2], command_at, COMMAND_COUNT);
	event.command.is_forced = strcmp(line->words[3], "force") == 0;
	world_event(world, node_of(line->words[1]), event);
}

static void on_target(struct world *world, const struct line *line)
{
	struct event event = { .type = EVENT_TARGET_TRIED };
	int node = node_of(line->words[1]);

	world->nodes[node].can_reach_target = is_on(line);
	event.target.is_reachable = is_on(line);
	world_event(world, node, event);
}

/* ---- what is expected ---- */

static bool on_until(struct world *world, const struct line *line)
{
	enum module_state state =
		(enum module_state)name_index(line->words[2], state_at, STATE_COUNT);
	enum readiness readiness =
		(enum readiness)name_index(line->words[3], readiness_at, READINESS_COUNT);
	int64_t limit = line->count > 4 ? time_of(line->words[4]) : 0;
	int node = node_of(line->words[1]);

	if (world_until(world, node, state, readiness, limit))
		return true;
	world_say(world, node, "!! %s %s was expected", line->words[2], line->words[3]);
	world_status(world, node);
	return false;
}

static bool play_node_line(struct world *world, const struct line *line, int node)
{
	struct story_node *self = &world->nodes[node];
	const char *verb = line->words[0];

	if (strcmp(verb, "boot") == 0)
		world_boot(world, node);
	else if (strcmp(verb, "kill") == 0)
		world_kill(world, node);
	else if (strcmp(verb, "kill-daemon") == 0)
		world_kill_daemon(world, node);
	else if (strcmp(verb, "freeze") == 0)
		world_freeze(world, node);
	else if (strcmp(verb, "thaw") == 0)
		world_thaw(world, node);
	else if (strcmp(verb, "shutdown") == 0)
		world_event(world, node, (struct event){ .type = EVENT_SHUTDOWN_WANTED });
	else if (strcmp(verb, "cut") == 0)
		world->is_cut[node] = true;
	else if (strcmp(verb, "heal") == 0)
		world->is_cut[node] = false;
	else if (strcmp(verb, "record") == 0)
		world_record_beat(world, node);
	else if (strcmp(verb, "play") == 0)
		world_play_beat(world, node);
	else if (strcmp(verb, "status") == 0)
		world_status(world, node);
	else if (strcmp(verb, "observed") == 0)
		world_observed(world, node);
	else if (strcmp(verb, "keep") == 0)
		self->kept = self->disk;
	else if (strcmp(verb, "put-back") == 0)
		world_put_back(world, node);
	else if (strcmp(verb, "fits") == 0)
		self->marked = 0;
	else if (strcmp(verb, "wipe") == 0)
		self->disk = (struct record){ .should_run = true };
	else
		return false;
	return true;
}

static bool play_switch_line(struct world *world, const struct line *line, int node)
{
	struct story_node *self = &world->nodes[node];
	const char *verb = line->words[0];

	if (strcmp(verb, "foreign") == 0)
		self->has_foreign_address = is_on(line);
	else if (strcmp(verb, "fs-broken") == 0)
		self->is_fs_broken = is_on(line);
	else if (strcmp(verb, "fs-wrong") == 0)
		self->has_wrong_copy = is_on(line);
	else if (strcmp(verb, "fs-old") == 0)
		self->has_old_copy = is_on(line);
	else if (strcmp(verb, "fs-logs") == 0)
		self->is_fs_behind = true;
	else if (strcmp(verb, "slow") == 0)
		self->is_resync_slow = is_on(line);
	else if (strcmp(verb, "disk") == 0 && strcmp(line->words[2], "stuck") == 0)
		self->is_disk_stuck = true;
	else if (strcmp(verb, "disk") == 0 && is_on(line))
		self->is_disk_failing = true;
	else if (strcmp(verb, "disk") == 0)
		world_free_disk(world, node);
	else if (strcmp(verb, "fs-mute") == 0)
		self->is_fs_mute = is_on(line);
	else if (strcmp(verb, "left") == 0) {
		self->cannot_be_ended = strcmp(line->words[2], "stuck") == 0;
		self->has_leftovers = self->cannot_be_ended || is_on(line);
	} else if (strcmp(verb, "fail") == 0)
		self->script_failures[name_index(line->words[2], script_at, SCRIPT_COUNT)] =
			(uint8_t)strtoul(line->words[3], NULL, 10);
	else if (strcmp(verb, "lasts") == 0)
		self->script_lasts_ns[name_index(line->words[2], script_at, SCRIPT_COUNT)] =
			time_of(line->words[3]);
	else
		return false;
	return true;
}

static bool play_event_line(struct world *world, const struct line *line)
{
	const char *verb = line->words[0];

	if (strcmp(verb, "command") == 0) {
		on_command(world, line);
	} else if (strcmp(verb, "fs") == 0) {
		on_fs(world, line);
	} else if (strcmp(verb, "verified") == 0) {
		struct event event = { .type = EVENT_COMPARED, .module = STORY_MODULE };
		event.compared.differences = strtoull(line->words[2], NULL, 10);
		world_event(world, node_of(line->words[1]), event);
	} else if (strcmp(verb, "sight") == 0) {
		on_sight(world, line);
	} else if (strcmp(verb, "target") == 0) {
		on_target(world, line);
	} else if (strcmp(verb, "address") == 0) {
		on_address(world, line);
	} else if (strcmp(verb, "check") == 0) {
		struct event event = { .type = EVENT_CHECK_CHANGED, .module = STORY_MODULE };
		event.check.is_up = strcmp(line->words[2], "up") == 0;
		world_event(world, node_of(line->words[1]), event);
	} else {
		return false;
	}
	return true;
}

static bool play_world_line(struct world *world, const struct line *line)
{
	const char *verb = line->words[0];
	bool is_cut = strcmp(line->words[1], "cut") == 0;

	if (strcmp(verb, "arbiter") == 0)
		world->arbiter =
			strcmp(line->words[1], "ping") == 0 ? ARBITER_PING : ARBITER_OPERATOR;
	else if (strcmp(verb, "module") == 0)
		on_module(world, line);
	else if (strcmp(verb, "run") == 0)
		world_run(world, time_of(line->words[1]));
	else if (strcmp(verb, "client") == 0)
		world->is_client_cut = is_cut;
	else if (strcmp(verb, "stream") == 0)
		world->is_stream_cut = is_cut;
	else
		return false;
	return true;
}

static bool play_line(struct world *world, const struct line *line)
{
	if (strcmp(line->words[0], "until") == 0 || strcmp(line->words[0], "expect") == 0)
		return on_until(world, line);
	if (play_world_line(world, line) || play_event_line(world, line))
		return true;
	int node = node_of(line->words[1]);
	if (!play_node_line(world, line, node) && !play_switch_line(world, line, node))
		wrong("unknown verb", line->words[0]);
	return true;
}

static int play(FILE *scenario, FILE *out)
{
	static struct world world;
	char text[512];
	int failures = 0;
	bool was_comment = true;

	world_init(&world, out);
	while (fgets(text, sizeof(text), scenario) != NULL) {
		struct line line;
		if (text[0] == '#') {
			fprintf(out, "%s%s", was_comment ? "" : "\n", text);
			was_comment = true;
			continue;
		}
		if (!split(text, &line))
			continue;
		was_comment = false;
		fprintf(out, "> %s", line.words[0]);
		for (int i = 1; i < line.count; i++)
			fprintf(out, " %s", line.words[i]);
		fputc('\n', out);
		failures += !play_line(&world, &line);
	}
	world_done(&world);
	return failures;
}

static int compare(const char *expected_path, const char *trace, size_t size)
{
	FILE *file = fopen(expected_path, "r");
	char *expected = calloc(1, size + 2);

	CHECK(expected != NULL);
	size_t expected_size = file == NULL ? 0 : fread(expected, 1, size + 1, file);
	if (file != NULL)
		fclose(file);
	bool is_equal = expected_size == size && memcmp(expected, trace, size) == 0;
	size_t line = 1, i = 0;
	for (; i < size && i < expected_size && expected[i] == trace[i]; i++)
		line += trace[i] == '\n';
	if (!is_equal)
		fprintf(stderr,
			"story: differs from %s in line %zu; look at the whole with --update and "
			"git diff\n",
			expected_path, line);
	free(expected);
	return is_equal ? 0 : 1;
}

int main(int argc, char **argv)
{
	char *trace = NULL;
	size_t size = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: story SCENARIO EXPECTED [--update]\n");
		return 2;
	}
	FILE *scenario = fopen(argv[1], "r");
	FILE *out = open_memstream(&trace, &size);
	if (scenario == NULL || out == NULL) {
		perror(argv[1]);
		return 2;
	}
	int failures = play(scenario, out);
	fclose(scenario);
	fclose(out);
	if (failures > 0)
		fputs(trace, stderr);
	int result = failures > 0;
	if (argc > 3 && strcmp(argv[3], "--update") == 0) {
		FILE *file = fopen(argv[2], "w");
		if (file == NULL || fwrite(trace, 1, size, file) != size || fclose(file) != 0) {
			perror(argv[2]);
			return 2;
		}
	} else {
		result |= compare(argv[2], trace, size);
	}
	free(trace);
	return result;
}
