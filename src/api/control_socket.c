/*
 * Control messages over a SEQPACKET socket: whole packets, one descriptor beside them at most.
 */
#include "api/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

union descriptor_space { /* aligned room for one descriptor beside a packet */
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int control_send(int socket, const struct control_message *message, int fd)
{
	char packet[CONTROL_PACKET_MAX];
	size_t size = 0;
	union descriptor_space space = { 0 };
	int error = control_encode(message, packet, sizeof(packet), &size);
	if (error != 0)
		return error;
	struct iovec vector = { .iov_base = packet, .iov_len = size };
	struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1 };
	if (fd >= 0) {
		header.msg_control = space.bytes;
		header.msg_controllen = sizeof(space.bytes);
		struct cmsghdr *beside = CMSG_FIRSTHDR(&header);
		beside->cmsg_level = SOL_SOCKET;
		beside->cmsg_type = SCM_RIGHTS;
		beside->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(beside), &fd, sizeof(fd));
	}
	ssize_t sent;
	do {
		sent = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0; /* a packet goes whole or not at all */
}

/* The first descriptor beside a packet; the kernel cuts off what does not fit the space. */
static int take_descriptor(struct msghdr *header)
{
	int fd = -1;
	for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at != NULL; at = CMSG_NXTHDR(header, at)) {
		if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS &&
			at->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(at), sizeof(fd));
	}
	return fd;
}

int control_receive(int socket, struct control_message *out_message, int *out_fd,
	struct fields_error *out_error)
{
	char packet[CONTROL_PACKET_MAX];
	union descriptor_space space = { 0 };
	struct iovec vector = { .iov_base = packet, .iov_len = sizeof(packet) };
	struct msghdr header = { .msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = space.bytes,
		.msg_controllen = sizeof(space.bytes) };
	ssize_t size;
	do {
		size = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	} while (size < 0 && errno == EINTR);
	if (size < 0)
		return -errno;
	int fd = take_descriptor(&header);
	if (size == 0) { /* no message is empty: this is the end */
		if (fd >= 0)
			close(fd);
		return -ECONNRESET;
	}
	int error = -EPROTO;
	if ((header.msg_flags & MSG_TRUNC) != 0)
		snprintf(out_error->sentence, sizeof(out_error->sentence),
			"a packet of more than %d bytes", CONTROL_PACKET_MAX);
	else
		error = control_decode(packet, (size_t)size, out_message, out_error);
	if (error != 0 && fd >= 0)
		close(fd);
	if (error == 0)
		*out_fd = fd;
	return error;
}

static int make_address(const char *path, struct sockaddr_un *out)
{
	size_t size = strlen(path);
	if (size >= sizeof(out->sun_path))
		return -ENAMETOOLONG;
	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	memcpy(out->sun_path, path, size + 1);
	return 0;
}

/* Makes a socket and the address to use it with. */
static int open_socket(const char *path, struct sockaddr_un *out_address)
{
	int error = make_address(path, out_address);
	if (error != 0)
		return error;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd >= 0 ? fd : -errno;
}

int control_listen(const char *path, int *out_socket)
{
	struct sockaddr_un address;
	int fd = open_socket(path, &address);
	if (fd < 0)
		return fd;
	(void)unlink(path); /* our predecessor's, or nothing; bind() tells if it could not go */
	if (fchmod(fd, 0600) != 0 || /* Linux: bind(2) takes the mode from the socket */
		bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		listen(fd, 64) != 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	*out_socket = fd;
	return 0;
}

int control_connect(const char *path, int *out_socket)
{
	struct sockaddr_un address;
	int fd = open_socket(path, &address);
	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	*out_socket = fd;
	return 0;
}
