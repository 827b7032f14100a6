/* Echo requests (ping), RFC 792 and RFC 4443, by a raw socket of one family. Not for: routes. One
 * thread for each. */
#ifndef EVENKEEL_PLATFORM_ICMP_H
#define EVENKEEL_PLATFORM_ICMP_H

#include <stdint.h>

#include "base/address.h"
#include "base/macros.h"

struct icmp_echo {
	uint16_t id, sequence;
};

/* For targets of this family; non-blocking. Errors: as of socket(2). */
int icmp_open(enum address_family family, int *out_socket) MUST_CHECK;
/* Errors: as of sendto(2): -ENETUNREACH, -EPERM. */
int icmp_send(int socket, const struct address *target, struct icmp_echo echo) MUST_CHECK;
/* The next echo reply that arrived for this machine, whoever asked. Errors: -EAGAIN: nothing there;
 * -EBADMSG: it was something else. */
int icmp_receive(int socket, struct address *out_from, struct icmp_echo *out_echo) MUST_CHECK;

#endif
