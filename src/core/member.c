/*
 * Who is heard. Only *two-way* beats count: the peer's beat echoes one of ours, so the age of that
 * one, on our own clock, bounds how long ago both directions worked. No clocks are compared.
 *
 * R21: a beat counts once, and another life of a node takes the place of the one that we believe in
 * only by a beat that echoes one of *ours*, sent later than all that any life has echoed so far.
 * Neither a recording nor a datagram that was long on its way can do that: what they echo is older,
 * or another life's of ours. Nobody is turned away for good; the life that is really there echoes
 * newer beats all the time.
 *
 *	A                                 B, restarted
 *	  <---- beat of a new life ------
 *	  ----- greeting: that beat ----->  a proof for B, if A was new to it too
 *	  <---- echo: the greeting ------
 *	a proof for A
 *
 * R16: when this node itself was late, others are suspected as much later, by at most one silence
 * an incident. An incident ends with a beat that echoes one which we sent after we were late:
 * what lay in the socket meanwhile proves nothing.
 */
#include "core/context.h"

void member_on_lateness(struct core *core, int64_t lateness_ns, int64_t until_ns)
{
	CHECK(lateness_ns > 0);
	if (planted(PLANTED_NO_GUARD))
		return;
	for (int node = 1; node <= NODES_MAX; node++) {
		struct member *member = &core->members[node];
		member->excuse_ns =
			MIN_OF(member->excuse_ns + lateness_ns, core->config.silence_ns);
		member->late_ns = until_ns;
	}
}

/* ---- lives ---- */

/* An echo from the future is another boot's, whose nonce is ours by chance. */
static int64_t echoed_ns(const struct core *core, const struct echo *echo, int64_t now_ns)
{
	bool is_ours = echo->nonce == core->config.boot_nonce || planted(PLANTED_ANY_ECHO);

	return is_ours && echo->sent_ns <= now_ns ? echo->sent_ns : 0;
}

int64_t member_echoed_ns(const struct core *core, const struct beat *beat, int64_t now_ns)
{
	return MAX_OF(
		echoed_ns(core, &beat->echo, now_ns), echoed_ns(core, &beat->greeting, now_ns));
}

static bool is_proof(const struct core *core, const struct member *member, const struct beat *beat,
	int64_t now_ns)
{
	int64_t newest_ns = planted(PLANTED_OLD_ECHO) ? 0 : member->two_way_ns;

	return member_echoed_ns(core, beat, now_ns) > newest_ns || planted(PLANTED_ANY_LIFE) ||
	       planted(PLANTED_OLD_BEATS);
}

enum beat_worth member_weigh(const struct core *core, const struct beat *beat, int64_t now_ns)
{
	if (beat->from < 1 || beat->from > NODES_MAX || beat->from == core->config.self ||
		beat->boot_nonce == 0)
		return BEAT_WORTHLESS;
	const struct member *member = &core->members[beat->from];
	if (beat->boot_nonce == member->living.nonce)
		return beat->counter > member->living.counter || planted(PLANTED_OLD_BEATS)
			       ? BEAT_COUNTS
			       : BEAT_AGAIN;
	return is_proof(core, member, beat, now_ns) ? BEAT_COUNTS : BEAT_UNPROVEN;
}

/* Its own place, else of the one that was heard longest ago. */
static struct life *stranger_place(struct member *member, uint64_t nonce)
{
	struct life *oldest = &member->strangers[0];

	for (int i = 0; i < STRANGERS_MAX; i++) {
		struct life *life = &member->strangers[i];
		if (life->nonce == nonce)
			return life;
		if (life->heard_ns < oldest->heard_ns)
			oldest = life;
	}
	*oldest = (struct life){ .nonce = nonce };
	return oldest;
}

/*
 * Greeted at once, and believed in once it has echoed that. Until then it may be the node as it is
 * now, which does not hear us: so who would take its place waits longer, by at most one silence.
 */
static void meet_stranger(struct core *core, struct member *member, const struct beat *beat)
{
	struct life *life = stranger_place(member, beat->boot_nonce);

	if (life->counter >= beat->counter)
		return;
	life->counter = beat->counter;
	life->sent_ns = beat->sent_ns;
	life->heard_ns = core->now_ns;
	life->is_owed = true;
	int64_t last_ns = MAX_OF(member->living.heard_ns, member->two_way_ns);
	member->stranger_ns = MIN_OF(core->now_ns, last_ns + core->config.silence_ns);
	core->wants_beat = true;
}

