#include "repl/resync_content.h"

#include "repl/planted.h"

static uint64_t block_down(const struct resync_limits *limits, uint64_t offset)
{
	return offset / limits->block * limits->block;
}

static uint64_t block_up(const struct resync_limits *limits, uint64_t offset)
{
	return block_down(limits, offset + limits->block - 1);
}

struct resync_span resync_content_next(const struct resync_content *content,
	const struct resync_limits *limits, uint64_t data, uint64_t hole)
{
	uint64_t from = content->asked;
	struct resync_span span = { .kind = RESYNC_SPAN_END, .from = from };
	if (from >= content->size)
		return span;
	uint64_t hole_end = data >= content->size ? content->size : block_down(limits, data);
	if (hole_end > from && IS_PLANTED(PLANTED_RESYNC_STOPS_AT_HOLE))
		return span;
	if (hole_end > from) {
		span.kind = RESYNC_SPAN_HOLE;
		span.length = hole_end - from;
		return span;
	}
	/* One block at least: it may have become a hole just now. */
	uint64_t end = MAX_OF(block_up(limits, hole), from + limits->block);
	span.kind = RESYNC_SPAN_ASK;
	span.length = MIN_OF(end - from, limits->ask);
	return span;
}

void resync_content_punched(struct resync_content *content, const struct resync_span *span)
{
	CHECK(span->kind == RESYNC_SPAN_HOLE);
	CHECK(span->from == content->asked);
	content->asked += span->length;
}

void resync_content_asked(struct resync_content *content, const struct resync_span *span)
{
	CHECK(span->kind == RESYNC_SPAN_ASK || span->kind == RESYNC_SPAN_HOLE);
	CHECK(span->from == content->asked);
	content->asked += span->length;
	content->waiting++;
}

void resync_content_answered(struct resync_content *content)
{
	CHECK(content->waiting > 0);
	content->waiting--;
}

bool resync_run_block(struct resync_run *run, const struct resync_limits *limits, bool is_different,
	struct resync_run *out_sent)
{
	bool has_run = run->next > run->first;
	bool is_full = (uint64_t)(run->next - run->first) * limits->block >= limits->send;
	bool is_sent = has_run && (!is_different || is_full);
	if (is_sent) {
		*out_sent = *run;
		run->first = run->next;
	}
	run->next++;
	if (!is_different)
		run->first = run->next;
	return is_sent;
}
