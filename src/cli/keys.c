#include "cli/keys.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* scrypt's cost: about 50 ms, as RFC 7914 suggests for a login. */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 1

#define NOT_BEFORE "20000101000000Z"
#define NOT_AFTER  "99991231235959Z" /* RFC 5280: no date at which it ends */

static int fail(void)
{
	ERR_print_errors_fp(stderr);
	return -EIO;
}

void key_free(char *text)
{
	if (text != NULL)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

/* What was written to a memory BIO, as a text of our own. */
static char *take_text(BIO *bio)
{
	char *data = NULL;
	long size = BIO_get_mem_data(bio, &data);
	return size > 0 ? strndup(data, (size_t)size) : NULL;
}

static char *certificate_text(X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	if (bio != NULL && PEM_write_bio_X509(bio, certificate) == 1)
		text = take_text(bio);
	BIO_free(bio);
	return text;
}

static char *plain_key_text(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *text = NULL;
	if (bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
		text = take_text(bio);
	BIO_free(bio);
	return text;
}

static char *sealed_key_text(EVP_PKEY *key, const char *passphrase)
{
	PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
	X509_ALGOR *scheme = PKCS5_pbe2_set_scrypt(
		EVP_aes_256_cbc(), NULL, 16, NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);
	X509_SIG *sealed = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	if (plain != NULL && scheme != NULL)
		sealed = PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), plain, scheme);
	if (sealed == NULL)
		X509_ALGOR_free(scheme); /* else it belongs to `sealed` */
	if (sealed != NULL && bio != NULL && PEM_write_bio_PKCS8(bio, sealed) == 1)
		text = take_text(bio);
	BIO_free(bio);
	X509_SIG_free(sealed);
	PKCS8_PRIV_KEY_INFO_free(plain);
	return text;
}

static bool add_extension(X509 *certificate, X509 *issuer, int what, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, what, value);
	bool is_added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return is_added;
}

static bool set_serial(X509 *certificate)
{
	unsigned char bytes[16];
	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	bytes[0] &= 0x7f; /* positive */
	BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	bool is_set = number != NULL &&
		      BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
	BN_free(number);
	return is_set;
}

/* All that a CA's certificate and a node's have in common, not signed yet. */
static X509 *new_certificate(EVP_PKEY *key, const char *name)
{
	X509 *certificate = X509_new();
	X509_NAME *subject = certificate != NULL ? X509_get_subject_name(certificate) : NULL;
	bool is_good = subject != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
		       set_serial(certificate) && X509_set_pubkey(certificate, key) == 1 &&
		       ASN1_TIME_set_string(X509_getm_notBefore(certificate), NOT_BEFORE) == 1 &&
		       ASN1_TIME_set_string(X509_getm_notAfter(certificate), NOT_AFTER) == 1 &&
		       X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
			       (const unsigned char *)name, -1, -1, 0) == 1;
	if (is_good)
		return certificate;
	X509_free(certificate);
	return NULL;
}

static bool sign_ca(X509 *certificate, EVP_PKEY *key)
{
	return X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 &&
	       add_extension(certificate, certificate, NID_basic_constraints,
		       "critical,CA:TRUE,pathlen:0") &&
	       add_extension(
		       certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	       add_extension(certificate, certificate, NID_subject_key_identifier, "hash") &&
	       X509_sign(certificate, key, EVP_sha256()) != 0;
}

static bool sign_node(X509 *certificate, X509 *ca, EVP_PKEY *ca_key)
{
	return X509_set_issuer_name(certificate, X509_get_subject_name(ca)) == 1 &&
	       add_extension(certificate, ca, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(certificate, ca, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(certificate, ca, NID_ext_key_usage, "serverAuth,clientAuth") &&
	       add_extension(certificate, ca, NID_subject_key_identifier, "hash") &&
	       add_extension(certificate, ca, NID_authority_key_identifier, "keyid") &&
	       X509_sign(certificate, ca_key, EVP_sha256()) != 0;
}

int keys_make_ca(
	const char *cluster, const char *passphrase, char **out_certificate, char **out_sealed_key)
{
	char name[64]; /* the longest CN that X.520 allows */
	snprintf(name, sizeof(name), "Evenkeel cluster %.40s", cluster);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = key != NULL ? new_certificate(key, name) : NULL;
	char *text = NULL, *sealed = NULL;
	if (certificate != NULL && sign_ca(certificate, key)) {
		text = certificate_text(certificate);
		sealed = sealed_key_text(key, passphrase);
	}
	X509_free(certificate);
	EVP_PKEY_free(key);
	if (text == NULL || sealed == NULL) {
		key_free(text);
		key_free(sealed);
		return fail();
	}
	*out_certificate = text;
	*out_sealed_key = sealed;
	return 0;
}

static X509 *read_certificate(const char *text)
{
	BIO *bio = BIO_new_mem_buf(text, -1);
	X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	return certificate;
}

static EVP_PKEY *read_sealed_key(const char *text, const char *passphrase)
{
	char copy[PASSPHRASE_MAX + 1];
	snprintf(copy, sizeof(copy), "%s", passphrase);
	BIO *bio = BIO_new_mem_buf(text, -1);
	/* Without a callback the last argument is the passphrase itself. */
	EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, copy) : NULL;
	BIO_free(bio);
	OPENSSL_cleanse(copy, sizeof(copy));
	return key;
}

static int make_signed(
	X509 *ca, EVP_PKEY *ca_key, const char *node, char **out_certificate, char **out_key)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = key != NULL ? new_certificate(key, node) : NULL;
	char *text = NULL, *key_text = NULL;
	if (certificate != NULL && sign_node(certificate, ca, ca_key)) {
		text = certificate_text(certificate);
		key_text = plain_key_text(key);
	}
	X509_free(certificate);
	EVP_PKEY_free(key);
	if (text == NULL || key_text == NULL) {
		key_free(text);
		key_free(key_text);
		return fail();
	}
	*out_certificate = text;
	*out_key = key_text;
	return 0;
}

int keys_make_node(const struct ca_texts *ca, const char *passphrase, const char *node,
	char **out_certificate, char **out_key)
{
	X509 *ca_certificate = read_certificate(ca->certificate);
	if (ca_certificate == NULL)
		return -EBADMSG;
	EVP_PKEY *ca_key = read_sealed_key(ca->sealed_key, passphrase);
	int error = -EACCES;
	if (ca_key != NULL && X509_check_private_key(ca_certificate, ca_key) == 1)
		error = make_signed(ca_certificate, ca_key, node, out_certificate, out_key);
	else if (ca_key != NULL)
		error = -EBADMSG;
	EVP_PKEY_free(ca_key);
	X509_free(ca_certificate);
	return error;
}

int keys_make_passphrase(char out[PASSPHRASE_SIZE])
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* no l, o, 0, 1 */
	unsigned char random[25];
	_Static_assert(sizeof(letters) == 33, "five bits a letter");
	if (RAND_bytes(random, sizeof(random)) != 1)
		return fail();
	size_t at = 0;
	for (size_t i = 0; i < sizeof(random); i++) {
		if (i > 0 && i % 5 == 0)
			out[at++] = '-';
		out[at++] = letters[random[i] & 31];
	}
	out[at] = '\0';
	CHECK(at + 1 == PASSPHRASE_SIZE);
	return 0;
}
