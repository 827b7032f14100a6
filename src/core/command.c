#include "core/command.h"

void verdict_say(struct verdict *verdict, enum refusal refusal, const char *sentence)
{
	verdict->refusal = refusal;
	text_add(&verdict->sentence, sentence);
}

void command_stop(struct instance *instance, struct verdict *verdict)
{
	bool is_stopped = instance->kind->is_stopped(instance);

	if (is_stopped && !instance->should_run) {
		verdict_say(verdict, REFUSAL_ALREADY_SO, "");
		return;
	}
	instance->should_run = false;
	instance->wants_stop = !is_stopped;
	verdict_say(verdict, REFUSAL_NONE, "stopping");
}

void command_restart(struct instance *instance, bool is_up, struct verdict *verdict)
{
	if (!is_up || instance->application.wanted == 0) {
		verdict_say(verdict, REFUSAL_NOT_RUNNING, "");
		return;
	}
	if (!application_is_settled(instance) || instance->kind->is_stalled(instance)) {
		verdict_say(verdict, REFUSAL_BUSY, "");
		return;
	}
	instance->application.is_restarting = true;
	verdict_say(verdict, REFUSAL_NONE, "restarting the application");
}

void command_on_given(struct core *core, struct instance *instance, const struct event *event)
{
	struct verdict verdict;

	verdict.refusal = REFUSAL_UNKNOWN_MODULE;
	text_clear(&verdict.sentence);
	if (instance != NULL)
		instance->kind->on_command(core, instance, event, &verdict);
	CHECK(verdict.refusal < REFUSAL_COUNT);
	if (instance != NULL) /* before the answer: who has it may kill us */
		instance_note_wishes(core, instance);
	if (verdict.sentence.size == 0)
		text_add(&verdict.sentence, refusal_sentence(verdict.refusal));
	struct action *action = action_add(core, instance, ACTION_ANSWER_COMMAND);
	action->module = event->module;
	action->answer.request = event->command.request;
	action->answer.refusal = verdict.refusal;
	action->answer.sentence = verdict.sentence;
}
