/*
 * What evenkeeld shows of a node: the answer of `status`, and what `subscribe` sends. Structs, and
 * tables of their fields, from which come the JSON of admin.sock both ways, what `evenkeel status`
 * prints, and docs/reference.md.
 *
 * Texts are borrowed: when encoding, from whoever fills them; when decoding, from the JSON, which
 * must outlive the struct. An absent text is NULL. A has_ member says whether what it stands for is
 * there at all. Any thread.
 */
#ifndef EVENKEEL_API_STATUS_H
#define EVENKEEL_API_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "api/fields.h"
#include "base/limits.h"

struct shown_address {
	const char *address;
	bool has_up, is_up; /* not of this node's own */
};

struct shown_node {
	const char *name;
	uint8_t id;
	bool is_self;
	struct shown_address *addresses;
	uint32_t address_count;
};

struct shown_cluster {
	const char *name;
	uint64_t epoch;
	uint16_t port;
};

struct shown_arbiter {
	const char *kind;
	const char *target; /* of ping */
	bool has_reachable;
	int8_t reachable; /* 1, 0, or -1: not known yet */
	const char *promise;
};

struct shown_counters {
	uint64_t beats_sent, beats_heard, garbage, other_version;
};

struct shown_resync {
	uint64_t done, total;
};

struct shown_module {
	const char *name;
	bool has_left_out, is_left_out;

	bool has_settings;
	const char *kind;
	uint16_t number;
	const char *directories[ROOTS_MAX];
	uint32_t directory_count;
	const char *addresses[ADDRESSES_MAX];
	uint32_t address_count;
	const char *durability;

	const char *error;

	const char *state, *readiness, *since, *last_move;
	const char *peer;
	bool has_states; /* all down to is_address_held, but for has_copies, has_summary and has_resync */
	bool has_copies; /* of a mirror: what is said of its two copies, down to is_complete */
	bool is_peer_heard;
	const char *peer_state, *peer_readiness; /* while it is heard */
	uint64_t epoch, generation;
	const char *good[NODES_MAX];
	uint32_t good_count;
	const char *holder;
	bool is_complete, should_run;
	const char *fs, *link;
	bool has_summary, is_failed;
	bool is_application_running, is_address_held;
	bool has_resync;
	struct shown_resync resync;

	const char *now, *if_dies, *to_do;
	const char *observed, *peer_observed;
};

struct shown_status {
	const char *node;
	struct shown_cluster cluster;
	struct shown_node *nodes;
	uint32_t node_count;
	struct shown_arbiter arbiter;
	struct shown_counters counters;
	struct shown_module *modules;
	uint32_t module_count;
};

extern const struct fields shown_address_fields, shown_node_fields, shown_cluster_fields,
	shown_arbiter_fields, shown_counters_fields, shown_resync_fields, shown_module_fields,
	shown_status_fields;

/* Frees the lists that fields_decode() made. */
void shown_status_done(struct shown_status *status);
/* "" for an absent text. */
const char *shown_text(const char *text);

#endif
