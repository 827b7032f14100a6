/*
 * The interfaces on which virtual addresses lie: opened for ARP and neighbour discovery when first
 * needed, closed when they are gone or no address was looked for on them for a minute, and all that is
 * heard on them. Each packet is looked at three times: for the hardware address of another node, for
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

#define LEARN_NS	(10 * NS_PER_S)	 /* between questions for the other nodes' MACs */
#define LEARN_SOON_NS	(20 * NS_PER_MS) /* changes come in numbers */
#define KEEP_NS		(60 * NS_PER_S)	 /* a network that is away for a moment keeps its wire */
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
	wire->is_open = false;
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

static struct wire *free_wire(struct daemon_netlink *netlink)
{
	for (int i = 0; i < INTERFACES_MAX; i++)
		if (!netlink->wires[i].is_open)
			return &netlink->wires[i];
	return NULL;
}

static int open_wire(
	struct daemon_netlink *netlink, const struct interface *interface, struct wire **out_wire)
{
	struct loop *loop = &netlink->daemon->loop;
	struct wire *wire = free_wire(netlink);

	if (wire == NULL)
		return -ENOSPC;
	*wire = (struct wire){ .netlink = netlink, .interface = *interface };
	int error = open_sockets(wire);
	if (error != 0)
		return error;
	wire->is_open = true;
	wire->arp_watch = (struct watch){ .fd = wire->arp, .owner = wire, .on_ready = on_arp };
	wire->ndp_watch =
		(struct watch){ .fd = wire->ndp.packets, .owner = wire, .on_ready = on_ndp };
	error = loop_add(loop, &wire->arp_watch, EPOLLIN);
	if (error == 0)
		error = loop_add(loop, &wire->ndp_watch, EPOLLIN);
	if (error != 0)
		close_wire(wire);
	else
		*out_wire = wire;
	return error;
}

static int find_wire(
	struct daemon_netlink *netlink, const struct interface *interface, struct wire **out_wire)
{
	struct wire *wire = addresses_wire_at(netlink->daemon, interface->index);
	int error = wire == NULL ? open_wire(netlink, interface, &wire) : 0;

	if (error != 0)
		return error;
	wire->interface = *interface; /* its MAC may be another now */
	wire->needed_ns = clock_boot_ns();
	*out_wire = wire;
	return 0;
}

static int wire_in(const struct ifaddrs *list, struct daemon_netlink *netlink,
	const struct address_config *config, struct wire **out_wire)
{
	struct interface interface;
	int error = interface_find_in(list, &config->address, config->interface, &interface);

	if (error == 0)
		error = find_wire(netlink, &interface, out_wire);
	/* Not heard is only less heard: others' answers come to all nodes. */
	if (error == 0 && config->address.family == ADDRESS_IPV6)
		(void)!ndp_listen(&(*out_wire)->ndp, &interface, &config->address);
	return error;
}

int addresses_wire_for(
	struct daemon *daemon, const struct address_config *config, struct wire **out_wire)
{
	struct ifaddrs *list = NULL;
	int error = interface_list(&list);

	if (error != 0)
		return error;
	error = wire_in(list, daemon->netlink, config, out_wire);
	freeifaddrs(list);
	return error;
}

struct wire *addresses_wire_at(struct daemon *daemon, int interface)
{
	for (int i = 0; i < INTERFACES_MAX; i++) {
		struct wire *wire = &daemon->netlink->wires[i];
		if (wire->is_open && wire->interface.index == interface)
			return wire;
	}
	return NULL;
}

/* Does a module have an address that is asked for at the same place? */
static bool is_needed(const struct daemon *daemon, const struct address *address)
{
	for (int i = 0; i < daemon->module_count; i++) {
		const struct module_settings *settings = &daemon->modules[i]->settings;
		for (int n = 0; n < settings->address_count; n++)
			if (settings->addresses[n].address.family == ADDRESS_IPV6 &&
				ndp_is_same_group(&settings->addresses[n].address, address))
				return true;
	}
	return false;
}

