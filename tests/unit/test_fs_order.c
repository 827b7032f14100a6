/* The order locks: one object named twice, and all of them at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/tree/order.h"

static void locks_of_the_same_object_exclude(void **state)
{
	(void)state;
	struct order *order = order_new();
	struct order_objects objects = { .ids = { 5, 5, 0, 4096 } };
	order_lock(order, &objects);
	order_unlock(order, &objects);
	order_lock_all(order);
	order_unlock_all(order);
	order_lock(order, &objects);
	order_unlock(order, &objects);
	order_free(order);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locks_of_the_same_object_exclude),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
