#include "platform/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "platform/socket_address.h"

#define MESSAGE_SIZE   8192
#define MONITOR_QUEUE  64
#define MONITOR_GROUPS (RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR)

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
		error = open_socket(NETLINK_ROUTE, MONITOR_GROUPS, &netlink->monitor);
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

/* ---- addresses ---- */

static struct nlmsghdr *put_place(char *buffer, uint16_t type, const struct netlink_place *place)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *message = mnl_nlmsg_put_extra_header(header, sizeof(*message));
	size_t size = address_size(&place->address);

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message->ifa_family = (uint8_t)socket_family(&place->address);
	message->ifa_prefixlen = place->prefix;
	message->ifa_scope = RT_SCOPE_UNIVERSE;
	message->ifa_index = (uint32_t)place->interface;
	mnl_attr_put(header, IFA_LOCAL, size, place->address.bytes);
	mnl_attr_put(header, IFA_ADDRESS, size, place->address.bytes);
	return header;
}

int netlink_put_address(
	struct netlink *netlink, const struct netlink_place *place, uint32_t lifetime_s)
{
	char buffer[MESSAGE_SIZE] = { 0 };
	struct ifa_cacheinfo lifetime = { .ifa_valid = lifetime_s, .ifa_prefered = lifetime_s };
	uint32_t flags = IFA_F_NOPREFIXROUTE;

	if (place->address.family == ADDRESS_IPV6) {
		lifetime.ifa_prefered = 0;
		flags |= IFA_F_NODAD;
	}
	struct nlmsghdr *header = put_place(buffer, RTM_NEWADDR, place);
	header->nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
	mnl_attr_put_u32(header, IFA_FLAGS, flags);
	mnl_attr_put(header, IFA_CACHEINFO, sizeof(lifetime), &lifetime);
	return ask(netlink, header);
}

int netlink_remove_address(struct netlink *netlink, const struct netlink_place *place)
{
	char buffer[MESSAGE_SIZE] = { 0 };

	return ask(netlink, put_place(buffer, RTM_DELADDR, place));
}

/* IPv4 tells the address as local, IPv6 (without a peer) as address. */
static struct address address_of(const struct nlmsghdr *header, const struct ifaddrmsg *message)
{
	bool is_ipv4 = message->ifa_family == AF_INET;
	size_t size = is_ipv4 ? ADDRESS_IPV4_SIZE : ADDRESS_IPV6_SIZE;
	struct address address = { .family = ADDRESS_NONE };
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(*message))
	{
		if (mnl_attr_get_type(attribute) == (is_ipv4 ? IFA_LOCAL : IFA_ADDRESS) &&
			mnl_attr_get_payload_len(attribute) == size)
			address = address_make(is_ipv4 ? ADDRESS_IPV4 : ADDRESS_IPV6,
				mnl_attr_get_payload(attribute));
	}
	return address;
}

static int on_change(const struct nlmsghdr *header, void *owner)
{
	struct netlink *netlink = owner;
	const struct ifaddrmsg *message = mnl_nlmsg_get_payload(header);

	if ((header->nlmsg_type != RTM_DELADDR && header->nlmsg_type != RTM_NEWADDR) ||
		mnl_nlmsg_get_payload_len(header) < sizeof(*message) ||
		(message->ifa_family != AF_INET && message->ifa_family != AF_INET6) ||
		netlink->queue_count == MONITOR_QUEUE)
		return MNL_CB_OK;
	netlink->queue[netlink->queue_count++] =
		(struct netlink_change){ .is_removed = header->nlmsg_type == RTM_DELADDR,
			.place = { .interface = (int)message->ifa_index,
				.address = address_of(header, message),
				.prefix = message->ifa_prefixlen } };
	return MNL_CB_OK;
}

int netlink_next_change(struct netlink *netlink, struct netlink_change *out_change)
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
