#include "platform/ndp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/ndp_packet.h"

#define RECEIVE_SIZE 512 /* more options than anybody sends */

/* ---- open and close ---- */

/* The clients' packets on this interface are many, and none of our business: from the IPv6 header
 * on, ICMPv6 (58) that nobody routed (255), kinds 135 and 136. */
static int set_filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 58, 0, 6),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 7),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 255, 0, 4),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 40),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 135, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 136, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, RECEIVE_SIZE),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { .len = ARRAY_COUNT(code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}

static int start_receiving(int fd, const struct interface *interface)
{
	const struct sockaddr_ll address = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IPV6),
		.sll_ifindex = interface->index };

	int error = set_filter(fd);
	if (error != 0)
		return error;
	return bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

int ndp_open(const struct interface *interface, struct ndp *out_ndp)
{
	/* Without a protocol nothing arrives before the filter stands. */
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int error = start_receiving(fd, interface);
	if (error != 0) {
		close(fd);
		return error;
	}
	out_ndp->packets = fd;
	out_ndp->groups = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return 0;
}

void ndp_close(struct ndp *ndp)
{
	close(ndp->packets);
	if (ndp->groups >= 0)
		close(ndp->groups);
	*ndp = (struct ndp){ .packets = -1, .groups = -1 };
}

static int change_membership(const struct ndp *ndp, int option, const struct interface *interface,
	const struct address *address)
{
	struct ipv6_mreq request = { .ipv6mr_interface = (unsigned int)interface->index };
	struct address group = ndp_solicited_group(address);

	if (ndp->groups < 0)
		return -EAFNOSUPPORT;
	memcpy(&request.ipv6mr_multiaddr, group.bytes, sizeof(request.ipv6mr_multiaddr));
	int result = setsockopt(ndp->groups, IPPROTO_IPV6, option, &request, sizeof(request));
	return result < 0 ? -errno : 0;
}

int ndp_listen(
	const struct ndp *ndp, const struct interface *interface, const struct address *address)
{
	int error = change_membership(ndp, IPV6_JOIN_GROUP, interface, address);

	return error == -EADDRINUSE ? 0 : error;
}

int ndp_leave(
	const struct ndp *ndp, const struct interface *interface, const struct address *address)
{
	return change_membership(ndp, IPV6_LEAVE_GROUP, interface, address);
}

bool ndp_is_same_group(const struct address *a, const struct address *b)
{
	struct address one = ndp_solicited_group(a), other = ndp_solicited_group(b);

	return address_is_equal(&one, &other);
}

/* ---- packets ---- */

static int send_packet(
	const struct ndp *ndp, const struct interface *interface, const struct ndp_packet *packet)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IPV6),
		.sll_ifindex = interface->index,
		.sll_halen = MAC_SIZE };

	ndp_group_mac(&packet->destination, address.sll_addr);
	ssize_t size = sendto(ndp->packets, packet->data, packet->size, MSG_DONTWAIT,
		(const struct sockaddr *)&address, sizeof(address));
	return size < 0 ? -errno : 0;
}

int ndp_ask(const struct ndp *ndp, const struct interface *interface, const struct address *sender,
	const struct address *target)
{
	struct ndp_packet packet;

	ndp_make_question(sender, target, interface->mac, &packet);
	return send_packet(ndp, interface, &packet);
}

int ndp_announce(
	const struct ndp *ndp, const struct interface *interface, const struct address *address)
{
	struct ndp_packet packet;

	ndp_make_announcement(address, interface->mac, &packet);
	return send_packet(ndp, interface, &packet);
}

int ndp_receive(const struct ndp *ndp, struct neighbour_claim *out_claim)
{
	uint8_t data[RECEIVE_SIZE];
	struct sockaddr_ll from = { .sll_halen = 0 };
	socklen_t from_size = sizeof(from);

	ssize_t size = recvfrom(ndp->packets, data, sizeof(data), MSG_DONTWAIT,
		(struct sockaddr *)&from, &from_size);
	if (size < 0)
		return -errno;
	if (from.sll_halen != MAC_SIZE || from.sll_pkttype == PACKET_OUTGOING)
		return -EBADMSG;
	return ndp_read(
		(struct bytes){ .data = data, .size = (size_t)size }, from.sll_addr, out_claim);
}
