/*
 * Virtual addresses: held with a lifetime that the kernel ends by itself (R15), announced, watched,
 * probed for.
 *
 *	            hold                            release
 *	  free ------------> held, renewed ------------------> free
 *	                      |  every 500 ms
 *	                      +-- removed by somebody else: put back at once
 *	                      +-- another machine claims it: said, the core is told
 *
 * The hardware address of each other node in the client network is learnt from the ARP it sends
 * and from asking for it, so that an answer to a probe can be told apart: the peer lives and has
 * the address (R3), or a stranger has it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/parts.h"
#include "platform/address.h"
#include "platform/arp.h"
#include "platform/clock.h"

#define RENEW_NS	(500 * NS_PER_MS)
#define ANNOUNCE_NS	(10 * NS_PER_S) /* once the first ones are out */
#define LEARN_NS	(10 * NS_PER_S) /* between questions for the other nodes' MACs */
#define PROBE_GAP_NS	(50 * NS_PER_MS)
#define PROBE_COUNT	3
#define PROBE_END_NS	(200 * NS_PER_MS)
#define CLAIM_PAUSE_NS	(10 * NS_PER_S) /* between events about the same claim */
#define INTERFACES_MAX	16
#define PACKETS_AT_ONCE 64
#define MAC_TEXT_SIZE	18

/* After the address was taken: at once, and where the first ones may have been lost. */
static const int64_t announce_at_ns[] = { 0, 100 * NS_PER_MS, 500 * NS_PER_MS, NS_PER_S };

/* An interface on which we speak ARP; shared by modules, kept open. */
struct wire {
	struct daemon_netlink *netlink;
	struct interface interface;
	int socket;
	struct watch watch;
};

struct daemon_netlink {
	struct daemon *daemon;
	struct netlink *netlink;
	struct watch watch;
	struct timer learn;
	int wire_count;
	struct wire wires[INTERFACES_MAX];
	struct {
		bool is_known;
		uint8_t mac[MAC_SIZE];
	} nodes[NODES_MAX + 1]; /* in the client network */
};

struct virtual_address {
	struct module *module;
	uint8_t index;
	bool is_held, is_failing;
	struct address_place place; /* where it was put last */
	int64_t taken_ns, claimed_ns;
	size_t announced; /* of announce_at_ns */
	struct timer renew, announce;
};

struct module_addresses {
	struct virtual_address list[ADDRESSES_MAX];
	bool is_probing;
	int probes_sent;
	int64_t probe_started_ns;
	struct timer probe;
};

/* ---- helpers ---- */

static const struct address_config *config_of(const struct virtual_address *address)
{
	return &address->module->settings.addresses[address->index];
}

