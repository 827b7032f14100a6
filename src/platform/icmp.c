#include "platform/icmp.h"

#include <errno.h>
#include <netinet/ip_icmp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

#define ECHO_SIZE	 16
#define CHECKSUM_OFFSET	 2
#define IP_HEADER_MIN	 20
#define IP_HEADER_MAX	 60
#define IP_LENGTH_MASK	 15
#define IP_SOURCE_OFFSET 12

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

int icmp_open(int *out_socket)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP);
	if (fd < 0)
		return -errno;
	*out_socket = fd;
	return 0;
}

int icmp_send(int socket, struct in_addr target, struct icmp_echo echo)
{
	uint8_t data[ECHO_SIZE] = { 0 };
	struct buf_writer writer = buf_writer_init(data, sizeof(data));
	const struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = target };

	buf_put_u8(&writer, ICMP_ECHO);
	buf_put_u8(&writer, 0);
	buf_put_u16(&writer, 0);
	buf_put_u16(&writer, echo.id);
	buf_put_u16(&writer, echo.sequence);
	struct buf_writer checksum = buf_writer_init(data + CHECKSUM_OFFSET, sizeof(uint16_t));
	buf_put_u16(&checksum, internet_checksum(data, sizeof(data)));
	ssize_t size = sendto(socket, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL,
		(const struct sockaddr *)&address, sizeof(address));
	return size < 0 ? -errno : 0;
}

int icmp_receive(int socket, struct in_addr *out_from, struct icmp_echo *out_echo)
{
	uint8_t data[IP_HEADER_MAX + ECHO_SIZE];
	struct in_addr from;

	ssize_t size = recv(socket, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC);
	if (size < 0)
		return -errno;
	size_t have = MIN_OF((size_t)size, sizeof(data));
	size_t skip = have < IP_HEADER_MIN ? have : (size_t)(data[0] & IP_LENGTH_MASK) * 4;
	if (skip < IP_HEADER_MIN || skip > have)
		return -EBADMSG;
	struct buf_reader source = buf_reader_init(data + IP_SOURCE_OFFSET, sizeof(from));
	buf_get_raw(&source, &from, sizeof(from));
	struct buf_reader reader = buf_reader_init(data + skip, have - skip);
	uint8_t type = buf_get_u8(&reader);
	(void)buf_get_u8(&reader);  /* code */
	(void)buf_get_u16(&reader); /* checksum: the kernel has looked at it */
	struct icmp_echo echo = { .id = buf_get_u16(&reader) };
	echo.sequence = buf_get_u16(&reader);
	if (reader.is_overrun || type != ICMP_ECHOREPLY)
		return -EBADMSG;
	*out_from = from;
	*out_echo = echo;
	return 0;
}
