/* Why a module waits, and what a person should do about it: one row a reason. */
#include "core/mirror/mirror.h"

static const struct wait_words {
	const char *now;
	const char *to_do;
} words[WAIT_REASON_COUNT] = {
	[WAIT_NONE] = { "looking for a role", "" },
	[WAIT_LISTENING] = { "just started, listening for the other node", "" },
	[WAIT_NEW] = { "new module: neither node has data of it yet",
		"on the node whose data count: `evenkeel prim` (what lies in the directories of "
		"the "
		"other node is set aside, not deleted)" },
	[WAIT_STALE] = { "the copy here misses writes that the other node acknowledged, and the "
			 "other node is not heard",
		"start the other node. Only if its data are lost for good: `evenkeel prim --force` "
		"here, which says first what would be lost" },
	[WAIT_UNSURE] = { "the other node is not heard, and it may have gone on without this one, "
			  "so the copy here may be stale",
		"start the other node, or repair the network. Only if it is lost for good: "
		"`evenkeel prim` here, which says first what would be lost" },
	[WAIT_INTENT] = { "this node had asked to go on alone and never saw the answer; the other "
			  "node is not heard",
		"start the other node. Only if it is lost for good: `evenkeel prim` here, which "
		"says first what would be lost" },
	[WAIT_INCOMPLETE] = { "the copy here is a mixture of old and new: it was being brought up "
			      "to date when that was interrupted",
		"start the other node, which has the whole copy" },
	[WAIT_PEER_STARTS] = { "the other node is the one to serve; this node follows as soon as "
			       "it "
			       "does",
		"" },
	[WAIT_PEER_STOPPED] = { "the newer copy is on the other node, whose module is stopped",
		"`evenkeel start` on the other node" },
	[WAIT_PEER_FAILED] = { "the newer copy is on the other node, which cannot serve",
		"look at `evenkeel status` there; `evenkeel start` there tries again" },
	[WAIT_DIVERGED] = { "both nodes acknowledged writes that the other does not have (they "
			    "went "
			    "on without each other)",
		"decide whose data count: `evenkeel prim` there; the tree of the other node is set "
		"aside whole. If the other node serves already: `evenkeel second --force` here" },
	[WAIT_UNRELATED] = { "the two nodes hold different data sets under the name of this module",
		"decide whose data count: `evenkeel prim` there; the tree of the other node is set "
		"aside whole" },
	[WAIT_ROLLED_BACK] = { "data or state of this node were put back from an earlier day (a "
			       "backup, a snapshot?)",
		"start the other node, which has the newer copy; or put back what belongs "
		"together, then `evenkeel start`. Only if the other copy is lost for good: "
		"`evenkeel prim --force` here serves what lies here now" },
	[WAIT_PEER_ROLLED_BACK] = { "data or state of the other node were put back from an earlier "
				    "day",
		"if neither node serves: put back there what belongs together, then `evenkeel "
		"start` there; or decide whose data count: `evenkeel prim` there, which says what "
		"would be lost" },
	[WAIT_NEWER_THAN_PRIMARY] = { "the other node serves an older state than the copy here",
		"decide whose data count: stop the module there and `evenkeel prim` here, or "
		"`evenkeel second --force` here, which sets this tree aside" },
	[WAIT_PEER_ONLY] = { "neither node may serve: each is commanded to be second, or failed",
		"`evenkeel start` or `evenkeel prim` on the node that should serve" },
	[WAIT_ADDRESS_FOREIGN] = { "another machine answers at the service address",
		"take the address away from that machine, or give the module another one" },
	[WAIT_ADDRESS_PEER] = { "the other node is not heard, but still answers at the service "
				"address: it lives",
		"repair the network between the nodes" },
	[WAIT_APPLICATION] = { "the application failed too often and is not started again here",
		"look at its logs, repair it, then `evenkeel start` (the counter begins anew)" },
	[WAIT_DISK] = { "evenkeel-fs cannot work with the disk of this node",
		"look at the disk and at `evenkeel log`, then `evenkeel start`" },
	[WAIT_REFUSED] = { "evenkeel-fs cannot do what it was told",
		"remove the cause, then `evenkeel start`" },
	[WAIT_BEHIND] = { "the processes that kept what was sent here last died while the other "
			  "node "
			  "did not serve either; so this node does not serve by itself",
		"start the other node, and `evenkeel start` here: this copy holds every write that "
		"was acknowledged, only the last operation may be here in part" },
	[WAIT_WRONG_COPY] = { "what lies in the directories here is not the copy that this node "
			      "knows "
			      "of",
		"mount the right disk, then `evenkeel start`. Only if that copy is lost for good: "
		"`evenkeel second --force` here fills the directories anew from the other node; "
		"`evenkeel prim --force` here serves what lies in them now" },
	[WAIT_UNFIT] = { "this node could not serve any more, because of what was observed here; "
			 "it tries "
			 "again every few seconds, and follows the other node as soon as it can",
		"`evenkeel log` says what was found here; repair that" },
	[WAIT_CUT_OFF] = { "this node heard nobody and had no word of the arbiter, so it stopped "
			   "serving",
		"repair the network; it goes on by itself when the other node is heard" },
};

