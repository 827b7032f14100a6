#include "fs/tree/order.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/macros.h"

#define STRIPES 1024

/*
 * Single operations hold `everything` shared, order_lock_all() holds it alone. Writers are
 * preferred, or a busy application would keep a directory rename waiting for ever; no thread takes
 * the lock twice, which is what that preference forbids.
 */
struct order {
	pthread_rwlock_t everything;
	pthread_mutex_t stripes[STRIPES];
};

struct order *order_new(void)
{
	struct order *order = calloc(1, sizeof(*order));
	pthread_rwlockattr_t attributes;

	if (order == NULL)
		return NULL;
	(void)pthread_rwlockattr_init(&attributes); /* cannot fail on Linux */
	(void)pthread_rwlockattr_setkind_np(
		&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	CHECK(pthread_rwlock_init(&order->everything, &attributes) == 0);
	(void)pthread_rwlockattr_destroy(&attributes);
	for (int i = 0; i < STRIPES; i++)
		CHECK(pthread_mutex_init(&order->stripes[i], NULL) == 0);
	return order;
}

void order_free(struct order *order)
{
	if (order == NULL)
		return;
	for (int i = 0; i < STRIPES; i++)
		(void)pthread_mutex_destroy(&order->stripes[i]);
	(void)pthread_rwlock_destroy(&order->everything);
	free(order);
}

static int stripe_of(uint64_t object)
{
	/* The multiplier of Fibonacci hashing: neighbouring ids spread evenly. */
	return (int)((object * UINT64_C(0x9e3779b97f4a7c15)) >> 54);
}

_Static_assert(STRIPES == 1 << 10, "stripe_of() takes the ten topmost bits");

/* Fills the stripes of the objects, rising, each once; returns how many. */
static int stripes_of(const struct order_objects *objects, int stripes[4])
{
	int count = 0;

	for (int i = 0; i < 4; i++) {
		if (objects->ids[i] == 0)
			continue;
		int stripe = stripe_of(objects->ids[i]);
		int at = count;
		while (at > 0 && stripes[at - 1] > stripe)
			at--;
		if (at > 0 && stripes[at - 1] == stripe)
			continue;
		for (int j = count; j > at; j--)
			stripes[j] = stripes[j - 1];
		stripes[at] = stripe;
		count++;
	}
	return count;
}

void order_lock(struct order *order, const struct order_objects *objects)
{
	int stripes[4];
	int count = stripes_of(objects, stripes);

	CHECK(pthread_rwlock_rdlock(&order->everything) == 0);
	for (int i = 0; i < count; i++)
		CHECK(pthread_mutex_lock(&order->stripes[stripes[i]]) == 0);
}

void order_unlock(struct order *order, const struct order_objects *objects)
{
	int stripes[4];
	int count = stripes_of(objects, stripes);

	while (count > 0)
		CHECK(pthread_mutex_unlock(&order->stripes[stripes[--count]]) == 0);
	CHECK(pthread_rwlock_unlock(&order->everything) == 0);
}

void order_lock_all(struct order *order)
{
	CHECK(pthread_rwlock_wrlock(&order->everything) == 0);
}

void order_unlock_all(struct order *order)
{
	CHECK(pthread_rwlock_unlock(&order->everything) == 0);
}
