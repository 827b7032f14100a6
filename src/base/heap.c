#include "base/heap.h"

#include <stddef.h>

#include "base/macros.h"

static bool is_before(struct heap *heap, const struct heap_node *a, const struct heap_node *b)
{
	heap->compared++;
	return a->key != b->key ? a->key < b->key : a->order < b->order;
}

/* The later of two roots becomes the first child of the other, which is returned. */
static struct heap_node *meld(struct heap *heap, struct heap_node *a, struct heap_node *b)
{
	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	struct heap_node *parent = is_before(heap, a, b) ? a : b;
	struct heap_node *child = parent == a ? b : a;
	child->next = parent->child;
	if (child->next != NULL)
		child->next->previous = child;
	child->previous = parent;
	parent->child = child;
	return parent;
}

/* A node that was written over while it was in (armed, and made anew) is found here, not by a loop
 * without an end or by a time that never comes. */
static void verify_first(const struct heap *heap)
{
	CHECK(heap->first == NULL || heap->first->previous == heap->first);
}

static void verify_siblings(const struct heap_node *parent)
{
	const struct heap_node *before = parent;

	for (const struct heap_node *at = parent->child; at != NULL; at = at->next) {
		CHECK(at->previous == before);
		before = at;
	}
}

/* Melds the children in pairs from the left, then the pairs from the right. */
static struct heap_node *meld_children(struct heap *heap, const struct heap_node *parent)
{
	struct heap_node *pairs = NULL, *root = NULL, *left = parent->child;

	verify_siblings(parent);

	while (left != NULL) {
		struct heap_node *right = left->next;
		struct heap_node *rest = right == NULL ? NULL : right->next;
		left->next = NULL;
		if (right != NULL)
			right->next = NULL;
		struct heap_node *pair = meld(heap, left, right);
		pair->next = pairs;
		pairs = pair;
		left = rest;
	}
	while (pairs != NULL) {
		struct heap_node *pair = pairs;
		pairs = pair->next;
		pair->next = NULL;
		root = meld(heap, root, pair);
	}
	return root;
}

static void set_first(struct heap *heap, struct heap_node *root)
{
	heap->first = root;
	if (root != NULL)
		root->previous = root;
}

void heap_add(struct heap *heap, struct heap_node *node)
{
	CHECK(!heap_has(node));
	verify_first(heap);
	node->order = heap->added++;
	node->child = node->next = NULL;
	set_first(heap, meld(heap, heap->first, node));
}

static void cut_out(struct heap_node *node)
{
	if (node->previous->child == node)
		node->previous->child = node->next;
	else
		node->previous->next = node->next;
	if (node->next != NULL)
		node->next->previous = node->previous;
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
	if (!heap_has(node))
		return;
	verify_first(heap);
	struct heap_node *rest = meld_children(heap, node);
	if (heap->first == node) {
		set_first(heap, rest);
	} else {
		cut_out(node);
		set_first(heap, meld(heap, heap->first, rest));
	}
	node->child = node->next = node->previous = NULL;
}

bool heap_has(const struct heap_node *node)
{
	return node->previous != NULL;
}
