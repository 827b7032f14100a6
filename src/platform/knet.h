/*
 * Small datagrams between nodes over one network, encrypted: libknet as a carrier.
 *
 * One handle for each network, not one with many links: while the interface of one link is down (or
 * a packet filter refuses it), libknet 1.25 gives up a datagram before it has tried the links that
 * come after, and nothing at all arrives until the dead link's timeout is over (measured: 5.4 s
 * without a beat with a timeout of 5 s; docs/decisions/). Handles do not disturb each other, so the
 * sender sends on all of them and the receiver drops what it has already.
 *
 * Not for: bulk data; knowing whether a node lives (deadlines are never taken from libknet, R21).
 * knet_open() may be called in any thread, the rest in the thread that owns it; libknet has threads
 * of its own.
 */
#ifndef EVENKEEL_PLATFORM_KNET_H
#define EVENKEEL_PLATFORM_KNET_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/macros.h"

#define KNET_DATAGRAM_MAX 60000
#define KNET_KEY_SIZE	  128 /* what libknet takes at least */

struct knet;

/* Where a node listens on this network. The first byte of each datagram is the id it is for. */
struct knet_node {
	uint8_t id;
	struct address address;
};

/* port: UDP, the same on all nodes. key: the same on all nodes. Takes about 0.25 s. Errors: what
 * libknet says, as a negative errno. */
int knet_open(const struct knet_node *self, uint16_t port, const uint8_t key[KNET_KEY_SIZE],
	struct knet **out_knet) MUST_CHECK;
/* Waits for libknet's threads (up to 0.5 s). NULL is ignored. */
void knet_close(struct knet *knet);
/* The node's address is of the same family as ours. Errors: as of knet_link_set_config(3). */
int knet_add_node(struct knet *knet, const struct knet_node *node) MUST_CHECK;
/* Readable, until it is read (an eventfd), when libknet begins or ceases to see a node. */
int knet_change_fd(const struct knet *knet);
/* Readable when a datagram waits. */
int knet_fd(const struct knet *knet);
/* Hands the datagram to libknet's thread. Errors: -EAGAIN: it is stuck, and has enough to do. */
int knet_send_queued(struct knet *knet, const uint8_t *data, size_t size) MUST_CHECK;
/*
 * Sends at once, in this thread: for what must be out before the process ends. Where the network is
 * gone it tries for 12 ms and more before it gives up (measured: 35 ms a beat over three networks,
 * enough to make a daemon late). Errors: -EHOSTDOWN while libknet does not see the node.
 */
int knet_send_now(struct knet *knet, const uint8_t *data, size_t size) MUST_CHECK;
/* The next datagram. Errors: -EAGAIN. */
int knet_receive(struct knet *knet, uint8_t *out, size_t size_max, size_t *out_size) MUST_CHECK;
/* The key of one network from the cluster's secret: HKDF-SHA-256 (RFC 5869). Errors: -EIO. */
int knet_derive_key(
	const uint8_t *secret, size_t secret_size, uint8_t out_key[KNET_KEY_SIZE]) MUST_CHECK;

#endif
