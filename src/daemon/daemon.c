#include "daemon/daemon.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/addresses/addresses.h"
#include "daemon/admin/admin.h"
#include "daemon/arbiters/arbiters.h"
#include "daemon/checks/checks.h"
#include "daemon/guests/guests.h"
#include "daemon/mesh/mesh.h"
#include "daemon/records.h"
#include "daemon/history.h"
#include "daemon/runtime.h"
#include "daemon/scripts/scripts.h"
#include "platform/clock.h"

/* ---- helpers ---- */

void daemon_log(struct daemon *daemon, struct module *module, enum severity severity,
	const char *id, const char *format, ...)
{
	char sentence[SENTENCE_SIZE_MAX];
	va_list values;

	va_start(values, format);
	(void)vsnprintf(sentence, sizeof(sentence), format, values);
	va_end(values);
	events_write(daemon->events, severity, id, module == NULL ? NULL : module->settings.name,
		sentence);
}

uint64_t daemon_random(void)
{
	uint64_t value = 0;

	/* Up to 256 bytes cannot be cut short once the kernel has entropy; before, it waits. */
	ssize_t size = getrandom(&value, sizeof(value), 0);
	CHECK(size == (ssize_t)sizeof(value));
	return value;
}

struct module *daemon_module_by_number(struct daemon *daemon, uint16_t number)
{
	return number <= MODULES_MAX ? daemon->by_number[number] : NULL;
}

struct module *daemon_module_by_name(struct daemon *daemon, const char *name)
{
	for (int i = 0; i < daemon->module_count; i++)
		if (strcmp(daemon->modules[i]->settings.name, name) == 0)
			return daemon->modules[i];
	return NULL;
}

const struct node_config *daemon_peer(const struct daemon *daemon, const struct module *module)
{
	const char *first = module->settings.nodes[0];
	const char *second = module->settings.nodes[1];
	const char *peer = strcmp(first, daemon->self->name) == 0 ? second : first;

	return config_node_by_name(&daemon->cluster, peer);
}

/* ---- performing ---- */

/* Our successor knows it, whether the record gets to the disk or not. */
static void note_wishes(struct module *module, const struct wishes *wishes)
{
	module->runtime.wishes = *wishes;
	runtime_write(module);
}

static void perform(struct module *module, const struct action *action)
{
	struct daemon *daemon = module->daemon;

	switch (action->type) {
	case ACTION_WRITE_RECORD:
		module->is_writing = true;
		module->is_write_awaited = action->write_record.is_awaited;
		records_write(module, &action->write_record.record);
		break;
	case ACTION_NOTE_WISHES: note_wishes(module, &action->wishes); break;
	case ACTION_ORDER_FS: fs_order(module, action); break;
	case ACTION_RUN_SCRIPT:
		scripts_run(module, action->script.script, action->script.is_forced);
		break;
	case ACTION_HOLD_ADDRESS: addresses_hold(module); break;
	case ACTION_RELEASE_ADDRESS: addresses_release(module); break;
	case ACTION_PROBE_ADDRESS: addresses_probe(module); break;
	case ACTION_ASK_ARBITER: arbiter_ask(module, &action->arbiter); break;
	case ACTION_START_CHECKS: checks_start(module); break;
	case ACTION_STOP_CHECKS: checks_stop(module); break;
	case ACTION_KILL_APPLICATION: scripts_kill_application(module); break;
	case ACTION_EMPTY_APPLICATION: scripts_empty_application(module); break;
	case ACTION_ANSWER_COMMAND:
		admin_answer(daemon, module, action->answer.request, action->answer.refusal,
			action->answer.sentence.data);
		break;
	case ACTION_LOG:
		history_hear(module, action->log.id, action->log.sentence.data, clock_wall_ns());
		daemon_log(daemon, module, action->log.severity, action->log.id, "%s",
			action->log.sentence.data);
		break;
	case ACTION_SEND_BEAT:
	case ACTION_TYPE_COUNT: CHECK(false);
	}
}

/* The core waits for the end of a script that it ordered. */
static void take_back(struct module *module, const struct action *action)
{
	if (action->type != ACTION_RUN_SCRIPT)
		return;
	daemon_post(module->daemon, &(struct event){ .type = EVENT_SCRIPT_ENDED,
					    .module = module->settings.number,
					    .script = { .script = action->script.script,
						    .is_forced = action->script.is_forced,
						    .outcome = SCRIPT_FAILED } });
}

