#include "platform/fdstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "platform/process.h"

#define MESSAGE_MAX 512
#define FIRST_FD    3
#define FDS_MAX	    4 /* beside one datagram; more than one is closed again */

_Static_assert(FDSTORE_NAME_MAX + 1 == HANDED_NAME_MAX, "a kept name can be handed on");

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
};

static int set_address(const char *path, struct sockaddr_un *out_address)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	*out_address = address;
	return 0;
}

int fdstore_listen(const char *path, int *out_socket)
{
	struct sockaddr_un address;

	int error = set_address(path, &address);
	if (error != 0)
		return error;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)unlink(path); /* of a predecessor */
	mode_t mask = umask(0177);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		error = -errno;
	(void)umask(mask);
	if (error != 0)
		close(fd);
	else
		*out_socket = fd;
	return error;
}

/* Keeps the first descriptor, closes all others. */
static int take_descriptor(struct msghdr *message)
{
	int taken = -1;

	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL;
		head = CMSG_NXTHDR(message, head)) {
		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(fd));
			if (taken < 0)
				taken = fd;
			else
				close(fd);
		}
	}
	return taken;
}

static void parse_line(const char *line, struct fdstore_message *message)
{
	static const char name_key[] = "FDNAME=";

	if (strcmp(line, "FDSTORE=1") == 0)
		message->word = FDSTORE_KEEP;
	else if (strcmp(line, "FDSTOREREMOVE=1") == 0)
		message->word = FDSTORE_FORGET;
	else if (strncmp(line, name_key, sizeof(name_key) - 1) == 0)
		(void)snprintf(
			message->name, sizeof(message->name), "%s", line + sizeof(name_key) - 1);
}

int fdstore_receive(int socket, struct fdstore_message *out_message)
{
	char data[MESSAGE_MAX + 1];
	union control control;
	struct iovec part = { .iov_base = data, .iov_len = MESSAGE_MAX };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct fdstore_message result = { .word = FDSTORE_OTHER, .fd = -1 };
	char *rest = NULL;

	ssize_t size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (size < 0)
		return -errno;
	data[size] = '\0';
	result.fd = take_descriptor(&message);
	for (char *line = strtok_r(data, "\n", &rest); line != NULL;
		line = strtok_r(NULL, "\n", &rest))
		parse_line(line, &result);
	bool is_whole = result.word != FDSTORE_OTHER && result.name[0] != '\0' &&
			(result.word == FDSTORE_FORGET || result.fd >= 0);
	if (!is_whole || strchr(result.name, ':') != NULL) {
		if (result.fd >= 0)
			close(result.fd);
		return -EBADMSG;
	}
	*out_message = result;
	return 0;
}

static int send_message(const char *path, const char *word, const char *name, int fd)
{
	char data[MESSAGE_MAX];
	union control control;
	struct sockaddr_un address;

	int error = set_address(path, &address);
	if (error != 0)
		return error;
	int size = snprintf(data, sizeof(data), "%s=1\nFDNAME=%s\n", word, name);
	if (size < 0 || strlen(name) > FDSTORE_NAME_MAX || (size_t)size >= sizeof(data))
		return -ENAMETOOLONG;
	struct iovec part = { .iov_base = data, .iov_len = (size_t)size };
	struct msghdr message = { .msg_name = &address,
		.msg_namelen = sizeof(address),
		.msg_iov = &part,
		.msg_iovlen = 1 };
	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int));
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	}
	int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sender < 0)
		return -errno;
	if (sendmsg(sender, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		error = -errno;
	close(sender);
	return error;
}

int fdstore_keep(const char *path, const char *name, int fd)
{
	CHECK(fd >= 0);
	return send_message(path, "FDSTORE", name, fd);
}

int fdstore_forget(const char *path, const char *name)
{
	return send_message(path, "FDSTOREREMOVE", name, -1);
}

static long number_of(const char *variable)
{
	const char *value = getenv(variable);

	return value == NULL ? 0 : strtol(value, NULL, 10);
}

int fdstore_inherited(struct handed_fd *out, int max)
{
	long count = number_of("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	int filled = 0;

	if (number_of("LISTEN_PID") != (long)getpid() || names == NULL)
		count = 0;
	for (int fd = FIRST_FD; fd < FIRST_FD + count; fd++) {
		size_t size = strcspn(names, ":");
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* not open: it is not used either */
		if (filled < max && size > 0 && size < sizeof(out->name)) {
			out[filled].fd = fd;
			memcpy(out[filled].name, names, size);
			out[filled].name[size] = '\0';
			filled++;
		}
		names += names[size] == ':' ? size + 1 : size;
	}
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDNAMES");
	return filled;
}
