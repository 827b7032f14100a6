/*
 * The heap against a plain list, and what it costs with as many timers as a full node has.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/macros.h"

#define NODES	       300
#define STEPS	       20000
#define MODULES	       500
#define TIMERS_OF_EACH 26 /* a renewal and an announcement, two dozen of scripts and checks */

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

/* What should come first: the least key, and among these the one that was added first. */
static struct heap_node *find_first(struct heap_node *nodes, int count)
{
	struct heap_node *first = NULL;

	for (int i = 0; i < count; i++) {
		struct heap_node *node = &nodes[i];
		if (!heap_has(node))
			continue;
		if (first == NULL || node->key < first->key ||
			(node->key == first->key && node->order < first->order))
			first = node;
	}
	return first;
}

static void the_first_is_the_least_whatever_comes_and_goes(void **state)
{
	struct heap heap = { 0 };
	struct heap_node nodes[NODES] = { 0 };
	uint64_t seed = 7;

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		struct heap_node *node = &nodes[next_random(&seed) % NODES];
		if (next_random(&seed) % 4 == 0 && heap.first != NULL)
			node = heap.first;
		heap_remove(&heap, node);
		assert_false(heap_has(node));
		if (next_random(&seed) % 3 != 0) {
			node->key = (int64_t)(next_random(&seed) % 50) - 25; /* many are equal */
			heap_add(&heap, node);
		}
		assert_ptr_equal(heap.first, find_first(nodes, NODES));
	}
}

static void all_come_in_order(void **state)
{
	struct heap heap = { 0 };
	struct heap_node nodes[NODES] = { 0 };
	uint64_t seed = 11, order = 0;
	int64_t last = INT64_MIN;
	int count = 0;

	(void)state;
	for (int i = 0; i < NODES; i++) {
		nodes[i].key = (int64_t)(next_random(&seed) % 20);
		heap_add(&heap, &nodes[i]);
	}
	for (struct heap_node *first; (first = heap.first) != NULL; count++) {
		assert_true(first->key > last || (first->key == last && first->order > order));
		last = first->key;
		order = first->order;
		heap_remove(&heap, first);
	}
	assert_int_equal(count, NODES);
}

static void what_is_not_in_is_not_removed(void **state)
{
	struct heap heap = { 0 };
	struct heap_node a = { .key = 1 }, b = { .key = 2 };

	(void)state;
	heap_remove(&heap, &a);
	assert_null(heap.first);
	heap_add(&heap, &b);
	heap_remove(&heap, &a);
	assert_ptr_equal(heap.first, &b);
}

/* The timers of a node with 500 modules, an hour of them: each is taken when it is due and armed
 * again. A list in order, which this replaced, looked at some 6,500 timers each time. */
/* Ends by a signal, not by going round for ever: as a timer that is made anew while it is armed. */
static bool ends_by_check(int count, int written_over)
{
	struct heap_node nodes[8] = { 0 };
	struct heap heap = { 0 };
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		(void)alarm(5);
		(void)freopen("/dev/null", "w", stderr);
		struct sigaction by_default = { .sa_handler = SIG_DFL };
		(void)sigaction(SIGILL, &by_default, NULL); /* instead of cmocka's */
		(void)sigaction(SIGTRAP, &by_default, NULL);
		for (int i = 0; i < count; i++) {
			nodes[i].key = i;
			heap_add(&heap, &nodes[i]);
		}
		nodes[written_over] = (struct heap_node){ .key = 100 };
		heap_add(&heap, &nodes[written_over]);
		while (heap.first != NULL)
			heap_remove(&heap, heap.first);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) != SIGALRM;
}

static void a_node_written_over_while_it_is_in_is_found(void **state)
{
	(void)state;
	assert_true(ends_by_check(1, 0));
	for (int i = 0; i < 8; i++)
		assert_true(ends_by_check(8, i));
}

static void a_timer_of_a_full_node_costs_few_comparisons(void **state)
{
	enum { COUNT = MODULES * TIMERS_OF_EACH, ROUNDS = 100 };
	struct heap heap = { 0 };
	struct heap_node *nodes = calloc(COUNT, sizeof(*nodes));
	uint64_t seed = 3;

	(void)state;
	assert_non_null(nodes);
	for (int i = 0; i < COUNT; i++) {
		nodes[i].key = (int64_t)(next_random(&seed) % 30000);
		heap_add(&heap, &nodes[i]);
	}
	heap.compared = 0;
	for (int i = 0; i < ROUNDS * COUNT; i++) {
		struct heap_node *first = heap.first;
		heap_remove(&heap, first);
		first->key += 500 + (int64_t)(next_random(&seed) % 30000);
		heap_add(&heap, first);
	}
	uint64_t each = heap.compared / ((uint64_t)ROUNDS * COUNT);
	print_message("%llu comparisons for each of %d timers\n", (unsigned long long)each, COUNT);
	assert_in_range(each, 1, 40);
	free(nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_is_the_least_whatever_comes_and_goes),
		cmocka_unit_test(all_come_in_order),
		cmocka_unit_test(what_is_not_in_is_not_removed),
		cmocka_unit_test(a_node_written_over_while_it_is_in_is_found),
		cmocka_unit_test(a_timer_of_a_full_node_costs_few_comparisons),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
