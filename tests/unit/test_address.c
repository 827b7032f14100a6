#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/macros.h"

static struct address parsed(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, strlen(text), &address), ADDRESS_IS_GOOD);
	return address;
}

/* What is read, and its one text. */
static const char *const good[][2] = {
	{ "0.0.0.0", "0.0.0.0" }, { "10.0.0.1", "10.0.0.1" },
	{ "255.255.255.255", "255.255.255.255" }, { "100.20.3.0", "100.20.3.0" }, { "::", "::" },
	{ "::1", "::1" }, { "1::", "1::" }, { "fd00::1", "fd00::1" },
	{ "FD00::ABCD", "fd00::abcd" }, { "0:0:0:0:0:0:0:0", "::" },
	{ "2001:0db8:0000:0000:0001:0000:0000:0001",
		"2001:db8::1:0:0:1" },			    /* the first of equals */
	{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },	    /* the longest */
	{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" }, /* one alone is no run */
	{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
	{ "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" }, /* a gap may stand for one */
	{ "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
	{ "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304" },
	{ "::ffff:10.0.0.1", "::ffff:a00:1" }, /* refused by its use */
};

static void what_is_good_is_shown_in_one_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
		char shown[ADDRESS_TEXT_SIZE];
		struct address address = parsed(good[i][0]);
		assert_string_equal(address_format(&address, shown), good[i][1]);
		struct address again = parsed(shown);
		assert_true(address_is_equal(&address, &again));
		assert_memory_equal(&address, &again, sizeof(again));
	}
}

static const struct {
	const char *text;
	enum address_fault fault;
} bad[] = {
	{ "", ADDRESS_IS_EMPTY },
	{ "a", ADDRESS_IS_NO_ADDRESS },
	{ "host", ADDRESS_IS_NO_ADDRESS },
	{ "10", ADDRESS_HAS_WRONG_COUNT },
	{ "10.0.0", ADDRESS_HAS_WRONG_COUNT },
	{ "10.0.0.", ADDRESS_IS_NO_ADDRESS },
	{ "10.0.0.1.", ADDRESS_HAS_WRONG_COUNT },
	{ "10.0.0.1.2", ADDRESS_HAS_WRONG_COUNT },
	{ "10..0.1", ADDRESS_IS_NO_ADDRESS },
	{ ".10.0.0.1", ADDRESS_IS_NO_ADDRESS },
	{ " 10.0.0.1", ADDRESS_IS_NO_ADDRESS },
	{ "10.0.0.1 ", ADDRESS_IS_NO_ADDRESS },
	{ "10.0.0.-1", ADDRESS_IS_NO_ADDRESS },
	{ "10.0.0.0x1", ADDRESS_IS_NO_ADDRESS },
	{ "10.0.0.256", ADDRESS_HAS_LARGE_NUMBER },
	{ "10.0.0.99999999999999999999", ADDRESS_HAS_LARGE_NUMBER },
	{ "10.0.0.01", ADDRESS_HAS_LEADING_ZERO },
	{ "010.0.0.1", ADDRESS_HAS_LEADING_ZERO },
	{ "10.0.0.00", ADDRESS_HAS_LEADING_ZERO },
	{ ":", ADDRESS_IS_NO_ADDRESS },
	{ ":::", ADDRESS_IS_NO_ADDRESS },
	{ "1:", ADDRESS_IS_NO_ADDRESS },
	{ ":1", ADDRESS_IS_NO_ADDRESS },
	{ "1:2:3:4:5:6:7", ADDRESS_HAS_WRONG_COUNT },
	{ "1:2:3:4:5:6:7:8:9", ADDRESS_HAS_WRONG_COUNT },
	{ "1:2:3:4:5:6:7:8:", ADDRESS_IS_NO_ADDRESS },
	{ "1:2:3:4:5:6:7:8::", ADDRESS_HAS_WRONG_COUNT },
	{ "::1:2:3:4:5:6:7:8", ADDRESS_HAS_WRONG_COUNT },
	{ "1:2:3:4::5:6:7:8", ADDRESS_HAS_WRONG_COUNT },
	{ "fd00::1::2", ADDRESS_HAS_TWO_GAPS },
	{ "fd00::12345", ADDRESS_HAS_LONG_GROUP },
	{ "fd00::00001", ADDRESS_HAS_LONG_GROUP },
	{ "fd00::g", ADDRESS_IS_NO_ADDRESS },
	{ "fd00::1 ", ADDRESS_IS_NO_ADDRESS },
	{ "fe80::1%eth0", ADDRESS_HAS_ZONE },
	{ "10.0.0.1%eth0", ADDRESS_HAS_ZONE },
	{ "[fd00::1]", ADDRESS_HAS_BRACKETS },
	{ "[fd00::1]:7600", ADDRESS_HAS_BRACKETS },
	{ "10.0.0.1:7600", ADDRESS_IS_NO_ADDRESS },
	{ "fd00::1.2.3", ADDRESS_HAS_WRONG_COUNT },
	{ "fd00::1.2.3.256", ADDRESS_HAS_LARGE_NUMBER },
	{ "fd00::1.2.3.04", ADDRESS_HAS_LEADING_ZERO },
	{ "1.2.3.4::", ADDRESS_IS_NO_ADDRESS },
	{ "1:2:3:4:5:6:7:1.2.3.4", ADDRESS_HAS_WRONG_COUNT },
	{ "1:2:3:4:5:6::1.2.3.4", ADDRESS_HAS_WRONG_COUNT },
};

static void what_is_bad_is_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		struct address address = { .family = 77 };
		enum address_fault fault =
			address_parse(bad[i].text, strlen(bad[i].text), &address);
		if (fault != bad[i].fault)
			fail_msg("'%s' %s", bad[i].text, address_fault_text(fault));
		assert_int_equal(address.family, 77); /* untouched */
	}
	for (int fault = 0; fault < ADDRESS_FAULT_COUNT; fault++)
		assert_true(strlen(address_fault_text((enum address_fault)fault)) > 0);
}

