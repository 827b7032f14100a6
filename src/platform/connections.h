/* The TCP connections of this machine: ending those of one address. Any thread. */
#ifndef EVENKEEL_PLATFORM_CONNECTIONS_H
#define EVENKEEL_PLATFORM_CONNECTIONS_H

#include "base/address.h"
#include "base/macros.h"

/*
 * Ends all TCP connections of this local address with a reset, so that clients know at once (as
 * `ss -K` does, needs CONFIG_INET_DIAG_DESTROY). A connection over IPv4 that a program took on a
 * socket of both families counts too. Errors: -EOPNOTSUPP: the kernel cannot.
 */
int connections_reset(const struct address *address) MUST_CHECK;

#endif
