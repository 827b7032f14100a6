/*
 * An address of a host, of either family, as a value: read from text, shown, compared.
 *
 * Text is read strictly: whatever has two readings, or counts on one machine only, is refused with
 * its reason. Shown is the one form that RFC 5952 recommends, so that equal addresses are equal
 * texts. All bytes that a family does not use are zero: values may be compared as bytes.
 *
 * Not for: sockets (platform/socket_address.h), prefixes and interfaces (api/config.h). Any thread.
 */
#ifndef EVENKEEL_BASE_ADDRESS_H
#define EVENKEEL_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_IPV4_SIZE 4
#define ADDRESS_IPV6_SIZE 16
/* The longest one shown, eight groups of four digits, terminator included. */
#define ADDRESS_TEXT_SIZE 40
/* The same with brackets and a port. */
#define ADDRESS_PORT_TEXT_SIZE (ADDRESS_TEXT_SIZE + 8)

enum address_family { ADDRESS_NONE, ADDRESS_IPV4, ADDRESS_IPV6 };

struct address {
	uint8_t family;			  /* enum address_family; zero: no address */
	uint8_t bytes[ADDRESS_IPV6_SIZE]; /* as on the wire; of IPv4 the first four */
};

/* Why a text is no address, or why an address is none for its use. */
enum address_fault {
	ADDRESS_IS_GOOD,
	/* of the text */
	ADDRESS_IS_EMPTY,
	ADDRESS_IS_NO_ADDRESS,
	ADDRESS_HAS_LEADING_ZERO,
	ADDRESS_HAS_LARGE_NUMBER,
	ADDRESS_HAS_WRONG_COUNT,
	ADDRESS_HAS_LONG_GROUP,
	ADDRESS_HAS_TWO_GAPS,
	ADDRESS_HAS_ZONE,
	ADDRESS_HAS_BRACKETS,
	/* of the use */
	ADDRESS_IS_MAPPED,
	ADDRESS_IS_UNSPECIFIED,
	ADDRESS_IS_LOOPBACK,
	ADDRESS_IS_MULTICAST,
	ADDRESS_IS_BROADCAST,
	ADDRESS_IS_LINK_LOCAL,
	/* of the network */
	ADDRESS_IS_NETWORK,
	ADDRESS_IS_NETWORK_BROADCAST,
	ADDRESS_IS_ROUTERS,
	ADDRESS_FAULT_COUNT
};

enum address_use {
	ADDRESS_OF_NODE,   /* loopback may be: a cluster on one machine, for trying */
	ADDRESS_OF_TARGET, /* another host's */
	ADDRESS_OF_SERVICE,
};

/* The first size bytes of text. out_address is written only if the text is good. */
enum address_fault address_parse(const char *text, size_t size, struct address *out_address);
/* Whether it can be used for that. */
enum address_fault address_check(const struct address *address, enum address_use use);
/* Whether it can be a host's, in a network of that prefix. */
enum address_fault address_check_in(const struct address *address, uint8_t prefix);
/* address_parse() and address_check(), of a terminated text. */
enum address_fault address_read(
	const char *text, enum address_use use, struct address *out_address);
/* "has a number above 255": goes on after "found 'X', which". Never NULL. */
const char *address_fault_text(enum address_fault fault);

/* The text, also returned; no address is an empty text. */
const char *address_format(const struct address *address, char out[ADDRESS_TEXT_SIZE]);
/* 10.0.0.1:7600, [fd00::1]:7600. */
const char *address_format_port(
	const struct address *address, uint16_t port, char out[ADDRESS_PORT_TEXT_SIZE]);

/* bytes: four or sixteen, by family, in the order of the wire. */
struct address address_make(enum address_family family, const void *bytes);
bool address_is_equal(const struct address *a, const struct address *b);
/* Whether both lie in one network of that prefix; never, if the families differ. */
bool address_is_in_network(
	const struct address *address, const struct address *network, uint8_t prefix);
/* How many bytes, and bits, the family has; zero without a family. */
size_t address_size(const struct address *address);
uint8_t address_prefix_max(const struct address *address);

#endif
