/*
 * How late this machine is by itself: what a loaded one adds to a time that a test bounds, although
 * the test has nothing to do with it. Naps, and notes how much later than that it woke.
 */
#include "pair.h"

#include "platform/clock.h"

#define NAP_NS (5 * NS_PER_MS)

static void *watch(void *context)
{
	struct bystander *bystander = context;

	while (!atomic_load(&bystander->is_over)) {
		int64_t start_ns = clock_boot_ns();
		writers_let((double)NAP_NS / NS_PER_S);
		int64_t late_ns = clock_boot_ns() - start_ns - NAP_NS;
		bystander->longest_ns = MAX_OF(bystander->longest_ns, late_ns);
	}
	return NULL;
}

void bystander_start(struct bystander *bystander)
{
	*bystander = (struct bystander){ 0 };
	assert_int_equal(pthread_create(&bystander->thread, NULL, watch, bystander), 0);
}

int64_t bystander_stop(struct bystander *bystander)
{
	atomic_store(&bystander->is_over, true);
	assert_int_equal(pthread_join(bystander->thread, NULL), 0);
	return bystander->longest_ns;
}
