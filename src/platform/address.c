#include "platform/address.h"

#include <errno.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <netpacket/packet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_SIZE	   8192
#define MONITOR_QUEUE	   64
#define ALL_STATES	   0xffffffffu
#define LISTENING_AND_GONE ((1u << TCP_LISTEN) | (1u << TCP_CLOSE) | (1u << TCP_TIME_WAIT))
#define RESETS_MAX	   65536 /* connections of one address */

struct netlink {
	struct mnl_socket *requests;
	struct mnl_socket *monitor;
	uint32_t sequence;
	struct netlink_change queue[MONITOR_QUEUE]; /* of one datagram */
	int queue_first, queue_count;
};

/* ---- sockets ---- */

static int open_socket(int bus, unsigned groups, struct mnl_socket **out_socket)
{
	struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (socket == NULL)
		return -errno;
	if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0) {
		int error = -errno;
		(void)mnl_socket_close(socket);
		return error;
	}
	*out_socket = socket;
	return 0;
}

int netlink_open(struct netlink **out_netlink)
{
	struct netlink *netlink = calloc(1, sizeof(*netlink));
	if (netlink == NULL)
		return -ENOMEM;
	int error = open_socket(NETLINK_ROUTE, 0, &netlink->requests);
	if (error == 0)
		error = open_socket(NETLINK_ROUTE, RTMGRP_IPV4_IFADDR, &netlink->monitor);
	if (error != 0) {
		netlink_close(netlink);
		return error;
	}
	*out_netlink = netlink;
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (netlink == NULL)
		return;
	if (netlink->requests != NULL)
		(void)mnl_socket_close(netlink->requests);
	if (netlink->monitor != NULL)
		(void)mnl_socket_close(netlink->monitor);
	free(netlink);
}

int netlink_fd(const struct netlink *netlink)
{
	return mnl_socket_get_fd(netlink->monitor);
}

/* Sends and waits for the kernel's answer, which is there at once. */
static int ask(struct netlink *netlink, struct nlmsghdr *header)
{
	char answer[MESSAGE_SIZE];

	header->nlmsg_seq = ++netlink->sequence;
	if (mnl_socket_sendto(netlink->requests, header, header->nlmsg_len) < 0)
		return -errno;
	ssize_t size = mnl_socket_recvfrom(netlink->requests, answer, sizeof(answer));
	if (size < 0)
		return -errno;
	int result = mnl_cb_run(answer, (size_t)size, netlink->sequence,
		mnl_socket_get_portid(netlink->requests), NULL, NULL);
	return result < 0 ? -errno : 0;
}

/* ---- interfaces ---- */

static uint32_t ipv4_of(const struct sockaddr *address)
{
	struct sockaddr_in in;

	memcpy(&in, address, sizeof(in));
	return ntohl(in.sin_addr.s_addr);
}

static bool is_ipv4(const struct ifaddrs *entry)
{
	return entry->ifa_addr != NULL && entry->ifa_netmask != NULL &&
	       entry->ifa_addr->sa_family == AF_INET;
}

static void free_list(struct ifaddrs **list)
{
	if (*list != NULL)
		freeifaddrs(*list);
}

/* The hardware address and index; false for interfaces that have none (loopback, tunnels). */
static bool fill_hardware(const struct ifaddrs *list, const char *name, struct interface *interface)
{
	for (const struct ifaddrs *entry = list; entry != NULL; entry = entry->ifa_next) {
		struct sockaddr_ll link;
		if (entry->ifa_addr == NULL || entry->ifa_addr->sa_family != AF_PACKET ||
			strcmp(entry->ifa_name, name) != 0 ||
			(entry->ifa_flags & IFF_LOOPBACK) != 0)
			continue;
		memcpy(&link, entry->ifa_addr, sizeof(link));
		if (link.sll_halen != MAC_SIZE)
			return false;
		interface->index = link.sll_ifindex;
		memcpy(interface->mac, link.sll_addr, MAC_SIZE);
		size_t size = strlen(name);
		if (size >= sizeof(interface->name))
			return false;
		memcpy(interface->name, name, size + 1);
		return true;
	}
	return false;
}

/* Takes the longest network that holds the address; an entry that is the address itself tells of
 * nothing but our own doing. */
