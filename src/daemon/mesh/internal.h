/* What mesh.c, mesh/key.c and mesh/modules.c share. Not for others; the daemon's thread only. */
#ifndef EVENKEEL_DAEMON_MESH_INTERNAL_H
#define EVENKEEL_DAEMON_MESH_INTERNAL_H

#include "daemon/mesh/beat_codec.h"
#include "daemon/mesh/mesh.h"
#include "platform/knet.h"

/* ---- mesh/key.c ---- */

/* Reads CONFIG/secret. Errors, said already: of open(2); -EINVAL: it is no secret; of libknet. */
int mesh_derive_key(struct daemon *daemon, uint8_t out[KNET_KEY_SIZE]) MUST_CHECK;

/* ---- mesh/streamed.c ---- */

/* What goes over streams, as the networks let nothing pass. */
struct streamed {
	int64_t until_ns[NODES_MAX + 1]; /* by node: so long beats to it go over streams as well */
	bool is_said[NODES_MAX + 1];
	uint16_t next; /* of the summaries: which module's stream is due */
};

/* The beat that was just sent over the networks; one of few of its summaries over each stream. */
struct streamed_beat {
	const struct node_config *to;
	const struct summary *summaries;
	const struct beat_name *names;
	uint16_t count;
	bool is_goodbye;
};
void streamed_send(
	struct daemon *daemon, struct streamed *streamed, const struct streamed_beat *beat);
/* One came that counts, or a network is heard again. */
void streamed_say(struct daemon *daemon, struct streamed *streamed, const struct node_config *node,
	bool is_needed);
/* The bytes of the text. Errors: -EBADMSG. */
int streamed_decode(
	const char *text, uint8_t out[STREAMED_BEAT_MAX / 2], size_t *out_size) MUST_CHECK;

/* ---- mesh/key.c ---- */

/* Fills out with size bytes from twice as many hexadecimal digits; false: one of them is none. */
bool mesh_decode_hex(const char *text, size_t size, uint8_t *out);

/* ---- mesh/modules.c ---- */

/* Names each summary to send; those of modules that are just going are left out. Returns how many
 * remain. */
uint16_t mesh_name_ours(const struct daemon *daemon, struct summary *summaries,
	struct beat_name *out_names, uint16_t count);
/* Gives each summary that came from the node our own number of the module with that name; the others
 * are left out. Returns how many remain. */
uint16_t mesh_find_ours(struct daemon *daemon, const struct node_config *node,
	struct summary *summaries, const struct beat_name *names, uint16_t count);

#endif
