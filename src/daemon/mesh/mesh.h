/*
 * The mesh: beats between the nodes, over every network at once. Not for: what a beat means (core), nor
 * for what its bytes are (daemon/mesh/beat_codec.h). The daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_MESH_H
#define EVENKEEL_DAEMON_MESH_H

#include "daemon/daemon.h"

/* Counted since the start: datagrams that were not ours, or of another version. */
struct mesh_counters {
	uint64_t beats_sent, beats_heard, garbage, other_version;
};

int mesh_open(struct daemon *daemon) MUST_CHECK;
void mesh_close(struct daemon *daemon);
/* One beat to each other node, over every network. */
void mesh_send(struct daemon *daemon, bool is_goodbye);
/* A beat of the other node, in hexadecimal, that came over the module's stream. */
void mesh_on_streamed(struct module *module, const char *text);
/* Is that node heard over network index (as in node_config.addresses)? Shown, not believed (R21). */
bool mesh_link_is_up(const struct daemon *daemon, uint8_t node, uint8_t index);
void mesh_count(const struct daemon *daemon, struct mesh_counters *out_counters);

#endif
