/*
 * Beats as bytes: struct beat of the core, one datagram or several.
 *
 * A beat with more summaries than one datagram holds goes out in parts, each of them a beat of its
 * own with a rising counter; so nothing is put together again at the receiver, and a lost part
 * costs one beat of the modules in it. Each summary travels with its module's name, because a number
 * is only what one node's configuration says; whose summary it is for us, mesh/modules.c knows. Not
 * for: encryption (libknet's), freshness (the core's: boot nonce and counter). Any thread.
 */
#ifndef EVENKEEL_DAEMON_BEAT_CODEC_H
#define EVENKEEL_DAEMON_BEAT_CODEC_H

#include "core/core.h"

#define BEAT_VERSION	   4
#define BEAT_DATAGRAM_MAX  8192
#define BEAT_ONE_MAX	   768 /* bytes of a beat with one summary, of the longest name and record */
#define BEAT_PARTS_MAX	   64  /* counters are multiplied by this on the wire */
#define BEAT_SUMMARIES_MAX 256 /* in one datagram; more cannot fit */

struct beat_envelope {
	uint8_t to;	/* node id */
	uint16_t first; /* the first summary to encode; moved on by beat_encode() */
	uint16_t part;	/* of this beat; moved on */
};

/* The module that a summary is about, as its sender's configuration has it. */
struct beat_name {
	char text[MODULE_NAME_MAX + 1];
	uint32_t directories; /* a digest of their paths, in order */
};

/*
 * Encodes the head and as many summaries from envelope->first on as fit. Call it again while
 * envelope->first < beat->summary_count. names: one for each summary. Errors: -ERANGE if not even one
 * fits, or parts run out.
 */
int beat_encode(const struct beat *beat, const struct beat_name *names,
	struct beat_envelope *envelope, uint8_t out[BEAT_DATAGRAM_MAX],
	size_t *out_size) MUST_CHECK;
/*
 * summaries, names: room for BEAT_SUMMARIES_MAX; out_beat borrows the summaries. Errors: -EPROTO: a
 * beat of another version; -EBADMSG: not a beat, cut off, or a value out of its range.
 */
int beat_decode(struct bytes bytes, struct summary *summaries, struct beat_name *names,
	struct beat *out_beat, uint8_t *out_to) MUST_CHECK;

#endif
