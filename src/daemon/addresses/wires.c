/*
 * The interfaces on which virtual addresses lie: opened for ARP and neighbour discovery when first
 * needed, and all that is heard on them. Each packet is looked at three times: for the hardware address of another node, for
 * an answer to a probe, for somebody else at an address we hold.
 *
 * The hardware address of each other node on each of these is learnt from what it sends and from
 * asking for its address in the client network, so that an answer to a probe can be told apart: the
 * peer lives and has the address (R3), or a stranger has it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/addresses/internal.h"
#include "platform/arp.h"
#include "platform/clock.h"

#define LEARN_NS	(10 * NS_PER_S) /* between questions for the other nodes' MACs */
#define PACKETS_AT_ONCE 64

/* ---- wires ---- */

static void on_arp(void *owner, uint32_t events);
static void on_ndp(void *owner, uint32_t events);

static void close_wire(struct wire *wire)
{
	struct loop *loop = &wire->netlink->daemon->loop;

	loop_remove(loop, &wire->arp_watch);
	loop_remove(loop, &wire->ndp_watch);
	close(wire->arp);
	ndp_close(&wire->ndp);
}

static int open_sockets(struct wire *wire)
{
	int error = arp_open(&wire->interface, &wire->arp);

	if (error != 0)
		return error;
	error = ndp_open(&wire->interface, &wire->ndp);
	if (error != 0)
		close(wire->arp);
	return error;
}

static struct wire *open_wire(struct daemon_netlink *netlink, const struct interface *interface)
{
	if (netlink->wire_count == INTERFACES_MAX)
		return NULL;
	struct wire *wire = &netlink->wires[netlink->wire_count];
	*wire = (struct wire){ .netlink = netlink, .interface = *interface };
	if (open_sockets(wire) != 0)
		return NULL;
	struct loop *loop = &netlink->daemon->loop;
	wire->arp_watch = (struct watch){ .fd = wire->arp, .owner = wire, .on_ready = on_arp };
	wire->ndp_watch =
		(struct watch){ .fd = wire->ndp.packets, .owner = wire, .on_ready = on_ndp };
	if (loop_add(loop, &wire->arp_watch, EPOLLIN) != 0 ||
		loop_add(loop, &wire->ndp_watch, EPOLLIN) != 0) {
		close_wire(wire);
		return NULL;
	}
	netlink->wire_count++;
	return wire;
}

static struct wire *find_wire(struct daemon_netlink *netlink, const struct interface *interface)
{
	for (int i = 0; i < netlink->wire_count; i++) {
		if (netlink->wires[i].interface.index != interface->index)
			continue;
		netlink->wires[i].interface = *interface; /* its MAC may be another now */
		return &netlink->wires[i];
	}
	return open_wire(netlink, interface);
}

struct wire *addresses_wire_for(struct daemon *daemon, const struct address_config *config)
{
	struct interface interface;

	if (interface_find(&config->address, config->interface, &interface) != 0)
		return NULL;
	struct wire *wire = find_wire(daemon->netlink, &interface);
	/* Not heard is only less heard: others' answers come to all nodes. */
	if (wire != NULL && config->address.family == ADDRESS_IPV6)
		(void)!ndp_listen(&wire->ndp, &interface, &config->address);
	return wire;
}

int addresses_wire_ask(
	struct wire *wire, const struct address *sender, const struct address *target)
{
	return target->family == ADDRESS_IPV6
		       ? ndp_ask(&wire->ndp, &wire->interface, sender, target)
		       : arp_ask(wire->arp, &wire->interface, sender, target);
}

int addresses_wire_announce(struct wire *wire, const struct address *address)
{
	return address->family == ADDRESS_IPV6 ? ndp_announce(&wire->ndp, &wire->interface, address)
					       : arp_announce(wire->arp, &wire->interface, address);
}

/* ---- learning the other nodes' hardware addresses ---- */

static const struct node_config *node_of(const struct daemon *daemon, const struct address *address)
{
	for (uint8_t i = 0; i < daemon->cluster.node_count; i++) {
		const struct node_config *node = &daemon->cluster.nodes[i];
		for (uint8_t n = 0; n < node->address_count; n++)
			if (address_is_equal(&node->addresses[n], address))
				return node;
	}
	return NULL;
}

static void learn(struct wire *wire, const struct neighbour_claim *claim)
{
	const struct daemon *daemon = wire->netlink->daemon;
	const struct node_config *node = node_of(daemon, &claim->address);

	if (node == NULL || node == daemon->self)
		return;
	wire->nodes[node->id].is_known = true;
	memcpy(wire->nodes[node->id].mac, claim->mac, MAC_SIZE);
}

