#include "platform/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/limits.h"
#include "platform/clock.h"
#include "platform/lock.h"
#include "platform/wait.h"

#define RETRANSMITS_STUCK 2 /* of the same: 0.6 s and more without any answer to it */

#define READ_AHEAD_BYTES (64 * 1024)

struct tls_context {
	SSL_CTX *ctx;
};

struct tls {
	SSL *ssl;
	int fd;
	struct lock ssl_lock;	/* one library call at a time; never held while waiting */
	struct lock write_lock; /* one whole write at a time; taken before ssl_lock */
};

static void say(struct tls_error *out_error, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
	(void)snprintf(out_error->sentence, sizeof(out_error->sentence), "%s%s%s", what,
		reason != NULL ? ": " : "", reason != NULL ? reason : "");
}

/* ---- who we are ---- */

static int load_files(SSL_CTX *ctx, const char *folder, struct tls_error *out_error)
{
	char ca[PATH_SIZE_MAX], certificate[PATH_SIZE_MAX], key[PATH_SIZE_MAX];
	(void)snprintf(ca, sizeof(ca), "%s/ca.pem", folder);
	(void)snprintf(certificate, sizeof(certificate), "%s/node.pem", folder);
	(void)snprintf(key, sizeof(key), "%s/node.key", folder);
	const char *failed = NULL;
	if (SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
		failed = ca;
	else if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
		failed = certificate;
	else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
		 SSL_CTX_check_private_key(ctx) != 1)
		failed = key;
	if (failed == NULL)
		return 0;
	char what[PATH_SIZE_MAX + 32];
	(void)snprintf(what, sizeof(what), "cannot use %s", failed);
	say(out_error, what);
	return -EACCES;
}

static int configure(SSL_CTX *ctx)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	X509_VERIFY_PARAM *rules = SSL_CTX_get0_param(ctx);
	if (X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_NO_CHECK_TIME) != 1 ||
		SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
		SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
					      "TLS_CHACHA20_POLY1305_SHA256") != 1)
		return -EACCES;
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD_BYTES);
	/* Each connection proves itself anew: a resumed session would skip the certificates. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	return SSL_CTX_set_num_tickets(ctx, 0) == 1 ? 0 : -EACCES;
}

int tls_context_new(
	const char *folder, struct tls_context **out_context, struct tls_error *out_error)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	if (sigaction(SIGPIPE, &ignore, NULL) != 0)
		return -errno;
	ERR_clear_error();
	struct tls_context *context = calloc(1, sizeof(*context));
	if (context == NULL)
		return -ENOMEM;
	context->ctx = SSL_CTX_new(TLS_method());
	if (context->ctx == NULL || configure(context->ctx) != 0) {
		say(out_error, "TLS 1.3 is not available here");
		tls_context_free(context);
		return -EACCES;
	}
	int error = load_files(context->ctx, folder, out_error);
	if (error != 0) {
		tls_context_free(context);
		return error;
	}
	*out_context = context;
	return 0;
}

void tls_context_free(struct tls_context *context)
{
	if (context == NULL)
		return;
	SSL_CTX_free(context->ctx);
	free(context);
}

/* ---- a connection ---- */

/* What to do after a library call that did not succeed: the poll events to wait for, or an error.
 */
static int wanted_events(SSL *ssl, int result, short *out_events)
{
	int reason = SSL_get_error(ssl, result);
	if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
		return -ECONNRESET;
	*out_events = reason == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
	return 0;
}

static int shake_hands(struct tls *tls, int64_t deadline_ns)
{
	for (;;) {
		ERR_clear_error();
		int result = SSL_do_handshake(tls->ssl);
		if (result == 1)
			return 0;
		short events = 0;
		int error = wanted_events(tls->ssl, result, &events);
		if (error == 0)
			error = wait_for_fd(tls->fd, events, deadline_ns);
		if (error != 0)
			return error;
	}
}

static bool is_named(X509 *certificate, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (index < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, index) >= 0)
		return false;
	X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, index);
	unsigned char *text = NULL;
	int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
	bool is_same =
		size >= 0 && (size_t)size == strlen(name) && memcmp(text, name, (size_t)size) == 0;
	OPENSSL_free(text);
	return is_same;
}

static int check_peer(struct tls *tls, const char *peer_name, struct tls_error *out_error)
{
	X509 *certificate = SSL_get1_peer_certificate(tls->ssl);
	bool is_right = certificate != NULL && SSL_get_verify_result(tls->ssl) == X509_V_OK &&
			is_named(certificate, peer_name);
	X509_free(certificate);
	if (is_right)
		return 0;
	(void)snprintf(out_error->sentence, sizeof(out_error->sentence),
		"the other side's certificate is not that of node %s", peer_name);
	return -EACCES;
}

