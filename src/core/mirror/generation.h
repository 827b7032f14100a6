/*
 * Whose copy is newer: the outcome of two nodes showing each other their records, and what a change
 * of tenure does to a record. Pure leaves. Not for: who is heard, who wants what (decide.c).
 */
#ifndef EVENKEEL_CORE_GENERATION_H
#define EVENKEEL_CORE_GENERATION_H

#include "base/macros.h"
#include "core/record.h"

enum relation {
	RELATION_NO_DATA,     /* neither has data yet: a new module (R17) */
	RELATION_EQUAL_CLEAN, /* the same content, and both were released in order */
	RELATION_EQUAL_MARKS, /* the same generation and both good, but not released in order */
	RELATION_OLDER,	      /* mine misses what the other has */
	RELATION_NEWER,	      /* the other misses what I have */
	RELATION_DIVERGED,    /* each has acknowledged writes that the other never saw */
	RELATION_UNRELATED,   /* two different data sets */
	RELATION_ROLLED_BACK, /* mine is an old state put back: less is here than was confirmed (R2)
			       */
	RELATION_PEER_ROLLED_BACK,
	RELATION_COUNT,
};

struct relation_input {
	const struct record *mine, *theirs;
	uint8_t self, peer;	  /* node ids */
	bool is_rolled_back;	  /* evenkeel-fs found that data, state or record were put back */
	bool is_peer_rolled_back; /* the other node says that of its own */
	uint64_t peer_marked;	  /* its state was, and its data know of this epoch */
};

enum relation relation_of(const struct relation_input *input);

static inline uint64_t node_mask(uint8_t node)
{
	return node == 0 ? 0 : BIT64(node - 1);
}
static inline bool record_is_good(const struct record *record, uint8_t node)
{
	return (record->good & node_mask(node)) != 0;
}
bool generation_is_equal(struct generation a, struct generation b);
bool generation_is_in_history(const struct record *record, struct generation generation);
bool set_id_is_equal(const struct record *a, const struct record *b);
/* The record that knows more of the same generation: later epoch, then later register version. */
const struct record *record_ruling(const struct record *a, const struct record *b);
/* Puts another node's generation into the history: overruled by an operator, never current here. */
void record_overrule(struct record *record, struct generation generation);

#endif
