#include "platform/connections.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "platform/socket_address.h"

#define MESSAGE_SIZE	   8192
#define ALL_STATES	   0xffffffffu
#define LISTENING_AND_GONE ((1u << TCP_LISTEN) | (1u << TCP_CLOSE) | (1u << TCP_TIME_WAIT))
#define RESETS_MAX	   65536 /* connections of one address */

/* Those of one local address on sockets of one family. */
struct reset_list {
	int family;
	uint8_t source[ADDRESS_IPV6_SIZE]; /* as the kernel tells it, of that family */
	struct inet_diag_sockid *list;
	int count;
};

static int open_socket(struct mnl_socket **out_socket)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (socket == NULL)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int error = -errno;
		(void)mnl_socket_close(socket);
		return error;
	}
	*out_socket = socket;
	return 0;
}

static int collect(const struct nlmsghdr *header, void *owner)
{
	struct reset_list *resets = owner;
	const struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);
	size_t size = resets->family == AF_INET ? ADDRESS_IPV4_SIZE : ADDRESS_IPV6_SIZE;

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*message) ||
		message->idiag_family != resets->family ||
		memcmp(message->id.idiag_src, resets->source, size) != 0 ||
		resets->count == RESETS_MAX)
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

static struct inet_diag_req_v2 *put_request(
	struct nlmsghdr *header, uint16_t type, uint16_t flags, int family)
{
	struct inet_diag_req_v2 *request = mnl_nlmsg_put_extra_header(header, sizeof(*request));

	header->nlmsg_type = type;
	header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	request->sdiag_family = (uint8_t)family;
	request->sdiag_protocol = IPPROTO_TCP;
	request->idiag_states = ALL_STATES & ~LISTENING_AND_GONE;
	return request;
}

static int list_connections(struct mnl_socket *socket, struct reset_list *resets)
{
	char buffer[MESSAGE_SIZE * 4] = { 0 };
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	int result = MNL_CB_OK;

	(void)put_request(header, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, resets->family);
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

static int destroy(struct mnl_socket *socket, int family, const struct inet_diag_sockid *id)
{
	char buffer[MESSAGE_SIZE] = { 0 };
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);

	struct inet_diag_req_v2 *request = put_request(header, SOCK_DESTROY, NLM_F_ACK, family);
	request->id = *id;
	if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
		return -errno;
	ssize_t size = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	if (size < 0)
		return -errno;
	int result = mnl_cb_run(buffer, (size_t)size, 0, mnl_socket_get_portid(socket), NULL, NULL);
	return result < 0 ? -errno : 0;
}

static int reset_all(struct mnl_socket *socket, struct reset_list *resets)
{
	int error = list_connections(socket, resets);

	for (int i = 0; error == 0 && i < resets->count; i++) {
		error = destroy(socket, resets->family, &resets->list[i]);
		if (error == -ENOENT)
			error = 0; /* it ended by itself meanwhile */
	}
	free(resets->list);
	return error;
}

/* The address as a socket of both families has it: ::ffff:10.0.0.1. */
static void fill_mapped(const struct address *address, uint8_t out[ADDRESS_IPV6_SIZE])
{
	memset(out, 0, ADDRESS_IPV6_SIZE);
	memset(out + 10, 0xff, 2);
	memcpy(out + 12, address->bytes, ADDRESS_IPV4_SIZE);
}

int connections_reset(const struct address *address)
{
	struct reset_list own = { .family = socket_family(address) };
	struct reset_list mapped = { .family = AF_INET6 };
	struct mnl_socket *socket = NULL;

	int error = open_socket(&socket);
	if (error != 0)
		return error;
	memcpy(own.source, address->bytes, sizeof(own.source));
	error = reset_all(socket, &own);
	if (error == 0 && address->family == ADDRESS_IPV4) {
		fill_mapped(address, mapped.source);
		error = reset_all(socket, &mapped);
	}
	(void)mnl_socket_close(socket);
	return error;
}
