#include "platform/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

int socket_family(const struct address *address)
{
	if (address->family == ADDRESS_IPV4)
		return AF_INET;
	return address->family == ADDRESS_IPV6 ? AF_INET6 : AF_UNSPEC;
}

socklen_t socket_address_fill(
	const struct address *address, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	memset(out, 0, sizeof(*out));
	if (address->family == ADDRESS_IPV4) {
		memcpy(&in.sin_addr, address->bytes, sizeof(in.sin_addr));
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(&in6.sin6_addr, address->bytes, sizeof(in6.sin6_addr));
	if (address->family == ADDRESS_IPV6)
		memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

struct address socket_address_take(const struct sockaddr *from)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (from->sa_family == AF_INET) {
		memcpy(&in, from, sizeof(in));
		return address_make(ADDRESS_IPV4, &in.sin_addr);
	}
	if (from->sa_family == AF_INET6) {
		memcpy(&in6, from, sizeof(in6));
		return address_make(ADDRESS_IPV6, &in6.sin6_addr);
	}
	return (struct address){ .family = ADDRESS_NONE };
}