static const char *mac_text(const uint8_t mac[MAC_SIZE], char out[MAC_TEXT_SIZE])
{
	(void)snprintf(out, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	return out;
}

static const char *address_text(struct in_addr address, char out[INET_ADDRSTRLEN])
{
	return inet_ntop(AF_INET, &address, out, INET_ADDRSTRLEN);
}

static void post_change(struct virtual_address *address, enum address_change change)
{
	if (!address->module->is_added)
		return; /* renewed for the core before it knows the module */
	daemon_post(address->module->daemon,
		&(struct event){ .type = EVENT_ADDRESS_CHANGED,
			.module = address->module->settings.number,
			.address = { .index = address->index, .change = change } });
}

/* ---- wires ---- */

static void on_arp(void *owner, uint32_t events);

static struct wire *open_wire(struct daemon_netlink *netlink, const struct interface *interface)
{
	if (netlink->wire_count == INTERFACES_MAX)
		return NULL;
	struct wire *wire = &netlink->wires[netlink->wire_count];
	*wire = (struct wire){ .netlink = netlink, .interface = *interface, .socket = -1 };
	if (arp_open(interface, &wire->socket) != 0)
		return NULL;
	wire->watch = (struct watch){ .fd = wire->socket, .owner = wire, .on_ready = on_arp };
	if (loop_add(&netlink->daemon->loop, &wire->watch, EPOLLIN) != 0) {
		close(wire->socket);
		return NULL;
	}
	netlink->wire_count++;
	return wire;
}

/* The wire on which the address belongs; NULL while there is no such interface. */
static struct wire *wire_for(struct daemon *daemon, const struct address_config *config)
{
	struct daemon_netlink *netlink = daemon->netlink;
	struct interface interface;

	if (address_find_interface(config->address, config->interface, &interface) != 0)
		return NULL;
	for (int i = 0; i < netlink->wire_count; i++) {
		if (netlink->wires[i].interface.index != interface.index)
			continue;
		netlink->wires[i].interface = interface; /* its MAC may be another now */
		return &netlink->wires[i];
	}
	return open_wire(netlink, &interface);
}

/* ---- learning the other nodes' hardware addresses ---- */

static const struct node_config *node_of(const struct daemon *daemon, struct in_addr address)
{
	for (uint8_t i = 0; i < daemon->cluster.node_count; i++) {
		const struct node_config *node = &daemon->cluster.nodes[i];
		for (uint8_t n = 0; n < node->address_count; n++)
			if (node->addresses[n].s_addr == address.s_addr)
				return node;
	}
	return NULL;
}

static void learn(struct daemon_netlink *netlink, const struct arp_packet *packet)
{
	const struct node_config *node = node_of(netlink->daemon, packet->sender);

	if (node == NULL || node == netlink->daemon->self)
		return;
	netlink->nodes[node->id].is_known = true;
	memcpy(netlink->nodes[node->id].mac, packet->sender_mac, MAC_SIZE);
}

static void on_learn(void *owner)
{
	struct daemon_netlink *netlink = owner;
	struct daemon *daemon = netlink->daemon;

	for (int i = 0; i < daemon->module_count; i++) /* opens the wires that are needed */
		for (int n = 0; n < daemon->modules[i]->settings.address_count; n++)
			(void)wire_for(daemon, &daemon->modules[i]->settings.addresses[n]);
	for (int w = 0; w < netlink->wire_count; w++)
		for (uint8_t i = 0; i < daemon->cluster.node_count; i++) {
			const struct node_config *node = &daemon->cluster.nodes[i];
			if (node == daemon->self || node->address_count == 0)
				continue;
			/* The client network comes last. No answer is no news. */
			(void)!arp_ask(netlink->wires[w].socket, &netlink->wires[w].interface,
				netlink->wires[w].interface.source,
				node->addresses[node->address_count - 1]);
		}
	loop_arm(&daemon->loop, &netlink->learn, clock_boot_ns() + LEARN_NS);
}

/* ---- holding ---- */

static void announce(struct virtual_address *address)
{
	struct wire *wire = wire_for(address->module->daemon, config_of(address));

	if (wire != NULL) /* gone for a moment: the next one comes */
		(void)!arp_announce(wire->socket, &wire->interface, config_of(address)->address);
}

static void on_announce(void *owner)
{
	struct virtual_address *address = owner;
	int64_t now_ns = clock_boot_ns();
	int64_t next_ns = now_ns + ANNOUNCE_NS;

	announce(address);
	if (address->announced + 1 < ARRAY_COUNT(announce_at_ns))
		next_ns = address->taken_ns + announce_at_ns[++address->announced];
	loop_arm(&address->module->daemon->loop, &address->announce, next_ns);
}

static void start_announcing(struct virtual_address *address)
{
	address->taken_ns = clock_boot_ns();
	address->announced = 0;
	on_announce(address);
}

static int put_at_place(struct virtual_address *address)
{
	return address_put(address->module->daemon->netlink->netlink, &address->place,
		(uint32_t)(ADDRESS_LIFETIME_NS / NS_PER_S));
}

/* Where it was put last; only if that fails, its interface is looked for anew. */
static int put(struct virtual_address *address)
{
	struct daemon *daemon = address->module->daemon;
	const struct address_config *config = config_of(address);

	if (address->place.interface != 0 && put_at_place(address) == 0)
		return 0;
	struct wire *wire = wire_for(daemon, config);
	if (wire == NULL)
		return -ENODEV;
	address->place = (struct address_place){ .interface = wire->interface.index,
		.address = config->address,
		.prefix = config->prefix != 0 ? config->prefix : wire->interface.prefix };
	return put_at_place(address);
}

static void say_failed(struct virtual_address *address, int error)
{
	char text[INET_ADDRSTRLEN];

	daemon_log(address->module->daemon, address->module, SEVERITY_ERROR, "address.failed",
		"The address %s cannot be taken: %s. Trying on; see that an interface of this node "
		"is up and has an address in the same network, or name it in module.yaml.",
		address_text(config_of(address)->address, text),
		error == -ENODEV ? "no interface belongs to it" : strerror(-error));
}

/* Puts it, or renews its life. The core hears of changes only. */
static void on_renew(void *owner)
{
	struct virtual_address *address = owner;
	bool was_failing = address->is_failing;

	loop_arm(&address->module->daemon->loop, &address->renew, clock_boot_ns() + RENEW_NS);
	int error = put(address);
	address->is_failing = error != 0;
	if (error != 0 && !was_failing) {
		say_failed(address, error);
		post_change(address, ADDRESS_FAILED);
	} else if (error == 0 && was_failing) {
		start_announcing(address);
		post_change(address, ADDRESS_HELD);
	}
}

static void hold_one(struct virtual_address *address)
{
	if (address->is_held)
		return;
	address->is_held = true;
	address->is_failing = true; /* so that success is news */
	int error = put(address);
	if (error != 0) {
		say_failed(address, error);
		post_change(address, ADDRESS_FAILED);
	} else {
		address->is_failing = false;
		start_announcing(address);
		post_change(address, ADDRESS_HELD);
	}
	loop_arm(&address->module->daemon->loop, &address->renew, clock_boot_ns() + RENEW_NS);
}

void addresses_hold(struct module *module)
{
	module->runtime.is_address_held = true;
	runtime_write(module);
	for (int i = 0; i < module->settings.address_count; i++)
		hold_one(&module->addresses->list[i]);
}

static void drop(struct virtual_address *address)
{
	struct daemon *daemon = address->module->daemon;

	address->is_held = false;
	loop_disarm(&daemon->loop, &address->renew);
	loop_disarm(&daemon->loop, &address->announce);
	/* Not there is as good as removed. */
	if (address->place.interface != 0)
		(void)!address_remove(daemon->netlink->netlink, &address->place);
}

static void release_one(struct virtual_address *address)
{
	struct in_addr ip = config_of(address)->address;

	if (address->is_held) {
		/* Reset while the address can still send it; what follows meets no address. A
		 * kernel that cannot leaves its clients to their time-outs. */
		(void)!address_reset_connections(ip);
		drop(address);
	}
	post_change(address, ADDRESS_GONE);
}

void addresses_release(struct module *module)
{
	module->runtime.is_address_held = false;
	for (int i = 0; i < module->settings.address_count; i++)
		release_one(&module->addresses->list[i]);
	runtime_write(module);
}

bool addresses_is_held(struct module *module)
{
	for (int i = 0; i < module->settings.address_count; i++)
		if (!address_is_here(module->settings.addresses[i].address))
			return false;
	return module->settings.address_count > 0;
}

/* ---- others at our addresses ---- */

static void put_back(struct virtual_address *address)
{
	char text[INET_ADDRSTRLEN];
	int error = put(address);

	daemon_log(address->module->daemon, address->module, SEVERITY_WARNING, "address.put_back",
		"Something on this node removed the address %s, which this module serves at; %s.",
		address_text(address->place.address, text),
		error == 0 ? "it was put back at once" : "it cannot be put back yet");
	if (error == 0)
		start_announcing(address);
	else
		on_renew(address);
}

static void for_each_held(struct daemon *daemon, struct in_addr ip,
	void (*visit)(struct virtual_address *address, const struct arp_packet *packet),
	const struct arp_packet *packet)
{
	for (int i = 0; i < daemon->module_count; i++) {
		struct module *module = daemon->modules[i];
		for (int n = 0; n < module->settings.address_count; n++) {
			struct virtual_address *address = &module->addresses->list[n];
			if (address->is_held && config_of(address)->address.s_addr == ip.s_addr)
				visit(address, packet);
		}
	}
}

static void on_removed(struct virtual_address *address, const struct arp_packet *packet)
{
	(void)packet;
	/* One that expired while we were late has been renewed since, or is now. */
	if (!address_is_here(address->place.address))
		put_back(address);
}

static void on_claimed(struct virtual_address *address, const struct arp_packet *packet)
{
	char ip[INET_ADDRSTRLEN], mac[MAC_TEXT_SIZE];
	int64_t now_ns = clock_boot_ns();

	if (address_is_own_mac(packet->sender_mac))
		return;
	if (address->claimed_ns != 0 && now_ns - address->claimed_ns < CLAIM_PAUSE_NS)
		return;
	address->claimed_ns = now_ns;
	daemon_log(address->module->daemon, address->module, SEVERITY_ERROR, "address.conflict",
		"Another machine (%s) says that it has the address %s, which this module serves "
		"at. "
		"Find it by that hardware address and take %s away from it.",
		mac_text(packet->sender_mac, mac), address_text(packet->sender, ip), ip);
	announce(address); /* defend it once, RFC 5227 section 2.4 */
	post_change(address, ADDRESS_TAKEN_BY_OTHER);
}

static void on_address_change(void *owner, uint32_t events)
{
	struct daemon_netlink *netlink = owner;
	struct netlink_change change;

	(void)events;
	for (int i = 0; i < PACKETS_AT_ONCE; i++) {
		if (address_next_change(netlink->netlink, &change) != 0)
			return; /* what was lost is seen at the next renewal */
		if (change.is_removed)
			for_each_held(netlink->daemon, change.place.address, on_removed, NULL);
	}
}

/* ---- probing ---- */

static void end_probe(struct module *module, enum probe_outcome outcome, const uint8_t *mac)
{
	struct event event = { .type = EVENT_PROBE_ENDED,
		.module = module->settings.number,
		.probe.outcome = outcome };

	if (mac != NULL)
		memcpy(event.probe.mac, mac, MAC_SIZE);
	module->addresses->is_probing = false;
	loop_disarm(&module->daemon->loop, &module->addresses->probe);
	daemon_post(module->daemon, &event);
}

static bool send_probes(struct module *module)
{
	const struct in_addr nobody = { 0 };
	bool is_sent = false;

	for (int i = 0; i < module->settings.address_count; i++) {
		const struct address_config *config = &module->settings.addresses[i];
		struct wire *wire = wire_for(module->daemon, config);
		if (wire != NULL &&
			arp_ask(wire->socket, &wire->interface, nobody, config->address) == 0)
			is_sent = true;
	}
	return is_sent;
}

static void on_probe(void *owner)
{
	struct module *module = owner;
	struct module_addresses *addresses = module->addresses;
	int64_t next_ns = addresses->probe_started_ns + PROBE_END_NS;

	if (addresses->probes_sent == PROBE_COUNT) {
		end_probe(module, PROBE_SILENT, NULL);
		return;
	}
	if (!send_probes(module)) {
		end_probe(module, module->settings.address_count == 0 ? PROBE_SILENT : PROBE_FAILED,
			NULL);
		return;
	}
	addresses->probes_sent++;
	if (addresses->probes_sent < PROBE_COUNT)
		next_ns = clock_boot_ns() + PROBE_GAP_NS;
	loop_arm(&module->daemon->loop, &addresses->probe, next_ns);
}

void addresses_probe(struct module *module)
{
	struct module_addresses *addresses = module->addresses;

	if (addresses->is_probing)
		return; /* the one under way answers */
	addresses->is_probing = true;
	addresses->probes_sent = 0;
	addresses->probe_started_ns = clock_boot_ns();
	on_probe(module);
}

static void match_probe(struct module *module, const struct arp_packet *packet)
{
	const struct daemon_netlink *netlink = module->daemon->netlink;
	const struct node_config *peer = daemon_peer(module->daemon, module);

	for (int i = 0; i < module->settings.address_count; i++) {
		if (module->settings.addresses[i].address.s_addr != packet->sender.s_addr ||
			address_is_own_mac(packet->sender_mac))
			continue;
		bool is_peer =
			peer != NULL && netlink->nodes[peer->id].is_known &&
			memcmp(netlink->nodes[peer->id].mac, packet->sender_mac, MAC_SIZE) == 0;
		end_probe(module, is_peer ? PROBE_PEER_ANSWERS : PROBE_FOREIGN_ANSWERS,
			packet->sender_mac);
		return;
	}
}

/* ---- what is heard ---- */

static void on_packet(struct wire *wire, const struct arp_packet *packet)
{
	struct daemon *daemon = wire->netlink->daemon;

	if (packet->sender.s_addr == 0)
		return; /* a probe: it has nothing yet */
	learn(wire->netlink, packet);
	for (int i = 0; i < daemon->module_count; i++)
		if (daemon->modules[i]->addresses->is_probing)
			match_probe(daemon->modules[i], packet);
	for_each_held(daemon, packet->sender, on_claimed, packet);
}

static void on_arp(void *owner, uint32_t events)
{
	struct wire *wire = owner;
	struct arp_packet packet;

	(void)events;
	for (int i = 0; i < PACKETS_AT_ONCE; i++) {
		int error = arp_receive(wire->socket, &packet);
		if (error == -EAGAIN || error == -ENETDOWN)
			return; /* an interface that went down says so once */
		if (error == 0)
			on_packet(wire, &packet);
	}
}

/* ---- open, close, add, remove ---- */

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
	for (int i = 0; i < netlink->wire_count; i++) {
		loop_remove(&daemon->loop, &netlink->wires[i].watch);
		close(netlink->wires[i].socket);
	}
	netlink_close(netlink->netlink);
	free(netlink);
	daemon->netlink = NULL;
}

