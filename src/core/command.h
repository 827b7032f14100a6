/*
 * Commands of an operator: accepted as a wish that the next advance sees, or refused with a reason
 * that has a name and a sentence. Each is answered in the step that brings it; `status` shows how
 * far it got. A kind decides its own (struct kind); what all decide alike is here.
 */
#ifndef EVENKEEL_CORE_COMMAND_H
#define EVENKEEL_CORE_COMMAND_H

#include "core/instance.h"

struct verdict {
	enum refusal refusal;
	struct text sentence; /* empty: the refusal's own */
};

/* instance NULL: there is no such module. */
void command_on_given(struct core *core, struct instance *instance, const struct event *event);

void verdict_say(struct verdict *verdict, enum refusal refusal, const char *sentence);
void command_stop(struct instance *instance, struct verdict *verdict);
/* is_up: in a role in which the application is wanted. */
void command_restart(struct instance *instance, bool is_up, struct verdict *verdict);

#endif
