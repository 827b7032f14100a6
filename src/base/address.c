/* What an address is, and its one text: of IPv6 the form of RFC 5952 section 4. */
#include "base/address.h"

#include "base/macros.h"

#define GROUPS 8

/* ---- what an address is ---- */

static bool is_zero(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* ::ffff:0:0/96 */
static bool is_mapped(const uint8_t bytes[ADDRESS_IPV6_SIZE])
{
	return is_zero(bytes, 10) && bytes[10] == 0xff && bytes[11] == 0xff;
}

static enum address_fault classify_ipv4(const uint8_t bytes[ADDRESS_IPV4_SIZE])
{
	if (bytes[0] == 0)
		return ADDRESS_IS_UNSPECIFIED;
	if (bytes[0] == 127)
		return ADDRESS_IS_LOOPBACK;
	if ((bytes[0] & 0xf0) == 224)
		return ADDRESS_IS_MULTICAST;
	if ((bytes[0] & bytes[1] & bytes[2] & bytes[3]) == 0xff)
		return ADDRESS_IS_BROADCAST;
	return ADDRESS_IS_GOOD;
}

static enum address_fault classify_ipv6(const uint8_t bytes[ADDRESS_IPV6_SIZE])
{
	if (is_zero(bytes, ADDRESS_IPV6_SIZE))
		return ADDRESS_IS_UNSPECIFIED;
	if (is_zero(bytes, ADDRESS_IPV6_SIZE - 1) && bytes[ADDRESS_IPV6_SIZE - 1] == 1)
		return ADDRESS_IS_LOOPBACK;
	if (is_mapped(bytes))
		return ADDRESS_IS_MAPPED;
	if (bytes[0] == 0xff)
		return ADDRESS_IS_MULTICAST;
	if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80)
		return ADDRESS_IS_LINK_LOCAL;
	return ADDRESS_IS_GOOD;
}

enum address_fault address_check(const struct address *address, enum address_use use)
{
	enum address_fault fault = ADDRESS_IS_EMPTY;

	if (address->family == ADDRESS_IPV4)
		fault = classify_ipv4(address->bytes);
	else if (address->family == ADDRESS_IPV6)
		fault = classify_ipv6(address->bytes);
	return fault == ADDRESS_IS_LOOPBACK && use == ADDRESS_OF_NODE ? ADDRESS_IS_GOOD : fault;
}

/* Bits from this one on, all of the value (0 or 1). */
static bool is_rest(const struct address *address, uint8_t from, unsigned int value)
{
	for (unsigned int bit = from; bit < address_prefix_max(address); bit++)
		if ((address->bytes[bit / 8] >> (7 - bit % 8) & 1U) != value)
			return false;
	return true;
}

/* A network of one or two hosts has none of these (RFC 3021, RFC 6164). */
enum address_fault address_check_in(const struct address *address, uint8_t prefix)
{
	uint8_t bits = address_prefix_max(address);

	CHECK(prefix <= bits);
	if (bits - prefix < 2)
		return ADDRESS_IS_GOOD;
	if (is_rest(address, prefix, 0))
		return address->family == ADDRESS_IPV6 ? ADDRESS_IS_ROUTERS : ADDRESS_IS_NETWORK;
	return address->family == ADDRESS_IPV4 && is_rest(address, prefix, 1)
		       ? ADDRESS_IS_NETWORK_BROADCAST
		       : ADDRESS_IS_GOOD;
}

const char *address_fault_text(enum address_fault fault)
{
	static const char *const texts[ADDRESS_FAULT_COUNT] = {
		[ADDRESS_IS_GOOD] = "is an address",
		[ADDRESS_IS_EMPTY] = "is empty",
		[ADDRESS_IS_NO_ADDRESS] = "is no address",
		[ADDRESS_HAS_LEADING_ZERO] =
			"has a number with a zero before it, which some read as octal",
		[ADDRESS_HAS_LARGE_NUMBER] = "has a number above 255",
		[ADDRESS_HAS_WRONG_COUNT] = "has too few or too many parts",
		[ADDRESS_HAS_LONG_GROUP] = "has a group of more than four digits",
		[ADDRESS_HAS_TWO_GAPS] = "has '::' twice",
		[ADDRESS_HAS_ZONE] = "has a zone (%): it counts on one link only",
		[ADDRESS_HAS_BRACKETS] =
			"has brackets: an address stands here alone, without a port",
		[ADDRESS_IS_MAPPED] = "is an IPv4 address in IPv6's clothes: write it as 10.0.0.1",
		[ADDRESS_IS_UNSPECIFIED] = "stands for no host",
		[ADDRESS_IS_LOOPBACK] = "is a host's own loopback address",
		[ADDRESS_IS_MULTICAST] = "is a multicast address, of a group of hosts",
		[ADDRESS_IS_BROADCAST] = "is the broadcast address, of all hosts",
		[ADDRESS_IS_LINK_LOCAL] = "is link-local: it counts on one link only",
		[ADDRESS_IS_NETWORK] = "is the address of its network itself, of no host",
		[ADDRESS_IS_NETWORK_BROADCAST] =
			"is the broadcast address of its network, of all hosts there",
		[ADDRESS_IS_ROUTERS] = ("is the address of all routers of its network "
					"(subnet-router anycast), of no one host"),
	};

	CHECK(fault < ADDRESS_FAULT_COUNT);
	return texts[fault];
}

