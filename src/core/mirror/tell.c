/* What a mirror's decisions tell people through the log: one row a sentence. */
#include "core/mirror/mirror.h"

/* Where the words of evenkeel-fs go. */
enum detail { NO_DETAIL, IN_BRACKETS, AS_IT_IS };

static const struct row {
	const char *id; /* stable */
	enum severity severity;
	const char *before;
	enum detail detail;
	const char *after;
} rows[TELL_COUNT] = {
	/* clang-format off */
	[TELL_HELD]             = { "module.held",         SEVERITY_WARNING, "the other node is not heard: answers to the application wait until it is clear who goes on", NO_DETAIL, "" },
	[TELL_RESUMED]          = { "module.resumed",      SEVERITY_INFO,    "the other node is heard again: nothing was changed", NO_DETAIL, "" },
	[TELL_ALONE]            = { "module.alone",        SEVERITY_WARNING, "this node goes on alone; the other copy is recorded as stale first", NO_DETAIL, "" },
	[TELL_GRANTED]          = { "arbiter.granted",     SEVERITY_WARNING, "the arbiter lets this node go on alone", NO_DETAIL, "" },
	[TELL_TAKEOVER]         = { "module.takeover",     SEVERITY_WARNING, "the other node is silent and the arbiter agrees: this node takes over", NO_DETAIL, "" },
	[TELL_LOST]             = { "module.lost",         SEVERITY_ERROR,   "the other node serves: this node stops serving at once", NO_DETAIL, "" },
	[TELL_STOP_UNHEARD]     = { "module.stop_unheard", SEVERITY_WARNING, "the other node fell silent while this one was being stopped, and may take over: the application here is killed, and the service address goes", NO_DETAIL, "" },
	[TELL_SWAP_GIVEN_UP]    = { "swap.given_up",       SEVERITY_WARNING, "the other node cannot take over now: this node keeps the service", NO_DETAIL, "" },
	[TELL_SWAP_UNRECORDABLE] = { "swap.given_up",      SEVERITY_WARNING, "the disk of a state folder does not answer, so the swap could not be recorded: this node keeps the service, and nothing was stopped", NO_DETAIL, "" },
	[TELL_PRIM_LATE]        = { "prim.late",           SEVERITY_WARNING, "the other node began to serve before this one could: `prim` is dropped", NO_DETAIL, "" },
	[TELL_PEER_DROPPED]     = { "peer.dropped",        SEVERITY_WARNING, "the copy on the other node cannot follow", IN_BRACKETS, ": answers wait until it is recorded as stale" },
	[TELL_RESYNC_ENDED]     = { "resync.ended",        SEVERITY_WARNING, "bringing the other copy up to date ended early", NO_DETAIL, "; it is tried again" },
	[TELL_RESYNC_LOST]      = { "resync.ended",        SEVERITY_WARNING, "bringing the other copy up to date ended early", IN_BRACKETS, "; it is tried again" },
	[TELL_LEFT_OUT]         = { "resync.left_out",     SEVERITY_ERROR,   "the other copy is up to date, all but what cannot be read here: ", AS_IT_IS, "; there it is as it was before, or not at all" },
	[TELL_DISK_FAILED]      = { "module.local_failed", SEVERITY_ERROR,   "the disk or evenkeel-fs failed on this node; the other node takes over", NO_DETAIL, "" },
	[TELL_UNFIT]            = { "module.unfit",        SEVERITY_ERROR,   "this node cannot serve any more as it should, the other one can: it takes over, and the application here is killed", NO_DETAIL, "" },
	[TELL_UNREACHED]        = { "module.unreached",      SEVERITY_ERROR,   "the service address cannot be set on this node, and can on the other: the service goes there in order", NO_DETAIL, "" },
	[TELL_MOUNT_ANEW]       = { "module.mount_lost",   SEVERITY_ERROR,   "somebody took the mount away and no other copy can serve: the application is killed, then the directory is mounted and the application started anew", NO_DETAIL, "" },
	[TELL_PEER_STUCK]       = { "peer.dropped",        SEVERITY_WARNING, "the disk or evenkeel-fs of the other node does not answer: its copy is recorded as stale, so that writes here go on", NO_DETAIL, "" },
	[TELL_PEER_DIFFERS]     = { "peer.dropped",        SEVERITY_WARNING, "`verify` found that the two copies are not equal: the one on the other node is recorded as stale, and is brought up to date again", NO_DETAIL, "" },
	[TELL_STUCK]            = { "module.stuck",        SEVERITY_ERROR,   "this copy cannot follow any more: it counts as stale until it has been brought up to date again", NO_DETAIL, "" },
	[TELL_CANNOT_FOLLOW]    = { "module.local_failed", SEVERITY_ERROR,   "this copy cannot follow", IN_BRACKETS, ": it counts as stale until it has been brought up to date again" },
	[TELL_BEHIND]           = { "module.behind",       SEVERITY_ERROR,   "this copy may lack what was sent here last: it counts as stale until it has been brought up to date again", NO_DETAIL, "" },
	[TELL_WRONG_COPY]       = { "module.wrong_copy",   SEVERITY_ERROR,   "", AS_IT_IS, ": this node does not serve that; the copy of the other node counts" },
	[TELL_OLD_COPY]         = { "module.old_copy",     SEVERITY_ERROR,   "", AS_IT_IS, ": this node does not serve by itself" },
	[TELL_FS_DIED]          = { "fs.died",             SEVERITY_WARNING, "evenkeel-fs ended; a successor continues where it was", NO_DETAIL, "" },
	[TELL_FS_BUSY]          = { "fs.busy",             SEVERITY_ERROR,   "the directory cannot be released: ", AS_IT_IS, "" },
	/* clang-format on */
};

