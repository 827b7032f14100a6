/*
 * Encoded, big-endian: u8 version, u8 is_let_go, u8 count, u64 boot, i64 let_go_ns, i64 seen_ns, then for each of
 * UNWATCHED_SPANS i64 from, i64 to.
 */
#include "repl/unwatched.h"

#include "base/buf.h"
#include "base/error.h"
#include "repl/planted.h"

#define VERSION 1

/* The two neighbours with the least time between them become one: what lies between is then taken for
 * changed by hand, which keeps too much rather than too little. */
static void merge_nearest(struct unwatched *unwatched)
{
	uint8_t nearest = 0;
	int64_t least_ns = INT64_MAX;

	CHECK(unwatched->count == UNWATCHED_SPANS);
	for (uint8_t i = 0; i + 1 < unwatched->count; i++) {
		int64_t gap_ns = unwatched->spans[i + 1].from_ns - unwatched->spans[i].to_ns;
		if (gap_ns >= least_ns)
			continue;
		least_ns = gap_ns;
		nearest = i;
	}
	unwatched->spans[nearest].to_ns =
		MAX_OF(unwatched->spans[nearest].to_ns, unwatched->spans[nearest + 1].to_ns);
	for (int i = nearest + 1; i + 1 < unwatched->count; i++)
		unwatched->spans[i] = unwatched->spans[i + 1];
	unwatched->count--;
}

static void add(struct unwatched *unwatched, int64_t from_ns, int64_t to_ns)
{
	if (from_ns >= to_ns)
		return;
	if (unwatched->count == UNWATCHED_SPANS)
		merge_nearest(unwatched);
	CHECK(unwatched->count < UNWATCHED_SPANS);
	unwatched->spans[unwatched->count++] = (struct unwatched_span){ from_ns, to_ns };
}

/*
 * Until when those who had it, and died, watched it. A machine that went down: nobody wrote before it
 * was up again; that may have been before this time, but not before the last note. Died within one
 * life of the machine, without a sign of life that outlasted them (another container): nothing is
 * known of the time between, and what was under way when they died must not be taken for somebody
 * else's.
 */
static int64_t watched_until(
	const struct unwatched *unwatched, const struct unwatched_witness *witness)
{
	if (IS_PLANTED(PLANTED_DEATH_LIES_OPEN))
		return witness->booted_ns;
	if (unwatched->boot != witness->boot && IS_PLANTED(PLANTED_BOOT_IS_WATCHED))
		return witness->now_ns;
	if (unwatched->boot != witness->boot)
		return MIN_OF(witness->booted_ns, unwatched->seen_ns + UNWATCHED_LATE_NS);
	return witness->alive_ns != 0 ? witness->alive_ns + UNWATCHED_SIGN_NS : witness->now_ns;
}

void unwatched_take(struct unwatched *unwatched, const struct unwatched_witness *witness)
{
	if (unwatched->is_let_go)
		add(unwatched, unwatched->let_go_ns, witness->now_ns);
	else if (unwatched->is_known)
		add(unwatched, watched_until(unwatched, witness), witness->now_ns);
	unwatched->is_known = true;
	unwatched->is_let_go = false;
	unwatched->let_go_ns = 0;
	unwatched->boot = witness->boot;
	unwatched->seen_ns = witness->now_ns;
}

bool unwatched_see(struct unwatched *unwatched, int64_t now_ns)
{
	bool is_due = unwatched->is_known && !unwatched->is_let_go &&
		      now_ns - unwatched->seen_ns >= UNWATCHED_SEEN_NS;

	if (is_due)
		unwatched->seen_ns = now_ns;
	return is_due;
}

void unwatched_let_go(struct unwatched *unwatched, int64_t since_ns)
{
	if (unwatched->is_let_go || IS_PLANTED(PLANTED_LET_GO_UNNOTED))
		return;
	unwatched->is_known = true;
	unwatched->is_let_go = true;
	unwatched->let_go_ns = since_ns;
}

void unwatched_forget(struct unwatched *unwatched)
{
	unwatched->count = 0;
}

bool unwatched_is_by_hand(const struct unwatched *unwatched, int64_t changed_ns)
{
	for (uint8_t i = 0; i < unwatched->count; i++)
		if (changed_ns > unwatched->spans[i].from_ns &&
			changed_ns <= unwatched->spans[i].to_ns)
			return true;
	return false;
}

/* ---- bytes ---- */

void unwatched_encode(const struct unwatched *unwatched, uint8_t out[UNWATCHED_SIZE])
{
	struct buf_writer writer = buf_writer_init(out, UNWATCHED_SIZE);

	CHECK(unwatched->is_known);
	buf_put_u8(&writer, VERSION);
	buf_put_u8(&writer, unwatched->is_let_go ? 1 : 0);
	buf_put_u8(&writer, unwatched->count);
	buf_put_u64(&writer, unwatched->boot);
	buf_put_i64(&writer, unwatched->let_go_ns);
	buf_put_i64(&writer, unwatched->seen_ns);
	for (int i = 0; i < UNWATCHED_SPANS; i++) {
		bool is_used = i < unwatched->count;
		buf_put_i64(&writer, is_used ? unwatched->spans[i].from_ns : 0);
		buf_put_i64(&writer, is_used ? unwatched->spans[i].to_ns : 0);
	}
	CHECK(!writer.is_overrun && writer.size == UNWATCHED_SIZE);
}

int unwatched_decode(const uint8_t *bytes, size_t size, struct unwatched *out_unwatched)
{
	struct buf_reader reader = buf_reader_init(bytes, size);
	struct unwatched unwatched = { .is_known = true };
	uint8_t version = buf_get_u8(&reader);

	unwatched.is_let_go = buf_get_u8(&reader) != 0;
	unwatched.count = buf_get_u8(&reader);
	unwatched.boot = buf_get_u64(&reader);
	unwatched.let_go_ns = buf_get_i64(&reader);
	unwatched.seen_ns = buf_get_i64(&reader);
	for (int i = 0; i < UNWATCHED_SPANS; i++) {
		unwatched.spans[i].from_ns = buf_get_i64(&reader);
		unwatched.spans[i].to_ns = buf_get_i64(&reader);
	}
	if (!buf_reader_is_complete(&reader) || version != VERSION ||
		unwatched.count > UNWATCHED_SPANS)
		return -ERROR_BAD_MESSAGE;
	*out_unwatched = unwatched;
	return 0;
}
