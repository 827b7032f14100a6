/*
 * Neighbour discovery on one interface: asking who has an IPv6 address, saying that we have it, and
 * hearing others (RFC 4861; duplicate detection as RFC 4862 section 5.4 has it). What ARP is for
 * IPv4 (platform/arp.h). One thread for each.
 */
#ifndef EVENKEEL_PLATFORM_NDP_H
#define EVENKEEL_PLATFORM_NDP_H

#include "base/address.h"
#include "base/macros.h"
#include "platform/neighbour.h"

struct ndp {
	int packets; /* sees the interface's solicitations and advertisements, non-blocking */
	int groups;  /* holds memberships; -1: this kernel has no IPv6 */
};

/* Gives out_ndp: ndp_close(). Errors: as of socket(2), bind(2). */
int ndp_open(const struct interface *interface, struct ndp *out_ndp) MUST_CHECK;
void ndp_close(struct ndp *ndp);
/*
 * Listens where whoever has the address is asked for it, for as long as this is open: it is told to
 * the switches (MLD), so that those which pass a group only to its members let us hear others ask.
 * Errors: as of setsockopt(2), IPV6_JOIN_GROUP; -EAFNOSUPPORT.
 */
int ndp_listen(const struct ndp *ndp, const struct interface *interface,
	const struct address *address) MUST_CHECK;
/* No more. Errors: likewise; -EADDRNOTAVAIL: it did not listen there. */
int ndp_leave(const struct ndp *ndp, const struct interface *interface,
	const struct address *address) MUST_CHECK;
/* Is who has either of the two asked for at the same place? */
bool ndp_is_same_group(const struct address *a, const struct address *b);
/* "Who has target?" from sender; no sender (family zero) makes it a probe that changes nobody's
 * table, and is answered to all. */
int ndp_ask(const struct ndp *ndp, const struct interface *interface, const struct address *sender,
	const struct address *target) MUST_CHECK;
/* Unasked, to all nodes. */
int ndp_announce(const struct ndp *ndp, const struct interface *interface,
	const struct address *address) MUST_CHECK;
/* Who says in the next packet that it has which address. Errors: -EAGAIN: nothing there; -EBADMSG: it
 * says no such thing, ndp_read(); -ENETDOWN. */
int ndp_receive(const struct ndp *ndp, struct neighbour_claim *out_claim) MUST_CHECK;

#endif
