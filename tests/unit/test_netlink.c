#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/interface.h"
#include "platform/netlink.h"

#define LOOPBACK   1
#define LIFETIME_S 60

/* A network of its own, in which the loopback's interface is up. */
static int open_network(void **state)
{
	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -1;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &up) < 0)
		return -1;
	close(fd);
	return netlink_open((struct netlink **)state);
}

static int close_network(void **state)
{
	netlink_close(*state);
	return 0;
}

static struct netlink_place place_of(int number)
{
	const uint8_t bytes[ADDRESS_IPV4_SIZE] = { 10, 9, (uint8_t)(number / 256),
		(uint8_t)(number % 256) };
	struct netlink_place place = { .interface = LOOPBACK, .prefix = 32 };

	place.address = address_make(ADDRESS_IPV4, bytes);
	return place;
}

static void fill(struct netlink_place places[NETLINK_BATCH])
{
	for (int i = 0; i < NETLINK_BATCH; i++)
		places[i] = place_of(i + 1);
}

static void all_of_a_batch_are_set(void **state)
{
	struct netlink_place places[NETLINK_BATCH];
	int errors[NETLINK_BATCH];

	fill(places);
	for (int round = 0; round < 3; round++) { /* set, and renewed */
		assert_int_equal(
			netlink_put_addresses(*state, places, NETLINK_BATCH, LIFETIME_S, errors),
			0);
		for (int i = 0; i < NETLINK_BATCH; i++)
			assert_int_equal(errors[i], 0);
	}
	for (int i = 0; i < NETLINK_BATCH; i++)
		assert_true(interface_has_address(&places[i].address));
}

static void each_has_its_own_error(void **state)
{
	struct netlink_place places[NETLINK_BATCH];
	int errors[NETLINK_BATCH];

	fill(places);
	places[0].interface = places[NETLINK_BATCH / 2].interface =
		places[NETLINK_BATCH - 1].interface = 9999;
	for (int round = 0; round < 3; round++) {
		assert_int_equal(
			netlink_put_addresses(*state, places, NETLINK_BATCH, LIFETIME_S, errors),
			0);
		for (int i = 0; i < NETLINK_BATCH; i++)
			assert_int_equal(errors[i], places[i].interface == LOOPBACK ? 0 : -ENODEV);
	}
	/* And what is asked next is not taken for one of theirs. */
	assert_int_equal(netlink_put_address(*state, &places[1], LIFETIME_S), 0);
	assert_int_equal(netlink_put_address(*state, &places[0], LIFETIME_S), -ENODEV);
	assert_int_equal(netlink_remove_address(*state, &places[1]), 0);
	assert_int_equal(netlink_remove_address(*state, &places[1]), -EADDRNOTAVAIL);
}

static void hear_nothing_more(struct netlink *netlink)
{
	struct netlink_change change;

	while (netlink_next_change(netlink, &change) == 0)
		;
}

static void our_own_renewals_wake_nobody(void **state)
{
	struct netlink_place places[NETLINK_BATCH];
	struct netlink_change change;
	int errors[NETLINK_BATCH];

	fill(places);
	hear_nothing_more(*state);
	for (int round = 0; round < 10; round++)
		assert_int_equal(
			netlink_put_addresses(*state, places, NETLINK_BATCH, LIFETIME_S, errors),
			0);
	assert_int_equal(netlink_next_change(*state, &change), -EAGAIN);
	assert_int_equal(netlink_remove_address(*state, &places[3]), 0);
	assert_int_equal(netlink_next_change(*state, &change), 0);
	assert_int_equal(change.event, NETLINK_ADDRESS_REMOVED);
	assert_int_equal(change.place.interface, LOOPBACK);
	assert_true(address_is_equal(&change.place.address, &places[3].address));
}

static void an_address_with_a_network_is_told(void **state)
{
	struct netlink_place place = place_of(700);
	struct netlink_change change;

	hear_nothing_more(*state);
	place.prefix = 24;
	assert_int_equal(netlink_put_address(*state, &place, LIFETIME_S), 0);
	assert_int_equal(netlink_next_change(*state, &change), 0);
	assert_int_equal(change.event, NETLINK_ADDRESS_ADDED);
	assert_int_equal(change.place.prefix, 24);
}

/* The reason for a prefix of 32: of two addresses in one network the second goes with the first. */
static void an_address_alone_takes_no_other_along(void **state)
{
	struct netlink_place ours = place_of(801), own = place_of(802);

	own.prefix = 24;
	assert_int_equal(netlink_put_address(*state, &ours, LIFETIME_S), 0);
	assert_int_equal(netlink_put_address(*state, &own, LIFETIME_S), 0);
	assert_int_equal(netlink_remove_address(*state, &ours), 0);
	assert_true(interface_has_address(&own.address));
	ours.prefix = 24;
	assert_int_equal(netlink_remove_address(*state, &own), 0);
	assert_int_equal(netlink_put_address(*state, &ours, LIFETIME_S), 0);
	assert_int_equal(netlink_put_address(*state, &own, LIFETIME_S), 0);
	assert_int_equal(netlink_remove_address(*state, &ours), 0);
	assert_false(interface_has_address(&own.address)); /* or this case proves nothing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_a_batch_are_set),
		cmocka_unit_test(each_has_its_own_error),
		cmocka_unit_test(our_own_renewals_wake_nobody),
		cmocka_unit_test(an_address_with_a_network_is_told),
		cmocka_unit_test(an_address_alone_takes_no_other_along),
	};

	return cmocka_run_group_tests(tests, open_network, close_network);
}