void addresses_wire_leave(struct module *module)
{
	struct daemon *daemon = module->daemon;

	for (int n = 0; n < module->settings.address_count; n++) {
		const struct address *address = &module->settings.addresses[n].address;
		if (address->family != ADDRESS_IPV6 || is_needed(daemon, address))
			continue;
		for (int i = 0; i < INTERFACES_MAX; i++) {
			struct wire *wire = &daemon->netlink->wires[i];
			if (wire->is_open) /* on others it did not listen */
				(void)!ndp_leave(&wire->ndp, &wire->interface, address);
		}
	}
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

bool addresses_is_of_peer(
	const struct module *module, const struct wire *wire, const struct neighbour_claim *claim)
{
	const struct node_config *peer = daemon_peer(module->daemon, module);

	return peer != NULL && wire->nodes[peer->id].is_known &&
	       memcmp(wire->nodes[peer->id].mac, claim->mac, MAC_SIZE) == 0;
}

/*
 * An address of the node that lies in a network of this wire is asked for; besides, that of the
 * client network (the last) if it is IPv4, which Linux answers for on any interface. Without a sender
 * an IPv6 question would be duplicate detection: a node that comes up would give its address up.
 */
static void ask_for_node(
	const struct ifaddrs *list, struct wire *wire, const struct node_config *node)
{
	for (uint8_t i = 0; i < node->address_count; i++) {
		const struct address *address = &node->addresses[i];
		struct interface here;
		bool is_wanted = i == node->address_count - 1 && address->family == ADDRESS_IPV4;
		if (interface_find_in(list, address, wire->interface.name, &here) != 0 ||
			here.index != wire->interface.index ||
			(here.source.family == ADDRESS_NONE && !is_wanted))
			continue;
		/* No answer is no news. */
		(void)!addresses_wire_ask(wire, &here.source, address);
	}
}

static void open_for(const struct ifaddrs *list, struct module *module)
{
	for (int n = 0; n < module->settings.address_count; n++) {
		struct virtual_address *address = &module->addresses->list[n];
		struct wire *wire;
		int error = wire_in(
			list, module->daemon->netlink, &module->settings.addresses[n], &wire);
		address->has_no_room = error != 0;
		if (error == 0)
			addresses_belongs(address, wire->interface.index);
	}
}

static void ask_for_nodes(const struct ifaddrs *list, struct wire *wire)
{
	const struct daemon *daemon = wire->netlink->daemon;

	for (uint8_t i = 0; i < daemon->cluster.node_count; i++) {
		const struct node_config *node = &daemon->cluster.nodes[i];
		if (node != daemon->self)
			ask_for_node(list, wire, node);
	}
}

/* One look at the interfaces for all addresses: nothing here is asked for each of them. */
static void look(struct daemon_netlink *netlink, const struct ifaddrs *list)
{
	struct daemon *daemon = netlink->daemon;
	int64_t now_ns = clock_boot_ns();

	for (int i = 0; i < INTERFACES_MAX; i++) {
		struct wire *wire = &netlink->wires[i];
		bool is_there = wire->is_open && interface_is_in(list, wire->interface.index);
		if (wire->is_open && (!is_there || now_ns - wire->needed_ns > KEEP_NS))
			close_wire(wire);
	}
	for (int i = 0; i < daemon->module_count; i++)
		open_for(list, daemon->modules[i]);
	for (int i = 0; i < INTERFACES_MAX; i++)
		if (netlink->wires[i].is_open)
			ask_for_nodes(list, &netlink->wires[i]);
}

static void on_learn(void *owner)
{
	struct daemon_netlink *netlink = owner;
	struct ifaddrs *list = NULL;

	loop_arm(&netlink->daemon->loop, &netlink->learn, clock_boot_ns() + LEARN_NS);
	if (interface_list(&list) != 0)
		return; /* out of memory: the next one comes */
	look(netlink, list);
	freeifaddrs(list);
}

static void learn_soon(struct daemon_netlink *netlink)
{
	int64_t soon_ns = clock_boot_ns() + LEARN_SOON_NS;

	if (loop_due_ns(&netlink->learn) > soon_ns)
		loop_arm(&netlink->daemon->loop, &netlink->learn, soon_ns);
}

/* ---- what is heard ---- */

static void on_claim(struct wire *wire, const struct neighbour_claim *claim)
{
	struct daemon *daemon = wire->netlink->daemon;

	learn(wire, claim);
	for (int i = 0; i < daemon->module_count; i++)
		addresses_match_probe(daemon->modules[i], wire, claim);
	addresses_claimed(daemon, wire, claim);
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

/*
 * An address that is taken away before the kernel got round to joining its group leaves that group
 * nevertheless, and takes our own membership along (seen on Linux 6.18), of which our socket knows
 * nothing. So whenever one goes we join anew.
 */
static void listen_anew(struct wire *wire, const struct address *address)
{
	if (address->family != ADDRESS_IPV6 || !is_needed(wire->netlink->daemon, address))
		return;
	(void)!ndp_leave(&wire->ndp, &wire->interface, address);  /* it may be gone */
	(void)!ndp_listen(&wire->ndp, &wire->interface, address); /* as above */
}

static void take_change(struct daemon_netlink *netlink, const struct netlink_change *change)
{
	struct daemon *daemon = netlink->daemon;
	struct wire *wire = addresses_wire_at(daemon, change->place.interface);

	switch (change->event) {
	case NETLINK_ADDRESS_ADDED: addresses_added(daemon); break;
	case NETLINK_ADDRESS_REMOVED:
		if (wire != NULL)
			listen_anew(wire, &change->place.address);
		addresses_removed(daemon, &change->place.address);
		break;
	case NETLINK_INTERFACE_GONE:
		/* By its number: the next one may get the same. */
		if (wire != NULL)
			close_wire(wire);
		addresses_interface_gone(daemon, change->place.interface);
		break;
	}
}

static void on_change(void *owner, uint32_t events)
{
	struct daemon_netlink *netlink = owner;
	struct netlink_change change;

	(void)events;
	for (int i = 0; i < PACKETS_AT_ONCE; i++) {
		int error = netlink_next_change(netlink->netlink, &change);
		if (error == -EAGAIN)
			return;
		learn_soon(netlink); /* what was lost is seen then */
		if (error != 0)
			return;
		take_change(netlink, &change);
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
		.fd = netlink_fd(netlink->netlink), .owner = netlink, .on_ready = on_change
	};
	addresses_renew_init(netlink);
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
	loop_disarm(&daemon->loop, &netlink->renew);
	loop_remove(&daemon->loop, &netlink->watch);
	for (int i = 0; i < INTERFACES_MAX; i++)
		if (netlink->wires[i].is_open)
			close_wire(&netlink->wires[i]);
	netlink_close(netlink->netlink);
	free(netlink);
	daemon->netlink = NULL;
}
