/*
 * The arbiter is asked, by a primary without its peer and by a secondary without its primary alike:
 * the intent is durable first (R4), then the question goes out, as often as it takes. What to make
 * of the answer is in loss.c and takeover.c.
 */
#include "core/mirror/mirror.h"

bool ask_arbiter(struct core *core, struct mirror *mirror, enum step asking)
{
	action_add(core, &mirror->common, ACTION_ASK_ARBITER)->arbiter =
		inquiry_ask(&mirror->ask, &mirror->common.record, core->now_ns);
	return mirror_move(core, mirror, asking);
}

bool consult_arbiter(
	struct core *core, struct mirror *mirror, enum step intending, enum step asking)
{
	if (!arbiter_promise(core->config.arbiter)->must_be_asked[CHANGE_SHRINK])
		return false;
	if (core->now_ns < mirror->ask.next_ns) {
		wake_at(&mirror->common, mirror->ask.next_ns);
		return false;
	}
	if (mirror->common.record.has_intent)
		return ask_arbiter(core, mirror, asking);
	mirror->ask.has_asked = true;
	tenure_intend(core, mirror);
	return mirror_move(core, mirror, intending);
}

void arbiter_on_answered(struct mirror *mirror, const struct event *event)
{
	inquiry_on_answer(&mirror->ask, &event->arbiter.question, event->arbiter.answer);
}
