/*
 * What the three files about virtual addresses share: addresses/wires.c (interfaces, and what is
 * heard on them), addresses.c (holding), addresses/probe.c (asking who has one). Not for others; the
 * daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_ADDRESSES_INTERNAL_H
#define EVENKEEL_DAEMON_ADDRESSES_INTERNAL_H

#include "daemon/addresses/addresses.h"
#include "platform/interface.h"
#include "platform/ndp.h"
#include "platform/neighbour.h"
#include "platform/netlink.h"

#define INTERFACES_MAX 16

/* An interface on which we speak ARP and neighbour discovery; shared by modules, kept open. */
struct wire {
	struct daemon_netlink *netlink;
	struct interface interface;
	int arp;
	struct ndp ndp;
	struct watch arp_watch, ndp_watch;
	struct {
		bool is_known;
		uint8_t mac[MAC_SIZE];
	} nodes[NODES_MAX + 1]; /* where the other nodes are found here */
};

struct daemon_netlink {
	struct daemon *daemon;
	struct netlink *netlink;
	struct watch watch;
	struct timer learn;
	int wire_count;
	struct wire wires[INTERFACES_MAX];
};

struct virtual_address {
	struct module *module;
	uint8_t index;
	bool is_held, is_failing;
	struct netlink_place place; /* where it was put last */
	int64_t taken_ns, claimed_ns;
	size_t announced; /* how many of the first announcements are out */
	struct timer renew, announce;
};

struct module_addresses {
	struct virtual_address list[ADDRESSES_MAX];
	bool is_probing;
	int probes_sent;
	int64_t probe_started_ns;
	struct timer probe;
};

/* ---- addresses/wires.c ---- */

/* The wire on which the address belongs; NULL while there is no such interface. */
struct wire *addresses_wire_for(struct daemon *daemon, const struct address_config *config);
/* "Who has target?" on the wire, in the way of its family; no sender (family zero): a probe. Errors:
 * as of sendto(2). */
int addresses_wire_ask(
	struct wire *wire, const struct address *sender, const struct address *target) MUST_CHECK;
/* "We have the address", to all on the wire. Errors: likewise. */
int addresses_wire_announce(struct wire *wire, const struct address *address) MUST_CHECK;

/* ---- addresses.c ---- */

/* Somebody says that it has the address. */
void addresses_claimed(struct daemon *daemon, const struct neighbour_claim *claim);
/* The address is not on this node any more. */
void addresses_removed(struct daemon *daemon, const struct address *address);

/* ---- addresses/probe.c ---- */

void addresses_probe_init(struct module *module);
/* Does this answer, heard on the wire, the probe that is under way? */
void addresses_match_probe(
	struct module *module, const struct wire *wire, const struct neighbour_claim *claim);

#endif
