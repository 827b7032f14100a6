#include "platform/knet.h"

#include <errno.h>
#include <libknet.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "platform/clock.h"
#include "platform/socket_address.h"

/* The timeout only tells when libknet stops sending into a link that does not answer; long, so that
 * it never gates us. */
#define PING_INTERVAL_MS 200
#define LONG_WAIT_US	 100000
#define LOOK_NS		 (20 * NS_PER_MS)
#define HURRY_NS	 (5 * NS_PER_S) /* after a change */
#define PING_TIMEOUT_MS	 10000
#define PING_PRECISION	 2048
#define PONG_COUNT	 1

/*
 * EXCEPTION: stands in for the C library's usleep(), for the whole program (which calls it nowhere
 * else), and so has its own few globals. libknet 1.25 waits by usleep(200000) for its threads to come
 * up and between two looks at its links, with no setter; a daemon that was killed would beat again
 * only after 0.7 s, under load after 1.5 s, which is when a primary stops answering. So its long waits
 * are short while something is awaited: a handle that opens, a node that is not reached. While all is
 * well nobody is helped by fifty looks a second on each network, and they are as long as libknet has
 * them. The short waits, between two tries to send, stay as they are. Its pings go by the clock, not by looks.
 */
static _Atomic int missing;	       /* nodes that are not reached, over all handles */
static _Atomic int64_t hurry_until_ns; /* and something may still be about to settle */

int usleep(useconds_t wait_us)
{
	bool is_hurrying = missing > 0 || clock_boot_ns() < hurry_until_ns;
	int64_t wait_ns =
		wait_us >= LONG_WAIT_US && is_hurrying ? LOOK_NS : (int64_t)wait_us * NS_PER_US;
	struct timespec pause = { .tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S };

	return nanosleep(&pause, NULL);
}

static void hurry(void)
{
	hurry_until_ns = clock_boot_ns() + HURRY_NS;
}

struct knet {
	knet_handle_t handle;
	struct knet_node self;
	uint16_t port;
	int fd;
	int8_t channel;
	int change_fd;
	_Atomic uint64_t missing; /* nodes that are not reached: bit id - 1 */
};

static int negative_errno(void)
{
	return errno == 0 ? -EIO : -errno;
}

/* Which host a datagram is for: its first byte. */
static int filter_by_first_byte(void *owner, const unsigned char *data, ssize_t size,
	uint8_t direction, knet_node_id_t self, knet_node_id_t from, int8_t *channel,
	knet_node_id_t *out_ids, size_t *out_count)
{
	/* EXCEPTION: the parameters are libknet's. */
	(void)owner;
	(void)direction;
	(void)self;
	(void)from;
	(void)channel;
	if (size < 1)
		return -1;
	out_ids[0] = data[0];
	*out_count = 1;
	return 0;
}

/* libknet wants to tell of errors on the data socket; we see them when we read. */
static void ignore_socket_notice(
	void *owner, int fd, int8_t channel, uint8_t direction, int error, int error_number)
{
	/* EXCEPTION: the parameters are libknet's. */
	(void)owner;
	(void)fd;
	(void)channel;
	(void)direction;
	(void)error;
	(void)error_number;
}

/* Counted once, whoever says it first: libknet's thread, or the one that adds and closes. */
static void set_missing(struct knet *knet, uint8_t node, bool is_missing)
{
	uint64_t bit = BIT64(node - 1);

	uint64_t before = is_missing ? atomic_fetch_or(&knet->missing, bit)
				     : atomic_fetch_and(&knet->missing, ~bit);
	if (((before & bit) != 0) != is_missing)
		atomic_fetch_add(&missing, is_missing ? 1 : -1);
	hurry();
}

/* In a thread of libknet's, which holds its locks: only wake ours. */
static void on_status_change(
	void *owner, knet_node_id_t host, uint8_t reachable, uint8_t remote, uint8_t external)
{
	struct knet *knet = owner;
	const uint64_t one = 1;

	(void)remote;
	(void)external;
	if (host >= 1 && host <= NODES_MAX && host != knet->self.id)
		set_missing(knet, (uint8_t)host, reachable == 0);
	(void)!write(knet->change_fd, &one, sizeof(one)); /* full: it is readable */
}

static int set_key(struct knet *knet, const uint8_t key[KNET_KEY_SIZE])
{
	struct knet_handle_crypto_cfg config = { .crypto_model = "openssl",
		.crypto_cipher_type = "aes256",
		.crypto_hash_type = "sha256",
		.private_key_len = KNET_KEY_SIZE };

	memcpy(config.private_key, key, KNET_KEY_SIZE);
	errno = 0;
	int result = knet_handle_crypto_set_config(knet->handle, &config, 1);
	explicit_bzero(&config, sizeof(config));
	if (result != 0 || knet_handle_crypto_use_config(knet->handle, 1) != 0 ||
		knet_handle_crypto_rx_clear_traffic(
			knet->handle, KNET_CRYPTO_RX_DISALLOW_CLEAR_TRAFFIC) != 0)
		return negative_errno();
	return 0;
}

