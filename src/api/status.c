#include "api/status.h"

#include <stdlib.h>

/* clang-format off */
#define ADDRESS(...)  FIELD(struct shown_address, __VA_ARGS__)
#define NODE(...)     FIELD(struct shown_node, __VA_ARGS__)
#define CLUSTER(...)  FIELD(struct shown_cluster, __VA_ARGS__)
#define ARBITER(...)  FIELD(struct shown_arbiter, __VA_ARGS__)
#define COUNTERS(...) FIELD(struct shown_counters, __VA_ARGS__)
#define RESYNC(...)   FIELD(struct shown_resync, __VA_ARGS__)
#define MODULE(...)   FIELD(struct shown_module, __VA_ARGS__)
#define STATUS(...)   FIELD(struct shown_status, __VA_ARGS__)
#define IF(type, member)   .present = offsetof(struct type, member)
#define COUNT(type, member) .count = offsetof(struct type, member)

static const struct field address_rows[] = {
	ADDRESS(STRING, address, "address", NULL, "", "of this node in one of the networks"),
	ADDRESS(BOOL, is_up, "is_up", NULL, "", "whether the other node is heard there; not of the node that is asked",
		IF(shown_address, has_up)),
};

static const struct field node_rows[] = {
	NODE(STRING, name, "name", NULL, "", "of the node"),
	NODE(U8, id, "id", NULL, "", "1 to 64"),
	NODE(BOOL, is_self, "is_self", NULL, "", "the node that is asked"),
	FIELD_LIST(struct shown_node, addresses, "addresses", address_count, &shown_address_fields, struct shown_address,
		   "one in each network"),
};

static const struct field cluster_rows[] = {
	CLUSTER(STRING, name, "name", NULL, "", "of the cluster"),
	CLUSTER(U64, epoch, "epoch", NULL, "", "of its configuration"),
	CLUSTER(U16, port, "port", NULL, "", "the base port"),
};

static const struct field arbiter_rows[] = {
	ARBITER(STRING, kind, "kind", NULL, "", "who decides which node goes on alone: ping or operator"),
	ARBITER(STRING, target, "target", NULL, "", "of ping: the address that is tried"),
	ARBITER(MAYBE, reachable, "is_reachable", NULL, "", "of ping: whether it answers; null: not known yet",
		IF(shown_arbiter, has_reachable)),
	ARBITER(STRING, promise, "promise", NULL, "", "what the arbiter can promise now"),
};

static const struct field counters_rows[] = {
	COUNTERS(U64, beats_sent, "beats_sent", NULL, "", "datagrams"),
	COUNTERS(U64, beats_heard, "beats_heard", NULL, "", "datagrams"),
	COUNTERS(U64, garbage, "garbage", NULL, "", "datagrams that were no beats"),
	COUNTERS(U64, other_version, "other_version", NULL, "", "datagrams of another version"),
};

static const struct field resync_rows[] = {
	RESYNC(U64, done, "done", NULL, "bytes", "looked at"),
	RESYNC(U64, total, "total", NULL, "bytes", "to be looked at"),
};

