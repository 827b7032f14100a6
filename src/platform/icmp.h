/* Echo requests (ping), RFC 792, by a raw socket. Not for: IPv6, routes. One thread for each. */
#ifndef EVENKEEL_PLATFORM_ICMP_H
#define EVENKEEL_PLATFORM_ICMP_H

#include <netinet/in.h>
#include <stdint.h>

#include "base/macros.h"

struct icmp_echo {
	uint16_t id, sequence;
};

/* Non-blocking. Errors: as of socket(2). */
int icmp_open(int *out_socket) MUST_CHECK;
/* Errors: as of sendto(2): -ENETUNREACH, -EPERM. */
int icmp_send(int socket, struct in_addr target, struct icmp_echo echo) MUST_CHECK;
/* The next echo reply that arrived for this machine, whoever asked. Errors: -EAGAIN: nothing there;
 * -EBADMSG: it was something else. */
int icmp_receive(int socket, struct in_addr *out_from, struct icmp_echo *out_echo) MUST_CHECK;

#endif