static int set_up(struct knet *knet, const uint8_t key[KNET_KEY_SIZE])
{
	errno = 0;
	if (knet_handle_enable_sock_notify(knet->handle, knet, ignore_socket_notice) != 0 ||
		knet_handle_add_datafd(knet->handle, &knet->fd, &knet->channel) != 0 ||
		knet_handle_enable_filter(knet->handle, knet, filter_by_first_byte) != 0 ||
		knet_host_enable_status_change_notify(knet->handle, knet, on_status_change) != 0)
		return negative_errno();
	int error = set_key(knet, key);
	if (error != 0)
		return error;
	return knet_handle_setfwd(knet->handle, 1) != 0 ? negative_errno() : 0;
}

int knet_open(const struct knet_node *self, uint16_t port, const uint8_t key[KNET_KEY_SIZE],
	struct knet **out_knet)
{
	struct knet *knet = calloc(1, sizeof(*knet));
	if (knet == NULL)
		return -ENOMEM;
	knet->self = *self;
	knet->port = port;
	hurry();
	errno = 0;
	knet->change_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (knet->change_fd >= 0)
		knet->handle = knet_handle_new_ex(self->id, 0, KNET_LOG_ERR, 0);
	int error = knet->handle == NULL ? negative_errno() : set_up(knet, key);
	if (error != 0) {
		knet_close(knet);
		return error;
	}
	*out_knet = knet;
	return 0;
}

void knet_close(struct knet *knet)
{
	knet_node_id_t hosts[KNET_MAX_HOST];
	size_t count = 0;

	if (knet == NULL)
		return;
	if (knet->handle != NULL) {
		(void)knet_handle_setfwd(knet->handle, 0);
		if (knet_host_get_host_list(knet->handle, hosts, &count) != 0)
			count = 0;
		for (size_t i = 0; i < count; i++) {
			(void)knet_link_set_enable(knet->handle, hosts[i], 0, 0);
			(void)knet_link_clear_config(knet->handle, hosts[i], 0);
			(void)knet_host_remove(knet->handle, hosts[i]);
		}
		if (knet->fd > 0)
			(void)knet_handle_remove_datafd(knet->handle, knet->fd);
		(void)knet_handle_free(knet->handle); /* what it cannot free ends with us */
	}
	for (uint8_t node = 1; node <= NODES_MAX; node++)
		set_missing(knet, node, false);
	if (knet->change_fd >= 0)
		close(knet->change_fd);
	free(knet);
}

int knet_add_node(struct knet *knet, const struct knet_node *node)
{
	struct sockaddr_storage here, there;

	(void)socket_address_fill(&knet->self.address, knet->port, &here);
	(void)socket_address_fill(&node->address, knet->port, &there);
	set_missing(knet, node->id, true);
	errno = 0;
	if (knet_host_add(knet->handle, node->id) != 0 ||
		knet_link_set_config(
			knet->handle, node->id, 0, KNET_TRANSPORT_UDP, &here, &there, 0) != 0 ||
		knet_link_set_ping_timers(knet->handle, node->id, 0, PING_INTERVAL_MS,
			PING_TIMEOUT_MS, PING_PRECISION) != 0 ||
		knet_link_set_pong_count(knet->handle, node->id, 0, PONG_COUNT) != 0 ||
		knet_link_set_enable(knet->handle, node->id, 0, 1) != 0)
		return negative_errno();
	return 0;
}

int knet_change_fd(const struct knet *knet)
{
	return knet->change_fd;
}

int knet_fd(const struct knet *knet)
{
	return knet->fd;
}

int knet_send_queued(struct knet *knet, const uint8_t *data, size_t size)
{
	errno = 0;
	ssize_t sent = send(knet->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent == (ssize_t)size ? 0 : negative_errno();
}

int knet_send_now(struct knet *knet, const uint8_t *data, size_t size)
{
	errno = 0;
	if (knet_send_sync(knet->handle, (const char *)data, size, knet->channel) != 0)
		return negative_errno();
	return 0;
}

int knet_receive(struct knet *knet, uint8_t *out, size_t size_max, size_t *out_size)
{
	errno = 0;
	ssize_t size = recv(knet->fd, out, size_max, MSG_DONTWAIT);
	if (size < 0)
		return negative_errno();
	*out_size = (size_t)size;
	return 0;
}

int knet_derive_key(const uint8_t *secret, size_t secret_size, uint8_t out_key[KNET_KEY_SIZE])
{
	static const uint8_t info[] = "evenkeel heartbeat 1";
	size_t size = KNET_KEY_SIZE;

	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
	bool is_done = context != NULL && EVP_PKEY_derive_init(context) > 0 &&
		       EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) > 0 &&
		       EVP_PKEY_CTX_set1_hkdf_key(context, secret, (int)secret_size) > 0 &&
		       EVP_PKEY_CTX_add1_hkdf_info(context, info, (int)sizeof(info) - 1) > 0 &&
		       EVP_PKEY_derive(context, out_key, &size) > 0;
	EVP_PKEY_CTX_free(context);
	return is_done ? 0 : -EIO;
}
