/*
 * The content of one file that is being compared: which bytes are asked about, which are a hole, and
 * which runs of blocks are sent.
 *
 *	 0          asked             size
 *	 |-----------|----------------|      below `asked` everything is asked for, or known to be a
 *	                                     hole here, and made one there
 *
 * Equal hashes stay right although operations go on: those between the two moments are applied on
 * both sides (docs/architecture.md). Not for: reading and hashing (fs/resync/content.c). Pure; any
 * thread.
 */
#ifndef EVENKEEL_REPL_RESYNC_CONTENT_H
#define EVENKEEL_REPL_RESYNC_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/macros.h"

struct resync_content { /* all zero but size: nothing is asked for yet */
	uint64_t size;	/* of both when it was opened; what grows later comes as operations */
	uint64_t asked;
	unsigned waiting; /* questions under way */
};

struct resync_limits {
	uint64_t block; /* bytes of one hash */
	uint64_t ask;	/* bytes of one question at most, whole blocks */
	uint64_t send;	/* bytes of one OP_WRITE at most, whole blocks */
};

struct resync_span {
	enum { RESYNC_SPAN_END, RESYNC_SPAN_HOLE, RESYNC_SPAN_ASK } kind;
	uint64_t from, length;
};

/*
 * What comes at `asked`. data, hole: where the next data, the next hole begin at or behind it; size if
 * there are none. A hole is one in whole blocks, or up to the end.
 */
struct resync_span resync_content_next(const struct resync_content *content,
	const struct resync_limits *limits, uint64_t data, uint64_t hole);
/* The span is a hole there as well. */
void resync_content_punched(struct resync_content *content, const struct resync_span *span);
void resync_content_asked(struct resync_content *content, const struct resync_span *span);
void resync_content_answered(struct resync_content *content);

/* Runs of blocks that differ. */
struct resync_run { /* all zero before the first block */
	uint32_t first, next;
};

/* The blocks come one after the other, and one that is the same at the end: true if the run is to be
 * sent now. */
bool resync_run_block(struct resync_run *run, const struct resync_limits *limits, bool is_different,
	struct resync_run *out_sent);

#endif
