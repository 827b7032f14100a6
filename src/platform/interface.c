#include "platform/interface.h"

#include <errno.h>
#include <netpacket/packet.h>
#include <string.h>

#include "platform/socket_address.h"

static void free_list(struct ifaddrs **list)
{
	if (*list != NULL)
		freeifaddrs(*list);
}

bool interface_entry(const struct ifaddrs *entry, struct address *out_address, uint8_t *out_prefix)
{
	if (entry->ifa_addr == NULL || entry->ifa_netmask == NULL)
		return false;
	struct address address = socket_address_take(entry->ifa_addr);
	struct address mask = socket_address_take(entry->ifa_netmask);
	if (address.family == ADDRESS_NONE || mask.family != address.family)
		return false;
	*out_prefix = 0;
	for (size_t i = 0; i < address_size(&mask); i++)
		*out_prefix += (uint8_t)__builtin_popcount(mask.bytes[i]);
	*out_address = address;
	return true;
}

/* The hardware address of an entry of the link layer; false for all others. */
static bool link_of(const struct ifaddrs *entry, struct sockaddr_ll *out_link)
{
	if (entry->ifa_addr == NULL || entry->ifa_addr->sa_family != AF_PACKET)
		return false;
	memcpy(out_link, entry->ifa_addr, sizeof(*out_link));
	return out_link->sll_halen == MAC_SIZE;
}

/* The hardware address and index; false for interfaces that have none (loopback, tunnels). */
static bool fill_hardware(const struct ifaddrs *list, const char *name, struct interface *interface)
{
	for (const struct ifaddrs *entry = list; entry != NULL; entry = entry->ifa_next) {
		struct sockaddr_ll link;
		size_t size = strlen(name);
		if (strcmp(entry->ifa_name, name) != 0 || size >= sizeof(interface->name) ||
			(entry->ifa_flags & IFF_LOOPBACK) != 0 || !link_of(entry, &link))
			continue;
		interface->index = link.sll_ifindex;
		memcpy(interface->mac, link.sll_addr, MAC_SIZE);
		memcpy(interface->name, name, size + 1);
		return true;
	}
	return false;
}

/* Takes the longest network that holds the address; an entry that is the address itself tells of
 * nothing but our own doing. */
static void fill_network(const struct ifaddrs *list, const struct address *address,
	const char *name, struct interface *interface)
{
	uint8_t longest = 0;

	for (const struct ifaddrs *entry = list; entry != NULL; entry = entry->ifa_next) {
		struct interface found;
		struct address own;
		uint8_t prefix;
		if ((name[0] != '\0' && strcmp(entry->ifa_name, name) != 0) ||
			!interface_entry(entry, &own, &prefix) || address_is_equal(&own, address) ||
			!address_is_in_network(address, &own, prefix) || prefix < longest ||
			!fill_hardware(list, entry->ifa_name, &found))
			continue;
		longest = prefix;
		found.source = own;
		*interface = found;
	}
}

int interface_list(struct ifaddrs **out_list)
{
	return getifaddrs(out_list) < 0 ? -errno : 0;
}

bool interface_is_in(const struct ifaddrs *list, int index)
{
	struct sockaddr_ll link;

	for (const struct ifaddrs *entry = list; entry != NULL; entry = entry->ifa_next)
		if (link_of(entry, &link) && link.sll_ifindex == index)
			return true;
	return false;
}

int interface_find_in(const struct ifaddrs *list, const struct address *address, const char *name,
	struct interface *out_interface)
{
	struct interface interface = { 0 };

	fill_network(list, address, name, &interface);
	/* Perhaps no network of it holds the address. */
	if (interface.index == 0 && (name[0] == '\0' || !fill_hardware(list, name, &interface)))
		return -ENODEV;
	*out_interface = interface;
	return 0;
}

bool interface_has_address(const struct address *address)
{
	CLEANUP(free_list) struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return false;
	for (const struct ifaddrs *entry = list; entry != NULL; entry = entry->ifa_next) {
		struct address own;
		uint8_t prefix;
		if (interface_entry(entry, &own, &prefix) && address_is_equal(&own, address))
			return true;
	}
	return false;
}

bool interface_has_mac(const uint8_t mac[MAC_SIZE])
{
	CLEANUP(free_list) struct ifaddrs *list = NULL;
	struct sockaddr_ll link;

	if (getifaddrs(&list) < 0)
		return false;
	for (const struct ifaddrs *entry = list; entry != NULL; entry = entry->ifa_next)
		if (link_of(entry, &link) && memcmp(link.sll_addr, mac, MAC_SIZE) == 0)
			return true;
	return false;
}
