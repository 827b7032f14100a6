/*
 * Virtual addresses: held with a lifetime that the kernel ends by itself (R15), announced, and
 * defended.
 *
 *	            hold                            release
 *	  free ------------> held, renewed ------------------> free
 *	                      |  every 500 ms
 *	                      +-- removed by somebody else: put back at once
 *	                      +-- another machine claims it: said, the core is told
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/addresses/internal.h"
#include "daemon/runtime.h"
#include "platform/clock.h"
#include "platform/connections.h"

#define RENEW_NS       (500 * NS_PER_MS)
#define ANNOUNCE_NS    (10 * NS_PER_S) /* once the first ones are out */
#define CLAIM_PAUSE_NS (10 * NS_PER_S) /* between events about the same claim */
#define MAC_TEXT_SIZE  18

/* After the address was taken: at once, and where the first ones may have been lost. */
static const int64_t announce_at_ns[] = { 0, 100 * NS_PER_MS, 500 * NS_PER_MS, NS_PER_S };

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

static void post_change(struct virtual_address *address, enum address_change change)
{
	if (!address->module->is_added)
		return; /* renewed for the core before it knows the module */
	daemon_post(address->module->daemon,
		&(struct event){ .type = EVENT_ADDRESS_CHANGED,
			.module = address->module->settings.number,
			.address = { .index = address->index, .change = change } });
}

/* ---- announcing ---- */

static void announce(struct virtual_address *address)
{
	struct wire *wire = addresses_wire_for(address->module->daemon, config_of(address));

	if (wire != NULL) /* gone for a moment: the next one comes */
		(void)!addresses_wire_announce(wire, &config_of(address)->address);
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

/* ---- holding ---- */

static int put_at_place(struct virtual_address *address)
{
	return netlink_put_address(address->module->daemon->netlink->netlink, &address->place,
		(uint32_t)(ADDRESS_LIFETIME_NS / NS_PER_S));
}

/* Of IPv6 the address alone: the network is the interface's own affair, as it always is there. */
static uint8_t prefix_for(const struct address_config *config, const struct interface *interface)
{
	if (config->prefix != 0)
		return config->prefix;
	return config->address.family == ADDRESS_IPV6 ? address_prefix_max(&config->address)
						      : interface->prefix;
}

/* Where it was put last; only if that fails, its interface is looked for anew. */
static int put(struct virtual_address *address)
{
	struct daemon *daemon = address->module->daemon;
	const struct address_config *config = config_of(address);

	if (address->place.interface != 0 && put_at_place(address) == 0)
		return 0;
	struct wire *wire = addresses_wire_for(daemon, config);
	if (wire == NULL)
		return -ENODEV;
	address->place = (struct netlink_place){ .interface = wire->interface.index,
		.address = config->address,
		.prefix = prefix_for(config, &wire->interface) };
	return put_at_place(address);
}

static const char *why_failed(const struct virtual_address *address, int error)
{
	if (error == -ENODEV)
		return "no interface belongs to it";
	if (error == -EACCES && config_of(address)->address.family == ADDRESS_IPV6)
		return "IPv6 is switched off on its interface (sysctl "
		       "net.ipv6.conf.*.disable_ipv6)";
	return strerror(-error);
}

static void say_failed(struct virtual_address *address, int error)
{
	char text[ADDRESS_TEXT_SIZE];

	daemon_log(address->module->daemon, address->module, SEVERITY_ERROR, "address.failed",
		"The address %s cannot be taken: %s. Trying on; see that an interface of this node "
		"is up and has an address in the same network, or name it in module.yaml.",
		address_format(&config_of(address)->address, text), why_failed(address, error));
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
		(void)!netlink_remove_address(daemon->netlink->netlink, &address->place);
}

static void release_one(struct virtual_address *address)
{
	if (address->is_held) {
		/* Reset while the address can still send it; what follows meets no address. A
		 * kernel that cannot leaves its clients to their time-outs. */
		(void)!connections_reset(&config_of(address)->address);
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
		if (!interface_has_address(&module->settings.addresses[i].address))
			return false;
	return module->settings.address_count > 0;
}

/* ---- others at our addresses ---- */

static void put_back(struct virtual_address *address)
{
	char text[ADDRESS_TEXT_SIZE];
	int error = put(address);

	daemon_log(address->module->daemon, address->module, SEVERITY_WARNING, "address.put_back",
		"Something on this node removed the address %s, which this module serves at; %s.",
		address_format(&address->place.address, text),
		error == 0 ? "it was put back at once" : "it cannot be put back yet");
	if (error == 0)
		start_announcing(address);
	else
		on_renew(address);
}

static void for_each_held(struct daemon *daemon, const struct address *ip,
	void (*visit)(struct virtual_address *address, const struct neighbour_claim *claim),
	const struct neighbour_claim *claim)
{
	for (int i = 0; i < daemon->module_count; i++) {
		struct module *module = daemon->modules[i];
		for (int n = 0; n < module->settings.address_count; n++) {
			struct virtual_address *address = &module->addresses->list[n];
			if (address->is_held && address_is_equal(&config_of(address)->address, ip))
				visit(address, claim);
		}
	}
}

static void on_removed(struct virtual_address *address, const struct neighbour_claim *claim)
{
	(void)claim;
	/* One that expired while we were late has been renewed since, or is now. */
	if (!interface_has_address(&address->place.address))
		put_back(address);
}

static void on_claimed(struct virtual_address *address, const struct neighbour_claim *claim)
{
	char ip[ADDRESS_TEXT_SIZE], mac[MAC_TEXT_SIZE];
	int64_t now_ns = clock_boot_ns();

	if (interface_has_mac(claim->mac))
		return;
	if (address->claimed_ns != 0 && now_ns - address->claimed_ns < CLAIM_PAUSE_NS)
		return;
	address->claimed_ns = now_ns;
	daemon_log(address->module->daemon, address->module, SEVERITY_ERROR, "address.conflict",
		"Another machine (%s) says that it has the address %s, which this module serves "
		"at. "
		"Find it by that hardware address and take %s away from it.",
		mac_text(claim->mac, mac), address_format(&claim->address, ip), ip);
	announce(address); /* defend it once, as RFC 5227 section 2.4 has it for IPv4 */
	post_change(address, ADDRESS_TAKEN_BY_OTHER);
}

void addresses_claimed(struct daemon *daemon, const struct neighbour_claim *claim)
{
	for_each_held(daemon, &claim->address, on_claimed, claim);
}

void addresses_removed(struct daemon *daemon, const struct address *address)
{
	for_each_held(daemon, address, on_removed, NULL);
}

/* ---- a module comes and goes ---- */

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
	module->addresses = addresses;
	addresses_probe_init(module);
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
