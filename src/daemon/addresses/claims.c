/*
 * Others who say that they have an address which this node holds: the module's other node, or a
 * stranger. Said once in a while, defended once each time, and in the status for as long as it counts.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/addresses/internal.h"
#include "platform/clock.h"

#define CLAIM_PAUSE_NS (10 * NS_PER_S) /* between events about the same claim */
#define CLAIMED_NS     (30 * NS_PER_S) /* so long after a claim it counts as one that stands */
#define MAC_TEXT_SIZE  18

static const struct address *address_of(const struct virtual_address *address)
{
	return &address->module->settings.addresses[address->index].address;
}

static const char *mac_text(const uint8_t mac[MAC_SIZE], char out[MAC_TEXT_SIZE])
{
	(void)snprintf(out, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	return out;
}

static const char *peer_name(const struct module *module)
{
	const struct node_config *peer = daemon_peer(module->daemon, module);

	return peer == NULL ? "the other node" : peer->name;
}

/* It knows of it by beats, and lets go when it is the one that has to (R3). */
static void say_peers_claim(struct virtual_address *address)
{
	struct module *module = address->module;
	char ip[ADDRESS_TEXT_SIZE], mac[MAC_TEXT_SIZE];

	daemon_log(module->daemon, module, SEVERITY_WARNING, "address.both",
		"%s (%s) says that it has the address %s too, which this module serves at here. "
		"This node keeps it; one of the two lets go of it as soon as they hear each "
		"other. If it is said again, look at `evenkeel status` on both.",
		peer_name(module), mac_text(address->claimed_by, mac),
		address_format(address_of(address), ip));
}

static void say_strangers_claim(struct virtual_address *address)
{
	struct module *module = address->module;
	char ip[ADDRESS_TEXT_SIZE], mac[MAC_TEXT_SIZE];

	daemon_log(module->daemon, module, SEVERITY_ERROR, "address.conflict",
		"Another machine (%s) says that it has the address %s, which this module serves "
		"at. "
		"Find it by that hardware address and take %s away from it.",
		mac_text(address->claimed_by, mac), address_format(address_of(address), ip), ip);
}

static void on_claimed(struct virtual_address *address, const struct wire *wire,
	const struct neighbour_claim *claim)
{
	int64_t now_ns = clock_boot_ns();
	bool is_peers = addresses_is_of_peer(address->module, wire, claim);

	if (interface_has_mac(claim->mac))
		return;
	bool is_soon = address->claimed_ns != 0 && now_ns - address->claimed_ns < CLAIM_PAUSE_NS;
	/* A stranger is not hidden by the other node's claim of just now. */
	if (is_soon && (is_peers || !address->is_peers_claim))
		return;
	memcpy(address->claimed_by, claim->mac, MAC_SIZE);
	address->claimed_ns = now_ns;
	address->is_peers_claim = is_peers;
	if (is_peers)
		say_peers_claim(address);
	else
		say_strangers_claim(address);
	addresses_announce(address); /* once, as RFC 5227 section 2.4 has it for IPv4 */
	if (!is_peers)
		addresses_post_change(address, ADDRESS_TAKEN_BY_OTHER);
}

void addresses_claimed(
	struct daemon *daemon, const struct wire *wire, const struct neighbour_claim *claim)
{
	for (int i = 0; i < daemon->module_count; i++) {
		struct virtual_address *address =
			addresses_find_held(daemon->modules[i], &claim->address);
		if (address != NULL)
			on_claimed(address, wire, claim);
	}
}

bool claims_say(const struct virtual_address *address, char out_sentence[SENTENCE_SIZE_MAX])
{
	int64_t age_ns = clock_boot_ns() - address->claimed_ns;
	char text[ADDRESS_TEXT_SIZE], mac[MAC_TEXT_SIZE];

	if (address->claimed_ns == 0 || age_ns >= CLAIMED_NS)
		return false;
	(void)address_format(address_of(address), text);
	if (address->is_peers_claim)
		(void)snprintf(out_sentence, SENTENCE_SIZE_MAX,
			"%s says that it has the address %s too; one of the two lets go of it as "
			"soon as they hear each other",
			peer_name(address->module), text);
	else
		(void)snprintf(out_sentence, SENTENCE_SIZE_MAX,
			"another machine (%s) says that it has the address %s; find it by that "
			"hardware address and take %s away from it",
			mac_text(address->claimed_by, mac), text, text);
	return true;
}
