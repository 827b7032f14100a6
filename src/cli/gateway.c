/*
 * /proc/net/route, addresses in the machine's byte order:
 *	INTERFACE DESTINATION GATEWAY FLAGS REFERENCES USE METRIC MASK ...
 * /proc/net/ipv6_route, addresses in the wire's order, without a separator:
 *	DESTINATION PREFIX SOURCE PREFIX GATEWAY METRIC REFERENCES USE FLAGS INTERFACE
 * Numbers are hexadecimal, but for the metric of the first.
 */
#include "cli/gateway.h"

#include <stdint.h>
#include <string.h>

#define LINE_SIZE   512
#define DIGITS_IPV6 (2 * ADDRESS_IPV6_SIZE)

struct route {
	struct address gateway;
	unsigned long metric;
};

/* Gives false for what is no default route over a gateway. */
static bool parse_ipv4(const char *line, struct route *out_route)
{
	unsigned int destination, gateway, flags, mask;
	if (sscanf(line, "%*s %x %x %x %*d %*u %lu %x", &destination, &gateway, &flags,
		    &out_route->metric, &mask) != 5 ||
		destination != 0 || mask != 0)
		return false;
	out_route->gateway = address_make(ADDRESS_IPV4, &gateway);
	return true;
}

static bool parse_ipv6(const char *line, struct route *out_route)
{
	uint8_t bytes[ADDRESS_IPV6_SIZE];
	char destination[DIGITS_IPV6 + 1], gateway[DIGITS_IPV6 + 1];
	unsigned int prefix, metric;
	if (sscanf(line, "%32s %x %*32s %*x %32s %x", destination, &prefix, gateway, &metric) !=
			4 ||
		strspn(destination, "0") != DIGITS_IPV6 || prefix != 0 ||
		strlen(gateway) != DIGITS_IPV6)
		return false;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		unsigned int byte;
		if (sscanf(gateway + 2 * i, "%2x", &byte) != 1)
			return false;
		bytes[i] = (uint8_t)byte;
	}
	out_route->metric = metric;
	out_route->gateway = address_make(ADDRESS_IPV6, bytes);
	return true;
}

/* The one with the smallest metric. */
bool gateway_find_in(FILE *table, enum address_family family, struct address *out_gateway)
{
	struct route best = { .metric = 0 }, route;
	char line[LINE_SIZE];
	while (fgets(line, sizeof(line), table) != NULL) {
		bool is_default = family == ADDRESS_IPV6 ? parse_ipv6(line, &route)
							 : parse_ipv4(line, &route);
		if (!is_default ||
			address_check(&route.gateway, ADDRESS_OF_TARGET) != ADDRESS_IS_GOOD ||
			(best.gateway.family != ADDRESS_NONE && route.metric >= best.metric))
			continue;
		best = route;
	}
	if (best.gateway.family == ADDRESS_NONE)
		return false;
	*out_gateway = best.gateway;
	return true;
}

static bool find_of(enum address_family family, struct address *out_gateway)
{
	FILE *table =
		fopen(family == ADDRESS_IPV6 ? "/proc/net/ipv6_route" : "/proc/net/route", "re");
	if (table == NULL)
		return false;
	bool is_found = gateway_find_in(table, family, out_gateway);
	fclose(table);
	return is_found;
}

bool gateway_find(enum address_family family, struct address *out_gateway)
{
	enum address_family other = family == ADDRESS_IPV6 ? ADDRESS_IPV4 : ADDRESS_IPV6;
	return find_of(family, out_gateway) || find_of(other, out_gateway);
}