/* ---- showing ---- */

static char *put_decimal(char *out, unsigned int value)
{
	char digits[5];
	int count = 0;

	do {
		digits[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	while (count > 0)
		*out++ = digits[--count];
	return out;
}

static char *put_hexadecimal(char *out, unsigned int value)
{
	bool is_begun = false;

	for (int shift = 12; shift >= 0; shift -= 4) {
		unsigned int digit = value >> shift & 15;
		is_begun = is_begun || digit != 0 || shift == 0;
		if (is_begun)
			*out++ = "0123456789abcdef"[digit];
	}
	return out;
}

static char *put_ipv4(char *out, const uint8_t *bytes)
{
	for (int i = 0; i < ADDRESS_IPV4_SIZE; i++) {
		if (i > 0)
			*out++ = '.';
		out = put_decimal(out, bytes[i]);
	}
	return out;
}

/* The longest run of zero groups, the first of equals; one alone is no run. */
static int find_gap(const uint8_t *bytes, int *out_count)
{
	int best = GROUPS, best_count = 1;

	for (int begin = 0; begin < GROUPS; begin++) {
		int count = 0;
		while (begin + count < GROUPS && is_zero(bytes + 2 * (begin + count), 2))
			count++;
		if (count > best_count) {
			best = begin;
			best_count = count;
		}
	}
	*out_count = best == GROUPS ? 0 : best_count;
	return best;
}

static char *put_ipv6(char *out, const uint8_t *bytes)
{
	int gap_count, gap = find_gap(bytes, &gap_count);

	for (int i = 0; i < GROUPS; i++) {
		if (i == gap) {
			*out++ = ':';
			*out++ = ':';
			i += gap_count - 1;
			continue;
		}
		if (i > 0 && i != gap + gap_count)
			*out++ = ':';
		out = put_hexadecimal(
			out, (unsigned int)bytes[2 * i] << 8 | (unsigned int)bytes[2 * i + 1]);
	}
	return out;
}

static char *put_address(char *out, const struct address *address)
{
	if (address->family == ADDRESS_IPV4)
		return put_ipv4(out, address->bytes);
	return address->family == ADDRESS_IPV6 ? put_ipv6(out, address->bytes) : out;
}

const char *address_format(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
	*put_address(out, address) = '\0';
	return out;
}

const char *address_format_port(
	const struct address *address, uint16_t port, char out[ADDRESS_PORT_TEXT_SIZE])
{
	bool has_brackets = address->family == ADDRESS_IPV6;
	char *at = out;

	if (has_brackets)
		*at++ = '[';
	at = put_address(at, address);
	if (has_brackets)
		*at++ = ']';
	*at++ = ':';
	*put_decimal(at, port) = '\0';
	return out;
}

/* ---- values ---- */

size_t address_size(const struct address *address)
{
	if (address->family == ADDRESS_IPV4)
		return ADDRESS_IPV4_SIZE;
	return address->family == ADDRESS_IPV6 ? ADDRESS_IPV6_SIZE : 0;
}

uint8_t address_prefix_max(const struct address *address)
{
	return (uint8_t)(8 * address_size(address));
}

struct address address_make(enum address_family family, const void *bytes)
{
	struct address address = { .family = (uint8_t)family };

	__builtin_memcpy(address.bytes, bytes, address_size(&address));
	return address;
}

bool address_is_equal(const struct address *a, const struct address *b)
{
	return a->family == b->family &&
	       __builtin_memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool address_is_in_network(
	const struct address *address, const struct address *network, uint8_t prefix)
{
	size_t whole = prefix / 8, rest = prefix % 8;

	CHECK(prefix <= address_prefix_max(network));
	if (address->family != network->family ||
		__builtin_memcmp(address->bytes, network->bytes, whole) != 0)
		return false;
	return rest == 0 || ((address->bytes[whole] ^ network->bytes[whole]) >> (8 - rest)) == 0;
}
