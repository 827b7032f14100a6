/*
 * Addresses of this machine: adding those that the kernel itself forgets after a while, removing one,
 * and seeing what others do to addresses and interfaces (rtnetlink, through libmnl).
 *
 * The lifetime is the kernel's, in whole seconds: a daemon that is stopped or dead loses the
 * address without doing anything (R15). No prefix route is made, so that nothing else depends on
 * it. An IPv6 address is put without duplicate detection by the kernel, which would take a second
 * (we have asked before, platform/ndp.h), and as deprecated: it serves whoever comes to it, but is
 * no source for connections that this machine itself makes (RFC 6724 rule 3), which would end when
 * the address goes. Not for: when to hold it. One thread.
 */
#ifndef EVENKEEL_PLATFORM_NETLINK_H
#define EVENKEEL_PLATFORM_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/macros.h"

struct netlink;

struct netlink_place {
	int interface; /* index */
	struct address address;
	uint8_t prefix;
};

#define NETLINK_BATCH 64 /* addresses in one datagram to the kernel */

enum netlink_event {
	NETLINK_ADDRESS_ADDED, /* with a network; one that is its own network, as ours are, is not told */
	NETLINK_ADDRESS_REMOVED,
	NETLINK_INTERFACE_GONE, /* place.interface is all there is */
};

struct netlink_change {
	enum netlink_event event;
	struct netlink_place place;
};

int netlink_open(struct netlink **out_netlink) MUST_CHECK;
void netlink_close(struct netlink *netlink);
/* Readable when netlink_next_change() has something. */
int netlink_fd(const struct netlink *netlink);

/* Adds, or renews the lifetime. Errors: as the kernel says; -EACCES: IPv6 is switched off there. */
int netlink_put_address(
	struct netlink *netlink, const struct netlink_place *place, uint32_t lifetime_s) MUST_CHECK;
/* The same for at most NETLINK_BATCH, in one question and few answers; each has its own error.
 * Errors: nothing is known of any of them. */
int netlink_put_addresses(struct netlink *netlink, const struct netlink_place *places, int count,
	uint32_t lifetime_s, int out_errors[NETLINK_BATCH]) MUST_CHECK;
/* Errors: -EADDRNOTAVAIL: it was not there. */
int netlink_remove_address(struct netlink *netlink, const struct netlink_place *place) MUST_CHECK;
/* Errors: -EAGAIN: no more; -ENOBUFS: changes were lost, look for yourself. */
int netlink_next_change(struct netlink *netlink, struct netlink_change *out_change) MUST_CHECK;

#endif
