/*
 * The frames of the stream between two copies, and their bytes.
 *
 *	+----------+---------+------------------+
 *	| u32 size | u8 kind | payload          |   size counts kind and payload; big-endian
 *	+----------+---------+------------------+
 *
 * The payloads stand in docs/architecture.md ("The stream"). Lengths and kinds are checked here,
 * once. Not for: what is inside an operation (repl/op.h), who may say what when. Any thread.
 */
#ifndef EVENKEEL_FS_STREAM_FRAME_H
#define EVENKEEL_FS_STREAM_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "api/preface.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/macros.h"
#include "fs/tree/digest.h"
#include "repl/op.h"
#include "repl/session.h"

#define FRAME_LEAD_SIZE 5 /* size and kind */
#define FRAME_TEXT_MAX	255
#define FRAME_SIZE_MAX	(FRAME_LEAD_SIZE + OP_SIZE_MAX)

_Static_assert(STREAM_VERSION == PREFACE_VERSION, "one protocol: preface and frames");

enum frame_kind {
	FRAME_NONE,
	FRAME_HELLO,
	FRAME_OP,
	FRAME_ACK,
	FRAME_SYNCED,
	FRAME_HASHES,
	FRAME_PROGRESS,
	FRAME_ERROR,
	FRAME_COMPLETE,
	FRAME_KEEP,
	FRAME_BEAT, /* of evenkeeld, where the networks let none pass; text, not ours to read */
	FRAME_KIND_COUNT
};

struct frame {
	enum frame_kind kind;
	union {
		struct hello hello;
		struct bytes op; /* one encoded operation */
		char beat[STREAMED_BEAT_MAX + 1];
		struct {
			uint64_t epoch, applied, durable;
		} ack;
		struct {
			uint64_t sequence;
			int32_t error;
		} synced;
		struct digest hashes;
		struct {
			uint64_t applied, working_on;
			int64_t duration_ns;
		} progress;
		struct {
			int32_t error;
			char text[FRAME_TEXT_MAX + 1];
		} error;
		struct {
			uint64_t sequence;
		} complete; /* and keep */
	};
};

/* Errors: -ERROR_RANGE if size_max is too small. */
int frame_encode(
	const struct frame *frame, uint8_t *out, size_t size_max, size_t *out_size) MUST_CHECK;
/*
 * Decodes the one frame at the start of bytes; op and hashes point into bytes. Errors: -ERROR_AGAIN
 * if there is less than a whole frame, -ERROR_BAD_MESSAGE on anything that no peer sends.
 */
int frame_decode(struct bytes bytes, struct frame *out_frame, size_t *out_size) MUST_CHECK;
/* The lead of a frame whose payload of this size follows elsewhere. */
void frame_encode_lead(enum frame_kind kind, size_t payload_size, uint8_t out[FRAME_LEAD_SIZE]);

#endif