/* One that overtakes the record under way is not followed by what it undoes. */
static void overtake(struct module *module, const struct action *action)
{
	struct queued_action *undone;

	while ((undone = queue_take_back(&module->queue, action)) != NULL) {
		take_back(module, &undone->action);
		free(undone);
	}
}

void daemon_perform_queue(struct module *module)
{
	for (;;) {
		bool is_waiting = module->is_writing && module->is_write_awaited;
		struct queued_action *next = queue_pop(&module->queue, is_waiting);
		if (next == NULL)
			return;
		if (next->action.type == ACTION_WRITE_RECORD)
			module->writing_step = next->step;
		if (is_waiting)
			overtake(module, &next->action);
		perform(module, &next->action);
		free(next);
	}
}

static void perform_without_module(struct daemon *daemon, const struct action *action)
{
	if (action->type == ACTION_LOG)
		daemon_log(daemon, NULL, action->log.severity, action->log.id, "%s",
			action->log.sentence.data);
	else if (action->type == ACTION_ANSWER_COMMAND)
		admin_answer(daemon, NULL, action->answer.request, action->answer.refusal,
			action->answer.sentence.data);
	/* Anything else is about a module that has just been removed. */
}

static void take_action(struct daemon *daemon, const struct action *action)
{
	if (action->type == ACTION_SEND_BEAT) {
		mesh_send(daemon, false);
		return;
	}
	struct module *module = daemon_module_by_number(daemon, action->module);
	if (module == NULL) {
		perform_without_module(daemon, action);
		return;
	}
	queue_push(&module->queue, daemon->steps, action);
	daemon_perform_queue(module);
}

static void step(struct daemon *daemon, struct event *event)
{
	event->now_ns = MAX_OF(clock_boot_ns(), daemon->last_step_ns);
	daemon->last_step_ns = event->now_ns;
	daemon->steps++;
	core_step(daemon->core, event, daemon->actions);
	for (uint16_t i = 0; i < daemon->actions->count; i++)
		take_action(daemon, &daemon->actions->list[i]);
}

static void drain(struct daemon *daemon)
{
	CHECK(!daemon->is_stepping);
	daemon->is_stepping = true;
	while (daemon->event_count > 0) {
		struct event event = daemon->event_queue[daemon->event_first];
		daemon->event_first = (daemon->event_first + 1) % DAEMON_QUEUE_MAX;
		daemon->event_count--;
		step(daemon, &event);
	}
	daemon->is_stepping = false;
	admin_changed(daemon);
	int64_t due_ns = core_deadline(daemon->core);
	if (due_ns == INT64_MAX)
		loop_disarm(&daemon->loop, &daemon->core_timer);
	else
		/* Never in the past: a core that is behind must not keep others from their turn. */
		loop_arm(&daemon->loop, &daemon->core_timer, MAX_OF(due_ns, clock_boot_ns()));
}

void daemon_post(struct daemon *daemon, const struct event *event)
{
	uint32_t last = (daemon->event_first + daemon->event_count) % DAEMON_QUEUE_MAX;

	CHECK(daemon->event_count < DAEMON_QUEUE_MAX);
	daemon->event_queue[last] = *event;
	daemon->event_count++;
	if (!daemon->is_stepping)
		drain(daemon);
}

void daemon_on_streamed(struct module *module, const char *text)
{
	mesh_on_streamed(module, text);
}

void daemon_record_written(struct module *module, int error)
{
	struct daemon *daemon = module->daemon;

	CHECK(module->is_writing && !daemon->is_stepping);
	module->is_writing = false;
	if (error != 0)
		daemon_log(daemon, module, SEVERITY_ERROR, "record.failed",
			"The record of this module could not be written to %s: %s. Free or repair "
			"that disk; %s until then.",
			daemon->paths.state, strerror(-error),
			module->is_write_awaited
				? "nothing is decided here"
				: "what was commanded last is kept in memory only");
	/* What the same step ordered after it must not happen. */
	if (error != 0 && module->is_write_awaited)
		queue_drop_step(&module->queue, module->writing_step);
	/* Nothing is handled before all that waited has been performed: as while stepping. */
	daemon->is_stepping = true;
	daemon_post(daemon, &(struct event){ .type = EVENT_RECORD_WRITTEN,
				    .module = module->settings.number,
				    .record_written.error = error });
	daemon_perform_queue(module);
	daemon->is_stepping = false;
	drain(daemon);
}