void mirror_tell(struct core *core, struct mirror *mirror, enum mirror_tells what)
{
	CHECK(what < TELL_COUNT);
	const struct row *row = &rows[what];
	bool has_detail = mirror->fs.detail[0] != '\0';
	bool is_bracketed = row->detail == IN_BRACKETS && has_detail;
	struct text *text = log_add(core, &mirror->common, row->id, row->severity);

	text_add(text, row->before);
	text_add(text, is_bracketed ? " (" : "");
	if (row->detail != NO_DETAIL)
		text_add(text, mirror->fs.detail);
	text_add(text, is_bracketed ? ")" : "");
	text_add(text, row->after);
}

void mirror_tell_failures(struct core *core, struct mirror *mirror, int64_t gap_ns)
{
	struct text *text =
		log_add(core, &mirror->common, rows[TELL_RESYNC_ENDED].id, SEVERITY_WARNING);

	text_add(text, rows[TELL_RESYNC_ENDED].before);
	text_add(text, " ");
	text_add_u64(text, mirror->resync.failures);
	text_add(text, " times in a row");
	if (mirror->fs.said.is_peer_lost && mirror->fs.detail[0] != '\0') {
		text_add(text, ", at last for: ");
		text_add(text, mirror->fs.detail);
	}
	text_add(text, "; it is tried again in ");
	text_add_seconds(text, gap_ns);
	text_add(text, " s");
}

void mirror_tell_wait(struct core *core, struct mirror *mirror)
{
	struct text *text = log_add(core, &mirror->common, "module.waits", SEVERITY_WARNING);
	struct text to_do;

	text_clear(&to_do);
	wait_say(core, mirror, text, &to_do);
	text_add(text, to_do.size > 0 ? "; " : "");
	text_add(text, to_do.data);
}

void mirror_tell_blocked(struct core *core, struct mirror *mirror)
{
	struct text *text = log_add(core, &mirror->common, "module.blocked", SEVERITY_ERROR);
	struct text to_do;

	text_clear(&to_do);
	wait_say(core, mirror, text, &to_do);
}
