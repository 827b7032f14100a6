/* The key of the beats: derived from the cluster's secret, which each node has in its configuration. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/mesh/internal.h"
#include "platform/folders.h"

#define SECRET_SIZE 32

static int hex_digit(char character)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = memchr(digits, character, sizeof(digits) - 1);

	return at == NULL ? -1 : (int)(at - digits);
}

bool mesh_decode_hex(const char *text, size_t size, uint8_t *out)
{
	for (size_t i = 0; i < size; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int read_secret(const struct daemon *daemon, uint8_t out[SECRET_SIZE])
{
	char path[PATH_SIZE_MAX], text[2 * SECRET_SIZE + 1] = "";

	node_file_path(path, NODE_FILE_SECRET, daemon->paths.config, NULL);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t size = read(fd, text, 2 * SECRET_SIZE);
	close(fd);
	if (size != 2 * SECRET_SIZE)
		return -EINVAL;
	bool is_hex = mesh_decode_hex(text, SECRET_SIZE, out);
	explicit_bzero(text, sizeof(text));
	return is_hex ? 0 : -EINVAL;
}

int mesh_derive_key(struct daemon *daemon, uint8_t out[KNET_KEY_SIZE])
{
	uint8_t secret[SECRET_SIZE];

	int error = read_secret(daemon, secret);
	if (error != 0) {
		daemon_log(daemon, NULL, SEVERITY_ERROR, "mesh.no_secret",
			"%s/secret cannot be read as 64 hexadecimal digits: %s. It is made by "
			"`evenkeel cluster init` and carried to each node with the configuration.",
			daemon->paths.config, strerror(-error));
		return error;
	}
	error = knet_derive_key(secret, sizeof(secret), out);
	explicit_bzero(secret, sizeof(secret));
	return error;
}
