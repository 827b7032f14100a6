#include "core/arbiter/inquiry.h"

#include "base/macros.h"

void inquiry_begin(struct inquiry *inquiry, int64_t now_ns)
{
	inquiry->first_grant_ns = 0;
	inquiry->has_asked = false;
	inquiry->next_ns = now_ns;
}

void inquiry_end(struct inquiry *inquiry)
{
	inquiry->first_grant_ns = 0;
	inquiry->has_asked = false;
}

void inquiry_forget_grant(struct inquiry *inquiry)
{
	if (inquiry->first_grant_ns == 0)
		return;
	inquiry->first_grant_ns = 0;
	inquiry->next_ns = 0;
}

struct arbiter_question inquiry_ask(
	struct inquiry *inquiry, const struct record *record, int64_t now_ns)
{
	struct arbiter_question question = arbiter_question(record, now_ns);

	inquiry->is_open = true;
	inquiry->has_asked = true;
	inquiry->answer = ARBITER_UNKNOWN;
	inquiry->nonce = question.nonce;
	inquiry->asked_ns = now_ns;
	return question;
}

void inquiry_on_answer(struct inquiry *inquiry, const struct arbiter_question *question,
	enum arbiter_answer answer)
{
	bool is_open_one = inquiry->is_open && question->nonce == inquiry->nonce &&
			   question->asked_ns == inquiry->asked_ns;

	if (!is_open_one)
		return;
	inquiry->is_open = false;
	inquiry->answer = answer;
}

enum grant inquiry_weigh(
	struct inquiry *inquiry, enum arbiter_kind kind, bool is_timely, int64_t now_ns)
{
	CHECK(!inquiry->is_open);
	if (inquiry->answer != ARBITER_GRANTED) {
		inquiry->first_grant_ns = 0;
		inquiry->next_ns = now_ns + ASK_GAP_NS;
		return GRANT_NONE;
	}
	if (is_timely || arbiter_promise(kind)->is_register)
		return GRANT_ENOUGH;
	if (inquiry->first_grant_ns != 0 && now_ns - inquiry->first_grant_ns >= SETTLE_NS)
		return GRANT_ENOUGH;
	if (inquiry->first_grant_ns == 0)
		inquiry->first_grant_ns = now_ns;
	inquiry->next_ns = inquiry->first_grant_ns + SETTLE_NS;
	return GRANT_FIRST;
}
