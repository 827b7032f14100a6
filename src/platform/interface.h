/*
 * The network interfaces of this machine: on which one an address belongs, what is on them. Asked
 * of the kernel anew each time, unless a list is given: one look for many addresses. Not for: changing
 * anything (platform/netlink.h). Any thread.
 */
#ifndef EVENKEEL_PLATFORM_INTERFACE_H
#define EVENKEEL_PLATFORM_INTERFACE_H

#include <ifaddrs.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/macros.h"

#define MAC_SIZE 6

struct interface {
	int index;
	char name[IF_NAMESIZE];
	uint8_t mac[MAC_SIZE];
	struct address source; /* this machine's own address in that network, or none */
};

/* What is there now: gives out_list, freeifaddrs(3). Errors: as of getifaddrs(3). */
int interface_list(struct ifaddrs **out_list) MUST_CHECK;
/* The interface of that name, or, if it is empty, the one whose network holds the address; one with
 * a hardware address. In the list, which is borrowed. Errors: -ENODEV: there is none now. */
int interface_find_in(const struct ifaddrs *list, const struct address *address, const char *name,
	struct interface *out_interface) MUST_CHECK;
/* Is there an interface of this number in the list? */
bool interface_is_in(const struct ifaddrs *list, int index);
/* Is the address on any interface of this machine? */
bool interface_has_address(const struct address *address);
/* The address of one entry of getifaddrs(3) and the prefix of its network; false if it is of neither
 * family. */
bool interface_entry(const struct ifaddrs *entry, struct address *out_address, uint8_t *out_prefix);
/* Does this hardware address belong to this machine? */
bool interface_has_mac(const uint8_t mac[MAC_SIZE]);

#endif
