#include "repl/watch.h"

#include "base/macros.h"
#include "repl/sender.h"

static const char *const sentences[COMPLAINT_COUNT] = {
	[COMPLAINT_NONE] = "",
	[COMPLAINT_BROKEN] = "an operation could not be told to the peer",
	[COMPLAINT_NO_PROGRESS] = "the peer makes no progress",
	[COMPLAINT_DOWN] = "the stream to the peer is down",
};

const char *complaint_sentence(enum complaint complaint)
{
	CHECK((unsigned)complaint < COMPLAINT_COUNT);
	return sentences[complaint];
}

void watch_begin(struct sender *sender)
{
	sender->watch.ticked_ns = 0;
}

void watch_on_heard(struct sender *sender, int64_t now_ns)
{
	sender->watch.heard_ns = now_ns;
}

void watch_on_progress(struct sender *sender, int64_t now_ns)
{
	sender->watch.progress_ns = now_ns;
	sender->watch.is_moved = false;
}

void watch_on_stuck(struct sender *sender, bool is_stuck)
{
	sender->watch.is_stuck = is_stuck;
}

/* A way that was changed for want of progress gives the peer no more time than it has. */
void watch_on_connected(struct sender *sender, int64_t now_ns)
{
	struct watch *watch = &sender->watch;

	watch->heard_ns = watch->sent_ns = now_ns;
	if (!watch->is_moved)
		watch->progress_ns = now_ns;
	watch->is_silent = watch->is_stuck = watch->is_complained = false;
}

bool watch_was_bad(const struct sender *sender)
{
	return sender->watch.is_silent || sender->watch.is_complained;
}

void watch_on_working(struct sender *sender, int64_t duration_ns, int64_t now_ns)
{
	if (duration_ns < OP_TIMEOUT_NS)
		sender->watch.progress_ns = now_ns;
}

void watch_on_writing(struct sender *sender, bool was_idle, int64_t now_ns)
{
	sender->watch.sent_ns = now_ns;
	if (was_idle) /* the peer owes an answer only from now on */
		sender->watch.progress_ns = now_ns;
	sender->watch.is_writing = true;
}

void watch_on_written(struct sender *sender)
{
	sender->watch.is_writing = false;
}

bool watch_is_unreachable(struct sender *sender, int64_t now_ns)
{
	bool is_due = sender->session.want == LINK_RESYNC && !sender->session.is_loss_told &&
		      now_ns - sender->watch.lost_ns > REFUSE_AFTER_NS;

	sender->session.is_loss_told = sender->session.is_loss_told || is_due;
	return is_due;
}

static void forgive_own_lateness(struct watch *watch, int64_t now_ns)
{
	int64_t late_ns = watch->ticked_ns != 0 ? now_ns - watch->ticked_ns - 2 * TICK_NS : 0;

	watch->ticked_ns = now_ns;
	if (late_ns <= 0)
		return;
	watch->heard_ns = MIN_OF(watch->heard_ns + late_ns, now_ns);
	watch->progress_ns = MIN_OF(watch->progress_ns + late_ns, now_ns);
	watch->lost_ns = MIN_OF(watch->lost_ns + late_ns, now_ns);
}

static enum complaint complaint(
	const struct sender *sender, int64_t now_ns, int64_t peer_timeout_ns)
{
	const struct session *session = &sender->session;
	const struct watch *watch = &sender->watch;

	if (session->is_loss_told || !sender_is_sending(sender))
		return COMPLAINT_NONE;
	if (session->is_broken)
		return COMPLAINT_BROKEN;
	if (session->is_up && now_ns - watch->progress_ns > peer_timeout_ns)
		return COMPLAINT_NO_PROGRESS;
	if (sender->mode == SENDER_HELD && now_ns - watch->lost_ns > RECONNECT_NS)
		return COMPLAINT_DOWN;
	return COMPLAINT_NONE;
}

/*
 * A cut network ends no connection: it only falls silent. Half of the peer's time is given to this
 * one, the rest to finding another way.
 */
static bool is_silent(const struct sender *sender, int64_t now_ns, int64_t peer_timeout_ns)
{
	return now_ns - sender->watch.heard_ns > peer_timeout_ns / 2;
}

/*
 * Something is lost each time on its way there, while other things pass: large packets, mostly. A
 * session that has only begun would be lost with its connection, so the complaint is waited for.
 */
static bool is_stuck(const struct sender *sender, int64_t now_ns, int64_t peer_timeout_ns)
{
	const struct watch *watch = &sender->watch;

	return watch->is_stuck && !watch->is_moved && sender->mode == SENDER_PAIRED &&
	       now_ns - watch->progress_ns > peer_timeout_ns / 2;
}

static bool should_hang_up(struct sender *sender, int64_t now_ns, int64_t peer_timeout_ns)
{
	struct watch *watch = &sender->watch;

	if (!sender->session.is_up || watch->is_silent)
		return false;
	bool has_stuck = is_stuck(sender, now_ns, peer_timeout_ns);
	watch->is_silent = has_stuck || is_silent(sender, now_ns, peer_timeout_ns);
	watch->is_moved = watch->is_moved || has_stuck;
	return watch->is_silent;
}

struct watch_findings watch_look(struct sender *sender, int64_t now_ns, int64_t peer_timeout_ns)
{
	struct watch *watch = &sender->watch;
	struct watch_findings findings = { 0 };

	forgive_own_lateness(watch, now_ns);
	findings.complaint = complaint(sender, now_ns, peer_timeout_ns);
	watch->is_complained = watch->is_complained || findings.complaint == COMPLAINT_NO_PROGRESS;
	if (findings.complaint != COMPLAINT_NONE)
		return findings;
	findings.should_hang_up = should_hang_up(sender, now_ns, peer_timeout_ns);
	/* Whoever watches must never wait behind a full connection. */
	findings.should_keep = !watch->is_writing && sender->acked >= sender->sent &&
			       now_ns - watch->sent_ns >= TICK_NS;
	return findings;
}
