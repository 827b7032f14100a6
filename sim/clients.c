#include "sim/world.h"

/*
 * Clients write to, and now and then sync, whoever answers at the service address (without one:
 * wherever the application runs). One call at a
 * time each; who gets no answer tries again, wherever the address is then.
 */

#define THINK_MIN_NS (20 * NS_PER_MS)
#define THINK_MAX_NS (400 * NS_PER_MS)

static bool is_reached(const struct world *world, const struct node *node)
{
	bool is_answering = node_has_address(world, node) || !world->has_address;

	return node->is_up && node->detached == 0 && is_answering && node->is_application_running &&
	       node->frozen_until[PROCESS_FS] <= world->now && node->data_disk_until <= world->now;
}

void client_wake(struct world *world, uint32_t client)
{
	int64_t think = chance_between(&world->chance, THINK_MIN_NS, THINK_MAX_NS);
	bool is_sync = chance_is(&world->chance, 60);
	uint64_t first = chance_below(&world->chance, NODES);

	happen(world, think, HAPPEN_CLIENT)->number = client;
	if (world->is_quiet)
		return;
	for (uint64_t i = 0; i < NODES; i++) {
		struct node *node = &world->nodes[(first + i) % NODES];
		if (is_reached(world, node) && primary_request(world, node, client, is_sync))
			return;
	}
}