/* A text is as long as it is said to be: what stands behind it is not read. */
static void only_so_much_is_read(void **state)
{
	(void)state;
	struct address address;
	char shown[ADDRESS_TEXT_SIZE];

	assert_int_equal(address_parse("10.0.0.12", 8, &address), ADDRESS_IS_GOOD);
	assert_string_equal(address_format(&address, shown), "10.0.0.1");
	assert_int_equal(address_parse("fd00::12", 7, &address), ADDRESS_IS_GOOD);
	assert_string_equal(address_format(&address, shown), "fd00::1");
	assert_int_equal(address_parse("10.0.0.1\0x", 10, &address), ADDRESS_IS_NO_ADDRESS);
}

static const struct {
	const char *text;
	enum address_fault of_service;
} uses[] = {
	{ "0.255.255.255", ADDRESS_IS_UNSPECIFIED },
	{ "1.0.0.0", ADDRESS_IS_GOOD },
	{ "126.255.255.255", ADDRESS_IS_GOOD },
	{ "127.0.0.0", ADDRESS_IS_LOOPBACK },
	{ "127.255.255.255", ADDRESS_IS_LOOPBACK },
	{ "128.0.0.0", ADDRESS_IS_GOOD },
	{ "223.255.255.255", ADDRESS_IS_GOOD },
	{ "224.0.0.0", ADDRESS_IS_MULTICAST },
	{ "239.255.255.255", ADDRESS_IS_MULTICAST },
	{ "240.0.0.0", ADDRESS_IS_GOOD },
	{ "255.255.255.254", ADDRESS_IS_GOOD },
	{ "255.255.255.255", ADDRESS_IS_BROADCAST },
	{ "::", ADDRESS_IS_UNSPECIFIED },
	{ "::1", ADDRESS_IS_LOOPBACK },
	{ "::2", ADDRESS_IS_GOOD },
	{ "::ffff:0.0.0.0", ADDRESS_IS_MAPPED },
	{ "::ffff:255.255.255.255", ADDRESS_IS_MAPPED },
	{ "::fffe:255.255.255.255", ADDRESS_IS_GOOD },
	{ "::1:0:0:0", ADDRESS_IS_GOOD },
	{ "fe7f:ffff::1", ADDRESS_IS_GOOD },
	{ "fe80::1", ADDRESS_IS_LINK_LOCAL },
	{ "febf:ffff::1", ADDRESS_IS_LINK_LOCAL },
	{ "fec0::1", ADDRESS_IS_GOOD },
	{ "feff::1", ADDRESS_IS_GOOD },
	{ "ff00::", ADDRESS_IS_MULTICAST },
	{ "ffff::1", ADDRESS_IS_MULTICAST },
};