static const struct field module_rows[] = {
	MODULE(STRING, name, "name", NULL, "", "of the module"),
	MODULE(BOOL, is_left_out, "is_left_out", NULL, "", "its module.yaml is wrong: only name, error and to_do stand beside it",
	       IF(shown_module, has_left_out)),
	MODULE(STRING, kind, "kind", NULL, "", "mirror, or single: then all about the other node and the copies is absent"),
	MODULE(U16, number, "number", NULL, "", "the same on all nodes", IF(shown_module, has_settings)),
	MODULE(STRINGS, directories, "directories", NULL, "", "that are replicated", COUNT(shown_module, directory_count),
	       IF(shown_module, has_settings)),
	MODULE(STRINGS, addresses, "addresses", NULL, "", "it serves at", COUNT(shown_module, address_count),
	       IF(shown_module, has_settings)),
	MODULE(STRING, durability, "durability", NULL, "", "call or fsync: when a write is answered"),
	MODULE(STRING, error, "error", NULL, "", "something is wrong with the configuration, an address that is to be held, or a check: what, and what to do"),
	MODULE(STRING, state, "state", NULL, "", "STOP, WAIT, ALONE, PRIM or SECOND; of a single STOP, WAIT or UP"),
	MODULE(STRING, readiness, "readiness", NULL, "", "NotReady, Transient or Ready"),
	MODULE(STRING, since, "since", NULL, "UTC", "when it became so"),
	MODULE(STRING, last_move, "last_move", NULL, "", "when this node last began or ceased to serve, and why; since the machine was started"),
	MODULE(STRING, peer, "peer", NULL, "", "the name of the other node"),
	MODULE(BOOL, is_peer_heard, "peer_heard", NULL, "", "whether the other node is heard", IF(shown_module, has_copies)),
	MODULE(STRING, peer_state, "peer_state", NULL, "", "there, while it is heard"),
	MODULE(STRING, peer_readiness, "peer_readiness", NULL, "", "there, while it is heard"),
	MODULE(U64, epoch, "epoch", NULL, "", "of the durable record", IF(shown_module, has_copies)),
	MODULE(U64, generation, "generation", NULL, "", "of the durable record", IF(shown_module, has_copies)),
	MODULE(STRINGS, good, "good", NULL, "", "the nodes whose copies are good, by the durable record", COUNT(shown_module, good_count),
	       IF(shown_module, has_copies)),
	MODULE(STRING, holder, "holder", NULL, "", "the node that serves or served last, by the durable record"),
	MODULE(BOOL, is_complete, "is_complete", NULL, "", "this copy is whole: no resynchronisation was cut off", IF(shown_module, has_copies)),
	MODULE(BOOL, should_run, "should_run", NULL, "", "it is started when the node starts", IF(shown_module, has_states)),
	MODULE(STRING, fs, "fs", NULL, "", "the role of evenkeel-fs here: none, primary, secondary or failed"),
	MODULE(STRING, link, "link", NULL, "", "its stream to the other node: none, connected, resyncing or in_sync"),
	MODULE(BOOL, is_failed, "is_failed", NULL, "", "it cannot serve here: its repairs are used up, or the disk failed",
	       IF(shown_module, has_summary)),
	MODULE(BOOL, is_application_running, "is_application_running", NULL, "", "its start scripts have run here", IF(shown_module, has_states)),
	MODULE(BOOL, is_address_held, "is_address_held", NULL, "", "its addresses are on this node, as of the last look", IF(shown_module, has_states)),
	MODULE(OBJECT, resync, "resync", NULL, "", "of the last resynchronisation", IF(shown_module, has_resync),
	       .fields = &shown_resync_fields),
	MODULE(STRING, now, "now", NULL, "", "what is going on, in a sentence"),
	MODULE(STRING, if_dies, "if_dies", NULL, "", "what would happen if a node died now"),
	MODULE(STRING, to_do, "to_do", NULL, "", "what a person should do; empty: nothing"),
	MODULE(STRING, observed, "observed", NULL, "", "what was seen on this node of what the service rests on, and when; no change of it alone is told to subscribers"),
	MODULE(STRING, peer_observed, "peer_observed", NULL, "", "the same of the other node, while it is heard"),
};

static const struct field status_rows[] = {
	STATUS(STRING, node, "node", NULL, "", "the name of the node that is asked"),
	STATUS(OBJECT, cluster, "cluster", NULL, "", "the cluster", .fields = &shown_cluster_fields),
	FIELD_LIST(struct shown_status, nodes, "nodes", node_count, &shown_node_fields, struct shown_node,
		   "all nodes of the cluster"),
	STATUS(OBJECT, arbiter, "arbiter", NULL, "", "the arbiter", .fields = &shown_arbiter_fields),
	STATUS(OBJECT, counters, "counters", NULL, "", "of the beats, since evenkeeld started", .fields = &shown_counters_fields),
	FIELD_LIST(struct shown_status, modules, "modules", module_count, &shown_module_fields, struct shown_module,
		   "by name; then those that are left out"),
};

const struct fields shown_address_fields = FIELDS(address_rows);
const struct fields shown_node_fields = FIELDS(node_rows);
const struct fields shown_cluster_fields = FIELDS(cluster_rows);
const struct fields shown_arbiter_fields = FIELDS(arbiter_rows);
const struct fields shown_counters_fields = FIELDS(counters_rows);
const struct fields shown_resync_fields = FIELDS(resync_rows);
const struct fields shown_module_fields = FIELDS(module_rows);
const struct fields shown_status_fields = FIELDS(status_rows);
/* clang-format on */

void shown_status_done(struct shown_status *status)
{
	for (uint32_t i = 0; i < status->node_count; i++)
		free(status->nodes[i].addresses);
	free(status->nodes);
	free(status->modules);
	*status = (struct shown_status){ 0 };
}

const char *shown_text(const char *text)
{
	return text != NULL ? text : "";
}
