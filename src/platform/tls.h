/*
 * Mutual TLS 1.3 between two nodes of one cluster, over a connected TCP socket.
 *
 * Both sides show a certificate of the cluster CA, and the peer's subject (CN) must be the name of
 * the node that we mean. Dates are ignored: a dead clock battery must not split a pair (R17).
 * One reader and any number of writers may use a connection at the same time: the library's object
 * is used by one thread at a time (a lock held for one non-blocking call, never while waiting), and
 * a write of one thread is never mixed with another's. tls_context_new() makes the process ignore
 * SIGPIPE. Not for: clients with browsers (web), framing (fs/replicator/stream.h).
 */
#ifndef EVENKEEL_PLATFORM_TLS_H
#define EVENKEEL_PLATFORM_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

enum tls_side { TLS_CLIENT, TLS_SERVER };

struct tls_context; /* who we are, and whom we believe */
struct tls;	    /* one connection */

struct tls_error {
	char sentence[256]; /* what went wrong, for a person */
};

/* Reads ca.pem, node.pem and node.key of the folder. Errors: -EACCES, with a sentence. */
int tls_context_new(const char *folder, struct tls_context **out_context,
	struct tls_error *out_error) MUST_CHECK;
void tls_context_free(struct tls_context *context);

/*
 * Does the handshake, for at most timeout_ns, and checks the peer. Takes fd, also when it fails.
 * Errors: -ETIMEDOUT, -EACCES (a certificate that is not of this cluster or not peer_name's),
 * -ECONNRESET; each with a sentence.
 */
struct tls_wanted {
	enum tls_side side;
	const char *peer_name;
	int64_t timeout_ns;
};
int tls_open(struct tls_context *context, int fd, const struct tls_wanted *wanted,
	struct tls **out_tls, struct tls_error *out_error) MUST_CHECK;
/* Nobody may use it any more. */
void tls_close(struct tls *tls);

/* Gives 1 to size bytes, waiting for at most timeout_ns. Errors: -ETIMEDOUT, -ECONNRESET (also for
 * an orderly end). */
int tls_read(
	struct tls *tls, void *out, size_t size, int64_t timeout_ns, size_t *out_size) MUST_CHECK;
/* Writes everything. Errors: as above; the connection is of no use after any of them. */
int tls_write(struct tls *tls, const void *data, size_t size, int64_t timeout_ns) MUST_CHECK;
/* Ends the connection: whoever waits in it returns at once. From any thread. */
void tls_shutdown(struct tls *tls);
/* The kernel sends the same again and again: nothing of it gets through. Takes no lock. */
bool tls_is_stuck(const struct tls *tls);

#endif
