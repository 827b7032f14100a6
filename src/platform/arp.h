/*
 * ARP on one interface: asking who has an address, saying that we have it, and hearing others
 * (RFC 826; probes and announcements as RFC 5227 has them). Not for: IPv6. One thread for each.
 */
#ifndef EVENKEEL_PLATFORM_ARP_H
#define EVENKEEL_PLATFORM_ARP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "platform/address.h"

struct arp_packet {
	bool is_reply;
	uint8_t sender_mac[MAC_SIZE];
	struct in_addr sender, target;
};

/* A packet socket that sees the interface's ARP, non-blocking. Errors: as of socket(2), bind(2). */
int arp_open(const struct interface *interface, int *out_socket) MUST_CHECK;
/* "Who has target?" from sender; a sender of zero makes it a probe that changes nobody's table. */
int arp_ask(int socket, const struct interface *interface, struct in_addr sender,
	struct in_addr target) MUST_CHECK;
/* Gratuitous ARP, as a request and as a reply: some equipment learns from one only. */
int arp_announce(int socket, const struct interface *interface, struct in_addr address) MUST_CHECK;
/* Errors: -EAGAIN: nothing there; -EBADMSG: not ARP for IPv4 on Ethernet; -ENETDOWN. */
int arp_receive(int socket, struct arp_packet *out_packet) MUST_CHECK;

#endif
