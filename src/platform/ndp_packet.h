/*
 * The packets of neighbour discovery (RFC 4861 sections 4.3 and 4.4), from the IPv6 header on: made,
 * and read as strictly as section 7.1 asks. Not for: sockets (platform/ndp.h). Any thread.
 */
#ifndef EVENKEEL_PLATFORM_NDP_PACKET_H
#define EVENKEEL_PLATFORM_NDP_PACKET_H

#include "base/buf.h"
#include "base/macros.h"
#include "platform/neighbour.h"

/* IPv6 header, ICMPv6 header, target, one option with a hardware address. */
#define NDP_PACKET_SIZE_MAX (40 + 8 + 16 + 8)
#define NDP_HOP_LIMIT	    255

struct ndp_packet {
	struct address destination; /* a multicast group: it says the hardware address too */
	uint8_t data[NDP_PACKET_SIZE_MAX];
	size_t size;
};

/* "Who has target?" from sender at mac; no sender (family zero) makes it the probe of duplicate
 * detection (RFC 4862 section 5.4.2). Both are IPv6. */
void ndp_make_question(const struct address *sender, const struct address *target,
	const uint8_t mac[MAC_SIZE], struct ndp_packet *out_packet);
/* "The address is at mac", unasked, to all nodes; what they knew of it is to be forgotten (RFC 4861
 * section 7.2.6). */
void ndp_make_announcement(
	const struct address *address, const uint8_t mac[MAC_SIZE], struct ndp_packet *out_packet);
/* ff02::1:ffXX:XXXX, where whoever has the address listens (RFC 4291 section 2.7.1). */
struct address ndp_solicited_group(const struct address *address);
/* 33:33:XX:XX:XX:XX (RFC 2464 section 7). */
void ndp_group_mac(const struct address *group, uint8_t out_mac[MAC_SIZE]);

/* Who says in the packet that it has which address; frame_mac sent it, and counts if it names no
 * other. Errors: -EBADMSG: it is damaged, comes from another link, is of no such kind, or is a probe,
 * whose sender has nothing yet. */
int ndp_read(struct bytes packet, const uint8_t frame_mac[MAC_SIZE],
	struct neighbour_claim *out_claim) MUST_CHECK;

#endif
