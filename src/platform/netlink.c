#include "platform/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "platform/socket_address.h"

#define MESSAGE_SIZE   8192
#define PUT_SIZE_MAX   128 /* of what adds one address */
#define MONITOR_QUEUE  64
#define MONITOR_GROUPS (RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR)

_Static_assert(NETLINK_BATCH *PUT_SIZE_MAX <= MESSAGE_SIZE, "a batch fits into a message");

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

/*
 * Each renewal of each address of ours is told to all who listen, twice a second. Only what may be
 * news passes: u16 at 4 is the message's kind, u8 at 17 an address's prefix.
 */
static int set_filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELADDR), 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELLINK), 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWADDR), 0, 4),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 17),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 32, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 128, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, MESSAGE_SIZE),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { .len = ARRAY_COUNT(code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}

int netlink_open(struct netlink **out_netlink)
{
	struct netlink *netlink = calloc(1, sizeof(*netlink));
	if (netlink == NULL)
		return -ENOMEM;
	int error = open_socket(NETLINK_ROUTE, 0, &netlink->requests);
	if (error == 0)
		error = open_socket(NETLINK_ROUTE, MONITOR_GROUPS, &netlink->monitor);
	if (error == 0)
		error = set_filter(netlink_fd(netlink));
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

/* Messages in a row, numbered one after the other. The kernel says of each that it failed, and of the
 * last in any case. */
struct batch {
	char data[MESSAGE_SIZE];
	size_t size;
	uint32_t first;
	int count;
	struct nlmsghdr *last;
};

static void batch_add(struct netlink *netlink, struct batch *batch, struct nlmsghdr *header)
{
	header->nlmsg_seq = ++netlink->sequence;
	if (batch->count++ == 0)
		batch->first = header->nlmsg_seq;
	batch->size += NLMSG_ALIGN(header->nlmsg_len);
	batch->last = header;
	CHECK(batch->size <= sizeof(batch->data));
}

/* True if it was about the last message. An answer to an earlier batch counts for nothing. */
static bool take_answer(const struct batch *batch, const struct nlmsghdr *header, int *out_errors)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(header);
	uint32_t index = header->nlmsg_seq - batch->first;

	if (header->nlmsg_type != NLMSG_ERROR || index >= (uint32_t)batch->count ||
		mnl_nlmsg_get_payload_len(header) < sizeof(*answer))
		return false;
	out_errors[index] = answer->error;
	return index == (uint32_t)batch->count - 1;
}

/* The kernel answers before send(2) returns: there is nothing to wait for. */
static int batch_ask(struct netlink *netlink, struct batch *batch, int *out_errors)
{
	int fd = mnl_socket_get_fd(netlink->requests);
	_Alignas(struct nlmsghdr) char answer[MESSAGE_SIZE];

	CHECK(batch->count > 0);
	batch->last->nlmsg_flags |= NLM_F_ACK;
	memset(out_errors, 0, (size_t)batch->count * sizeof(*out_errors));
	if (mnl_socket_sendto(netlink->requests, batch->data, batch->size) < 0)
		return -errno;
	for (bool is_over = false; !is_over;) {
		ssize_t size = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
		if (size < 0)
			return -errno;
		int left = (int)size;
		const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
		for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left))
			is_over = take_answer(batch, header, out_errors) || is_over;
	}
	return 0;
}

/* ---- addresses ---- */

static struct nlmsghdr *put_place(
	struct batch *batch, uint16_t type, const struct netlink_place *place)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(batch->data + batch->size);
	struct ifaddrmsg *message = mnl_nlmsg_put_extra_header(header, sizeof(*message));
	size_t size = address_size(&place->address);

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST;
	message->ifa_family = (uint8_t)socket_family(&place->address);
	message->ifa_prefixlen = place->prefix;
	message->ifa_scope = RT_SCOPE_UNIVERSE;
	message->ifa_index = (uint32_t)place->interface;
	mnl_attr_put(header, IFA_LOCAL, size, place->address.bytes);
	mnl_attr_put(header, IFA_ADDRESS, size, place->address.bytes);
	return header;
}

static void add_put(struct netlink *netlink, struct batch *batch, const struct netlink_place *place,
	uint32_t lifetime_s)
{
	struct ifa_cacheinfo lifetime = { .ifa_valid = lifetime_s, .ifa_prefered = lifetime_s };
	uint32_t flags = IFA_F_NOPREFIXROUTE;

	if (place->address.family == ADDRESS_IPV6) {
		lifetime.ifa_prefered = 0;
		flags |= IFA_F_NODAD;
	}
	struct nlmsghdr *header = put_place(batch, RTM_NEWADDR, place);
	header->nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
	mnl_attr_put_u32(header, IFA_FLAGS, flags);
	mnl_attr_put(header, IFA_CACHEINFO, sizeof(lifetime), &lifetime);
	CHECK(header->nlmsg_len <= PUT_SIZE_MAX);
	batch_add(netlink, batch, header);
}

int netlink_put_addresses(struct netlink *netlink, const struct netlink_place *places, int count,
	uint32_t lifetime_s, int out_errors[NETLINK_BATCH])
{
	struct batch batch = { .size = 0 };

	CHECK(count > 0 && count <= NETLINK_BATCH);
	for (int i = 0; i < count; i++)
		add_put(netlink, &batch, &places[i], lifetime_s);
	return batch_ask(netlink, &batch, out_errors);
}

int netlink_put_address(
	struct netlink *netlink, const struct netlink_place *place, uint32_t lifetime_s)
{
	int errors[NETLINK_BATCH];
	int error = netlink_put_addresses(netlink, place, 1, lifetime_s, errors);

	return error != 0 ? error : errors[0];
}

int netlink_remove_address(struct netlink *netlink, const struct netlink_place *place)
{
	struct batch batch = { .size = 0 };
	int result = 0;

	batch_add(netlink, &batch, put_place(&batch, RTM_DELADDR, place));
	int error = batch_ask(netlink, &batch, &result);
	return error != 0 ? error : result;
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

static bool take_change(const struct nlmsghdr *header, struct netlink_change *out_change)
{
	const struct ifaddrmsg *message = mnl_nlmsg_get_payload(header);
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(header);
	size_t size = mnl_nlmsg_get_payload_len(header);

	if (header->nlmsg_type == RTM_DELLINK) {
		*out_change = (struct netlink_change){ .event = NETLINK_INTERFACE_GONE };
		if (size < sizeof(*link) || link->ifi_family == AF_BRIDGE)
			return false; /* it left a bridge, no more */
		out_change->place.interface = link->ifi_index;
		return true;
	}
	if ((header->nlmsg_type != RTM_DELADDR && header->nlmsg_type != RTM_NEWADDR) ||
		size < sizeof(*message) ||
		(message->ifa_family != AF_INET && message->ifa_family != AF_INET6))
		return false;
	*out_change = (struct netlink_change){ .event = header->nlmsg_type == RTM_DELADDR
								? NETLINK_ADDRESS_REMOVED
								: NETLINK_ADDRESS_ADDED,
		.place = { .interface = (int)message->ifa_index,
			.address = address_of(header, message),
			.prefix = message->ifa_prefixlen } };
	return true;
}

static int on_change(const struct nlmsghdr *header, void *owner)
{
	struct netlink *netlink = owner;

	if (netlink->queue_count < MONITOR_QUEUE &&
		take_change(header, &netlink->queue[netlink->queue_count]))
		netlink->queue_count++;
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
