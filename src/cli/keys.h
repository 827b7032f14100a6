/*
 * The cluster's certificates: one CA made by `cluster init`, a P-256 key and a certificate for each
 * node with its name as subject (CN). The CA's key lies on every node, sealed (PKCS #8, scrypt and
 * AES-256) under a recovery passphrase, so that any node can admit another (R17).
 *
 * All texts are PEM, terminated, and given: free them with key_free(), which wipes. Dates are from
 * long ago to never (RFC 5280, 4.1.2.5): removal from the configuration revokes, not time. Not for:
 * the handshake (platform/tls.h).
 */
#ifndef EVENKEEL_CLI_KEYS_H
#define EVENKEEL_CLI_KEYS_H

#include <stddef.h>

#include "base/macros.h"

#define PASSPHRASE_MAX	256
#define PASSPHRASE_SIZE 30 /* of one that we made: 5 x 5 letters, dashes, terminator */

/* Errors: -EIO if OpenSSL declines; its reason is on standard error. */
int keys_make_ca(const char *cluster, const char *passphrase, char **out_certificate,
	char **out_sealed_key) MUST_CHECK;
/* Errors: -EACCES: the passphrase is wrong; -EBADMSG: the CA's files are no PEM; -EIO. */
struct ca_texts {
	const char *certificate, *sealed_key;
};
int keys_make_node(const struct ca_texts *ca, const char *passphrase, const char *node,
	char **out_certificate, char **out_key) MUST_CHECK;
void key_free(char *text);
/* 125 random bits as letters and digits that are not mistaken for each other. Errors: -EIO. */
int keys_make_passphrase(char out[PASSPHRASE_SIZE]) MUST_CHECK;

#endif
