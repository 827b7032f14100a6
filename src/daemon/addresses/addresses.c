/*
 * Virtual addresses: held with a lifetime that the kernel ends by itself (R15), announced, and
 * defended.
 *
 *	            hold                            release
 *	  free ------------> held, renewed ------------------> free
 *	                      |  every 500 ms, all of them in few messages
 *	                      +-- removed by somebody else: put back at once
 *	                      +-- another machine claims it: said, the core is told
 *	                      +-- the other node claims it: said; the core hears of that node by beats
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/addresses/internal.h"
#include "daemon/runtime.h"
#include "platform/clock.h"
#include "platform/connections.h"

#define RENEW_NS	(500 * NS_PER_MS)
#define ANNOUNCE_NS	(10 * NS_PER_S) /* once the first ones are out */
#define LIFETIME_S	((uint32_t)(ADDRESS_LIFETIME_NS / NS_PER_S))
#define BAD_AFTER_LOOKS 5 /* an interface may be gone for a moment */

/* After the address was taken: at once, and where the first ones may have been lost. */
static const int64_t announce_at_ns[] = { 0, 100 * NS_PER_MS, 500 * NS_PER_MS, NS_PER_S };

/* ---- helpers ---- */

static const struct address_config *config_of(const struct virtual_address *address)
{
	return &address->module->settings.addresses[address->index];
}

struct virtual_address *addresses_find_held(struct module *module, const struct address *ip)
{
	for (int i = 0; i < module->settings.address_count; i++) {
		struct virtual_address *address = &module->addresses->list[i];
		if (address->is_held && address_is_equal(&config_of(address)->address, ip))
			return address;
	}
	return NULL;
}

void addresses_post_change(struct virtual_address *address, enum address_change change)
{
	if (!address->module->is_added)
		return; /* renewed for the core before it knows the module */
	daemon_post(address->module->daemon,
		&(struct event){ .type = EVENT_ADDRESS_CHANGED,
			.module = address->module->settings.number,
			.address = { .index = address->index, .change = change } });
}

/* ---- announcing ---- */

/* Where it was put; the first times its interface is looked at anew, for its hardware address. */
void addresses_announce(struct virtual_address *address)
{
	struct daemon *daemon = address->module->daemon;
	const struct address_config *config = config_of(address);
	struct wire *wire = NULL;

	if (address->announced + 1 == ARRAY_COUNT(announce_at_ns))
		wire = addresses_wire_at(daemon, address->place.interface);
	if (wire == NULL && addresses_wire_for(daemon, config, &wire) != 0)
		return; /* gone for a moment: the next one comes */
	(void)!addresses_wire_announce(wire, &config->address);
}

