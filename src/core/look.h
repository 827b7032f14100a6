/*
 * What evenkeeld sees when it looks, every second and at each change, at what serving and taking over
 * rest on: nothing here is known from what this node did itself. In one place for the core, the beats,
 * evenkeeld, the simulator and the stories.
 *
 * A row of a list below is a word: the constant, how it is written wherever a person or a program
 * reads it, and what it means. What a finding leads to is the kind's to decide.
 */
#ifndef EVENKEEL_CORE_LOOK_H
#define EVENKEEL_CORE_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/text.h"
#include "base/words.h"

#define SIGHT_FRESH_NS \
	(3 * NS_PER_S) /* what was seen longer ago is not said, and decides nothing */

/* clang-format off */
#define LOOKS(X) \
	X(LOOK_MOUNT,	"mount",	"what lies on top of each replicated directory is this module's evenkeel-fs, and the kernel serves it") \
	X(LOOK_FS,	"evenkeel-fs",	"it answers evenkeeld") \
	X(LOOK_DISK,	"disk",		"a small write to the file system below each directory is durable in time") \
	X(LOOK_STATE,	"state disk",	"a small write to the state folder is durable in time") \
	X(LOOK_ADDRESS,	"address",	"each service address is set here; where it is not to be set: an interface for it is there") \
	X(LOOK_CHECKS,	"checks",	"each check of the module says that the application works")

#define FINDINGS(X) \
	X(FINDING_NONE,	"unknown",	"nobody looked, or nothing is to be seen") \
	X(FINDING_GOOD,	"good",		"as it should be") \
	X(FINDING_LATE,	"late",		"no answer yet, and not for so long that it counts as bad") \
	X(FINDING_BAD,	"bad",		"not as it should be, or no answer within disk_timeout")
/* clang-format on */

enum look { LOOKS(WORD_CONSTANT) LOOK_COUNT };
enum finding { FINDINGS(WORD_CONSTANT) FINDING_COUNT };

extern const struct words look_words, finding_words;

struct sight {
	enum finding finding;
	int64_t took_ns; /* until the answer; without one: for how long it is awaited */
};

/* One look at everything. */
struct sights {
	int64_t seen_ns; /* own boot clock; 0: never */
	struct sight of[LOOK_COUNT];
};

/* FINDING_NONE for what was seen too long ago. */
enum finding sights_finding(const struct sights *sights, enum look look, int64_t now_ns);
bool sights_are_fresh(const struct sights *sights, int64_t now_ns);
/* "observed 1 s ago: mount, evenkeel-fs, disk (0.4 ms)"; then what is bad. */
void sights_say(const struct sights *sights, int64_t now_ns, struct text *text);
/* What is bad, as the end of a sentence: "the disk of the data there does not answer (7.1 s)". */
void sights_say_bad(const struct sights *sights, enum look look, struct text *text);

/* What a person should do about what is bad, behind what is there already. */
void sights_say_mend(enum look look, bool is_here, struct text *to_do);

#endif