static void what_is_no_hosts_is_refused(void **state)
{
	(void)state;
	const struct address none = { .family = ADDRESS_NONE };

	for (size_t i = 0; i < ARRAY_COUNT(uses); i++) {
		struct address address = parsed(uses[i].text);
		enum address_fault of_node = uses[i].of_service == ADDRESS_IS_LOOPBACK
						     ? ADDRESS_IS_GOOD
						     : uses[i].of_service;
		enum address_fault fault = address_check(&address, ADDRESS_OF_SERVICE);
		if (fault != uses[i].of_service)
			fail_msg("%s %s", uses[i].text, address_fault_text(fault));
		assert_int_equal(address_check(&address, ADDRESS_OF_TARGET), uses[i].of_service);
		assert_int_equal(address_check(&address, ADDRESS_OF_NODE), of_node);
		struct address read = { .family = 77 };
		assert_int_equal(address_read(uses[i].text, ADDRESS_OF_NODE, &read), of_node);
		assert_int_equal(read.family, of_node == ADDRESS_IS_GOOD ? address.family : 77);
	}
	assert_int_equal(address_check(&none, ADDRESS_OF_NODE), ADDRESS_IS_EMPTY);
}

static const struct {
	const char *text;
	uint8_t prefix;
	enum address_fault fault;
} in_networks[] = {
	{ "10.0.0.0", 24, ADDRESS_IS_NETWORK },
	{ "10.0.0.1", 24, ADDRESS_IS_GOOD },
	{ "10.0.0.254", 24, ADDRESS_IS_GOOD },
	{ "10.0.0.255", 24, ADDRESS_IS_NETWORK_BROADCAST },
	{ "10.0.1.0", 23, ADDRESS_IS_GOOD },
	{ "10.0.0.255", 23, ADDRESS_IS_GOOD },
	{ "10.0.1.255", 23, ADDRESS_IS_NETWORK_BROADCAST },
	{ "10.0.0.4", 30, ADDRESS_IS_NETWORK },
	{ "10.0.0.7", 30, ADDRESS_IS_NETWORK_BROADCAST },
	{ "10.0.0.4", 31, ADDRESS_IS_GOOD },
	{ "10.0.0.7", 31, ADDRESS_IS_GOOD },
	{ "10.0.0.0", 32, ADDRESS_IS_GOOD },
	{ "128.0.0.0", 1, ADDRESS_IS_NETWORK },
	{ "fd00::", 64, ADDRESS_IS_ROUTERS },
	{ "fd00::1", 64, ADDRESS_IS_GOOD },
	{ "fd00::ffff:ffff:ffff:ffff", 64, ADDRESS_IS_GOOD },
	{ "fd00:0:0:1::", 63, ADDRESS_IS_GOOD },
	{ "fd00::4", 126, ADDRESS_IS_ROUTERS },
	{ "fd00::4", 127, ADDRESS_IS_GOOD },
	{ "fd00::", 128, ADDRESS_IS_GOOD },
};

static void what_is_no_hosts_in_its_network_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(in_networks); i++) {
		struct address address = parsed(in_networks[i].text);
		enum address_fault fault = address_check_in(&address, in_networks[i].prefix);
		if (fault != in_networks[i].fault)
			fail_msg("%s/%u %s", in_networks[i].text, in_networks[i].prefix,
				address_fault_text(fault));
	}
}

static void ports_stand_behind_brackets(void **state)
{
	(void)state;
	char shown[ADDRESS_PORT_TEXT_SIZE], plain[ADDRESS_TEXT_SIZE];
	struct address four = parsed("10.0.0.1"), six = parsed("fd00::1");
	struct address longest = parsed("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	const struct address none = { .family = ADDRESS_NONE };

	assert_string_equal(address_format_port(&four, 7600, shown), "10.0.0.1:7600");
	assert_string_equal(address_format_port(&six, 0, shown), "[fd00::1]:0");
	assert_string_equal(address_format_port(&longest, UINT16_MAX, shown),
		"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
	assert_int_equal(strlen(shown) + 1, ADDRESS_PORT_TEXT_SIZE);
	assert_int_equal(strlen(address_format(&longest, plain)) + 1, ADDRESS_TEXT_SIZE);
	assert_string_equal(address_format(&none, plain), "");
}

static const struct {
	const char *address, *network;
	uint8_t prefix;
	bool is_inside;
} networks[] = {
	{ "10.0.0.1", "10.0.0.2", 24, true },
	{ "10.0.1.1", "10.0.0.2", 24, false },
	{ "10.0.1.1", "10.0.0.2", 23, true },
	{ "10.0.0.1", "10.0.0.1", 32, true },
	{ "10.0.0.1", "10.0.0.0", 32, false },
	{ "10.0.0.1", "200.0.0.0", 0, true },
	{ "10.0.0.128", "10.0.0.1", 25, false },
	{ "10.0.0.127", "10.0.0.1", 25, true },
	{ "fd00::1", "fd00::ffff", 64, true },
	{ "fd00:0:0:1::1", "fd00::ffff", 64, false },
	{ "fd00:0:0:1::1", "fd00::1", 63, true },
	{ "fd00::1", "fd00::1", 128, true },
	{ "fd00::1", "fd00::2", 128, false },
	{ "fd00::3", "fd00::2", 127, true },
	{ "fd00::1", "2001::1", 0, true },
	{ "10.0.0.1", "fd00::1", 0, false },
	{ "::a00:1", "10.0.0.1", 0, false },
};

static void networks_hold_their_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(networks); i++) {
		struct address address = parsed(networks[i].address);
		struct address network = parsed(networks[i].network);
		if (address_is_in_network(&address, &network, networks[i].prefix) !=
			networks[i].is_inside)
			fail_msg("%s in %s/%u", networks[i].address, networks[i].network,
				networks[i].prefix);
	}
}

