/* The packet on the wire, big-endian (RFC 826, for Ethernet and IPv4), behind its Ethernet header:
 *
 *	u16 1 (Ethernet), u16 0x0800 (IPv4), u8 6, u8 4, u16 operation (1 request, 2 reply),
 *	6 sender's hardware, 4 sender's address, 6 target's hardware, 4 target's address
 */
#include "platform/arp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

#define ARP_SIZE 28

static const uint8_t broadcast[MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t nobody[MAC_SIZE];

static struct sockaddr_ll link_address(const struct interface *interface)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_ifindex = interface->index, .sll_halen = MAC_SIZE
	};

	address.sll_protocol = htons(ETH_P_ARP);
	memcpy(address.sll_addr, broadcast, MAC_SIZE);
	return address;
}

int arp_open(const struct interface *interface, int *out_socket)
{
	struct sockaddr_ll address = link_address(interface);

	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ARP));
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	*out_socket = fd;
	return 0;
}

struct arp_order {
	uint16_t operation;
	const struct address *sender, *target;
	const uint8_t *target_mac;
};

static int send_packet(int fd, const struct interface *interface, const struct arp_order *order)
{
	uint8_t data[ARP_SIZE];
	struct buf_writer writer = buf_writer_init(data, sizeof(data));
	struct sockaddr_ll address = link_address(interface);

	CHECK(order->target->family == ADDRESS_IPV4 && order->sender->family != ADDRESS_IPV6);
	buf_put_u16(&writer, ARPHRD_ETHER);
	buf_put_u16(&writer, ETHERTYPE_IP);
	buf_put_u8(&writer, MAC_SIZE);
	buf_put_u8(&writer, ADDRESS_IPV4_SIZE);
	buf_put_u16(&writer, order->operation);
	buf_put_raw(&writer, interface->mac, MAC_SIZE);
	buf_put_raw(&writer, order->sender->bytes, ADDRESS_IPV4_SIZE);
	buf_put_raw(&writer, order->target_mac, MAC_SIZE);
	buf_put_raw(&writer, order->target->bytes, ADDRESS_IPV4_SIZE);
	CHECK(!writer.is_overrun && writer.size == ARP_SIZE);
	ssize_t size = sendto(
		fd, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&address, sizeof(address));
	return size < 0 ? -errno : 0;
}

int arp_ask(int socket, const struct interface *interface, const struct address *sender,
	const struct address *target)
{
	return send_packet(socket, interface,
		&(struct arp_order){ .operation = ARPOP_REQUEST,
			.sender = sender,
			.target = target,
			.target_mac = nobody });
}

int arp_announce(int socket, const struct interface *interface, const struct address *address)
{
	struct arp_order order = { .operation = ARPOP_REQUEST,
		.sender = address,
		.target = address,
		.target_mac = nobody };

	int error = send_packet(socket, interface, &order);
	order.operation = ARPOP_REPLY;
	order.target_mac = broadcast;
	return error != 0 ? error : send_packet(socket, interface, &order);
}

int arp_receive(int socket, struct neighbour_claim *out_claim)
{
	const uint8_t no_address[ADDRESS_IPV4_SIZE] = { 0 };
	uint8_t data[64], sender[ADDRESS_IPV4_SIZE];
	struct neighbour_claim claim;

	ssize_t size = recv(socket, data, sizeof(data), MSG_DONTWAIT);
	if (size < 0)
		return -errno;
	struct buf_reader reader = buf_reader_init(data, (size_t)size);
	bool is_arp = size >= ARP_SIZE && buf_get_u16(&reader) == ARPHRD_ETHER;
	is_arp = buf_get_u16(&reader) == ETHERTYPE_IP && is_arp;
	is_arp = buf_get_u8(&reader) == MAC_SIZE && is_arp;
	is_arp = buf_get_u8(&reader) == ADDRESS_IPV4_SIZE && is_arp;
	(void)buf_get_u16(&reader); /* asked or answered, it is said */
	buf_get_raw(&reader, claim.mac, MAC_SIZE);
	buf_get_raw(&reader, sender, sizeof(sender));
	if (!is_arp || memcmp(sender, no_address, sizeof(sender)) == 0)
		return -EBADMSG;
	claim.address = address_make(ADDRESS_IPV4, sender);
	*out_claim = claim;
	return 0;
}
