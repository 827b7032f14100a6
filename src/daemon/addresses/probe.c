/*
 * Asking who has a module's addresses, before they are taken over: the peer, a stranger, or nobody.
 *
 *	addresses_probe() -> asked PROBE_COUNT times -> answered, or silent -> PROBE_ENDED
 */
#include <string.h>

#include "daemon/addresses/internal.h"
#include "platform/clock.h"

#define PROBE_GAP_NS (50 * NS_PER_MS)
#define PROBE_COUNT  3
#define PROBE_END_NS (200 * NS_PER_MS)

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
	const struct address nobody = { .family = ADDRESS_NONE };
	bool is_sent = false;

	for (int i = 0; i < module->settings.address_count; i++) {
		const struct address_config *config = &module->settings.addresses[i];
		struct wire *wire;
		if (addresses_wire_for(module->daemon, config, &wire) == 0 &&
			addresses_wire_ask(wire, &nobody, &config->address) == 0)
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

void addresses_match_probe(
	struct module *module, const struct wire *wire, const struct neighbour_claim *claim)
{
	if (!module->addresses->is_probing)
		return;
	for (int i = 0; i < module->settings.address_count; i++) {
		if (!address_is_equal(&module->settings.addresses[i].address, &claim->address) ||
			interface_has_mac(claim->mac))
			continue;
		bool is_peer = addresses_is_of_peer(module, wire, claim);
		end_probe(module, is_peer ? PROBE_PEER_ANSWERS : PROBE_FOREIGN_ANSWERS, claim->mac);
		return;
	}
}

void addresses_probe_init(struct module *module)
{
	module->addresses->probe = (struct timer){ .owner = module, .on_due = on_probe };
}