int addresses_add(struct module *module)
{
	struct module_addresses *addresses = calloc(1, sizeof(*addresses));
	if (addresses == NULL)
		return -ENOMEM;
	for (uint8_t i = 0; i < ADDRESSES_MAX; i++) {
		struct virtual_address *address = &addresses->list[i];
		*address = (struct virtual_address){ .module = module, .index = i };
		address->renew = (struct timer){ .owner = address, .on_due = on_renew };
		address->announce = (struct timer){ .owner = address, .on_due = on_announce };
	}
	addresses->probe = (struct timer){ .owner = module, .on_due = on_probe };
	module->addresses = addresses;
	loop_arm(&module->daemon->loop, &module->daemon->netlink->learn, clock_boot_ns());
	return 0;
}

/* Addresses that are still held when we end stay, and end with their lifetime. */
void addresses_remove(struct module *module)
{
	struct loop *loop = &module->daemon->loop;

	if (module->addresses == NULL)
		return;
	for (int i = 0; i < ADDRESSES_MAX; i++) {
		loop_disarm(loop, &module->addresses->list[i].renew);
		loop_disarm(loop, &module->addresses->list[i].announce);
	}
	loop_disarm(loop, &module->addresses->probe);
	free(module->addresses);
	module->addresses = NULL;
}
