/*
 * What was observed means (R23):
 *
 *	here, while serving		and a peer that is good, and seen to be sound	else
 *	the mount is gone		the peer takes over				mounted anew here
 *	disk or evenkeel-fs is stuck	the peer takes over				waits, and says so
 *	the address cannot be set	the same, in order			tries on, and says so
 *	there, while it follows
 *	disk or evenkeel-fs is stuck	the peer resigns, or is dropped; it follows again once it answers
 *	the mount is gone		it resigns, and mounts anew
 *
 * The service never goes to a node of which it is not known that its disk answers: of two that are
 * stuck, each stays what it is. And nothing that was not seen lately is promised.
 */
#include "core/mirror/mirror.h"

static enum finding own(const struct core *core, const struct mirror *mirror, enum look look)
{
	return sights_finding(&mirror->common.observation.sights, look, core->now_ns);
}

static enum finding theirs(const struct core *core, const struct mirror *mirror, enum look look)
{
	return sights_finding(&mirror->peer.shows.sights, look, core->now_ns);
}

bool mirror_has_lost_mount(const struct mirror *mirror)
{
	return mirror->common.observation.is_mount_lost;
}

bool mirror_is_stuck(const struct core *core, const struct mirror *mirror)
{
	return own(core, mirror, LOOK_DISK) == FINDING_BAD ||
	       own(core, mirror, LOOK_FS) == FINDING_BAD;
}

bool mirror_lacks_address(const struct core *core, const struct mirror *mirror)
{
	return own(core, mirror, LOOK_ADDRESS) == FINDING_BAD && !planted(PLANTED_UNHEEDED);
}

bool peer_is_sound(const struct core *core, const struct mirror *mirror)
{
	if (planted(PLANTED_BLIND))
		return true;
	/* One that has just fallen silent may be gone, and what was given to it does not come back. */
	bool is_heard = peer_is_heard(core, mirror) &&
			member_age_ns(core, mirror->common.config.peer) < JUST_HEARD_NS;
	return is_heard && theirs(core, mirror, LOOK_MOUNT) == FINDING_GOOD &&
	       theirs(core, mirror, LOOK_FS) == FINDING_GOOD &&
	       theirs(core, mirror, LOOK_DISK) == FINDING_GOOD &&
	       theirs(core, mirror, LOOK_STATE) == FINDING_GOOD &&
	       theirs(core, mirror, LOOK_ADDRESS) != FINDING_BAD;
}

bool peer_is_stuck(const struct core *core, const struct mirror *mirror)
{
	return theirs(core, mirror, LOOK_DISK) == FINDING_BAD ||
	       theirs(core, mirror, LOOK_FS) == FINDING_BAD;
}

/* ---- could it be recorded who serves ---- */

static bool is_record_held_up(const struct mirror *mirror)
{
	const struct writing *writing = &mirror->common.writing;

	return writing->is_open && (writing->is_failed || writing->is_stuck_said);
}

enum recording recording_of(const struct core *core, const struct mirror *mirror)
{
	enum finding here = own(core, mirror, LOOK_STATE);
	enum finding there = theirs(core, mirror, LOOK_STATE);

	if (planted(PLANTED_UNHEEDED))
		return RECORDING_IN_TIME;
	if (here == FINDING_BAD || is_record_held_up(mirror))
		return RECORDING_NOT_HERE;
	if (there == FINDING_BAD)
		return RECORDING_NOT_THERE;
	bool is_late = here == FINDING_LATE || there == FINDING_LATE;
	return is_late ? RECORDING_LATE : RECORDING_IN_TIME;
}

void recording_say(const struct core *core, const struct mirror *mirror, struct text *text)
{
	bool is_here = recording_of(core, mirror) == RECORDING_NOT_HERE;
	const struct sights *sights =
		is_here ? &mirror->common.observation.sights : &mirror->peer.shows.sights;

	text_add(text, is_here ? "on this node " : "on the other node ");
	if (sights_finding(sights, LOOK_STATE, core->now_ns) == FINDING_BAD)
		sights_say_bad(sights, LOOK_STATE, text);
	else
		text_add(text, "the record of this module cannot be written");
	text_add(text, ", so a change of who serves could not be recorded, and until it could "
		       "nobody might serve; nothing was changed. Look at the disk that holds the "
		       "state folder on that node (`dmesg`), then try again");
}