struct echo member_echo(const struct core *core, uint8_t node)
{
	const struct life *living = &core->members[node].living;

	return (struct echo){ .nonce = living->nonce, .sent_ns = living->sent_ns };
}

/* In turns, so that no recording keeps the one that is there from being greeted. */
struct echo member_greet(struct core *core, uint8_t node, int64_t now_ns)
{
	struct member *member = &core->members[node];
	struct life *next = NULL;

	for (int i = 0; i < STRANGERS_MAX; i++) {
		struct life *life = &member->strangers[i];
		bool is_there =
			life->nonce != 0 && now_ns - life->heard_ns < core->config.silence_ns;
		if (is_there && (next == NULL || life->greeted < next->greeted))
			next = life;
	}
	if (next == NULL)
		return (struct echo){ 0 };
	next->greeted = core->beat_counter;
	next->is_owed = false;
	return (struct echo){ .nonce = next->nonce, .sent_ns = next->sent_ns };
}

static int greetings_owed(const struct member *member)
{
	int owed = 0;

	for (int i = 0; i < STRANGERS_MAX; i++)
		owed += member->strangers[i].is_owed;
	return owed;
}

bool member_is_greeting_owed(const struct core *core)
{
	for (int node = 1; node <= NODES_MAX; node++)
		if (greetings_owed(&core->members[node]) > 1)
			return true;
	return false;
}

/* It hears at once that it is believed in. */
static void believe_in(struct core *core, struct member *member, const struct beat *beat)
{
	for (int i = 0; i < STRANGERS_MAX; i++)
		if (member->strangers[i].nonce == beat->boot_nonce)
			member->strangers[i] = (struct life){ 0 };
	member->living = (struct life){ .nonce = beat->boot_nonce };
	core->wants_beat = true;
}

bool member_on_beat(struct core *core, const struct beat *beat)
{
	enum beat_worth worth = member_weigh(core, beat, core->now_ns);
	struct member *member = &core->members[beat->from];
	if (worth == BEAT_UNPROVEN)
		meet_stranger(core, member, beat);
	if (worth != BEAT_COUNTS)
		return false;
	if (member->living.nonce != beat->boot_nonce)
		believe_in(core, member, beat);
	member->living.counter = beat->counter;
	member->living.sent_ns = beat->sent_ns;
	member->living.heard_ns = core->now_ns;
	if (!beat->is_streamed)
		member->living.network_ns = core->now_ns;
	member->is_gone = beat->is_goodbye;
	int64_t echoed = member_echoed_ns(core, beat, core->now_ns);
	if (echoed >= member->late_ns && echoed != 0)
		member->excuse_ns = 0;
	member->two_way_ns = MAX_OF(member->two_way_ns, echoed);
	return true;
}

/* ---- how long ago ---- */

/* Before the first two-way beat a node is given as much time as if there had been one at start. */
static int64_t heard_ns(const struct core *core, uint8_t node)
{
	CHECK(node >= 1 && node <= NODES_MAX);
	int64_t two_way = core->members[node].two_way_ns;
	return two_way == 0 ? core->started_ns : two_way;
}

int64_t member_age_at(const struct core *core, uint8_t node, int64_t age_ns)
{
	return heard_ns(core, node) + age_ns;
}

int64_t member_suspicion_at(const struct core *core, uint8_t node, int64_t age_ns)
{
	return heard_ns(core, node) + core->members[node].excuse_ns + age_ns;
}

int64_t member_age_ns(const struct core *core, uint8_t node)
{
	return core->now_ns - heard_ns(core, node);
}

int64_t member_suspicion_ns(const struct core *core, uint8_t node)
{
	return member_age_ns(core, node) - core->members[node].excuse_ns;
}

bool member_is_talking(const struct core *core, uint8_t node)
{
	const struct member *member = &core->members[node];

	return !member->is_gone && member->living.heard_ns != 0 &&
	       core->now_ns - member->living.heard_ns < core->config.margin_ns;
}

bool member_is_on_network(const struct core *core, uint8_t node)
{
	const struct life *living = &core->members[node].living;

	return living->network_ns != 0 &&
	       core->now_ns - living->network_ns < core->config.silence_ns;
}

bool member_is_silent(const struct core *core, uint8_t node)
{
	return core->members[node].is_gone ||
	       member_suspicion_ns(core, node) >= core->config.silence_ns;
}

bool member_is_heard(const struct core *core, uint8_t node)
{
	return core->members[node].two_way_ns != 0 && !member_is_silent(core, node);
}
