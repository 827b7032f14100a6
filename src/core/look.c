#include "core/look.h"

static const struct word looks[] = { LOOKS(WORD_ROW) };
static const struct word findings[] = { FINDINGS(WORD_ROW) };

const struct words look_words = { looks, LOOK_COUNT };
const struct words finding_words = { findings, FINDING_COUNT };

static const char *const bad[LOOK_COUNT] = {
	[LOOK_MOUNT] = "the mount over a replicated directory is gone, dead, or covered by another",
	[LOOK_FS] = "evenkeel-fs does not answer",
	[LOOK_DISK] = "the disk of the data does not answer",
	[LOOK_STATE] = "the disk of the state folder does not answer",
	[LOOK_ADDRESS] = "a service address cannot be set",
	[LOOK_CHECKS] = "a check says that the application does not work",
};

static const char *const mends[LOOK_COUNT] = {
	[LOOK_MOUNT] = "see in `evenkeel log` what became of the mount",
	[LOOK_FS] = "see whether evenkeel-fs hangs, and look at its disk (`dmesg`)",
	[LOOK_DISK] = "look at the disk of the data (`dmesg`)",
	[LOOK_STATE] = "look at the disk that holds the state folder (`dmesg`)",
	[LOOK_ADDRESS] = "look at the interface of the service address (`ip address`)",
	[LOOK_CHECKS] = "look at the application and its checks (`evenkeel log`)",
};

void sights_say_mend(enum look look, bool is_here, struct text *to_do)
{
	CHECK(look < LOOK_COUNT);
	text_add(to_do, to_do->size > 0 ? "; and " : "");
	text_add(to_do, mends[look]);
	text_add(to_do, is_here ? " on this node" : " on the other node");
}

bool sights_are_fresh(const struct sights *sights, int64_t now_ns)
{
	return sights->seen_ns != 0 && now_ns - sights->seen_ns < SIGHT_FRESH_NS;
}

enum finding sights_finding(const struct sights *sights, enum look look, int64_t now_ns)
{
	CHECK(look < LOOK_COUNT);
	return sights_are_fresh(sights, now_ns) ? sights->of[look].finding : FINDING_NONE;
}

static void say_took(const struct sight *sight, struct text *text)
{
	uint64_t tenths = (uint64_t)MAX_OF(sight->took_ns, 0) / (NS_PER_MS / 10);

	text_add(text, " (");
	text_add_u64(text, tenths / 10);
	text_add(text, ".");
	text_add_u64(text, tenths % 10);
	text_add(text, " ms)");
}

void sights_say_bad(const struct sights *sights, enum look look, struct text *text)
{
	const struct sight *sight = &sights->of[look];

	text_add(text, bad[look]);
	if (sight->took_ns < NS_PER_S)
		return;
	text_add(text, " (since ");
	text_add_seconds(text, sight->took_ns);
	text_add(text, " s)");
}

static void say_one(const struct sights *sights, enum look look, struct text *text)
{
	const struct sight *sight = &sights->of[look];
	bool is_timed = look == LOOK_DISK || look == LOOK_STATE;

	text_add(text, words_name(&look_words, look));
	if (sight->finding == FINDING_LATE)
		text_add(text, " (no answer yet)");
	else if (is_timed)
		say_took(sight, text);
}

void sights_say(const struct sights *sights, int64_t now_ns, struct text *text)
{
	const char *separator = "";

	if (sights->seen_ns == 0) {
		text_add(text, "nothing was observed yet");
		return;
	}
	text_add(text, "observed ");
	text_add_u64(text, (uint64_t)(MAX_OF(now_ns - sights->seen_ns, 0) / NS_PER_S));
	text_add(text, " s ago: ");
	for (enum look look = 0; look < LOOK_COUNT; look++) {
		enum finding finding = sights->of[look].finding;
		if (finding != FINDING_GOOD && finding != FINDING_LATE)
			continue;
		text_add(text, separator);
		say_one(sights, look, text);
		separator = ", ";
	}
	for (enum look look = 0; look < LOOK_COUNT; look++) {
		if (sights->of[look].finding != FINDING_BAD)
			continue;
		text_add(text, separator);
		text_add(text, "BAD: ");
		sights_say_bad(sights, look, text);
		separator = ", ";
	}
	if (separator[0] == '\0')
		text_add(text, "nothing that could be");
}