/*
 * An address of the node that lies in a network of this wire is asked for; besides, that of the
 * client network (the last) if it is IPv4, which Linux answers for on any interface. Without a sender
 * an IPv6 question would be duplicate detection: a node that comes up would give its address up.
 */
static void ask_for_node(struct wire *wire, const struct node_config *node)
{
	for (uint8_t i = 0; i < node->address_count; i++) {
		const struct address *address = &node->addresses[i];
		struct interface here;
		bool is_wanted = i == node->address_count - 1 && address->family == ADDRESS_IPV4;
		if (interface_find(address, wire->interface.name, &here) != 0 ||
			here.index != wire->interface.index ||
			(here.source.family == ADDRESS_NONE && !is_wanted))
			continue;
		/* No answer is no news. */
		(void)!addresses_wire_ask(wire, &here.source, address);
	}
}

static void on_learn(void *owner)
{
	struct daemon_netlink *netlink = owner;
	struct daemon *daemon = netlink->daemon;

	for (int i = 0; i < daemon->module_count; i++) /* opens the wires that are needed */
		for (int n = 0; n < daemon->modules[i]->settings.address_count; n++)
			(void)addresses_wire_for(
				daemon, &daemon->modules[i]->settings.addresses[n]);
	for (int w = 0; w < netlink->wire_count; w++)
		for (uint8_t i = 0; i < daemon->cluster.node_count; i++) {
			const struct node_config *node = &daemon->cluster.nodes[i];
			if (node != daemon->self)
				ask_for_node(&netlink->wires[w], node);
		}
	loop_arm(&daemon->loop, &netlink->learn, clock_boot_ns() + LEARN_NS);
}

/* ---- what is heard ---- */

static void on_claim(struct wire *wire, const struct neighbour_claim *claim)
{
	struct daemon *daemon = wire->netlink->daemon;

	learn(wire, claim);
	for (int i = 0; i < daemon->module_count; i++)
		addresses_match_probe(daemon->modules[i], wire, claim);
	addresses_claimed(daemon, claim);
}

static void on_arp(void *owner, uint32_t events)
{
	struct wire *wire = owner;
	struct neighbour_claim claim;

	(void)events;
	for (int i = 0; i < PACKETS_AT_ONCE; i++) {
		int error = arp_receive(wire->arp, &claim);
		if (error == -EAGAIN || error == -ENETDOWN)
			return; /* an interface that went down says so once */
		if (error == 0)
			on_claim(wire, &claim);
	}
}

static void on_ndp(void *owner, uint32_t events)
{
	struct wire *wire = owner;
	struct neighbour_claim claim;

	(void)events;
	for (int i = 0; i < PACKETS_AT_ONCE; i++) {
		int error = ndp_receive(&wire->ndp, &claim);
		if (error == -EAGAIN || error == -ENETDOWN)
			return; /* likewise */
		if (error == 0)
			on_claim(wire, &claim);
	}
}

static void on_address_change(void *owner, uint32_t events)
{
	struct daemon_netlink *netlink = owner;
	struct netlink_change change;

	(void)events;
	for (int i = 0; i < PACKETS_AT_ONCE; i++) {
		if (netlink_next_change(netlink->netlink, &change) != 0)
			return; /* what was lost is seen at the next renewal */
		if (change.is_removed)
			addresses_removed(netlink->daemon, &change.place.address);
	}
}

/* ---- open and close ---- */

int addresses_open(struct daemon *daemon)
{
	struct daemon_netlink *netlink = calloc(1, sizeof(*netlink));
	if (netlink == NULL)
		return -ENOMEM;
	daemon->netlink = netlink;
	netlink->daemon = daemon;
	int error = netlink_open(&netlink->netlink);
	if (error != 0)
		return error;
	netlink->watch = (struct watch){
		.fd = netlink_fd(netlink->netlink), .owner = netlink, .on_ready = on_address_change
	};
	netlink->learn = (struct timer){ .owner = netlink, .on_due = on_learn };
	loop_arm(&daemon->loop, &netlink->learn, clock_boot_ns());
	return loop_add(&daemon->loop, &netlink->watch, EPOLLIN);
}

void addresses_close(struct daemon *daemon)
{
	struct daemon_netlink *netlink = daemon->netlink;

	if (netlink == NULL)
		return;
	loop_disarm(&daemon->loop, &netlink->learn);
	loop_remove(&daemon->loop, &netlink->watch);
	for (int i = 0; i < netlink->wire_count; i++)
		close_wire(&netlink->wires[i]);
	netlink_close(netlink->netlink);
	free(netlink);
	daemon->netlink = NULL;
}
