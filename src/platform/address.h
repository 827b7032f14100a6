/*
 * IPv4 addresses of this machine: adding one that the kernel itself forgets after a while, removing
 * it, and seeing others remove it (rtnetlink, through libmnl).
 *
 * The lifetime is the kernel's, in whole seconds: a daemon that is stopped or dead loses the
 * address without doing anything (R15). No prefix route is made, so that nothing else depends on
 * it. Not for: when to hold it. One thread.
 */
#ifndef EVENKEEL_PLATFORM_ADDRESS_H
#define EVENKEEL_PLATFORM_ADDRESS_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

#define MAC_SIZE 6

struct netlink;

struct interface {
	int index;
	char name[IF_NAMESIZE];
	uint8_t mac[MAC_SIZE];
	uint8_t prefix;	       /* of the network that holds the address asked for */
	struct in_addr source; /* this machine's own address in that network; zero: none */
};

struct address_place {
	int interface; /* index */
	struct in_addr address;
	uint8_t prefix;
};

struct netlink_change {
	bool is_removed; /* else added or renewed */
	struct address_place place;
};

int netlink_open(struct netlink **out_netlink) MUST_CHECK;
void netlink_close(struct netlink *netlink);
/* Readable when address_next_change() has something. */
int netlink_fd(const struct netlink *netlink);

/* The interface of that name, or, if it is empty, the one whose network holds the address; one with
 * a hardware address. Errors: -ENODEV: there is none now. */
int address_find_interface(
	struct in_addr address, const char *name, struct interface *out_interface) MUST_CHECK;
/* Is it on any interface of this machine? */
bool address_is_here(struct in_addr address);
/* Does this hardware address belong to this machine? */
bool address_is_own_mac(const uint8_t mac[MAC_SIZE]);
/* Adds, or renews the lifetime. Errors: as the kernel says. */
int address_put(
	struct netlink *netlink, const struct address_place *place, uint32_t lifetime_s) MUST_CHECK;
/* Errors: -EADDRNOTAVAIL: it was not there. */
int address_remove(struct netlink *netlink, const struct address_place *place) MUST_CHECK;
/* Errors: -EAGAIN: no more; -ENOBUFS: changes were lost, look for yourself. */
int address_next_change(struct netlink *netlink, struct netlink_change *out_change) MUST_CHECK;

/*
 * Ends all TCP connections of this local address with a reset, so that clients know at once (as
 * `ss -K` does, needs CONFIG_INET_DIAG_DESTROY). Errors: -EOPNOTSUPP: the kernel cannot.
 */
int address_reset_connections(struct in_addr address) MUST_CHECK;

#endif
