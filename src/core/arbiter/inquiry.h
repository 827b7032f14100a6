/*
 * One module's talk with its arbiter during one incident: whether a question is open, what came of
 * the last one, when to ask again, and whether what was granted is enough to act on.
 *
 * An answer belongs to a question by its nonce *and* by the time it was asked: the same intent is
 * asked again and again, and what was answered to the first says nothing about now.
 */
#ifndef EVENKEEL_CORE_ARBITER_INQUIRY_H
#define EVENKEEL_CORE_ARBITER_INQUIRY_H

#include "core/arbiter/arbiter.h"
#include "core/record.h"

#define SETTLE_NS  (300 * NS_PER_MS) /* beats flow by then, if the network is back */
#define ASK_GAP_NS (100 * NS_PER_MS) /* between questions after one that was not granted */

struct inquiry {
	bool is_open;
	bool has_asked; /* in this incident */
	uint64_t nonce;
	int64_t asked_ns;
	enum arbiter_answer answer;
	int64_t next_ns;	/* when to ask next */
	int64_t first_grant_ns; /* granted ever since then; 0: not granted */
};

/* How much a grant is worth. */
enum grant {
	GRANT_NONE,
	GRANT_FIRST, /* the network may be back this moment, and with it the other node, which was
			granted before: ask once more when beats would have come */
	GRANT_ENOUGH,
};

/* A new incident: nothing was asked, and may be at once. */
void inquiry_begin(struct inquiry *inquiry, int64_t now_ns);
/* The incident is over. A question that is still open may yet be answered; nobody acts on it. */
void inquiry_end(struct inquiry *inquiry);
/* What was granted no longer counts: something was heard meanwhile. It may be asked for anew at once. */
void inquiry_forget_grant(struct inquiry *inquiry);
/* Opens the question of the record's intent. */
struct arbiter_question inquiry_ask(
	struct inquiry *inquiry, const struct record *record, int64_t now_ns);
/* Takes an answer, if it is the one to the open question. */
void inquiry_on_answer(struct inquiry *inquiry, const struct arbiter_question *question,
	enum arbiter_answer answer);
/*
 * Weighs the answer to the last question, and says when to ask next. is_timely: nobody else can have
 * been granted, and acted on it, before this node's own grant is known to it.
 */
enum grant inquiry_weigh(
	struct inquiry *inquiry, enum arbiter_kind kind, bool is_timely, int64_t now_ns);

#endif
