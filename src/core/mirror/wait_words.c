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

void wait_say(const struct mirror *mirror, struct text *now, struct text *to_do)
{
	enum wait_reason reason = mirror->wait.reason;

	CHECK(reason < WAIT_REASON_COUNT);
	text_add(now, words[reason].now);
	text_add(to_do, words[reason].to_do);
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
}