static void equal_means_family_and_bytes(void **state)
{
	(void)state;
	struct address four = parsed("10.0.0.1"), other = parsed("10.0.0.2");
	struct address six = parsed("a00:1::"), again = parsed("a00:1:0::");

	assert_true(address_is_equal(&four, &four));
	assert_false(address_is_equal(&four, &other));
	assert_memory_equal(four.bytes, six.bytes, sizeof(six.bytes)); /* the same bytes */
	assert_false(address_is_equal(&four, &six));
	assert_true(address_is_equal(&six, &again));
	assert_int_equal(address_prefix_max(&four), 32);
	assert_int_equal(address_prefix_max(&six), 128);
}

#define STEPS 300000

/* Texts that look like addresses: the C library's reader agrees on each, where we accept it; where
 * only we refuse, it is for what a use forbids. */
static void the_c_library_agrees(void **state)
{
	static const char letters[] = "0123456789abcdefFg:::::....%[ ";
	unsigned int seed = 77;
	int accepted = 0;

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		char text[24], shown[ADDRESS_TEXT_SIZE], theirs[INET6_ADDRSTRLEN];
		size_t size = (size_t)(rand_r(&seed) % 20);
		for (size_t i = 0; i < size; i++)
			text[i] = letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1) %
					  (step % 2 == 0 ? 30u : 4u + (unsigned int)step % 25u)];
		text[size] = '\0';
		struct address address;
		uint8_t bytes[ADDRESS_IPV6_SIZE];
		bool is_six = strchr(text, ':') != NULL;
		bool is_theirs = inet_pton(is_six ? AF_INET6 : AF_INET, text, bytes) == 1;
		bool is_ours = address_parse(text, size, &address) == ADDRESS_IS_GOOD;
		if (is_ours != is_theirs)
			fail_msg("'%s': ours %d, theirs %d", text, is_ours, is_theirs);
		if (!is_ours)
			continue;
		accepted++;
		assert_memory_equal(address.bytes, bytes, address_size(&address));
		(void)inet_ntop(is_six ? AF_INET6 : AF_INET, bytes, theirs, sizeof(theirs));
		if (strchr(theirs, '.') == NULL || !is_six) /* it shows ::1.2.3.4 */
			assert_string_equal(address_format(&address, shown), theirs);
	}
	assert_true(accepted > 100);
}

/* Every address shown is read as itself. */
static void every_address_is_read_again(void **state)
{
	unsigned int seed = 78;

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		char shown[ADDRESS_TEXT_SIZE];
		uint8_t bytes[ADDRESS_IPV6_SIZE];
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = rand_r(&seed) % 3 != 0 ? 0 : (uint8_t)rand_r(&seed);
		struct address address =
			address_make(step % 4 == 0 ? ADDRESS_IPV4 : ADDRESS_IPV6, bytes);
		struct address again = parsed(address_format(&address, shown));
		assert_memory_equal(&address, &again, sizeof(again));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_good_is_shown_in_one_form),
		cmocka_unit_test(what_is_bad_is_told_apart),
		cmocka_unit_test(only_so_much_is_read),
		cmocka_unit_test(what_is_no_hosts_is_refused),
		cmocka_unit_test(what_is_no_hosts_in_its_network_is_refused),
		cmocka_unit_test(ports_stand_behind_brackets),
		cmocka_unit_test(networks_hold_their_own),
		cmocka_unit_test(equal_means_family_and_bytes),
		cmocka_unit_test(the_c_library_agrees),
		cmocka_unit_test(every_address_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
