/* Addresses as the socket calls take and give them, either family. Any thread. */
#ifndef EVENKEEL_PLATFORM_SOCKET_ADDRESS_H
#define EVENKEEL_PLATFORM_SOCKET_ADDRESS_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/macros.h"

/* AF_INET or AF_INET6; AF_UNSPEC without an address. */
int socket_family(const struct address *address);
/* All of out is written; gives the size that bind(2) and its like want, of the address's family. */
socklen_t socket_address_fill(
	const struct address *address, uint16_t port, struct sockaddr_storage *out);
/* No address (family zero) for any other family. */
struct address socket_address_take(const struct sockaddr *from);

#endif
