/*
 * ARP on one interface: asking who has an address, saying that we have it, and hearing others
 * (RFC 826; probes and announcements as RFC 5227 has them). Not for: IPv6 (platform/ndp.h). One thread for each.
 */
#ifndef EVENKEEL_PLATFORM_ARP_H
#define EVENKEEL_PLATFORM_ARP_H

#include <stdint.h>

#include "base/macros.h"
#include "platform/neighbour.h"

/* A packet socket that sees the interface's ARP, non-blocking. Errors: as of socket(2), bind(2). */
int arp_open(const struct interface *interface, int *out_socket) MUST_CHECK;
/* "Who has target?" from sender; no sender (family zero) makes it a probe that changes nobody's
 * table. Both are IPv4. */
int arp_ask(int socket, const struct interface *interface, const struct address *sender,
	const struct address *target) MUST_CHECK;
/* Gratuitous ARP, as a request and as a reply: some equipment learns from one only. */
int arp_announce(
	int socket, const struct interface *interface, const struct address *address) MUST_CHECK;
/* Who says in the next packet that it has which address. Errors: -EAGAIN: nothing there; -EBADMSG:
 * not ARP for IPv4 on Ethernet, or a probe, whose sender has nothing yet; -ENETDOWN. */
int arp_receive(int socket, struct neighbour_claim *out_claim) MUST_CHECK;

#endif
