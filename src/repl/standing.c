#include "repl/standing.h"

#include "repl/planted.h"
#include "repl/sender.h"

static bool is_same_set(const uint8_t one[SET_ID_SIZE], const uint8_t two[SET_ID_SIZE])
{
	return __builtin_memcmp(one, two, SET_ID_SIZE) == 0;
}

static void note(struct standing *standing, const struct tenant *tenant)
{
	__builtin_memcpy(standing->set_id, tenant->set_id, SET_ID_SIZE);
	standing->epoch = tenant->epoch;
}

/* ---- roles ---- */

bool standing_serve(
	struct standing *standing, const struct tenant *tenant, uint64_t sequence, bool is_resumed)
{
	bool is_optional = is_resumed && !standing->is_clean && !standing->is_in_sync;

	note(standing, tenant);
	standing->sequence = MAX_OF(standing->sequence, sequence);
	standing->is_clean = false;
	standing->is_in_sync = false;
	return !is_optional;
}

void standing_follow(struct standing *standing, const struct tenant *tenant, bool is_in_sync)
{
	note(standing, tenant);
	standing->is_clean = false;
	standing->is_in_sync = is_in_sync;
}

void standing_go_alone(struct standing *standing, struct epoch epoch)
{
	standing->epoch = epoch;
}

void standing_leave(struct standing *standing, bool is_clean)
{
	standing->is_clean = is_clean;
}

bool standing_was_promoted(
	const struct standing *standing, const struct tenant *tenant, uint8_t self)
{
	return standing->epoch.number > tenant->epoch.number && standing->epoch.node == self &&
	       is_same_set(standing->set_id, tenant->set_id);
}

uint64_t standing_known(const struct standing *standing)
{
	return MAX_OF(standing->sequence, standing->barrier);
}

/* ---- the copy's worth ---- */

bool standing_drop_in_sync(struct standing *standing)
{
	bool is_news = standing->is_in_sync;

	standing->is_in_sync = false;
	return is_news;
}

uint64_t standing_begin_session(struct standing *standing, const struct tenant *tenant)
{
	uint64_t tenure = standing->sequence >> TENURE_BITS;
	uint64_t tenure_end = tenure != 0 ? ((tenure + 1) << TENURE_BITS) - 1 : 0;
	uint64_t known = MAX_OF(tenure_end, standing->barrier);

	note(standing, tenant);
	standing->is_in_sync = false;
	standing->barrier = 0; /* a mixture */
	return known;
}

void standing_adopt(struct standing *standing, uint64_t sequence)
{
	standing->is_in_sync = true;
	standing->barrier = sequence;
}

void standing_move_barrier(struct standing *standing, uint64_t here, uint64_t there)
{
	standing->barrier = MAX_OF(standing->barrier, here);
	standing->peer_barrier = MAX_OF(standing->peer_barrier, there);
}

bool standing_raise_ids(struct standing *standing, uint64_t id_limit)
{
	bool is_news = id_limit > standing->id_limit;

	standing->id_limit = MAX_OF(standing->id_limit, id_limit);
	return is_news;
}

/* ---- the data beside it ---- */

static bool is_nothing(const uint8_t set_id[SET_ID_SIZE])
{
	static const uint8_t nothing[SET_ID_SIZE];

	return is_same_set(set_id, nothing);
}

static bool has_data(const struct standing *standing)
{
	return !is_nothing(standing->set_id);
}

static enum doubt doubt_of_seals(const struct standing *standing, const struct root_mark *mark)
{
	uint64_t highest = standing->seal + (standing->is_sealing ? 1 : 0);

	if (mark->seal < standing->seal || mark->barrier < standing->barrier)
		return DOUBT_OLD;
	return mark->seal > highest && !IS_PLANTED(PLANTED_OLD_STATE_SERVES) ? DOUBT_OLD_STATE
									     : DOUBT_NONE;
}

enum doubt standing_believe(struct standing *standing, const struct root_mark *mark)
{
	enum doubt doubt = DOUBT_NONE;
	uint64_t barrier = 1; /* something was there once */

	if (!has_data(standing) || IS_PLANTED(PLANTED_STRANGE_SERVES))
		return DOUBT_NONE;
	if (mark == NULL || !is_same_set(mark->set_id, standing->set_id))
		doubt = DOUBT_STRANGE;
	else
		barrier = mark->barrier;
	if (doubt == DOUBT_NONE)
		doubt = doubt_of_seals(standing, mark);
	standing->barrier = MIN_OF(standing->barrier, barrier);
	return doubt;
}

enum doubt standing_believe_record(const struct standing *standing, const struct root_mark *mark,
	const struct recorded_copy *recorded)
{
	const struct tenant *tenant = &recorded->tenant;

	if (is_nothing(tenant->set_id) || mark == NULL || IS_PLANTED(PLANTED_OLD_STATE_SERVES))
		return DOUBT_NONE;
	if (!is_same_set(mark->set_id, tenant->set_id))
		return has_data(standing) ? DOUBT_NONE : DOUBT_STRANGE;
	if (!has_data(standing)) /* marked, and nobody here knows how */
		return mark->barrier != 0 ? DOUBT_OLD_STATE : DOUBT_NONE;
	bool is_old = mark->generation.number > recorded->generation.number ||
		      mark->epoch.number > tenant->epoch.number;
	return is_old ? DOUBT_OLD_STATE : DOUBT_NONE;
}

bool doubt_forbids(enum doubt doubt, bool is_source)
{
	return doubt != DOUBT_NONE && (is_source || doubt != DOUBT_OLD);
}

uint64_t standing_begin_seal(struct standing *standing, uint64_t seen)
{
	if (seen > standing->seal + 1) { /* doubted, and overruled by now */
		standing->seal = seen;
		standing->is_sealing = false;
	}
	standing->is_sealing = true;
	return standing->seal + 1;
}

void standing_end_seal(struct standing *standing, uint64_t seal)
{
	CHECK(standing->is_sealing && seal == standing->seal + 1);
	standing->seal = seal;
	standing->is_sealing = false;
}

uint64_t standing_mark_barrier(const struct standing *standing, uint64_t barrier)
{
	return MAX_OF(barrier, standing->barrier);
}