static void fill_network(
	const struct ifaddrs *list, uint32_t address, const char *name, struct interface *interface)
{
	struct interface found;

	for (const struct ifaddrs *entry = list; entry != NULL; entry = entry->ifa_next) {
		if (!is_ipv4(entry) || (name[0] != '\0' && strcmp(entry->ifa_name, name) != 0))
			continue;
		uint32_t mask = ipv4_of(entry->ifa_netmask), own = ipv4_of(entry->ifa_addr);
		uint8_t prefix = (uint8_t)__builtin_popcount(mask);
		if (own == address || (own & mask) != (address & mask) ||
			prefix < interface->prefix || !fill_hardware(list, entry->ifa_name, &found))
			continue;
		found.prefix = prefix;
		found.source.s_addr = htonl(own);
		*interface = found;
	}
}

int address_find_interface(
	struct in_addr address, const char *name, struct interface *out_interface)
{
	CLEANUP(free_list) struct ifaddrs *list = NULL;
	struct interface interface = { 0 };

	if (getifaddrs(&list) < 0)
		return -errno;
	fill_network(list, ntohl(address.s_addr), name, &interface);
	if (interface.index == 0 && name[0] != '\0' && fill_hardware(list, name, &interface))
		interface.prefix = 32; /* named, though no network of it holds the address */
	if (interface.index == 0)
		return -ENODEV;
	*out_interface = interface;
	return 0;
}

bool address_is_here(struct in_addr address)
{
	CLEANUP(free_list) struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return false;
	for (const struct ifaddrs *entry = list; entry != NULL; entry = entry->ifa_next)
		if (is_ipv4(entry) && ipv4_of(entry->ifa_addr) == ntohl(address.s_addr))
			return true;
	return false;
}

bool address_is_own_mac(const uint8_t mac[MAC_SIZE])
{
	CLEANUP(free_list) struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return false;
	for (const struct ifaddrs *entry = list; entry != NULL; entry = entry->ifa_next) {
		struct sockaddr_ll link;
		if (entry->ifa_addr == NULL || entry->ifa_addr->sa_family != AF_PACKET)
			continue;
		memcpy(&link, entry->ifa_addr, sizeof(link));
		if (link.sll_halen == MAC_SIZE && memcmp(link.sll_addr, mac, MAC_SIZE) == 0)
			return true;
	}
	return false;
}

/* ---- addresses ---- */

static struct nlmsghdr *put_place(char *buffer, uint16_t type, const struct address_place *place)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *message = mnl_nlmsg_put_extra_header(header, sizeof(*message));

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message->ifa_family = AF_INET;
	message->ifa_prefixlen = place->prefix;
	message->ifa_scope = RT_SCOPE_UNIVERSE;
	message->ifa_index = (uint32_t)place->interface;
	mnl_attr_put_u32(header, IFA_LOCAL, place->address.s_addr);
	mnl_attr_put_u32(header, IFA_ADDRESS, place->address.s_addr);
	return header;
}

int address_put(struct netlink *netlink, const struct address_place *place, uint32_t lifetime_s)
{
	char buffer[MESSAGE_SIZE] = { 0 };
	const struct ifa_cacheinfo lifetime = { .ifa_valid = lifetime_s,
		.ifa_prefered = lifetime_s };

	struct nlmsghdr *header = put_place(buffer, RTM_NEWADDR, place);
	header->nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
	mnl_attr_put_u32(header, IFA_FLAGS, IFA_F_NOPREFIXROUTE);
	mnl_attr_put(header, IFA_CACHEINFO, sizeof(lifetime), &lifetime);
	return ask(netlink, header);
}

int address_remove(struct netlink *netlink, const struct address_place *place)
{
	char buffer[MESSAGE_SIZE] = { 0 };

	return ask(netlink, put_place(buffer, RTM_DELADDR, place));
}

