#include "core/mirror/generation.h"

#include "core/planted.h"

bool generation_is_equal(struct generation a, struct generation b)
{
	return a.number == b.number && a.tag == b.tag;
}

bool generation_is_in_history(const struct record *record, struct generation generation)
{
	CHECK(record->history_count <= GENERATION_HISTORY);
	for (uint8_t i = 0; i < record->history_count; i++)
		if (generation_is_equal(record->history[i], generation))
			return true;
	return false;
}

bool set_id_is_equal(const struct record *a, const struct record *b)
{
	uint8_t difference = 0;

	for (int i = 0; i < SET_ID_SIZE; i++)
		difference |= (uint8_t)(a->set_id[i] ^ b->set_id[i]);
	return difference == 0;
}

const struct record *record_ruling(const struct record *a, const struct record *b)
{
	if (a->epoch.number != b->epoch.number)
		return a->epoch.number > b->epoch.number ? a : b;
	return a->register_version >= b->register_version ? a : b;
}

void record_overrule(struct record *record, struct generation generation)
{
	CHECK(!generation_is_equal(record->generation, generation));
	if (generation.number == 0 || generation_is_in_history(record, generation))
		return;
	record_push_history(record, generation);
}

/* The same generation here and there: goodness, then barriers decide. */
static enum relation relation_of_same(const struct relation_input *input)
{
	const struct record *mine = input->mine;
	const struct record *theirs = input->theirs;
	const struct record *ruling = record_ruling(mine, theirs);
	bool is_mine_good = record_is_good(ruling, input->self) && mine->is_complete;
	bool is_theirs_good = record_is_good(ruling, input->peer) && theirs->is_complete;

	if (planted(PLANTED_SAME_GENERATION))
		return RELATION_EQUAL_MARKS;
	if (is_mine_good && !is_theirs_good)
		return RELATION_NEWER;
	if (is_theirs_good && !is_mine_good)
		return RELATION_OLDER;
	if (!is_mine_good)
		return RELATION_DIVERGED;
	/* Barriers of a record are as of its last write: they prove something only after a clean
	 * release, which is a write. */
	if (mine->is_clean && mine->barrier < theirs->peer_barrier)
		return RELATION_ROLLED_BACK;
	if (theirs->is_clean && theirs->barrier < mine->peer_barrier)
		return RELATION_PEER_ROLLED_BACK;
	return mine->is_clean && theirs->is_clean ? RELATION_EQUAL_CLEAN : RELATION_EQUAL_MARKS;
}

/*
 * In an epoch the primary records a good peer before that peer does, and not otherwise again: whoever
 * knows less of its own epoch than it told the other had its record put back, with the data perhaps.
 */
static bool knows_less(
	const struct record *own, const struct record *others, uint8_t owner, uint8_t other)
{
	return own->epoch.number == others->epoch.number && own->epoch.node == owner &&
	       others->epoch.node == owner && record_is_good(others, other) &&
	       !record_is_good(own, other);
}

/*
 * The handshake. An operator who names one side puts the other's generation into the winner's
 * history (record_overrule), so the history is asked before the set id.
 *
 *	theirs:            no data   in my history   my generation   has mine     none of these
 *	                                                             in history
 *	mine: no data      NO_DATA                                                OLDER
 *	      has data     NEWER     NEWER           see above       OLDER        DIVERGED or
 *	                                                                          UNRELATED
 */
static enum relation relation_of_data(const struct relation_input *input)
{
	const struct record *mine = input->mine;
	const struct record *theirs = input->theirs;

	if (generation_is_equal(mine->generation, theirs->generation))
		return relation_of_same(input);
	bool is_newer = generation_is_in_history(mine, theirs->generation);
	bool is_older = generation_is_in_history(theirs, mine->generation);
	if (is_newer && is_older && mine->epoch.number != theirs->epoch.number) {
		/* Each was overruled once: the later word counts. */
		is_newer = mine->epoch.number > theirs->epoch.number;
		is_older = !is_newer;
	}
	if (is_newer != is_older)
		return is_newer ? RELATION_NEWER : RELATION_OLDER;
	return set_id_is_equal(mine, theirs) ? RELATION_DIVERGED : RELATION_UNRELATED;
}

/*
 * What was put back says at least what is true: who is older than even that, is older. An old state
 * lies beside data that may be the newest of all: their own mark says how far they got.
 */
enum relation relation_of(const struct relation_input *input)
{
	const struct record *mine = input->mine;
	const struct record *theirs = input->theirs;

	CHECK(input->self != input->peer);
	if (!record_has_data(mine))
		return record_has_data(theirs) ? RELATION_OLDER : RELATION_NO_DATA;
	if (!record_has_data(theirs))
		return RELATION_NEWER;
	if (input->is_rolled_back || knows_less(mine, theirs, input->self, input->peer))
		return RELATION_ROLLED_BACK;
	enum relation relation = relation_of_data(input);
	bool is_no_older = relation == RELATION_NEWER || relation == RELATION_EQUAL_CLEAN ||
			   relation == RELATION_EQUAL_MARKS;
	bool is_theirs_old =
		input->is_peer_rolled_back || knows_less(theirs, mine, input->peer, input->self);
	if (is_no_older && input->peer_marked > mine->epoch.number)
		return RELATION_OLDER;
	return is_no_older && is_theirs_old ? RELATION_PEER_ROLLED_BACK : relation;
}
