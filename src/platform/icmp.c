#include "platform/icmp.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "platform/socket_address.h"

#define ECHO_SIZE	16
#define CHECKSUM_OFFSET 2
#define IP_HEADER_MIN	20
#define IP_HEADER_MAX	60
#define IP_LENGTH_MASK	15

/* RFC 1071. size is even. */
static uint16_t internet_checksum(const uint8_t *data, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)(data[i] << 8 | data[i + 1]);
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)~sum;
}

int icmp_open(enum address_family family, int *out_socket)
{
	bool is_ipv6 = family == ADDRESS_IPV6;
	struct icmp6_filter filter;

	int fd = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		is_ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	if (fd < 0)
		return -errno;
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
	/* Unfiltered it would only be more to read. */
	if (is_ipv6)
		(void)setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
	*out_socket = fd;
	return 0;
}

int icmp_send(int socket, const struct address *target, struct icmp_echo echo)
{
	uint8_t data[ECHO_SIZE] = { 0 };
	struct buf_writer writer = buf_writer_init(data, sizeof(data));
	struct sockaddr_storage address;

	buf_put_u8(&writer, target->family == ADDRESS_IPV6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO);
	buf_put_u8(&writer, 0);
	buf_put_u16(&writer, 0);
	buf_put_u16(&writer, echo.id);
	buf_put_u16(&writer, echo.sequence);
	/* Over IPv6 the kernel writes it: it covers the addresses. */
	struct buf_writer checksum = buf_writer_init(data + CHECKSUM_OFFSET, sizeof(uint16_t));
	if (target->family == ADDRESS_IPV4)
		buf_put_u16(&checksum, internet_checksum(data, sizeof(data)));
	socklen_t address_size = socket_address_fill(target, 0, &address);
	ssize_t size = sendto(socket, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL,
		(const struct sockaddr *)&address, address_size);
	return size < 0 ? -errno : 0;
}

/* Raw sockets of IPv4 give the IP header too, those of IPv6 do not. */
static size_t header_size(const struct address *from, const uint8_t *data, size_t have)
{
	if (from->family == ADDRESS_IPV6)
		return 0;
	size_t size = have < IP_HEADER_MIN ? 0 : (size_t)(data[0] & IP_LENGTH_MASK) * 4;
	return size < IP_HEADER_MIN ? have : size;
}

int icmp_receive(int socket, struct address *out_from, struct icmp_echo *out_echo)
{
	uint8_t data[IP_HEADER_MAX + ECHO_SIZE];
	struct sockaddr_storage storage = { 0 };
	socklen_t storage_size = sizeof(storage);

	ssize_t size = recvfrom(socket, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC,
		(struct sockaddr *)&storage, &storage_size);
	if (size < 0)
		return -errno;
	struct address from = socket_address_take((const struct sockaddr *)&storage);
	size_t have = MIN_OF((size_t)size, sizeof(data));
	size_t skip = header_size(&from, data, have);
	if (skip > have)
		return -EBADMSG;
	struct buf_reader reader = buf_reader_init(data + skip, have - skip);
	uint8_t type = buf_get_u8(&reader);
	(void)buf_get_u8(&reader);  /* code */
	(void)buf_get_u16(&reader); /* checksum: the kernel has looked at it */
	struct icmp_echo echo = { .id = buf_get_u16(&reader) };
	echo.sequence = buf_get_u16(&reader);
	bool is_reply = type == (from.family == ADDRESS_IPV6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY);
	if (reader.is_overrun || !is_reply)
		return -EBADMSG;
	*out_from = from;
	*out_echo = echo;
	return 0;
}
