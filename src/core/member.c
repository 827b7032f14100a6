/*
 * Who is heard. Only *two-way* beats count: the peer's beat echoes one of ours, so the age of that
 * one, on our own clock, bounds how long ago both directions worked. No clocks are compared.
 *
 * R21: a beat counts once. An unknown boot nonce is a restart; the nonce before it is retired, and
 * so are datagrams that still carry it.
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

static bool is_retired(const struct member *member, uint64_t nonce)
{
	for (int i = 0; i < RETIRED_NONCES; i++)
		if (member->retired[i] == nonce)
			return true;
	return false;
}

static void restart_of(struct member *member, uint64_t nonce)
{
	if (member->nonce != 0) {
		member->retired[member->retired_next] = member->nonce;
		member->retired_next = (uint8_t)((member->retired_next + 1) % RETIRED_NONCES);
	}
	member->nonce = nonce;
	member->counter = 0;
	member->is_gone = false;
}

static bool is_fresh(struct member *member, const struct beat *beat)
{
	if (beat->boot_nonce == 0)
		return false;
	if (beat->boot_nonce == member->nonce)
		return beat->counter > member->counter || planted(PLANTED_OLD_BEATS);
	if (is_retired(member, beat->boot_nonce) && !planted(PLANTED_OLD_BEATS))
		return false;
	restart_of(member, beat->boot_nonce);
	return true;
}

bool member_on_beat(struct core *core, const struct beat *beat)
{
	if (beat->from < 1 || beat->from > NODES_MAX || beat->from == core->config.self)
		return false;
	struct member *member = &core->members[beat->from];
	if (!is_fresh(member, beat))
		return false;
	member->counter = beat->counter;
	member->sent_ns = beat->sent_ns;
	member->heard_ns = core->now_ns;
	member->is_gone = beat->is_goodbye;
	/* An echo from the future would be another boot's: its nonce differs. */
	if (beat->echo_nonce != core->config.boot_nonce || beat->echo_ns > core->now_ns)
		return true;
	if (beat->echo_ns >= member->late_ns)
		member->excuse_ns = 0;
	member->two_way_ns = MAX_OF(member->two_way_ns, beat->echo_ns);
	return true;
}

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

	return !member->is_gone && member->heard_ns != 0 &&
	       core->now_ns - member->heard_ns < core->config.margin_ns;
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