/* ---- compared by `verify` ---- */

void compared_on_told(struct mirror *mirror, const struct event *event)
{
	mirror->peer.compared_ns = event->now_ns;
	mirror->peer.differences = event->compared.differences;
}

void compared_forget(struct mirror *mirror)
{
	mirror->peer.compared_ns = 0;
	mirror->peer.differences = 0;
}

bool peer_differs(const struct mirror *mirror)
{
	return mirror->peer.differences > 0;
}

/* "Equal" is said as long as the other copy follows: later it says nothing of that copy. */
void observed_say_compared(const struct core *core, const struct mirror *mirror, struct text *text)
{
	bool is_following = mirror->fs.link == FS_LINK_IN_SYNC;

	if (mirror->peer.compared_ns == 0 || (!is_following && !peer_differs(mirror)))
		return;
	text_add(text, "; the copies were compared ");
	text_add_u64(text, (uint64_t)((core->now_ns - mirror->peer.compared_ns) / NS_PER_S));
	text_add(text, peer_differs(mirror) ? " s ago: not equal" : " s ago: equal");
}

/* ---- in words ---- */

/* The first thing of which that was found; LOOK_COUNT: of nothing. */
static enum look first_of(const struct sights *sights, enum finding finding, int64_t now_ns)
{
	enum look look = 0;

	while (look < LOOK_COUNT && sights_finding(sights, look, now_ns) != finding)
		look++;
	return look;
}

static enum look worst_of(const struct sights *sights, int64_t now_ns)
{
	return first_of(sights, FINDING_BAD, now_ns);
}

/* Why nobody could take over now; false: nothing speaks against it. is_here: this node would. */
bool observed_say_obstacle(
	const struct core *core, const struct mirror *mirror, bool is_here, struct status *status)
{
	struct text *text = &status->if_dies;
	const struct sights *sights =
		is_here ? &mirror->common.observation.sights : &mirror->peer.shows.sights;
	enum look worst = worst_of(sights, core->now_ns);
	enum look late = first_of(sights, FINDING_LATE, core->now_ns);

	if (worst < LOOK_COUNT) {
		text_add(text, "no failover is possible now: on ");
		text_add(text, is_here ? "this node " : "the other node ");
		sights_say_bad(sights, worst, text);
		if (!is_here) /* of its own each node says it in any case */
			sights_say_mend(worst, false, &status->to_do);
		return true;
	}
	if (late == LOOK_COUNT && sights_are_fresh(sights, core->now_ns))
		return false;
	text_add(text, "whether a failover is possible now is not known: ");
	if (late < LOOK_COUNT) {
		text_add(text, is_here ? "on this node" : "on the other node");
		text_add(text, " a look is awaited: ");
		text_add(text, words_name(&look_words, late));
	} else {
		text_add(text, is_here ? "this node has not been observed yet"
				       : "nothing was heard lately of what is observed on the "
					 "other node");
	}
	return true;
}

/* Behind what a serving node says of itself. */
void observed_say_now(const struct core *core, const struct mirror *mirror, struct status *status)
{
	enum look worst = worst_of(&mirror->common.observation.sights, core->now_ns);

	if (worst == LOOK_COUNT)
		return;
	text_add(&status->now, "; but here ");
	sights_say_bad(&mirror->common.observation.sights, worst, &status->now);
	bool is_said_elsewhere = worst == LOOK_STATE || worst == LOOK_CHECKS;
	if (!mirror_is_stuck(core, mirror) || !step_is_primary(mirror->step)) {
		if (!is_said_elsewhere)
			sights_say_mend(worst, true, &status->to_do);
		return;
	}
	text_add(&status->now, "; writes wait, and no other copy is seen to be good and sound, so "
			       "nobody takes over");
	text_add(&status->to_do, status->to_do.size > 0 ? "; and " : "");
	text_add(
		&status->to_do, "repair the disk here, or the other node; what waits goes on then");
}