static void say_mac(struct text *text, const uint8_t mac[6])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 6; i++) {
		char byte[4] = { digits[mac[i] >> 4], digits[mac[i] & 15], i < 5 ? ':' : '\0', 0 };
		text_add(text, byte);
	}
}

/* ---- something was put back ---- */

/*
 * Older data were put back on one node, and the copy of the other is stale by the record that rules:
 * what was acknowledged last may be in neither.
 */
static bool is_in_neither(const struct core *core, const struct mirror *mirror)
{
	const struct summary *peer = &mirror->peer.shows;
	const struct record *mine = &mirror->common.record;
	const struct record *ruling =
		mirror->peer.is_known ? record_ruling(mine, &peer->record) : mine;

	if (mirror->wait.reason == WAIT_ROLLED_BACK)
		return mirror->fs.is_rolled_back && !mirror->fs.is_state_old &&
		       !record_is_good(ruling, mirror->common.config.peer);
	return peer->is_rolled_back && peer->marked_epoch == 0 &&
	       !record_is_good(ruling, core->config.self);
}

/* What is known of the two copies then, and the ways out. False: the row of the reason says all. */
static bool say_put_back(
	const struct core *core, const struct mirror *mirror, struct text *now, struct text *to_do)
{
	bool is_here = mirror->wait.reason == WAIT_ROLLED_BACK;
	bool is_heard = peer_is_heard(core, mirror);
	const struct summary *peer = &mirror->peer.shows;

	if (is_here && is_heard && mirror->fs.is_rolled_back && peer->is_rolled_back) {
		text_add(now, "; so were those of the other node");
		text_add(to_do, "put back on one of the nodes what belongs together, then "
				"`evenkeel start` there; or decide whose data count: `evenkeel "
				"prim --force` on that node");
		return true;
	}
	if (is_in_neither(core, mirror)) {
		text_add(now, is_here ? "; the copy of the other node is recorded as stale"
				      : "; the copy of this node is recorded as stale");
		text_add(now, ": what was acknowledged last may be in neither copy");
		text_add(
			to_do, is_here ? "put back the newest data here, then `evenkeel start` here"
				       : "put back the newest data on the other node, then "
					 "`evenkeel start` there");
		text_add(to_do, is_heard && peer->state != STATE_STOP
					? "; or decide"
					: "; or start the other node and decide");
		text_add(to_do, " whose data count: `evenkeel prim --force` on that node");
		return true;
	}
	if (!is_here || !is_heard || peer->state == STATE_STOP)
		return false;
	bool is_newest_here =
		mirror->fs.is_state_old && mirror->fs.marked.number > peer->record.epoch.number;
	text_add(to_do, is_newest_here
				? "the data here may be the newest of all, so the other node does "
				  "not serve by itself: put back the state that belongs to them, "
				  "then `evenkeel start`; or `evenkeel prim --force` here serves "
				  "them"
				: "the other node has the newer copy: if it does not serve by "
				  "itself, see in `evenkeel status` there why");
	return true;
}

void wait_say(
	const struct core *core, const struct mirror *mirror, struct text *now, struct text *to_do)
{
	enum wait_reason reason = mirror->wait.reason;

	CHECK(reason < WAIT_REASON_COUNT);
	bool is_put_back = reason == WAIT_ROLLED_BACK || reason == WAIT_PEER_ROLLED_BACK;
	text_add(now, words[reason].now);
	if (reason == WAIT_ADDRESS_FOREIGN) {
		text_add(now, ", with the hardware address ");
		say_mac(now, mirror->probe.mac);
	}
	bool has_detail = reason == WAIT_DISK || reason == WAIT_REFUSED ||
			  reason == WAIT_WRONG_COPY ||
			  (reason == WAIT_ROLLED_BACK && mirror->fs.is_rolled_back);
	if (has_detail && mirror->fs.detail[0] != '\0') {
		text_add(now, ": ");
		text_add(now, mirror->fs.detail);
	}
	if (!is_put_back || !say_put_back(core, mirror, now, to_do))
		text_add(to_do, words[reason].to_do);
}
