/*
 * What the files about virtual addresses share: wires.c (interfaces, and what is heard on them),
 * addresses.c (holding), claims.c (others who say that they have one), probe.c (asking who has one).
 * Not for others; the daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_ADDRESSES_INTERNAL_H
#define EVENKEEL_DAEMON_ADDRESSES_INTERNAL_H

#include "daemon/addresses/addresses.h"
#include "platform/interface.h"
#include "platform/ndp.h"
#include "platform/neighbour.h"
#include "platform/netlink.h"

#define INTERFACES_MAX \
	16 /* at once; one that is gone, or that no address needs any more, is closed */

/* An interface on which we speak ARP and neighbour discovery; shared by modules. */
struct wire {
	struct daemon_netlink *netlink;
	bool is_open;
	int64_t needed_ns; /* when an address was last looked for on it */
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
	struct timer renew; /* all addresses that are held */
	struct wire wires[INTERFACES_MAX];
};

struct virtual_address {
	struct module *module;
	uint8_t index;
	bool is_held, is_failing;
	bool is_new;		    /* the core has not heard what came of its order to hold it */
	int error;		    /* why, while it fails */
	bool has_no_room;	    /* no interface for it, as of the last look at all of them */
	struct netlink_place place; /* where it was put last; no interface: to be looked for */
	int64_t taken_ns, claimed_ns;
	uint8_t claimed_by[MAC_SIZE];
	bool is_peers_claim; /* by the module's other node, not by a stranger */
	size_t announced;    /* how many of the first announcements are out */
	struct timer announce;
};

struct module_addresses {
	struct virtual_address list[ADDRESSES_MAX];
	bool is_probing;
	uint32_t looks_failing; /* in a row */
	int probes_sent;
	int64_t probe_started_ns;
	struct timer probe;
};

/* ---- addresses/wires.c ---- */

/* The wire on which the address belongs, looked for anew. Errors: -ENODEV: there is no such interface
 * now; -ENOSPC: they are too many; of packet(7). */
int addresses_wire_for(struct daemon *daemon, const struct address_config *config,
	struct wire **out_wire) MUST_CHECK;
/* The wire of that interface, if there is one; asks nobody. */
struct wire *addresses_wire_at(struct daemon *daemon, int interface);
/* Does what was heard on the wire come from the module's other node? False if that was not learnt yet. */
bool addresses_is_of_peer(
	const struct module *module, const struct wire *wire, const struct neighbour_claim *claim);
/* Nobody has to be heard asking for the module's addresses any more. */
void addresses_wire_leave(struct module *module);
/* "Who has target?" on the wire, in the way of its family; no sender (family zero): a probe. Errors:
 * as of sendto(2). */
int addresses_wire_ask(
	struct wire *wire, const struct address *sender, const struct address *target) MUST_CHECK;
/* "We have the address", to all on the wire. Errors: likewise. */
int addresses_wire_announce(struct wire *wire, const struct address *address) MUST_CHECK;

/* ---- addresses/claims.c ---- */

/* Somebody on the wire says that it has the address. */
void addresses_claimed(
	struct daemon *daemon, const struct wire *wire, const struct neighbour_claim *claim);
/* That somebody says so, for the status; false: nobody did lately. */
bool claims_say(const struct virtual_address *address, char out_sentence[SENTENCE_SIZE_MAX]);

/* ---- addresses.c ---- */

/* The module's address, if it is held; NULL otherwise. */
struct virtual_address *addresses_find_held(struct module *module, const struct address *ip);
/* "We have it", once. */
void addresses_announce(struct virtual_address *address);
/* To the core, if that knows the module already. */
void addresses_post_change(struct virtual_address *address, enum address_change change);
/* The address is not on this node any more. */
void addresses_removed(struct daemon *daemon, const struct address *ip);
/* Somebody's address has come; those of ours that fail may have their interface now. */
void addresses_added(struct daemon *daemon);
void addresses_interface_gone(struct daemon *daemon, int interface);
/* The address belongs on this interface, by the last look; it moves if it is held on another. */
void addresses_belongs(struct virtual_address *address, int interface);
void addresses_renew_init(struct daemon_netlink *netlink);

/* ---- addresses/probe.c ---- */

void addresses_probe_init(struct module *module);
/* Does this answer, heard on the wire, the probe that is under way? */
void addresses_match_probe(
	struct module *module, const struct wire *wire, const struct neighbour_claim *claim);

#endif