static int on_change(const struct nlmsghdr *header, void *owner)
{
	struct netlink *netlink = owner;
	struct netlink_change change = { .is_removed = header->nlmsg_type == RTM_DELADDR };
	const struct ifaddrmsg *message = mnl_nlmsg_get_payload(header);
	const struct nlattr *attribute;

	if ((header->nlmsg_type != RTM_DELADDR && header->nlmsg_type != RTM_NEWADDR) ||
		mnl_nlmsg_get_payload_len(header) < sizeof(*message) ||
		netlink->queue_count == MONITOR_QUEUE)
		return MNL_CB_OK;
	change.place.interface = (int)message->ifa_index;
	change.place.prefix = message->ifa_prefixlen;
	mnl_attr_for_each(attribute, header,
		sizeof(*message)) if (mnl_attr_get_type(attribute) == IFA_LOCAL &&
				      mnl_attr_get_payload_len(attribute) ==
					      sizeof(change.place.address))
		memcpy(&change.place.address, mnl_attr_get_payload(attribute),
			sizeof(change.place.address));
	netlink->queue[netlink->queue_count++] = change;
	return MNL_CB_OK;
}

int address_next_change(struct netlink *netlink, struct netlink_change *out_change)
{
	char buffer[MESSAGE_SIZE];

	while (netlink->queue_first == netlink->queue_count) {
		netlink->queue_first = netlink->queue_count = 0;
		ssize_t size = recv(netlink_fd(netlink), buffer, sizeof(buffer), MSG_DONTWAIT);
		if (size < 0)
			return -errno;
		(void)mnl_cb_run(buffer, (size_t)size, 0, 0, on_change, netlink);
	}
	*out_change = netlink->queue[netlink->queue_first++];
	return 0;
}

/* ---- resetting connections ---- */

struct reset_list {
	struct in_addr address;
	struct inet_diag_sockid *list;
	int count;
};

static int collect(const struct nlmsghdr *header, void *owner)
{
	struct reset_list *resets = owner;
	const struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*message) ||
		message->id.idiag_src[0] != resets->address.s_addr || resets->count == RESETS_MAX)
		return MNL_CB_OK;
	if (resets->count % 256 == 0) {
		void *grown = realloc(
			resets->list, (size_t)(resets->count + 256) * sizeof(*resets->list));
		if (grown == NULL)
			return MNL_CB_OK; /* the rest ends by its own time-out */
		resets->list = grown;
	}
	resets->list[resets->count++] = message->id;
	return MNL_CB_OK;
}

static struct inet_diag_req_v2 *put_diag(struct nlmsghdr *header, uint16_t type, uint16_t flags)
{
	struct inet_diag_req_v2 *request = mnl_nlmsg_put_extra_header(header, sizeof(*request));

	header->nlmsg_type = type;
	header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	request->sdiag_family = AF_INET;
	request->sdiag_protocol = IPPROTO_TCP;
	request->idiag_states = ALL_STATES & ~LISTENING_AND_GONE;
	return request;
}

static int list_connections(struct mnl_socket *socket, struct reset_list *resets)
{
	char buffer[MESSAGE_SIZE * 4] = { 0 };
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	int result = MNL_CB_OK;

	(void)put_diag(header, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
	if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
		return -errno;
	while (result == MNL_CB_OK) {
		ssize_t size = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (size < 0)
			return -errno;
		result = mnl_cb_run(
			buffer, (size_t)size, 0, mnl_socket_get_portid(socket), collect, resets);
	}
	return result < 0 ? -errno : 0;
}

static int destroy(struct mnl_socket *socket, const struct inet_diag_sockid *id)
{
	char buffer[MESSAGE_SIZE] = { 0 };
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);

	struct inet_diag_req_v2 *request = put_diag(header, SOCK_DESTROY, NLM_F_ACK);
	request->id = *id;
	if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
		return -errno;
	ssize_t size = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	if (size < 0)
		return -errno;
	int result = mnl_cb_run(buffer, (size_t)size, 0, mnl_socket_get_portid(socket), NULL, NULL);
	return result < 0 ? -errno : 0;
}

int address_reset_connections(struct in_addr address)
{
	struct mnl_socket *socket = NULL;
	struct reset_list resets = { .address = address };

	int error = open_socket(NETLINK_SOCK_DIAG, 0, &socket);
	if (error != 0)
		return error;
	error = list_connections(socket, &resets);
	for (int i = 0; error == 0 && i < resets.count; i++) {
		error = destroy(socket, &resets.list[i]);
		if (error == -ENOENT)
			error = 0; /* it ended by itself meanwhile */
	}
	free(resets.list);
	(void)mnl_socket_close(socket);
	return error;
}
