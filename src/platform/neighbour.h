/* What one learns of a neighbour on a network, by ARP (platform/arp.h) or neighbour discovery
 * (platform/ndp.h). */
#ifndef EVENKEEL_PLATFORM_NEIGHBOUR_H
#define EVENKEEL_PLATFORM_NEIGHBOUR_H

#include "base/address.h"
#include "platform/interface.h"

/* Somebody says that the address is to be found at this hardware address. */
struct neighbour_claim {
	struct address address;
	uint8_t mac[MAC_SIZE];
};

#endif