static void on_announce(void *owner)
{
	struct virtual_address *address = owner;
	int64_t now_ns = clock_boot_ns();
	int64_t next_ns = now_ns + ANNOUNCE_NS;

	addresses_announce(address);
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

static struct netlink *netlink_of(const struct virtual_address *address)
{
	return address->module->daemon->netlink->netlink;
}

static int put_at_place(struct virtual_address *address)
{
	return netlink_put_address(netlink_of(address), &address->place, LIFETIME_S);
}

/* Nothing depends on whether it was there. */
static void take_away(struct virtual_address *address)
{
	if (address->place.interface != 0)
		(void)!netlink_remove_address(netlink_of(address), &address->place);
	address->place.interface = 0;
}

/* Where it was put last; only if that fails, its interface is looked for anew. */
static int put(struct virtual_address *address)
{
	const struct address_config *config = config_of(address);
	struct wire *wire = NULL;

	if (address->place.interface != 0 && put_at_place(address) == 0)
		return 0;
	address->place.interface = 0;
	int error = addresses_wire_for(address->module->daemon, config, &wire);
	if (error != 0)
		return error;
	/* The address alone, whatever the network: in a network with others it would be the first of
	 * them or depend on the first, which take the others along when they go (IPv4). */
	address->place = (struct netlink_place){ .interface = wire->interface.index,
		.address = config->address,
		.prefix = address_prefix_max(&config->address) };
	return put_at_place(address);
}

static const char *why_failed(const struct virtual_address *address, int error)
{
	const struct address_config *config = config_of(address);

	if (error == -ENODEV && config->interface[0] != '\0')
		return "its interface is not there";
	if (error == -ENODEV)
		return "no interface of this node has an address in its network";
	if (error == -ENOSPC)
		return "too many interfaces have virtual addresses";
	if (error == -EACCES && config->address.family == ADDRESS_IPV6)
		return "IPv6 is switched off on its interface (sysctl "
		       "net.ipv6.conf.*.disable_ipv6)";
	return strerror(-error);
}

static void say_failed(struct virtual_address *address, int error)
{
	char text[ADDRESS_TEXT_SIZE];

	daemon_log(address->module->daemon, address->module, SEVERITY_ERROR, "address.failed",
		"The address %s cannot be set: %s. Trying on; see that an interface of this node "
		"is up and has an address in the same network, or name it in module.yaml.",
		address_format(&config_of(address)->address, text), why_failed(address, error));
}

/* What came of putting it, or of renewing its life. The core hears of changes only. */
static void note(struct virtual_address *address, int error)
{
	bool was_failing = address->is_failing;
	bool is_news = error != 0 && error != address->error;

	address->is_failing = error != 0;
	address->error = error;
	if (is_news)
		say_failed(address, error);
	if (error != 0 && (!was_failing || address->is_new)) {
		address->is_new = false;
		addresses_post_change(address, ADDRESS_FAILED);
	} else if (error == 0 && was_failing) {
		address->is_new = false;
		start_announcing(address);
		addresses_post_change(address, ADDRESS_HELD);
	}
}

/* Addresses that are renewed together. */
struct renewals {
	struct daemon_netlink *netlink;
	struct virtual_address *of[NETLINK_BATCH];
	int count;
};

static void renew_all(struct renewals *renewals)
{
	struct netlink_place places[NETLINK_BATCH] = { 0 };
	int errors[NETLINK_BATCH];
	int count = renewals->count;

	if (count == 0)
		return;
	for (int i = 0; i < count; i++)
		places[i] = renewals->of[i]->place;
	renewals->count = 0;
	int error = netlink_put_addresses(
		renewals->netlink->netlink, places, count, LIFETIME_S, errors);
	for (int i = 0; i < count; i++) {
		struct virtual_address *address = renewals->of[i];
		if (!address->is_held)
			continue; /* the core let it go when it heard of another */
		bool is_renewed = error == 0 && errors[i] == 0;
		note(address, is_renewed ? 0 : put(address));
	}
}

static void renew(struct renewals *renewals, struct virtual_address *address)
{
	if (address->place.interface == 0) {
		note(address, put(address));
		return;
	}
	renewals->of[renewals->count++] = address;
	if (renewals->count == NETLINK_BATCH)
		renew_all(renewals);
}

static void on_renew(void *owner)
{
	struct renewals renewals = { .netlink = owner };
	struct daemon *daemon = renewals.netlink->daemon;
	bool is_any = false;

	for (int i = 0; i < daemon->module_count; i++)
		for (int n = 0; n < daemon->modules[i]->settings.address_count; n++) {
			struct virtual_address *address = &daemon->modules[i]->addresses->list[n];
			if (!address->is_held)
				continue;
			is_any = true;
			renew(&renewals, address);
		}
	renew_all(&renewals);
	if (is_any)
		loop_arm(&daemon->loop, &renewals.netlink->renew, clock_boot_ns() + RENEW_NS);
}

static void renew_soon(struct daemon *daemon, int64_t due_ns)
{
	struct timer *timer = &daemon->netlink->renew;

	if (!loop_is_armed(timer) || loop_due_ns(timer) > due_ns)
		loop_arm(&daemon->loop, timer, due_ns);
}

void addresses_renew_init(struct daemon_netlink *netlink)
{
	netlink->renew = (struct timer){ .owner = netlink, .on_due = on_renew };
}

static void hold_one(struct virtual_address *address)
{
	if (address->is_held)
		return;
	address->is_held = address->is_new = true;
	address->is_failing = true; /* so that success is news */
	address->error = 0;
	note(address, put(address));
	renew_soon(address->module->daemon, clock_boot_ns() + RENEW_NS);
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

	address->is_held = address->is_failing = false;
	loop_disarm(&daemon->loop, &address->announce);
	take_away(address);
}

static void release_one(struct virtual_address *address)
{
	if (address->is_held) {
		/* Reset while the address can still send it; what follows meets no address. A
		 * kernel that cannot leaves its clients to their time-outs. */
		(void)!connections_reset(&config_of(address)->address);
		drop(address);
	}
	addresses_post_change(address, ADDRESS_GONE);
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

bool addresses_are_set(const struct module *module)
{
	for (int i = 0; i < module->settings.address_count; i++)
		if (module->addresses->list[i].is_held && module->addresses->list[i].is_failing)
			return false;
	return true;
}

bool addresses_trouble(const struct module *module, char out_sentence[SENTENCE_SIZE_MAX])
{
	for (int i = 0; i < module->settings.address_count; i++) {
		const struct virtual_address *address = &module->addresses->list[i];
		char text[ADDRESS_TEXT_SIZE];
		if (!address->is_held)
			continue;
		if (address->is_failing)
			(void)snprintf(out_sentence, SENTENCE_SIZE_MAX,
				"the address %s cannot be set on this node: %s; see that an "
				"interface is "
				"up and has an address in the same network, or name it in "
				"module.yaml",
				address_format(&config_of(address)->address, text),
				why_failed(address, address->error));
		if (address->is_failing || claims_say(address, out_sentence))
			return true;
	}
	return false;
}

/* ---- addresses and interfaces come and go ---- */

/* It was put anew: whoever knew where it was has to hear of it. Last: the core may let it go. */
static void note_put_anew(struct virtual_address *address, int error)
{
	if (error == 0 && !address->is_failing)
		start_announcing(address); /* else note() does */
	note(address, error);
}

static void put_back(struct virtual_address *address)
{
	char text[ADDRESS_TEXT_SIZE];
	int error = put(address);

	daemon_log(address->module->daemon, address->module, SEVERITY_WARNING, "address.put_back",
		"Something on this node removed the address %s, which this module serves at; %s.",
		address_format(&address->place.address, text),
		error == 0 ? "it was put back at once" : "it cannot be put back yet");
	note_put_anew(address, error);
}

void addresses_removed(struct daemon *daemon, const struct address *ip)
{
	for (int i = 0; i < daemon->module_count; i++) {
		struct virtual_address *address = addresses_find_held(daemon->modules[i], ip);
		/* One that expired while we were late has been renewed since, or is now. */
		if (address != NULL && !interface_has_address(ip))
			put_back(address);
	}
}

void addresses_added(struct daemon *daemon)
{
	bool is_failing = false;

	for (int i = 0; i < daemon->module_count; i++)
		is_failing = is_failing || !addresses_are_set(daemon->modules[i]);
	if (is_failing)
		renew_soon(daemon, clock_boot_ns());
}

/* It took our addresses along, and its number may be another's soon. */
void addresses_interface_gone(struct daemon *daemon, int interface)
{
	for (int i = 0; i < daemon->module_count; i++)
		for (int n = 0; n < daemon->modules[i]->settings.address_count; n++) {
			struct virtual_address *address = &daemon->modules[i]->addresses->list[n];
			if (address->place.interface == interface)
				address->place.interface = 0;
		}
}

void addresses_belongs(struct virtual_address *address, int interface)
{
	if (!address->is_held || address->place.interface == 0 ||
		address->place.interface == interface)
		return;
	take_away(address);
	note_put_anew(address, put(address));
}

/* ---- what is seen ---- */

/* As of the last look at all interfaces: every ten seconds, and when addresses or interfaces change. */
static bool is_there_room(const struct module *module)
{
	for (int i = 0; i < module->settings.address_count; i++)
		if (module->addresses->list[i].has_no_room)
			return false;
	return true;
}

enum finding addresses_look(struct module *module)
{
	struct module_addresses *addresses = module->addresses;
	bool is_held = false;

	if (module->settings.address_count == 0)
		return FINDING_NONE;
	for (int i = 0; i < module->settings.address_count; i++)
		is_held = is_held || addresses->list[i].is_held;
	bool is_failing = is_held ? !addresses_are_set(module) : !is_there_room(module);
	addresses->looks_failing = is_failing ? addresses->looks_failing + 1 : 0;
	if (addresses->looks_failing == 0)
		return FINDING_GOOD;
	return addresses->looks_failing < BAD_AFTER_LOOKS ? FINDING_LATE : FINDING_BAD;
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
		loop_disarm(loop, &module->addresses->list[i].announce);
	}
	addresses_wire_leave(module);
	loop_disarm(loop, &module->addresses->probe);
	free(module->addresses);
	module->addresses = NULL;
}
