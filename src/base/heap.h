/*
 * Things in the order of a time: a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) of nodes
 * that are embedded in what they belong to, so nothing is allocated and there is no limit.
 *
 * Adding costs one comparison, removing the first some log2(n); of equal keys the one that was
 * added first comes first. The heap borrows a node from add until remove; it must not move in
 * memory meanwhile. Not for: threads.
 */
#ifndef EVENKEEL_BASE_HEAP_H
#define EVENKEEL_BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct heap_node {
	int64_t key;	/* set before heap_add(), not to be changed while it is in */
	uint64_t order; /* among equal keys */
	struct heap_node *child, *next;
	struct heap_node *previous; /* or the parent, of a first child; of the first: itself */
};

struct heap { /* zero: empty */
	struct heap_node *first;
	uint64_t added;
	uint64_t compared; /* what it cost so far */
};

/* The node is zero, or was removed. */
void heap_add(struct heap *heap, struct heap_node *node);
/* Nothing happens if it is not in. */
void heap_remove(struct heap *heap, struct heap_node *node);
bool heap_has(const struct heap_node *node);

#endif