static int handshake_failed(struct tls *tls, int error, struct tls_error *out_error)
{
	long verdict = SSL_get_verify_result(tls->ssl);
	if (verdict != X509_V_OK) {
		(void)snprintf(out_error->sentence, sizeof(out_error->sentence),
			"the other side's certificate is not of this cluster: %s",
			X509_verify_cert_error_string(verdict));
		return -EACCES;
	}
	say(out_error, error == -ETIMEDOUT ? "the other side did not finish the TLS handshake"
					   : "the TLS handshake failed");
	return error;
}

static int make_quick(int fd)
{
	int one = 1;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return -errno;
	/* Fails on anything but TCP (a socket pair in a test), where there is nothing to delay. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return 0;
}

int tls_open(struct tls_context *context, int fd, const struct tls_wanted *wanted,
	struct tls **out_tls, struct tls_error *out_error)
{
	CHECK(fd >= 0 && wanted->peer_name != NULL);
	out_error->sentence[0] = '\0';
	struct tls *tls = calloc(1, sizeof(*tls));
	if (tls == NULL) {
		close(fd);
		return -ENOMEM;
	}
	tls->fd = fd;
	lock_init(&tls->ssl_lock, RANK_TLS);
	lock_init(&tls->write_lock, RANK_TLS_WRITE);
	tls->ssl = SSL_new(context->ctx);
	int error = make_quick(fd);
	if (tls->ssl == NULL || SSL_set_fd(tls->ssl, fd) != 1)
		error = -ENOMEM;
	if (error == 0) {
		if (wanted->side == TLS_CLIENT)
			SSL_set_connect_state(tls->ssl);
		else
			SSL_set_accept_state(tls->ssl);
		error = shake_hands(tls, clock_boot_ns() + wanted->timeout_ns);
		if (error != 0)
			error = handshake_failed(tls, error, out_error);
	}
	if (error == 0)
		error = check_peer(tls, wanted->peer_name, out_error);
	if (error != 0) {
		tls_close(tls);
		return error;
	}
	*out_tls = tls;
	return 0;
}

void tls_close(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	close(tls->fd);
	lock_done(&tls->ssl_lock);
	lock_done(&tls->write_lock);
	free(tls);
}

int tls_read(struct tls *tls, void *out, size_t size, int64_t timeout_ns, size_t *out_size)
{
	CHECK(size > 0);
	int64_t deadline_ns = clock_boot_ns() + timeout_ns;
	for (;;) {
		short events = 0;
		int error = 0;
		lock_take(&tls->ssl_lock);
		ERR_clear_error();
		int result = SSL_read_ex(tls->ssl, out, size, out_size);
		if (result != 1)
			error = wanted_events(tls->ssl, result, &events);
		lock_give(&tls->ssl_lock);
		if (result == 1)
			return 0;
		if (error == 0)
			error = wait_for_fd(tls->fd, events, deadline_ns);
		if (error != 0)
			return error;
	}
}

static int write_all(struct tls *tls, const uint8_t *data, size_t size, int64_t deadline_ns)
{
	while (size > 0) {
		short events = 0;
		int error = 0;
		size_t written = 0;
		lock_take(&tls->ssl_lock);
		ERR_clear_error();
		int result = SSL_write_ex(tls->ssl, data, size, &written);
		if (result != 1)
			error = wanted_events(tls->ssl, result, &events);
		lock_give(&tls->ssl_lock);
		if (result == 1) {
			data += written;
			size -= written;
			continue;
		}
		if (error == 0)
			error = wait_for_fd(tls->fd, events, deadline_ns);
		if (error != 0)
			return error;
	}
	return 0;
}

int tls_write(struct tls *tls, const void *data, size_t size, int64_t timeout_ns)
{
	lock_take(&tls->write_lock);
	int error = write_all(tls, data, size, clock_boot_ns() + timeout_ns);
	lock_give(&tls->write_lock);
	if (error != 0)
		tls_shutdown(tls); /* half a record may be out: nobody may write behind it */
	return error;
}

void tls_shutdown(struct tls *tls)
{
	/* Not SSL_shutdown(): it would need the lock, and the end of the stream proves nothing
	 * here. */
	(void)shutdown(tls->fd, SHUT_RDWR);
}

bool tls_is_stuck(const struct tls *tls)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	return getsockopt(tls->fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
	       info.tcpi_retransmits >= RETRANSMITS_STUCK;
}
