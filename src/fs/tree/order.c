#include "fs/tree/order.h"

#include <stdlib.h>

#include "base/macros.h"
#include "platform/lock.h"

#define STRIPES 1024

/*
 * Single operations hold `everything` shared, order_lock_all() holds it alone. Whoever
 * wants it alone goes first, or a busy application would keep a directory rename waiting for ever.
 */
struct order {
	struct shared_lock everything;
	struct lock stripes[STRIPES];
};

struct order *order_new(void)
{
	struct order *order = calloc(1, sizeof(*order));

	if (order == NULL)
		return NULL;
	shared_lock_init(&order->everything, RANK_ORDER_ALL);
	for (int i = 0; i < STRIPES; i++)
		lock_init(&order->stripes[i], RANK_ORDER);
	return order;
}

void order_free(struct order *order)
{
	if (order == NULL)
		return;
	for (int i = 0; i < STRIPES; i++)
		lock_done(&order->stripes[i]);
	shared_lock_done(&order->everything);
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

	shared_lock_take(&order->everything);
	for (int i = 0; i < count; i++)
		lock_take(&order->stripes[stripes[i]]);
}

void order_unlock(struct order *order, const struct order_objects *objects)
{
	int stripes[4];
	int count = stripes_of(objects, stripes);

	while (count > 0)
		lock_give(&order->stripes[stripes[--count]]);
	shared_lock_give(&order->everything);
}

void order_lock_all(struct order *order)
{
	shared_lock_take_alone(&order->everything);
}

void order_unlock_all(struct order *order)
{
	shared_lock_give(&order->everything);
}
