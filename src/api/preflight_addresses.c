/*
 * Addresses against this node's own interfaces, which know more than the files: how long the prefix of a
 * network is, and what is set here. The one place for it: whoever takes an address from a person asks here.
 */
#include <errno.h>
#include <string.h>

#include "api/preflight.h"
#include "platform/interface.h"

/* Where an address comes from: "the address of node 'a'". */
struct origin {
	const char *what, *name, *end;
};

static int complain(
	struct config_error *error, const struct origin *origin, const char *shown, const char *why)
{
	snprintf(error->sentence, sizeof(error->sentence), "%s, %s%s%s, %s; name another one",
		shown, origin->what, origin->name, origin->end, why);
	return -EINVAL;
}

/* The network of the interface that holds the address; the longest prefix counts. False: none here. */
static bool find_network(const struct ifaddrs *interfaces, const struct address *address,
	struct address *out_own, uint8_t *out_prefix)
{
	bool is_found = false;
	*out_prefix = 0;
	for (const struct ifaddrs *at = interfaces; at != NULL; at = at->ifa_next) {
		struct address own;
		uint8_t prefix;
		if ((at->ifa_flags & IFF_LOOPBACK) != 0 || !interface_entry(at, &own, &prefix) ||
			prefix == address_prefix_max(&own) || prefix < *out_prefix ||
			!address_is_in_network(address, &own, prefix))
			continue;
		*out_own = own;
		*out_prefix = prefix;
		is_found = true;
	}
	return is_found;
}

static int check_one(const struct ifaddrs *interfaces, const struct address *address,
	const struct origin *origin, struct config_error *error)
{
	char shown[ADDRESS_TEXT_SIZE], own_shown[ADDRESS_TEXT_SIZE], why[256];
	struct address own;
	uint8_t prefix;
	if (!find_network(interfaces, address, &own, &prefix))
		return 0;
	enum address_fault fault = address_check_in(address, prefix);
	if (fault == ADDRESS_IS_GOOD)
		return 0;
	snprintf(why, sizeof(why), "%s (this node is %s/%u there)", address_fault_text(fault),
		address_format(&own, own_shown), prefix);
	return complain(error, origin, address_format(address, shown), why);
}

/* What this node has itself, whether cluster.yaml names it or not. */
static int check_target(const struct ifaddrs *interfaces, const struct address *target,
	const struct origin *origin, struct config_error *error)
{
	char shown[ADDRESS_TEXT_SIZE], why[256];
	for (const struct ifaddrs *at = interfaces; at != NULL; at = at->ifa_next) {
		struct address own;
		uint8_t prefix;
		if (!interface_entry(at, &own, &prefix) || !address_is_equal(&own, target))
			continue;
		snprintf(why, sizeof(why),
			"is set on %s of this node itself, which says nothing of who is cut off",
			at->ifa_name);
		return complain(error, origin, address_format(target, shown), why);
	}
	return check_one(interfaces, target, origin, error);
}

static int check_cluster(const struct ifaddrs *interfaces, const struct cluster_config *cluster,
	struct config_error *error)
{
	const struct origin target = { "the ping_target of cluster.yaml", "", "" };
	for (int i = 0; i < cluster->node_count; i++) {
		const struct node_config *node = &cluster->nodes[i];
		const struct origin origin = { "an address of node '", node->name, "'" };
		for (int a = 0; a < node->address_count; a++) {
			int result = check_one(interfaces, &node->addresses[a], &origin, error);
			if (result != 0)
				return result;
		}
	}
	return cluster->ping_target.family == ADDRESS_NONE
		       ? 0
		       : check_target(interfaces, &cluster->ping_target, &target, error);
}

int preflight_module_addresses(const struct module_settings *module,
	const struct ifaddrs *interfaces, struct config_error *out_error)
{
	const struct origin origin = { "an address of module '", module->name, "'" };
	int result = 0;
	for (int i = 0; i < module->address_count && result == 0; i++)
		result = check_one(interfaces, &module->addresses[i].address, &origin, out_error);
	return result;
}

int preflight_addresses(const struct cluster_config *cluster, const struct config_modules *modules,
	struct config_error *out_error)
{
	struct ifaddrs *interfaces = NULL;
	int result = interface_list(&interfaces);
	if (result != 0) {
		snprintf(out_error->sentence, sizeof(out_error->sentence),
			"this node's addresses cannot be read: %s", strerror(-result));
		return result;
	}
	result = check_cluster(interfaces, cluster, out_error);
	for (int i = 0; modules != NULL && i < modules->count && result == 0; i++)
		result = preflight_module_addresses(&modules->list[i], interfaces, out_error);
	freeifaddrs(interfaces);
	return result;
}
