/* What `status` shows of a single, in words. */
#include "core/single/single.h"

static void say_failed(struct status *status, const char *now)
{
	text_add(&status->now, now);
	text_add(&status->to_do, "look at the application's logs, repair it, then `evenkeel "
				 "start` (the counter begins anew)");
}

static void say_up(const struct instance *instance, struct status *status)
{
	text_add(&status->now, application_is_settled(instance)
				       ? "this node serves"
				       : "the application is being started");
	text_add(&status->if_dies, "if this node dies, the service stops until it is back: the "
				   "module runs on this node alone");
}

void single_say(const struct single *single, struct status *status)
{
	const struct instance *instance = &single->common;

	switch (single->step) {
	case SINGLE_STOPPED:
		text_add(&status->now, "stopped");
		text_add(&status->to_do, "`evenkeel start` starts it");
		break;
	case SINGLE_PRESTART: text_add(&status->now, "starting"); break;
	case SINGLE_UP: say_up(instance, status); break;
	case SINGLE_STOPPING:
	case SINGLE_CLOSING:
		if (instance->wants_stop)
			text_add(&status->now, "stopping");
		else
			say_failed(status, "the application failed too often: it is being stopped");
		break;
	case SINGLE_FAILED:
		say_failed(
			status, "the application failed too often and is not started again here");
		break;
	case SINGLE_STEP_COUNT: CHECK(false);
	}
}
